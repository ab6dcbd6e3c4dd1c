//! The annotations of a policy: a closed, typed vocabulary, so that a typo never makes a gate weaker.

use countersign_protocol::request::{Severity, Terms};

/// What kind of policy it is, by effect and annotations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// A `permit`.
    Permit,
    /// A `forbid` that nobody can open.
    Forbid,
    /// A `forbid` that people can open.
    Gate(Gate),
}

/// Who can open a gate, and on which terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// `@approval`: the group of reviewers, by its name in policy.
    pub group: String,
    /// `@quorum`: how many of them it takes, 1 to 16.
    pub quorum: u8,
    /// `@hold`, `@expires`, `@use_within`, `@uses`, `@severity`.
    pub terms: Terms,
    /// `@reason`: why the policy asks.
    pub reason: Option<String>,
    /// `@channel`: where to ask.
    pub channel: Option<String>,
    /// `@break_glass`: the group of which one alone may open it, with a reason, reviewed afterwards.
    pub break_glass: Option<String>,
}

/// Everything that a policy's annotations say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notes {
    /// `@id`: unique over all files.
    pub id: String,
    /// Permit, forbid or gate.
    pub role: Role,
    /// `@shadow`: evaluated and recorded, never enforced.
    pub shadow: bool,
    /// `@audit("sync")`: the record of it is kept before the request goes on.
    pub sync_audit: bool,
}

/// Something wrong with one annotation, or with the lack of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mistake {
    /// The key to point at; `None`: the policy as a whole.
    pub(super) key: Option<String>,
    pub(super) message: String,
}

/// The keys that only a gate has.
const GATE_KEYS: [&str; 10] = [
    "approval",
    "quorum",
    "hold",
    "expires",
    "use_within",
    "uses",
    "severity",
    "reason",
    "channel",
    "break_glass",
];

/// The keys that any policy may have; besides them, whatever starts with `doc_`.
const COMMON_KEYS: [&str; 3] = ["id", "shadow", "audit"];

const MAX_QUORUM: u8 = 16;
const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// No deadline is longer than this, so that sums of times stay far from overflow.
const LONGEST: i64 = 366 * DAY;

/// Reads the annotations of a policy that is (or is not) a `forbid`.
///
/// # Errors
/// Every mistake, not only the first.
pub(super) fn read<'a>(
    is_forbid: bool,
    annotations: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<Notes, Vec<Mistake>> {
    let mut reader = Reader { pairs: annotations.collect(), mistakes: Vec::new() };
    let is_gate = reader.get("approval").is_some();
    reader.check_keys(is_forbid, is_gate);
    let notes = Notes {
        id: reader.text("id").unwrap_or_default(),
        role: match (is_forbid, is_gate) {
            (false, _) => Role::Permit,
            (true, false) => Role::Forbid,
            (true, true) => Role::Gate(reader.gate()),
        },
        shadow: reader.shadow(),
        sync_audit: reader.sync_audit(),
    };
    if reader.get("id").is_none() {
        reader.mistakes.push(Mistake { key: None, message: "policy has no `@id`".into() });
    }
    if reader.mistakes.is_empty() { Ok(notes) } else { Err(reader.mistakes) }
}

struct Reader<'a> {
    pairs: Vec<(&'a str, &'a str)>,
    mistakes: Vec<Mistake>,
}

