//! Allocation traces of real programs: the reader of `.atr.zst` files.
//!
//! A file is zstd-compressed and little endian. Its header has 64 bytes: the magic `ATRACE1` and a NUL, then
//! seven `u64`: events, bytes of event data, objects, threads, truncated, frees of unknown objects, reserved.
//! Each event is a head byte (bits 0-1 the operation: alloc, alloc_zeroed, realloc, free; bit 2: the thread
//! changes; bit 3: an alignment follows) and LEB128 numbers: the new thread if it changes, one plain byte with
//! the alignment's logarithm if there is one, the object's age (newest id - id) unless it is new, the size
//! unless it is freed. Objects are numbered in the order of their allocation. The order of events is one in
//! which the threads may really have run, so one thread can replay them all.

use crate::script::{Script, Writer};
use anyhow::{Context, Result, bail, ensure};
use std::{fs, io::Read, path::Path};

/// The alignment of what asks for none.
const NATURAL_ALIGN: usize = 8;
const MAGIC: &[u8; 8] = b"ATRACE1\0";
const EXTENSION: &str = ".atr.zst";

const THREAD_CHANGES: u8 = 1 << 2;
const ALIGNED: u8 = 1 << 3;

/// The traces that come with the suite: their names in alphabetical order.
///
/// # Errors
/// If the folder cannot be read.
pub fn names() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder())? {
        let file = entry?.file_name();
        names
            .extend(file.to_str().and_then(|file| file.strip_suffix(EXTENSION)).map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

/// Reads the trace of this name that comes with the suite.
///
/// # Errors
/// If there is no such trace or it cannot be read.
pub fn load(name: &str) -> Result<Script> {
    read(&folder().join(format!("{name}{EXTENSION}")))
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/traces"))
}

/// Reads a trace file.
///
/// # Errors
/// If it cannot be read, is not a trace, or is damaged.
pub fn read(path: &Path) -> Result<Script> {
    let file_name =
        path.file_name().and_then(|name| name.to_str()).context("a trace needs a file name")?;
    let name = file_name.strip_suffix(EXTENSION).unwrap_or(file_name);
    let read = || decode(name, &zstd::decode_all(fs::File::open(path)?)?);
    read().with_context(|| path.display().to_string())
}

/// Decodes an uncompressed trace.
fn decode(name: &str, mut bytes: &[u8]) -> Result<Script> {
    let header = Header::read(&mut bytes)?;
    ensure!(bytes.len() as u64 == header.event_bytes, "the file's length is not the header's");

    let mut writer = Writer::new(name);
    let mut objects = Objects::default();
    for number in 0..header.events {
        event(&mut bytes, &mut writer, &mut objects).with_context(|| format!("event {number}"))?;
    }
    ensure!(bytes.is_empty(), "data after the last event");
    ensure!(objects.0.len() as u64 == header.objects, "the number of objects is not the header's");
    Ok(writer.finish())
}

struct Header {
    events: u64,
    event_bytes: u64,
    objects: u64,
}

impl Header {
    fn read(bytes: &mut &[u8]) -> Result<Self> {
        let mut magic = [0; MAGIC.len()];
        bytes.read_exact(&mut magic)?;
        ensure!(&magic == MAGIC, "not a trace");
        let mut field = || -> Result<u64> {
            let mut number = [0; 8];
            bytes.read_exact(&mut number)?;
            Ok(u64::from_le_bytes(number))
        };
        let [events, event_bytes, objects] = [field()?, field()?, field()?];
        let [_threads, _truncated, _unknown_frees, _reserved] =
            [field()?, field()?, field()?, field()?];
        Ok(Self { events, event_bytes, objects })
    }
}

/// The slot of each object; none once it is freed.
#[derive(Default)]
struct Objects(Vec<Option<u32>>);

impl Objects {
    fn of_age(&mut self, age: u64) -> Result<&mut Option<u32>> {
        let back = usize::try_from(age)?;
        let newest = self.0.len().checked_sub(1).context("no objects yet")?;
        let id = newest.checked_sub(back).context("older than the first object")?;
        Ok(&mut self.0[id])
    }
}

fn event(bytes: &mut &[u8], writer: &mut Writer, objects: &mut Objects) -> Result<()> {
    let head = byte(bytes)?;
    if head & THREAD_CHANGES != 0 {
        number(bytes)?;
    }
    let align = if head & ALIGNED != 0 {
        1_usize.checked_shl(byte(bytes)?.into()).context("alignment")?.max(NATURAL_ALIGN)
    } else {
        NATURAL_ALIGN
    };
    match head & 3 {
        0 | 1 => {
            let slot = writer.alloc(size(bytes)?, align, head & 3 == 1);
            objects.0.push(Some(slot));
        }
        2 => {
            let slot = objects.of_age(number(bytes)?)?.context("reallocated after its free")?;
            writer.realloc(slot, size(bytes)?);
        }
        3 => {
            let slot = objects.of_age(number(bytes)?)?.take().context("freed twice")?;
            writer.free(slot);
        }
        _ => bail!("no such operation"),
    }
    Ok(())
}

fn byte(bytes: &mut &[u8]) -> Result<u8> {
    let (&first, rest) = bytes.split_first().context("cut short")?;
    *bytes = rest;
    Ok(first)
}

fn number(bytes: &mut &[u8]) -> Result<u64> {
    Ok(leb128::read::unsigned(bytes)?)
}

fn size(bytes: &mut &[u8]) -> Result<u32> {
    u32::try_from(number(bytes)?).context("a block of 4 GiB or more")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Op;

    /// A trace of these bytes of event data.
    fn trace(events: u64, objects: u64, data: &[u8]) -> Vec<u8> {
        let mut file = MAGIC.to_vec();
        for field in [events, data.len() as u64, objects, 1, 0, 0, 0] {
            file.extend(field.to_le_bytes());
        }
        file.extend(data);
        file
    }

    #[test]
    fn every_kind_of_event_is_read() {
        let data = [
            [0x00, 0x28].as_slice(),   // object 0: 40 bytes
            &[0x0d, 0x02, 0x0c, 0x00], // object 1, thread 2: 0 zeroed bytes at 4096
            &[0x02, 0x01, 0x80, 0x01], // object 0 to 128 bytes
            &[0x07, 0x01, 0x00],       // thread 1 frees object 1
            &[0x08, 0x02, 0x05],       // object 2: 5 bytes at 4, which is less than natural
        ]
        .concat();
        let script = decode("test", &trace(5, 3, &data)).unwrap();

        let events: Vec<_> = script
            .events()
            .iter()
            .map(|e| (e.op, e.slot, e.old_size, e.size, e.align_log2))
            .collect();
        assert_eq!(
            events,
            [
                (Op::Alloc, 0, 0, 40, 3),
                (Op::AllocZeroed, 1, 0, 1, 12),
                (Op::Realloc, 0, 40, 128, 3),
                (Op::Free, 1, 1, 1, 12),
                (Op::Alloc, 1, 0, 5, 3)
            ]
        );
        assert_eq!(script.peak(), 133);
    }

    #[test]
    fn damage_is_an_error() {
        let alloc = [0x00, 0x28];
        let error = |file: &[u8]| decode("test", file).err().map(|error| format!("{error:#}"));

        assert_eq!(error(&trace(1, 1, &alloc)), None);
        assert_eq!(error(b"ATRACE2\0").as_deref(), Some("not a trace"));
        assert!(error(b"ATRA").is_some());
        assert_eq!(error(&trace(2, 1, &alloc)).as_deref(), Some("event 1: cut short"));
        assert_eq!(error(&trace(0, 0, &alloc)).as_deref(), Some("data after the last event"));
        assert_eq!(
            error(&trace(1, 2, &alloc)).as_deref(),
            Some("the number of objects is not the header's")
        );
        assert_eq!(error(&trace(1, 0, &[0x03, 0x00])).as_deref(), Some("event 0: no objects yet"));
        let twice = [0x00, 0x28, 0x03, 0x00, 0x03, 0x00];
        assert_eq!(error(&trace(3, 1, &twice)).as_deref(), Some("event 2: freed twice"));
        let older = [0x00, 0x28, 0x03, 0x01];
        assert_eq!(
            error(&trace(2, 1, &older)).as_deref(),
            Some("event 1: older than the first object")
        );
    }

    #[test]
    fn the_recorded_traces_are_whole() {
        let names = names().unwrap();
        assert!(!names.is_empty());
        for name in names {
            let script = load(&name).unwrap();
            assert!(script.peak() > 0 && script.slots() > 0, "{name}");
        }
    }
}
