//! A trace as a profile by call site.

use crate::classes;
use crate::cli::Input;
use anyhow::Result;
use talloc_profile::{Counts, Frame, Line, Profile, Site, SiteTally, Tally, TimeUnit};
use talloc_trace::{Change, Event, Flags, Header, Object, Sites};

/// Reads a trace and counts by call site. In a trace without call sites, the class of an object's size takes their
/// place, and the thread.
pub fn read(input: &Input) -> Result<Profile> {
    let mut trace = input.open()?;
    let clock = Clock::of(trace.reader.header());
    let mut tallies = Tallies::default();
    let mut end = 0;
    while let Some((event, change)) = trace.next()? {
        end = clock.time(event.time, event.record);
        if let Some(change) = change {
            tallies.count(&clock, &event, change, !trace.reader.sites().is_empty());
        }
    }
    // What is still live has lived until the end.
    let sites = trace.reader.sites();
    for (_, object) in trace.live.iter() {
        let lifetime = end.saturating_sub(clock.time(object.time, object.record));
        tallies.site(object, !sites.is_empty()).lifetimes += lifetime as f64;
    }
    let profile = Profile {
        command: input.name(),
        interval: 1,
        time_unit: clock.unit(),
        end,
        ..Profile::default()
    };
    Ok(tallies.finish(profile, sites))
}

/// What the times in a profile are.
enum Clock {
    /// Microseconds, of a clock with so many ticks per second.
    Ticks(u64),
    /// The numbers of records.
    Records,
}

impl Clock {
    fn of(header: &Header) -> Self {
        match header.ticks_per_second {
            per_second @ 1.. if header.flags.contains(Flags::TIMES) => Self::Ticks(per_second),
            _ => Self::Records,
        }
    }

    fn time(&self, ticks: u64, record: u64) -> u64 {
        match self {
            Self::Ticks(per_second) => (u128::from(ticks) * 1_000_000 / u128::from(*per_second))
                .try_into()
                .unwrap_or(u64::MAX),
            Self::Records => record,
        }
    }

    fn unit(&self) -> TimeUnit {
        match self {
            Self::Ticks(_) => TimeUnit::Microseconds,
            Self::Records => TimeUnit::Events,
        }
    }
}

/// A call site, or what takes its place.
type Key = (u64, u64);

#[derive(Default)]
struct Tallies {
    tally: Tally,
    sites: Vec<(Key, SiteTally)>,
    numbers: std::collections::HashMap<Key, usize, foldhash::fast::RandomState>,
}

impl Tallies {
    fn count(&mut self, clock: &Clock, event: &Event, change: Change, sites: bool) {
        let now = clock.time(event.time, event.record);
        if let Some(old) = change.old {
            // A reallocation does not end an object's life.
            let born = clock.time(old.time, old.record);
            let lifetime = if change.new.is_some() { 0 } else { now.saturating_sub(born) };
            let number = self.number(&old, sites);
            self.tally.free(&mut self.sites[number].1, Counts::block(old.size), lifetime as f64);
        }
        if let Some(new) = change.new {
            let number = self.number(&new, sites);
            let site = &mut self.sites[number].1;
            self.tally.alloc(site, Counts::block(new.size), now);
        }
    }

    fn site(&mut self, object: &Object, sites: bool) -> &mut SiteTally {
        let number = self.number(object, sites);
        &mut self.sites[number].1
    }

    fn number(&mut self, object: &Object, sites: bool) -> usize {
        let key = match object.site {
            Some(site) if sites => (site.0.into(), 0),
            _ => (classes::of(object.size) as u64, object.thread),
        };
        *self.numbers.entry(key).or_insert_with(|| {
            self.sites.push((key, SiteTally::default()));
            self.sites.len() - 1
        })
    }

    fn finish(self, mut profile: Profile, sites: &Sites) -> Profile {
        profile.peak = self.tally.peak_time();
        for (key, tally) in self.sites {
            let frames = if sites.is_empty() { of_class(key) } else { of_site(key, sites) };
            let stack = frames.into_iter().map(|frame| profile.intern(frame)).collect();
            profile.sites.push(Site {
                stack,
                total: tally.total,
                live: tally.live,
                most: tally.most,
                at_peak: self.tally.at_peak(&tally),
                lifetimes: tally.lifetimes,
            });
        }
        profile
    }
}

fn of_site((site, _): Key, sites: &Sites) -> Vec<Frame> {
    let site = talloc_trace::SiteId(site as u32);
    sites.frames(site).iter().map(|address| Frame { address: *address, lines: vec![] }).collect()
}

fn of_class((class, thread): Key) -> Vec<Frame> {
    let name =
        |function: String| Frame { address: 0, lines: vec![Line { function, ..Line::default() }] };
    vec![
        name(format!("objects of {} bytes", classes::name(class as usize))),
        name(format!("thread {thread}")),
    ]
}
