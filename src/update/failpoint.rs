//! Where tests kill an update. In release builds there is nothing of it.

use super::machine::Step;

/// When, with respect to a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// It is in the record and not taken yet.
    Before,
    /// It was taken, and the record says nothing more yet.
    After,
}

/// Kills this program if `STACKWARDEN_KILL_AT` names this place: `move` or `move+`.
#[cfg(debug_assertions)]
pub fn reached(step: Step, moment: Moment) {
    let Some(wanted) = std::env::var_os("STACKWARDEN_KILL_AT") else { return };
    let place = match moment {
        Moment::Before => step.name().to_owned(),
        Moment::After => format!("{step}+"),
    };
    if wanted == *place {
        nix::sys::signal::kill(nix::unistd::Pid::this(), nix::sys::signal::Signal::SIGKILL).ok();
    }
}

/// Nothing.
#[cfg(not(debug_assertions))]
pub fn reached(_: Step, _: Moment) {}
