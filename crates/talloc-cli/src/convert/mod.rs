//! `talloc convert`: traces for other tools.

mod csv;
mod heaptrack;

use crate::cli::{self, Format};
use crate::{output, profile};
use anyhow::Result;
use std::io::Write;

pub fn run(args: &cli::Convert) -> Result<()> {
    match &args.output {
        None => output::print(|out| write(args, out)),
        Some(path) => output::create(path, &args.input.trace, |out| write(args, out)),
    }
}

fn write(args: &cli::Convert, out: &mut dyn Write) -> Result<()> {
    match args.to {
        Format::Csv => csv::write(&args.input, out),
        Format::Heaptrack => heaptrack::write(&args.input, out),
        Format::Dhat => Ok(out.write_all(profile::read(&args.input)?.to_dhat()?.as_bytes())?),
        Format::Pprof => Ok(out.write_all(&profile::read(&args.input)?.to_pprof()?)?),
    }
}
