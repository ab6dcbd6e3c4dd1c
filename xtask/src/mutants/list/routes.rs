//! Guards of routes that are chosen by what is in a body.

use super::Mutant;

pub(super) const ALL: [Mutant; 4] = [
    Mutant {
        name: "first-operation",
        removes: "judges only the first operation of a document",
        file: "core/src/graphql/document.rs",
        old: "walk.select(&selections, &mut fields)?",
        new: "if fields.is_empty() { walk.select(&selections, &mut fields)? }",
    },
    Mutant {
        name: "fragments-unseen",
        removes: "does not look into the fragments at the root of a document",
        file: "core/src/graphql/document.rs",
        old: "self.fragment(name, fields)?",
        new: "{ let _ = (name, fields); }",
    },
    Mutant {
        name: "alias-for-name",
        removes: "takes a field's alias for its name",
        file: "core/src/graphql/document.rs",
        old: "field.name()",
        new: "field.alias().and_then(|alias| alias.name()).or_else(|| field.name())",
    },
    Mutant {
        name: "first-of-a-batch",
        removes: "judges only the first request of a batch",
        file: "core/src/graphql/posted.rs",
        old: "Ok(all)",
        new: "Ok(all.into_iter().take(1).collect())",
    },
];
