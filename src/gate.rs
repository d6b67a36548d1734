//! `stackctl gate`: what an activation script asserts once a generation's units are linked. Home Manager skips its
//! reload without a word when the user manager is not up; here that is a failure, and so is every owned unit that is
//! not linked, loaded and enabled as it is declared.

use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::unistd::Uid;
use thiserror::Error;

use crate::audit::{self, Audit, Check, Finding, Options, Report};
use crate::dirs::Dirs;
use crate::exit::Code;
use crate::inventory::Host;
use crate::lock::LockError;
use crate::names::UnitName;
use crate::systemd::bus::BusError;
use crate::systemd::loaded::Detail;
use crate::systemd::manager::Manager;
use crate::systemd::words::{ActiveState, SystemState};

/// How long a switch waits by default for a manager that is starting: as long as user managers take at boot, with
/// room for a busy machine.
pub const WAIT: Duration = Duration::from_secs(60);

/// What a socket needs between appearing and being listened to, which no event tells of.
const LISTEN: Duration = Duration::from_millis(100);

/// What the gate asserts beside [`Check::DECISIVE`]: every owned unit is linked, loaded and enabled as declared.
const ALSO_ASSERTED: &[Check] =
    &[Check::ManagerUnreachable, Check::ReloadPending, Check::UnitNotEnabled, Check::WatcherDead];

/// What the gate names without failing: leftovers of a former owner, and what will bite later.
const NAMED: &[Check] = &[
    Check::ShadowedCopy,
    Check::DropInDirectory,
    Check::OrphanUnit,
    Check::LingerDisabled,
    Check::WatchBudget,
];

/// Why nothing could be asserted.
#[derive(Debug, Error)]
pub enum GateError {
    /// Nobody to ask.
    #[error(
        "the units are linked, but the user manager of {user} cannot be asked, so nothing was reloaded and nothing is in force; next: systemctl status user@{uid}.service; loginctl enable-linger {user}; then activate again"
    )]
    Unreachable {
        /// The user's name.
        user: String,
        /// The user's id.
        uid: Uid,
        /// What the bus said.
        source: Box<BusError>,
    },
    /// It answers, and is in a state in which Home Manager reloads nothing.
    #[error(
        "the units are linked, but the user manager of {user} is {state} (after {}), a state in which nothing is reloaded; next: systemctl --user list-jobs; systemctl --user --failed; then activate again",
        humantime::format_duration(*waited)
    )]
    NotUp {
        /// The user's name.
        user: String,
        /// Its state.
        state: SystemState,
        /// How long was waited for another one.
        waited: Duration,
    },
}

impl GateError {
    /// How the program ends because of this error.
    #[must_use]
    pub fn code(&self) -> Code {
        Code::Unreachable
    }
}

/// Whether there is something to assert.
#[derive(Debug)]
pub enum Readiness {
    /// The manager is up.
    Up,
    /// The system itself boots, and the manager comes later: the first audit gives the verdict.
    Booting(SystemState),
}

/// Waits, at most for `limit`, for a manager that is starting.
///
/// # Errors
/// It cannot be asked, or is in no state in which units are reloaded.
pub fn await_manager(dirs: &Dirs, host: &Host, limit: Duration) -> Result<Readiness, GateError> {
    let begin = Instant::now();
    let deadline = host.bus_deadline.duration();
    loop {
        let left = limit.saturating_sub(begin.elapsed());
        let asked = Manager::connect(dirs, deadline)
            .and_then(|manager| Ok((manager.state()?.system_state.is_starting(), manager)))
            .and_then(|(starting, manager)| match system_state(deadline) {
                // The boot may be waiting for us, and the manager for the boot.
                Some(system) if starting && system.is_starting() => Ok(Err(system)),
                _ => Ok(Ok(manager.state_once_started(left)?.system_state)),
            });
        match asked {
            Ok(Ok(SystemState::Running | SystemState::Degraded)) => return Ok(Readiness::Up),
            Ok(Ok(state)) => {
                let waited = Duration::from_secs(begin.elapsed().as_secs());
                return Err(GateError::NotUp { user: dirs.user.clone(), state, waited });
            }
            Ok(Err(system)) => return Ok(Readiness::Booting(system)),
            Err(source) => match system_state(deadline) {
                Some(system) if system.is_starting() => return Ok(Readiness::Booting(system)),
                _ if !left.is_zero() && user_service_is_starting(deadline) => {
                    wait_for_change(&dirs.runtime, left.min(deadline));
                }
                _ => {
                    let (user, uid) = (dirs.user.clone(), Uid::effective());
                    return Err(GateError::Unreachable { user, uid, source: Box::new(source) });
                }
            },
        }
    }
}

