//! The verbs of `stackctl` that are about a stack's images.

use clap::Subcommand;

use super::output::{print, print_json};
use crate::error::Error;
use crate::exit::Code;
use crate::names::StackName;
use crate::stack::Context;
use crate::update;

#[derive(Subcommand)]
pub enum Verb {
    /// Take newer images, verify them, and go back if they fail; what a stack's update unit calls
    Update {
        /// Ask the registries and say what would change
        #[arg(long)]
        dry_run: bool,
        /// With --dry-run: as JSON
        #[arg(long, requires = "dry_run")]
        json: bool,
        /// The stack
        stack: StackName,
    },
    /// Go back to images that ran before, with the same proof
    Rollback {
        /// How many good sets to go back
        #[arg(long, value_name = "N", default_value_t = 1)]
        to: usize,
        /// The stack
        stack: StackName,
    },
    /// Show the digests of a stack that failed and are not tried again
    Quarantine {
        /// Let them be tried again
        #[arg(long)]
        clear: bool,
        /// The stack
        stack: StackName,
    },
}

impl Verb {
    /// The stack that it is about.
    pub fn stack(&self) -> &StackName {
        match self {
            Self::Update { stack, .. } | Self::Rollback { stack, .. } | Self::Quarantine { stack, .. } => {
                stack
            }
        }
    }
}

pub fn work(verb: Verb) -> Result<Code, Error> {
    match verb {
        Verb::Update { dry_run: true, json, stack } => {
            let offers = update::preview(&Context::open()?, &stack)?;
            if json {
                print_json(&offers)?;
            } else if offers.is_empty() {
                print(&format!("{stack}: no image of it can change"))?;
            } else {
                offers.iter().try_for_each(|offer| print(&offer.line()))?;
            }
        }
        Verb::Update { stack, .. } => update::update(&Context::open()?, &stack)?,
        Verb::Rollback { to, stack } => update::rollback(&Context::open()?, &stack, to)?,
        Verb::Quarantine { clear: true, stack } => update::clear_quarantine(&Context::open()?, &stack)?,
        Verb::Quarantine { clear: false, stack } => {
            let lines = update::quarantined(&Context::open_plain()?, &stack)?;
            if lines.is_empty() {
                print(&format!("{stack}: nothing is quarantined"))?;
            }
            lines.iter().try_for_each(|line| print(line))?;
        }
    }
    Ok(Code::Done)
}
