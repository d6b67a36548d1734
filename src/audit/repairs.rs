//! `repairs.json`: how often what was put right, and drift-repeated. A repair that does not last says that somebody
//! else owns the thing too. The published form is `docs/schema/repairs.schema.json`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::check::Check;
use super::declaration::Declaration;
use super::finding::{Finding, State, Verdicts};
use super::report::Healed;
use super::state::load_or_set_aside;
use crate::artifacts::Change;
use crate::atomic::WriteError;
use crate::dirs::Dirs;
use crate::document::Document;
use crate::names::{StackName, UnitName};
use crate::records::timestamp;

/// How far back repairs count.
const WINDOW: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How many repairs of the same definition of one unit within [`WINDOW`] are no accident.
const REPEATED: usize = 3;

/// Repairs of one unit in so short a time are steps of the same: its file is put back, then the manager reloads.
const STEP: Duration = Duration::from_secs(5 * 60);

/// How many repairs are kept: far more than anybody reads, far below what a file may hold.
const KEPT: usize = 1000;

/// One repair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repair {
    /// When; RFC 3339, UTC.
    pub time: String,
    /// The unit that was repaired: its file, its link, or what the manager has of it.
    pub unit: UnitName,
    /// The token of its definition then. A new definition begins a new count: it had to be loaded.
    pub token: String,
    /// What was done.
    pub action: String,
}

/// What was repaired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repairs {
    /// Version of this file's form.
    pub version: u32,
    /// How many findings the auditor has ended, by check, since this file was begun.
    pub totals: BTreeMap<Check, u64>,
    /// The repairs of the last seven days, the oldest first.
    pub history: Vec<Repair>,
}

impl Document for Repairs {
    const KIND: &'static str = "repair history";
    const VERSION: u32 = 1;
}

impl Default for Repairs {
    fn default() -> Self {
        Self { version: Self::VERSION, totals: BTreeMap::new(), history: Vec::new() }
    }
}

impl Repairs {
    fn path(dirs: &Dirs) -> PathBuf {
        dirs.state().join("repairs.json")
    }

    /// Reads the history, and leaves a damaged one to the next audit.
    pub(super) fn peek(dirs: &Dirs) -> Self {
        Self::load(&Self::path(dirs)).unwrap_or_default()
    }

    /// Reads the history; a damaged one is set aside, and told of in the note.
    pub(super) fn load_last(dirs: &Dirs) -> (Self, Option<String>) {
        match load_or_set_aside(dirs, &Self::path(dirs)) {
            Ok(history) => (history.unwrap_or_default(), None),
            Err(note) => (Self::default(), Some(note)),
        }
    }

    /// Adds what an audit has healed; says whether there was anything.
    pub(super) fn add(&mut self, healed: &[Healed], declaration: &Declaration, now: SystemTime) -> bool {
        for (action, finding) in
            healed.iter().flat_map(|healed| healed.findings.iter().map(move |finding| (healed, finding)))
        {
            *self.totals.entry(finding.check).or_default() += 1;
            if let Some(unit) = &finding.unit {
                self.note(unit, &action.action, declaration, now);
            }
        }
        !healed.is_empty()
    }

    fn note(&mut self, unit: &UnitName, action: &str, declaration: &Declaration, now: SystemTime) {
        let sealed = declaration
            .units
            .get(unit)
            .or_else(|| unit.template().and_then(|template| declaration.units.get(&template)));
        let Some(sealed) = sealed else { return };
        let token = sealed.sealed.token.clone();
        let step = self.history.iter().any(|repair| {
            repair.unit == *unit && repair.token == token && repair.age(now).is_some_and(|age| age < STEP)
        });
        if !step {
            self.history.push(Repair {
                time: timestamp(now),
                unit: unit.clone(),
                token,
                action: action.to_owned(),
            });
        }
        // What a clock that jumped back has left in the future is no week old.
        self.history.retain(|repair| repair.age(now).is_some_and(|age| age < WINDOW));
        let surplus = self.history.len().saturating_sub(KEPT);
        self.history.drain(..surplus);
    }

    /// drift-repeated, of each definition that was repaired lately.
    pub(super) fn judge(&self, declaration: &Declaration, now: SystemTime, verdicts: &mut Verdicts) {
        let mut repeated: BTreeMap<(&UnitName, &str), Vec<&Repair>> = BTreeMap::new();
        for repair in self.history.iter().filter(|repair| repair.age(now).is_some_and(|age| age < WINDOW)) {
            repeated.entry((&repair.unit, &repair.token)).or_default().push(repair);
        }
        for ((unit, _), repairs) in repeated {
            let finding = repairs.last().filter(|_| repairs.len() >= REPEATED).map(|last| {
                let stack: Option<&StackName> =
                    declaration.units.get(unit).and_then(|unit| unit.stack.as_ref());
                let seen = format!(
                    "repaired {} times in seven days, last at {} by {}",
                    repairs.len(),
                    last.time,
                    last.action
                );
                Finding::broken(Check::DriftRepeated, State::OnDisk)
                    .about(unit, stack)
                    .expected("a unit that stays as it is declared", seen)
                    .next(format!(
                        "find out who else changes it: stackctl explain {unit}; journalctl --user STACKWARDEN_UNIT={unit} -n 50"
                    ))
            });
            verdicts.record(Check::DriftRepeated, finding);
        }
    }

