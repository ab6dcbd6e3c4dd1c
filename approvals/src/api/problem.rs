//! Errors as people and programs see them: RFC 9457 problems with a stable `code`.

use std::collections::BTreeMap;

use axum::extract::rejection::{
    FormRejection, JsonRejection, PathRejection, QueryRejection, StringRejection,
};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;
use utoipa::openapi::{Content, Ref, RefOr, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

use crate::admin::AdminError;
use crate::auth::LoginError;
use crate::reason::BadReason;
use crate::store::StoreError;
use crate::store::answers::giving::Refused;
use crate::store::evidence::KeepError;
use crate::store::reviews::NotClosed;

/// One error reply.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    /// Stable, `snake_case`.
    pub(crate) code: String,
    /// One sentence.
    pub(crate) detail: String,
    /// When to try again, seconds.
    retry_after: Option<i64>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        Self { status, code: code.into(), detail: detail.into(), retry_after: None }
    }

    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is nothing here")
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this path has other methods")
    }

    pub(crate) fn unsupported_media_type(wanted: &str) -> Self {
        let detail = format!("this path takes `content-type: {wanted}`");
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail)
    }

    pub(crate) fn unprocessable(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    pub(crate) fn forbidden(code: &str, detail: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, detail)
    }

    pub(crate) fn unauthorized(detail: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
    }

    /// What went wrong inside is for the log, not for the caller.
    fn internal(error: &dyn std::error::Error) -> Self {
        tracing::error!(%error, "request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the service failed; its log says why")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!(Written {
            r#type: format!("urn:countersign:problem:{}", self.code),
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            code: self.code,
            detail: self.detail,
        });
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        let mut response = (self.status, kind, body.to_string()).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// An error as it is written: a problem (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct Written {
    /// `urn:countersign:problem:` and the code.
    r#type: String,
    /// The status in words.
    title: &'static str,
    status: u16,
    /// What went wrong, stable, `snake_case`.
    code: String,
    /// One sentence.
    detail: String,
}

/// What every operation may answer with instead, for its description.
pub(crate) struct Failed;

impl IntoResponses for Failed {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let content = Content::new(Some(RefOr::Ref(Ref::from_schema_name("Problem"))));
        let response = ResponseBuilder::new().description("A problem (RFC 9457)");
        let response = response.content("application/problem+json", content).build();
        BTreeMap::from([("default".to_owned(), response.into())])
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        if error.is_absence() {
            tracing::error!(%error, "the database cannot be reached");
            let detail = "the database cannot be reached: try again soon";
            let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "database_unavailable", detail);
            return Self { retry_after: Some(1), ..problem };
        }
        if error.is_unwritable() {
            let detail = "text cannot hold the character U+0000";
            return Self::new(StatusCode::BAD_REQUEST, "malformed_text", detail);
        }
        Self::internal(&error)
    }
}

impl From<AdminError> for Problem {
    fn from(error: AdminError) -> Self {
        let detail = error.to_string();
        match error {
            AdminError::Bad(_) => Self::unprocessable("bad_name", detail),
            AdminError::Taken(_) => Self::new(StatusCode::CONFLICT, "taken", detail),
            AdminError::Unknown(_) => Self::new(StatusCode::NOT_FOUND, "not_found", detail),
            AdminError::ShortToken => Self::unprocessable("short_token", detail),
            AdminError::LastAdmin => Self::new(StatusCode::CONFLICT, "last_admin", detail),
            AdminError::Store(error) => error.into(),
        }
    }
}

impl From<tokio::task::JoinError> for Problem {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::internal(&error)
    }
}

impl From<KeepError> for Problem {
    fn from(error: KeepError) -> Self {
        let (status, code) = match error {
            KeepError::Malformed(_) => (StatusCode::UNPROCESSABLE_ENTITY, "malformed_evidence"),
            KeepError::Foreign(_) => (StatusCode::FORBIDDEN, "foreign_producer"),
            KeepError::Conflict(_) => (StatusCode::CONFLICT, "evidence_conflict"),
            KeepError::Store(error) => return error.into(),
        };
        Self::new(status, code, error.to_string())
    }
}

impl From<LoginError> for Problem {
    fn from(error: LoginError) -> Self {
        let detail = error.to_string();
        match error {
            LoginError::Wrong => Self::new(StatusCode::UNAUTHORIZED, "wrong_credentials", detail),
            LoginError::Locked { wait } => Self {
                retry_after: Some(wait / 1000 + 1),
                ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", detail)
            },
            LoginError::NoPasswords => Self::forbidden("no_passwords", &detail),
            LoginError::Busy => {
                Self { retry_after: Some(1), ..Self::new(StatusCode::TOO_MANY_REQUESTS, "busy", detail) }
            }
            LoginError::Store(error) => error.into(),
        }
    }
}

impl From<BadReason> for Problem {
    fn from(error: BadReason) -> Self {
        Self::unprocessable("bad_reason", error.to_string())
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let status = match refused {
            Refused::Unknown => return Self::not_found(),
            Refused::Store(error) => return error.into(),
            Refused::NoReason => StatusCode::UNPROCESSABLE_ENTITY,
            Refused::BadTerms | Refused::OtherShown | Refused::AlreadyAnswered | Refused::Closed(_) => {
                StatusCode::CONFLICT
            }
            Refused::Ineligible(_) => StatusCode::FORBIDDEN,
        };
        Self::new(status, &refused.code(), refused.to_string())
    }
}

impl From<NotClosed> for Problem {
    fn from(error: NotClosed) -> Self {
        let detail = error.to_string();
        match error {
            NotClosed::Nothing => Self::new(StatusCode::CONFLICT, "nothing_to_review", detail),
            NotClosed::NotYours => Self::forbidden("not_reviewer", &detail),
            NotClosed::Store(error) => error.into(),
        }
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        Self::new(rejection.status(), "malformed_body", rejection.body_text())
    }
}

impl From<StringRejection> for Problem {
    fn from(rejection: StringRejection) -> Self {
        Self::new(rejection.status(), "malformed_body", rejection.body_text())
    }
}

impl From<FormRejection> for Problem {
    fn from(rejection: FormRejection) -> Self {
        Self::new(rejection.status(), "malformed_form", rejection.body_text())
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(rejection.status(), "malformed_query", rejection.body_text())
    }
}

impl From<PathRejection> for Problem {
    /// A name that cannot exist is a name that does not.
    fn from(_: PathRejection) -> Self {
        Self::not_found()
    }
}
