//! Observed units, which somebody else generates: held to what they were when they were sealed, and the manager to what
//! is on disk. Whose directory they are in is their owner's business.
//!
//! Nothing is healed for them: they never cause a reload, and since they are not ours they block none either, unless it
//! would hang.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::check::Check;
use super::definition::Pending;
use super::finding::{Finding, State, Verdicts};
use super::fingerprint::TICK;
use crate::dirs::Dirs;
use crate::error::chain;
use crate::names::UnitName;
use crate::observe::{Change, Observed, Sight, changes};
use crate::systemd::bus::BusError;
use crate::systemd::loaded::{Detail, LoadedUnit, ManagerState, UnitList};
use crate::systemd::manager::Manager;
use crate::systemd::search_path::{
    DirectoryKind, DiskState, FileEnd, FileStatus, SearchPath, kind_of_directory, kind_of_file,
};
use crate::systemd::settings::compare::{Comparison, compare, referenced_units};
use crate::systemd::settings::specifier::Context;
use crate::systemd::words::{ActiveState, LoadState};

/// One observed unit, as it was seen.
#[derive(Debug)]
pub struct SeenObserved {
    /// As it was sealed.
    pub sealed: Observed,
    /// As it is on disk.
    pub sight: Sight,
    /// What the manager has of it; none for a template.
    pub loaded: Option<Result<LoadedUnit, BusError>>,
    /// Whether the manager had it in memory before it was asked.
    pub in_memory: bool,
    /// The texts on disk against what is loaded; empty if it is not in memory.
    pub comparison: Comparison,
}

impl SeenObserved {
    /// The FIFO among its files: opening one hangs the manager, so that nobody's daemon-reload is safe.
    pub(super) fn fifo(&self) -> Option<&Path> {
        const FIFO: &str = "FIFO";
        match &self.sight.resolution.state {
            DiskState::Error { path, file_type: FIFO } => Some(path),
            _ => self
                .sight
                .resolution
                .drop_ins
                .iter()
                .find(|drop_in| matches!(&drop_in.end, FileEnd::Other(status) if status.file_type == FIFO))
                .map(|drop_in| drop_in.path.as_path()),
        }
    }
}

/// Looks at the observed units.
pub(super) fn look(
    dirs: &Dirs,
    observed: &BTreeMap<UnitName, Observed>,
    search_path: &SearchPath,
    manager: &Manager,
    state: &ManagerState,
    listed: &UnitList,
) -> BTreeMap<UnitName, SeenObserved> {
    if observed.is_empty() {
        return BTreeMap::new();
    }
    let names: Vec<UnitName> = observed.keys().filter(|name| !name.is_template()).cloned().collect();
    let mut loaded = manager.observe(&names, Detail::Settings);
    let context = Context::new(dirs, &state.version);
    let see = |(name, sealed): (&UnitName, &Observed)| {
        let sight = Sight::look(search_path, name);
        let in_memory = listed.units.contains_key(&sight.resolution.id);
        let loaded = loaded.remove(name);
        let comparison = match &loaded {
            Some(Ok(unit)) if in_memory && unit.id == sight.resolution.id => {
                settings(&sight, unit, &context, manager)
            }
            _ => Comparison::default(),
        };
        (name.clone(), SeenObserved { sealed: sealed.clone(), sight, loaded, in_memory, comparison })
    };
    observed.iter().map(see).collect()
}

fn settings(sight: &Sight, unit: &LoadedUnit, context: &Context, manager: &Manager) -> Comparison {
    let declared = sight.text.declared();
    let first = compare(&unit.id, &declared, context, &BTreeMap::new(), &unit.properties);
    if first.differences.is_empty() {
        return first;
    }
    // Dependencies may be named by an alias. The manager is asked for real names only if that could matter.
    let referenced: Vec<UnitName> = referenced_units(&unit.id, &declared, context).into_iter().collect();
    let aliases = manager.real_names(&referenced);
    compare(&unit.id, &declared, context, &aliases, &unit.properties)
}

