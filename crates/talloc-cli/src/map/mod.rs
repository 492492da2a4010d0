//! `talloc map`: what lies where.

mod html;
mod layout;
mod pixels;
mod snapshot;
mod sums;
mod svg;

use crate::cli;
use crate::heaps::{self, Entry};
use crate::input::{Opened, Trace};
use crate::output;
use crate::progress::{moving, spinner};
use crate::region::Region;
use crate::table::bytes;
use anyhow::{Result, bail, ensure};
use std::collections::HashMap;
use talloc_trace::script::{Op, Script};
use talloc_trace::snapshot::Snapshot;
use talloc_trace::{Flags, Object, SiteId};

/// A block at an address, from one event to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    pub address: u64,
    pub size: u64,
    /// The event that put it there.
    pub from: u64,
    /// The event that took it away; `u64::MAX` if none did.
    pub to: u64,
    /// The event that allocated it, perhaps elsewhere.
    pub born: u64,
    /// Where in the program; 0 is not known, else one more than the number of the call site.
    pub site: u32,
}

/// What is drawn: all blocks that ever were, in the order of `from`.
pub struct History {
    pub name: String,
    /// Whose addresses they are.
    pub heap: String,
    pub events: u64,
    /// The event after which most bytes were live.
    pub peak: u64,
    pub blocks: Vec<Block>,
    /// The call sites as texts.
    pub sites: Vec<String>,
}

/// What is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Picture {
    Svg,
    Html,
}

pub fn run(args: &cli::Map) -> Result<()> {
    let picture = match args.output.extension() {
        Some(extension) if extension == "svg" => Picture::Svg,
        Some(extension) if extension == "html" => Picture::Html,
        _ => bail!("{}: the name must end in .svg or .html", args.output.display()),
    };
    output::create(&args.output, &args.input.trace, |out| {
        let text = match args.input.open_any()? {
            Opened::Snapshot(snapshot) => draw_snapshot(&snapshot, picture, args),
            Opened::Trace(trace) => draw_trace(*trace, picture, args),
        }?;
        Ok(out.write_all(text.as_bytes())?)
    })
}

fn draw_snapshot(snapshot: &Snapshot, picture: Picture, args: &cli::Map) -> Result<String> {
    let name = args.input.name();
    ensure!(
        args.heap.is_none() && args.at.is_none(),
        "{name}: a snapshot has the addresses of one heap at one time: --heap and --at are for traces"
    );
    ensure!(!snapshot.chunks.is_empty(), "{name}: the heap has no memory");
    let drawing = snapshot::Drawing::of(name, snapshot);
    match picture {
        Picture::Svg => Ok(drawing.svg()),
        Picture::Html => drawing.html(),
    }
}

fn draw_trace(trace: Trace, picture: Picture, args: &cli::Map) -> Result<String> {
    let history = match args.heap {
        None if trace.has(Flags::ADDRESSES) => recorded(trace)?,
        heap => replayed(trace, heap.unwrap_or(&heaps::ALL[0]), args.arena)?,
    };
    ensure!(!history.blocks.is_empty(), "{}: the trace has no objects", history.name);
    match picture {
        Picture::Svg => svg::draw(&history, args),
        Picture::Html => html::draw(&history, args),
    }
}

/// The addresses in the trace.
fn recorded(mut trace: Trace) -> Result<History> {
    let mut builder = Builder::default();
    let mut events = 0;
    while let Some((_, change)) = trace.next()? {
        let Some(change) = change else { continue };
        let place = |new: Object| (new.address, new.size, number(new.site));
        builder.change(events, change.id, change.new.map(place));
        events += 1;
    }
    Ok(builder.finish(&trace, "addresses as recorded".to_owned(), events))
}

/// The addresses that a heap gives, in an arena of so many bytes.
fn replayed(mut trace: Trace, heap: &Entry, arena: Option<usize>) -> Result<History> {
    let mut sites = vec![];
    let script = trace.script(|event| sites.push(number(event.site)))?;
    let (size, addresses) = places(heap, &script, arena)?;
    let mut builder = Builder::default();
    for (index, (event, address)) in script.events().iter().zip(addresses).enumerate() {
        let block = || (address as u64, event.size.into(), sites[index]);
        builder.change(index as u64, event.slot.into(), (event.op != Op::Free).then(block));
    }
    let heap = match heap.hosted {
        true => heap.name.to_owned(),
        false => format!("{}, in {size} bytes", heap.name),
    };
    Ok(builder.finish(&trace, heap, script.events().len() as u64))
}

