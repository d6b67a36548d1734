//! The text of a unit file or drop-in, read as systemd reads it.
//!
//! What systemd tolerates is tolerated and told as a [`Problem`] with its line; what ends its reading of the file
//! (a malformed section header) ends ours. Source of the rules: systemd.syntax(7) and the configuration parser of
//! systemd 252 to 257.

use std::fmt;

use thiserror::Error;

/// Longest logical line in bytes that systemd reads (its `LONG_LINE_MAX`).
const LINE_MAX: usize = 1024 * 1024;

/// The white space that systemd strips around lines, keys and values.
const WHITESPACE: &[char] = &[' ', '\t', '\n', '\r'];

/// One `Key=value`, in order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The section's name without its brackets.
    pub section: String,
    /// The key.
    pub key: String,
    /// The value, continuation lines joined by spaces; empty in an assignment that resets.
    pub value: String,
    /// The line on which the assignment starts, counted from 1.
    pub line: usize,
}

/// A line that systemd logs and ignores, or at which it gives up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub kind: ProblemKind,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProblemKind {
    /// An assignment before the first section header.
    OutsideSection,
    /// Neither a header, nor a comment, nor an assignment.
    NoEquals,
    /// Nothing stands before the `=`.
    NoKey,
    /// The file ends in a backslash: the last line is read without it.
    EndsInContinuation,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            ProblemKind::OutsideSection => "stands outside of a section, ignored",
            ProblemKind::NoEquals => "has no \"=\", ignored",
            ProblemKind::NoKey => "has no key before \"=\", ignored",
            ProblemKind::EndsInContinuation => "ends in a continuation that nothing follows",
        };
        write!(f, "line {} {what}", self.line)
    }
}

/// Why systemd stops reading: a unit file with it does not load (`LoadState=error`), a drop-in with it takes effect
/// only up to that line.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UnitFileError {
    /// `[Section` without its end, or with quotes, backslashes or control characters in it.
    #[error("line {line}: invalid section header {text:?}")]
    SectionHeader {
        /// The line, counted from 1.
        line: usize,
        /// The line's text.
        text: String,
        /// What was read before it.
        before: Box<UnitFile>,
    },
    /// A line longer than systemd reads.
    #[error("line {line}: longer than {LINE_MAX} bytes")]
    LineTooLong {
        /// The line, counted from 1.
        line: usize,
        /// What was read before it.
        before: Box<UnitFile>,
    },
}

impl UnitFileError {
    /// What systemd had read when it gave up: all that a drop-in with this error does.
    #[must_use]
    pub fn before(&self) -> &UnitFile {
        match self {
            Self::SectionHeader { before, .. } | Self::LineTooLong { before, .. } => before,
        }
    }
}

/// A unit file or drop-in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnitFile {
    /// The section headers with their lines, in order; a section may come more than once.
    pub sections: Vec<(String, usize)>,
    /// The assignments, in order.
    pub assignments: Vec<Assignment>,
    /// What systemd ignores.
    pub problems: Vec<Problem>,
}

impl UnitFile {
    /// Reads `text`.
    ///
    /// # Errors
    /// systemd would not read the whole file; the error names the line and keeps what came before it.
    pub fn parse(text: &str) -> Result<Self, UnitFileError> {
        let mut file = Self::default();
        let mut section: Option<String> = None;
        // A started continuation: its text so far, and the line on which it began.
        let mut pending: Option<(String, usize)> = None;
        let mut bom_seen = false;
        for (line, raw) in lines(text) {
            if raw.len() >= LINE_MAX {
                return Err(file.too_long(line));
            }
            if raw.trim_start_matches(WHITESPACE).starts_with(['#', ';']) {
                continue;
            }
            let piece = match raw.strip_prefix('\u{feff}').filter(|_| !bom_seen) {
                Some(rest) => {
                    bom_seen = true;
                    rest
                }
                None => raw,
            };
            let (mut logical, first) = pending.take().unwrap_or_else(|| (String::new(), line));
            if logical.len() + piece.len() > LINE_MAX {
                return Err(file.too_long(line));
            }
            logical.push_str(piece);
            if ends_escaped(&logical) {
                logical.pop();
                logical.push(' ');
                pending = Some((logical, first));
            } else {
                file.logical_line(&logical, first, &mut section)?;
            }
        }
        if let Some((logical, first)) = pending {
            file.problems.push(Problem { line: first, kind: ProblemKind::EndsInContinuation });
            file.logical_line(&logical, first, &mut section)?;
        }
        Ok(file)
    }

    fn too_long(&mut self, line: usize) -> UnitFileError {
        UnitFileError::LineTooLong { line, before: Box::new(std::mem::take(self)) }
    }

