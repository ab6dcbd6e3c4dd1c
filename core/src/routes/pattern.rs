//! What a route matches: the parts of `match`, checked.

use super::types::{is_long, uuid};
use crate::denial::{Denial, Reason};
use crate::reading::host_of;

/// Where a route applies: one host, or all below a domain.
pub(super) type HostPattern = String;

/// Most segments of a path template: a lookup goes as deep.
const MAX_SEGMENTS: usize = 64;

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

/// The parameters of a path template, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Params {
    pub(super) all: Vec<Param>,
    /// Whether the last takes all the rest of the path.
    pub(super) tail: bool,
}

/// One parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Param {
    pub(super) name: String,
    pub(super) shape: Shape,
}

/// What a parameter must look like. It does not choose the route: a value of another shape is refused, and never
/// left to a wider route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Anything.
    Text,
    /// A whole number in its one spelling, so that `007` is not another entity than `7`.
    Long,
    /// A UUID, of which the case does not matter.
    Uuid,
}

impl Params {
    /// The place of a parameter.
    pub(super) fn place(&self, name: &str) -> Option<usize> {
        self.all.iter().position(|param| param.name == name)
    }
}

impl Param {
    /// The value as it is used.
    ///
    /// # Errors
    /// [`Reason::BadFact`] when it has another shape.
    pub(super) fn read(&self, value: String) -> Result<String, Denial> {
        let (read, what) = match self.shape {
            Shape::Text => (Some(value), ""),
            Shape::Long => (Some(value).filter(|value| is_long(value)), "a whole number inside 64 bits"),
            Shape::Uuid => (uuid(&value), "a UUID"),
        };
        read.ok_or_else(|| Denial::new(Reason::BadFact, format!("`path.{}` is not {what}", self.name)))
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
    if count > MAX_SEGMENTS {
        return Err(format!("path `{text}` has {count} segments, at most {MAX_SEGMENTS} are read"));
    }
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
    let (name, shape) = match name.split_once(':') {
        Some((name, "Long")) if !tail => (name, Shape::Long),
        Some((name, "uuid")) if !tail => (name, Shape::Uuid),
        _ => (name, Shape::Text),
    };
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Err(format!(
            "path `{path}`: `{segment}` is no parameter: write `{{name}}`, `{{name:Long}}`, `{{name:uuid}}` or \
             `{{name*}}`"
        ));
    }
    if tail && !last {
        return Err(format!("path `{path}`: the tail `{segment}` must be the last segment"));
    }
    if params.place(name).is_some() {
        return Err(format!("path `{path}` has the parameter `{name}` twice"));
    }
    params.all.push(Param { name: name.to_owned(), shape });
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

/// The path of a gRPC method, `package.Service/Method`; with `*` for the method, of a whole service.
pub(super) fn grpc(text: &str) -> Result<String, String> {
    let word = |text: &str| {
        let starts = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
        starts && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    match text.split_once('/') {
        Some((service, "*")) if service.split('.').all(word) => Ok(format!("/{service}/{{method}}")),
        Some((service, method)) if service.split('.').all(word) && word(method) => Ok(format!("/{text}")),
        _ => Err(format!("grpc `{text}`: write it as `package.Service/Method` or `package.Service/*`")),
    }
}

/// A media type as requests are compared with it: lower case, no parameters.
pub(super) fn media_type(text: &str) -> Result<String, String> {
    let plain = |text: &str| is_header_name(text);
    let good =
        text.split_once('/').is_some_and(|(ty, subtype)| plain(ty) && plain(subtype)) && !text.contains('*');
    let refuse =
        || format!("content type `{text}`: write it in lower case, without parameters, as `text/plain`");
    good.then(|| text.to_owned()).ok_or_else(refuse)
}

/// Whether a text is a header's name in lower case.
pub(crate) fn is_header_name(text: &str) -> bool {
    let fits =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(fits)
}
