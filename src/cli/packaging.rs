//! The verbs for packagers, such as the Nix code: unit texts, seals of given files, and the gate of an activation.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::output::{print, print_json};
use crate::audit;
use crate::digest::Sha256;
use crate::dirs::Dirs;
use crate::document::{Document, read_bounded};
use crate::error::Error;
use crate::exit::Code;
use crate::gate::{self, Readiness};
use crate::inventory::{Declared, Host, Inventory, Timespan};
use crate::names::UnitName;
use crate::render::{self, Programs};
use crate::seal::Seal;

#[derive(Subcommand)]
pub(super) enum Verb {
    /// Print unit texts as a JSON object, by unit name; for packagers
    Render(Render),
    /// Print the seal of unit files that are linked into the owner directory; for packagers
    Seal {
        /// The inventory file that the units were made from
        #[arg(long, value_name = "FILE")]
        inventory: Option<PathBuf>,
        /// The unit files, by the absolute paths that the links lead to
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Assert that every owned unit is linked, loaded and enabled as declared; for activation scripts
    Gate {
        /// Wait at most this long for a user manager that is starting [default: 1min]
        #[arg(long, value_name = "TIME")]
        wait: Option<Timespan>,
        /// Wait, and assert nothing
        #[arg(long)]
        only_wait: bool,
    },
}

#[derive(Args)]
pub(super) struct Render {
    /// The inventory file of the stack whose units are wanted, called STACK.json; without it, the shipped units
    #[arg(long, value_name = "FILE")]
    inventory: Option<PathBuf>,
    /// The host configuration [default: the defaults, whatever this user's configuration says]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The directory of the programs that the units start [default: this program's own]
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
    /// The token, instead of one made from the text and the inventory
    #[arg(long, value_name = "TEXT", value_parser = token)]
    token: Option<String>,
}

/// What may stand behind the `#` of a link in `Documentation=`.
fn token(text: &str) -> Result<String, String> {
    if !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric()) {
        Ok(text.to_owned())
    } else {
        Err("expected letters and digits".to_owned())
    }
}

pub(super) fn work(verb: Verb) -> Result<Code, Error> {
    match verb {
        Verb::Render(given) => render(&given)?,
        Verb::Seal { inventory, files } => {
            let inventory = inventory.as_deref().map(read_bounded).transpose();
            let inventory = inventory.map_err(Error::Configuration)?.map(|content| Sha256::of(&content));
            print_json(&Seal::of_linked(&files, inventory)?)?;
        }
        Verb::Gate { wait, only_wait } => {
            return gate(wait.map_or(gate::WAIT, Timespan::duration), only_wait);
        }
    }
    Ok(Code::Done)
}

fn render(given: &Render) -> Result<(), Error> {
    let dirs = Dirs::from_env()?;
    let host = given.config.as_deref().map_or_else(|| Ok(Host::default()), Host::load);
    let host = host.map_err(Error::Configuration)?;
    let programs = match &given.programs {
        Some(directory) => Programs::in_directory(directory),
        None => Programs::beside_this_one()?,
    };
    let units = match given.inventory.as_deref().map(Inventory::load_file).transpose()? {
        Some((stack, Declared { entry, sha256 })) => {
            render::stack(&dirs, &host, &programs, &stack, &entry, &sha256)?
        }
        None => render::shipped(&dirs, &host, &programs)?,
    };
    let texts: BTreeMap<UnitName, String> = units
        .into_iter()
        .map(|unit| match &given.token {
            Some(token) => unit.with_token(token),
            None => unit,
        })
        .map(|unit| (unit.name, unit.text))
        .collect();
    print_json(&texts)
}

fn gate(wait: Duration, only_wait: bool) -> Result<Code, Error> {
    let dirs = Dirs::from_env()?;
    let host = Host::load_or_default(&dirs).map_err(Error::Configuration)?;
    match gate::await_manager(&dirs, &host, wait)? {
        Readiness::Up => {}
        Readiness::Booting(state) => {
            print(&format!(
                "the system is {state} and the user manager is not up yet: nothing is asserted, the first audit gives the verdict"
            ))?;
            return Ok(Code::Done);
        }
    }
    if only_wait {
        return Ok(Code::Done);
    }
    let (audit, verdict) = gate::verdict(&dirs)?;
    audit.keep(&dirs)?;
    for healed in &audit.report.healed {
        tracing::warn!("healed: {}", healed.action);
    }
    for finding in verdict.named.iter().chain(&verdict.broken) {
        tracing::warn!("{}", finding.line());
    }
    for note in &verdict.notes {
        tracing::warn!("{note}");
    }
    if verdict.code == Code::Done {
        print(&format!("{} units are linked, loaded and enabled as declared", verdict.units))?;
    } else {
        tracing::error!("not every unit is linked, loaded and enabled as declared: see above");
    }
    Ok(verdict.code)
}
