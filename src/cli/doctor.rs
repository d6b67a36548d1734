//! `stackctl doctor`.

use super::output;
use crate::dirs::Dirs;
use crate::doctor;
use crate::error::Error;
use crate::exit::Code;
use crate::inventory::Host;

pub(super) fn doctor(json: bool) -> Result<Code, Error> {
    let dirs = Dirs::from_env()?;
    let diagnosis = doctor::examine(&dirs, Host::load_or_default(&dirs));
    if json {
        output::print_json(&diagnosis)?;
    } else {
        output::print(&diagnosis.text())?;
    }
    Ok(diagnosis.code())
}

/// What an installation tells of the host; it has not failed because the host lacks something.
pub(in crate::cli) fn tell(dirs: &Dirs, host: &Host) {
    // The audit of the installation has told of lingering.
    let lacks = doctor::examine(dirs, Ok(host.clone())).lacks.into_iter();
    for lack in lacks.filter(|lack| lack.about != doctor::LINGERING) {
        tracing::warn!("{}", lack.line());
    }
}
