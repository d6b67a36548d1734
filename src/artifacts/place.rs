//! What is to be done to the files and links that we own: put in place, put back, taken away.

use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::error::ArtifactError;
use super::hand::{Change, Hand, is_link};
use crate::digest::Sha256;
use crate::document;
use crate::generation::leads_to;
use crate::names::UnitName;
use crate::render::RenderedUnit;
use crate::seal::{self, SealedUnit};
use crate::systemd::settings::assignments::Assignments;

/// Whose the thing at a path is.
enum Present {
    Absent,
    /// A regular file with the very text that is wanted.
    Wanted,
    /// A regular file with a text that we wrote.
    Ours,
    /// Sealed as ours, and changed since.
    Drifted,
}

/// Puts a unit's text and the links that enable it in place. `before` is what the seal says so far.
///
/// # Errors
/// Something foreign is in the way, or the system refuses; what was there is then still there.
pub fn put(
    hand: &Hand<'_>,
    unit: &RenderedUnit,
    before: Option<&SealedUnit>,
) -> Result<Vec<Change>, ArtifactError> {
    let owner = hand.dirs.owner();
    let path = owner.join(unit.name.as_str());
    let mut changes = Vec::new();
    let text = unit.text.as_bytes();
    match present(&path, unit, before)? {
        Present::Wanted => {}
        Present::Absent | Present::Ours => changes.push(hand.write(&path, text)?),
        Present::Drifted => {
            changes.push(hand.set_aside(&path)?);
            changes.push(hand.write(&path, text)?);
        }
    }
    for link in unit.wants_links() {
        changes.extend(put_link(hand, &owner.join(link), &unit.name)?);
    }
    Ok(changes)
}

/// Takes a unit's text and links away. A drifted text is kept in the state directory.
///
/// # Errors
/// As [`put`].
pub fn take_away(
    hand: &Hand<'_>,
    name: &UnitName,
    sealed: &SealedUnit,
) -> Result<Vec<Change>, ArtifactError> {
    let mut changes = take_links_away(hand, &sealed.enabled_by)?;
    let path = hand.dirs.owner().join(name.as_str());
    match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(changes),
        Err(error) => return Err(error.into()),
        Ok(metadata) if metadata.is_symlink() && sealed.link.is_some() => {
            return Err(ArtifactError::Linked { target: fs::read_link(&path)?, path });
        }
        Ok(metadata) if metadata.is_file() && digest(&path) == Some(sealed.sha256) => {
            changes.push(hand.remove(&path)?);
        }
        Ok(_) => changes.push(hand.set_aside(&path)?),
    }
    Ok(changes)
}

fn take_links_away(hand: &Hand<'_>, links: &[PathBuf]) -> Result<Vec<Change>, ArtifactError> {
    let mut changes = Vec::new();
    for link in links.iter().map(|link| hand.dirs.owner().join(link)).filter(|link| is_link(link)) {
        changes.push(hand.remove_with_directory(&link)?);
    }
    Ok(changes)
}

/// Takes a unit's text and links away that no seal tells of: a regular file whose text has the marker of ours. As nobody
/// can tell whether it drifted, it is kept in the state directory.
///
/// # Errors
/// As [`put`].
pub fn take_away_unsealed(
    hand: &Hand<'_>,
    name: &UnitName,
    marker: &str,
) -> Result<Vec<Change>, ArtifactError> {
    let path = hand.dirs.owner().join(name.as_str());
    if !fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file()) {
        return Ok(Vec::new());
    }
    let text = document::read_bounded(&path)?;
    if !is_marked(&text, marker) {
        return Ok(Vec::new());
    }
    let settings = Assignments::of_text(&String::from_utf8_lossy(&text));
    let mut changes = take_links_away(hand, &seal::install_links(name, &settings))?;
    changes.push(hand.set_aside(&path)?);
    Ok(changes)
}

/// Whether a text names our seal: it was written by us, although a crash may have kept the seal from being written.
fn is_marked(text: &[u8], marker: &str) -> bool {
    String::from_utf8_lossy(text).lines().any(|line| line.starts_with(marker))
}

