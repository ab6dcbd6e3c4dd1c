//! Names and values of a query or of a form, split once and decoded where policy reads them.

use super::path::{QUERY, decode, decoded_leniently};
use super::rules::{Relaxed, Rule, fold, is_taken_for};
use crate::denial::{Denial, Reason};

/// Most parameters that are split. Many frameworks stop reading about there, and would miss what policy saw.
const MAX_PARAMETERS: usize = 1000;

/// The parameters of a query or a form, their names decoded once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parameters {
    kind: Kind,
    all: Vec<Parameter>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Parameter {
    /// Decoded.
    name: String,
    folded: String,
    /// As it came.
    value: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Query,
    /// `application/x-www-form-urlencoded` (WHATWG URL section 5.1), in which `+` is a space to everybody.
    Form,
}

impl Kind {
    const fn place(self) -> &'static str {
        match self {
            Self::Query => "the query",
            Self::Form => "the form",
        }
    }

    fn read(self, raw: &str, relaxed: &Relaxed) -> Result<String, Denial> {
        let plus = self == Self::Query && raw.contains('+');
        Rule::QueryPlus.refuse_if(plus, relaxed, "the query has a `+`: escape it or the space")?;
        decode(&raw.replace('+', " "), QUERY, relaxed, self.place())
    }
}

/// Whether the query has a parameter by which some frameworks take another method (`_method=DELETE`). It is looked for
/// before anybody knows whether the query is read, and so in every way in which it could be read.
pub(super) fn overrides_method(path: &str) -> bool {
    let query = path.split_once('?').map_or("", |(_, query)| query);
    query.split(['&', ';']).any(|pair| {
        let name = decoded_leniently(&pair.split('=').next().unwrap_or_default().replace('+', " "));
        // Where frameworks are written in C, a name ends at a NUL.
        let name = name.split(u8::is_ascii_control).next().unwrap_or_default();
        is_override(&String::from_utf8_lossy(name))
    })
}

/// Whether a parameter of this name tells some frameworks the method.
pub(crate) fn is_override(name: &str) -> bool {
    // Most names are no such thing, and to fold them all would cost. No letter beyond ASCII folds to one of these.
    let mut words = name.as_bytes().windows(6);
    words.any(|word| word.eq_ignore_ascii_case(b"method")) && is_taken_for(&fold(name), "_method")
}

impl Parameters {
    /// Those of the query in `path`.
    pub(super) fn of_query(path: &str, relaxed: &Relaxed) -> Result<Self, Denial> {
        Self::split(Kind::Query, path.split_once('?').map_or("", |(_, query)| query), relaxed)
    }

    /// Those of a body.
    ///
    /// # Errors
    /// [`Reason::Ambiguous`] when parsers differ on how to split or decode it, [`Reason::BadFact`] when there
    /// are too many.
    pub(crate) fn of_form(body: &[u8], relaxed: &Relaxed) -> Result<Self, Denial> {
        let plain = body.iter().all(u8::is_ascii_graphic);
        Rule::RawBytes.refuse_if(!plain, relaxed, "the form has a byte that is not visible ASCII")?;
        let text = str::from_utf8(body).map_err(|_| Rule::NotUtf8.broken("the form is not UTF-8"))?;
        Self::split(Kind::Form, text, relaxed)
    }

    fn split(kind: Kind, text: &str, relaxed: &Relaxed) -> Result<Self, Denial> {
        let place = kind.place();
        Rule::QuerySemicolons.refuse_if(text.contains(';'), relaxed, format_args!("{place} has a `;`"))?;
        if text.is_empty() {
            return Ok(Self { kind, all: Vec::new() });
        }
        if text.split('&').nth(MAX_PARAMETERS).is_some() {
            let detail = format!("{place} has more than {MAX_PARAMETERS} parameters");
            return Err(Denial::new(Reason::BadFact, detail));
        }
        // Names are decoded like values: `%63onfirm` is `confirm` to every upstream.
        let parameter = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = kind.read(name, relaxed)?;
            Ok(Parameter { folded: fold(&name), name, value: value.to_owned() })
        };
        let all: Vec<_> = text.split('&').map(parameter).collect::<Result<_, Denial>>()?;
        let other = kind == Kind::Form && all.iter().any(|parameter| is_override(&parameter.name));
        Rule::MethodOverride.refuse_if(other, relaxed, "the form has a `_method`")?;
        Ok(Self { kind, all })
    }

    /// All values of `name`, in order, decoded once. A parameter without `=` has the value ``.
    ///
    /// # Errors
    /// [`Reason::Ambiguous`] when a value can be decoded in two ways, or a name is `name` in another
    /// case or with `[…]`.
    pub(crate) fn values(&self, name: &str, relaxed: &Relaxed) -> Result<Vec<String>, Denial> {
        let folded = fold(name);
        let mut values = Vec::new();
        for parameter in self.all.iter().filter(|parameter| is_taken_for(&parameter.folded, &folded)) {
            let place = format_args!("{} has another spelling of `{name}`", self.kind.place());
            Rule::QueryKeyCase.refuse_if(parameter.name != name, relaxed, place)?;
            if parameter.name == name {
                values.push(self.kind.read(&parameter.value, relaxed)?);
            }
        }
        Ok(values)
    }
}
