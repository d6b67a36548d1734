//! How an alert can end early, and with which code.

use std::path::PathBuf;

use thiserror::Error;

use crate::atomic::WriteError;
use crate::exit::Code;
use crate::lock::LockError;
use crate::process::ProcessError;

/// Why there is an alert that was not told.
#[derive(Debug, Error)]
pub enum AlertError {
    /// Another program sends alerts, and went on doing so.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The alert command is not installed.
    #[error(
        "the alert command {} is not there, or may not be run; {waiting} alerts wait for it; next: mend \"alert\" in config.json; each audit tries again",
        program.display()
    )]
    Missing {
        /// The command's first word.
        program: PathBuf,
        /// How many events wait.
        waiting: usize,
    },
    /// The alert command did not take a message.
    #[error("the alert command did not take the alert; {waiting} alerts wait for it; each audit tries again")]
    Command {
        /// How many events wait.
        waiting: usize,
        /// What became of it.
        source: Box<ProcessError>,
    },
    /// What was told cannot be kept, so that it may be told again.
    #[error("what was told could not be kept, so that it may be told again")]
    State(#[source] WriteError),
}

impl AlertError {
    /// How the program ends because of this error.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Lock(LockError::Io { .. }) | Self::State(_) => Code::CannotWrite,
            Self::Lock(_) => Code::TryLater,
            Self::Missing { .. } => Code::Configuration,
            Self::Command { source, .. } => match source.as_ref() {
                ProcessError::Interrupted { .. } => Code::TryLater,
                ProcessError::Start { .. } => Code::Configuration,
                _ => Code::Refused,
            },
        }
    }
}
