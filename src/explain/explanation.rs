//! The explanation as a value. The published form is `docs/schema/explain.schema.json`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Serialize;

use super::reason::Reason;
use crate::names::{StackName, UnitName};

/// Version of the JSON form.
pub const VERSION: u32 = 1;

/// Everything that decides what one unit is, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Version of this form.
    pub version: u32,
    /// When it was looked at, RFC 3339, UTC.
    pub time: String,
    /// The name that was asked for.
    pub unit: UnitName,
    /// The unit's main name on disk; another one if the name is an alias.
    pub id: UnitName,
    /// All its names on disk.
    pub names: BTreeSet<UnitName>,
    /// The answer in a line.
    pub summary: String,
    /// Why, the most important first.
    pub reasons: Vec<Reason>,
    /// The user manager; `null` if it could not be asked.
    pub manager: Option<Manager>,
    /// Every directory of the unit search path, the first wins.
    pub search_path: Vec<Directory>,
    /// The drop-ins that win their file names, in the order in which they are read.
    pub drop_ins: Vec<DropInFile>,
    /// What the texts on disk come to, setting by setting.
    pub settings: Vec<Setting>,
    /// The links that pull the unit in: what "enabled" means.
    pub pulled_in_by: Vec<Pull>,
    /// What the manager would take at its next daemon-reload.
    pub on_disk: OnDisk,
    /// What the manager has; `null` for a template, or without a manager.
    pub loaded: Option<Loaded>,
    /// What was declared; `null` if the unit is neither ours nor observed.
    pub declared: Option<Declared>,
    /// How the three differ.
    pub differences: Vec<Difference>,
    /// What could not be looked at and may change the answer.
    pub unchecked: Vec<String>,
}

/// The user manager.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Manager {
    /// systemd's version.
    pub version: String,
    /// When it last read all unit files, RFC 3339, UTC.
    pub units_load: Option<String>,
}

/// One directory of the search path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Directory {
    /// The directory as the manager names it.
    pub path: PathBuf,
    /// Where it really is, if it is, or lies behind, a link.
    pub real: Option<PathBuf>,
    /// Who puts unit files there: `control`, `owner`, `etc`, `generator`, …
    pub whose: &'static str,
    /// Whether it could be read.
    pub state: DirectoryState,
    /// The copies of the unit's names in it.
    pub copies: Vec<UnitCopy>,
    /// The drop-in directories in it that apply.
    pub drop_in_directories: Vec<DropInDirectory>,
}

/// Whether a directory could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DirectoryState {
    /// It was listed.
    Listed,
    /// There is none, which is usual.
    Missing,
    /// What it holds is not known.
    Unreadable,
}

/// Owner, mode and times of a file, links not followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct File {
    /// The file type in a word.
    pub file_type: &'static str,
    /// The owner's name, or number if it has none.
    pub owner: String,
    /// Permission bits, in octal.
    pub mode: String,
    /// Last change of the content, RFC 3339, UTC; for a link: when it was made.
    pub modified: String,
    /// Last change of the file itself, which no tool can set back.
    pub changed: String,
}

/// One copy of a name of the unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnitCopy {
    /// The name: the one that was asked for, its template, or a name that it is an alias of.
    pub name: UnitName,
    /// The file.
    pub path: PathBuf,
    /// What it is.
    pub kind: CopyKind,
    /// Whether systemd takes it.
    pub standing: Standing,
    /// The link's text.
    pub link: Option<PathBuf>,
    /// What it leads to in words, if that is not a unit file with content.
    pub leads_to: Option<String>,
    /// Why systemd takes no notice of it.
    pub skipped_because: Option<String>,
    /// The file itself; `null` when it has gone meanwhile.
    pub file: Option<File>,
}

/// What a copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CopyKind {
    /// A regular file with content.
    File,
    /// A link out of the search path, which is itself the unit file.
    Link,
    /// A link to another name in the search path.
    Alias,
    /// An empty file, or a link to one or to /dev/null.
    Mask,
    /// A link to nothing, or in a circle.
    Dangling,
    /// Something that is no unit file.
    Other,
}

/// Whether systemd takes a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It decides what the name means.
    Wins,
    /// An earlier directory's copy decides.
    Shadowed,
    /// systemd takes no notice of it.
    Skipped,
}

/// A drop-in directory that applies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DropInDirectory {
    /// The directory.
    pub path: PathBuf,
    /// Where it really is, if it is a link.
    pub real: Option<PathBuf>,
    /// What it is named after.
    pub scope: Scope,
    /// The drop-ins in it, by file name.
    pub files: Vec<String>,
    /// Why systemd reads none of it, or why it is not known what it holds.
    pub problem: Option<String>,
    /// The directory, or the link in its place.
    pub file: Option<File>,
}

/// What a drop-in directory is named after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// The unit: `foo.service.d`.
    Unit,
    /// The instance's template: `foo@.service.d`.
    Template,
    /// A prefix: `foo-.service.d` for `foo-bar.service`.
    Prefix,
    /// The type: `service.d`.
    Type,
}

