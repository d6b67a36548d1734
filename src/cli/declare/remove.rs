//! `stackctl remove`: forgets a stack.

use std::collections::BTreeSet;

use super::place::{Place, look, show};
use crate::cli::output;
use crate::error::{Error, chain};
use crate::exit::Code;
use crate::names::StackName;
use crate::stack::{self, Context};
use crate::systemd::loaded::Detail;
use crate::systemd::manager::{JobMode, Verb};
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
    let changed = show(&stack::remove(&place.dirs, stack)?)?;
    // A failed update would stay in memory without its file; one that is not failed cannot be reset.
    drop(manager.reset_failed(&stack.update_service()));
    let code = look(place, &BTreeSet::from([stack.clone()]), &[], changed)?;
    if !down {
        tell_what_is_left(place, stack)?;
    }
    Ok(code)
}

/// A unit that was active stays so without a definition, and its containers run on.
fn tell_what_is_left(place: &Place, stack: &StackName) -> Result<(), Error> {
    let unit = stack.service();
    let running = match Context::open_plain().and_then(|context| stack::stop::running(&context, stack)) {
        Ok(running) => running,
        Err(error) => {
            tracing::warn!("{stack}: not looked for containers that still run: {}", chain(&error));
            Vec::new()
        }
    };
    if !running.is_empty() {
        output::print(&format!("still running: {}; next: stackctl stop {stack}", running.join(", ")))?;
    }
    if place.manager()?.observe_one(&unit, Detail::Unit)?.active_state != ActiveState::Inactive {
        output::print(&format!(
            "{unit} is still active, without a definition; next: systemctl --user stop {unit}"
        ))?;
    }
    Ok(())
}
