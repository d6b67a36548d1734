//! `stackctl remove`: forgets a stack. Its containers and its data stay.

use std::collections::BTreeSet;

use fs_err as fs;

use super::Refusal;
use super::sync::previous;
use crate::artifacts::{self, Change, Hand};
use crate::dirs::Dirs;
use crate::error::Error;
use crate::marked;
use crate::names::{StackName, UnitName};
use crate::render;
use crate::seal::Seal;

/// Takes a stack's units, links, seal and inventory entry away.
///
/// # Errors
/// Nothing of that name is declared or sealed and no unit names its seal, or the system refuses. The inventory entry goes
/// first, so that what is left after a failure is reported as orphaned, and the same call finishes it.
pub fn remove(dirs: &Dirs, stack: &StackName) -> Result<Vec<Change>, Error> {
    let hand = Hand::new(dirs);
    let mut changes = Vec::new();
    let entry = dirs.inventory_file(stack);
    let seal_path = Seal::path(dirs, stack.as_str());
    let declared = fs::symlink_metadata(&entry).is_ok();
    // Units can also be told by what they say of themselves.
    let marked: BTreeSet<UnitName> = marked::on_disk(dirs, |_| true)
        .into_iter()
        .filter(|(_, marked)| marked == stack)
        .map(|(name, _)| name)
        .collect();
    if !declared && fs::symlink_metadata(&seal_path).is_err() && marked.is_empty() {
        return Err(Refusal::NotDeclared { stack: stack.clone(), path: entry }.into());
    }
    // A generation's link is checked before anything goes: it is that generation's to remove.
    if fs::symlink_metadata(&entry).is_ok_and(|metadata| metadata.is_symlink()) {
        return Err(artifacts::ArtifactError::Linked { target: fs::read_link(&entry)?, path: entry }.into());
    }
    let seal = previous(&hand, &seal_path, &mut changes)?;
    if declared {
        fs::remove_file(&entry)?;
        changes.push(Change::Removed(entry));
    }
    match seal {
        Some(seal) => {
            for (name, sealed) in &seal.units {
                changes.extend(artifacts::take_away(&hand, name, sealed)?);
            }
            fs::remove_file(&seal_path)?;
            changes.push(Change::Removed(seal_path));
        }
        // What it sealed is known by its name and by the seal that its text names.
        None => {
            for name in marked.into_iter().chain(render::names_of(stack)?).collect::<BTreeSet<_>>() {
                changes.extend(artifacts::take_away_unsealed(&hand, &name, &render::marker(&seal_path))?);
            }
        }
    }
    Ok(changes)
}
