//! The text of a unit file or drop-in, read as systemd reads it.
//!
//! What systemd tolerates is tolerated and told as a [`Problem`] with its line; what ends its reading of the file
//! (a malformed section header) ends ours. Source of the rules: systemd.syntax(7) and the configuration parser of
//! systemd 252 to 257.

use std::fmt;
use std::path::{Path, PathBuf};

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
            file.problems.push(Problem {
                line: first,
                kind: ProblemKind::EndsInContinuation,
            });
            file.logical_line(&logical, first, &mut section)?;
        }
        Ok(file)
    }

    fn too_long(&mut self, line: usize) -> UnitFileError {
        UnitFileError::LineTooLong {
            line,
            before: Box::new(std::mem::take(self)),
        }
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
    pub fn values<'a>(
        &'a self,
        section: &'a str,
        key: &'a str,
    ) -> impl Iterator<Item = &'a Assignment> {
        self.assignments
            .iter()
            .filter(move |a| a.section == section && a.key == key)
    }
}

/// What ends a line for systemd, longest first.
const LINE_ENDS: &[&str] = &[
    "\r\n\0", "\n\r\0", "\r\n", "\n\r", "\n\0", "\r\0", "\n", "\r", "\0",
];

/// The lines with their numbers, counted from 1.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = text;
    let mut number = 0;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        number += 1;
        let Some((line, after)) = rest
            .find(['\n', '\r', '\0'])
            .and_then(|end| rest.split_at_checked(end))
        else {
            return Some((number, std::mem::take(&mut rest)));
        };
        rest = LINE_ENDS
            .iter()
            .find_map(|end| after.strip_prefix(end))
            .unwrap_or_default();
        Some((number, line))
    })
}

/// Whether an odd number of backslashes ends the line.
fn ends_escaped(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

fn is_safe(section: &str) -> bool {
    !section
        .chars()
        .any(|c| c.is_ascii_control() || matches!(c, '"' | '\'' | '\\'))
}

/// How several assignments of one key become a setting. Source: systemd.unit(5), systemd.exec(5), systemd.service(5),
/// systemd.timer(5), systemd.path(5), systemd.socket(5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Merging {
    /// The last one wins; an empty one means the default.
    Last,
    /// They add up; an empty one drops what came before.
    List,
    /// They add up, and nothing takes one back: dependencies.
    Accumulates,
}

/// How systemd merges `key`. Keys that are not known, extensions too, are taken as scalars.
#[must_use]
pub fn merging(section: &str, key: &str) -> Merging {
    const DEPENDENCIES: &[&str] = &[
        "After",
        "Before",
        "BindsTo",
        "Conflicts",
        "JoinsNamespaceOf",
        "OnFailure",
        "OnSuccess",
        "PartOf",
        "PropagatesReloadTo",
        "PropagatesStopTo",
        "ReloadPropagatedFrom",
        "Requires",
        "Requisite",
        "RequiresMountsFor",
        "StopPropagatedFrom",
        "Upholds",
        "Wants",
        "WantsMountsFor",
    ];
    const LISTS: &[&str] = &[
        "BindPaths",
        "BindReadOnlyPaths",
        "CapabilityBoundingSet",
        "AmbientCapabilities",
        "ConfigurationDirectory",
        "CacheDirectory",
        "DeviceAllow",
        "Documentation",
        "Environment",
        "EnvironmentFile",
        "ExecPaths",
        "InaccessiblePaths",
        "IPAddressAllow",
        "IPAddressDeny",
        "LoadCredential",
        "LoadCredentialEncrypted",
        "LogExtraFields",
        "LogFilterPatterns",
        "LogsDirectory",
        "MakeDirectory",
        "NoExecPaths",
        "OpenFile",
        "PassEnvironment",
        "ReadOnlyPaths",
        "ReadWritePaths",
        "RestartForceExitStatus",
        "RestartPreventExitStatus",
        "RestrictAddressFamilies",
        "RuntimeDirectory",
        "SetCredential",
        "StateDirectory",
        "SuccessExitStatus",
        "SupplementaryGroups",
        "Symlinks",
        "SystemCallFilter",
        "TemporaryFileSystem",
        "UnsetEnvironment",
    ];
    let listed = LISTS.contains(&key)
        || section == "Install"
        || (key.starts_with("Exec") && key != "ExecSearchPath")
        || reset_group(section, key) != key
        || (section == "Socket" && (key.starts_with("Listen")));
    match (section, key) {
        ("Unit", key) if DEPENDENCIES.contains(&key) => Merging::Accumulates,
        _ if listed => Merging::List,
        _ => Merging::Last,
    }
}

