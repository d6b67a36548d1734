//! The answer for one unit: every copy, the one that wins, and what the manager would report after a reload.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use super::drop_ins::{DropIn, DropInDirectory};
use super::link::{Link, LinkRole};
use super::lookup::{Found, Miss, Step};
use super::name_parts::{instantiated, type_needs_no_file};
use super::probe::{CannotCheck, FileEnd, FileStatus};
use super::scan::{Listed, SearchPath};
use super::wants::DependencyLink;
use crate::names::UnitName;

/// One copy of a name in one directory of the search path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitCopy {
    /// The name: the one that was asked for, its template, or a name that it is an alias of.
    pub name: UnitName,
    /// Its path.
    pub path: PathBuf,
    /// Index of the search path's directory.
    pub directory: usize,
    /// What it is.
    pub kind: CopyKind,
    /// The file itself, links not followed; `None` when it has gone since the scan.
    pub status: Option<FileStatus>,
    /// What it leads to, links followed.
    pub end: FileEnd,
    /// Whether systemd takes it.
    pub standing: Standing,
}

/// What a copy is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyKind {
    /// A regular file; [`UnitCopy::end`] tells whether it is empty and so masks.
    File,
    /// A link.
    Link(Link),
    /// A directory, FIFO, socket or device: systemd skips it.
    Other(&'static str),
    /// It could not be looked at.
    Unreadable(CannotCheck),
}

/// Whether systemd takes a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It decides what the name means, be it a mask or a link to nothing.
    Wins,
    /// An earlier directory's copy decides.
    Shadowed,
    /// systemd takes no notice of it.
    Skipped,
}

/// What the manager would make of the unit at its next daemon-reload. What the texts say is not looked at: a unit
/// with a bad setting is `Loaded` here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiskState {
    /// There is a unit file with content.
    Loaded,
    /// There is none, and a unit of this type needs none.
    LoadedWithoutFile,
    /// The winning copy is empty or leads to /dev/null.
    Masked,
    /// There is no unit file to read.
    NotFound(NotFound),
    /// The winning copy leads to something that cannot be read as a file: a directory, a FIFO (opening which blocks
    /// the manager), a block device.
    Error {
        /// The winning copy.
        path: PathBuf,
        /// What it leads to.
        file_type: &'static str,
    },
}

impl DiskState {
    /// The word in `LoadState`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Loaded | Self::LoadedWithoutFile => "loaded",
            Self::Masked => "masked",
            Self::NotFound(_) => "not-found",
            Self::Error { .. } => "error",
        }
    }
}

/// Why there is no unit file to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotFound {
    /// No directory has a copy that systemd takes.
    NoCopy,
    /// It is an alias of a name that no directory has.
    BrokenAlias(UnitName),
    /// Its aliases lead in a circle, or too far.
    AliasLoop,
    /// The winning copy is a link to nothing. A later directory's good copy does not help.
    Dangling(PathBuf),
    /// The winning copy is a link that leads in a circle. A later directory's good copy does not help.
    LinkLoop(PathBuf),
    /// The winning copy is a link to a socket, which cannot be opened.
    Socket(PathBuf),
    /// The winning copy may not be read.
    Unreadable(CannotCheck),
}

/// How one name resolves on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// The name that was asked for.
    pub unit: UnitName,
    /// The unit's main name, `Id` in the manager.
    pub id: UnitName,
    /// All its names, `Names` in the manager.
    pub names: BTreeSet<UnitName>,
    /// What the manager would make of it.
    pub state: DiskState,
    /// `FragmentPath` as the manager would report it.
    pub fragment: Option<PathBuf>,
    /// The way from the name to the fragment.
    pub steps: Vec<Step>,
    /// Every copy of every name that has a say, name by name, each in the search path's order.
    pub copies: Vec<UnitCopy>,
    /// The drop-in directories that exist and apply, in systemd's order.
    pub drop_in_directories: Vec<DropInDirectory>,
    /// The drop-ins that win their names, in the order in which they are read. The manager reads and reports none
    /// for a unit that is not found: see [`Resolution::drop_in_paths`].
    pub drop_ins: Vec<DropIn>,
    /// The `.wants`, `.requires` and `.upholds` directories that exist and apply.
    pub dependency_directories: Vec<DropInDirectory>,
    /// The links in them that make the unit depend on others.
    pub dependencies: Vec<DependencyLink>,
    /// What could not be looked at and may change the answer.
    pub unchecked: Vec<CannotCheck>,
}

impl Resolution {
    /// The drop-ins that the manager would read, in its order: `DropInPaths` as it would report it.
    #[must_use]
    pub fn drop_in_paths(&self) -> Vec<&Path> {
        match self.state {
            DiskState::Loaded | DiskState::LoadedWithoutFile => {
                self.drop_ins.iter().map(|d| d.path.as_path()).collect()
            }
            DiskState::Masked | DiskState::NotFound(_) | DiskState::Error { .. } => Vec::new(),
        }
    }

