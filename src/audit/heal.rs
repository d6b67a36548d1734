//! Healing: a short list of named actions that move the loaded state towards the declared one. Never: deleting what is
//! not ours, restarting a stack.

use std::path::PathBuf;
use std::time::Duration;

use super::check::{Check, Severity};
use super::declaration::Declaration;
use super::finding::{Finding, State};
use super::judge::Judgement;
use super::observed::SeenObserved;
use super::world::World;
use crate::artifacts::{self, Change, Hand};
use crate::dirs::Dirs;
use crate::error::chain;
use crate::generation;
use crate::inventory::Heal;
use crate::names::{StackName, UnitName};
use crate::records;
use crate::seal::{self, Seal};
use crate::systemd::bus::BUS_DEADLINE;
use crate::systemd::manager::{JobMode, Manager, Verb};

/// One action.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Put a replaced link of ours back; opt-in.
    RestoreLink {
        /// The link.
        path: PathBuf,
        /// Its declared target.
        target: PathBuf,
    },
    /// Let the manager read all unit files again.
    Reload,
    /// Reset and start a dead watcher.
    StartWatcher(UnitName),
    /// Reset a failed verification whose stack has been verified again since.
    ResetVerified(UnitName),
}

impl std::fmt::Display for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::RestoreLink { path, .. } => write!(f, "restore the link {}", path.display()),
            Self::Reload => f.write_str("daemon-reload"),
            Self::StartWatcher(unit) => write!(f, "start {unit}"),
            Self::ResetVerified(unit) => write!(f, "reset-failed {unit}"),
        }
    }
}

/// What is to be done, each with the findings that it should end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The actions, in order.
    pub actions: Vec<(Action, Vec<Finding>)>,
    /// What keeps a reload, which something needs, from being safe.
    pub blocked_by: Vec<String>,
}

/// Decides what to do. A reload is manager-wide: one drifted text of ours blocks it, since it would be loaded too. With
/// `changed`, files of ours were just changed and the manager is to read them.
#[must_use]
pub fn plan(
    dirs: &Dirs,
    judgement: &Judgement,
    declaration: &Declaration,
    world: &World,
    changed: bool,
) -> Plan {
    let policy: &Heal = &declaration.host.heal;
    // Observed units are not ours: nothing is done for them, and they keep nothing from being done.
    let ours = |finding: &&Finding| {
        finding.unit.as_ref().is_none_or(|unit| !declaration.observed.contains_key(unit))
    };
    let findings: Vec<Finding> = judgement.verdicts.findings.iter().filter(ours).cloned().collect();
    let mut plan = Plan::default();
    if policy.restore_links {
        for finding in findings.iter().filter(|finding| finding.check == Check::FragmentReplaced) {
            let unit = finding.unit.as_ref().and_then(|unit| world.units.get(unit));
            let target = unit.and_then(|seen| seen.declared.sealed.link.clone());
            if let (Some(path), Some(target)) =
                (finding.path.clone(), target.filter(|target| target.exists()))
            {
                let seal = finding.stack.as_ref().map_or(seal::SHIPPED, StackName::as_str);
                let seal = Seal::path(dirs, seal);
                let target = generation::link_target(&dirs.config_home, &seal, &path, &target);
                plan.actions.push((Action::RestoreLink { path, target }, vec![finding.clone()]));
            }
        }
    }
    let mended: Vec<Finding> = findings
        .iter()
        .filter(|finding| wants_reload(finding))
        .cloned()
        .chain(judgement.pending.iter().map(|pending| pending.finding.clone()))
        .collect();
    if changed || !mended.is_empty() {
        plan.blocked_by = blockers(dirs, &findings, declaration, world);
        if (changed || policy.reload) && plan.blocked_by.is_empty() {
            plan.actions.push((Action::Reload, mended));
        }
    }
    if policy.watchers {
        for finding in findings.iter().filter(|finding| finding.check == Check::WatcherDead) {
            if let Some(unit) = &finding.unit {
                plan.actions.push((Action::StartWatcher(unit.clone()), vec![finding.clone()]));
            }
        }
    }
    for finding in findings.iter().filter(|finding| finding.check == Check::UnitFailed) {
        let verified = |unit: &&UnitName| is_verified_since(dirs, declaration, world, unit);
        if let Some(unit) = finding.unit.as_ref().filter(verified) {
            plan.actions.push((Action::ResetVerified(unit.clone()), vec![finding.clone()]));
        }
    }
    plan
}

