//! What a killed program has left open is finished or undone before anything else happens to the stack.

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;

use super::images;
use super::look::{is_inactive, unit_state};
use super::machine::Step;
use super::run::Run;
use crate::error::{Error, chain};
use crate::exit::Code;
use crate::names::StackName;
use crate::records::{OpenRecord, Record, open_ones};
use crate::stack::preflight::{Prepared, preflight};
use crate::stack::{Context, StackError, Transaction};

/// The verbs whose records may be left open half way.
pub const VERBS: &[&str] = &["update", "rollback"];

/// What was found.
#[derive(Debug)]
pub enum Settled {
    /// No update was left open.
    NothingOpen(Box<Prepared>),
    /// One was.
    Ended {
        /// How it ended now, in a line.
        how: String,
        /// The same for a program.
        result: Result<(), Error>,
    },
}

/// Finishes or undoes what was left open. The caller has the stack's lock, so whoever began it is dead.
///
/// # Errors
/// The records cannot be read.
pub fn settle_open(context: &Context, stack: &StackName, prepared: Prepared) -> Result<Settled, Error> {
    close_harmless(context, stack)?;
    let open = left_open(context, stack)?;
    let Some((record, path, step)) = open.into_iter().next_back() else {
        return Ok(Settled::NothingOpen(Box::new(prepared)));
    };
    let started = record.started.clone();
    let run = Run::resume(context, OpenRecord::resume(record, path), prepared);
    let result = run.go_on_from(step);
    let how = result.as_ref().map_or_else(Error::line, |()| "finished".to_owned());
    Ok(Settled::Ended { how: format!("begun {started}, killed in the step {step}: {how}"), result })
}

/// Before an update begins: as [`settle_open`], with a lock of its own if there is anything to settle; how that ended.
/// What was left open of a stack that its operator has stopped is settled by its next start.
///
/// # Errors
/// The records cannot be read, somebody else is at work, or the stack cannot be looked at.
pub fn settle_before(context: &Context, stack: &StackName) -> Result<Option<Result<(), Error>>, Error> {
    if open_ones(&context.dirs, stack, VERBS).map_err(StackError::from)?.is_empty() {
        return Ok(None);
    }
    close_harmless(context, stack)?;
    if left_open(context, stack)?.is_empty() || is_inactive(&unit_state(context, stack)?) {
        return Ok(None);
    }
    let mut settled = None;
    Transaction::run(context, stack, "recover", |transaction| {
        transaction.step("preflight")?;
        let prepared = preflight(context, stack)?;
        transaction.step("settle")?;
        match settle_open(context, stack, prepared)? {
            Settled::NothingOpen(_) => Ok("nothing is open any more".to_owned()),
            Settled::Ended { how, result } => {
                settled = Some(result);
                Ok(format!("an update was left open: {how}"))
            }
        }
    })?;
    Ok(settled)
}

/// Since when an update of the stack has been open that changed something before it was killed.
///
/// # Errors
/// The records cannot be read.
pub fn open_since(context: &Context, stack: &StackName) -> Result<Option<String>, Error> {
    Ok(left_open(context, stack)?.into_iter().next_back().map(|(record, ..)| record.started))
}

/// The open records whose last step was a guarded one, with that step.
fn left_open(context: &Context, stack: &StackName) -> Result<Vec<(Record, std::path::PathBuf, Step)>, Error> {
    let open = open_ones(&context.dirs, stack, VERBS).map_err(StackError::from)?;
    Ok(open
        .into_iter()
        .filter_map(|(record, path)| {
            let step = last_step(&record).filter(|step| step.is_guarded())?;
            Some((record, path, step))
        })
        .collect())
}

fn last_step(record: &Record) -> Option<Step> {
    record.steps.iter().rev().find_map(|step| Step::named(&step.name))
}

/// Closes the records of programs that were killed before they changed anything, and lets go of what they held.
fn close_harmless(context: &Context, stack: &StackName) -> Result<(), Error> {
    for (record, path) in open_ones(&context.dirs, stack, VERBS).map_err(StackError::from)? {
        let step = last_step(&record);
        if is_alive(record.pid) || step.is_some_and(Step::is_guarded) {
            continue;
        }
        if let Ok(podman) = context.podman()
            && let Err(error) = images::release(&podman, stack)
        {
            tracing::warn!(
                STACKWARDEN_STACK = stack.as_str(),
                "stack {stack}: the images' holders were not removed: {}",
                chain(&error)
            );
        }
        let step = step.map_or("its beginning", Step::name);
        let message = format!("killed in the step {step}; nothing was changed");
        OpenRecord::resume(record, path).close(&context.dirs, Code::TryLater.number(), &message)?;
    }
    Ok(())
}

/// A number that was given to another process meanwhile leaves a record open that says nothing wrong.
fn is_alive(pid: u32) -> bool {
    let Ok(pid) = i32::try_from(pid) else { return false };
    pid != i32::try_from(std::process::id()).unwrap_or_default()
        && !matches!(kill(Pid::from_raw(pid), None), Err(Errno::ESRCH))
}