/// Puts a link that a generation made back to `target`, keeping what is there.
///
/// # Errors
/// As [`put`].
pub fn put_link_back(hand: &Hand<'_>, path: &Path, target: &Path) -> Result<Vec<Change>, ArtifactError> {
    let mut changes = Vec::new();
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => {}
        Ok(_) => changes.push(hand.set_aside(path)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    changes.push(hand.link(path, target)?);
    Ok(changes)
}

fn present(path: &Path, unit: &RenderedUnit, before: Option<&SealedUnit>) -> Result<Present, ArtifactError> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Present::Absent),
        other => other?,
    };
    if metadata.is_symlink() && before.is_none_or(|sealed| sealed.link.is_some()) {
        return Err(ArtifactError::Linked { path: path.to_owned(), target: fs::read_link(path)? });
    }
    if metadata.is_file() {
        let text = match document::read_bounded(path) {
            Ok(text) => text,
            // What cannot be read can still be kept.
            Err(_) if before.is_some() => return Ok(Present::Drifted),
            Err(error) => return Err(error.into()),
        };
        if text == unit.text.as_bytes() {
            return Ok(Present::Wanted);
        }
        match before {
            Some(sealed) if Sha256::of(&text) == sealed.sha256 => return Ok(Present::Ours),
            None if is_marked(&text, &unit.marker) => return Ok(Present::Ours),
            _ => {}
        }
    }
    if before.is_some() {
        return Ok(Present::Drifted);
    }
    let found = format!("a {} of somebody else's", document::kind_of(metadata.file_type()));
    Err(ArtifactError::Foreign { path: path.to_owned(), found })
}

/// Puts a `.wants` link in place, relative, unless there is one that leads to the unit.
fn put_link(hand: &Hand<'_>, link: &Path, name: &UnitName) -> Result<Vec<Change>, ArtifactError> {
    if leads_to(link, &hand.dirs.owner().join(name.as_str())) {
        return Ok(Vec::new());
    }
    let mut changes = Vec::new();
    if !is_link(link) && fs::symlink_metadata(link).is_ok() {
        changes.push(hand.set_aside(link)?);
    }
    changes.push(hand.link(link, &Path::new("..").join(name.as_str()))?);
    Ok(changes)
}

