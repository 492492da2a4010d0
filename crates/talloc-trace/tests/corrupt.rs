//! Malformed, truncated and hostile files: reading them returns an error with the place, never panics, and never takes
//! much memory.
#![cfg(feature = "std")]

mod common;

use common::model;
use proptest::prelude::*;
use std::error::Error as _;
use talloc_trace::{
    Action, Encoder, Error, ErrorKind, Flags, Header, IoSink, Limits, Live, Reader, Record,
    Recording, Writer, read_any,
};

/// Reads a trace to its end, and tracks its objects. Returns the number of events.
fn read(file: &[u8]) -> Result<u64, Error> {
    let (mut live, mut events) = (Live::new(), 0);
    for event in Reader::new(file)? {
        live.apply(&event?)?;
        events += 1;
    }
    Ok(events)
}

/// Creates a trace with this header and these bytes of records.
fn trace(header: Header, records: &[u8]) -> Vec<u8> {
    let header = Header { record_bytes: records.len() as u64, ..header };
    let (bytes, size) = header.to_bytes();
    [&bytes[..size], records].concat()
}

fn plain(records: u64, objects: u64, bytes: &[u8]) -> Vec<u8> {
    trace(Header { records, objects, ..Header::default() }, bytes)
}

fn streamed(flags: Flags, bytes: &[u8]) -> Vec<u8> {
    let flags = flags | Flags::STREAMED;
    let (header, size) = Header { flags, ..Header::default() }.to_bytes();
    [&header[..size], bytes].concat()
}

/// Returns the error message of a file.
#[track_caller]
fn error(file: &[u8]) -> String {
    read(file).expect_err("a damaged file").to_string()
}

#[test]
fn every_kind_of_damage_is_reported_with_its_place() {
    let alloc = [0x00, 0x28];
    assert_eq!(read(&plain(1, 1, &alloc)).unwrap(), 1);

    assert_eq!(error(b""), "byte 0, record 0: cut short");
    assert_eq!(error(b"ATRA"), "byte 0, record 0: cut short");
    assert_eq!(error(b"ATRACE2\0"), "byte 0, record 0: not a trace");
    assert_eq!(error(&plain(1, 1, &alloc)[..20]), "byte 8, record 0: cut short");
    assert_eq!(error(&plain(2, 1, &alloc)), "byte 66, record 1: cut short");
    assert_eq!(error(&plain(0, 0, &alloc)), "byte 64, record 0: data behind the last record");
    assert_eq!(error(&plain(1, 2, &alloc)), "byte 66, record 1: 1 objects where the header says 2");
    assert_eq!(
        error(&plain(1, 0, &[0x03, 0x00])),
        "byte 64, record 0: an age of 0 where there have been 0 objects"
    );
    let twice = [0x00, 0x28, 0x03, 0x00, 0x03, 0x00];
    assert_eq!(error(&plain(3, 1, &twice)), "byte 68, record 2: object 0 is not allocated");
    let after = [0x00, 0x28, 0x03, 0x00, 0x02, 0x00, 0x05];
    assert_eq!(error(&plain(3, 1, &after)), "byte 68, record 2: object 0 is not allocated");
    assert_eq!(
        error(&plain(1, 1, &[0x20, 0x28])),
        "byte 64, record 0: no record begins with the byte 0x20"
    );
    let note = [0x10, 0x01];
    assert_eq!(
        error(&plain(1, 0, &note)),
        "byte 64, record 0: no record begins with the byte 0x10"
    );
    assert_eq!(error(&plain(1, 1, &[0x08, 0x40, 0x01])), "byte 64, record 0: an alignment of 2^64");
    let long = [&[0x00][..], &[0xff; 10], &[0x01]].concat();
    assert_eq!(error(&plain(1, 1, &long)), "byte 64, record 0: a number of more than 64 bits");
    let huge = [&[0x00][..], &[0xff; 9], &[0x01]].concat();
    assert_eq!(
        error(&plain(1, 1, &huge)),
        format!("byte 64, record 0: a size of {} bytes", u64::MAX)
    );
}

#[test]
fn the_header_must_agree_with_the_records() {
    let mut file = plain(1, 1, &[0x00, 0x28]);
    file[16] = 3;
    assert_eq!(error(&file), "byte 66, record 1: 2 bytes of records where the header says 3");
}

#[test]
fn unknown_extensions_are_refused() {
    let mut file = plain(1, 1, &[0x00, 0x28]);
    file[56] = 0x10;
    assert_eq!(
        error(&file),
        "byte 56, record 0: the format has extensions that this version does not know: 0x10"
    );
    let mut file = streamed(Flags::NONE, &[0x11]);
    assert_eq!(read(&file).unwrap(), 0);
    file[72] = 1;
    assert!(matches!(read(&file).unwrap_err().kind, ErrorKind::UnknownExtension(1)));
}

