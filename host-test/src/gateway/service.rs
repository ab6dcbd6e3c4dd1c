//! A gateway with the approval service by script: the filter's configuration says how to reach it.

use std::cell::{RefCell, RefMut};
use std::rc::Rc;

use serde_json::{Map, Value};

use super::Gateway;
use crate::approvals::{Approvals, Otherwise};
use crate::outcome::{Level, LogLine, Trial, Verdict};

/// A service, as a gateway and its cluster share it.
pub(super) type Shared = Rc<RefCell<Approvals>>;

/// A service for a gateway with this configuration, whose `audience` its grants name.
///
/// # Errors
/// When the configuration is no JSON object.
pub(super) fn start(configuration: &[u8], seed: u64, script: Otherwise) -> Result<Shared, Trial> {
    let members = members(configuration)?;
    let audience = members.get("audience").and_then(Value::as_str).unwrap_or_default();
    let approvals = Approvals::new(seed).with_audience(audience).otherwise(script);
    Ok(Rc::new(RefCell::new(approvals)))
}

/// The same configuration, asking this service in place of the one that it names; how keys are fetched stays.
///
/// # Errors
/// When it is no JSON object.
pub(super) fn asking(configuration: &[u8], approvals: &Shared) -> Result<Vec<u8>, Trial> {
    let mut members = members(configuration)?;
    let mut approval = approvals.borrow().approval();
    let refresh = members.get("approval").and_then(|approval| approval.get("refresh"));
    if let (Some(approval), Some(refresh)) = (approval.as_object_mut(), refresh) {
        approval.insert("refresh".into(), refresh.clone());
    }
    members.insert("approval".into(), approval);
    Ok(Value::Object(members).to_string().into_bytes())
}

fn members(configuration: &[u8]) -> Result<Map<String, Value>, Trial> {
    serde_json::from_slice(configuration).map_err(|error| {
        let text =
            format!("a configuration that is no JSON object cannot name the approval service: {error}");
        Trial { verdict: Verdict::Refused, log: vec![LogLine { level: Level::Error, text }] }
    })
}

impl Gateway {
    /// The service of [`super::Builder::approvals`]: what was asked, answered and recorded, and scripts for single requests
    /// ([`Approvals::expect`]). Nothing in a gateway without it.
    #[must_use]
    pub fn approvals(&self) -> Option<RefMut<'_, Approvals>> {
        self.approvals.as_deref().map(RefCell::borrow_mut)
    }
}
