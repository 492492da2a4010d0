//! heaptrack's file format, version 2, as its interpreter writes it.
//!
//! A line begins with its kind; all numbers are hexadecimal, and tables are numbered from 1, 0 being none: `s` a text,
//! `i` an address with its module and function, `t` a frame with the one that called it, `a` an allocation of a size
//! by a frame (numbered from 0), `+` and `-` that one is made and freed, `c` the time in milliseconds.

use crate::classes;
use crate::cli::Input;
use anyhow::Result;
use std::collections::HashMap;
use std::hash::Hash;
use std::io::Write;
use talloc_trace::{Flags, Header, Object, SiteId, Sites};

pub fn write(input: &Input, out: &mut dyn Write) -> Result<()> {
    writeln!(out, "v 10400 2")?;
    writeln!(out, "X {}", input.name())?;
    writeln!(out, "I 1000 0")?;
    let mut trace = input.open()?;
    let mut tables = Tables::new(out, input.name());
    let mut milliseconds = 0;
    let Header { flags, ticks_per_second, .. } = *trace.reader.header();
    while let Some((event, change)) = trace.next()? {
        let now = time(flags, ticks_per_second, &event);
        if now > milliseconds {
            milliseconds = now;
            writeln!(tables.out, "c {now:x}")?;
        }
        let Some(change) = change else { continue };
        for (sign, object) in [('-', change.old), ('+', change.new)] {
            let Some(object) = object else { continue };
            let allocation = tables.allocation(&object, trace.reader.sites())?;
            writeln!(tables.out, "{sign} {allocation:x}")?;
        }
    }
    writeln!(tables.out, "c {:x}", milliseconds.saturating_add(1))?;
    Ok(())
}

/// In milliseconds; in a trace without times, a record takes a microsecond.
fn time(flags: Flags, ticks_per_second: u64, event: &talloc_trace::Event) -> u64 {
    let (ticks, per_second) = match ticks_per_second {
        1.. if flags.contains(Flags::TIMES) => (event.time, ticks_per_second),
        _ => (event.record, 1_000_000),
    };
    (u128::from(ticks) * 1000 / u128::from(per_second)).try_into().unwrap_or(u64::MAX)
}

type Numbers<K> = HashMap<K, u64, foldhash::fast::RandomState>;

/// What has been written, and its numbers.
struct Tables<W> {
    out: W,
    /// The name of the program.
    module: String,
    texts: Numbers<String>,
    /// By the address and the number of the function's name.
    pointers: Numbers<(u64, u64)>,
    /// By the pointer and the caller's frame.
    frames: Numbers<(u64, u64)>,
    /// By the size and the frame.
    allocations: Numbers<(u64, u64)>,
    /// The innermost frames of call sites.
    sites: Numbers<SiteId>,
}

impl<W: Write> Tables<W> {
    fn new(out: W, module: String) -> Self {
        Self {
            out,
            module,
            texts: Numbers::default(),
            pointers: Numbers::default(),
            frames: Numbers::default(),
            allocations: Numbers::default(),
            sites: Numbers::default(),
        }
    }

    /// The number of the allocation of an object like this.
    fn allocation(&mut self, object: &Object, sites: &Sites) -> Result<u64> {
        let frame = match object.site {
            Some(site) => self.site(site, sites)?,
            None => self.class(object)?,
        };
        let (number, new) = number(&mut self.allocations, (object.size, frame), 0);
        if new {
            writeln!(self.out, "a {:x} {frame:x}", object.size)?;
        }
        Ok(number)
    }

    fn site(&mut self, site: SiteId, sites: &Sites) -> Result<u64> {
        if let Some(frame) = self.sites.get(&site) {
            return Ok(*frame);
        }
        let mut frame = 0;
        for address in sites.frames(site).iter().rev() {
            let pointer = self.pointer(*address, 0)?;
            frame = self.frame(pointer, frame)?;
        }
        self.sites.insert(site, frame);
        Ok(frame)
    }

    /// In a trace without call sites, the class of an object's size takes their place.
    fn class(&mut self, object: &Object) -> Result<u64> {
        let thread = self.text(format!("thread {}", object.thread))?;
        let thread = self.pointer(0, thread)?;
        let thread = self.frame(thread, 0)?;
        let class = classes::name(classes::of(object.size));
        let class = self.text(format!("objects of {class} bytes"))?;
        let class = self.pointer(0, class)?;
        self.frame(class, thread)
    }

    fn text(&mut self, text: String) -> Result<u64> {
        let (number, new) = number(&mut self.texts, text.clone(), 1);
        if new {
            writeln!(self.out, "s {}", text)?;
        }
        Ok(number)
    }

    fn pointer(&mut self, address: u64, function: u64) -> Result<u64> {
        let module = self.text(self.module.clone())?;
        let (number, new) = number(&mut self.pointers, (address, function), 1);
        match (new, function) {
            (false, _) => {}
            (true, 0) => writeln!(self.out, "i {address:x} {module:x}")?,
            (true, _) => writeln!(self.out, "i {address:x} {module:x} {function:x} 0 0")?,
        }
        Ok(number)
    }

    fn frame(&mut self, pointer: u64, caller: u64) -> Result<u64> {
        let (number, new) = number(&mut self.frames, (pointer, caller), 1);
        if new {
            writeln!(self.out, "t {pointer:x} {caller:x}")?;
        }
        Ok(number)
    }
}

/// The number of an entry of a table whose first is `first`, and whether it is new.
fn number<K: Eq + Hash>(table: &mut Numbers<K>, key: K, first: u64) -> (u64, bool) {
    let next = table.len() as u64 + first;
    let number = *table.entry(key).or_insert(next);
    (number, number == next)
}
