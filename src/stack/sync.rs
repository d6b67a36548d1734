//! `stackctl sync`: makes a stack's units from its inventory entry, seals them, and takes away what no longer belongs.

use std::path::Path;

use super::{Refusal, add};
use crate::artifacts::{self, Change, Hand};
use crate::atomic;
use crate::document::{Document, ReadError};
use crate::error::{Error, chain};
use crate::inventory::{Host, Inventory};
use crate::names::StackName;
use crate::render::{self, Programs, RenderedUnit};
use crate::seal::Seal;

/// Makes and seals the units of one stack. The manager is not told: see [`crate::audit`].
///
/// # Errors
/// The entry is refused, something foreign is in the way, or the system refuses a write. What was done by then stays
/// done; the same call finishes it.
pub fn sync(
    hand: &Hand<'_>,
    host: &Host,
    programs: &Programs,
    stack: &StackName,
) -> Result<Vec<Change>, Error> {
    let dirs = hand.dirs;
    let declared = Inventory::load_stack(dirs, stack)?;
    if let Some(project) = &declared.entry.compose.project {
        add::check_project(dirs, stack, project)?;
    }
    let missing = declared.entry.compose_files().into_iter().find(|file| !file.is_file());
    if let Some(path) = missing {
        // It may lie on a mount that comes later: the units are made all the same, and a start refuses.
        tracing::warn!("{}", Refusal::ComposeFileMissing { stack: stack.clone(), path });
    }
    let rendered = render::stack(dirs, host, programs, stack, &declared.entry, &declared.sha256)?;
    let seal = Seal::of(&rendered, Some(declared.sha256));
    put(hand, &Seal::path(dirs, stack.as_str()), &rendered, &seal)
}

/// Puts `rendered` in place of what the seal at `path` says so far, then replaces that seal by `seal`.
pub(crate) fn put(
    hand: &Hand<'_>,
    path: &Path,
    rendered: &[RenderedUnit],
    seal: &Seal,
) -> Result<Vec<Change>, Error> {
    let mut changes = Vec::new();
    let before = previous(hand, path, &mut changes)?;
    for unit in rendered {
        let sealed = before.as_ref().and_then(|seal| seal.units.get(&unit.name)).map(AsRef::as_ref);
        changes.extend(artifacts::put(hand, unit, sealed)?);
    }
    for (name, sealed) in before.iter().flat_map(|seal| &seal.units) {
        if !seal.units.contains_key(name) {
            changes.extend(artifacts::take_away(hand, name, sealed)?);
        }
    }
    if before.as_ref() != Some(seal) {
        if hand.acts() {
            seal.store(path)?;
            path.parent().into_iter().for_each(atomic::sweep);
        }
        changes.push(Change::Wrote(path.to_owned()));
    }
    Ok(changes)
}

/// The seal so far. A damaged one, or a link that leads nowhere, is kept elsewhere, and then there is none; that of a
/// newer version is left alone.
pub(super) fn previous(
    hand: &Hand<'_>,
    path: &Path,
    changes: &mut Vec<Change>,
) -> Result<Option<Seal>, Error> {
    let mut aside = |error: &ReadError| {
        tracing::warn!("{}", chain(error));
        changes.push(hand.set_aside(path)?);
        Ok(None)
    };
    match Seal::load(path) {
        Ok(seal) => Ok(Some(seal)),
        Err(error) if error.is_missing() => Ok(None),
        Err(
            error @ (ReadError::Invalid { .. }
            | ReadError::Empty { .. }
            | ReadError::NotUtf8 { .. }
            | ReadError::NotRegular { .. }
            | ReadError::TooLarge { .. }),
        ) => aside(&error),
        Err(error @ ReadError::Io { .. }) if path.is_symlink() => aside(&error),
        Err(error) => Err(Error::Configuration(error)),
    }
}
