//! Drop-in directories and files: which apply to a unit, which of equal names wins, and in which order they are read.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::name_parts::{NameForm, form, shorter_prefix};
use super::probe::{CannotCheck, FileEnd, FileStatus, errno_of, lstat};
use super::scan::SearchPath;
use crate::document::kind_of;
use crate::names::UnitName;

/// Suffixes of the directories beside unit files; `.upholds` is read from systemd 254 on.
const SUFFIXES: &[&str] = &[".d", ".wants", ".requires", ".upholds"];

/// A directory beside unit files, such as `foo.service.d` or `default.target.wants`.
#[derive(Debug)]
pub(super) struct DotDirectory {
    pub(super) path: PathBuf,
    /// The directory that systemd reads, or why it reads none.
    real: Result<PathBuf, DropInListing>,
    listing: OnceLock<DropInListing>,
    status: OnceLock<Option<FileStatus>>,
}

/// What a drop-in directory holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DropInListing {
    /// The names of its entries, sorted; hidden ones are left out, as by systemd.
    Listed(Vec<OsString>),
    /// Its beginning; then reading failed.
    Partial(Vec<OsString>, CannotCheck),
    /// A link whose relative text leads to no directory from the manager's own working directory: systemd 252 to 257
    /// looks there, and takes no notice of it, wherever it really leads.
    RelativeLink(PathBuf),
    /// A link to nothing, or to something that is no directory.
    BrokenLink(PathBuf),
    /// Not a directory at all.
    NotADirectory(&'static str),
    /// It could not be looked at.
    Unreadable(CannotCheck),
}

impl DropInListing {
    pub(super) fn entries(&self) -> &[OsString] {
        match self {
            Self::Listed(entries) | Self::Partial(entries, _) => entries,
            _ => &[],
        }
    }

    /// The names of the drop-ins in it.
    pub fn conf_files(&self) -> impl Iterator<Item = &OsStr> {
        self.entries().iter().map(OsString::as_os_str).filter(|name| name.as_bytes().ends_with(b".conf"))
    }

    /// Why it is not known what it holds.
    #[must_use]
    pub fn error(&self) -> Option<&CannotCheck> {
        match self {
            Self::Partial(_, error) | Self::Unreadable(error) => Some(error),
            _ => None,
        }
    }
}

impl DotDirectory {
    pub(super) fn is_name(name: &str) -> bool {
        SUFFIXES.iter().filter_map(|suffix| name.strip_suffix(suffix)).any(|stem| {
            UnitName::parse(stem).is_ok()
                || UnitName::parse(&format!("x.{stem}")).is_ok() && !stem.contains('.')
        })
    }

    pub(super) fn new(
        directory: &Path,
        real: &Path,
        name: &str,
        file_type: std::io::Result<std::fs::FileType>,
        manager_directory: &Path,
    ) -> Self {
        let path = directory.join(name);
        let real = match file_type {
            Ok(t) if t.is_dir() => Ok(real.join(name)),
            Ok(t) if t.is_symlink() => follow(&path, manager_directory),
            Ok(t) => Err(DropInListing::NotADirectory(kind_of(t))),
            Err(error) => {
                Err(DropInListing::Unreadable(CannotCheck::new(&path, "look at the directory", &error)))
            }
        };
        Self { path, real, listing: OnceLock::new(), status: OnceLock::new() }
    }

    pub(super) fn real(&self) -> Option<&Path> {
        self.real.as_deref().ok()
    }

    /// The directory, or the link in its place: looked at once, whatever the number of units that it counts for.
    fn status(&self) -> Option<&FileStatus> {
        self.status.get_or_init(|| lstat(&self.path).ok()).as_ref()
    }

    pub(super) fn listing(&self) -> &DropInListing {
        match &self.real {
            Err(reason) => reason,
            Ok(real) => self.listing.get_or_init(|| list(real)),
        }
    }
}

fn follow(path: &Path, manager_directory: &Path) -> Result<PathBuf, DropInListing> {
    let unreadable =
        |step, error: &std::io::Error| DropInListing::Unreadable(CannotCheck::new(path, step, error));
    let text = path.read_link().map_err(|error| unreadable("read the link", &error))?;
    if text.is_relative() && !manager_directory.join(&text).is_dir() {
        return Err(DropInListing::RelativeLink(text));
    }
    match path.metadata() {
        Ok(metadata) if metadata.is_dir() => {
            path.canonicalize().map_err(|error| unreadable("resolve the link", &error))
        }
        Ok(_) => Err(DropInListing::BrokenLink(text)),
        Err(error) => match errno_of(&error) {
            nix::errno::Errno::ENOENT | nix::errno::Errno::ENOTDIR | nix::errno::Errno::ELOOP => {
                Err(DropInListing::BrokenLink(text))
            }
            _ => Err(unreadable("look at the directory", &error)),
        },
    }
}

