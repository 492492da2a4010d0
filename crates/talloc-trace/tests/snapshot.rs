//! Snapshots are the same after they are written and read. Damaged files return an error with the place.
#![cfg(feature = "std")]

use proptest::prelude::*;
use talloc_trace::snapshot::{Chunk, ChunkKind, Incomplete, Reader, Snapshot, Writer};
use talloc_trace::{Error, IoSink, Sink};

fn chunk(kind: ChunkKind, address: u64, size: u64) -> Chunk {
    Chunk { kind, address, size }
}

fn written(chunks: &[Chunk]) -> Vec<u8> {
    let mut writer = Writer::start(IoSink::new(vec![])).unwrap();
    assert!(chunks.iter().all(|chunk| writer.chunk(*chunk)));
    writer.finish().unwrap().finish().unwrap()
}

fn read(file: &[u8]) -> Result<Snapshot, Error> {
    Snapshot::read(Reader::new(file)?)
}

/// Returns the error message of a file.
#[track_caller]
fn error(file: &[u8]) -> String {
    read(file).expect_err("a damaged file").to_string()
}

/// Returns the bytes of a file with these records.
fn file(records: &[u8]) -> Vec<u8> {
    [b"AHEAP1\0\0", records].concat()
}

#[test]
fn chunks_in_a_row_take_a_byte_and_their_size() {
    let chunks = [
        chunk(ChunkKind::Own, 0x100, 64),
        chunk(ChunkKind::Blocks, 0x140, 40),
        chunk(ChunkKind::Top, 0x168, 200),
    ];
    let expected = file(&[6, 0x80, 4, 64, 1, 0, 40, 5, 0, 0xc8, 1, 0, 0]);
    assert_eq!(written(&chunks), expected);
    assert_eq!(read(&expected).unwrap(), Snapshot { chunks: chunks.into(), lost: 0 });
}

#[test]
fn an_empty_heap_has_an_empty_snapshot() {
    assert_eq!(read(&written(&[])).unwrap(), Snapshot::default());
}

#[test]
fn cached_blocks_are_cut_out_of_runs_of_blocks() {
    let chunks = [
        chunk(ChunkKind::Blocks, 100, 100),
        chunk(ChunkKind::Free, 200, 100),
        // The second arena has known blocks.
        chunk(ChunkKind::Used, 50, 20),
        chunk(ChunkKind::Cached, 180, 20),
        chunk(ChunkKind::Cached, 100, 8),
        chunk(ChunkKind::Cached, 108, 8),
        chunk(ChunkKind::Cached, 70, 10),
        chunk(ChunkKind::Cached, 400, 10),
    ];
    let snapshot = read(&written(&chunks)).unwrap();
    let expected = [
        chunk(ChunkKind::Used, 50, 20),
        chunk(ChunkKind::Cached, 70, 10),
        chunk(ChunkKind::Cached, 100, 8),
        chunk(ChunkKind::Cached, 108, 8),
        chunk(ChunkKind::Blocks, 116, 64),
        chunk(ChunkKind::Cached, 180, 20),
        chunk(ChunkKind::Free, 200, 100),
        chunk(ChunkKind::Cached, 400, 10),
    ];
    assert_eq!(snapshot.chunks, expected);
    assert_eq!(snapshot.bytes(ChunkKind::Cached), 56);
}

#[test]
fn every_kind_of_damage_is_reported_with_its_place() {
    assert_eq!(error(b""), "byte 0, record 0: cut short");
    assert_eq!(error(b"AHEAP1\0"), "byte 0, record 0: cut short");
    assert_eq!(error(b"ATRACE1\0"), "byte 0, record 0: not a snapshot of a heap");
    assert_eq!(error(&file(&[])), "byte 8, record 0: cut short");
    assert_eq!(error(&file(&[4, 2, 8])), "byte 11, record 1: cut short");
    assert_eq!(error(&file(&[7, 2, 8])), "byte 8, record 0: no record begins with the byte 0x07");
    assert_eq!(error(&file(&[0, 0, 0])), "byte 8, record 0: data behind the last record");
    assert_eq!(
        error(&file(&[4, 2, 0, 0, 0])),
        "byte 8, record 0: a chunk of 0 bytes at the address 0x1"
    );
    let last = [&[4, 2][..], &[0xff; 9], &[1, 0, 0]].concat();
    assert_eq!(
        error(&file(&last)),
        format!("byte 8, record 0: a chunk of {} bytes at the address 0x1", u64::MAX)
    );
    let long = [&[4][..], &[0xff; 10], &[1]].concat();
    assert_eq!(error(&file(&long)), "byte 8, record 0: a number of more than 64 bits");
}

