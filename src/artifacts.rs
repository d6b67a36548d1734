//! The files and links that we own in the owner directory: put in place, put back, taken away. What is not ours is
//! never overwritten, and what drifted is kept in the state directory.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fs_err as fs;
use fs_err::os::unix::fs::symlink;
use thiserror::Error;

use crate::atomic::{self, WriteError};
use crate::digest::Sha256;
use crate::dirs::Dirs;
use crate::document::{self, ReadError};
use crate::exit::Code;
use crate::names::UnitName;
use crate::render::RenderedUnit;
use crate::seal::{self, SealedUnit};

/// Why an artifact could not be put in place or taken away.
#[derive(Debug, Error)]
pub enum ArtifactError {
    /// Something is there that is not ours.
    #[error(
        "{}: expected nothing there or a unit of ours, found {found}; it is left as it is. Move it away, or choose another name",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What is there.
        found: String,
    },
    /// The unit is linked there by its owner, which must change it.
    #[error(
        "{}: a link to {}, put there by a generation; change the declaration that made it instead",
        path.display(),
        target.display()
    )]
    Linked {
        /// The link.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// A text of ours cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A text cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A link, a rename or a removal failed; the source names the path.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl ArtifactError {
    /// How the program ends because of this error.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Foreign { .. } | Self::Linked { .. } => Code::Configuration,
            Self::Write(_) => Code::CannotWrite,
            Self::Read(_) | Self::Io(_) => Code::Io,
        }
    }
}

/// What was done to one artifact, in words for the person who asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A file or link was made or replaced.
    Wrote(PathBuf),
    /// A file or link was taken away.
    Removed(PathBuf),
    /// What had drifted is kept.
    SetAside {
        /// Where it was.
        path: PathBuf,
        /// Where it is now.
        kept: PathBuf,
    },
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Wrote(path) => write!(f, "wrote {}", path.display()),
            Self::Removed(path) => write!(f, "removed {}", path.display()),
            Self::SetAside { path, kept } => {
                write!(f, "kept what was at {} as {}", path.display(), kept.display())
            }
        }
    }
}

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
    dirs: &Dirs,
    unit: &RenderedUnit,
    before: Option<&SealedUnit>,
) -> Result<Vec<Change>, ArtifactError> {
    let path = dirs.owner().join(unit.name.as_str());
    let mut changes = Vec::new();
    match present(&path, unit, before)? {
        Present::Wanted => {}
        Present::Absent | Present::Ours => write(&path, unit, &mut changes)?,
        Present::Drifted => {
            changes.push(set_aside(dirs, &path)?);
            write(&path, unit, &mut changes)?;
        }
    }
    for link in unit.wants_links() {
        changes.extend(put_link(dirs, &dirs.owner().join(link), &unit.name)?);
    }
    Ok(changes)
}

/// Takes a unit's text and links away. A drifted text is kept in the state directory.
///
/// # Errors
/// As [`put`].
pub fn take_away(dirs: &Dirs, name: &UnitName, sealed: &SealedUnit) -> Result<Vec<Change>, ArtifactError> {
    let mut changes = take_links_away(dirs, &sealed.enabled_by)?;
    let path = dirs.owner().join(name.as_str());
    match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(changes),
        Err(error) => return Err(error.into()),
        Ok(metadata) if metadata.is_symlink() && sealed.link.is_some() => {
            return Err(ArtifactError::Linked { target: fs::read_link(&path)?, path });
        }
        Ok(metadata) if metadata.is_file() && digest(&path) == Some(sealed.sha256) => {
            fs::remove_file(&path)?;
            changes.push(Change::Removed(path));
        }
        Ok(_) => changes.push(set_aside(dirs, &path)?),
    }
    Ok(changes)
}

fn take_links_away(dirs: &Dirs, links: &[PathBuf]) -> Result<Vec<Change>, ArtifactError> {
    let mut changes = Vec::new();
    for link in links.iter().map(|link| dirs.owner().join(link)).filter(|link| is_link(link)) {
        fs::remove_file(&link)?;
        if let Some(directory) = link.parent() {
            // Fails when other units are enabled there too, which is as it should be.
            drop(std::fs::remove_dir(directory));
        }
        changes.push(Change::Removed(link));
    }
    Ok(changes)
}

/// Takes a unit's text and links away that no seal tells of: a regular file whose text has the marker of ours. As nobody
/// can tell whether it drifted, it is kept in the state directory.
///
/// # Errors
/// As [`put`].
pub fn take_away_unsealed(dirs: &Dirs, name: &UnitName, marker: &str) -> Result<Vec<Change>, ArtifactError> {
    let path = dirs.owner().join(name.as_str());
    if !fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file()) {
        return Ok(Vec::new());
    }
    let text = document::read_bounded(&path)?;
    if !is_marked(&text, marker) {
        return Ok(Vec::new());
    }
    let settings = seal::settings(&String::from_utf8_lossy(&text));
    let mut changes = take_links_away(dirs, &seal::install_links(name, &settings))?;
    changes.push(set_aside(dirs, &path)?);
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
pub fn put_link_back(dirs: &Dirs, path: &Path, target: &Path) -> Result<Vec<Change>, ArtifactError> {
    let mut changes = Vec::new();
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => {}
        Ok(_) => changes.push(set_aside(dirs, path)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    replace_link(path, target)?;
    changes.push(Change::Wrote(path.to_owned()));
    Ok(changes)
}

/// Moves whatever is at `path` into the state directory, under its name and the time; what can be neither renamed nor
/// copied to there stays beside `path`.
///
/// # Errors
/// It cannot be renamed; it is then still where it was.
pub fn set_aside(dirs: &Dirs, path: &Path) -> Result<Change, ArtifactError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stamp = humantime::format_rfc3339_nanos(SystemTime::now()).to_string().replace(':', "-");
    let kept = dirs.state().join("set-aside").join(format!("{stamp}-{name}"));
    if let Some(parent) = kept.parent() {
        fs::create_dir_all(parent)?;
    }
    let kept = match fs::rename(path, &kept) {
        // The state directory is on another file system.
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            if copy(path, &kept).is_ok() {
                fs::remove_file(path)?;
                kept
            } else {
                // A directory, a FIFO, a file that is too large: under a name that systemd does not read.
                let beside = path.with_file_name(format!("{name}.{stamp}.set-aside"));
                fs::rename(path, &beside)?;
                beside
            }
        }
        other => other.map(|()| kept)?,
    };
    Ok(Change::SetAside { path: path.to_owned(), kept })
}

