//! What the server is asked for.

use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use cargo_metadata::camino::Utf8Path;

use super::process::SOCKET;
use crate::measured;

/// How long requests of one kind may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// What `redis-benchmark` replaces with a number, another one each time.
const NUMBER: &str = "__rand_int__";

/// Requests of one kind.
struct Requests {
    /// How many there are, of a hundred.
    percent: u32,
    /// `#` stands for a number below [`keys`](Self::keys).
    words: &'static str,
    /// The bytes of a value that comes last. Zero is for none.
    value: usize,
    keys: u32,
}

const fn of_strings(percent: u32, words: &'static str, value: usize) -> Requests {
    Requests { percent, words, value, keys: 200_000 }
}

const fn of_lists(percent: u32, words: &'static str, value: usize) -> Requests {
    Requests { percent, words, value, keys: 2000 }
}

const fn of_hashes(percent: u32, words: &'static str, value: usize) -> Requests {
    Requests { percent, words, value, keys: 2000 }
}

const fn of_sets(percent: u32, words: &'static str) -> Requests {
    Requests { percent, words, value: 0, keys: 700 }
}

/// What is asked for at the same time.
const MIX: [Requests; 14] = [
    of_strings(9, "SET string:#", 10),
    of_strings(10, "SET string:#", 100),
    of_strings(7, "SET string:#", 700),
    of_strings(2, "SET string:#", 4000),
    of_strings(4, "APPEND string:#", 60),
    of_strings(18, "GET string:#", 0),
    of_strings(6, "DEL string:#", 0),
    of_lists(10, "LPUSH list:#", 60),
    of_lists(6, "RPOP list:#", 0),
    of_lists(5, "LRANGE list:# 0 19", 0),
    of_hashes(10, "HSET hash:# field:#", 40),
    of_hashes(4, "HDEL hash:# field:#", 0),
    of_sets(7, "ZADD set:# # member:#"),
    of_sets(2, "ZREM set:# member:#"),
];

/// How often that is asked for: each time ends with those requests alone of which there are most.
const PASSES: u32 = 4;

/// What is asked for in the end, for each key twice: so a seventh of them is left.
const DELETIONS: [Requests; 3] = [
    of_strings(0, "DEL string:#", 0),
    of_lists(0, "DEL list:#", 0),
    // The server frees large values by another thread.
    of_hashes(0, "UNLINK hash:#", 0),
];

impl Requests {
    /// The arguments of `redis-benchmark` that ask so many times.
    fn arguments(&self, count: u32) -> Vec<String> {
        let options = ["-s", SOCKET, "-q", "-c", "4", "-P", "16"].map(str::to_owned);
        let numbers = ["-r".to_owned(), self.keys.to_string(), "-n".to_owned(), count.to_string()];
        let words = self.words.split(' ').map(|word| word.replace('#', NUMBER));
        let value = (self.value > 0).then(|| "x".repeat(self.value));
        options.into_iter().chain(numbers).chain(words).chain(value).collect()
    }
}

/// Asks the server in a folder for everything, in total so many thousand times and the deletions.
/// Returns how often it was asked.
///
/// # Errors
///
/// If the server does not answer.
pub fn run(folder: &Utf8Path, thousands: u32) -> Result<u64> {
    let mut asked = 0;
    for _ in 0..PASSES {
        let count = |it: &Requests| it.percent * thousands * 10 / PASSES;
        asked += at_once(folder, &MIX.each_ref().map(|it| (it, count(it).max(1))))?;
    }
    asked += at_once(folder, &DELETIONS.each_ref().map(|it| (it, 2 * it.keys)))?;
    Ok(asked)
}

/// Asks for several things at the same time, and waits for all answers.
fn at_once(folder: &Utf8Path, requests: &[(&Requests, u32)]) -> Result<u64> {
    thread::scope(|scope| {
        let ask = |(requests, count): &(&Requests, u32)| {
            let mut command = Command::new("redis-benchmark");
            command.args(requests.arguments(*count)).current_dir(folder);
            command.stdin(Stdio::null()).stdout(Stdio::null());
            let status = measured::run(&mut command, PATIENCE)?.status;
            ensure!(status == 0, "`{}` has failed, with status {status:#x}", requests.words);
            Ok(u64::from(*count))
        };
        let asking: Vec<_> = requests.iter().map(|it| scope.spawn(move || ask(it))).collect();
        let asked = asking
            .into_iter()
            .map(|thread| thread.join().map_err(|_| anyhow!("a thread that asks has panicked"))?);
        asked.sum()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mix_is_a_hundred_percent() {
        assert_eq!(MIX.iter().map(|requests| requests.percent).sum::<u32>(), 100);
    }

    #[test]
    fn numbers_and_values_are_filled_in() {
        let arguments = of_hashes(10, "HSET hash:# field:#", 3).arguments(500);
        let words = ["HSET", "hash:__rand_int__", "field:__rand_int__", "xxx"];
        assert_eq!(arguments[arguments.len() - 4..], words);
        assert!(arguments.join(" ").contains("-r 2000 -n 500"));
        let arguments = of_strings(18, "GET string:#", 0).arguments(500);
        assert_eq!(arguments.last().unwrap(), "string:__rand_int__");
    }
}
