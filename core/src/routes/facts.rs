//! Where a fact comes from, and how what stands there becomes a typed value.

use std::borrow::Cow;
use std::fmt;

use super::body::{Body, Format};
use super::json::{Json, Pointer};
use super::messages::{self, Messages};
use super::pattern::Params;
use super::types::{Type, excess, has_nul};
use crate::denial::{Denial, Reason};
use crate::reading::{Part, PartContent, Reading, Relaxed, Rule};
use crate::value::Value;

/// Where a fact comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// The parameter of the path template at this place.
    Path(usize),
    /// A query parameter.
    Query(String),
    /// A header, by its name in lower case.
    Header(String),
    /// A place in the JSON body.
    Body(Pointer),
    /// A field of the form that is the body.
    Form(String),
    /// The parts of this name of a multipart body: what of them.
    Part(String, Aspect),
    /// The names of all parts.
    Parts,
    /// A field of the gRPC message that is the body.
    Message(Box<messages::Path>),
}

/// Reads what only one kind of route knows of where a fact comes from.
pub(super) type Other<'a> = &'a dyn Fn(&str) -> Option<Result<Fact, String>>;

/// What of a part is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aspect {
    /// The text of a field.
    Text,
    /// A file's name, as the client says it.
    FileName,
    /// A file's media type, as the client says it.
    FileType,
    /// A file's size in bytes.
    FileSize,
}

/// One fact that a route takes: where from, and what it is called in messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fact {
    pub(super) source: Source,
    /// As it is written in the file, `body:/table`.
    pub(super) written: String,
    /// Whether it is the tail of the path, which may span segments.
    pub(super) tail: bool,
}

/// What a fact is before it has a type.
pub(super) enum Raw<'a> {
    Text(Cow<'a, str>),
    Texts(Vec<String>),
    Json(&'a Json),
}

/// What a route takes its facts from.
pub(super) struct Inputs<'a> {
    pub(super) reading: &'a Reading,
    /// Values of the path template's parameters, in its order.
    pub(super) captured: &'a [String],
    /// The body, when the route reads it and there is one.
    pub(super) body: Option<Body>,
}

impl Fact {
    /// Reads `path.x`, `query:x`, `header:x`, `body:/pointer` or `form:x`; the first `.` or `:` separates.
    pub(super) fn parse(written: &str, params: &Params) -> Result<Self, String> {
        let (kind, rest) = written.split_once(['.', ':']).unwrap_or((written, ""));
        let source = match kind {
            "path" => params
                .place(rest)
                .map(Source::Path)
                .ok_or_else(|| format!("`{written}`: the path template has no parameter `{rest}`"))?,
            "part" if !rest.is_empty() => Source::Part(rest.to_owned(), Aspect::Text),
            "filename" if !rest.is_empty() => Source::Part(rest.to_owned(), Aspect::FileName),
            "filetype" if !rest.is_empty() => Source::Part(rest.to_owned(), Aspect::FileType),
            "filesize" if !rest.is_empty() => Source::Part(rest.to_owned(), Aspect::FileSize),
            "parts" if written == "parts" => Source::Parts,
            "form" if !rest.is_empty() => Source::Form(rest.to_owned()),
            "query" if !rest.is_empty() => Source::Query(rest.to_owned()),
            "header" if super::pattern::is_header_name(rest) => Source::Header(rest.to_owned()),
            "header" => return Err(format!("`{written}`: write the header's name in lower case")),
            "body" => Source::Body(Pointer::parse(rest).ok_or_else(|| {
                format!("`{written}`: after `body:` comes a JSON pointer like `/table` (RFC 6901)")
            })?),
            _ => {
                return Err(format!(
                    "`{written}` says not where it comes from: `path.x`, `query:x`, `header:x`, \
                     `body:/pointer`, `form:x`, `part:x`, `filename:x`, `filetype:x`, `filesize:x`, `parts` or, of a gRPC \
                     method, `message:x.y`"
                ));
            }
        };
        let tail = params.tail && source == Source::Path(params.all.len().saturating_sub(1));
        Ok(Self { source, written: written.to_owned(), tail })
    }

