#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| talloc_fuzz::Target::Shards.fuzz(bytes));
