//! A global allocator whose source allocates. With a lock that knows its owner, the program aborts with a message
//! instead of deadlocking.

#[path = "all/common/mod.rs"]
mod common;
#[path = "../../talloc-core/tests/all/common/program.rs"]
mod program;

use core::alloc::Layout;
use std::env;
use std::sync::atomic::{AtomicBool, Ordering};

use talloc_sync::lock::{Backoff, ErrorChecking};
use talloc_sync::{AllocError, Talloc, Tallock};

use common::thread::Thread;
use program::this_program;

#[global_allocator]
static HEAP: Tallock<ErrorChecking<Backoff, Thread>> = Talloc::with_oom_handler(acquire).lock();
static mut ARENA: [u8; 16 << 20] = [0; 16 << 20];

/// Whether the source allocates, which it must not.
static ALLOCATES: AtomicBool = AtomicBool::new(false);

fn acquire(heap: &mut Talloc, layout: Layout) -> Result<(), AllocError> {
    if ALLOCATES.load(Ordering::Relaxed) {
        drop(format!("more memory for {layout:?}"));
    }
    // SAFETY: Nothing else uses the array. The heap refuses it after it is claimed.
    unsafe { heap.claim((&raw mut ARENA).into()) }.map_err(|_| AllocError)
}

/// The environment variable that makes the source of the child process allocate.
const CHILD: &str = "TALLOC_SOURCE_ALLOCATES";

#[test]
fn the_program_says_what_is_wrong() {
    if env::var_os(CHILD).is_some() {
        ALLOCATES.store(true, Ordering::Relaxed);
        assert!(Vec::<u8>::new().try_reserve_exact(1 << 30).is_err());
        return;
    }
    let child = this_program().arg("--nocapture").env(CHILD, "").output().unwrap();
    let said = String::from_utf8_lossy(&child.stderr);
    assert!(said.contains("waited for by the one who holds it"), "{said}");
    assert!(!child.status.success());
}
