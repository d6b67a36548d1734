//! A problem: what of a finding, or of a failed unit, is told, and what makes it the same one tomorrow.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::audit::{Check, Finding, Severity, Status};
use crate::names::{StackName, UnitName};

/// What makes two problems the same one. Not the state that is wrong: a problem that moves from the disk into the
/// manager is not news.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// The invariant.
    pub check: Check,
    /// The stack that it is about, if it is about one.
    pub stack: Option<StackName>,
    /// The unit.
    pub unit: Option<UnitName>,
    /// The file or directory.
    pub path: Option<PathBuf>,
}

/// Something that is broken, or could not be checked, now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Problem {
    /// What it is about.
    pub subject: Subject,
    /// How much it matters.
    pub severity: Severity,
    /// Broken or unknown.
    pub status: Status,
    /// The object in a word.
    pub object: String,
    /// What was expected, what was seen and what to type next, in a line.
    pub text: String,
    /// What to type next.
    pub next: String,
    /// The section of the operator's handbook.
    pub documentation: String,
    /// The run that failed, for what is told anew each time it happens: an update run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
}

impl Problem {
    /// The problem that a finding is.
    #[must_use]
    pub fn of(finding: &Finding) -> Self {
        Self {
            subject: Subject {
                check: finding.check,
                stack: finding.stack.clone(),
                unit: finding.unit.clone(),
                path: finding.path.clone(),
            },
            severity: finding.severity,
            status: finding.status,
            object: finding.object(),
            text: finding.line(),
            next: finding.next.clone(),
            documentation: finding.documentation.clone(),
            run: None,
        }
    }

    /// What is told of findings: one problem per subject, the gravest; not what is merely worth knowing.
    #[must_use]
    pub fn of_all<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Vec<Self> {
        let mut problems: Vec<Self> = Vec::new();
        for problem in findings.into_iter().map(Self::of).filter(|problem| problem.severity > Severity::Info)
        {
            match problems.iter_mut().find(|known| known.subject == problem.subject) {
                Some(known) if problem.is_worse_than(known) => *known = problem,
                Some(_) => {}
                None => problems.push(problem),
            }
        }
        problems
    }

    /// Whether it is graver than what was known of the same subject.
    #[must_use]
    pub fn is_worse_than(&self, known: &Self) -> bool {
        let grade = |problem: &Self| (problem.severity, problem.status == Status::Broken);
        grade(self) > grade(known)
    }
}
