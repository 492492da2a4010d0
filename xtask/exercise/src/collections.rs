//! The collections of `alloc`, on the global allocator.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

/// Uses collections of `entries` entries, and checks their contents.
pub fn check(entries: u32) {
    map(entries);
    queue(entries);
    text(entries);
    shared(entries);
}

/// A map whose keys are inserted in scattered order. Half of them are then removed.
fn map(entries: u32) {
    let mut map = BTreeMap::new();
    for entry in 0..entries {
        let key = entry.wrapping_mul(0x9e37_79b1);
        map.insert(key, format!("entry {entry}"));
    }
    map.retain(|_, text| text.ends_with(['0', '2', '4', '6', '8']));
    assert_eq!(map.len() as u32, entries.div_ceil(2));
    assert!(map.keys().is_sorted());
    for (key, text) in map {
        // Multiplies by the inverse of the factor.
        assert_eq!(text, format!("entry {}", key.wrapping_mul(0x0e8b_2f51)));
    }
}

/// A queue of blocks of various sizes.
fn queue(entries: u32) {
    let mut queue: VecDeque<Box<[u32]>> = VecDeque::new();
    let mut sum = 0;
    for entry in 0..entries {
        queue.push_back((0..entry % 16).collect());
        if queue.len() > 8 {
            let block = queue.pop_front().expect("there are more than eight");
            sum += block.iter().sum::<u32>();
        }
    }
    sum += queue.iter().flatten().sum::<u32>();
    let expected: u32 = (0..entries).map(|entry| (0..entry % 16).sum::<u32>()).sum();
    assert_eq!(sum, expected);
}

/// A string that grows by one character at a time.
fn text(entries: u32) {
    let text: String = (0..entries).map(|entry| if entry % 2 == 0 { 'a' } else { 'ä' }).collect();
    let reversed: String = text.chars().rev().collect();
    assert_eq!(text.chars().count() as u32, entries);
    assert!(text.chars().eq(reversed.chars().rev()));
    assert_eq!(text.len() as u32, entries + entries / 2);
}

/// Shared ownership of one block.
fn shared(entries: u32) {
    let block = Rc::new([entries; 4]);
    let mut owners: Vec<_> = (0..entries).map(|_| Rc::clone(&block)).collect();
    assert_eq!(Rc::strong_count(&block) as u32, entries + 1);
    owners.truncate(entries as usize / 3);
    owners.shrink_to_fit();
    assert!(owners.iter().all(|owner| owner[3] == entries));
    drop(owners);
    assert_eq!(Rc::try_unwrap(block), Ok([entries; 4]));
}
