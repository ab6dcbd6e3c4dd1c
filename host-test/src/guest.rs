//! The module as a host function sees it: its memory, bounds-checked, and its allocator.

use std::cell::RefMut;

use wasmtime::{Caller, Error, Memory, Result, Trap};

use crate::host::Host;
use crate::process::Process;
use crate::stream::Stream;

/// What a host function answers when it is not `Ok` (0). Specification of ABI 0.2.1, `proxy_status_t`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    NotFound = 1,
    BadArgument = 2,
    ParseFailure = 4,
    InvalidMemoryAccess = 6,
    Empty = 7,
    CasMismatch = 8,
    InternalFailure = 10,
    BrokenConnection = 11,
    Unimplemented = 12,
}

/// What a WASI function answers when it is not `success` (0). `wasi_snapshot_preview1`, `errno`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Errno {
    BadFile = 8,
    /// The number that Envoy's host gives for what is no directory.
    NoDirectory = 20,
    Fault = 21,
    Invalid = 28,
    NoEntry = 44,
    NoSystemCall = 52,
    NotSupported = 58,
}

/// Why a host function does not succeed.
#[derive(Debug)]
pub(crate) enum Fault {
    /// A pointer leads out of the module's memory; each ABI has its own code for it.
    Memory,
    Status(Status),
    Errno(Errno),
    /// The VM ends here.
    Trap(Error),
}

impl Fault {
    /// The code that the module gets.
    pub(crate) fn code(self, memory: i32) -> Result<i32> {
        match self {
            Self::Memory => Ok(memory),
            Self::Status(status) => Ok(status as i32),
            Self::Errno(errno) => Ok(errno as i32),
            Self::Trap(error) => Err(error),
        }
    }
}

impl From<Status> for Fault {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

impl From<Errno> for Fault {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Trap(error)
    }
}

/// The functions through which a module gives the host memory; the first that it has is used.
pub(crate) const ALLOCATORS: [&str; 2] = ["malloc", "proxy_on_memory_allocate"];

/// A module that called a host function. Addresses and sizes are `u32` in the ABI, held wider so that sums
/// cannot overflow.
pub(crate) struct Guest<'a>(pub(crate) Caller<'a, Host>);

impl Guest<'_> {
    pub(crate) fn host(&self) -> &Host {
        self.0.data()
    }

    pub(crate) fn host_mut(&mut self) -> &mut Host {
        self.0.data_mut()
    }

    /// What all VMs share. It must not be held across anything else of the guest.
    pub(crate) fn process(&self) -> RefMut<'_, Process> {
        self.0.data().process.borrow_mut()
    }

    /// The request that the call is about, if it is about one.
    pub(crate) fn stream(&mut self) -> Option<&mut Stream> {
        self.host_mut().stream()
    }

    fn memory(&mut self) -> Result<Memory, Fault> {
        if let Some(memory) = self.host().memory {
            return Ok(memory);
        }
        self.0.get_export("memory").and_then(wasmtime::Extern::into_memory).ok_or(Fault::Memory)
    }

    /// Copying takes as much fuel as bytes, so that a loop over host functions ends as any other loop does.
    fn charge(&mut self, bytes: usize) -> Result<(), Fault> {
        let left = self.0.get_fuel()?.checked_sub(bytes as u64).ok_or(Trap::OutOfFuel);
        Ok(self.0.set_fuel(left.map_err(Error::from)?)?)
    }

    pub(crate) fn check(&mut self, at: u64, size: u64) -> Result<(), Fault> {
        let end = at.checked_add(size).ok_or(Fault::Memory)?;
        if end > self.memory()?.data_size(&self.0) as u64 {
            return Err(Fault::Memory);
        }
        Ok(())
    }

    pub(crate) fn read(&mut self, at: u64, size: u64) -> Result<Vec<u8>, Fault> {
        self.check(at, size)?;
        let (at, size) = (index(at)?, index(size)?);
        self.charge(size)?;
        let memory = self.memory()?;
        let bytes = memory.data(&self.0).get(at..).and_then(|rest| rest.get(..size));
        Ok(bytes.ok_or(Fault::Memory)?.to_vec())
    }

    pub(crate) fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), Fault> {
        self.charge(bytes.len())?;
        self.memory()?.write(&mut self.0, index(at)?, bytes).map_err(|_| Fault::Memory)
    }

    pub(crate) fn write_u32(&mut self, at: u64, value: u32) -> Result<(), Fault> {
        self.write(at, &value.to_le_bytes())
    }

    /// Hands bytes over in memory that the module allocates; no bytes are a null pointer.
    pub(crate) fn give(&mut self, bytes: &[u8], pointer: u64, size: u64) -> Result<(), Fault> {
        let length = u32::try_from(bytes.len()).map_err(|_| Fault::Memory)?;
        let at = if bytes.is_empty() { 0 } else { self.allocate(length)? };
        self.write(at.into(), bytes)?;
        self.write_u32(pointer, at)?;
        self.write_u32(size, length)
    }

    fn allocate(&mut self, size: u32) -> Result<u32, Fault> {
        let known = self.host().allocate.clone();
        let allocate = match known {
            Some(allocate) => allocate,
            None => {
                let found = ALLOCATORS.into_iter().find_map(|name| self.0.get_export(name)?.into_func());
                found.ok_or(Fault::Memory)?.typed::<u32, u32>(&self.0)?
            }
        };
        match allocate.call(&mut self.0, size)? {
            0 => Err(Fault::Memory),
            at => Ok(at),
        }
    }
}

fn index(value: u64) -> Result<usize, Fault> {
    usize::try_from(value).map_err(|_| Fault::Memory)
}
