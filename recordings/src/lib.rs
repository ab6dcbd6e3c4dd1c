//! Recorded traffic: reads what other tools write, and writes the native form.

mod audit;
mod body;
mod draft;
mod elements;
mod format;
mod har;
mod head;
pub mod native;
mod open;
mod order;
mod surrogates;
mod tap;
mod time;
mod vcr;

pub use format::Format;
pub use open::{ImportError, Imported, Note, Opened, Options, open};
pub use order::{InOrder, in_order};
