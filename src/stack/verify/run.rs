//! `stackctl verify`: the verdict on a stack that was applied, without its lock.

use std::time::{Duration, Instant};

use super::observe::{expected, images};
use super::wait::{Goal, Outcome, verify};
use crate::error::Error;
use crate::inventory::Inventory;
use crate::lock::Locked;
use crate::names::StackName;
use crate::progress::Progress;
use crate::records::OpenRecord;
use crate::stack::transaction::tell;
use crate::stack::{Context, StackError, StackState};

/// Waits for the verdict, for `timeout` or as long as is declared. A verdict that is overtaken by a newer transaction
/// is given on what that one left.
///
/// # Errors
/// The stack is not up, or cannot be asked.
pub fn run(context: &Context, stack: &StackName, timeout: Option<Duration>) -> Result<(), Error> {
    let mut record = OpenRecord::begin(&context.dirs, stack, "verify")?;
    record.step("verify")?;
    let begin = Instant::now();
    let result = verdict(context, stack, timeout).map_err(|error| {
        // What was asked while this program was told to end says nothing.
        let superseded = || StackError::Superseded { stack: stack.clone() };
        Error::from(if context.interrupt.pending() { superseded() } else { error })
    });
    let (code, message) = match &result {
        Ok(()) => (0, format!("up after {:.1} s", begin.elapsed().as_secs_f64())),
        Err(error) => (error.code().number(), error.line()),
    };
    record.close(&context.dirs, code, &message)?;
    result?;
    tell(stack, &message);
    Ok(())
}

fn verdict(context: &Context, stack: &StackName, timeout: Option<Duration>) -> Result<(), StackError> {
    loop {
        let before = applied(context, stack)?;
        let outcome = once(context, stack, timeout)?;
        let Outcome::Down { problems, waited } = outcome else { return Ok(()) };
        let busy = was_busy(context, stack)?;
        if !busy && applied(context, stack)? == before {
            return Err(StackError::NotUp { stack: stack.clone(), problems, waited });
        }
        tell(stack, "overtaken by a newer transaction; verifying what that one left");
    }
}

fn once(context: &Context, stack: &StackName, timeout: Option<Duration>) -> Result<Outcome, StackError> {
    let entry = Inventory::load_stack(&context.dirs, stack)?.entry;
    let podman = context.podman()?;
    let mut compose = context.compose(&podman, stack, &entry)?;
    let model = compose.model(&context.dirs)?;
    let expected = expected(&model, &images(&podman, &model)?);
    let mut progress = Progress::new();
    let goal = Goal {
        project: model.project.as_deref().unwrap_or_default(),
        expected: &expected,
        stable_for: entry.verify.stable_for.duration(),
        timeout: timeout.unwrap_or(entry.verify.timeout.duration()),
        redactor: compose.redactor(),
    };
    Ok(verify(&podman, &goal, None, |standing| progress.show_each("waiting", standing))?)
}

/// The record of the last successful apply.
fn applied(context: &Context, stack: &StackName) -> Result<Option<String>, StackError> {
    let state = StackState::load_if_any(&context.dirs, stack)?;
    Ok(state.and_then(|state| state.applied).map(|applied| applied.record))
}

/// Whether a transaction was under way; if so, it is over now, or the wait for it was long enough.
fn was_busy(context: &Context, stack: &StackName) -> Result<bool, StackError> {
    use crate::lock::LockError;
    let patience = context.host.lock_wait.duration();
    match Locked::wait_for_others(&context.dirs, stack, patience, &context.interrupt) {
        Ok(busy) => Ok(busy),
        // It goes on for longer than we wait, so this verdict stands.
        Err(LockError::Held { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
