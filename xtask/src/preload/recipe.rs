//! The work of programs.

use anyhow::{Context, Result};
use std::process::Command;

use crate::tools;

/// Work for programs, with the same output each time.
#[derive(Debug)]
pub struct Recipe {
    pub name: &'static str,
    pub about: &'static str,
    /// The required programs, and the packages that contain them.
    pub needs: &'static [(&'static str, &'static str)],
    /// A command that succeeds if all other requirements are met, and the package that meets them.
    pub test: Option<(&'static [&'static str], &'static str)>,
    /// A shell script, which runs in an empty folder.
    pub script: &'static str,
    /// Files that are in the folder.
    pub files: &'static [(&'static str, &'static str)],
    /// The beginnings of the names of programs that must call the library.
    pub programs: &'static [&'static str],
}

pub const RECIPES: [Recipe; 7] = [
    Recipe {
        name: "git",
        about: "commits, a merge, packs, and what can be asked of them",
        needs: &[("git", "git"), ("awk", "mawk")],
        test: None,
        script: include_str!("scripts/git.sh"),
        files: &[],
        programs: &["git", "seq", "sh"],
    },
    Recipe {
        name: "gcc",
        about: "a program compiled, linked and run",
        needs: &[("gcc", "gcc"), ("awk", "mawk")],
        test: None,
        script: include_str!("scripts/gcc.sh"),
        files: &[],
        programs: &["gcc", "cc1", "as", "ld", "program"],
    },
    Recipe {
        name: "sqlite3",
        about: "a database filled, changed, asked and written out",
        needs: &[("sqlite3", "sqlite3")],
        test: None,
        script: include_str!("scripts/sqlite3.sh"),
        files: &[],
        programs: &["sqlite3"],
    },
    Recipe {
        name: "redis",
        about: "a server that is asked a hundred thousand times, and saves itself",
        needs: &[("redis-server", "redis-server"), ("redis-cli", "redis-tools"), ("awk", "mawk")],
        test: None,
        script: include_str!("scripts/redis.sh"),
        files: &[],
        programs: &["redis-server", "redis-cli"],
    },
    Recipe {
        name: "perl",
        about: "hashes, regular expressions, sorting",
        needs: &[("perl", "perl")],
        test: None,
        script: include_str!("scripts/perl.sh"),
        files: &[("words.pl", include_str!("scripts/words.pl"))],
        programs: &["perl"],
    },
    Recipe {
        name: "sort",
        about: "files sorted by threads, and rows of pipes",
        needs: &[("sort", "coreutils"), ("awk", "mawk")],
        test: None,
        script: include_str!("scripts/sort.sh"),
        files: &[],
        programs: &["sort", "uniq", "sh"],
    },
    Recipe {
        name: "python3",
        about: "three thousand of the interpreter's own tests",
        needs: &[("python3", "python3")],
        test: Some((&["python3", "-c", "import test.test_json"], "libpython3-testsuite")),
        script: include_str!("scripts/python3.sh"),
        files: &[("suite.py", include_str!("scripts/suite.py"))],
        programs: &["python3"],
    },
];

impl Recipe {
    /// Checks that all requirements are met.
    ///
    /// # Errors
    ///
    /// If something is missing; the error says how to get it.
    pub fn find(&self) -> Result<()> {
        for (program, package) in self.needs {
            tools::require(program, &install(package))?;
        }
        let Some((command, package)) = self.test else { return Ok(()) };
        let ran = Command::new(command[0]).args(&command[1..]).output();
        let succeeded = ran.is_ok_and(|output| output.status.success());
        succeeded.then_some(()).with_context(|| {
            let command = command.join(" ");
            format!("`{command}` fails here; to get what it needs: {}", install(package))
        })
    }
}

/// How to get a package.
pub fn install(package: &str) -> String {
    format!("apt-get install {package}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_fails_is_an_error_that_says_how_to_get_what_it_needs() {
        let recipe = Recipe { needs: &[], test: Some((&["false"], "that")), ..RECIPES[0] };
        let error = recipe.find().unwrap_err().to_string();
        assert!(error.contains("`false`") && error.contains("apt-get install that"), "{error}");
        let recipe = Recipe { test: Some((&["true"], "that")), ..recipe };
        assert!(recipe.find().is_ok());
    }
}
