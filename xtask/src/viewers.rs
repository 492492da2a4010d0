//! `viewers`: opens files of this project in the viewers for their formats, and compares the output with the trace.
//!
//! `talloc-trace` records a trace of a program with call sites. `talloc stat` counts it, `talloc convert`
//! converts it, and each viewer must find the same numbers and functions. `talloc map` makes a page of it, which a browser
//! must show.

mod page;

use std::fs;

use anyhow::{Context, Result, ensure};
use cargo_metadata::camino::{Utf8Path, Utf8PathBuf};
use clap::builder::PossibleValuesParser;

use crate::browser;
use crate::jobs::{self, Job};
use crate::targets::INSTALL;
use crate::tools;
use crate::workspace::{OBSERVERS, TOOL, Workspace};

#[derive(clap::Args)]
#[command(after_help = "\
The viewers are Debian's: golang-go, heaptrack, valgrind with chromium, and chromium.")]
pub struct Args {
    /// Open only these.
    #[arg(value_name = "NAME", value_parser = PossibleValuesParser::new(VIEWERS.map(|viewer| viewer.name)))]
    names: Vec<String>,
}

struct Viewer {
    name: &'static str,
    about: &'static str,
    /// The arguments of `talloc` that make the file of the trace.
    make: &'static [&'static str],
    /// The name of the file that is opened.
    file: &'static str,
    /// Opens the file, and compares the shown numbers; returns the matching text.
    open: fn(&Workspace, &Utf8Path, &Counted) -> Result<String>,
}

const VIEWERS: [Viewer; 4] = [
    Viewer {
        name: "pprof",
        about: "Go's pprof",
        make: &["convert", "--to", "pprof"],
        file: "trace.pb.gz",
        open: pprof,
    },
    Viewer {
        name: "heaptrack",
        about: "heaptrack_print",
        make: &["convert", "--to", "heaptrack"],
        file: "trace.heaptrack",
        open: heaptrack,
    },
    Viewer {
        name: "dhat",
        about: "valgrind's dh_view in Chromium",
        make: &["convert", "--to", "dhat"],
        file: "trace.json",
        open: dh_view,
    },
    Viewer {
        name: "map",
        about: "the page of `talloc map` in Chromium",
        make: &["map"],
        file: "trace.html",
        open: page::open,
    },
];

/// The contents of the trace.
struct Counted {
    /// Allocations and reallocations.
    calls: u64,
    /// The sizes of all of them.
    bytes: u64,
    peak_bytes: u64,
    peak_objects: u64,
    live_objects: u64,
    live_bytes: u64,
}

impl Counted {
    /// Counts, from the output of `talloc stat` and `talloc convert`.
    fn of(workspace: &Workspace, trace: &str) -> Result<Self> {
        let stat = talloc(workspace, &["stat", trace, "--json"])?;
        let stat: serde_json::Value = serde_json::from_str(&stat)?;
        let number = |key: &str| stat[key].as_u64().with_context(|| format!("no number {key}"));
        let events = talloc(workspace, &["convert", trace, "--to", "csv"])?;
        // The fourth column is the event, the sixth its size.
        let events = events.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let sizes = events.filter(|event| event[3].contains("alloc"));
        let sizes = sizes.map(|event| event[5].parse::<u64>().context("a size"));
        Ok(Self {
            calls: number("allocations")? + number("reallocations")?,
            bytes: sizes.sum::<Result<u64>>()?,
            peak_bytes: number("peak_bytes")?,
            peak_objects: number("peak_objects")?,
            live_objects: number("live_objects")?,
            live_bytes: number("live_bytes")?,
        })
    }
}

/// Opens all.
pub fn check(workspace: &Workspace) -> Result<()> {
    run(workspace, &Args { names: vec![] })
}

pub fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let folder = workspace.scratch("viewers");
    fs::create_dir_all(&folder)?;
    let trace = folder.join("trace.atr");
    let recorder = ["run", "--quiet", "-p", OBSERVERS[0], "--features", "traced,backtrace"];
    workspace.cargo(recorder).args(["--example", "to_file", "--", trace.as_str()]).run()?;
    let counted = Counted::of(workspace, trace.as_str())?;
    ensure!(counted.live_objects > 0, "the program of the example leaks nothing");

    let asked_for =
        |viewer: &&Viewer| args.names.is_empty() || args.names.iter().any(|n| n == viewer.name);
    let job = |viewer: &'static Viewer| {
        let (file, trace, counted) = (folder.join(viewer.file), &trace, &counted);
        let run = move || {
            let of_trace = [trace.as_str(), "--output", file.as_str()];
            talloc(workspace, &[viewer.make, &of_trace].concat())?;
            (viewer.open)(workspace, &file, counted)
        };
        Job { name: viewer.name, about: viewer.about.to_owned(), run: Box::new(run) }
    };
    let (report, result) =
        jobs::run_all("viewer", "viewers", VIEWERS.iter().filter(asked_for).map(job));
    println!("\n{report}");
    result
}

