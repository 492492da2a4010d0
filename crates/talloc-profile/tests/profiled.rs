//! Sampled profiles of this program.

use std::alloc::System;
use std::num::NonZeroUsize;
use std::sync::Mutex;
use talloc_profile::{Profile, Profiled, Site, dhat, pprof};

#[global_allocator]
static ALLOCATOR: Profiled<System> = Profiled::new(System);

/// Lets only one test run at a time, because they share the allocator.
static TURN: Mutex<()> = Mutex::new(());

const EVERY: NonZeroUsize = NonZeroUsize::MIN;

#[inline(never)]
fn leak_here(size: usize) -> &'static mut [u8] {
    std::hint::black_box(vec![1; size]).leak()
}

#[inline(never)]
fn free_here(size: usize) {
    drop(std::hint::black_box(vec![1_u8; size]));
}

/// Returns the sites whose stack contains this function.
fn sites<'a>(profile: &'a Profile, function: &str) -> Vec<&'a Site> {
    let has = |site: &&Site| profile.stack(site).any(|frame| frame.contains(function));
    profile.sites.iter().filter(has).collect()
}

fn sum(sites: &[&Site], bytes: impl Fn(&Site) -> f64) -> f64 {
    sites.iter().map(|site| bytes(site)).sum()
}

#[test]
fn leaks_and_frees_are_told_apart_by_call_site() {
    let _turn = TURN.lock();
    ALLOCATOR.start(EVERY);
    let kept: Vec<_> = (0..10).map(|_| leak_here(1 << 20)).collect();
    (0..10).for_each(|_| free_here(1 << 20));
    ALLOCATOR.stop();
    let profile = ALLOCATOR.profile();

    let leaked = sites(&profile, "leak_here");
    assert_eq!(sum(&leaked, |site| site.live.bytes), (10 << 20) as f64);
    assert_eq!(sum(&leaked, |site| site.live.blocks), 10.0);
    let freed = sites(&profile, "free_here");
    assert_eq!(sum(&freed, |site| site.live.bytes), 0.0);
    assert_eq!(sum(&freed, |site| site.total.bytes), (10 << 20) as f64);
    // Only one block is live at a time for each call site that the compiler has made of the loop.
    assert!(freed.iter().all(|site| site.most.bytes == (1 << 20) as f64));
    let first = profile.stack(profile.leaks()[0]).next().unwrap();
    assert!(!first.contains("talloc_profile") && !first.contains("__rust_"), "{first}");
    assert_eq!(kept.len(), 10);
}

#[test]
fn a_sample_estimates_the_whole() {
    let _turn = TURN.lock();
    #[inline(never)]
    fn churn() {
        for _ in 0..200_000 {
            drop(std::hint::black_box(vec![1_u8; 640]));
        }
    }
    ALLOCATOR.start(NonZeroUsize::new(64 << 10).unwrap());
    churn();
    ALLOCATOR.stop();
    let profile = ALLOCATOR.profile();
    let bytes = sum(&sites(&profile, "churn"), |site| site.total.bytes);
    let blocks = sum(&sites(&profile, "churn"), |site| site.total.blocks);
    // There are 1953 samples on average, so five standard deviations are 11 %.
    let expected = 200_000.0 * 640.0;
    assert!((bytes / expected - 1.0).abs() < 0.12, "{bytes} of {expected}");
    assert!((blocks / 200_000.0 - 1.0).abs() < 0.12, "{blocks}");
}

#[test]
fn nothing_is_sampled_while_it_is_off() {
    let _turn = TURN.lock();
    #[inline(never)]
    fn unseen() {
        free_here(64 << 20);
    }
    ALLOCATOR.stop();
    assert_eq!(ALLOCATOR.interval(), None);
    unseen();
    assert!(sites(&ALLOCATOR.profile(), "unseen").is_empty());
}

#[test]
fn growing_a_block_moves_its_sample() {
    let _turn = TURN.lock();
    #[inline(never)]
    fn enlarged_here() -> Vec<u8> {
        let mut bytes = std::hint::black_box(Vec::with_capacity(1 << 10));
        bytes.resize(1 << 10, 1);
        bytes.reserve_exact(1 << 20);
        std::hint::black_box(bytes)
    }
    ALLOCATOR.start(EVERY);
    let bytes = enlarged_here();
    let live = sum(&sites(&ALLOCATOR.profile(), "enlarged_here"), |site| site.live.bytes);
    assert_eq!(live, bytes.capacity() as f64);
    drop(bytes);
    let live = sum(&sites(&ALLOCATOR.profile(), "enlarged_here"), |site| site.live.bytes);
    assert_eq!(live, 0.0);
    ALLOCATOR.stop();
}

