//! Why a unit is not observed.

use std::path::PathBuf;

use thiserror::Error;

use crate::names::UnitName;

/// Why a unit is not sealed, or not forgotten; nothing was changed.
#[derive(Debug, Error)]
pub enum ObserveError {
    /// It is ours and audited anyway.
    #[error("{unit} is declared ({by}) and audited already; nothing was changed")]
    Ours {
        /// The unit.
        unit: UnitName,
        /// Who declares it.
        by: String,
    },
    /// There is nothing to seal.
    #[error("{unit}: expected a unit file on disk, found none; next: stackctl explain {unit}")]
    NoFile {
        /// The unit.
        unit: UnitName,
    },
    /// It has no file that lasts.
    #[error("{unit} is a transient unit, which is gone when it ends: there is nothing that could be sealed")]
    Transient {
        /// The unit.
        unit: UnitName,
    },
    /// Part of it is unknown.
    #[error("{unit}: cannot be sealed as it is, because not all of it can be looked at: {}", problems.join("; "))]
    Unchecked {
        /// The unit.
        unit: UnitName,
        /// What could not be looked at.
        problems: Vec<String>,
    },
    /// It is observed, and has changed since.
    #[error(
        "{unit} is observed since {since} and has changed: {}; if that was intended: stackctl observe --accept {unit}",
        changes.join("; ")
    )]
    Changed {
        /// The unit.
        unit: UnitName,
        /// When it was sealed.
        since: String,
        /// What changed.
        changes: Vec<String>,
    },
    /// Neither a stack nor an observed unit.
    #[error("{name}: neither a stack that is declared nor a unit that is observed; next: stackctl history")]
    Unknown {
        /// The name.
        name: String,
    },
    /// Both a stack and an observed unit.
    #[error(
        "{name} is both a stack and an observed unit; to forget the unit, remove {}; to forget the stack, do that first",
        seal.display()
    )]
    Both {
        /// The name.
        name: String,
        /// The observed unit's seal.
        seal: PathBuf,
    },
}
