//! Sealing units as they are, and forgetting them.

use std::path::PathBuf;

use fs_err as fs;

use super::changes::{Change, changes};
use super::error::ObserveError;
use super::seal::{Observed, ObservedUnits};
use super::sight::Sight;
use crate::audit::Declaration;
use crate::dirs::Dirs;
use crate::document::Document;
use crate::error::Error;
use crate::names::UnitName;
use crate::systemd::search_path::{DirectoryKind, DiskState, SearchPath, kind_of_file};

/// What became of one unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is observed from now on.
    Sealed,
    /// It was observed already, and is as it was.
    Unchanged,
    /// It was observed already; these changes are accepted.
    Accepted(Vec<Change>),
}

/// Seals `unit` as it is; what has changed since it was last sealed has to be accepted.
///
/// # Errors
/// It is ours, has no file, cannot be looked at as a whole, or has changed and `accept` is not given.
pub fn observe(
    dirs: &Dirs,
    declaration: &Declaration,
    search_path: &SearchPath,
    unit: &UnitName,
    accept: bool,
) -> Result<Outcome, Error> {
    check_foreign(declaration, unit)?;
    let before = ObservedUnits::load_unit(dirs, unit);
    let sight = Sight::look(search_path, unit);
    let refuse = |error: ObserveError| Err(Error::Observe(Box::new(error)));
    let transient = sight
        .resolution
        .winner()
        .is_some_and(|winner| kind_of_file(&winner.path, dirs) == DirectoryKind::Transient);
    if transient {
        return refuse(ObserveError::Transient { unit: unit.clone() });
    }
    if matches!(sight.resolution.state, DiskState::NotFound(_) | DiskState::Error { .. }) {
        return refuse(ObserveError::NoFile { unit: unit.clone() });
    }
    if !sight.unchecked.is_empty() {
        return refuse(ObserveError::Unchecked { unit: unit.clone(), problems: sight.unchecked });
    }
    let outcome = match before {
        Ok(None) => Outcome::Sealed,
        // A seal that cannot be read says nothing; accepting what is there makes a new one.
        Err(_) if accept => Outcome::Sealed,
        Err(error) => return Err(Error::Configuration(error)),
        Ok(Some(sealed)) => match changes(&sealed, &sight.now) {
            found if found.is_empty() => return Ok(Outcome::Unchanged),
            found if accept => Outcome::Accepted(found),
            found => {
                return refuse(ObserveError::Changed {
                    unit: unit.clone(),
                    since: sealed.time,
                    changes: found.iter().map(ToString::to_string).collect(),
                });
            }
        },
    };
    sight.now.store(&Observed::path(dirs, unit))?;
    Ok(outcome)
}

/// A unit that is declared has an owner who is held to it; it is not also somebody else's.
fn check_foreign(declaration: &Declaration, unit: &UnitName) -> Result<(), Error> {
    let template = unit.template();
    let names = [Some(unit), template.as_ref()];
    let declared = names.into_iter().flatten().find_map(|name| declaration.units.get(name));
    let orphan = declaration.orphans.get(unit);
    let by = match (declared, orphan) {
        (None, None) => return Ok(()),
        (Some(unit), _) => unit
            .stack
            .as_ref()
            .map_or_else(|| "a unit of Stackwarden's own".to_owned(), |stack| format!("by stack {stack}")),
        (None, Some(stack)) => format!("once, by stack {stack}; stackctl remove {stack} forgets it"),
    };
    Err(Error::Observe(Box::new(ObserveError::Ours { unit: unit.clone(), by })))
}

/// The seal of an observed unit, if there is one.
#[must_use]
pub fn find(dirs: &Dirs, unit: &UnitName) -> Option<PathBuf> {
    Some(Observed::path(dirs, unit)).filter(|path| path.symlink_metadata().is_ok())
}

/// Forgets an observed unit: its seal goes, the unit itself is not touched.
///
/// # Errors
/// The seal cannot be removed.
pub fn forget(dirs: &Dirs, unit: &UnitName) -> Result<PathBuf, Error> {
    let path = Observed::path(dirs, unit);
    fs::remove_file(&path)?;
    Ok(path)
}
