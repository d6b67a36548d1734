//! Everything in order: what the rest rests on comes first.

use super::diagnosis::Diagnosis;
use super::{files, programs, running};
use crate::dirs::Dirs;
use crate::document::ReadError;
use crate::inventory::Host;

/// Looks at the host. Nothing is changed, and nothing that is missing keeps the rest from being looked at.
#[must_use]
pub fn examine(dirs: &Dirs, host: Result<Host, ReadError>) -> Diagnosis {
    let mut diagnosis = Diagnosis::default();
    let host = &files::configuration(host, &mut diagnosis);
    let manager = running::manager(dirs, host, &mut diagnosis);
    programs::helpers(host, &mut diagnosis);
    let podman = programs::podman(dirs, host, &mut diagnosis);
    programs::provider(dirs, host, &mut diagnosis);
    running::socket(dirs, host, &mut diagnosis);
    files::subordinate_ids(dirs, &mut diagnosis);
    files::lingering(dirs, &mut diagnosis);
    files::inotify(&mut diagnosis);
    files::installed(dirs, &mut diagnosis);
    programs::alert_command(host, &mut diagnosis);
    files::alerts(dirs, &mut diagnosis);
    if let Some(manager) = &manager {
        running::auto_update(manager, &mut diagnosis);
        running::health_timers(manager, podman.as_ref(), &mut diagnosis);
    }
    diagnosis
}