fn digest(path: &Path) -> Option<Sha256> {
    document::read_bounded(path).ok().map(|content| Sha256::of(&content))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use fs_err::os::unix::fs::symlink;

    use super::*;
    use crate::artifacts::set_aside;
    use crate::atomic;
    use crate::dirs::Dirs;
    use crate::inventory::{Entry, Host};
    use crate::names::StackName;
    use crate::render::{self, Programs};
    use crate::seal::Seal;

    struct Home {
        dirs: Dirs,
        unit: RenderedUnit,
        sealed: Arc<SealedUnit>,
        _guard: tempfile::TempDir,
    }

    fn home() -> Home {
        let home = tempfile::tempdir().unwrap();
        let dirs = Dirs::below(home.path());
        let programs = Programs::in_directory(Path::new("/b"));
        let entry = Entry::new("/srv/a".into(), vec!["compose.yml".into()]);
        let stack = StackName::parse("demo").unwrap();
        let unit = render::stack(&dirs, &Host::default(), &programs, &stack, &entry, &Sha256::of(b""))
            .unwrap()
            .remove(0);
        let sealed = Seal::of(std::slice::from_ref(&unit), None).units.remove(&unit.name).unwrap();
        Home { dirs, unit, sealed, _guard: home }
    }

    #[test]
    fn a_unit_is_put_in_place_once_and_taken_away_without_a_trace() {
        let h = home();
        assert_eq!(put(&Hand::new(&h.dirs), &h.unit, None).unwrap().len(), 2);
        assert_eq!(put(&Hand::new(&h.dirs), &h.unit, Some(&h.sealed)).unwrap(), []);
        let link = h.dirs.owner().join("default.target.wants/demo.service");
        assert_eq!(fs::read_link(&link).unwrap(), Path::new("../demo.service"));
        take_away(&Hand::new(&h.dirs), &h.unit.name, &h.sealed).unwrap();
        assert_eq!(fs::read_dir(h.dirs.owner()).unwrap().count(), 0);
    }

    #[test]
    fn a_drifted_text_is_kept_and_replaced() {
        let h = home();
        put(&Hand::new(&h.dirs), &h.unit, None).unwrap();
        let path = h.dirs.owner().join("demo.service");
        for drift in ["file", "link", "directory"] {
            fs::remove_file(&path).unwrap();
            match drift {
                "file" => atomic::replace(&path, b"[Service]\n", atomic::PUBLIC).unwrap(),
                "link" => symlink("/nowhere", &path).unwrap(),
                _ => fs::create_dir(&path).unwrap(),
            }
            let changes = put(&Hand::new(&h.dirs), &h.unit, Some(&h.sealed)).unwrap();
            let [Change::SetAside { kept, .. }, Change::Wrote(_)] = changes.as_slice() else {
                panic!("{drift}: {changes:?}")
            };
            assert!(fs::symlink_metadata(kept).is_ok());
            assert_eq!(document::read_bounded(&path).unwrap(), h.unit.text.as_bytes());
        }
    }

    #[test]
    fn whoever_only_looks_says_what_would_be_done_and_does_nothing() {
        let h = home();
        let path = h.dirs.owner().join("demo.service");
        let link = h.dirs.owner().join("default.target.wants/demo.service");
        let would = |sealed: Option<&SealedUnit>| put(&Hand::looking(&h.dirs), &h.unit, sealed).unwrap();
        assert_eq!(would(None), [Change::Wrote(path.clone()), Change::Wrote(link.clone())]);
        assert!(!h.dirs.owner().exists());
        put(&Hand::new(&h.dirs), &h.unit, None).unwrap();
        assert_eq!(would(Some(&h.sealed)), []);
        fs::remove_file(&path).unwrap();
        assert_eq!(
            would(Some(&h.sealed)),
            [Change::Wrote(path.clone())],
            "and not the link, which leads nowhere"
        );
        atomic::replace(&path, b"[Service]\n", atomic::PUBLIC).unwrap();
        let kept = h.dirs.state().join("set-aside");
        let drifted = [Change::SetAside { path: path.clone(), kept }, Change::Wrote(path.clone())];
        assert_eq!(would(Some(&h.sealed)), drifted);
        let away = take_away(&Hand::looking(&h.dirs), &h.unit.name, &h.sealed).unwrap();
        assert_eq!((away.len(), path.exists() && is_link(&link)), (2, true));
        assert!(!h.dirs.state().exists());
        let acted = put(&Hand::new(&h.dirs), &h.unit, Some(&h.sealed)).unwrap();
        assert!(matches!(acted.as_slice(), [Change::SetAside { .. }, Change::Wrote(_)]));
    }

    #[test]
    fn what_cannot_be_copied_to_another_file_system_is_kept_beside() {
        let h = home();
        let other = tempfile::tempdir_in("/dev/shm").unwrap();
        fs::create_dir_all(h.dirs.state().parent().unwrap()).unwrap();
        symlink(other.path(), h.dirs.state()).unwrap();
        let path = h.dirs.owner().join("demo.service");
        for (kind, beside) in [("file", false), ("directory", true), ("fifo", true)] {
            fs::create_dir_all(h.dirs.owner()).unwrap();
            match kind {
                "file" => atomic::replace(&path, b"x", atomic::PUBLIC).unwrap(),
                "directory" => fs::create_dir(&path).unwrap(),
                _ => nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap(),
            }
            let Change::SetAside { kept, .. } = set_aside(&h.dirs, &path).unwrap() else { panic!("{kind}") };
            assert!(fs::symlink_metadata(&kept).is_ok() && fs::symlink_metadata(&path).is_err(), "{kind}");
            assert_eq!(kept.parent() == path.parent(), beside, "{kind}");
        }
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        let h = home();
        let path = h.dirs.owner().join("demo.service");
        atomic::replace(&path, b"[Service]\nExecStart=/bin/true\n", atomic::PUBLIC).unwrap();
        assert!(matches!(put(&Hand::new(&h.dirs), &h.unit, None), Err(ArtifactError::Foreign { .. })));
        fs::remove_file(&path).unwrap();
        symlink("/nix/store/x/demo.service", &path).unwrap();
        assert!(matches!(put(&Hand::new(&h.dirs), &h.unit, None), Err(ArtifactError::Linked { .. })));
        assert!(is_link(&path));
    }

    #[test]
    fn a_text_of_ours_without_its_seal_is_what_a_crash_leaves() {
        let h = home();
        let path = h.dirs.owner().join("demo.service");
        let older = h.unit.text.replace("TimeoutStopSec=", "TimeoutStopSec=1");
        atomic::replace(&path, older.as_bytes(), atomic::PUBLIC).unwrap();
        assert!(matches!(
            put(&Hand::new(&h.dirs), &h.unit, None).unwrap().as_slice(),
            [Change::Wrote(_), Change::Wrote(_)]
        ));
    }
}
