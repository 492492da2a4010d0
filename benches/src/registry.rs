//! The bare heaps, which use only the memory that they are given.

use crate::{
    check,
    heap::{Heap, InPlace},
    heaps::{self, *},
    replay::{Ends, Stop, replay_on},
    script::Script,
};
use anyhow::{Result, bail};
use std::{ptr::NonNull, time::Duration};
use talloc_sync::{Checked, Compact, Hardened, Micro, RealTime};

/// An operation that is generic over the type of a heap.
pub trait Visitor {
    /// Performs the operation for one heap.
    fn visit<H: Heap>(&mut self);
}

macro_rules! heaps {
    ($($heap:ty => $locked:ty),* $(,)?) => {
        /// The heaps in the order of the tables' columns.
        pub static HEAPS: &[Entry] = &[$(Entry::of::<$heap>()),*];

        /// The same heaps, each behind a lock.
        pub static LOCKED: &[Entry] = &[$(Entry::of::<$locked>()),*];

        /// Calls the visitor for each usual heap, in the same order.
        pub fn visit(visitor: &mut impl Visitor) {
            $(if <$heap as Heap>::USUAL {
                visitor.visit::<$heap>();
            })*
        }

        /// Calls the visitor for one of [`HEAPS`].
        pub fn visit_one(heap: &Entry, visitor: &mut impl Visitor) {
            $(if heap.name == <$heap as Heap>::NAME {
                return visitor.visit::<$heap>();
            })*
        }
    };
}

// Each line adds an allocator: without a lock, and as a program with several threads would use it.
heaps! {
    Talloc<Compact> => Tallock<Compact>,
    Talloc<RealTime> => Tallock<RealTime>,
    Talloc<Checked> => Tallock<Checked>,
    Talloc<Checked<RealTime>> => Tallock<Checked<RealTime>>,
    Talloc<Hardened> => Tallock<Hardened>,
    Talloc<Hardened<Compact, AllMeasures>> => Tallock<Hardened<Compact, AllMeasures>>,
    Talloc<Hardened<Compact, Only<0>>> => Tallock<Hardened<Compact, Only<0>>>,
    Talloc<Hardened<Compact, Only<1>>> => Tallock<Hardened<Compact, Only<1>>>,
    Talloc<Hardened<Compact, Only<2>>> => Tallock<Hardened<Compact, Only<2>>>,
    Talloc<Hardened<Compact, Only<3>>> => Tallock<Hardened<Compact, Only<3>>>,
    Talloc<Hardened<Compact, Only<4>>> => Tallock<Hardened<Compact, Only<4>>>,
    Talloc<Hardened<Compact, Only<5>>> => Tallock<Hardened<Compact, Only<5>>>,
    Talloc<Hardened<Compact, Only<6>>> => Tallock<Hardened<Compact, Only<6>>>,
    Magazines => Magazines,
    Talc5 => Locked<Talc5>,
    Talc4 => Locked<Talc4>,
    Rlsf => Locked<Rlsf>,
    Dl => Locked<Dl>,
    Galloc => Locked<Galloc>,
    Buddy => Locked<Buddy>,
    LinkedList => Locked<LinkedList>,
}

/// The heap that does nothing, which shows the cost of the workloads themselves.
pub static NULL: &Entry = &Entry {
    name: heaps::NULL,
    usual: false,
    control_bytes: 0,
    replay: replay_on_null::<Dl, Ends>,
    check: |_, _| Ok(()),
};

/// The heap that the others are compared with: talloc.
pub static OURS: &Entry = &HEAPS[0];

/// talloc without quick lists.
pub static PLAIN: &Entry = &HEAPS[1];

/// talloc for microcontrollers. It is not in the list, because its arenas are too small for most workloads.
pub static MICRO: &Entry = &Entry::of::<heaps::Talloc<Micro>>();

type Replay = unsafe fn(&Script, usize, NonNull<[u8]>, Duration) -> Result<Duration, Stop>;
type Check = unsafe fn(&Script, NonNull<[u8]>) -> Result<()>;

/// A heap, with every benchmark instantiated for its type. Choosing a heap costs only one indirect call per run.
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// Whether it runs if no heap is named.
    pub usual: bool,
    /// The size of its control structure in bytes, unless that is part of the region.
    pub control_bytes: usize,
    replay: Replay,
    check: Check,
}

impl Entry {
    /// The entry of a heap.
    pub const fn of<H: Heap>() -> Self {
        Self {
            name: H::NAME,
            usual: H::USUAL,
            control_bytes: size_of::<H>(),
            replay: replay_on::<H, Ends>,
            check: check_on::<H>,
        }
    }

