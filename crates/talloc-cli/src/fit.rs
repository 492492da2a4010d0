//! `talloc fit`: the smallest arena for a program.

use crate::cli;
use crate::heaps::{self, Entry};
use crate::output;
use crate::probe::{Latency, Plain, Steps};
use crate::progress::spinner;
use crate::region::Region;
use crate::steps;
use crate::table::{bytes, count, percent, table};
use anyhow::{Context, Result, bail, ensure};
use indicatif::ProgressBar;
use std::io::Write;
use talloc_trace::script::{Op, Script};

/// A heap that needs more than this many times the peak, and a little, does not fit.
const MAX_RATIO: usize = 8;
const LITTLE: usize = 64 << 10;

/// The arena is found to this many bytes, or to this fraction of the peak.
const PRECISION: usize = 8;
const PRECISION_SHARE: usize = 1000;

/// How much larger the arenas are in which the trace is tried once more, in percent.
const CHECKED_ABOVE: [usize; 3] = [1, 2, 5];

/// The calls whose instructions are counted: so many of the slowest by the clock.
const CANDIDATES: usize = 100;
const LATENCY_ROUNDS: usize = 3;

/// What has been found for a heap.
struct Fit {
    heap: &'static Entry,
    arena: usize,
    worst: Option<Worst>,
}

/// The slowest call in the smallest arena.
struct Worst {
    event: usize,
    op: Op,
    size: u32,
    nanoseconds: u32,
    /// The most instructions of any call that was counted.
    steps: Option<u64>,
}

impl Fit {
    fn total(&self) -> usize {
        self.arena + self.heap.control_bytes
    }
}

pub fn run(args: &cli::Fit) -> Result<()> {
    if let Some(heap) = args.heaps.iter().find(|heap| heap.hosted) {
        bail!("{} has its memory from the operating system, not in an arena", heap.name);
    }
    let all: Vec<_> = heaps::ALL.iter().filter(|heap| heap.usual && !heap.hosted).collect();
    let heaps = if args.heaps.is_empty() { &all } else { &args.heaps };
    let script = args.input.script()?;
    ensure!(!script.events().is_empty(), "{}: the trace has no events", args.input.trace.display());
    let mut fits = vec![];
    let mut unfit = vec![];
    for heap in heaps {
        let mut region = region(heap, &script)?;
        match fit(heap, &script, &mut region, !args.no_latency) {
            Some(fit) => fits.push(fit),
            None => unfit.push((*heap, region.size())),
        }
    }
    output::print(|out| print(out, &script, &fits, &unfit))
}

/// Prints what fits, and what does not fit in how many bytes.
fn print(
    out: &mut dyn Write,
    script: &Script,
    fits: &[Fit],
    unfit: &[(&Entry, usize)],
) -> Result<()> {
    let live = script.peak();
    writeln!(
        out,
        "{}: {} events, at most {} bytes ({}) live",
        script.name(),
        count(script.events().len() as u64),
        count(live),
        bytes(live)
    )?;
    let header = ["heap", "arena in bytes", "control", "overhead", "worst steps", "worst ns", ""];
    let mut rows = table(&header);
    for fit in fits {
        let worst = fit.worst.as_ref();
        rows.add_row([
            fit.heap.name.to_owned(),
            count(fit.arena as u64),
            count(fit.heap.control_bytes as u64),
            percent((fit.total() as u64).saturating_sub(live), live),
            worst.and_then(|worst| worst.steps).map_or("-".into(), count),
            worst.map_or("-".into(), |worst| count(worst.nanoseconds.into())),
            worst.map_or_else(String::new, describe),
        ]);
    }
    writeln!(out, "{rows}")?;
    for (heap, most) in unfit {
        writeln!(out, "{}: does not fit in {}", heap.name, bytes(*most as u64))?;
    }
    if let Some(best) = fits.iter().min_by_key(|fit| fit.total()) {
        writeln!(
            out,
            "\nSmallest: {}, in an arena of {} bytes and {} beside it",
            best.heap.name,
            count(best.arena as u64),
            count(best.heap.control_bytes as u64)
        )?;
    }
    let steps = |fit: &&Fit| fit.worst.as_ref().and_then(|worst| worst.steps);
    if let Some(best) = fits.iter().filter(|fit| steps(fit).is_some()).min_by_key(|fit| steps(fit))
    {
        writeln!(out, "Shortest worst call: {}", best.heap.name)?;
    }
    Ok(())
}

fn describe(worst: &Worst) -> String {
    let op = match worst.op {
        Op::Alloc | Op::AllocZeroed => "allocation",
        Op::Realloc => "reallocation",
        Op::Free => "free",
    };
    format!("{op} of {} at event {}", bytes(worst.size.into()), count(worst.event as u64))
}

/// As much memory as a heap may need, or as there is.
fn region(heap: &Entry, script: &Script) -> Result<Region> {
    let live = usize::try_from(script.peak()).unwrap_or(usize::MAX);
    let limit = live.saturating_mul(MAX_RATIO).saturating_add(LITTLE).min(heap.max_arena);
    Region::at_most(limit, live.min(limit)).context(heap.name)
}

