//! `stackctl remove`: forgets a stack.

use std::collections::BTreeSet;

use super::place::{Place, is_active, look, show};
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
    // While the unit is active its definition is kept in memory: it says how to stop.
    let reload = show(&changes) && !is_active(&manager, stack)?;
    let code = look(place, &BTreeSet::from([stack.clone()]), &[], reload)?;
    if let_go(&mut manager, stack)? {
        return look(place, &BTreeSet::from([stack.clone()]), &[], true);
    }
    Ok(code)
}

/// Ends a unit whose containers run no more, and says what still runs and how it is stopped. What is failed without a file
/// goes, too. Returns whether a unit was stopped, so that the manager may forget it.
fn let_go(manager: &mut Manager, stack: &StackName) -> Result<bool, Error> {
    let unit = stack.service();
    let active = is_active(manager, stack)?;
    let running = Context::open_plain().and_then(|context| stack::stop::running(&context, stack));
    match &running {
        Ok(running) if running.is_empty() => {}
        Ok(running) => {
            let next = if active {
                format!("systemctl --user stop {unit}")
            } else {
                format!("stackctl stop {stack}")
            };
            output::say(&format!("still running: {}; next: {next}", running.join(", ")));
        }
        Err(error) => {
            tracing::warn!("{stack}: not looked for containers that still run: {}", chain(error));
        }
    }
    let stops = active && running.is_ok_and(|running| running.is_empty());
    if stops {
        let result = manager.run_job(Verb::Stop, &unit, JobMode::Replace, stack::stop::STOP_TIMEOUT)?;
        tracing::debug!("{unit}: the stop job ended as {result}");
    }
    for unit in [unit, stack.update_service(), stack.verify_service()] {
        // One that is not failed, or not there, cannot be reset.
        drop(manager.reset_failed(&unit));
    }
    Ok(stops)
}
