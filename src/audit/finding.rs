//! A finding, and what a judge hands back.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::check::{Check, Severity};
use crate::names::{StackName, UnitName};

/// Which of the four states is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// What inventory and seal say.
    Declared,
    /// What the unit search path says.
    OnDisk,
    /// What the user manager holds in memory.
    Loaded,
    /// What podman runs.
    Running,
}

/// Whether the check found something broken, or could not be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Checked, and broken.
    Broken,
    /// Could not be checked; never the same as passed.
    Unknown,
}

/// One broken, or unknown, invariant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// How much it matters; first, so that findings sort by it.
    pub severity: Severity,
    /// The invariant.
    pub check: Check,
    /// Broken or unknown.
    pub status: Status,
    /// The stack it belongs to, if it belongs to one.
    pub stack: Option<StackName>,
    /// The unit it is about, if it is about one.
    pub unit: Option<UnitName>,
    /// The file or directory it is about, if it is about one.
    pub path: Option<PathBuf>,
    /// The state that is wrong.
    pub state: State,
    /// What was expected.
    pub expected: String,
    /// What was seen.
    pub seen: String,
    /// What to type next.
    pub next: String,
    /// The section of the operator's handbook.
    pub documentation: String,
    /// When it was found, if that was in an earlier audit: what podman was asked then was not asked again since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
}

impl Finding {
    /// A broken invariant with its usual severity. The builder methods add the objects it is about.
    #[must_use]
    pub fn broken(check: Check, state: State) -> Self {
        Self {
            severity: check.severity(),
            check,
            status: Status::Broken,
            stack: None,
            unit: None,
            path: None,
            state,
            expected: String::new(),
            seen: String::new(),
            next: String::new(),
            documentation: format!("docs/handbook.md#{check}"),
            as_of: None,
        }
    }

    /// An invariant that could not be checked.
    #[must_use]
    pub fn unknown(check: Check, state: State) -> Self {
        Self { status: Status::Unknown, ..Self::broken(check, state) }
    }

    /// Names the unit, and the stack it belongs to.
    #[must_use]
    pub fn about(mut self, unit: &UnitName, stack: Option<&StackName>) -> Self {
        self.unit = Some(unit.clone());
        self.stack = stack.cloned();
        self
    }

    /// Names the stack.
    #[must_use]
    pub fn of_stack(mut self, stack: &StackName) -> Self {
        self.stack = Some(stack.clone());
        self
    }

    /// Names the file or directory.
    #[must_use]
    pub fn at(mut self, path: impl Into<PathBuf>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Says what was expected and what was seen.
    #[must_use]
    pub fn expected(mut self, expected: impl Into<String>, seen: impl Into<String>) -> Self {
        self.expected = expected.into();
        self.seen = seen.into();
        self
    }

    /// Says what to type next.
    #[must_use]
    pub fn next(mut self, command: impl Into<String>) -> Self {
        self.next = command.into();
        self
    }

    /// The object in a word: the unit, else the stack, else the path.
    #[must_use]
    pub fn object(&self) -> String {
        match (&self.unit, &self.stack, &self.path) {
            (Some(unit), ..) => unit.to_string(),
            (None, Some(stack), _) => stack.to_string(),
            (None, None, Some(path)) => path.display().to_string(),
            (None, None, None) => "this host".to_owned(),
        }
    }

    /// The finding in a line: object, what was expected, what was seen, what to type.
    #[must_use]
    pub fn line(&self) -> String {
        let status = match self.status {
            Status::Broken => "",
            Status::Unknown => " (could not be checked)",
        };
        let mut line = format!(
            "{}: {}{status}{}: expected {}, saw {}",
            self.object(),
            self.check,
            self.as_of.as_ref().map_or_else(String::new, |time| format!(" (as of {time})")),
            self.expected,
            self.seen
        );
        if !self.next.is_empty() {
            line.push_str("; next: ");
            line.push_str(&self.next);
        }
        line
    }

    /// Whether it is the same finding, and says the same.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.identity() == other.identity() && self.seen == other.seen
    }

    /// What makes it the same finding in another run: everything but the wording of what was seen.
    #[must_use]
    pub fn identity(&self) -> (Check, Option<UnitName>, Option<StackName>, Option<PathBuf>, State) {
        (self.check, self.unit.clone(), self.stack.clone(), self.path.clone(), self.state)
    }
}

/// A path as one types it in a shell.
pub(super) fn typed(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,+@%".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// The command that takes a file away, as the user who may.
pub(super) fn removal(path: &Path) -> String {
    let of_system =
        ["/etc", "/usr", "/lib", "/run/systemd"].iter().any(|directory| path.starts_with(directory));
    format!("{}rm {}", if of_system { "sudo " } else { "" }, typed(path))
}

/// What the judges found: findings for what is broken or unknown, a count for what passed.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Verdicts {
    /// What is broken or unknown.
    pub findings: Vec<Finding>,
    /// How often each check passed.
    pub passed: BTreeMap<Check, u32>,
}

impl Verdicts {
    /// Records a check of one object: passed if there is no finding.
    pub fn record(&mut self, check: Check, finding: Option<Finding>) {
        self.record_all(check, finding);
    }

    /// Records a check of one object that can be broken in several ways.
    pub fn record_all(&mut self, check: Check, findings: impl IntoIterator<Item = Finding>) {
        let before = self.findings.len();
        self.findings.extend(findings);
        if self.findings.len() == before {
            *self.passed.entry(check).or_default() += 1;
        }
    }

    /// Sorts the findings, the gravest first.
    pub fn sort(&mut self) {
        self.findings.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.cmp(b)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_where_a_shell_needs_it() {
        assert_eq!(typed(Path::new("/a/b@c\\x2d.d")), "'/a/b@c\\x2d.d'");
        assert_eq!(typed(Path::new("/a/b-c.service")), "/a/b-c.service");
        assert_eq!(typed(Path::new("/a b/it's")), "'/a b/it'\\''s'");
    }

    #[test]
    fn what_is_the_systems_takes_root_to_remove() {
        assert_eq!(removal(Path::new("/etc/systemd/user/a.service")), "sudo rm /etc/systemd/user/a.service");
        let own = "/run/user/1000/systemd/user/a.service";
        assert_eq!(removal(Path::new(own)), format!("rm {own}"));
    }
}
