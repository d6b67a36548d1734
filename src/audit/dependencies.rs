//! dependency-unexpected: what links beside a unit make it depend on others?

use super::check::Check;
use super::declaration::Declaration;
use super::finding::{Finding, State, Verdicts, typed};
use super::world::{Seen, World};
use crate::dirs::Dirs;
use crate::systemd::search_path::{DependencyLink, DirectoryKind, DropInScope};

pub(super) fn judge(
    seen: &Seen,
    declaration: &Declaration,
    world: &World,
    dirs: &Dirs,
    verdicts: &mut Verdicts,
) {
    // A declared unit may be enabled by another declared one.
    let is_declared = |link: &DependencyLink| {
        let enabling = declaration.units.get(&link.on).map_or(&[][..], |unit| &unit.sealed.enabled_by);
        enabling.iter().any(|declared| dirs.owner().join(declared) == link.path)
    };
    let of_distribution = |link: &DependencyLink| {
        let directory = link.path.parent();
        link.scope == DropInScope::Type
            && directory.is_some_and(|directory| world.kind_of(dirs, directory) == DirectoryKind::Usr)
    };
    let unexpected =
        seen.resolution.dependencies.iter().filter(|link| !is_declared(link) && !of_distribution(link)).map(
            |link| {
                Finding::broken(Check::DependencyUnexpected, State::OnDisk)
                    .about(&seen.name, seen.declared.stack.as_ref())
                    .at(&link.path)
                    .expected("no dependency but the declared ones", what(seen, link))
                    .next(format!("rm {}", typed(&link.path)))
            },
        );
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
