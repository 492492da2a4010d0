//! pprof's `profile.proto`, as far as heap profiles need it.
//!
//! The samples have the four values of Go's heap profiles, so that every viewer knows them: `alloc_objects`,
//! `alloc_space`, `inuse_objects` and `inuse_space`.

use crate::profile::{Counts, Frame, Profile, TimeUnit};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use indexmap::IndexSet;
use prost::Message;
use std::io::{self, Read, Write};
use std::time::SystemTime;

/// The message `Profile`.
#[derive(Clone, PartialEq, Message)]
pub struct Pprof {
    /// What the values of a sample are.
    #[prost(message, repeated, tag = "1")]
    pub sample_type: Vec<ValueType>,
    /// The samples.
    #[prost(message, repeated, tag = "2")]
    pub sample: Vec<Sample>,
    /// Where the program's code was.
    #[prost(message, repeated, tag = "3")]
    pub mapping: Vec<Mapping>,
    /// Addresses.
    #[prost(message, repeated, tag = "4")]
    pub location: Vec<Location>,
    /// Functions.
    #[prost(message, repeated, tag = "5")]
    pub function: Vec<Function>,
    /// All texts; the first is empty.
    #[prost(string, repeated, tag = "6")]
    pub string_table: Vec<String>,
    /// When the profile was taken, in nanoseconds since 1970.
    #[prost(int64, tag = "9")]
    pub time_nanos: i64,
    /// How long the program ran, in nanoseconds.
    #[prost(int64, tag = "10")]
    pub duration_nanos: i64,
    /// What the period is.
    #[prost(message, optional, tag = "11")]
    pub period_type: Option<ValueType>,
    /// The sampling interval.
    #[prost(int64, tag = "12")]
    pub period: i64,
    /// The type that viewers show first.
    #[prost(int64, tag = "14")]
    pub default_sample_type: i64,
}

/// The message `ValueType`: indices of texts.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct ValueType {
    /// What is counted.
    #[prost(int64, tag = "1")]
    pub r#type: i64,
    /// In which unit.
    #[prost(int64, tag = "2")]
    pub unit: i64,
}

/// The message `Sample`.
#[derive(Clone, PartialEq, Message)]
pub struct Sample {
    /// The call stack, innermost first.
    #[prost(uint64, repeated, tag = "1")]
    pub location_id: Vec<u64>,
    /// A value for each type.
    #[prost(int64, repeated, tag = "2")]
    pub value: Vec<i64>,
}

/// The message `Mapping`.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Mapping {
    /// Not 0.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// The first address.
    #[prost(uint64, tag = "2")]
    pub memory_start: u64,
    /// The first address above.
    #[prost(uint64, tag = "3")]
    pub memory_limit: u64,
    /// The program's name: the index of a text.
    #[prost(int64, tag = "5")]
    pub filename: i64,
    /// Whether the functions are known.
    #[prost(bool, tag = "7")]
    pub has_functions: bool,
}

/// The message `Location`.
#[derive(Clone, PartialEq, Message)]
pub struct Location {
    /// Not 0.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// The mapping that it lies in.
    #[prost(uint64, tag = "2")]
    pub mapping_id: u64,
    /// The address.
    #[prost(uint64, tag = "3")]
    pub address: u64,
    /// The functions there, the innermost inlined one first.
    #[prost(message, repeated, tag = "4")]
    pub line: Vec<Line>,
}

/// The message `Line`.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Line {
    /// The function.
    #[prost(uint64, tag = "1")]
    pub function_id: u64,
    /// The line.
    #[prost(int64, tag = "2")]
    pub line: i64,
}

/// The message `Function`: indices of texts.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Function {
    /// Not 0.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// The name.
    #[prost(int64, tag = "2")]
    pub name: i64,
    /// The name as the linker has it.
    #[prost(int64, tag = "3")]
    pub system_name: i64,
    /// The file.
    #[prost(int64, tag = "4")]
    pub filename: i64,
}

