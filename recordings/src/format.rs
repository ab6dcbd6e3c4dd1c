//! The formats of recordings, and how each is known by its first bytes.

use std::str::FromStr;

use serde_json::Value;
use struson::reader::{JsonReader as _, JsonStreamReader, ReaderSettings, ValueType};

/// How many bytes are looked at.
pub(crate) const PEEKED: usize = 64 * 1024;

/// A format of recordings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// This project's own: an [`Entry`](countersign_protocol::recording::Entry) a line.
    Native,
    /// HAR 1.2, as browsers and proxies export it.
    Har,
    /// Envoy's tap filter: JSON one after another, or length-delimited protobuf.
    EnvoyTap,
    /// A cassette of VCR (Ruby) or vcrpy, YAML or JSON.
    Vcr,
    /// A Kubernetes audit log: `audit.k8s.io/v1` events, one after another, or an `EventList`.
    KubernetesAudit,
}

/// A word that names no format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no format: use `native`, `har`, `envoy-tap`, `vcr` or `kubernetes-audit`")]
pub struct UnknownFormat(String);

impl Format {
    const ALL: [Self; 5] = [Self::Native, Self::Har, Self::EnvoyTap, Self::Vcr, Self::KubernetesAudit];

    /// Its name, as in [`Source::kind`](countersign_protocol::recording::Source::kind) and on a command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Har => "har",
            Self::EnvoyTap => "envoy-tap",
            Self::Vcr => "vcr",
            Self::KubernetesAudit => "kubernetes-audit",
        }
    }

    /// The format of a recording that begins with `head`.
    pub(crate) fn detect(head: &[u8]) -> Option<Self> {
        let start = head.trim_ascii_start();
        if start.first() == Some(&b'{') {
            return Self::of_json(start);
        }
        if crate::tap::is_delimited(head) {
            return Some(Self::EnvoyTap);
        }
        let yaml = |line: &[u8]| {
            [&b"http_interactions:"[..], b"interactions:"].iter().any(|key| line.starts_with(key))
        };
        head.split(|&byte| byte == b'\n').any(yaml).then_some(Self::Vcr)
    }

    /// The first member that only one format has decides.
    fn of_json(head: &[u8]) -> Option<Self> {
        let settings = ReaderSettings { allow_multiple_top_level: true, ..ReaderSettings::default() };
        let mut json = JsonStreamReader::new_custom(head, settings);
        json.begin_object().ok()?;
        while json.has_next().ok()? {
            let name = json.next_name_owned().ok()?;
            let version = if name == "apiVersion" && json.peek().ok()? == ValueType::String {
                json.next_string().ok()?
            } else {
                String::new()
            };
            match name.as_str() {
                "log" => return Some(Self::Har),
                "http_interactions" | "interactions" => return Some(Self::Vcr),
                "fidelity" | "request" => return Some(Self::Native),
                "auditID" => return Some(Self::KubernetesAudit),
                name if crate::tap::is_member(name) => return Some(Self::EnvoyTap),
                "apiVersion" if version.starts_with("audit.k8s.io/") => return Some(Self::KubernetesAudit),
                "apiVersion" if !version.is_empty() => {}
                _ => drop(json.deserialize_next::<Value>().ok()?),
            }
        }
        None
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = Self::ALL.into_iter().find(|format| format.name() == text);
        named.ok_or_else(|| UnknownFormat(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_tell_the_format() {
        let cases: [(&[u8], Option<Format>); 13] = [
            (br#"{"v":1,"id":"a","ts":0,"fidelity":"client""#, Some(Format::Native)),
            (b"\n {\"log\": {\"version\"", Some(Format::Har)),
            (b"{\n \"http_buffered_trace\": {", Some(Format::EnvoyTap)),
            (b"{\"httpStreamedTraceSegment\":", Some(Format::EnvoyTap)),
            (b"\x05\x0a\x03\x0a\x01a", Some(Format::EnvoyTap)),
            (b"---\nhttp_interactions:\n- request:", Some(Format::Vcr)),
            (b"interactions:\n- request:", Some(Format::Vcr)),
            (br#"{"version": 1, "interactions": ["#, Some(Format::Vcr)),
            (br#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","#, Some(Format::KubernetesAudit)),
            (br#"{"kind":"Event","apiVersion":"v1","metadata":{}}"#, None),
            (br#"{"level":"Metadata","auditID":"#, Some(Format::KubernetesAudit)),
            (b"hello", None),
            (b"", None),
        ];
        for (head, format) in cases {
            assert_eq!(Format::detect(head), format, "{}", String::from_utf8_lossy(head));
        }
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for format in Format::ALL {
            assert_eq!(format.name().parse(), Ok(format));
        }
        assert!("pcap".parse::<Format>().unwrap_err().to_string().contains("`pcap`"));
    }
}