    pub(super) fn store_last(&self, dirs: &Dirs) -> Result<(), WriteError> {
        self.store(&Self::path(dirs))
    }
}

impl Repair {
    /// None for a repair in the future.
    fn age(&self, now: SystemTime) -> Option<Duration> {
        now.duration_since(humantime::parse_rfc3339(&self.time).ok()?).ok()
    }
}

/// Notes what a person has repaired: the unit files and links that were written.
///
/// # Errors
/// The state directory cannot be written.
pub fn repaired(dirs: &Dirs, changes: &[Change]) -> Result<(), WriteError> {
    let owner = dirs.owner();
    let declaration = Declaration::load(dirs);
    let (mut repairs, note) = Repairs::load_last(dirs);
    if let Some(note) = note {
        tracing::warn!("{note}");
    }
    let written = changes.iter().filter_map(|change| match change {
        Change::Wrote(path) if path.starts_with(&owner) => UnitName::parse(path.file_name()?.to_str()?).ok(),
        _ => None,
    });
    let before = repairs.history.len();
    for unit in written {
        repairs.note(&unit, "stackctl repair", &declaration, SystemTime::now());
    }
    if repairs.history.len() == before { Ok(()) } else { repairs.store_last(dirs) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::declaration::DeclaredUnit;
    use crate::seal::SealedUnit;
    use crate::systemd::settings::assignments::Assignments;

    fn at(hours: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_770_000_000 + hours * 3600)
    }

    fn declared(unit: &UnitName, token: &str) -> Declaration {
        let home = tempfile::tempdir().unwrap();
        let mut declaration = Declaration::load(&Dirs::below(home.path()));
        let sealed = SealedUnit {
            token: token.to_owned(),
            sha256: crate::digest::Sha256::of(b""),
            link: None,
            enabled_by: Vec::new(),
            settings: Assignments::default(),
        };
        declaration.units.insert(
            unit.clone(),
            DeclaredUnit {
                sealed: sealed.into(),
                stack: None,
                allowed_drop_ins: None,
                sealed_as_template: false,
            },
        );
        declaration
    }

    fn healed(unit: &UnitName) -> Vec<Healed> {
        let finding = |check| Finding::broken(check, State::Loaded).about(unit, None);
        vec![Healed {
            action: "daemon-reload".to_owned(),
            findings: vec![finding(Check::DefinitionStale), finding(Check::FragmentOwner)],
        }]
    }

    /// The hours of the repairs, the tokens then, and the hour of the judgement.
    fn found(repairs_at: &[(u64, &str)], now: u64) -> Vec<String> {
        let unit = UnitName::parse("web.service").unwrap();
        let mut repairs = Repairs::default();
        for (hour, token) in repairs_at {
            assert!(repairs.add(&healed(&unit), &declared(&unit, token), at(*hour)));
        }
        let mut verdicts = Verdicts::default();
        repairs.judge(&declared(&unit, "t"), at(now), &mut verdicts);
        verdicts.findings.into_iter().map(|finding| finding.seen).collect()
    }

    #[test]
    fn three_repairs_of_one_definition_in_seven_days_are_no_accident() {
        assert_eq!(found(&[(0, "t"), (30, "t")], 60), [] as [&str; 0]);
        assert_eq!(
            found(&[(0, "t"), (30, "t"), (60, "t")], 60),
            ["repaired 3 times in seven days, last at 2026-02-04T14:40:00.000Z by daemon-reload"]
        );
        assert_eq!(
            found(&[(0, "t"), (30, "t"), (60, "t")], 7 * 24),
            [] as [&str; 0],
            "the first is a week old"
        );
        assert_eq!(found(&[(0, "a"), (30, "b"), (60, "c")], 60), [] as [&str; 0], "each was declared anew");
        assert_eq!(found(&[(0, "t"), (0, "t"), (0, "t")], 1), [] as [&str; 0], "steps of one repair");
    }

    #[test]
    fn totals_grow_by_check_and_history_does_not_grow_for_ever() {
        let unit = UnitName::parse("web.service").unwrap();
        let mut repairs = Repairs::default();
        for hour in 0..1000 {
            repairs.add(&healed(&unit), &declared(&unit, "t"), at(hour));
        }
        assert_eq!(
            repairs.totals,
            BTreeMap::from([(Check::FragmentOwner, 1000), (Check::DefinitionStale, 1000)])
        );
        assert_eq!(repairs.history.len(), 7 * 24);
    }
}
