//! The objects that are live at a point of a trace.

use crate::error::{Error, ErrorKind};
use crate::event::{Event, Op};
use crate::sites::SiteId;
use std::collections::HashMap;

/// A live object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Object {
    /// Its size in bytes.
    pub size: u64,
    /// The logarithm of the alignment that was asked for, if one was.
    pub align_log2: Option<u8>,
    /// Its address; 0 in traces without addresses.
    pub address: u64,
    /// Where it was allocated.
    pub site: Option<SiteId>,
    /// The thread that allocated it.
    pub thread: u64,
    /// When it was allocated, in ticks.
    pub time: u64,
    /// The number of the record that allocated it.
    pub record: u64,
}

/// What an event did to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Its id.
    pub id: u64,
    /// As it was; none if it is new.
    pub old: Option<Object>,
    /// As it is; none if it was freed.
    pub new: Option<Object>,
}

/// The objects that are live at a point of a trace.
///
/// # Examples
///
/// ```
/// use talloc_trace::{Live, Reader, Writer};
///
/// let mut writer = Writer::streaming(Vec::new())?;
/// let block = writer.alloc(40, None)?;
/// writer.alloc(8, None)?;
/// writer.free(block)?;
/// let file = writer.finish()?;
///
/// let mut live = Live::new();
/// for event in Reader::new(file.as_slice())? {
///     live.apply(&event?)?;
/// }
/// assert_eq!((live.bytes(), live.peak_bytes()), (8, 48));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Live {
    objects: HashMap<u64, Object, foldhash::fast::RandomState>,
    bytes: u64,
    peak_bytes: u64,
}

impl Live {
    /// No objects.
    pub fn new() -> Self {
        Self::default()
    }

    /// The bytes of all live objects.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The most bytes that were ever live.
    pub fn peak_bytes(&self) -> u64 {
        self.peak_bytes
    }

    /// How many objects are live.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether no object is live.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// A live object.
    pub fn get(&self, id: u64) -> Option<&Object> {
        self.objects.get(&id)
    }

    /// The live objects with their ids, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &Object)> {
        self.objects.iter().map(|(id, object)| (*id, object))
    }

    /// Follows an event. Events must come in the order of the trace.
    ///
    /// Returns none if the event is not about an object. Takes constant time on average.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotLive`] if the event is about an object that is not allocated; [`ErrorKind::LiveBytes`] if the
    /// sum of the sizes overflows. What is live is not known after that.
    pub fn apply(&mut self, event: &Event) -> Result<Option<Change>, Error> {
        let change = match event.op {
            Op::Alloc { id, size, address, .. } => {
                let Event { align_log2, site, thread, time, record, .. } = *event;
                let new = Object { size, align_log2, address, site, thread, time, record };
                self.objects.insert(id, new);
                Change { id, old: None, new: Some(new) }
            }
            Op::Realloc { id, size, address } => {
                let object = self.objects.get_mut(&id).ok_or_else(|| not_live(id, event))?;
                let old = *object;
                (object.size, object.address) = (size, address);
                Change { id, old: Some(old), new: Some(*object) }
            }
            Op::Free { id } => {
                let old = self.objects.remove(&id).ok_or_else(|| not_live(id, event))?;
                Change { id, old: Some(old), new: None }
            }
            Op::Refused { .. } | Op::Lost { .. } => return Ok(None),
        };
        let size = |object: Option<Object>| object.map_or(0, |object| object.size);
        let rest = self.bytes - size(change.old);
        self.bytes = rest
            .checked_add(size(change.new))
            .ok_or_else(|| error_at(event, ErrorKind::LiveBytes))?;
        self.peak_bytes = self.peak_bytes.max(self.bytes);
        Ok(Some(change))
    }
}

pub(crate) fn not_live(id: u64, event: &Event) -> Error {
    error_at(event, ErrorKind::NotLive(id))
}

pub(crate) fn error_at(event: &Event, kind: ErrorKind) -> Error {
    Error { offset: event.offset, record: event.record, kind }
}
