//! Prints a heap that is the global allocator, from threads that use it, and while it is locked.
#![cfg(all(feature = "spin", target_has_atomic = "8"))]

use std::fmt::{Debug, Write};
use std::thread;

use talloc_global::*;

/// The arena has room for the backtrace of a failed test. Without memory, a panic cannot print its message.
static ARENA: StaticArena<{ 256 << 20 }> = StaticArena::new();
#[global_allocator]
static ALLOCATOR: StaticTalloc = StaticTalloc::new(&ARENA);

/// Text in a buffer on the stack.
struct Text([u8; 400], usize);

impl Write for Text {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let place = self.0.get_mut(self.1..self.1 + text.len()).ok_or(std::fmt::Error)?;
        place.copy_from_slice(text.as_bytes());
        self.1 += text.len();
        Ok(())
    }
}

impl Text {
    /// Formats a value.
    fn of(value: &impl Debug) -> Self {
        let mut text = Self([0; 400], 0);
        write!(text, "{value:?}").unwrap();
        text
    }

    fn contains(&self, part: &str) -> bool {
        std::str::from_utf8(&self.0[..self.1]).unwrap().contains(part)
    }
}

#[test]
fn it_is_printed_by_code_that_allocates() {
    let is_whole = |text: &String| !text.contains("<locked>");
    // Other threads of the test program allocate at the same time.
    let text = (0..1_000_000)
        .map(|_| format!("{ALLOCATOR:?} {:#?} {:?}", *ALLOCATOR, ALLOCATOR.0))
        .find(is_whole)
        .expect("the heap was locked at each attempt");
    assert_eq!(text.matches("Talloc { arenas: [0x").count(), 2, "{text}");
}

#[test]
fn it_is_printed_while_it_is_locked() {
    let guard = ALLOCATOR.0.lock();
    let text = Text::of(&ALLOCATOR);
    drop(guard);
    assert!(text.contains("<locked>"));
}

#[test]
fn it_is_printed_by_many() {
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..500 {
                    let text = format!("{ALLOCATOR:?}");
                    assert!(text.contains("[0x") || text.contains("<locked>"), "{text}");
                }
            });
        }
    });
}
