//! The verbs that look and explain.

use clap::Subcommand;

use super::explain;
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
}

pub(super) fn work(verb: Verb) -> Result<Code, Error> {
    match verb {
        Verb::Explain { unit, json } => explain::explain(&unit, json),
    }
}
