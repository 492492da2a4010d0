//! `talloc stat`: sizes, lifetimes, peaks, call sites.

use crate::classes;
use crate::cli;
use crate::input::Trace;
use crate::output;
use crate::table::{bytes, count, percent, table};
use anyhow::Result;
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};
use std::io::{self, Write};
use talloc_trace::{Change, Event, Flags, Header, Live, Op, SiteId, Sites};

/// What a trace has.
#[derive(Debug, Default, Serialize)]
struct Stat {
    trace: String,
    records: u64,
    allocations: u64,
    zeroed: u64,
    reallocations: u64,
    frees: u64,
    refused: u64,
    lost: u64,
    unknown_frees: u64,
    truncated: bool,
    threads: u64,
    /// Of all allocations, and what reallocations added.
    requested_bytes: u64,
    peak_bytes: u64,
    peak_objects: u64,
    /// The number of the record with which the peak was reached.
    peak_record: u64,
    live_bytes: u64,
    live_objects: u64,
    /// In a trace with times.
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
    sizes: Vec<Class>,
    /// Of freed objects, in records.
    lifetimes: Vec<Class>,
    /// Of objects that asked for more than the natural one, by their logarithms.
    alignments: BTreeMap<u8, u64>,
    sites: Vec<Site>,
}

/// A class of sizes or lifetimes.
#[derive(Debug, Clone, Copy, Default, Serialize)]
struct Class {
    least: u64,
    greatest: u64,
    objects: u64,
    bytes: u64,
    peak_bytes: u64,
    live_bytes: u64,
}

#[derive(Debug, Clone, Default, Serialize)]
struct Site {
    frames: Vec<String>,
    allocations: u64,
    bytes: u64,
    peak_bytes: u64,
    live_bytes: u64,
    live_objects: u64,
}

pub fn run(args: &cli::Stat) -> Result<()> {
    let stat = collect(args)?;
    output::print(|out| {
        if args.json {
            serde_json::to_writer_pretty(&mut *out, &stat).map_err(io::Error::from)?;
            writeln!(out)?;
            return Ok(());
        }
        print(&stat, out)
    })
}

fn collect(args: &cli::Stat) -> Result<Stat> {
    let mut trace = args.input.open()?;
    let mut collector = Collector::new();
    while let Some((event, change)) = trace.next()? {
        collector.count(&event, change, &trace.live);
    }
    let Trace { name, reader, live, .. } = trace;
    let Header { flags, ticks_per_second, .. } = *reader.header();
    let has_times = flags.contains(Flags::TIMES) && ticks_per_second > 0;
    let seconds = has_times.then(|| collector.last_time as f64 / ticks_per_second as f64);
    Ok(Stat {
        trace: name,
        live_bytes: live.bytes(),
        live_objects: live.len() as u64,
        records: reader.records(),
        lost: reader.lost(),
        unknown_frees: reader.unknown_frees(),
        truncated: reader.truncated(),
        seconds,
        ..collector.finish(reader.sites(), args.sites)
    })
}

struct Collector {
    stat: Stat,
    sizes: Vec<Class>,
    lifetimes: Vec<Class>,
    threads: HashSet<u64>,
    sites: Vec<Site>,
    last_time: u64,
}

impl Collector {
    fn new() -> Self {
        let classes = (0..classes::CLASSES).map(|class| {
            let (least, greatest) = classes::bounds(class);
            Class { least, greatest, ..Class::default() }
        });
        let classes: Vec<_> = classes.collect();
        Self {
            stat: Stat::default(),
            sizes: classes.clone(),
            lifetimes: classes,
            threads: HashSet::new(),
            sites: vec![],
            last_time: 0,
        }
    }

    /// Counts an event, after which these objects are live.
    fn count(&mut self, event: &Event, change: Option<Change>, live: &Live) {
        let stat = &mut self.stat;
        match event.op {
            Op::Alloc { zeroed, .. } => {
                stat.allocations += 1;
                stat.zeroed += u64::from(zeroed);
                if let Some(log2) = event.align_log2 {
                    *stat.alignments.entry(log2).or_default() += 1;
                }
            }
            Op::Realloc { .. } => stat.reallocations += 1,
            Op::Free { .. } => stat.frees += 1,
            Op::Refused { .. } => stat.refused += 1,
            Op::Lost { .. } => {}
        }
        self.threads.insert(event.thread);
        self.last_time = event.time;
        let Some(Change { old, new, .. }) = change else { return };
        if let Some(old) = old {
            self.sizes[classes::of(old.size)].live_bytes -= old.size;
            self.at(old.site).live_bytes -= old.size;
            self.at(old.site).live_objects -= 1;
        }
        if let Some(new) = new {
            self.add(new.size, old.map_or(0, |old| old.size), new.site, old.is_none());
        } else if let Some(old) = old {
            let class = &mut self.lifetimes[classes::of(event.record - old.record)];
            class.objects += 1;
            class.bytes = class.bytes.saturating_add(old.size);
        }
        if live.bytes() > self.stat.peak_bytes {
            self.stat.peak_bytes = live.bytes();
            self.stat.peak_record = event.record;
        }
        self.stat.peak_objects = self.stat.peak_objects.max(live.len() as u64);
    }

