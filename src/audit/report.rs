//! The report: one value, rendered as text, as JSON, and as journal events. The published form is
//! `docs/schema/audit.schema.json`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::check::{Check, Severity};
use super::finding::{Finding, Status};
use crate::document::Document;
use crate::exit::Code;
use crate::inventory::Timespan;
use crate::journal;
use crate::names::{StackName, UnitName};

/// What started the audit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trigger {
    /// A path unit saw a change.
    Path,
    /// The timer.
    Timer,
    /// A person, a switch, or another unit.
    #[default]
    Manual,
}

/// The thresholds in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// Deadline for a reply of the bus or the manager.
    pub bus_deadline: Timespan,
    /// Deadline for a daemon-reload.
    pub reload_deadline: Timespan,
    /// How long a change on disk may stay unread.
    pub reload_grace: Timespan,
    /// How long the watched directories must be quiet before a triggered audit looks.
    pub quiet: Timespan,
    /// How long it waits for that at most.
    pub quiet_at_most: Timespan,
    /// How many drop-in directories are watched at most.
    pub watches: u32,
}

/// A repair and the findings that it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Healed {
    /// What was done: `daemon-reload`, `start stack-audit.timer`, …
    pub action: String,
    /// The findings that are gone since.
    pub findings: Vec<Finding>,
}

/// How many checks passed, are broken, could not be carried out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Checks that hold.
    pub passed: u32,
    /// Broken, severity page.
    pub page: u32,
    /// Broken, severity ticket.
    pub ticket: u32,
    /// Broken, severity info.
    pub info: u32,
    /// Could not be carried out.
    pub unknown: u32,
}

/// What one audit found and did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Version of this form.
    pub version: u32,
    /// Identifies this run; `STACKWARDEN_RUN` in the journal.
    pub run: String,
    /// What started it.
    pub trigger: Trigger,
    /// When it began, RFC 3339, UTC.
    pub started: String,
    /// When the report was made, RFC 3339, UTC.
    pub finished: String,
    /// Whether repairs were only planned.
    pub dry_run: bool,
    /// The thresholds in force.
    pub thresholds: Thresholds,
    /// The stacks that were audited.
    pub stacks: BTreeSet<StackName>,
    /// The units that were audited.
    pub units: BTreeSet<UnitName>,
    /// The totals.
    pub counts: Counts,
    /// When podman was asked for what is said here of running containers; none if that is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub podman_asked: Option<String>,
    /// How often each check passed.
    pub passed: BTreeMap<Check, u32>,
    /// What is broken or unknown now, the gravest first.
    pub findings: Vec<Finding>,
    /// What was repaired, or would be under `--dry-run`.
    pub healed: Vec<Healed>,
    /// What keeps a daemon-reload, which something needs, from being safe.
    pub reload_blocked_by: Vec<String>,
    /// What went wrong in the audit itself, and did not keep it from its verdict.
    pub notes: Vec<String>,
}

impl Document for Report {
    const KIND: &'static str = "audit report";
    const VERSION: u32 = 1;
}

impl Report {
    /// The exit code: a manager that is not there comes first, then pages, then what could not be judged.
    #[must_use]
    pub fn code(&self, strict: bool) -> Code {
        let has = |check| self.findings.iter().any(|finding| finding.check == check);
        if has(Check::ManagerUnreachable) {
            Code::Unreachable
        } else if self.counts.page > 0 || (strict && self.counts.ticket > 0) {
            Code::Page
        } else if has(Check::DeclarationInvalid) {
            Code::Configuration
        } else if self.counts.unknown > 0 {
            Code::Refused
        } else if self.notes.is_empty() {
            Code::Done
        } else {
            Code::Io
        }
    }

    /// Counts the findings.
    #[must_use]
    pub fn count(passed: &BTreeMap<Check, u32>, findings: &[Finding]) -> Counts {
        let count = |wanted: fn(&Finding) -> bool| {
            u32::try_from(findings.iter().filter(|finding| wanted(finding)).count()).unwrap_or(u32::MAX)
        };
        Counts {
            passed: passed.values().sum(),
            page: count(|f| f.status == Status::Broken && f.severity == Severity::Page),
            ticket: count(|f| f.status == Status::Broken && f.severity == Severity::Ticket),
            info: count(|f| f.status == Status::Broken && f.severity == Severity::Info),
            unknown: count(|f| f.status == Status::Unknown),
        }
    }

    /// The summary in a line.
    #[must_use]
    pub fn summary(&self) -> String {
        let Counts { passed, page, ticket, info, unknown } = self.counts;
        let stacks = match self.stacks.len() {
            1 => "1 stack".to_owned(),
            count => format!("{count} stacks"),
        };
        let mut line = if page + ticket + info + unknown == 0 {
            format!("{stacks}, {passed} checks: every invariant holds")
        } else {
            format!(
                "{stacks}, {passed} checks hold; {page} page, {ticket} ticket, {info} info, {unknown} unknown"
            )
        };
        // A person's start that joins such an audit must not take it for one that has looked.
        if let (Trigger::Path, Some(asked)) = (self.trigger, &self.podman_asked) {
            for part in ["; podman was last asked ", asked, ", and is now by: stack-audit"] {
                line.push_str(part);
            }
        }
        if !self.healed.is_empty() {
            let actions: Vec<&str> = self.healed.iter().map(|healed| healed.action.as_str()).collect();
            line.push_str(if self.dry_run { "; would heal by: " } else { "; healed by: " });
            line.push_str(&actions.join(", "));
        }
        line
    }

