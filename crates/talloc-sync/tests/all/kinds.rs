//! Collections in memory of some kinds.

#![cfg(all(feature = "spin", feature = "allocator"))]

use allocator_api2::boxed::Box;
use allocator_api2::vec::Vec;
use talloc_sync::*;

const FAST: Kind = Kind::DEFAULT;
const LARGE: Kind = Kind::new(1);

/// Creates a heap with 64 KiB of each of two kinds.
fn heap<C: Config>() -> Tallock<lock::Spin, C> {
    let heap = Talloc::<C>::with_config().lock();
    for kind in [FAST, LARGE] {
        let memory = std::vec![0_u8; 64 << 10].leak();
        // SAFETY: The memory is leaked, and nothing else uses it.
        unsafe {
            heap.0.lock().arenas_mut().claim_of_kind(kind, Span::from(memory), Memory::ZEROED)
        }
        .unwrap();
    }
    heap
}

fn kind_of<C: Config, T>(heap: &Tallock<lock::Spin, C>, thing: *const T) -> Kind {
    let heap = heap.0.lock();
    heap.verify().unwrap();
    heap.inspect().kind_at(thing.addr()).unwrap()
}

/// Vectors that grow and shrink next to others in the other kind of memory.
fn collections_stay_in_their_kind<C: Config>() {
    let heap = heap::<C>();
    let mut rng = fastrand::Rng::with_seed(3);
    let places = [FAST, LARGE].map(|kind| InKinds::new(&heap, Kinds::only(kind)));
    let mut vectors = std::vec::Vec::new();
    for round in 0..4_000_u32 {
        let place = places[rng.usize(..2)];
        if vectors.len() < 24 {
            vectors.push((place, Vec::<u32, _>::new_in(place)));
        }
        let number = rng.usize(..vectors.len());
        let (_, vector) = &mut vectors[number];
        match rng.u8(..5) {
            0 | 1 => {
                if vector.try_reserve(rng.usize(..300)).is_ok() {
                    vector.resize(vector.capacity(), round);
                }
            }
            2 => vector.truncate(rng.usize(..300)),
            3 => vector.shrink_to_fit(),
            _ => drop(vectors.swap_remove(number)),
        }
        for (place, vector) in vectors.iter().filter(|(_, vector)| vector.capacity() > 0) {
            assert!(place.kinds().contains(kind_of(&heap, vector.as_ptr())), "round {round}");
        }
    }
    drop(vectors);
    assert_eq!(heap.0.lock().verify().unwrap().used_bytes, 0);
}

#[test]
fn collections_stay_in_their_kind_in_any_heap() {
    collections_stay_in_their_kind::<Compact>();
    collections_stay_in_their_kind::<RealTime>();
    collections_stay_in_their_kind::<Micro>();
    collections_stay_in_their_kind::<Checked>();
}

#[test]
fn a_preferred_kind_is_not_required() {
    let heap = heap::<Compact>();
    let place = InKinds::new(&heap, Kinds::prefer(LARGE));
    let blocks: std::vec::Vec<_> = (0..100).map(|_| Box::new_in([0_u8; 1000], place)).collect();
    let kinds: std::vec::Vec<_> =
        blocks.iter().map(|block| kind_of(&heap, block.as_ptr())).collect();
    let in_large = kinds.iter().take_while(|kind| **kind == LARGE).count();
    assert!((60..66).contains(&in_large), "{in_large}");
    assert!(kinds[in_large..].iter().all(|kind| *kind == FAST));
    assert!(format!("{place:?}").contains("kinds"));
}
