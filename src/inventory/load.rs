//! Reading the inventory directory: each file by itself, so that a broken one does not hide the others.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use fs_err as fs;
use thiserror::Error;

use super::entry::Entry;
use crate::digest::Sha256;
use crate::dirs::Dirs;
use crate::document::{Document, ReadError, read_bounded};
use crate::names::{NameError, StackName};

/// Why a file of the inventory is refused.
#[derive(Debug, Error)]
pub enum InventoryError {
    /// The file cannot be read, or is not an inventory entry.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The file's name is not a stack's name.
    #[error(transparent)]
    Name(#[from] NotAStack),
    /// A value that the types allow and the product does not.
    #[error("{}: {problem}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The key, what was expected, what was seen.
        problem: String,
    },
    /// The directory cannot be listed.
    #[error("cannot list the inventory")]
    Directory(#[source] std::io::Error),
}

/// A file of a directory that has one per stack, and that is not called after one.
#[derive(Debug, Error)]
#[error("{}: the file's name is not the name of a stack", path.display())]
pub struct NotAStack {
    /// The file.
    path: PathBuf,
    /// The rule that the name breaks.
    source: NameError,
}

impl InventoryError {
    /// What to type next.
    #[must_use]
    pub fn next(&self) -> String {
        let path = match self {
            Self::Read(error) if error.is_missing() => {
                let stack = error.path().file_stem().unwrap_or_default().to_string_lossy();
                return format!("stackctl add {stack} --compose FILE");
            }
            Self::Read(error) => error.path(),
            Self::Name(NotAStack { path, .. }) | Self::Value { path, .. } => path,
            Self::Directory(_) => return "stackctl install".to_owned(),
        };
        format!("mend {}, then: stackctl sync", path.display())
    }
}

/// One stack as declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// The entry.
    pub entry: Entry,
    /// The digest of the file that it was read from.
    pub sha256: Sha256,
}

/// Everything that is declared.
#[derive(Debug, Default)]
pub struct Inventory {
    /// The stacks whose files are good.
    pub stacks: BTreeMap<StackName, Declared>,
    /// The files that are not, by path.
    pub broken: BTreeMap<PathBuf, InventoryError>,
}

impl Inventory {
    /// Reads every `*.json` in the inventory directory. A missing directory is an empty inventory.
    #[must_use]
    pub fn load(dirs: &Dirs) -> Self {
        let directory = dirs.inventory();
        let mut inventory = Self::default();
        let paths = match json_files(&directory) {
            Ok(paths) => paths,
            Err(error) => {
                inventory.broken.insert(directory, InventoryError::Directory(error));
                return inventory;
            }
        };
        for path in paths {
            match load_file(&path) {
                Ok((stack, declared)) => drop(inventory.stacks.insert(stack, declared)),
                Err(error) => drop(inventory.broken.insert(path, error)),
            }
        }
        inventory
    }

    /// Reads one stack's entry.
    ///
    /// # Errors
    /// Names the file, and the key and line where there is one.
    pub fn load_stack(dirs: &Dirs, stack: &StackName) -> Result<Declared, InventoryError> {
        load_file(&dirs.inventory_file(stack)).map(|(_, declared)| declared)
    }

    /// Reads an entry from anywhere; the file's name says which stack's it is.
    ///
    /// # Errors
    /// As [`Inventory::load_stack`].
    pub fn load_file(path: &Path) -> Result<(StackName, Declared), InventoryError> {
        load_file(path)
    }
}

/// The `*.json` entries of a directory, without hidden ones (editors keep their swap files so), in order.
///
/// # Errors
/// The directory is there and cannot be listed.
pub fn json_files(directory: &Path) -> Result<Vec<PathBuf>, std::io::Error> {
    let mut paths = Vec::new();
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(paths),
        other => other?,
    };
    for entry in entries {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension() == Some(OsStr::new("json")) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// The stack that a file belongs to, by its name.
///
/// # Errors
/// The name breaks a rule for stack names.
pub fn stack_of_file(path: &Path) -> Result<StackName, NotAStack> {
    StackName::parse(&path.file_stem().unwrap_or_default().to_string_lossy())
        .map_err(|source| NotAStack { path: path.to_owned(), source })
}

fn load_file(path: &Path) -> Result<(StackName, Declared), InventoryError> {
    let stack = stack_of_file(path)?;
    let content = read_bounded(path)?;
    let entry = Entry::parse(path, &content)?;
    entry.check().map_err(|problem| InventoryError::Value { path: path.to_owned(), problem })?;
    Ok((stack, Declared { entry, sha256: Sha256::of(&content) }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::atomic;

    fn inventory(files: &[(&str, &str)]) -> Inventory {
        let home = tempfile::tempdir().unwrap();
        let dirs = Dirs::below(home.path());
        for (name, content) in files {
            atomic::replace(&dirs.inventory().join(name), content.as_bytes(), atomic::PRIVATE).unwrap();
        }
        Inventory::load(&dirs)
    }

    const GOOD: &str = r#"{"version": 1, "compose": {"directory": "/srv/a", "files": ["compose.yml"]}}"#;

    #[test]
    fn a_broken_file_does_not_hide_the_others() {
        let inventory = inventory(&[
            ("a.json", GOOD),
            ("b.json", "{"),
            ("c d.json", GOOD),
            (".e.json", "{"),
            ("f.json~", "{"),
            ("g.json", r#"{"version": 1, "compose": {"directory": "srv", "files": ["x"]}}"#),
        ]);
        assert_eq!(inventory.stacks.keys().map(StackName::as_str).collect::<Vec<_>>(), ["a"]);
        let broken: Vec<String> = inventory.broken.values().map(ToString::to_string).collect();
        assert_eq!(broken.len(), 3);
        assert!(broken[0].ends_with("b.json: not a valid inventory entry"), "{broken:?}");
        assert!(broken[1].ends_with("c d.json: the file's name is not the name of a stack"), "{broken:?}");
        assert!(
            broken[2].ends_with("g.json: \"compose.directory\" is \"srv\"; expected an absolute path"),
            "{broken:?}"
        );
    }

    #[test]
    fn defaults_are_those_of_the_reference() {
        let inventory = inventory(&[("a.json", GOOD)]);
        let entry = &inventory.stacks.values().next().unwrap().entry;
        assert_eq!(entry, &Entry::new("/srv/a".into(), vec!["compose.yml".into()]));
        assert_eq!(entry.startup_timeout.to_string(), "2m");
    }

    #[test]
    fn nothing_declared_is_not_an_error() {
        let inventory = inventory(&[]);
        assert!(inventory.stacks.is_empty() && inventory.broken.is_empty());
    }
}
