//! Compares the answers of a trie with those of a map. Checks that `check` finds faults.

use super::*;
use std::boxed::Box;
use std::collections::BTreeMap;
use std::vec::Vec;

/// A trie and its entries.
struct Pair {
    trie: Trie<u32>,
    entries: BTreeMap<u64, NonNull<Entry<u32>>>,
}

impl Pair {
    fn new() -> Self {
        Self { trie: Trie::EMPTY, entries: BTreeMap::new() }
    }

    fn insert(&mut self, key: u64, grade: u32) {
        if self.entries.contains_key(&key) {
            return;
        }
        let entry = NonNull::from(Box::leak(Box::new(Entry::new(key, grade))));
        self.entries.insert(key, entry);
        // SAFETY: The entry stays in place until it is removed.
        unsafe { self.trie.insert(entry) };
    }

    fn remove(&mut self, key: u64) {
        if let Some(entry) = self.entries.remove(&key) {
            // SAFETY: The entry is in the trie, and was allocated as a box.
            unsafe {
                self.trie.remove(entry);
                // The trie must not access the entry any more.
                entry.cast::<u8>().write_bytes(0xA5, size_of::<Entry<u32>>());
                drop(Box::from_raw(entry.as_ptr().cast::<core::mem::MaybeUninit<Entry<u32>>>()));
            }
        }
    }

    fn set_grade(&mut self, key: u64, grade: u32) {
        if let Some(entry) = self.entries.get(&key) {
            // SAFETY: The entry is in the trie.
            unsafe { self.trie.set_grade(NonNull::from(&mut (*entry.as_ptr()).leaf), grade) };
        }
    }

    /// Returns all keys with their grades.
    fn leaves(&self) -> Vec<(u64, u32)> {
        // SAFETY: The entries are in the trie.
        let leaf = |entry: &NonNull<Entry<u32>>| unsafe { &entry.as_ref().leaf };
        self.entries.values().map(|entry| (leaf(entry).key, leaf(entry).grade)).collect()
    }

    fn check(&self, number: u64, grade: u32) {
        let leaves = self.leaves();
        // SAFETY: The leaves in the trie are those of the entries.
        let key = |leaf: NonNull<Leaf<u32>>| unsafe { leaf.as_ref() }.key;
        // SAFETY: The trie contains only the entries.
        let (up_to, from) = unsafe {
            (self.trie.last_up_to(number).map(key), self.trie.first_from(number, grade).map(key))
        };
        let is_up_to = |leaf: &&(u64, u32)| leaf.0 <= number;
        assert_eq!(up_to, leaves.iter().rev().find(is_up_to).map(|leaf| leaf.0));
        let is_from = |leaf: &&(u64, u32)| leaf.0 >= number && leaf.1 >= grade;
        assert_eq!(from, leaves.iter().find(is_from).map(|leaf| leaf.0));
        let mut found = Vec::new();
        // SAFETY: The trie contains only the entries.
        let is_right = unsafe {
            self.trie.check(|leaf| {
                found.push((leaf.as_ref().key, leaf.as_ref().grade));
                true
            })
        };
        assert!(is_right && found == leaves);
    }
}

/// Changes a trie at random and compares it with a map after each change. Keys are sparse at first, then dense.
fn compare(steps: usize, key: impl Fn(&mut fastrand::Rng) -> u64) {
    let mut rng = fastrand::Rng::with_seed(7);
    let mut pair = Pair::new();
    for step in 0..steps {
        let number = key(&mut rng);
        let known = pair.entries.range(number..).next().map_or(number, |(key, _)| *key);
        match rng.u8(..8) {
            // Phases of growth and of decline.
            0..=4 if step / 300 % 2 == 0 => pair.insert(number, rng.u32(..9)),
            0..=4 => pair.remove(known),
            5 => pair.remove(known),
            6 => pair.insert(number, rng.u32(..9)),
            _ => pair.set_grade(known, rng.u32(..9)),
        }
        pair.check(key(&mut rng), rng.u32(..9));
        pair.check(known, 0);
    }
    for key in pair.entries.keys().copied().collect::<Vec<_>>() {
        pair.remove(key);
        pair.check(key, 0);
    }
    assert!(pair.trie.root == Slot::EMPTY && pair.trie.spares.0 == Slot::EMPTY);
}

#[test]
fn a_trie_answers_as_a_map_does() {
    let steps = if cfg!(miri) { 400 } else { 3000 };
    compare(steps, |rng| rng.u64(..));
    compare(steps, |rng| rng.u64(..500));
    compare(steps, |rng| u64::MAX - rng.u64(..500));
    compare(steps, |rng| rng.u64(..1 << 12) << rng.u32(..52));
    compare(steps, |rng| 1 << rng.u32(..64) | rng.u64(..4));
}

/// Breaks one fact that `check` examines at a time.
#[test]
fn what_is_broken_is_found() {
    type Break = fn(&mut Trie<u32>, &mut Node<u32>, &mut Leaf<u32>);
    let breaks: [Break; 8] = [
        |trie, _, _| trie.spares.0 = Slot::EMPTY,
        |trie, _, _| trie.root = Slot::EMPTY,
        |_, root, _| root.grades[0] += 1,
        |_, root, _| root.prefix = 1 << 40,
        |_, root, _| root.used |= 1 << (FAN - 1),
        |_, _, leaf| leaf.parent = None,
        |_, _, leaf| leaf.key += 1 << 30,
        |_, _, leaf| leaf.grade += 1,
    ];
    for fault in breaks {
        let mut pair = Pair::new();
        for key in [0, 1, 1 << 20] {
            pair.insert(key, 5);
        }
        // SAFETY: The trie contains only the entries.
        assert!(unsafe { pair.trie.check(|_| true) });
        let Below::Node(root) = pair.trie.root.below() else { panic!("the root is a node") };
        let entry = pair.entries[&1];
        // SAFETY: The node and the leaf are disjoint, and nothing else uses them now.
        unsafe {
            fault(&mut pair.trie, &mut *root.as_ptr(), &mut (*entry.as_ptr()).leaf);
        }
        // SAFETY: The trie contains only the entries, and the fault does not make it lead elsewhere.
        assert!(!unsafe { pair.trie.check(|_| true) });
    }
    // A node that came with an entry of another trie.
    let (mut pair, mut other) = (Pair::new(), Pair::new());
    pair.insert(1, 0);
    other.insert(1, 0);
    pair.trie.spares.0 = other.trie.spares.0;
    // SAFETY: The trie contains only the entries, and the fault does not make it lead elsewhere.
    assert!(!unsafe { pair.trie.check(|_| true) });
}

#[test]
fn what_is_near_is_found_without_looking_around() {
    let mut pair = Pair::new();
    for key in 0..1000 {
        pair.insert(key << 16, 0);
    }
    for key in 0..1000 {
        // SAFETY: The leaves in the trie are those of the entries.
        let is_near = |leaf: NonNull<Leaf<u32>>| unsafe { leaf.as_ref() }.key == key << 16;
        for number in [0, 1, 40_000, 65_535] {
            // SAFETY: The trie contains only the entries.
            let near = unsafe { pair.trie.near((key << 16) + number, is_near) };
            assert!(near.is_some(), "{key}, {number}");
        }
    }
    for key in 0..1000 {
        pair.remove(key << 16);
    }
}