/// Whether `unit` is a failed verification of a declared stack, and what was done since has found the stack up; or its
/// failed update, and somebody has gone back since.
fn is_verified_since(dirs: &Dirs, declaration: &Declaration, world: &World, unit: &UnitName) -> bool {
    const VERIFIED: &[&str] = &["verify", "update", "rollback"];
    const GONE_BACK: &[&str] = &["rollback"];
    let stack = declaration.inventory.stacks.keys().find_map(|stack| {
        let verbs = if stack.verify_service() == *unit { VERIFIED } else { GONE_BACK };
        (stack.verify_service() == *unit || stack.update_service() == *unit).then_some((stack, verbs))
    });
    let Some((stack, verbs)) = stack else { return false };
    let loaded = world.units.get(unit).and_then(|seen| seen.loaded.as_ref()?.as_ref().ok());
    let Some(failed) = loaded.and_then(|loaded| loaded.state_change) else { return false };
    records::newest(dirs, stack, verbs).is_some_and(|record| {
        let finished = record.finished.and_then(|finished| humantime::parse_rfc3339(&finished).ok());
        record.outcome.is_some_and(|outcome| outcome.code == 0)
            && finished.is_some_and(|finished| finished > failed.into())
    })
}

/// Whether a finding is about what is loaded, and would end with what is on disk being read.
fn wants_reload(finding: &Finding) -> bool {
    finding.state == State::Loaded
        && matches!(
            finding.check,
            Check::UnitMissing
                | Check::UnitMasked
                | Check::FragmentOwner
                | Check::OverrideControl
                | Check::OverrideTransient
                | Check::DefinitionStale
                | Check::DropInUnexpected
                | Check::OrphanUnit
        )
}

/// What a reload would load although it is not declared, and what it would forget how to stop.
fn blockers(dirs: &Dirs, findings: &[Finding], declaration: &Declaration, world: &World) -> Vec<String> {
    let drifted = findings
        .iter()
        .filter(|finding| finding.state == State::OnDisk && finding.severity == Severity::Page)
        // An env file or a project's name is nothing that a reload would load.
        .filter(|finding| finding.check.is_decisive() || finding.check == Check::DependencyUnexpected)
        .map(|finding| format!("{} of {}", finding.check, finding.object()));
    let abandoned = findings
        .iter()
        .filter(|finding| finding.check == Check::OrphanUnit && finding.state == State::Running)
        .map(|finding| format!("{} of {}", finding.check, finding.object()));
    let unknown = declaration
        .seal_broken(dirs)
        .map(|path| format!("{} of {}", Check::DeclarationInvalid, path.display()));
    let hanging = world.observed.values().filter_map(SeenObserved::fifo);
    let hanging = hanging.map(|path| format!("{}, a FIFO: the manager would hang on it", path.display()));
    let mut blockers: Vec<String> = drifted.chain(abandoned).chain(unknown).chain(hanging).collect();
    blockers.sort();
    blockers.dedup();
    blockers
}

/// Carries one action out.
///
/// # Errors
/// What went wrong, in words for the report: a failed repair does not end the audit.
pub fn act(
    dirs: &Dirs,
    manager: &mut Manager,
    action: &Action,
    reload_deadline: Duration,
) -> Result<(), String> {
    match action {
        Action::RestoreLink { path, target } => artifacts::put_link_back(&Hand::new(dirs), path, target)
            .map(|changes| {
                for change in changes.iter().filter(|change| matches!(change, Change::SetAside { .. })) {
                    tracing::warn!("{change}");
                }
            })
            .map_err(|error| chain(&error)),
        Action::Reload => manager.reload(reload_deadline).map_err(|error| chain(&error)),
        Action::ResetVerified(unit) => manager.reset_failed(unit).map_err(|error| chain(&error)),
        Action::StartWatcher(unit) => {
            // A unit that is not failed cannot be reset, which is no obstacle to starting it.
            drop(manager.reset_failed(unit));
            let result = manager
                .run_job(Verb::Start, unit, JobMode::Replace, BUS_DEADLINE)
                .map_err(|error| chain(&error))?;
            if result.is_success() { Ok(()) } else { Err(format!("{unit}: the start job ended as {result}")) }
        }
    }
}

/// Says, in the findings that a reload would end, what it waits for.
pub(super) fn explain_block(findings: &mut [Finding], blocked_by: &[String]) {
    if blocked_by.is_empty() {
        return;
    }
    let blockers = blocked_by.join(", ");
    for finding in findings.iter_mut().filter(|finding| wants_reload(finding)) {
        finding.next = format!(
            "repair first what a daemon-reload would load too: {blockers}; then: systemctl --user start stack-audit.service"
        );
    }
}
