//! Directories that another one may have stood in for while the manager read them: no file's own times tell.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::dirs::Dirs;
use crate::systemd::search_path::{CopyKind, FileStatus, Resolution};

/// The directories that a unit's files lie in, the one that a link of ours leads to included.
pub(super) fn directories_of(resolution: &Resolution) -> impl Iterator<Item = &Path> {
    let winner = resolution.winner();
    let linked = winner.and_then(|copy| match &copy.kind {
        CopyKind::Link(link) => Some(link.target.as_path()),
        _ => None,
    });
    let files = winner.map(|copy| copy.path.as_path()).into_iter().chain(linked);
    files.chain(resolution.drop_ins.iter().map(|drop_in| drop_in.path.as_path())).filter_map(Path::parent)
}

/// Which of `directories` were moved, or stand below one of the user's own that was, and when.
pub(super) fn look<'a>(
    dirs: &Dirs,
    directories: impl Iterator<Item = &'a Path>,
) -> BTreeMap<PathBuf, SystemTime> {
    let mut known: BTreeMap<&Path, Option<SystemTime>> = BTreeMap::new();
    let directories: BTreeSet<&Path> = directories.collect();
    directories
        .into_iter()
        .filter_map(|directory| {
            let above =
                directory.ancestors().skip(1).take_while(|above| above.starts_with(&dirs.config_home));
            let times = std::iter::once(directory).chain(above);
            let newest = times.filter_map(|path| *known.entry(path).or_insert_with(|| moved(path))).max()?;
            Some((directory.to_owned(), newest))
        })
        .collect()
}

/// When a directory itself was last moved, or its attributes changed. What happens to its entries sets both of its times
/// to the same, and is looked at by itself.
fn moved(directory: &Path) -> Option<SystemTime> {
    let status = FileStatus::following(directory)?;
    (status.changed > status.modified).then_some(status.changed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::fingerprint::TICK;

    #[test]
    fn a_directory_that_was_moved_tells_so_and_one_with_new_entries_does_not() {
        let home = tempfile::tempdir().unwrap();
        let dirs = Dirs::below(home.path());
        let (owner, away) = (dirs.owner(), home.path().join("away"));
        fs_err::create_dir_all(&owner).unwrap();
        fs_err::create_dir(owner.join("a")).unwrap();
        let looked = || look(&dirs, [owner.as_path()].into_iter());
        assert_eq!(looked(), BTreeMap::new());
        for whole in [&owner, &dirs.config_home] {
            std::thread::sleep(2 * TICK);
            let before = SystemTime::now() - TICK;
            fs_err::rename(whole, &away).unwrap();
            fs_err::rename(&away, whole).unwrap();
            assert!(looked().get(&owner).is_some_and(|time| *time >= before), "{}", whole.display());
        }
        fs_err::create_dir(dirs.config_home.join("b")).unwrap();
        fs_err::create_dir(owner.join("b")).unwrap();
        assert_eq!(looked(), BTreeMap::new(), "a change of the entries hides it, and is looked at by itself");
    }
}
