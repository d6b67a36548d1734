//! `stackctl repair`: puts a stack's owned unit files and links back to the declared ones, keeping what was there.

use super::Refusal;
use crate::artifacts::{self, Change};
use crate::dirs::Dirs;
use crate::document::Document;
use crate::error::Error;
use crate::inventory::Host;
use crate::names::StackName;
use crate::render::Programs;
use crate::seal::Seal;

/// Puts the declared artifacts back. Units that a generation links get their links back; others are made again.
///
/// # Errors
/// The stack is not sealed, a link's target is gone, or the system refuses.
pub fn repair(
    dirs: &Dirs,
    host: &Host,
    programs: &Programs,
    stack: &StackName,
) -> Result<Vec<Change>, Error> {
    let path = Seal::path(dirs, stack.as_str());
    let linked = match Seal::load(&path) {
        Ok(seal) => seal
            .units
            .into_iter()
            .filter_map(|(name, sealed)| Some((name, sealed.link.clone()?, sealed)))
            .collect(),
        Err(error) if error.is_missing() => Vec::new(),
        Err(error) => return Err(Error::Configuration(error)),
    };
    if linked.is_empty() {
        return super::sync(dirs, host, programs, stack);
    }
    let mut changes = Vec::new();
    for (name, target, sealed) in linked {
        let unit = dirs.owner().join(name.as_str());
        if !target.exists() {
            return Err(Refusal::GenerationGone { unit: name, target }.into());
        }
        if fs_err::read_link(&unit).ok().as_ref() != Some(&target) {
            changes.extend(artifacts::put_link_back(dirs, &unit, &target)?);
        }
        for link in &sealed.enabled_by {
            let link = dirs.owner().join(link);
            if !link.exists() {
                changes.extend(artifacts::put_link_back(dirs, &link, &target)?);
            }
        }
    }
    Ok(changes)
}
