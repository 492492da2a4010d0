//! Reports on the standard error, without memory for them.

use std::fmt::{self, Write};

use crate::report::{CallStack, Report};
use crate::sys;

/// Prints a line that says what is wrong, and the call stacks.
pub fn print(report: &Report) {
    let mut out = Lines::new();
    // Writing to the standard error does not fail as far as `Lines` is concerned.
    let _ = write_report(&mut out, report);
    out.flush();
}

fn write_report(out: &mut Lines, report: &Report) -> fmt::Result {
    writeln!(out, "talloc-guarded: {report}")?;
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
    for (number, frame) in stack.frames().iter().enumerate() {
        write_frame(out, number, *frame)?;
    }
    Ok(())
}

fn write_frame(out: &mut Lines, number: usize, frame: u64) -> fmt::Result {
    // The return address is behind the call, perhaps in the next function.
    let call = (frame as usize).saturating_sub(1);
    write!(out, "{number:4}: {frame:#x}")?;
    if let Some(module) = sys::module(call) {
        write!(out, " {}+{:#x}", module.name(), module.offset())?;
    }
    out.write_char('\n')
}

/// Text on its way to the standard error.
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
