//! The search path's own values in the form of the explanation.

use std::collections::BTreeMap;

use nix::unistd::{Uid, User};

use super::explanation::{
    CopyKind, Directory, DirectoryState, DropInDirectory, DropInFile, File, Line, Pull, Scope, Setting,
    Standing, UnitCopy,
};
use super::facts::Facts;
use super::reason::moment;
use crate::systemd::disk_text::DiskText;
use crate::systemd::search_path::{
    self, CopyKind as Seen, DropInListing, DropInScope, FileEnd, FileStatus, LinkRole, SearchPath, WantsLink,
    kind_of_directory,
};

/// The names of owners, each looked up once.
#[derive(Debug, Default)]
pub(super) struct Owners(BTreeMap<u32, String>);

impl Owners {
    fn name(&mut self, uid: u32) -> String {
        self.0
            .entry(uid)
            .or_insert_with(|| {
                let account = User::from_uid(Uid::from_raw(uid)).ok().flatten();
                account.map_or_else(|| uid.to_string(), |user| user.name)
            })
            .clone()
    }

    fn file(&mut self, status: &FileStatus) -> File {
        File {
            file_type: status.file_type,
            owner: self.name(status.uid),
            mode: format!("{:04o}", status.mode),
            modified: moment(status.modified),
            changed: moment(status.changed),
        }
    }

    fn file_of(&mut self, status: Option<&FileStatus>) -> Option<File> {
        status.map(|status| self.file(status))
    }
}

/// What a drop-in directory is named after, in words.
pub(super) fn scope_word(scope: DropInScope) -> &'static str {
    match scope {
        DropInScope::Unit => "for this unit",
        DropInScope::Template => "for the template",
        DropInScope::Prefix => "for the prefix",
        DropInScope::Type => "for the type",
    }
}

fn scope(scope: DropInScope) -> Scope {
    match scope {
        DropInScope::Unit => Scope::Unit,
        DropInScope::Template => Scope::Template,
        DropInScope::Prefix => Scope::Prefix,
        DropInScope::Type => Scope::Type,
    }
}

/// Every directory of the search path, with what it has of the unit.
pub(super) fn directories(
    facts: &Facts<'_>,
    search_path: &SearchPath,
    owners: &mut Owners,
) -> Vec<Directory> {
    let resolution = facts.resolution;
    let of = |index: usize, directory: &search_path::SearchDirectory, owners: &mut Owners| Directory {
        path: directory.path.clone(),
        real: directory.real.clone().filter(|real| *real != directory.path),
        whose: kind_of_directory(&directory.path, facts.dirs).word(),
        state: match &directory.state {
            search_path::DirectoryState::Listed => DirectoryState::Listed,
            search_path::DirectoryState::Missing => DirectoryState::Missing,
            search_path::DirectoryState::Unreadable(_) => DirectoryState::Unreadable,
        },
        copies: resolution
            .copies
            .iter()
            .filter(|copy| copy.directory == index)
            .map(|copy| unit_copy(copy, owners))
            .collect(),
        drop_in_directories: resolution
            .drop_in_directories
            .iter()
            .filter(|directory| directory.directory == index)
            .map(|directory| drop_in_directory(directory, owners))
            .collect(),
    };
    let directories = search_path.directories().iter().enumerate();
    directories.map(|(index, directory)| of(index, directory, owners)).collect()
}

fn unit_copy(copy: &search_path::UnitCopy, owners: &mut Owners) -> UnitCopy {
    let link = match &copy.kind {
        Seen::Link(link) => Some(link),
        _ => None,
    };
    let kind = match (&copy.kind, &copy.end) {
        (_, FileEnd::Mask(_)) => CopyKind::Mask,
        (_, FileEnd::Missing | FileEnd::Loop) => CopyKind::Dangling,
        (Seen::File, _) => CopyKind::File,
        (Seen::Link(link), _) => match link.role {
            LinkRole::Linked => CopyKind::Link,
            LinkRole::Alias(_) | LinkRole::Skipped(_) => CopyKind::Alias,
        },
        (Seen::Other(_) | Seen::Unreadable(_), _) => CopyKind::Other,
    };
    UnitCopy {
        name: copy.name.clone(),
        path: copy.path.clone(),
        kind,
        standing: match copy.standing {
            search_path::Standing::Wins => Standing::Wins,
            search_path::Standing::Shadowed => Standing::Shadowed,
            search_path::Standing::Skipped => Standing::Skipped,
        },
        link: link.map(|link| link.text.clone()),
        leads_to: leads_to(&copy.end),
        skipped_because: match (&copy.kind, link.map(|link| &link.role)) {
            (_, Some(LinkRole::Skipped(problem))) => Some(problem.to_string()),
            (Seen::Other(kind), _) => Some(format!("it is a {kind}")),
            (Seen::Unreadable(error), _) => Some(error.to_string()),
            _ => None,
        },
        file: owners.file_of(copy.status.as_ref()),
    }
}

