//! The generated half of a declaration: which unit files a stack owns and what they must be. Never edited by hand.
//! The published form is `docs/schema/seal.schema.json`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;

use crate::digest::Sha256;
use crate::dirs::Dirs;
use crate::document::{Document, ReadError, read_text};
use crate::inventory::{NotAStack, json_files, stack_of_file};
use crate::names::{NameError, StackName, UnitName};
use crate::render::RenderedUnit;
use crate::systemd::settings::assignments::Assignments;
use crate::systemd::unit_file::UnitFile;

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
    pub units: BTreeMap<UnitName, Arc<SealedUnit>>,
}

/// What one unit must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedUnit {
    /// The token in its `Documentation=`.
    pub token: String,
    /// The digest of its text.
    pub sha256: Sha256,
    /// The target of the link in the owner directory, absolute; a regular file is expected there if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "absolute")]
    pub link: Option<PathBuf>,
    /// The links below the owner directory that enable it: `default.target.wants/foo.service`.
    #[serde(default, deserialize_with = "enabling_links")]
    pub enabled_by: Vec<PathBuf>,
    /// What its text sets, in its order.
    pub settings: Assignments,
}

fn absolute<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    let link = Option::<PathBuf>::deserialize(deserializer)?;
    match &link {
        Some(path) if !path.is_absolute() => {
            Err(D::Error::custom(format_args!("{} is not an absolute path", path.display())))
        }
        _ => Ok(link),
    }
}

/// Links are made and removed by these names, so none may lead out of the owner directory.
fn enabling_links<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PathBuf>, D::Error> {
    let links = Vec::<PathBuf>::deserialize(deserializer)?;
    match not_enabling(&links) {
        Some(problem) => Err(D::Error::custom(problem)),
        None => Ok(links),
    }
}

/// What is wrong with the first of these links that cannot enable a unit.
fn not_enabling(links: &[PathBuf]) -> Option<String> {
    let enables = |link: &PathBuf| {
        let (directory, name) = link.to_str()?.split_once('/')?;
        let (target, kind) = directory.rsplit_once('.')?;
        let known = matches!(kind, "wants" | "requires" | "upholds");
        (known && UnitName::parse(target).is_ok() && UnitName::parse(name).is_ok()).then_some(())
    };
    let link = links.iter().find(|link| enables(link).is_none())?;
    Some(format!("{} is not a link such as \"default.target.wants/foo.service\"", link.display()))
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
    #[error(transparent)]
    Name(#[from] NotAStack),
    /// A unit file that is to be sealed and is not called like a unit.
    #[error("{}: the file's name is not the name of a unit", path.display())]
    UnitName {
        /// The file.
        path: PathBuf,
        /// The rule that it breaks.
        source: NameError,
    },
    /// A unit file that is to be sealed, and of which systemd would not read everything.
    #[error("{}: expected a unit file that systemd reads without complaint, but {reason}", path.display())]
    UnitFile {
        /// The file.
        path: PathBuf,
        /// The line, and what is wrong with it.
        reason: String,
    },
    /// A unit file that is to be sealed, and that no link could lead to.
    #[error("{}: expected an absolute path: it becomes the declared target of a link", path.display())]
    Relative {
        /// The file.
        path: PathBuf,
    },
    /// A unit file that is to be sealed, and whose loaded definition could not be told from an older one.
    #[error(
        "{}: expected Documentation=file:///…/stackwarden/sealed/NAME.json#TOKEN in [Unit], found none",
        path.display()
    )]
    NoToken {
        /// The file.
        path: PathBuf,
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
        let units = units.iter().map(|unit| (unit.name.clone(), Arc::new(SealedUnit::of(unit)))).collect();
        Self { version: Self::VERSION, inventory, units }
    }

    /// The seal of unit files that a generation links.
    ///
    /// # Errors
    /// A file cannot be read, is not a unit file that systemd takes whole, or has no token.
    pub fn of_linked(files: &[PathBuf], inventory: Option<Sha256>) -> Result<Self, SealError> {
        let units = files.iter().map(|path| SealedUnit::of_file(path)).collect::<Result<_, _>>()?;
        Ok(Self { version: Self::VERSION, inventory, units })
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
            settings: Assignments::of_text(&unit.text),
        }
    }

    /// The seal of a unit file that a generation links from elsewhere; `path` is what the link leads to.
    fn of_file(path: &Path) -> Result<(UnitName, Arc<Self>), SealError> {
        if !path.is_absolute() {
            return Err(SealError::Relative { path: path.to_owned() });
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name =
            UnitName::parse(&name).map_err(|source| SealError::UnitName { path: path.to_owned(), source })?;
        let text = read_text(path)?;
        let refused = |reason: String| SealError::UnitFile { path: path.to_owned(), reason };
        let file = UnitFile::parse(&text).map_err(|error| refused(error.to_string()))?;
        if let Some(problem) = file.problems.first() {
            return Err(refused(problem.to_string()));
        }
        let settings = Assignments::of_text(&text);
        let token = settings
            .iter()
            .filter(|setting| setting.section == "Unit" && setting.key == "Documentation")
            .flat_map(|setting| setting.value.split_whitespace())
            .find_map(token_of_link)
            .ok_or_else(|| SealError::NoToken { path: path.to_owned() })?
            .to_owned();
        let enabled_by = install_links(&name, &settings);
        if let Some(problem) = not_enabling(&enabled_by) {
            return Err(refused(format!("[Install]: {problem}")));
        }
        let sealed = Self {
            token,
            sha256: Sha256::of(text.as_bytes()),
            link: Some(path.to_owned()),
            enabled_by,
            settings,
        };
        Ok((name, Arc::new(sealed)))
    }
}