#[test]
fn threads_come_and_go() {
    let _turn = TURN.lock();
    #[inline(never)]
    fn in_thread() -> Vec<u8> {
        std::hint::black_box(vec![1; 4096])
    }
    ALLOCATOR.start(EVERY);
    let blocks: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| (0..50).map(|_| in_thread()).collect::<Vec<_>>()))
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let live = sum(&sites(&ALLOCATOR.profile(), "in_thread"), |site| site.live.blocks);
    assert_eq!(live, 400.0);
    drop(blocks);
    let live = sum(&sites(&ALLOCATOR.profile(), "in_thread"), |site| site.live.blocks);
    assert_eq!(live, 0.0);
    ALLOCATOR.stop();
}

#[test]
fn files_at_exit_are_pprof_and_dhat() {
    let _turn = TURN.lock();
    #[inline(never)]
    fn kept_at_exit() -> Vec<u8> {
        std::hint::black_box(vec![1; 3 << 20])
    }
    ALLOCATOR.start(EVERY);
    let kept = kept_at_exit();
    let folder = std::env::temp_dir();
    let (binary, json) = (
        folder.join(format!("talloc-profile-{}.pb.gz", std::process::id())),
        folder.join(format!("talloc-profile-{}.json", std::process::id())),
    );
    drop((ALLOCATOR.at_exit(&binary), ALLOCATOR.at_exit(&json)));
    ALLOCATOR.stop();

    let read = pprof::decode(&std::fs::read(&binary).unwrap()).unwrap();
    let text = |index: i64| read.string_table[usize::try_from(index).unwrap()].as_str();
    assert!(read.function.iter().any(|function| text(function.name).contains("kept_at_exit")));
    assert!(read.sample.iter().any(|sample| sample.value[3] >= 3 << 20));
    let read: dhat::File = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    assert!(read.ftbl.iter().any(|frame| frame.contains("kept_at_exit")));
    assert!(read.pps.iter().any(|point| point.eb >= 3 << 20));
    std::fs::remove_file(binary).unwrap();
    std::fs::remove_file(json).unwrap();
    assert_eq!(kept[0], 1);
}

#[test]
fn leaks_are_listed_at_exit_by_call_site() {
    let _turn = TURN.lock();
    #[inline(never)]
    fn listed_at_exit() -> Vec<u8> {
        std::hint::black_box(vec![1; 7 << 20])
    }
    ALLOCATOR.start(EVERY);
    let kept = listed_at_exit();
    let path = std::env::temp_dir().join(format!("talloc-leaks-{}.txt", std::process::id()));
    drop(ALLOCATOR.at_exit(&path));
    ALLOCATOR.stop();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    let (_, site) = text.split_once("\n7340032 bytes in 1 blocks, of 7340032 in 1\n").unwrap();
    let (frames, _) = site.split_once("\n\n").unwrap_or((site, ""));
    assert!(frames.contains("listed_at_exit") && frames.contains("leaks_are_listed"), "{frames}");
    assert_eq!(kept[0], 1);
}

#[cfg(unix)]
#[test]
fn a_signal_writes_a_profile_each_time() {
    use signal_hook::{consts::SIGUSR2, low_level::raise};
    use std::time::{Duration, Instant};

    let _turn = TURN.lock();
    #[inline(never)]
    fn kept_at_signal() -> Vec<u8> {
        std::hint::black_box(vec![1; 5 << 20])
    }
    let path = std::env::temp_dir().join(format!("talloc-signal-{}.pb.gz", std::process::id()));
    ALLOCATOR.start(EVERY);
    let on_signal = ALLOCATOR.on_signal(SIGUSR2, &path).unwrap();
    let kept: Vec<_> = (1..=2)
        .map(|count| {
            let kept = kept_at_signal();
            raise(SIGUSR2).unwrap();
            let start = Instant::now();
            while !path.exists() {
                assert!(start.elapsed() < Duration::from_secs(60), "no profile was written");
                std::thread::sleep(Duration::from_millis(10));
            }
            let read = pprof::decode(&std::fs::read(&path).unwrap()).unwrap();
            std::fs::remove_file(&path).unwrap();
            let live = read.sample.iter().map(|sample| sample.value[3]).sum::<i64>();
            assert!(live >= count * (5 << 20), "{live}");
            kept
        })
        .collect();
    drop(on_signal);
    // Nothing listens any more, so the signal has no effect.
    raise(SIGUSR2).unwrap();
    ALLOCATOR.stop();
    assert!(!path.exists());
    assert_eq!(kept.len(), 2);
}

#[test]
fn threads_that_write_to_one_path_leave_one_whole_file() {
    let _turn = TURN.lock();
    ALLOCATOR.start(EVERY);
    let kept = leak_here(1 << 20);
    ALLOCATOR.stop();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("heap.pb.gz");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..4).for_each(|_| ALLOCATOR.write(&path).unwrap()));
        }
    });
    let profile = pprof::decode(&std::fs::read(&path).unwrap()).unwrap();
    assert!(!profile.sample.is_empty());
    let files: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files, std::slice::from_ref(&path));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path| std::fs::metadata(path).unwrap().permissions().mode();
        let other = folder.path().join("other");
        std::fs::write(&other, []).unwrap();
        assert_eq!(mode(path), mode(other));
    }
    assert_eq!(kept.len(), 1 << 20);
}
