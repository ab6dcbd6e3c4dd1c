//! Guards of what routes are chosen by, and of what they take from bodies.

use super::Mutant;

pub(super) const ALL: [Mutant; 8] = [
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
        name: "other-slash",
        removes: "does not mind a slash more at the end of a path with a route",
        file: "core/src/routes/tree/spelling.rs",
        old: "best.add(&self.ends, asked, (way, false))",
        new: "()",
    },
    Mutant {
        name: "other-case",
        removes: "does not mind a path in another case than its route",
        file: "core/src/routes/tree/spelling.rs",
        old: "self.spelled.get(&folded)",
        new: "{ let _ = &folded; None }",
    },
    Mutant {
        name: "oneof-rivals",
        removes: "takes a member of a `oneof` though another is there",
        file: "core/src/routes/messages.rs",
        old: "step.rivals.iter().any(|rival| !message.all(*rival).is_empty())",
        new: "false",
    },
    Mutant {
        name: "compressed-message",
        removes: "reads a compressed message as one that is not",
        file: "core/src/grpc.rs",
        old: "flag != 0",
        new: "{ let _ = flag; false }",
    },
    Mutant {
        name: "first-of-a-batch",
        removes: "judges only the first request of a batch",
        file: "core/src/graphql/posted.rs",
        old: "Ok(all)",
        new: "Ok(all.into_iter().take(1).collect())",
    },
];
