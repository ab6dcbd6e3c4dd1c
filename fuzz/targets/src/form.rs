//! A form: the values of a field are those that another reader of forms finds.

use std::sync::LazyLock;

use crate::world::{Takes, request};

const TYPE: (&str, &[u8]) = ("content-type", b"application/x-www-form-urlencoded");

/// An input is the body.
pub(crate) fn run(body: &[u8]) -> bool {
    static FIELD: LazyLock<Takes> = LazyLock::new(|| Takes::new(&[("POST", "/", "form:tag", "Set<String>")]));
    let Ok(values) = FIELD.texts(&request("POST", b"/", &[TYPE], body)) else { return false };
    let all: Vec<_> = form_urlencoded::parse(body).into_owned().collect();
    crate::query::agree("tag", &values, &all);
    true
}
