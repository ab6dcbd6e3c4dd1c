//! Recorded traffic: reads what other tools write, scrubs secrets, and writes the native form.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use countersign_recordings::{Imported, Key, Options, Scrubber, Secrets, in_order, native, open};
//!
//! let input = open(std::fs::File::open("trace.har")?, &Options::default())?;
//! let mut scrubber = Scrubber::new(Secrets::default(), &Key::random()?);
//! let mut output = native::Writer::new(std::fs::File::create("trace.jsonl")?);
//! for item in in_order(input) {
//!     match item? {
//!         Imported::Entry(mut entry) => {
//!             scrubber.scrub(&mut entry)?;
//!             output.write(&entry)?;
//!         }
//!         Imported::Skipped(note) => eprintln!("{note}"),
//!     }
//! }
//! output.finish()?;
//! # Ok(())
//! # }
//! ```

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
mod scrub;
mod surrogates;
mod tap;
mod time;
mod vcr;

pub use format::Format;
pub use open::{ImportError, Imported, Note, Opened, Options, open};
pub use order::{InOrder, in_order};
pub use scrub::{Key, KeyError, Refusal, Scrubber, Secrets, Unreadable};
