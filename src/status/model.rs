//! The status as values. The published form is `docs/schema/status.schema.json`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::audit::Check;
use crate::document::Document;
use crate::exit::Code;
use crate::names::{StackName, UnitName};

/// The status of stacks at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// Version of this form.
    pub version: u32,
    /// The moment; RFC 3339, UTC.
    pub at: String,
    /// Why the user manager does not answer; none if it does.
    pub manager: Option<String>,
    /// Why podman does not answer; none if it does.
    pub podman: Option<String>,
    /// How the program ends.
    pub code: u8,
    /// The stacks.
    pub stacks: BTreeMap<StackName, StackStatus>,
    /// When each shipped timer runs next; RFC 3339, UTC, or none if it does not.
    pub next: BTreeMap<UnitName, Option<String>>,
    /// Files of the declaration that cannot be read: what they declare is not told here.
    pub broken: Vec<String>,
}

/// What a stack is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    /// Its unit is active, and its containers run.
    Up,
    /// A health check has not said its word yet.
    Starting,
    /// Somebody is at work on it.
    Working,
    /// Its unit is not active, and none of its containers runs.
    Stopped,
    /// It runs, and something is not right: a health check, a label, an owner.
    Unwell,
    /// Its unit is active, and containers do not run.
    Down,
    /// Its unit is failed.
    Failed,
    /// The manager or podman cannot be asked.
    Unknown,
}

impl Condition {
    /// In a word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Starting => "starting",
            Self::Working => "working",
            Self::Stopped => "stopped",
            Self::Unwell => "unwell",
            Self::Down => "down",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }

    /// Every condition, in the order in which a summary tells them.
    pub const ALL: &[Self] = &[
        Self::Up,
        Self::Starting,
        Self::Working,
        Self::Stopped,
        Self::Unwell,
        Self::Down,
        Self::Failed,
        Self::Unknown,
    ];

    /// Whether somebody has to look at the stack.
    #[must_use]
    pub const fn is_trouble(self) -> bool {
        matches!(self, Self::Unwell | Self::Down | Self::Failed | Self::Unknown)
    }
}

/// One stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StackStatus {
    /// In a word.
    pub condition: Condition,
    /// Its lifecycle unit; none if the manager was not asked.
    pub unit: Option<Unit>,
    /// Whose definition it runs; none if the manager was not asked.
    pub provenance: Option<Provenance>,
    /// Its compose project, if it is known.
    pub project: Option<String>,
    /// Its containers; none if podman was not asked.
    pub containers: Option<Containers>,
    /// The last apply.
    pub last_apply: Option<Last>,
    /// The last update, or rollback by hand.
    pub last_update: Option<Last>,
    /// What an audit would find of it, one line each.
    pub findings: Vec<String>,
}

/// The lifecycle unit, in systemd's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unit {
    /// `active`, `inactive`, `failed`, `activating`, …
    pub active_state: String,
    /// `success`, `exit-code`, …
    pub result: Option<String>,
    /// Since when; RFC 3339, UTC.
    pub since: Option<String>,
}

/// Whose definition the manager runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// The file that it was loaded from.
    pub path: Option<PathBuf>,
    /// Whose directory that is in, in a word: `owner`, `etc`, …
    pub owner: Option<String>,
    /// Whether it is the declared definition.
    pub declared: bool,
    /// The checks of the definition that are broken or unknown.
    pub broken: BTreeSet<Check>,
}

/// How many containers a stack has, by what they do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Containers {
    /// How many there were after the last apply; none if that is unknown.
    pub expected: Option<u32>,
    /// Running ones.
    pub running: u32,
    /// Those that have finished as they are meant to.
    pub finished: u32,
    /// Of the running ones, those whose health check passes.
    pub healthy: u32,
    /// Of the running ones, those whose health check has not said its word.
    pub starting: u32,
    /// Of the running ones, those whose health check fails.
    pub unhealthy: u32,
    /// Those that neither run nor have finished as they are meant to.
    pub down: u32,
}

/// A transaction that was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Last {
    /// `apply`, `update`, …
    pub verb: String,
    /// When it began; RFC 3339, UTC.
    pub started: String,
    /// Its exit code; none while it is open.
    pub code: Option<u8>,
    /// How it ended, in a line; a failure with what to type next.
    pub message: String,
}

impl Document for Status {
    const KIND: &'static str = "status";
    const VERSION: u32 = 1;
}

impl Status {
    /// How the program ends.
    #[must_use]
    pub fn exit_code(&self) -> Code {
        Code::of(self.code).unwrap_or(Code::Unexpected)
    }
}
