//! The cost of guarding: replays traces on the system allocator, bare and guarded in several ways.
//!
//! ```text
//! cargo run --release -p talloc-guarded --example guarded_overhead -- benches/traces/*.zst
//! ```
//!
//! A second form is for counting instructions with valgrind. It replays one trace in one mode (`bare`, `off`, `on` or
//! `large`) for a number of rounds, and prints nothing. The difference between two rounds and one is the cost of a
//! replay.
//!
//! ```text
//! valgrind --tool=callgrind --callgrind-out-file=/dev/null \
//!     target/release/examples/guarded_overhead on 2 benches/traces/redis.atr.zst
//! ```

use std::alloc::System;
use std::error::Error;
use std::path::Path;
use std::time::Duration;

use talloc_guarded::Guarded;
use talloc_trace::script::Script;

/// The number of rounds. Each round runs all modes in turn, because the load of the machine varies. The fastest round
/// of each mode counts.
const ROUNDS: usize = 15;

/// The size from which blocks are large, in the mode `large`.
const LARGE: usize = 128 << 10;

/// Replays a script in one mode.
type Way = fn(&Script) -> Duration;

const WAYS: [(&str, Way); 4] = [
    ("bare", |script| script.replay(&System)),
    ("off", |script| {
        static ALLOCATOR: Guarded<System> = Guarded::new(System).with_rate(None);
        script.replay(&ALLOCATOR)
    }),
    ("on", |script| {
        static ALLOCATOR: Guarded<System> = Guarded::new(System);
        script.replay(&ALLOCATOR)
    }),
    ("large", |script| {
        static ALLOCATOR: Guarded<System> = Guarded::new(System).with_large(LARGE);
        script.replay(&ALLOCATOR)
    }),
];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if let [way, rounds, path] = &arguments[..] {
        if let Some((_, run)) = WAYS.iter().find(|(name, _)| name == way) {
            let script = read(path)?;
            for _ in 0..rounds.parse()? {
                run(&script);
            }
            return Ok(());
        }
    }
    println!(
        "{:20} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "trace", "events", "bare, ns", "off", "on", "large"
    );
    for path in &arguments {
        let script = read(path)?;
        let mut best = WAYS.map(|_| Duration::MAX);
        for _ in 0..ROUNDS {
            for (best, (_, run)) in best.iter_mut().zip(WAYS) {
                *best = run(&script).min(*best);
            }
        }
        let per_event = |time: Duration| time.as_nanos() as f64 / script.events().len() as f64;
        let bare = per_event(best[0]);
        print!("{:20} {:9} {bare:9.2}", script.name(), script.events().len());
        best[1..].iter().for_each(|time| print!(" {:>+9.2}", per_event(*time) - bare));
        println!();
    }
    Ok(())
}

fn read(path: &str) -> Result<Script, Box<dyn Error>> {
    let path = Path::new(path);
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    Ok(Script::read(name, talloc_trace::open(path)?)?)
}
