//! Modules in the raw ABI, put together callback by callback.

use countersign_host_test::{Builder, Filter, Gateway, Outcome};

use super::{AT, load};

const IMPORTS: &str = r#"
    (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
    (import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
    (import "env" "proxy_close_stream" (func $close (param i32) (result i32)))
    (import "env" "proxy_set_effective_context" (func $become (param i32) (result i32)))
    (import "env" "proxy_set_tick_period_milliseconds" (func $ticks (param i32) (result i32)))
    (import "env" "proxy_get_buffer_bytes" (func $buffer (param i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_set_buffer_bytes" (func $put (param i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_get_header_map_pairs" (func $pairs (param i32 i32 i32) (result i32)))
    (import "env" "proxy_set_header_map_pairs" (func $set_pairs (param i32 i32 i32) (result i32)))
    (import "env" "proxy_get_header_map_size" (func $size (param i32 i32) (result i32)))
    (import "env" "proxy_get_header_map_value" (func $get (param i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_replace_header_map_value" (func $set (param i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_remove_header_map_value" (func $remove (param i32 i32 i32) (result i32)))
    (import "env" "proxy_get_property" (func $property (param i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_set_property" (func $set_property (param i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_get_status" (func $status (param i32 i32 i32) (result i32)))
    (import "env" "proxy_done" (func $done (result i32)))
    (import "env" "proxy_http_call"
        (func $call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_get_shared_data" (func $shared (param i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_set_shared_data" (func $share (param i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_register_shared_queue" (func $register (param i32 i32 i32) (result i32)))
    (import "env" "proxy_resolve_shared_queue" (func $resolve (param i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_enqueue_shared_queue" (func $enqueue (param i32 i32 i32) (result i32)))
    (import "env" "proxy_dequeue_shared_queue" (func $dequeue (param i32 i32 i32) (result i32)))
    (import "env" "proxy_define_metric" (func $metric (param i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_increment_metric" (func $increment (param i32 i64) (result i32)))
    (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
    (import "env" "proxy_send_local_response"
        (func $reply (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))"#;

/// Logs a letter; logs the status of a call as a letter from `A`; logs what was given at 64.
const HELPERS: &str = r#"
    (func $letter (param i32)
        (i32.store8 (i32.const 60) (local.get 0))
        (drop (call $log (i32.const 2) (i32.const 60) (i32.const 1))))
    (func $code (param i32) (call $letter (i32.add (local.get 0) (i32.const 65))))
    (func $given (param i32)
        (if (local.get 0)
            (then (call $code (local.get 0)))
            (else (drop (call $log (i32.const 2) (i32.load (i32.const 64)) (i32.load (i32.const 68)))))))"#;

/// Callbacks with the number of their parameters, and whether they give a result.
const CALLBACKS: [(&str, usize, bool); 17] = [
    ("context_create", 2, false),
    ("vm_start", 2, true),
    ("configure", 2, true),
    ("tick", 1, false),
    ("queue_ready", 2, false),
    ("http_call_response", 5, false),
    ("done", 1, true),
    ("log", 1, false),
    ("delete", 1, false),
    ("request_headers", 3, true),
    ("request_body", 3, true),
    ("request_trailers", 2, true),
    ("response_headers", 3, true),
    ("response_body", 3, true),
    ("response_trailers", 2, true),
    ("foreign_function", 3, false),
    ("new_connection", 1, true),
];

/// A module that is being put together. What is given at an address by the host goes to 64 and 68.
#[derive(Default)]
pub(crate) struct Module {
    data: String,
    used: usize,
    functions: String,
}

impl Module {
    /// Address and size of a text.
    pub(crate) fn text(&mut self, text: &str) -> String {
        let bytes: String = text.bytes().map(|byte| format!("\\{byte:02x}")).collect();
        let at = 1024 + self.used;
        self.data += &format!(r#"(data (i32.const {at}) "{bytes}")"#);
        self.used += text.len();
        format!("(i32.const {at}) (i32.const {})", text.len())
    }

    /// Address and size of fields in the ABI's form.
    pub(crate) fn pairs(&mut self, pairs: &[(&str, &str)]) -> String {
        let number = |value: usize| String::from_utf8((value as u32).to_le_bytes().to_vec()).unwrap();
        let mut text = number(pairs.len());
        pairs.iter().for_each(|(name, value)| text += &(number(name.len()) + &number(value.len())));
        pairs.iter().for_each(|(name, value)| text += &format!("{name}\0{value}\0"));
        self.text(&text)
    }

    /// An answer of the filter, with its status as details.
    pub(crate) fn reply(&mut self, status: u16, body: &str) -> String {
        let (details, body) = (self.text(&format!("by {status}")), self.text(body));
        format!(
            "(drop (call $reply (i32.const {status}) {details} {body} (i32.const 0) (i32.const 0) (i32.const -1)))"
        )
    }

    /// A call to `cluster`; its token goes to 72. Its status is left.
    pub(crate) fn call(&mut self, cluster: &str, milliseconds: u32) -> String {
        let fields = [(":method", "POST"), (":path", "/ask"), (":authority", "service")];
        let (name, headers, body) = (self.text(cluster), self.pairs(&fields), self.text("question"));
        format!(
            "(call $call {name} {headers} {body} (i32.const 0) (i32.const 0) (i32.const {milliseconds}) (i32.const 72))"
        )
    }

    /// A callback, without `proxy_on_`. Where it gives a result, the body leaves one.
    pub(crate) fn on(&mut self, callback: &str, body: impl AsRef<str>) -> &mut Self {
        let (name, params, result) =
            CALLBACKS.into_iter().find(|(known, ..)| *known == callback).expect(callback);
        let (params, result) = (" i32".repeat(params), if result { "(result i32)" } else { "" });
        self.functions +=
            &format!(r#"(func (export "proxy_on_{name}") (param{params}) {result} {})"#, body.as_ref());
        self
    }

    /// Anything else.
    pub(crate) fn with(&mut self, text: impl AsRef<str>) -> &mut Self {
        self.functions += text.as_ref();
        self
    }

    pub(crate) fn filter(&self) -> Filter {
        load(IMPORTS, &format!("{HELPERS}{}{}", self.data, self.functions)).unwrap()
    }

    pub(crate) fn gateway(&self) -> Builder {
        Gateway::builder(&self.filter()).at(AT)
    }
}

/// Logs this letter.
pub(crate) fn say(letter: char) -> String {
    format!("(call $letter (i32.const {}))", letter as u32)
}

/// What was logged since the last time.
pub(crate) fn said(gateway: &mut Gateway) -> String {
    gateway.take_log().into_iter().map(|line| line.text).collect()
}

/// What the upstream got of the body.
pub(crate) fn forwarded(outcome: &Outcome) -> Option<&[u8]> {
    outcome.forwarded.as_ref().map(|forwarded| forwarded.body.as_slice())
}

/// The value of a field of the response.
pub(crate) fn field<'a>(outcome: &'a Outcome, name: &str) -> Option<&'a str> {
    let field = outcome.response.headers.iter().find(|(known, _)| known == name.as_bytes());
    field.map(|(_, value)| str::from_utf8(value).unwrap())
}
