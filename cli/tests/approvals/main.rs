//! `countersign approvals` against a service by script: what people and auditors see, and what is sent.

#[cfg(test)]
mod lists;
#[cfg(test)]
mod seen;
#[cfg(test)]
mod service;
