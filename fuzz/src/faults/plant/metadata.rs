//! Damaged metadata: links, sizes, bits, heads.

use std::collections::HashMap;
use std::ptr::NonNull;

use talloc_core::{Binning, Chunk, ChunkKind, Config, Span};

use super::super::program::Program;
use super::Planted;
use super::frees::at;
use crate::heap::GRANULE;

/// Numbers below this are not granules.
const MAX_BINS: usize = 256;

/// A free chunk starts with its size and two links, and ends with its size. Each has the size of an index.
#[derive(Clone, Copy)]
enum Field {
    Size,
    Next,
    Previous,
    EndSize,
}

impl Field {
    fn offset<C: Config>(self, chunk: Span) -> usize {
        let index = size_of::<C::Index>();
        match self {
            Self::Size => 0,
            Self::Next => index,
            Self::Previous => 2 * index,
            Self::EndSize => chunk.size() - index,
        }
    }
}

/// Damages a link of a free chunk.
pub(super) fn free_link<C: Config>(program: &mut Program<C>) -> Option<Planted> {
    let field = if program.random.bool() { Field::Next } else { Field::Previous };
    free_field(program, field)
}

/// Damages the size at either end of a free chunk.
pub(super) fn free_size<C: Config>(program: &mut Program<C>) -> Option<Planted> {
    let field = if program.random.bool() { Field::Size } else { Field::EndSize };
    free_field(program, field)
}

fn free_field<C: Config>(program: &mut Program<C>, field: Field) -> Option<Planted> {
    let chunks = free_chunks(program);
    let chunk = *program.random.choice(&chunks)?;
    let model = *program.random.choice(&chunks)?;
    let ptr = field_ptr::<C>(chunk, field)?;
    let model = read(field_ptr::<C>(model, field)?, size_of::<C::Index>());
    damage(program, ptr, &model)
}

/// Flips a bit of the first arena's bitmap, for a granule below the top.
pub(super) fn bitmap<C: Config>(program: &mut Program<C>) -> Option<Planted> {
    let arena = program.heap.get_arena();
    let chunks = chunks(program);
    let own =
        chunks.iter().find(|chunk| is(chunk, ChunkKind::Own) && arena.contains_span(chunk.span))?;
    let top =
        chunks.iter().find(|chunk| is(chunk, ChunkKind::Top) && arena.contains_span(chunk.span));
    let below = top.map_or(arena, |top| arena.below(top.span.base().unwrap_or(0)));
    let used = own.span.size() * below.size() / arena.size();
    let byte = program.random.usize(..used.max(1));
    let ptr = NonNull::new(own.span.get_base_ptr()?.wrapping_add(byte))?;
    flip(program, ptr, 1);
    Some(Planted::now(program))
}

/// Damages the head of a bin of the first arena.
pub(super) fn bin_head<C: Config>(program: &mut Program<C>) -> Option<Planted> {
    let heads = bin_heads(program);
    let head = *program.random.choice(&heads)?;
    let model = read(*program.random.choice(&heads)?, size_of::<C::Index>());
    damage(program, head, &model)
}

/// Returns the heads of bins that are not empty.
///
/// A head is the number of a granule, relative to an address that is also in the control structure. Small chunks have a
/// bin for each size, so their heads reveal where the array of heads starts. Two of them must agree.
fn bin_heads<C: Config>(program: &mut Program<C>) -> Vec<NonNull<u8>> {
    let index = size_of::<C::Index>();
    let arena = program.heap.get_arena();
    let chunks: HashMap<usize, usize> = free_chunks(program)
        .into_iter()
        .filter(|chunk| arena.contains_span(*chunk))
        .filter_map(|chunk| Some((chunk.base()?, chunk.size() / GRANULE)))
        .collect();
    let numbers: Vec<_> =
        words(program, index).into_iter().map(|word| (word, number(word, index))).collect();
    let origins = words(program, size_of::<usize>()).into_iter();
    let found = origins.map(|origin| number(origin, size_of::<usize>())).filter_map(|origin| {
        let len_at = |number: usize| {
            let addr = origin.checked_add(number.checked_mul(GRANULE)?)?;
            let is_granule = origin != 0 && number >= MAX_BINS && arena.contains(addr);
            if is_granule { chunks.get(&addr).copied() } else { None }
        };
        let words = numbers.iter().filter_map(|(word, number)| Some((*word, len_at(*number)?)));
        let words: Vec<_> = words.collect();
        let start = start_of_heads::<C>(&words)?;
        let heads = start..start + C::Bins::LEN * index;
        let words = words.into_iter().map(|(word, _)| word);
        Some(words.filter(|word| heads.contains(&word.addr().get())).collect::<Vec<_>>())
    });
    found.max_by_key(Vec::len).unwrap_or_default()
}

/// Returns where the array of heads starts, from words that may be heads and the sizes of the chunks that they point
/// to.
fn start_of_heads<C: Config>(words: &[(NonNull<u8>, usize)]) -> Option<usize> {
    let small = words.iter().filter(|(_, len)| *len < 1 << C::Bins::EXACT_LOG2);
    let starts: Vec<usize> = small
        .filter_map(|(word, len)| word.addr().get().checked_sub(len * size_of::<C::Index>()))
        .collect();
    let mut starts_twice = starts
        .iter()
        .enumerate()
        .filter_map(|(at, start)| starts[at + 1..].contains(start).then_some(*start));
    starts_twice.next()
}