    /// Replays the first `events` events of a script on a new heap over `memory`. Returns the processor time.
    ///
    /// # Errors
    /// If the heap has no room or takes longer than `limit`.
    ///
    /// # Safety
    /// The memory is valid for reads and writes and is nobody else's during the call.
    pub unsafe fn replay(
        &self,
        script: &Script,
        events: usize,
        memory: NonNull<[u8]>,
        limit: Duration,
    ) -> Result<Duration, Stop> {
        // SAFETY: by the contract of this function.
        unsafe { (self.replay)(script, events, memory, limit) }
    }

    /// Replays a script on a new heap over `memory`, and validates all blocks.
    ///
    /// # Errors
    /// The first error that is found; [`Stop`] if the heap has no room.
    ///
    /// # Safety
    /// The memory is valid for reads and writes and is nobody else's during the call.
    pub unsafe fn check(&self, script: &Script, memory: NonNull<[u8]>) -> Result<()> {
        // SAFETY: by the contract of this function.
        unsafe { (self.check)(script, memory) }
    }
}

/// Finds a heap, [`MICRO`] and the null heap included.
///
/// # Errors
/// If there is no heap of this name.
pub fn find(name: &str) -> Result<&'static Entry> {
    let mut all = HEAPS.iter().chain([MICRO, NULL]);
    match all.find(|entry| entry.name == name) {
        Some(entry) => Ok(entry),
        None => {
            let names: Vec<_> = HEAPS.iter().chain([MICRO, NULL]).map(|entry| entry.name).collect();
            bail!("no heap is called {name}: there are {}", names.join(", "))
        }
    }
}

/// The heaps of these names; the usual ones if there are no names.
///
/// # Errors
/// If there is no heap of one of the names.
pub fn choose(names: &[String]) -> Result<Vec<&'static Entry>> {
    if names.is_empty() {
        Ok(HEAPS.iter().filter(|heap| heap.usual).collect())
    } else {
        names.iter().map(|name| find(name)).collect()
    }
}

/// The same heap behind a lock; the heap itself if that has none.
pub fn locked(heap: &'static Entry) -> &'static Entry {
    LOCKED.iter().find(|locked| locked.name == heap.name).unwrap_or(heap)
}

/// # Safety
/// [`Entry::check`]'s.
unsafe fn check_on<H: Heap>(script: &Script, memory: NonNull<[u8]>) -> Result<()> {
    let mut heap = InPlace(H::empty());
    // SAFETY: the caller gives the memory to this heap, which stays where it is.
    if !unsafe { heap.0.init(memory) } {
        bail!(Stop::OutOfMemory);
    }
    let base: *mut u8 = memory.cast().as_ptr();
    let region = base..base.wrapping_add(memory.len());
    // SAFETY: the heap is new.
    unsafe { check::check(&mut heap.0, script, Some(region)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        heap::Memory,
        random::{Mix, Random},
        replay::ample,
    };

    const LIMIT: Duration = Duration::from_secs(600);

    #[test]
    fn every_heap_completes_and_says_when_it_cannot() {
        let script = Random::new(Mix::Actions, 1000).script(10_000);
        let events = script.events().len();
        let mut memory = Memory::new(ample(&script));
        for heap in HEAPS.iter().chain([NULL]) {
            // SAFETY: the memory is borrowed for the call.
            let mut run =
                |size| unsafe { heap.replay(&script, events, memory.first(size), LIMIT) }.err();
            assert_eq!(run(usize::MAX), None, "{}", heap.name);
            for size in [1, 100, script.peak() as usize / 2] {
                let stop = run(size);
                assert_eq!(stop, Some(Stop::OutOfMemory), "{} in {size} bytes", heap.name);
            }
        }
    }

    #[test]
    fn names_are_unique_and_found() {
        for entry in HEAPS {
            assert_eq!(
                HEAPS.iter().filter(|other| other.name == entry.name).count(),
                1,
                "{}",
                entry.name
            );
            assert!(std::ptr::eq(find(entry.name).unwrap(), entry));
        }
        assert!(find("no such heap").is_err());
    }

    #[test]
    fn every_heap_has_a_locked_form_and_is_visited() {
        struct Name(&'static str);

        impl Visitor for Name {
            fn visit<H: Heap>(&mut self) {
                self.0 = H::NAME;
            }
        }

        for entry in HEAPS {
            let mut name = Name("");
            visit_one(entry, &mut name);
            assert_eq!((locked(entry).name, name.0), (entry.name, entry.name));
        }
    }

    #[test]
    fn heaps_that_check_run_only_when_asked_for() {
        let usual = choose(&[]).unwrap();
        let names: Vec<_> = usual.iter().map(|heap| heap.name).collect();
        for named in ["talloc-checked", "talloc-hardened", "encode"] {
            assert!(!names.contains(&named), "{named}");
        }
        assert_eq!(names[..2], ["talloc", "talloc-plain"]);
        assert_eq!(choose(&["talloc-checked".to_owned()]).unwrap()[0].name, "talloc-checked");
    }
}
