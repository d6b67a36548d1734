//! Reading the whole search path once: one listing per directory, whatever the number of units asked for later.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nix::errno::Errno;

use super::chase::Chaser;
use super::drop_ins::DotDirectory;
use super::link::{self, Link, LinkRole};
use super::lookup::{Entry, NameMap};
use super::probe::{CannotCheck, FileStatus, errno_of, lstat, stat};
use super::wants::WantsIndex;
use crate::document::kind_of;
use crate::names::UnitName;

/// A user manager's working directory: that of a service of the system which does not set one (systemd.exec(5)).
const MANAGER_DIRECTORY: &str = "/";

/// One directory of the search path, in the manager's order.
#[derive(Debug)]
pub struct SearchDirectory {
    /// The directory as the manager names it.
    pub path: PathBuf,
    /// Where it really is; differs when it is, or lies behind, a link.
    pub real: Option<PathBuf>,
    /// Whether it could be read.
    pub state: DirectoryState,
    /// The directory itself, links followed.
    pub status: Option<FileStatus>,
    /// The link, where the directory's own name is one (`/etc/systemd/user` on NixOS).
    pub link: Option<FileStatus>,
    /// Links that are still to be read: what they mean depends on all the directories.
    links: Vec<UnitName>,
    pub(super) units: BTreeMap<UnitName, Listed>,
    pub(super) dot_directories: BTreeMap<String, DotDirectory>,
}

/// Whether a directory of the search path could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DirectoryState {
    /// It was listed, whole.
    Listed,
    /// There is none, which is usual.
    Missing,
    /// It could not be listed, or not to its end: what it holds is not known.
    Unreadable(CannotCheck),
}

/// A directory entry that has a unit's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Listed {
    File,
    Link(Result<Link, CannotCheck>),
    Other(&'static str),
    Unknown(CannotCheck),
}

impl Listed {
    /// What the copy says of its name, if systemd takes it.
    fn entry(&self, path: impl FnOnce() -> PathBuf) -> Option<Entry> {
        match self {
            Self::File => Some(Entry::Fragment(path())),
            Self::Link(Ok(link)) => match &link.role {
                LinkRole::Linked => Some(Entry::Fragment(path())),
                LinkRole::Alias(target) => Some(Entry::Alias(target.clone())),
                LinkRole::Skipped(_) => None,
            },
            Self::Link(Err(_)) | Self::Other(_) | Self::Unknown(_) => None,
        }
    }
}

/// The unit search path of one manager, as it is on disk at the moment of the scan.
#[derive(Debug)]
pub struct SearchPath {
    pub(super) directories: Vec<SearchDirectory>,
    pub(super) names: NameMap,
    pub(super) wants: OnceLock<WantsIndex>,
}

impl SearchPath {
    /// Reads the directories, given in the manager's order (its property `UnitPath`). What cannot be read is told in
    /// [`SearchPath::directories`] and in each [`Resolution`](super::Resolution) that it might have changed.
    pub fn scan<P: Into<PathBuf>>(directories: impl IntoIterator<Item = P>) -> Self {
        Self::scan_as_from(Path::new(MANAGER_DIRECTORY), directories)
    }

    /// The same for a manager whose working directory (`/proc/<pid>/cwd`) is another one.
    pub fn scan_as_from<P: Into<PathBuf>>(
        manager_directory: &Path,
        directories: impl IntoIterator<Item = P>,
    ) -> Self {
        let mut directories: Vec<SearchDirectory> = directories
            .into_iter()
            .map(|path| SearchDirectory::list(path.into(), manager_directory))
            .collect();
        let search_path: Vec<PathBuf> = directories
            .iter()
            .flat_map(|dir| [Some(&dir.path), dir.real.as_ref()].into_iter().flatten().cloned())
            .collect();
        let mut chaser = Chaser::default();
        let mut entries = BTreeMap::new();
        for directory in &mut directories {
            for name in std::mem::take(&mut directory.links) {
                let link = link::read(&directory.path, &name, &search_path, &mut chaser);
                directory.units.insert(name, Listed::Link(link));
            }
            for (name, listed) in &directory.units {
                if let Some(entry) = listed.entry(|| directory.join(name.as_str())) {
                    entries.entry(name.clone()).or_insert(entry);
                }
            }
        }
        Self { directories, names: NameMap::new(entries), wants: OnceLock::new() }
    }

    /// The directories, in order.
    #[must_use]
    pub fn directories(&self) -> &[SearchDirectory] {
        &self.directories
    }

    /// Every unit name that some directory defines, templates included.
    pub fn unit_names(&self) -> impl Iterator<Item = &UnitName> {
        self.names.names()
    }

    /// The directories that could not be read.
    pub fn unreadable(&self) -> impl Iterator<Item = &CannotCheck> {
        self.directories.iter().filter_map(|dir| match &dir.state {
            DirectoryState::Unreadable(error) => Some(error),
            DirectoryState::Listed | DirectoryState::Missing => None,
        })
    }
}

impl SearchDirectory {
    fn list(path: PathBuf, manager_directory: &Path) -> Self {
        let mut this = Self {
            real: path.canonicalize().ok(),
            status: stat(&path).ok(),
            link: lstat(&path).ok().filter(|status| status.file_type == "link"),
            state: DirectoryState::Listed,
            links: Vec::new(),
            units: BTreeMap::new(),
            dot_directories: BTreeMap::new(),
            path,
        };
        // The errors carry the path themselves, so the standard library's own method is enough here.
        let entries = match this.path.read_dir() {
            Ok(entries) => entries,
            Err(error) => {
                this.state = match errno_of(&error) {
                    Errno::ENOENT => DirectoryState::Missing,
                    _ => this.unreadable(&error),
                };
                return this;
            }
        };
        for entry in entries {
            match entry {
                Ok(entry) => this.add(&entry, manager_directory),
                // systemd keeps what it has read so far, too.
                Err(error) => {
                    this.state = this.unreadable(&error);
                    break;
                }
            }
        }
        this
    }

    fn unreadable(&self, error: &std::io::Error) -> DirectoryState {
        DirectoryState::Unreadable(CannotCheck::new(&self.path, "list the directory", error))
    }

    fn add(&mut self, entry: &std::fs::DirEntry, manager_directory: &Path) {
        let file_name = entry.file_name();
        let Some(name) = file_name.to_str() else {
            return;
        };
        let file_type = entry.file_type();
        if let Ok(unit) = UnitName::parse(name) {
            let listed = match file_type {
                Ok(t) if t.is_file() => Listed::File,
                Ok(t) if t.is_symlink() => {
                    self.links.push(unit);
                    return;
                }
                Ok(t) => Listed::Other(kind_of(t)),
                Err(error) => {
                    Listed::Unknown(CannotCheck::new(&self.path.join(name), "look at the file", &error))
                }
            };
            self.units.insert(unit, listed);
        } else if DotDirectory::is_name(name) {
            let real = self.real.as_deref().unwrap_or(&self.path);
            let directory = DotDirectory::new(&self.path, real, name, file_type, manager_directory);
            self.dot_directories.insert(name.to_owned(), directory);
        }
    }

    /// The path of one of its entries.
    #[must_use]
    pub fn join(&self, name: &str) -> PathBuf {
        Path::join(&self.path, name)
    }
}