#[test]
fn a_streamed_trace_ends_with_its_end() {
    let allocs = [0x00, 0x28, 0x00, 0x28];
    let whole = streamed(Flags::NONE, &[&allocs[..], &[0x11]].concat());
    assert_eq!(read(&whole).unwrap(), 2);
    let cut = &whole[..whole.len() - 1];
    assert_eq!(error(cut), "byte 84, record 2: cut short");
    let behind = [&whole[..], &[0]].concat();
    assert_eq!(error(&behind), "byte 85, record 2: data behind the last record");
    // The events before the cut can be read on request.
    for (cut, events) in [(1, 2), (2, 1), (3, 1)] {
        let mut reader = Reader::new(&whole[..whole.len() - cut]).unwrap().partial(true);
        assert_eq!(reader.by_ref().map(Result::unwrap).count(), events);
        assert!(reader.truncated());
    }
}

#[test]
fn call_stacks_cannot_grow_without_bound() {
    let stack = |bytes: &[u8]| error(&streamed(Flags::CALL_SITES, bytes));
    assert!(stack(&[0x00, 0x28, 1, 0]).contains("0 new frames and 1 shared"));
    let many = [0x00, 0x28, 0, 0x81, 0x02];
    assert!(stack(&many).contains("257 new frames and 0 shared"));
    let huge = [&[0x00, 0x28, 0][..], &[0xff; 9], &[0x01]].concat();
    assert!(stack(&huge).contains("new frames"));
}

#[test]
fn addresses_must_make_sense_unless_events_were_lost() {
    let by_address = |bytes: &[u8]| streamed(Flags::ADDRESSES, bytes);
    // Two objects have the address 8.
    let overlap = [0x00, 0x28, 0x10, 0x00, 0x28, 0x00, 0x11];
    assert_eq!(
        error(&by_address(&overlap)),
        "byte 83, record 1: an object at the address 0x8, where there is one already"
    );
    let lossy = [&[0x10, 0x01][..], &overlap].concat();
    assert_eq!(read(&by_address(&lossy)).unwrap(), 4, "a free is inserted between the two");
    // A reallocation ends that has not started.
    assert_eq!(
        error(&by_address(&[0x13, 0x08, 0x11])),
        "byte 80, record 0: a reallocation ends that thread 0 has not begun"
    );
    // The free of an unknown object is counted.
    let file = by_address(&[0x03, 0x10, 0x11]);
    let mut reader = Reader::new(file.as_slice()).unwrap();
    assert_eq!(reader.by_ref().count(), 0);
    assert_eq!(reader.unknown_frees(), 1);
}

/// Creates a trace by address with these actions.
fn by_address(actions: &[Action]) -> Vec<u8> {
    let mut sink = IoSink::new(vec![]);
    let mut encoder = Encoder::<0>::new(Flags::ADDRESSES | Flags::STREAMED);
    encoder.start(0, &mut sink).unwrap();
    for action in actions.iter().copied().chain([Action::End]) {
        let record = Record { action, thread: 0, align_log2: None, time: 0, frames: &[] };
        encoder.encode(&record, &mut sink).unwrap();
    }
    sink.finish().unwrap()
}

#[test]
fn objects_lie_within_the_address_space() {
    let alloc = |address, size| Action::Alloc { size, zeroed: false, address };
    assert_eq!(read(&by_address(&[alloc(u64::MAX - 9, 9)])).unwrap(), 1);
    let place = "byte 80, record 0: an object of 10 bytes at the address 0xfffffffffffffff6";
    assert!(error(&by_address(&[alloc(u64::MAX - 9, 10)])).starts_with(place));
    let grown = [
        alloc(64, 8),
        Action::Realloc { object: 64, size: 100 },
        Action::Moved { address: u64::MAX - 99 },
    ];
    let grown = error(&by_address(&grown));
    assert!(grown.contains("record 2: an object of 100 bytes at the address"), "{grown}");
}

#[test]
fn the_bytes_of_live_objects_are_a_number() {
    let mut writer = Writer::streaming(vec![]).unwrap();
    for _ in 0..256 {
        writer.alloc(1 << 56, None).unwrap();
    }
    let error = error(&writer.finish().unwrap());
    assert!(error.ends_with("record 255: 2^64 or more bytes are live"), "{error}");
}

