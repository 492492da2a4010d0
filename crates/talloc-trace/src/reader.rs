//! Bytes to events.

use crate::addresses::{Addresses, Reallocation};
use crate::bytes::Bytes;
use crate::error::{Error, ErrorKind};
use crate::event::{Event, Op};
use crate::flags::{
    ALIGNED, END, Flags, HEADER_SIZE, Header, LOST, MAGIC, MAX_FRAMES, MAX_OBJECT_SIZE, NOTE,
    OPERATION, REFUSED, THREAD_CHANGES, UNKNOWN_BITS,
};
use crate::limits::Limits;
use crate::sites::{SiteId, Sites};
use crate::varint::unzigzag;
use std::io::Read;
use std::vec::Vec;

/// Reads an uncompressed trace event by event, from a file of any size.
///
/// It takes memory for the call sites, and, if the trace names objects by their addresses, for the live objects: no
/// number in a file makes it take more. [`Limits`] bound both, since a small compressed file can have many of them.
/// [`open`](crate::open) reads compressed files, too.
///
/// Ids are checked as far as that needs no memory; [`Live`](crate::Live) finds what is used after it was freed.
///
/// # Examples
///
/// ```
/// use talloc_trace::{ErrorKind, Reader};
///
/// let error = Reader::new(b"no trace".as_slice()).err().unwrap();
/// assert!(matches!(error.kind, ErrorKind::NotATrace));
/// assert_eq!(error.to_string(), "byte 0, record 0: not a trace");
/// ```
pub struct Reader<R> {
    bytes: Bytes<R>,
    header: Header,
    /// Of the first record.
    data_offset: u64,
    partial: bool,
    limits: Limits,
    state: State,
    addresses: Addresses,
    sites: Sites,
    /// The last call stack, outermost first.
    stack: Vec<u64>,
    scratch: Vec<u64>,
    /// What the last record says besides what it was.
    pending: Option<Event>,
    done: bool,
    truncated: bool,
}

#[derive(Default)]
struct State {
    records: u64,
    objects: u64,
    /// How many objects are live, if none is freed twice.
    live: usize,
    thread: u64,
    time: u64,
    address: u64,
    /// Where the current record begins.
    offset: u64,
    lost: u64,
}

impl<R: Read> Reader<R> {
    /// Reads the header.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotATrace`], [`ErrorKind::CutShort`], [`ErrorKind::UnknownExtension`], [`ErrorKind::Io`].
    pub fn new(inner: R) -> Result<Self, Error> {
        let mut bytes = Bytes::new(inner);
        let mut start = 0;
        let header = read_header(&mut bytes, &mut start).map_err(|kind| Error {
            offset: start,
            record: 0,
            kind,
        })?;
        Ok(Self {
            data_offset: bytes.offset(),
            truncated: header.truncated,
            bytes,
            header,
            partial: false,
            limits: Limits::default(),
            state: State::default(),
            addresses: Addresses::default(),
            sites: Sites::new(),
            stack: Vec::new(),
            scratch: Vec::new(),
            pending: None,
            done: false,
        })
    }

    /// Takes the end of the file as the end of the trace, wherever that is: for recordings of programs that were
    /// killed and of devices that were switched off. [`truncated`](Self::truncated) tells whether it was.
    #[must_use]
    pub fn partial(mut self, accept: bool) -> Self {
        self.partial = accept;
        self
    }

    /// Reads no further than to these limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The header as it is in the file. The counts of a [streamed](Flags::STREAMED) trace are 0 there.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The call sites of all events so far.
    pub fn sites(&self) -> &Sites {
        &self.sites
    }

    /// How many records have been read.
    pub fn records(&self) -> u64 {
        self.state.records
    }

    /// How many objects have been allocated so far.
    pub fn objects(&self) -> u64 {
        self.state.objects
    }

    /// How many events were lost so far.
    pub fn lost(&self) -> u64 {
        self.state.lost
    }