fn talloc(workspace: &Workspace, arguments: &[&str]) -> Result<String> {
    workspace.cargo(["run", "--quiet", "-p", TOOL, "--"]).args(arguments).read()
}

/// Checks that a viewer shows some texts.
fn shows(said: &str, texts: &[String]) -> Result<String> {
    for text in texts {
        ensure!(said.contains(text), "it does not show \"{text}\", but:\n{said}");
    }
    Ok(texts.join(", "))
}

fn pprof(workspace: &Workspace, file: &Utf8Path, counted: &Counted) -> Result<String> {
    let go = tools::require("go", &format!("{INSTALL} golang-go"))?;
    let total = |index: &str, total: u64| {
        let index = format!("-sample_index={index}");
        // With the unit, no number is rounded.
        let usual = ["tool", "pprof", "-top", "-unit=B", "-nodefraction=0"];
        let pprof = workspace.program(&go).args(usual).args([index.as_str(), file.as_str()]);
        shows(&pprof.quietly().read()?, &[format!(" of {total}B total")])
    };
    total("alloc_objects", counted.calls)?;
    total("inuse_objects", counted.live_objects)?;
    total("alloc_space", counted.bytes)?;
    let live = total("inuse_space", counted.live_bytes)?;
    Ok(format!("four totals, in use{live}"))
}

fn heaptrack(workspace: &Workspace, file: &Utf8Path, counted: &Counted) -> Result<String> {
    let program = tools::require("heaptrack_print", &format!("{INSTALL} heaptrack"))?;
    let said = workspace.program(&program).args(["--file", file.as_str()]).quietly().read()?;
    shows(
        &said,
        &[
            format!("calls to allocation functions: {} ", counted.calls),
            format!("peak heap memory consumption: {}", decimal(counted.peak_bytes)),
            format!("total memory leaked: {}", decimal(counted.live_bytes)),
        ],
    )
}

/// Bytes as heaptrack prints them.
fn decimal(bytes: u64) -> String {
    in_units(bytes, 1000.0, ["B", "K", "M", "G"])
}

/// Bytes in the first unit in which there are fewer than `step`, or in the last one. Each unit is `step` of the one before
/// it. There are no fractions of the first one.
fn in_units(bytes: u64, step: f64, units: [&str; 4]) -> String {
    let last = units.len() - 1;
    let scaled = |power| bytes as f64 / step.powi(power as i32);
    match (0..last).find(|power| scaled(*power) < step).unwrap_or(last) {
        0 => format!("{bytes}{}", units[0]),
        power => format!("{:.2}{}", scaled(power), units[power]),
    }
}

fn dh_view(workspace: &Workspace, file: &Utf8Path, counted: &Counted) -> Result<String> {
    let viewer = Utf8PathBuf::from("/usr/libexec/valgrind");
    let folder = file.with_file_name("dh_view");
    fs::create_dir_all(&folder)?;
    for part in ["dh_view.js", "dh_view.css"] {
        let how = || format!("to get it: {INSTALL} valgrind");
        fs::copy(viewer.join(part), folder.join(part)).with_context(how)?;
    }
    let data: serde_json::Value = serde_json::from_slice(&fs::read(file)?)?;
    let page = folder.join("page.html");
    // Do the same as the page does with a chosen file.
    fs::write(
        &page,
        format!(
            r#"<!DOCTYPE html><html><head><meta charset="UTF-8"><script src="dh_view.js"></script></head>
<body onload="onLoad(); tryFunc(() => {{ gData = data; buildTree(); displayTree(0, 0, 0); }})">
<script>const data = {};</script></body></html>"#,
            data.to_string().replace("</", "<\\/")
        ),
    )?;
    let shown = without_tags(&browser::document(workspace, &page)?);
    shows(
        &shown,
        &[
            format!("{} bytes (100%", grouped(counted.bytes)),
            format!("in {} blocks (100%", grouped(counted.calls)),
            format!("{} bytes (100%) in", grouped(counted.peak_bytes)),
            format!(
                "{} bytes (100%) in {} blocks",
                grouped(counted.live_bytes),
                grouped(counted.live_objects)
            ),
        ],
    )
}

/// The visible text of a document.
fn without_tags(html: &str) -> String {
    html.split('<').filter_map(|part| part.split_once('>')).map(|(_, text)| text).collect()
}

/// A number as a browser prints it in English.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    groups.map(|group| String::from_utf8_lossy(group)).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_viewers_print_them() {
        assert_eq!([1, 1234, 1_234_567].map(grouped), ["1", "1,234", "1,234,567"]);
        assert_eq!([7, 1234, 1_234_567].map(decimal), ["7B", "1.23K", "1.23M"]);
    }

    #[test]
    fn texts_are_read_without_tags() {
        assert_eq!(without_tags("<p>Total: <b class=\"x\">1</b> byte</p>"), "Total: 1 byte");
    }

    #[test]
    fn what_is_not_shown_is_an_error() {
        assert!(shows("a 12 b", &["12".to_owned()]).is_ok());
        assert!(shows("a 12 b", &["13".to_owned()]).is_err());
    }
}