impl From<&Profile> for Pprof {
    fn from(profile: &Profile) -> Self {
        let mut texts = Texts::default();
        let objects = texts.index("count");
        let space = texts.index("bytes");
        let mut value_type = |name: &str, unit| ValueType { r#type: texts.index(name), unit };
        let sample_type = vec![
            value_type("alloc_objects", objects),
            value_type("alloc_space", space),
            value_type("inuse_objects", objects),
            value_type("inuse_space", space),
        ];
        let period_type = value_type("space", space);
        let default_sample_type = sample_type[3].r#type;
        let filename = texts.index(&profile.command);
        let has_functions = profile.frames.iter().any(|frame| !frame.lines.is_empty());
        let mapping =
            Mapping { id: 1, memory_start: 0, memory_limit: u64::MAX, filename, has_functions };
        let mut functions = IndexSet::new();
        let location = profile.frames.iter().enumerate();
        let location =
            location.map(|(index, frame)| location_of(index, frame, &mut functions, &mut texts));
        let location = location.collect();
        let function = (1..).zip(&functions).map(|(id, (name, filename))| Function {
            id,
            name: *name,
            system_name: *name,
            filename: *filename,
        });
        Self {
            sample_type,
            sample: profile.sites.iter().map(sample).collect(),
            mapping: vec![mapping],
            location,
            function: function.collect(),
            string_table: texts.finish(),
            time_nanos: profile.taken.map_or(0, since_1970),
            duration_nanos: duration(profile),
            period_type: Some(period_type),
            period: i64::try_from(profile.interval).unwrap_or(i64::MAX),
            default_sample_type,
        }
    }
}

/// In nanoseconds; 0 before 1970, which stands for an unknown time.
fn since_1970(time: SystemTime) -> i64 {
    let duration = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// In nanoseconds; 0 where the profile has no clock.
fn duration(profile: &Profile) -> i64 {
    match profile.time_unit {
        TimeUnit::Microseconds => {
            i64::try_from(profile.end).unwrap_or(i64::MAX).saturating_mul(1000)
        }
        TimeUnit::Events => 0,
    }
}

fn location_of(
    index: usize,
    frame: &Frame,
    functions: &mut IndexSet<(i64, i64)>,
    texts: &mut Texts,
) -> Location {
    let line = frame.lines.iter().map(|line| {
        let function = (texts.index(&line.function), texts.index(&line.file));
        let function_id = functions.insert_full(function).0 as u64 + 1;
        Line { function_id, line: line.line.into() }
    });
    let line = line.collect();
    Location { id: index as u64 + 1, mapping_id: 1, address: frame.address, line }
}

fn sample(site: &crate::Site) -> Sample {
    let values = |counts: Counts| [counts.blocks.round() as i64, counts.bytes.round() as i64];
    Sample {
        location_id: site.stack.iter().map(|frame| frame.0 as u64 + 1).collect(),
        value: [values(site.total), values(site.live)].concat(),
    }
}

/// The table of texts.
#[derive(Default)]
struct Texts(IndexSet<String>);

impl Texts {
    fn index(&mut self, text: &str) -> i64 {
        if self.0.is_empty() {
            self.0.insert(String::new());
        }
        let index = self.0.get_index_of(text);
        index.unwrap_or_else(|| self.0.insert_full(text.to_owned()).0) as i64
    }

    fn finish(self) -> Vec<String> {
        self.0.into_iter().collect()
    }
}

/// A profile as a gzipped pprof file.
///
/// # Errors
///
/// If the compressor fails.
pub fn encode(profile: &Profile) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&Pprof::from(profile).encode_to_vec())?;
    encoder.finish()
}

/// Reads a gzipped pprof file.
///
/// # Errors
///
/// If it is not one.
pub fn decode(file: &[u8]) -> io::Result<Pprof> {
    let mut message = Vec::new();
    GzDecoder::new(file).read_to_end(&mut message)?;
    Pprof::decode(message.as_slice())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}
