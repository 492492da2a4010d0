//! Counting by call site, with the peak.

use crate::profile::Counts;

/// What is counted of one call site.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SiteTally {
    /// All that was allocated.
    pub total: Counts,
    /// What is live.
    pub live: Counts,
    /// The most that was live.
    pub most: Counts,
    /// The sum of the lifetimes of the blocks that were freed.
    pub lifetimes: f64,
    /// What was live at the last peak before this site changed, if that was after the peak.
    saved: Counts,
    /// The peak at which `saved` was live.
    saved_peak: u64,
}

/// Counts what is live in all, and when that was most.
///
/// What each site has at the peak is known without a snapshot of all sites at every new peak: a site saves its counts
/// when it changes for the first time after a peak. So every event takes constant time.
///
/// # Examples
///
/// ```
/// use talloc_profile::{Counts, SiteTally, Tally};
///
/// let (mut tally, mut site) = (Tally::new(), SiteTally::default());
/// tally.alloc(&mut site, Counts::block(100), 1);
/// tally.free(&mut site, Counts::block(100), 1.0);
/// assert_eq!((site.live.bytes, tally.at_peak(&site).bytes), (0.0, 100.0));
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    live_bytes: f64,
    peak_bytes: f64,
    peak_time: u64,
    /// Counts the peaks, from 1.
    peak: u64,
}

impl Tally {
    /// Nothing is live.
    pub const fn new() -> Self {
        Self { live_bytes: 0.0, peak_bytes: 0.0, peak_time: 0, peak: 1 }
    }

    /// The bytes that are live.
    pub fn live_bytes(&self) -> f64 {
        self.live_bytes
    }

    /// The most bytes that were live.
    pub fn peak_bytes(&self) -> f64 {
        self.peak_bytes
    }

    /// When that was.
    pub fn peak_time(&self) -> u64 {
        self.peak_time
    }

    /// Counts an allocation.
    pub fn alloc(&mut self, site: &mut SiteTally, counts: Counts, time: u64) {
        self.save(site);
        site.total += counts;
        site.live += counts;
        site.most.bytes = site.most.bytes.max(site.live.bytes);
        site.most.blocks = site.most.blocks.max(site.live.blocks);
        self.live_bytes += counts.bytes;
        if self.live_bytes > self.peak_bytes {
            self.peak_bytes = self.live_bytes;
            self.peak_time = time;
            self.peak += 1;
        }
    }

    /// Counts a free of blocks that lived for `lifetime` in all.
    pub fn free(&mut self, site: &mut SiteTally, counts: Counts, lifetime: f64) {
        self.save(site);
        site.live -= counts;
        site.lifetimes += lifetime;
        self.live_bytes -= counts.bytes;
    }

    /// What a site had at the peak.
    pub fn at_peak(&self, site: &SiteTally) -> Counts {
        if site.saved_peak == self.peak { site.saved } else { site.live }
    }

    fn save(&self, site: &mut SiteTally) {
        if site.saved_peak != self.peak {
            site.saved = site.live;
            site.saved_peak = self.peak;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same by a snapshot of all sites at every peak.
    #[test]
    fn the_peak_is_that_of_snapshots() {
        let mut seed = 7_u64;
        let mut random = move |below: u64| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        let (mut tally, mut sites) = (Tally::new(), [SiteTally::default(); 5]);
        let mut live: Vec<(usize, u64)> = vec![];
        let (mut peak, mut at_peak, mut peak_time) = (0, [0_u64; 5], 0);
        for time in 1..5000 {
            if random(100) < 48 && !live.is_empty() {
                let (site, size) = live.swap_remove(random(live.len() as u64) as usize);
                tally.free(&mut sites[site], Counts::block(size), 1.0);
            } else {
                let (site, size) = (random(5) as usize, random(1000));
                live.push((site, size));
                tally.alloc(&mut sites[site], Counts::block(size), time);
            }
            let bytes: u64 = live.iter().map(|(_, size)| size).sum();
            if bytes > peak {
                (peak, peak_time, at_peak) = (bytes, time, [0; 5]);
                live.iter().for_each(|(site, size)| at_peak[*site] += size);
            }
            for (site, bytes) in sites.iter().zip(at_peak) {
                assert_eq!(tally.at_peak(site).bytes, bytes as f64, "{time}");
            }
        }
        assert_eq!((tally.peak_bytes(), tally.peak_time()), (peak as f64, peak_time));
        assert!(peak > 10_000);
    }
}
