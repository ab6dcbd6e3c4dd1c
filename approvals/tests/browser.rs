//! The pages in a real browser, with a real provider to log in at and a virtual authenticator for passkeys.

#[cfg(test)]
#[path = "browser/approver.rs"]
mod approver;
#[cfg(test)]
#[path = "browser/chromium.rs"]
mod chromium;
#[cfg(test)]
#[path = "it/databases.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod databases;
#[cfg(test)]
#[path = "browser/directions.rs"]
mod directions;
#[cfg(test)]
#[path = "browser/factors.rs"]
mod factors;
#[cfg(test)]
#[path = "browser/hands.rs"]
mod hands;
#[cfg(test)]
#[path = "it/harness.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod harness;
#[cfg(test)]
#[path = "browser/hostile.rs"]
mod hostile;
#[cfg(test)]
#[path = "browser/journeys.rs"]
mod journeys;
#[cfg(test)]
#[path = "browser/large.rs"]
mod large;
#[cfg(test)]
#[path = "browser/load.rs"]
mod load;
#[cfg(test)]
#[path = "browser/login.rs"]
mod login;
#[cfg(test)]
#[path = "browser/looks.rs"]
mod looks;
#[cfg(test)]
#[path = "it/proof.rs"]
mod proof;
#[cfg(test)]
#[path = "browser/refused.rs"]
mod refused;
#[cfg(test)]
#[path = "browser/site.rs"]
mod site;
#[cfg(test)]
#[path = "browser/speed.rs"]
mod speed;
