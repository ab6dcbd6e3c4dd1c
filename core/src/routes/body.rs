//! The body of a request, in the one format in which its route reads it.

use super::json::Json;
use super::messages::{Decoded, Descriptor};
use crate::denial::{Denial, Reason};
use crate::grpc;
use crate::reading::{MediaType, Parameters, Parts, Reading, Rule, is_override};

/// The format in which a route reads bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `multipart/form-data`.
    Multipart,
    /// One message of gRPC, in Protocol Buffers.
    Message,
}

/// The media type of forms.
pub(super) const FORM: &str = "application/x-www-form-urlencoded";

/// A body that was read.
#[derive(Debug)]
pub(super) enum Body {
    Json(Json),
    Form(Parameters),
    Multipart(Parts),
    Message(Decoded),
}

impl Format {
    /// Reads a whole body; a gRPC message by its descriptor.
    ///
    /// # Errors
    /// [`Reason::BadFact`] when the request calls it something else, [`Reason::Ambiguous`] for a content encoding,
    /// another charset, and what two parsers could read differently.
    pub(super) fn read(
        self,
        bytes: &[u8],
        reading: &Reading,
        descriptor: Option<&Descriptor>,
    ) -> Result<Body, Denial> {
        let ty = self.check(reading)?;
        match self {
            Self::Json => {
                let json = Json::parse(bytes, reading.relaxed())?;
                let other = json.keys().any(is_override);
                Rule::MethodOverride.refuse_if(other, reading.relaxed(), "the body has a `_method`")?;
                Ok(Body::Json(json))
            }
            Self::Form => Parameters::of_form(bytes, reading.relaxed()).map(Body::Form),
            Self::Multipart => {
                let parts = Parts::read(bytes, &ty)?;
                parts.check_method(reading.relaxed())?;
                Ok(Body::Multipart(parts))
            }
            Self::Message => {
                let message = grpc::message(bytes)?;
                let descriptor = descriptor
                    .ok_or_else(|| Denial::new(Reason::BadFact, "nothing describes the message"))?;
                descriptor.decode(message).map(Body::Message).map_err(|why| why.denial("the message"))
            }
        }
    }

    /// The media type, if it names this format, in UTF-8 and as it is.
    ///
    /// # Errors
    /// See [`Format::read`].
    pub(crate) fn check(self, reading: &Reading) -> Result<MediaType, Denial> {
        let encoding = reading.header("content-encoding")?;
        if encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
            return Err(Rule::ContentEncodings.broken("it hides the body that policy reads"));
        }
        let ty = reading.media_type()?.filter(|ty| self.is_named_by(ty));
        let ty = ty.ok_or_else(|| {
            let name = match self {
                Self::Json => "JSON",
                Self::Form => "a form",
                Self::Multipart => "`multipart/form-data`",
                Self::Message => "gRPC with Protocol Buffers",
            };
            Denial::new(Reason::BadFact, format!("`content-type` is not {name}, and policy reads the body"))
        })?;
        let other = || Rule::Charsets.broken("`content-type` names another than utf-8");
        if ty.is_utf8() { Ok(ty) } else { Err(other()) }
    }

    pub(super) fn is_named_by(self, ty: &MediaType) -> bool {
        match self {
            Self::Json => {
                let named = ["json", "x-amz-json-1.0", "x-amz-json-1.1"];
                let subtype = ty.essence.strip_prefix("application/");
                subtype.is_some_and(|subtype| named.contains(&subtype) || subtype.ends_with("+json"))
            }
            Self::Form => ty.essence == FORM,
            Self::Multipart => ty.essence == "multipart/form-data",
            Self::Message => ["application/grpc", "application/grpc+proto"].contains(&ty.essence.as_str()),
        }
    }
}
