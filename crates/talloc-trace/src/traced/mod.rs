//! An allocator that records what is asked of it.

mod context;

#[cfg(all(feature = "backtrace", not(windows)))]
pub use context::Backtraces;
#[cfg(feature = "std")]
pub use context::Hosted;
pub use context::{Bare, Context};

use crate::encoder::{Action, Encoder, Record};
use crate::flags::Flags;
use crate::sink::Sink;
use core::alloc::{GlobalAlloc, Layout};
use core::marker::PhantomData;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use lock_api::{Mutex, MutexGuard, RawMutex};

/// An allocator that passes every request on to `A`, and records it in a trace.
///
/// `S` is where the trace goes, `R` the lock around it, and `C` the [`Context`]: what is known about threads, the time
/// and call stacks, of which `FRAMES` are recorded.
///
/// Nothing is recorded until [`start`](Self::start), and then a request costs one load and a branch more than with
/// `A` alone.
///
/// Objects are named by their addresses, so that recording takes constant memory and time whatever the heap's size:
/// see [the format](crate#why-two-ways-to-name-objects).
///
/// # Lost events
///
/// An event is lost if the sink does not take it, or if recording another one caused it: when the sink allocates, or,
/// with a context that does not [wait](Context::WAITS), when an interrupt handler allocates that interrupted the
/// recorder. Lost events are counted, and the next record says how many there were.
///
/// # Examples
///
/// On a microcontroller, with a critical section as the lock, and a buffer that a debugger reads out:
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use talloc_trace::{Sink, Traced};
///
/// struct Uart;
///
/// impl Sink for Uart {
///     fn write(&mut self, bytes: &[u8]) -> bool {
///         // Sends the bytes.
///         true
///     }
/// }
///
/// # type Heap = std::alloc::System;
/// # const HEAP: Heap = std::alloc::System;
/// # type Lock = spin::Mutex<()>;
/// #[global_allocator]
/// static ALLOCATOR: Traced<Heap, Uart, Lock> = Traced::new(HEAP);
///
/// # #[expect(clippy::needless_doctest_main)]
/// fn main() {
///     ALLOCATOR.start(Uart).ok().unwrap();
///     let words = vec!["recorded"; 10];
///     drop(words);
///     ALLOCATOR.stop().unwrap();
///     assert_eq!(ALLOCATOR.lost(), 0);
/// }
/// ```
///
/// A program with threads, into a file:
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use std::alloc::System;
/// use std::fs::File;
/// use std::io::BufWriter;
/// use talloc_trace::{Hosted, IoSink, Traced};
///
/// type Lock = spin::mutex::SpinMutex<(), spin::Yield>;
///
/// #[global_allocator]
/// static ALLOCATOR: Traced<System, IoSink<BufWriter<File>>, Lock, Hosted> = Traced::new(System);
///
/// # #[expect(clippy::needless_doctest_main)]
/// fn main() -> std::io::Result<()> {
/// #   let path = std::env::temp_dir().join(format!("traced-{}.atr", std::process::id()));
/// #   let remove = path.clone();
///     let file = BufWriter::new(File::create(path)?);
///     ALLOCATOR.start(IoSink::new(file)).ok().unwrap();
///     let words = vec!["recorded"; 10];
///     drop(words);
///     ALLOCATOR.stop().unwrap().finish()?;
/// #   std::fs::remove_file(remove)?;
///     Ok(())
/// }
/// ```
pub struct Traced<A, S, R, C = Bare, const FRAMES: usize = 0> {
    inner: A,
    on: AtomicBool,
    /// Since the last record that says how many.
    lost: Counter,
    total_lost: Counter,
    recorder: Mutex<R, Recorder<S, FRAMES>>,
    context: PhantomData<fn() -> C>,
}

struct Recorder<S, const FRAMES: usize> {
    /// None while nothing is recorded.
    sink: Option<S>,
    encoder: Encoder<FRAMES>,
    /// How many traces have been started.
    trace: usize,
}

impl<A, S, R: RawMutex, C: Context, const FRAMES: usize> Traced<A, S, R, C, FRAMES> {
    const FLAGS: Flags = C::FLAGS.with(Flags::ADDRESSES).with(Flags::STREAMED);

