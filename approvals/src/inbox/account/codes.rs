//! Setting up one-time codes.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use qrcode::{Color, QrCode};
use serde::Deserialize;

use super::{done, genuine};
use crate::api::extract::Form;
use crate::app::App;
use crate::auth::Session;
use crate::auth::factors::{FactorError, NewCodes};
use crate::inbox::html;
use crate::inbox::login::Csrf;
use crate::inbox::page::{LoggedIn, Trouble, Viewer};

/// The quiet zone around a code, modules (ISO/IEC 18004).
const QUIET: usize = 4;

#[derive(Template)]
#[template(path = "codes.html")]
struct CodesPage {
    viewer: Viewer,
    wrong: bool,
    ceremony: String,
    /// The secret, in groups of four.
    secret: String,
    picture: Option<Picture>,
}

/// A QR code as the path of its dark modules.
struct Picture {
    size: usize,
    path: String,
}

#[derive(Deserialize)]
pub(super) struct FirstCode {
    csrf: String,
    ceremony: String,
    totp: String,
}

pub(super) async fn begin(
    State(app): State<Arc<App>>,
    LoggedIn(session): LoggedIn,
    Form(form): Form<Csrf>,
) -> Result<Response, Trouble> {
    genuine(&session, &form.csrf)?;
    match app.auth.begin_codes(&session).await {
        Ok(codes) => Ok(page(&session, codes, false)),
        Err(error) => done(&app, &session, Err(error)).await,
    }
}

pub(super) async fn set(
    State(app): State<Arc<App>>,
    LoggedIn(session): LoggedIn,
    Form(form): Form<FirstCode>,
) -> Result<Response, Trouble> {
    genuine(&session, &form.csrf)?;
    match app.auth.set_codes(&session, &form.ceremony, &form.totp).await {
        Ok(None) => done::<FactorError>(&app, &session, Ok(())).await,
        Ok(Some(again)) => Ok(page(&session, again, true)),
        Err(error) => done(&app, &session, Err(error)).await,
    }
}

fn page(session: &Session, codes: NewCodes, wrong: bool) -> Response {
    let status = if wrong { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let letters: Vec<char> = codes.base32.chars().collect();
    let groups: Vec<String> = letters.chunks(4).map(|four| four.iter().collect()).collect();
    let page = CodesPage {
        viewer: Viewer::of(session, "/account"),
        wrong,
        ceremony: codes.ceremony,
        secret: groups.join(" "),
        picture: Picture::of(&codes.otpauth),
    };
    html(status, &page)
}

impl Picture {
    fn of(text: &str) -> Option<Self> {
        let code = QrCode::new(text).ok()?;
        let (width, colors) = (code.width(), code.to_colors());
        let dark = colors.iter().enumerate().filter(|(_, color)| **color == Color::Dark);
        let module =
            |(at, _): (usize, &Color)| format!("M{} {}h1v1h-1z", at % width + QUIET, at / width + QUIET);
        Some(Self { size: width + 2 * QUIET, path: dark.map(module).collect() })
    }
}
