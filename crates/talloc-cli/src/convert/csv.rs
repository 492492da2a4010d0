//! An event per line.

use crate::cli::Input;
use anyhow::{Result, anyhow};
use std::io::Write;
use talloc_trace::{Change, Op, Sites};

const HEADER: [&str; 10] = [
    "record",
    "time",
    "thread",
    "operation",
    "object",
    "size",
    "old_size",
    "alignment",
    "address",
    "call_site",
];

pub fn write(input: &Input, out: impl Write) -> Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(HEADER).map_err(unwrapped)?;
    let mut trace = input.open()?;
    while let Some((event, change)) = trace.next()? {
        let (operation, size) = match event.op {
            Op::Alloc { size, zeroed: false, .. } => ("alloc", Some(size)),
            Op::Alloc { size, zeroed: true, .. } => ("alloc_zeroed", Some(size)),
            Op::Realloc { size, .. } => ("realloc", Some(size)),
            Op::Free { .. } => ("free", None),
            Op::Refused { size } => ("refused", Some(size)),
            Op::Lost { count } => ("lost", Some(count)),
        };
        let address = match event.op {
            Op::Alloc { address, .. } | Op::Realloc { address, .. } if address != 0 => {
                Some(address)
            }
            _ => None,
        };
        let text =
            |number: Option<u64>| number.map_or_else(String::new, |number| number.to_string());
        let old = change.and_then(|Change { old, .. }| old).map(|old| old.size);
        csv.write_record([
            event.record.to_string(),
            event.time.to_string(),
            event.thread.to_string(),
            operation.to_owned(),
            text(change.map(|change| change.id)),
            text(size),
            text(old),
            text(event.align_log2.map(|log2| 1 << log2)),
            address.map_or_else(String::new, |address| format!("{address:#x}")),
            event.site.map_or_else(String::new, |site| stack(trace.reader.sites(), site)),
        ])
        .map_err(unwrapped)?;
    }
    Ok(csv.flush()?)
}

/// The error of the output, which a reader that has seen enough makes, too.
fn unwrapped(error: csv::Error) -> anyhow::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error.into(),
        kind => anyhow!("{kind:?}"),
    }
}

fn stack(sites: &Sites, site: talloc_trace::SiteId) -> String {
    let frames = sites.frames(site).iter().map(|frame| format!("{frame:#x}"));
    frames.collect::<Vec<_>>().join(" ")
}
