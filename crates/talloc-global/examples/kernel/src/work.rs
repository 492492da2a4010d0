//! The work of each core: it creates parcels, keeps some, and sends others to the next core, which checks and frees
//! them.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::hint;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use crate::cpu;

/// The number of parcels that each core creates.
const PARCELS: u32 = 10_000;

/// The number of parcels that each core keeps at a time.
const KEPT: usize = 500;

struct Parcel {
    label: String,
    content: Vec<u32>,
}

/// One slot per core for a parcel sent to it.
static MAIL: [AtomicPtr<Parcel>; cpu::MAX_CORES] =
    [const { AtomicPtr::new(ptr::null_mut()) }; cpu::MAX_CORES];

/// The number of parcels opened by all cores.
static OPENED: AtomicU32 = AtomicU32::new(0);

/// The number of cores that have finished.
static FINISHED: AtomicU32 = AtomicU32::new(0);

/// The work of one core.
pub fn run() {
    let own = cpu::number();
    let mut kept = BTreeMap::new();
    for number in 0..PARCELS {
        let parcel = Parcel::new(number.wrapping_mul(0x9e37_79b1) ^ own as u32);
        match number % 3 {
            0 => send(&MAIL[(own + 1) % cpu::MAX_CORES], Some(Box::new(parcel))),
            _ => drop(kept.insert(parcel.content[0], parcel)),
        }
        if kept.len() > KEPT {
            kept.pop_first().expect("there are many").1.open();
        }
        send(&MAIL[own], None);
    }
    kept.into_values().for_each(Parcel::open);
    FINISHED.fetch_add(1, Ordering::Release);
}

/// Waits until `cores` cores have finished. Returns the number of opened parcels.
pub fn wait_for(cores: u32) -> u32 {
    while FINISHED.load(Ordering::Acquire) < cores {
        hint::spin_loop();
    }
    // Opens parcels sent to cores that had already finished, or that do not exist.
    MAIL.iter().for_each(|mail| send(mail, None));
    let opened = OPENED.load(Ordering::Relaxed);
    assert!(opened == cores * PARCELS, "only {opened} parcels have been opened");
    opened
}

/// Puts a parcel, or nothing, into a slot, and opens the parcel that was there.
fn send(mail: &AtomicPtr<Parcel>, parcel: Option<Box<Parcel>>) {
    let new = parcel.map_or(ptr::null_mut(), Box::into_raw);
    let old = mail.swap(new, Ordering::AcqRel);
    if !old.is_null() {
        // SAFETY: The pointer came from `Box::into_raw`, and the swap made this core its only owner.
        unsafe { Box::from_raw(old) }.open();
    }
}

impl Parcel {
    fn new(number: u32) -> Self {
        let length = 1 + number % 50;
        Self {
            label: format!("parcel {number}"),
            content: (0..length).map(|i| number ^ i).collect(),
        }
    }

    /// Checks that the contents are unchanged, and frees the parcel.
    fn open(self) {
        let expected = Self::new(self.content[0]);
        assert!(self.label == expected.label, "{} is labelled {}", expected.label, self.label);
        assert!(self.content == expected.content, "{} was overwritten", self.label);
        OPENED.fetch_add(1, Ordering::Relaxed);
    }
}
