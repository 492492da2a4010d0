//! Small traces, and helpers to run commands.
#![allow(dead_code, reason = "each test uses some of it")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use talloc_trace::{Action, Encoder, Event, Flags, IoSink, Op, Record, Writer, create};
use tempfile::TempDir;

pub fn talloc(args: &[&str], trace: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_talloc"));
    command.arg(args[0]).arg(trace).args(&args[1..]).output().unwrap()
}

/// Runs a command that must succeed. Returns its output.
#[track_caller]
pub fn ok(args: &[&str], trace: &Path) -> String {
    let output = talloc(args, trace);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{args:?}: {errors}");
    assert_eq!(errors, "", "{args:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a command that must fail. Returns its error message.
#[track_caller]
pub fn fails(args: &[&str], trace: &Path) -> String {
    let output = talloc(args, trace);
    assert!(!output.status.success(), "{args:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// A trace in a temporary folder.
pub struct Trace {
    pub folder: TempDir,
    pub path: PathBuf,
}

impl Trace {
    pub fn of(name: &str, file: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, file).unwrap();
        Self { folder, path }
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a command that writes a file. Returns the file.
    #[track_caller]
    pub fn written(&self, args: &[&str], name: &str) -> Vec<u8> {
        let output = self.file(name);
        let args = [args, &["--output", output.to_str().unwrap()]].concat();
        assert_eq!(ok(&args, &self.path), "");
        std::fs::read(output).unwrap()
    }
}

/// 300 objects of 16 to 315 bytes. Half of them grow to 400 bytes, and all except ten are freed. The format is plain
/// and compressed.
pub fn plain() -> Trace {
    let trace = Trace::of("plain.atr.zst", b"");
    let mut writer = create(&trace.path).unwrap();
    let objects: Vec<u64> =
        (0..300).map(|number| writer.alloc(16 + number, None).unwrap()).collect();
    for id in objects.iter().step_by(2) {
        writer.realloc(*id, 400).unwrap();
    }
    objects[10..].iter().for_each(|id| writer.free(*id).unwrap());
    writer.finish().unwrap();
    trace
}

/// A trace with two call sites, and times in milliseconds. The second site leaks.
pub fn with_sites() -> Trace {
    let flags = Flags::CALL_SITES | Flags::TIMES;
    let mut writer = Writer::with_flags(vec![], flags, 1000).unwrap();
    let event = |op, time| Event {
        op,
        thread: 1,
        align_log2: None,
        time,
        site: None,
        offset: 0,
        record: 0,
    };
    let alloc = |id, size| Op::Alloc { id, size, zeroed: false, address: 0 };
    for id in (0..20).step_by(2) {
        writer.write(&event(alloc(id, 100), id * 10), &[0x1000, 0x3000]).unwrap();
        writer.write(&event(alloc(id + 1, 50), id * 10 + 1), &[0x2000, 0x3000]).unwrap();
        writer.write(&event(Op::Free { id }, id * 10 + 5), &[]).unwrap();
    }
    writer.write(&event(Op::Refused { size: 1 << 40 }, 999), &[0x1000]).unwrap();
    Trace::of("sites.atr", &writer.finish().unwrap())
}

/// A trace by address, as a device records it.
pub fn by_address() -> Trace {
    let mut sink = IoSink::new(vec![]);
    let mut encoder = Encoder::<0>::new(Flags::ADDRESSES | Flags::STREAMED);
    encoder.start(0, &mut sink).unwrap();
    let mut write = |action, sink: &mut IoSink<Vec<u8>>| {
        let record = Record { action, thread: 0, align_log2: None, time: 0, frames: &[] };
        encoder.encode(&record, sink).unwrap();
    };
    for number in 0..50 {
        let address = 0x2000_0000 + number * 64;
        write(Action::Alloc { size: 48, zeroed: false, address }, &mut sink);
    }
    for number in (0..50).step_by(2) {
        write(Action::Free { object: 0x2000_0000 + number * 64 }, &mut sink);
    }
    write(Action::Lost { count: 7 }, &mut sink);
    write(Action::End, &mut sink);
    Trace::of("device.atr", &sink.finish().unwrap())
}

/// A trace with an object larger than the arenas of some heaps.
pub fn large() -> Trace {
    let mut writer = Writer::streaming(vec![]).unwrap();
    writer.alloc(1 << 20, None).unwrap();
    Trace::of("large.atr", &writer.finish().unwrap())
}

/// A snapshot of a heap with a hole of each kind.
pub fn snapshot() -> Trace {
    use talloc_trace::snapshot::{Chunk, ChunkKind, Writer};
    let mut writer = Writer::start(IoSink::new(vec![])).unwrap();
    let chunks = [
        (ChunkKind::Own, 0x2000_0000, 0x200),
        (ChunkKind::Blocks, 0x2000_0200, 0x3000),
        (ChunkKind::Free, 0x2000_3200, 0x400),
        (ChunkKind::Blocks, 0x2000_3600, 0x1000),
        (ChunkKind::Top, 0x2000_4600, 0xa00),
        (ChunkKind::Cached, 0x2000_0400, 0x100),
    ];
    for (kind, address, size) in chunks {
        assert!(writer.chunk(Chunk { kind, address, size }));
    }
    Trace::of("device.heap", &writer.finish().unwrap().finish().unwrap())
}