/// A drop-in that wins its file name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DropInFile {
    /// The file name, which decides the order.
    pub name: String,
    /// The path as the manager reports it.
    pub path: PathBuf,
    /// What its directory is named after.
    pub scope: Scope,
    /// Whose directory of the search path it is in.
    pub whose: &'static str,
    /// The link's text, if it is one.
    pub link: Option<PathBuf>,
    /// Whether it changes anything: a mask, or what leads to nothing, does not.
    pub effective: bool,
    /// What it leads to in words, if that is not a file with content.
    pub leads_to: Option<String>,
    /// Files of the same name that lose to it.
    pub beats: Vec<PathBuf>,
    /// Files of the same name of other aliases: systemd picks one of these and `path` by chance.
    pub contested: Vec<PathBuf>,
    /// Whether the manager has it; `null` if that is not known.
    pub loaded: Option<bool>,
    /// The file itself.
    pub file: Option<File>,
}

/// One setting, and every line that has a say in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// The section.
    pub section: String,
    /// The key.
    pub key: String,
    /// The lines in the order in which systemd reads them.
    pub lines: Vec<Line>,
}

/// One assignment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The unit file or drop-in.
    pub file: PathBuf,
    /// The line, counted from 1.
    pub line: usize,
    /// The key as written: another one of its group may have reset it.
    pub key: String,
    /// The value as written; empty in one that resets.
    pub value: String,
    /// Whether it is part of what the setting finally is.
    pub in_force: bool,
}

/// A link that pulls the unit in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pull {
    /// What pulls it in.
    pub by: String,
    /// `wants`, `requires`, `upholds`.
    pub kind: &'static str,
    /// The link.
    pub path: PathBuf,
    /// Its text; `null` for a file that is no link, which systemd ignores.
    pub link: Option<PathBuf>,
    /// Whether it takes effect.
    pub in_force: bool,
    /// The link itself.
    pub file: Option<File>,
}

/// What the manager would take at its next daemon-reload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OnDisk {
    /// The word in `LoadState`.
    pub load_state: &'static str,
    /// `FragmentPath`.
    pub fragment: Option<PathBuf>,
    /// `DropInPaths`.
    pub drop_ins: Vec<PathBuf>,
    /// What is wrong with the texts: lines that systemd ignores, files that cannot be read.
    pub problems: Vec<String>,
}

/// What the manager has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Loaded {
    /// Whether it had the unit before it was asked; if not, it read the disk for the answer.
    pub in_memory: bool,
    /// `Id`.
    pub id: UnitName,
    /// `LoadState`.
    pub load_state: String,
    /// Why its files could not be used.
    pub load_error: Option<String>,
    /// `ActiveState`.
    pub active_state: String,
    /// `SubState`.
    pub sub_state: String,
    /// `UnitFileState`.
    pub unit_file_state: Option<String>,
    /// `FragmentPath`.
    pub fragment: Option<PathBuf>,
    /// `SourcePath`: what a generator made it from.
    pub source: Option<PathBuf>,
    /// `DropInPaths`.
    pub drop_ins: Vec<PathBuf>,
    /// `NeedDaemonReload`.
    pub need_daemon_reload: bool,
    /// Whether it was made over D-Bus and not from a file.
    pub transient: bool,
    /// The token in its `Documentation=`, if it is one of ours.
    pub token: Option<String>,
}

/// What was declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Declared {
    /// Who declares it.
    pub by: Declarer,
    /// The stack, if it is a stack's.
    pub stack: Option<StackName>,
    /// The seal.
    pub seal: PathBuf,
    /// Where the unit file must be.
    pub fragment: Option<PathBuf>,
    /// The target of the link there; a regular file if there is none.
    pub link: Option<PathBuf>,
    /// The sealed text's digest.
    pub sha256: Option<String>,
    /// Whether the text on disk is the sealed one; `null` if it cannot be read.
    pub text_is_sealed: Option<bool>,
    /// The sealed token.
    pub token: Option<String>,
    /// The drop-ins that may change it: file names, or absolute paths.
    pub allowed_drop_ins: Vec<String>,
}

/// Who declares a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Declarer {
    /// A stack of the inventory.
    Stack,
    /// A stack that is no longer in the inventory.
    Orphan,
    /// Stackwarden itself.
    Shipped,
    /// Somebody else: it is only observed.
    Observed,
}

/// How two of the three states differ.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Difference {
    /// Which two.
    pub between: Between,
    /// What: `FragmentPath`, `DropInPaths`, or a directive.
    pub what: String,
    /// In the first of the two.
    pub expected: String,
    /// In the second.
    pub seen: String,
}

/// Two of the three states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Between {
    /// The declaration and the disk.
    DeclaredAndDisk,
    /// The declaration and the manager.
    DeclaredAndLoaded,
    /// The disk and the manager.
    DiskAndLoaded,
}
