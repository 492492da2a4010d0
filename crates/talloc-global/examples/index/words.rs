//! The index.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::files;

/// Where words are, and how often.
#[derive(Default)]
pub struct Index {
    /// For each word the files it is in.
    pub words: BTreeMap<String, Vec<Posting>>,
    /// Files that were read.
    pub texts: usize,
    /// Files that were not, because they are binary or cannot be read.
    pub skipped: usize,
    /// Bytes of the files that were read.
    pub bytes: usize,
}

/// A word in a file.
pub struct Posting {
    /// The file's number.
    pub file: usize,
    /// How often the word is in it.
    pub count: usize,
}

/// The index of `files`, which `threads` threads read as they get to it.
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
            let part = reader.join().map_err(|_| io::Error::other("a thread has panicked"))?;
            index.merge(part);
        }
        Ok::<_, io::Error>(())
    })?;
    // Which thread came to which file is left to chance.
    index.words.values_mut().for_each(|postings| postings.sort_unstable_by_key(|p| p.file));
    Ok(index)
}

/// What one thread has found.
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
    /// Adds what a thread has found.
    fn merge(&mut self, part: Part) {
        self.texts += part.texts;
        self.skipped += part.skipped;
        self.bytes += part.bytes;
        for (word, mut postings) in part.words {
            self.words.entry(word).or_default().append(&mut postings);
        }
    }

    /// The `n` most frequent words, with how often they occur and in how many files.
    pub fn most_frequent(&self, n: usize) -> Vec<(&str, usize, usize)> {
        let count = |postings: &[Posting]| postings.iter().map(|posting| posting.count).sum();
        let mut words: Vec<(&str, usize, usize)> = self
            .words
            .iter()
            .map(|(word, postings)| (word.as_str(), count(postings), postings.len()))
            .collect();
        // Stable: words that are as frequent stay in alphabetical order.
        words.sort_by_key(|(_, count, _)| std::cmp::Reverse(*count));
        words.truncate(n);
        words
    }

    /// How many words there are in all.
    pub fn total(&self) -> usize {
        self.words.values().flatten().map(|posting| posting.count).sum()
    }
}