    /// A field of the request message of a gRPC method, when it is written as one: `message:total.units`.
    pub(super) fn of_message(
        written: &str,
        method: &str,
        messages: &Messages,
    ) -> Option<Result<Self, String>> {
        let path = messages.path(method, written.strip_prefix("message:")?);
        Some(match path {
            Ok(path) => {
                let source = Source::Message(Box::new(path));
                Ok(Self { source, written: written.to_owned(), tail: false })
            }
            Err(why) => Err(format!("`{written}`: {why}")),
        })
    }

    /// A fact of a JSON message, under another name than a route's body has.
    pub(super) fn in_body(pointer: Pointer, written: &str) -> Self {
        Self { source: Source::Body(pointer), written: written.to_owned(), tail: false }
    }

    /// The format of the body that it reads, if it reads it.
    pub(super) fn format(&self) -> Option<Format> {
        match self.source {
            Source::Body(_) => Some(Format::Json),
            Source::Form(_) => Some(Format::Form),
            Source::Part(..) | Source::Parts => Some(Format::Multipart),
            Source::Message(_) => Some(Format::Message),
            Source::Path(_) | Source::Query(_) | Source::Header(_) => None,
        }
    }

    /// Whether it is always a list, by its descriptor.
    pub(super) fn is_list(&self) -> bool {
        matches!(&self.source, Source::Message(path) if path.is_list())
    }

    /// Whether it is whether a message is there.
    pub(super) fn is_presence(&self) -> bool {
        matches!(&self.source, Source::Message(path) if path.is_presence())
    }

    /// Whether what stands there can be of this type, as far as that is known.
    pub(super) fn fits(&self, ty: &Type) -> bool {
        !matches!(&self.source, Source::Message(path) if !path.fits(ty))
    }

    /// What is there, `None` when nothing is (JSON's `null` is nothing). `list`: whether several values are
    /// wanted.
    pub(super) fn raw<'a>(&self, inputs: &'a Inputs<'_>, list: bool) -> Result<Option<Raw<'a>>, Denial> {
        let reading = inputs.reading;
        Ok(match &self.source {
            Source::Path(place) => inputs.captured.get(*place).map(|text| Raw::Text(text.into())),
            Source::Query(name) => {
                self.refuse_in_body(name, inputs)?;
                self.one_or_list(reading.query(name)?, list)?
            }
            Source::Form(name) => match &inputs.body {
                _ if !reading.query(name)?.is_empty() => return Err(self.in_both("query")),
                Some(Body::Form(form)) => self.one_or_list(form.values(name, reading.relaxed())?, list)?,
                _ => None,
            },
            Source::Part(name, aspect) => match &inputs.body {
                _ if !reading.query(name)?.is_empty() => return Err(self.in_both("query")),
                Some(Body::Multipart(parts)) => {
                    let parts = parts.named(name, reading.relaxed())?;
                    let texts = parts.into_iter().map(|part| self.aspect(part, *aspect));
                    self.one_or_list(texts.collect::<Result<_, _>>()?, list)?
                }
                _ => None,
            },
            Source::Parts => match &inputs.body {
                Some(Body::Multipart(parts)) => self.one_or_list(parts.names(), list)?,
                _ => None,
            },
            Source::Message(path) => match &inputs.body {
                Some(Body::Message(message)) => {
                    let texts =
                        path.find(message).map_err(|why| why.denial(&format!("`{}`", self.written)))?;
                    // A list without members is there all the same.
                    if path.is_list() { Some(Raw::Texts(texts)) } else { self.one_or_list(texts, list)? }
                }
                _ => None,
            },
            Source::Header(name) if list => {
                let members: Vec<_> = reading.header_list(name)?.into_iter().map(str::to_owned).collect();
                (!members.is_empty()).then_some(Raw::Texts(members))
            }
            Source::Header(name) => reading.header(name)?.map(|text| Raw::Text(text.into())),
            Source::Body(pointer) => match &inputs.body {
                Some(Body::Json(json)) => {
                    let found = json.at(pointer, reading.relaxed())?;
                    found.filter(|json| **json != Json::Null).map(Raw::Json)
                }
                _ => None,
            },
        })
    }

