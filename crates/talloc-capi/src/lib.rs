//! The talloc allocator for C: `malloc`, `free` and the rest of the family.
//!
//! A C program that links with the library calls `tall_malloc` and so on, declared in
//! `include/tall_malloc.h`. An unmodified program can also use the library:
//!
//! ```sh
//! cargo build --release -p talloc-capi --no-default-features --features override
//! LD_PRELOAD=target/release/libtalloc_capi.so git gc
//! ```
//!
//! The functions are documented [here](crate#functions).
//!
//! # How the size of a block is found
//!
//! The heap keeps no header, because in Rust the owner of a block passes its size to `dealloc`. In C,
//! `free` gets no size. There are three ways to find it:
//!
//! - By default, a word of eight bytes in front of the block holds its size. The heap is
//!   `SystemTalloc`.
//! - Blocks with an alignment above 16, and a size below 64 times the alignment, lie in address ranges
//!   of their own, where the address determines the size. A word in front of such a block would waste as
//!   many bytes as the alignment.
//! - With the feature `checked`, the marks of a `Checked` heap determine the size. An invalid
//!   `free` is reported, and the program aborted. Each call takes a lock.
//!
//! # Features
//!
//! | feature | |
//! |---|---|
//! | `prefixed` (default) | exports `tall_malloc`, `tall_free` and so on |
//! | `override` | exports `malloc`, `free` and so on, for the whole program, and no other names, except for the sized `operator delete` of C++ with `checked` on 64-bit Linux |
//! | `checked` | finds misuse, and accesses to blocks of size zero; each call takes a lock |
//! | `hardened` | `checked`; finds overwritten memory, and [guards](#guarded-blocks) large blocks |
//!
//! With `checked`, blocks of size zero are addresses of inaccessible memory, unless their alignment is above 16: the
//! first read or write ends the program, even after the block has been freed. There are 65,536 such addresses, which
//! take about 1 MiB of address space, and no memory. If all are in use, or the system refuses them, such a block has at
//! least one byte, as without `checked`.
//!
//! With `checked`, the size that is passed to `free_sized` or to the sized `operator delete` is compared with the size of
//! the block. If a program has its own `operator new` or `operator delete`, the sized `operator delete` passes its objects
//! on to the program's operator.
//!
//! Without `prefixed` and `override`, the library exports no C names, and the functions are those of a Rust library.
//!
//! A plugin that contains this library stays loaded once it has allocated, because threads call it when they end. With
//! `checked`, it can be unloaded, but the memory of its heap leaks. With `hardened`, it must stay loaded, because it
//! handles signals.
//!
//! # Guarded blocks
//!
//! With `hardened`, blocks from 128 KiB to 1 GiB lie between inaccessible pages, by means of `talloc-guarded`. When a
//! block is freed, its pages become inaccessible, and are the last to be reused. An access beyond either end of a
//! block, or to a freed block, therefore faults at once. It is reported with call stacks, and the program is aborted. If
//! the block's size is not a multiple of a page, some bytes on the block's pages are accessible; writes there are found
//! when the block is freed or reallocated.
//!
//! Each doubling of the size has 64 slots. Further blocks, and blocks with an alignment above 4 KiB, come from the heap.
//! The slots take 128 GiB of addresses, but no memory. If the system refuses the addresses, no large block is guarded. If a
//! program limits its addresses when it already has large blocks, further large blocks may fail.
//!
//! The C library also maps blocks from 128 KiB on individually, until the program has freed such a block. Here, each large
//! block always has new pages. A growing block moves at most once for each doubling.
//!
//! Handlers of `SIGSEGV` and `SIGBUS` find faults. They are installed with the first guarded block, and pass on
//! other faults. If a program installs its own handlers later, a fault ends it without a report, unless its handlers also
//! pass on faults.
//!
//! The environment variable `TALLOC_GUARDED_RATE=N` also guards one in N of the blocks up to 16 KiB, at random. It does
//! not select blocks that `realloc` allocates, nor blocks with an alignment above 16.
//!
//! # The statistics of the GNU C library
//!
//! With `override`, the functions that report on the heap of the GNU C library report on this heap. With
//! `prefixed`, `tall_mallinfo2`, `tall_malloc_info` and `tall_malloc_stats` do so.
//!
//! | function | |
//! |---|---|
//! | [`mallinfo2`], [`mallinfo`] | the same fields; the latter saturates at `INT_MAX` |
//! | [`malloc_info`] | the same XML, with one heap, and sizes from one power of two to the next |
//! | [`malloc_stats`] | the same table, except that it shows the current number of mapped blocks, not the maximum |
//! | [`malloc_usable_size`] | the same |
//! | [`malloc_trim`] | returns all unused memory, ignores its argument, and returns 1 |
//! | [`mallopt`] | accepts the parameters that tune performance, without effect; rejects others |
//! | `__libc_malloc`, `__libc_free` and so on | the same functions as `malloc`, `free` and so on |
//!
//! Statistics cover the heaps of all threads and the zone. Caches of other threads are included in bytes, but not
//! in numbers of blocks. On systems without a barrier for all threads, heaps of other living threads are not
//! included. With `checked`, there is a single heap, and inaccessible blocks of size zero are not counted.
//!
//! # Statistics at exit
//!
//! With `TALLOC_STATS=1` in its environment, a process prints a table when it exits; a path, `json` and
//! `json:` with a path are other values: see [`print_statistics_at_exit`](talloc_global::inspect::print_statistics_at_exit).
//!
//! ```sh
//! TALLOC_STATS=heap-%p.txt LD_PRELOAD=target/release/libtalloc_capi.so git gc
//! ```
//!
//! `mcheck`, `mtrace` and `malloc_get_state` are not provided: the GNU C library has removed them, or
//! serves them from a library of its own.
//!
//! # Threads, signals and processes
//!
//! Any thread may call the functions, before `main` starts and after it ends. Signal handlers must not.
//! A process may fork while other threads allocate, and the child may go on to allocate. A signal handler may
//! fork, whatever it interrupts. Handlers that a program registers with `pthread_atfork` may allocate.
//!
//! The crate is empty on systems other than Unix.
#![no_std]
#![deny(missing_docs)]
#![cfg(unix)]

#[cfg(any(test, feature = "checked"))]
extern crate std;

mod abort;
mod at_exit;
#[cfg(all(
    feature = "checked",
    feature = "override",
    target_os = "linux",
    target_pointer_width = "64"
))]
mod cpp;
mod fd;
#[cfg(feature = "checked")]
mod fork;
mod functions;
mod heap;
mod library;
mod names;
mod statistics;
mod statistics_functions;
#[cfg(test)]
mod tests;
mod zone;

#[cfg(all(
    feature = "checked",
    feature = "override",
    target_os = "linux",
    target_pointer_width = "64"
))]
pub use cpp::*;
pub use functions::*;
pub use statistics::{MallInfo, MallInfo2};
pub use statistics_functions::*;
