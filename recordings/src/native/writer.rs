//! Writes the native form.

use std::io::{BufWriter, Write};

use countersign_protocol::recording::Entry;

use super::seen::Seen;

/// Why an entry was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The writer failed.
    #[error("cannot write: {0}")]
    Io(#[from] std::io::Error),
    /// The recording would not be one that [`Reader`](super::Reader) reads.
    #[error("entry `{id}` cannot be written: {message}")]
    Entry {
        /// The entry's id.
        id: String,
        /// What is wrong and what to do.
        message: String,
    },
}

/// Writes entries, each at once as a line. Call [`Writer::finish`] when all are written.
pub struct Writer<W: Write> {
    output: BufWriter<W>,
    seen: Seen,
}

impl<W: Write> Writer<W> {
    /// Writes to `output`.
    pub fn new(output: W) -> Self {
        Self { output: BufWriter::new(output), seen: Seen::default() }
    }

    /// Writes one entry.
    ///
    /// # Errors
    /// When the output fails, its id was used before, or it is earlier than the entry before it.
    pub fn write(&mut self, entry: &Entry) -> Result<(), WriteError> {
        let refused = |message| WriteError::Entry { id: entry.id.clone(), message };
        self.seen.take(entry).map_err(refused)?;
        let line = serde_json::to_vec(entry).map_err(|error| refused(error.to_string()))?;
        self.output.write_all(&line)?;
        self.output.write_all(b"\n")?;
        Ok(())
    }

    /// Writes what is still held, and gives the output back.
    ///
    /// # Errors
    /// When the output fails.
    pub fn finish(self) -> Result<W, WriteError> {
        self.output.into_inner().map_err(|error| WriteError::Io(error.into_error()))
    }
}
