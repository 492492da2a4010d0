//! The index.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::files;

/// The files that contain each word, and how often.
#[derive(Default)]
pub struct Index {
    /// The files of each word.
    pub words: BTreeMap<String, Vec<Posting>>,
    /// The number of files that were read.
    pub texts: usize,
    /// The number of files that were skipped, because they are binary or cannot be read.
    pub skipped: usize,
    /// The total size of the files that were read, in bytes.
    pub bytes: usize,
}

/// The occurrences of a word in one file.
pub struct Posting {
    /// The number of the file.
    pub file: usize,
    /// The number of occurrences.
    pub count: usize,
}

/// Indexes `files` with `threads` threads. Each thread takes the next file when it is idle.
pub fn index(files: &[PathBuf], threads: NonZero<usize>) -> io::Result<Index> {
    let next = AtomicUsize::new(0);
    let take = || {
        let file = next.fetch_add(1, Ordering::Relaxed);
        Some((file, files.get(file)?))
    };
    let mut index = Index::default();
    thread::scope(|scope| {
        let spawn = |_| {
            thread::Builder::new().spawn_scoped(scope, || {
                let mut part = Part::default();
                std::iter::from_fn(take).for_each(|(number, file)| part.add(number, file));
                part
            })
        };
        let readers: Vec<_> = (0..threads.get()).map(spawn).collect::<io::Result<_>>()?;
        for reader in readers {
            let part = reader.join().map_err(|_| io::Error::other("a thread panicked"))?;
            index.merge(part);
        }
        Ok::<_, io::Error>(())
    })?;
    // The order in which threads take files is random.
    index.words.values_mut().for_each(|postings| postings.sort_unstable_by_key(|p| p.file));
    Ok(index)
}

/// The words that one thread has found.
#[derive(Default)]
struct Part {
    words: HashMap<String, Vec<Posting>>,
    texts: usize,
    skipped: usize,
    bytes: usize,
}

impl Part {
    /// Adds the words of a file.
    fn add(&mut self, file: usize, path: &std::path::Path) {
        let Some(text) = files::text(path) else {
            self.skipped += 1;
            return;
        };
        self.texts += 1;
        self.bytes += text.len();
        for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
            let postings = self.words.entry(word.to_lowercase()).or_default();
            match postings.last_mut() {
                Some(posting) if posting.file == file => posting.count += 1,
                _ => postings.push(Posting { file, count: 1 }),
            }
        }
    }
}

impl Index {
    /// Adds the words that a thread has found.
    fn merge(&mut self, part: Part) {
        self.texts += part.texts;
        self.skipped += part.skipped;
        self.bytes += part.bytes;
        for (word, mut postings) in part.words {
            self.words.entry(word).or_default().append(&mut postings);
        }
    }

    /// Returns the `n` most frequent words, each with its number of occurrences and of files.
    pub fn most_frequent(&self, n: usize) -> Vec<(&str, usize, usize)> {
        let count = |postings: &[Posting]| postings.iter().map(|posting| posting.count).sum();
        let mut words: Vec<(&str, usize, usize)> = self
            .words
            .iter()
            .map(|(word, postings)| (word.as_str(), count(postings), postings.len()))
            .collect();
        // The sort is stable, so words of the same frequency stay in alphabetical order.
        words.sort_by_key(|(_, count, _)| std::cmp::Reverse(*count));
        words.truncate(n);
        words
    }

    /// Returns the total number of words.
    pub fn total(&self) -> usize {
        self.words.values().flatten().map(|posting| posting.count).sum()
    }
}
