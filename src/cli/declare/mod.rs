//! The verbs that declare: they change inventory, units and seals, and then let the auditor look.

mod add;
mod install;
mod place;
mod remove;
mod repair;
mod settle;
mod sync;

use clap::Subcommand;

use super::observe::{self, Removable, Removed};
use crate::error::Error;
use crate::exit::Code;
use crate::names::StackName;
pub(super) use place::{Place, look};

#[derive(Subcommand)]
pub(super) enum Verb {
    /// Declare a stack, or change its declaration; starts nothing
    Add(Box<add::Arguments>),
    /// Make the units again after an inventory file was edited
    Sync {
        /// The stacks; all if none is named
        stacks: Vec<StackName>,
    },
    /// Forget a stack or an observed unit; containers and data stay
    Remove {
        /// The stack, or the unit
        name: Removable,
        /// Stop it and take its containers and networks down first; volumes stay all the same
        #[arg(long)]
        down: bool,
    },
    /// Put a stack's unit files and links back to the declared ones, keeping what was there
    Repair {
        /// The stack
        stack: StackName,
        /// Say what would be done, and do nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Write, enable and start the shipped units: the auditor and its watchers
    Install {
        /// Say what would be done, and do nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Stop and remove the shipped units; stacks and state stay
    Uninstall {
        /// Say what would be done, and do nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Look once more for changes after an audit; called by stack-audit-settle.service
    Settle,
}

pub(super) fn work(verb: Verb) -> Result<Code, Error> {
    match verb {
        Verb::Add(given) => add::add(&Place::take("add")?, *given),
        Verb::Sync { stacks } => sync::sync(&Place::take("sync")?, stacks),
        Verb::Remove { name, down } => {
            let place = Place::take("remove")?;
            match observe::forget(&place, name)? {
                Removed::Stack(stack) => remove::remove(&place, &stack, down),
                Removed::Forgotten => Ok(Code::Done),
            }
        }
        Verb::Repair { stack, dry_run: true } => repair::preview(&Place::open()?, stack),
        Verb::Repair { stack, dry_run: false } => repair::repair(&Place::take("repair")?, stack),
        Verb::Install { dry_run: true } => install::preview(&Place::open()?, false),
        Verb::Install { dry_run: false } => install::install(&Place::take("install")?),
        Verb::Uninstall { dry_run: true } => install::preview(&Place::open()?, true),
        Verb::Uninstall { dry_run: false } => install::uninstall(&Place::take("uninstall")?),
        Verb::Settle => settle::settle(),
    }
}
