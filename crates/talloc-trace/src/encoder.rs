//! Records to bytes, without memory.

use core::fmt;

use crate::flags::{ALIGNED, END, Flags, Header, LOST, MAX_FRAMES, MOVED, REFUSED, THREAD_CHANGES};
use crate::sink::Sink;
use crate::varint::{self, zigzag};

/// What happened. An object is an id, or an address with [`Flags::ADDRESSES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// An object was allocated. Its id is the next one.
    Alloc {
        /// Its size in bytes.
        size: u64,
        /// Whether zeros were asked for.
        zeroed: bool,
        /// Its address; of use only with [`Flags::ADDRESSES`].
        address: u64,
    },
    /// An object's size changed. With [`Flags::ADDRESSES`]: is about to change, and [`Moved`](Self::Moved) of the
    /// same thread follows.
    Realloc {
        /// Which.
        object: u64,
        /// Its new size in bytes.
        size: u64,
    },
    /// An object was freed, or, with [`Flags::ADDRESSES`], is about to be.
    Free {
        /// Which.
        object: u64,
    },
    /// The last reallocation that this thread began has ended. Only with [`Flags::ADDRESSES`].
    Moved {
        /// Where the object is now; 0 if the request was refused and it is where it was.
        address: u64,
    },
    /// A request for a new object was refused. Only with flags.
    Refused {
        /// The size in bytes that was asked for.
        size: u64,
    },
    /// Events were lost. Only with flags.
    Lost {
        /// How many.
        count: u64,
    },
    /// The trace ends here. Only with [`Flags::STREAMED`].
    End,
}

/// What happened, where, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// What happened.
    pub action: Action,
    /// The number of the thread.
    pub thread: u64,
    /// The logarithm of the alignment, if one was asked for.
    pub align_log2: Option<u8>,
    /// The time in ticks; of use only with [`Flags::TIMES`]. What lies before the last record's counts as that.
    pub time: u64,
    /// Return addresses, innermost first; of use only with [`Flags::CALL_SITES`].
    pub frames: &'a [u64],
}

/// Why a record was not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncodeError {
    /// The sink did not take it.
    Sink,
    /// There is no object of this id.
    UnknownObject,
    /// The trace's flags do not allow this action.
    NotInFormat,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sink => "the sink did not take the record",
            Self::UnknownObject => "no object has this id",
            Self::NotInFormat => "the trace's flags do not allow this record",
        })
    }
}

impl core::error::Error for EncodeError {}

/// The parts of a record without a call stack: a head, an alignment, and at most four numbers.
const PLAIN: usize = 2 + 4 * varint::MAX_LEN;

/// Writes the records of a trace to a [`Sink`], in constant memory.
///
/// `FRAMES` is the most frames of a call stack that are kept, the innermost: 0 for traces without call stacks, at
/// most [`MAX_FRAMES`]. The encoder remembers the last call stack, in 8 bytes per frame.
///
/// # Examples
///
/// ```
/// use talloc_trace::{Action, Encoder, Flags, Record, Sink};
///
/// fn record(sink: &mut impl Sink) {
///     let mut encoder = Encoder::<0>::new(Flags::ADDRESSES | Flags::STREAMED);
///     encoder.start(0, sink).unwrap();
///     let action = Action::Alloc { size: 24, zeroed: false, address: 0x2000_0100 };
///     let record = Record { action, thread: 0, align_log2: None, time: 0, frames: &[] };
///     encoder.encode(&record, sink).unwrap();
///     encoder.encode(&Record { action: Action::End, ..record }, sink).unwrap();
/// }
/// # struct Null;
/// # impl Sink for Null { fn write(&mut self, _: &[u8]) -> bool { true } }
/// # record(&mut Null);
/// ```
#[derive(Debug, Clone)]
pub struct Encoder<const FRAMES: usize = 0> {
    flags: Flags,
    state: State,
    /// The first `depth` frames are the last call stack, innermost first.
    stack: [u64; FRAMES],
    depth: usize,
}

/// What a record is encoded against. Changes only when the sink has taken a record.
#[derive(Debug, Clone, Copy, Default)]
struct State {
    thread: u64,
    time: u64,
    address: u64,
    objects: u64,
}

impl<const FRAMES: usize> Encoder<FRAMES> {
    const VALID: () = assert!(FRAMES <= MAX_FRAMES, "`FRAMES` is at most `MAX_FRAMES`");

    /// An encoder of a trace with these flags.
    pub const fn new(flags: Flags) -> Self {
        let () = Self::VALID;
        let state = State { thread: 0, time: 0, address: 0, objects: 0 };
        Self { flags, state, stack: [0; FRAMES], depth: 0 }
    }