/// The smallest arena in a region, and the worst call in it; none if the heap needs more.
fn fit(heap: &'static Entry, script: &Script, region: &mut Region, latency: bool) -> Option<Fit> {
    let progress = spinner();
    let live = usize::try_from(script.peak()).ok()?;
    let arena = search(live, region.size(), |size| {
        progress.set_message(format!("{}: an arena of {}", heap.name, bytes(size as u64)));
        progress.tick();
        // SAFETY: The region is borrowed for the call.
        unsafe { heap.plain(script, region.first(size), &mut Plain { pages: false }) }.is_ok()
    })?;
    progress.set_message(format!("{}: the slowest call", heap.name));
    let worst = latency.then(|| worst(heap, script, region, arena, &progress)).flatten();
    Some(Fit { heap, arena, worst })
}

/// The least size that `serves`, at most `limit`: the excess over the peak is doubled until it suffices, then bisected.
///
/// More memory can make a heap place blocks differently, and fail where less sufficed. So a few sizes above the one
/// found are tried, too; if one fails, the search goes on above it.
fn search(live: usize, limit: usize, mut serves: impl FnMut(usize) -> bool) -> Option<usize> {
    let precision = (live / PRECISION_SHARE).max(PRECISION);
    let mut short = live.saturating_sub(1).min(limit);
    loop {
        let enough = bisect(short, limit, precision, &mut serves)?;
        let above = CHECKED_ABOVE.map(|percent| enough + (enough / 100 * percent).max(precision));
        let failed = above.into_iter().filter(|size| *size <= limit && !serves(*size)).max();
        match failed {
            None => return Some(enough),
            Some(size) => short = size,
        }
    }
}

fn bisect(
    mut short: usize,
    limit: usize,
    precision: usize,
    serves: &mut impl FnMut(usize) -> bool,
) -> Option<usize> {
    let mut excess = (short / 64).max(precision);
    let mut enough = loop {
        let size = short.saturating_add(excess).min(limit);
        if serves(size) {
            break size;
        }
        if size == limit {
            return None;
        }
        short = size;
        excess = excess.saturating_mul(2);
    };
    while enough - short > precision {
        let middle = short + (enough - short) / 2;
        if serves(middle) {
            enough = middle;
        } else {
            short = middle;
        }
    }
    Some(enough)
}

/// The slowest call by the clock, the fastest of some replays each; and the most instructions among the slowest.
///
/// Reallocations are left out: they copy, which takes as long as the block is large.
fn worst(
    heap: &Entry,
    script: &Script,
    region: &mut Region,
    arena: usize,
    progress: &ProgressBar,
) -> Option<Worst> {
    let events = script.events().iter();
    let mut nanoseconds: Vec<u32> =
        events.map(|event| if event.op == Op::Realloc { 0 } else { u32::MAX }).collect();
    for _ in 0..LATENCY_ROUNDS {
        progress.tick();
        let mut probe = Latency { nanoseconds: &mut nanoseconds };
        // SAFETY: The region is borrowed for the call.
        unsafe { heap.latency(script, region.first(arena), &mut probe) }.ok()?;
    }
    let mut slowest: Vec<usize> = (0..nanoseconds.len()).collect();
    let candidates = CANDIDATES.min(slowest.len());
    slowest
        .select_nth_unstable_by_key(candidates - 1, |event| std::cmp::Reverse(nanoseconds[*event]));
    slowest.truncate(candidates);
    slowest.sort_unstable();
    let worst_time = slowest.iter().map(|event| nanoseconds[*event]).max()?;
    let (event, steps) = if steps::AVAILABLE {
        let mut probe = Steps { chosen: &slowest, counts: vec![] };
        // SAFETY: The region is borrowed for the call.
        unsafe { heap.steps(script, region.first(arena), &mut probe) }.ok()?;
        let most = slowest.iter().zip(probe.counts).max_by_key(|(_, steps)| *steps)?;
        (*most.0, Some(most.1))
    } else {
        (slowest.into_iter().max_by_key(|event| nanoseconds[*event])?, None)
    };
    let scripted = &script.events()[event];
    let (op, size) = (scripted.op, scripted.size);
    Some(Worst { event, op, size, nanoseconds: worst_time, steps })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_ends_within_the_precision() {
        for live in [1, 2, 100, 12_345, 1 << 30] {
            for need in [live, live + 1, live + live / 7, live * 2, live * 4] {
                let found = search(live, live * 8 + 1000, |size| size >= need).unwrap();
                let precision = (live / PRECISION_SHARE).max(PRECISION);
                assert!((need..=need + precision).contains(&found), "{live} {need} {found}");
            }
        }
        assert_eq!(search(1000, 8000, |_| false), None);
        assert_eq!(search(1000, 100, |_| false), None);
    }

    #[test]
    fn a_size_that_suffices_by_luck_is_not_taken() {
        // 1100 bytes do, 1105 to 1200 do not.
        let serves = |size: usize| (1090..1104).contains(&size) || size > 1200;
        let found = search(1000, 8000, serves).unwrap();
        assert!((1201..=1210).contains(&found), "{found}");
    }
}
