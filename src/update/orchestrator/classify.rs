//! How the update of one stack came out: from the job of its unit and the record that it wrote. The unit itself says
//! nothing: a oneshot that has ended is forgotten at once.

use serde::{Deserialize, Serialize};

use crate::error::chain;
use crate::exit::Code;
use crate::records::Record;
use crate::systemd::jobs::JobOutcome;
use crate::systemd::words::JobResult;
use crate::update::Outcome;

/// How it came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// New images run, and are verified.
    Updated,
    /// Nothing is new.
    Unchanged,
    /// The operator has stopped the stack, or switched its updates off.
    Skipped,
    /// It failed, and the old images run again, verified.
    RolledBack,
    /// It failed, and what runs is not verified.
    NotRolledBack,
    /// Nothing was changed; the next run may do better.
    TryLater,
    /// It failed before it changed anything.
    Failed,
    /// It did not end in time.
    TimedOut,
    /// A unit that it depends on failed.
    DependencyFailed,
    /// It was left running, because this run was asked to end.
    StillRunning,
    /// It was not begun, because this run was asked to end.
    NotReached,
}

impl Verdict {
    /// The word for people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
            Self::Skipped => "skipped",
            Self::RolledBack => "rolled back",
            Self::NotRolledBack => "NOT rolled back",
            Self::TryLater => "try later",
            Self::Failed => "failed",
            Self::TimedOut => "timed out",
            Self::DependencyFailed => "dependency failed",
            Self::StillRunning => "still running",
            Self::NotReached => "not reached",
        }
    }

    /// Whether the run has failed because of it. What was not reached is neither: the run says so by itself.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        match self {
            Self::Updated | Self::Unchanged | Self::Skipped | Self::StillRunning | Self::NotReached => false,
            Self::RolledBack
            | Self::NotRolledBack
            | Self::TryLater
            | Self::Failed
            | Self::TimedOut
            | Self::DependencyFailed => true,
        }
    }
}

/// The verdict, and why. `record` is the newest record of an update of the stack that began with this run.
#[must_use]
pub fn classify(job: &JobOutcome, record: Option<&Record>) -> (Verdict, String) {
    let closed = record.and_then(|record| record.outcome.as_ref());
    let said = |otherwise: &str| closed.map_or_else(|| otherwise.to_owned(), |end| end.message.clone());
    match job {
        JobOutcome::NotReached => (Verdict::NotReached, "not begun: this run was asked to end".to_owned()),
        JobOutcome::StillRunning => {
            (Verdict::StillRunning, "left to finish by itself: this run was asked to end".to_owned())
        }
        JobOutcome::Overdue { waited } => {
            let waited = humantime::format_duration(std::time::Duration::from_secs(waited.as_secs()));
            (Verdict::TimedOut, format!("its unit is still running after {waited}"))
        }
        JobOutcome::Failed(error) => (Verdict::Failed, chain(error)),
        JobOutcome::Vanished => {
            (Verdict::Failed, "the user manager was restarted and does not know the job any more".to_owned())
        }
        JobOutcome::Ended(JobResult::Timeout) => {
            (Verdict::TimedOut, said("its unit was ended by its own timeout"))
        }
        JobOutcome::Ended(JobResult::Dependency) => {
            (Verdict::DependencyFailed, "a unit that it depends on failed".to_owned())
        }
        JobOutcome::Ended(JobResult::Done) => match record.and_then(|record| record.update.as_ref()) {
            Some(update) => {
                let verdict = match update.result {
                    Some(Outcome::Updated) => Verdict::Updated,
                    Some(Outcome::Unchanged) => Verdict::Unchanged,
                    Some(Outcome::Skipped) => Verdict::Skipped,
                    Some(Outcome::RolledBack) => Verdict::RolledBack,
                    Some(Outcome::NotRolledBack) => Verdict::NotRolledBack,
                    Some(Outcome::Failed) | None => Verdict::Failed,
                };
                (verdict, said("its record was not closed"))
            }
            None => (Verdict::Failed, "its unit ended well and wrote no record".to_owned()),
        },
        JobOutcome::Ended(result) => {
            let verdict = match closed.map(|end| end.code) {
                Some(code) if code == Code::RolledBack.number() => Verdict::RolledBack,
                Some(code) if code == Code::NotRolledBack.number() => Verdict::NotRolledBack,
                Some(code) if code == Code::TryLater.number() => Verdict::TryLater,
                _ => Verdict::Failed,
            };
            (verdict, said(&format!("its job ended as \"{result}\" and left no closed record")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn record(code: u8, result: &str) -> Record {
        serde_json::from_value(json!({
            "version": 1, "stack": "web", "verb": "update", "pid": 1, "started": "", "steps": [],
            "update": {"images": [], "result": result}, "outcome": {"code": code, "message": "said"}
        }))
        .unwrap()
    }

    #[test]
    fn every_outcome_has_its_word() {
        let ended = JobOutcome::Ended;
        for (job, record, expected) in [
            (ended(JobResult::Done), Some(record(0, "updated")), Verdict::Updated),
            (ended(JobResult::Done), Some(record(0, "unchanged")), Verdict::Unchanged),
            (ended(JobResult::Done), Some(record(0, "skipped")), Verdict::Skipped),
            (ended(JobResult::Done), None, Verdict::Failed),
            (ended(JobResult::Failed), Some(record(81, "rolled-back")), Verdict::RolledBack),
            (ended(JobResult::Failed), Some(record(82, "not-rolled-back")), Verdict::NotRolledBack),
            (ended(JobResult::Failed), Some(record(75, "failed")), Verdict::TryLater),
            (ended(JobResult::Failed), Some(record(78, "failed")), Verdict::Failed),
            (ended(JobResult::Failed), None, Verdict::Failed),
            (ended(JobResult::Timeout), None, Verdict::TimedOut),
            (ended(JobResult::Dependency), None, Verdict::DependencyFailed),
            (ended(JobResult::Canceled), None, Verdict::Failed),
            (ended(JobResult::Other("new".to_owned())), None, Verdict::Failed),
            (JobOutcome::Vanished, None, Verdict::Failed),
            (JobOutcome::NotReached, None, Verdict::NotReached),
            (JobOutcome::StillRunning, None, Verdict::StillRunning),
        ] {
            assert_eq!(classify(&job, record.as_ref()).0, expected, "{job:?}");
        }
    }
}
