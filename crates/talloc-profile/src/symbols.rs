//! The functions in call stacks.

use crate::profile::{Frame, Line, Profile, Site};
use crate::profiled::TableCopy;
use std::collections::HashMap;
use std::ptr;
use std::time::SystemTime;

/// A profile with the names of functions.
pub fn resolve(copy: &TableCopy) -> Profile {
    let mut profile = Profile {
        command: std::env::args().collect::<Vec<_>>().join(" "),
        process: std::process::id(),
        interval: copy.interval as u64,
        taken: Some(SystemTime::now()),
        end: copy.end,
        peak: copy.tally.peak_time(),
        ..Profile::default()
    };
    let mut known: HashMap<u64, Frame> = HashMap::new();
    for (stack, tally) in &copy.sites {
        let frames: Vec<Frame> = stack
            .iter()
            .map(|address| known.entry(*address).or_insert_with(|| frame(*address)).clone())
            .collect();
        let stack = without_machinery(&frames).map(|frame| profile.intern(frame)).collect();
        profile.sites.push(Site {
            stack,
            total: tally.total,
            live: tally.live,
            most: tally.most,
            at_peak: copy.tally.at_peak(tally),
            lifetimes: tally.lifetimes,
        });
    }
    profile
}

fn frame(address: u64) -> Frame {
    let mut lines = vec![];
    backtrace::resolve(ptr::without_provenance_mut(address as usize), |symbol| {
        lines.push(Line {
            function: symbol.name().map_or_else(|| "???".to_owned(), |name| format!("{name:#}")),
            file: symbol.filename().map_or_else(String::new, |file| file.display().to_string()),
            line: symbol.lineno().unwrap_or(0),
        });
    });
    Frame { address, lines }
}

/// The frames from the first function of the program on; all of them if there is none.
fn without_machinery(frames: &[Frame]) -> impl Iterator<Item = Frame> {
    let is_machinery = |line: &Line| talloc_sampling::is_machinery(&line.function);
    let trimmed = frames.iter().map(move |frame| {
        let first = frame.lines.iter().position(|line| !is_machinery(line));
        let lines = frame.lines[first.unwrap_or(frame.lines.len())..].to_vec();
        // A frame of which nothing is known is not known to be machinery.
        (first.is_some() || frame.lines.is_empty(), Frame { address: frame.address, lines })
    });
    let mut trimmed: Vec<_> = trimmed.collect();
    let start = trimmed.iter().position(|(program, _)| *program).unwrap_or(0);
    // Above the first function of the program, everything counts.
    let rest = frames.iter().skip(start + 1).cloned();
    let first = (!trimmed.is_empty()).then(|| trimmed.swap_remove(start).1);
    first.into_iter().chain(rest.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame_of(functions: &[&str]) -> Frame {
        let line = |function: &&str| Line { function: (*function).to_owned(), ..Line::default() };
        Frame { address: 1, lines: functions.iter().map(line).collect() }
    }

    #[test]
    fn a_stack_begins_with_the_program() {
        let frames = [
            frame_of(&["backtrace::trace", "talloc_sampling::stack::call_stack"]),
            frame_of(&["__rust_alloc", "alloc::alloc::alloc", "program::inner"]),
            frame_of(&["program::outer"]),
            frame_of(&["alloc::alloc::handle"]),
        ];
        let stack: Vec<Frame> = without_machinery(&frames).collect();
        assert_eq!(
            stack,
            [
                frame_of(&["program::inner"]),
                frame_of(&["program::outer"]),
                frame_of(&["alloc::alloc::handle"]),
            ]
        );
        assert_eq!(without_machinery(&[]).count(), 0);
        let unknown = [frame_of(&[]), frame_of(&["f"])];
        assert_eq!(without_machinery(&unknown).collect::<Vec<_>>(), unknown);
    }
}
