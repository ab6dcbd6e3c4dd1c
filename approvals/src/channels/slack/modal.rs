//! The window that asks why.

use countersign_protocol::{Hash, Token};
use serde_json::{Value, json};

use crate::inbox::PRESETS;
use crate::reason::Reason;
use crate::store::answers::Kind;

/// The longest text of a reason, characters: with what was chosen it stays below what a reason may have.
const LONGEST: u32 = 900;

/// Doubts to choose from; each at most 75 characters, as all options.
const DOUBTS: [&str; 3] =
    ["Somebody who knows this better has to look at it", "It looks unusual", "The reason given does not fit"];

/// What an answer is to: the request, and the hash of it as it was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) ticket: Token,
    pub(super) shown: Hash,
}

impl Target {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (ticket, shown) = text.split_once(' ')?;
        Some(Self { ticket: ticket.parse().ok()?, shown: shown.parse().ok()? })
    }
}

/// The window (`views.open`). What it brings back says where it was opened.
pub(super) fn view(kind: Kind, target: Target, place: &str) -> Value {
    let plain = |text: &str| json!({ "type": "plain_text", "text": text, "emoji": false });
    let (title, presets) = match kind {
        Kind::Flag => ("Flag this request", &DOUBTS[..]),
        _ => ("Reject this request", &PRESETS[..]),
    };
    let options: Vec<_> = presets.iter().map(|text| json!({ "text": plain(text), "value": text })).collect();
    json!({
        "type": "modal", "callback_id": kind.name(), "title": plain(title), "submit": plain("Send"),
        "close": plain("Back"), "private_metadata": format!("{place} {} {}", target.ticket, target.shown),
        "blocks": [
            {
                "type": "input", "block_id": "preset", "optional": true, "label": plain("Why?"),
                "element": { "type": "static_select", "action_id": "preset", "options": options,
                             "placeholder": plain("Choose a reason, or write one") },
            },
            {
                "type": "input", "block_id": "reason", "optional": true, "label": plain("In your own words"),
                "hint": plain(if kind == Kind::Flag { "It is kept." } else { "The caller sees this." }),
                "element": { "type": "plain_text_input", "action_id": "reason", "multiline": true,
                             "max_length": LONGEST },
            },
        ],
    })
}

/// The reason of a window that was sent, if there is one.
pub(super) fn reason(values: &Value) -> Option<Reason> {
    let text = |path: &str| {
        values.pointer(path).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
    };
    let preset = text("/preset/preset/selected_option/value");
    let reason = match (preset, text("/reason/reason/value")) {
        (Some(preset), Some(own)) => Some(format!("{preset}: {own}")),
        (one, other) => one.or(other).map(str::to_owned),
    };
    Reason::try_from(reason?).ok()
}