    /// The flags of the trace.
    pub const fn flags(&self) -> Flags {
        self.flags
    }

    /// How many objects have been allocated: the id of the next.
    pub const fn objects(&self) -> u64 {
        self.state.objects
    }

    /// Writes a header without counts, which must come first in a trace with [`Flags::STREAMED`].
    ///
    /// `ticks_per_second` is the rate of the clock, 0 without one.
    ///
    /// # Errors
    ///
    /// [`EncodeError::Sink`].
    pub fn start(
        &self,
        ticks_per_second: u64,
        sink: &mut (impl Sink + ?Sized),
    ) -> Result<(), EncodeError> {
        let header = Header { flags: self.flags, ticks_per_second, ..Header::default() };
        let (bytes, size) = header.to_bytes();
        if sink.write(&bytes[..size]) { Ok(()) } else { Err(EncodeError::Sink) }
    }

    /// Writes a record, in one call of the sink.
    ///
    /// Takes constant time, and time in proportion to the frames.
    ///
    /// # Errors
    ///
    /// [`EncodeError`]. Then the trace is as if the record had never been.
    pub fn encode(
        &mut self,
        record: &Record<'_>,
        sink: &mut (impl Sink + ?Sized),
    ) -> Result<(), EncodeError> {
        // The buffer is on the stack of a program that may have little: no larger than it must be.
        if FRAMES == 0 {
            self.encode_in(record, sink, &mut [0; PLAIN])
        } else {
            self.encode_in(record, sink, &mut [0; PLAIN + (2 + MAX_FRAMES) * varint::MAX_LEN])
        }
    }

    fn encode_in(
        &mut self,
        record: &Record<'_>,
        sink: &mut (impl Sink + ?Sized),
        buffer: &mut [u8],
    ) -> Result<(), EncodeError> {
        self.check(record)?;
        let mut next = self.state;
        let mut out = Output { buffer, len: 0 };
        self.prefix(record, &mut next, &mut out);
        self.body(record, &mut next, &mut out);
        let frames = &record.frames[..record.frames.len().min(FRAMES)];
        let has_stack = self.flags.contains(Flags::CALL_SITES) && has_stack(record.action);
        if has_stack {
            self.call_stack(frames, &mut out);
        }
        if !sink.write(&out.buffer[..out.len]) {
            return Err(EncodeError::Sink);
        }
        self.state = next;
        if has_stack {
            self.stack[..frames.len()].copy_from_slice(frames);
            self.depth = frames.len();
        }
        Ok(())
    }

    fn check(&self, record: &Record<'_>) -> Result<(), EncodeError> {
        let addresses = self.flags.contains(Flags::ADDRESSES);
        match record.action {
            Action::Alloc { .. } => Ok(()),
            Action::Realloc { object, .. } | Action::Free { object } => {
                let known = addresses || object < self.state.objects;
                if known { Ok(()) } else { Err(EncodeError::UnknownObject) }
            }
            Action::Moved { .. } if addresses => Ok(()),
            Action::End if self.flags.contains(Flags::STREAMED) => Ok(()),
            Action::Refused { .. } | Action::Lost { .. } if self.flags != Flags::NONE => Ok(()),
            _ => Err(EncodeError::NotInFormat),
        }
    }

    fn prefix(&self, record: &Record<'_>, next: &mut State, out: &mut Output<'_>) {
        let mut head = head(record.action);
        if record.thread != self.state.thread {
            head |= THREAD_CHANGES;
        }
        if record.align_log2.is_some() {
            head |= ALIGNED;
        }
        out.byte(head);
        if record.thread != self.state.thread {
            out.number(record.thread);
            next.thread = record.thread;
        }
        if let Some(align_log2) = record.align_log2 {
            out.byte(align_log2);
        }
        if self.flags.contains(Flags::TIMES) {
            next.time = record.time.max(self.state.time);
            out.number(next.time - self.state.time);
        }
    }

    fn body(&self, record: &Record<'_>, next: &mut State, out: &mut Output<'_>) {
        match record.action {
            Action::Alloc { size, address, .. } => {
                out.number(size);
                if self.flags.contains(Flags::ADDRESSES) {
                    self.object(address, next, out);
                }
                next.objects += 1;
            }
            Action::Realloc { object, size } => {
                self.object(object, next, out);
                out.number(size);
            }
            Action::Free { object } => self.object(object, next, out),
            Action::Moved { address } => {
                out.number(address);
                next.address = address;
            }
            Action::Refused { size } => out.number(size),
            Action::Lost { count } => out.number(count),
            Action::End => {}
        }
    }

