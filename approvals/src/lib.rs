//! The approval service: keeps requests for approval and people's answers, and attests who answered what.
//!
//! It decides nothing. Policies are read at the gateway; this service shows what the gateway asks, takes
//! people's answers under the fixed rules of [`countersign_protocol::quorum`], and signs what they said.

mod admin;
mod api;
mod app;
mod auth;
mod channels;
mod code;
mod files;
mod inbox;
mod limits;
mod metrics;
mod oidc;
mod people;
mod random;
mod reason;
mod server;
mod setup;
mod signer;
mod store;
mod tls;
mod trace;
mod webauthn;

pub use admin::{GatewayProof, GroupChange};
pub use app::{App, LoginSettings, OpenError, Settings};
pub use auth::password::Unusable;
pub use auth::totp::BadSecret;
pub use channels::{BadChannels, Channels};
pub use files::FileError;
pub use limits::Limits;
pub use oidc::{BadProvider, OidcSettings};
pub use people::{BadName, BadUser, Login, Name, NewUser};
pub use server::serve;
pub use setup::Data;
pub use signer::KeyError;
pub use store::database::{Database, UnknownDatabase, Unreachable};
pub use store::outbox::settling::MOST_ATTEMPTS;
pub use tls::{TlsError, config as tls_config};
