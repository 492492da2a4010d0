//! Child processes that try what ends a process.

use std::fs::File;
use std::io::Read;
use std::os::fd::FromRawFd;
use std::string::String;

/// What a child process says that does this, and the signal that ends it.
pub(super) fn child(action: impl FnOnce()) -> (String, i32) {
    let mut pipe = [0; 2];
    // SAFETY: The child does no more than this. Its heap is one that no other thread uses.
    unsafe {
        assert_eq!(libc::pipe(pipe.as_mut_ptr()), 0);
        let child = libc::fork();
        if child == 0 {
            libc::dup2(pipe[1], libc::STDERR_FILENO);
            action();
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
