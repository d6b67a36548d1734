//! What transactions did: one JSON file each, replaced atomically before every step, so that a crash leaves told what
//! was under way. The published form is `docs/schema/record.schema.json`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::atomic::WriteError;
use crate::dirs::Dirs;
use crate::document::{Document, ReadError};
use crate::inventory::json_files;
use crate::names::{StackName, UnitName};
use crate::update::Update;

/// How many records of one stack are kept.
const KEPT: usize = 200;

/// What one transaction did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Version of this file's form.
    pub version: u32,
    /// The stack.
    pub stack: StackName,
    /// The verb: `apply`, `stop`, `update`, …
    pub verb: String,
    /// Who asked: the unit that ran the program, or none for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The process that did it.
    pub pid: u32,
    /// When it began; RFC 3339, UTC.
    pub started: String,
    /// When it ended; none while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<String>,
    /// The steps, in order. Each is written before it is taken.
    pub steps: Vec<Step>,
    /// What an update, or a rollback by hand, is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update: Option<Update>,
    /// How it ended; none while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Its name: `preflight`, `pull`, `clean`, `apply`, `verify`, …
    pub name: String,
    /// When it was taken.
    pub started: String,
    /// What is worth knowing of it: images, services, warnings. Never a value of an env file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// How a transaction ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// The exit code.
    pub code: u8,
    /// In a line; of a failure with what to type next.
    pub message: String,
}

impl Document for Record {
    const KIND: &'static str = "record";
    const VERSION: u32 = 1;
}

/// A record that is being written.
#[derive(Debug)]
pub struct OpenRecord {
    record: Record,
    path: PathBuf,
}

impl OpenRecord {
    /// Begins the record of a transaction and writes it.
    ///
    /// # Errors
    /// The state directory cannot be written: nothing should be changed then.
    pub fn begin(dirs: &Dirs, stack: &StackName, verb: &str) -> Result<Self, WriteError> {
        let now = SystemTime::now();
        let record = Record {
            version: Record::VERSION,
            stack: stack.clone(),
            verb: verb.to_owned(),
            unit: crate::journal::own_unit().filter(|unit| !unit.starts_with("user@")),
            pid: std::process::id(),
            started: timestamp(now),
            finished: None,
            steps: Vec::new(),
            update: None,
            outcome: None,
        };
        let directory = directory(dirs);
        let time = compact(&record.started);
        // Two transactions of one stack exclude each other, yet a clock may stand still or jump back.
        let name = |suffix: &str| directory.join(format!("{time}-{stack}-{verb}{suffix}.json"));
        let path = std::iter::once(name(""))
            .chain((1..KEPT).map(|number| name(&format!(".{number}"))))
            .find(|path| !path.exists())
            .unwrap_or_else(|| name(""));
        record.store(&path)?;
        Ok(Self { record, path })
    }