/// The token in a documentation link to a seal, `file:///…/stackwarden/sealed/foo.json#token`.
fn token_of_link(link: &str) -> Option<&str> {
    let (seal, token) = link.strip_prefix("file://")?.rsplit_once('#')?;
    (seal.contains("/stackwarden/sealed/") && !token.is_empty()).then_some(token)
}

/// The links that enabling a unit makes, below the owner directory, by its [Install] section (systemd.unit(5)).
#[must_use]
pub fn install_links(name: &UnitName, settings: &Assignments) -> Vec<PathBuf> {
    let mut links = Vec::new();
    for (key, kind) in [("WantedBy", "wants"), ("RequiredBy", "requires"), ("UpheldBy", "upholds")] {
        let mut targets = Vec::new();
        for setting in settings.iter().filter(|setting| setting.section == "Install" && setting.key == key) {
            if setting.value.is_empty() {
                targets.clear();
            }
            targets.extend(setting.value.split_whitespace());
        }
        links.extend(
            targets.into_iter().map(|target| Path::new(&format!("{target}.{kind}")).join(name.as_str())),
        );
    }
    links
}

/// The token in a unit's links to its documentation, of which one leads to its seal.
#[must_use]
pub fn token_of(documentation: &[String]) -> Option<&str> {
    documentation.iter().find_map(|link| token_of_link(link))
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
        _ => Some(stack_of_file(path)?),
    };
    Ok((stack, Seal::load(path)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::atomic;

    const UNIT: &str = "[Unit]\nDocumentation=man:x(1) file:///h/.config/stackwarden/sealed/demo.json#0123\n\n\
        [Install]\nWantedBy=default.target other.target\nRequiredBy=hard.target\n";

    fn seal_of(name: &str, text: &str) -> Result<(PathBuf, Seal), String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        atomic::replace(&path, text.as_bytes(), atomic::PUBLIC).unwrap();
        let place = format!("{}/", dir.path().display());
        match Seal::of_linked(std::slice::from_ref(&path), None) {
            Ok(seal) => Ok((path, seal)),
            Err(error) => Err(error.to_string().replace(&place, "")),
        }
    }

    #[test]
    fn a_linked_file_is_sealed_as_it_is() {
        let (path, seal) = seal_of("demo.service", UNIT).unwrap();
        let sealed = &seal.units[&UnitName::parse("demo.service").unwrap()];
        assert_eq!((sealed.token.as_str(), sealed.link.as_ref()), ("0123", Some(&path)));
        assert_eq!(sealed.sha256, Sha256::of(UNIT.as_bytes()));
        assert_eq!(
            sealed.enabled_by,
            ["default.target.wants", "other.target.wants", "hard.target.requires"]
                .map(|directory| Path::new(directory).join("demo.service"))
        );
    }

    #[test]
    fn what_could_not_be_audited_is_not_sealed() {
        for (name, text, expected) in [
            ("demo.service", "[Unit]\nDocumentation=man:x(1)\n", "NAME.json#TOKEN in [Unit], found none"),
            ("demo.service", "[Unit]\nnonsense\n", "but line 2 has no \"=\", ignored"),
            (
                "demo.service",
                "[Unit]\nDocumentation=file:///a/stackwarden/sealed/demo.json#0123\n[Install]\nWantedBy=mine\n",
                "[Install]: mine.wants/demo.service is not a link such as",
            ),
            ("demo", UNIT, "demo: the file's name is not the name of a unit"),
        ] {
            let error = seal_of(name, text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let relative = Seal::of_linked(&["demo.service".into()], None).unwrap_err();
        assert!(matches!(relative, SealError::Relative { .. }));
    }
}
