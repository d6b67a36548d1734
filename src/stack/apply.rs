//! `stackctl apply`: what is declared of a stack becomes what runs.

use super::context::Context;
use super::error::StackError;
use super::state::StackState;
use crate::compose::Overlay;
use crate::document::Document;
use crate::error::Error;
use crate::inventory::Inventory;
use crate::journal;
use crate::lock::Locked;
use crate::names::StackName;

/// Applies a stack.
///
/// # Errors
/// The stack is not declared well, somebody else is at work, or compose fails; see [`StackError`].
pub fn apply(context: &Context, stack: &StackName) -> Result<(), Error> {
    let locked = Locked::take(
        &context.dirs,
        stack,
        "apply",
        context.host.lock_wait.duration(),
        &context.interrupt,
        |holder| tracing::info!(STACKWARDEN_STACK = stack.as_str(), "stack {stack}: waiting for {holder}"),
    )
    .map_err(StackError::from)?;
    up(context, &locked)
}

fn up(context: &Context, locked: &Locked) -> Result<(), Error> {
    let stack = locked.stack();
    let entry = Inventory::load_stack(&context.dirs, stack)?.entry;
    let podman = context.podman().map_err(StackError::from)?;
    let mut compose = context.compose(&podman, stack, &entry).map_err(StackError::from)?;
    let model = compose.model(&context.dirs).map_err(StackError::from)?;
    let overlay = Overlay::write(&context.dirs, stack, Some(&model))?;
    let mut state = StackState::load_if_any(&context.dirs, stack)
        .map_err(StackError::from)?
        .unwrap_or_else(|| StackState::new(model.project.as_deref().unwrap_or_default(), compose.kind()));
    state.project = model.project.clone().unwrap_or_default();
    state.provider = compose.kind();
    // Saved before anything starts: a stop must find what an interrupted start left behind.
    state.store(&StackState::path(&context.dirs, stack))?;
    let timeout = entry.startup_timeout.duration();
    compose
        .act(Some(&overlay), "start", ["up", "--detach", "--remove-orphans"], timeout, |_| {})
        .map_err(StackError::from)?;
    tracing::info!(
        MESSAGE_ID = journal::TRANSACTION,
        STACKWARDEN_STACK = stack.as_str(),
        "stack {stack}: applied, {} services",
        model.services.len()
    );
    Ok(())
}
