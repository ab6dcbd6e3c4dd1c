//! What of a question is said where.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_protocol::Hash;
use countersign_protocol::request::{
    CedarRequest, ExactRequest, Gate, Piece, Question, Shown, ShownHeader, Terms,
};
use unicode_security::{MixedScript as _, skeleton};

use crate::words::{lasting, role, severity};
use crate::{Bytes, Label, Node, Note, Part, Row, Topic, Value};

/// How much stands before a piece of a body that is not bound, bytes.
const BEFORE: usize = 24;

/// How much of bytes says what they are.
const BEGINNING: usize = 4096;

pub(crate) fn of(question: &Question) -> Vec<Part> {
    let parts = [
        (Topic::Asked, asked(question)),
        (Topic::Why, question.gates.iter().flat_map(gate).collect()),
        (Topic::Said, said(question)),
        (Topic::Sent, sent(question)),
        (Topic::Body, body(&question.request)),
        (Topic::People, people(question)),
        (Topic::Terms, terms(&question.terms)),
        (Topic::Headers, headers(&question.request)),
        (Topic::Facts, facts(question)),
    ];
    let parts = parts.into_iter().filter(|(_, rows)| !rows.is_empty());
    parts.map(|(topic, rows)| Part { topic, rows }).collect()
}

fn row(label: Label, value: Value) -> Row {
    let (repeated, cut) = match &value {
        Value::Tree(node, _) => (node.repeats(), node.is_cut()),
        _ => (false, false),
    };
    let notes = [
        (has_word(&label, &value, &|word| !word.is_single_script()), Note::MixedScripts),
        (has_word(&label, &value, &looks_latin), Note::LooksLatin),
        (has_word(&label, &value, &|word| word.chars().any(is_right_to_left)), Note::RightToLeft),
        (repeated, Note::RepeatedNames),
        (cut, Note::NotTakenApart),
    ];
    let notes = notes.into_iter().filter_map(|(is, note)| is.then_some(note)).collect();
    Row { label, value, notes }
}

/// Whether any word of the request's in it is so.
fn has_word(label: &Label, value: &Value, is: &impl Fn(&str) -> bool) -> bool {
    let any = |text: &str| text.split_whitespace().any(is);
    let in_name = match label {
        Label::Ours(_) => false,
        Label::Field(name) | Label::Parameter(name) => any(name),
    };
    in_name
        || match value {
            Value::Line(text) | Value::Lines(text) => any(text),
            Value::Tree(node, _) => node.any_text(&any),
            Value::Bytes(_) | Value::Redacted { .. } | Value::Nothing => false,
        }
}

/// Whether a character turns the order of what stands around it (UAX 9: the blocks whose letters are of class R or AL,
/// Arabic digits among them).
fn is_right_to_left(c: char) -> bool {
    matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}'
        | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
}

/// Whether a word of other letters could be read as one of Latin letters (UTS 39, section 4). Languages in other
/// letters have many short words that could.
fn looks_latin(word: &str) -> bool {
    let foreign = word.chars().filter(|c| !c.is_ascii() && c.is_alphabetic()).count();
    foreign >= 3 && skeleton(word).all(|c| c.is_ascii())
}

fn line(label: &'static str, text: impl Into<String>) -> Row {
    row(Label::Ours(label), Value::Line(text.into()))
}

impl Row {
    fn noted(mut self, note: Note) -> Self {
        self.notes.push(note);
        self
    }
}

fn asked(question: &Question) -> Vec<Row> {
    let all = std::iter::once(&question.cedar).chain(&question.also);
    let one = |CedarRequest { principal, action, resource, .. }: &CedarRequest| {
        [line("who", principal), line("does", action), line("to", resource)]
    };
    all.flat_map(one).collect()
}

fn gate(gate: &Gate) -> Vec<Row> {
    let mut rows = vec![
        line("reason", gate.reason.as_deref().unwrap_or("a policy asks for an approval")),
        line("needs", format!("{} of {}", gate.quorum, gate.group_name)),
        line("group", format!("{} at {}", gate.group.id, gate.group.issuer)),
        line("policy", &gate.gate.id),
        line("policy hash", gate.gate.hash.to_string()),
    ];
    rows.extend(gate.channel.as_ref().map(|channel| line("channel", channel)));
    let glass = gate.break_glass.as_ref().map(|glass| &glass.group);
    rows.extend(
        glass.map(|group| line("may be opened alone by", format!("{} at {}", group.id, group.issuer))),
    );
    rows
}

