//! What a checking heap does about what it should not be asked.

use core::ffi::c_void;
use std::string::String;

use super::child::child;
use crate::heap::Checking;
use crate::library::Library;

static LIBRARY: Library<Checking> = Library::new();

#[test]
fn what_is_wrong_is_said_and_ends_the_program() {
    let block = LIBRARY.malloc(100);
    let within = block.cast::<u8>().wrapping_add(16).cast::<c_void>();
    let mut elsewhere = 0_u64;
    let elsewhere = (&raw mut elsewhere).cast::<c_void>();
    // SAFETY: They are wrong, which the heap finds before it does anything; the block is freed once
    // before that.
    let cases: [(&dyn Fn(), &str); 4] = unsafe {
        [
            (&|| [block; 2].into_iter().for_each(|block| LIBRARY.free(block)), "already free"),
            (&|| LIBRARY.free(within), "not a block's start"),
            (&|| LIBRARY.free(elsewhere), "foreign pointer"),
            (&|| assert!(LIBRARY.realloc(within, 10).is_null()), "talloc: resizing 0x"),
        ]
    };
    for (wrong, words) in cases {
        let (said, signal) = child(wrong);
        assert!(said.starts_with("talloc: ") && said.contains(words), "{said}");
        assert_eq!(signal, libc::SIGABRT);
    }
    // SAFETY: The children have freed copies.
    let right = child(|| unsafe { LIBRARY.free(block) });
    assert_eq!(right, (String::new(), 0));
}
