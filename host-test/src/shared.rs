//! Shared data and shared queues: what the workers of a gateway share.

use std::collections::{BTreeMap, VecDeque};

use crate::guest::Status;

/// What the VMs of one `vm_id` share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// A value and the version that a compare-and-swap names.
    data: BTreeMap<Vec<u8>, (Vec<u8>, u32)>,
    versions: u32,
    /// A queue's token is its place here, from 1.
    queues: Vec<Queue>,
    /// Queues that somebody put something into: who registered each, and its token.
    ready: Vec<(Owner, u32)>,
}

/// A VM and its root context.
pub(crate) type Owner = (u64, u32);

#[derive(Debug)]
struct Queue {
    name: Vec<u8>,
    /// Who registered it last, and is told.
    owner: Owner,
    items: VecDeque<Vec<u8>>,
}

impl Shared {
    pub(crate) fn get(&self, key: &[u8]) -> Result<(Vec<u8>, u32), Status> {
        self.data.get(key).cloned().ok_or(Status::NotFound)
    }

    /// Gives the value that was there before.
    pub(crate) fn set(
        &mut self,
        key: Vec<u8>,
        value: Vec<u8>,
        version: u64,
    ) -> Result<Option<Vec<u8>>, Status> {
        if version != 0 && self.data.get(&key).is_some_and(|(_, now)| u64::from(*now) != version) {
            return Err(Status::CasMismatch);
        }
        self.versions += 1;
        Ok(self.data.insert(key, (value, self.versions)).map(|(value, _)| value))
    }

    pub(crate) fn find(&self, name: &[u8]) -> Option<u32> {
        let place = self.queues.iter().position(|queue| queue.name == name)?;
        u32::try_from(place + 1).ok()
    }

    pub(crate) fn register(&mut self, name: Vec<u8>, owner: Owner) -> Option<u32> {
        match self.queues.iter_mut().find(|queue| queue.name == name) {
            Some(queue) => queue.owner = owner,
            None => self.queues.push(Queue { name: name.clone(), owner, items: VecDeque::new() }),
        }
        self.find(&name)
    }

    pub(crate) fn put(&mut self, token: u64, item: Vec<u8>) -> Result<(), Status> {
        let queue = self.queue(token)?;
        queue.items.push_back(item);
        let owner = queue.owner;
        self.ready.push((owner, u32::try_from(token).map_err(|_| Status::NotFound)?));
        Ok(())
    }

    pub(crate) fn take(&mut self, token: u64) -> Result<Vec<u8>, Status> {
        self.queue(token)?.items.pop_front().ok_or(Status::Empty)
    }

    /// Who is to be told of what came into which queue.
    pub(crate) fn take_ready(&mut self) -> Vec<(Owner, u32)> {
        std::mem::take(&mut self.ready)
    }

    fn queue(&mut self, token: u64) -> Result<&mut Queue, Status> {
        let place = usize::try_from(token).ok().and_then(|token| token.checked_sub(1));
        place.and_then(|place| self.queues.get_mut(place)).ok_or(Status::NotFound)
    }
}
