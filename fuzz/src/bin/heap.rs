#![no_main]

use talloc_fuzz::{Mix, Target};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| Target::Heap(Mix::Heap).fuzz(bytes));
