//! `stackctl compose`: any compose command, with the stack's own project, files, environment and labels.

use std::ffi::OsString;

use super::context::Context;
use super::error::StackError;
use super::transaction::lock;
use crate::compose::Overlay;
use crate::error::Error;
use crate::inventory::Inventory;
use crate::names::StackName;

/// The commands of compose that change containers, and come to an end by themselves.
const CHANGES: &[&str] =
    &["create", "down", "kill", "pause", "restart", "rm", "scale", "start", "stop", "unpause", "up"];

/// The others, of docker-compose (2.26) and podman-compose (1.3).
const OTHERS: &[&str] = &[
    "attach", "build", "config", "convert", "cp", "events", "exec", "images", "logs", "ls", "port", "ps",
    "pull", "push", "run", "stats", "systemd", "top", "version", "wait", "watch",
];

/// The command, if it changes containers. Options may stand before it.
fn change(arguments: &[OsString]) -> Option<&str> {
    let mut words = arguments.iter().filter_map(|word| word.to_str());
    words.find(|word| CHANGES.contains(word) || OTHERS.contains(word)).filter(|word| CHANGES.contains(word))
}

/// Whether this program is run by one of the operator's commands of an update of the stack, which holds the lock.
fn is_within_a_transaction(stack: &StackName) -> bool {
    std::env::var_os("STACKWARDEN_HOOK").is_some()
        && std::env::var("STACKWARDEN_STACK").is_ok_and(|name| name == stack.as_str())
}

/// Becomes the compose command, or if that changes containers, runs it with the stack's lock held. Returns only if that
/// fails.
///
/// # Errors
/// The stack is not declared well, somebody else is at work, compose refuses its files, or the command cannot be run.
pub fn compose(context: &Context, stack: &StackName, arguments: &[OsString]) -> Result<(), Error> {
    let entry = Inventory::load_stack(&context.dirs, stack)?.entry;
    let podman = context.podman().map_err(StackError::from)?;
    let locked = match change(arguments).filter(|_| !is_within_a_transaction(stack)) {
        None => None,
        Some(verb) => Some(lock(context, stack, &format!("compose {verb}"))?),
    };
    let mut compose = context.compose(&podman, stack, &entry).map_err(StackError::from)?;
    let model = compose.model(&context.dirs).map_err(StackError::from)?;
    let overlay = Overlay::write(&context.dirs, stack, Some(&model))?;
    let error = compose.become_command(&overlay, arguments, locked);
    Err(StackError::from(crate::compose::ComposeError::Step {
        stack: stack.clone(),
        step: "run compose for",
        source: error,
    })
    .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_that_change_containers_are_told_from_those_that_look() {
        let of = |line: &str| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            change(&words).map(str::to_owned)
        };
        for (line, verb) in [("up -d", "up"), ("--ansi never down", "down"), ("restart web", "restart")] {
            assert_eq!(of(line).as_deref(), Some(verb), "{line}");
        }
        for line in ["ps", "logs up", "exec web stop", "run --rm web start", "--help", ""] {
            assert_eq!(of(line), None, "{line}");
        }
    }
}
