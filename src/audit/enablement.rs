//! unit-not-enabled, orphan-unit, watcher-dead: is what must start by itself set to start, and nothing else?

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::check::Check;
use super::declaration::Declaration;
use super::finding::{Finding, State, Verdicts, removal, typed};
use super::world::{Seen, World};
use crate::dirs::Dirs;
use crate::names::UnitName;
use crate::render;
use crate::seal::{self, Seal};
use crate::systemd::search_path::{DiskState, FileEnd, NotFound};
use crate::systemd::words::ActiveState;

/// The unit that a link in this directory enables another one for.
fn target_of(directory: &Path) -> Option<UnitName> {
    UnitName::parse(directory.file_stem()?.to_str()?).ok()
}

/// The units that declared ones are enabled for: what becomes of each, and the path that decides it.
pub(super) type Targets = BTreeMap<UnitName, (DiskState, Option<PathBuf>)>;

/// How the units resolve that declared ones are enabled for; they are few.
pub(super) fn targets(world: &World) -> Targets {
    let links = world.units.values().flat_map(|seen| &seen.declared.sealed.enabled_by);
    let names: BTreeSet<UnitName> = links.filter_map(|link| target_of(link.parent()?)).collect();
    names.into_iter().map(|name| (name.clone(), world.search_path.outcome(&name))).collect()
}

/// The links that enable one unit.
pub(super) fn judge(seen: &Seen, targets: &Targets, world: &World, dirs: &Dirs, verdicts: &mut Verdicts) {
    if seen.declared.sealed_as_template || seen.declared.sealed.enabled_by.is_empty() {
        return;
    }
    // A link to a masked unit is masked with it, which is unit-masked's to tell.
    let masked = seen.resolution.state == DiskState::Masked;
    let wrong = seen.declared.sealed.enabled_by.iter().filter_map(|link| {
        let path = dirs.owner().join(link);
        let finding = |status: Finding, path: &Path, found: String, next: String| {
            status
                .about(&seen.name, seen.declared.stack.as_ref())
                .at(path)
                .expected(format!("a link to {}", seen.name), found)
                .next(next)
        };
        let broken = || Finding::broken(Check::UnitNotEnabled, State::OnDisk);
        match wrong_link(&path, masked) {
            Ok(None) => {}
            Ok(Some(found)) => return Some(finding(broken(), &path, found, seen.declared.repair_command())),
            Err(error) => {
                let next = format!("namei -l {}", typed(&path));
                let unknown = Finding::unknown(Check::UnitNotEnabled, State::OnDisk);
                return Some(finding(unknown, &path, error.to_string(), next));
            }
        }
        let directory = link.parent()?;
        if let Some(error) =
            world.search_path.wants_unchecked().iter().find(|error| error.path.ends_with(directory))
        {
            let next = format!("ls -ld {}", typed(&error.path));
            let unknown = Finding::unknown(Check::UnitNotEnabled, State::OnDisk);
            return Some(finding(unknown, &error.path, error.to_string(), next));
        }
        // Of the directories of one name the first that has the link decides, and may mask it.
        let deciding = world
            .search_path
            .wants_links(&seen.name)
            .into_iter()
            .find(|found| found.path.parent().and_then(Path::file_name) == Some(directory.as_os_str()));
        if let Some(masking) = deciding.filter(|link| !link.in_force && !masked) {
            let next =
                if masking.path == path { seen.declared.repair_command() } else { removal(&masking.path) };
            return Some(finding(
                broken(),
                &masking.path,
                "another link or file of its name, which masks it".to_owned(),
                next,
            ));
        }
        let target = target_of(directory)?;
        let (state, deciding) = targets.get(&target)?;
        let next = match state {
            DiskState::Loaded | DiskState::LoadedWithoutFile | DiskState::NotFound(NotFound::NoCopy) => {
                return None;
            }
            DiskState::Masked => format!("systemctl --user unmask {target}"),
            DiskState::NotFound(_) | DiskState::Error { .. } => format!("systemctl --user cat {target}"),
        };
        let place = deciding.as_ref().unwrap_or(&path);
        let found = format!("a link of {target}, which is {} and starts nothing", state.word());
        Some(finding(broken(), place, found, next))
    });
    verdicts.record_all(Check::UnitNotEnabled, wrong);
}

