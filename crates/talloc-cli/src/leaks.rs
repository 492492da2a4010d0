//! `talloc leaks`: what is still allocated at the end, by call site.

use crate::cli;
use crate::output;
use crate::table::{bytes, count, percent, table};
use anyhow::Result;

pub fn run(args: &cli::Leaks) -> Result<()> {
    let profile = crate::profile::read(&args.input)?;
    let leaks = profile.leaks();
    let total = |value: fn(&talloc_profile::Site) -> f64| {
        leaks.iter().map(|site| value(site)).sum::<f64>() as u64
    };
    let (all_bytes, all_blocks) = (total(|site| site.live.bytes), total(|site| site.live.blocks));
    let name = args.input.name();
    if leaks.is_empty() {
        return output::print(|out| Ok(writeln!(out, "{name}: nothing is allocated at the end")?));
    }
    let mut rows = table(&["call site", "bytes", "share", "objects", "of all from there"]);
    for site in leaks.iter().take(args.top) {
        rows.add_row([
            profile.stack(site).collect::<Vec<_>>().join("\n  < "),
            bytes(site.live.bytes as u64),
            percent(site.live.bytes as u64, all_bytes),
            count(site.live.blocks as u64),
            percent(site.live.blocks as u64, site.total.blocks as u64),
        ]);
    }
    output::print(|out| {
        writeln!(
            out,
            "{name}: {} in {} objects are allocated at the end",
            bytes(all_bytes),
            count(all_blocks)
        )?;
        writeln!(out, "{rows}")?;
        if leaks.len() > args.top {
            writeln!(out, "and {} more call sites", leaks.len() - args.top)?;
        }
        Ok(())
    })
}
