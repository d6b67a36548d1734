//! The operator's alert command: one message on standard input, a deadline, and no shell.

use std::path::Path;

use super::error::AlertError;
use super::message::Message;
use crate::process::{Command, Environment};
use crate::stack::Context;

/// Gives `message` to the alert command; `waiting` is how many events it holds, for the error. What the command
/// prints is of interest only if it fails.
///
/// # Errors
/// It is not there, fails, prints without end, or does not end in time.
pub fn deliver(context: &Context, message: &Message, waiting: usize) -> Result<(), AlertError> {
    let alert = &context.host.alert;
    let Some((program, arguments)) = alert.command.split_first() else { return Ok(()) };
    let missing = || AlertError::Missing { program: program.into(), waiting };
    let found = context.host.find_program(Path::new(program)).ok_or_else(missing)?;
    let environment = Environment::new(&context.dirs, &context.host);
    // A message is plain values: it can always be written as JSON.
    let input = serde_json::to_vec(message).unwrap_or_default();
    let command = Command::new(&found, &environment, alert.timeout.duration(), &context.interrupt)
        .args(arguments)
        .directory(&context.dirs.home)
        .input(&input);
    match command.capture() {
        Ok(_) => Ok(()),
        Err(error) if error.is_missing_program() => Err(missing()),
        Err(error) => Err(AlertError::Command { waiting, source: Box::new(error) }),
    }
}
