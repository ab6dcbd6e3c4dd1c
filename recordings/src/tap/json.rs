//! Traces as JSON, one after another, on one line or many.

use std::io::Read;

use serde_json::{Deserializer, StreamDeserializer, de::IoRead};

use super::message::TraceWrapper;
use crate::draft::Broken;

/// Reads traces; only one is in memory.
pub(super) struct Json<'a, R: Read> {
    values: StreamDeserializer<'a, IoRead<R>, TraceWrapper>,
    read: u64,
}

impl<R: Read> Json<'_, R> {
    pub(super) fn new(input: R) -> Self {
        Self { values: Deserializer::from_reader(input).into_iter(), read: 0 }
    }
}

impl<R: Read> Iterator for Json<'_, R> {
    type Item = Result<TraceWrapper, Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        let trace = match self.values.next()? {
            Ok(trace) => trace,
            Err(error) if error.is_io() => return Some(Err(Broken::Io(error.into()))),
            Err(error) => {
                let message = format!("trace {}: {error}: is the file cut short?", self.read);
                return Some(Err(Broken::Wrong(message)));
            }
        };
        self.read += 1;
        Some(Ok(trace))
    }
}
