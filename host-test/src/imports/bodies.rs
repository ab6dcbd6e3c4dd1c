//! Buffers: bodies, configurations, and answers to calls.

use std::borrow::Cow;

use wasmtime::Result;

use super::Imports;
use crate::guest::{Fault, Guest, Status};
use crate::load::Abi;
use crate::stream::{Direction, Flow};

/// The buffer types of ABI 0.2.1, `proxy_buffer_type_t`.
const REQUEST_BODY: u64 = 0;
const RESPONSE_BODY: u64 = 1;
const CALL_RESPONSE_BODY: u64 = 4;
const PLUGIN_CONFIGURATION: u64 = 7;
const LAST: u64 = 8;

/// Most bytes that a filter can make of a body.
const LARGEST: usize = 64 << 20;

pub(super) fn link(imports: &mut Imports, abi: Abi) -> Result<()> {
    if abi == Abi::V0_1_0 {
        imports.proxy("proxy_get_configuration", |guest, [pointer, size]| {
            let plugin = guest.host().configuring.clone();
            guest.give(plugin.as_ref().map_or(&[], |plugin| &plugin.configuration), pointer, size)
        })?;
    }
    imports.proxy("proxy_get_buffer_bytes", get)?;
    imports.proxy("proxy_get_buffer_status", |guest, [kind, length, flags]| {
        let size = u32::try_from(buffer(guest, kind)?.len()).map_err(|_| Fault::Memory)?;
        guest.write_u32(length, size)?;
        guest.write_u32(flags, 0)
    })?;
    imports.proxy("proxy_set_buffer_bytes", set)
}

/// What lies behind the end is no bytes.
fn get(guest: &mut Guest<'_>, [kind, start, length, pointer, size]: [u64; 5]) -> Result<(), Fault> {
    let start = usize::try_from(start).map_err(|_| Fault::Memory)?;
    let length = usize::try_from(length).map_err(|_| Fault::Memory)?;
    let bytes = buffer(guest, kind)?;
    let rest = bytes.get(start..).unwrap_or_default();
    let part = rest.get(..length).unwrap_or(rest).to_vec();
    guest.give(&part, pointer, size)
}

/// The content of a buffer. An answer to a call and the configuration are there in their callbacks only; the VM
/// has no configuration of its own.
fn buffer<'a>(guest: &'a mut Guest<'_>, kind: u64) -> Result<Cow<'a, [u8]>, Fault> {
    match kind {
        REQUEST_BODY => Ok(body(guest, Direction::Request)),
        RESPONSE_BODY => Ok(body(guest, Direction::Response)),
        CALL_RESPONSE_BODY => {
            let answer = guest.host().answer.as_ref().ok_or(Status::NotFound)?;
            Ok(Cow::Borrowed(&answer.body))
        }
        PLUGIN_CONFIGURATION => {
            let plugin = guest.host().configuring.as_ref().ok_or(Status::NotFound)?;
            Ok(Cow::Borrowed(&plugin.configuration))
        }
        _ if kind > LAST => Err(Status::BadArgument.into()),
        _ => Ok(Cow::Borrowed(&[])),
    }
}

fn body<'a>(guest: &'a mut Guest<'_>, direction: Direction) -> Cow<'a, [u8]> {
    let bytes = guest.stream().and_then(|stream| visible(stream.flow(direction)));
    Cow::Borrowed(bytes.map_or(&[], |bytes| bytes.as_slice()))
}

/// The part of a body that can be read and changed at this moment.
fn visible(flow: &mut Flow) -> Option<&mut Vec<u8>> {
    if flow.sees.buffer {
        return flow.buffered.as_mut();
    }
    flow.sees.part.then_some(&mut flow.part)
}

/// Envoy's ways: in place of so many bytes at the beginning, none and all among them, or after the end.
fn set(guest: &mut Guest<'_>, [kind, start, length, data, size]: [u64; 5]) -> Result<(), Fault> {
    buffer(guest, kind)?;
    let data = guest.read(data, size)?;
    let direction = match kind {
        REQUEST_BODY => Direction::Request,
        RESPONSE_BODY => Direction::Response,
        _ => return Err(Status::BadArgument.into()),
    };
    let body = guest.stream().and_then(|stream| visible(stream.flow(direction)));
    let body = body.ok_or(Status::BadArgument)?;
    if start == 0 {
        let length = usize::try_from(length).unwrap_or(usize::MAX).min(body.len());
        body.splice(..length, data);
    } else if start >= body.len() as u64 {
        body.extend(data);
    } else {
        return Err(Status::BadArgument.into());
    }
    if body.len() > LARGEST {
        return Err(Fault::Trap(wasmtime::format_err!("a body of more than {LARGEST} bytes")));
    }
    Ok(())
}
