//! A query: the values of a parameter are those that another reader of forms finds.

use countersign_core::reading::{Reading, Relaxed};

use crate::world::request;

/// The parameters that policy reads.
const NAMES: [&str; 3] = ["a", "tag", "é"];

/// An input is what stands behind the `?`.
pub(crate) fn run(query: &[u8]) -> bool {
    let facts = request("GET", &[b"/q?", query].concat(), &[], b"");
    let Ok(reading) = Reading::of(&facts, &Relaxed::default()) else { return false };
    let all: Vec<_> = form_urlencoded::parse(query).into_owned().collect();
    let mut read = NAMES.into_iter().map(|name| {
        let values = reading.query(name);
        assert_eq!(values, reading.query(name), "read in two ways");
        values.map(|values| agree(name, &values, &all)).is_ok()
    });
    read.all(|read| read)
}

/// That `values` are all that stand under `name` in `all`, and that no other name is taken for it.
pub(crate) fn agree(name: &str, values: &[String], all: &[(String, String)]) {
    let named = all.iter().filter(|(other, _)| other == name).map(|(_, value)| value);
    assert!(named.eq(values), "`{name}`: {values:?} of {all:?}");
    let taken = |other: &str| other.split('[').next().is_some_and(|head| head.to_lowercase() == name);
    let twin = all.iter().find(|(other, _)| other != name && taken(other));
    assert_eq!(twin, None, "another spelling of `{name}`");
    assert!(values.iter().all(|value| !value.contains('\0')), "a NUL");
}
