//! Header and trailer fields of a request, its response, and the answer to a call.

use wasmtime::Result;

use super::Imports;
use crate::cluster::Fields;
use crate::fields;
use crate::guest::{Fault, Guest, Status};
use crate::load::Abi;
use crate::stream::{Direction, Stream};

/// The maps of ABI 0.2.1, `proxy_header_map_type_t`; 4 and 5 belong to gRPC calls.
const REQUEST_HEADERS: u64 = 0;
const REQUEST_TRAILERS: u64 = 1;
const RESPONSE_HEADERS: u64 = 2;
const RESPONSE_TRAILERS: u64 = 3;
const CALL_HEADERS: u64 = 6;
const CALL_TRAILERS: u64 = 7;
const LAST: u64 = CALL_TRAILERS;

pub(super) fn link(imports: &mut Imports) -> Result<()> {
    imports.proxy("proxy_get_header_map_pairs", |guest, [map, pointer, size]| {
        check(map)?;
        let pairs = readable(guest, map).map(fields::write).unwrap_or_default();
        guest.give(&pairs, pointer, size)
    })?;
    imports.proxy("proxy_set_header_map_pairs", |guest, [map, pairs, size]| {
        check(map)?;
        let pairs = fields::read(&guest.read(pairs, size)?);
        let changed = changeable(guest, map)?;
        changed.clear();
        pairs.iter().for_each(|(name, value)| fields::add(changed, name, value));
        Ok(())
    })?;
    imports.proxy("proxy_get_header_map_size", |guest, [map, at]| {
        check(map)?;
        let fields = changeable(guest, map)?;
        let bytes: usize = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
        guest.write_u32(at, u32::try_from(bytes).map_err(|_| Fault::Memory)?)
    })?;
    imports.proxy("proxy_get_header_map_value", |guest, [map, key, size, pointer, length]| {
        check(map)?;
        let key = guest.read(key, size)?;
        let logging = guest.stream().is_some_and(|stream| stream.logging);
        let fields = readable(guest, map);
        if fields.is_none() && !logging {
            return Err(Status::BadArgument.into());
        }
        let value = fields.and_then(|fields| fields::first(fields, &key)).map(<[u8]>::to_vec);
        match value {
            // ABI 0.1.0 does not tell a field that is missing from one that is empty.
            None if guest.host().abi == Abi::V0_1_0 => guest.give(&[], pointer, length),
            None => Err(Status::NotFound.into()),
            Some(value) => guest.give(&value, pointer, length),
        }
    })?;
    imports.proxy("proxy_add_header_map_value", |guest, p: [u64; 5]| change(guest, p, fields::add))?;
    imports.proxy("proxy_replace_header_map_value", |guest, p: [u64; 5]| change(guest, p, fields::set))?;
    imports.proxy("proxy_remove_header_map_value", |guest, [map, key, size]| {
        check(map)?;
        let key = guest.read(key, size)?;
        fields::remove(changeable(guest, map)?, &key);
        Ok(())
    })
}

fn check(map: u64) -> Result<(), Fault> {
    if map > LAST { Err(Status::BadArgument.into()) } else { Ok(()) }
}

fn change(
    guest: &mut Guest<'_>,
    [map, key, size, value, length]: [u64; 5],
    how: impl FnOnce(&mut Fields, &[u8], &[u8]),
) -> Result<(), Fault> {
    check(map)?;
    let (key, value) = (guest.read(key, size)?, guest.read(value, length)?);
    let changed = changeable(guest, map)?;
    how(changed, &key, &value);
    fields::check(changed).map_err(Fault::Trap)
}

/// A map that can be read at this moment.
fn readable<'a>(guest: &'a mut Guest<'_>, map: u64) -> Option<&'a Fields> {
    match map {
        CALL_HEADERS => guest.host().answer.as_ref().map(|answer| &answer.headers),
        CALL_TRAILERS => guest.host().answer.as_ref().map(|answer| &answer.trailers),
        _ => of_stream(guest.stream()?, map),
    }
}

fn of_stream(stream: &Stream, map: u64) -> Option<&Fields> {
    let flow = match map {
        REQUEST_HEADERS | REQUEST_TRAILERS => &stream.request,
        _ => &stream.response,
    };
    let logging = stream.logging;
    match map {
        REQUEST_HEADERS | RESPONSE_HEADERS => (flow.sees.headers || logging).then_some(&flow.headers),
        // While the access log is written, Envoy has no trailer fields of the request.
        REQUEST_TRAILERS if flow.sees.trailers && !stream.logging => flow.trailers.as_ref(),
        RESPONSE_TRAILERS if flow.sees.trailers || logging => flow.trailers.as_ref(),
        _ => None,
    }
}

/// A map that can be changed at this moment. With the last part of a body, trailer fields can be added.
fn changeable<'a>(guest: &'a mut Guest<'_>, map: u64) -> Result<&'a mut Fields, Fault> {
    let (direction, trailers) = match map {
        REQUEST_HEADERS => (Direction::Request, false),
        REQUEST_TRAILERS => (Direction::Request, true),
        RESPONSE_HEADERS => (Direction::Response, false),
        RESPONSE_TRAILERS => (Direction::Response, true),
        _ => return Err(Status::BadArgument.into()),
    };
    let flow = guest.stream().ok_or(Status::BadArgument)?.flow(direction);
    if !trailers {
        return flow.sees.headers.then_some(&mut flow.headers).ok_or(Status::BadArgument.into());
    }
    if flow.trailers.is_none() && (flow.sees.part || flow.sees.buffer) && flow.sees.end {
        flow.trailers = Some(Fields::new());
        flow.sees.trailers = true;
    }
    let fields = flow.trailers.as_mut().filter(|_| flow.sees.trailers);
    fields.ok_or(Status::BadArgument.into())
}
