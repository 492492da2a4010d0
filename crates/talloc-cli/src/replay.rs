//! `talloc replay`: the time and the memory of heaps.

use crate::cli;
use crate::heaps::{self, Entry};
use crate::output;
use crate::peak::Peak;
use crate::probe::Plain;
use crate::progress::{moving, spinner};
use crate::region::Region;
use crate::table::{bytes, count, table};
use anyhow::{Context, Result, ensure};
use cpu_time::ThreadTime;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Seek};
use std::process::{Command, Stdio};
use std::time::Duration;
use talloc_trace::script::Script;

/// What a replay has measured.
#[derive(Debug, Serialize, Deserialize)]
struct Outcome {
    events: u64,
    live_peak: u64,
    /// The event at which there was no room, if there was none.
    out_of_memory: Option<u64>,
    nanoseconds_per_event: f64,
    /// Where the operating system tells.
    peak_bytes: Option<u64>,
}

pub fn run(args: &cli::Replay) -> Result<()> {
    let all: Vec<_> = heaps::ALL.iter().filter(|heap| heap.usual).collect();
    let heaps = if args.heaps.is_empty() { &all } else { &args.heaps };
    let mut file = args.input.open_rewindable()?;
    // A trace that cannot be read is told once.
    let live = args.input.read(file.try_clone()?)?.script(|_| ())?.peak();
    let mut table = table(&["heap", "ns per event", "peak memory", "per live byte", ""]);
    // The time is measured in another process.
    let progress = moving(spinner());
    for heap in heaps {
        progress.set_message(format!("replaying on {}", heap.name));
        file.rewind()?;
        let outcome = in_a_process_of_its_own(args, heap, file.try_clone()?)?;
        let ratio = |peak: u64| format!("{:.3}", peak as f64 / live.max(1) as f64);
        let cells = match outcome.out_of_memory {
            Some(event) => ["-".into(), "-".into(), "-".into(), no_room(heap, event)],
            None => [
                format!("{:.1}", outcome.nanoseconds_per_event),
                outcome.peak_bytes.map_or("-".into(), bytes),
                outcome.peak_bytes.map_or("-".into(), ratio),
                heap.about.to_owned(),
            ],
        };
        table.add_row([heap.name.to_owned()].into_iter().chain(cells));
    }
    drop(progress);
    output::print(|out| {
        let name = args.input.name();
        writeln!(out, "{name}: the objects' bytes at the peak are {}", bytes(live))?;
        Ok(writeln!(out, "{table}")?)
    })
}

fn no_room(heap: &Entry, event: u64) -> String {
    match heap.max_arena {
        usize::MAX => format!("no room at event {}", count(event)),
        most => format!("no room at event {} in {}", count(event), bytes(most as u64)),
    }
}

/// Neither what another heap has taken nor what it has left in the caches is to count.
fn in_a_process_of_its_own(args: &cli::Replay, heap: &Entry, trace: File) -> Result<Outcome> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["replay-one", "--heap", heap.name, "--rounds", &args.rounds.to_string()]);
    if args.input.partial {
        command.arg("--partial");
    }
    let output = command.stdin(trace).stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "the replay on {} has failed: {}", heap.name, output.status);
    serde_json::from_slice(&output.stdout).with_context(|| format!("the replay on {}", heap.name))
}

pub fn run_one(args: &cli::ReplayOne) -> Result<()> {
    let reader = talloc_trace::read_from(io::stdin())?.partial(args.partial);
    let script = Script::read("", reader)?;
    let outcome = measure(args.heap, &script, args.rounds)?;
    output::print(|out| Ok(serde_json::to_writer(out, &outcome).map_err(io::Error::from)?))
}

fn measure(heap: &Entry, script: &Script, rounds: u32) -> Result<Outcome> {
    let live = usize::try_from(script.peak()).unwrap_or(usize::MAX);
    let size = live.saturating_mul(4).saturating_add(1 << 20).min(heap.max_arena);
    // The heaps of the operating system's memory need none.
    let mut region = Region::new(if heap.hosted { 1 } else { size })?;
    let peak = Peak::begin();
    let mut replay = |pages| {
        let start = ThreadTime::now();
        // SAFETY: The region is borrowed for the call.
        unsafe { heap.plain(script, region.first(usize::MAX), &mut Plain { pages }) }
            .map(|()| start.elapsed())
    };
    let first = replay(true);
    let peak_bytes = peak.and_then(|peak| peak.bytes());
    let table = script.slots() * size_of::<*mut u8>();
    let times = first
        .and_then(|_| (0..rounds).map(|_| replay(false)).collect::<Result<Vec<Duration>, _>>());
    let events = script.events().len().max(1);
    let per_event = |time: Duration| time.as_nanos() as f64 / events as f64;
    Ok(Outcome {
        events: script.events().len() as u64,
        live_peak: script.peak(),
        out_of_memory: times.as_ref().err().map(|error| error.event as u64),
        nanoseconds_per_event: times
            .ok()
            .and_then(|times| times.into_iter().min())
            .map_or(0.0, per_event),
        peak_bytes: peak_bytes.map(|peak| peak.saturating_sub(table as u64)),
    })
}
