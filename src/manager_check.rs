//! The view from the system scope: what a user's own units cannot notice, because they do not run. Is the user's
//! manager up, does the user linger, and did an audit end lately?

use std::collections::BTreeMap;
use std::ffi::CString;
use std::io;
use std::time::{Duration, SystemTime};

use nix::errno::Errno;
use nix::unistd::{Uid, User, initgroups, setegid, seteuid};
use thiserror::Error;

use crate::audit::{self, Report};
use crate::dirs::{Dirs, DirsError};
use crate::document::ReadError;
use crate::error::chain;
use crate::exit::Code;
use crate::journal;
use crate::systemd::bus::{BUS_DEADLINE, BusError};
use crate::systemd::linger::lingers;
use crate::systemd::loaded::ManagerState;
use crate::systemd::manager::Manager;
use crate::systemd::words::SystemState;

/// How old the last audit may be: stack-audit.timer brings one every 15 minutes, one may be late or lost, and the
/// next may still be at work, which its unit bounds by 5 minutes.
pub const FRESH: Duration = Duration::from_secs((2 * 15 + 5) * 60);

/// Why a user's manager cannot be looked at.
#[derive(Debug, Error)]
pub enum CheckError {
    /// There is no such user.
    #[error(
        "{user}: the user database has no such user, so no manager can run; next: getent passwd {user}; systemctl disable --now stack-manager@{user}.timer"
    )]
    NoUser {
        /// The name or id as given.
        user: String,
    },
    /// The user database cannot be asked.
    #[error("{user}: the user database cannot be asked")]
    Database {
        /// The name or id as given.
        user: String,
        /// What the system said.
        source: Errno,
    },
    /// Somebody else than the user or root asks.
    #[error(
        "only root, or {user}, can look at the state directory of {user}; next: sudo stackctl check-manager {user}"
    )]
    NotRoot {
        /// The user.
        user: String,
    },
    /// The rights of root could not be laid down, or taken up again.
    #[error("cannot act as {user}")]
    Rights {
        /// The user.
        user: String,
        /// What the system said.
        source: io::Error,
    },
    /// The user has no directories.
    #[error(transparent)]
    Dirs(#[from] DirsError),
}

impl CheckError {
    /// How the program ends because of this error.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::NoUser { .. } | Self::Database { .. } => Code::Unreachable,
            Self::NotRoot { .. } => Code::Usage,
            Self::Rights { .. } => Code::Internal,
            Self::Dirs(_) => Code::Configuration,
        }
    }
}

/// What was seen of a user's manager.
#[derive(Debug)]
pub struct Seen {
    /// The user's name.
    pub user: String,
    /// The user's id.
    pub uid: u32,
    /// What the manager says of itself.
    pub manager: Result<SystemState, BusError>,
    /// Whether the user lingers.
    pub lingering: Result<bool, String>,
    /// When the last audit ended, RFC 3339.
    pub audit: Result<String, ReadError>,
    /// When this was seen.
    pub now: SystemTime,
}

/// What is wrong with a user's manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    user: String,
    /// What is wrong, the code that it leads to, and what to type next.
    problems: Vec<(Code, String)>,
    fine: String,
}

/// Looks at the manager of `user`, a name or an id. What lies in the user's reach is looked at with the user's rights.
///
/// # Errors
/// There is no such user, or this program may not act as that user.
pub fn check(user: &str) -> Result<Verdict, CheckError> {
    let account = account(user)?;
    let rights = Rights::lay_down(&account)?;
    let seen = look(&account);
    rights.take_up(&account)?;
    Ok(judge(&seen?))
}

fn account(user: &str) -> Result<User, CheckError> {
    let failed = |source| CheckError::Database { user: user.to_owned(), source };
    let by_id = || user.parse().map(Uid::from_raw).map(User::from_uid);
    match User::from_name(user).map_err(failed)? {
        Some(account) => Ok(account),
        None => by_id()
            .unwrap_or(Ok(None))
            .map_err(failed)?
            .ok_or_else(|| CheckError::NoUser { user: user.to_owned() }),
    }
}

