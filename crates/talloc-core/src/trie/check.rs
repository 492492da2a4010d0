//! Checking a trie.

use core::mem::offset_of;
use core::ptr::NonNull;

use super::Trie;
use super::node::{Below, Entry, FAN, Grade, Leaf, NEXT, Node, PREV, Slot, grade_of};

impl<G: Grade> Trie<G> {
    /// Whether the trie is in order, and has exactly the nodes of its entries. `visit` is called with each leaf in the
    /// order of keys, and returns whether the leaf is right.
    ///
    /// # Safety
    ///
    /// The caller keeps the rule of the [trie](Self).
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

    /// Whether a node was provided with an entry whose leaf is in the trie.
    ///
    /// # Safety
    ///
    /// The caller keeps the rule of the [trie](Self). The node is part of an entry.
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

/// Whether the part of the trie below a slot is in order, and `visit` returns true for its leaves.
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
