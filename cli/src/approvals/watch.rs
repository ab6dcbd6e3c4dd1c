//! Each request as it comes to wait for people.

use std::collections::BTreeSet;
use std::time::Duration;

use super::client::Client;
use super::{commands, show};
use crate::failure::Failure;
use crate::output;

/// How soon to connect again when the service ended in good order.
const PAUSE: Duration = Duration::from_secs(1);

/// Prints until it is interrupted, or the service cannot be asked.
pub(super) fn run(client: &Client, json: bool) -> Result<(), Failure> {
    let mut known = BTreeSet::new();
    loop {
        client.follow(|| {
            for one in commands::requests(client, Some("pending"))? {
                if !known.insert(one.ticket.clone()) {
                    continue;
                }
                if json {
                    let line =
                        serde_json::to_string(&one).map_err(|error| Failure::Other(error.to_string()))?;
                    output::print_json(&(line + "\n"))?;
                } else {
                    output::print_foreign(&show::line(&one))?;
                }
            }
            Ok(())
        })?;
        std::thread::sleep(PAUSE);
    }
}
