//! The approval service: keeps requests for approval and people's answers, and attests who answered what.
//!
//! It decides nothing. Policies are read at the gateway; this service shows what the gateway asks, takes
//! people's answers under the fixed rules of [`countersign_protocol::quorum`], and signs what they said.

mod api;
mod app;
mod auth;
mod directory;
mod files;
mod inbox;
mod random;
mod setup;
mod signer;
mod store;

pub use app::{App, OpenError, Settings};
pub use auth::password::Unusable;
pub use auth::totp::BadSecret;
pub use directory::gateways::AddGatewayError;
pub use directory::users::{AddUserError, Login, NewUser};
pub use files::FileError;
pub use setup::{Data, SetupError};
pub use signer::KeyError;
pub use store::database::{Database, UnknownDatabase};