    /// A field is no file, and a file no field: a part of the other kind cannot be used.
    fn aspect(&self, part: &Part, aspect: Aspect) -> Result<String, Denial> {
        match (&part.content, aspect) {
            (PartContent::Field(Some(text)), Aspect::Text) => Ok(text.clone()),
            (PartContent::Field(None), Aspect::Text) => {
                Err(Rule::NotUtf8.broken(format_args!("`{}` is not UTF-8", self.written)))
            }
            (PartContent::File { name, .. }, Aspect::FileName) => Ok(name.clone()),
            (PartContent::File { ty, .. }, Aspect::FileType) => Ok(ty.clone()),
            (PartContent::File { size, .. }, Aspect::FileSize) => Ok(size.to_string()),
            (PartContent::File { .. }, Aspect::Text) => Err(self.bad("is a file")),
            (PartContent::Field(_), _) => Err(self.bad("is no file")),
        }
    }

    /// Some upstreams join query and form, and let the one or the other win.
    fn in_both(&self, other: &str) -> Denial {
        Rule::RepeatedParameters.broken(format_args!("`{}` is in the {other} too", self.written))
    }

    /// The same where a form was read for something else.
    fn refuse_in_body(&self, name: &str, inputs: &Inputs<'_>) -> Result<(), Denial> {
        let relaxed = inputs.reading.relaxed();
        let there = match &inputs.body {
            Some(Body::Form(form)) => !form.values(name, relaxed)?.is_empty(),
            Some(Body::Multipart(parts)) => !parts.named(name, relaxed)?.is_empty(),
            _ => false,
        };
        if there { Err(self.in_both("form")) } else { Ok(()) }
    }

    fn one_or_list<'a>(&self, mut values: Vec<String>, list: bool) -> Result<Option<Raw<'a>>, Denial> {
        match values.len() {
            0 => Ok(None),
            _ if list => Ok(Some(Raw::Texts(values))),
            1 => Ok(values.pop().map(|text| Raw::Text(text.into()))),
            count => {
                let times = format_args!("`{}` is there {count} times", self.written);
                Err(Rule::RepeatedParameters.broken(times))
            }
        }
    }

    /// The typed value, `None` when nothing is there.
    pub(super) fn value(&self, inputs: &Inputs<'_>, ty: &Type) -> Result<Option<Value>, Denial> {
        let list = matches!(ty, Type::Set(_));
        let Some(raw) = self.raw(inputs, list)? else { return Ok(None) };
        let value = match raw {
            Raw::Text(text) => ty.of_text(&text),
            Raw::Texts(texts) => ty.of_texts(&texts),
            Raw::Json(json) => ty.of_json(json),
        };
        let value = value.ok_or_else(|| self.bad(format_args!("is not {}", ty.article())))?;
        self.check(&value, inputs.reading.relaxed())?;
        Ok(Some(value))
    }

    fn check(&self, value: &Value, relaxed: &Relaxed) -> Result<(), Denial> {
        if let Some(excess) = excess(value) {
            return Err(self.bad(excess));
        }
        let place = format_args!("`{}` has a NUL", self.written);
        Rule::ControlCharacters.refuse_if(has_nul(value), relaxed, place)
    }

    /// The denial for a fact that is there and unusable.
    pub(super) fn bad(&self, why: impl fmt::Display) -> Denial {
        Denial::new(Reason::BadFact, format!("`{}` {why}", self.written))
    }
}