    /// Counts an object of `size` bytes that had `old_size`, or is `fresh`.
    fn add(&mut self, size: u64, old_size: u64, site: Option<SiteId>, fresh: bool) {
        let more = size.saturating_sub(old_size);
        self.stat.requested_bytes = self.stat.requested_bytes.saturating_add(more);
        let class = &mut self.sizes[classes::of(size)];
        class.objects += u64::from(fresh);
        class.bytes = class.bytes.saturating_add(size);
        class.live_bytes += size;
        class.peak_bytes = class.peak_bytes.max(class.live_bytes);
        let site = self.at(site);
        site.allocations += u64::from(fresh);
        site.bytes = site.bytes.saturating_add(more);
        site.live_bytes += size;
        site.live_objects += 1;
        site.peak_bytes = site.peak_bytes.max(site.live_bytes);
    }

    fn at(&mut self, site: Option<SiteId>) -> &mut Site {
        let index = site.map_or(0, |site| site.0 as usize);
        if index >= self.sites.len() {
            self.sites.resize(index + 1, Site::default());
        }
        &mut self.sites[index]
    }

    fn finish(self, sites: &Sites, most: usize) -> Stat {
        // Frames become texts for those sites only that are shown.
        let mut found: Vec<_> = sites.iter().zip(self.sites).collect();
        found.retain(|(_, site)| site.allocations > 0);
        found.sort_by_key(|(_, site)| std::cmp::Reverse(site.bytes));
        found.truncate(most);
        let found = found.into_iter().map(|((_, frames), site)| Site {
            frames: frames.iter().map(|frame| format!("{frame:#x}")).collect(),
            ..site
        });
        let used = |classes: Vec<Class>| {
            classes.into_iter().filter(|class| class.bytes > 0 || class.objects > 0).collect()
        };
        Stat {
            sites: found.collect(),
            threads: self.threads.len() as u64,
            sizes: used(self.sizes),
            lifetimes: used(self.lifetimes),
            ..self.stat
        }
    }
}

fn print(stat: &Stat, out: &mut dyn Write) -> Result<()> {
    writeln!(out, "{}: {} records, {} threads", stat.trace, count(stat.records), stat.threads)?;
    if let Some(seconds) = stat.seconds {
        writeln!(out, "  {seconds:.3} seconds")?;
    }
    if stat.truncated {
        writeln!(out, "  the recording was cut off")?;
    }
    writeln!(
        out,
        "  {} allocations ({} zeroed), {} reallocations, {} frees",
        count(stat.allocations),
        count(stat.zeroed),
        count(stat.reallocations),
        count(stat.frees)
    )?;
    let rare = [
        (stat.refused, "requests were refused"),
        (stat.lost, "events were lost"),
        (stat.unknown_frees, "frees of objects that the trace does not know"),
    ];
    for (number, what) in rare.into_iter().filter(|(number, _)| *number > 0) {
        writeln!(out, "  {} {what}", count(number))?;
    }
    writeln!(
        out,
        "  {} requested; peak {} in at most {} objects, at record {}; {} in {} objects live at the end",
        bytes(stat.requested_bytes),
        bytes(stat.peak_bytes),
        count(stat.peak_objects),
        count(stat.peak_record),
        bytes(stat.live_bytes),
        count(stat.live_objects)
    )?;
    print_classes(stat, out)?;
    for (log2, objects) in &stat.alignments {
        let align = 2_f64.powi((*log2).into());
        writeln!(out, "\n{} objects asked for an alignment of {align}", count(*objects))?;
    }
    if !stat.sites.is_empty() {
        let mut sites = table(&["call site", "allocations", "bytes", "peak", "live"]);
        for site in &stat.sites {
            sites.add_row([
                site.frames.iter().take(4).map(String::as_str).collect::<Vec<_>>().join(" < "),
                count(site.allocations),
                bytes(site.bytes),
                bytes(site.peak_bytes),
                bytes(site.live_bytes),
            ]);
        }
        writeln!(out, "\n{sites}")?;
    }
    Ok(())
}

fn print_classes(stat: &Stat, out: &mut dyn Write) -> Result<()> {
    let name = |class: &Class| match class {
        Class { least, greatest, .. } if least == greatest => least.to_string(),
        Class { least, greatest, .. } => format!("{least}-{greatest}"),
    };
    let mut sizes = table(&["bytes", "objects", "share", "peak", "live at the end"]);
    for class in &stat.sizes {
        sizes.add_row([
            name(class),
            count(class.objects),
            percent(class.objects, stat.allocations),
            bytes(class.peak_bytes),
            bytes(class.live_bytes),
        ]);
    }
    writeln!(out, "\n{sites}", sites = sizes)?;
    let mut lifetimes = table(&["lifetime in records", "objects", "share", "bytes"]);
    for class in &stat.lifetimes {
        lifetimes.add_row([
            name(class),
            count(class.objects),
            percent(class.objects, stat.frees),
            bytes(class.bytes),
        ]);
    }
    writeln!(out, "\n{lifetimes}")?;
    Ok(())
}
