//! What people are shown of requests.

#[cfg(test)]
mod render;
