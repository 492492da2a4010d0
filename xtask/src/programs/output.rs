//! The output of programs, without the parts that differ each time.

use anyhow::{Context, Result, ensure};

/// The text that the test harness prints before the time.
const TIME: &str = "; finished in ";

/// The output of a program, for comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    text: Vec<u8>,
    /// The number of passed tests.
    pub tests: Option<u64>,
}

impl Output {
    /// The output of a search.
    ///
    /// # Errors
    ///
    /// If there is nothing to be compared.
    pub fn of_search(text: Vec<u8>, in_order: bool) -> Result<Self> {
        ensure!(!text.is_empty(), "nothing has been printed that could be compared");
        if in_order {
            return Ok(Self { text, tests: None });
        }
        let mut lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
        lines.sort_unstable();
        Ok(Self { text: lines.concat(), tests: None })
    }

    /// The output of tests.
    ///
    /// # Errors
    ///
    /// If the text is not the output of the test harness.
    pub fn of_tests(text: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(text).context("tests have not printed text")?;
        let timeless = |line: &str| {
            let end = line.find(TIME).unwrap_or(line.len());
            format!("{}\n", &line[..end])
        };
        let passed = |line: &str| -> Option<u64> {
            line.strip_prefix("test result: ok. ")?.split_once(" passed")?.0.parse().ok()
        };
        let tests = text.lines().find_map(passed).context("no tests have passed")?;
        let text: String = text.lines().map(timeless).collect();
        Ok(Self { text: text.into_bytes(), tests: Some(tests) })
    }

    /// The number of compared bytes.
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// # Errors
    ///
    /// If they are not the same; says where.
    pub fn expect_same(&self, other: &Self) -> Result<()> {
        let (one, other) = (&self.text, &other.text);
        let at = one.iter().zip(other).position(|(one, other)| one != other);
        let at = at.or((one.len() != other.len()).then(|| one.len().min(other.len())));
        if let Some(at) = at {
            let line = 1 + one[..at].iter().filter(|byte| **byte == b'\n').count();
            anyhow::bail!("something else is printed, from byte {at} on, in line {line}");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TESTS: &str = "running 12 tests\ntest a ... ok\n\
        test result: ok. 11 passed; 0 failed; 1 ignored; finished in 0.12s\n";

    #[test]
    fn tests_are_counted_and_their_time_is_not_compared() {
        let one = Output::of_tests(TESTS.as_bytes()).unwrap();
        let other = Output::of_tests(TESTS.replace("0.12", "10.5").as_bytes()).unwrap();
        assert_eq!(one.tests, Some(11));
        assert!(one.expect_same(&other).is_ok());
        assert_eq!(one.len(), TESTS.len() - "; finished in 0.12s".len());
        let other = Output::of_tests(TESTS.replace("a ...", "b ...").as_bytes()).unwrap();
        let error = one.expect_same(&other).unwrap_err().to_string();
        assert_eq!(error, "something else is printed, from byte 22 on, in line 2");
        assert!(Output::of_tests(b"nothing of tests").is_err());
    }

    #[test]
    fn lines_may_be_in_another_order_only_where_they_may() {
        let read = |text: &[u8], in_order| Output::of_search(text.to_vec(), in_order).unwrap();
        assert!(read(b"a\nb\n", false).expect_same(&read(b"b\na\n", false)).is_ok());
        assert!(read(b"a\nb\n", true).expect_same(&read(b"b\na\n", true)).is_err());
        assert!(read(b"a\nb\n", false).expect_same(&read(b"a\nb\nb\n", false)).is_err());
        assert!(Output::of_search(Vec::new(), true).is_err());
    }
}
