//! The last look: a path unit drops what happens while its service runs, so the settle unit compares, once the path
//! unit is armed again, what the audit saw with what is there now.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::heal::{self, Action};
use super::run::LOCK;
use super::{fingerprint, quiet, state, watches};
use crate::atomic::WriteError;
use crate::digest::Sha256;
use crate::dirs::Dirs;
use crate::document::Document;
use crate::lock::{Alone, LockError};
use crate::names::UnitName;
use crate::process::Interrupt;
use crate::systemd::bus::{BUS_DEADLINE, BusError};
use crate::systemd::manager::Manager;
use crate::systemd::words::ActiveState;

/// The unit that runs audits.
pub const AUDIT: &str = "stack-audit.service";

/// The unit that takes the last look after each.
pub const SETTLE: &str = "stack-audit-settle.service";

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
    /// Whether the auditor had the manager reload over this very picture.
    #[serde(default)]
    reloaded: bool,
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
    /// What an audit leaves that dies at once.
    fn nothing() -> Self {
        Self {
            version: Self::VERSION,
            fingerprint: Sha256::of(b""),
            directories: BTreeSet::new(),
            complete: false,
            reloaded: false,
            tries: 0,
            again: false,
        }
    }

    fn path(dirs: &Dirs) -> PathBuf {
        dirs.run().join("seen.json")
    }

    /// Reads what the last audit left. A damaged file is like none: it only says that another audit is due.
    #[must_use]
    pub fn load_last(dirs: &Dirs) -> Option<Self> {
        Self::load(&Self::path(dirs)).ok()
    }

    /// Sets what cannot be read aside, and tells of it.
    pub(super) fn set_damaged_aside(dirs: &Dirs) -> Result<(), String> {
        state::load_or_set_aside::<Self>(dirs, &Self::path(dirs)).map(drop)
    }

    /// Whether the settle unit has asked for this audit.
    #[must_use]
    pub fn asked_again(last: Option<&Self>) -> bool {
        last.is_some_and(|seen| seen.again)
    }

    /// The picture of the disk over which an audit came to its verdict after it had the manager reload.
    pub(super) fn reloaded(&self) -> Option<Sha256> {
        (self.complete && self.reloaded).then_some(self.fingerprint)
    }

    /// Leaves what an audit looks at, or, once it is `complete`, has looked at.
    ///
    /// # Errors
    /// The runtime directory cannot be written.
    pub(super) fn leave(
        dirs: &Dirs,
        last: Option<&Self>,
        looked: &Looked,
        complete: bool,
    ) -> Result<(), WriteError> {
        let seen = Self {
            version: Self::VERSION,
            fingerprint: looked.fingerprint,
            directories: looked.directories.clone(),
            complete,
            reloaded: looked.reloaded,
            tries: if complete { 0 } else { last.map_or(0, |seen| seen.tries) },
            again: false,
        };
        seen.store(&Self::path(dirs))
    }
}

/// What an audit looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Looked {
    /// The directories.
    pub(super) directories: BTreeSet<PathBuf>,
    /// They, as they were before the observation.
    pub(super) fingerprint: Sha256,
    /// Whether the auditor had the manager reload over that.
    pub(super) reloaded: bool,
}

/// The path units are armed again in the manager's event loop, right after the service has ended; so many questions
/// are answered before that is over, on any machine.
const QUESTIONS: u32 = 64;

/// How long the last look waits for an audit that is running: below the settle unit's own timeout (1 min). One that
/// takes longer has a last look of its own.
const ANOTHER_AUDIT: Duration = Duration::from_secs(30);

/// Waits until no audit is running, and keeps the next one from beginning while the result lives. The end of an audit
/// that runs meanwhile would start no settle unit of its own: this one is active still.
///
/// # Errors
/// The audit does not end.
pub fn take_turn(dirs: &Dirs) -> Result<Alone, LockError> {
    Alone::take(dirs, LOCK, "settle", ANOTHER_AUDIT, &Interrupt::never())
}

fn is_watcher(name: &UnitName) -> bool {
    name.as_str() == "stack-audit.path" || watches::is_watch(name)
}

/// Returns when the path units watch again, as far as they are not dead; see [`rearm`].
///
/// # Errors
/// The manager does not answer.
pub fn wait_until_armed(manager: &Manager) -> Result<(), BusError> {
    for _ in 0..QUESTIONS {
        let listed = manager.loaded_units()?;
        let waits = listed.units.iter().any(|(name, unit)| is_watcher(name) && unit.sub_state == "running");
        if !waits {
            break;
        }
    }
    Ok(())
}

/// Starts the path units again that failed when they were to be armed, as happens when the user's inotify instances are
/// used up for a moment; what they missed meanwhile the last look finds. The result says what stays dead.
///
/// # Errors
/// The manager does not answer.
pub fn rearm(dirs: &Dirs, manager: &mut Manager) -> Result<Vec<String>, BusError> {
    let listed = manager.loaded_units()?;
    let dead = listed.units.iter().filter(|(_, unit)| unit.active_state == ActiveState::Failed);
    let dead: Vec<Action> = dead
        .map(|(name, _)| name)
        .filter(|name| is_watcher(name))
        .map(|name| Action::StartWatcher(name.clone()))
        .collect();
    Ok(dead.iter().filter_map(|action| heal::act(dirs, manager, action, BUS_DEADLINE).err()).collect())
}

/// Takes the last look. When it decides for another audit, it first waits for the change to end, and notes the
/// decision for that audit.
///
/// # Errors
/// The runtime directory cannot be written.
pub fn last_look(dirs: &Dirs) -> Result<LastLook, WriteError> {
    // Without a fingerprint the audit ended before it looked at anything.
    let mut seen = Seen::load_last(dirs).unwrap_or_else(Seen::nothing);
    // So it did if what was left is still the last look's own.
    let came_to_its_verdict = seen.complete && !seen.again;
    if came_to_its_verdict && fingerprint::take(&seen.directories) == seen.fingerprint {
        return Ok(LastLook::Settled);
    }
    if !came_to_its_verdict {
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
        let looked = Looked { fingerprint: fingerprint::take(&directories), directories, reloaded: false };
        Seen::leave(dirs, last.as_ref(), &looked, complete).unwrap();
    }

    const BOUNDED: [LastLook; 5] =
        [LastLook::Again, LastLook::Again, LastLook::Again, LastLook::GiveUp, LastLook::GiveUp];

    #[test]
    fn a_change_after_the_audit_looked_brings_another() {
        let home = tempfile::tempdir().unwrap();
        let dirs = Dirs::below(home.path());
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
        let looks = BOUNDED.map(|_| {
            leave(&dirs, false);
            last_look(&dirs).unwrap()
        });
        assert_eq!(looks, BOUNDED);
        leave(&dirs, true);
        assert_eq!(last_look(&dirs).unwrap(), LastLook::Settled);
    }

    #[test]
    fn an_audit_that_dies_before_it_looks_is_not_started_for_ever() {
        for looked_before in [false, true] {
            let home = tempfile::tempdir().unwrap();
            let dirs = Dirs::below(home.path());
            if looked_before {
                leave(&dirs, true);
                fs_err::create_dir_all(dirs.owner()).unwrap();
                assert_eq!(last_look(&dirs).unwrap(), LastLook::Again, "something changed");
            }
            assert_eq!(BOUNDED.map(|_| last_look(&dirs).unwrap()), BOUNDED);
        }
    }
}
