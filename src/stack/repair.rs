//! `stackctl repair`: puts a stack's owned unit files and links back to the declared ones, keeping what was there.

use super::Refusal;
use crate::artifacts::{self, Change, Hand};
use crate::document::Document;
use crate::error::Error;
use crate::generation;
use crate::inventory::Host;
use crate::names::StackName;
use crate::render::Programs;
use crate::seal::Seal;

/// Puts the declared artifacts back. Units that a generation links get their links back; others are made again.
///
/// # Errors
/// The stack is not sealed, a link's target is gone, or the system refuses.
pub fn repair(
    hand: &Hand<'_>,
    host: &Host,
    programs: &Programs,
    stack: &StackName,
) -> Result<Vec<Change>, Error> {
    match relink(hand, stack.as_str())? {
        Some(changes) => Ok(changes),
        None => super::sync(hand, host, programs, stack),
    }
}

/// Puts the links back that lead to the sealed files of a generation; `None` if the units of the seal called `name`
/// are no links, or there is no seal.
pub(crate) fn relink(hand: &Hand<'_>, name: &str) -> Result<Option<Vec<Change>>, Error> {
    let dirs = hand.dirs;
    let path = Seal::path(dirs, name);
    let seal = match Seal::load(&path) {
        Ok(seal) => seal,
        Err(error) if error.is_missing() => return Ok(None),
        Err(error) => return Err(Error::Configuration(error)),
    };
    if seal.units.values().all(|sealed| sealed.link.is_none()) {
        return Ok(None);
    }
    let mut changes = Vec::new();
    for (name, sealed) in &seal.units {
        let Some(target) = &sealed.link else { continue };
        if !target.exists() {
            return Err(Refusal::GenerationGone { unit: name.clone(), target: target.clone() }.into());
        }
        let unit = dirs.owner().join(name.as_str());
        let links = sealed.enabled_by.iter().map(|link| dirs.owner().join(link));
        for link in std::iter::once(unit.clone()).chain(links) {
            // What enables the unit leads to it, which has been put back by then.
            let is_enabling = link != unit && generation::leads_to(&link, &unit);
            if !is_enabling && !generation::hops(&link).contains(target) {
                let target = generation::link_target(&dirs.config_home, &path, &link, target);
                changes.extend(artifacts::put_link_back(hand, &link, &target)?);
            }
        }
    }
    Ok(Some(changes))
}
