//! Free chunks and requests with sizes at the bounds of bins.

#![cfg(not(miri))]

use std::ptr::NonNull;

use talloc_core::{
    Binning, Config, Lists, OwnedTalloc, QuickLists, SizeBins, Span, Talloc, Unchecked,
};
use talloc_fuzz::Limits;
use talloc_fuzz::heap::GRANULE;

use crate::regressions::untouched::Untouched;
use crate::regressions::{each_config, layout, malloc, report};

/// The size of arenas in bytes, if links reach that far.
const ARENA: usize = 64 << 20;

/// The parameters of the documentation's example.
struct Sensor;

impl Config for Sensor {
    type Index = u16;
    type Bins = SizeBins<48, 5, 1>;
    type Quick = QuickLists<9, 256>;
    const LAST_RESORT: usize = 64;
    type Checks = Unchecked;
}

/// Returns the smallest size of each bin in granules.
fn boundaries<C: Config>() -> impl Iterator<Item = usize> {
    let exact = 1 << C::Bins::EXACT_LOG2;
    let split = (C::Bins::EXACT_LOG2..usize::BITS).flat_map(|log2| {
        let coarser = if log2 < C::Bins::COARSE_LOG2 { 0 } else { 2 };
        let parts = 1 << C::Bins::SPLIT_LOG2.saturating_sub(coarser);
        (parts..2 * parts).map(move |part| (part << log2) / parts)
    });
    (1..exact).chain(split.take(C::Bins::LEN - exact))
}

/// Returns sizes near a bound in granules, at which a free chunk has links.
fn around<C: Config>(boundary: usize) -> Vec<usize> {
    let least = Limits::of::<C>().min_block / GRANULE;
    (boundary - 1..=boundary + 1).filter(|len| *len >= least).collect()
}

/// A heap with chunks of given sizes. They are used, and so are the chunks between them.
struct Carved<C: Config> {
    heap: OwnedTalloc<C>,
    chunks: Vec<NonNull<u8>>,
    /// The highest block.
    last: NonNull<u8>,
}

impl<C: Config> Carved<C> {
    /// Returns the size of an arena for chunks of these sizes in granules. The bitmap takes a 64th.
    fn room(lens: &[usize]) -> usize {
        let granules: usize = lens.iter().map(|len| len + 2 * C::Quick::CLASSES + 64).sum();
        granules * GRANULE / 60 * 61 + 1024
    }

    fn new(memory: Span, lens: &[usize]) -> Self {
        let room = Self::room(lens);
        let mut heap = Talloc::with_config();
        // SAFETY: Nothing else uses the memory.
        unsafe { heap.init(memory.truncate(0, memory.size() - room)) };
        let mut carved = Self { heap, chunks: Vec::new(), last: NonNull::dangling() };
        for len in lens {
            let chunk = carved.carve(*len);
            carved.chunks.push(chunk);
            carved.last = carved.carve(2);
        }
        assert_eq!(report(&carved.heap).free_chunks, 1, "only the top is free");
        carved
    }

    /// Takes `len` granules from the lower end of the top. It allocates more at first, to avoid the quick lists.
    fn carve(&mut self, len: usize) -> NonNull<u8> {
        let more = layout(len.max(C::Quick::CLASSES) * GRANULE, 8);
        let block = malloc(&mut self.heap, more).expect("there is room");
        // SAFETY: The block is allocated with this layout.
        unsafe { self.heap.shrink(block, more, len * GRANULE) };
        block
    }

    /// Frees some of the chunks, in this order.
    fn free(&mut self, lens: &[usize], numbers: &[usize]) {
        for number in numbers {
            let (chunk, len) = (self.chunks[*number], lens[*number]);
            // SAFETY: The block is allocated with this size.
            unsafe { self.heap.free(chunk, layout(len * GRANULE, 8)) };
            self.heap.flush();
            report(&self.heap);
        }
    }

    /// Fills the top.
    fn use_top(&mut self) {
        let (fence, top) = (layout(2 * GRANULE, 8), report(&self.heap).top_bytes);
        // SAFETY: The block is allocated with this layout.
        let grown = unsafe { self.heap.grow_in_place(self.last, fence, fence.size() + top) };
        assert!(grown.is_ok());
        assert_eq!(report(&self.heap).top_bytes, 0);
    }

