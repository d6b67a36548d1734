//! Where tests kill a transaction. In release builds there is nothing of it.

/// Kills this program if `STACKWARDEN_KILL_AT` names this step: it is in the record, and not taken yet.
pub fn before(step: &str) {
    reached(step);
}

/// Kills this program if `STACKWARDEN_KILL_AT` names this step and a `+`: it was taken, and the record says nothing more yet.
pub fn after(step: &str) {
    reached(&format!("{step}+"));
}

#[cfg(debug_assertions)]
fn reached(place: &str) {
    if std::env::var_os("STACKWARDEN_KILL_AT").is_some_and(|wanted| wanted == *place) {
        nix::sys::signal::kill(nix::unistd::Pid::this(), nix::sys::signal::Signal::SIGKILL).ok();
    }
}

#[cfg(not(debug_assertions))]
fn reached(_: &str) {}
