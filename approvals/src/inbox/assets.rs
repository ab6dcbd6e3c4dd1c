//! The pages' own files, built into the program.

use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::api::problem::Problem;

pub(super) async fn file(Path(file): Path<String>) -> Response {
    let (kind, text) = match file.as_str() {
        "inbox.css" => ("text/css; charset=utf-8", include_str!("../../assets/inbox.css")),
        "inbox.js" => ("text/javascript; charset=utf-8", include_str!("../../assets/inbox.js")),
        "passkeys.js" => ("text/javascript; charset=utf-8", include_str!("../../assets/passkeys.js")),
        "icon.svg" => ("image/svg+xml", include_str!("../../assets/icon.svg")),
        _ => return Problem::not_found().into_response(),
    };
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], text).into_response()
}
