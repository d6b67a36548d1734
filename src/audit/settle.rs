//! The last look: a path unit drops what happens while its service runs, so the settle unit compares, once the path
//! unit is armed again, what the audit saw with what is there now.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{fingerprint, quiet};
use crate::atomic::WriteError;
use crate::digest::Sha256;
use crate::dirs::Dirs;
use crate::document::Document;
use crate::names::UnitName;
use crate::systemd::bus::BusError;
use crate::systemd::loaded::Detail;
use crate::systemd::manager::Manager;

/// An audit that ends before its verdict is started again this often in a row; then something is wrong that another
/// start does not mend, and the timer's run is the next.
const TRIES: u32 = 3;

/// What an audit leaves for the last look; below the runtime directory, where a reboot ends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    version: u32,
    /// What the audit looked at, as it was before its last observation.
    fingerprint: Sha256,
    /// The directories that the fingerprint covers.
    directories: BTreeSet<PathBuf>,
    /// Whether the audit came to its verdict.
    complete: bool,
    /// How often an audit was started again in a row because the one before did not complete.
    tries: u32,
    /// Whether the settle unit has asked for the next audit, which then counts as triggered by a change.
    again: bool,
}

impl Document for Seen {
    const KIND: &'static str = "fingerprint";
    const VERSION: u32 = 1;
}

/// What the last look decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastLook {
    /// Nothing changed since the audit looked.
    Settled,
    /// Something changed, or the audit did not complete: audit again.
    Again,
    /// The audit did not complete several times in a row.
    GiveUp,
}

impl Seen {
    fn path(dirs: &Dirs) -> PathBuf {
        dirs.run().join("seen.json")
    }

    /// Reads what the last audit left. A damaged file is like none: it only says that another audit is due.
    #[must_use]
    pub fn load_last(dirs: &Dirs) -> Option<Self> {
        Self::load(&Self::path(dirs)).ok()
    }

    /// Whether the settle unit has asked for this audit.
    #[must_use]
    pub fn asked_again(last: Option<&Self>) -> bool {
        last.is_some_and(|seen| seen.again)
    }

    /// Leaves what an audit has looked at.
    ///
    /// # Errors
    /// The runtime directory cannot be written.
    pub fn leave(
        dirs: &Dirs,
        last: Option<&Self>,
        fingerprint: Sha256,
        directories: &BTreeSet<PathBuf>,
        complete: bool,
    ) -> Result<(), WriteError> {
        let tries = if complete { 0 } else { last.map_or(0, |seen| seen.tries) };
        let seen = Self {
            version: Self::VERSION,
            fingerprint,
            directories: directories.clone(),
            complete,
            tries,
            again: false,
        };
        seen.store(&Self::path(dirs))
    }
}

/// The path unit is armed again in the manager's event loop, right after the service has ended; so many questions are
/// answered before that is over, on any machine.
const QUESTIONS: u32 = 64;

/// Returns when the path unit watches again. One that is dead is the auditor's to find, and does not watch at all.
///
/// # Errors
/// The manager does not answer.
pub fn wait_until_armed(manager: &mut Manager) -> Result<(), BusError> {
    let Ok(watcher) = UnitName::parse("stack-audit.path") else { return Ok(()) };
    for _ in 0..QUESTIONS {
        if manager.observe_one(&watcher, Detail::Unit)?.sub_state != "running" {
            break;
        }
    }
    Ok(())
}

/// Takes the last look. When it decides for another audit, it first waits for the change to end, and notes the
/// decision for that audit.
///
/// # Errors
/// The runtime directory cannot be written.
pub fn last_look(dirs: &Dirs) -> Result<LastLook, WriteError> {
    // An audit that did not even leave a fingerprint failed before it looked at anything: no manager, no home. Only
    // the timer brings another.
    let Some(mut seen) = Seen::load_last(dirs) else { return Ok(LastLook::Settled) };
    if seen.complete && fingerprint::take(&seen.directories) == seen.fingerprint {
        return Ok(LastLook::Settled);
    }
    if !seen.complete {
        seen.tries += 1;
        if seen.tries > TRIES {
            return Ok(LastLook::GiveUp);
        }
    }
    quiet::wait(&seen.directories);
    seen.again = true;
    seen.store(&Seen::path(dirs))?;
    Ok(LastLook::Again)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leave(dirs: &Dirs, complete: bool) {
        let directories = BTreeSet::from([dirs.owner()]);
        let last = Seen::load_last(dirs);
        Seen::leave(dirs, last.as_ref(), fingerprint::take(&directories), &directories, complete).unwrap();
    }

    #[test]
    fn a_change_after_the_audit_looked_brings_another() {
        let home = tempfile::tempdir().unwrap();
        let dirs = Dirs::below(home.path());
        assert_eq!(last_look(&dirs).unwrap(), LastLook::Settled, "nothing was ever audited");
        leave(&dirs, true);
        assert_eq!(last_look(&dirs).unwrap(), LastLook::Settled);
        fs_err::create_dir_all(dirs.owner()).unwrap();
        assert_eq!(last_look(&dirs).unwrap(), LastLook::Again);
        assert!(Seen::asked_again(Seen::load_last(&dirs).as_ref()));
    }

    #[test]
    fn an_audit_that_never_completes_is_not_started_for_ever() {
        let home = tempfile::tempdir().unwrap();
        let dirs = Dirs::below(home.path());
        let mut looks = Vec::new();
        for _ in 0..4 {
            leave(&dirs, false);
            looks.push(last_look(&dirs).unwrap());
        }
        assert_eq!(looks, [LastLook::Again, LastLook::Again, LastLook::Again, LastLook::GiveUp]);
        leave(&dirs, true);
        assert_eq!(last_look(&dirs).unwrap(), LastLook::Settled);
    }
}
