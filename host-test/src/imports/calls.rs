//! Calls to other servers.

use std::time::Duration;

use wasmtime::Result;

use super::Imports;
use crate::cluster::{Call, Sent, find};
use crate::fields;
use crate::guest::{Fault, Guest, Status};

pub(super) fn link(imports: &mut Imports) -> Result<()> {
    imports.proxy("proxy_http_call", http)?;
    grpc(imports)?;
    imports.proxy("proxy_get_status", |guest, [code, pointer, size]| {
        let root = guest.host().root();
        let (status, why) = guest.host().roots.get(&root).map_or((0, ""), |root| root.status);
        guest.write_u32(code, status)?;
        guest.give(why.as_bytes(), pointer, size)
    })
}

/// The answer comes to the root context, whoever calls.
fn http(guest: &mut Guest<'_>, parameters: [u64; 10]) -> Result<(), Fault> {
    let [upstream, a, headers, b, body, c, trailers, d, timeout, token_at] = parameters;
    let cluster = guest.read(upstream, a)?;
    let mut headers = fields::read(&guest.read(headers, b)?);
    let body = guest.read(body, c)?;
    // Envoy knows both as one field.
    let host = headers.iter_mut().filter(|(name, _)| name.eq_ignore_ascii_case(b"host"));
    host.for_each(|(name, _)| *name = b":authority".into());
    if !body.is_empty() {
        fields::set(&mut headers, b"content-length", body.len().to_string().as_bytes());
    }
    let call = Call {
        headers,
        body,
        trailers: fields::read(&guest.read(trailers, d)?),
        timeout: Duration::from_millis(timeout),
    };
    guest.write_u32(token_at, 0)?;
    let needed = [":method", ":path", ":authority"];
    let negative = timeout > u64::from(i32::MAX.cast_unsigned());
    if negative
        || !guest.process().has_cluster(&cluster)
        || needed.iter().any(|n| find(&call.headers, n).is_none())
    {
        return Err(Status::BadArgument.into());
    }
    let (vm, root) = guest.host().owner();
    let token = guest.host_mut().new_token();
    let sent = guest.process().send(&cluster, &call, (vm, root, token))?;
    match sent {
        Sent::Taken => guest.write_u32(token_at, token),
        Sent::Refused => Err(Status::InternalFailure.into()),
    }
}

/// There are no clusters for gRPC: the answers are Envoy's for a name that it does not know.
fn grpc(imports: &mut Imports) -> Result<()> {
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
    Ok(())
}

/// Pointers are looked at first, as Envoy does.
fn refuse<const N: usize>(guest: &mut Guest<'_>, read: [(u64, u64); N], status: Status) -> Result<(), Fault> {
    read.into_iter().try_for_each(|(at, size)| guest.check(at, size))?;
    Err(status.into())
}
