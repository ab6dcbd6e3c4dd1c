//! What routes are asked about: a request, and its form where one of them is chosen by it.

use std::cell::OnceCell;

use super::body::{Body, Format};
use crate::denial::{Denial, Reason};
use crate::reading::{Parameters, Reading, Rule};

/// Why there is no route (yet).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfound {
    /// A route is chosen by what is in the body, which is due first.
    NeedsBody,
    /// None takes the request.
    Denied(Denial),
}

/// A request whose form is read when the first asks for it.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) reading: &'a Reading,
    /// The whole body; nothing as long as it is not there.
    body: Option<&'a [u8]>,
    form: OnceCell<Result<Option<Parameters>, Denial>>,
}

impl From<Denial> for Unfound {
    fn from(denial: Denial) -> Self {
        Self::Denied(denial)
    }
}

impl<'a> Asked<'a> {
    pub(super) fn new(reading: &'a Reading, body: Option<&'a [u8]>) -> Self {
        Self { reading, body, form: OnceCell::new() }
    }

    /// The values of a field, where the request calls its body a form.
    pub(super) fn field(&self, name: &str) -> Result<Vec<String>, Unfound> {
        if !self.calls_it_form()? {
            return Ok(Vec::new());
        }
        let body = self.body.ok_or(Unfound::NeedsBody)?;
        let form = self.form.get_or_init(|| match Format::Form.read(body, self.reading, None)? {
            Body::Form(form) if !body.is_empty() => Ok(Some(form)),
            _ => Ok(None),
        });
        match form.as_ref().map_err(Clone::clone)? {
            Some(form) => Ok(form.values(name, self.reading.relaxed())?),
            None => Ok(Vec::new()),
        }
    }

    /// Upstreams that join query and form take either for the other.
    pub(super) fn refuse_in_both(&self, name: &str) -> Result<(), Unfound> {
        if self.field(name)?.is_empty() || self.reading.query(name)?.is_empty() {
            return Ok(());
        }
        Err(Rule::RepeatedParameters.broken(format_args!("`{name}` is in query and form")).into())
    }

    /// To upstreams that join query and form, a parameter is as good as the field by which routes are chosen.
    pub(super) fn refuse_in_query(&self, name: &str) -> Result<(), Unfound> {
        if self.reading.query(name)?.is_empty() {
            return Ok(());
        }
        let place =
            format_args!("`{name}` is in the query, and the routes of this path are chosen by it in a form");
        Err(Rule::RepeatedParameters.broken(place).into())
    }

    /// Some upstreams take any body for a form, whatever it is called: where routes are chosen by form, no other is
    /// left to a route that does not ask what it is.
    pub(super) fn refuse_other_body(&self) -> Result<(), Unfound> {
        if self.calls_it_form()? || self.body.ok_or(Unfound::NeedsBody)?.is_empty() {
            return Ok(());
        }
        let detail =
            "the routes of this path are chosen by a form, and `content-type` does not call the body one";
        Err(Denial::new(Reason::NoRoute, detail).into())
    }

    fn calls_it_form(&self) -> Result<bool, Denial> {
        Ok(self.reading.media_type()?.is_some_and(|ty| Format::Form.is_named_by(&ty)))
    }
}
