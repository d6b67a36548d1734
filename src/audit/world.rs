//! The world as it was observed: plain values, for the judges to hold against the declaration.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use fs_err as fs;

use super::declaration::{Declaration, DeclaredUnit};
use super::expected::{Differences, Disk, Expected, instance};
use super::known::Memory;
use super::observed::{self, SeenObserved};
use super::running::Stacks;
use super::{moved, programs};
use crate::digest::Sha256;
use crate::dirs::Dirs;
use crate::document::{Document, ReadError, kind_of, read_bounded};
use crate::error::chain;
use crate::exit::Code;
use crate::generation;
use crate::marked;
use crate::names::{StackName, UnitName};
use crate::render;
use crate::systemd::bus::BusError;
use crate::systemd::linger::lingers;
use crate::systemd::loaded::{Detail, LoadedUnit, ManagerState, UnitList};
use crate::systemd::manager::Manager;
use crate::systemd::search_path::{
    DirectoryKind, DiskState, DropIn, DropInScope, NotFound, Resolution, SearchPath, kind_of_file,
};
use crate::systemd::settings::compare::{Declared, Difference, referenced_units};
use crate::systemd::settings::specifier::Context;
use crate::systemd::words::{ActiveState, LoadState};
use crate::update::orchestrator::{Report, path};

/// The units that send alerts, one instance for each unit that fails. Each lives for milliseconds.
pub const ALERTS: &str = "stack-alert@.service";

/// What was asked of others than the disk.
#[derive(Debug)]
pub struct Answers {
    /// When it was asked.
    pub now: SystemTime,
    /// The manager itself.
    pub manager: ManagerState,
    /// Which units the manager has in memory.
    pub listed: UnitList,
    /// The declared units as the manager has them; once the world is put together, those that are not declared and have
    /// no file.
    pub loaded: BTreeMap<UnitName, Result<LoadedUnit, BusError>>,
    /// Units that declared units refer to by another name than their own: `dbus.service` is an alias on many systems.
    pub aliases: BTreeMap<UnitName, UnitName>,
    /// The programs of declared units that are not there.
    pub missing_programs: BTreeSet<PathBuf>,
    /// Whether the user lingers.
    pub lingering: Result<bool, String>,
}

/// Everything that one observation saw.
#[derive(Debug)]
pub struct World {
    /// What was asked of others than the disk; what the manager has of the declared units is in `units`.
    pub answers: Answers,
    /// The unit search path on disk.
    pub search_path: SearchPath,
    /// The declared units, and the instances of declared templates that are loaded.
    pub units: BTreeMap<UnitName, Seen>,
    /// Directories of the declared units' files that were moved, and when.
    pub(super) moved: BTreeMap<PathBuf, SystemTime>,
    /// The observed units.
    pub observed: BTreeMap<UnitName, SeenObserved>,
    /// Units of ours by their mark that are not declared.
    pub strays: BTreeMap<UnitName, Stray>,
    /// The stacks themselves: their files, and what podman runs of them.
    pub stacks: Stacks,
    /// When the last update run over all stacks ended; or why that cannot be told.
    pub last_update: Result<Option<String>, String>,
    /// Everything that can change what the units are loaded as, for an audit that is to be remembered.
    pub(super) picture: Option<Sha256>,
}

/// A unit that says that it is ours, and is not declared.
#[derive(Debug)]
pub struct Stray {
    /// The stack that it names.
    pub stack: StackName,
    /// Whether it lies in the owner directory.
    pub on_disk: bool,
    /// Whether the manager has it in memory.
    pub loaded: bool,
}

/// One declared unit, as it was seen.
#[derive(Debug)]
pub struct Seen {
    /// The unit.
    pub name: UnitName,
    /// What it must be.
    pub declared: DeclaredUnit,
    /// How its name resolves on disk.
    pub resolution: Resolution,
    /// What lies in the owner directory under the name of its file.
    pub owned: Arc<Owned>,
    /// What the manager has of it; none for a template, which cannot be loaded itself. Of its settings only what is
    /// looked at once they are compared.
    pub loaded: Option<Result<LoadedUnit, BusError>>,
    /// Which of its settings are loaded otherwise than they are declared.
    pub differences: Vec<Difference>,
    /// Whether the manager had it in memory before it was asked.
    pub in_memory: bool,
}