    fn object(&self, object: u64, next: &mut State, out: &mut Output<'_>) {
        if self.flags.contains(Flags::ADDRESSES) {
            out.number(zigzag(object.wrapping_sub(self.state.address)));
            next.address = object;
        } else {
            out.number(self.state.objects - 1 - object);
        }
    }

    fn call_stack(&self, frames: &[u64], out: &mut Output<'_>) {
        let last = self.stack[..self.depth].iter().rev();
        let shared = frames.iter().rev().zip(last).take_while(|(new, old)| new == old).count();
        let new = &frames[..frames.len() - shared];
        out.number(shared as u64);
        out.number(new.len() as u64);
        let mut before = 0_u64;
        for frame in new {
            out.number(zigzag(frame.wrapping_sub(before)));
            before = *frame;
        }
    }
}

/// Whether a record of this action has a call stack in traces that have any.
fn has_stack(action: Action) -> bool {
    matches!(action, Action::Alloc { .. } | Action::Realloc { .. } | Action::Refused { .. })
}

fn head(action: Action) -> u8 {
    match action {
        Action::Alloc { zeroed, .. } => u8::from(zeroed),
        Action::Realloc { .. } => 2,
        Action::Free { .. } => 3,
        Action::Lost { .. } => LOST,
        Action::End => END,
        Action::Refused { .. } => REFUSED,
        Action::Moved { .. } => MOVED,
    }
}

struct Output<'a> {
    buffer: &'a mut [u8],
    len: usize,
}

impl Output<'_> {
    fn byte(&mut self, byte: u8) {
        self.buffer[self.len] = byte;
        self.len += 1;
    }

    fn number(&mut self, number: u64) {
        self.len += varint::encode(number, &mut self.buffer[self.len..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    struct Stubborn {
        bytes: Vec<u8>,
        takes: bool,
    }

    impl Sink for Stubborn {
        fn write(&mut self, bytes: &[u8]) -> bool {
            if self.takes {
                self.bytes.extend(bytes);
            }
            self.takes
        }
    }

    fn record(action: Action) -> Record<'static> {
        Record { action, thread: 0, align_log2: None, time: 0, frames: &[] }
    }

    #[test]
    fn the_plain_format_is_that_of_recorded_traces() {
        let mut sink = Stubborn { bytes: Vec::new(), takes: true };
        let mut encoder = Encoder::<0>::new(Flags::NONE);
        let alloc = |size, zeroed| record(Action::Alloc { size, zeroed, address: 0 });
        for record in [
            alloc(40, false),
            Record { thread: 2, align_log2: Some(12), ..alloc(0, true) },
            Record { thread: 2, ..record(Action::Realloc { object: 0, size: 128 }) },
            Record { thread: 1, ..record(Action::Free { object: 1 }) },
        ] {
            encoder.encode(&record, &mut sink).unwrap();
        }
        let expected =
            [0x00, 0x28, 0x0d, 0x02, 0x0c, 0x00, 0x02, 0x01, 0x80, 0x01, 0x07, 0x01, 0x00];
        assert_eq!(sink.bytes, expected);
    }

    #[test]
    fn a_record_that_the_sink_refuses_leaves_no_trace() {
        let flags = Flags::ADDRESSES | Flags::TIMES | Flags::CALL_SITES;
        let mut sink = Stubborn { bytes: Vec::new(), takes: false };
        let mut encoder = Encoder::<2>::new(flags);
        let action = Action::Alloc { size: 1, zeroed: false, address: 1000 };
        let alloc = Record { action, thread: 7, align_log2: Some(3), time: 50, frames: &[1, 2, 3] };
        assert_eq!(encoder.encode(&alloc, &mut sink), Err(EncodeError::Sink));
        sink.takes = true;
        encoder.encode(&alloc, &mut sink).unwrap();
        let after_refusal = core::mem::take(&mut sink.bytes);
        Encoder::<2>::new(flags).encode(&alloc, &mut sink).unwrap();
        assert_eq!(after_refusal, sink.bytes);
    }

    #[test]
    fn what_the_format_cannot_say_is_refused() {
        let mut sink = Stubborn { bytes: Vec::new(), takes: true };
        let mut plain = Encoder::<0>::new(Flags::NONE);
        for action in [
            Action::End,
            Action::Lost { count: 1 },
            Action::Refused { size: 1 },
            Action::Moved { address: 1 },
        ] {
            let error = plain.encode(&record(action), &mut sink);
            assert_eq!(error, Err(EncodeError::NotInFormat), "{action:?}");
        }
        let unknown = plain.encode(&record(Action::Free { object: 0 }), &mut sink);
        assert_eq!(unknown, Err(EncodeError::UnknownObject));
        assert!(sink.bytes.is_empty());
    }
}