/// What a file leads to, unless that is a file with content.
fn leads_to(end: &FileEnd) -> Option<String> {
    match end {
        FileEnd::File(_) => None,
        other => Some(other.to_string()),
    }
}

fn drop_in_directory(directory: &search_path::DropInDirectory, owners: &mut Owners) -> DropInDirectory {
    let names = |names: &mut dyn Iterator<Item = &std::ffi::OsStr>| -> Vec<String> {
        names.map(|name| name.to_string_lossy().into_owned()).collect()
    };
    let problem = match &directory.listing {
        DropInListing::Listed(_) => None,
        DropInListing::Partial(_, error) | DropInListing::Unreadable(error) => Some(error.to_string()),
        DropInListing::RelativeLink(text) => {
            Some(format!("a relative link ({}), which the manager does not follow", text.display()))
        }
        DropInListing::BrokenLink(text) => {
            Some(format!("a link to {}, where no directory is", text.display()))
        }
        DropInListing::NotADirectory(kind) => Some(format!("a {kind} and no directory")),
    };
    DropInDirectory {
        path: directory.path.clone(),
        real: directory.real.clone().filter(|real| *real != directory.path),
        scope: scope(directory.scope),
        files: names(&mut directory.listing.conf_files()),
        problem,
        file: owners.file_of(directory.status.as_ref()),
    }
}

/// The drop-ins that win their names.
pub(super) fn drop_ins(facts: &Facts<'_>, owners: &mut Owners) -> Vec<DropInFile> {
    let loaded = facts.loaded.map(|unit| unit.drop_in_paths.as_slice());
    let drop_ins = facts.resolution.drop_ins.iter();
    drop_ins
        .map(|drop_in| DropInFile {
            name: drop_in.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            path: drop_in.path.clone(),
            scope: scope(drop_in.scope),
            whose: drop_in.found_at.parent().map_or("other", |dir| facts.kind_of(dir).word()),
            link: drop_in.link.clone(),
            effective: drop_in.is_effective() && !facts.resolution.drop_in_paths().is_empty(),
            leads_to: leads_to(&drop_in.end),
            beats: drop_in.overridden.clone(),
            contested: drop_in.contested.clone(),
            loaded: loaded.map(|paths| paths.iter().any(|path| drop_in.is_reported_as(path))),
            file: owners.file_of(drop_in.status.as_ref()),
        })
        .collect()
}

/// The settings, with all lines that have a say in each.
pub(super) fn settings(texts: &DiskText) -> Vec<Setting> {
    let of = |(section, key): (String, String)| {
        let lines = texts.text.history(&section, &key).into_iter().map(|located| Line {
            file: located.file,
            line: located.line,
            key: located.key,
            value: located.value,
            in_force: located.in_force,
        });
        Setting { lines: lines.collect(), section, key }
    };
    texts.text.keys().into_iter().map(of).collect()
}

/// The links that pull the unit in.
pub(super) fn pulls(wants: &[WantsLink], owners: &mut Owners) -> Vec<Pull> {
    let kind = |kind| match kind {
        search_path::DependencyKind::Wants => "wants",
        search_path::DependencyKind::Requires => "requires",
        search_path::DependencyKind::Upholds => "upholds",
    };
    wants
        .iter()
        .map(|pull| Pull {
            by: pull.wanted_by.clone(),
            kind: kind(pull.kind),
            path: pull.path.clone(),
            link: pull.text.clone(),
            in_force: pull.in_force,
            file: owners.file_of(pull.status.as_ref()),
        })
        .collect()
}
