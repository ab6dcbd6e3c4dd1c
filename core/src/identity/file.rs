//! `identities.yaml` as it is written, and what is wrong with it.

use std::collections::BTreeMap;

use countersign_protocol::person::{GroupId, Person};
use serde::Deserialize;

use super::accounts::Accounts;
use crate::load::LoadError;
use crate::routes::is_type;
use crate::yaml::{self, Located};

const FILE: &str = "identities.yaml";

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct IdentitiesFile {
    #[serde(default)]
    people: BTreeMap<String, Located<PeopleEntry>>,
    #[serde(default)]
    agents: BTreeMap<String, Located<AgentsEntry>>,
    #[serde(default)]
    groups: BTreeMap<String, Located<GroupId>>,
    #[serde(default)]
    same: Vec<Located<Vec<Person>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PeopleEntry {
    issuer: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AgentsEntry {
    owner: String,
}

/// Reads the file; without it no type is mapped and no group is known.
pub(super) fn load(text: Option<&str>) -> Result<Accounts, Vec<LoadError>> {
    let Some(text) = text else { return Ok(Accounts::default()) };
    let file: IdentitiesFile = yaml::read(FILE, text).map_err(|error| vec![error])?;
    let errors = check(&file);
    if !errors.is_empty() {
        return Err(errors);
    }
    let mut accounts = Accounts {
        people: file.people.into_iter().map(|(ty, entry)| (ty, entry.value.issuer)).collect(),
        agents: file.agents.into_iter().map(|(ty, entry)| (ty, entry.value.owner)).collect(),
        groups: file.groups.into_iter().map(|(name, entry)| (name, entry.value)).collect(),
        ..Accounts::default()
    };
    for names in file.same {
        accounts.unite(names.value.into_iter().collect());
    }
    Ok(accounts)
}

fn check(file: &IdentitiesFile) -> Vec<LoadError> {
    let mut errors = Vec::new();
    let mut require = |line: usize, holds: bool, message: String| {
        if !holds {
            errors.push(LoadError::at(FILE, line, message));
        }
    };
    for (ty, entry) in &file.people {
        require(entry.line, is_type(ty), format!("`{ty}` is no entity type"));
        require(entry.line, !entry.value.issuer.is_empty(), format!("the issuer of `{ty}` is empty"));
    }
    for (ty, entry) in &file.agents {
        require(entry.line, is_type(ty), format!("`{ty}` is no entity type"));
        require(entry.line, !entry.value.owner.is_empty(), format!("the owner attribute of `{ty}` is empty"));
        let both = file.people.contains_key(ty);
        require(
            entry.line,
            !both,
            format!("`{ty}` is under `people` and under `agents`: it can be only one"),
        );
    }
    for (name, entry) in &file.groups {
        let named = !entry.value.issuer.is_empty() && !entry.value.id.is_empty();
        require(entry.line, named, format!("issuer or id of the group `{name}` is empty"));
    }
    for names in &file.same {
        let several = names.value.len() > 1;
        require(names.line, several, "`same` joins two names or more, this entry has fewer".to_owned());
        let empty = names.value.iter().any(|name| name.issuer.is_empty() || name.subject.is_empty());
        require(names.line, !empty, "a name under `same` has an empty issuer or subject".to_owned());
    }
    errors
}
