//! A radix trie of numbers, whose nodes and leaves are memory that its user provides.
//!
//! It answers two questions in a bounded number of steps, however many leaves there are: which leaf has the largest
//! key up to a number, and which has the least key from a number on whose *grade* is high enough. A node stands for
//! the numbers that share their highest digits, and has a slot for each value of the next digit. Digits that all
//! leaves below have in common have no node: each node has two slots in use or more, and so there are fewer nodes
//! than leaves. Whoever adds a leaf provides a node with it, as an [`Entry`], and the trie never runs out of nodes.
//!
//! With each slot, a node keeps the highest grade of the leaves below it.

use core::fmt::Debug;
use core::marker::PhantomData;
use core::mem::{self, offset_of};
use core::ptr::{self, NonNull};

/// How many bits a digit has. A node is smaller with fewer, and a search shorter with more.
const DIGIT: u32 = if usize::BITS == 64 { 3 } else { 2 };

/// Slots of a node.
const FAN: usize = 1 << DIGIT;

/// What a search may ask for beside the key: numbers, or `()` where there is nothing to ask for.
pub(crate) trait Grade: Copy + Ord + Debug {
    /// The lowest grade.
    const NONE: Self;
}

impl Grade for () {
    const NONE: Self = ();
}

/// The grade where there is nothing to ask for.
#[cfg(not(small))]
pub(crate) type Nothing = ();

/// The grade where there is nothing to ask for. Where code is to be small, it is a number all the same: the code of one
/// trie serves both.
#[cfg(small)]
pub(crate) type Nothing = u32;

impl Grade for u32 {
    const NONE: Self = 0;
}

/// A number with what is known of whoever it stands for.
#[derive(Debug)]
#[repr(align(8))]
pub(crate) struct Leaf<G> {
    pub(crate) key: u64,
    /// A search may ask for leaves whose grade is high enough.
    pub(crate) grade: G,
    /// The node that has a slot for it, unless it is the root.
    parent: Option<NonNull<Node<G>>>,
}

/// A leaf, and the node that is provided with it. The node may be in use for other leaves.
#[derive(Debug)]
pub(crate) struct Entry<G> {
    pub(crate) leaf: Leaf<G>,
    node: Node<G>,
}

impl<G: Grade> Entry<G> {
    /// An entry that is in no trie.
    pub(crate) const fn new(key: u64, grade: G) -> Self {
        Self { leaf: Leaf { key, grade, parent: None }, node: Node::UNUSED }
    }
}

/// A node of a trie.
#[derive(Debug)]
#[repr(align(8))]
struct Node<G> {
    /// The digits that all leaves below have in common; the lower ones are zero.
    prefix: u64,
    /// How many bits are below the digit that this node tells apart.
    shift: u8,
    /// The slots that are in use, one bit each. None are in a node that is not in use.
    used: u8,
    /// The node that has a slot for it, unless it is the root.
    parent: Option<NonNull<Self>>,
    /// The highest grades below the slots.
    grades: [G; FAN],
    /// What is below; in a node that is not in use, the first two are links to others.
    slots: [Slot<G>; FAN],
}

/// Nothing, a leaf, or a node, whose address has its lowest bit set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot<G>(*mut u8, PhantomData<G>);

/// What is in a slot.
enum Below<G> {
    Nothing,
    Leaf(NonNull<Leaf<G>>),
    Node(NonNull<Node<G>>),
}

impl<G: Grade> Slot<G> {
    const EMPTY: Self = Self(ptr::null_mut(), PhantomData);

    fn leaf(leaf: NonNull<Leaf<G>>) -> Self {
        Self(leaf.as_ptr().cast(), PhantomData)
    }

    fn node(node: NonNull<Node<G>>) -> Self {
        Self(node.as_ptr().cast::<u8>().wrapping_add(1), PhantomData)
    }

    #[inline(always)]
    fn below(self) -> Below<G> {
        if self.0.addr() & 1 != 0 {
            // SAFETY: One byte below is a node, which is not at the null address.
            Below::Node(unsafe { NonNull::new_unchecked(self.0.wrapping_sub(1).cast()) })
        } else {
            NonNull::new(self.0.cast()).map_or(Below::Nothing, Below::Leaf)
        }
    }
}

