//! Commands that are printed before they run.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

use anyhow::{Context, Result, bail};
use xshell::Shell;

/// A command to be run at the workspace's root, without standard input.
pub struct Cmd<'a> {
    inner: xshell::Cmd<'a>,
    /// Kept beside the command, which does not show its environment.
    env: Vec<(&'static str, OsString)>,
}

/// The result of a command.
pub struct Ran {
    /// The exit status, unless a signal ended it.
    pub code: Option<i32>,
    /// Its standard output, and its standard error if requested.
    pub text: String,
}

impl<'a> Cmd<'a> {
    pub fn new(shell: &'a Shell, program: impl AsRef<std::path::Path>) -> Self {
        Self { inner: shell.cmd(program).quiet(), env: Vec::new() }
    }

    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.inner = self.inner.args(args);
        self
    }

    #[must_use]
    pub fn env(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        let value = value.into();
        self.inner = self.inner.env(name, &value);
        self.env.push((name, value));
        self
    }

    /// Discards the command's standard error.
    #[must_use]
    pub fn quietly(mut self) -> Self {
        self.inner = self.inner.ignore_stderr();
        self
    }

    /// Echoes the command and runs it; its output goes where this program's goes.
    ///
    /// # Errors
    ///
    /// If it cannot be started or exits with another status than zero.
    pub fn run(&self) -> Result<()> {
        eprintln!("$ {self}");
        Ok(self.inner.run()?)
    }

    /// [`run`](Self::run), of a `cargo test`. The error names the tests that failed, because other output may follow.
    ///
    /// # Errors
    ///
    /// If it cannot be started or exits with another status than zero.
    pub fn run_tests(self) -> Result<()> {
        eprintln!("$ {self}");
        let mut command = Command::from(self.inner);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("the tests cannot be started")?;
        let output = child.stdout.take().map(|output| Box::new(output) as Box<dyn Read + Send>);
        let errors = child.stderr.take().map(|errors| Box::new(errors) as Box<dyn Read + Send>);
        let (sender, lines) = mpsc::channel();
        for stream in [output, errors].into_iter().flatten() {
            let sender = sender.clone();
            thread::spawn(move || {
                let lines = BufReader::new(stream).split(b'\n').map_while(Result::ok);
                lines.for_each(|line| sender.send(line).expect("all lines are received"));
            });
        }
        drop(sender);
        let mut failures = Vec::new();
        for line in lines {
            let line = String::from_utf8_lossy(&line).into_owned();
            println!("{line}");
            if is_failure(&line) {
                failures.push(line);
            }
        }
        let status = child.wait()?;
        if !status.success() {
            bail!("the tests ended with {status}\n{}", failures.join("\n"));
        }
        Ok(())
    }

    /// Runs the command and returns its standard output.
    ///
    /// # Errors
    ///
    /// If it cannot be started or exits with another status than zero.
    pub fn read(&self) -> Result<String> {
        Ok(self.inner.read()?)
    }

    /// Echoes the command, runs it, and returns its status and its standard output, which is echoed,
    /// too, at the end.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn run_reading(self) -> Result<Ran> {
        self.reading(Stdio::inherit())
    }

    /// [`run_reading`](Self::run_reading), with its standard error, which comes after its output.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn run_reading_all(self) -> Result<Ran> {
        self.reading(Stdio::piped())
    }

    /// Echoes the command and runs it, with its standard output going to a file.
    ///
    /// # Errors
    ///
    /// If the file cannot be written, or the command cannot be started or exits with another status
    /// than zero.
    pub fn run_writing(self, file: &std::path::Path) -> Result<()> {
        eprintln!("$ {self} >{}", file.display());
        let shown = self.to_string();
        let output = File::create(file)?;
        let mut command = Command::from(self.inner);
        let status = command.stdin(Stdio::null()).stdout(output).status();
        let status = status.with_context(|| format!("`{shown}` cannot be started"))?;
        anyhow::ensure!(status.success(), "`{shown}` has ended with {status}");
        Ok(())
    }

    fn reading(self, errors: Stdio) -> Result<Ran> {
        eprintln!("$ {self}");
        let shown = self.to_string();
        let mut command = Command::from(self.inner);
        let output = command.stdin(Stdio::null()).stderr(errors).output();
        let output = output.with_context(|| format!("`{shown}` cannot be started"))?;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        print!("{text}");
        Ok(Ran { code: output.status.code(), text })
    }

    /// Echoes the command, runs it although it should fail, and returns what it wrote to standard
    /// error.
    ///
    /// # Errors
    ///
    /// If it cannot be started, or succeeds.
    pub fn run_failing(self) -> Result<String> {
        eprintln!("$ {self}    (must fail)");
        let shown = self.to_string();
        let output = self.inner.ignore_status().output()?;
        anyhow::ensure!(!output.status.success(), "`{shown}` succeeded although it should fail");
        String::from_utf8(output.stderr).with_context(|| format!("`{shown}` wrote no UTF-8"))
    }
}

