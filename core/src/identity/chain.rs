//! Who takes part in a request, and whether approvers can be told apart from all of them.

use countersign_protocol::person::{Involved, Person, Role};

use super::accounts::{Accounts, Kind};
use super::{Found, Named};
use crate::denial::{Denial, Reason};
use crate::entity::EntityName;

type OwnerOf<'a> = &'a dyn Fn(&EntityName, &str) -> Option<EntityName>;

/// Collects those who take part, and the first reason why nobody may countersign.
struct Part<'a> {
    accounts: &'a Accounts,
    owner_of: OwnerOf<'a>,
    involved: Vec<Involved>,
    fault: Option<Denial>,
}

/// Everybody who takes part, the principal first, then whom it acts for, then owners from entities.
pub(super) fn involve(
    found: &Found,
    accounts: &Accounts,
    owner_of: OwnerOf<'_>,
) -> (Vec<Involved>, Option<Denial>) {
    let Found { principal, chain, .. } = found;
    let mut part = Part { accounts, owner_of, involved: Vec::new(), fault: None };
    part.add(principal, Role::Requester);
    if let Some((subject, between)) = chain.split_last() {
        between.iter().for_each(|named| part.add(named, Role::Delegate));
        part.add(subject, Role::Owner);
    }
    part.add_owner(principal, chain.is_empty());
    for (index, named) in chain.iter().enumerate() {
        part.add_owner(named, index + 1 == chain.len());
    }
    (part.involved, part.fault)
}

impl Part<'_> {
    /// Adds somebody in a role; a program has its own.
    fn add(&mut self, named: &Named, role: Role) {
        let Named { entity, vouched } = named;
        let (role, own) = match self.accounts.kind(&entity.ty) {
            Kind::Person { issuer } => {
                (role, Some(Person { issuer: issuer.to_owned(), subject: entity.id.clone() }))
            }
            Kind::Agent { .. } => (Role::Agent, None),
            Kind::Unknown => {
                let detail = format!("`identities.yaml` does not say who `{}` is", entity.ty);
                self.fault(Reason::IdentityNotComparable, detail);
                (role, None)
            }
        };
        let names = self.accounts.names(own.into_iter().chain(vouched.clone()));
        self.involved.push(Involved { role, entity: entity.to_string(), names });
    }

    /// Adds the owner whom a program's entity names. Only the last of the chain needs one: before it, who it
    /// acts for answers for it.
    fn add_owner(&mut self, named: &Named, needed: bool) {
        let Kind::Agent { owner } = self.accounts.kind(&named.entity.ty) else { return };
        match (self.owner_of)(&named.entity, owner) {
            Some(owner) if matches!(self.accounts.kind(&owner.ty), Kind::Agent { .. }) => {
                self.fault(
                    Reason::OwnerUnknown,
                    format!("`{owner}`, who owns `{}`, is no person", named.entity),
                );
            }
            Some(entity) => self.add(&Named { entity, vouched: None }, Role::Owner),
            None if needed => {
                self.fault(Reason::OwnerUnknown, format!("`{}` has no `{owner}`", named.entity));
            }
            None => {}
        }
    }

    fn fault(&mut self, reason: Reason, detail: String) {
        self.fault.get_or_insert(Denial::new(reason, detail));
    }
}
