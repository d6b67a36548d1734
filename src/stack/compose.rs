//! `stackctl compose`: any compose command, with the stack's own project, files, environment and labels.

use std::ffi::OsString;

use super::context::Context;
use super::error::StackError;
use crate::compose::Overlay;
use crate::error::Error;
use crate::inventory::Inventory;
use crate::names::StackName;

/// Becomes the compose command. Returns only if that fails.
///
/// # Errors
/// The stack is not declared well, compose refuses its files, or the command cannot be run.
pub fn compose(context: &Context, stack: &StackName, arguments: &[OsString]) -> Result<(), Error> {
    let entry = Inventory::load_stack(&context.dirs, stack)?.entry;
    let podman = context.podman().map_err(StackError::from)?;
    let mut compose = context.compose(&podman, stack, &entry).map_err(StackError::from)?;
    let model = compose.model(&context.dirs).map_err(StackError::from)?;
    let overlay = Overlay::write(&context.dirs, stack, Some(&model))?;
    let error = compose.become_command(&overlay, arguments);
    Err(StackError::from(crate::compose::ComposeError::Step {
        stack: stack.clone(),
        step: "run compose for",
        source: error,
    })
    .into())
}
