//! The seal of an observed unit. The published form is `docs/schema/observed.schema.json`.
//!
//! Observed units have a directory of their own below that of the seals, one file per unit, named after the whole unit:
//! no stack's seal can be mistaken for one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::digest::Sha256;
use crate::dirs::Dirs;
use crate::document::{Document, ReadError};
use crate::error::chain;
use crate::inventory::json_files;
use crate::names::UnitName;

/// One unit as it was when it was sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observed {
    /// Version of this file's form.
    pub version: u32,
    /// The unit.
    pub unit: UnitName,
    /// When it was sealed, RFC 3339, UTC.
    pub time: String,
    /// Whether it was masked.
    pub masked: bool,
    /// The unit file; none for a unit that needs none.
    pub fragment: Option<ObservedFile>,
    /// What a generator made the unit file from (`SourcePath=`).
    pub source: Option<ObservedFile>,
    /// The drop-ins, in the order in which they are read.
    pub drop_ins: Vec<ObservedFile>,
    /// Copies of the name that lost.
    pub shadowed: BTreeSet<PathBuf>,
    /// The links that pulled it in.
    pub pulled_in_by: BTreeSet<PathBuf>,
}

/// One file as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObservedFile {
    /// Where it was.
    pub path: PathBuf,
    /// The link's text, if it was one.
    pub link: Option<PathBuf>,
    /// The digest of the content, links followed; none for a mask or a link to nothing.
    pub sha256: Option<Sha256>,
}

impl Document for Observed {
    const KIND: &'static str = "seal of an observed unit";
    const VERSION: u32 = 1;
}

impl Observed {
    /// Where the seal of `unit` is.
    #[must_use]
    pub fn path(dirs: &Dirs, unit: &UnitName) -> PathBuf {
        dirs.observed().join(format!("{unit}.json"))
    }
}

/// Every observed unit.
#[derive(Debug, Default)]
pub struct ObservedUnits {
    /// The units whose seals are good.
    pub units: BTreeMap<UnitName, Observed>,
    /// The files that are not, with what is wrong.
    pub broken: BTreeMap<PathBuf, String>,
}

impl ObservedUnits {
    /// Reads every `*.json` in their directory, each by itself.
    #[must_use]
    pub fn load(dirs: &Dirs) -> Self {
        let mut observed = Self::default();
        let paths = match json_files(&dirs.observed()) {
            Ok(paths) => paths,
            Err(error) => {
                observed.broken.insert(dirs.observed(), chain(&error));
                return observed;
            }
        };
        for path in paths {
            match Observed::load(&path) {
                Ok(seal) if path == Observed::path(dirs, &seal.unit) => {
                    observed.units.insert(seal.unit.clone(), seal);
                }
                Ok(seal) => {
                    let problem = format!("{}: the seal inside is that of {}", path.display(), seal.unit);
                    observed.broken.insert(path, problem);
                }
                Err(error) => drop(observed.broken.insert(path, chain(&error))),
            }
        }
        observed
    }

    /// The seal of one unit, if it is observed.
    ///
    /// # Errors
    /// It is there and cannot be read.
    pub fn load_unit(dirs: &Dirs, unit: &UnitName) -> Result<Option<Observed>, ReadError> {
        match Observed::load(&Observed::path(dirs, unit)) {
            Ok(seal) => Ok(Some(seal)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl ObservedFile {
    /// What lies at `path`; what cannot be read has its reason in `unchecked`.
    pub(super) fn look(path: &Path, unchecked: &mut Vec<String>) -> Self {
        let link = path.read_link().ok();
        let sha256 = match crate::document::read_bounded(path) {
            Ok(content) if content.is_empty() => None,
            Ok(content) => Some(Sha256::of(&content)),
            // A link to nothing, or one to /dev/null, is what it is.
            Err(ReadError::Missing { .. } | ReadError::NotRegular { .. }) => None,
            Err(error) => {
                unchecked.push(chain(&error));
                None
            }
        };
        Self { path: path.to_owned(), link, sha256 }
    }
}
