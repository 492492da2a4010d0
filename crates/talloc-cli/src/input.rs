//! Opening traces, with a progress bar.

use crate::cli::Input;
use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use std::fs::File;
use std::io::Read;
use talloc_trace::snapshot::{self, Snapshot};
use talloc_trace::{Event, Reader, script::Script};

pub type TraceReader = Reader<Box<dyn Read + Send>>;

impl Input {
    /// The name in reports.
    pub fn name(&self) -> String {
        self.trace.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }

    /// Opens the trace, and shows on a terminal how much of it has been read.
    pub fn open(&self) -> Result<TraceReader> {
        let open = || {
            let file = File::open(&self.trace)?;
            let bar = bar(file.metadata()?.len(), "reading");
            Ok::<_, anyhow::Error>(talloc_trace::read_from(bar.wrap_read(file))?)
        };
        open().map(|reader| reader.partial(self.partial)).with_context(|| self.context())
    }

    /// Does something with each event of a trace, and returns the reader at its end.
    pub fn for_each(
        &self,
        mut action: impl FnMut(&TraceReader, &Event) -> Result<()>,
    ) -> Result<TraceReader> {
        let mut reader = self.open()?;
        let mut run = || {
            while let Some(event) = reader.next_event()? {
                action(&reader, &event)?;
            }
            anyhow::Ok(())
        };
        run().with_context(|| self.context())?;
        Ok(reader)
    }

    /// Reads the file if it is a snapshot of a heap; none if it is something else.
    pub fn snapshot(&self) -> Result<Option<Snapshot>> {
        let file = File::open(&self.trace).with_context(|| self.context())?;
        match snapshot::read_from(file) {
            Ok(reader) => {
                let snapshot = Snapshot::read(reader.partial(self.partial));
                snapshot.map(Some).with_context(|| self.context())
            }
            // Whoever reads it as a trace says what is wrong.
            Err(_) => Ok(None),
        }
    }

    /// Reads the whole trace.
    pub fn script(&self) -> Result<Script> {
        let reader = self.open()?;
        Script::read(self.name(), reader).with_context(|| self.context())
    }

    fn context(&self) -> String {
        self.trace.display().to_string()
    }
}

/// A bar on a terminal; nothing elsewhere. It goes away when it is dropped.
pub fn bar(length: u64, message: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} [{bar:40}] {percent} % {eta}")
        .expect("a valid template")
        .progress_chars("=> ");
    ProgressBar::new(length)
        .with_style(style)
        .with_message(message)
        .with_finish(indicatif::ProgressFinish::AndClear)
}