impl<G: Grade> Node<G> {
    const UNUSED: Self = Self {
        prefix: 0,
        shift: 0,
        used: 0,
        parent: None,
        grades: [G::NONE; FAN],
        slots: [Slot::EMPTY; FAN],
    };

    /// The slot of a key, or `None` if it does not share the node's prefix.
    #[inline(always)]
    fn digit(&self, key: u64) -> Option<usize> {
        let digit = (key ^ self.prefix) >> self.shift;
        if digit < FAN as u64 { Some(digit as usize) } else { None }
    }

    fn put(&mut self, digit: usize, slot: Slot<G>, grade: G) {
        self.used |= 1 << digit;
        (self.slots[digit], self.grades[digit]) = (slot, grade);
    }

    /// The highest grade below.
    fn grade(&self) -> G {
        let higher = |a: G, b: &G| if *b > a { *b } else { a };
        self.grades.iter().fold(G::NONE, higher)
    }

    /// The first slot from a digit on that has a leaf below whose grade is high enough.
    fn first(&self, from: usize, grade: G) -> Option<usize> {
        // Without a branch for each.
        let high = |digit: usize| u32::from(self.grades[digit] >= grade) << digit;
        let found = (0..FAN).fold(0, |found, digit| found | high(digit));
        let found = (found & u32::from(self.used)) >> from << from;
        if found == 0 { None } else { Some(found.trailing_zeros() as usize) }
    }

    /// The last slot in use before a digit.
    #[inline(always)]
    fn last(&self, before: usize) -> Option<usize> {
        let used = u32::from(self.used) & ((1 << before) - 1);
        used.checked_ilog2().map(|digit| digit as usize)
    }
}

/// Nodes that are not in use, linked in both directions by their first two slots.
#[derive(Debug)]
struct Spares<G>(Slot<G>);

const PREV: usize = 0;
const NEXT: usize = 1;

impl<G: Grade> Spares<G> {
    /// Adds a node.
    ///
    /// # Safety
    ///
    /// Nobody uses the node, which stays where it is until it is taken out.
    unsafe fn add(&mut self, node: NonNull<Node<G>>) {
        let mut spare = Node::UNUSED;
        spare.slots[NEXT] = self.0;
        if let Below::Node(next) = self.0.below() {
            // SAFETY: It is a spare node, to which nobody refers.
            unsafe { (*next.as_ptr()).slots[PREV] = Slot::node(node) };
        }
        // SAFETY: Nobody uses the node.
        unsafe { node.write(spare) };
        self.0 = Slot::node(node);
    }

    /// Takes out a node that is there.
    ///
    /// # Safety
    ///
    /// It is one of the spare nodes.
    unsafe fn take(&mut self, node: NonNull<Node<G>>) {
        // SAFETY: It is a spare node, as are those that it links to.
        unsafe {
            let [prev, next] = [(*node.as_ptr()).slots[PREV], (*node.as_ptr()).slots[NEXT]];
            match prev.below() {
                Below::Node(prev) => (*prev.as_ptr()).slots[NEXT] = next,
                _ => self.0 = next,
            }
            if let Below::Node(next) = next.below() {
                (*next.as_ptr()).slots[PREV] = prev;
            }
        }
    }

    /// Takes out any node.
    ///
    /// # Safety
    ///
    /// The spare nodes are memory that nobody else uses.
    unsafe fn take_any(&mut self) -> NonNull<Node<G>> {
        let Below::Node(node) = self.0.below() else {
            unreachable!("I13: each leaf has a node for it")
        };
        // SAFETY: It is one of the spare nodes.
        unsafe { self.take(node) };
        node
    }
}

/// A trie, and the nodes that it has to spare.
///
/// Its methods are unsafe: the entries are memory that the caller provides by [`insert`](Self::insert), and leaves
/// where it is until [`remove`](Self::remove). The caller may read the leaves meanwhile, and nothing else.
#[derive(Debug)]
pub(crate) struct Trie<G> {
    root: Slot<G>,
    spares: Spares<G>,
}

impl<G: Grade> Trie<G> {
    pub(crate) const EMPTY: Self = Self { root: Slot::EMPTY, spares: Spares(Slot::EMPTY) };

