//! `stackctl remove`: forgets a stack.

use std::collections::BTreeSet;

use super::place::{Place, is_active, look, show};
use crate::cli::output;
use crate::error::{Error, chain};
use crate::exit::Code;
use crate::lock::Locked;
use crate::names::StackName;
use crate::process::Interrupt;
use crate::stack::stop::{REMOVAL, STOP_TIMEOUT};
use crate::stack::{self, Context, Refusal};
use crate::systemd::loaded::Detail;
use crate::systemd::manager::{JobMode, Manager, Verb};
use crate::systemd::words::ActiveState;

pub(super) fn remove(place: &Place, stack: &StackName, down: bool) -> Result<Code, Error> {
    let mut manager = place.manager()?;
    let unit = stack.service();
    let active = manager.observe_one(&unit, Detail::Unit)?.active_state != ActiveState::Inactive;
    if down {
        let context = Context::open()?;
        stack::stop::refuse_guests(&context, stack)?;
        if active {
            manager.run_job(Verb::Stop, &unit, JobMode::Replace, STOP_TIMEOUT)?;
        }
        stack::stop::down(&context, stack)?;
    }
    let changes = forget(place, &mut manager, stack, down)?;
    for unit in [unit, stack.update_service(), stack.verify_service()] {
        // One that is not failed, or not there, cannot be reset.
        drop(manager.reset_failed(&unit));
    }
    let code = look(place, &BTreeSet::from([stack.clone()]), &[], changes)?;
    tell_what_runs(stack);
    Ok(code)
}

/// Takes the declaration away, and then ends the unit while the manager still has its definition, which it forgets at the
/// next reload: an active unit without a file would be in the way of every reload. Returns whether anything changed.
fn forget(place: &Place, manager: &mut Manager, stack: &StackName, down: bool) -> Result<bool, Error> {
    let patience = place.host.lock_wait.duration();
    let waiting = |holder: &str| output::say(&format!("waiting for {holder}"));
    // While this is held for this, a stop of the unit keeps the containers.
    let _held = Locked::take(&place.dirs, stack, REMOVAL, patience, &Interrupt::never(), waiting)?;
    let changes = match stack::remove(&place.dirs, stack) {
        // Taken down, and forgotten before.
        Err(Error::Refused(Refusal::NotDeclared { .. })) if down => Vec::new(),
        other => other?,
    };
    let unit = stack.service();
    let ends = is_active(manager, stack)?;
    if ends {
        let result = manager.run_job(Verb::Stop, &unit, JobMode::Replace, STOP_TIMEOUT)?;
        tracing::debug!("{unit}: the stop job ended as {result}");
    }
    Ok(show(&changes) || ends)
}

/// What was not asked to end, and how it is ended.
fn tell_what_runs(stack: &StackName) {
    let running = Context::open_plain().and_then(|context| stack::stop::running(&context, stack));
    match running {
        Ok(running) if running.is_empty() => {}
        Ok(running) => output::say(&format!(
            "still running, and a page (containers-unowned) until they end or are declared again: {}; next: stackctl remove --down {stack}, or to keep the stopped containers: stackctl stop {stack}",
            running.join(", ")
        )),
        Err(error) => {
            tracing::warn!("{stack}: not looked for containers that still run: {}", chain(&error));
        }
    }
}