/// The keys that one empty assignment resets together: `ConditionPathExists=` resets every condition.
fn reset_group<'a>(section: &str, key: &'a str) -> &'a str {
    match (section, key) {
        ("Unit", key) if key.starts_with("Condition") => "Condition*",
        ("Unit", key) if key.starts_with("Assert") => "Assert*",
        (
            "Timer",
            "OnActiveSec" | "OnBootSec" | "OnStartupSec" | "OnUnitActiveSec" | "OnUnitInactiveSec"
            | "OnCalendar",
        ) => "On*",
        (
            "Path",
            "PathExists" | "PathExistsGlob" | "PathChanged" | "PathModified" | "DirectoryNotEmpty",
        ) => "Path*",
        ("Socket", key) if key.starts_with("Listen") => "Listen*",
        _ => key,
    }
}

/// One assignment, with the file it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The unit file or drop-in.
    pub file: PathBuf,
    /// The line, counted from 1.
    pub line: usize,
    /// The key as written: in a group that resets together it may differ from the one asked for.
    pub key: String,
    /// The value as written; empty in an assignment that resets.
    pub value: String,
    /// Whether it has an effect on the result.
    pub in_force: bool,
}

/// The texts that make a unit, in the order in which systemd reads them: the fragment, then the drop-ins in order of
/// their file names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnitText {
    files: Vec<(PathBuf, UnitFile)>,
}

impl UnitText {
    /// Adds the next file.
    pub fn push(&mut self, path: impl Into<PathBuf>, file: UnitFile) {
        self.files.push((path.into(), file));
    }

    /// The files, in order.
    pub fn files(&self) -> impl Iterator<Item = (&Path, &UnitFile)> {
        self.files.iter().map(|(path, file)| (path.as_path(), file))
    }

    /// Every (section, key) that is assigned anywhere, in order of first appearance.
    #[must_use]
    pub fn keys(&self) -> Vec<(String, String)> {
        let mut seen = std::collections::BTreeSet::new();
        self.files
            .iter()
            .flat_map(|(_, file)| &file.assignments)
            .filter(|a| seen.insert((a.section.as_str(), a.key.as_str())))
            .map(|a| (a.section.clone(), a.key.clone()))
            .collect()
    }

    /// Every assignment that has a say in `key`, in order, and which of them are in force after systemd's merging.
    ///
    /// systemd also drops a value that it cannot parse and keeps the one before; what a value means is not known here.
    #[must_use]
    pub fn history(&self, section: &str, key: &str) -> Vec<Located> {
        let merging = merging(section, key);
        let group = reset_group(section, key);
        let mut found: Vec<Located> = Vec::new();
        for (path, file) in &self.files {
            for a in file.assignments.iter().filter(|a| a.section == section) {
                let ours = a.key == key;
                let resets = a.value.is_empty() && reset_group(section, &a.key) == group;
                if !ours && !resets {
                    continue;
                }
                if merging == Merging::Last || (merging == Merging::List && resets) {
                    for earlier in &mut found {
                        earlier.in_force = false;
                    }
                }
                found.push(Located {
                    file: path.clone(),
                    line: a.line,
                    key: a.key.clone(),
                    value: a.value.clone(),
                    in_force: match merging {
                        Merging::Last => true,
                        Merging::List | Merging::Accumulates => !a.value.is_empty(),
                    },
                });
            }
        }
        found
    }

    /// The assignments that are in force: for a scalar the last one (with an empty value: the default), for a list
    /// what came after its last reset.
    #[must_use]
    pub fn in_force(&self, section: &str, key: &str) -> Vec<Located> {
        let mut history = self.history(section, key);
        history.retain(|located| located.in_force);
        history
    }
}