    /// A fast attempt at [`last_up_to`](Self::last_up_to): `None` if the leaf is not below the last node on the way, or
    /// not the right one. Ask `last_up_to` then.
    ///
    /// # Safety
    ///
    /// As the [trie](Self) says.
    #[inline(always)]
    pub(crate) unsafe fn near(
        &self,
        number: u64,
        is_right: impl Fn(NonNull<Leaf<G>>) -> bool,
    ) -> Option<NonNull<Leaf<G>>> {
        let (mut slot, mut way) = (self.root, None);
        loop {
            match slot.below() {
                Below::Leaf(leaf) if is_right(leaf) => return Some(leaf),
                Below::Node(node) => {
                    // SAFETY: It is a node of the trie.
                    let node = unsafe { node.as_ref() };
                    let digit = node.digit(number)?;
                    way = Some((node, digit));
                    // SAFETY: A digit is the number of a slot.
                    slot = unsafe { *node.slots.get_unchecked(digit) };
                }
                _ => break,
            }
        }
        let (node, digit) = way?;
        match node.slots[node.last(digit)?].below() {
            Below::Leaf(leaf) if is_right(leaf) => Some(leaf),
            _ => None,
        }
    }

    /// The leaf with the largest key up to a number.
    ///
    /// # Safety
    ///
    /// As the [trie](Self) says.
    pub(crate) unsafe fn last_up_to(&self, number: u64) -> Option<NonNull<Leaf<G>>> {
        let (mut slot, mut lower) = (self.root, Slot::EMPTY);
        loop {
            match slot.below() {
                Below::Nothing => break,
                Below::Leaf(leaf) => {
                    // SAFETY: It is a leaf of the trie.
                    if unsafe { leaf.as_ref() }.key <= number {
                        return Some(leaf);
                    }
                    break;
                }
                Below::Node(node) => {
                    // SAFETY: It is a node of the trie.
                    let node = unsafe { node.as_ref() };
                    let Some(digit) = node.digit(number) else {
                        if node.prefix < number {
                            lower = slot;
                        }
                        break;
                    };
                    if let Some(last) = node.last(digit) {
                        lower = node.slots[last];
                    }
                    slot = node.slots[digit];
                }
            }
        }
        // SAFETY: It is a slot of the trie.
        unsafe { last_below(lower) }
    }

    /// The leaf with the least key from a number on whose grade is high enough.
    ///
    /// # Safety
    ///
    /// As the [trie](Self) says.
    pub(crate) unsafe fn first_from(&self, number: u64, grade: G) -> Option<NonNull<Leaf<G>>> {
        let (mut slot, mut higher) = (self.root, Slot::EMPTY);
        loop {
            match slot.below() {
                Below::Nothing => break,
                Below::Leaf(leaf) => {
                    // SAFETY: It is a leaf of the trie.
                    let at = unsafe { leaf.as_ref() };
                    if at.key >= number && at.grade >= grade {
                        return Some(leaf);
                    }
                    break;
                }
                Below::Node(node) => {
                    // SAFETY: It is a node of the trie.
                    let node = unsafe { node.as_ref() };
                    if node.prefix >= number {
                        // All leaves below it are far enough.
                        if let Some(first) = node.first(0, grade) {
                            higher = node.slots[first];
                        }
                        break;
                    }
                    let Some(digit) = node.digit(number) else { break };
                    if let Some(first) = node.first(digit + 1, grade) {
                        higher = node.slots[first];
                    }
                    slot = node.slots[digit];
                }
            }
        }
        // SAFETY: It is a slot of the trie, with a leaf below it whose grade is high enough.
        unsafe { first_below(higher, grade) }
    }

