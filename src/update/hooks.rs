//! The operator's commands, before an update and after a rollback.

use super::change::Change;
use super::error::UpdateError;
use crate::inventory::Entry;
use crate::names::StackName;
use crate::process::{Command, Environment, Interrupt};
use crate::stack::Context;
use crate::stack::preflight::Prepared;

/// Which commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// `update.before`.
    Before,
    /// `update.on_rollback`.
    OnRollback,
}

impl Hook {
    /// Its commands.
    #[must_use]
    pub fn commands(self, entry: &Entry) -> &[Vec<String>] {
        match self {
            Self::Before => &entry.update.before,
            Self::OnRollback => &entry.update.on_rollback,
        }
    }

    /// Its key in the stack's file.
    const fn key(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::OnRollback => "on_rollback",
        }
    }
}

/// Runs the commands in order, each in the stack's directory and within `update.hook_timeout`, and stops at the first
/// that fails. They are told what the update is about in their environment. `watch` gets what they print.
///
/// # Errors
/// Names the command and the end of what it printed.
pub fn run(
    context: &Context,
    stack: &StackName,
    prepared: &Prepared,
    changes: &[Change],
    (hook, interrupt): (Hook, &Interrupt),
    mut watch: impl FnMut(&str),
) -> Result<usize, UpdateError> {
    let entry = &prepared.entry;
    let (key, commands) = (hook.key(), hook.commands(entry));
    let environment = environment(context, stack, &prepared.project, key, changes);
    for command in commands {
        let Some((program, arguments)) = command.split_first() else { continue };
        let found = context.host.find_program(program.as_ref()).unwrap_or_else(|| program.into());
        Command::new(&found, &environment, entry.update.hook_timeout.duration(), interrupt)
            .args(arguments)
            .directory(&entry.compose.directory)
            .redact(prepared.compose.redactor())
            .run(&mut watch)
            .map_err(|source| UpdateError::Hook { stack: stack.clone(), key, source })?;
    }
    Ok(commands.len())
}

/// What the commands are told: `STACKWARDEN_STACK`, `STACKWARDEN_PROJECT`, `STACKWARDEN_HOOK`, and as lists separated by
/// blanks, in the same order, `STACKWARDEN_SERVICES`, `STACKWARDEN_OLD_DIGESTS`, `STACKWARDEN_NEW_DIGESTS`: one word for
/// each service whose image changes, `none` where there is no digest.
fn environment(
    context: &Context,
    stack: &StackName,
    project: &str,
    key: &str,
    changes: &[Change],
) -> Environment {
    let (mut services, mut old, mut new) = (Vec::new(), Vec::new(), Vec::new());
    let digest = |version: &Option<super::change::Version>| {
        version.as_ref().and_then(|version| version.digest.clone()).unwrap_or_else(|| "none".to_owned())
    };
    for change in changes {
        for service in &change.services {
            services.push(service.clone());
            old.push(digest(&change.old));
            new.push(digest(&change.new));
        }
    }
    Environment::new(&context.dirs, &context.host)
        .with("STACKWARDEN_STACK", stack.as_str())
        .with("STACKWARDEN_PROJECT", project)
        .with("STACKWARDEN_HOOK", key)
        .with("STACKWARDEN_SERVICES", services.join(" "))
        .with("STACKWARDEN_OLD_DIGESTS", old.join(" "))
        .with("STACKWARDEN_NEW_DIGESTS", new.join(" "))
}
