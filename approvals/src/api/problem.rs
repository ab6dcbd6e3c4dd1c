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
use crate::code::Code;
use crate::reason::BadReason;
use crate::store::StoreError;
use crate::store::answers::giving::Refused;
use crate::store::evidence::KeepError;
use crate::store::reviews::NotClosed;

/// One error reply.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) code: Code,
    /// One sentence.
    pub(crate) detail: String,
    /// When to try again, seconds.
    retry_after: Option<i64>,
}

impl Problem {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        let status = code.statuses().first().and_then(|status| StatusCode::from_u16(*status).ok());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, code, detail: detail.into(), retry_after: None }
    }

    /// With another of the code's statuses.
    fn rejected(code: Code, status: StatusCode, detail: String) -> Self {
        let problem = Self::new(code, detail);
        if code.statuses().contains(&status.as_u16()) { Self { status, ..problem } } else { problem }
    }

    pub(crate) fn not_found() -> Self {
        Self::new(Code::NotFound, "there is nothing here")
    }

    pub(crate) fn unauthorized(detail: &str) -> Self {
        Self::new(Code::Unauthorized, detail)
    }

    /// What went wrong inside is for the log, not for the caller.
    pub(crate) fn internal(error: &dyn std::error::Error) -> Self {
        tracing::error!(%error, "request failed");
        Self::new(Code::Internal, "the service failed; its log says why")
    }
}

impl IntoResponse for Problem {
    /// The reply carries the problem itself too: a browser gets a page of it.
    fn into_response(self) -> Response {
        let problem = self.clone();
        let code = self.code.name();
        let body = json!(Written {
            r#type: format!("urn:countersign:problem:{code}"),
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            code,
            detail: self.detail,
        });
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        let mut response = (self.status, kind, body.to_string()).into_response();
        response.extensions_mut().insert(problem);
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
    /// What went wrong, stable.
    #[schema(value_type = Code)]
    code: &'static str,
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
            let problem = Self::new(Code::DatabaseUnavailable, detail);
            return Self { retry_after: Some(1), ..problem };
        }
        if error.is_unwritable() {
            let detail = "text cannot hold the character U+0000";
            return Self::new(Code::MalformedText, detail);
        }
        Self::internal(&error)
    }
}

impl From<AdminError> for Problem {
    fn from(error: AdminError) -> Self {
        let code = match error {
            AdminError::Bad(_) => Code::BadName,
            AdminError::Taken(_) => Code::Taken,
            AdminError::Unknown(_) => Code::NotFound,
            AdminError::ShortToken => Code::ShortToken,
            AdminError::LastAdmin => Code::LastAdmin,
            AdminError::Store(error) => return error.into(),
        };
        Self::new(code, error.to_string())
    }
}

impl From<tokio::task::JoinError> for Problem {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::internal(&error)
    }
}

impl From<KeepError> for Problem {
    fn from(error: KeepError) -> Self {
        let code = match error {
            KeepError::Malformed(_) | KeepError::OwnKind(_) => Code::MalformedEvidence,
            KeepError::Foreign(_) => Code::ForeignProducer,
            KeepError::Conflict(_) => Code::EvidenceConflict,
            KeepError::Store(error) => return error.into(),
        };
        Self::new(code, error.to_string())
    }
}

impl From<LoginError> for Problem {
    fn from(error: LoginError) -> Self {
        let (code, retry_after) = match error {
            LoginError::Wrong => (Code::WrongCredentials, None),
            LoginError::Locked { wait } => (Code::TooManyAttempts, Some(wait / 1000 + 1)),
            LoginError::NoPasswords => (Code::NoPasswords, None),
            LoginError::Busy => (Code::Busy, Some(1)),
            LoginError::Store(error) => return error.into(),
        };
        Self { retry_after, ..Self::new(code, error.to_string()) }
    }
}

impl From<BadReason> for Problem {
    fn from(error: BadReason) -> Self {
        Self::new(Code::BadReason, error.to_string())
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Unknown => Self::not_found(),
            Refused::Store(error) => error.into(),
            refused => Self::new(refused.code(), refused.to_string()),
        }
    }
}

impl From<NotClosed> for Problem {
    fn from(error: NotClosed) -> Self {
        let code = match error {
            NotClosed::Nothing => Code::NothingToReview,
            NotClosed::NotYours => Code::NotReviewer,
            NotClosed::Store(error) => return error.into(),
        };
        Self::new(code, error.to_string())
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        Self::rejected(Code::MalformedBody, rejection.status(), rejection.body_text())
    }
}

impl From<StringRejection> for Problem {
    fn from(rejection: StringRejection) -> Self {
        Self::rejected(Code::MalformedBody, rejection.status(), rejection.body_text())
    }
}

impl From<FormRejection> for Problem {
    fn from(rejection: FormRejection) -> Self {
        Self::rejected(Code::MalformedForm, rejection.status(), rejection.body_text())
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(Code::MalformedQuery, rejection.body_text())
    }
}

impl From<PathRejection> for Problem {
    /// A name that cannot exist is a name that does not.
    fn from(_: PathRejection) -> Self {
        Self::not_found()
    }
}
