//! The table itself.

mod grants;
mod requests;
mod service;
mod stops;

use super::Section;

/// All of it, in the order of the page.
pub const SECTIONS: &[Section] = &[
    service::SERVICE,
    service::CLAIMS,
    grants::GRANTS,
    requests::POLICIES,
    requests::REQUESTS,
    stops::STOPS,
    stops::CLOCKS,
    stops::LOAD,
];

/// A held request that was approved and went on.
const RELEASED: &[&str] = &["needs_approval", "claim", "forwarded", "outcome 201"];