    /// What identifies the record: its file's name without the suffix.
    #[must_use]
    pub fn id(&self) -> String {
        self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Writes that a step begins.
    ///
    /// # Errors
    /// The state directory cannot be written: the step should not be taken then.
    pub fn step(&mut self, name: &str) -> Result<(), WriteError> {
        let step = Step { name: name.to_owned(), started: timestamp(SystemTime::now()), notes: Vec::new() };
        self.record.steps.push(step);
        self.record.store(&self.path)
    }

    /// The record of a transaction that was killed, to be gone on with.
    #[must_use]
    pub fn resume(record: Record, path: PathBuf) -> Self {
        Self { record, path }
    }

    /// What it says so far.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// What the update is about; written with the next step or the end.
    pub fn set_update(&mut self, update: Update) {
        self.record.update = Some(update);
    }

    /// Notes something of the current step; written with the next step or the end.
    pub fn note(&mut self, note: impl Into<String>) {
        if let Some(step) = self.record.steps.last_mut() {
            step.notes.push(note.into());
        }
    }

    /// Ends the record and forgets the oldest ones of the stack.
    ///
    /// # Errors
    /// The state directory cannot be written.
    pub fn close(mut self, dirs: &Dirs, code: u8, message: &str) -> Result<(), WriteError> {
        self.record.finished = Some(timestamp(SystemTime::now()));
        self.record.outcome = Some(Outcome { code, message: message.to_owned() });
        self.record.store(&self.path)?;
        prune(dirs, &self.record.stack);
        Ok(())
    }
}

/// Where the records are.
#[must_use]
pub fn directory(dirs: &Dirs) -> PathBuf {
    dirs.state().join("records")
}

/// All records, the oldest first, and the files that are none.
///
/// # Errors
/// The directory cannot be listed.
pub fn load(dirs: &Dirs, stack: Option<&StackName>) -> Result<(Vec<Record>, Vec<ReadError>), std::io::Error> {
    let (mut records, mut broken) = (Vec::new(), Vec::new());
    for path in json_files(&directory(dirs))? {
        if stack.is_some_and(|stack| !may_be_of(&path, stack)) {
            continue;
        }
        match Record::load(&path) {
            Ok(record) if stack.is_none_or(|stack| record.stack == *stack) => records.push(record),
            Ok(_) => {}
            // Another program has just pruned it.
            Err(error) if error.is_missing() => {}
            Err(error) => broken.push(error),
        }
    }
    Ok((records, broken))
}

/// The newest record of a stack with one of the `verbs`, if there is one that can be read.
#[must_use]
pub fn newest(dirs: &Dirs, stack: &StackName, verbs: &[&str]) -> Option<Record> {
    find_newest(dirs, stack, |record| verbs.contains(&record.verb.as_str()))
}

/// The newest record that a unit wrote of a stack, if there is one that can be read.
#[must_use]
pub fn newest_of_unit(dirs: &Dirs, stack: &StackName, unit: &UnitName) -> Option<Record> {
    find_newest(dirs, stack, |record| record.unit.as_deref() == Some(unit.as_str()))
}

/// Reads no more files than it must.
fn find_newest(dirs: &Dirs, stack: &StackName, is_wanted: impl Fn(&Record) -> bool) -> Option<Record> {
    let mut paths = json_files(&directory(dirs)).ok()?;
    sort_by_age(&mut paths, SystemTime::now());
    paths.iter().rev().filter(|path| may_be_of(path, stack)).find_map(|path| {
        let record = Record::load(path).ok()?;
        (record.stack == *stack && is_wanted(&record)).then_some(record)
    })
}

/// The records of a stack with one of the `verbs` that were never closed, the oldest first, and where they are. Their
/// programs were killed, or run. A damaged one is passed over if there is a newer one: whoever began that has settled
/// what was open.
///
/// # Errors
/// The directory cannot be listed, or the newest of these records cannot be read: it may be an open one.
pub fn open_ones(
    dirs: &Dirs,
    stack: &StackName,
    verbs: &[&str],
) -> Result<Vec<(Record, PathBuf)>, ReadError> {
    let directory = directory(dirs);
    let paths = json_files(&directory).map_err(|source| ReadError::Io { path: directory.clone(), source })?;
    let (mut open, mut damaged) = (Vec::new(), None);
    for path in paths {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        // Only those that are not updates are told by their name; a number may follow it.
        if !may_be_of(&path, stack) || !verbs.iter().any(|verb| name.contains(&format!("-{verb}"))) {
            continue;
        }
        match Record::load(&path) {
            Ok(record) if record.stack == *stack && verbs.contains(&record.verb.as_str()) => {
                damaged = None;
                if record.finished.is_none() {
                    open.push((record, path));
                }
            }
            Ok(_) => {}
            Err(error) if error.is_missing() => {}
            Err(error) => damaged = Some(error),
        }
    }
    damaged.map_or(Ok(open), Err)
}

/// The newest record of each of the `stacks` with one of the `verbs`; the directory is listed once.
#[must_use]
pub fn newest_of_each(dirs: &Dirs, stacks: &[&StackName], verbs: &[&str]) -> BTreeMap<StackName, Record> {
    let mut paths = json_files(&directory(dirs)).unwrap_or_default();
    sort_by_age(&mut paths, SystemTime::now());
    let mut newest = BTreeMap::new();
    for stack in stacks {
        let may_be =
            |path: &&PathBuf| may_be_of(path, stack) && verbs.iter().any(|verb| names_verb(path, verb));
        let record = paths.iter().rev().filter(may_be).find_map(|path| {
            let record = Record::load(path).ok()?;
            (record.stack == **stack && verbs.contains(&record.verb.as_str())).then_some(record)
        });
        if let Some(record) = record {
            newest.insert((*stack).clone(), record);
        }
    }
    newest
}

/// The oldest first. What is dated after `now` was written before the clock was set back.
fn sort_by_age(paths: &mut [PathBuf], now: SystemTime) {
    let now = compact(&timestamp(now));
    let is_past = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.split('-').next().is_some_and(|time| time <= now.as_str())
    };
    // Stable: within both halves the names tell.
    paths.sort_by_key(is_past);
}

/// By name alone; a number may follow the verb.
pub(crate) fn names_verb(path: &Path, verb: &str) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.rsplit_once(&format!("-{verb}")).is_some_and(|(_, rest)| rest.starts_with('.'))
}

/// By name alone: `foo-bar` also has the records of a stack `foo` whose verb would begin with `bar-`; the content
/// decides.
pub(crate) fn may_be_of(path: &Path, stack: &StackName) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.split_once('-')
        .is_some_and(|(_, rest)| rest.strip_prefix(stack.as_str()).is_some_and(|rest| rest.starts_with('-')))
}

