//! `stackctl remove`: forgets a stack.

use std::collections::BTreeSet;

use super::place::{Place, look, show};
use crate::cli::output;
use crate::error::{Error, chain};
use crate::exit::Code;
use crate::names::StackName;
use crate::stack::{self, Context, Refusal};
use crate::systemd::loaded::Detail;
use crate::systemd::manager::{JobMode, Manager, Verb};
use crate::systemd::words::ActiveState;

pub(super) fn remove(place: &Place, stack: &StackName, down: bool) -> Result<Code, Error> {
    let mut manager = place.manager()?;
    let unit = stack.service();
    let active = manager.observe_one(&unit, Detail::Unit)?.active_state != ActiveState::Inactive;
    if down {
        if active {
            manager.run_job(Verb::Stop, &unit, JobMode::Replace, stack::stop::STOP_TIMEOUT)?;
        }
        stack::stop::down(&Context::open()?, stack)?;
    }
    let changes = match stack::remove(&place.dirs, stack) {
        // Taken down, and forgotten before.
        Err(Error::Refused(Refusal::NotDeclared { .. })) if down => Vec::new(),
        other => other?,
    };
    let code = look(place, &BTreeSet::from([stack.clone()]), &[], show(&changes))?;
    let_go(place, &mut manager, stack)?;
    Ok(code)
}

/// What the manager still holds of the stack's units goes too, and what still runs is told. A unit that was active stays
/// so without a definition; while containers run it is left alone, because with podman-compose their monitors live in its
/// control group.
fn let_go(place: &Place, manager: &mut Manager, stack: &StackName) -> Result<(), Error> {
    let unit = stack.service();
    let running = Context::open_plain().and_then(|context| stack::stop::running(&context, stack));
    match &running {
        Ok(running) if running.is_empty() => {}
        Ok(running) => output::say(&format!(
            "still running: {}; next: stackctl stop {stack}; then: systemctl --user stop {unit}",
            running.join(", ")
        )),
        Err(error) => {
            tracing::warn!("{stack}: not looked for containers that still run: {}", chain(error));
        }
    }
    let none_runs = running.is_ok_and(|running| running.is_empty());
    if none_runs && place.is_active(stack)? {
        let result = manager.run_job(Verb::Stop, &unit, JobMode::Replace, stack::stop::STOP_TIMEOUT)?;
        tracing::debug!("{unit}: the stop job ended as {result}");
    }
    for unit in [unit, stack.update_service(), stack.verify_service()] {
        // One that is not failed, or not there, cannot be reset.
        drop(manager.reset_failed(&unit));
    }
    Ok(())
}