/// Judges one of them.
pub(super) fn judge(
    seen: &SeenObserved,
    state: &ManagerState,
    now: SystemTime,
    dirs: &Dirs,
    verdicts: &mut Verdicts,
) -> Option<Pending> {
    let changes = changes(&seen.sealed, &seen.sight.now);
    presence(seen, verdicts);
    for check in CHANGES {
        let told = changes.iter().filter(|change| check_of(change) == Some(*check));
        verdicts.record_all(*check, told.map(|change| changed(seen, *check, change)));
    }
    overrides(seen, dirs, verdicts);
    verdicts.record(
        Check::FragmentContent,
        (!seen.sight.unchecked.is_empty()).then(|| {
            Finding::unknown(Check::FragmentContent, State::OnDisk)
                .about(&seen.sealed.unit, None)
                .expected("a unit all of which can be looked at", seen.sight.unchecked.join("; "))
                .next(format!("stackctl explain {}", seen.sealed.unit))
        }),
    );
    definition(seen, state, now, dirs, verdicts)
}

/// The checks that a change since the seal breaks.
const CHANGES: &[Check] = &[
    Check::FragmentOwner,
    Check::FragmentReplaced,
    Check::FragmentContent,
    Check::DropInUnexpected,
    Check::ShadowedCopy,
    Check::UnitNotEnabled,
];

fn check_of(change: &Change) -> Option<Check> {
    match change {
        Change::Moved { to: Some(_), .. } => Some(Check::FragmentOwner),
        Change::Link { .. } => Some(Check::FragmentReplaced),
        Change::Text { .. } | Change::Source { .. } => Some(Check::FragmentContent),
        Change::DropInAdded(_) | Change::DropInGone(_) | Change::DropInChanged(_) => {
            Some(Check::DropInUnexpected)
        }
        Change::Shadowed(_) => Some(Check::ShadowedCopy),
        Change::NotPulledIn(_) => Some(Check::UnitNotEnabled),
        // unit-missing tells of a file that is gone, unit-masked of a mask; that a mask or a copy is gone, or that
        // more links pull it in, harms nobody.
        Change::Moved { to: None, .. }
        | Change::Masked { .. }
        | Change::NotShadowed(_)
        | Change::PulledIn(_) => None,
    }
}

fn about(check: Check, state: State, seen: &SeenObserved) -> Finding {
    let unit = &seen.sealed.unit;
    Finding::broken(check, state)
        .about(unit, None)
        .next(format!("stackctl explain {unit}; if it was intended: stackctl observe --accept {unit}"))
}

fn changed(seen: &SeenObserved, check: Check, change: &Change) -> Finding {
    let finding = about(check, State::OnDisk, seen)
        .expected(format!("the unit as it was sealed on {}", seen.sealed.time), change.to_string());
    match path_of(change) {
        Some(path) => finding.at(path),
        None => finding,
    }
}

fn path_of(change: &Change) -> Option<&Path> {
    match change {
        Change::Moved { to, .. } => to.as_deref(),
        Change::Masked { .. } => None,
        Change::Link { path, .. }
        | Change::Text { path, .. }
        | Change::Source { path }
        | Change::DropInAdded(path)
        | Change::DropInGone(path)
        | Change::DropInChanged(path)
        | Change::Shadowed(path)
        | Change::NotShadowed(path)
        | Change::PulledIn(path)
        | Change::NotPulledIn(path) => Some(path),
    }
}