fn people(question: &Question) -> Vec<Row> {
    let one = |one: &countersign_protocol::person::Involved| {
        let names = one.names.iter().map(|name| format!("{} at {}", name.subject, name.issuer));
        let names: Vec<_> = names.collect();
        let names = if names.is_empty() { String::new() } else { format!(": {}", names.join(", ")) };
        line(role(one.role), format!("{}{names}", one.entity))
    };
    question.involved.iter().map(one).collect()
}

fn said(question: &Question) -> Vec<Row> {
    let said = |text: &String| row(Label::Ours("why"), Value::Lines(text.clone())).noted(Note::Unchecked);
    question.justification.iter().map(said).collect()
}

fn terms(terms: &Terms) -> Vec<Row> {
    let uses = if terms.uses == 1 { "once".to_owned() } else { format!("up to {} times", terms.uses) };
    vec![
        line("this exact call", uses),
        line("within", lasting(terms.use_within_ms)),
        line("severity", severity(terms.severity)),
    ]
}

fn sent(question: &Question) -> Vec<Row> {
    let ExactRequest { method, scheme, authority, path, .. } = &question.request;
    let host = line("host", authority);
    let host = if is_plain_host(authority) { host } else { host.noted(Note::ForeignHost) };
    let mut rows = vec![line("method", method), line("scheme", scheme), host, line("path", path)];
    let query = path.split_once('?').map(|(_, query)| pairs(query)).unwrap_or_default();
    rows.extend(query);
    // Questions of earlier gateways do not say them.
    let bound = [("audience", &question.audience), ("route", &question.route)];
    rows.extend(bound.iter().filter(|(_, text)| !text.is_empty()).map(|(label, text)| line(label, *text)));
    rows
}

/// Whether a host is written in the letters that it has.
#[must_use]
pub fn is_plain_host(authority: &str) -> bool {
    // A label that begins so is another name in other letters (RFC 5890, section 2.3.2.1).
    let encoded = |label: &str| label.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("xn--"));
    authority.is_ascii() && !authority.split('.').any(encoded)
}

/// The pairs of a query or a form, decoded.
fn pairs(text: &str) -> Vec<Row> {
    let pairs = form_urlencoded::parse(text.as_bytes());
    pairs
        .map(|(name, value)| row(Label::Parameter(name.into_owned()), Value::Line(value.into_owned())))
        .collect()
}

fn body(request: &ExactRequest) -> Vec<Row> {
    let form = request.headers.iter().any(|header| {
        header.name == "content-type"
            && matches!(&header.value, Shown::Text(text) if text.starts_with("application/x-www-form-urlencoded"))
    });
    let mut rows = match &request.body {
        Shown::Text(text) if form && !text.is_empty() => {
            let whole = row(Label::Ours("as it was sent"), Value::Lines(text.clone()));
            pairs(text).into_iter().chain([whole]).collect()
        }
        Shown::Text(text) => tool_call(request, text).unwrap_or_else(|| vec![value("body", &request.body)]),
        shown => vec![value("body", shown)],
    };
    rows.extend(loose(request));
    rows.push(line("body SHA-256", request.body_sha256.to_string()));
    rows
}

/// The pieces of a body that are not bound, each with a little of what stands before it, to tell which it is. Pieces that
/// are none of this body's bind nothing, and are not written out: they could be the same bytes, very often.
fn loose(request: &ExactRequest) -> Option<Row> {
    let value = match &request.body {
        _ if request.loose.is_empty() => return None,
        Shown::Text(text) if request.has_loose_in_order() => {
            let ends = std::iter::once(0).chain(request.loose.iter().map(|piece| piece.end));
            let pieces = request.loose.iter().zip(ends).map(|(piece, before)| named(*piece, before, text));
            Value::Lines(pieces.collect::<Vec<_>>().join("\n"))
        }
        _ => Value::Line("any part of the body".into()),
    };
    Some(row(Label::Ours("may differ"), value).noted(Note::NotBound))
}