#[test]
fn overlapping_chunks_are_reported_at_the_second_one() {
    let of = |chunks: &[(ChunkKind, u64, u64)]| {
        let chunks: Vec<_> =
            chunks.iter().map(|(kind, address, size)| chunk(*kind, *address, *size)).collect();
        error(&written(&chunks))
    };
    use ChunkKind::{Blocks, Cached, Free, Used};
    let message = "byte 11, record 1: a chunk at the address 0x8, where there is one already";
    assert_eq!(of(&[(Free, 16, 8), (Free, 8, 9)]), message);
    assert_eq!(of(&[(Used, 0, 16), (Blocks, 8, 40)]), message);
    assert_eq!(of(&[(Blocks, 0, 16), (Cached, 8, 9)]), message);
    assert_eq!(of(&[(Blocks, 9, 16), (Cached, 8, 9)]), message);
    assert_eq!(of(&[(Used, 0, 16), (Cached, 8, 8)]), message);
    assert_eq!(of(&[(Cached, 0, 16), (Cached, 8, 8)]), message);
}

#[test]
fn a_partial_snapshot_has_what_came_before_its_end() {
    let whole = written(&[chunk(ChunkKind::Free, 16, 8), chunk(ChunkKind::Used, 24, 8)]);
    let cut = &whole[..whole.len() - 3];
    assert_eq!(error(cut), "byte 11, record 1: cut short");
    let snapshot = Snapshot::read(Reader::new(cut).unwrap().partial(true)).unwrap();
    assert_eq!(snapshot.chunks, [chunk(ChunkKind::Free, 16, 8)]);
}

/// A sink that refuses some writes.
struct Refusing {
    bytes: Vec<u8>,
    writes: u32,
    refused: fn(u32) -> bool,
}

impl Sink for Refusing {
    fn write(&mut self, bytes: &[u8]) -> bool {
        self.writes += 1;
        let taken = !(self.refused)(self.writes - 1);
        if taken {
            self.bytes.extend_from_slice(bytes);
        }
        taken
    }
}

#[test]
fn lost_chunks_are_counted_and_the_others_keep_their_places() {
    let sink = |refused| Refusing { bytes: vec![], writes: 0, refused };
    assert!(Writer::start(sink(|_| true)).is_none());

    let mut refusing = sink(|write| write == 2 || write == 3);
    let mut writer = Writer::start(&mut refusing).unwrap();
    let chunks = [100, 200, 300, 400].map(|address| chunk(ChunkKind::Free, address, 10));
    let taken = chunks.map(|chunk| writer.chunk(chunk));
    assert_eq!(taken, [true, false, false, true]);
    let error = writer.finish().err().unwrap();
    assert_eq!(error, Incomplete { lost: 2, has_end: true });
    assert_eq!(error.to_string(), "the snapshot lacks 2 chunks: the sink did not take them");
    let expected = Snapshot { chunks: vec![chunks[0], chunks[3]], lost: 2 };
    assert_eq!(read(&refusing.bytes).unwrap(), expected);

    let endless = Writer::start(sink(|write| write > 0)).unwrap();
    assert_eq!(endless.finish().err(), Some(Incomplete { lost: 0, has_end: false }));
}

fn any_kind() -> impl Strategy<Value = ChunkKind> {
    prop::sample::select(ChunkKind::ALL.to_vec())
}

proptest! {
    #[test]
    fn any_chunks_are_read_as_they_were_written(
        chunks in prop::collection::vec((any_kind(), any::<u64>(), 1_u64..=u64::MAX), 0..50),
    ) {
        let chunks = chunks.into_iter().map(|(kind, address, size)| {
            chunk(kind, address, size.min(u64::MAX - address).max(1))
        });
        let chunks: Vec<_> = chunks.filter(|chunk| chunk.address < u64::MAX).collect();
        let file = written(&chunks);
        let found: Result<Vec<Chunk>, Error> = Reader::new(file.as_slice()).unwrap().collect();
        prop_assert_eq!(found.unwrap(), chunks);
    }

    #[test]
    fn a_heap_without_overlaps_is_arranged_by_address(
        sizes in prop::collection::vec((any_kind(), 1_u64..1000, 0_u64..3), 0..50),
    ) {
        let mut at = 0;
        let chunks = sizes.into_iter().map(|(kind, size, gap)| {
            let chunk = chunk(kind, at + gap, size);
            at += gap + size;
            chunk
        });
        let chunks: Vec<_> = chunks.collect();
        let mut shuffled = chunks.clone();
        shuffled.sort_by_key(|chunk| (chunk.size, chunk.kind));
        prop_assert_eq!(read(&written(&shuffled)).unwrap().chunks, chunks);
    }

    #[test]
    fn no_damage_panics(
        chunks in prop::collection::vec((any_kind(), 0_u64..10_000, 1_u64..1000), 0..20),
        cut in 0_usize..200,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let chunks: Vec<_> = chunks.into_iter().map(|(k, a, s)| chunk(k, a, s)).collect();
        let mut file = written(&chunks);
        for (index, mask) in flips {
            let index = index.index(file.len());
            file[index] ^= mask;
        }
        file.truncate(cut);
        if let Err(error) = read(&file) {
            prop_assert!(error.offset <= file.len() as u64, "{}", error);
        }
    }

    #[test]
    fn made_up_files_do_not_panic(records in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = read(&file(&records));
    }
}
