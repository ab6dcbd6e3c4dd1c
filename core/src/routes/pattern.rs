//! What a route matches: the parts of `match`, checked.

use super::facts::Params;
use crate::denial::Denial;
use crate::reading::{Reading, host_of};

/// Where a route applies: one host, or all below a domain.
pub(super) type HostPattern = String;

/// One step down the tree of a host's paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// This very segment.
    Literal(String),
    /// Any one segment that is not empty.
    Param,
    /// All the rest, at least one character.
    Tail,
}

/// What must hold besides host and path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Conditions {
    /// Methods; empty means any.
    pub(super) methods: Vec<String>,
    /// Headers and the value that each must have.
    pub(super) headers: Vec<(String, String)>,
}

impl Conditions {
    /// Whether they hold for a request.
    pub(super) fn hold(&self, reading: &Reading) -> Result<bool, Denial> {
        if !self.methods.is_empty() && !self.methods.contains(&reading.method) {
            return Ok(false);
        }
        for (name, value) in &self.headers {
            if reading.header(name)? != Some(value) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The order in which routes of one path are tried: named methods first, then more headers.
    pub(super) fn rank(&self) -> (bool, std::cmp::Reverse<usize>) {
        (self.methods.is_empty(), std::cmp::Reverse(self.headers.len()))
    }

    /// Whether a request could fit both, with nothing to say which is meant.
    pub(super) fn ties(&self, other: &Self) -> bool {
        if self.methods.is_empty() != other.methods.is_empty() {
            return false;
        }
        let share =
            self.methods.is_empty() || self.methods.iter().any(|method| other.methods.contains(method));
        share && !self.excludes(other) && !self.narrows(other) && !other.narrows(self)
    }

    /// Whether a header must have one value here and another there.
    fn excludes(&self, other: &Self) -> bool {
        let differs =
            |(name, value): &(String, String)| other.headers.iter().any(|(n, v)| n == name && v != value);
        self.headers.iter().any(differs)
    }

    /// Whether it asks for all that the other asks for, and more.
    fn narrows(&self, other: &Self) -> bool {
        self.headers.len() > other.headers.len()
            && other.headers.iter().all(|header| self.headers.contains(header))
    }
}

/// A host as a request names it (lower case, no port), or `*.` and a domain.
pub(super) fn host(text: &str) -> Result<HostPattern, String> {
    let name = text.strip_prefix("*.").unwrap_or(text);
    match host_of(name) {
        Ok(host) if host == name => Ok(text.to_owned()),
        _ => Err(format!("`{text}` is no host: write it in lower case, without port, or as `*.example.com`")),
    }
}

/// A path template's steps and parameters.
pub(super) fn path(text: &str) -> Result<(Vec<Step>, Params), String> {
    let inside = text.strip_prefix('/').ok_or_else(|| format!("path `{text}` does not start with `/`"))?;
    let count = inside.split('/').count();
    let mut params = Params::default();
    let mut steps = Vec::new();
    for (index, segment) in inside.split('/').enumerate() {
        let step = step(text, segment, index + 1 == count, &mut params)?;
        steps.push(step);
    }
    Ok((steps, params))
}

fn step(path: &str, segment: &str, last: bool, params: &mut Params) -> Result<Step, String> {
    let Some(name) = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
        return literal(path, segment, last).map(Step::Literal);
    };
    let (name, tail) = name.strip_suffix('*').map_or((name, false), |name| (name, true));
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Err(format!("path `{path}`: `{segment}` is no parameter: write `{{name}}` or `{{name*}}`"));
    }
    if tail && !last {
        return Err(format!("path `{path}`: the tail `{segment}` must be the last segment"));
    }
    if params.names.iter().any(|other| other == name) {
        return Err(format!("path `{path}` has the parameter `{name}` twice"));
    }
    params.names.push(name.to_owned());
    params.tail = tail;
    Ok(if tail { Step::Tail } else { Step::Param })
}

/// A literal is written decoded, and only what can be in a segment is taken.
fn literal(path: &str, segment: &str, last: bool) -> Result<String, String> {
    let odd = segment.contains(['{', '}', '%', '?', '#', '\\', ';']) || segment.chars().any(char::is_control);
    if odd {
        return Err(format!(
            "path `{path}`: `{segment}` is no segment: a parameter takes a whole segment, and literals are \
             written decoded, without query"
        ));
    }
    if segment == "." || segment == ".." || (segment.is_empty() && !last) {
        return Err(format!("path `{path}` has the segment `{segment}`, which no request has"));
    }
    Ok(segment.to_owned())
}

/// A method as requests have it.
pub(super) fn method(text: &str) -> Result<String, String> {
    let good = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    good.then(|| text.to_owned()).ok_or_else(|| format!("method `{text}`: write methods in capitals"))
}

/// Whether a text is a header's name in lower case.
pub(crate) fn is_header_name(text: &str) -> bool {
    let fits =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(fits)
}