/// Reads a number.
fn number(ptr: NonNull<u8>, size: usize) -> usize {
    let bytes = read(ptr, size);
    // The most significant byte comes first.
    let ordered: &mut dyn Iterator<Item = &u8> =
        if cfg!(target_endian = "big") { &mut bytes.iter() } else { &mut bytes.iter().rev() };
    ordered.fold(0, |number, byte| number << 8 | usize::from(*byte))
}

/// Damages the head of a quick list.
pub(super) fn quick_head<C: Config>(program: &mut Program<C>) -> Option<Planted> {
    let cached = cached(program);
    let heads = words(program, size_of::<usize>());
    let heads: Vec<_> = heads
        .into_iter()
        .filter(|head| {
            cached.iter().any(|span| addr_bytes(*span) == read(*head, size_of::<usize>()))
        })
        .collect();
    let head = *program.random.choice(&heads)?;
    let model = addr_bytes(*program.random.choice(&cached)?);
    damage(program, head, &model)
}

/// Damages the link of a block in a quick list.
pub(super) fn quick_link<C: Config>(program: &mut Program<C>) -> Option<Planted> {
    let cached = cached(program);
    let block = *program.random.choice(&cached)?;
    let model = addr_bytes(*program.random.choice(&cached)?);
    damage(program, NonNull::new(block.get_base_ptr()?)?, &model)
}

/// Damages a random byte of the control structure.
pub(super) fn control<C: Config>(program: &mut Program<C>) -> Option<Planted> {
    let bytes = words(program, 1);
    let byte = *program.random.choice(&bytes)?;
    let model = [program.random.u8(..)];
    damage(program, byte, &model)
}

fn is(chunk: &Chunk, kind: ChunkKind) -> bool {
    chunk.kind == kind
}

fn chunks<C: Config>(program: &Program<C>) -> Vec<Chunk> {
    program.heap.inspect().memory_map().collect()
}

/// Returns the free chunks with room for links.
fn free_chunks<C: Config>(program: &Program<C>) -> Vec<Span> {
    let least = 4 * size_of::<C::Index>();
    let chunks = chunks(program).into_iter().filter(|chunk| is(chunk, ChunkKind::Free));
    chunks.map(|chunk| chunk.span).filter(|span| span.size() >= least).collect()
}

/// Returns the blocks in quick lists.
fn cached<C: Config>(program: &Program<C>) -> Vec<Span> {
    let chunks = chunks(program).into_iter().filter(|chunk| is(chunk, ChunkKind::Cached));
    chunks.map(|chunk| chunk.span).collect()
}

fn field_ptr<C: Config>(chunk: Span, field: Field) -> Option<NonNull<u8>> {
    NonNull::new(chunk.get_base_ptr()?.wrapping_add(field.offset::<C>(chunk)))
}

fn addr_bytes(span: Span) -> Vec<u8> {
    span.base().unwrap_or(0).to_ne_bytes().to_vec()
}

/// Returns the aligned words of the control structure, which lies before the source.
fn words<C: Config>(program: &mut Program<C>, size: usize) -> Vec<NonNull<u8>> {
    let source = std::ptr::from_ref(program.heap.source()).addr();
    let base = NonNull::from(&mut *program.heap).cast::<u8>();
    let start = base.addr().get();
    (start..source).step_by(size).filter_map(|addr| at(base, addr)).collect()
}

/// Reads bytes of a heap.
fn read(ptr: NonNull<u8>, size: usize) -> Vec<u8> {
    // SAFETY: The bytes are in an arena or in the control structure. The latter may have padding, so the reads are
    // volatile.
    (0..size).map(|byte| unsafe { ptr.add(byte).read_volatile() }).collect()
}

/// Writes bytes of a heap.
fn overwrite(ptr: NonNull<u8>, bytes: &[u8]) {
    for (offset, byte) in bytes.iter().enumerate() {
        // SAFETY: The bytes are in an arena or in the control structure, and no reference to them is in use. The heap
        // is broken afterwards, which the caller of `inject` accepts.
        unsafe { ptr.add(offset).write_volatile(*byte) };
    }
}

/// Overwrites a field with a flipped bit, zeros, ones, or the value of another field.
fn damage<C: Config>(program: &mut Program<C>, ptr: NonNull<u8>, model: &[u8]) -> Option<Planted> {
    let size = model.len();
    let bytes = match program.random.usize(..5) {
        0 => vec![0; size],
        1 => vec![0xff; size],
        2 => model.to_vec(),
        _ => {
            flip(program, ptr, size);
            return Some(Planted::now(program));
        }
    };
    if read(ptr, size) == bytes {
        return None;
    }
    overwrite(ptr, &bytes);
    Some(Planted::now(program))
}

/// Flips one bit of `size` bytes.
fn flip<C: Config>(program: &mut Program<C>, ptr: NonNull<u8>, size: usize) {
    let mut bytes = read(ptr, size);
    let byte = program.random.usize(..size);
    bytes[byte] ^= 1 << program.random.usize(..8);
    overwrite(ptr, &bytes);
}
