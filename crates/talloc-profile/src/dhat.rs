//! DHAT's file format, version 2, which opens in valgrind's `dh_view.html`.
//!
//! The names of the fields are those of the format.

use crate::profile::{Frame, Profile, TimeUnit};
use indexmap::IndexSet;
use serde::{Deserialize, Serialize};

/// A file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct File {
    /// 2.
    pub dhat_file_version: u32,
    /// What was measured.
    pub mode: String,
    /// What the program points did.
    pub verb: String,
    /// Whether lifetimes are known.
    pub bklt: bool,
    /// Whether accesses are known.
    pub bkacc: bool,
    /// The unit of times.
    pub tu: String,
    /// The unit of a million times `tu`.
    #[serde(rename = "Mtu")]
    pub mtu: String,
    /// Lifetimes below this are short.
    pub tuth: u64,
    /// The command line.
    pub cmd: String,
    /// The process.
    pub pid: u32,
    /// When the heap was at its peak.
    pub tg: u64,
    /// When the profile ends.
    pub te: u64,
    /// The program points.
    pub pps: Vec<ProgramPoint>,
    /// The frames; the first is the root.
    pub ftbl: Vec<String>,
}

/// A program point: a call stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgramPoint {
    /// Bytes, in all.
    pub tb: u64,
    /// Blocks, in all.
    pub tbk: u64,
    /// The sum of all lifetimes.
    pub tl: u64,
    /// The most bytes of this point.
    pub mb: u64,
    /// The most blocks of this point.
    pub mbk: u64,
    /// Bytes at the heap's peak.
    pub gb: u64,
    /// Blocks at the heap's peak.
    pub gbk: u64,
    /// Bytes at the end.
    pub eb: u64,
    /// Blocks at the end.
    pub ebk: u64,
    /// The frames, innermost first: indices into the table.
    pub fs: Vec<usize>,
}

impl From<&Profile> for File {
    fn from(profile: &Profile) -> Self {
        let (tu, mtu, tuth) = match profile.time_unit {
            TimeUnit::Microseconds => ("µs", "s", 500),
            TimeUnit::Events => ("events", "Mevents", 100),
        };
        let mut frames = IndexSet::from(["[root]".to_owned()]);
        let pps = profile.sites.iter().map(|site| {
            let whole = |number: f64| number.round().max(0.0) as u64;
            let fs = site.stack.iter().flat_map(|id| texts(profile.frame(*id)));
            let fs = fs.map(|text| frames.insert_full(text).0);
            ProgramPoint {
                fs: fs.collect(),
                tb: whole(site.total.bytes),
                tbk: whole(site.total.blocks),
                tl: whole(site.lifetimes),
                mb: whole(site.most.bytes),
                mbk: whole(site.most.blocks),
                gb: whole(site.at_peak.bytes),
                gbk: whole(site.at_peak.blocks),
                eb: whole(site.live.bytes),
                ebk: whole(site.live.blocks),
            }
        });
        Self {
            pps: pps.collect(),
            dhat_file_version: 2,
            mode: "heap".to_owned(),
            verb: "Allocated".to_owned(),
            bklt: true,
            bkacc: false,
            tu: tu.to_owned(),
            mtu: mtu.to_owned(),
            tuth,
            cmd: profile.command.clone(),
            pid: profile.process,
            tg: profile.peak,
            te: profile.end,
            ftbl: frames.into_iter().collect(),
        }
    }
}

/// A frame in valgrind's form, one text for each inlined function.
fn texts(frame: &Frame) -> Vec<String> {
    let address = frame.address;
    if frame.lines.is_empty() {
        return vec![format!("0x{address:X}: ???")];
    }
    frame.texts().iter().map(|text| format!("0x{address:X}: {text}")).collect()
}
