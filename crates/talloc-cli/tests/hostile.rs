//! Traces and arguments that exceed all resources: they cause an error, but never a panic or an abort.

mod common;

use common::{Trace, by_address, fails, large, ok, plain};
use talloc_trace::{Flags, IoSink, Writer};

/// A trace of live blocks of 4 GiB.
fn enormous(blocks: u64) -> Trace {
    let mut writer = Writer::streaming(vec![]).unwrap();
    for _ in 0..blocks {
        writer.alloc(u32::MAX.into(), None).unwrap();
    }
    Trace::of("enormous.atr", &writer.finish().unwrap())
}

#[test]
fn a_peak_that_no_machine_has_is_an_error() {
    let trace = enormous(50_000);
    let map = trace.file("map.svg");
    let map = ["map", "--output", map.to_str().unwrap()];
    for args in [&["fit"][..], &["replay", "--heap", "compact"], &map] {
        let error = fails(args, &trace.path);
        assert!(error.contains("there is no memory for an arena of "), "{args:?}: {error}");
        assert!(!error.contains("panicked"), "{args:?}: {error}");
    }
}

#[test]
fn an_arena_is_no_larger_than_a_machine_addresses() {
    let trace = plain();
    let map = trace.file("map.svg");
    for arena in [0, usize::MAX, isize::MAX as usize, 1 << 62] {
        let arena = arena.to_string();
        let map = ["map", "--output", map.to_str().unwrap(), "--heap", "compact"];
        let error = fails(&[&map[..], &["--arena", &arena]].concat(), &trace.path);
        assert!(error.contains("is not in 1..="), "{error}");
    }
    let map = ["map", "--output", map.to_str().unwrap(), "--heap", "compact"];
    let error = fails(&[&map[..], &["--arena", &(1_u64 << 56).to_string()]].concat(), &trace.path);
    assert!(error.contains("there is no memory for an arena of 72057594037927936"), "{error}");
}

/// A trace with holes that are too small for later blocks. A quarter more than the peak does not suffice.
fn fragmented() -> Trace {
    let mut writer = Writer::streaming(vec![]).unwrap();
    let blocks: Vec<u64> = (0..400).map(|_| writer.alloc(10_000, None).unwrap()).collect();
    blocks.iter().step_by(2).for_each(|id| writer.free(*id).unwrap());
    (0..100).for_each(|_| _ = writer.alloc(20_000, None).unwrap());
    Trace::of("fragmented.atr", &writer.finish().unwrap())
}

#[test]
fn the_arena_of_a_map_grows_until_it_suffices() {
    let trace = fragmented();
    let svg = String::from_utf8(trace.written(&["map"], "map.svg")).unwrap();
    let roomy = 4_000_000 * 5 / 4 + (64 << 10);
    assert!(svg.contains(&format!("compact, in {} bytes", roomy * 2)), "{svg}");
}

#[test]
fn a_larger_arena_is_advised_only_where_it_helps() {
    let trace = large();
    let map = trace.file("map.svg");
    let map = |heap, more: &[&str]| {
        let args = ["map", "--output", map.to_str().unwrap(), "--heap", heap];
        fails(&[&args, more].concat(), &trace.path)
    };
    assert!(map("compact", &["--arena", "1000"]).contains("in 1000 bytes: give it more with"));
    for more in [&[][..], &["--arena", "10000000"]] {
        let error = map("tiny", more);
        assert!(error.contains("in 521216 bytes, the most that it can use"), "{error}");
        assert!(!error.contains("--arena"), "{error}");
    }
}

#[test]
fn a_map_may_show_all_addresses() {
    use talloc_trace::snapshot::{Chunk, ChunkKind, Writer};
    for size in [u64::MAX, u64::MAX - 63, u64::MAX - 99] {
        let mut writer = Writer::start(IoSink::new(vec![])).unwrap();
        assert!(writer.chunk(Chunk { kind: ChunkKind::Free, address: 0, size }));
        let snapshot = Trace::of("all.heap", &writer.finish().unwrap().finish().unwrap());
        for name in ["map.svg", "map.html"] {
            assert!(!snapshot.written(&["map"], name).is_empty());
        }
    }
}

#[test]
fn errors_of_objects_beyond_the_address_space_name_the_place() {
    let mut file = std::fs::read(by_address().path).unwrap();
    // The address of the first object becomes -1 in zigzag form, which is the last byte.
    let at = 82;
    file.splice(at..at + 5, [1]);
    let trace = Trace::of("beyond.atr", &file);
    let map = trace.file("map.svg");
    let error = fails(&["map", "--output", map.to_str().unwrap()], &trace.path);
    assert!(error.contains("beyond.atr: byte 80, record 0: an object of 48 bytes"), "{error}");
}

#[test]
fn sums_of_sizes_do_not_overflow() {
    let mut writer = Writer::streaming(vec![]).unwrap();
    for _ in 0..300 {
        let id = writer.alloc(1 << 56, None).unwrap();
        writer.free(id).unwrap();
    }
    let trace = Trace::of("over.atr", &writer.finish().unwrap());
    let json: serde_json::Value =
        serde_json::from_str(&ok(&["stat", "--json"], &trace.path)).unwrap();
    assert_eq!(json["requested_bytes"], u64::MAX);
    assert_eq!(json["peak_bytes"], 1_u64 << 56);

    let mut writer = Writer::streaming(vec![]).unwrap();
    (0..300).for_each(|_| _ = writer.alloc(1 << 56, None).unwrap());
    let trace = Trace::of("over.atr", &writer.finish().unwrap());
    for command in [&["stat"][..], &["leaks"], &["convert", "--to", "csv"]] {
        let error = fails(command, &trace.path);
        assert!(error.contains("record 255: 2^64 or more bytes are live"), "{error}");
    }
}

#[test]
fn times_may_be_as_late_as_any() {
    let flags = Flags::TIMES | Flags::STREAMED;
    let mut writer = Writer::with_flags(vec![], flags, 1).unwrap();
    let op = talloc_trace::Op::Alloc { id: 0, size: 8, zeroed: false, address: 0 };
    let event = talloc_trace::Event {
        op,
        thread: 0,
        align_log2: None,
        time: u64::MAX,
        site: None,
        offset: 0,
        record: 0,
    };
    writer.write(&event, &[]).unwrap();
    // The end has the time 0, which counts as the time of the event before.
    let trace = Trace::of("late.atr", &writer.finish().unwrap());
    for format in ["csv", "heaptrack", "dhat", "pprof"] {
        ok(
            &["convert", "--to", format, "--output", trace.file("out").to_str().unwrap()],
            &trace.path,
        );
    }
}
