//! What a trace says, resolved to objects.

use crate::sites::SiteId;

/// An event of a trace, as [`Reader`](crate::Reader) gives it: objects have ids, however the file names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub op: Op,
    /// The number of the thread that did it.
    pub thread: u64,
    /// The logarithm of the alignment, if one was asked for.
    pub align_log2: Option<u8>,
    /// The time in ticks; 0 in traces without times.
    pub time: u64,
    /// Where in the program; none in traces without call sites.
    pub site: Option<SiteId>,
    /// The offset of the record in the uncompressed trace.
    pub offset: u64,
    /// The number of the record, from 0.
    pub record: u64,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// An object was allocated.
    Alloc {
        /// Its id: the number of objects before it.
        id: u64,
        /// Its size in bytes, which may be 0.
        size: u64,
        /// Whether zeros were asked for.
        zeroed: bool,
        /// Its address; 0 in traces without addresses.
        address: u64,
    },
    /// An object's size changed.
    Realloc {
        /// Its id.
        id: u64,
        /// Its new size in bytes, which may be 0.
        size: u64,
        /// Its new address; 0 in traces without addresses.
        address: u64,
    },
    /// An object was freed.
    Free {
        /// Its id.
        id: u64,
    },
    /// A request was refused.
    Refused {
        /// The size in bytes that was asked for.
        size: u64,
    },
    /// Events were lost here.
    Lost {
        /// How many.
        count: u64,
    },
}