/// A piece with a little of what stands before it and behind the piece `before`.
fn named(piece: Piece, before: u64, text: &str) -> String {
    let [start, end, before] =
        [piece.start, piece.end, before].map(|at| usize::try_from(at).unwrap_or(usize::MAX));
    let from = text.floor_char_boundary(start.saturating_sub(BEFORE)).max(before);
    let named = text.get(from..end).map(str::to_owned);
    named.unwrap_or_else(|| format!("bytes {start} to {end}"))
}

/// A call of a tool (Model Context Protocol, `tools/call`): which server, which tool, with what, and what else the
/// message says. A message in which a name repeats is shown as the JSON that it is.
fn tool_call(request: &ExactRequest, text: &str) -> Option<Vec<Row>> {
    let message = Node::parse(text)?;
    let method = message.member("method")?.string()?;
    let params = message.member("params")?;
    let name = params.member("name")?.string()?;
    if method != "tools/call" || message.member("jsonrpc")?.string()? != "2.0" {
        return None;
    }
    let without = |node: &Node, names: &[&str]| {
        let members = node.members().unwrap_or_default().iter().filter(|(name, _)| !names.contains(&&**name));
        Node::Object(members.cloned().collect())
    };
    let arguments = params.member("arguments").cloned().unwrap_or(Node::Object(Vec::new()));
    let path = request.path.split('?').next().unwrap_or_default();
    let Node::Object(mut rest) = without(&message, &["params"]) else { return None };
    if let other @ Node::Object(_) = without(params, &["name", "arguments"])
        && other.members().is_some_and(|members| !members.is_empty())
    {
        rest.push(("params".to_owned(), other));
    }
    Some(vec![
        line("server", format!("{}{path}", request.authority)),
        line("tool", name),
        row(Label::Ours("arguments"), Value::Tree(arguments, Some(text.to_owned()))),
        row(Label::Ours("rest of the message"), Value::Tree(Node::Object(rest), None)),
    ])
}

fn headers(request: &ExactRequest) -> Vec<Row> {
    let one = |ShownHeader { name, value: shown, bound }: &ShownHeader| {
        let row = Row { label: Label::Field(name.clone()), ..value("", shown) };
        if *bound { row } else { row.noted(Note::NotBound) }
    };
    let trailers = request.trailers.iter().map(|trailer| {
        let row = one(trailer);
        Row { label: Label::Field(format!("{} (trailer)", trailer.name)), ..row }
    });
    let line_only = |mut row: Row| {
        if let Value::Lines(text) | Value::Tree(_, Some(text)) = row.value {
            row.value = Value::Line(text);
        }
        row
    };
    request.headers.iter().map(one).chain(trailers).map(line_only).collect()
}

fn facts(question: &Question) -> Vec<Row> {
    let all = std::iter::once(&question.cedar).chain(&question.also);
    let context = |request: &CedarRequest| {
        let text = request.context.to_string();
        Some(row(Label::Ours("context"), Value::Tree(Node::parse(&text)?, None)))
    };
    all.filter_map(context).collect()
}

fn value(label: &'static str, shown: &Shown) -> Row {
    let value = match shown {
        Shown::Text(text) if text.is_empty() => Value::Nothing,
        Shown::Text(text) => match Node::parse(text) {
            Some(node) => Value::Tree(node, Some(text.clone())),
            None => Value::Lines(text.clone()),
        },
        Shown::Base64(text) => bytes(text),
        Shown::Redacted { bytes } => Value::Redacted { bytes: *bytes },
    };
    let like_json = matches!(&value, Value::Lines(text) if text.trim_start().starts_with(['{', '[']));
    let row = row(Label::Ours(label), value);
    if like_json { row.noted(Note::NotTakenApart) } else { row }
}

/// What is no base64 after all is shown as the text that it is.
fn bytes(base64: &str) -> Value {
    let Ok(bytes) = STANDARD.decode(base64) else { return Value::Lines(base64.to_owned()) };
    // Only the beginning says it, and the library goes as deep into nested frames as they are many.
    let start = bytes.get(..BEGINNING).unwrap_or(&bytes);
    let kind = infer::get(start).map(|kind| kind.mime_type());
    Value::Bytes(Bytes { kind, len: bytes.len(), sha256: Hash::of(&bytes), base64: base64.to_owned() })
}
