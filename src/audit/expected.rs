//! What the declared units are held against as their answers arrive, so that none of them is kept.

use std::collections::BTreeMap;

use super::declaration::DeclaredUnit;
use super::definition;
use super::world::is_of_distribution;
use crate::dirs::Dirs;
use crate::names::UnitName;
use crate::systemd::loaded::{LoadedUnit, ManagerState};
use crate::systemd::search_path::{DependencyKind, DropIn, Resolution, SearchPath};
use crate::systemd::settings::compare::Difference;
use crate::systemd::settings::specifier::Context;

/// The unit search path on disk, and how the declared units resolve along it.
pub(super) struct Disk {
    pub(super) search_path: SearchPath,
    pub(super) resolutions: BTreeMap<UnitName, Resolution>,
}

impl Disk {
    /// Looks, and adds to what is declared the instances that have a file of their own: it stands in for the template,
    /// loaded or not.
    pub(super) fn look(state: &ManagerState, declared: &mut BTreeMap<UnitName, DeclaredUnit>) -> Self {
        let search_path = SearchPath::scan(state.unit_path.iter().cloned());
        for name in search_path.unit_names().filter(|name| name.instance().is_some_and(|i| !i.is_empty())) {
            if let Some(instance) = instance(name, declared) {
                declared.entry(name.clone()).or_insert(instance);
            }
        }
        // One by one, as in the world: `collect` would hold all of them three times over while it sorts them.
        let mut resolutions = BTreeMap::new();
        resolutions.extend(declared.keys().map(|name| (name.clone(), search_path.resolve(name))));
        Self { search_path, resolutions }
    }
}

/// Which settings of loaded units are not as they are declared.
pub(super) type Differences = BTreeMap<UnitName, Vec<Difference>>;

/// What the settings of the declared units are held against.
pub(super) struct Expected<'a> {
    pub(super) dirs: &'a Dirs,
    pub(super) declared: &'a BTreeMap<UnitName, DeclaredUnit>,
    pub(super) disk: &'a Disk,
    pub(super) context: &'a Context,
    pub(super) aliases: &'a BTreeMap<UnitName, UnitName>,
}

impl Expected<'_> {
    /// Compares a declared unit's settings as soon as it is read, and lets go of them.
    pub(super) fn compare(&self, name: &UnitName, unit: &mut LoadedUnit, differences: &mut Differences) {
        let (Some(declared), Some(resolution)) = (self.declared.get(name), self.disk.resolutions.get(name))
        else {
            return;
        };
        let expected = |drop_in: &DropIn| {
            declared.allows(drop_in)
                // What a package of the distribution adds to every unit of a type is expected too, once it is loaded.
                || (is_of_distribution(self.dirs, drop_in.scope, &drop_in.found_at)
                    && unit.drop_in_paths.iter().any(|path| drop_in.is_reported_as(path)))
        };
        let drop_ins =
            resolution.drop_ins.iter().filter(|drop_in| drop_in.is_effective() && expected(drop_in));
        let found = definition::settings(name, declared, drop_ins, unit, self.context, self.aliases);
        differences.insert(name.clone(), found);
        unit.properties.retain(|property, _| DependencyKind::of_property(property).is_some());
    }
}

/// What is declared of an instance: what is declared of its template.
pub(super) fn instance(name: &UnitName, declared: &BTreeMap<UnitName, DeclaredUnit>) -> Option<DeclaredUnit> {
    let template = declared.get(&name.template()?)?;
    Some(DeclaredUnit { sealed_as_template: true, ..template.clone() })
}
