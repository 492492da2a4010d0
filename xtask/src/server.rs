//! `server`: a server under load, with each of several libraries in the place of `malloc`.
//!
//! The server is redis, and `redis-benchmark` is the load. Unlike the programs of `preload` and `suite`, the server
//! keeps most of what it allocates, overwrites it with values of other sizes, and lives on when most of it is deleted.

mod load;
mod process;

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use cargo_metadata::camino::{Utf8Path, Utf8PathBuf};
use comfy_table::Table;
use itertools::Itertools;

use crate::measured::median;
use crate::preload::{self, Level, bindings};
use crate::suite::parse_library;
use crate::tables;
use crate::tools;
use crate::workspace::Workspace;
use process::Server;

/// How long the server idles before it is asked how large it still is.
const IDLE: Duration = Duration::from_secs(1);

#[derive(clap::Args)]
#[command(after_help = "\
The first column is the C library's `malloc`, and the second one what the server is linked with: Debian's redis with \
jemalloc. Then come our library and others. The other columns are ratios to the first one. A figure is the median of \
the rounds, which are interleaved.

The load sets, appends to, gets and deletes strings of 10 to 4000 bytes, lists, hashes and sorted sets with random \
keys, all at the same time, by clients that send 16 requests at once. In the end, six of seven strings, lists and hashes \
are deleted, at random. The processor time is that of the server only. The requests per second depend on that of the \
clients, too.")]
pub struct Args {
    /// A library to compare with, as `NAME=PATH`.
    #[arg(long, value_name = "NAME=PATH", value_parser = parse_library)]
    library: Vec<(String, Utf8PathBuf)>,
    /// How often the server is started with each library.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// The requests of each run, in thousands. The deletions at the end are not counted.
    #[arg(long, default_value_t = 3000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    requests: u32,
}

/// A library, and nothing if the server is to have its own.
type Library = (String, Option<Utf8PathBuf>);

/// What a server under load has taken, in the order of [`FIGURES`].
type Taken = [f64; 4];

/// The figures, and how many decimals each is shown with.
const FIGURES: [(&str, usize); 4] = [
    ("processor seconds", 2),
    ("requests per second", 0),
    ("peak KiB", 0),
    ("KiB after the deletions", 0),
];

pub fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    ensure!(cfg!(target_os = "linux"), "libraries are preloaded on Linux only");
    let redis = tools::require("redis-server", "apt-get install redis-server")?;
    tools::require("redis-benchmark", "apt-get install redis-tools")?;
    let libraries: Vec<Library> = [
        (String::from("the C library"), Some(process::c_library()?)),
        (String::from("its own"), None),
        (String::from("talloc"), Some(preload::build(workspace, Level::Plain)?)),
    ]
    .into_iter()
    .chain(args.library.iter().map(|(name, path)| (name.clone(), Some(path.clone()))))
    .collect();

    let place = workspace.scratch("server");
    let mut taken = vec![Vec::new(); libraries.len()];
    for round in 1..=args.rounds {
        for ((name, library), taken) in libraries.iter().zip(&mut taken) {
            let once = once(&redis, &place, library.as_deref(), args.requests);
            let once = once.with_context(|| format!("with {name}"))?;
            let shown = FIGURES
                .iter()
                .zip(once)
                .map(|((figure, decimals), value)| format!("{value:.decimals$} {figure}"));
            eprintln!("round {round}, {name}: {}", shown.format(", "));
            taken.push(once);
        }
    }
    println!("\n{}", table(&libraries, &taken));
    Ok(())
}

/// Starts the server with a library, and measures what it takes to answer the requests.
fn once(
    redis: &Path,
    place: &Utf8Path,
    library: Option<&Utf8Path>,
    thousands: u32,
) -> Result<Taken> {
    if place.exists() {
        fs::remove_dir_all(place)?;
    }
    fs::create_dir_all(place)?;
    let server = Server::start(redis, place, library)?;
    if let Some(library) = library {
        bindings::check(&place.join(process::TRACE), library, &["redis-server"])?;
    }
    let start = Instant::now();
    let requests = load::run(place, thousands)?;
    let seconds = start.elapsed().as_secs_f64();
    let processor = server.processor_seconds()?;
    server.expect_no_errors()?;
    thread::sleep(IDLE);
    let [peak, now] = server.sizes()?.map(|size| size as f64);
    Ok([processor, requests as f64 / seconds, peak, now])
}

/// The medians of the first library, and the ratios of the others to them.
fn table(libraries: &[Library], taken: &[Vec<Taken>]) -> Table {
    let mut table = tables::with_heading(
        ["redis"].into_iter().chain(libraries.iter().map(|(name, _)| name.as_str())),
    );
    for (number, (figure, decimals)) in FIGURES.iter().enumerate() {
        let medians = taken.iter().map(|it| median(it.iter().map(|taken| taken[number]).collect()));
        let medians: Vec<f64> = medians.collect();
        let ratios = medians[1..].iter().map(|other| format!("{:.3}", other / medians[0]));
        let first = format!("{:.decimals$}", medians[0]);
        table.add_row([(*figure).to_owned(), first].into_iter().chain(ratios));
    }
    tables::align_numbers(&mut table, 1);
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_others_are_shown_by_those_of_the_first() {
        let libraries = ["the C library", "talloc"].map(|name| (name.to_owned(), None));
        let taken = [
            vec![[2.0, 100.0, 1000.0, 400.0], [4.0, 300.0, 3000.0, 400.0]],
            vec![[3.0, 400.0, 2500.0, 300.0]],
        ];
        let table = table(&libraries, &taken).to_string();
        let cells = |line: &str| line.split('|').map(str::trim).join("|");
        let lines: Vec<String> = table.lines().map(cells).collect();
        assert_eq!(lines[0], "|redis|the C library|talloc|");
        assert_eq!(lines[2], "|processor seconds|3.00|1.000|");
        assert_eq!(lines[3], "|requests per second|200|2.000|");
        assert_eq!(lines[5], "|KiB after the deletions|400|0.750|");
    }
}
