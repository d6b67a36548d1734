//! Failed units, as the manager has them now: the last audit may be a quarter of an hour old.

use std::collections::{BTreeMap, BTreeSet};

use super::problem::Problem;
use crate::audit::{ALERTS, Check, Declaration, Finding, State, failure, with_instances};
use crate::dirs::Dirs;
use crate::error::part_next;
use crate::exit::Code;
use crate::names::{StackName, UnitName};
use crate::records;
use crate::systemd::bus::BusError;
use crate::systemd::loaded::{Detail, LoadedUnit};
use crate::systemd::manager::Manager;
use crate::systemd::words::ActiveState;
use crate::update::orchestrator::{self, ORCHESTRATOR};

/// The auditor.
const AUDITOR: &str = "stack-audit.service";

/// The auditor's verdicts: with these it has done its work, and its findings tell more than its failure.
const VERDICTS: &[Code] = &[Code::Unreachable, Code::Refused, Code::Configuration, Code::Page];

/// A unit that is failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The stack that it belongs to.
    pub stack: Option<StackName>,
    /// How and since when, in words.
    pub how: String,
    /// The code that its program ended with, if that is what failed it and it is one of ours.
    pub code: Option<Code>,
    /// The run that failed.
    pub run: Option<String>,
    /// What its program said of that in the record of the transaction.
    pub why: Option<String>,
}

impl Failed {
    fn new(stack: Option<StackName>, unit: &LoadedUnit, ours: bool) -> Self {
        let exited = unit.result.as_deref() == Some("exit-code");
        let status = unit.exec_main_status.filter(|_| ours && exited);
        let code = status.and_then(Code::of);
        Self { stack, how: failure(unit), code, run: unit.invocation_id.clone(), why: None }
    }

    /// What is wrong, and what to type next, as far as its program said so.
    fn said(&self) -> (Option<&str>, Option<&str>) {
        self.why.as_deref().map(part_next).map_or((None, None), |(what, next)| (Some(what), next))
    }
}

/// What the manager says of our units.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// The failed ones.
    pub failed: BTreeMap<UnitName, Failed>,
    /// The failed ones that send alerts.
    pub failed_alerts: Vec<UnitName>,
    /// The state of every unit that the manager has in memory, in its word.
    pub states: BTreeMap<UnitName, String>,
    /// The units that are starting, stopping or reloading.
    pub moving: BTreeSet<UnitName>,
    /// Whether an update run is going on.
    pub updating: bool,
}

/// Whether it is an update unit, or the one that runs them.
pub(super) fn is_update(unit: &UnitName) -> bool {
    unit.as_str() == ORCHESTRATOR || unit.as_str().ends_with("-update.service")
}

impl Observed {
    /// Asks for our units, and for `others`: what somebody else's unit has in its `OnFailure=`, and what was told
    /// before.
    ///
    /// # Errors
    /// The manager does not answer.
    pub fn ask(manager: &Manager, declaration: &Declaration, others: &[UnitName]) -> Result<Self, BusError> {
        let listed = manager.loaded_units()?;
        let ours = with_instances(declaration, &listed);
        let is_alert = |unit: &UnitName| unit.template().is_some_and(|t| t.as_str() == ALERTS);
        let (failed_alerts, failed): (Vec<UnitName>, Vec<UnitName>) = listed
            .units
            .iter()
            .filter(|(name, unit)| {
                unit.active_state == ActiveState::Failed
                    && (ours.contains_key(*name) || others.contains(name) || is_alert(name))
            })
            .map(|(name, _)| name.clone())
            .partition(is_alert);
        let rests = |unit: &ActiveState| {
            matches!(unit, ActiveState::Active | ActiveState::Inactive | ActiveState::Failed)
        };
        let mut observed = Self {
            failed_alerts,
            moving: listed
                .units
                .iter()
                .filter(|(_, unit)| !rests(&unit.active_state))
                .map(|(name, _)| name.clone())
                .collect(),
            updating: listed.units.iter().any(|(name, unit)| {
                name.as_str() == ORCHESTRATOR && unit.active_state == ActiveState::Activating
            }),
            ..Self::default()
        };
        for (name, loaded) in manager.observe(&failed, Detail::Settings) {
            let stack = ours.get(&name).and_then(|unit| unit.stack.clone());
            // The stack of an instance of a shipped template is its instance.
            let stack = stack.or_else(|| StackName::parse(name.instance()?).ok());
            let loaded = loaded?;
            // It may have been started again since it was listed, and then says nothing of how it failed.
            if loaded.active_state == ActiveState::Failed {
                let failed = Failed::new(stack, &loaded, ours.contains_key(&name));
                observed.failed.insert(name, failed);
            }
        }
        observed.states =
            listed.units.into_iter().map(|(name, unit)| (name, unit.active_state.to_string())).collect();
        Ok(observed)
    }

