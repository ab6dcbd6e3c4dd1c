//! What a message in Slack looks like (Block Kit). All that comes from outside stands in rich text, whose text
//! elements know no markup and mention nobody.

use serde_json::{Value, json};

use crate::channels::message::exact::{Exact, short};
use crate::channels::message::{Message, fits_a_click};
use crate::channels::text::cut;

/// The longest of one text, characters (Block Kit: 3,000).
const LONGEST: usize = 2900;
/// How many answers stand in a message.
const MOST_ANSWERS: usize = 10;

/// The text for notifications, and the blocks.
pub(super) fn message(message: &Message) -> Value {
    let [who, action, resource] = message.asked();
    let standing = message.standing();
    let mut blocks = vec![
        json!({ "type": "header", "text": { "type": "plain_text", "text": standing, "emoji": false } }),
        rich(vec![section(vec![
            bold(&who),
            text(" asks for "),
            bold(&action),
            text(" on "),
            bold(&resource),
        ])]),
    ];
    let facts = message.facts().into_iter();
    let facts = facts.map(|fact| section(vec![bold(&format!("{}: ", fact.label)), text(&fact.text)]));
    blocks.push(rich(facts.collect()));
    let exact = short(&message.ticket);
    blocks.push(match &exact {
        Ok(Exact { text: all, .. }) => {
            rich(vec![json!({ "type": "rich_text_preformatted", "elements": [text(all)] })])
        }
        Err(elsewhere) => rich(vec![section(vec![text(elsewhere)])]),
    });
    let (have, need) = message.have();
    let answers = message.said();
    let mut said: Vec<_> = answers.iter().take(MOST_ANSWERS).map(|said| section(vec![text(said)])).collect();
    said.push(section(vec![bold(&format!("{have} of {need} approvals"))]));
    blocks.push(rich(said));
    blocks.push(actions(message, exact.as_ref().ok()));
    json!({ "text": escape(&format!("{standing}: {who} asks for {action} on {resource}")), "blocks": blocks })
}

/// Something that only one person sees, with a link where it helps.
pub(super) fn aside(said: &str, link: Option<(&str, &str)>) -> Value {
    let mut elements = vec![text(said)];
    if let Some((title, url)) = link {
        elements.push(text(" "));
        elements.push(json!({ "type": "link", "url": url, "text": title }));
    }
    json!({ "text": escape(said), "blocks": [rich(vec![section(elements)])] })
}

fn actions(message: &Message, exact: Option<&Exact>) -> Value {
    let ticket = &message.ticket;
    let target = |shown: &countersign_protocol::Hash| format!("{} {shown}", ticket.id);
    let mut elements = Vec::new();
    if message.is_open() {
        if let Some(exact) = exact.filter(|_| fits_a_click(ticket)) {
            elements.push(approve(&target(&exact.shown)));
        }
        elements.push(button("reject", "Reject…", Some("danger"), &target(&ticket.shown)));
        elements.push(button("flag", "Flag…", None, &target(&ticket.shown)));
    }
    elements.push(json!({
        "type": "button", "action_id": "open", "url": message.link,
        "text": { "type": "plain_text", "text": "Open in the inbox", "emoji": false },
    }));
    json!({ "type": "actions", "elements": elements })
}

fn approve(target: &str) -> Value {
    let plain = |text: &str| json!({ "type": "plain_text", "text": text, "emoji": false });
    let mut button = button("approve", "Approve", Some("primary"), target);
    if let Some(button) = button.as_object_mut() {
        let confirm = json!({
            "title": plain("Approve this request?"),
            "text": plain("Your yes counts for exactly the request in this message, once it has enough of them."),
            "confirm": plain("Approve"), "deny": plain("Not now"),
        });
        button.insert("confirm".into(), confirm);
    }
    button
}

fn button(id: &str, title: &str, style: Option<&str>, value: &str) -> Value {
    let text = json!({ "type": "plain_text", "text": title, "emoji": false });
    let mut button = json!({ "type": "button", "action_id": id, "text": text, "value": value });
    if let (Some(button), Some(style)) = (button.as_object_mut(), style) {
        button.insert("style".into(), style.into());
    }
    button
}

fn rich(elements: Vec<Value>) -> Value {
    json!({ "type": "rich_text", "elements": elements })
}

fn section(elements: Vec<Value>) -> Value {
    let mut elements = elements;
    elements.push(text("\n"));
    json!({ "type": "rich_text_section", "elements": elements })
}

/// Slack takes no empty text.
fn text(text: &str) -> Value {
    json!({ "type": "text", "text": fitting(text) })
}

fn bold(text: &str) -> Value {
    json!({ "type": "text", "text": fitting(text), "style": { "bold": true } })
}

fn fitting(text: &str) -> String {
    match text.chars().count() {
        0 => "(nothing)".into(),
        count if count <= LONGEST => text.to_owned(),
        _ => cut(text, LONGEST),
    }
}

/// For text that Slack reads as its own markup.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
