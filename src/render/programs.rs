//! The programs that units start.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// The programs that units start, by absolute path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    /// `stackctl`.
    pub stackctl: PathBuf,
    /// `stack-audit`.
    pub stack_audit: PathBuf,
    /// `stack-update`.
    pub stack_update: PathBuf,
}

impl Programs {
    /// The programs beside this one.
    ///
    /// # Errors
    /// The system does not tell where this program is, or systemd would start nothing from there.
    pub fn beside_this_one() -> Result<Self, ProgramsError> {
        let this = std::env::current_exe()?;
        let programs = Self::in_directory(this.parent().unwrap_or(Path::new("/")));
        // systemd.service(5) allows quoting in command lines; the manager still refuses such a path of a program.
        if this.as_os_str().as_bytes().iter().any(|byte| b"\"'\\".contains(byte) || byte.is_ascii_control()) {
            return Err(ProgramsError::Unstartable(programs.stackctl));
        }
        Ok(programs)
    }

    /// The programs in `directory`.
    #[must_use]
    pub fn in_directory(directory: &Path) -> Self {
        Self {
            stackctl: directory.join("stackctl"),
            stack_audit: directory.join("stack-audit"),
            stack_update: directory.join("stack-update"),
        }
    }
}

/// Why there are no programs for units to start.
#[derive(Debug, Error)]
pub enum ProgramsError {
    /// The system does not tell.
    #[error("cannot tell where this program is")]
    Unknown(#[from] std::io::Error),
    /// Every unit would be a bad setting.
    #[error(
        "{}: systemd starts no program whose path has quotes, backslashes or control characters in it; next: install the programs in another directory",
        .0.display()
    )]
    Unstartable(PathBuf),
}