    /// Whether `loaded` is what the manager would report as `DropInPaths` after a reload. More forgiving than a
    /// comparison of lists in two places where the manager itself varies: which of [`DropIn::contested`] it picks, and
    /// masked units, whose drop-ins systemd 252 lists and 257 does not.
    #[must_use]
    pub fn drop_ins_match<P: AsRef<Path>>(&self, loaded: &[P]) -> bool {
        let same = || {
            self.drop_ins.len() == loaded.len()
                && self.drop_ins.iter().zip(loaded).all(|(ours, theirs)| ours.is_reported_as(theirs.as_ref()))
        };
        match self.state {
            DiskState::Loaded | DiskState::LoadedWithoutFile => same(),
            DiskState::Masked => loaded.is_empty() || same(),
            DiskState::NotFound(_) | DiskState::Error { .. } => loaded.is_empty(),
        }
    }

    /// The copy that is the fragment.
    #[must_use]
    pub fn winner(&self) -> Option<&UnitCopy> {
        let fragment = deciding(&self.steps)?;
        self.copies.iter().find(|copy| copy.path == fragment)
    }

    /// The copies that lose to an earlier directory.
    pub fn shadowed(&self) -> impl Iterator<Item = &UnitCopy> {
        self.copies.iter().filter(|copy| copy.standing == Standing::Shadowed)
    }
}

/// What paths lead to, asked once each while one unit is resolved.
#[derive(Default)]
struct Ends(RefCell<BTreeMap<PathBuf, (Option<FileStatus>, FileEnd)>>);

impl Ends {
    /// The file itself, and what it leads to.
    fn with_status(&self, path: &Path) -> (Option<FileStatus>, FileEnd) {
        if let Some(seen) = self.0.borrow().get(path) {
            return seen.clone();
        }
        let seen = FileEnd::with_status(path);
        self.0.borrow_mut().insert(path.to_owned(), seen.clone());
        seen
    }

    fn of(&self, path: &Path) -> FileEnd {
        self.with_status(path).1
    }
}

impl SearchPath {
    /// Resolves one unit. Costs a look at the unit's own copies and drop-ins and no more: the directories were read
    /// by [`SearchPath::scan`].
    #[must_use]
    pub fn resolve(&self, unit: &UnitName) -> Resolution {
        let ends = Ends::default();
        let Found { fragment, steps, names } = self.find(unit, &ends);
        let copies = self.copies(unit, &steps, &names, &ends);
        let (state, reported) = state_of(unit, &fragment, &ends);
        let (id, names) = match state {
            DiskState::Loaded | DiskState::LoadedWithoutFile | DiskState::Masked => {
                merged(unit, fragment.as_deref().ok(), &names)
            }
            // The manager gives up before it looks at other names.
            DiskState::NotFound(_) | DiskState::Error { .. } => {
                (unit.clone(), BTreeSet::from([unit.clone()]))
            }
        };
        let (drop_in_directories, drop_ins) = self.drop_ins(&id, &names);
        let (dependency_directories, dependencies) = self.dependencies(&id, &names);
        let directories = drop_in_directories.iter().chain(&dependency_directories);
        let unchecked = self
            .unreadable()
            .cloned()
            .chain(copies.iter().filter_map(unchecked_copy))
            .chain(directories.filter_map(|dir| dir.listing.error().cloned()))
            .chain(drop_ins.iter().filter_map(|drop_in| match &drop_in.end {
                FileEnd::Unknown(error) => Some(error.clone()),
                _ => None,
            }))
            .collect();
        Resolution {
            unit: unit.clone(),
            id,
            names,
            state,
            fragment: reported,
            steps,
            copies,
            drop_in_directories,
            drop_ins,
            dependency_directories,
            dependencies,
            unchecked,
        }
    }

    /// What the manager would make of a unit, and the path that decides it. Of the unit's drop-ins and dependencies,
    /// which may be thousands of links, nothing is looked at.
    #[must_use]
    pub fn outcome(&self, unit: &UnitName) -> (DiskState, Option<PathBuf>) {
        let ends = Ends::default();
        let Found { fragment, steps, .. } = self.find(unit, &ends);
        (state_of(unit, &fragment, &ends).0, deciding(&steps).map(Path::to_owned))
    }

    fn find(&self, unit: &UnitName, ends: &Ends) -> Found {
        let usable = |path: &Path| matches!(ends.of(path), FileEnd::File(_) | FileEnd::Other(_));
        self.names.find(unit, &usable)
    }

    fn copies(
        &self,
        unit: &UnitName,
        steps: &[Step],
        names: &BTreeSet<UnitName>,
        ends: &Ends,
    ) -> Vec<UnitCopy> {
        let mut wanted: Vec<UnitName> = vec![unit.clone()];
        let on_the_way = steps.iter().map(|step| match step {
            Step::Template { to, .. } | Step::Alias { to, .. } => to,
            Step::Fragment { name, .. } => name,
        });
        for name in on_the_way.chain(names) {
            if !wanted.contains(name) {
                wanted.push(name.clone());
            }
        }
        if let Some(template) = unit.template().filter(|template| !wanted.contains(template)) {
            wanted.push(template);
        }
        let mut copies: Vec<UnitCopy> = wanted.iter().flat_map(|name| self.copies_of(name, ends)).collect();
        // Nearly always a single one, kept for each of thousands of units: without the room for three more.
        copies.shrink_to_fit();
        copies
    }

