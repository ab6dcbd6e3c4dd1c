//! The service as gateways and people see it: over its HTTP interface, on a real database.

#[cfg(test)]
mod admin;
#[cfg(test)]
mod answers;
#[cfg(test)]
mod asks;
#[cfg(test)]
mod authenticator;
#[cfg(test)]
mod channels;
#[cfg(test)]
mod claims;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod databases;
#[cfg(test)]
mod ends;
#[cfg(test)]
mod evidence;
#[cfg(test)]
mod fire;
#[cfg(test)]
mod glass;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod inbox;
#[cfg(test)]
mod large;
#[cfg(test)]
mod life;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod lists;
#[cfg(test)]
mod live;
#[cfg(test)]
mod locks;
#[cfg(test)]
mod oidc;
#[cfg(test)]
mod outcomes;
#[cfg(test)]
mod own_evidence;
#[cfg(test)]
mod problems;
#[cfg(test)]
mod proof;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod rotation;
#[cfg(test)]
mod serving;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod standing;
#[cfg(test)]
mod starts;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod unreported;
#[cfg(test)]
mod upgrades;
#[cfg(test)]
mod waits;
