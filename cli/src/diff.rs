//! What a change of policies would do to recorded traffic.

pub mod command;
mod groups;
mod html;
mod junit;
mod report;
mod table;
mod terms;

pub use table::{Cell, Change, Kind, Sample, Table};