    /// Adds what the failed units have said in their records. A record with another exit code is of another run.
    pub fn recall(&mut self, dirs: &Dirs) {
        for (name, unit) in &mut self.failed {
            let Some(record) =
                unit.stack.as_ref().and_then(|stack| records::newest_of_unit(dirs, stack, name))
            else {
                continue;
            };
            let said =
                record.outcome.filter(|outcome| unit.code.is_some_and(|it| it.number() == outcome.code));
            unit.why = said.map(|outcome| outcome.message);
        }
    }

    /// The problems that failed units are. The update units of a failed run are one problem with it, and while a run
    /// goes on they are none yet. `run` is what the last run said of itself.
    #[must_use]
    pub fn problems(&self, run: Option<&orchestrator::Report>) -> Vec<Problem> {
        let (updates, others): (Vec<_>, Vec<_>) = self.failed.iter().partition(|(name, _)| is_update(name));
        let mut problems: Vec<Problem> =
            others.into_iter().filter(|(name, unit)| !is_verdict(name, unit)).map(one).collect();
        if self.updating {
            return problems;
        }
        match updates.iter().find(|(name, _)| name.as_str() == ORCHESTRATOR) {
            None => problems.extend(updates.into_iter().map(one)),
            Some((name, unit)) => problems.push(failed_run(name, unit, run)),
        }
        problems
    }
}

fn is_verdict(name: &UnitName, unit: &Failed) -> bool {
    name.as_str() == AUDITOR && unit.code.is_some_and(|code| VERDICTS.contains(&code))
}

fn one((name, unit): (&UnitName, &Failed)) -> Problem {
    let next = match (unit.said().1, name.unit_type()) {
        (Some(next), _) => next.to_owned(),
        (None, "service") => format!("journalctl --user -u {name} -n 50"),
        (None, _) => format!("systemctl --user status {name}"),
    };
    Problem::of(
        &Finding::broken(Check::UnitFailed, State::Loaded)
            .about(name, unit.stack.as_ref())
            .expected("a unit that is not failed", told(unit))
            .next(next),
    )
}

fn told(unit: &Failed) -> String {
    let meaning = unit.code.map_or_else(String::new, |code| format!(" ({})", code.meaning_of_a_verb()));
    let why = unit.said().0.map_or_else(String::new, |why| format!(": {why}"));
    format!("{}{meaning}{why}", unit.how)
}

