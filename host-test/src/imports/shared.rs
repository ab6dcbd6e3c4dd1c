//! Shared data and shared queues.

use wasmtime::Result;

use super::Imports;
use crate::guest::{Fault, Guest, Status};

pub(super) fn link(imports: &mut Imports) -> Result<()> {
    imports.proxy("proxy_get_shared_data", |guest, [key, size, pointer, length, version]| {
        let key = guest.read(key, size)?;
        let (value, now) = guest.process().shared.get(&key)?;
        guest.give(&value, pointer, length)?;
        guest.write_u32(version, now)
    })?;
    imports.proxy("proxy_set_shared_data", |guest, [key, size, value, length, version]| {
        let (key, value) = (guest.read(key, size)?, guest.read(value, length)?);
        let (name, new) = (key.len(), value.len());
        let before = guest.process().shared.set(key, value, version)?;
        match before {
            Some(before) => guest.process().release(before.len()),
            None => guest.process().keep(name)?,
        }
        Ok(guest.process().keep(new)?)
    })?;
    imports.proxy("proxy_register_shared_queue", |guest, [name, size, token]| {
        let name = kept(guest, name, size)?;
        let owner = guest.host().owner();
        let found = guest.process().shared.register(name, owner).ok_or(Status::NotFound)?;
        guest.write_u32(token, found)
    })?;
    imports.proxy("proxy_resolve_shared_queue", |guest, [vm, length, name, size, token]| {
        let (vm, name) = (guest.read(vm, length)?, guest.read(name, size)?);
        // VMs have no id here; an empty one means the filter itself.
        let found = guest.process().shared.find(&name).filter(|_| vm.is_empty());
        let found = found.ok_or(Status::NotFound)?;
        guest.write_u32(token, found)
    })?;
    imports.proxy("proxy_enqueue_shared_queue", |guest, [token, data, size]| {
        let data = kept(guest, data, size)?;
        Ok(guest.process().shared.put(token, data)?)
    })?;
    imports.proxy("proxy_dequeue_shared_queue", |guest, [token, pointer, size]| {
        let data = guest.process().shared.take(token)?;
        guest.process().release(data.len());
        guest.give(&data, pointer, size)
    })
}

/// Bytes that the host is going to keep.
pub(super) fn kept(guest: &mut Guest<'_>, at: u64, size: u64) -> Result<Vec<u8>, Fault> {
    let bytes = guest.read(at, size)?;
    guest.process().keep(bytes.len())?;
    Ok(bytes)
}
