//! Microsoft Teams: a card by the webhook of a workflow, with a link. A card's button would not say who pressed it.

use axum::http::{Method, header};
use serde_json::{Value, json};
use url::Url;

use super::message::{Fact, Message};
use super::text::unlinked;
use super::{AGENT, Http, waits};
use crate::store::outbox::settling::Tried;

/// The longest card, bytes: Teams takes 28 KB in all.
const LONGEST: usize = 20 * 1024;

/// Where a workflow waits. Whoever knows the address can post.
#[derive(Clone)]
pub(crate) struct Teams {
    pub(super) http: Http,
    pub(super) workflow: Url,
}

/// Never the address.
impl std::fmt::Debug for Teams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Teams")
    }
}

impl Teams {
    pub(super) async fn deliver(&self, message: &Message) -> Tried {
        let mut body = envelope(card(message, message.facts())).to_string();
        if body.len() > LONGEST {
            body = envelope(card(message, fewest(message.facts()))).to_string();
        }
        let request = axum::http::Request::builder()
            .method(Method::POST)
            .uri(self.workflow.as_str())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, AGENT)
            .body(body.into_bytes());
        let Ok(request) = request else { return Tried::Refused("the address cannot be called".into()) };
        match self.http.call(request).await {
            Ok(reply) if reply.status().is_success() => Tried::Sent(None),
            Ok(reply) => {
                let status = reply.status().as_u16();
                let error = format!("the workflow answered {status}");
                // Its address is wrong, or it was removed or switched off: trying again changes nothing.
                let gone = matches!(status, 400 | 401 | 403 | 404 | 410);
                if gone { Tried::Refused(error) } else { waits(&reply, &error) }
            }
            Err(error) => Tried::Failed(error.to_string()),
        }
    }
}

/// What a workflow that begins "when a Teams webhook request is received" takes.
fn envelope(card: Value) -> Value {
    json!({ "type": "message", "attachments": [{
        "contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": card,
    }] })
}

/// What stands in a card that would be too long, so that nobody can crowd out what it is about.
fn fewest(facts: Vec<Fact>) -> Vec<Fact> {
    let kept = |fact: &Fact| matches!(fact.label, "Request" | "Careful" | "Terms");
    let more = Fact { label: "More", text: "too much for a card: open it in the inbox".into() };
    facts.into_iter().filter(kept).chain([more]).collect()
}

/// Adaptive Card 1.4. What comes from outside stands in text runs, which know no Markdown, and nothing is in
/// `msteams.entities`, so nobody is mentioned.
fn card(message: &Message, facts: Vec<Fact>) -> Value {
    let [who, action, resource] = message.asked();
    let (have, need) = message.have();
    let mut body = vec![
        paragraph(vec![
            json!({ "type": "TextRun", "text": message.news(), "weight": "Bolder", "size": "Large" }),
        ]),
        paragraph(vec![bold(&who), run(" asks for "), bold(&action), run(" on "), bold(&resource)]),
    ];
    body.extend(message.happened().map(|text| paragraph(vec![run(&text)])));
    body.extend(
        facts.into_iter().map(|fact| paragraph(vec![bold(&format!("{}: ", fact.label)), run(&fact.text)])),
    );
    body.push(paragraph(vec![
        bold("Now: "),
        run(&format!("{}; {have} of {need} approvals", message.standing())),
    ]));
    json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4",
        "msteams": { "width": "Full" }, "body": body,
        "actions": [{ "type": "Action.OpenUrl", "title": "Open in the inbox", "url": message.link }],
    })
}

fn paragraph(inlines: Vec<Value>) -> Value {
    json!({ "type": "RichTextBlock", "inlines": inlines })
}

fn run(text: &str) -> Value {
    json!({ "type": "TextRun", "text": plain(text) })
}

fn bold(text: &str) -> Value {
    json!({ "type": "TextRun", "text": plain(text), "weight": "Bolder" })
}

/// Cards put times in place of `{{DATE(…)}}`, however many braces stand before it, and mentions in place of `<at>`,
/// where they are defined; a program that shows them may make links of addresses. Nothing is left to be any of these.
fn plain(text: &str) -> String {
    unlinked(text).replace('{', "{ ").replace("<at", "< at")
}
