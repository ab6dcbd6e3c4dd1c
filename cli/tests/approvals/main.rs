//! `countersign approvals` against a service by script: what people and auditors see, and what is sent.

#[cfg(test)]
mod audit;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod lists;
#[cfg(test)]
mod options;
#[cfg(test)]
mod render;
#[cfg(test)]
mod seen;
#[cfg(test)]
mod service;
