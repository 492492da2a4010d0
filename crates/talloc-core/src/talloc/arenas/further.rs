//! The structure at the start of a further arena's own chunk.

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
/// It begins with the [`Arena`], so the [place](Place) of a further arena is also its address.
#[repr(C)]
pub(super) struct Further<C: Config> {
    arena: Arena<C>,
    /// The entry by the address where the span begins.
    by_address: Entry<Nothing>,
    /// The entry by the [position](Position), with the grade.
    by_position: Entry<u32>,
    /// The arenas that were claimed before and after it.
    pub(super) before: Place<C>,
    pub(super) after: Place<C>,
    /// Whether it is in the list of [untidy](Arena::is_untidy) arenas, and the next one there.
    pub(super) is_untidy: bool,
    pub(super) next_untidy: Place<C>,
    /// The index of all further arenas, if this is the first of them.
    pub(super) index: Index<C>,
}

/// The position of a further arena in the order of claiming, among those of its kind. The highest bits are the kind.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Position(u64);

/// Bits of a position that are the number of the arena. No program claims as many arenas.
const NUMBER_BITS: u32 = 58;

impl Position {
    pub(super) const fn new(kind: Kind, number: u64) -> Self {
        Self((kind.number() as u64) << NUMBER_BITS | number)
    }

    /// The number of the arena among the arenas of all kinds.
    pub(super) const fn number(self) -> u64 {
        self.0 & ((1 << NUMBER_BITS) - 1)
    }

    /// Whether the arena has that kind.
    pub(super) fn is_of(self, kind: Kind) -> bool {
        self.0 >> NUMBER_BITS == u64::from(kind.number())
    }

    /// The position as the key of a trie.
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

    /// The structure that begins with the arena at `place`.
    #[inline(always)]
    pub(super) fn at(place: NonNull<Arena<C>>) -> *mut Self {
        place.as_ptr().cast()
    }

    /// The place of the arena of a leaf in the trie of addresses.
    ///
    /// # Safety
    ///
    /// The leaf belongs to a further arena, and the pointer is valid for all of the arena.
    #[inline(always)]
    pub(super) unsafe fn place_by_address(leaf: NonNull<Leaf<Nothing>>) -> NonNull<Arena<C>> {
        // SAFETY: The leaf is a part of the structure.
        unsafe {
            leaf.byte_sub(offset_of!(Self, by_address) + offset_of!(Entry<Nothing>, leaf)).cast()
        }
    }

    /// The place of the arena of a leaf in the trie of positions.
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
    /// `this` points to a structure.
    pub(super) unsafe fn by_address(this: *mut Self) -> NonNull<Entry<Nothing>> {
        // SAFETY: `this` points to a structure, by the contract of this function.
        unsafe { NonNull::new_unchecked(&raw mut (*this).by_address) }
    }

    /// The entry in the trie of positions.
    ///
    /// # Safety
    ///
    /// `this` points to a structure.
    pub(super) unsafe fn by_position(this: *mut Self) -> NonNull<Entry<u32>> {
        // SAFETY: `this` points to a structure, by the contract of this function.
        unsafe { NonNull::new_unchecked(&raw mut (*this).by_position) }
    }

    /// The leaf in the trie of positions.
    ///
    /// # Safety
    ///
    /// `this` points to a structure.
    pub(super) unsafe fn leaf(this: *mut Self) -> NonNull<Leaf<u32>> {
        // SAFETY: `this` points to a structure, by the contract of this function.
        unsafe { NonNull::new_unchecked(&raw mut (*this).by_position.leaf) }
    }

    /// The arena's position.
    ///
    /// # Safety
    ///
    /// `this` points to a structure.
    pub(super) unsafe fn position(this: *const Self) -> Position {
        // SAFETY: `this` points to a structure, by the contract of this function.
        Position(unsafe { (*this).by_position.leaf.key })
    }

    /// Swaps the numbers of two arenas of one kind. Their leaves stay where they are in the trie.
    ///
    /// # Safety
    ///
    /// Both pointers are to structures.
    #[cfg(test)]
    pub(super) unsafe fn swap_numbers(this: *mut Self, other: Place<C>) {
        let other = Further::at(other.expect("there are two arenas"));
        // SAFETY: Both point to structures, by the contract of this function.
        unsafe {
            core::mem::swap(&mut (*this).by_position.leaf.key, &mut (*other).by_position.leaf.key);
        }
    }

    /// The grade that the trie has for the arena.
    ///
    /// # Safety
    ///
    /// `this` points to a structure.
    pub(super) unsafe fn grade(this: *const Self) -> u32 {
        // SAFETY: `this` points to a structure, by the contract of this function.
        unsafe { (*this).by_position.leaf.grade }
    }
}