    /// How many objects were freed that the trace does not know: what the header says, and what has been seen so far.
    pub fn unknown_frees(&self) -> u64 {
        self.header.unknown_frees.saturating_add(self.addresses.unknown_frees)
    }

    /// Whether the recording was cut off. In a streamed trace, this is known at its end.
    pub fn truncated(&self) -> bool {
        self.truncated
    }

    /// The offset in the uncompressed trace, in bytes.
    pub fn offset(&self) -> u64 {
        self.bytes.offset()
    }

    /// The next event; none at the end of the trace, which is checked then.
    ///
    /// After an error, there is nothing more.
    ///
    /// # Errors
    ///
    /// [`Error`], with the offset of the record that is wrong.
    pub fn next_event(&mut self) -> Result<Option<Event>, Error> {
        loop {
            if let Some(event) = self.pending.take() {
                return self.counted(event).map(Some);
            }
            if self.done {
                return Ok(None);
            }
            self.state.offset = self.bytes.offset();
            match self.record() {
                Ok(Some(event)) => return self.counted(event).map(Some),
                Ok(None) => {}
                Err(ErrorKind::CutShort) if self.partial => {
                    self.truncated = true;
                    self.done = true;
                }
                Err(kind) => {
                    self.done = true;
                    let (offset, record) = (self.state.offset, self.state.records);
                    return Err(Error { offset, record, kind });
                }
            }
        }
    }

    /// Counts the live objects after an event.
    fn counted(&mut self, event: Event) -> Result<Event, Error> {
        let live = &mut self.state.live;
        match event.op {
            Op::Alloc { .. } => *live += 1,
            Op::Free { .. } => *live = live.saturating_sub(1),
            Op::Realloc { .. } | Op::Refused { .. } | Op::Lost { .. } => {}
        }
        let most = self.limits.objects;
        if *live <= most {
            return Ok(event);
        }
        self.done = true;
        let Event { offset, record, .. } = event;
        Err(Error { offset, record, kind: ErrorKind::LiveObjects(most) })
    }

    /// Reads a record, or the end. Not every record is an event.
    fn record(&mut self) -> Result<Option<Event>, ErrorKind> {
        let streamed = self.header.flags.contains(Flags::STREAMED);
        if !streamed && self.state.records == self.header.records {
            return self.end().map(|()| None);
        }
        let head = self.bytes.byte()?;
        if head & UNKNOWN_BITS != 0 || (head & NOTE != 0 && self.header.flags == Flags::NONE) {
            return Err(ErrorKind::UnknownRecord(head));
        }
        let align_log2 = self.prefix(head)?;
        let mut event = Event {
            op: Op::Lost { count: 0 },
            thread: self.state.thread,
            align_log2,
            time: self.state.time,
            site: None,
            offset: self.state.offset,
            record: self.state.records,
        };
        let op = match head & (NOTE | OPERATION) {
            END if !streamed => return Err(ErrorKind::UnknownRecord(head)),
            END => return self.end().map(|()| None),
            kind => self.body(kind, &mut event)?,
        };
        self.state.records += 1;
        if self.pending.is_some() {
            // What comes first is a free without a record of its own.
            (event.align_log2, event.site) = (None, None);
        }
        Ok(op.map(|op| Event { op, ..event }))
    }

    fn prefix(&mut self, head: u8) -> Result<Option<u8>, ErrorKind> {
        if head & THREAD_CHANGES != 0 {
            self.state.thread = self.bytes.number()?;
        }
        let align_log2 = match head & ALIGNED {
            0 => None,
            _ => Some(self.bytes.byte()?),
        };
        if let Some(log2 @ 64..) = align_log2 {
            return Err(ErrorKind::Alignment(log2));
        }
        if self.header.flags.contains(Flags::TIMES) {
            self.state.time = self.state.time.saturating_add(self.bytes.number()?);
        }
        Ok(align_log2)
    }

