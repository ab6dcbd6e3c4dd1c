//! A plugin: a filter's place in the gateway's configuration.

/// What Envoy does with requests when the filter's VM has trapped (`failure_policy`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FailurePolicy {
    /// They are answered with 503 until the gateway starts again.
    #[default]
    FailClosed,
    /// They are answered with 503 until a new VM runs; the next request starts one, a second after the last start.
    FailReload,
    /// They pass the filter by.
    FailOpen,
}

/// A filter's place in the gateway's configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Plugin {
    pub(crate) name: Vec<u8>,
    pub(crate) root_id: Vec<u8>,
    pub(crate) configuration: Vec<u8>,
    /// `allow_on_headers_stop_iteration`.
    pub(crate) headers_pause_alone: bool,
    pub(crate) failure: FailurePolicy,
}