/// The state of the system's own manager; none where there is none that can be asked.
fn system_state(deadline: Duration) -> Option<SystemState> {
    let state = Manager::connect_system(deadline).and_then(|manager| manager.state());
    state.map(|state| state.system_state).ok()
}

/// Whether the system is just starting this user's manager, which listens on no bus yet.
fn user_service_is_starting(deadline: Duration) -> bool {
    let service = UnitName::parse(&format!("user@{}.service", Uid::effective()));
    let state = service.ok().and_then(|service| {
        let manager = Manager::connect_system(deadline).ok()?;
        manager.observe_one(&service, Detail::Unit).ok()
    });
    state.is_some_and(|unit| unit.active_state == ActiveState::Activating)
}

/// Returns when something appears in `directory`, or after `limit`.
fn wait_for_change(directory: &Path, limit: Duration) {
    let watch = Inotify::init(InitFlags::IN_CLOEXEC).and_then(|inotify| {
        let appears = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO;
        // The runtime directory itself is made for the manager.
        inotify
            .add_watch(directory, appears)
            .or_else(|_| inotify.add_watch(directory.parent().unwrap_or(directory), appears))?;
        Ok(inotify)
    });
    // inotify's instances are few.
    let limit = if watch.is_ok() { limit } else { LISTEN.min(limit) };
    let timeout = PollTimeout::try_from(limit).unwrap_or(PollTimeout::ZERO);
    let seen = match &watch {
        Ok(inotify) => poll(&mut [PollFd::new(inotify.as_fd(), PollFlags::POLLIN)], timeout),
        Err(_) => poll(&mut [], timeout),
    };
    if seen.is_ok_and(|ready| ready > 0) {
        // Once more, for what nothing tells of; an interrupted pause is a shorter one.
        poll(&mut [], PollTimeout::try_from(LISTEN).unwrap_or(PollTimeout::ZERO)).ok();
    }
}

/// What the gate says.
#[derive(Debug)]
pub struct Verdict {
    /// What keeps the generation from being in force.
    pub broken: Vec<Finding>,
    /// What is named and keeps nothing.
    pub named: Vec<Finding>,
    /// What else the audit has to say.
    pub notes: Vec<String>,
    /// How many units were looked at.
    pub units: usize,
    /// How the program ends.
    pub code: Code,
}

/// Audits, with the repairs that any audit makes, and judges what the gate is about.
///
/// # Errors
/// Another audit does not end.
pub fn verdict(dirs: &Dirs) -> Result<(Audit, Verdict), LockError> {
    let audit = audit::audit(dirs, &Options::default())?;
    let report = &audit.report;
    let of = |wanted: &dyn Fn(Check) -> bool| -> Vec<Finding> {
        report.findings.iter().filter(|finding| wanted(finding.check)).cloned().collect()
    };
    let mut judged = report.clone();
    judged.findings = of(&|check| check.is_decisive() || ALSO_ASSERTED.contains(&check));
    judged.counts = Report::count(&judged.passed, &judged.findings);
    let mut notes = report.notes.clone();
    if !report.reload_blocked_by.is_empty() {
        notes.push(format!(
            "the manager was not reloaded: it would also load {}",
            report.reload_blocked_by.join(", ")
        ));
    }
    let code = match judged.code(true) {
        Code::Done if !notes.is_empty() => Code::Refused,
        code => code,
    };
    let verdict = Verdict {
        broken: judged.findings,
        named: of(&|check| NAMED.contains(&check)),
        notes,
        units: report.units.len(),
        code,
    };
    Ok((audit, verdict))
}