    fn body(&mut self, kind: u8, event: &mut Event) -> Result<Option<Op>, ErrorKind> {
        let by_address = self.header.flags.contains(Flags::ADDRESSES);
        match kind {
            0 | 1 => self.alloc(kind == 1, event).map(Some),
            2 if by_address => self.realloc_begins(event).map(|()| None),
            2 => {
                let (id, size) = (self.aged()?, self.size()?);
                event.site = self.call_site()?;
                Ok(Some(Op::Realloc { id, size, address: 0 }))
            }
            3 if by_address => {
                let address = self.address()?;
                Ok(self.addresses.take(address).map(|id| Op::Free { id }))
            }
            3 => Ok(Some(Op::Free { id: self.aged()? })),
            LOST => {
                let count = self.bytes.number()?;
                self.state.lost = self.state.lost.saturating_add(count);
                self.addresses.lossy = true;
                Ok(Some(Op::Lost { count }))
            }
            REFUSED => {
                let size = self.bytes.number()?;
                event.site = self.call_site()?;
                Ok(Some(Op::Refused { size }))
            }
            // A reallocation ends.
            _ if by_address => self.realloc_ends(event),
            _ => Err(ErrorKind::UnknownRecord(kind)),
        }
    }

    fn alloc(&mut self, zeroed: bool, event: &mut Event) -> Result<Op, ErrorKind> {
        let size = self.size()?;
        let id = self.state.objects;
        let mut address = 0;
        let mut replaced = None;
        if self.header.flags.contains(Flags::ADDRESSES) {
            address = self.address()?;
            check_span(address, size)?;
            replaced = self.addresses.place(address, id)?;
        }
        event.site = self.call_site()?;
        self.state.objects += 1;
        let op = Op::Alloc { id, size, zeroed, address };
        Ok(self.after_free_of(replaced, op, event))
    }

    /// The free of an object whose own record was lost, if there is one, and `op` after it.
    fn after_free_of(&mut self, lost: Option<u64>, op: Op, event: &Event) -> Op {
        let Some(id) = lost else { return op };
        self.pending = Some(Event { op, ..*event });
        Op::Free { id }
    }

    fn realloc_begins(&mut self, event: &mut Event) -> Result<(), ErrorKind> {
        let old_address = self.address()?;
        let size = self.bytes.number()?;
        let site = self.call_site()?;
        let id = self.addresses.take(old_address);
        let align_log2 = event.align_log2;
        let reallocation = Reallocation { id, old_address, size, align_log2, site };
        let most = self.limits.objects;
        match self.addresses.begin(event.thread, reallocation) {
            begun if begun > most => Err(ErrorKind::LiveObjects(most)),
            _ => Ok(()),
        }
    }

    fn realloc_ends(&mut self, event: &mut Event) -> Result<Option<Op>, ErrorKind> {
        let address = self.bytes.number()?;
        self.state.address = address;
        let Some(begun) = self.addresses.end(event.thread)? else { return Ok(None) };
        event.align_log2 = begun.align_log2;
        event.site = begun.site;
        let refused = address == 0;
        if !refused {
            check_size(begun.size)?;
            check_span(address, begun.size)?;
        }
        let now = if refused { begun.old_address } else { address };
        // A block that the trace does not know is a new one from here on.
        let id = begun.id.unwrap_or(self.state.objects);
        let op = match begun.id {
            _ if refused => Op::Refused { size: begun.size },
            Some(id) => Op::Realloc { id, size: begun.size, address },
            None => Op::Alloc { id, size: begun.size, zeroed: false, address },
        };
        if refused && begun.id.is_none() {
            return Ok(Some(op));
        }
        if begun.id.is_none() {
            self.state.objects += 1;
        }
        let replaced = self.addresses.place(now, id)?;
        Ok(Some(self.after_free_of(replaced, op, event)))
    }

    fn size(&mut self) -> Result<u64, ErrorKind> {
        self.bytes.number().and_then(check_size)
    }

    fn aged(&mut self) -> Result<u64, ErrorKind> {
        let (age, objects) = (self.bytes.number()?, self.state.objects);
        if age < objects { Ok(objects - 1 - age) } else { Err(ErrorKind::Age { age, objects }) }
    }

