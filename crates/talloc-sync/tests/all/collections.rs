//! Collections of other crates.

#![cfg(feature = "allocator")]

use core::mem::MaybeUninit;

use talloc_sync::TallocCell;

macro_rules! map_of {
    ($test:ident, $hashbrown:ident) => {
        #[test]
        fn $test() {
            let mut memory = vec![MaybeUninit::uninit(); 1 << 20];
            let heap = TallocCell::new(&mut memory);
            let mut map = $hashbrown::HashMap::new_in(&heap);
            for number in 0..2000_u32 {
                let text = allocator_api2::boxed::Box::new_in(number.to_be_bytes(), &heap);
                map.insert(number, text);
                heap.verify().unwrap();
            }
            map.retain(|number, _| number % 3 == 0);
            map.shrink_to_fit();
            heap.verify().unwrap();
            assert_eq!(map.len(), 667);
            assert!(map.iter().all(|(number, text)| **text == number.to_be_bytes()));
            drop(map);
            assert_eq!(heap.verify().unwrap().used_bytes, 0);
        }
    };
}

map_of!(hashbrown_015_keeps_a_map, hashbrown_015);
map_of!(hashbrown_016_keeps_a_map, hashbrown_016);