impl Reader<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.pairs.iter().find(|(name, _)| *name == key).map(|(_, value)| *value)
    }

    fn mistake(&mut self, key: &str, message: String) {
        self.mistakes.push(Mistake { key: Some(key.into()), message });
    }

    fn check_keys(&mut self, is_forbid: bool, is_gate: bool) {
        for key in self.pairs.iter().map(|(key, _)| *key).collect::<Vec<_>>() {
            if COMMON_KEYS.contains(&key) || key.starts_with("doc_") {
                continue;
            }
            if !GATE_KEYS.contains(&key) {
                self.mistake(key, unknown(key));
            } else if !is_forbid {
                self.mistake(key, format!("`@{key}` belongs on a gate, and a gate is a `forbid`"));
            } else if !is_gate {
                self.mistake(
                    key,
                    format!("`@{key}` belongs on a gate, and this `forbid` has no `@approval`"),
                );
            }
        }
    }

    fn gate(&mut self) -> Gate {
        Gate {
            group: self.text("approval").unwrap_or_default(),
            quorum: self.number("quorum", u32::from(MAX_QUORUM)).and_then(|n| n.try_into().ok()).unwrap_or(1),
            terms: Terms {
                hold_ms: self.duration("hold", 0, 25 * SECOND),
                expires_ms: self.duration("expires", SECOND, HOUR),
                use_within_ms: self.duration("use_within", SECOND, 10 * MINUTE),
                uses: self.number("uses", u32::MAX).unwrap_or(1),
                severity: self.severity(),
            },
            reason: self.text("reason"),
            channel: self.text("channel"),
            break_glass: self.text("break_glass"),
        }
    }

    fn text(&mut self, key: &str) -> Option<String> {
        let text = self.get(key)?.to_owned();
        if text.trim().is_empty() {
            self.mistake(key, format!("`@{key}` is empty"));
        }
        Some(text)
    }

    fn number(&mut self, key: &str, most: u32) -> Option<u32> {
        let text = self.get(key)?.to_owned();
        let number = digits(&text).and_then(|n| u32::try_from(n).ok()).filter(|n| (1..=most).contains(n));
        if number.is_none() {
            self.mistake(key, format!("`@{key}` must be a number from 1 to {most}, found `{text}`"));
        }
        number
    }

    fn duration(&mut self, key: &str, least: i64, default: i64) -> i64 {
        let Some(text) = self.get(key).map(str::to_owned) else { return default };
        let Some(duration) = duration(&text) else {
            self.mistake(
                key,
                format!("`@{key}` must be a time such as `25s`, `10m`, `1h` or `2d`, found `{text}`"),
            );
            return default;
        };
        if !(least..=LONGEST).contains(&duration) {
            let least = least / SECOND;
            self.mistake(key, format!("`@{key}` must be from {least}s to 366d, found `{text}`"));
        }
        duration
    }

    fn severity(&mut self) -> Severity {
        match self.get("severity").map(str::to_owned).as_deref() {
            None | Some("medium") => Severity::Medium,
            Some("low") => Severity::Low,
            Some("high") => Severity::High,
            Some(other) => {
                let message = format!("`@severity` must be `low`, `medium` or `high`, found `{other}`");
                self.mistake("severity", message);
                Severity::High
            }
        }
    }

    fn shadow(&mut self) -> bool {
        let value = self.get("shadow").map(str::to_owned);
        if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
            self.mistake("shadow", format!("`@shadow` takes no value, found `{value}`"));
        }
        value.is_some()
    }

    fn sync_audit(&mut self) -> bool {
        let value = self.get("audit").map(str::to_owned);
        if let Some(value) = value.as_deref().filter(|value| *value != "sync") {
            self.mistake("audit", format!("`@audit` must be `sync`, found `{value}`"));
        }
        value.is_some()
    }
}

fn unknown(key: &str) -> String {
    let known = GATE_KEYS.iter().chain(&COMMON_KEYS);
    let nearest = known.map(|known| (strsim::damerau_levenshtein(key, known), known)).min();
    let hint = match nearest {
        Some((distance, known)) if distance <= 3 && distance < key.chars().count() => {
            format!("did you mean `@{known}`?")
        }
        _ => "free text goes under a key that starts with `doc_`".into(),
    };
    format!("unknown annotation `@{key}`: {hint}")
}

/// Decimal digits only: no sign, no space.
fn digits(text: &str) -> Option<i64> {
    Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()
}

/// Milliseconds of a whole number and one unit: `s`, `m`, `h` or `d`.
fn duration(text: &str) -> Option<i64> {
    let unit = text.chars().last()?;
    let factor = match unit {
        's' => SECOND,
        'm' => MINUTE,
        'h' => HOUR,
        'd' => DAY,
        _ => return None,
    };
    digits(text.strip_suffix(unit)?)?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(pairs: &[(&str, &str)]) -> Result<Gate, Vec<String>> {
        let all = [("id", "a"), ("approval", "sre")].into_iter().chain(pairs.iter().copied());
        match read(true, all) {
            Ok(Notes { role: Role::Gate(gate), .. }) => Ok(gate),
            Ok(other) => panic!("no gate: {other:?}"),
            Err(mistakes) => Err(mistakes.into_iter().map(|mistake| mistake.message).collect()),
        }
    }

    #[test]
    fn a_bare_gate_has_the_defaults() {
        let gate = gate(&[]).unwrap();
        assert_eq!((gate.group.as_str(), gate.quorum), ("sre", 1));
        let expected = Terms {
            hold_ms: 25_000,
            expires_ms: 3_600_000,
            use_within_ms: 600_000,
            uses: 1,
            severity: Severity::Medium,
        };
        assert_eq!(gate.terms, expected);
    }

    #[test]
    fn each_value_is_typed() {
        let bad = [
            ("quorum", "0"),
            ("quorum", "17"),
            ("quorum", "+1"),
            ("uses", ""),
            ("hold", "25"),
            ("hold", "5 m"),
            ("hold", "99999999999999999999s"),
            ("expires", "0s"),
            ("expires", "367d"),
            ("severity", "High"),
            ("reason", " "),
        ];
        for pair in bad {
            assert_eq!(gate(&[pair]).map_err(|mistakes| mistakes.len()), Err(1), "{pair:?}");
        }
        assert_eq!(gate(&[("hold", "0s"), ("quorum", "16")]).map(|gate| gate.quorum), Ok(16));
    }

    #[test]
    fn all_mistakes_are_told() {
        let mistakes =
            gate(&[("qurom", "2"), ("hold", "x"), ("doc_why", ""), ("shadow", "yes")]).unwrap_err();
        assert_eq!(
            mistakes,
            [
                "unknown annotation `@qurom`: did you mean `@quorum`?",
                "`@hold` must be a time such as `25s`, `10m`, `1h` or `2d`, found `x`",
                "`@shadow` takes no value, found `yes`",
            ]
        );
    }
}
