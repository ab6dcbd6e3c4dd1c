//! Replays recorded traffic through a filter, and says what came of each request.

pub mod command;
pub mod envoy;
mod evidence;
mod request;
mod setting;
mod stage;
mod verify;

pub use evidence::{About, Said};
pub use setting::{Setting, SettingError};
pub use stage::{Ending, Options, Played, Seen, Stage, Summary};
pub use verify::{Finding, verify, word};
