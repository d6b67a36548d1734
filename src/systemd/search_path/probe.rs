//! Questions to the file system, with answers that tell "not there" from "could not look".

use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::errno::Errno;
use thiserror::Error;

use crate::document::kind_of;

/// A question that had no answer. Never the same as "it is not there".
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}: cannot {step}: {}", path.display(), errno.desc())]
pub struct CannotCheck {
    /// What was looked at.
    pub path: PathBuf,
    /// What was tried.
    pub step: &'static str,
    /// What the system said.
    pub errno: Errno,
}

impl CannotCheck {
    pub(super) fn new(path: &Path, step: &'static str, error: &std::io::Error) -> Self {
        Self { path: path.to_owned(), step, errno: errno_of(error) }
    }
}

/// The number of an error of the standard library.
pub(super) fn errno_of(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

/// What stat(2) tells of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileStatus {
    /// The file type in a word: `regular file`, `directory`, `link`, `FIFO`, `socket`, `device`.
    pub file_type: &'static str,
    /// Owner.
    pub uid: u32,
    /// Permission bits.
    pub mode: u32,
    /// Size in bytes.
    pub size: u64,
    /// Device number of the file system.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
    /// Last change of the content.
    pub modified: SystemTime,
    /// Last change of the inode: tells a replaced link although the content's time did not move.
    pub changed: SystemTime,
}

impl FileStatus {
    /// What a path leads to; none if that cannot be told.
    #[must_use]
    pub fn following(path: &Path) -> Option<Self> {
        stat(path).ok()
    }

    fn of(metadata: &std::fs::Metadata) -> Self {
        Self {
            file_type: kind_of(metadata.file_type()),
            uid: metadata.uid(),
            mode: metadata.mode() & 0o7777,
            size: metadata.size(),
            device: metadata.dev(),
            inode: metadata.ino(),
            modified: time(metadata.mtime(), metadata.mtime_nsec()),
            changed: time(metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

fn time(seconds: i64, nanoseconds: i64) -> SystemTime {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let part = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(0));
    let base = if seconds < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(whole)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(whole)
    };
    base.and_then(|base| base.checked_add(part)).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// lstat(2). The errors are given the path by the caller, so the standard library's own method is enough here.
pub(super) fn lstat(path: &Path) -> Result<FileStatus, Errno> {
    path.symlink_metadata().map(|metadata| FileStatus::of(&metadata)).map_err(|error| errno_of(&error))
}

/// stat(2): follows links.
pub(super) fn stat(path: &Path) -> Result<FileStatus, Errno> {
    path.metadata().map(|metadata| FileStatus::of(&metadata)).map_err(|error| errno_of(&error))
}

/// What a path leads to when every link is followed, in the terms that matter to systemd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileEnd {
    /// A regular file with content.
    File(FileStatus),
    /// An empty regular file or a character device such as /dev/null: a mask.
    Mask(FileStatus),
    /// A directory, FIFO, socket or block device.
    Other(FileStatus),
    /// Nothing: a link that dangles, or a file that has just gone.
    Missing,
    /// Links that lead in a circle.
    Loop,
    /// It could not be looked at.
    Unknown(CannotCheck),
}

impl FileEnd {
    /// Follows `path`.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        match path.metadata() {
            Ok(metadata) => Self::known(&metadata),
            Err(error) => Self::not_found(path, &error),
        }
    }

    /// What `path` itself is, and what it leads to: the same, looked at once, unless it is a link.
    pub(super) fn with_status(path: &Path) -> (Option<FileStatus>, Self) {
        match path.symlink_metadata() {
            Ok(metadata) if metadata.is_symlink() => (Some(FileStatus::of(&metadata)), Self::of(path)),
            Ok(metadata) => (Some(FileStatus::of(&metadata)), Self::known(&metadata)),
            Err(error) => (None, Self::not_found(path, &error)),
        }
    }

    fn not_found(path: &Path, error: &std::io::Error) -> Self {
        match errno_of(error) {
            Errno::ENOENT | Errno::ENOTDIR => Self::Missing,
            Errno::ELOOP => Self::Loop,
            errno => Self::Unknown(CannotCheck { path: path.to_owned(), step: "look at the file", errno }),
        }
    }

    fn known(metadata: &std::fs::Metadata) -> Self {
        use std::os::unix::fs::FileTypeExt;
        let status = FileStatus::of(metadata);
        match metadata.file_type() {
            t if t.is_char_device() => Self::Mask(status),
            t if t.is_file() && status.size == 0 => Self::Mask(status),
            t if t.is_file() => Self::File(status),
            _ => Self::Other(status),
        }
    }

    /// The status of the file at the end, where there is one.
    #[must_use]
    pub fn status(&self) -> Option<&FileStatus> {
        match self {
            Self::File(status) | Self::Mask(status) | Self::Other(status) => Some(status),
            Self::Missing | Self::Loop | Self::Unknown(_) => None,
        }
    }

    /// Whether systemd takes it for a mask.
    #[must_use]
    pub fn is_mask(&self) -> bool {
        matches!(self, Self::Mask(_))
    }
}

impl fmt::Display for FileEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(_) => f.write_str("a regular file"),
            Self::Mask(status) if status.size == 0 && status.file_type == "regular file" => {
                f.write_str("an empty file, which masks")
            }
            Self::Mask(_) => f.write_str("a character device, which masks"),
            Self::Other(status) => write!(f, "a {}", status.file_type),
            Self::Missing => f.write_str("nothing"),
            Self::Loop => f.write_str("a circle of links"),
            Self::Unknown(error) => error.fmt(f),
        }
    }
}
