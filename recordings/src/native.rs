//! The native form: an [`Entry`] a line, in the order of their times, each with an id of its own.

mod reader;
mod seen;
mod writer;

pub use reader::{ReadError, Reader};
pub use writer::{WriteError, Writer};

#[cfg(doc)]
use countersign_protocol::recording::Entry;