    /// Adds an entry, whose key is no other leaf's.
    ///
    /// # Safety
    ///
    /// As the [trie](Self) says. The entry is the trie's until it is removed, but for the leaf, which others may
    /// read.
    pub(crate) unsafe fn insert(&mut self, entry: NonNull<Entry<G>>) {
        // SAFETY: The caller gives the entry.
        let (leaf, node, key, grade) = unsafe {
            let entry = entry.as_ptr();
            let leaf = NonNull::new_unchecked(&raw mut (*entry).leaf);
            let node = NonNull::new_unchecked(&raw mut (*entry).node);
            (leaf, node, (*entry).leaf.key, (*entry).leaf.grade)
        };
        // SAFETY: Nobody uses the node.
        unsafe { self.spares.add(node) };
        let (mut parent, mut slot) = (None, self.root);
        loop {
            // SAFETY: What the slot leads to is the trie's, and so are spare nodes.
            unsafe {
                let other = match slot.below() {
                    Below::Nothing => return self.hang(parent, key, Slot::leaf(leaf), grade),
                    Below::Leaf(other) => other.as_ref().key,
                    Below::Node(at) => {
                        // What is kept is the pointer itself: one to this borrow would be invalid after the next.
                        let node = &mut *at.as_ptr();
                        match node.digit(key) {
                            None => node.prefix,
                            Some(digit) => {
                                node.grades[digit] = node.grades[digit].max(grade);
                                (parent, slot) = (Some(at), node.slots[digit]);
                                continue;
                            }
                        }
                    }
                };
                let branch = self.spares.take_any();
                branch.write(branching(key, other));
                let others = grade_of(slot);
                self.hang(parent, key, Slot::node(branch), others.max(grade));
                self.hang(Some(branch), other, slot, others);
                return self.hang(Some(branch), key, Slot::leaf(leaf), grade);
            }
        }
    }

    /// Puts something below a node, in the slot of a key, or makes it the root.
    ///
    /// # Safety
    ///
    /// As the [trie](Self) says. The key has a slot in the node.
    unsafe fn hang(&mut self, parent: Option<NonNull<Node<G>>>, key: u64, slot: Slot<G>, grade: G) {
        // SAFETY: The node is in the trie, and so is what is put there.
        unsafe {
            match parent {
                None => self.root = slot,
                Some(mut node) => {
                    let node = node.as_mut();
                    debug_assert!(node.digit(key).is_some(), "I13: the key has a slot");
                    node.put(node.digit(key).unwrap_or(0), slot, grade);
                }
            }
            set_parent(slot, parent);
        }
    }

    /// Takes an entry out, and its node, which is replaced if it is in use.
    ///
    /// # Safety
    ///
    /// As the [trie](Self) says. The entry is in the trie.
    pub(crate) unsafe fn remove(&mut self, entry: NonNull<Entry<G>>) {
        // SAFETY: The entry is in the trie, whose nodes are the trie's.
        unsafe {
            let leaf = NonNull::new_unchecked(&raw mut (*entry.as_ptr()).leaf);
            let node = NonNull::new_unchecked(&raw mut (*entry.as_ptr()).node);
            self.set_grade(leaf, G::NONE);
            self.unlink(leaf);
            if (*node.as_ptr()).used == 0 {
                self.spares.take(node);
            } else {
                self.replace(node);
            }
        }
    }

    /// Notes a leaf's grade.
    ///
    /// # Safety
    ///
    /// As the [trie](Self) says. The leaf is in the trie.
    pub(crate) unsafe fn set_grade(&mut self, mut leaf: NonNull<Leaf<G>>, grade: G) {
        // SAFETY: The leaf is in the trie, and its nodes are the trie's.
        unsafe {
            let leaf = leaf.as_mut();
            let mut old = mem::replace(&mut leaf.grade, grade);
            let (mut parent, mut key, mut new) = (leaf.parent, leaf.key, grade);
            while let Some(mut node) = parent {
                let node = node.as_mut();
                let Some(digit) = node.digit(key) else { return };
                node.grades[digit] = new;
                // What the node above has for this one, which changes only if it was, or is, the highest.
                let Some(above) = node.parent.map(|above| above.as_ref()) else { return };
                let Some(digit) = above.digit(node.prefix) else { return };
                let highest = above.grades[digit];
                if new > old && new <= highest || new < old && old < highest || new == old {
                    return;
                }
                let now = if new > old { new } else { node.grade() };
                (parent, key, old, new) = (node.parent, node.prefix, highest, now);
            }
        }
    }