fn list(real: &Path) -> DropInListing {
    let failed = |error: &std::io::Error| CannotCheck::new(real, "list the directory", error);
    let directory = match real.read_dir() {
        Ok(directory) => directory,
        Err(error) => return DropInListing::Unreadable(failed(&error)),
    };
    let mut entries = BTreeSet::new();
    for entry in directory {
        match entry {
            Ok(entry) => {
                let name = entry.file_name();
                if !name.as_bytes().starts_with(b".") {
                    entries.insert(name);
                }
            }
            Err(error) => {
                return DropInListing::Partial(entries.into_iter().collect(), failed(&error));
            }
        }
    }
    DropInListing::Listed(entries.into_iter().collect())
}

/// What a drop-in directory is named after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DropInScope {
    /// The unit: `foo.service.d`.
    Unit,
    /// The instance's template: `foo@.service.d`.
    Template,
    /// A prefix: `foo-.service.d` for `foo-bar.service`.
    Prefix,
    /// The type: `service.d`.
    Type,
}

/// A drop-in directory that applies to a unit and exists, in the order in which systemd looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropInDirectory {
    /// Where it stands in the search path.
    pub path: PathBuf,
    /// Where it really is, which is what `DropInPaths` is made from; `None` when systemd does not read it.
    pub real: Option<PathBuf>,
    /// Index of the search path's directory.
    pub directory: usize,
    /// What it is named after.
    pub scope: DropInScope,
    /// The directory, or the link in its place.
    pub status: Option<FileStatus>,
    /// What it holds.
    pub listing: DropInListing,
}

/// A drop-in file that wins its name, in the order in which systemd reads them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropIn {
    /// The path as the manager reports it in `DropInPaths`: below the directory's real place.
    pub path: PathBuf,
    /// The path through the search path.
    pub found_at: PathBuf,
    /// Index of the search path's directory.
    pub directory: usize,
    /// What its directory is named after.
    pub scope: DropInScope,
    /// The file, or the link in its place; `None` when it could not be looked at any more.
    pub status: Option<FileStatus>,
    /// The link's text, if it is one.
    pub link: Option<PathBuf>,
    /// What it leads to. Anything but a file with content is listed by the manager and changes nothing.
    pub end: FileEnd,
    /// Equal names in the directories of several aliases: the manager picks one of these and `path` by chance.
    pub contested: Vec<PathBuf>,
    /// Files of the same name that lose to it.
    pub overridden: Vec<PathBuf>,
}

impl DropIn {
    /// Whether the manager may report this drop-in as `path`: of contested ones it picks any.
    #[must_use]
    pub fn is_reported_as(&self, path: &Path) -> bool {
        self.path == path || self.contested.iter().any(|other| other == path)
    }

    /// Whether its content takes effect.
    #[must_use]
    pub fn is_effective(&self) -> bool {
        matches!(self.end, FileEnd::File(_))
    }
}

/// The names of the directories of one suffix that count for `name`, in systemd's order.
fn directory_names(name: &UnitName, suffix: &str) -> Vec<(String, DropInScope)> {
    fn add(name: &UnitName, suffix: &str, scope: DropInScope, all: &mut Vec<(String, DropInScope)>) {
        all.push((format!("{name}{suffix}"), scope));
        if form(name) == NameForm::Instance
            && let Some(template) = name.template()
        {
            add(&template, suffix, scope.max(DropInScope::Template), all);
        }
        if let Some(prefix) = shorter_prefix(name) {
            add(&prefix, suffix, DropInScope::Prefix, all);
        }
    }
    let mut all = Vec::new();
    add(name, suffix, DropInScope::Unit, &mut all);
    all
}

/// A directory with the file names in it that count.
type Place<'a> = (usize, &'a DotDirectory, DropInScope);

