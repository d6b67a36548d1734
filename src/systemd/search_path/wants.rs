//! Who pulls a unit in: the links in `.wants`, `.requires` and `.upholds` directories, which are what "enabled" means.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::PathBuf;

use super::drop_ins::{DropInDirectory, DropInScope};
use super::probe::{CannotCheck, FileEnd, FileStatus};
use super::scan::SearchPath;
use crate::names::UnitName;

/// Kind of dependency that a link makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DependencyKind {
    /// `Wants=`
    Wants,
    /// `Requires=`
    Requires,
    /// `Upholds=`; such directories are read from systemd 254 on.
    Upholds,
}

impl DependencyKind {
    const ALL: [(&'static str, Self); 3] =
        [(".wants", Self::Wants), (".requires", Self::Requires), (".upholds", Self::Upholds)];

    /// The manager's property for it.
    #[must_use]
    pub const fn property(self) -> &'static str {
        match self {
            Self::Wants => "Wants",
            Self::Requires => "Requires",
            Self::Upholds => "Upholds",
        }
    }

    /// The kind that is reported in a property.
    #[must_use]
    pub fn of_property(property: &str) -> Option<Self> {
        Self::ALL.into_iter().map(|(_, kind)| kind).find(|kind| kind.property() == property)
    }

    fn of(directory: &str) -> Option<(&str, Self)> {
        Self::ALL.iter().find_map(|(suffix, kind)| Some((directory.strip_suffix(suffix)?, *kind)))
    }
}

/// A link to a unit in a dependency directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantsLink {
    /// The link.
    pub path: PathBuf,
    /// Index of the search path's directory.
    pub directory: usize,
    /// The unit, prefix unit or type that pulls it in: `default.target`.
    pub wanted_by: String,
    /// The kind of dependency.
    pub kind: DependencyKind,
    /// The link itself.
    pub status: Option<FileStatus>,
    /// Its text; `None` for a file that is no link, which systemd ignores.
    pub text: Option<PathBuf>,
    /// Whether it makes the dependency: a link, no mask, and not hidden by an earlier directory's entry. Where it
    /// leads to does not matter to systemd, only its name does.
    pub in_force: bool,
}

/// A link that makes a unit depend on another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DependencyLink {
    /// The link.
    pub path: PathBuf,
    /// The unit that it pulls in.
    pub on: UnitName,
    /// The kind of dependency.
    pub kind: DependencyKind,
    /// What its directory is named after.
    pub scope: DropInScope,
}

/// Unit name to (search directory, name of the dependency directory).
#[derive(Debug, Default)]
pub(super) struct WantsIndex {
    links: BTreeMap<String, Vec<(usize, String)>>,
    unchecked: Vec<CannotCheck>,
}

impl SearchPath {
    /// The links that pull `unit` in under this very name, in the search path's order.
    #[must_use]
    pub fn wants_links(&self, unit: &UnitName) -> Vec<WantsLink> {
        let index = self.wants.get_or_init(|| self.index_wants());
        let mut decided = BTreeSet::new();
        let places = index.links.get(unit.as_str());
        places
            .into_iter()
            .flatten()
            .filter_map(|(directory, name)| {
                let (wanted_by, kind) = DependencyKind::of(name)?;
                let path = self.directories.get(*directory)?.join(name).join(unit.as_str());
                let text = path.read_link().ok();
                let first = decided.insert(name.clone());
                let (status, end) = FileEnd::with_status(&path);
                Some(WantsLink {
                    in_force: first && text.is_some() && !end.is_mask(),
                    status,
                    directory: *directory,
                    wanted_by: wanted_by.to_owned(),
                    kind,
                    text,
                    path,
                })
            })
            .collect()
    }

    /// The directories whose links make a unit called `id` and `aliases` depend on others, and those links that do.
    pub(super) fn dependencies(
        &self,
        id: &UnitName,
        aliases: &BTreeSet<UnitName>,
    ) -> (Vec<DropInDirectory>, Vec<DependencyLink>) {
        let (mut directories, mut links) = (Vec::new(), Vec::new());
        for (suffix, kind) in DependencyKind::ALL {
            let mut decided: BTreeSet<OsString> = BTreeSet::new();
            for directory in self.beside(id, aliases, suffix) {
                for entry in
                    directory.listing.entries().iter().filter(|entry| decided.insert((*entry).clone()))
                {
                    let path = directory.path.join(entry);
                    let on = entry.to_str().and_then(|name| UnitName::parse(name).ok());
                    let (status, end) = FileEnd::with_status(&path);
                    let in_force = status.is_some_and(|own| own.file_type == "link") && !end.is_mask();
                    let link = on.filter(|_| in_force);
                    links.extend(link.map(|on| DependencyLink { path, on, kind, scope: directory.scope }));
                }
                directories.push(directory);
            }
        }
        (directories, links)
    }

    /// The dependency directories that could not be read: with any, "not enabled" is not known.
    pub fn wants_unchecked(&self) -> &[CannotCheck] {
        &self.wants.get_or_init(|| self.index_wants()).unchecked
    }

    fn index_wants(&self) -> WantsIndex {
        let mut index =
            WantsIndex { unchecked: self.unreadable().cloned().collect(), ..WantsIndex::default() };
        for (position, directory) in self.directories.iter().enumerate() {
            for (name, dependencies) in &directory.dot_directories {
                if DependencyKind::of(name).is_none() {
                    continue;
                }
                let listing = dependencies.listing();
                index.unchecked.extend(listing.error().cloned());
                for unit in listing.entries().iter().filter_map(|name| name.to_str()) {
                    index.links.entry(unit.to_owned()).or_default().push((position, name.clone()));
                }
            }
        }
        index
    }
}