    /// Empties the slot of a leaf, whose grade is the lowest. A node with one slot left gives way to what is in it.
    ///
    /// # Safety
    ///
    /// As the [trie](Self) says. The leaf is in the trie.
    unsafe fn unlink(&mut self, leaf: NonNull<Leaf<G>>) {
        // SAFETY: The leaf is in the trie, and its nodes are the trie's.
        unsafe {
            let Some(mut at) = leaf.as_ref().parent else {
                self.root = Slot::EMPTY;
                return;
            };
            let node = at.as_mut();
            let digit = node.digit(leaf.as_ref().key).unwrap_or(0);
            debug_assert!(node.slots[digit] == Slot::leaf(leaf), "I13: the leaf is in the trie");
            node.slots[digit] = Slot::EMPTY;
            node.used &= !(1 << digit);
            if node.used.is_power_of_two() {
                let (left, parent) = (node.slots[node.used.ilog2() as usize], node.parent);
                let (prefix, grade) = (node.prefix, node.grade());
                self.hang(parent, prefix, left, grade);
                self.spares.add(at);
            }
        }
    }

    /// Moves a node in use to a spare one.
    ///
    /// # Safety
    ///
    /// As the [trie](Self) says. The node is in use in this trie.
    unsafe fn replace(&mut self, node: NonNull<Node<G>>) {
        // SAFETY: The node is in the trie, as is what is below it.
        unsafe {
            let other = self.spares.take_any();
            other.write(node.read());
            let node = other.as_ref();
            for slot in node.slots {
                set_parent(slot, Some(other));
            }
            let (parent, prefix, grade) = (node.parent, node.prefix, node.grade());
            self.hang(parent, prefix, Slot::node(other), grade);
        }
    }
}

/// Checking.
impl<G: Grade> Trie<G> {
    /// Whether the trie is in order, has all nodes of its entries and no others, and `visit` approves of its leaves,
    /// which it is called with in the order of their keys.
    ///
    /// # Safety
    ///
    /// As the [trie](Self) says.
    pub(crate) unsafe fn check(&self, mut visit: impl FnMut(NonNull<Leaf<G>>) -> bool) -> bool {
        let (mut leaves, mut nodes) = (0_usize, 0);
        // SAFETY: The root leads to all of the trie.
        let is_ordered = unsafe {
            check_below(self.root, None, &mut |below| match below {
                Below::Nothing => true,
                Below::Leaf(leaf) => {
                    leaves += 1;
                    visit(leaf)
                }
                Below::Node(node) => {
                    nodes += 1;
                    self.is_of_entry(node)
                }
            })
        };
        let (mut spare, mut last) = (self.spares.0, Slot::EMPTY);
        while let Below::Node(node) = spare.below() {
            // SAFETY: It is a spare node.
            let [prev, next] = unsafe { [PREV, NEXT].map(|link| node.as_ref().slots[link]) };
            // SAFETY: As above.
            let is_right = unsafe { node.as_ref().used == 0 && self.is_of_entry(node) };
            if !is_right || prev != last || nodes == leaves {
                return false;
            }
            (nodes, last, spare) = (nodes + 1, spare, next);
        }
        is_ordered && nodes == leaves
    }

    /// Whether a node has come with an entry whose leaf is in the trie.
    ///
    /// # Safety
    ///
    /// As the [trie](Self) says. It is a node of an entry.
    unsafe fn is_of_entry(&self, node: NonNull<Node<G>>) -> bool {
        // SAFETY: The node is a part of an entry.
        unsafe {
            let entry = node.byte_sub(offset_of!(Entry<G>, node)).cast::<Entry<G>>().as_ptr();
            let leaf = NonNull::new_unchecked(&raw mut (*entry).leaf);
            let slot = match leaf.as_ref().parent.map(|parent| parent.as_ref()) {
                None => Some(self.root),
                Some(node) => node.digit(leaf.as_ref().key).map(|digit| node.slots[digit]),
            };
            slot == Some(Slot::leaf(leaf))
        }
    }
}

