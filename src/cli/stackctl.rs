//! `stackctl`: one stack at a time, by hand or from its units.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use super::{declare, inspect, lifecycle, monitor, packaging, updates};
use crate::error::Error;
use crate::exit::{Code, table};
use crate::names::StackName;

#[derive(Parser)]
#[command(name = "stackctl", version, about = "Declare, start, stop and repair Compose stacks under systemd user units", after_help = table())]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    #[command(flatten)]
    Lifecycle(lifecycle::Verb),
    #[command(flatten)]
    Inspect(inspect::Verb),
    #[command(flatten)]
    Updates(updates::Verb),
    #[command(flatten)]
    Declare(declare::Verb),
    #[command(flatten)]
    Packaging(packaging::Verb),
    #[command(flatten)]
    Monitor(monitor::Verb),
}

/// The command line, for man pages and completions.
#[must_use]
pub fn command() -> clap::Command {
    <Arguments as clap::CommandFactory>::command()
}

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    super::run(stack, work)
}

/// The stack that a verb is about, for its error in the journal.
fn stack(arguments: &Arguments) -> Option<&StackName> {
    match &arguments.verb {
        Verb::Lifecycle(verb) => verb.stack(),
        Verb::Updates(verb) => Some(verb.stack()),
        Verb::Inspect(_) | Verb::Declare(_) | Verb::Packaging(_) | Verb::Monitor(_) => None,
    }
}

fn work(arguments: Arguments) -> Result<Code, Error> {
    match arguments.verb {
        Verb::Lifecycle(verb) => lifecycle::work(verb),
        Verb::Inspect(verb) => inspect::work(verb),
        Verb::Updates(verb) => updates::work(verb),
        Verb::Declare(verb) => declare::work(verb),
        Verb::Packaging(verb) => packaging::work(verb),
        Verb::Monitor(verb) => monitor::work(verb),
    }
}