    fn logical_line(
        &mut self,
        text: &str,
        line: usize,
        section: &mut Option<String>,
    ) -> Result<(), UnitFileError> {
        let text = text.trim_matches(WHITESPACE);
        let problem = |kind| Problem { line, kind };
        if text.is_empty() {
            return Ok(());
        }
        if let Some(header) = text.strip_prefix('[') {
            let Some(name) = header.strip_suffix(']').filter(|name| is_safe(name)) else {
                return Err(UnitFileError::SectionHeader {
                    line,
                    text: text.to_owned(),
                    before: Box::new(std::mem::take(self)),
                });
            };
            self.sections.push((name.to_owned(), line));
            *section = Some(name.to_owned());
            return Ok(());
        }
        let Some(section) = section else {
            self.problems.push(problem(ProblemKind::OutsideSection));
            return Ok(());
        };
        match text.split_once('=') {
            None => self.problems.push(problem(ProblemKind::NoEquals)),
            Some(("", _)) => self.problems.push(problem(ProblemKind::NoKey)),
            Some((key, value)) => self.assignments.push(Assignment {
                section: section.clone(),
                key: key.trim_matches(WHITESPACE).to_owned(),
                value: value.trim_matches(WHITESPACE).to_owned(),
                line,
            }),
        }
        Ok(())
    }

    /// The assignments of one key in this file alone, in order.
    pub fn values<'a>(&'a self, section: &'a str, key: &'a str) -> impl Iterator<Item = &'a Assignment> {
        self.assignments.iter().filter(move |a| a.section == section && a.key == key)
    }
}

/// What ends a line for systemd, longest first.
const LINE_ENDS: &[&str] = &["\r\n\0", "\n\r\0", "\r\n", "\n\r", "\n\0", "\r\0", "\n", "\r", "\0"];

/// The lines with their numbers, counted from 1.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = text;
    let mut number = 0;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        number += 1;
        let Some((line, after)) = rest.find(['\n', '\r', '\0']).and_then(|end| rest.split_at_checked(end))
        else {
            return Some((number, std::mem::take(&mut rest)));
        };
        rest = LINE_ENDS.iter().find_map(|end| after.strip_prefix(end)).unwrap_or_default();
        Some((number, line))
    })
}

/// Whether an odd number of backslashes ends the line.
fn ends_escaped(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

fn is_safe(section: &str) -> bool {
    !section.chars().any(|c| c.is_ascii_control() || matches!(c, '"' | '\'' | '\\'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `section.key=value@line`, one a word.
    fn read(text: &str) -> Vec<String> {
        UnitFile::parse(text)
            .unwrap()
            .assignments
            .iter()
            .map(|a| format!("{}.{}={}@{}", a.section, a.key, a.value, a.line))
            .collect()
    }

    #[test]
    fn assignments_keep_their_section_and_line() {
        let text = "# head\n[Unit]\nDescription = a  b \n\n; note\n[Service]\n\tExecStart=x=y\nExecStart=\n[Unit]\nAfter=z";
        assert_eq!(
            read(text),
            ["Unit.Description=a  b@3", "Service.ExecStart=x=y@7", "Service.ExecStart=@8", "Unit.After=z@10"]
        );
    }

    #[test]
    fn a_backslash_continues_over_comments_but_not_over_empty_lines() {
        assert_eq!(read("[S]\nA=1\\\n# no\n 2\\\n;no\n3\nB=4"), ["S.A=1  2 3@2", "S.B=4@7"]);
        assert_eq!(read("[S]\nA=1\\\n\nB=2"), ["S.A=1@2", "S.B=2@4"]);
        assert_eq!(read("[S]\nA=1\\\\\nB=2"), ["S.A=1\\\\@2", "S.B=2@3"]);
        assert_eq!(read("[S]\nA=1\\ \nB=2"), ["S.A=1\\@2", "S.B=2@3"]);
    }

    #[test]
    fn every_line_end_and_one_byte_order_mark_are_understood() {
        assert_eq!(read("\u{feff}[S]\r\nA=1\rB=2\n\rC=3\0D=4"), ["S.A=1@2", "S.B=2@3", "S.C=3@4", "S.D=4@5"]);
        assert_eq!(read("[S]\n\r\n\rA=1"), ["S.A=1@3"]);
    }

    #[test]
    fn what_systemd_ignores_is_told_with_its_line() {
        let file = UnitFile::parse("A=0\n[S]\nno\n=1\nA=1\\").unwrap();
        let told: Vec<String> = file.problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "line 1 stands outside of a section, ignored",
                "line 3 has no \"=\", ignored",
                "line 4 has no key before \"=\", ignored",
                "line 5 ends in a continuation that nothing follows"
            ]
        );
        assert_eq!(file.values("S", "A").map(|a| a.value.as_str()).collect::<Vec<_>>(), ["1"]);
    }

    #[test]
    fn a_bad_header_ends_the_file_and_keeps_what_was_before() {
        for header in ["[S", "[", "[S\"]", "[S]x", "[S\\x]"] {
            let error = UnitFile::parse(&format!("[S]\nA=1\n{header}\nB=2")).unwrap_err();
            assert_eq!(error.to_string(), format!("line 3: invalid section header {header:?}"));
            assert_eq!(error.before().assignments.len(), 1);
        }
        let long = format!("[S]\nA={}", "x".repeat(LINE_MAX));
        assert!(matches!(UnitFile::parse(&long), Err(UnitFileError::LineTooLong { line: 2, .. })));
    }
}
