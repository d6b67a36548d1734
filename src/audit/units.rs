//! unit-missing, unit-masked, unit-load-error, unit-failed: is the unit there at all?

use super::check::Check;
use super::finding::{Finding, State, Verdicts, typed};
use super::world::Seen;
use crate::dirs::Dirs;
use crate::systemd::loaded::LoadedUnit;
use crate::systemd::search_path::{DiskState, NotFound};
use crate::systemd::words::{ActiveState, LoadState};

/// The template of the units that verify stacks after their start.
const VERIFY: &str = "stack-verify@.service";

pub(super) fn judge(seen: &Seen, dirs: &Dirs, verdicts: &mut Verdicts) {
    let about = |check, state| Finding::broken(check, state).about(&seen.name, seen.declared.stack.as_ref());
    let repair = seen.declared.repair_command();
    let owned = dirs.owner().join(seen.name.as_str());
    let path = seen.resolution.winner().map_or_else(|| owned.clone(), |copy| copy.path.clone());

    let missing_on_disk = match &seen.resolution.state {
        DiskState::NotFound(reason) => Some(describe(reason)),
        DiskState::Error { path, file_type } => Some(format!("{} is a {file_type}", path.display())),
        DiskState::Loaded | DiskState::LoadedWithoutFile | DiskState::Masked => None,
    };
    let masked_on_disk = matches!(seen.resolution.state, DiskState::Masked);
    let loaded = seen.loaded.as_ref().and_then(|loaded| loaded.as_ref().ok());
    let load_state = loaded.map(|unit| &unit.load_state);

    verdicts.record(
        Check::UnitMissing,
        if let Some(reason) = missing_on_disk {
            Some(
                about(Check::UnitMissing, State::OnDisk)
                    .at(&path)
                    .expected("a unit file in the owner directory", reason)
                    .next(&repair),
            )
        } else if load_state == Some(&LoadState::NotFound) {
            Some(
                about(Check::UnitMissing, State::Loaded)
                    .expected("the unit in the manager, as it is on disk", "the manager does not find it")
                    .next("systemctl --user daemon-reload"),
            )
        } else {
            None
        },
    );
    verdicts.record(
        Check::UnitMasked,
        if masked_on_disk {
            let seen_text = format!("{} masks it (an empty file, or a link to /dev/null)", path.display());
            Some(
                about(Check::UnitMasked, State::OnDisk)
                    .at(&path)
                    .expected("a unit file with content", seen_text)
                    .next(if path == owned { repair.clone() } else { format!("rm {}", typed(&path)) }),
            )
        } else if load_state == Some(&LoadState::Masked) {
            Some(
                about(Check::UnitMasked, State::Loaded)
                    .expected("the unit in the manager, as it is on disk", "the manager has it as masked")
                    .next("systemctl --user daemon-reload"),
            )
        } else {
            None
        },
    );
    let unusable = load_state.is_some_and(|state| {
        !matches!(state, LoadState::Loaded | LoadState::NotFound | LoadState::Masked | LoadState::Merged)
    });
    verdicts.record(
        Check::UnitLoadError,
        match &seen.loaded {
            Some(Err(error)) => Some(
                Finding::unknown(Check::UnitLoadError, State::Loaded)
                    .about(&seen.name, seen.declared.stack.as_ref())
                    .expected("the manager's answer about the unit", crate::error::chain(error))
                    .next(format!("systemctl --user status {}", seen.name)),
            ),
            Some(Ok(unit)) if unusable => {
                let reason =
                    unit.load_error.as_ref().map_or("no reason given", |error| error.message.as_str());
                Some(
                    about(Check::UnitLoadError, State::Loaded)
                        .expected("LoadState=loaded", format!("LoadState={}: {reason}", unit.load_state))
                        .next(format!("systemctl --user status {}; then: {repair}", seen.name)),
                )
            }
            _ => None,
        },
    );
    // Of the shipped units this one only: stack-audit.service is failed whenever it has found something, the last look
    // gives up when another audit takes long, and an alert's own failure is told by the alert.
    let verifies = seen.name.template().is_some_and(|template| template.as_str() == VERIFY);
    if seen.declared.stack.is_some() || verifies {
        verdicts.record(
            Check::UnitFailed,
            loaded.filter(|unit| unit.active_state == ActiveState::Failed).map(|unit| {
                about(Check::UnitFailed, State::Loaded)
                    .expected("a unit that is not failed", failure(unit))
                    .next(format!("journalctl --user -u {} -n 50", seen.name))
            }),
        );
    }
}

/// How and since when a unit is failed.
pub(crate) fn failure(unit: &LoadedUnit) -> String {
    let since = unit.state_change.map_or_else(String::new, |time| {
        format!(" since {}", humantime::format_rfc3339_seconds(time.into()))
    });
    let result = unit.result.as_deref().unwrap_or("unknown");
    let status = match unit.exec_main_status {
        // The status is that of the start alone.
        Some(0) if result == "exit-code" => ", of a command after its start, such as its stop".to_owned(),
        Some(status) => format!(", exit status {status}"),
        None => String::new(),
    };
    format!("failed{since}: {result}{status}")
}

fn describe(reason: &NotFound) -> String {
    match reason {
        NotFound::NoCopy => "no directory of the unit search path has it".to_owned(),
        NotFound::BrokenAlias(target) => format!("an alias of {target}, which does not exist"),
        NotFound::AliasLoop => "aliases that lead in a circle".to_owned(),
        NotFound::Dangling(path) => format!("{} is a link to nothing", path.display()),
        NotFound::LinkLoop(path) => format!("{} is a link that leads in a circle", path.display()),
        NotFound::Socket(path) => format!("{} leads to a socket", path.display()),
        NotFound::Unreadable(error) => error.to_string(),
    }
}