/// A failed run of the orchestrator, with what it said of the stacks. Only a run that came to its end has said something:
/// what an earlier one said is of no interest.
fn failed_run(name: &UnitName, unit: &Failed, run: Option<&orchestrator::Report>) -> Problem {
    let said = run.filter(|run| unit.code == Some(run.code()));
    let stacks = said.into_iter().flat_map(|run| &run.stacks);
    let failed: Vec<_> = stacks.filter(|(_, report)| report.verdict.is_failure()).collect();
    let broken: Vec<_> = said.into_iter().flat_map(|run| run.broken.values()).collect();
    let next = match failed[..] {
        // More than one have more than one way on.
        [(_, only)] if broken.is_empty() && !only.next.is_empty() => only.next.clone(),
        _ => format!("journalctl --user -u {name} -n 50; stackctl history"),
    };
    let failed = failed
        .into_iter()
        .map(|(stack, report)| format!("; {stack}: {}: {}", report.verdict.word(), report.message));
    let broken = broken.into_iter().map(|why| format!("; not updated: {why}"));
    let seen: String = std::iter::once(told(unit)).chain(failed).chain(broken).collect();
    let finding = Finding::broken(Check::UnitFailed, State::Loaded)
        .about(name, None)
        .expected("an update run in which no update failed", seen)
        .next(next);
    Problem { run: unit.run.clone(), ..Problem::of(&finding) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn failed(name: &str, status: u8) -> (UnitName, Failed) {
        let unit = Failed {
            stack: None,
            how: format!("failed: exit-code, exit status {status}"),
            code: Code::of(status),
            run: Some("run".to_owned()),
            why: (status == 80).then(|| "stack web is not up; next: podman logs web".to_owned()),
        };
        (UnitName::parse(name).unwrap(), unit)
    }

    fn problems(units: &[(&str, u8)], updating: bool) -> Vec<(String, String)> {
        problems_of(units, updating, &json!({ "/x/c.json": "c.json is empty" }))
    }

    fn problems_of(
        units: &[(&str, u8)],
        updating: bool,
        broken: &serde_json::Value,
    ) -> Vec<(String, String)> {
        let failed = units.iter().map(|(name, status)| failed(name, *status)).collect();
        let observed = Observed { failed, updating, ..Observed::default() };
        let run = json!({
            "version": 1, "started": "", "finished": "", "concurrency": 2, "interrupted": false,
            "broken": broken,
            "stacks": {
                "a": { "verdict": "rolled-back", "message": "not healthy", "images": [], "milliseconds": 1, "next": "stackctl history a" },
                "b": { "verdict": "updated", "message": "new", "images": [], "milliseconds": 1, "next": "" },
            }
        });
        let run = serde_json::from_value(run).unwrap();
        let problems = observed.problems(Some(&run));
        problems.into_iter().map(|problem| (problem.object, problem.text)).collect()
    }

    #[test]
    fn a_failed_unit_says_what_its_exit_status_means() {
        let [(object, text)] = &problems(&[("web.service", 78)], false)[..] else { panic!() };
        assert_eq!(object, "web.service");
        assert_eq!(
            text,
            "web.service: unit-failed: expected a unit that is not failed, saw failed: exit-code, exit status 78 \
             (the inventory, or preflight, refused); next: journalctl --user -u web.service -n 50"
        );
    }

    #[test]
    fn a_failed_unit_says_what_its_record_does() {
        let [(_, text)] = &problems(&[("web.service", 80)], false)[..] else { panic!() };
        assert!(text.contains("exit status 80 ("), "{text}");
        assert!(text.ends_with("): stack web is not up; next: podman logs web"), "{text}");
    }

    #[test]
    fn a_verdict_of_the_auditor_is_no_failure_of_its_own() {
        assert_eq!(problems(&[("stack-audit.service", 79)], false), []);
        assert_eq!(problems(&[("stack-audit.service", 1)], false).len(), 1);
    }

    #[test]
    fn a_failed_update_run_is_one_problem() {
        let run = [("a-update.service", 81), ("b-update.service", 82), ("stack-update.service", 83)];
        let [(object, text)] = &problems(&run, false)[..] else { panic!() };
        assert_eq!(object, "stack-update.service");
        let said = "; a: rolled back: not healthy; not updated: c.json is empty; next: journalctl ";
        assert!(text.contains(said), "{text}");
        let [(_, text)] = &problems_of(&run, false, &json!({}))[..] else { panic!() };
        assert!(text.ends_with("; a: rolled back: not healthy; next: stackctl history a"), "{text}");
        assert_eq!(problems(&run, true), [], "the run goes on");
        assert_eq!(problems(&run[..2], false).len(), 2, "each was started by hand");
        assert_eq!(problems(&run[2..], false).len(), 1, "what never started has no failed unit");
        let [(_, text)] = &problems(&[("stack-update.service", 70)], false)[..] else { panic!() };
        assert!(!text.contains("rolled back"), "an earlier run said so: {text}");
    }
}