/// Whether a line of `cargo test` says that a test or a program failed.
fn is_failure(line: &str) -> bool {
    line.starts_with("test ") && line.ends_with(" FAILED")
        || line.starts_with("error")
        || line.starts_with("    `")
}

/// Prints the command as typed in a shell, including the environment.
impl std::fmt::Display for Cmd<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (name, value) in &self.env {
            let value = value.to_string_lossy();
            if value.contains(char::is_whitespace) {
                write!(f, "{name}='{value}' ")?;
            } else {
                write!(f, "{name}={value} ")?;
            }
        }
        write!(f, "{}", self.inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_environment_as_a_shell_reads_it() {
        let shell = Shell::new().unwrap();
        let cmd = Cmd::new(&shell, "cargo").args(["doc"]).env("A", "-D warnings").env("B", "1");
        assert_eq!(cmd.to_string(), "A='-D warnings' B=1 cargo doc");
    }

    #[test]
    fn a_failing_command_is_an_error_that_names_it() {
        let shell = Shell::new().unwrap();
        let error = Cmd::new(&shell, "false").run().unwrap_err();
        assert!(error.to_string().contains("`false`"), "{error}");
        assert!(Cmd::new(&shell, "no-such-program").run().is_err());
    }

    #[test]
    fn the_error_of_tests_names_those_that_failed() {
        let shell = Shell::new().unwrap();
        let script = "echo 'test a ... ok'; echo 'test b ... FAILED'; echo 'error: 1 target failed' >&2; exit $0";
        let tests = |status| Cmd::new(&shell, "sh").args(["-c", script, status]).run_tests();
        let error = tests("101").unwrap_err().to_string();
        assert!(error.contains("\ntest b ... FAILED"), "{error}");
        assert!(error.contains("\nerror: 1 target failed"), "{error}");
        assert!(!error.contains("test a"), "{error}");
        assert!(tests("0").is_ok());
        assert!(Cmd::new(&shell, "no-such-program").run_tests().is_err());
    }

    #[test]
    fn a_command_that_must_fail_may_not_succeed() {
        let shell = Shell::new().unwrap();
        let failing = Cmd::new(&shell, "sh").args(["-c", "echo broken >&2; exit 1"]);
        assert_eq!(failing.run_failing().unwrap(), "broken\n");
        assert!(Cmd::new(&shell, "true").run_failing().is_err());
    }

    #[test]
    fn what_a_command_writes_goes_to_a_file() {
        let shell = Shell::new().unwrap();
        let file = std::env::temp_dir().join(format!("xtask-cmd-{}", std::process::id()));
        Cmd::new(&shell, "echo").args(["text"]).run_writing(&file).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        let result = Cmd::new(&shell, "false").run_writing(&file);
        std::fs::remove_file(&file).unwrap();
        assert_eq!(text, "text\n");
        assert!(result.is_err());
    }

    #[test]
    fn a_command_may_end_with_any_status_if_that_is_asked_for() {
        let shell = Shell::new().unwrap();
        let ran = Cmd::new(&shell, "sh").args(["-c", "echo text; exit 3"]).run_reading().unwrap();
        assert_eq!((ran.code, ran.text.as_str()), (Some(3), "text\n"));
        let both = Cmd::new(&shell, "sh").args(["-c", "echo error >&2; echo text"]);
        assert_eq!(both.run_reading_all().unwrap().text, "text\nerror\n");
        assert!(Cmd::new(&shell, "no-such-program").run_reading().is_err());
    }
}
