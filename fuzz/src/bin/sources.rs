#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| talloc_fuzz::fuzz(talloc_fuzz::Mix::Sources, bytes));
