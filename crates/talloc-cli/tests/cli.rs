//! Runs every subcommand on small traces.

mod common;

use common::{Trace, by_address, fails, large, ok, plain, snapshot, with_sites};
use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, SystemTime};
use talloc_trace::{Reader, Writer};

#[test]
fn stat_counts() {
    let text = ok(&["stat"], &plain().path);
    for part in ["300 allocations", "150 reallocations", "290 frees", "256-511", "1 threads"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let json: serde_json::Value =
        serde_json::from_str(&ok(&["stat", "--json"], &plain().path)).unwrap();
    assert_eq!(json["allocations"], 300);
    assert_eq!(json["live_objects"], 10);
    // The leaked objects: 5 of 400 bytes, and those of 17, 19, 21, 23 and 25 bytes.
    assert_eq!(json["live_bytes"], 2105);
    let frees: u64 =
        json["lifetimes"].as_array().unwrap().iter().map(|c| c["objects"].as_u64().unwrap()).sum();
    assert_eq!(frees, 290);

    let text = ok(&["stat"], &with_sites().path);
    for part in ["0x1000 < 0x3000", "0x2000 < 0x3000", "1 requests were refused", "0.999 seconds"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(ok(&["stat"], &by_address().path).contains("7 events were lost"));
}

#[test]
fn replay_measures_each_heap() {
    let text = ok(&["replay", "--rounds", "1"], &plain().path);
    for heap in ["compact", "real-time", "micro", "tiny", "checked", "system-talloc", "system"] {
        let row = text.lines().find(|line| line.trim_start().starts_with(heap)).expect(heap);
        assert!(!row.contains("no room"), "{row}");
    }
    let text = ok(&["replay", "--rounds", "1", "--heap", "micro"], &large().path);
    assert!(text.contains("no room at event 0"), "{text}");

    // The commands that it runs have the same limits.
    for command in [&["replay", "trace"][..], &["replay-one"]] {
        let mut talloc = Command::new(env!("CARGO_BIN_EXE_talloc"));
        let output = talloc.args(command).args(["--rounds", "1001", "--heap", "tiny"]).output();
        let error = String::from_utf8(output.unwrap().stderr).unwrap();
        assert!(error.contains("1001 is not in 1..=1000"), "{error}");
    }
}

/// Returns the number in a column of a heap's row.
fn number(text: &str, heap: &str, column: usize) -> u64 {
    let row = text.lines().find(|line| line.split_whitespace().next() == Some(heap)).expect(heap);
    row.split_whitespace().nth(column).unwrap().replace(',', "").parse().unwrap()
}

#[test]
fn fit_finds_the_smallest_arena() {
    let trace = plain();
    let stat: serde_json::Value =
        serde_json::from_str(&ok(&["stat", "--json"], &trace.path)).unwrap();
    let live = stat["peak_bytes"].as_u64().unwrap();
    let text = ok(&["fit"], &trace.path);
    for heap in ["compact", "real-time", "micro", "tiny", "checked"] {
        let arena = number(&text, heap, 1);
        assert!((live..live * 3 / 2 + 4096).contains(&arena), "{heap}: {arena} for {live}");
    }
    assert!(text.contains("Smallest: "), "{text}");
    if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        // The overhead before this column is two words.
        let steps = number(&text, "real-time", 5);
        assert!((10..100_000).contains(&steps), "{steps}");
        assert!(text.contains("Shortest worst call: "), "{text}");
    }
    let text = ok(&["fit", "--no-latency", "--heap", "tiny", "--heap", "compact"], &large().path);
    assert!(text.contains("tiny: does not fit in 509.00 KiB"), "{text}");
    assert!(text.contains("Smallest: compact"), "{text}");
    let error = fails(&["fit", "--heap", "system"], &trace.path);
    assert!(error.contains("system has its memory from the operating system"), "{error}");
}

#[test]
fn csv_has_a_line_per_event() {
    let trace = with_sites();
    let text = ok(&["convert", "--to", "csv"], &trace.path);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let events = Reader::new(std::fs::File::open(&trace.path).unwrap()).unwrap().count();
    assert_eq!(rows.len(), events);
    let row = |index: usize| rows[index].iter().collect::<Vec<_>>();
    assert_eq!(row(0), ["0", "0", "1", "alloc", "0", "100", "", "", "", "0x1000 0x3000"]);
    assert_eq!(row(2), ["2", "5", "1", "free", "0", "", "100", "", "", ""]);
    let device = ok(&["convert", "--to", "csv"], &by_address().path);
    assert!(device.contains("0,0,0,alloc,0,48,,,0x20000000,"), "{device}");
}

#[test]
fn pprof_reads_back_with_the_trace_s_numbers() {
    let trace = with_sites();
    let file = trace.written(&["convert", "--to", "pprof"], "heap.pb.gz");
    let profile = talloc_profile::pprof::decode(&file).unwrap();
    let of = |address: u64| {
        let location =
            profile.location.iter().find(|location| location.address == address).unwrap();
        let sample = profile.sample.iter().find(|sample| sample.location_id[0] == location.id);
        sample.unwrap().value.clone()
    };
    assert_eq!(of(0x1000), [10, 1000, 0, 0]);
    assert_eq!(of(0x2000), [10, 500, 10, 500]);
    assert_eq!((profile.time_nanos, profile.duration_nanos), (0, 999_000_000));
    let without_times = plain().written(&["convert", "--to", "pprof"], "heap.pb.gz");
    assert_eq!(talloc_profile::pprof::decode(&without_times).unwrap().duration_nanos, 0);
}

#[test]
fn pprof_has_the_time_of_a_profile_that_knows_it() {
    let taken = Some(SystemTime::UNIX_EPOCH + Duration::from_nanos(1_700_000_000_000_000_001));
    let profile = talloc_profile::Profile { taken, end: 5, ..Default::default() };
    let read = talloc_profile::pprof::decode(&profile.to_pprof().unwrap()).unwrap();
    assert_eq!((read.time_nanos, read.duration_nanos), (1_700_000_000_000_000_001, 5000));
}

#[test]
fn dhat_has_the_trace_s_numbers() {
    let text = ok(&["convert", "--to", "dhat"], &with_sites().path);
    let file: talloc_profile::dhat::File = serde_json::from_str(&text).unwrap();
    assert_eq!((file.dhat_file_version, file.tu.as_str(), file.te), (2, "µs", 999_000));
    let of = |frame: &str| {
        let frame = file.ftbl.iter().position(|text| text.contains(frame)).unwrap();
        file.pps.iter().find(|point| point.fs[0] == frame).unwrap()
    };
    let freed = of("0x1000");
    assert_eq!((freed.tb, freed.tbk, freed.eb, freed.mb), (1000, 10, 0, 100));
    assert_eq!(freed.tl, 10 * 5000);
    // The peak is in the last round: 100 objects, and nine or ten of 50 bytes.
    assert_eq!((freed.gb, of("0x2000").gb, file.tg), (100, 500, 181_000));

    let text = ok(&["convert", "--to", "dhat"], &plain().path);
    assert!(text.contains("objects of 256-511 bytes") && text.contains("events"), "{text}");
}

#[test]
fn heaptrack_s_tables_are_numbered_as_they_are_used() {
    for trace in [with_sites(), plain()] {
        let text = ok(&["convert", "--to", "heaptrack"], &trace.path);
        assert!(text.starts_with("v 10400 2\n"), "{text}");
        let (mut defined, mut live) = (std::collections::HashMap::new(), 0_i64);
        for line in text.lines() {
            let mut words = line.split(' ');
            let kind = words.next().unwrap();
            let mut next = || words.next().map(|word| u64::from_str_radix(word, 16).unwrap());
            let known = |kind: &str| defined.get(kind).copied().unwrap_or(0);
            match kind {
                "i" => assert!(next().is_some() && next().unwrap() <= known("s")),
                "t" => assert!(next().unwrap() <= known("i") && next().unwrap() <= known("t")),
                "a" => assert!(next().is_some() && next().unwrap() <= known("t")),
                "+" | "-" => {
                    assert!(next().unwrap() < known("a"));
                    live += if kind == "+" { 1 } else { -1 };
                }
                _ => {}
            }
            *defined.entry(kind).or_insert(0) += 1;
        }
        assert_eq!(live, 10);
    }
}

#[test]
fn leaks_are_told_by_call_site() {
    let text = ok(&["leaks"], &with_sites().path);
    assert!(text.contains("500 B in 10 objects"), "{text}");
    assert!(text.contains("0x2000") && !text.contains("0x1000"), "{text}");
    let text = ok(&["leaks", "--top", "1"], &plain().path);
    assert!(text.contains("objects of 256-511 bytes"), "{text}");
    assert!(text.contains("and 1 more call sites"), "{text}");

    let mut writer = Writer::streaming(vec![]).unwrap();
    let block = writer.alloc(1, None).unwrap();
    writer.free(block).unwrap();
    let clean = Trace::of("clean.atr", &writer.finish().unwrap());
    assert!(ok(&["leaks"], &clean.path).contains("nothing is allocated at the end"));
}

/// Returns the data that a page draws.
fn data(page: &str) -> serde_json::Value {
    let data = page.split("const data = ").nth(1).unwrap().split(";\n").next().unwrap();
    serde_json::from_str(data).unwrap()
}

#[test]
fn maps_are_pictures_and_pages() {
    for (trace, addresses) in [(plain(), "compact"), (by_address(), "addresses as recorded")] {
        let svg = String::from_utf8(trace.written(&["map"], "map.svg")).unwrap();
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
        assert!(svg.contains(addresses), "{svg}");
        assert!(svg.contains("#1d5bb2"), "the picture is empty");
        let page = String::from_utf8(trace.written(&["map", "--points", "9"], "map.html")).unwrap();
        let data = data(&page);
        // There are nine points, and the peak, unless it is one of them.
        assert!(matches!(data["points"].as_array().unwrap().len(), 9 | 10));
        assert!(data["heap"].as_str().unwrap().starts_with(addresses));
        assert!(data["blocks"].as_array().unwrap().len() >= 10);
        assert!(
            !page.contains("http://") && !page.contains("https://"),
            "the page is not self-contained"
        );
    }
    // Blocks placed by a heap also have the call sites of the trace.
    let trace = with_sites();
    let page = trace.written(&["map", "--heap", "real-time"], "map.html");
    let data = data(&String::from_utf8(page).unwrap());
    // The last site is that of a failed request.
    let sites = ["0x1000 < 0x3000", "0x2000 < 0x3000", "0x1000"];
    assert_eq!(data["sites"], serde_json::json!(sites));
    let sites = data["blocks"].as_array().unwrap().iter().map(|block| block[5].as_u64().unwrap());
    assert_eq!(sites.collect::<BTreeSet<_>>(), [1, 2].into());

    let trace = plain();
    let map = |name: &str, more: &[&str]| {
        let output = trace.file(name);
        fails(&[&["map", "--output", output.to_str().unwrap()], more].concat(), &trace.path)
    };
    assert!(map("map.png", &[]).contains("the name must end in .svg or .html"));
    assert!(map("map.svg", &["--at", "5000"]).contains("the trace has 740 events"));
    let small = map("map.svg", &["--heap", "compact", "--arena", "20000"]);
    assert!(small.contains("no room for the trace in 20000 bytes"), "{small}");
}

#[test]
fn snapshots_are_drawn_chunk_by_chunk() {
    let snapshot = snapshot();
    let summary =
        "15.75 KiB in use; 3.75 KiB free in 3 chunks, the largest 2.50 KiB: 33.3 % fragmentation";
    let svg = String::from_utf8(snapshot.written(&["map"], "map.svg")).unwrap();
    assert!(svg.contains(&format!("device.heap: {summary}")), "{svg}");
    let kinds = ["blocks", "cached", "free", "top", "own"];
    for kind in kinds {
        assert!(svg.contains(&format!(">{kind}</text>")), "{kind}");
    }
    assert!(!svg.contains(">used</text>"), "the picture has used chunks");

    let page = String::from_utf8(snapshot.written(&["map"], "map.html")).unwrap();
    let data = data(&page);
    assert_eq!(data["heap"], summary);
    assert_eq!(data["pieces"], serde_json::json!([["0x20000000", "0x20005000", 0]]));
    let found: Vec<&str> =
        data["kinds"].as_array().unwrap().iter().map(|kind| kind[0].as_str().unwrap()).collect();
    assert_eq!(found, kinds);
    // The rest of the first run of blocks lies on both sides of the cached one.
    let block =
        |offset: u64, size: u64, kind: u64| serde_json::json!([offset, size, 0, 1, 0, kind]);
    let expected = [
        block(0, 0x200, 4),
        block(0x200, 0x200, 0),
        block(0x400, 0x100, 1),
        block(0x500, 0x2d00, 0),
        block(0x3200, 0x400, 2),
        block(0x3600, 0x1000, 0),
        block(0x4600, 0xa00, 3),
    ];
    assert_eq!(data["blocks"], serde_json::json!(expected));
}

#[test]
fn errors_of_snapshots_name_the_place() {
    let whole = std::fs::read(snapshot().path).unwrap();
    let map = |trace: &Trace, more: &[&str]| {
        let output = trace.file("map.svg");
        fails(&[&["map", "--output", output.to_str().unwrap()], more].concat(), &trace.path)
    };
    let cut = Trace::of("cut.heap", &whole[..whole.len() - 1]);
    let error = map(&cut, &[]);
    let place = format!("cut.heap: byte {}, record 6: cut short", whole.len() - 2);
    assert!(error.contains(&place), "{error}");
    cut.written(&["map", "--partial"], "map.svg");

    let unknown = Trace::of("unknown.heap", &[&whole[..8], &[9]].concat());
    let error = map(&unknown, &[]);
    assert!(error.contains("byte 8, record 0: no record begins with the byte 0x09"), "{error}");
    let empty = Trace::of("empty.heap", &[&whole[..8], &[0, 0]].concat());
    assert!(map(&empty, &[]).contains("the heap has no memory"));
    let heap = map(&snapshot(), &["--heap", "compact"]);
    assert!(heap.contains("--heap and --at are for traces"), "{heap}");
    let error = fails(&["stat"], &snapshot().path);
    assert!(error.contains("byte 0, record 0: not a trace"), "{error}");
}

#[test]
fn errors_name_the_file_and_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let absent = fails(&["stat"], &folder.path().join("absent.atr"));
    assert!(absent.contains("absent.atr") && absent.contains("No such file"), "{absent}");
    for command in ["stat", "replay", "fit", "leaks"] {
        let text = Trace::of("text.atr", b"something else");
        let error = fails(&[command], &text.path);
        assert!(error.contains("text.atr: byte 0, record 0: not a trace"), "{command}: {error}");
        let empty = Trace::of("empty.atr", b"");
        assert!(fails(&[command], &empty.path).contains("cut short"), "{command}");
    }
    let whole = std::fs::read(by_address().path).unwrap();
    let cut = Trace::of("cut.atr", &whole[..whole.len() - 1]);
    for command in
        [&["stat"][..], &["leaks"], &["convert", "--to", "csv"], &["fit", "--no-latency"]]
    {
        let error = fails(command, &cut.path);
        assert!(error.contains("cut.atr: byte ") && error.contains("cut short"), "{error}");
        ok(&[command, &["--partial"]].concat(), &cut.path);
    }
    let heap = fails(&["replay", "--heap", "none"], &plain().path);
    assert!(heap.contains("there are: compact, real-time"), "{heap}");
}

#[test]
fn the_help_names_every_command() {
    let output = Command::new(env!("CARGO_BIN_EXE_talloc")).arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    for command in ["stat", "replay", "fit", "convert", "leaks", "map"] {
        assert!(help.contains(&format!("  {command} ")), "{help}");
    }
    assert!(!help.contains("replay-one"), "{help}");
}
