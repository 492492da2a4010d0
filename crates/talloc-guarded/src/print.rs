//! Printing reports to the standard error, without allocating.

use std::fmt::{self, Write};

use crate::report::{CallStack, Report};
use crate::sys;

impl Report {
    /// Prints the report to the standard error: a line that describes the error, and the call stacks.
    ///
    /// A frame is printed as its address, its module, and the offset in the module, for `addr2line -e MODULE OFFSET`. On
    /// Linux on x86-64 and AArch64, it also has the name of the function, if the module has a symbol table. Nothing is
    /// allocated. The files of modules are mapped while their symbol tables are read.
    pub fn print(&self) {
        let mut out = Lines::new();
        // Writing to `Lines` does not fail.
        let _ = write_report(&mut out, self);
        out.flush();
    }
}

fn write_report(out: &mut Lines, report: &Report) -> fmt::Result {
    writeln!(out, "talloc-guarded: {report}")?;
    // Print the first line at once, because the call stacks may take long.
    out.flush();
    write_stack(out, "found", &report.caller)?;
    if let Some(allocated) = &report.allocated {
        write_stack(out, "allocated", allocated)?;
    }
    if let Some(freed) = &report.freed {
        write_stack(out, "freed", freed)?;
    }
    Ok(())
}

fn write_stack(out: &mut Lines, what: &str, stack: &CallStack) -> fmt::Result {
    match stack.thread_id() {
        Some(thread) => writeln!(out, "{what} by thread {thread}:")?,
        None => writeln!(out, "{what}:")?,
    }
    let mut number = 0;
    for frame in stack.frames() {
        // The first frames may be the allocator's.
        if write_frame(out, *frame, number)? {
            number += 1;
        }
    }
    Ok(())
}

/// Writes a line about a frame. Omits frames of the allocator's own functions at the start of a call stack. Returns
/// whether the line was written.
fn write_frame(out: &mut Lines, frame: u64, number: usize) -> Result<bool, fmt::Error> {
    // The return address lies behind the call, and may belong to the next function.
    let call = (frame as usize).saturating_sub(1);
    let Some(module) = sys::module(call) else {
        writeln!(out, "{number:4}: {frame:#x}")?;
        return Ok(true);
    };
    let mut result = Ok(true);
    let place = (module.name(), module.offset());
    // Names may take much of the stack.
    let is_named = sys::IS_LARGE
        && module.with_symbol(|name| {
            let mut begin = Beginning::new();
            // A name that is too long is truncated.
            let _ = write!(begin, "{name:#}");
            if number == 0 && talloc_sampling::is_machinery(begin.text()) {
                result = Ok(false);
            } else if let Err(error) =
                writeln!(out, "{number:4}: {frame:#x} {}+{:#x} {name:#}", place.0, place.1)
            {
                result = Err(error);
            }
        });
    if !is_named {
        writeln!(out, "{number:4}: {frame:#x} {}+{:#x}", place.0, place.1)?;
    }
    result
}

/// A buffer for the beginning of a text.
struct Beginning {
    buffer: [u8; 48],
    len: usize,
}

impl Beginning {
    fn new() -> Self {
        Self { buffer: [0; 48], len: 0 }
    }

    fn text(&self) -> &str {
        self.buffer[..self.len].utf8_chunks().next().map_or("", |chunk| chunk.valid())
    }
}

impl Write for Beginning {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.buffer.len() - self.len;
        let len = text.len().min(room);
        self.buffer[self.len..self.len + len].copy_from_slice(&text.as_bytes()[..len]);
        self.len += len;
        if len < text.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

/// A buffer of text for the standard error.
struct Lines {
    buffer: [u8; 256],
    len: usize,
}

impl Lines {
    fn new() -> Self {
        Self { buffer: [0; 256], len: 0 }
    }

    fn flush(&mut self) {
        sys::write_error(&self.buffer[..self.len]);
        self.len = 0;
    }
}

impl Write for Lines {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for part in text.as_bytes().chunks(self.buffer.len()) {
            if part.len() > self.buffer.len() - self.len {
                self.flush();
            }
            self.buffer[self.len..self.len + part.len()].copy_from_slice(part);
            self.len += part.len();
        }
        Ok(())
    }
}
