//! The verbs that units call to tell people what is wrong.

use clap::Subcommand;

use crate::alert;
use crate::error::Error;
use crate::exit::Code;
use crate::manager_check;
use crate::names::UnitName;
use crate::stack::Context;

#[derive(Subcommand)]
pub(super) enum Verb {
    /// Tell what is new, worse or recovered since the last time; called by stack-alert@.service
    Alert {
        /// The unit that failed, or the auditor
        unit: UnitName,
    },
    /// Say whether a user's manager is up, lingering and freshly audited; called by stack-manager@.service, as root
    CheckManager {
        /// The user's name, or id
        user: String,
    },
}

pub(super) fn work(verb: Verb) -> Result<Code, Error> {
    match verb {
        Verb::Alert { unit } => alert::alert(&Context::open()?, &unit)?,
        Verb::CheckManager { user } => {
            let verdict = manager_check::check(&user)?;
            verdict.tell();
            return Ok(verdict.code());
        }
    }
    Ok(Code::Done)
}
