//! Which records were written since a moment. No clock is asked: it may have been set back, and an update that was under
//! way at that moment belongs to what came out.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use fs_err as fs;

use crate::dirs::Dirs;
use crate::document::Document;
use crate::inventory::json_files;
use crate::names::StackName;
use crate::records::{Record, directory, may_be_of, names_verb};
use crate::update::Outcome;

/// The records' files as they are at a moment: inode and time of change. Each write replaces the file.
#[derive(Debug)]
pub struct Written(BTreeMap<PathBuf, (u64, i64, i64)>);

impl Written {
    /// What there is now.
    #[must_use]
    pub fn look(dirs: &Dirs) -> Self {
        let stamp = |path: PathBuf| {
            let seen = fs::symlink_metadata(&path).ok()?;
            Some((path, (seen.ino(), seen.ctime(), seen.ctime_nsec())))
        };
        Self(json_files(&directory(dirs)).unwrap_or_default().into_iter().filter_map(stamp).collect())
    }

    /// The record of an update of `stack` that tells best what has happened since: the last one that was not for
    /// nothing, as after one that was left open has been finished first.
    #[must_use]
    pub fn since(&self, dirs: &Dirs, stack: &StackName) -> Option<Record> {
        let now = Self::look(dirs).0;
        let mut records: Vec<Record> = now
            .iter()
            .filter(|(path, stamp)| {
                may_be_of(path, stack) && names_verb(path, "update") && self.0.get(*path) != Some(stamp)
            })
            .filter_map(|(path, _)| Record::load(path).ok())
            .filter(|record| record.stack == *stack && record.verb == "update")
            .collect();
        match records.iter().rposition(|record| !was_for_nothing(record)) {
            Some(place) => Some(records.swap_remove(place)),
            None => records.pop(),
        }
    }
}

fn was_for_nothing(record: &Record) -> bool {
    let result = record.update.as_ref().and_then(|update| update.result);
    matches!(result, Some(Outcome::Unchanged | Outcome::Skipped))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::OpenRecord;
    use crate::update::Update;

    #[test]
    fn what_was_written_or_closed_since_is_found_whatever_the_clock_says() {
        let home = tempfile::tempdir().unwrap();
        let dirs = Dirs::below(home.path());
        let stack = StackName::parse("web").unwrap();
        let begin = |result: Outcome| {
            let mut record = OpenRecord::begin(&dirs, &stack, "update").unwrap();
            record.set_update(Update { result: Some(result), ..Update::default() });
            record
        };
        let place = |record: OpenRecord, name: &str| {
            let from = directory(&dirs).join(format!("{}.json", record.id()));
            record.close(&dirs, 0, name).unwrap();
            fs::rename(from, directory(&dirs).join(format!("{name}-web-update.json"))).unwrap();
        };
        place(begin(Outcome::Unchanged), "99990101T000000.000Z");
        let joined = begin(Outcome::Updated);
        let before = Written::look(&dirs);
        assert_eq!(before.since(&dirs, &stack), None);
        joined.close(&dirs, 0, "joined").unwrap();
        let said = |record: Option<Record>| record.unwrap().outcome.unwrap().message;
        assert_eq!(said(before.since(&dirs, &stack)), "joined");
        begin(Outcome::Unchanged).close(&dirs, 0, "nothing new").unwrap();
        assert_eq!(said(before.since(&dirs, &stack)), "joined", "which says more");
        begin(Outcome::RolledBack).close(&dirs, 81, "rolled back").unwrap();
        assert_eq!(said(before.since(&dirs, &stack)), "rolled back");
        assert_eq!(before.since(&dirs, &StackName::parse("we").unwrap()), None);
    }
}
