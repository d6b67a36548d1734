//! What the verbs that declare have in common: where they work, and the look of the auditor at what they did.

use std::collections::BTreeSet;

use crate::artifacts::Change;
use crate::audit::{self, Options, Report};
use crate::cli::output;
use crate::dirs::Dirs;
use crate::error::Error;
use crate::exit::Code;
use crate::inventory::Host;
use crate::lock::Alone;
use crate::names::{StackName, UnitName};
use crate::process::Interrupt;
use crate::render::Programs;
use crate::systemd::loaded::Detail;
use crate::systemd::manager::Manager;
use crate::systemd::words::ActiveState;

/// What a declaration may be made without: it is needed when the stack starts.
const ADVICE: &[audit::Check] = &[
    audit::Check::LingerDisabled,
    audit::Check::SecretMissing,
    audit::Check::SecretExposed,
    audit::Check::SecretFallback,
];

/// What the verbs work on.
pub(in crate::cli) struct Place {
    pub(in crate::cli) dirs: Dirs,
    pub(super) host: Host,
    pub(super) programs: Programs,
    _alone: Option<Alone>,
}

/// What the verbs that declare lock: two at once could take the same project, or set each other's fresh units aside.
const LOCK: &str = "declaration";

impl Place {
    /// To look only.
    pub(in crate::cli) fn open() -> Result<Self, Error> {
        let dirs = Dirs::from_env()?;
        let host = Host::load_or_default(&dirs).map_err(Error::Configuration)?;
        Ok(Self { dirs, host, programs: Programs::beside_this_one()?, _alone: None })
    }

    /// To change something: for as long as this lives nobody else declares.
    pub(in crate::cli) fn take(verb: &str) -> Result<Self, Error> {
        let place = Self::open()?;
        let patience = place.host.lock_wait.duration();
        let alone = Alone::take(&place.dirs, LOCK, verb, patience, &Interrupt::never())?;
        Ok(Self { _alone: Some(alone), ..place })
    }

    /// The manager is asked for before anything is written: without it the change could not take effect.
    pub(in crate::cli) fn manager(&self) -> Result<Manager, Error> {
        Ok(Manager::connect(&self.dirs, self.host.bus_deadline.duration())?)
    }
}

/// Whether a stack's unit is up, so that a start of it would do nothing.
pub(super) fn is_active(manager: &Manager, stack: &StackName) -> Result<bool, Error> {
    let seen = manager.observe_one(&stack.service(), Detail::Unit)?;
    Ok(matches!(seen.active_state, ActiveState::Active | ActiveState::Reloading))
}

/// Prints what was changed, and says whether anything was.
pub(super) fn show(changes: &[Change]) -> bool {
    for change in changes {
        output::say(&change.to_string());
    }
    !changes.is_empty()
}

/// Lets the auditor reload what may be reloaded, and reports what it finds of `stacks` and `units`.
pub(in crate::cli) fn look(
    place: &Place,
    stacks: &BTreeSet<StackName>,
    units: &[UnitName],
    changed: bool,
) -> Result<Code, Error> {
    let audit = audit::audit(&place.dirs, &Options { changed, ..Options::default() })?;
    audit.keep(&place.dirs)?;
    let mut report = audit.report;
    report.findings.retain(|finding| {
        let of_stack = finding.stack.as_ref().is_some_and(|stack| stacks.contains(stack));
        let of_unit = finding.unit.as_ref().is_some_and(|unit| units.contains(unit));
        let of_host =
            matches!(finding.check, audit::Check::LingerDisabled | audit::Check::ManagerUnreachable);
        // What a stack did before is not the outcome of this command.
        let before =
            finding.check == audit::Check::UnitFailed || audit::Check::RUNNING.contains(&finding.check);
        (of_stack || of_unit || of_host) && !before
    });
    report.counts = Report::count(&report.passed, &report.findings);
    for finding in &report.findings {
        tracing::warn!("{}", finding.line());
    }
    for note in &report.notes {
        tracing::warn!("{note}");
    }
    // These are advice here; everything else that is left says that the command did not reach its end.
    report.findings.retain(|finding| !ADVICE.contains(&finding.check));
    report.counts = Report::count(&report.passed, &report.findings);
    let code = report.code(false);
    if changed && !report.reload_blocked_by.is_empty() {
        tracing::warn!(
            "the manager has not read the change: a daemon-reload would also load {}; repair that first, then: systemctl --user start stack-audit.service",
            report.reload_blocked_by.join(", ")
        );
        if code == Code::Done {
            return Ok(Code::Refused);
        }
    }
    Ok(code)
}
