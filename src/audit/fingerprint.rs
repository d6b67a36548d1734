//! A digest of everything on disk that can decide an audit's outcome: the search path, the drop-in and `.wants`
//! directories in it, inventory, seals and host configuration. It moves when an entry appears, goes, is renamed,
//! replaced or edited (by the change time, which no tool can set back).

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use fs_err as fs;
use sha2::Digest as _;

use crate::digest::Sha256;

/// Directories inside a search path directory whose content takes part in how a unit resolves.
const NESTED: &[&str] = &["d", "wants", "requires", "upholds"];

/// The kernel stamps files with the time of its last tick, 10 ms ago at most (a kernel of 100 Hz; Linux 6.13 and later are
/// finer where it matters).
pub const TICK: Duration = Duration::from_millis(10);

/// Takes the fingerprint of `directories`. What cannot be read counts as such: an error is part of the picture.
#[must_use]
pub fn take(directories: &BTreeSet<PathBuf>) -> Sha256 {
    let mut hasher = sha2::Sha256::new();
    for directory in directories {
        add_directory(&mut hasher, directory, true);
    }
    Sha256::from(hasher)
}

fn add_directory(hasher: &mut sha2::Sha256, directory: &Path, nested: bool) {
    add_entry(hasher, directory, fs::symlink_metadata(directory));
    let Ok(entries) = fs::read_dir(directory) else {
        hasher.update(b"unreadable");
        return;
    };
    let by_name: BTreeMap<_, _> =
        entries.filter_map(Result::ok).map(|entry| (entry.file_name(), entry)).collect();
    for (name, entry) in by_name {
        let path = directory.join(name);
        let is_nested =
            nested && path.extension().is_some_and(|end| NESTED.iter().any(|known| end == *known));
        if is_nested {
            add_directory(hasher, &path, false);
        } else {
            // By its name in the open directory: the kernel need not walk the whole path for each.
            add_entry(hasher, &path, entry.metadata());
        }
    }
}

/// Name, identity and times of one entry; for a link also its target's text and what it leads to.
fn add_entry(hasher: &mut sha2::Sha256, path: &Path, own: io::Result<Metadata>) {
    hasher.update(path.as_os_str().as_bytes());
    hasher.update([0]);
    let Ok(metadata) = own else {
        hasher.update(b"absent");
        return;
    };
    add_metadata(hasher, &metadata);
    if metadata.file_type().is_symlink() {
        if let Ok(target) = fs::read_link(path) {
            hasher.update(target.as_os_str().as_bytes());
            hasher.update([0]);
        }
        match fs::metadata(path) {
            Ok(target) => add_metadata(hasher, &target),
            Err(_) => hasher.update(b"dangling"),
        }
    }
}

fn add_metadata(hasher: &mut sha2::Sha256, metadata: &Metadata) {
    // A directory's times move with its entries, which are looked at by themselves; other directories inside it
    // (say, a foreign unit's drop-ins) may come and go without a meaning for us.
    let times = if metadata.is_dir() { (0, 0) } else { (metadata.ctime(), metadata.ctime_nsec()) };
    // A file that has just changed could change again without a new time. It counts as moving until a tick has passed.
    let seconds = Duration::from_secs(times.0.try_into().unwrap_or(0));
    let changed = SystemTime::UNIX_EPOCH + seconds + Duration::from_nanos(times.1.try_into().unwrap_or(0));
    if let Ok(age) = SystemTime::now().duration_since(changed)
        && age <= TICK
    {
        hasher.update(age.as_nanos().to_le_bytes());
    }
    for number in [metadata.dev(), metadata.ino(), u64::from(metadata.mode()), u64::from(metadata.uid())] {
        hasher.update(number.to_le_bytes());
    }
    hasher.update(times.0.to_le_bytes());
    hasher.update(times.1.to_le_bytes());
    if !metadata.is_dir() {
        hasher.update(metadata.len().to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::atomic::{PUBLIC, replace};
    use std::os::unix::fs::symlink;

    #[test]
    fn every_kind_of_change_moves_it_and_looking_does_not() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("user");
        fs::create_dir(&dir).unwrap();
        let at = |name: &str| dir.join(name);
        let directories = BTreeSet::from([dir.clone(), home.path().join("missing")]);
        let mut seen = BTreeSet::from([take(&directories)]);
        let mut moved = |what: &str| {
            std::thread::sleep(2 * TICK);
            let now = take(&directories);
            assert_eq!(now, take(&directories), "looking moved it");
            assert!(seen.insert(now), "{what} did not move it");
        };
        replace(&at("a.service"), b"x", PUBLIC).unwrap();
        moved("a new file");
        replace(&at("a.service"), b"x", PUBLIC).unwrap();
        moved("a replacement with the same content");
        fs::rename(at("a.service"), at("b.service")).unwrap();
        moved("a rename");
        symlink("b.service", at("c.service")).unwrap();
        moved("a link");
        fs::remove_file(at("b.service")).unwrap();
        moved("a link that dangles");
        fs::create_dir(at("c.service.d")).unwrap();
        moved("a drop-in directory");
        replace(&at("c.service.d/x.conf"), b"x", PUBLIC).unwrap();
        moved("a drop-in");
        fs::create_dir(home.path().join("missing")).unwrap();
        moved("a directory that was missing");
    }

    #[test]
    fn what_has_just_changed_counts_as_moving() {
        let home = tempfile::tempdir().unwrap();
        let directories = BTreeSet::from([home.path().to_owned()]);
        // On a busy machine a tick may pass between any two steps.
        let moves = (0..100).any(|_| {
            replace(&home.path().join("a.service"), b"x", PUBLIC).unwrap();
            take(&directories) != take(&directories)
        });
        assert!(moves);
    }
}