    fn address(&mut self) -> Result<u64, ErrorKind> {
        let difference = unzigzag(self.bytes.number()?);
        self.state.address = self.state.address.wrapping_add(difference);
        Ok(self.state.address)
    }

    fn call_site(&mut self) -> Result<Option<SiteId>, ErrorKind> {
        if !self.header.flags.contains(Flags::CALL_SITES) {
            return Ok(None);
        }
        let (shared, new) = (self.bytes.number()?, self.bytes.number()?);
        let most = MAX_FRAMES as u64;
        if shared > self.stack.len() as u64 || new > most || shared + new > most {
            return Err(ErrorKind::CallStack { shared, new });
        }
        self.scratch.clear();
        let mut address = 0_u64;
        for _ in 0..new {
            address = address.wrapping_add(unzigzag(self.bytes.number()?));
            self.scratch.push(address);
        }
        self.stack.truncate(shared as usize);
        self.stack.extend(self.scratch.iter().rev());
        self.scratch.extend(self.stack[..shared as usize].iter().rev());
        let site = self.sites.intern(&self.scratch);
        let most = self.limits.frames;
        if self.sites.words() > most { Err(ErrorKind::CallSites(most)) } else { Ok(Some(site)) }
    }

    /// Checks what the header promises, and that nothing follows.
    fn end(&mut self) -> Result<(), ErrorKind> {
        let found = self.bytes.offset() - self.data_offset;
        self.state.offset = self.bytes.offset();
        if self.bytes.peek()?.is_some() {
            return Err(ErrorKind::TrailingData);
        }
        if !self.header.flags.contains(Flags::STREAMED) {
            let Header { record_bytes, objects, .. } = self.header;
            if found != record_bytes {
                return Err(ErrorKind::RecordBytes { header: record_bytes, found });
            }
            if self.state.objects != objects && !self.header.flags.contains(Flags::ADDRESSES) {
                return Err(ErrorKind::Objects { header: objects, found: self.state.objects });
            }
        }
        self.done = true;
        Ok(())
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Event, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_event().transpose()
    }
}

/// What is larger is an error in the file. Sums of sizes may overflow all the same: see [`ErrorKind::LiveBytes`].
fn check_size(size: u64) -> Result<u64, ErrorKind> {
    if size <= MAX_OBJECT_SIZE { Ok(size) } else { Err(ErrorKind::Size(size)) }
}

fn check_span(address: u64, size: u64) -> Result<(), ErrorKind> {
    match address.checked_add(size) {
        Some(_) => Ok(()),
        None => Err(ErrorKind::Span { address, size }),
    }
}

/// `start` is where the current part of the header begins.
fn read_header<R: Read>(bytes: &mut Bytes<R>, start: &mut u64) -> Result<Header, ErrorKind> {
    for expected in MAGIC {
        match bytes.peek()? {
            Some(byte) if byte == expected => _ = bytes.byte()?,
            Some(_) => return Err(ErrorKind::NotATrace),
            None => return Err(ErrorKind::CutShort),
        }
    }
    *start = MAGIC.len() as u64;
    let header = Header {
        records: bytes.u64()?,
        record_bytes: bytes.u64()?,
        objects: bytes.u64()?,
        threads: bytes.u64()?,
        truncated: bytes.u64()? != 0,
        unknown_frees: bytes.u64()?,
        ..Header::default()
    };
    *start = bytes.offset();
    let bits = bytes.u64()?;
    let flags = Flags::from_bits(bits).ok_or(ErrorKind::UnknownExtension(bits))?;
    let mut ticks_per_second = 0;
    if flags != Flags::NONE {
        *start = HEADER_SIZE as u64;
        ticks_per_second = bytes.u64()?;
        *start = bytes.offset();
        match bytes.u64()? {
            0 => {}
            unknown => return Err(ErrorKind::UnknownExtension(unknown)),
        }
    }
    Ok(Header { flags, ticks_per_second, ..header })
}
