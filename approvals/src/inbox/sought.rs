//! What somebody looks for in a list of requests.

use countersign_protocol::request::Severity;
use serde::Deserialize;

use crate::store::lists::Filter;

/// The fields of the form above a list, empty ones too.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Sought {
    #[serde(default)]
    pub(super) words: String,
    /// A severity; empty for any, and for what is none.
    #[serde(default)]
    pub(super) severity: String,
}

impl Sought {
    pub(super) fn filter(&self) -> Filter {
        let severity = match self.severity.as_str() {
            "low" => Some(Severity::Low),
            "medium" => Some(Severity::Medium),
            "high" => Some(Severity::High),
            _ => None,
        };
        Filter { severity, words: self.words.clone() }
    }

    /// Whether anything is left out.
    pub(super) fn is_narrow(&self) -> bool {
        !self.words.trim().is_empty() || self.filter().severity.is_some()
    }

    /// The same as a part of an address, to stand behind `&`.
    pub(super) fn query(&self) -> String {
        let pairs = [("words", &self.words), ("severity", &self.severity)];
        let given = pairs.into_iter().filter(|(_, value)| !value.is_empty());
        given
            .fold(form_urlencoded::Serializer::new(String::new()), |mut query, (name, value)| {
                query.append_pair(name, value);
                query
            })
            .finish()
    }
}
