//! Continuing, answering and ending requests: what is asked for here happens when the callback is over.

use wasmtime::Result;

use super::Imports;
use crate::fields;
use crate::guest::{Fault, Guest, Status};
use crate::host::Deferred;
use crate::load::Abi;
use crate::reply::LocalReply;
use crate::stream::Direction;

/// The streams of ABI 0.2.1, `proxy_stream_type_t`.
const REQUEST: u64 = 0;
const RESPONSE: u64 = 1;
const UPSTREAM: u64 = 3;

/// The last of gRPC's status codes (`UNAUTHENTICATED`).
const LAST_GRPC: u64 = 16;

pub(super) fn link(imports: &mut Imports, abi: Abi) -> Result<()> {
    match abi {
        Abi::V0_1_0 => old(imports)?,
        Abi::V0_2_0 | Abi::V0_2_1 => of_streams(imports)?,
    }
    imports.proxy("proxy_send_local_response", reply)?;
    imports.proxy("proxy_set_effective_context", |guest, [context]| {
        let context = u32::try_from(context).map_err(|_| Status::BadArgument)?;
        if !guest.host().knows(context) {
            return Err(Status::BadArgument.into());
        }
        guest.host_mut().effective = context;
        Ok(())
    })?;
    imports.proxy("proxy_done", |guest, []| guest.host_mut().done())
}

/// ABI 0.1.0 has a function for each direction, and none that ends a request.
fn old(imports: &mut Imports) -> Result<()> {
    imports.proxy("proxy_continue_request", |guest, []| proceed(guest, Direction::Request))?;
    imports.proxy("proxy_continue_response", |guest, []| proceed(guest, Direction::Response))?;
    imports.proxy("proxy_clear_route_cache", |_, []| Ok(()))
}

fn of_streams(imports: &mut Imports) -> Result<()> {
    imports.proxy("proxy_continue_stream", |guest, [stream]| match stream {
        REQUEST => proceed(guest, Direction::Request),
        RESPONSE => proceed(guest, Direction::Response),
        UPSTREAM => Err(Status::Unimplemented.into()),
        _ if stream > UPSTREAM => Err(Status::BadArgument.into()),
        _ => Ok(()),
    })?;
    imports.proxy("proxy_close_stream", |guest, [stream]| {
        if stream > UPSTREAM {
            return Err(Status::BadArgument.into());
        }
        let context = guest.host().context();
        if stream <= RESPONSE && guest.stream().is_some() {
            guest.host_mut().deferred.push_back(Deferred::Reset(context));
        }
        Ok(())
    })
}

/// Envoy takes this without a request too, and nothing happens.
fn proceed(guest: &mut Guest<'_>, direction: Direction) -> Result<(), Fault> {
    let context = guest.host().context();
    let Some(stream) = guest.stream() else { return Ok(()) };
    let sees = &mut stream.request.sees;
    (sees.headers, sees.part, sees.trailers) = (false, false, false);
    Ok(guest.host_mut().defer(Deferred::Continue(context, direction))?)
}

fn reply(guest: &mut Guest<'_>, parameters: [u64; 8]) -> Result<(), Fault> {
    let [status, details, a, body, b, pairs, c, grpc] = parameters;
    let details = guest.read(details, a)?;
    let body = guest.read(body, b)?;
    let pairs = fields::read(&guest.read(pairs, c)?);
    let context = guest.host().context();
    if guest.stream().is_some() {
        let mut reply = LocalReply {
            status: u16::try_from(status).unwrap_or(500),
            body,
            grpc: (grpc <= LAST_GRPC).then(|| u32::try_from(grpc).ok()).flatten(),
            // Envoy's access log is separated by spaces.
            details: String::from_utf8_lossy(&details).replace(char::is_whitespace, "_"),
            ..LocalReply::default()
        };
        pairs.iter().for_each(|(name, value)| fields::add(&mut reply.headers, name, value));
        guest.host_mut().defer(Deferred::Reply(context, reply))?;
    }
    guest.host_mut().stop_next = true;
    Ok(())
}
