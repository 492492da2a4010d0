//! What an arena beyond the first keeps at the start of its own chunk.

use core::mem::offset_of;
use core::ptr::NonNull;

use super::index::Index;
use super::{Arena, Place};
use crate::arena::Control;
use crate::config::Config;
use crate::kind::Kind;
use crate::trie::{Entry, Grade, Leaf, Nothing};

/// The structure of a further arena, with its entries in the tries and its links.
///
/// The [places](Place) of further arenas lead to it, as the arena's structure is its start.
#[repr(C)]
pub(super) struct Further<C: Config> {
    arena: Arena<C>,
    /// By the address where its span begins.
    by_address: Entry<Nothing>,
    /// By its [position](Position), with its grade.
    by_position: Entry<u32>,
    /// The arenas claimed before and after it.
    pub(super) before: Place<C>,
    pub(super) after: Place<C>,
    /// Whether it is in the list of [untidy](Arena::is_untidy) arenas, and the next one there.
    pub(super) is_untidy: bool,
    pub(super) next_untidy: Place<C>,
    /// The index of all further arenas, if this is the first of them.
    pub(super) index: Index<C>,
}

/// Where in the order of claiming a further arena is, among those of its kind: the kind is in the highest bits of
/// the number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Position(u64);

/// Bits of a position that are the number of the arena. No program claims so many.
const NUMBER_BITS: u32 = 58;

impl Position {
    pub(super) const fn new(kind: Kind, number: u64) -> Self {
        Self((kind.number() as u64) << NUMBER_BITS | number)
    }

    /// The number of the arena, among those of all kinds.
    pub(super) const fn number(self) -> u64 {
        self.0 & ((1 << NUMBER_BITS) - 1)
    }

    /// Whether the arena has that kind.
    pub(super) fn is_of(self, kind: Kind) -> bool {
        self.0 >> NUMBER_BITS == u64::from(kind.number())
    }

    /// As a key of a trie.
    pub(super) const fn key(self) -> u64 {
        self.0
    }
}

impl<C: Config> Further<C> {
    /// The room that an arena leaves for the structure.
    pub(super) const CONTROL: Control = Control::inside(size_of::<Self>());

    /// The structure of an arena that is not linked yet.
    pub(super) fn new(arena: Arena<C>, number: u64) -> Self {
        let position = Position::new(arena.kind, number);
        let base = arena.span().base().unwrap_or(0);
        let by_position = Entry::new(position.key(), arena.grade());
        Self {
            arena,
            by_address: Entry::new(base as u64, Grade::NONE),
            by_position,
            before: None,
            after: None,
            is_untidy: false,
            next_untidy: None,
            index: Index::EMPTY,
        }
    }

    /// The structure that starts with an arena's.
    #[inline(always)]
    pub(super) fn at(place: NonNull<Arena<C>>) -> *mut Self {
        place.as_ptr().cast()
    }

    /// The place of the arena that a leaf of the trie of addresses stands for.
    ///
    /// # Safety
    ///
    /// It is a leaf of a further arena, by a pointer that is good for all of the arena.
    #[inline(always)]
    pub(super) unsafe fn place_by_address(leaf: NonNull<Leaf<Nothing>>) -> NonNull<Arena<C>> {
        // SAFETY: The leaf is a part of the structure.
        unsafe {
            leaf.byte_sub(offset_of!(Self, by_address) + offset_of!(Entry<Nothing>, leaf)).cast()
        }
    }

    /// The place of the arena that a leaf of the trie of positions stands for.
    ///
    /// # Safety
    ///
    /// As for [`place_by_address`](Self::place_by_address).
    pub(super) unsafe fn place_by_position(leaf: NonNull<Leaf<u32>>) -> NonNull<Arena<C>> {
        // SAFETY: The leaf is a part of the structure.
        unsafe {
            leaf.byte_sub(offset_of!(Self, by_position) + offset_of!(Entry<u32>, leaf)).cast()
        }
    }

    /// The entry in the trie of addresses.
    ///
    /// # Safety
    ///
    /// There is a structure.
    pub(super) unsafe fn by_address(this: *mut Self) -> NonNull<Entry<Nothing>> {
        // SAFETY: A field of a structure that is there.
        unsafe { NonNull::new_unchecked(&raw mut (*this).by_address) }
    }

    /// The entry in the trie of positions.
    ///
    /// # Safety
    ///
    /// There is a structure.
    pub(super) unsafe fn by_position(this: *mut Self) -> NonNull<Entry<u32>> {
        // SAFETY: A field of a structure that is there.
        unsafe { NonNull::new_unchecked(&raw mut (*this).by_position) }
    }

    /// The leaf in the trie of positions.
    ///
    /// # Safety
    ///
    /// There is a structure.
    pub(super) unsafe fn leaf(this: *mut Self) -> NonNull<Leaf<u32>> {
        // SAFETY: A field of a structure that is there.
        unsafe { NonNull::new_unchecked(&raw mut (*this).by_position.leaf) }
    }

    /// The arena's position.
    ///
    /// # Safety
    ///
    /// There is a structure.
    pub(super) unsafe fn position(this: *const Self) -> Position {
        // SAFETY: A field of a structure that is there.
        Position(unsafe { (*this).by_position.leaf.key })
    }

    /// Swaps the numbers of two arenas of one kind, whose leaves in the trie stay where they are.
    ///
    /// # Safety
    ///
    /// Both are structures.
    #[cfg(test)]
    pub(super) unsafe fn swap_numbers(this: *mut Self, other: Place<C>) {
        let other = Further::at(other.expect("there are two arenas"));
        // SAFETY: Fields of structures that are there.
        unsafe {
            core::mem::swap(&mut (*this).by_position.leaf.key, &mut (*other).by_position.leaf.key);
        }
    }

    /// The grade that the trie has for the arena.
    ///
    /// # Safety
    ///
    /// There is a structure.
    pub(super) unsafe fn grade(this: *const Self) -> u32 {
        // SAFETY: A field of a structure that is there.
        unsafe { (*this).by_position.leaf.grade }
    }
}
