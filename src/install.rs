//! `stackctl install` and `uninstall`: the shipped units, for hosts where no generation owns them.

use std::path::PathBuf;

use fs_err as fs;

use crate::artifacts::{self, ArtifactError, Change, Hand};
use crate::dirs::Dirs;
use crate::document::Document;
use crate::error::Error;
use crate::inventory::Host;
use crate::render::{self, Programs};
use crate::seal::{self, Seal};
use crate::stack;

fn seal_path(dirs: &Dirs) -> PathBuf {
    Seal::path(dirs, seal::SHIPPED)
}

/// Writes, seals and enables the shipped units; again changes what changed.
///
/// # Errors
/// Something foreign is in the way, or the system refuses.
pub fn install(hand: &Hand<'_>, host: &Host, programs: &Programs) -> Result<Vec<Change>, Error> {
    let dirs = hand.dirs;
    // The directories that are watched: a path unit sees a directory appear, but a watch in place is simpler.
    for directory in [dirs.inventory(), dirs.seals()].iter().filter(|_| hand.acts()) {
        fs::create_dir_all(directory)?;
    }
    // Those of a generation are put back, not replaced by others.
    if let Some(changes) = stack::relink(hand, seal::SHIPPED)? {
        return Ok(changes);
    }
    let rendered = render::shipped(dirs, host, programs)?;
    stack::put(hand, &seal_path(dirs), &rendered, &Seal::of(&rendered, None))
}

/// Takes the shipped units away. Stacks, their units and everything in the state directory stay.
///
/// # Errors
/// They are not installed, or the system refuses.
pub fn uninstall(hand: &Hand<'_>) -> Result<Vec<Change>, Error> {
    let dirs = hand.dirs;
    let path = seal_path(dirs);
    let seal = match Seal::load(&path) {
        Err(error) if error.is_missing() => return Err(stack::Refusal::NotInstalled { path }.into()),
        seal => seal.map_err(Error::Configuration)?,
    };
    // Before anything is touched: a generation's links are for it to remove.
    if let Ok(target) = fs::read_link(&path) {
        return Err(ArtifactError::Linked { path, target }.into());
    }
    let mut changes = Vec::new();
    for (name, sealed) in &seal.units {
        changes.extend(artifacts::take_away(hand, name, sealed)?);
    }
    changes.push(hand.remove(&path)?);
    if hand.acts() {
        remove_empty_directories(dirs);
    }
    Ok(changes)
}

/// The directories that [`install`] and the `MakeDirectory=` of the path unit may have made, inner ones first. Those
/// that somebody uses are not empty, and stay.
fn remove_empty_directories(dirs: &Dirs) {
    let (config, runtime) = (dirs.config_home.join("systemd"), dirs.runtime.join("systemd"));
    let ours = dirs.inventory().parent().map(ToOwned::to_owned);
    let made = [
        dirs.owner().join("service.d"),
        dirs.owner(),
        config.join("user.control"),
        config,
        runtime.join("user"),
        runtime.join("user.control"),
        dirs.inventory(),
        dirs.seals(),
    ];
    for directory in made.into_iter().chain(ours) {
        drop(fs::remove_dir(directory));
    }
}
