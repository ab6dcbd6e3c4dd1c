//! Traces as protobuf, each after its length (a base-128 varint).

use std::io::{ErrorKind, Read};

use prost::Message as _;

use super::message::TraceWrapper;
use crate::draft::Broken;

/// The largest message, bytes. Envoy's own limit on a body is far below.
const LARGEST: u64 = 128 * 1024 * 1024;

/// Reads traces; only one is in memory.
pub(super) struct Delimited<R> {
    input: R,
    read: u64,
}

impl<R: Read> Delimited<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, read: 0 }
    }

    fn read(&mut self) -> Result<Option<TraceWrapper>, Broken> {
        let Some(length) = self.length()? else { return Ok(None) };
        if length > LARGEST {
            return Err(self.wrong(&format!("is no message: its length would be {length} bytes")));
        }
        let mut bytes = Vec::new();
        (&mut self.input).take(length).read_to_end(&mut bytes)?;
        if (bytes.len() as u64) < length {
            return Err(self.wrong("is cut short: the file ends within it"));
        }
        let trace = TraceWrapper::decode(bytes.as_slice());
        let trace = trace.map_err(|error| self.wrong(&format!("is no `TraceWrapper`: {error}")))?;
        self.read += 1;
        Ok(Some(trace))
    }

    /// The next length; none at the end.
    fn length(&mut self) -> Result<Option<u64>, Broken> {
        let mut length = 0u64;
        for place in 0..10 {
            let mut byte = [0];
            match self.input.read_exact(&mut byte) {
                Err(error) if error.kind() == ErrorKind::UnexpectedEof && place == 0 => return Ok(None),
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
                read => read?,
            }
            let [byte] = byte;
            length |= u64::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                return Ok(Some(length));
            }
        }
        Err(self.wrong("has no length: record it as `PROTO_BINARY_LENGTH_DELIMITED`"))
    }

    fn wrong(&self, message: &str) -> Broken {
        Broken::Wrong(format!("trace {}: {message}", self.read))
    }
}

impl<R: Read> Iterator for Delimited<R> {
    type Item = Result<TraceWrapper, Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

/// Whether the first bytes are a length and a trace of that length: a field numbered 1 to 4, of bytes, which the
/// message has nothing but.
pub(crate) fn is_delimited(head: &[u8]) -> bool {
    let mut rest = head;
    let Ok(length) = prost::encoding::decode_varint(&mut rest) else { return false };
    let Ok((tag, kind)) = prost::encoding::decode_key(&mut rest) else { return false };
    let before = rest.len();
    let Ok(inner) = prost::encoding::decode_varint(&mut rest) else { return false };
    let whole = inner.saturating_add((before - rest.len()) as u64).saturating_add(1);
    (1..=4).contains(&tag) && kind == prost::encoding::WireType::LengthDelimited && whole == length
}
