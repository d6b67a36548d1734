//! unit-missing, unit-masked, unit-load-error, unit-failed: is the unit there at all?

use super::check::Check;
use super::finding::{Finding, State, Verdicts, removal, typed};
use super::world::{Owned, Seen};
use crate::dirs::Dirs;
use crate::names::StackName;
use crate::systemd::loaded::LoadedUnit;
use crate::systemd::search_path::{CopyKind, DiskState, Link, LinkRole, NotFound};
use crate::systemd::words::{ActiveState, LoadState};

/// The template of the units that verify stacks after their start.
const VERIFY: &str = "stack-verify@.service";

pub(super) fn judge(seen: &Seen, dirs: &Dirs, verdicts: &mut Verdicts) {
    let about = |check, state| Finding::broken(check, state).about(&seen.name, seen.declared.stack.as_ref());
    let repair = seen.declared.repair_command();
    let owned = dirs.owner().join(seen.name.as_str());
    let path = seen.resolution.winner().map_or_else(|| owned.clone(), |copy| copy.path.clone());

    let missing_on_disk = match &seen.resolution.state {
        DiskState::NotFound(reason) => Some(skipped(seen).unwrap_or_else(|| describe(reason))),
        DiskState::Error { path, file_type } => Some(format!("{} is a {file_type}", path.display())),
        DiskState::Loaded | DiskState::LoadedWithoutFile | DiskState::Masked => None,
    };
    let masked_on_disk = matches!(seen.resolution.state, DiskState::Masked);
    let loaded = seen.loaded.as_ref().and_then(|loaded| loaded.as_ref().ok());
    let load_state = loaded.map(|unit| &unit.load_state);

    verdicts.record(
        Check::UnitMissing,
        if let (Owned::Unknown(problem), Some(_)) = (&*seen.owned, &missing_on_disk) {
            Some(
                Finding::unknown(Check::UnitMissing, State::OnDisk)
                    .about(&seen.name, seen.declared.stack.as_ref())
                    .at(&path)
                    .expected("a unit file in the owner directory", problem)
                    .next(format!("ls -ld {}", typed(&dirs.owner()))),
            )
        } else if let Some(reason) = missing_on_disk {
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
                    .next(if path == owned && !seen.declared.sealed_as_template {
                        repair.clone()
                    } else {
                        removal(&path)
                    }),
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
    verdicts.record(
        Check::UnitLoadError,
        match &seen.loaded {
            Some(Err(error)) => Some(
                Finding::unknown(Check::UnitLoadError, State::Loaded)
                    .about(&seen.name, seen.declared.stack.as_ref())
                    .expected("the manager's answer about the unit", crate::error::chain(error))
                    .next(format!("systemctl --user status {}", seen.name)),
            ),
            Some(Ok(unit)) if unit.load_state.is_unusable() => {
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
    failed(seen, loaded, verdicts);
}

fn failed(seen: &Seen, loaded: Option<&LoadedUnit>, verdicts: &mut Verdicts) {
    // Of the shipped units this one only: stack-audit.service is failed whenever it has found something, the last look
    // gives up when another audit takes long, and an alert's own failure is told by the alert.
    let verified =
        seen.name.template().filter(|template| template.as_str() == VERIFY).and(seen.name.instance());
    let verified = verified.and_then(|stack| StackName::parse(stack).ok());
    if let Some(stack) = seen.declared.stack.as_ref().or(verified.as_ref()) {
        verdicts.record(
            Check::UnitFailed,
            loaded.filter(|unit| unit.active_state == ActiveState::Failed).map(|unit| {
                let read = format!("journalctl --user -u {} -n 50", seen.name);
                let next =
                    if verified.is_some() { format!("{read}; then: stackctl verify {stack}") } else { read };
                Finding::broken(Check::UnitFailed, State::Loaded)
                    .about(&seen.name, Some(stack))
                    .expected("a unit that is not failed", failure(unit))
                    .next(next)
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

/// A link that systemd takes no notice of, and why: to itself, to a unit of another type, …
fn skipped(seen: &Seen) -> Option<String> {
    seen.resolution.copies.iter().find_map(|copy| match &copy.kind {
        CopyKind::Link(Link { role: LinkRole::Skipped(problem), .. }) if copy.name == seen.name => {
            Some(format!("systemd skips the link {}: {problem}", copy.path.display()))
        }
        _ => None,
    })
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
