//! Opening traces and snapshots, once each.

use crate::cli::Input;
use crate::progress::{bar, spinner};
use anyhow::{Context, Result};
use indicatif::ProgressBar;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;
use talloc_trace::script::Script;
use talloc_trace::snapshot::Snapshot;
use talloc_trace::{Change, Event, Flags, Live, Reader, Recording};

/// What a file is.
pub enum Opened {
    Trace(Box<Trace>),
    Snapshot(Snapshot),
}

impl Input {
    /// The name in reports and in files of other formats, none of which has a place for control characters.
    pub fn name(&self) -> String {
        self.trace.file_name().map_or_else(String::new, |name| printable(Path::new(name)))
    }

    /// Opens the trace.
    pub fn open(&self) -> Result<Trace> {
        self.read(self.file()?)
    }

    /// Opens the trace, or reads the snapshot of a heap.
    pub fn open_any(&self) -> Result<Opened> {
        let (file, progress) = shown(self.file()?)?;
        let context = || self.context();
        match talloc_trace::read_any(file).with_context(context)? {
            Recording::Trace(reader) => Ok(Opened::Trace(Box::new(self.trace(*reader, progress)))),
            Recording::Snapshot(reader) => {
                let snapshot = Snapshot::read(reader.partial(self.partial));
                snapshot.map(Opened::Snapshot).with_context(context)
            }
        }
    }

    /// Opens the trace as a file that can be read again: a pipe is copied to a temporary one.
    pub fn open_rewindable(&self) -> Result<File> {
        let mut file = self.file()?;
        let copy = || {
            if file.metadata()?.is_file() {
                return Ok(file);
            }
            let mut copy = tempfile::tempfile()?;
            io::copy(&mut file, &mut copy)?;
            copy.rewind()?;
            io::Result::Ok(copy)
        };
        copy().with_context(|| self.context())
    }

    /// Reads the trace in a file that has been opened.
    pub fn read(&self, file: File) -> Result<Trace> {
        let (file, progress) = shown(file)?;
        let reader = talloc_trace::read_from(file).with_context(|| self.context())?;
        Ok(self.trace(reader, progress))
    }

    /// Reads the whole trace.
    pub fn script(&self) -> Result<Script> {
        self.open()?.script(|_| ())
    }

    fn file(&self) -> Result<File> {
        File::open(&self.trace).with_context(|| self.context())
    }

    fn trace(&self, reader: TraceReader, progress: ProgressBar) -> Trace {
        let reader = reader.partial(self.partial);
        let (name, context) = (self.name(), self.context());
        Trace { name, context, reader, live: Live::new(), progress }
    }

    fn context(&self) -> String {
        printable(&self.trace)
    }
}

type TraceReader = Reader<Box<dyn Read + Send>>;

/// A trace that is read event by event.
pub struct Trace {
    /// The name in reports.
    pub name: String,
    /// What is said before an error.
    context: String,
    pub reader: TraceReader,
    /// The objects that are live after the last event.
    pub live: Live,
    progress: ProgressBar,
}

impl Trace {
    /// The next event, and what it does to an object; none at the end.
    pub fn next(&mut self) -> Result<Option<(Event, Option<Change>)>> {
        self.advance().with_context(|| self.context.clone())
    }

    fn advance(&mut self) -> Result<Option<(Event, Option<Change>)>, talloc_trace::Error> {
        let Some(event) = self.reader.next_event()? else {
            self.progress.finish_and_clear();
            return Ok(None);
        };
        let change = self.live.apply(&event)?;
        Ok(Some((event, change)))
    }

    /// Reads all events, and shows each that is in the script, too.
    pub fn script(&mut self, show: impl FnMut(&Event)) -> Result<Script> {
        let script = Script::read_with(self.name.clone(), &mut self.reader, show);
        self.progress.finish_and_clear();
        script.with_context(|| self.context.clone())
    }

    /// Whether the trace has this flag.
    pub fn has(&self, flag: Flags) -> bool {
        self.reader.header().flags.contains(flag)
    }
}

/// A file that shows on a terminal how much of it has been read.
fn shown(file: File) -> Result<(impl Read + Send + 'static, ProgressBar)> {
    let metadata = file.metadata()?;
    let progress = if metadata.is_file() { bar(metadata.len(), "reading") } else { spinner() };
    Ok((progress.wrap_read(file), progress))
}

/// A path as a text that can stand in a line, and in XML.
fn printable(path: &Path) -> String {
    let unprintable = |char: char| char.is_control() || matches!(char, '\u{fffe}' | '\u{ffff}');
    path.to_string_lossy().replace(unprintable, "\u{fffd}")
}
