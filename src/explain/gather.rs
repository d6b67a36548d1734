//! One look at disk, manager and declaration.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::declaration::UnitDeclaration;
use super::disk::{self, Owners};
use super::explanation::{Explanation, Manager as ManagerView, VERSION};
use super::facts::Facts;
use super::generation::Generation;
use super::reason::{self, moment};
use super::states;
use crate::dirs::Dirs;
use crate::error::chain;
use crate::generation;
use crate::names::UnitName;
use crate::systemd::bus::BusError;
use crate::systemd::disk_text::DiskText;
use crate::systemd::loaded::{Detail, LoadedUnit, ManagerState};
use crate::systemd::manager::Manager;
use crate::systemd::search_path::{Resolution, SearchPath, WantsLink};
use crate::systemd::settings::compare::{Comparison, Declared, compare, referenced_units};
use crate::systemd::settings::specifier::Context;

/// What the manager says of the unit.
#[derive(Debug)]
pub struct Asked {
    state: ManagerState,
    loaded: Option<Result<LoadedUnit, BusError>>,
    in_memory: bool,
    manager: Manager,
}

impl Asked {
    /// Asks the user manager. A template cannot be loaded itself.
    ///
    /// # Errors
    /// There is no bus or no manager, or it does not answer within `deadline`.
    pub fn manager(dirs: &Dirs, unit: &UnitName, deadline: Duration) -> Result<Self, BusError> {
        let manager = Manager::connect(dirs, deadline)?;
        let state = manager.state()?;
        // Before it is read: reading a unit loads it.
        let in_memory = !unit.is_template() && manager.has_in_memory(unit)?;
        let loaded = (!unit.is_template()).then(|| manager.observe_one(unit, Detail::Settings));
        Ok(Self { state, loaded, in_memory, manager })
    }
}

/// Explains `unit` as manager and disk have it.
#[must_use]
pub fn explain(dirs: &Dirs, unit: &UnitName, asked: &Asked) -> Explanation {
    explain_from(dirs, unit, &asked.state.unit_path, Some(asked))
}

/// Explains `unit` from the disk alone, along a search path that did not come from the manager.
#[must_use]
pub fn explain_disk(dirs: &Dirs, unit: &UnitName, search_path: &[PathBuf]) -> Explanation {
    explain_from(dirs, unit, search_path, None)
}

fn explain_from(dirs: &Dirs, unit: &UnitName, path: &[PathBuf], asked: Option<&Asked>) -> Explanation {
    let search_path = SearchPath::scan(path.iter().cloned());
    let resolution = search_path.resolve(unit);
    let mut unchecked: Vec<String> = resolution.unchecked.iter().map(ToString::to_string).collect();
    let wants = pulls(&search_path, &resolution);
    unchecked.extend(search_path.wants_unchecked().iter().map(ToString::to_string));
    let texts = DiskText::read(&resolution);
    unchecked.extend(texts.unchecked.iter().cloned());
    let declaration = UnitDeclaration::find(dirs, unit, &mut unchecked);
    let loaded = match asked.and_then(|asked| asked.loaded.as_ref()) {
        Some(Err(error)) => {
            unchecked.push(chain(error));
            None
        }
        Some(Ok(loaded)) => Some(loaded),
        None => None,
    };
    let facts = Facts {
        dirs,
        unit,
        resolution: &resolution,
        wants: &wants,
        generation: Generation::current(dirs),
        hops: resolution.fragment.as_deref().map(generation::hops).unwrap_or_default(),
        source: texts.source(),
        declaration: declaration.as_ref(),
        manager: asked.map(|asked| &asked.state),
        loaded,
        in_memory: asked.is_some_and(|asked| asked.in_memory),
    };
    let comparison = match (asked, loaded) {
        (Some(asked), Some(loaded)) if asked.in_memory && loaded.id == resolution.id => {
            settings(dirs, &resolution.id, &texts.declared(), asked, loaded)
        }
        _ => Comparison::default(),
    };
    let differences = states::differences(&facts, &texts, &comparison);
    let mut reasons = reason::of_disk(&facts);
    // That the manager runs something else comes before why the disk is as it is.
    let mut all = states::reasons(&facts, &differences);
    all.append(&mut reasons);
    let mut owners = Owners::default();
    unchecked.sort();
    unchecked.dedup();
    Explanation {
        version: VERSION,
        time: moment(SystemTime::now()),
        unit: unit.clone(),
        id: resolution.id.clone(),
        names: resolution.names.clone(),
        summary: states::summary(&facts, &differences),
        reasons: all,
        manager: asked.map(|asked| ManagerView {
            version: asked.state.version.clone(),
            units_load: asked.state.units_load.map(|time| time.to_string()),
        }),
        search_path: disk::directories(&facts, &search_path, &mut owners),
        drop_ins: disk::drop_ins(&facts, &mut owners),
        settings: disk::settings(&texts),
        pulled_in_by: disk::pulls(&wants, &mut owners),
        on_disk: states::on_disk(&facts, &texts),
        loaded: loaded.map(|loaded| states::loaded(loaded, facts.in_memory)),
        declared: states::declared(&facts, &texts),
        differences,
        unchecked,
    }
}

/// The links that pull the unit in under any of its names.
fn pulls(search_path: &SearchPath, resolution: &Resolution) -> Vec<WantsLink> {
    let mut names = resolution.names.clone();
    names.insert(resolution.unit.clone());
    names.iter().flat_map(|name| search_path.wants_links(name)).collect()
}

/// Compares the texts on disk with what is loaded.
fn settings(
    dirs: &Dirs,
    unit: &UnitName,
    declared: &[Declared<'_>],
    asked: &Asked,
    loaded: &LoadedUnit,
) -> Comparison {
    let context = Context::new(dirs, &asked.state.version);
    let first = compare(unit, declared, &context, &BTreeMap::new(), &loaded.properties);
    if first.differences.is_empty() {
        return first;
    }
    // Dependencies may be named by an alias. The manager is asked for real names only if that could matter.
    let referenced: Vec<UnitName> = referenced_units(unit, declared, &context).into_iter().collect();
    let aliases = asked.manager.real_names(&referenced);
    compare(unit, declared, &context, &aliases, &loaded.properties)
}