    /// The report for a person.
    #[must_use]
    pub fn text(&self) -> String {
        let mut lines = Vec::new();
        for finding in &self.findings {
            let word = match finding.status {
                Status::Broken => finding.severity.to_string(),
                Status::Unknown => "unknown".to_owned(),
            };
            lines.push(format!("{word:<8} {} {}", finding.object(), finding.check));
            if let Some(path) = &finding.path {
                lines.push(format!("         at        {}", path.display()));
            }
            lines.push(format!("         expected  {}", finding.expected));
            lines.push(format!("         seen      {}", finding.seen));
            lines.extend(finding.as_of.iter().map(|time| format!("         as of     {time}")));
            if !finding.next.is_empty() {
                lines.push(format!("         next      {}", finding.next));
            }
        }
        for healed in &self.healed {
            let word = if self.dry_run { "would" } else { "healed" };
            lines.push(format!("{word:<8} {}", healed.action));
            for finding in &healed.findings {
                lines.push(format!("         {} {}: {}", finding.object(), finding.check, finding.seen));
            }
        }
        lines.extend(self.notes.iter().map(|note| format!("note     {note}")));
        lines.push(self.summary());
        lines.join("\n")
    }

    /// Sends the report to the journal: an event per finding, per repair, and one summary.
    pub fn tell(&self) {
        for finding in &self.findings {
            finding.tell(&self.run);
        }
        for healed in self.healed.iter().filter(|_| !self.dry_run) {
            for finding in &healed.findings {
                tracing::warn!(
                    MESSAGE_ID = journal::HEALED,
                    DOCUMENTATION = finding.documentation,
                    STACKWARDEN_RUN = self.run,
                    STACKWARDEN_STACK = finding.stack.as_ref().map_or("", StackName::as_str),
                    STACKWARDEN_UNIT = finding.unit.as_ref().map_or("", UnitName::as_str),
                    STACKWARDEN_CHECK = finding.check.id(),
                    STACKWARDEN_ACTION = healed.action,
                    "{}: {} healed by {}: {}",
                    finding.object(),
                    finding.check,
                    healed.action,
                    finding.seen
                );
            }
        }
        for note in &self.notes {
            tracing::warn!(MESSAGE_ID = journal::NOTE, STACKWARDEN_RUN = self.run, "{note}");
        }
        tracing::info!(
            MESSAGE_ID = journal::AUDITED,
            STACKWARDEN_RUN = self.run,
            STACKWARDEN_PAGES = self.counts.page,
            STACKWARDEN_TICKETS = self.counts.ticket,
            STACKWARDEN_UNKNOWN = self.counts.unknown,
            "{}",
            self.summary()
        );
    }
}

#[cfg(test)]
impl Report {
    /// A report of no stack, with no findings.
    pub(crate) fn empty() -> Self {
        let span = Timespan::seconds(1);
        Self {
            version: Self::VERSION,
            run: "run".to_owned(),
            trigger: Trigger::Manual,
            started: "2026-02-13T10:00:00.000Z".to_owned(),
            finished: "2026-02-13T10:00:00.250Z".to_owned(),
            dry_run: false,
            thresholds: Thresholds {
                bus_deadline: span,
                reload_deadline: span,
                reload_grace: span,
                quiet: span,
                quiet_at_most: span,
                watches: 1,
            },
            stacks: BTreeSet::new(),
            units: BTreeSet::new(),
            counts: Counts::default(),
            podman_asked: None,
            passed: BTreeMap::new(),
            findings: Vec::new(),
            healed: Vec::new(),
            reload_blocked_by: Vec::new(),
            notes: Vec::new(),
        }
    }
}

impl Finding {
    fn tell(&self, run: &str) {
        // The level is part of a tracing call site, so that each of the two needs its own.
        macro_rules! event {
            ($level:ident) => {
                tracing::$level!(
                    MESSAGE_ID = journal::FINDING,
                    DOCUMENTATION = self.documentation,
                    STACKWARDEN_RUN = run,
                    STACKWARDEN_STACK = self.stack.as_ref().map_or("", StackName::as_str),
                    STACKWARDEN_UNIT = self.unit.as_ref().map_or("", UnitName::as_str),
                    STACKWARDEN_PATH = %self.path.as_deref().unwrap_or(Path::new("")).display(),
                    STACKWARDEN_CHECK = self.check.id(),
                    STACKWARDEN_SEVERITY = %self.severity,
                    "{}",
                    self.line()
                )
            };
        }
        match self.severity {
            Severity::Page => event!(error),
            Severity::Ticket | Severity::Info => event!(warn),
        }
    }
}