fn prune(dirs: &Dirs, stack: &StackName) {
    let Ok(mut paths) = json_files(&directory(dirs)) else { return };
    paths.retain(|path| may_be_of(path, stack));
    let surplus = paths.len().saturating_sub(KEPT);
    for path in paths.iter().take(surplus) {
        if Record::load(path).is_ok_and(|record| record.stack == *stack) {
            // Whoever else prunes at this moment does the same.
            drop(fs::remove_file(path));
        }
    }
}

/// RFC 3339 in UTC, to the millisecond.
#[must_use]
pub fn timestamp(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}

/// `20260213T100000.123Z`: sorts as the time does, and needs no quoting.
fn compact(timestamp: &str) -> String {
    timestamp.chars().filter(|c| !matches!(c, '-' | ':')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_grows_step_by_step_and_is_found_again() {
        let home = tempfile::tempdir().unwrap();
        let dirs = Dirs::below(home.path());
        let stack = StackName::parse("web-shop").unwrap();
        let mut record = OpenRecord::begin(&dirs, &stack, "apply").unwrap();
        record.step("preflight").unwrap();
        record.note("the fallback is in use");
        record.step("apply").unwrap();
        let open = newest(&dirs, &stack, &["apply"]).unwrap();
        assert_eq!((open.steps.len(), open.outcome.is_none()), (2, true));
        assert_eq!(open.steps[0].notes, ["the fallback is in use"]);
        record.close(&dirs, 0, "applied").unwrap();
        let other = StackName::parse("web").unwrap();
        OpenRecord::begin(&dirs, &other, "shop-x").unwrap();
        let (records, broken) = load(&dirs, Some(&stack)).unwrap();
        assert_eq!((records.len(), broken.len()), (1, 0));
        assert_eq!(records[0].outcome.as_ref().map(|outcome| outcome.code), Some(0));
        assert_eq!(load(&dirs, None).unwrap().0.len(), 2);
        assert_eq!(newest(&dirs, &stack, &["update"]), None);
        let each = newest_of_each(&dirs, &[&stack, &other], &["apply"]);
        assert_eq!(each.keys().collect::<Vec<_>>(), [&stack]);
    }

    #[test]
    fn open_ones_are_found_and_only_the_newest_damaged_one_is_in_the_way() {
        let home = tempfile::tempdir().unwrap();
        let dirs = Dirs::below(home.path());
        let stack = StackName::parse("web").unwrap();
        let begin = |verb: &str| OpenRecord::begin(&dirs, &stack, verb).unwrap();
        let damage = |name: &str| crate::atomic::replace(&directory(&dirs).join(name), b"{", 0o600).unwrap();
        damage("20260101T000000.000Z-web-update.json");
        assert!(open_ones(&dirs, &stack, &["update"]).is_err());
        begin("update");
        begin("rollback").close(&dirs, 0, "done").unwrap();
        begin("apply");
        let open = open_ones(&dirs, &stack, &["update", "rollback"]).unwrap();
        assert_eq!(open.iter().map(|(record, _)| record.verb.as_str()).collect::<Vec<_>>(), ["update"]);
        damage("99990101T000000.000Z-web-update.json");
        assert!(open_ones(&dirs, &stack, &["update"]).is_err());
        assert!(open_ones(&dirs, &stack, &["apply"]).is_ok());
    }

    #[test]
    fn what_is_dated_in_the_future_is_older_than_what_is_not() {
        let names = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
        let mut paths =
            names(&["20200101T000000.000Z-a", "20250101T000000.000Z-a", "20300101T000000.000Z-a"]);
        sort_by_age(&mut paths, humantime::parse_rfc3339("2025-01-01T00:00:00Z").unwrap());
        assert_eq!(
            paths,
            names(&["20300101T000000.000Z-a", "20200101T000000.000Z-a", "20250101T000000.000Z-a"])
        );
    }

    #[test]
    fn the_oldest_go_and_a_broken_one_is_told() {
        let home = tempfile::tempdir().unwrap();
        let dirs = Dirs::below(home.path());
        let stack = StackName::parse("web").unwrap();
        for _ in 0..KEPT + 3 {
            OpenRecord::begin(&dirs, &stack, "apply").unwrap().close(&dirs, 0, "done").unwrap();
        }
        crate::atomic::replace(&directory(&dirs).join("20260101T000000.000Z-web-apply.json"), b"{", 0o600)
            .unwrap();
        let (records, broken) = load(&dirs, None).unwrap();
        assert_eq!((records.len(), broken.len()), (KEPT, 1));
    }
}
