//! `audit.json`: the last report, and what happens when it is damaged.

use std::path::{Path, PathBuf};

use super::metrics;
use super::repairs::Repairs;
use super::report::Report;
use crate::artifacts::{self, Change};
use crate::atomic::WriteError;
use crate::dirs::Dirs;
use crate::document::{Document, ReadError};
use crate::error::chain;

fn path(dirs: &Dirs) -> PathBuf {
    dirs.state().join("audit.json")
}

/// Reads the last report, for those who only want to know.
///
/// # Errors
/// There is none yet, or it is damaged.
pub fn last(dirs: &Dirs) -> Result<Report, ReadError> {
    Report::load(&path(dirs))
}

/// Reads a state file. A damaged or newer one is set aside, never overwritten; the error says what was wrong and where
/// it is now.
pub(super) fn load_or_set_aside<D: Document>(dirs: &Dirs, path: &Path) -> Result<Option<D>, String> {
    match D::load(path) {
        Ok(document) => Ok(Some(document)),
        Err(error) if error.is_missing() => Ok(None),
        Err(error) => {
            let problem = chain(&error);
            Err(match artifacts::set_aside(dirs, path) {
                Ok(Change::SetAside { kept, .. }) => format!("{problem}; kept as {}", kept.display()),
                Ok(change) => format!("{problem}; {change}"),
                Err(error) => format!("{problem}; it could not be set aside: {}", chain(&error)),
            })
        }
    }
}

/// Reads the last report. A damaged or newer one is set aside, never overwritten, and told of.
pub(super) fn last_report(dirs: &Dirs) -> Result<Option<Report>, String> {
    load_or_set_aside(dirs, &path(dirs))
}

/// Replaces the last report, and the metrics that follow from it.
pub(super) fn store(dirs: &Dirs, report: &Report, repairs: &Repairs) -> Result<(), WriteError> {
    report.store(&path(dirs))?;
    metrics::store(dirs, report, repairs)
}