/// Copies a link or a file of a sensible size.
fn copy(path: &Path, copy: &Path) -> Result<(), ArtifactError> {
    if is_link(path) {
        symlink(fs::read_link(path)?, copy)?;
    } else {
        atomic::replace(copy, &document::read_bounded(path)?, atomic::PRIVATE)?;
    }
    Ok(())
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

fn write(path: &Path, unit: &RenderedUnit, changes: &mut Vec<Change>) -> Result<(), ArtifactError> {
    atomic::replace(path, unit.text.as_bytes(), atomic::PUBLIC)?;
    changes.push(Change::Wrote(path.to_owned()));
    Ok(())
}

/// Puts a `.wants` link in place, relative, unless there is one that leads to the unit.
fn put_link(dirs: &Dirs, link: &Path, name: &UnitName) -> Result<Vec<Change>, ArtifactError> {
    let leads_to_unit = is_link(link)
        && fs::canonicalize(link).is_ok_and(|end| {
            fs::canonicalize(dirs.owner().join(name.as_str())).is_ok_and(|unit| unit == end)
        });
    if leads_to_unit {
        return Ok(Vec::new());
    }
    let mut changes = Vec::new();
    if !is_link(link) && fs::symlink_metadata(link).is_ok() {
        changes.push(set_aside(dirs, link)?);
    }
    replace_link(link, &Path::new("..").join(name.as_str()))?;
    changes.push(Change::Wrote(link.to_owned()));
    Ok(changes)
}

/// Replaces the link at `path` in one step.
fn replace_link(path: &Path, target: &Path) -> Result<(), ArtifactError> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(parent)?;
    let link = tempfile::Builder::new()
        .prefix(".stackwarden-")
        .make_in(parent, |temporary| symlink(target, temporary))?;
    link.persist(path).map_err(|error| error.error)?;
    Ok(())
}

fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink())
}

fn digest(path: &Path) -> Option<Sha256> {
    document::read_bounded(path).ok().map(|content| Sha256::of(&content))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
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
        assert_eq!(put(&h.dirs, &h.unit, None).unwrap().len(), 2);
        assert_eq!(put(&h.dirs, &h.unit, Some(&h.sealed)).unwrap(), []);
        let link = h.dirs.owner().join("default.target.wants/demo.service");
        assert_eq!(fs::read_link(&link).unwrap(), Path::new("../demo.service"));
        take_away(&h.dirs, &h.unit.name, &h.sealed).unwrap();
        assert_eq!(fs::read_dir(h.dirs.owner()).unwrap().count(), 0);
    }

    #[test]
    fn a_drifted_text_is_kept_and_replaced() {
        let h = home();
        put(&h.dirs, &h.unit, None).unwrap();
        let path = h.dirs.owner().join("demo.service");
        for drift in ["file", "link", "directory"] {
            fs::remove_file(&path).unwrap();
            match drift {
                "file" => atomic::replace(&path, b"[Service]\n", atomic::PUBLIC).unwrap(),
                "link" => symlink("/nowhere", &path).unwrap(),
                _ => fs::create_dir(&path).unwrap(),
            }
            let changes = put(&h.dirs, &h.unit, Some(&h.sealed)).unwrap();
            let [Change::SetAside { kept, .. }, Change::Wrote(_)] = changes.as_slice() else {
                panic!("{drift}: {changes:?}")
            };
            assert!(fs::symlink_metadata(kept).is_ok());
            assert_eq!(document::read_bounded(&path).unwrap(), h.unit.text.as_bytes());
        }
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
        assert!(matches!(put(&h.dirs, &h.unit, None), Err(ArtifactError::Foreign { .. })));
        fs::remove_file(&path).unwrap();
        symlink("/nix/store/x/demo.service", &path).unwrap();
        assert!(matches!(put(&h.dirs, &h.unit, None), Err(ArtifactError::Linked { .. })));
        assert!(is_link(&path));
    }

    #[test]
    fn a_text_of_ours_without_its_seal_is_what_a_crash_leaves() {
        let h = home();
        let path = h.dirs.owner().join("demo.service");
        let older = h.unit.text.replace("TimeoutStopSec=", "TimeoutStopSec=1");
        atomic::replace(&path, older.as_bytes(), atomic::PUBLIC).unwrap();
        assert!(matches!(
            put(&h.dirs, &h.unit, None).unwrap().as_slice(),
            [Change::Wrote(_), Change::Wrote(_)]
        ));
    }
}
