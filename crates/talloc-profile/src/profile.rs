//! What a profile says.

use indexmap::IndexSet;
use std::io;
use std::time::SystemTime;

/// A number of blocks and their bytes.
///
/// Those of a sampled profile are estimates, and need not be whole.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Counts {
    /// How many blocks.
    pub blocks: f64,
    /// How many bytes.
    pub bytes: f64,
}

impl Counts {
    /// One block of this size.
    pub fn block(bytes: u64) -> Self {
        Self { blocks: 1.0, bytes: bytes as f64 }
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.blocks += other.blocks;
        self.bytes += other.bytes;
    }
}

impl std::ops::SubAssign for Counts {
    fn sub_assign(&mut self, other: Self) {
        self.blocks -= other.blocks;
        self.bytes -= other.bytes;
    }
}

/// A call stack that allocates, and what it has allocated.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Site {
    /// The frames, innermost first.
    pub stack: Vec<FrameId>,
    /// All that was allocated.
    pub total: Counts,
    /// What is live.
    pub live: Counts,
    /// What was live when the whole heap was at its peak.
    pub at_peak: Counts,
    /// The most that was live of this site.
    pub most: Counts,
    /// The sum of the lifetimes of all blocks.
    pub lifetimes: f64,
}

/// The number of a frame in a [`Profile`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FrameId(pub usize);

/// A return address, and what is known about it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Frame {
    /// The address; 0 if the frame is a name only.
    pub address: u64,
    /// The functions that are there, the innermost inlined one first; empty if nothing is known.
    pub lines: Vec<Line>,
}

/// A place in the source code.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Line {
    /// The function's name.
    pub function: String,
    /// The file; empty if it is not known.
    pub file: String,
    /// The line; 0 if it is not known.
    pub line: u32,
}

/// What the times of a profile are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimeUnit {
    /// Microseconds.
    #[default]
    Microseconds,
    /// Events of a trace.
    Events,
}

/// A heap profile.
#[derive(Debug, Clone, Default)]
pub struct Profile {
    /// The program's command line, or the name of the trace.
    pub command: String,
    /// The process; 0 if it is not known.
    pub process: u32,
    /// How many bytes there are from one sampled block to the next, on average; 1 if every block was counted.
    pub interval: u64,
    /// What times are.
    pub time_unit: TimeUnit,
    /// When the profile was taken; none if that is not known.
    pub taken: Option<SystemTime>,
    /// When the profile ends.
    pub end: u64,
    /// When the heap was at its peak.
    pub peak: u64,
    /// The frames, each once.
    pub frames: IndexSet<Frame>,
    /// The call stacks, each once.
    pub sites: Vec<Site>,
}

impl Profile {
    /// The number of a frame, which is added if it is not there.
    pub fn intern(&mut self, frame: Frame) -> FrameId {
        FrameId(self.frames.insert_full(frame).0)
    }

    /// A frame.
    ///
    /// # Panics
    ///
    /// If the number is of another profile.
    pub fn frame(&self, id: FrameId) -> &Frame {
        &self.frames[id.0]
    }

    /// The sites that have live blocks, those with the most bytes first.
    pub fn leaks(&self) -> Vec<&Site> {
        let mut leaks: Vec<_> = self.sites.iter().filter(|site| site.live.blocks >= 0.5).collect();
        leaks.sort_by(|a, b| b.live.bytes.total_cmp(&a.live.bytes));
        leaks
    }

    /// Returns the [leaks](Self::leaks) as text: for each call site, the live blocks and the total.
    #[must_use]
    pub fn leak_report(&self) -> String {
        let leaks = self.leaks();
        let sum = |value: fn(&Site) -> f64| leaks.iter().map(|site| value(site)).sum::<f64>();
        let (bytes, blocks) = (sum(|site| site.live.bytes), sum(|site| site.live.blocks));
        let mut text = format!(
            "{bytes:.0} bytes in {blocks:.0} blocks are allocated, from {} call sites\n",
            leaks.len()
        );
        for site in leaks {
            let (live, total) = (site.live, site.total);
            text += &format!(
                "\n{:.0} bytes in {:.0} blocks, of {:.0} in {:.0}\n",
                live.bytes, live.blocks, total.bytes, total.blocks
            );
            self.stack(site).for_each(|frame| text += &format!("    {frame}\n"));
        }
        text
    }

    /// The frames of a site as texts, innermost first.
    pub fn stack<'a>(&'a self, site: &'a Site) -> impl Iterator<Item = String> + 'a {
        site.stack.iter().flat_map(|id| self.frame(*id).texts())
    }

    /// The profile as a gzipped pprof file.
    ///
    /// # Errors
    ///
    /// If the compressor fails.
    pub fn to_pprof(&self) -> io::Result<Vec<u8>> {
        crate::pprof::encode(self)
    }

    /// The profile as a DHAT file.
    ///
    /// # Errors
    ///
    /// If it cannot be serialised.
    pub fn to_dhat(&self) -> io::Result<String> {
        Ok(serde_json::to_string(&crate::dhat::File::from(self))?)
    }
}

impl Frame {
    /// The frame as texts, one for each function, the innermost inlined one first.
    pub fn texts(&self) -> Vec<String> {
        if self.lines.is_empty() {
            return vec![format!("{:#x}", self.address)];
        }
        let text = |line: &Line| match (line.file.as_str(), line.line) {
            ("", _) => line.function.clone(),
            (file, 0) => format!("{} ({file})", line.function),
            (file, number) => format!("{} ({file}:{number})", line.function),
        };
        self.lines.iter().map(text).collect()
    }
}