#[test]
fn a_reader_goes_no_further_than_its_limits() {
    let flags = Flags::CALL_SITES | Flags::STREAMED;
    let mut writer = Writer::with_flags(vec![], flags, 0).unwrap();
    let event = |op| talloc_trace::Event {
        op,
        thread: 0,
        align_log2: None,
        time: 0,
        site: None,
        offset: 0,
        record: 0,
    };
    for id in 0..10 {
        let alloc = talloc_trace::Op::Alloc { id, size: 1, zeroed: false, address: 0 };
        // Five call sites with three frames.
        writer.write(&event(alloc), &[id % 5, 1, 2]).unwrap();
    }
    writer.write(&event(talloc_trace::Op::Free { id: 0 }), &[]).unwrap();
    let file = writer.finish().unwrap();
    let read = |objects, frames| {
        let reader = Reader::new(file.as_slice()).unwrap();
        reader.limits(Limits { objects, frames }).try_for_each(|event| event.map(drop))
    };
    read(10, 20).unwrap();
    let error = read(9, 20).unwrap_err();
    assert!(matches!((error.record, error.kind), (9, ErrorKind::LiveObjects(9))));
    let error = read(10, 19).unwrap_err();
    assert!(matches!((error.record, error.kind), (4, ErrorKind::CallSites(19))));

    let begin = by_address(&[Action::Realloc { object: 64, size: 8 }; 5]);
    let read = |objects| {
        let reader = Reader::new(begin.as_slice()).unwrap();
        reader.limits(Limits { objects, ..Limits::default() }).try_for_each(|event| event.map(drop))
    };
    read(5).unwrap();
    let error = read(4).unwrap_err();
    assert!(matches!((error.record, error.kind), (4, ErrorKind::LiveObjects(4))));
}

#[test]
fn an_error_has_no_source_with_the_same_message() {
    let error = read(b"no trace").unwrap_err();
    assert!(error.source().is_none() && error.kind.source().is_none());
    let unreadable = ErrorKind::Io(std::io::Error::other("a broken disk"));
    assert_eq!(unreadable.to_string(), "cannot read: a broken disk");
    assert!(unreadable.source().is_none());
}

#[test]
fn a_file_is_a_snapshot_or_read_as_a_trace() {
    let any = |bytes: &'static [u8]| read_any(bytes);
    assert!(matches!(any(b"AHEAP1\0\0\0\0"), Ok(Recording::Snapshot(_))));
    let error = |bytes| any(bytes).err().unwrap().to_string();
    assert_eq!(error(b"something else"), "byte 0, record 0: not a trace");
    assert_eq!(error(b""), "byte 0, record 0: cut short");
    let trace: &'static [u8] = plain(1, 1, &[0x00, 0x28]).leak();
    let Ok(Recording::Trace(reader)) = any(trace) else { panic!("the file is a trace") };
    assert_eq!(reader.count(), 1);
}

#[test]
#[cfg(feature = "zstd")]
fn damaged_compressed_files_are_errors() {
    let folder = std::env::temp_dir().join(format!("talloc-corrupt-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("trace.atr.zst");
    let mut writer = talloc_trace::create(&path).unwrap();
    for size in 0..100_000 {
        writer.alloc(size * 7919 % 4096, None).unwrap();
    }
    writer.finish().unwrap();
    let whole = std::fs::read(&path).unwrap();
    let read = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        talloc_trace::open(&path)?.try_for_each(|event| event.map(drop))
    };
    read(&whole).unwrap();
    for cut in [4, 5, 100, whole.len() / 2, whole.len() - 1] {
        let error = read(&whole[..cut]).unwrap_err();
        assert!(matches!(error.kind, ErrorKind::CutShort), "{cut}: {error}");
    }
    let mut damaged = whole.clone();
    damaged[whole.len() / 2..][..64].fill(0xff);
    read(&damaged).unwrap_err();
    assert!(read(&[]).is_err());
    std::fs::remove_dir_all(folder).unwrap();
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(flags in 0..16_u64, bytes: Vec<u8>) {
        let flags = Flags::from_bits(flags).unwrap();
        let header = Header { flags, records: 50, objects: 20, ..Header::default() };
        // Both results are correct, but a panic is not.
        _ = read(&trace(header, &bytes));
    }

    #[test]
    fn a_flipped_byte_is_read_or_refused(model in model(true), at: prop::sample::Index, xor: u8) {
        let flags = Flags::CALL_SITES | Flags::TIMES;
        let mut writer = Writer::with_flags(vec![], flags, 1).unwrap();
        for (event, frames) in &model.events {
            writer.write(event, frames).unwrap();
        }
        let mut file = writer.finish().unwrap();
        let at = at.index(file.len());
        file[at] ^= xor;
        if let Err(error) = read(&file) {
            prop_assert!(error.offset <= file.len() as u64);
        }
    }

    #[test]
    fn every_cut_is_an_error(model in model(true), at: prop::sample::Index) {
        let mut writer = Writer::streaming(vec![]).unwrap();
        for (event, frames) in &model.events {
            writer.write(event, frames).unwrap();
        }
        let file = writer.finish().unwrap();
        let cut = at.index(file.len());
        let error = read(&file[..cut]).unwrap_err();
        prop_assert!(matches!(error.kind, ErrorKind::CutShort), "{}", error);
        prop_assert!(error.offset <= cut as u64);
    }
}