impl SearchPath {
    fn places(&self, names: &[(String, DropInScope)]) -> Vec<Place<'_>> {
        let mut places: Vec<Place<'_>> = Vec::new();
        for (index, directory) in self.directories.iter().enumerate() {
            for (name, scope) in names {
                if let Some(found) = directory.dot_directories.get(name)
                    && !places.iter().any(|(_, seen, _)| std::ptr::eq(*seen, found))
                {
                    places.push((index, found, *scope));
                }
            }
        }
        places
    }

    /// The drop-in directories and files of a unit called `id` and `aliases`.
    pub(super) fn drop_ins(
        &self,
        id: &UnitName,
        aliases: &BTreeSet<UnitName>,
    ) -> (Vec<DropInDirectory>, Vec<DropIn>) {
        let groups = self.groups(id, aliases, ".d");
        (Self::directories_of(&groups), files(&groups))
    }

    /// The directories of one suffix that count for a unit called `id` and `aliases`.
    pub(super) fn beside(
        &self,
        id: &UnitName,
        aliases: &BTreeSet<UnitName>,
        suffix: &str,
    ) -> Vec<DropInDirectory> {
        Self::directories_of(&self.groups(id, aliases, suffix))
    }

    /// The unit's own directories come first, then those of its aliases in no particular order, then the type's.
    fn groups(&self, id: &UnitName, aliases: &BTreeSet<UnitName>, suffix: &str) -> [Vec<Vec<Place<'_>>>; 3] {
        let own = vec![self.places(&directory_names(id, suffix))];
        let others: Vec<_> = aliases
            .iter()
            .filter(|alias| *alias != id)
            .map(|alias| self.places(&directory_names(alias, suffix)))
            .collect();
        let of_type = vec![self.places(&[(format!("{}{suffix}", id.unit_type()), DropInScope::Type)])];
        [own, others, of_type]
    }

    fn directories_of(groups: &[Vec<Vec<Place<'_>>>]) -> Vec<DropInDirectory> {
        let mut directories: Vec<DropInDirectory> = Vec::new();
        for (index, found, scope) in groups.iter().flatten().flatten() {
            if directories.iter().all(|seen| seen.path != found.path) {
                directories.push(DropInDirectory {
                    path: found.path.clone(),
                    real: found.real().map(Path::to_owned),
                    directory: *index,
                    scope: *scope,
                    status: found.status().cloned(),
                    listing: found.listing().clone(),
                });
            }
        }
        directories.shrink_to_fit();
        directories
    }
}

/// A file of a name that several may have.
struct Candidate {
    /// Which of the groups, and which list in it.
    list: (usize, usize),
    path: PathBuf,
    found_at: PathBuf,
    directory: usize,
    scope: DropInScope,
}

/// For each file name the first group that has it wins, and the first place in it. The lists of one group come in no
/// particular order, so that the first file of each may win.
fn files(groups: &[Vec<Vec<Place<'_>>>]) -> Vec<DropIn> {
    let mut by_name: BTreeMap<&OsStr, Vec<Candidate>> = BTreeMap::new();
    for (group, lists) in groups.iter().enumerate() {
        for (list, places) in lists.iter().enumerate() {
            for (directory, place, scope) in places {
                let Some(real) = place.real() else { continue };
                for name in place.listing().conf_files() {
                    by_name.entry(name).or_default().push(Candidate {
                        list: (group, list),
                        path: real.join(name),
                        found_at: place.path.join(name),
                        directory: *directory,
                        scope: *scope,
                    });
                }
            }
        }
    }
    by_name.into_values().filter_map(decide).collect()
}

fn decide(candidates: Vec<Candidate>) -> Option<DropIn> {
    let mut candidates = candidates.into_iter();
    let winner = candidates.next()?;
    let mut losers: Vec<Candidate> = candidates.collect();
    losers.retain(|loser| loser.path != winner.path);
    let (group, _) = winner.list;
    let mut lists = BTreeSet::from([winner.list]);
    let mut contested: Vec<PathBuf> = Vec::new();
    for loser in losers.iter().filter(|loser| loser.list.0 == group) {
        if lists.insert(loser.list) && !contested.contains(&loser.path) {
            contested.push(loser.path.clone());
        }
    }
    let mut overridden: Vec<PathBuf> = Vec::new();
    for loser in losers {
        if !contested.contains(&loser.path) && !overridden.contains(&loser.path) {
            overridden.push(loser.path);
        }
    }
    let status = lstat(&winner.path).ok();
    let is_link = status.as_ref().is_some_and(|status| status.file_type == "link");
    Some(DropIn {
        link: is_link.then(|| winner.path.read_link().ok()).flatten(),
        end: FileEnd::of(&winner.path),
        status,
        path: winner.path,
        found_at: winner.found_at,
        directory: winner.directory,
        scope: winner.scope,
        contested,
        overridden,
    })
}
