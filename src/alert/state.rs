//! `alerts.json`: what was told, and what could not be delivered yet. The published form is
//! `docs/schema/alerts.schema.json`.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::compare::Event;
use super::problem::{Problem, Subject};
use crate::dirs::Dirs;
use crate::document::Document;

/// A problem that was told and has not recovered since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    /// The problem, as it was told last.
    pub problem: Problem,
    /// When it was first told; RFC 3339, UTC.
    pub since: String,
    /// When it was last told.
    pub told: String,
}

/// What was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alerts {
    /// Version of this file's form.
    pub version: u32,
    /// The problems that are open.
    pub open: Vec<Told>,
    /// The last day, in UTC, of which it was told that every invariant holds: `2026-02-13`.
    pub all_well: Option<String>,
    /// What the alert command has not taken yet, the oldest first.
    pub undelivered: Vec<Event>,
}

impl Document for Alerts {
    const KIND: &'static str = "alert state";
    const VERSION: u32 = 1;
}

impl Default for Alerts {
    fn default() -> Self {
        Self { version: Self::VERSION, open: Vec::new(), all_well: None, undelivered: Vec::new() }
    }
}

impl Alerts {
    /// Where it is.
    #[must_use]
    pub fn path(dirs: &Dirs) -> PathBuf {
        dirs.state().join("alerts.json")
    }

    pub(super) fn find(&self, subject: &Subject) -> Option<&Told> {
        self.open.iter().find(|told| told.problem.subject == *subject)
    }
}

impl Told {
    /// Whether it is time to tell it again. A time in the future, which a clock that jumped back leaves, counts as
    /// long ago: a reminder too many is better than none for a year.
    #[must_use]
    pub fn is_due(&self, now: SystemTime, reminder: Duration) -> bool {
        humantime::parse_rfc3339(&self.told)
            .ok()
            .and_then(|told| now.duration_since(told).ok())
            .is_none_or(|age| age >= reminder)
    }
}