/// unit-missing, unit-masked, unit-load-error, unit-failed.
fn presence(seen: &SeenObserved, verdicts: &mut Verdicts) {
    let unit = &seen.sealed.unit;
    let disk = &seen.sight.resolution.state;
    let loaded = seen.loaded.as_ref().and_then(|loaded| loaded.as_ref().ok());
    let load_state = loaded.map(|unit| &unit.load_state);
    let missing = match disk {
        DiskState::NotFound(_) | DiskState::Error { .. } => Some((State::OnDisk, "no usable file of it")),
        _ if load_state == Some(&LoadState::NotFound) => {
            Some((State::Loaded, "the manager does not find it"))
        }
        _ => None,
    };
    verdicts.record(
        Check::UnitMissing,
        missing.map(|(state, found)| {
            about(Check::UnitMissing, state, seen)
                .expected("the unit that was sealed", found)
                .next(format!("stackctl explain {unit}; if it was intended: stackctl remove {unit}"))
        }),
    );
    let masked = seen.sight.now.masked || load_state == Some(&LoadState::Masked);
    verdicts.record(
        Check::UnitMasked,
        (masked && !seen.sealed.masked).then(|| {
            let finding = about(Check::UnitMasked, State::OnDisk, seen);
            let finding = match seen.sight.resolution.winner().filter(|_| seen.sight.now.masked) {
                Some(winner) => finding.at(&winner.path),
                None => finding,
            };
            finding.expected("a unit that is not masked", "it is masked")
        }),
    );
    let failed = match &seen.loaded {
        Some(Err(error)) => Some(
            Finding::unknown(Check::UnitLoadError, State::Loaded)
                .about(unit, None)
                .expected("the manager's answer about the unit", chain(error))
                .next(format!("systemctl --user status {unit}")),
        ),
        Some(Ok(loaded)) if loaded.load_state.is_unusable() => {
            let reason = loaded.load_error.as_ref().map_or("no reason given", |error| error.message.as_str());
            let seen_text = format!("LoadState={}: {reason}", loaded.load_state);
            Some(
                about(Check::UnitLoadError, State::Loaded, seen)
                    .expected("LoadState=loaded", seen_text)
                    .next(format!("systemctl --user status {unit}")),
            )
        }
        _ => None,
    };
    verdicts.record(Check::UnitLoadError, failed);
    verdicts.record(
        Check::UnitFailed,
        loaded.filter(|loaded| loaded.active_state == ActiveState::Failed).map(|loaded| {
            let result = loaded.result.as_deref().unwrap_or("unknown");
            about(Check::UnitFailed, State::Loaded, seen)
                .expected("a unit that is not failed", format!("failed: {result}"))
                .next(format!("journalctl --user -u {unit} -n 50"))
        }),
    );
}

/// override-control, override-transient: another file wins, and it is one of those.
fn overrides(seen: &SeenObserved, dirs: &Dirs, verdicts: &mut Verdicts) {
    let sealed = seen.sealed.fragment.as_ref().map(|file| file.path.as_path());
    let loaded = seen.loaded.as_ref().and_then(|loaded| loaded.as_ref().ok()).filter(|_| seen.in_memory);
    let places = [
        (State::OnDisk, seen.sight.resolution.fragment.as_deref()),
        (State::Loaded, loaded.and_then(|unit| unit.fragment_path.as_deref())),
    ];
    let foreign = places
        .into_iter()
        .filter_map(|(state, path)| Some((state, path?)))
        .find(|(_, path)| Some(*path) != sealed)
        .map(|(state, path)| (state, path, kind_of_file(path, dirs)));
    let finding = |check, (state, path, kind): (State, &Path, DirectoryKind)| {
        let expected = sealed.map_or_else(|| "no file".to_owned(), |path| path.display().to_string());
        about(check, state, seen).at(path).expected(expected, format!("{} ({kind})", path.display()))
    };
    let control = |kind| matches!(kind, DirectoryKind::Control | DirectoryKind::RuntimeControl);
    verdicts.record(
        Check::OverrideControl,
        foreign.filter(|(.., kind)| control(*kind)).map(|place| finding(Check::OverrideControl, place)),
    );
    verdicts.record(
        Check::OverrideTransient,
        foreign
            .filter(|(.., kind)| kind.is_generated())
            .map(|place| finding(Check::OverrideTransient, place)),
    );
}

