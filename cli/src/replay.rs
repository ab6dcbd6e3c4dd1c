//! Replays recorded traffic through a filter, and says what came of each request.

pub mod command;
mod decisions;
mod ending;
pub mod envoy;
mod evidence;
mod leaks;
mod passed;
mod played;
mod reader;
pub mod report;
pub(crate) mod request;
mod run;
pub(crate) mod setting;
mod stage;
mod tally;
mod update;
mod verify;

pub use decisions::{Decisions, OverTime};
pub use ending::Ending;
pub use evidence::{About, Said, Sum};
pub use played::{Played, Seen, Summary};
pub use reader::{ReadError, Reader, Recording};
pub use request::Chunking;
pub(crate) use run::{NOTHING, left_out};
pub use run::{Plan, RunError, run};
pub use setting::{Setting, SettingError};
pub use stage::{Options, Stage};
pub use tally::{Case, Failure, Tally};
pub use verify::{Finding, broken, verify, word};
