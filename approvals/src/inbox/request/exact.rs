//! The request as it is rendered for everybody, and what of it a page leaves out until it is asked for.

use countersign_view::{Bytes, Label, Part, Row, Topic, Value, View};

use super::Extent;
use crate::store::tickets::Ticket;

/// The longest request that is shown as a whole without being asked for, and rendered without waiting for a turn, bytes.
pub(super) const SHOWN_AT_ONCE: usize = 64 * 1024;
/// How much is shown of each part of one that is longer, bytes.
const BEGINNING: usize = SHOWN_AT_ONCE / 16;

/// A part of a request, or the beginning of it.
pub(super) struct Shown {
    pub(super) topic: Topic,
    pub(super) rows: Vec<Row>,
    /// How many bytes it has in all, where this is only the beginning.
    pub(super) of: Option<usize>,
}

impl Shown {
    /// What its heading is called in the page.
    pub(super) fn id(&self) -> &'static str {
        match self.topic {
            Topic::Asked => "asked",
            Topic::Why => "why",
            Topic::People => "people",
            Topic::Said => "said",
            Topic::Terms => "terms",
            Topic::Sent => "exact",
            Topic::Body => "body",
            Topic::Headers => "headers",
            Topic::Facts => "facts",
        }
    }
}

/// The request as it is rendered, from nothing but the question's bytes.
pub(super) fn view(ticket: &Ticket) -> View {
    View::of(&ticket.question, ticket.raw.as_bytes())
}

/// The parts of a page.
pub(super) fn shown(view: &View, ticket: &Ticket, extent: Extent) -> Vec<Shown> {
    let folded = is_folded(ticket, extent);
    let of = |part: &Part| match part.rows.iter().map(size).sum() {
        size if folded && size > BEGINNING => beginning(part, size),
        _ => Shown { topic: part.topic, rows: part.rows.clone(), of: None },
    };
    view.parts.iter().map(of).collect()
}

/// Whether a page shows less than all of it: what is not shown in full cannot be approved.
pub(in crate::inbox) fn is_folded(ticket: &Ticket, extent: Extent) -> bool {
    extent == Extent::Folded && ticket.raw.len() > SHOWN_AT_ONCE
}

/// How much longer a page gets by it, bytes.
fn size(row: &Row) -> usize {
    let label = match &row.label {
        Label::Ours(_) => 0,
        Label::Field(name) | Label::Parameter(name) => name.len(),
    };
    label + row.value.size()
}

fn beginning(part: &Part, size_of_all: usize) -> Shown {
    let (mut rows, mut room) = (Vec::new(), BEGINNING);
    for row in &part.rows {
        if size(row) > room {
            rows.extend(cut(row, room));
            break;
        }
        room -= size(row);
        rows.push(row.clone());
    }
    Shown { topic: part.topic, rows, of: Some(size_of_all) }
}

/// The beginning of a row, where it has one that can be read by itself.
fn cut(row: &Row, room: usize) -> Option<Row> {
    let start = |text: &str| text.get(..text.floor_char_boundary(room)).unwrap_or_default().to_owned();
    let value = match &row.value {
        Value::Line(text) => Value::Line(start(text)),
        Value::Lines(text) | Value::Tree(_, Some(text)) => Value::Lines(start(text)),
        Value::Bytes(bytes) => Value::Bytes(Bytes { base64: String::new(), ..bytes.clone() }),
        Value::Tree(_, None) | Value::Redacted { .. } | Value::Nothing => return None,
    };
    Some(Row { value, ..row.clone() })
}
