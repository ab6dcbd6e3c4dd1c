//! Replays recorded traffic through a filter, and says what came of each request.

pub mod command;
pub mod envoy;
mod evidence;
mod passed;
mod reader;
pub mod report;
pub(crate) mod request;
mod run;
pub(crate) mod setting;
mod stage;
mod tally;
mod update;
mod verify;

pub use evidence::{About, Said};
pub use reader::{ReadError, Reader, Recording};
pub use request::Chunking;
pub use run::{Plan, RunError, run};
pub use setting::{Setting, SettingError};
pub use stage::{Ending, Options, Played, Seen, Stage, Summary};
pub use tally::{Case, Decisions, Failure, Tally};
pub use verify::{Finding, verify, word};
