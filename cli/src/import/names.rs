//! Names that Cedar and routes take, from those that documents have.

use countersign_core::routes::COMMON_FACTS;

/// Words that are no names in Cedar, and types that an entity type would hide.
const RESERVED: [&str; 22] = [
    "if",
    "in",
    "is",
    "has",
    "like",
    "then",
    "else",
    "true",
    "false",
    "__cedar",
    "Bool",
    "Boolean",
    "Long",
    "String",
    "Set",
    "Record",
    "Entity",
    "Extension",
    "Action",
    "decimal",
    "datetime",
    "ipaddr",
];

/// Words of letters and digits in a text; `petId` is two.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut before = ' ';
    for character in text.chars() {
        if character.is_ascii_alphanumeric() {
            let starts = !before.is_ascii_alphanumeric()
                || (character.is_ascii_uppercase() && before.is_ascii_lowercase());
            match words.last_mut().filter(|_| !starts) {
                Some(word) => word.push(character),
                None => words.push(character.to_string()),
            }
        }
        before = character;
    }
    words
}

/// `PetStore`, a name of a namespace or an entity type; nothing when the text has no letter to begin with.
pub(super) fn pascal(text: &str) -> Option<String> {
    let capital = |word: String| {
        let mut characters = word.chars();
        characters
            .next()
            .map(|first| first.to_ascii_uppercase())
            .into_iter()
            .chain(characters)
            .collect::<String>()
    };
    let name: String = words(text).into_iter().map(capital).collect();
    let starts = name.starts_with(|first: char| first.is_ascii_alphabetic());
    match starts {
        true if RESERVED.contains(&name.as_str()) => Some(format!("{name}Item")),
        true => Some(name),
        false if name.is_empty() => None,
        false => Some(format!("V{name}")),
    }
}

/// `pet-store`, a name of files.
pub(super) fn slug(text: &str) -> String {
    words(text).join("-").to_ascii_lowercase()
}

/// A name of a member or a parameter: letters, digits and `_`.
pub(super) fn member(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let plain = plain.trim_matches('_');
    if plain.is_empty() || plain.starts_with(|first: char| first.is_ascii_digit()) {
        format!("p_{plain}")
    } else {
        plain.to_owned()
    }
}

/// A name for a member of the context that none of `taken` has, and no fact of every request.
pub(super) fn free(name: &str, prefix: &str, taken: &dyn Fn(&str) -> bool) -> String {
    let is_free = |name: &str| !taken(name) && !COMMON_FACTS.contains(&name);
    let plain = member(name);
    let prefixed = [plain.clone(), format!("{prefix}_{plain}")].into_iter();
    let numbered = (2..=1000).map(|number| format!("{prefix}_{plain}_{number}"));
    prefixed.chain(numbered).find(|name| is_free(name)).unwrap_or(plain)
}

/// A member's name as a schema writes it.
pub(super) fn attribute(name: &str) -> String {
    if RESERVED.contains(&name) { format!("\"{name}\"") } else { name.to_owned() }
}

/// A text in double quotes, as YAML and Cedar both read it.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A name as YAML reads it as a text: in quotes where it would be nothing, a boolean, or no plain scalar (YAML 1.2.2,
/// section 10.3.2).
pub(super) fn word(name: &str) -> String {
    let other = ["null", "true", "false"].iter().any(|word| name.eq_ignore_ascii_case(word));
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    if other || name.is_empty() || !name.chars().all(plain) { quoted(name) } else { name.to_owned() }
}

/// Whether a text can be the id of an entity or an action as it is.
pub(super) fn is_id(text: &str) -> bool {
    !text.is_empty() && !text.contains(['"', '\\']) && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_of_what_is_there() {
        assert_eq!(pascal("pet store (v2)").as_deref(), Some("PetStoreV2"));
        assert_eq!(pascal("pull_requests").as_deref(), Some("PullRequests"));
        assert_eq!(pascal("sets").as_deref(), Some("Sets"));
        assert_eq!(pascal("set").as_deref(), Some("SetItem"));
        assert_eq!(pascal("2fa").as_deref(), Some("V2fa"));
        assert_eq!(pascal("…"), None);
        assert_eq!(slug("Petstore API, 1.0"), "petstore-api-1-0");
        assert_eq!(member("filter[name]"), "filter_name");
        assert_eq!(member("2fa"), "p_2fa");
        for name in ["null", "Null", "~", "true", "FALSE", ""] {
            assert_eq!(word(name), format!("\"{name}\""));
        }
        assert_eq!(word("shop.null_1"), "shop.null_1");
        assert_eq!(free("path", "query", &|_| false), "query_path");
        assert_eq!(free("a", "body", &|name| name == "a"), "body_a");
    }
}
