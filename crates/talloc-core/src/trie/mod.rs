//! A radix trie of numbers. Its user provides the memory of its nodes and leaves.
//!
//! It answers two questions in a bounded number of steps, however many leaves there are. Which leaf has the largest key
//! up to a number? Which leaf has the smallest key from a number on, and a *grade* that is high enough? A node stands
//! for the numbers that share their highest digits, and has a slot for each value of the next digit. Digits that all
//! leaves below share have no node. Each node therefore has at least two slots in use, and there are fewer nodes than
//! leaves. The user provides a node with each leaf, as an [`Entry`], so the trie never runs out of nodes.
//!
//! For each slot, a node stores the highest grade of the leaves below it.

mod check;
mod node;
#[cfg(test)]
mod tests;

use core::mem;
use core::ptr::NonNull;

use node::{Below, FAN, Node, Slot, Spares, branching, grade_of, set_parent};
pub(crate) use node::{Entry, Grade, Leaf, Nothing};

/// A trie, and its spare nodes.
///
/// Its methods are unsafe. The caller provides the memory of an entry by [`insert`](Self::insert), and does not move it
/// until [`remove`](Self::remove). Until then, the caller may read the leaf, but must not use the entry in any other
/// way.
#[derive(Debug)]
pub(crate) struct Trie<G> {
    root: Slot<G>,
    spares: Spares<G>,
}

impl<G: Grade> Trie<G> {
    pub(crate) const EMPTY: Self = Self { root: Slot::EMPTY, spares: Spares(Slot::EMPTY) };

    /// A fast attempt at [`last_up_to`](Self::last_up_to). If it returns `None`, call `last_up_to`.
    ///
    /// # Safety
    ///
    /// The caller keeps the rule of the [trie](Self).
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
    /// The caller keeps the rule of the [trie](Self).
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
        unsafe { descend(lower, |node| node.last(FAN)) }
    }

    /// The leaf with the smallest key from a number on, whose grade is high enough.
    ///
    /// # Safety
    ///
    /// The caller keeps the rule of the [trie](Self).
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
        // SAFETY: It is a slot of the trie. If there is a leaf below it, the grade of one is high enough.
        unsafe { descend(higher, |node| node.first(0, grade)) }
    }

    /// Adds an entry. No other leaf has its key.
    ///
    /// # Safety
    ///
    /// The caller keeps the rule of the [trie](Self).
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

    /// Puts a leaf or a node into the slot of a key, or makes it the root.
    ///
    /// # Safety
    ///
    /// The caller keeps the rule of the [trie](Self). The key has a slot in the node.
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

    /// Removes an entry. If its node is in use, another node replaces it.
    ///
    /// # Safety
    ///
    /// The caller keeps the rule of the [trie](Self). The entry is in the trie.
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

    /// Updates a leaf's grade.
    ///
    /// # Safety
    ///
    /// The caller keeps the rule of the [trie](Self). The leaf is in the trie.
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
                // The node above changes only if this grade was, or is, the highest.
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

    /// Empties the slot of a leaf, whose grade is the lowest. If the node has one slot left, its content replaces the
    /// node.
    ///
    /// # Safety
    ///
    /// The caller keeps the rule of the [trie](Self). The leaf is in the trie.
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
    /// The caller keeps the rule of the [trie](Self). The node is in use in this trie.
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

/// The leaf below a slot that `choose` leads to. `choose` is called with each node on the way.
///
/// # Safety
///
/// It is a slot of a trie.
unsafe fn descend<G: Grade>(
    mut slot: Slot<G>,
    choose: impl Fn(&Node<G>) -> Option<usize>,
) -> Option<NonNull<Leaf<G>>> {
    loop {
        match slot.below() {
            Below::Nothing => return None,
            Below::Leaf(leaf) => return Some(leaf),
            Below::Node(node) => {
                // SAFETY: It is a node of the trie.
                let node = unsafe { node.as_ref() };
                slot = node.slots[choose(node)?];
            }
        }
    }
}