/// definition-stale and reload-pending: has the manager read what is on disk?
fn definition(
    seen: &SeenObserved,
    state: &ManagerState,
    now: SystemTime,
    dirs: &Dirs,
    verdicts: &mut Verdicts,
) -> Option<Pending> {
    let unit = &seen.sealed.unit;
    let Some(Ok(loaded)) = &seen.loaded else { return None };
    if !seen.in_memory {
        verdicts.record(Check::DefinitionStale, None);
        return None;
    }
    let resolution = &seen.sight.resolution;
    let mut differences = Vec::new();
    if let (Some(disk), Some(loaded)) = (&resolution.fragment, &loaded.fragment_path)
        && disk != loaded
    {
        differences.push(format!("loaded from {}, on disk is {}", loaded.display(), disk.display()));
    }
    if loaded.load_state == LoadState::Loaded && !resolution.drop_ins_match(&loaded.drop_in_paths) {
        differences.push("other drop-ins are loaded than are on disk".to_owned());
    }
    differences.extend(seen.comparison.differences.iter().map(|difference| {
        format!("{}: on disk {}, loaded {}", difference.setting, difference.expected, difference.seen)
    }));
    let is_stale = !differences.is_empty();
    verdicts.record(
        Check::DefinitionStale,
        is_stale.then(|| {
            about(Check::DefinitionStale, State::Loaded, seen)
                .expected("the definition on disk", differences.join("; "))
                .next(format!(
                    "systemctl --user daemon-reload; then, if it runs: systemctl --user restart {unit}"
                ))
        }),
    );
    let pending = if is_stale { None } else { not_read(seen, loaded, state, now, dirs) };
    if pending.is_none() {
        verdicts.record(Check::ReloadPending, None);
    }
    pending
}

fn not_read(
    seen: &SeenObserved,
    loaded: &LoadedUnit,
    state: &ManagerState,
    now: SystemTime,
    dirs: &Dirs,
) -> Option<Pending> {
    let read = SystemTime::from(state.units_load?);
    let (path, since) =
        files(&seen.sight, dirs).into_iter().filter(|(_, changed)| *changed <= now).max_by_key(|f| f.1)?;
    if since + TICK <= read && !loaded.need_daemon_reload {
        return None;
    }
    let finding = Finding::broken(Check::ReloadPending, State::Loaded)
        .about(&seen.sealed.unit, None)
        .at(&path)
        .expected(
            "a manager that has read the unit's files as they are",
            format!("{} changed after the manager read it", path.display()),
        )
        .next("systemctl --user daemon-reload");
    Some(Pending { since, finding })
}

/// The files that make the unit up, with the later of their own and their target's change time. What a generator makes
/// is made during each reload, after the time that the reload goes by.
fn files(sight: &Sight, dirs: &Dirs) -> Vec<(PathBuf, SystemTime)> {
    let fragment =
        sight.resolution.winner().map(|copy| (&copy.path, copy.status.as_ref(), copy.end.status()));
    let drop_ins = sight.resolution.drop_ins.iter();
    let drop_ins = drop_ins.map(|drop_in| (&drop_in.path, drop_in.status.as_ref(), drop_in.end.status()));
    let lasts = |path: &Path| {
        let mut above = path.ancestors().skip(1).take(2);
        !above.any(|directory| kind_of_directory(directory, dirs).is_generated())
    };
    let source = sight.text.source().and_then(|path| {
        let changed = FileStatus::following(&path)?.changed;
        Some((path, changed))
    });
    fragment
        .into_iter()
        .chain(drop_ins)
        .filter(|(path, ..)| lasts(path))
        .flat_map(|(path, own, end)| [own, end].map(|status| Some((path.clone(), status?.changed))))
        .flatten()
        .chain(source)
        .collect()
}
