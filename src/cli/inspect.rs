//! The verbs that look and explain.

use clap::Subcommand;

use super::{doctor, explain, observe};
use crate::error::Error;
use crate::exit::Code;
use crate::names::UnitName;

#[derive(Subcommand)]
pub(super) enum Verb {
    /// Say why a unit resolves the way it does: every copy, link and drop-in, who wins, and what is loaded
    Explain {
        /// Any user unit, declared or not
        #[arg(value_parser = explain::unit_name)]
        unit: UnitName,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Say what this host lacks, each lack with the command that mends it
    Doctor {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Audit units that somebody else generates, as they are now, and nothing more
    Observe {
        /// The units
        #[arg(required = true, value_parser = explain::unit_name)]
        units: Vec<UnitName>,
        /// Take them as they are now, although they have changed since they were first observed
        #[arg(long)]
        accept: bool,
    },
}

pub(super) fn work(verb: Verb) -> Result<Code, Error> {
    match verb {
        Verb::Explain { unit, json } => explain::explain(&unit, json),
        Verb::Doctor { json } => doctor::doctor(json),
        Verb::Observe { units, accept } => observe::observe(&units, accept),
    }
}
