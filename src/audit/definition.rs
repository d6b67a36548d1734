//! definition-stale and reload-pending: is what the manager has loaded the declared definition?
//!
//! Three kinds of evidence, none of which is enough by itself. The token in `Documentation=` tells the age of what is
//! loaded, not its content. The settings tell the content of those that can be compared. The times tell that a file
//! changed after it was read, also when it was changed back.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::SystemTime;

use super::check::Check;
use super::declaration::DeclaredUnit;
use super::finding::{Finding, State, Verdicts};
use super::fingerprint::TICK;
use super::moved::directories_of;
use super::world::{Owned, Seen, World};
use crate::dirs::Dirs;
use crate::document::read_text;
use crate::names::UnitName;
use crate::seal;
use crate::systemd::loaded::LoadedUnit;
use crate::systemd::search_path::DropIn;
use crate::systemd::settings::assignments::Assignments;
use crate::systemd::settings::compare::{Declared, Difference, compare};
use crate::systemd::settings::specifier::Context;
use crate::systemd::words::LoadState;

/// A change that the manager has not read, and since when. Within the grace period it is nobody's fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// When the file changed.
    pub since: SystemTime,
    /// What to report once the grace period is over.
    pub finding: Finding,
}

pub(super) fn judge(seen: &Seen, world: &World, dirs: &Dirs, verdicts: &mut Verdicts) -> Option<Pending> {
    // What is not in memory will be read from the disk; what has no definition is unit-missing or unit-masked.
    if !seen.in_memory && !seen.name.is_template() && !matches!(seen.loaded, Some(Err(_))) {
        verdicts.record(Check::DefinitionStale, None);
        return None;
    }
    let Some(Ok(loaded)) = &seen.loaded else { return None };
    if !seen.in_memory || matches!(loaded.load_state, LoadState::NotFound | LoadState::Masked) {
        verdicts.record(Check::DefinitionStale, None);
        return None;
    }
    let differences = differences(seen, loaded, dirs);
    let stale = !differences.is_empty();
    verdicts.record(
        Check::DefinitionStale,
        stale.then(|| {
            Finding::broken(Check::DefinitionStale, State::Loaded)
                .about(&seen.name, seen.declared.stack.as_ref())
                .expected(
                    format!("the declared definition (token {})", seen.declared.sealed.token),
                    differences.join("; "),
                )
                .next("systemctl --user daemon-reload")
        }),
    );
    let pending = if stale { None } else { pending(seen, loaded, world) };
    if pending.is_none() {
        verdicts.record(Check::ReloadPending, None);
    }
    pending
}

/// How the loaded unit differs from the declared one, in words.
fn differences(seen: &Seen, loaded: &LoadedUnit, dirs: &Dirs) -> Vec<String> {
    let mut found = Vec::new();
    let token = &seen.declared.sealed.token;
    match seal::token_of(&loaded.documentation) {
        Some(loaded) if loaded == token => {}
        Some(loaded) => found.push(format!("the loaded token is {loaded}")),
        None => found.push("what is loaded has no token".to_owned()),
    }
    let on_disk = &seen.resolution;
    // A foreign file that wins on disk while the owner's is still loaded is fragment-owner's to tell: what is loaded is
    // right then, and a reload would change that.
    if let (Some(disk), Some(loaded)) = (&on_disk.fragment, &loaded.fragment_path)
        && disk != loaded
        && disk.parent() == Some(dirs.owner().as_path())
    {
        found.push(format!("loaded from {}, on disk is {}", loaded.display(), disk.display()));
    }
    for path in &loaded.drop_in_paths {
        if !on_disk.drop_ins.iter().any(|drop_in| drop_in.is_reported_as(path)) {
            found.push(format!("loaded with the drop-in {}, which is gone", path.display()));
        }
    }
    let is_loaded = |drop_in: &DropIn| loaded.drop_in_paths.iter().any(|path| drop_in.is_reported_as(path));
    for drop_in in on_disk.drop_ins.iter().filter(|drop_in| seen.declared.allows(drop_in)) {
        if !is_loaded(drop_in) {
            found.push(format!("the allowed drop-in {} is not loaded", drop_in.path.display()));
        }
    }
    found.extend(seen.differences.iter().map(|difference| {
        format!("{}: declared {}, loaded {}", difference.setting, difference.expected, difference.seen)
    }));
    found
}