/// The address of each event's block, and the size of the arena. If none is given, it is doubled until it suffices.
fn places(heap: &Entry, script: &Script, arena: Option<usize>) -> Result<(usize, Vec<usize>)> {
    let live = usize::try_from(script.peak()).unwrap_or(usize::MAX);
    let roomy = live.saturating_add(live / 4).saturating_add(64 << 10);
    let mut size = arena.unwrap_or(roomy).min(heap.max_arena);
    let progress = moving(spinner());
    loop {
        progress.set_message(format!("replaying on {}, in {}", heap.name, bytes(size as u64)));
        let mut region = Region::new(if heap.hosted { 1 } else { size })?;
        if let Some(addresses) = addresses(heap, script, &mut region) {
            return Ok((size, addresses));
        }
        ensure!(!heap.hosted, "{} has no memory for the trace", heap.name);
        let no_room = format!("{} has no room for the trace in {size} bytes", heap.name);
        ensure!(size < heap.max_arena, "{no_room}, the most that it can use");
        ensure!(arena.is_none(), "{no_room}: give it more with --arena");
        size = size.saturating_mul(2).min(heap.max_arena);
    }
}

fn addresses(heap: &Entry, script: &Script, region: &mut Region) -> Option<Vec<usize>> {
    let mut addresses = vec![0; script.events().len()];
    // SAFETY: The region is borrowed for the call.
    unsafe {
        heap.places(script, region.first(usize::MAX), &mut |event, address| {
            addresses[event] = address
        })
    }
    .ok()?;
    Some(addresses)
}

/// The number of a call site in a [`Block`].
fn number(site: Option<SiteId>) -> u32 {
    site.map_or(0, |site| site.0 + 1)
}

/// The innermost frames of a call site.
fn text(frames: &[u64]) -> String {
    frames.iter().take(6).map(|frame| format!("{frame:#x}")).collect::<Vec<_>>().join(" < ")
}

#[derive(Default)]
struct Builder {
    blocks: Vec<Block>,
    /// The index of each live object's block.
    live: HashMap<u64, usize, foldhash::fast::RandomState>,
    bytes: u64,
    peak: (u64, u64),
}

impl Builder {
    /// Notes where an object is after an event, how large, and of which site; none if it was freed.
    fn change(&mut self, event: u64, object: u64, now: Option<(u64, u64, u32)>) {
        let mut born = event;
        if let Some(index) = self.live.remove(&object) {
            let old = &mut self.blocks[index];
            old.to = event;
            self.bytes -= old.size;
            born = old.born;
        }
        if let Some((address, size, site)) = now {
            self.live.insert(object, self.blocks.len());
            self.blocks.push(Block { address, size, from: event, to: u64::MAX, born, site });
            self.bytes += size;
        }
        if self.bytes > self.peak.0 {
            self.peak = (self.bytes, event);
        }
    }

    fn finish(self, trace: &Trace, heap: String, events: u64) -> History {
        let sites = trace.reader.sites().iter().map(|(_, frames)| text(frames)).collect();
        let (name, peak) = (trace.name.clone(), self.peak.1);
        History { name, heap, events, peak, blocks: self.blocks, sites }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_last_from_one_event_to_another() {
        let mut builder = Builder::default();
        builder.change(0, 7, Some((100, 10, 1)));
        builder.change(1, 8, Some((200, 20, 2)));
        builder.change(2, 7, Some((300, 30, 1)));
        builder.change(3, 8, None);
        let block =
            |address, size, from, to, born, site| Block { address, size, from, to, born, site };
        assert_eq!(
            builder.blocks,
            [
                block(100, 10, 0, 2, 0, 1),
                block(200, 20, 1, 3, 1, 2),
                block(300, 30, 2, u64::MAX, 0, 1),
            ]
        );
        assert_eq!(builder.peak.1, 2);
    }
}
