//! `stackctl update`, `rollback` and `quarantine`.

use super::error::UpdateError;
use super::run::{Goal, Run};
use super::settle::settle_before;
use crate::document::Document;
use crate::error::Error;
use crate::inventory::Inventory;
use crate::names::StackName;
use crate::stack::{Context, StackError, StackState, Transaction};

/// Updates a stack.
///
/// # Errors
/// It failed; the error says what runs now.
pub fn update(context: &Context, stack: &StackName) -> Result<(), Error> {
    refuse_undeclared(context, stack)?;
    settle(context, stack, "updated")?;
    Run::begin(context, stack, "update", Goal::Newest)?.begin_steps()
}

/// Goes back to the `number`th good set of images before what runs.
///
/// # Errors
/// There is no such set, or it failed; the error says what runs now.
pub fn rollback(context: &Context, stack: &StackName, number: usize) -> Result<(), Error> {
    refuse_undeclared(context, stack)?;
    settle(context, stack, "rolled back")?;
    Run::begin(context, stack, "rollback", Goal::Set(number))?.begin_steps()
}

fn settle(context: &Context, stack: &StackName, verb: &'static str) -> Result<(), Error> {
    let settled = settle_before(context, stack).map_err(|source| {
        let source = Box::new(source);
        UpdateError::NothingChanged { stack: stack.clone(), verb, source }
    })?;
    match settled {
        // No container was started from what was fetched then; this update fetches it anew.
        None | Some(Ok(())) => Ok(()),
        Some(Err(Error::Update(error))) if matches!(*error, UpdateError::PutBack { .. }) => Ok(()),
        // It is a failed one, and not the silent beginning of the next.
        Some(Err(error)) => Err(error),
    }
}

/// What is quarantined of a stack, one line each.
///
/// # Errors
/// There is no such stack, or the state cannot be read.
pub fn quarantined(context: &Context, stack: &StackName) -> Result<Vec<String>, Error> {
    refuse_unknown(context, stack)?;
    let quarantine = StackState::quarantine_of(&context.dirs, stack).map_err(StackError::from)?;
    Ok(quarantine
        .into_iter()
        .map(|(reference, bad)| format!("{reference} {} since {}: {}", bad.digest, bad.at, bad.reason))
        .collect())
}

/// One that is declared no more may still be remembered.
fn refuse_unknown(context: &Context, stack: &StackName) -> Result<(), Error> {
    if StackState::path(&context.dirs, stack).exists() {
        return Ok(());
    }
    refuse_undeclared(context, stack)
}

fn refuse_undeclared(context: &Context, stack: &StackName) -> Result<(), Error> {
    let dirs = &context.dirs;
    if dirs.inventory_file(stack).exists() {
        return Ok(());
    }
    let declared = Inventory::load(dirs).stacks.into_keys().map(|name| name.to_string()).collect();
    Err(UpdateError::UnknownStack { stack: stack.clone(), declared }.into())
}

/// Lets everything be tried again.
///
/// # Errors
/// There is no such stack, somebody else is at work, or the state cannot be read or written.
pub fn clear_quarantine(context: &Context, stack: &StackName) -> Result<(), Error> {
    refuse_unknown(context, stack)?;
    Transaction::run(context, stack, "quarantine", |transaction| {
        transaction.step("clear")?;
        let Some(mut state) = StackState::load_if_any(&context.dirs, stack).map_err(StackError::from)? else {
            return Ok("nothing was quarantined".to_owned());
        };
        let cleared: Vec<String> = std::mem::take(&mut state.quarantine).into_keys().collect();
        state.store(&StackState::path(&context.dirs, stack))?;
        Ok(if cleared.is_empty() {
            "nothing was quarantined".to_owned()
        } else {
            format!("no longer quarantined: {}", cleared.join(", "))
        })
    })
}
