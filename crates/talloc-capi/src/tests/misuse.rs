//! What a checking heap does about what it should not be asked.

use core::ffi::c_void;
use std::fs::File;
use std::io::Read;
use std::os::fd::FromRawFd;
use std::string::String;

use crate::heap::Checking;
use crate::library::Library;

static LIBRARY: Library<Checking> = Library::new();

/// What a child process says that does this, and the signal that ends it.
fn child(wrong: impl FnOnce()) -> (String, i32) {
    let mut pipe = [0; 2];
    // SAFETY: The child has what it needs: nobody else uses this heap, and it does no more than that.
    unsafe {
        assert_eq!(libc::pipe(pipe.as_mut_ptr()), 0);
        let child = libc::fork();
        if child == 0 {
            libc::dup2(pipe[1], libc::STDERR_FILENO);
            wrong();
            libc::_exit(0);
        }
        libc::close(pipe[1]);
        let mut said = String::new();
        File::from_raw_fd(pipe[0]).read_to_string(&mut said).unwrap();
        let mut status = 0;
        assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
        (said, if libc::WIFSIGNALED(status) { libc::WTERMSIG(status) } else { 0 })
    }
}

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
