//! A request from bytes to the question that policy is asked, through the public interface.

mod mapping;
mod reading;
mod support;
