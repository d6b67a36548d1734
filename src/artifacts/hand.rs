//! The one hand that touches artifacts, or that only says what it would do: whoever decides does not know which.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fs_err as fs;
use fs_err::os::unix::fs::symlink;

use super::error::ArtifactError;
use crate::atomic;
use crate::dirs::Dirs;
use crate::document;

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
        /// Where it is now; if nothing was done, the directory that it would go to.
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

impl Change {
    /// What would be done, in the same words.
    #[must_use]
    pub fn would(&self) -> String {
        match self {
            Self::Wrote(path) => format!("would write {}", path.display()),
            Self::Removed(path) => format!("would remove {}", path.display()),
            Self::SetAside { path, kept } => {
                format!("would keep what is at {} in {}", path.display(), kept.display())
            }
        }
    }
}

/// Does what is decided, or only says it.
#[derive(Debug, Clone, Copy)]
pub struct Hand<'a> {
    /// Where things are.
    pub dirs: &'a Dirs,
    acts: bool,
}

impl<'a> Hand<'a> {
    /// One that acts.
    #[must_use]
    pub const fn new(dirs: &'a Dirs) -> Self {
        Self { dirs, acts: true }
    }

    /// One that only says what it would do.
    #[must_use]
    pub const fn looking(dirs: &'a Dirs) -> Self {
        Self { dirs, acts: false }
    }

    /// Whether it acts.
    #[must_use]
    pub const fn acts(&self) -> bool {
        self.acts
    }

    /// Writes the text of a unit.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, path: &Path, text: &[u8]) -> Result<Change, ArtifactError> {
        if self.acts {
            atomic::replace(path, text, atomic::PUBLIC)?;
        }
        Ok(Change::Wrote(path.to_owned()))
    }

    /// Puts a link in place of whatever link or nothing is there.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn link(&self, path: &Path, target: &Path) -> Result<Change, ArtifactError> {
        if self.acts {
            replace_link(path, target)?;
        }
        Ok(Change::Wrote(path.to_owned()))
    }

    /// Removes a file or link.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn remove(&self, path: &Path) -> Result<Change, ArtifactError> {
        if self.acts {
            fs::remove_file(path)?;
        }
        Ok(Change::Removed(path.to_owned()))
    }

    /// As [`Hand::remove`], and the directory with it if it was the last there.
    ///
    /// # Errors
    /// As [`Hand::remove`].
    pub fn remove_with_directory(&self, path: &Path) -> Result<Change, ArtifactError> {
        let change = self.remove(path)?;
        if let Some(directory) = path.parent().filter(|_| self.acts) {
            // Fails when other units are enabled there too, which is as it should be.
            drop(std::fs::remove_dir(directory));
        }
        Ok(change)
    }

    /// As [`set_aside`].
    ///
    /// # Errors
    /// As [`set_aside`].
    pub fn set_aside(&self, path: &Path) -> Result<Change, ArtifactError> {
        if self.acts {
            return set_aside(self.dirs, path);
        }
        Ok(Change::SetAside { path: path.to_owned(), kept: kept(self.dirs) })
    }
}

fn kept(dirs: &Dirs) -> PathBuf {
    dirs.state().join("set-aside")
}

/// Moves whatever is at `path` into the state directory, under its name and the time; what can be neither renamed nor
/// copied to there stays beside `path`.
///
/// # Errors
/// It cannot be renamed; it is then still where it was.
pub fn set_aside(dirs: &Dirs, path: &Path) -> Result<Change, ArtifactError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stamp = humantime::format_rfc3339_nanos(SystemTime::now()).to_string().replace(':', "-");
    let kept = kept(dirs).join(format!("{stamp}-{name}"));
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

pub(super) fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink())
}
