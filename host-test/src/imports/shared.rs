//! Shared data and shared queues, of one VM: nobody else is there to share them with.

use std::collections::{BTreeMap, VecDeque};

use wasmtime::Result;

use super::Imports;
use crate::guest::{Fault, Guest, Status};

/// What a VM shares.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// A value and the version that a compare-and-swap names.
    data: BTreeMap<Vec<u8>, (Vec<u8>, u32)>,
    versions: u32,
    /// A queue's token is its place here, from 1.
    queues: Vec<(Vec<u8>, VecDeque<Vec<u8>>)>,
}

impl Shared {
    fn set(&mut self, key: Vec<u8>, value: Vec<u8>, version: u64) -> Result<(), Status> {
        if version != 0 && self.data.get(&key).is_some_and(|(_, now)| u64::from(*now) != version) {
            return Err(Status::CasMismatch);
        }
        self.versions += 1;
        self.data.insert(key, (value, self.versions));
        Ok(())
    }

    fn find(&self, name: &[u8]) -> Option<u32> {
        let place = self.queues.iter().position(|(known, _)| known == name)?;
        u32::try_from(place + 1).ok()
    }

    fn register(&mut self, name: Vec<u8>) -> Option<u32> {
        if self.find(&name).is_none() {
            self.queues.push((name.clone(), VecDeque::new()));
        }
        self.find(&name)
    }

    fn queue(&mut self, token: u64) -> Result<&mut VecDeque<Vec<u8>>, Status> {
        let place = usize::try_from(token).ok().and_then(|token| token.checked_sub(1));
        let queue = place.and_then(|place| self.queues.get_mut(place)).ok_or(Status::NotFound)?;
        Ok(&mut queue.1)
    }
}

pub(super) fn link(imports: &mut Imports) -> Result<()> {
    imports.proxy("proxy_get_shared_data", |guest, [key, size, pointer, length, version]| {
        let key = guest.read(key, size)?;
        let (value, now) = guest.host().shared.data.get(&key).cloned().ok_or(Status::NotFound)?;
        guest.give(&value, pointer, length)?;
        guest.write_u32(version, now)
    })?;
    imports.proxy("proxy_set_shared_data", |guest, [key, size, value, length, version]| {
        let (key, value) = (kept(guest, key, size)?, kept(guest, value, length)?);
        Ok(guest.host_mut().shared.set(key, value, version)?)
    })?;
    imports.proxy("proxy_register_shared_queue", |guest, [name, size, token]| {
        let name = kept(guest, name, size)?;
        let found = guest.host_mut().shared.register(name).ok_or(Status::NotFound)?;
        guest.write_u32(token, found)
    })?;
    imports.proxy("proxy_resolve_shared_queue", |guest, [vm, length, name, size, token]| {
        let (vm, name) = (guest.read(vm, length)?, guest.read(name, size)?);
        // This VM has no id; an empty one means itself.
        let found = guest.host().shared.find(&name).filter(|_| vm.is_empty()).ok_or(Status::NotFound)?;
        guest.write_u32(token, found)
    })?;
    imports.proxy("proxy_enqueue_shared_queue", |guest, [token, data, size]| {
        let data = kept(guest, data, size)?;
        guest.host_mut().shared.queue(token)?.push_back(data);
        Ok(())
    })?;
    imports.proxy("proxy_dequeue_shared_queue", |guest, [token, pointer, size]| {
        let data = guest.host_mut().shared.queue(token)?.pop_front().ok_or(Status::Empty)?;
        guest.give(&data, pointer, size)
    })
}

/// Bytes that the host is going to keep.
pub(super) fn kept(guest: &mut Guest<'_>, at: u64, size: u64) -> Result<Vec<u8>, Fault> {
    let bytes = guest.read(at, size)?;
    guest.host_mut().keep(bytes.len())?;
    Ok(bytes)
}
