//! The generated half of a declaration: which unit files a stack owns and what they must be. Never edited by hand.
//! The published form is `docs/schema/seal.schema.json`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::digest::Sha256;
use crate::dirs::Dirs;
use crate::document::{Document, ReadError};
use crate::inventory::json_files;
use crate::names::{NameError, StackName, UnitName};
use crate::render::RenderedUnit;
use crate::systemd::settings::compare::Declared;
use crate::systemd::unit_file::{Assignment, UnitFile};

/// The name of the seal of the shipped units; no stack may have it.
pub const SHIPPED: &str = "stackwarden";

/// The seal of one stack's units, or of the shipped ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seal {
    /// Version of this file's form.
    pub version: u32,
    /// The digest of the inventory file that the units were made from; none for the shipped units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inventory: Option<Sha256>,
    /// The units, by name.
    pub units: BTreeMap<UnitName, SealedUnit>,
}

/// What one unit must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedUnit {
    /// The token in its `Documentation=`.
    pub token: String,
    /// The digest of its text.
    pub sha256: Sha256,
    /// The target of the link in the owner directory; a regular file is expected there if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<PathBuf>,
    /// The links below the owner directory that enable it: `default.target.wants/foo.service`.
    #[serde(default)]
    pub enabled_by: Vec<PathBuf>,
    /// What its text sets, in its order.
    pub settings: Vec<Setting>,
}

/// One assignment of a unit file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// `Unit`, `Service`, …
    pub section: String,
    /// `ExecStart`, …
    pub key: String,
    /// The value as written.
    pub value: String,
}

impl Setting {
    /// For the comparison with what is loaded.
    #[must_use]
    pub fn as_declared(&self) -> Declared<'_> {
        Declared { section: &self.section, key: &self.key, value: &self.value }
    }
}

impl Document for Seal {
    const KIND: &'static str = "seal";
    const VERSION: u32 = 1;
}

/// Why a seal is refused.
#[derive(Debug, Error)]
pub enum SealError {
    /// The file cannot be read, or is not a seal.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The file's name is not a stack's name.
    #[error("{}: the file's name is not the name of a stack", path.display())]
    Name {
        /// The file.
        path: PathBuf,
        /// The rule that it breaks.
        source: NameError,
    },
    /// The directory cannot be listed.
    #[error("cannot list the seals")]
    Directory(#[source] std::io::Error),
}

/// Every seal there is.
#[derive(Debug, Default)]
pub struct Seals {
    /// The shipped units' own.
    pub shipped: Option<Seal>,
    /// Those of stacks, declared or not.
    pub stacks: BTreeMap<StackName, Seal>,
    /// The files that are not seals, by path.
    pub broken: BTreeMap<PathBuf, SealError>,
}

impl Seal {
    /// The seal of rendered units that are written as regular files.
    #[must_use]
    pub fn of(units: &[RenderedUnit], inventory: Option<Sha256>) -> Self {
        let units = units.iter().map(|unit| (unit.name.clone(), SealedUnit::of(unit))).collect();
        Self { version: Self::VERSION, inventory, units }
    }

    /// Where the seal called `name` is.
    #[must_use]
    pub fn path(dirs: &Dirs, name: &str) -> PathBuf {
        dirs.seals().join(format!("{name}.json"))
    }
}

impl SealedUnit {
    fn of(unit: &RenderedUnit) -> Self {
        Self {
            token: unit.token.clone(),
            sha256: Sha256::of(unit.text.as_bytes()),
            link: None,
            enabled_by: unit.wants_links(),
            settings: settings(&unit.text),
        }
    }
}

/// The assignments of a unit text, in order.
#[must_use]
pub fn settings(text: &str) -> Vec<Setting> {
    // systemd stops reading at a line that it does not understand; what stands before it is in force.
    let file = match UnitFile::parse(text) {
        Ok(file) => file,
        Err(error) => error.before().clone(),
    };
    let setting = |assignment: Assignment| Setting {
        section: assignment.section,
        key: assignment.key,
        value: assignment.value,
    };
    file.assignments.into_iter().map(setting).collect()
}

impl Seals {
    /// Reads every `*.json` in the directory of the seals, each by itself.
    #[must_use]
    pub fn load(dirs: &Dirs) -> Self {
        let mut seals = Self::default();
        let paths = match json_files(&dirs.seals()) {
            Ok(paths) => paths,
            Err(error) => {
                seals.broken.insert(dirs.seals(), SealError::Directory(error));
                return seals;
            }
        };
        for path in paths {
            match load_file(&path) {
                Ok((None, seal)) => seals.shipped = Some(seal),
                Ok((Some(stack), seal)) => drop(seals.stacks.insert(stack, seal)),
                Err(error) => drop(seals.broken.insert(path, error)),
            }
        }
        seals
    }
}

fn load_file(path: &Path) -> Result<(Option<StackName>, Seal), SealError> {
    let stack = match path.file_stem() {
        Some(stem) if stem == SHIPPED => None,
        stem => {
            let name = stem.unwrap_or_default().to_string_lossy();
            let named = |source| SealError::Name { path: path.to_owned(), source };
            Some(StackName::parse(&name).map_err(named)?)
        }
    };
    Ok((stack, Seal::load(path)?))
}
