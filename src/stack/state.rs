//! What is remembered of a stack: what it was last applied with. The published form is
//! `docs/schema/stack-state.schema.json`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::dirs::Dirs;
use crate::document::{Document, ReadError};
use crate::inventory::ProviderKind;
use crate::names::StackName;

/// The file `stacks/<stack>.json` in the state directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StackState {
    /// Version of this file's form.
    pub version: u32,
    /// The project that was applied.
    pub project: String,
    /// The provider that made its containers.
    pub provider: ProviderKind,
}

impl Document for StackState {
    const KIND: &'static str = "stack state";
    const VERSION: u32 = 1;
}

impl StackState {
    /// The state of a stack that is applied for the first time.
    #[must_use]
    pub fn new(project: &str, provider: ProviderKind) -> Self {
        Self { version: Self::VERSION, project: project.to_owned(), provider }
    }

    /// Where the state of `stack` is.
    #[must_use]
    pub fn path(dirs: &Dirs, stack: &StackName) -> PathBuf {
        dirs.state().join("stacks").join(format!("{stack}.json"))
    }

    /// Reads the file; `None` if there is none.
    ///
    /// # Errors
    /// The file is there and cannot be read or is not valid.
    pub fn load_if_any(dirs: &Dirs, stack: &StackName) -> Result<Option<Self>, ReadError> {
        let path: &Path = &Self::path(dirs, stack);
        match Self::load(path) {
            Err(error) if error.is_missing() => Ok(None),
            other => other.map(Some),
        }
    }
}
