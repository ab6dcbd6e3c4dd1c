//! The Model Context Protocol over Streamable HTTP: what a client posts, and answers that it can read.

mod answer;
pub(crate) mod listing;
mod loose;
mod message;
mod method;
mod mirror;
mod pieces;
mod version;

pub(crate) use answer::{Conversation, Expected, Form};
pub(crate) use message::{Message, Post, stated};
pub(crate) use method::{Verb, verb};
pub(crate) use mirror::{check_argument, check_message};
pub(crate) use version::Version;
