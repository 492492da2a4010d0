//! Choosing the inputs that are committed.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use cargo_metadata::camino::Utf8Path;

use super::Folders;
use crate::workspace::Workspace;

/// The most files that are kept for a target, and the most bytes they have together.
const FILES: usize = 200;
const BYTES: usize = 64 << 10;

/// What a file costs beside its bytes, so that neither of the two limits is wasted.
const COST: usize = BYTES / FILES;

/// An input and what it makes the target do.
struct Input {
    path: PathBuf,
    size: usize,
    features: Vec<u32>,
}

/// Replaces the corpus that is committed by a small part of it and of what was found.
pub fn keep(workspace: &Workspace, binary: &Utf8Path, folders: &Folders) -> Result<()> {
    let inputs = measure(workspace, binary, folders)?;
    let all: HashSet<u32> = inputs.iter().flat_map(|input| &input.features).copied().collect();
    let (chosen, covered) = choose(&inputs, FILES, BYTES);
    let bytes: usize = chosen.iter().map(|input| input.size).sum();
    println!(
        "kept {} of {} inputs, {bytes} bytes, with {covered} of {} features",
        chosen.len(),
        inputs.len(),
        all.len()
    );
    ensure!(!chosen.is_empty(), "no input has been found that does anything");
    replace(&folders.kept, &chosen)
}

/// Runs all inputs, and notes what each makes the target do.
fn measure(workspace: &Workspace, binary: &Utf8Path, folders: &Folders) -> Result<Vec<Input>> {
    let (control, merged) = (folders.scratch.join("control"), folders.scratch.join("merged"));
    workspace.shell().remove_path(&control)?;
    workspace.shell().remove_path(&merged)?;
    workspace.shell().create_dir(&merged)?;
    // It writes more than is of use, but only this way every feature of an input is in the file.
    workspace
        .cmd(binary.as_str())
        .args(["-set_cover_merge=1", &format!("-merge_control_file={control}"), "-verbosity=0"])
        .args([&merged, &folders.working, &folders.kept])
        .env("ASAN_OPTIONS", "detect_odr_violation=0:quarantine_size_mb=8")
        .run()?;
    let root = workspace.root().as_std_path();
    let control = workspace.shell().read_file(control)?;
    let mut inputs = read_control(&control)?;
    for input in &mut inputs {
        input.path = root.join(&input.path);
    }
    Ok(inputs)
}

/// Reads libFuzzer's control file: the number of files, how many of them are in the first corpus,
/// their paths, then `STARTED number size` and `FT number feature...` for each.
fn read_control(control: &str) -> Result<Vec<Input>> {
    let mut lines = control.lines();
    let files: usize = lines.next().context("the control file is empty")?.parse()?;
    let mut inputs: Vec<_> = lines
        .by_ref()
        .skip(1)
        .take(files)
        .map(|path| Input { path: path.into(), size: 0, features: Vec::new() })
        .collect();
    for line in lines {
        let mut words = line.split_whitespace();
        let (kind, number) = (words.next(), words.next());
        let Some(number) = number.and_then(|number| number.parse::<usize>().ok()) else { continue };
        let input = inputs.get_mut(number).context("the control file names another file")?;
        match kind {
            Some("STARTED") => input.size = words.next().context("a size is missing")?.parse()?,
            Some("FT") => input.features = words.map(str::parse).collect::<Result<_, _>>()?,
            _ => {}
        }
    }
    inputs.retain(|input| !input.features.is_empty());
    Ok(inputs)
}

/// Chooses inputs that do the most for what they cost, one after another (the greedy set cover).
/// Gives them and the number of features that they have.
fn choose(inputs: &[Input], files: usize, mut bytes: usize) -> (Vec<&Input>, usize) {
    let mut covered: HashSet<u32> = HashSet::new();
    let mut chosen = Vec::new();
    let value = |input: &Input, news: usize| (news << 20) / (COST + input.size);
    // What an input adds only becomes less: the best one that is still worth as much as it was when
    // it was last looked at is the best of all.
    let mut queue: BinaryHeap<_> = inputs
        .iter()
        .enumerate()
        .map(|(index, input)| (value(input, input.features.len()), Reverse(index)))
        .collect();
    while let Some((worth, Reverse(index))) = queue.pop() {
        let input = &inputs[index];
        let news = input.features.iter().filter(|feature| !covered.contains(*feature)).count();
        let now = value(input, news);
        if news == 0 || input.size > bytes {
            continue;
        }
        if now < worth {
            queue.push((now, Reverse(index)));
            continue;
        }
        covered.extend(&input.features);
        chosen.push(input);
        bytes -= input.size;
        if chosen.len() == files {
            break;
        }
    }
    (chosen, covered.len())
}

/// Makes `inputs` the only files of a folder.
fn replace(folder: &Utf8Path, inputs: &[&Input]) -> Result<()> {
    let read = |input: &&Input| {
        let name = input.path.file_name().context("a file has a name")?.to_owned();
        Ok((name, fs::read(&input.path).with_context(|| format!("{:?}", input.path))?))
    };
    // Some of them are in the folder.
    let contents = inputs.iter().map(read).collect::<Result<Vec<_>>>()?;
    for entry in fs::read_dir(folder)? {
        fs::remove_file(entry?.path())?;
    }
    for (name, bytes) in contents {
        fs::write(Path::new(folder).join(name), bytes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTROL: &str = "3\n0\na\nb\nc\nSTARTED 0 1\nFT 0 1 2\nCOV 0 5\nSTARTED 1 1000\nFT 1 1 2 3\n\
        COV 1\nSTARTED 2 4\nFT 2 3\n";

    #[test]
    fn the_control_file_is_understood() {
        let inputs = read_control(CONTROL).unwrap();
        let [a, b, c] = &inputs[..] else { panic!("there are three files") };
        assert_eq!((a.path.to_str(), a.size, &a.features[..]), (Some("a"), 1, &[1, 2][..]));
        assert_eq!((b.size, &b.features[..]), (1000, &[1, 2, 3][..]));
        assert_eq!((c.size, &c.features[..]), (4, &[3][..]));
        assert!(read_control("").is_err());
        assert!(read_control("1\n0\na\nFT 7 1\n").is_err());
    }

    #[test]
    fn small_inputs_are_preferred_and_nothing_is_kept_twice() {
        let inputs = read_control(CONTROL).unwrap();
        let names = |files, bytes| {
            let (chosen, covered) = choose(&inputs, files, bytes);
            let names: Vec<_> = chosen.iter().filter_map(|input| input.path.to_str()).collect();
            (names.concat(), covered)
        };
        assert_eq!(names(10, 1000), ("ac".to_owned(), 3));
        assert_eq!(names(1, 1000), ("a".to_owned(), 2));
        assert_eq!(names(10, 3), ("a".to_owned(), 2));
    }
}
