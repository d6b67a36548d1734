//! `stackctl remove`: forgets a stack. Its containers and its data stay.

use fs_err as fs;

use super::Refusal;
use crate::artifacts::{self, Change};
use crate::dirs::Dirs;
use crate::document::Document;
use crate::error::Error;
use crate::names::StackName;
use crate::seal::Seal;

/// Takes a stack's units, links, seal and inventory entry away.
///
/// # Errors
/// Nothing of that name is declared or sealed, or the system refuses. The inventory entry goes first, so that what is
/// left after a failure is reported as orphaned, and the same call finishes it.
pub fn remove(dirs: &Dirs, stack: &StackName) -> Result<Vec<Change>, Error> {
    let mut changes = Vec::new();
    let entry = dirs.inventory_file(stack);
    let seal_path = Seal::path(dirs, stack.as_str());
    let seal = match Seal::load(&seal_path) {
        Ok(seal) => Some(seal),
        Err(error) if error.is_missing() => None,
        Err(error) => return Err(Error::Configuration(error)),
    };
    let declared = fs::symlink_metadata(&entry).is_ok();
    if !declared && seal.is_none() {
        return Err(Refusal::NotDeclared { stack: stack.clone(), path: entry }.into());
    }
    // A generation's link is checked before anything goes: it is that generation's to remove.
    if fs::symlink_metadata(&entry).is_ok_and(|metadata| metadata.is_symlink()) {
        return Err(artifacts::ArtifactError::Linked { target: fs::read_link(&entry)?, path: entry }.into());
    }
    if declared {
        fs::remove_file(&entry)?;
        changes.push(Change::Removed(entry));
    }
    if let Some(seal) = seal {
        for (name, sealed) in &seal.units {
            changes.extend(artifacts::take_away(dirs, name, sealed)?);
        }
        fs::remove_file(&seal_path)?;
        changes.push(Change::Removed(seal_path));
    }
    Ok(changes)
}
