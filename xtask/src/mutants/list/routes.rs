//! Guards of routes that are chosen by what is in a body.

use super::Mutant;

pub(super) const ALL: [Mutant; 5] = [
    Mutant {
        name: "first-operation",
        removes: "judges only the first operation of a document",
        file: "core/src/graphql/document.rs",
        old: "in &self.operations {",
        new: "in self.operations.iter().take(1) {",
    },
    Mutant {
        name: "fragments-unseen",
        removes: "does not look into the fragments at the root of a document",
        file: "core/src/graphql/document.rs",
        old: "self.fragment(name, fields)?;",
        new: "if false { self.fragment(name, fields)?; }",
    },
    Mutant {
        name: "alias-for-name",
        removes: "takes a field's alias for its name",
        file: "core/src/graphql/document.rs",
        old: "field.name().ok_or_else(",
        new: "field.alias().and_then(|alias| alias.name()).or_else(|| field.name()).ok_or_else(",
    },
    Mutant {
        name: "first-of-a-batch",
        removes: "judges only the first request of a batch",
        file: "core/src/graphql/posted.rs",
        old: "Json::List(all) => Ok(all),",
        new: "Json::List(all) => Ok(all.into_iter().take(1).collect()),",
    },
    Mutant {
        name: "form-beside-query",
        removes: "chooses by a field of a form that is in the query too",
        file: "core/src/routes/asked.rs",
        old: "self.field(name)?.is_empty() || self.reading.query(name)?.is_empty()",
        new: "{ let _ = name; true }",
    },
];
