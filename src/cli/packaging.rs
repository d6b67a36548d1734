//! The verbs for packagers, such as the Nix code: unit texts, seals of given files.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::output::print_json;
use crate::digest::Sha256;
use crate::dirs::Dirs;
use crate::document::{Document, read_bounded};
use crate::error::Error;
use crate::exit::Code;
use crate::inventory::{Declared, Host, Inventory};
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
