//! The verbs of `stackctl` that start, stop and look at stacks.

use std::ffi::OsString;
use std::time::SystemTime;

use clap::Subcommand;

use super::output::{colour, print, print_json};
use crate::dirs::Dirs;
use crate::error::{Error, chain};
use crate::exit::Code;
use crate::inventory::{Inventory, Timespan};
use crate::names::StackName;
use crate::stack::{self, Context};
use crate::status;

#[derive(Subcommand)]
pub enum Verb {
    /// Check everything that must hold before a stack is applied, and change nothing
    Preflight {
        /// The stack
        stack: StackName,
    },
    /// Bring a stack up as it is declared; what its unit calls to start and reload
    Apply {
        /// The stack
        stack: StackName,
    },
    /// Wait until a stack is up, or say why it is not
    Verify {
        /// The stack
        stack: StackName,
        /// Give the verdict at the latest after this time, instead of the declared one
        #[arg(long)]
        timeout: Option<Timespan>,
    },
    /// Stop a stack's containers; what its unit calls to stop, and then a restart keeps them
    Stop {
        /// The stack
        stack: StackName,
        /// Only what runs although the stack's unit was stopped; what the unit calls last
        #[arg(long)]
        left: bool,
    },
    /// Restart a stack's unit and wait until the stack is up, in every verify mode
    Restart {
        /// The stack
        stack: StackName,
    },
    /// Run compose with a stack's own project, files, environment and labels
    Compose {
        /// The stack
        stack: StackName,
        /// What compose is to do (logs, exec, ps, …)
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        arguments: Vec<OsString>,
    },
    /// Show what every stack is doing now, what happened to it last, and what comes next
    Status {
        /// As JSON
        #[arg(long, conflicts_with = "oneline")]
        json: bool,
        /// In one line, for prompts and scripts
        #[arg(long)]
        oneline: bool,
        /// The stacks; all if none is named
        stacks: Vec<StackName>,
    },
    /// Show what was done with a stack, or with all of them
    History {
        /// As JSON, one object per transaction
        #[arg(long)]
        json: bool,
        /// The stack
        stack: Option<StackName>,
    },
}

impl Verb {
    /// The stack that it is about, if it is about one.
    pub fn stack(&self) -> Option<&StackName> {
        match self {
            Self::Preflight { stack }
            | Self::Apply { stack }
            | Self::Verify { stack, .. }
            | Self::Stop { stack, .. }
            | Self::Restart { stack }
            | Self::Compose { stack, .. } => Some(stack),
            Self::Status { .. } => None,
            Self::History { stack, .. } => stack.as_ref(),
        }
    }
}

pub fn work(verb: Verb) -> Result<Code, Error> {
    match verb {
        Verb::Preflight { stack } => {
            let prepared = stack::preflight::preflight(&Context::open()?, &stack)?;
            for warning in &prepared.warnings {
                tracing::warn!(STACKWARDEN_STACK = stack.as_str(), "stack {stack}: {warning}");
            }
            print(&format!(
                "stack {stack}: nothing speaks against applying it (project {}, {} services)",
                prepared.project,
                prepared.model.services.len()
            ))?;
        }
        Verb::Apply { stack } => stack::apply::apply(&Context::open()?, &stack)?,
        Verb::Verify { stack, timeout } => {
            stack::verify::run(&Context::open()?, &stack, timeout.map(Timespan::duration))?;
        }
        Verb::Stop { stack, left: false } => stack::stop::stop(&Context::open_to_stop()?, &stack)?,
        Verb::Stop { stack, left: true } => stack::stop::stop_left(&Context::open_to_stop()?, &stack)?,
        Verb::Restart { stack } => return stack::restart::restart(&Context::open()?, &stack),
        Verb::Compose { stack, arguments } => {
            stack::compose::compose(&Context::open_plain()?, &stack, &arguments)?;
        }
        Verb::Status { json, oneline, stacks } => {
            let dirs = Dirs::from_env()?;
            for stack in &stacks {
                Inventory::load_stack(&dirs, stack)?;
            }
            let status = status::gather(&dirs, &stacks.into_iter().collect());
            if json {
                print_json(&status)?;
            } else if oneline {
                print(&status::one_line(&status))?;
            } else {
                print(&status::table(&status, colour(), SystemTime::now()))?;
            }
            return Ok(status.exit_code());
        }
        Verb::History { json, stack } => {
            let (records, broken) = stack::history::history(&Dirs::from_env()?, stack.as_ref())?;
            for error in &broken {
                tracing::warn!("{}", chain(error));
            }
            if json {
                print_json(&records)?;
            } else {
                print(&stack::history::text(&records))?;
            }
        }
    }
    Ok(Code::Done)
}
