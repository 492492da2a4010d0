//! `talloc map`: what lies where.

mod html;
mod layout;
mod pixels;
mod snapshot;
mod svg;

use crate::cli;
use crate::heaps::{self, Entry};
use crate::output;
use crate::region::Region;
use anyhow::{Context, Result, bail, ensure};
use std::collections::HashMap;
use talloc_trace::script::{Op, Script};
use talloc_trace::snapshot::Snapshot;
use talloc_trace::{Flags, Live, Op as TraceOp};

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
        let text = match args.input.snapshot()? {
            Some(snapshot) => draw_snapshot(&snapshot, picture, args),
            None => draw_trace(picture, args),
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

fn draw_trace(picture: Picture, args: &cli::Map) -> Result<String> {
    let reader = args.input.open()?;
    let has_addresses = reader.header().flags.contains(Flags::ADDRESSES);
    drop(reader);
    let history = match args.heap {
        None if has_addresses => recorded(&args.input)?,
        heap => replayed(heap.unwrap_or(&heaps::ALL[0]), args)?,
    };
    ensure!(!history.blocks.is_empty(), "{}: the trace has no objects", history.name);
    match picture {
        Picture::Svg => svg::draw(&history, args),
        Picture::Html => html::draw(&history, args),
    }
}

/// The addresses in the trace.
fn recorded(input: &cli::Input) -> Result<History> {
    let mut live = Live::new();
    let mut builder = Builder::default();
    let mut events = 0;
    let reader = input.for_each(|_, event| {
        let change = live.apply(event)?;
        let id = match event.op {
            TraceOp::Alloc { id, .. } | TraceOp::Realloc { id, .. } | TraceOp::Free { id } => id,
            TraceOp::Refused { .. } | TraceOp::Lost { .. } => return Ok(()),
        };
        let new = change.and_then(|change| change.new);
        builder.change(
            events,
            id,
            new.map(|new| (new.address, new.size, new.site.map_or(0, |site| site.0 + 1))),
        );
        events += 1;
        Ok(())
    })?;
    let sites = reader.sites().iter().map(|(_, frames)| {
        frames.iter().take(6).map(|frame| format!("{frame:#x}")).collect::<Vec<_>>().join(" < ")
    });
    let sites = sites.collect();
    let heap = "addresses as recorded".to_owned();
    Ok(History { sites, ..builder.finish(input.name(), heap, events) })
}

/// The addresses that a heap gives.
fn replayed(heap: &Entry, args: &cli::Map) -> Result<History> {
    let script = args.input.script()?;
    let live = usize::try_from(script.peak()).unwrap_or(usize::MAX);
    let roomy = live.saturating_add(live / 4).saturating_add(64 << 10);
    let size = args.arena.unwrap_or(roomy).min(heap.max_arena);
    let mut region = Region::new(if heap.hosted { 1 } else { size });
    let addresses = addresses(heap, &script, &mut region).with_context(|| {
        format!(
            "{} has no room for the trace in {size} bytes: give it more with --arena",
            heap.name
        )
    })?;
    let mut builder = Builder::default();
    for (number, (event, address)) in (0..).zip(script.events().iter().zip(addresses)) {
        let block = (event.op != Op::Free).then_some((address as u64, event.size.into(), 0));
        builder.change(number, event.slot.into(), block);
    }
    let events = script.events().len() as u64;
    let heap = match heap.hosted {
        true => heap.name.to_owned(),
        false => format!("{}, in {size} bytes", heap.name),
    };
    Ok(builder.finish(args.input.name(), heap, events))
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

    fn finish(self, name: String, heap: String, events: u64) -> History {
        History { name, heap, events, peak: self.peak.1, blocks: self.blocks, sites: vec![] }
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
        let history = builder.finish("test".into(), "test".into(), 4);
        let block =
            |address, size, from, to, born, site| Block { address, size, from, to, born, site };
        assert_eq!(
            history.blocks,
            [
                block(100, 10, 0, 2, 0, 1),
                block(200, 20, 1, 3, 1, 2),
                block(300, 30, 2, u64::MAX, 0, 1),
            ]
        );
        assert_eq!(history.peak, 2);
    }
}
