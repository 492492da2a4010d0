//! The programs of mimalloc-bench, with the arguments that its own script gives them.

use anyhow::{Context, Result};

/// A program, and the figure that counts.
pub struct Command {
    pub name: &'static str,
    pub program: &'static str,
    /// `{threads}` stands for the number of threads, and `{inputs}` for the folder of inputs.
    pub arguments: &'static [&'static str],
    /// A file of the inputs that is its standard input.
    pub input: Option<&'static str>,
    pub figure: Figure,
}

/// The figure that counts. Less is better.
pub enum Figure {
    /// The seconds that the program takes.
    Time,
    /// The seconds that the program prints after these words, because it runs for a fixed time.
    Printed(&'static str),
    /// The inverse of the number of iterations that the program prints, in hundred millions, because it runs for a fixed
    /// time.
    Iterations,
}

const fn timed(name: &'static str, arguments: &'static [&'static str]) -> Command {
    Command { name, program: name, arguments, input: None, figure: Figure::Time }
}

pub const COMMANDS: [Command; 14] = [
    timed("cfrac", &["17545186520507317056371138836327483792789528"]),
    timed("espresso", &["{inputs}/espresso/largest.espresso"]),
    Command { input: Some("barnes/input"), ..timed("barnes", &[]) },
    Command {
        figure: Figure::Printed("relative time: "),
        ..timed("larson", &["5", "8", "1000", "5000", "100", "4141", "{threads}"])
    },
    timed("mstress", &["{threads}", "50", "25"]),
    timed("rptest", &["{threads}", "0", "1", "2", "500", "1000", "100", "8", "16000"]),
    Command {
        figure: Figure::Printed("rtime: "),
        ..timed("xmalloc-test", &["-w", "{threads}", "-t", "5", "-s", "64"])
    },
    timed("alloc-test", &["{threads}"]),
    timed("glibc-simple", &[]),
    Command { figure: Figure::Iterations, ..timed("glibc-thread", &["{threads}"]) },
    timed("cache-scratch", &["{threads}", "1000", "1", "2000000", "{threads}"]),
    timed("cache-thrash", &["{threads}", "1000", "1", "2000000", "{threads}"]),
    timed("malloc-large", &[]),
    timed("mleak", &["5"]),
];

impl Command {
    /// Whether the number of threads changes anything.
    pub fn has_threads(&self) -> bool {
        self.arguments.contains(&"{threads}")
    }

    /// The arguments, with placeholders replaced.
    pub fn arguments(&self, threads: u32, inputs: &str) -> Vec<String> {
        let fill = |argument: &&str| {
            argument.replace("{threads}", &threads.to_string()).replace("{inputs}", inputs)
        };
        self.arguments.iter().map(fill).collect()
    }
}

impl Figure {
    /// The figure of a run with this time and output.
    ///
    /// # Errors
    ///
    /// If the output does not contain the figure.
    pub fn of(&self, seconds: f64, output: &str) -> Result<f64> {
        match self {
            Self::Time => Ok(seconds),
            Self::Printed(before) => {
                let (_, after) = output.split_once(before).context("there is no figure in it")?;
                number(after)
            }
            Self::Iterations => Ok(1e8 / number(output.trim_start())?),
        }
    }
}

/// The number that a text starts with.
fn number(text: &str) -> Result<f64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    text[..end].parse().with_context(|| format!("`{}` is no number", &text[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_in_what_is_printed() {
        assert_eq!(Figure::Time.of(2.5, "").unwrap(), 2.5);
        let larson = Figure::Printed("relative time: ");
        let printed =
            "Throughput =  4522695 operations per second, relative time: 221.107s.\nDone\n";
        assert_eq!(larson.of(7.0, printed).unwrap(), 221.107);
        assert!(larson.of(7.0, "Done\n").is_err());
        assert_eq!(Figure::Iterations.of(2.0, "200000000 iterations\n").unwrap(), 0.5);
        assert!(Figure::Iterations.of(2.0, "none").is_err());
    }

    #[test]
    fn arguments_are_filled_in() {
        let larson = COMMANDS.iter().find(|command| command.name == "larson").unwrap();
        assert!(larson.has_threads());
        assert_eq!(larson.arguments(4, "in").last().unwrap(), "4");
        let espresso = &COMMANDS[1];
        assert!(!espresso.has_threads());
        assert_eq!(espresso.arguments(4, "in"), ["in/espresso/largest.espresso"]);
    }
}