/// Which settings are loaded otherwise than the seal and the expected drop-ins say.
pub(super) fn settings<'a>(
    name: &UnitName,
    declared: &DeclaredUnit,
    drop_ins: impl Iterator<Item = &'a DropIn>,
    loaded: &LoadedUnit,
    context: &Context,
    aliases: &BTreeMap<UnitName, UnitName>,
) -> Vec<Difference> {
    // One that cannot be read changes nothing that we could expect; the manager could not read it either.
    let added: Vec<Assignments> = drop_ins
        .filter_map(|drop_in| read_text(&drop_in.path).ok())
        .map(|text| Assignments::of_text(&text))
        .collect();
    let declared: Vec<Declared<'_>> =
        declared.sealed.settings.iter().chain(added.iter().flat_map(Assignments::iter)).collect();
    compare(name, &declared, context, aliases, &loaded.properties).differences
}

/// Whether a file changed after the manager read all units, by the change time that no tool can set back.
fn pending(seen: &Seen, loaded: &LoadedUnit, world: &World) -> Option<Pending> {
    let read = world.answers.manager.units_load.map(SystemTime::from);
    let now = world.answers.now;
    let files = changed_files(seen, world);
    // A time that lies ahead says that the clock was set back. Unless the manager's own time lies ahead too, it says
    // nothing about the order of things.
    let comparable = |changed: SystemTime| changed <= now || read.is_some_and(|read| read > now);
    let newest = files.iter().filter(|(_, changed)| comparable(*changed)).max_by_key(|(_, changed)| *changed);
    let (path, since, what) = match (newest, files.iter().max_by_key(|(_, changed)| *changed)) {
        (Some((path, changed)), _) if read.is_some_and(|read| *changed + TICK > read) => {
            (path, *changed, "changed after the manager read it")
        }
        (_, Some((path, changed))) if loaded.need_daemon_reload => {
            (path, *changed, "differs for the manager (NeedDaemonReload=yes)")
        }
        _ => return None,
    };
    // Of a time that lies ahead nobody knows how long ago it was: past any grace.
    let since = if since > now { SystemTime::UNIX_EPOCH } else { since };
    let finding = Finding::broken(Check::ReloadPending, State::Loaded)
        .about(&seen.name, seen.declared.stack.as_ref())
        .at(path)
        .expected(
            "a manager that has read the unit's files as they are",
            format!("{} {what}", path.display()),
        )
        .next("systemctl --user daemon-reload");
    Some(Pending { since, finding })
}

/// The files that make the unit up, with the later of their own and their target's change time, and those of their
/// directories that were moved.
fn changed_files(seen: &Seen, world: &World) -> Vec<(PathBuf, SystemTime)> {
    let mut files = Vec::new();
    if !matches!(*seen.owned, Owned::Absent)
        && let Some(copy) = seen.resolution.winner()
    {
        let times = [copy.status.as_ref(), copy.end.status()];
        files.extend(times.into_iter().flatten().map(|status| (copy.path.clone(), status.changed)));
    }
    for drop_in in &seen.resolution.drop_ins {
        let times = [drop_in.status.as_ref(), drop_in.end.status()];
        files.extend(times.into_iter().flatten().map(|status| (drop_in.path.clone(), status.changed)));
    }
    let moved =
        directories_of(&seen.resolution).filter_map(|path| Some((path.to_owned(), *world.moved.get(path)?)));
    files.extend(moved);
    files
}