/// What lies in the owner directory under a unit's name.
#[derive(Debug)]
pub enum Owned {
    /// Nothing.
    Absent,
    /// A regular file.
    File(Result<Sha256, ReadError>),
    /// A link: where it leads, link by link, and the digest of the file at the end.
    Link(Vec<PathBuf>, Result<Sha256, ReadError>),
    /// A directory, FIFO, socket or device.
    Other(&'static str),
    /// It could not be looked at.
    Unknown(String),
}

impl World {
    /// Observes the disk and the manager.
    ///
    /// # Errors
    /// The manager did not answer. That one unit could not be read is a value.
    pub fn observe(
        dirs: &Dirs,
        declaration: &Declaration,
        manager: &Manager,
        stacks: Stacks,
    ) -> Result<Self, BusError> {
        Self::observe_with(dirs, declaration, manager, stacks, None)
    }

    /// The same, and reads no unit anew that the last audit knows, as long as nothing has moved since.
    pub(super) fn observe_with(
        dirs: &Dirs,
        declaration: &Declaration,
        manager: &Manager,
        mut stacks: Stacks,
        memory: Option<&Memory>,
    ) -> Result<Self, BusError> {
        let state = manager.state()?;
        let listed = manager.loaded_units()?;
        let mut declared = with_instances(declaration, &listed);
        let disk = Disk::look(&state, &mut declared);
        let picture = memory.and_then(|memory| memory.picture(dirs, &state, &listed, &disk));
        let known = memory.and_then(|memory| {
            memory.known.as_ref().filter(|known| picture.is_some_and(|picture| known.holds(picture)))
        });
        let mut names = Vec::new();
        let mut remembered = BTreeMap::new();
        for (name, resolution) in &disk.resolutions {
            let Some(unit) = declared.get(name) else { continue };
            let of_known = || known?.loaded(name, listed.units.get(name)?, resolution, unit);
            if let Some(loaded) = of_known() {
                remembered.insert(name.clone(), Ok(loaded));
            } else if is_asked(name, unit, &listed, resolution) {
                names.push(name.clone());
            }
        }
        let context = Context::new(dirs, &state.version);
        let aliases = aliases(&context, &declared, &names, manager);
        names.extend(without_file(&declared, &listed, &disk.search_path));
        let expected =
            Expected { dirs, declared: &declared, disk: &disk, context: &context, aliases: &aliases };
        let mut differences = Differences::new();
        let mut loaded = manager.observe_each(&names, Detail::Settings, |name, mut unit| {
            expected.compare(name, &mut unit, &mut differences);
            unit
        });
        // A manager that is gone by now says nothing about any unit; the few that it still told of are no verdict.
        if let Some(error) =
            loaded.values().filter_map(|unit| unit.as_ref().err()).find(|e| e.code() == Code::Unreachable)
        {
            return Err(error.clone());
        }
        loaded.append(&mut remembered);
        let answers = Answers {
            loaded,
            aliases,
            missing_programs: programs::missing(&declared, &context),
            manager: state,
            listed,
            lingering: lingers(&dirs.user),
            now: SystemTime::now(),
        };
        // What podman said was before what the manager says now: whose stack was worked on between is not judged.
        stacks.look_again(dirs);
        let mut world = Self::put_together(disk, differences, dirs, declared, answers, stacks);
        world.picture = picture;
        let Answers { manager: state, listed, .. } = &world.answers;
        world.observed =
            observed::look(dirs, &declaration.observed, &world.search_path, manager, state, listed);
        Ok(world)
    }

    /// Services that are active, not declared, and whose file is nowhere on the search path any more: only the manager
    /// knows how to stop them, until it reads all files again.
    fn active_without_a_file(&self) -> impl Iterator<Item = &UnitName> {
        let undeclared = self.answers.listed.units.iter().filter(|(name, unit)| {
            let is_down = matches!(unit.active_state, ActiveState::Inactive | ActiveState::Failed);
            !is_down && name.unit_type() == "service" && !self.units.contains_key(*name)
        });
        undeclared
            .map(|(name, _)| name)
            .filter(|name| matches!(self.search_path.outcome(name).0, DiskState::NotFound(NotFound::NoCopy)))
    }

