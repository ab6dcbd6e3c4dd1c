//! A multipart body: its parts are those that another reader finds.

use std::convert::Infallible;
use std::sync::LazyLock;

use countersign_core::facts::RequestFacts;
use futures_util::FutureExt as _;
use futures_util::future::ready;
use futures_util::stream::once;
use multer::Multipart;

use crate::message::line;
use crate::world::{Takes, request};

/// The facts that are compared, by the method under which a route takes them.
static FACTS: LazyLock<Takes> = LazyLock::new(|| {
    let ty = "Set<String>";
    Takes::new(&[
        ("GET", "/", "parts", ty),
        ("PUT", "/", "part:a", ty),
        ("POST", "/", "filename:a", ty),
        ("PATCH", "/", "filetype:a", ty),
        ("DELETE", "/", "filesize:a", ty),
    ])
});

/// A part as another reader finds it.
struct Part {
    name: String,
    file: Option<String>,
    ty: Option<String>,
    content: Vec<u8>,
}

/// An input is the content type, a line feed, and the body.
pub(crate) fn run(input: &[u8]) -> bool {
    let (ty, body) = line(input);
    // An empty body holds no facts, and is no form to anybody.
    if body.is_empty() {
        return false;
    }
    let facts = |method: &str| request(method, b"/", &[("content-type", ty)], body);
    let taken = |method: &str| FACTS.texts(&facts(method));
    let Ok(names) = taken("GET") else { return false };
    // What it takes for no boundary at all, it does not read otherwise.
    let Some(boundary) = boundary(ty) else { return true };
    let parts = by_multer(body, boundary).expect("`multer` reads what is accepted");
    assert_eq!(names, of(&parts, |part| Some(part.name.clone())), "other names");
    let called: Vec<_> = parts.into_iter().filter(|part| part.name == "a").collect();
    if let Ok(texts) = taken("PUT") {
        let found =
            |part: &Part| part.file.is_none().then(|| String::from_utf8(part.content.clone()).ok())?;
        assert_eq!(texts, of(&called, found), "other texts");
    }
    if let Ok(files) = taken("POST") {
        assert_eq!(files, of(&called, |part| part.file.clone()), "other file names");
    }
    if let Ok(types) = taken("PATCH") {
        let found = |part: &Part| Some(part.ty.clone().unwrap_or_else(|| "text/plain".into()));
        assert_eq!(types, of(&called, found), "other types");
    }
    if let Ok(sizes) = taken("DELETE") {
        assert_eq!(sizes, of(&called, |part| Some(part.content.len().to_string())), "other sizes");
    }
    true
}

/// Names and texts of a request's fields that are no files; none when the body is not read.
pub(crate) fn texts(facts: &RequestFacts) -> Vec<(String, String)> {
    let ty = facts.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(b"content-type"));
    let parts = ty.and_then(|(_, ty)| by_multer(facts.body.as_deref()?, boundary(ty)?)).unwrap_or_default();
    let parts = parts.into_iter().filter(|part| part.file.is_none());
    parts.filter_map(|part| Some((part.name, String::from_utf8(part.content).ok()?))).collect()
}

fn of(parts: &[Part], what: impl Fn(&Part) -> Option<String>) -> Vec<String> {
    parts.iter().filter_map(what).collect()
}

/// A content type's boundary; nothing when `multer` finds none.
fn boundary(ty: &[u8]) -> Option<String> {
    multer::parse_boundary(str::from_utf8(ty).ok()?.trim()).ok()
}

/// Nothing when `multer` refuses the body.
fn by_multer(body: &[u8], boundary: String) -> Option<Vec<Part>> {
    let body = body.to_vec();
    let mut form = Multipart::new(once(ready(Ok::<_, Infallible>(body))), boundary);
    let mut parts = Vec::new();
    // All of the body is there, so that nothing is waited for.
    while let Some(field) = form.next_field().now_or_never()?.ok()? {
        let name = field.name()?.to_owned();
        let file = field.file_name().map(str::to_owned);
        let ty = field.content_type().map(|ty| ty.essence_str().to_ascii_lowercase());
        let content = field.bytes().now_or_never()?.ok()?.to_vec();
        parts.push(Part { name, file, ty, content });
    }
    Some(parts)
}
