//! `stack-audit`: does every stack run the unit definition that was declared?

use std::process::ExitCode;

use clap::Parser;

use super::output;
use crate::audit::{self, Options, Trigger};
use crate::dirs::Dirs;
use crate::error::Error;
use crate::exit::{Code, table};
use crate::journal;
use crate::names::StackName;

#[derive(Parser)]
#[command(
    name = "stack-audit",
    version,
    about = "Audit whether every stack runs the unit definition that was declared, heal what is safe, and report",
    after_help = table()
)]
struct Arguments {
    /// Say what would be repaired, and repair nothing
    #[arg(long)]
    dry_run: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// Fail for tickets and unknowns too
    #[arg(long)]
    strict: bool,
    /// Report these stacks only
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
    let dirs = Dirs::from_env()?;
    for stack in &arguments.stacks {
        // A name that is not declared would otherwise be green.
        crate::inventory::Inventory::load_stack(&dirs, stack)?;
    }
    let options = Options {
        trigger: Trigger::from_env(),
        dry_run: arguments.dry_run,
        podman: true,
        stacks: arguments.stacks.into_iter().collect(),
        ..Options::default()
    };
    let audit = audit::audit(&dirs, &options)?;
    // Kept before it is told: whoever reads it may go away.
    let kept = audit.keep(&dirs);
    let report = &audit.report;
    if journal::is_native() {
        report.tell();
    } else if arguments.json {
        output::print_json(report)?;
    } else {
        output::print(&report.text())?;
    }
    kept?;
    Ok(report.code(arguments.strict))
}