/// Root's rights, laid down for a while: the user's files, links and sockets may lead anywhere.
struct Rights {
    laid_down: bool,
}

impl Rights {
    fn lay_down(account: &User) -> Result<Self, CheckError> {
        let own = Uid::effective();
        if own == account.uid {
            return Ok(Self { laid_down: false });
        }
        if !own.is_root() {
            return Err(CheckError::NotRoot { user: account.name.clone() });
        }
        let become_user = || {
            initgroups(&CString::new(account.name.as_str())?, account.gid)?;
            setegid(account.gid)?;
            seteuid(account.uid)?;
            Ok(())
        };
        become_user().map_err(|source| CheckError::Rights { user: account.name.clone(), source })?;
        Ok(Self { laid_down: true })
    }

    /// What is told is told as root, or the journal would not count it as said of a unit of the system.
    fn take_up(self, account: &User) -> Result<(), CheckError> {
        if self.laid_down {
            seteuid(Uid::from_raw(0))
                .map_err(|error| CheckError::Rights { user: account.name.clone(), source: error.into() })?;
        }
        Ok(())
    }
}

fn look(account: &User) -> Result<Seen, CheckError> {
    let dirs = Dirs::of_user(account.uid, &BTreeMap::new())?;
    let manager = Manager::connect(&dirs, BUS_DEADLINE).and_then(|manager| manager.state());
    let dirs = manager.as_ref().ok().and_then(|state| with_state_home(account.uid, state)).unwrap_or(dirs);
    Ok(Seen {
        user: account.name.clone(),
        uid: account.uid.as_raw(),
        manager: manager.map(|state| state.system_state),
        lingering: lingers(&account.name),
        audit: audit::last(&dirs).map(|Report { finished, .. }| finished),
        now: SystemTime::now(),
    })
}

/// The user's units, and so the auditor, get `XDG_STATE_HOME` from the manager, if at all.
fn with_state_home(uid: Uid, state: &ManagerState) -> Option<Dirs> {
    let set = state.environment.iter().find(|variable| variable.starts_with("XDG_STATE_HOME="))?;
    let (name, value) = set.split_once('=')?;
    Dirs::of_user(uid, &BTreeMap::from([(name.into(), value.into())])).ok()
}

fn judge(seen: &Seen) -> Verdict {
    let Seen { user, uid, .. } = seen;
    let unit = format!("user@{uid}.service");
    let mut problems = Vec::new();
    match &seen.manager {
        Ok(SystemState::Stopping | SystemState::Maintenance) | Err(_) => {
            let found = match &seen.manager {
                Ok(state) => format!("it is {state}"),
                Err(error) => chain(error),
            };
            let next = format!("systemctl status {unit}; journalctl -u {unit} -n 50");
            problems.push((
                Code::Unreachable,
                format!("the user manager of {user} ({unit}): expected it up, saw: {found}; next: {next}"),
            ));
        }
        Ok(_) => {}
    }
    match &seen.lingering {
        Ok(true) => {}
        Ok(false) => problems.push((
            Code::Page,
            format!(
                "{user} does not linger: nothing runs before login or after logout; next: loginctl enable-linger {user}"
            ),
        )),
        Err(reason) => problems.push((
            Code::Refused,
            format!("whether {user} lingers is not known: {reason}; next: loginctl show-user {user}"),
        )),
    }
    let age = age(seen);
    if let Err(found) = &age {
        problems.push((
            Code::Page,
            format!(
                "{user}: expected an audit that ended in the last {}, saw: {found}; next: systemctl --user -M {user}@ status stack-audit.timer stack-audit.service",
                humantime::format_duration(FRESH)
            ),
        ));
    }
    let fine = match (&seen.manager, age) {
        (Ok(state), Ok(age)) => format!(
            "the user manager of {user} is {state}, {user} lingers, and an audit ended {} ago",
            humantime::format_duration(age)
        ),
        _ => String::new(),
    };
    Verdict { user: user.clone(), problems, fine }
}

