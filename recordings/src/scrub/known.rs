//! The secrets that were seen, and where they are in a text.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use percent_encoding::percent_decode;

use super::pairs;

/// Shorter secrets are replaced where they are, but not looked for elsewhere: they would be found by chance.
pub(super) const SHORTEST: usize = 8;
/// How many are kept. The oldest are forgotten.
const KEPT: usize = 100_000;

type Window = [u8; SHORTEST];

/// A secret, in one of the ways in which it can be written.
#[derive(Debug, PartialEq, Eq)]
struct Written {
    as_is: Box<[u8]>,
    secret: Box<[u8]>,
    /// Where the bytes are by which it is found.
    offset: usize,
}

impl Written {
    fn window(&self) -> Option<&Window> {
        self.as_is.get(self.offset..)?.first_chunk()
    }
}

/// Secrets by eight of their bytes, so that looking for all of them takes one pass over a text.
#[derive(Debug)]
pub(super) struct Known {
    kept: usize,
    by_window: HashMap<Window, Vec<Arc<Written>>>,
    order: VecDeque<Arc<Written>>,
}

impl Default for Known {
    fn default() -> Self {
        Self { kept: KEPT, by_window: HashMap::new(), order: VecDeque::new() }
    }
}

impl Known {
    /// Remembers a secret: as it is, decoded where it is percent-encoded, and as it can be written in JSON that is not
    /// read as such.
    pub(super) fn learn(&mut self, secret: &[u8]) {
        self.add(secret, secret);
        let decoded: Vec<u8> = percent_decode(secret).collect();
        for secret_text in [secret, &decoded, &pairs::decode(secret)] {
            self.add(secret_text, secret);
            let Ok(text) = str::from_utf8(secret_text) else { continue };
            let json = serde_json::Value::from(text).to_string();
            let json = json.strip_prefix('"').and_then(|json| json.strip_suffix('"')).unwrap_or(&json);
            let ascii: String = json.chars().map(in_ascii).collect();
            for written in [json, &json.replace('/', "\\/"), &ascii] {
                self.add(written.as_bytes(), secret);
            }
        }
    }

    fn add(&mut self, as_is: &[u8], secret: &[u8]) {
        let Some(last) = as_is.len().checked_sub(SHORTEST) else { return };
        // Tokens often begin alike, or end alike: the rarest of three places is taken.
        let bucket = |offset: &usize| {
            let window = as_is.get(*offset..).and_then(<[u8]>::first_chunk::<SHORTEST>);
            window.and_then(|window| self.by_window.get(window)).map_or(&[][..], Vec::as_slice)
        };
        let offsets = [last, last / 2, 0];
        if offsets.iter().any(|offset| bucket(offset).iter().any(|known| *known.as_is == *as_is)) {
            return;
        }
        let offset = offsets.into_iter().min_by_key(|offset| bucket(offset).len()).unwrap_or_default();
        let written = Arc::new(Written { as_is: as_is.into(), secret: secret.into(), offset });
        let Some(window) = written.window() else { return };
        self.by_window.entry(*window).or_default().push(Arc::clone(&written));
        self.order.push_back(written);
        if self.order.len() > self.kept {
            self.forget();
        }
    }

    fn forget(&mut self) {
        let Some(oldest) = self.order.pop_front() else { return };
        let Some(window) = oldest.window() else { return };
        if let Some(same) = self.by_window.get_mut(window) {
            same.retain(|known| *known != oldest);
            if same.is_empty() {
                self.by_window.remove(window);
            }
        }
    }

    /// All secrets in `text`, with those that overlap.
    fn find<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = (Range<usize>, &'a Written)> {
        let windows = if self.by_window.is_empty() { &[] } else { text };
        windows.windows(SHORTEST).enumerate().flat_map(move |(at, window)| {
            let window: Option<&Window> = window.try_into().ok();
            let same = window.and_then(|window| self.by_window.get(window)).map_or(&[][..], Vec::as_slice);
            same.iter().filter_map(move |written| {
                let start = at.checked_sub(written.offset)?;
                let range = start..start + written.as_is.len();
                (text.get(range.clone())? == &*written.as_is).then_some((range, written.as_ref()))
            })
        })
    }

    /// Whether a secret is in `text`.
    pub(super) fn is_in(&self, text: &[u8]) -> bool {
        self.find(text).next().is_some()
    }

    /// `text` with `with` in the place of each secret; none when there is no secret in it. Where secrets overlap, the
    /// one that begins first stands for all, and the longest of those.
    pub(super) fn replace(&self, text: &[u8], with: impl Fn(&[u8]) -> String) -> Option<Vec<u8>> {
        let mut found: Vec<_> = self.find(text).collect();
        if found.is_empty() {
            return None;
        }
        found.sort_by_key(|(range, _)| (range.start, std::cmp::Reverse(range.end)));
        let mut out = Vec::new();
        let mut at = 0;
        for (range, written) in found {
            if range.start >= at {
                out.extend_from_slice(text.get(at..range.start)?);
                out.extend_from_slice(with(&written.secret).as_bytes());
            }
            at = at.max(range.end);
        }
        out.extend_from_slice(text.get(at..)?);
        Some(out)
    }
}

/// As writers of JSON do that write nothing but ASCII.
fn in_ascii(character: char) -> String {
    if character.is_ascii() {
        return character.to_string();
    }
    let units = character.encode_utf16(&mut [0; 2]).to_vec();
    units.iter().map(|unit| format!("\\u{unit:04x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_that_begins_first_is_replaced() {
        let mut known = Known::default();
        for secret in ["short", "password", "password-1", "word-1-abc", "password"] {
            known.learn(secret.as_bytes());
        }
        let replaced = |known: &Known, text: &str| {
            let out = known.replace(text.as_bytes(), |secret| format!("<{}>", secret.len()));
            out.map(|out| String::from_utf8(out).unwrap())
        };
        assert_eq!(
            replaced(&known, "a password-1-abc, password short").as_deref(),
            Some("a <10>, <8> short")
        );
        assert_eq!(replaced(&known, "nothing of the kind"), None);
        assert_eq!(replaced(&known, "passwor"), None);
        known.learn("say \"é/\" twice".as_bytes());
        assert_eq!(
            replaced(&known, r#"{"a":"say \"\u00e9/\" twice","b":"say \"é\/\" twice"}"#).unwrap(),
            r#"{"a":"<15>","b":"<15>"}"#
        );
    }

    #[test]
    fn memory_is_bounded() {
        let mut known = Known { kept: 100, ..Known::default() };
        // All begin and end alike: what tells them apart is in the middle.
        (0..=100).for_each(|number| known.learn(format!("the-secret-{number:08}-of-all").as_bytes()));
        assert!(!known.is_in(b"the-secret-00000000-of-all"));
        assert!(known.is_in(b"the-secret-00000001-of-all"));
        assert_eq!(known.order.len(), 100);
    }
}