    /// Those of them that are ours: sealed still, or with a link to a seal in the documentation that the manager has.
    #[must_use]
    pub fn abandoned(&self, dirs: &Dirs, declaration: &Declaration) -> BTreeMap<UnitName, Option<StackName>> {
        let seals = render::documentation(&dirs.seals());
        self.active_without_a_file()
            .filter_map(|name| {
                if let Some(stack) = declaration.orphans.get(name) {
                    return Some((name.clone(), Some(stack.clone())));
                }
                let unit = self.answers.loaded.get(name)?.as_ref().ok()?;
                let link = unit.documentation.iter().find_map(|link| link.strip_prefix(&seals))?;
                let stack = link.split_once(".json#").and_then(|(stack, _)| StackName::parse(stack).ok());
                Some((name.clone(), stack))
            })
            .collect()
    }

    /// Puts what the manager said together with what is on disk.
    #[must_use]
    pub fn assemble(
        dirs: &Dirs,
        mut declared: BTreeMap<UnitName, DeclaredUnit>,
        mut answers: Answers,
        stacks: Stacks,
    ) -> Self {
        let disk = Disk::look(&answers.manager, &mut declared);
        let context = Context::new(dirs, &answers.manager.version);
        let expected =
            Expected { dirs, declared: &declared, disk: &disk, context: &context, aliases: &answers.aliases };
        let mut differences = Differences::new();
        for (name, unit) in &mut answers.loaded {
            if let Ok(unit) = unit {
                expected.compare(name, unit, &mut differences);
            }
        }
        Self::put_together(disk, differences, dirs, declared, answers, stacks)
    }

