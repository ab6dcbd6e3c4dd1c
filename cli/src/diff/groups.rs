//! Who did what to what, in as few lines as can be read: many resources of a type are one line.

use std::collections::BTreeMap;

use crate::replay::About;

/// Resources of a type that have a line each; more of them share one.
const RESOURCES: usize = 3;

/// Lines, the most frequent first, of how many requests of whom did what to what.
pub(super) fn lines(groups: &BTreeMap<About, u64>) -> Vec<String> {
    let mut types: BTreeMap<[&str; 3], Vec<(&About, u64)>> = BTreeMap::new();
    for (about, count) in groups {
        let key = [about.principal.as_str(), about.action.as_str(), kind(&about.resource)];
        types.entry(key).or_default().push((about, *count));
    }
    let mut lines = Vec::new();
    for ([principal, action, kind], of) in types {
        if of.len() > RESOURCES {
            let count: u64 = of.iter().map(|(_, count)| count).sum();
            let resources = of.len();
            lines.push((count, format!("{count} × {principal} {action} {kind}::* ({resources} resources)")));
            continue;
        }
        let line = |(about, count): (&About, u64)| {
            (count, format!("{count} × {} {} {}", about.principal, about.action, about.resource))
        };
        lines.extend(of.into_iter().map(line));
    }
    lines.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    lines.into_iter().map(|(_, line)| line).collect()
}

/// The type of an entity as Cedar writes it: what is before the `::"` of its id.
fn kind(entity: &str) -> &str {
    entity.split_once("::\"").map_or(entity, |(kind, _)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(resources: &[(&str, u64)]) -> Vec<String> {
        let about =
            |resource: &str| About { principal: "P".into(), action: "A".into(), resource: resource.into() };
        lines(&resources.iter().map(|(resource, count)| (about(resource), *count)).collect())
    }

    #[test]
    fn many_resources_of_a_type_are_one_line() {
        let three = [(r#"N::Key::"a""#, 1), (r#"N::Key::"b""#, 5), (r#"N::Key::"c::\"d""#, 1)];
        assert_eq!(
            of(&three),
            [r#"5 × P A N::Key::"b""#, r#"1 × P A N::Key::"a""#, r#"1 × P A N::Key::"c::\"d""#]
        );
        let four = [&three[..], &[(r#"N::Key::"e""#, 2), (r#"N::Build::"e""#, 7)]].concat();
        assert_eq!(of(&four), ["9 × P A N::Key::* (4 resources)", r#"7 × P A N::Build::"e""#]);
    }
}
