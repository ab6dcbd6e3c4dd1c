//! Host functions that belong to a request or to a call, as Envoy answers them while there is none.
//!
//! These are the answers of a root context between the module's start and the end of its configuration, in a
//! gateway that knows no cluster. A filter that depends on more would get the same from Envoy.

use wasmtime::Result;

use super::Imports;
use crate::guest::{Fault, Guest, Status};

/// The last of `proxy_header_map_type_t`.
const LAST_MAP: u64 = 7;

pub(super) fn link(imports: &mut Imports) -> Result<()> {
    headers(imports)?;
    streams(imports)?;
    calls(imports)?;
    properties(imports)
}

/// There are no maps: they cannot be changed, and as pairs they are empty.
fn headers(imports: &mut Imports) -> Result<()> {
    imports.proxy("proxy_get_header_map_pairs", |guest, [map, pointer, size]| match map {
        0..=LAST_MAP => guest.give(&[], pointer, size),
        _ => Err(Status::BadArgument.into()),
    })?;
    imports.proxy("proxy_set_header_map_pairs", |guest, [_, pairs, size]| {
        refuse(guest, [(pairs, size)], Status::BadArgument)
    })?;
    imports.proxy("proxy_get_header_map_size", |_, [_, _]| Err(Status::BadArgument.into()))?;
    imports.proxy("proxy_get_header_map_value", |guest, [_, key, size, _, _]| {
        refuse(guest, [(key, size)], Status::BadArgument)
    })?;
    for name in ["proxy_add_header_map_value", "proxy_replace_header_map_value"] {
        imports.proxy(name, |guest, [_, key, size, value, length]| {
            refuse(guest, [(key, size), (value, length)], Status::BadArgument)
        })?;
    }
    imports.proxy("proxy_remove_header_map_value", |guest, [_, key, size]| {
        refuse(guest, [(key, size)], Status::BadArgument)
    })
}

/// Envoy takes these without a stream, and nothing happens.
fn streams(imports: &mut Imports) -> Result<()> {
    imports.proxy("proxy_continue_stream", |_, [stream]| match stream {
        0..=2 => Ok(()),
        3 => Err(Status::Unimplemented.into()),
        _ => Err(Status::BadArgument.into()),
    })?;
    imports.proxy("proxy_close_stream", |_, [stream]| match stream {
        0..=3 => Ok(()),
        _ => Err(Status::BadArgument.into()),
    })?;
    imports.proxy("proxy_send_local_response", |guest, [_, details, a, body, b, pairs, c, _]| {
        [(details, a), (body, b), (pairs, c)].into_iter().try_for_each(|(at, size)| guest.check(at, size))
    })
}

/// No cluster has the name that is called.
fn calls(imports: &mut Imports) -> Result<()> {
    imports.proxy(
        "proxy_http_call",
        |guest, [upstream, a, headers, b, body, c, trailers, d, _, token]| {
            let read = [(upstream, a), (headers, b), (body, c), (trailers, d), (token, 4)];
            refuse(guest, read, Status::BadArgument)
        },
    )?;
    imports.proxy(
        "proxy_grpc_call",
        |guest, [upstream, a, service, b, method, c, pairs, d, body, e, _, _]| {
            let read = [(upstream, a), (service, b), (method, c), (pairs, d), (body, e)];
            refuse(guest, read, Status::ParseFailure)
        },
    )?;
    imports.proxy("proxy_grpc_stream", |guest, [upstream, a, service, b, method, c, pairs, d, _]| {
        refuse(guest, [(upstream, a), (service, b), (method, c), (pairs, d)], Status::ParseFailure)
    })?;
    imports.proxy("proxy_grpc_send", |guest, [token, message, size, _]| {
        guest.check(message, size)?;
        Err(if token % 4 == 2 { Status::NotFound } else { Status::BadArgument }.into())
    })?;
    for name in ["proxy_grpc_cancel", "proxy_grpc_close"] {
        // A token's low bits say what it is for: 1 a call, 2 a stream.
        imports.proxy(name, |_, [token]| {
            Err(if matches!(token % 4, 1 | 2) { Status::NotFound } else { Status::BadArgument }.into())
        })?;
    }
    imports.proxy("proxy_get_status", |guest, [code, pointer, size]| {
        guest.write_u32(code, 0)?;
        guest.give(&[], pointer, size)
    })
}

/// The plugin and its VM have no names here; the node and all that a stream has are not there.
fn properties(imports: &mut Imports) -> Result<()> {
    imports.proxy("proxy_get_property", |guest, [path, size, pointer, length]| {
        match guest.read(path, size)?.as_slice() {
            b"plugin_name" | b"plugin_root_id" | b"plugin_vm_id" => guest.give(&[], pointer, length),
            _ => Err(Status::NotFound.into()),
        }
    })?;
    imports.proxy("proxy_set_property", |guest, [path, size, value, length]| {
        refuse(guest, [(path, size), (value, length)], Status::NotFound)
    })
}

/// Pointers are looked at first, as Envoy does.
fn refuse<const N: usize>(guest: &mut Guest<'_>, read: [(u64, u64); N], status: Status) -> Result<(), Fault> {
    read.into_iter().try_for_each(|(at, size)| guest.check(at, size))?;
    Err(status.into())
}
