//! The watches of drop-in directories: a path unit is not recursive, so each `.d` directory that exists has an
//! instance of `stack-watch@.path`, which the audit starts and stops. Also watch-budget.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::check::Check;
use super::finding::{Finding, State, Verdicts};
use super::world::World;
use crate::dirs::Dirs;
use crate::names::{UnitName, escape_path};
use crate::systemd::search_path::{DirectoryKind, kind_of_file};
use crate::systemd::words::ActiveState;

/// Each watched line takes one of the user's inotify instances (128 by default, `fs.inotify.max_user_instances`),
/// which desktop programs and containers share.
pub const BUDGET: usize = 32;

/// The template.
const TEMPLATE: &str = "stack-watch@.path";

/// Which instances are to be started and stopped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Instances for directories that exist and are not watched.
    pub start: BTreeSet<UnitName>,
    /// Instances for directories that are gone.
    pub stop: BTreeSet<UnitName>,
}

/// The drop-in and dependency directories that can be watched: real directories of the user and the administrator.
/// Those of packages change with the packages, and a link's target is not seen to change; the timer's run looks at both.
fn watchable(world: &World, dirs: &Dirs) -> BTreeSet<PathBuf> {
    let owner_type = dirs.owner().join("service.d");
    let mut directories = BTreeSet::new();
    for seen in world.units.values() {
        let nested = &seen.resolution.dependency_directories;
        for directory in seen.resolution.drop_in_directories.iter().chain(nested) {
            let real = directory.status.as_ref().is_some_and(|status| status.file_type == "directory");
            let kind = kind_of_file(&directory.path, dirs);
            // What generators make changes with a reload only.
            let changes = !matches!(
                kind,
                DirectoryKind::Usr
                    | DirectoryKind::Data
                    | DirectoryKind::Generator
                    | DirectoryKind::GeneratorEarly
                    | DirectoryKind::GeneratorLate
            );
            // stack-audit.path has a line of its own for the owner's service.d.
            if real && changes && directory.path != owner_type {
                directories.insert(directory.path.clone());
            }
        }
    }
    directories
}

/// Whether a unit is the watch of a drop-in directory.
pub(super) fn is_watch(unit: &UnitName) -> bool {
    unit.template().is_some_and(|template| template.as_str() == TEMPLATE)
}

/// Whether a watch was failed when it was looked at.
pub(super) fn has_failed(world: &World, unit: &UnitName) -> bool {
    world.answers.listed.units.get(unit).is_some_and(|listed| listed.active_state == ActiveState::Failed)
}

fn instance(directory: &Path) -> Option<UnitName> {
    let escaped = escape_path(directory.to_str()?);
    UnitName::parse(&format!("stack-watch@{escaped}.path")).ok()
}

/// Decides which instances to start and stop, and whether the budget is enough.
pub(super) fn plan(world: &World, dirs: &Dirs, verdicts: &mut Verdicts) -> Plan {
    let directories = watchable(world, dirs);
    let wanted: BTreeMap<UnitName, PathBuf> =
        directories.iter().filter_map(|dir| Some((instance(dir)?, dir.clone()))).take(BUDGET).collect();
    verdicts.record(
        Check::WatchBudget,
        (directories.len() > wanted.len()).then(|| {
            Finding::broken(Check::WatchBudget, State::OnDisk)
                .expected(
                    format!("at most {BUDGET} drop-in directories"),
                    format!("{}; the rest is looked at by the timer's run", directories.len()),
                )
                .next("remove drop-in directories that are not needed")
        }),
    );
    if !world.units.keys().any(|name| name.as_str() == TEMPLATE) {
        return Plan::default();
    }
    let running: BTreeSet<UnitName> = world
        .answers
        .listed
        .units
        .iter()
        .filter(|(name, unit)| is_watch(name) && unit.active_state == ActiveState::Active)
        .map(|(name, _)| name.clone())
        .collect();
    for (unit, directory) in &wanted {
        verdicts.record(
            Check::WatcherDead,
            has_failed(world, unit).then(|| {
                Finding::broken(Check::WatcherDead, State::Loaded)
                    .about(unit, None)
                    .at(directory)
                    .expected("active (waiting)", "failed")
                    .next(format!("systemctl --user reset-failed {unit}; systemctl --user start {unit}"))
            }),
        );
    }
    Plan {
        start: wanted.keys().filter(|name| !running.contains(*name)).cloned().collect(),
        stop: running.into_iter().filter(|name| !wanted.contains_key(name)).collect(),
    }
}
