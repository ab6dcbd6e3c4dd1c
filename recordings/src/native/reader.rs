//! Reads the native form.

use std::io::{BufRead, Read as _};

use countersign_protocol::recording::{Entry, VERSION};

use super::seen::Seen;

/// The longest line, bytes: a body of 32 MiB fits.
const LONGEST: u64 = 64 * 1024 * 1024;

/// The end of the year 9999, which is as far as RFC 3339 reaches, in milliseconds since 1970.
const LATEST: i64 = 253_402_300_799_999;

/// Why a recording cannot be read further.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The reader failed.
    #[error("{file}:{line}: cannot be read: {error}")]
    Io {
        /// The file.
        file: String,
        /// The line, from 1.
        line: u64,
        /// Why.
        error: std::io::Error,
    },
    /// A line is wrong.
    #[error("{file}:{line}: {message}")]
    Line {
        /// The file.
        file: String,
        /// The line, from 1.
        line: u64,
        /// What is wrong and what to do.
        message: String,
    },
}

/// Reads entries one at a time. Empty lines are passed over. Nothing comes after an error.
pub struct Reader<R> {
    file: String,
    input: R,
    line: u64,
    text: Vec<u8>,
    seen: Seen,
    over: bool,
}

impl<R: BufRead> Reader<R> {
    /// Reads `input`, which messages call `file`.
    pub fn new(file: impl Into<String>, input: R) -> Self {
        let (file, seen) = (file.into(), Seen::default());
        Self { file, input, line: 0, text: Vec::new(), seen, over: false }
    }

    /// The line of the last entry, from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// What was not read yet.
    pub fn into_inner(self) -> R {
        self.input
    }

    fn read(&mut self) -> Result<Option<Entry>, ReadError> {
        loop {
            self.text.clear();
            self.line += 1;
            let read = (&mut self.input).take(LONGEST + 1).read_until(b'\n', &mut self.text);
            let read =
                read.map_err(|error| ReadError::Io { file: self.file.clone(), line: self.line, error })?;
            if read == 0 {
                return Ok(None);
            }
            if !self.text.trim_ascii().is_empty() {
                return self.entry().map(Some).map_err(|message| self.wrong(message));
            }
        }
    }

    fn entry(&mut self) -> Result<Entry, String> {
        if self.text.len() as u64 > LONGEST {
            return Err(format!("the line is longer than {LONGEST} bytes: leave this entry out"));
        }
        let entry: Entry = serde_json::from_slice(&self.text).map_err(|error| explain(&error))?;
        if entry.v != VERSION {
            return Err(format!("`v` is {}, but this program reads {VERSION}: record it anew", entry.v));
        }
        if !(0..=LATEST).contains(&entry.ts) {
            return Err(format!("`ts` is {}: write milliseconds since 1970, at most {LATEST}", entry.ts));
        }
        let length = entry.request.body.as_ref().map_or(0, |body| body.0.len());
        let chunks = entry.request.chunks.iter().try_fold(0usize, |sum, size| sum.checked_add(*size));
        if chunks.is_none_or(|sum| sum > length) {
            return Err(format!("`chunks` are more than the body's {length} bytes: take some out"));
        }
        self.seen.take(&entry)?;
        Ok(entry)
    }

    fn wrong(&self, message: String) -> ReadError {
        ReadError::Line { file: self.file.clone(), line: self.line, message }
    }
}

fn explain(error: &serde_json::Error) -> String {
    let column = error.column();
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or_default();
    // Serde counts the line feed behind what is cut short as a line.
    let place = if column == 0 { "at its end".to_owned() } else { format!("column {column}") };
    format!("{place}: {text}: correct it, `protocol/recording.schema.json` says what an entry looks like")
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Entry, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let entry = self.read().transpose();
        self.over = !matches!(entry, Some(Ok(_)));
        entry
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(id: &str, ts: i64) -> String {
        format!(r#"{{"v":1,"id":"{id}","ts":{ts},"fidelity":"client","request":{{"headers":[]}}}}"#)
    }

    fn message(text: &str) -> String {
        let mut reader = Reader::new("a.jsonl", text.as_bytes());
        let error = reader.find_map(Result::err).unwrap().to_string();
        assert!(reader.next().is_none(), "nothing comes after an error");
        error
    }

    #[test]
    fn entries_come_in_their_order() {
        let text = format!("{}\n\n{}", line("a", 1), line("b", 1));
        let ids: Vec<_> = Reader::new("a.jsonl", text.as_bytes()).map(|entry| entry.unwrap().id).collect();
        assert_eq!(ids, ["a", "b"]);
    }

    #[test]
    fn messages_name_file_line_and_what_to_do() {
        let early = message(&format!("{}\n{}\n", line("a", 2), line("b", 1)));
        assert_eq!(
            early,
            "a.jsonl:2: `ts` 1 is before that of the entry before it, 2: sort the entries by `ts`"
        );
        let twice = message(&format!("{}\n\n{}\n", line("a", 2), line("a", 3)));
        assert_eq!(twice, "a.jsonl:3: `id` `a` is used before: give each entry its own");
        let typo = message(&line("a", 2).replace("\"ts\"", "\"tz\""));
        assert!(typo.starts_with("a.jsonl:1: column 20: unknown field `tz`"), "{typo}");
        let version = message(&line("a", 2).replace("\"v\":1", "\"v\":2"));
        assert!(version.contains("`v` is 2"), "{version}");
        for ts in [-1, LATEST + 1] {
            assert!(message(&line("a", ts)).contains(&format!("`ts` is {ts}")));
        }
        let chunks = message(&line("a", 2).replace("[]", "[],\"body\":\"abc\",\"chunks\":[2,2]"));
        assert!(chunks.contains("more than the body's 3 bytes"), "{chunks}");
    }
}
