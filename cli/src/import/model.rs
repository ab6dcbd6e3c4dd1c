//! An API in the terms of routes and schema, whatever described it.

use std::collections::{BTreeMap, BTreeSet};

/// An API that is imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Api {
    /// Of its files and marks: `pet-store`.
    pub(super) name: String,
    /// `PetStore`.
    pub(super) namespace: String,
    /// Entity types of callers, fully qualified; empty means that the namespace declares its own.
    pub(super) principals: Vec<String>,
    /// Entity types of resources, and those that each may lie in; all in the namespace.
    pub(super) types: BTreeMap<String, BTreeSet<String>>,
    pub(super) operations: Vec<Operation>,
}

/// One operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Operation {
    /// What it is called in marks and reports: `DELETE /pets/{petId}`.
    pub(super) key: String,
    /// The id of its action.
    pub(super) action: String,
    /// Tags, each a group of actions.
    pub(super) tags: Vec<String>,
    pub(super) hosts: Vec<String>,
    pub(super) requests: Requests,
    pub(super) resource: Entity,
    pub(super) parents: Vec<Entity>,
    pub(super) context: Vec<Member>,
    /// Whether it deletes something.
    pub(super) destructive: bool,
}

/// The requests that an operation takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Requests {
    /// Those of a method and a path template.
    Http { method: String, path: String },
    /// Calls of a gRPC method, `package.Service/Method`.
    Grpc(String),
}

/// An entity as a route names it: type in the namespace, and template of the id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entity {
    pub(super) ty: String,
    pub(super) id: String,
}

/// One member of the context, or of a record in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) optional: bool,
    pub(super) content: Content,
}

/// What a member holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    /// A fact: where from, and its type.
    Fact(String, String),
    /// Members; `from`: the fact that says whether it is there, where that is not told by them.
    Record { from: Option<String>, members: Vec<Member> },
}

/// The entity types of all resources, with those that each may lie in.
pub(super) fn types(operations: &[Operation]) -> BTreeMap<String, BTreeSet<String>> {
    let mut types: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for operation in operations {
        let parents = operation.parents.iter().map(|parent| parent.ty.clone());
        types.entry(operation.resource.ty.clone()).or_default().extend(parents);
        for parent in &operation.parents {
            types.entry(parent.ty.clone()).or_default();
        }
    }
    types
}
