//! A request from bytes to the question that policy is asked, through the public interface.

mod identity;
mod mapping;
mod mistakes;
mod reading;
mod support;
