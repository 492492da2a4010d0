//! A walkthrough's page.

use anyhow::{Context, Result};
use cargo_metadata::camino::Utf8Path;

/// The parts of a page that are run or compared, in order.
pub struct Page {
    pub parts: Vec<Part>,
    /// The file names of its pictures.
    pub pictures: Vec<String>,
}

pub enum Part {
    /// Commands for a shell.
    Commands(String),
    /// Lines that the commands before it print.
    Output(Vec<String>),
}

/// The beginning of a link to a picture.
const PICTURES: &str = "](pictures/";

impl Page {
    pub fn read(path: &Utf8Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| path.to_string())?;
        Ok(Self::parse(&text))
    }

    fn parse(text: &str) -> Self {
        let (mut parts, mut pictures) = (vec![], vec![]);
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if let Some(kind) = line.strip_prefix("```") {
                let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
                match kind {
                    "sh" => parts.push(Part::Commands(block.join("\n"))),
                    "text" => {
                        let lines = block.into_iter().map(str::to_owned).collect();
                        parts.push(Part::Output(lines));
                    }
                    _ => {}
                }
            }
            let names = line.split(PICTURES).skip(1).filter_map(|rest| rest.split(')').next());
            pictures.extend(names.map(str::to_owned));
        }
        Self { parts, pictures }
    }
}

/// Checks that the output contains all lines in this order, apart from numbers and blanks. A line of dots stands for
/// any lines, and dots at the end of a line stand for the rest of the line.
///
/// # Errors
///
/// If a line is missing.
pub fn check_output(expected: &[String], printed: &str) -> Result<()> {
    let mut found = printed.lines();
    for line in expected.iter().filter(|line| line.trim() != "...") {
        let (line, is_cut) = match line.strip_suffix("...") {
            Some(start) => (start, true),
            None => (line.as_str(), false),
        };
        let wanted = without_numbers(line);
        let is_wanted = |line: &str| match is_cut {
            true => without_numbers(line).starts_with(&wanted),
            false => without_numbers(line) == wanted,
        };
        found.find(|line| is_wanted(line)).with_context(|| {
            format!("the commands do not print this line, or not there: {line}\n{printed}")
        })?;
    }
    Ok(())
}

/// Units of bytes, beside a number or a word of their own.
const UNITS: [&str; 5] = ["KiB", "MiB", "kB", "MB", "B"];

/// A line whose numbers, with their units of bytes, are all the same.
fn without_numbers(line: &str) -> String {
    let words = line.split_whitespace().filter(|word| !UNITS.contains(word));
    let masked = words.map(|word| {
        let mut masked = String::new();
        for character in word.chars() {
            if character.is_ascii_digit() {
                if !masked.ends_with('#') {
                    masked.push('#');
                }
            } else if !(matches!(character, '.' | ',') && masked.ends_with('#')) {
                masked.push(character);
            }
        }
        let masked = UNITS.iter().fold(masked, |word, unit| word.replace(&format!("#{unit}"), "#"));
        masked.trim_end_matches(',').to_owned()
    });
    masked.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_output_and_pictures_are_found() {
        let page = Page::parse(
            "Text\n```sh\none\ntwo\n```\n```text\nout\n```\n```rust\nlet x;\n```\n![a](pictures/a.svg) and ![b](pictures/b.png)\n",
        );
        assert_eq!(page.pictures, ["a.svg", "b.png"]);
        assert!(matches!(&page.parts[0], Part::Commands(text) if text == "one\ntwo"));
        assert!(matches!(&page.parts[1], Part::Output(lines) if *lines == ["out"]));
        assert_eq!(page.parts.len(), 2);
    }

    #[test]
    fn lines_are_compared_apart_from_numbers_and_in_order() {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let printed = "first 1,234.5 KiB in 7 blocks\nother\nlast   12%\n";
        let check = |expected: &str| check_output(&lines(expected), printed).is_ok();
        assert!(check("first 9 B in 123 blocks\n...\nlast 3%"));
        assert!(!check("last 3%\nfirst 9 B in 123 blocks"));
        assert!(!check("first 9 B in 123 chunks"));
        assert!(!check("other other"));
        assert!(!check("last"));
        assert_eq!(without_numbers("1.5kB, 3% of 7"), without_numbers("0, 12.50% of 1MB"));
        assert!(check("first 9 B ...\nlast...") && !check("first 9 blocks ..."));
    }
}