    /// Requests `len` granules. The top must not change.
    fn request(&mut self, len: usize) -> Option<NonNull<u8>> {
        let before = report(&self.heap);
        let block = malloc(&mut self.heap, layout(len * GRANULE, 8)).ok();
        let after = report(&self.heap);
        assert_eq!(after.top_bytes, before.top_bytes, "{len} granules were taken of the top");
        let taken = if block.is_some() { len * GRANULE } else { 0 };
        assert_eq!(after.used_bytes, before.used_bytes + taken);
        block
    }
}

/// A chunk serves a request of its size, whether or not the top is large enough, and no larger one.
fn one_chunk<C: Config>(memory: Span, len: usize) {
    let lens = [len];
    let mut carved = Carved::<C>::new(memory, &lens);
    let chunk = carved.chunks[0];
    for with_top in [true, false] {
        if !with_top {
            carved.use_top();
        }
        carved.free(&lens, &[0]);
        if !with_top {
            assert_eq!(carved.request(len + 1), None, "{len}");
        }
        assert_eq!(carved.request(len), Some(chunk), "{len}");
        assert_eq!(report(&carved.heap).free_chunks, usize::from(with_top));
    }
}

/// Frees chunks with sizes one granule apart, the largest last. Each request gets the chunk of its size, the largest
/// first, and never the top.
fn beside_the_top<C: Config>(memory: Span, lens: &[usize]) {
    let mut carved = Carved::<C>::new(memory, lens);
    let numbers: Vec<_> = (0..lens.len()).collect();
    carved.free(lens, &numbers);
    for number in numbers.into_iter().rev() {
        assert_eq!(carved.request(lens[number]), Some(carved.chunks[number]), "{lens:?}");
    }
}

/// Does the same without a top, in any order of freeing.
fn without_top<C: Config>(memory: Span, lens: &[usize]) {
    let mut carved = Carved::<C>::new(memory, lens);
    carved.use_top();
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let order: Vec<_> = order.into_iter().filter(|number| *number < lens.len()).collect();
        carved.free(lens, &order);
        for number in (0..lens.len()).rev() {
            let met = carved.request(lens[number]);
            assert_eq!(met, Some(carved.chunks[number]), "{lens:?}, freed as {order:?}");
        }
        assert_eq!(report(&carved.heap).free_bytes, 0);
    }
}

/// Tries all bounds for which the arena has room. Returns their number.
fn every_bin<C: Config>(memory: Span) -> usize {
    // Granules are numbered from above the number of bins, and the last number is reserved.
    let reach = Limits::of::<C>().window - 300 * GRANULE;
    let memory = memory.truncate(0, memory.size().saturating_sub(reach));
    let has_room = |lens: &[usize]| Carved::<C>::room(lens) <= memory.size();
    let mut count = 0;
    for boundary in boundaries::<C>().take_while(|boundary| has_room(&[boundary + 1])) {
        let lens = around::<C>(boundary);
        lens.iter().for_each(|len| one_chunk::<C>(memory, *len));
        if has_room(&lens) {
            beside_the_top::<C>(memory, &lens);
            // Without a search, only the first chunk of the request's own bin is examined.
            if C::LAST_RESORT >= lens.len() {
                without_top::<C>(memory, &lens);
            }
        }
        count += 1;
    }
    count
}

each_config! {
    fn every_bin_serves_its_sizes<C: Config>() {
        let memory = Untouched::new(ARENA);
        let tried = every_bin::<C>(memory.span());
        // The test below covers bins of chunks that are larger than this arena.
        assert!(tried >= boundaries::<C>().count().min(195), "{tried}");
    }
}

#[test]
fn every_bin_of_the_documented_configuration_serves_its_sizes() {
    let memory = Untouched::new(ARENA);
    assert_eq!(every_bin::<Sensor>(memory.span()), 47);
}

/// Tests all bins, including those of gigabytes.
///
/// `cargo test --release -p talloc-fuzz --test all -- --ignored bins_of_gigabytes`
#[test]
#[cfg(target_pointer_width = "64")]
#[ignore = "takes a while, and touches 150 MiB"]
fn bins_of_gigabytes_serve_their_sizes() {
    let memory = Untouched::new(10 << 30);
    assert_eq!(every_bin::<talloc_core::Compact>(memory.span()), 255);
    assert_eq!(every_bin::<talloc_core::RealTime>(memory.span()), 255);
}