    /// An allocator that records nothing yet.
    pub const fn new(inner: A) -> Self {
        let encoder = Encoder::new(Self::FLAGS);
        Self {
            inner,
            on: AtomicBool::new(false),
            lost: Counter::new(),
            total_lost: Counter::new(),
            recorder: Mutex::new(Recorder { sink: None, encoder, trace: 0 }),
            context: PhantomData,
        }
    }

    /// The allocator that requests are passed on to.
    pub fn inner(&self) -> &A {
        &self.inner
    }

    /// How many events of the current trace, or of the last one, were lost.
    pub fn lost(&self) -> usize {
        self.total_lost.get()
    }
}

type Guard<'a, S, R, const FRAMES: usize> = MutexGuard<'a, R, Recorder<S, FRAMES>>;

impl<A, S: Sink, R: RawMutex, C: Context, const FRAMES: usize> Traced<A, S, R, C, FRAMES> {
    /// Begins a trace with its header.
    ///
    /// # Errors
    ///
    /// Gives the sink back if it does not take the header, if a trace is being recorded already, or if another
    /// call is at work on the recorder and the context does not [wait](Context::WAITS).
    pub fn start(&self, mut sink: S) -> Result<(), S> {
        let Some(inside) = Inside::<C>::enter() else { return Err(sink) };
        let started = match self.lock() {
            Some(mut recorder) if recorder.sink.is_none() => {
                let encoder = Encoder::new(Self::FLAGS);
                if encoder.start(C::TICKS_PER_SECOND, &mut sink).is_ok() {
                    let trace = recorder.trace.wrapping_add(1);
                    *recorder = Recorder { sink: Some(sink), encoder, trace };
                    self.lost.take();
                    self.total_lost.take();
                    self.on.store(true, Relaxed);
                    Ok(())
                } else {
                    Err(sink)
                }
            }
            _ => Err(sink),
        };
        inside.leave();
        started
    }

    /// Ends the trace and returns the sink; none if no trace is being recorded, or if another call is at work on
    /// the recorder and the context does not [wait](Context::WAITS).
    pub fn stop(&self) -> Option<S> {
        let inside = Inside::<C>::enter()?;
        let sink = self.lock().and_then(|mut recorder| {
            self.on.store(false, Relaxed);
            let end = Event { action: Action::End, align_log2: None };
            self.write(&mut recorder, end, &[]);
            recorder.sink.take()
        });
        inside.leave();
        sink
    }

    /// Records an event. Returns the number of the trace that has it.
    #[inline]
    fn record(&self, action: Action, align_log2: Option<u8>) -> Option<usize> {
        if !self.on.load(Relaxed) {
            return None;
        }
        self.record_in(None, Event { action, align_log2 })
    }

    /// Records an event, if `only` is none or the number of the current trace.
    #[cold]
    fn record_in(&self, only: Option<usize>, event: Event) -> Option<usize> {
        let Some(inside) = Inside::<C>::enter() else {
            self.lose();
            return None;
        };
        let mut frames = [0; FRAMES];
        let depth = if FRAMES == 0 { 0 } else { C::call_site(&mut frames).min(FRAMES) };
        let written = match self.lock() {
            Some(recorder) if recorder.sink.is_none() => None,
            Some(recorder) if only.is_some_and(|only| only != recorder.trace) => None,
            Some(mut recorder) => {
                self.write(&mut recorder, event, &frames[..depth]).then_some(recorder.trace)
            }
            None => {
                self.lose();
                None
            }
        };
        inside.leave();
        written
    }

    /// Writes a record, and before it how many were lost. Says whether it has been written.
    fn write(&self, recorder: &mut Guard<'_, S, R, FRAMES>, event: Event, frames: &[u64]) -> bool {
        let Recorder { sink: Some(sink), encoder, .. } = &mut **recorder else { return false };
        let Event { action, align_log2 } = event;
        let record = Record { action, thread: C::thread(), align_log2, time: C::time(), frames };
        let lost = self.lost.take();
        let note = Action::Lost { count: lost as u64 };
        let note = Record { action: note, align_log2: None, frames: &[], ..record };
        // Not without the note: a reader would take the trace for complete up to here.
        let noted = lost == 0 || encoder.encode(&note, sink).is_ok();
        if !noted {
            self.lost.add(lost);
        }
        let written = noted && encoder.encode(&record, sink).is_ok();
        if !written {
            self.lose();
        }
        written
    }

