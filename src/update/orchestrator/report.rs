//! The summary of a run: one value, rendered as text, as JSON, and as journal events. The published form is
//! `docs/schema/update.schema.json`.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::classify::Verdict;
use crate::dirs::Dirs;
use crate::document::Document;
use crate::exit::Code;
use crate::journal;
use crate::names::StackName;
use crate::update::Change;

/// The file `update.json` in the state directory: the last run over all stacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Version of this file's form.
    pub version: u32,
    /// When the run began; RFC 3339, UTC.
    pub started: String,
    /// When it ended.
    pub finished: String,
    /// How many stacks were updated at a time.
    pub concurrency: NonZeroUsize,
    /// Whether it was asked to end before it was through.
    pub interrupted: bool,
    /// The files of the inventory that cannot be read, and why: their stacks were not updated.
    pub broken: BTreeMap<PathBuf, String>,
    /// The stacks.
    pub stacks: BTreeMap<StackName, StackReport>,
}

/// How one stack came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StackReport {
    /// In a word.
    pub verdict: Verdict,
    /// In a line.
    pub message: String,
    /// The images that changed, or were to change.
    pub images: Vec<Change>,
    /// How long its unit ran. Milliseconds.
    pub milliseconds: u64,
    /// What to type to know more; empty if there is nothing to know.
    pub next: String,
}

impl Document for Report {
    const KIND: &'static str = "update report";
    const VERSION: u32 = 1;
}

/// Where the last report is.
#[must_use]
pub fn path(dirs: &Dirs) -> PathBuf {
    dirs.state().join("update.json")
}

impl Report {
    /// How the program ends: a run in which nothing but "try later" happened, as without a network, is one to try
    /// later itself.
    #[must_use]
    pub fn code(&self) -> Code {
        let mut visited = self.stacks.values().filter(|stack| stack.verdict != Verdict::Skipped).peekable();
        let later = visited.peek().is_some() && visited.all(|stack| stack.verdict == Verdict::TryLater);
        if self.broken.is_empty() && (later || self.is_cut_short()) {
            return Code::TryLater;
        }
        let failed = self.stacks.values().any(|stack| stack.verdict.is_failure());
        if failed || !self.broken.is_empty() { Code::SomeUpdatesFailed } else { Code::Done }
    }

    /// Whether it failed at nothing, and did not reach everything.
    fn is_cut_short(&self) -> bool {
        self.interrupted && !self.stacks.values().any(|stack| stack.verdict.is_failure())
    }

    /// `12 stacks: 3 updated, 8 unchanged, 1 failed`.
    #[must_use]
    pub fn headline(&self) -> String {
        let mut counts: BTreeMap<Verdict, usize> = BTreeMap::new();
        for stack in self.stacks.values() {
            *counts.entry(stack.verdict).or_default() += 1;
        }
        let mut parts: Vec<String> =
            counts.iter().map(|(verdict, count)| format!("{count} {}", verdict.word())).collect();
        if !self.broken.is_empty() {
            parts.push(format!("{} inventory files cannot be read", self.broken.len()));
        }
        let parts = if parts.is_empty() { "nothing to do".to_owned() } else { parts.join(", ") };
        let stacks = if self.stacks.len() == 1 { "stack" } else { "stacks" };
        format!("{} {stacks}: {parts}", self.stacks.len())
    }

    /// The whole report as text.
    #[must_use]
    pub fn text(&self) -> String {
        let width = self.stacks.keys().map(|stack| stack.as_str().len()).max().unwrap_or_default();
        let mut lines: Vec<String> =
            self.stacks.iter().map(|(stack, report)| report.line(stack, width)).collect();
        lines.extend(self.broken.values().map(|problem| format!("not updated: {problem}")));
        lines.push(self.headline());
        lines.join("\n")
    }

    /// The events: one per failure, and the summary.
    pub fn tell(&self) {
        for (stack, report) in &self.stacks {
            if report.verdict.is_failure() {
                tracing::error!(
                    MESSAGE_ID = journal::UPDATE_FAILED,
                    STACKWARDEN_STACK = stack.as_str(),
                    STACKWARDEN_OUTCOME = report.verdict.word(),
                    "stack {stack}: {}: {}{}",
                    report.verdict.word(),
                    report.message,
                    report.after()
                );
            }
        }
        for problem in self.broken.values() {
            tracing::error!(MESSAGE_ID = journal::UPDATE_FAILED, "not updated: {problem}");
        }
        let code = self.code();
        if code == Code::Done {
            tracing::info!(MESSAGE_ID = journal::UPDATED, EXIT_CODE = code.number(), "{}", self.headline());
        } else {
            tracing::error!(MESSAGE_ID = journal::UPDATED, EXIT_CODE = code.number(), "{}", self.headline());
        }
    }
}

impl StackReport {
    /// One row of the table.
    #[must_use]
    pub fn line(&self, stack: &StackName, width: usize) -> String {
        let seconds = std::time::Duration::from_millis(self.milliseconds).as_secs_f64();
        format!(
            "{:width$}  {:<17}  {seconds:>6.1} s  {}{}",
            stack.as_str(),
            self.verdict.word(),
            self.message,
            self.after()
        )
    }

    fn after(&self) -> String {
        if self.next.is_empty() { String::new() } else { format!("; next: {}", self.next) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(verdicts: &[Verdict]) -> Report {
        let stacks = verdicts.iter().enumerate().map(|(index, verdict)| {
            let stack = StackReport {
                verdict: *verdict,
                message: String::new(),
                images: Vec::new(),
                milliseconds: 1,
                next: String::new(),
            };
            (StackName::parse(&format!("s{index}")).unwrap(), stack)
        });
        Report {
            version: 1,
            started: String::new(),
            finished: String::new(),
            concurrency: NonZeroUsize::MIN,
            interrupted: verdicts.contains(&Verdict::NotReached),
            broken: BTreeMap::new(),
            stacks: stacks.collect(),
        }
    }

    #[test]
    fn the_code_is_that_of_the_worst() {
        use Verdict::{NotReached, RolledBack, Skipped, TryLater, Unchanged, Updated};
        for (verdicts, code) in [
            (&[][..], Code::Done),
            (&[Updated, Unchanged, Skipped][..], Code::Done),
            (&[Skipped][..], Code::Done),
            (&[Updated, RolledBack][..], Code::SomeUpdatesFailed),
            (&[Updated, TryLater][..], Code::SomeUpdatesFailed),
            (&[TryLater, Skipped][..], Code::TryLater),
            (&[Updated, NotReached][..], Code::TryLater),
            (&[RolledBack, NotReached][..], Code::SomeUpdatesFailed),
        ] {
            assert_eq!(report(verdicts).code(), code, "{verdicts:?}");
        }
    }

    #[test]
    fn the_headline_counts() {
        let text = report(&[Verdict::Updated, Verdict::Updated, Verdict::RolledBack]).headline();
        assert_eq!(text, "3 stacks: 2 updated, 1 rolled back");
        assert_eq!(report(&[Verdict::Updated]).headline(), "1 stack: 1 updated");
    }
}
