//! `stackctl install` and `uninstall`: the shipped units, for hosts where no generation owns them.

use std::path::PathBuf;

use fs_err as fs;

use crate::artifacts::{self, ArtifactError, Change};
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
pub fn install(dirs: &Dirs, host: &Host, programs: &Programs) -> Result<Vec<Change>, Error> {
    // The directories that are watched: a path unit sees a directory appear, but a watch in place is simpler.
    for directory in [dirs.inventory(), dirs.seals()] {
        fs::create_dir_all(directory)?;
    }
    // Those of a generation are put back, not replaced by others.
    if let Some(changes) = stack::relink(dirs, seal::SHIPPED)? {
        return Ok(changes);
    }
    let rendered = render::shipped(dirs, host, programs)?;
    stack::put(dirs, &seal_path(dirs), &rendered, &Seal::of(&rendered, None))
}

/// Takes the shipped units away. Stacks, their units and everything in the state directory stay.
///
/// # Errors
/// They are not installed, or the system refuses.
pub fn uninstall(dirs: &Dirs) -> Result<Vec<Change>, Error> {
    let path = seal_path(dirs);
    let seal = Seal::load(&path).map_err(Error::Configuration)?;
    // Before anything is touched: a generation's links are for it to remove.
    if let Ok(target) = fs::read_link(&path) {
        return Err(ArtifactError::Linked { path, target }.into());
    }
    let mut changes = Vec::new();
    for (name, sealed) in &seal.units {
        changes.extend(artifacts::take_away(dirs, name, sealed)?);
    }
    fs::remove_file(&path)?;
    changes.push(Change::Removed(path));
    remove_empty_directories(dirs);
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

/// What [`install`] or [`uninstall`] would change, without changing it.
///
/// # Errors
/// As theirs, as far as it can be known beforehand.
pub fn preview(dirs: &Dirs, host: &Host, programs: &Programs, remove: bool) -> Result<Vec<String>, Error> {
    let rendered = render::shipped(dirs, host, programs)?;
    let owner = dirs.owner();
    if remove {
        let seal = Seal::load(&seal_path(dirs)).map_err(Error::Configuration)?;
        let links = seal.units.values().flat_map(|sealed| &sealed.enabled_by).map(|link| owner.join(link));
        let files = seal.units.keys().map(|name| owner.join(name.as_str()));
        return Ok(links.chain(files).map(|path| format!("would remove {}", path.display())).collect());
    }
    let mut changes = Vec::new();
    for unit in &rendered {
        let path = owner.join(unit.name.as_str());
        if crate::document::read_text(&path).ok().as_deref() != Some(&unit.text) {
            changes.push(format!("would write {}", path.display()));
        }
        for link in unit.wants_links().into_iter().map(|link| owner.join(link)).filter(|link| !link.exists())
        {
            changes.push(format!("would link {}", link.display()));
        }
    }
    Ok(changes)
}