    /// The recorder; none if another call is at work on it and this one does not wait.
    fn lock(&self) -> Option<Guard<'_, S, R, FRAMES>> {
        if C::WAITS { Some(self.recorder.lock()) } else { self.recorder.try_lock() }
    }

    #[cold]
    fn lose(&self) {
        self.lost.add(1);
        self.total_lost.add(1);
    }

    fn record_alloc(&self, block: *mut u8, layout: Layout, zeroed: bool) {
        let size = layout.size() as u64;
        let action = match block.addr() {
            0 => Action::Refused { size },
            address => Action::Alloc { size, zeroed, address: address as u64 },
        };
        self.record(action, explicit_align(layout));
    }
}

/// The alignment, if it is more than the natural one.
fn explicit_align(layout: Layout) -> Option<u8> {
    (layout.align() > NATURAL_ALIGN).then(|| layout.align().trailing_zeros() as u8)
}

const NATURAL_ALIGN: usize = 8;

// SAFETY: `A` does all the work, with what it is given by a caller who owes it the same. Nothing here unwinds: if the
// sink or the context does, `Inside` aborts.
unsafe impl<A, S, R, C, const FRAMES: usize> GlobalAlloc for Traced<A, S, R, C, FRAMES>
where
    A: GlobalAlloc,
    S: Sink,
    R: RawMutex,
    C: Context,
{
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: The caller's promise.
        let block = unsafe { self.inner.alloc(layout) };
        self.record_alloc(block, layout, false);
        block
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: The caller's promise.
        let block = unsafe { self.inner.alloc_zeroed(layout) };
        self.record_alloc(block, layout, true);
        block
    }

    #[inline]
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // First, since the address may be another thread's block as soon as it is free.
        self.record(Action::Free { object: ptr.addr() as u64 }, None);
        // SAFETY: The caller's promise.
        unsafe { self.inner.dealloc(ptr, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // In two steps, since the old address may be another thread's block before this returns.
        let begin = Action::Realloc { object: ptr.addr() as u64, size: new_size as u64 };
        let begun = self.record(begin, explicit_align(layout));
        // SAFETY: The caller's promise.
        let block = unsafe { self.inner.realloc(ptr, layout, new_size) };
        if begun.is_some() {
            let action = Action::Moved { address: block.addr() as u64 };
            self.record_in(begun, Event { action, align_log2: None });
        }
        block
    }
}

#[derive(Clone, Copy)]
struct Event {
    action: Action,
    align_log2: Option<u8>,
}

/// Shows that this thread is inside the recorder, and that it was not before.
struct Inside<C: Context>(PhantomData<C>);

impl<C: Context> Inside<C> {
    fn enter() -> Option<Self> {
        // Made before the call, which may unwind like any other of the context's.
        let inside = Self(PhantomData);
        if C::enter() {
            return Some(inside);
        }
        core::mem::forget(inside);
        None
    }

    fn leave(self) {
        C::leave();
        core::mem::forget(self);
    }
}

/// Only reached when a sink or a context unwinds, which an allocator must not: a panic during a panic aborts.
impl<C: Context> Drop for Inside<C> {
    fn drop(&mut self) {
        panic!("a sink or a context has panicked");
    }
}

/// A counter for all cores.
struct Counter(AtomicUsize);

impl Counter {
    const fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    fn get(&self) -> usize {
        self.0.load(Relaxed)
    }

    #[cfg(target_has_atomic = "ptr")]
    fn take(&self) -> usize {
        self.0.swap(0, Relaxed)
    }

    #[cfg(target_has_atomic = "ptr")]
    fn add(&self, more: usize) {
        self.0.fetch_add(more, Relaxed);
    }

    // A core without atomic instructions has critical sections as its locks, in which nothing comes between.

    #[cfg(not(target_has_atomic = "ptr"))]
    fn take(&self) -> usize {
        let count = self.get();
        self.0.store(0, Relaxed);
        count
    }

    #[cfg(not(target_has_atomic = "ptr"))]
    fn add(&self, more: usize) {
        self.0.store(self.get().wrapping_add(more), Relaxed);
    }
}
