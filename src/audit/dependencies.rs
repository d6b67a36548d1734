//! dependency-unexpected: what links beside a unit make it depend on others?

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::check::Check;
use super::declaration::Declaration;
use super::finding::{Finding, State, Verdicts, removal, typed};
use super::world::{Seen, is_of_distribution};
use crate::dirs::Dirs;
use crate::systemd::search_path::DependencyLink;

/// The links that enable declared units. A declared unit may be enabled by another declared one.
pub(super) fn enabling(declaration: &Declaration, dirs: &Dirs) -> BTreeSet<PathBuf> {
    let links = declaration.units.values().flat_map(|unit| &unit.sealed.enabled_by);
    links.map(|link| dirs.owner().join(link)).collect()
}

pub(super) fn judge(seen: &Seen, enabling: &BTreeSet<PathBuf>, dirs: &Dirs, verdicts: &mut Verdicts) {
    let of_distribution = |link: &DependencyLink| is_of_distribution(dirs, link.scope, &link.path);
    let unexpected = seen
        .resolution
        .dependencies
        .iter()
        .filter(|link| !enabling.contains(&link.path) && !of_distribution(link))
        .map(|link| {
            Finding::broken(Check::DependencyUnexpected, State::OnDisk)
                .about(&seen.name, seen.declared.stack.as_ref())
                .at(&link.path)
                .expected("no dependency but the declared ones", what(seen, link))
                .next(removal(&link.path))
        });
    let unreadable = seen.resolution.dependency_directories.iter().filter_map(|directory| {
        let error = directory.listing.error()?;
        Some(
            Finding::unknown(Check::DependencyUnexpected, State::OnDisk)
                .about(&seen.name, seen.declared.stack.as_ref())
                .at(&directory.path)
                .expected("a directory that can be listed", error.to_string())
                .next(format!("ls -ld {}", typed(&directory.path))),
        )
    });
    verdicts.record_all(Check::DependencyUnexpected, unexpected.chain(unreadable));
}

fn what(seen: &Seen, link: &DependencyLink) -> String {
    let loaded = seen.loaded.as_ref().and_then(|loaded| loaded.as_ref().ok()).filter(|_| seen.in_memory);
    let units = loaded.and_then(|unit| unit.properties.get(link.kind.property())?.texts());
    let in_effect = units.is_some_and(|units| units.iter().any(|unit| unit == link.on.as_str()));
    let when = if in_effect { "loaded and in effect" } else { "in effect from the next reload on" };
    format!("{}={} by this link, {when}", link.kind.property(), link.on)
}
