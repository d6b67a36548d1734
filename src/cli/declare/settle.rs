//! `stackctl settle`: what stack-audit-settle.service calls.

use crate::audit::settle::{self, AUDIT, LastLook, last_look};
use crate::dirs::Dirs;
use crate::error::Error;
use crate::exit::Code;
use crate::inventory::Host;
use crate::names::UnitName;
use crate::systemd::bus::BUS_DEADLINE;
use crate::systemd::manager::{JobMode, Manager, Verb};

/// The last look after an audit; see [`crate::audit::settle`].
pub(super) fn settle() -> Result<Code, Error> {
    let dirs = Dirs::from_env()?;
    let _alone = settle::take_turn(&dirs)?;
    // It must come to an end whatever the configuration says.
    let deadline = Host::load_or_default(&dirs).map_or(BUS_DEADLINE, |host| host.bus_deadline.duration());
    let mut manager = Manager::connect(&dirs, deadline)?;
    settle::wait_until_armed(&manager)?;
    let dead = settle::rearm(&dirs, &mut manager)?;
    for problem in &dead {
        tracing::error!("cannot watch: {problem}; the timer's audit tries again");
    }
    let audit = UnitName::parse(AUDIT)?;
    match last_look(&dirs)? {
        // The unit then fails, and sends an alert.
        LastLook::Settled if !dead.is_empty() => Ok(Code::Refused),
        LastLook::Settled => Ok(Code::Done),
        LastLook::Again => {
            manager.enqueue(Verb::Start, &audit, JobMode::Replace)?;
            tracing::info!("something changed while the audit ran: {audit} is started again");
            Ok(Code::Done)
        }
        LastLook::GiveUp => Err(Error::AuditNeverCompletes { unit: audit }),
    }
}