/// Whether what is below a slot is in order, and `visit` approves of it.
///
/// # Safety
///
/// It is a slot of a trie.
unsafe fn check_below<G: Grade>(
    slot: Slot<G>,
    parent: Option<NonNull<Node<G>>>,
    visit: &mut impl FnMut(Below<G>) -> bool,
) -> bool {
    let at = match slot.below() {
        Below::Nothing => return true,
        // SAFETY: It is a leaf of the trie.
        Below::Leaf(leaf) if unsafe { leaf.as_ref() }.parent != parent => return false,
        Below::Leaf(_) => return visit(slot.below()),
        Below::Node(node) => node,
    };
    // SAFETY: It is a node of the trie.
    let node = unsafe { at.as_ref() };
    let is_right = |digit: usize| {
        let slot = node.slots[digit];
        let (key, is_lower) = match slot.below() {
            Below::Nothing => return node.used >> digit & 1 == 0,
            // SAFETY: It is a leaf of the trie.
            Below::Leaf(leaf) => (unsafe { leaf.as_ref() }.key, true),
            // SAFETY: It is a node of the trie.
            Below::Node(below) => unsafe {
                (below.as_ref().prefix, below.as_ref().shift < node.shift)
            },
        };
        // SAFETY: It is a slot of the trie.
        let grade = unsafe { grade_of(slot) };
        is_lower && node.digit(key) == Some(digit) && node.grades[digit] == grade
    };
    node.parent == parent
        && node.used.count_ones() >= 2
        && visit(slot.below())
        && (0..FAN).all(is_right)
        // SAFETY: These are slots of the trie.
        && node.slots.iter().all(|slot| unsafe { check_below(*slot, Some(at), visit) })
}

/// A node that tells two different keys apart, with nothing below it yet.
fn branching<G: Grade>(a: u64, b: u64) -> Node<G> {
    debug_assert_ne!(a, b, "I13: no two leaves have the same key");
    let shift = (a ^ b).ilog2() / DIGIT * DIGIT;
    // The digit, and all below it.
    let low = (FAN as u64 - 1).checked_shl(shift).unwrap_or(0) | ((1 << shift) - 1);
    Node { prefix: a & !low, shift: shift as u8, ..Node::UNUSED }
}

/// Notes which node has a slot for something.
///
/// # Safety
///
/// It is a slot of a trie.
unsafe fn set_parent<G: Grade>(slot: Slot<G>, parent: Option<NonNull<Node<G>>>) {
    match slot.below() {
        Below::Nothing => {}
        // SAFETY: It is a leaf of the trie.
        Below::Leaf(leaf) => unsafe { (*leaf.as_ptr()).parent = parent },
        // SAFETY: It is a node of the trie.
        Below::Node(node) => unsafe { (*node.as_ptr()).parent = parent },
    }
}

/// The highest grade below a slot.
///
/// # Safety
///
/// It is a slot of a trie.
unsafe fn grade_of<G: Grade>(slot: Slot<G>) -> G {
    match slot.below() {
        Below::Nothing => G::NONE,
        // SAFETY: It is a leaf of the trie.
        Below::Leaf(leaf) => unsafe { leaf.as_ref() }.grade,
        // SAFETY: It is a node of the trie.
        Below::Node(node) => unsafe { node.as_ref() }.grade(),
    }
}

/// The last leaf below a slot.
///
/// # Safety
///
/// It is a slot of a trie.
unsafe fn last_below<G: Grade>(mut slot: Slot<G>) -> Option<NonNull<Leaf<G>>> {
    loop {
        match slot.below() {
            Below::Nothing => return None,
            Below::Leaf(leaf) => return Some(leaf),
            Below::Node(node) => {
                // SAFETY: It is a node of the trie.
                let node = unsafe { node.as_ref() };
                slot = node.slots[node.last(FAN)?];
            }
        }
    }
}

