//! Reading a program's standard output line by line while it runs.

use std::collections::VecDeque;
use std::time::Instant;

use super::error::ProcessError;
use super::redact::Redactor;
use super::running::{Event, Running};
use super::tail::{Tail, clean};

/// Longest line that is taken whole; podman's events and compose's progress are far shorter. Bytes.
const LINE_MAX: usize = 1024 * 1024;

/// A program whose output is read while it runs. Dropping it ends the program with its process group.
pub struct Lines {
    running: Running,
    command: String,
    redactor: Redactor,
    splitter: LineSplitter,
    ready: VecDeque<String>,
    tail: Tail,
}

/// What came next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// A line, without its end.
    Line(String),
    /// Nothing until the deadline.
    Deadline,
}

impl Lines {
    pub(super) fn new(running: Running, command: String, redactor: Redactor) -> Self {
        let (splitter, ready, tail) = (LineSplitter::default(), VecDeque::new(), Tail::default());
        Self { running, command, redactor, splitter, ready, tail }
    }

    /// The next line, unless `deadline` comes first.
    ///
    /// # Errors
    /// The program has ended, or this one was asked to end.
    pub fn next(&mut self, deadline: Instant) -> Result<Next, ProcessError> {
        Self::next_of(&mut [self], deadline)
    }

    /// The next line of any of the programs, unless `deadline` comes first.
    ///
    /// # Errors
    /// One of the programs has ended, or this one was asked to end.
    pub fn next_of(programs: &mut [&mut Self], deadline: Instant) -> Result<Next, ProcessError> {
        loop {
            if let Some(line) = programs.iter_mut().find_map(|program| program.ready.pop_front()) {
                return Ok(Next::Line(line));
            }
            let mut running: Vec<&mut Running> =
                programs.iter_mut().map(|program| &mut program.running).collect();
            let happened = Running::next_of(&mut running, deadline);
            let command = || programs.first().map(|program| program.command.clone()).unwrap_or_default();
            let (index, event) = happened.map_err(|source| ProcessError::Io {
                command: command(),
                step: "wait for",
                source,
            })?;
            let Some(program) = programs.get_mut(index) else { return Ok(Next::Deadline) };
            match event {
                Event::Stdout(bytes) => program.ready.extend(program.splitter.push(&bytes)),
                Event::Stderr(bytes) => program.tail.push(&bytes),
                Event::Deadline => return Ok(Next::Deadline),
                Event::Interrupted => {
                    return Err(ProcessError::Interrupted { command: program.command.clone() });
                }
                Event::Exited => return Err(program.ended()),
            }
        }
    }

    fn ended(&mut self) -> ProcessError {
        let command = self.command.clone();
        match self.running.reap() {
            Ok(status) => ProcessError::Failed { command, status, stderr: self.tail.text(&self.redactor) },
            Err(source) => ProcessError::Io { command, step: "wait for", source },
        }
    }
}

/// Cuts a stream into lines. What is left without a line end when the stream ends is dropped: nothing that we read
/// line by line ends so.
#[derive(Default)]
pub(super) struct LineSplitter(Vec<u8>);

impl LineSplitter {
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        self.0.extend_from_slice(bytes);
        let Some(end) = self.0.iter().rposition(|byte| *byte == b'\n') else {
            // Whatever this is, it is not a line.
            if self.0.len() > LINE_MAX {
                self.0.clear();
            }
            return Vec::new();
        };
        let rest = self.0.split_off(end + 1);
        let whole = std::mem::replace(&mut self.0, rest);
        clean(&String::from_utf8_lossy(&whole)).lines().map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::process::{Command, Environment, Interrupt};

    #[test]
    fn lines_come_as_they_are_printed() {
        let environment = Environment::default().with("PATH", "/usr/bin:/bin");
        let mut lines =
            Command::new(Path::new("/bin/sh"), &environment, Duration::from_secs(10), &Interrupt::never())
                .args(["-c", "echo a; echo b; sleep 1000"])
                .lines()
                .unwrap();
        let soon = Instant::now() + Duration::from_secs(5);
        assert_eq!(lines.next(soon).unwrap(), Next::Line("a".to_owned()));
        assert_eq!(lines.next(soon).unwrap(), Next::Line("b".to_owned()));
        assert_eq!(lines.next(Instant::now() + Duration::from_millis(20)).unwrap(), Next::Deadline);
    }
}
