//! From addresses to ids.

use crate::error::ErrorKind;
use std::collections::HashMap;
use std::vec::Vec;

/// The objects of a trace that names them by their addresses.
#[derive(Debug, Default)]
pub struct Addresses {
    ids: HashMap<u64, u64, foldhash::fast::RandomState>,
    /// The reallocations of each thread that have begun and not ended, the innermost last: an interrupt handler may
    /// reallocate on the thread it interrupts.
    reallocating: HashMap<u64, Vec<Reallocation>, foldhash::fast::RandomState>,
    /// Whether events were lost, so that objects may be unknown, or gone unnoticed.
    pub lossy: bool,
    pub unknown_frees: u64,
    /// How many reallocations there are in `reallocating`.
    begun: usize,
}

/// A reallocation that has begun.
#[derive(Debug, Clone, Copy)]
pub struct Reallocation {
    /// The object; none if its allocation was lost.
    pub id: Option<u64>,
    pub old_address: u64,
    pub size: u64,
    pub align_log2: Option<u8>,
    pub site: Option<crate::SiteId>,
}

impl Addresses {
    /// Notes that the object `id` lies at `address`. Returns the object that lay there, whose free was lost.
    pub fn place(&mut self, address: u64, id: u64) -> Result<Option<u64>, ErrorKind> {
        let before = self.ids.insert(address, id);
        if before.is_some() && !self.lossy {
            return Err(ErrorKind::Overlap(address));
        }
        Ok(before)
    }

    /// Takes the object at `address` away; none if its allocation is not in the trace.
    pub fn take(&mut self, address: u64) -> Option<u64> {
        let id = self.ids.remove(&address);
        if id.is_none() {
            self.unknown_frees += 1;
            // Its allocation came before the trace, or was lost: so may have been others.
        }
        id
    }

    /// Notes that a reallocation has begun. Returns how many have, and not ended.
    pub fn begin(&mut self, thread: u64, reallocation: Reallocation) -> usize {
        self.reallocating.entry(thread).or_default().push(reallocation);
        self.begun += 1;
        self.begun
    }

    /// The innermost reallocation of a thread, which has ended.
    pub fn end(&mut self, thread: u64) -> Result<Option<Reallocation>, ErrorKind> {
        match self.reallocating.get_mut(&thread).and_then(Vec::pop) {
            None if !self.lossy => Err(ErrorKind::NotReallocating(thread)),
            None => Ok(None),
            reallocation => {
                self.begun -= 1;
                Ok(reallocation)
            }
        }
    }
}
