//! Traces are the same after they are written and read.
#![cfg(feature = "std")]

mod common;

use common::{Model, model};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use std::io::Cursor;
use talloc_trace::{Event, Flags, Live, Op, Reader, Writer};

/// Returns the event without its place in a file.
fn at_no_place(event: Event) -> Event {
    Event { offset: 0, record: 0, site: None, ..event }
}

proptest! {
    #[test]
    fn plain_traces_survive(model in model(false)) {
        let mut writer = Writer::seekable(Cursor::new(vec![])).unwrap();
        for (event, _) in &model.events {
            writer.write(event, &[]).unwrap();
        }
        let file = writer.complete().unwrap().into_inner();
        let mut reader = Reader::new(file.as_slice()).unwrap();
        let header = *reader.header();
        let events: Vec<_> = reader.by_ref().map(|event| at_no_place(event.unwrap())).collect();
        let expected: Vec<_> =
            model.events.iter().map(|(event, _)| Event { time: 0, ..*event }).collect();
        prop_assert_eq!(events, expected);
        prop_assert_eq!(header.records, model.events.len() as u64);
        prop_assert_eq!(header.objects, reader.objects());
        prop_assert_eq!(header.threads, model.threads());
    }

    #[test]
    fn traces_with_everything_survive(model in model(true)) {
        let flags = Flags::CALL_SITES | Flags::TIMES;
        let mut writer = Writer::with_flags(vec![], flags, 1_000_000).unwrap();
        for (event, frames) in &model.events {
            writer.write(event, frames).unwrap();
        }
        let file = writer.finish().unwrap();
        let mut reader = Reader::new(file.as_slice()).unwrap();
        prop_assert_eq!(reader.header().ticks_per_second, 1_000_000);
        for (expected, frames) in &model.events {
            let event = reader.next_event().unwrap().unwrap();
            prop_assert_eq!(at_no_place(event), *expected);
            let stack = event.site.map(|site| reader.sites().frames(site));
            let has_stack = !matches!(event.op, Op::Free { .. } | Op::Lost { .. });
            prop_assert_eq!(stack, has_stack.then_some(frames.as_slice()));
        }
        prop_assert_eq!(reader.next_event().unwrap(), None);
        prop_assert_eq!(reader.lost(), model.lost());
    }

    #[test]
    fn live_objects_are_those_of_the_model(model in model(true)) {
        let mut live = Live::new();
        for (event, _) in &model.events {
            live.apply(event).unwrap();
        }
        let mut sizes: Vec<_> = live.iter().map(|(id, object)| (id, object.size)).collect();
        sizes.sort_unstable();
        prop_assert_eq!(live.bytes(), sizes.iter().map(|(_, size)| size).sum::<u64>());
        prop_assert_eq!(sizes, model.live());
    }
}

#[test]
#[cfg(feature = "zstd")]
fn compressed_files_survive() {
    let folder = std::env::temp_dir().join(format!("talloc-trace-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for name in ["trace.atr", "trace.atr.zst"] {
        let path = folder.join(name);
        let mut writer = talloc_trace::create(&path).unwrap();
        for size in 0..10_000 {
            let block = writer.alloc(size, None).unwrap();
            writer.free(block).unwrap();
        }
        writer.finish().unwrap();
        let compressed = std::fs::metadata(&path).unwrap().len() < 30_000;
        assert_eq!(compressed, name.ends_with(".zst"), "{name}");
        let events = talloc_trace::open(&path).unwrap().map(Result::unwrap).count();
        assert_eq!(events, 20_000, "{name}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_writer_refuses_events_that_no_trace_can_contain() {
    let mut writer = Writer::streaming(vec![]).unwrap();
    let kind = |result: std::io::Result<()>| result.unwrap_err().kind();
    assert_eq!(kind(writer.free(0)), std::io::ErrorKind::InvalidInput);
    assert_eq!(kind(writer.alloc(u64::MAX, None).map(drop)), std::io::ErrorKind::InvalidInput);
    let block = writer.alloc(1, None).unwrap();
    assert_eq!(kind(writer.realloc(block + 1, 1)), std::io::ErrorKind::InvalidInput);
    let file = writer.finish().unwrap();
    assert_eq!(Reader::new(file.as_slice()).unwrap().count(), 1);

    let by_address = Writer::with_flags(vec![], Flags::ADDRESSES, 0);
    assert_eq!(kind(by_address.map(drop)), std::io::ErrorKind::InvalidInput);
}

#[test]
fn models_are_not_all_empty() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let models = (0..100).map(|_| model(true).new_tree(&mut runner).unwrap().current());
    let events: usize = models.map(|model: Model| model.events.len()).sum();
    assert!(events > 1000, "{events}");
}
