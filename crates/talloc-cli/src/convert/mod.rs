//! `talloc convert`: traces for other tools.

mod csv;
mod heaptrack;

use crate::cli::{self, Format};
use crate::profile;
use anyhow::{Context, Result};
use std::fs::File;
use std::io::{BufWriter, Write, stdout};

pub fn run(args: &cli::Convert) -> Result<()> {
    let Some(path) = &args.output else {
        return write(args, BufWriter::new(stdout().lock()));
    };
    let create = || write(args, BufWriter::new(File::create(path)?));
    create().with_context(|| format!("writing {}", path.display()))
}

fn write(args: &cli::Convert, mut out: impl Write) -> Result<()> {
    match args.to {
        Format::Csv => csv::write(&args.input, &mut out)?,
        Format::Heaptrack => heaptrack::write(&args.input, &mut out)?,
        Format::Dhat => out.write_all(profile::read(&args.input)?.to_dhat()?.as_bytes())?,
        Format::Pprof => out.write_all(&profile::read(&args.input)?.to_pprof()?)?,
    }
    Ok(out.flush()?)
}