/// What is wrong with a link, or why nobody can tell. systemd goes by the link's name and not by where it leads; a mask or
/// a link to nothing makes no dependency.
fn wrong_link(path: &Path, masked: bool) -> io::Result<Option<String>> {
    Ok(match fs::read_link(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some("no link".to_owned()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(error),
        Err(_) => Some("something that is not a link".to_owned()),
        Ok(target) => match FileEnd::of(path) {
            FileEnd::Missing | FileEnd::Loop => {
                Some(format!("a link to {}, where nothing is", target.display()))
            }
            FileEnd::Mask(_) if !masked => Some(format!("a link to {}, which masks it", target.display())),
            _ => None,
        },
    })
}

/// Units that are sealed, on disk or loaded as ours, and belong to no declared stack.
pub(super) fn orphans(declaration: &Declaration, world: &World, dirs: &Dirs, verdicts: &mut Verdicts) {
    let abandoned = world.abandoned(dirs, declaration);
    let running = abandoned.iter().map(|(unit, stack)| {
        Finding::broken(Check::OrphanUnit, State::Running)
            .about(unit, stack.as_ref())
            .at(dirs.owner().join(unit.as_str()))
            .expected(
                "no unit: its stack is not declared",
                "active, and its file is gone: a daemon-reload would forget how to stop it",
            )
            .next(format!("systemctl --user stop {unit}"))
    });
    let sealed = declaration.orphans.iter().filter(|(unit, _)| !abandoned.contains_key(*unit));
    let orphans = sealed.map(|(unit, stack)| {
        let path = dirs.owner().join(unit.as_str());
        let on_disk = fs::symlink_metadata(&path).is_ok();
        let loaded = world.answers.listed.units.contains_key(unit);
        let (state, found) = match (on_disk, loaded) {
            (true, true) => (State::OnDisk, "on disk and loaded"),
            (true, false) => (State::OnDisk, "on disk"),
            (false, true) => (State::Loaded, "loaded"),
            (false, false) => (State::Declared, "sealed still, though neither on disk nor loaded"),
        };
        Finding::broken(Check::OrphanUnit, state)
            .about(unit, Some(stack))
            .at(path)
            .expected(format!("no unit: {} is gone", dirs.inventory_file(stack).display()), found)
            .next(format!("stackctl remove {stack}"))
    });
    let strays = world.strays.iter().filter(|(unit, stray)| {
        !declaration.orphans.contains_key(*unit)
            && !abandoned.contains_key(*unit)
            && !declaration.is_unsure_of(dirs, &stray.stack)
    });
    let strays = strays.map(|(unit, stray)| {
        let path = dirs.owner().join(unit.as_str());
        let (state, found) = match (stray.on_disk, stray.loaded) {
            (true, true) => (State::OnDisk, "on disk and loaded"),
            (true, false) => (State::OnDisk, "on disk"),
            (false, _) => (State::Loaded, "loaded"),
        };
        let next = match state {
            State::Loaded => "systemctl --user daemon-reload".to_owned(),
            _ if declaration.inventory.stacks.contains_key(&stray.stack) => {
                format!("systemctl --user disable {unit}; rm {}", typed(&path))
            }
            _ => format!("stackctl remove {}", stray.stack),
        };
        Finding::broken(Check::OrphanUnit, state)
            .about(unit, Some(&stray.stack))
            .at(path)
            .expected(
                format!(
                    "no unit that names {} and is not in it",
                    Seal::path(dirs, stray.stack.as_str()).display()
                ),
                found,
            )
            .next(next)
    });
    verdicts.record_all(Check::OrphanUnit, running.chain(orphans).chain(strays));
}

/// The shipped path and timer units.
pub(super) fn watchers(declaration: &Declaration, world: &World, dirs: &Dirs, verdicts: &mut Verdicts) {
    if declaration.is_seal_unknown(dirs, seal::SHIPPED) {
        verdicts.record(
            Check::WatcherDead,
            Some(
                Finding::unknown(Check::WatcherDead, State::Declared)
                    .expected("the shipped units installed", "their seal cannot be read")
                    .next("stackctl install"),
            ),
        );
        return;
    }
    if declaration.seals.shipped.is_none() {
        verdicts.record(
            Check::WatcherDead,
            Some(
                Finding::broken(Check::WatcherDead, State::Declared)
                    .expected("the shipped units installed", "no seal of them: nothing watches for changes")
                    .next("stackctl install"),
            ),
        );
        return;
    }
    for name in render::watchers() {
        let Some(seen) = world.units.get(&name) else { continue };
        let dead = match &seen.loaded {
            Some(Ok(unit)) if is_watching(&unit.active_state, &unit.sub_state) => None,
            Some(Ok(unit)) => Some(format!(
                "{} ({}){}",
                unit.active_state,
                unit.sub_state,
                unit.result
                    .as_ref()
                    .filter(|result| *result != "success")
                    .map_or_else(String::new, |result| format!(", result {result}"))
            )),
            // That it could not be asked is unit-load-error, unknown.
            Some(Err(_)) | None => continue,
        };
        verdicts.record(
            Check::WatcherDead,
            dead.map(|found| {
                Finding::broken(Check::WatcherDead, State::Loaded)
                    .about(&name, None)
                    .expected("active (waiting)", found)
                    .next(format!("systemctl --user reset-failed {name}; systemctl --user start {name}"))
            }),
        );
    }
}

/// A path or timer unit is `running` while the service that it started runs; a timer that is `elapsed` never
/// starts anything again.
fn is_watching(active: &ActiveState, sub: &str) -> bool {
    *active == ActiveState::Active && matches!(sub, "waiting" | "running")
}
