//! Profiles follow their formats.

use talloc_profile::{Counts, Frame, Line, Profile, Site, TimeUnit, dhat, pprof};

fn profile() -> Profile {
    let mut profile = Profile {
        command: "server --port 80".to_owned(),
        process: 42,
        interval: 512 << 10,
        time_unit: TimeUnit::Events,
        end: 1000,
        peak: 600,
        ..Profile::default()
    };
    let line = |function: &str, line| Line {
        function: function.to_owned(),
        file: "main.rs".to_owned(),
        line,
    };
    let inner = Frame { address: 0x1234, lines: vec![line("inlined", 5), line("inner", 10)] };
    let inner = profile.intern(inner);
    let outer = profile.intern(Frame { address: 0x5678, lines: vec![line("outer", 20)] });
    let unknown = profile.intern(Frame { address: 0x9abc, lines: vec![] });
    let counts = |blocks, bytes| Counts { blocks, bytes };
    let site = Site {
        stack: vec![inner, outer],
        total: counts(10.4, 1000.0),
        live: counts(2.0, 200.4),
        at_peak: counts(5.0, 500.0),
        most: counts(6.0, 600.0),
        lifetimes: 77.0,
    };
    profile.sites.push(site.clone());
    let rest = Site { stack: vec![inner, unknown], live: counts(0.0, 0.0), ..site };
    profile.sites.push(rest);
    profile
}

#[test]
fn pprof_reads_back() {
    let profile = profile();
    let file = profile.to_pprof().unwrap();
    assert_eq!(file[..2], [0x1f, 0x8b], "gzip");
    let read = pprof::decode(&file).unwrap();

    let text = |index: i64| read.string_table[usize::try_from(index).unwrap()].as_str();
    assert_eq!(read.string_table[0], "");
    let types: Vec<_> =
        read.sample_type.iter().map(|value| (text(value.r#type), text(value.unit))).collect();
    assert_eq!(
        types,
        [
            ("alloc_objects", "count"),
            ("alloc_space", "bytes"),
            ("inuse_objects", "count"),
            ("inuse_space", "bytes")
        ]
    );
    assert_eq!(text(read.default_sample_type), "inuse_space");
    assert_eq!(read.period, 512 << 10);
    assert_eq!(text(read.mapping[0].filename), "server --port 80");
    // Every number refers to an entry.
    for sample in &read.sample {
        assert_eq!(sample.value.len(), read.sample_type.len());
        for id in &sample.location_id {
            assert!(read.location.iter().any(|location| location.id == *id));
        }
    }
    let function = |id: u64| read.function.iter().find(|function| function.id == id).unwrap();
    let stack = |sample: &pprof::Sample| -> Vec<String> {
        let ids = sample.location_id.iter();
        let locations =
            ids.map(|id| read.location.iter().find(|location| location.id == *id).unwrap());
        let lines = locations.flat_map(|location| &location.line);
        lines
            .map(|line| format!("{}:{}", text(function(line.function_id).name), line.line))
            .collect()
    };
    assert_eq!(stack(&read.sample[0]), ["inlined:5", "inner:10", "outer:20"]);
    assert_eq!(read.sample[0].value, [10, 1000, 2, 200]);
    assert_eq!(stack(&read.sample[1]), ["inlined:5", "inner:10"]);
}

#[test]
fn files_that_are_not_pprof_are_refused() {
    assert!(pprof::decode(b"no gzip").is_err());
    let mut file = profile().to_pprof().unwrap();
    file.truncate(file.len() / 2);
    assert!(pprof::decode(&file).is_err());
}

#[test]
fn dhat_has_every_field_of_its_schema() {
    let text = profile().to_dhat().unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    // The fields that valgrind's `dh_view.js` requires in a file with lifetimes.
    for field in [
        "dhatFileVersion",
        "mode",
        "verb",
        "bklt",
        "bkacc",
        "tu",
        "Mtu",
        "tuth",
        "cmd",
        "pid",
        "te",
        "tg",
        "pps",
        "ftbl",
    ] {
        assert!(json.get(field).is_some(), "{field}");
    }
    assert_eq!(json["dhatFileVersion"], 2);
    for point in json["pps"].as_array().unwrap() {
        for field in ["tb", "tbk", "tl", "mb", "mbk", "gb", "gbk", "eb", "ebk"] {
            assert!(point[field].is_u64(), "{field}");
        }
        for frame in point["fs"].as_array().unwrap() {
            assert!(frame.as_u64().unwrap() < json["ftbl"].as_array().unwrap().len() as u64);
        }
    }
    let file: dhat::File = serde_json::from_str(&text).unwrap();
    assert_eq!((file.tg, file.te, file.pid), (600, 1000, 42));
    assert_eq!(file.ftbl[0], "[root]");
    let frames: Vec<_> = file.pps[1].fs.iter().map(|frame| file.ftbl[*frame].as_str()).collect();
    assert_eq!(
        frames,
        ["0x1234: inlined (main.rs:5)", "0x1234: inner (main.rs:10)", "0x9ABC: ???"]
    );
}

#[test]
fn leaks_are_the_live_sites_by_size() {
    let mut profile = profile();
    let mut small = profile.sites[0].clone();
    small.live = Counts { blocks: 1.0, bytes: 1.0 };
    profile.sites.insert(0, small);
    let bytes: Vec<_> = profile.leaks().iter().map(|site| site.live.bytes).collect();
    assert_eq!(bytes, [200.4, 1.0]);
}