/// The first leaf below a slot whose grade is high enough.
///
/// # Safety
///
/// It is a slot of a trie, and if there is a leaf below, there is one whose grade is high enough.
unsafe fn first_below<G: Grade>(mut slot: Slot<G>, grade: G) -> Option<NonNull<Leaf<G>>> {
    loop {
        match slot.below() {
            Below::Nothing => return None,
            Below::Leaf(leaf) => return Some(leaf),
            Below::Node(node) => {
                // SAFETY: It is a node of the trie.
                let node = unsafe { node.as_ref() };
                slot = node.slots[node.first(0, grade)?];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::boxed::Box;
    use std::collections::BTreeMap;
    use std::vec::Vec;

    /// A trie and what is in it.
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
            // SAFETY: The entry stays where it is until it is removed.
            unsafe { self.trie.insert(entry) };
        }

        fn remove(&mut self, key: u64) {
            if let Some(entry) = self.entries.remove(&key) {
                // SAFETY: The entry is in the trie, and was a box.
                unsafe {
                    self.trie.remove(entry);
                    // What is there must not be used any more.
                    entry.cast::<u8>().write_bytes(0xA5, size_of::<Entry<u32>>());
                    drop(Box::from_raw(
                        entry.as_ptr().cast::<core::mem::MaybeUninit<Entry<u32>>>(),
                    ));
                }
            }
        }

        fn set_grade(&mut self, key: u64, grade: u32) {
            if let Some(entry) = self.entries.get(&key) {
                // SAFETY: The entry is in the trie.
                unsafe { self.trie.set_grade(NonNull::from(&mut (*entry.as_ptr()).leaf), grade) };
            }
        }

        /// All keys with their grades.
        fn leaves(&self) -> Vec<(u64, u32)> {
            // SAFETY: The entries are in the trie.
            let leaf = |entry: &NonNull<Entry<u32>>| unsafe { &entry.as_ref().leaf };
            self.entries.values().map(|entry| (leaf(entry).key, leaf(entry).grade)).collect()
        }

        fn check(&self, number: u64, grade: u32) {
            let leaves = self.leaves();
            // SAFETY: What is in the trie are the entries.
            let key = |leaf: NonNull<Leaf<u32>>| unsafe { leaf.as_ref() }.key;
            // SAFETY: As above.
            let (up_to, from) = unsafe {
                (
                    self.trie.last_up_to(number).map(key),
                    self.trie.first_from(number, grade).map(key),
                )
            };
            let is_up_to = |leaf: &&(u64, u32)| leaf.0 <= number;
            assert_eq!(up_to, leaves.iter().rev().find(is_up_to).map(|leaf| leaf.0));
            let is_from = |leaf: &&(u64, u32)| leaf.0 >= number && leaf.1 >= grade;
            assert_eq!(from, leaves.iter().find(is_from).map(|leaf| leaf.0));
            let mut found = Vec::new();
            // SAFETY: As above.
            let is_right = unsafe {
                self.trie.check(|leaf| {
                    found.push((leaf.as_ref().key, leaf.as_ref().grade));
                    true
                })
            };
            assert!(is_right && found == leaves);
        }
    }

    /// Random changes, and after each the answers that a map would give. Keys are sparse at first, then dense.
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

    /// Each thing that `check` looks at, broken alone.
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
            // SAFETY: What is in the trie are the entries.
            assert!(unsafe { pair.trie.check(|_| true) });
            let Below::Node(root) = pair.trie.root.below() else { panic!("the root is a node") };
            let entry = pair.entries[&1];
            // SAFETY: The node and the leaf are apart, and nobody else uses them now.
            unsafe {
                fault(&mut pair.trie, &mut *root.as_ptr(), &mut (*entry.as_ptr()).leaf);
            }
            // SAFETY: What is in the trie are the entries; what was broken leads nowhere else.
            assert!(!unsafe { pair.trie.check(|_| true) });
        }
        // A node that came with another entry than those in the trie.
        let (mut pair, mut other) = (Pair::new(), Pair::new());
        pair.insert(1, 0);
        other.insert(1, 0);
        pair.trie.spares.0 = other.trie.spares.0;
        // SAFETY: As above.
        assert!(!unsafe { pair.trie.check(|_| true) });
    }

    #[test]
    fn what_is_near_is_found_without_looking_around() {
        let mut pair = Pair::new();
        for key in 0..1000 {
            pair.insert(key << 16, 0);
        }
        for key in 0..1000 {
            // SAFETY: What is in the trie are the entries.
            let is_near = |leaf: NonNull<Leaf<u32>>| unsafe { leaf.as_ref() }.key == key << 16;
            for number in [0, 1, 40_000, 65_535] {
                // SAFETY: As above.
                let near = unsafe { pair.trie.near((key << 16) + number, is_near) };
                assert!(near.is_some(), "{key}, {number}");
            }
        }
        for key in 0..1000 {
            pair.remove(key << 16);
        }
    }
}
