//! The parts of a trie: leaves, nodes, slots, and spare nodes.

use core::fmt::Debug;
use core::marker::PhantomData;
use core::ptr::{self, NonNull};

/// How many bits a digit has. With fewer bits, a node is smaller. With more bits, a search is shorter.
pub(super) const DIGIT: u32 = if usize::BITS == 64 { 3 } else { 2 };

/// How many slots a node has.
pub(super) const FAN: usize = 1 << DIGIT;

/// What a search can require besides the key: a number, or `()` for nothing.
pub(crate) trait Grade: Copy + Ord + Debug {
    /// The lowest grade.
    const NONE: Self;
}

impl Grade for () {
    const NONE: Self = ();
}

/// The grade in a trie whose searches require nothing.
#[cfg(not(small))]
pub(crate) type Nothing = ();

/// The grade in a trie whose searches require nothing. Where code is to be small, it is a number nevertheless, so the
/// code of one trie serves both.
#[cfg(small)]
pub(crate) type Nothing = u32;

impl Grade for u32 {
    const NONE: Self = 0;
}

/// A key with its grade.
#[derive(Debug)]
#[repr(align(8))]
pub(crate) struct Leaf<G> {
    pub(crate) key: u64,
    /// A search can require a grade that is high enough.
    pub(crate) grade: G,
    /// The node whose slot leads here; `None` for the root.
    pub(super) parent: Option<NonNull<Node<G>>>,
}

/// A leaf, and the node that is provided with it. The node may be in use above other leaves.
#[derive(Debug)]
pub(crate) struct Entry<G> {
    pub(crate) leaf: Leaf<G>,
    pub(super) node: Node<G>,
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
pub(super) struct Node<G> {
    /// The digits that all leaves below share. Lower digits are zero.
    pub(super) prefix: u64,
    /// How many bits are below the digit by which this node distinguishes keys.
    pub(super) shift: u8,
    /// The slots that are in use, one bit each. A spare node has none.
    pub(super) used: u8,
    /// The node whose slot leads here; `None` for the root.
    pub(super) parent: Option<NonNull<Self>>,
    /// The highest grades below the slots.
    pub(super) grades: [G; FAN],
    /// The slots. In a spare node, the first two are links to other spare nodes.
    pub(super) slots: [Slot<G>; FAN],
}

/// Nothing, a leaf, or a node. The lowest bit of the address is set for a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot<G>(*mut u8, PhantomData<G>);

/// The content of a slot.
pub(super) enum Below<G> {
    Nothing,
    Leaf(NonNull<Leaf<G>>),
    Node(NonNull<Node<G>>),
}

impl<G: Grade> Slot<G> {
    pub(super) const EMPTY: Self = Self(ptr::null_mut(), PhantomData);

    pub(super) fn leaf(leaf: NonNull<Leaf<G>>) -> Self {
        Self(leaf.as_ptr().cast(), PhantomData)
    }

    pub(super) fn node(node: NonNull<Node<G>>) -> Self {
        Self(node.as_ptr().cast::<u8>().wrapping_add(1), PhantomData)
    }

    #[inline(always)]
    pub(super) fn below(self) -> Below<G> {
        if self.0.addr() & 1 != 0 {
            // SAFETY: One byte below is a node, which is not at the null address.
            Below::Node(unsafe { NonNull::new_unchecked(self.0.wrapping_sub(1).cast()) })
        } else {
            NonNull::new(self.0.cast()).map_or(Below::Nothing, Below::Leaf)
        }
    }
}

impl<G: Grade> Node<G> {
    pub(super) const UNUSED: Self = Self {
        prefix: 0,
        shift: 0,
        used: 0,
        parent: None,
        grades: [G::NONE; FAN],
        slots: [Slot::EMPTY; FAN],
    };

    /// The slot of a key, or `None` if it does not share the node's prefix.
    #[inline(always)]
    pub(super) fn digit(&self, key: u64) -> Option<usize> {
        let digit = (key ^ self.prefix) >> self.shift;
        if digit < FAN as u64 { Some(digit as usize) } else { None }
    }

    pub(super) fn put(&mut self, digit: usize, slot: Slot<G>, grade: G) {
        self.used |= 1 << digit;
        (self.slots[digit], self.grades[digit]) = (slot, grade);
    }

    /// The highest grade below.
    pub(super) fn grade(&self) -> G {
        let higher = |a: G, b: &G| if *b > a { *b } else { a };
        self.grades.iter().fold(G::NONE, higher)
    }

    /// The first slot from a digit on that has a leaf below whose grade is high enough.
    pub(super) fn first(&self, from: usize, grade: G) -> Option<usize> {
        // Takes no branch for each slot.
        let high = |digit: usize| u32::from(self.grades[digit] >= grade) << digit;
        let found = (0..FAN).fold(0, |found, digit| found | high(digit));
        let found = (found & u32::from(self.used)) >> from << from;
        if found == 0 { None } else { Some(found.trailing_zeros() as usize) }
    }

    /// The last slot in use before a digit.
    #[inline(always)]
    pub(super) fn last(&self, before: usize) -> Option<usize> {
        let used = u32::from(self.used) & ((1 << before) - 1);
        used.checked_ilog2().map(|digit| digit as usize)
    }
}

/// The spare nodes, linked in both directions by their first two slots.
#[derive(Debug)]
pub(super) struct Spares<G>(pub(super) Slot<G>);

pub(super) const PREV: usize = 0;
pub(super) const NEXT: usize = 1;

impl<G: Grade> Spares<G> {
    /// Adds a node.
    ///
    /// # Safety
    ///
    /// Nobody uses the node. It is not moved until it is taken out.
    pub(super) unsafe fn add(&mut self, node: NonNull<Node<G>>) {
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

    /// Takes out a certain node.
    ///
    /// # Safety
    ///
    /// It is one of the spare nodes.
    pub(super) unsafe fn take(&mut self, node: NonNull<Node<G>>) {
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
    pub(super) unsafe fn take_any(&mut self) -> NonNull<Node<G>> {
        let Below::Node(node) = self.0.below() else {
            unreachable!("I13: each leaf has a node for it")
        };
        // SAFETY: It is one of the spare nodes.
        unsafe { self.take(node) };
        node
    }
}

/// A node that distinguishes two different keys. It has nothing below it yet.
pub(super) fn branching<G: Grade>(a: u64, b: u64) -> Node<G> {
    debug_assert_ne!(a, b, "I13: no two leaves have the same key");
    let shift = (a ^ b).ilog2() / DIGIT * DIGIT;
    // The bits of the digit, and those below it.
    let low = (FAN as u64 - 1).checked_shl(shift).unwrap_or(0) | ((1 << shift) - 1);
    Node { prefix: a & !low, shift: shift as u8, ..Node::UNUSED }
}

/// Sets the parent of a slot's content.
///
/// # Safety
///
/// It is a slot of a trie.
pub(super) unsafe fn set_parent<G: Grade>(slot: Slot<G>, parent: Option<NonNull<Node<G>>>) {
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
pub(super) unsafe fn grade_of<G: Grade>(slot: Slot<G>) -> G {
    match slot.below() {
        Below::Nothing => G::NONE,
        // SAFETY: It is a leaf of the trie.
        Below::Leaf(leaf) => unsafe { leaf.as_ref() }.grade,
        // SAFETY: It is a node of the trie.
        Below::Node(node) => unsafe { node.as_ref() }.grade(),
    }
}
