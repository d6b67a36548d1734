//! The verbs that units call to tell people what is wrong.

use clap::Subcommand;

use crate::alert;
use crate::error::Error;
use crate::exit::Code;
use crate::names::UnitName;
use crate::stack::Context;

#[derive(Subcommand)]
pub(super) enum Verb {
    /// Tell what is new, worse or recovered since the last time; called by stack-alert@.service
    Alert {
        /// The unit that failed, or the auditor
        unit: UnitName,
    },
}

pub(super) fn work(verb: Verb) -> Result<Code, Error> {
    match verb {
        Verb::Alert { unit } => alert::alert(&Context::open()?, &unit)?,
    }
    Ok(Code::Done)
}
