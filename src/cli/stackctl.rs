//! `stackctl`: one stack at a time, by hand or from its units.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use super::declare;
use crate::error::Error;
use crate::exit::{Code, table};
use crate::names::StackName;
use crate::stack::{self, Context};

#[derive(Parser)]
#[command(name = "stackctl", version, about = "Declare, start, stop and repair Compose stacks under systemd user units", after_help = table())]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    #[command(flatten)]
    Declare(declare::Verb),
    /// Bring a stack up as it is declared; what its unit calls to start and reload
    Apply {
        /// The stack
        stack: StackName,
    },
    /// Stop a stack's containers; what its unit calls to stop, and then a restart keeps them
    Stop {
        /// The stack
        stack: StackName,
    },
}

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    super::run(work)
}

fn work(arguments: Arguments) -> Result<Code, Error> {
    match arguments.verb {
        Verb::Declare(verb) => return declare::work(verb),
        Verb::Apply { stack } => stack::apply::apply(&Context::open()?, &stack)?,
        Verb::Stop { stack } => stack::stop::stop(&Context::open()?, &stack)?,
    }
    Ok(Code::Done)
}
