//! `stackctl update`, `rollback` and `quarantine`.

use super::change::{Change, Pin};
use super::error::UpdateError;
use super::run::{Goal, Run};
use super::settle::settle_before;
use crate::document::Document;
use crate::error::Error;
use crate::names::StackName;
use crate::stack::{Context, StackError, StackState, Transaction};

/// Updates a stack.
///
/// # Errors
/// It failed; the error says what runs now.
pub fn update(context: &Context, stack: &StackName) -> Result<(), Error> {
    settle(context, stack)?;
    Run::begin(context, stack, "update", Goal::Newest)?.begin_steps()
}

/// Goes back to a pinned set of images: the `to`th that is not the current one, counted from the newest.
///
/// # Errors
/// There is no such set, or it failed; the error says what runs now.
pub fn rollback(context: &Context, stack: &StackName, to: usize) -> Result<(), Error> {
    settle(context, stack)?;
    let state = StackState::load_if_any(&context.dirs, stack).map_err(StackError::from)?;
    let pins = state.map(|state| state.pins).unwrap_or_default();
    let there = pins.len().saturating_sub(1);
    let pin = pins.into_iter().nth(to).filter(|_| to > 0);
    let pin = pin.ok_or_else(|| UpdateError::NoPin { stack: stack.clone(), wanted: to, there })?;
    Run::begin(context, stack, "rollback", Goal::Pinned(changes(pin)))?.begin_steps()
}

fn settle(context: &Context, stack: &StackName) -> Result<(), UpdateError> {
    settle_before(context, stack)
        .map_err(|error| UpdateError::NothingChanged { stack: stack.clone(), source: Box::new(error) })
}

fn changes(pin: Pin) -> Vec<Change> {
    pin.images
        .into_iter()
        .map(|(reference, pinned)| Change {
            reference,
            tag: pinned.tag,
            services: Vec::new(),
            old: None,
            new: Some(pinned.image),
        })
        .collect()
}

/// What is quarantined of a stack, one line each.
///
/// # Errors
/// The state cannot be read.
pub fn quarantined(context: &Context, stack: &StackName) -> Result<Vec<String>, Error> {
    let quarantine = StackState::quarantine_of(&context.dirs, stack).map_err(StackError::from)?;
    Ok(quarantine
        .into_iter()
        .map(|(reference, bad)| format!("{reference} {} since {}: {}", bad.digest, bad.at, bad.reason))
        .collect())
}

/// Lets everything be tried again.
///
/// # Errors
/// Somebody else is at work, or the state cannot be read or written.
pub fn clear_quarantine(context: &Context, stack: &StackName) -> Result<(), Error> {
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