/// How long ago the last audit ended, in whole seconds.
fn age(seen: &Seen) -> Result<Duration, String> {
    let finished = match &seen.audit {
        Ok(finished) => finished,
        Err(error) if error.is_missing() => return Err(format!("none: {error}")),
        Err(error) => return Err(chain(error)),
    };
    let ended = humantime::parse_rfc3339(finished).map_err(|error| format!("{finished:?}: {error}"))?;
    let age = seen.now.duration_since(ended).map_err(|_| {
        format!("one that ended at {finished}, which is in the future: the clock has been set back")
    })?;
    let age = Duration::from_secs(age.as_secs());
    if age > FRESH {
        return Err(format!("the last ended {} ago, at {finished}", humantime::format_duration(age)));
    }
    Ok(age)
}

impl Verdict {
    /// That all is fine, in a line; none if it is not.
    #[must_use]
    pub fn fine(&self) -> Option<String> {
        self.problems.is_empty().then(|| self.fine.clone())
    }

    /// Tells what is wrong, or that nothing is.
    pub fn tell(&self) {
        if let Some(line) = self.fine() {
            tracing::info!(MESSAGE_ID = journal::MANAGER_UP, STACKWARDEN_USER = self.user, "{line}");
        }
        for (_, problem) in &self.problems {
            tracing::error!(
                MESSAGE_ID = journal::MANAGER,
                DOCUMENTATION = "docs/monitoring.md#the-user-manager-seen-from-the-system",
                STACKWARDEN_USER = self.user,
                "{problem}"
            );
        }
    }

    /// The exit code: a manager that is not there comes first.
    #[must_use]
    pub fn code(&self) -> Code {
        let has = |code| self.problems.iter().any(|(problem, _)| *problem == code);
        [Code::Unreachable, Code::Page, Code::Refused]
            .into_iter()
            .find(|code| has(*code))
            .unwrap_or(Code::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(finished: &str) -> Seen {
        Seen {
            user: "me".to_owned(),
            uid: 1000,
            manager: Ok(SystemState::Degraded),
            lingering: Ok(true),
            audit: Ok(finished.to_owned()),
            now: humantime::parse_rfc3339("2026-02-13T12:00:00Z").unwrap(),
        }
    }

    #[test]
    fn a_degraded_manager_with_a_fresh_audit_is_fine() {
        let verdict = judge(&seen("2026-02-13T11:45:00.250Z"));
        assert_eq!(verdict.code(), Code::Done);
        assert_eq!(
            verdict.fine().unwrap(),
            "the user manager of me is degraded, me lingers, and an audit ended 14m 59s ago"
        );
    }

    #[test]
    fn every_problem_is_told_and_the_gravest_is_the_code() {
        let stale = seen("2026-02-13T11:24:00Z");
        let verdict = judge(&Seen { lingering: Ok(false), ..stale });
        assert_eq!((verdict.code(), verdict.problems.len(), verdict.fine()), (Code::Page, 2, None));
        assert!(verdict.problems[1].1.contains("the last ended 36m ago"), "{verdict:?}");
        let verdict = judge(&Seen { manager: Ok(SystemState::Stopping), ..seen("2026-02-13T12:10:00Z") });
        assert_eq!((verdict.code(), verdict.problems.len()), (Code::Unreachable, 2));
        assert!(verdict.problems[1].1.contains("in the future"), "{verdict:?}");
    }

    #[test]
    fn a_user_who_does_not_exist_is_told_by_name() {
        let error = check("nobody-is-called-so").unwrap_err();
        assert_eq!(error.code(), Code::Unreachable);
        assert!(error.to_string().contains("nobody-is-called-so"), "{error}");
    }
}