    fn copies_of(&self, name: &UnitName, ends: &Ends) -> Vec<UnitCopy> {
        let mut decided = false;
        let mut copies = Vec::new();
        for (index, directory) in self.directories.iter().enumerate() {
            let Some(listed) = directory.units.get(name) else {
                continue;
            };
            let path = directory.join(name.as_str());
            let (kind, taken) = match listed {
                Listed::File => (CopyKind::File, true),
                Listed::Other(kind) => (CopyKind::Other(kind), false),
                Listed::Unknown(error) | Listed::Link(Err(error)) => {
                    (CopyKind::Unreadable(error.clone()), false)
                }
                Listed::Link(Ok(link)) => {
                    let taken = !matches!(link.role, LinkRole::Skipped(_));
                    (CopyKind::Link(link.clone()), taken)
                }
            };
            let standing = match (taken, decided) {
                (false, _) => Standing::Skipped,
                (true, true) => Standing::Shadowed,
                (true, false) => Standing::Wins,
            };
            decided |= taken;
            let (status, end) = ends.with_status(&path);
            copies.push(UnitCopy { name: name.clone(), directory: index, kind, status, end, standing, path });
        }
        copies
    }
}

fn unchecked_copy(copy: &UnitCopy) -> Option<CannotCheck> {
    match (&copy.kind, &copy.end) {
        (CopyKind::Unreadable(error), _) | (_, FileEnd::Unknown(error)) => Some(error.clone()),
        _ => None,
    }
}

fn not_found(miss: &Miss) -> NotFound {
    match miss {
        Miss::Absent => NotFound::NoCopy,
        Miss::Broken(target) => NotFound::BrokenAlias(target.clone()),
        Miss::Loop => NotFound::AliasLoop,
    }
}

/// The path that the way to a fragment ends at.
fn deciding(steps: &[Step]) -> Option<&Path> {
    steps.iter().rev().find_map(|step| match step {
        Step::Fragment { path, .. } => Some(path.as_path()),
        Step::Alias { .. } | Step::Template { .. } => None,
    })
}

/// What the manager makes of a unit, and the `FragmentPath` that it then reports.
fn state_of(unit: &UnitName, fragment: &Result<PathBuf, Miss>, ends: &Ends) -> (DiskState, Option<PathBuf>) {
    match fragment {
        Ok(path) => state_of_file(path, ends.of(path)),
        Err(_) if type_needs_no_file(unit.unit_type()) => (DiskState::LoadedWithoutFile, None),
        Err(miss) => (DiskState::NotFound(not_found(miss)), None),
    }
}

fn state_of_file(path: &Path, end: FileEnd) -> (DiskState, Option<PathBuf>) {
    let owned = || path.to_owned();
    let state = match end {
        FileEnd::File(status) => match readable(path, &status) {
            Ok(()) => DiskState::Loaded,
            Err(error) => DiskState::NotFound(NotFound::Unreadable(error)),
        },
        FileEnd::Mask(_) => DiskState::Masked,
        FileEnd::Other(status) if status.file_type == "socket" => {
            DiskState::NotFound(NotFound::Socket(owned()))
        }
        FileEnd::Other(status) => DiskState::Error { path: owned(), file_type: status.file_type },
        FileEnd::Missing => DiskState::NotFound(NotFound::Dangling(owned())),
        FileEnd::Loop => DiskState::NotFound(NotFound::LinkLoop(owned())),
        FileEnd::Unknown(error) => DiskState::NotFound(NotFound::Unreadable(error)),
    };
    let reported = (!matches!(state, DiskState::NotFound(_))).then(owned);
    (state, reported)
}

/// The manager runs as the same user, so that what we may read it may read. Usual modes need no question.
fn readable(path: &Path, status: &FileStatus) -> Result<(), CannotCheck> {
    const FOR_ALL: u32 = 0o444;
    if status.mode & FOR_ALL == FOR_ALL {
        return Ok(());
    }
    access(path, AccessFlags::R_OK).map_err(|errno| CannotCheck {
        path: path.to_owned(),
        step: "read the file",
        errno,
    })
}

/// The main name and all names of a unit that was found.
fn merged(
    unit: &UnitName,
    fragment: Option<&Path>,
    names: &BTreeSet<UnitName>,
) -> (UnitName, BTreeSet<UnitName>) {
    let instance = unit.instance().filter(|instance| !instance.is_empty());
    let of_fragment =
        fragment.and_then(|path| path.file_name()?.to_str()).and_then(|name| UnitName::parse(name).ok());
    let preferred = match (of_fragment, instance) {
        (Some(name), Some(_)) => instantiated(&name, instance),
        (name, _) => name,
    };
    let id = preferred.filter(|id| names.contains(id)).unwrap_or_else(|| unit.clone());
    let all = match instance {
        Some(_) => names.iter().filter_map(|name| instantiated(name, instance)).collect(),
        None => names.clone(),
    };
    (id, all)
}
