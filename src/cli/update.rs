//! `stack-update`: runs the update units and aggregates their outcomes.

use std::num::NonZeroUsize;
use std::process::ExitCode;

use clap::Parser;

use super::output::{print, print_json};
use crate::document::Document;
use crate::error::{Error, chain};
use crate::exit::{Code, table};
use crate::inventory::Inventory;
use crate::journal;
use crate::names::StackName;
use crate::stack::Context;
use crate::update::orchestrator::{Options, path, run};
use crate::update::{Offer, preview};

#[derive(Parser)]
#[command(
    name = "stack-update",
    version,
    about = "Update every stack through its own unit, go on when one fails, and say how each came out",
    after_help = table()
)]
struct Arguments {
    /// Ask the registries, say what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// Update so many stacks at a time
    #[arg(long, value_name = "N")]
    concurrency: Option<NonZeroUsize>,
    /// Update these stacks only, also those whose nightly updates are switched off
    #[arg(value_name = "STACK")]
    stacks: Vec<StackName>,
}

/// The command line, for man pages and completions.
#[must_use]
pub fn command() -> clap::Command {
    <Arguments as clap::CommandFactory>::command()
}

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    super::run(|_| None, work)
}

fn work(arguments: Arguments) -> Result<Code, Error> {
    let context = Context::open()?;
    if arguments.dry_run {
        return look(&context, &arguments);
    }
    let options =
        Options { concurrency: arguments.concurrency, stacks: arguments.stacks.into_iter().collect() };
    let report = run(&context, &options)?;
    if journal::is_native() {
        report.tell();
    } else if arguments.json {
        print_json(&report)?;
    } else {
        print(&report.text())?;
    }
    // A run over some stacks is not the host's last one.
    if options.stacks.is_empty()
        && let Err(error) = report.store(&path(&context.dirs))
    {
        if report.code() == Code::Done {
            return Err(error.into());
        }
        tracing::error!("{}", chain(&error));
    }
    Ok(report.code())
}

/// Every stack is asked for, also when one cannot be.
fn look(context: &Context, arguments: &Arguments) -> Result<Code, Error> {
    let inventory = Inventory::load(&context.dirs);
    let stacks: Vec<StackName> = if arguments.stacks.is_empty() {
        let enabled = inventory.stacks.iter().filter(|(_, declared)| declared.entry.update.enabled);
        enabled.map(|(stack, _)| stack.clone()).collect()
    } else {
        arguments.stacks.clone()
    };
    let (mut offers, mut worst): (Vec<Offer>, Code) = (Vec::new(), Code::Done);
    for stack in &stacks {
        match preview(context, stack) {
            Ok(mut found) => offers.append(&mut found),
            Err(error) => {
                tracing::error!(STACKWARDEN_STACK = stack.as_str(), "stack {stack}: {}", error.line());
                worst = worst.max(error.code());
            }
        }
    }
    if arguments.json {
        print_json(&offers)?;
    } else {
        offers.iter().try_for_each(|offer| print(&offer.line()))?;
    }
    Ok(worst)
}
