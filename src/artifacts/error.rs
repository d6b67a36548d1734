//! Why an artifact is not touched.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::atomic::WriteError;
use crate::document::ReadError;
use crate::exit::Code;

/// Why an artifact could not be put in place or taken away.
#[derive(Debug, Error)]
pub enum ArtifactError {
    /// Something is there that is not ours.
    #[error(
        "{}: expected nothing there or a unit of ours, found {found}; it is left as it is. Move it away, or choose another name",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What is there.
        found: String,
    },
    /// The unit is linked there by its owner, which must change it.
    #[error(
        "{}: a link to {}, put there by a generation; change the declaration that made it instead",
        path.display(),
        target.display()
    )]
    Linked {
        /// The link.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// A text of ours cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A text cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A link, a rename or a removal failed; the source names the path.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl ArtifactError {
    /// How the program ends because of this error.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Foreign { .. } | Self::Linked { .. } => Code::Configuration,
            Self::Write(_) => Code::CannotWrite,
            Self::Read(_) | Self::Io(_) => Code::Io,
        }
    }
}
