//! The cost of the profiler: replays traces on the system allocator, without the profiler, and with the profiler off
//! and on.
//!
//! ```text
//! cargo run --release -p talloc-profile --example overhead -- benches/traces/*.zst
//! ```
//!
//! With a mode (`bare`, `off` or `on`) and a number of rounds before a single trace, it replays the trace that often
//! and prints nothing. This is for counting instructions with valgrind. The difference between two rounds and one is
//! the cost of a replay.
//!
//! ```text
//! valgrind --tool=callgrind --callgrind-out-file=/dev/null \
//!     target/release/examples/overhead on 2 benches/traces/redis.atr.zst
//! ```

use std::alloc::System;
use std::error::Error;
use std::path::Path;
use std::time::Duration;

use talloc_profile::{DEFAULT_INTERVAL, Profiled};
use talloc_trace::script::Script;

/// The number of rounds. Each round runs all modes in turn, because the load of the machine varies. The fastest round
/// of each mode counts.
const ROUNDS: usize = 15;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if let [way @ ("bare" | "off" | "on"), rounds, path] =
        *arguments.iter().map(String::as_str).collect::<Vec<_>>()
    {
        let script = Script::read(path, talloc_trace::open(Path::new(path))?)?;
        let profiled = Profiled::new(System);
        if way == "on" {
            profiled.start(DEFAULT_INTERVAL);
        }
        for _ in 0..rounds.parse()? {
            if way == "bare" {
                script.replay(&System)
            } else {
                script.replay(&profiled)
            };
        }
        return Ok(());
    }
    println!("{:20} {:>12} {:>8} {:>8} {:>8}", "trace", "bare, ns", "off", "on", "samples");
    for path in arguments {
        let script = Script::read(path.as_str(), talloc_trace::open(Path::new(&path))?)?;
        let off = Profiled::new(System);
        let on = Profiled::new(System);
        on.start(DEFAULT_INTERVAL);
        let mut best = [Duration::MAX; 3];
        for _ in 0..ROUNDS {
            let times = [script.replay(&System), script.replay(&off), script.replay(&on)];
            best.iter_mut().zip(times).for_each(|(best, time)| *best = time.min(*best));
        }
        let name = Path::new(&path).file_stem().unwrap_or_default().to_string_lossy();
        let bare = best[0].as_nanos() as f64 / script.events().len() as f64;
        let more = |time: Duration| {
            format!("{:+.1} %", (time.as_secs_f64() / best[0].as_secs_f64() - 1.0) * 100.0)
        };
        let samples = on.profile().sites.len();
        println!("{name:20} {bare:12.2} {:>8} {:>8} {samples:>8}", more(best[1]), more(best[2]));
    }
    Ok(())
}