    fn put_together(
        disk: Disk,
        mut differences: Differences,
        dirs: &Dirs,
        declared: BTreeMap<UnitName, DeclaredUnit>,
        mut answers: Answers,
        stacks: Stacks,
    ) -> Self {
        let Disk { search_path, mut resolutions } = disk;
        let marked = marked::on_disk(dirs, |name| !declared.contains_key(name));
        let mut templates: BTreeMap<UnitName, Arc<Owned>> = BTreeMap::new();
        let owned = |name: &UnitName| Arc::new(Owned::look(&dirs.owner().join(name.as_str())));
        let mut units = BTreeMap::new();
        // One by one: `collect` would hold all of them three times over while it sorts them.
        units.extend(declared.into_iter().map(|(name, declared)| {
            let template = if declared.sealed_as_template { name.template() } else { None };
            let seen = Seen {
                resolution: resolutions.remove(&name).unwrap_or_else(|| search_path.resolve(&name)),
                owned: match template {
                    Some(template) => {
                        let look = || owned(&template);
                        Arc::clone(templates.entry(template.clone()).or_insert_with(look))
                    }
                    None => owned(&name),
                },
                loaded: answers.loaded.remove(&name),
                differences: differences.remove(&name).unwrap_or_default(),
                in_memory: answers.listed.units.contains_key(&name),
                name: name.clone(),
                declared,
            };
            (name, seen)
        }));
        let moved =
            moved::look(dirs, units.values().flat_map(|seen| moved::directories_of(&seen.resolution)));
        let last_update = last_update(dirs);
        let strays = strays(&answers, marked);
        let observed = BTreeMap::new();
        Self { answers, search_path, units, moved, observed, strays, stacks, last_update, picture: None }
    }
}

/// Whether a file or link in a directory of this scope is of the distribution's own packages, which add to every unit
/// of a type (Fedora ships `service.d/10-timeout-abort.conf`): part of the system, not drift.
pub(super) fn is_of_distribution(dirs: &Dirs, scope: DropInScope, path: &Path) -> bool {
    scope == DropInScope::Type
        && path.parent().is_some_and(|directory| kind_of_file(directory, dirs) == DirectoryKind::Usr)
}

/// Whether the manager is asked about a unit. One that it does not have in memory it would read from the disk for this
/// very question, and forget again: what it would say is what the disk says. It alone knows whether it can read a text
/// that is not all ours, and how the watchers fare. (Each such question takes milliseconds, and more with each link in
/// the search path, since `UnitFileState` walks them all.)
fn is_asked(name: &UnitName, unit: &DeclaredUnit, listed: &UnitList, resolution: &Resolution) -> bool {
    let is_changed = || resolution.drop_ins.iter().any(DropIn::is_effective);
    let is_watcher = || unit.stack.is_none() || is_changed();
    !name.is_template() && (listed.units.contains_key(name) || (!unit.sealed_as_template && is_watcher()))
}

/// The units in memory whose files are gone: one of ours among them can only be told by what is loaded of it.
fn without_file(
    declared: &BTreeMap<UnitName, DeclaredUnit>,
    listed: &UnitList,
    search_path: &SearchPath,
) -> Vec<UnitName> {
    let on_disk: BTreeSet<&UnitName> = search_path.unit_names().collect();
    let has_file = |name: &UnitName| on_disk.contains(name);
    let ours = |name: &&UnitName| {
        matches!(name.unit_type(), "service" | "path" | "timer")
            && !declared.contains_key(*name)
            && !has_file(name)
            && !name.template().is_some_and(|template| has_file(&template))
    };
    let read = |state: &LoadState| *state == LoadState::Loaded || state.is_unusable();
    let loaded = listed.units.iter().filter(|(_, unit)| read(&unit.load_state));
    loaded.map(|(name, _)| name).filter(ours).cloned().collect()
}

fn strays(answers: &Answers, marked: BTreeMap<UnitName, StackName>) -> BTreeMap<UnitName, Stray> {
    let mut strays: BTreeMap<UnitName, Stray> = marked
        .into_iter()
        .map(|(name, stack)| {
            let loaded = answers.listed.units.contains_key(&name);
            (name, Stray { stack, on_disk: true, loaded })
        })
        .collect();
    for (name, unit) in answers.loaded.iter().filter(|(name, _)| answers.listed.units.contains_key(*name)) {
        let stack = unit.as_ref().ok().and_then(|unit| marked::stack_of(&unit.documentation));
        if let Some(stack) = stack {
            strays.entry(name.clone()).or_insert(Stray { stack, on_disk: false, loaded: true });
        }
    }
    strays
}

/// The declared units, and each loaded instance of a declared template as a unit of its own; not the instances that
/// send alerts: what is wrong with their template is said once, of the template, and not of each that happens to be
/// loaded just now.
#[must_use]
pub fn with_instances(declaration: &Declaration, listed: &UnitList) -> BTreeMap<UnitName, DeclaredUnit> {
    let mut units = declaration.units.clone();
    let alerts = |name: &UnitName| name.template().is_some_and(|template| template.as_str() == ALERTS);
    for name in listed.units.keys().filter(|name| !alerts(name)) {
        if let Some(instance) = instance(name, &declaration.units) {
            units.entry(name.clone()).or_insert(instance);
        }
    }
    units
}

impl Owned {
    fn look(path: &Path) -> Self {
        let metadata = match fs::symlink_metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Self::Absent,
            Err(error) => return Self::Unknown(chain(&error)),
        };
        let content = || read_bounded(path).map(|content| Sha256::of(&content));
        if metadata.is_file() {
            Self::File(content())
        } else if metadata.is_symlink() {
            Self::Link(generation::hops(path), content())
        } else {
            Self::Other(kind_of(metadata.file_type()))
        }
    }
}

/// Asks for the real names of the units that the declared units among `names` refer to. One that cannot be asked keeps
/// its name.
fn aliases(
    context: &Context,
    declared: &BTreeMap<UnitName, DeclaredUnit>,
    names: &[UnitName],
    manager: &Manager,
) -> BTreeMap<UnitName, UnitName> {
    let mut referenced = BTreeSet::new();
    for (name, unit) in names.iter().filter_map(|name| Some((name, declared.get(name)?))) {
        let settings: Vec<Declared<'_>> = unit.sealed.settings.iter().collect();
        referenced.extend(referenced_units(name, &settings, context));
    }
    // Ours have one name each, instances too.
    let is_ours = |name: &UnitName| {
        declared.contains_key(name)
            || name.template().is_some_and(|template| declared.contains_key(&template))
    };
    let referenced: Vec<UnitName> = referenced.into_iter().filter(|name| !is_ours(name)).collect();
    manager.real_names(&referenced)
}

fn last_update(dirs: &Dirs) -> Result<Option<String>, String> {
    match Report::load(&path(dirs)) {
        Ok(report) => Ok(Some(report.finished)),
        Err(error) if error.is_missing() => Ok(None),
        Err(error) => Err(chain(&error)),
    }
}
