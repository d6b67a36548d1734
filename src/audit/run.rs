//! One audit from its trigger to its report.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use fs_err as fs;

use super::conclude::{Outcome, conclude, look_back, report, unreachable_manager};
use super::declaration::Declaration;
use super::finding::Finding;
use super::heal::{self, Action};
use super::judge::judge;
use super::known::{Known, Memory};
use super::repairs::Repairs;
use super::report::{Report, Trigger};
use super::running::{Ask, Stacks};
use super::settle::{AUDIT, Looked, Seen};
use super::world::World;
use super::{fingerprint, quiet, state, watches};
use crate::atomic::WriteError;
use crate::digest::Sha256;
use crate::dirs::Dirs;
use crate::error::chain;
use crate::inventory::Host;
use crate::lock::{Alone, LockError};
use crate::names::{StackName, UnitName};
use crate::process::Interrupt;
use crate::systemd::bus::{BUS_DEADLINE, BusError};
use crate::systemd::manager::{JobMode, Manager, Verb};
use crate::systemd::search_path::{DirectoryKind, kind_of_directory};

/// How often an audit observes again because something moved meanwhile. Beyond it the settle unit takes over, so that
/// an endless writer cannot keep one audit from its verdict.
const ROUNDS: u32 = 8;

/// How long an audit waits for another one: longer than one takes with a reload that meets its deadline (90 s), shorter
/// than the unit's own timeout (5 min).
const ANOTHER_AUDIT: Duration = Duration::from_secs(150);

/// What is asked of one audit; by default all that a person's can do without podman.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What started it.
    pub trigger: Trigger,
    /// Plan repairs, make none, and keep no report.
    pub dry_run: bool,
    /// Files of ours were just changed: reload, if it is safe, whatever the findings say.
    pub changed: bool,
    /// Ask podman what runs. An audit that a file change started does not: it carries on what was found last.
    pub podman: bool,
    /// Report these stacks only; all if empty.
    pub stacks: BTreeSet<StackName>,
}

impl Options {
    /// Whether the report is the host's last word: not that of an audit of some stacks, or of one that only looked.
    fn is_last_word(&self) -> bool {
        !self.dry_run && self.stacks.is_empty()
    }
}

impl Trigger {
    /// From `$TRIGGER_UNIT`, which systemd 252 and later set for a service that a path or timer unit started
    /// (systemd.exec(5)).
    #[must_use]
    pub fn from_env() -> Self {
        Self::of(std::env::var("TRIGGER_UNIT").ok().and_then(|name| UnitName::parse(&name).ok()).as_ref())
    }

    /// By the unit that triggered the service.
    fn of(unit: Option<&UnitName>) -> Self {
        match unit.map(UnitName::unit_type) {
            Some("path") => Self::Path,
            Some("timer") => Self::Timer,
            _ => Self::Manual,
        }
    }
}

/// An audit that has come to its verdict. Others wait until this is dropped.
#[derive(Debug)]
pub struct Audit {
    /// What it found and did.
    pub report: Report,
    repairs: Repairs,
    is_last_word: bool,
    looked: Option<Looked>,
    known: Option<Known>,
    last: Option<Seen>,
    _alone: Option<Alone>,
}

/// Audits: settles, observes, judges, heals, observes again.
///
/// # Errors
/// Another audit is running and does not end.
pub fn audit(dirs: &Dirs, options: &Options) -> Result<Audit, LockError> {
    let started = SystemTime::now();
    let mut notes = Vec::new();
    // One that cannot be read is a finding of the whole declaration, below.
    let host = Host::load_or_default(dirs).unwrap_or_default();
    let mut manager = Manager::connect(dirs, host.bus_deadline.duration());
    let trigger = match (&options.trigger, &manager) {
        _ if is_of_a_unit() && Seen::asked_again(Seen::load_last(dirs).as_ref()) => Trigger::Path,
        (Trigger::Manual, _) | (_, Err(_)) => options.trigger,
        (seemingly, Ok(manager)) => triggered(manager, *seemingly),
    };
    // The settle unit has waited already.
    if trigger == Trigger::Path && options.trigger == Trigger::Path {
        quiet::wait(&watched(dirs));
    }
    let mut alone = None;
    if !options.dry_run {
        alone = take_turn(dirs, &mut notes)?;
        notes.extend(Seen::set_damaged_aside(dirs).err());
    }
    let carried = last_report(dirs, options, &mut notes);
    let declaring = fingerprint::take(&declaring(dirs));
    let mut declaration = Declaration::load(dirs);
    if !options.dry_run && declaration.seals.shipped.is_some() {
        notes.extend(make_watched(dirs));
    }
    // Only once in an audit, however often it looks at the units.
    let ask = options.podman && trigger != Trigger::Path && manager.is_ok();
    let mut work = Work { dirs, options, ask, carried, declaring, last: Seen::load_last(dirs), notes };
    let outcome = match &mut manager {
        Ok(manager) => work.rounds(manager, &mut declaration),
        Err(error) => Err(error.clone()),
    };
    let (mut outcome, looked, known) = match outcome {
        Ok((outcome, looked, known)) => (outcome, Some(looked), known),
        Err(error) => {
            let carried = work.carried.as_ref();
            (unreachable_manager(dirs, &declaration, &error, carried), None, None)
        }
    };
    let Work { last, mut notes, .. } = work;
    // What a command has just changed needs a reload: that is no repair.
    let counts = !options.dry_run && !options.changed;
    let repairs = look_back(dirs, counts, &declaration, &mut outcome, &mut notes);
    let report = report(options, trigger, started, &declaration, outcome, notes);
    Ok(Audit { report, repairs, is_last_word: options.is_last_word(), looked, known, last, _alone: alone })
}

impl Audit {
    /// Keeps the report as the host's last word, if it is that, and only then leaves for the last look that the audit is
    /// complete: otherwise a report that was never kept would count.
    ///
    /// # Errors
    /// The state directory or the runtime directory cannot be written.
    pub fn keep(&self, dirs: &Dirs) -> Result<(), WriteError> {
        if !self.is_last_word {
            return Ok(());
        }
        state::store(dirs, &self.report, &self.repairs)?;
        if let Some(looked) = &self.looked {
            Seen::leave(dirs, self.last.as_ref(), looked, true)?;
        }
        self.known.as_ref().map_or(Ok(()), |known| known.leave(dirs))
    }
}

/// Whether systemd has started this very process (`$SYSTEMD_EXEC_PID`, systemd.exec(5), since 248): what the settle unit
/// has asked for is not what a person asks for meanwhile.
fn is_of_a_unit() -> bool {
    std::env::var("SYSTEMD_EXEC_PID").is_ok_and(|pid| pid == std::process::id().to_string())
}

/// Waits for another audit to end: two at once would repair each other's work, and the older could have the last word.
/// Where no lock can be made there is one audit after the other at most, and the report says why.
fn take_turn(dirs: &Dirs, notes: &mut Vec<String>) -> Result<Option<Alone>, LockError> {
    match Alone::take(dirs, LOCK, "audit", ANOTHER_AUDIT, &Interrupt::never()) {
        Ok(alone) => Ok(Some(alone)),
        Err(error @ LockError::Io { .. }) => {
            notes.push(chain(&error));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// What audits and the last look lock.
pub(super) const LOCK: &str = "audit";

/// What started this run, if a path or timer unit seems to have: the variable of an earlier run is still there when a
/// person starts the service, so the manager is asked whose job this is. (That the path unit is `running` meanwhile is
/// no proof: the end of the run before can put it back to `waiting`.) Without an answer the variable counts.
fn triggered(manager: &Manager, seemingly: Trigger) -> Trigger {
    let Ok(unit) = UnitName::parse(AUDIT) else { return seemingly };
    manager.job_trigger(&unit).map_or(seemingly, |trigger| Trigger::of(trigger.as_ref()))
}

/// The last report, for what is carried on of it. A damaged one is told of and, unless this run only looks, set aside.
fn last_report(dirs: &Dirs, options: &Options, notes: &mut Vec<String>) -> Option<Report> {
    if options.dry_run {
        return state::last(dirs).ok();
    }
    state::last_report(dirs).unwrap_or_else(|problem| {
        notes.push(problem);
        None
    })
}

/// What an audit works with.
struct Work<'a> {
    dirs: &'a Dirs,
    options: &'a Options,
    ask: bool,
    carried: Option<Report>,
    /// The files of the declaration, as they were before it was read.
    declaring: Sha256,
    last: Option<Seen>,
    notes: Vec<String>,
}

impl Work<'_> {
    /// Observes and heals until nothing moves.
    fn rounds(
        &mut self,
        manager: &mut Manager,
        declaration: &mut Declaration,
    ) -> Result<(Outcome, Looked, Option<Known>), BusError> {
        let dry_run = self.options.dry_run;
        let mut done: Vec<(Action, Vec<Finding>)> = Vec::new();
        let mut directories = directories(self.dirs, &manager.state()?.unit_path);
        let mut reload_failed = false;
        let mut reloaded = self.last.as_ref().and_then(Seen::reloaded);
        let mut round = 0;
        let mut known = Known::load_last(self.dirs);
        let mut stacks =
            Stacks::observe(self.dirs, declaration, if self.ask { Ask::Compose } else { Ask::Nobody });
        loop {
            round += 1;
            let before = fingerprint::take(&directories);
            let looked = Looked {
                fingerprint: before,
                directories: directories.clone(),
                reloaded: reloaded == Some(before),
            };
            self.leave(&looked);
            // What was declared anew since it was read, while podman was asked, say, would be missed from now on.
            if fingerprint::take(&declaring(self.dirs)) != self.declaring {
                stacks = self.read_again(declaration, stacks);
            }
            let memory = Memory { fingerprint: before, known };
            let world = World::observe_with(self.dirs, declaration, manager, stacks, Some(&memory))?;
            let judgement = judge(self.dirs, declaration, &world);
            let changed = self.options.changed && done.is_empty();
            let mut plan = heal::plan(self.dirs, &judgement, declaration, &world, changed);
            // A reload over this very picture of the disk ended none of these findings: another would not either.
            let in_vain = |findings: &[Finding]| reloaded == Some(before) && self.are_known(findings);
            plan.actions
                .retain(|(action, findings)| *action != Action::Reload || changed || !in_vain(findings));
            let mut watches_moved = false;
            if !dry_run {
                watches_moved = self.watch(manager, &world, &judgement.watches);
                // Each action once, unless what it is about has changed since.
                plan.actions.retain(|(action, _)| {
                    let repeated = done.iter().any(|(earlier, _)| earlier == action);
                    !repeated || (*action == Action::Reload && !reload_failed && reloaded != Some(before))
                });
                for (action, findings) in &plan.actions {
                    // What has come since the picture was taken would be loaded, too, and nobody has judged it.
                    let overtaken = || round < ROUNDS && fingerprint::take(&directories) != before;
                    if *action == Action::Reload && overtaken() {
                        continue;
                    }
                    match heal::act(self.dirs, manager, action, declaration.host.reload_deadline.duration()) {
                        Ok(()) => {
                            if *action == Action::Reload {
                                reloaded = Some(before);
                            }
                            done.push((action.clone(), findings.clone()));
                        }
                        Err(problem) => {
                            reload_failed |= *action == Action::Reload;
                            self.notes.push(format!("cannot {action}: {problem}"));
                            done.push((action.clone(), Vec::new()));
                        }
                    }
                }
            }
            // A daemon-reload of somebody else's changes what is loaded and no file.
            let moved = fingerprint::take(&directories) != before
                || manager.state()?.units_load != world.answers.manager.units_load;
            let acted = watches_moved || (!plan.actions.is_empty() && !dry_run);
            if round < ROUNDS && (acted || moved) {
                directories = self::directories(self.dirs, &world.answers.manager.unit_path);
                stacks = self.read_again(declaration, world.stacks);
                known = memory.known;
                continue;
            }
            if dry_run {
                done = plan.actions;
            }
            let known =
                if acted || moved { None } else { Known::of(&world, &judgement, memory.known.as_ref()) };
            let carried = self.carried.as_ref();
            let outcome = conclude(judgement, &world, declaration, done, plan.blocked_by, carried, dry_run);
            return Ok((outcome, looked, known));
        }
    }

    /// Reads the declaration again, and the files of the stacks that it declares.
    fn read_again(&mut self, declaration: &mut Declaration, stacks: Stacks) -> Stacks {
        self.declaring = fingerprint::take(&declaring(self.dirs));
        *declaration = Declaration::load(self.dirs);
        stacks.with_files_of(self.dirs, declaration)
    }

    /// Whether the last report had all of these findings, in the same words.
    fn are_known(&self, findings: &[Finding]) -> bool {
        let Some(last) = &self.carried else { return false };
        findings.iter().all(|finding| last.findings.iter().any(|known| known.is_same(finding)))
    }

    /// Leaves for the last look what this audit is about to observe.
    fn leave(&mut self, looked: &Looked) {
        if !self.options.is_last_word() {
            return;
        }
        if let Err(error) = Seen::leave(self.dirs, self.last.as_ref(), looked, false) {
            let note = chain(&error);
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
    }

    /// Starts and stops watches of drop-in directories. Each is armed when its start job has ended, and so before the
    /// directories are compared with what was observed. Says whether one has failed, or works again, since then.
    fn watch(&mut self, manager: &mut Manager, world: &World, plan: &watches::Plan) -> bool {
        let jobs = plan
            .start
            .iter()
            .map(|unit| (Verb::Start, unit))
            .chain(plan.stop.iter().map(|unit| (Verb::Stop, unit)));
        let mut moved = false;
        for (verb, unit) in jobs {
            let had_failed = watches::has_failed(world, unit);
            match manager.run_job(verb, unit, JobMode::Replace, BUS_DEADLINE) {
                Ok(result) if result.is_success() => moved |= had_failed,
                // The next observation finds it failed.
                Ok(_) if verb == Verb::Start && !had_failed => moved = true,
                Ok(_) if verb == Verb::Start => {}
                Ok(result) => self.notes.push(format!(
                    "{unit}: the {} job ended as {result}; next: systemctl --user status {unit}",
                    verb.as_str()
                )),
                Err(error) => self.notes.push(chain(&error)),
            }
        }
        moved
    }
}

/// The directories that the fingerprint covers: the search path without what each reload makes anew, inventory, seals
/// and the directory of the host configuration.
fn directories(dirs: &Dirs, unit_path: &[PathBuf]) -> BTreeSet<PathBuf> {
    let generated = |directory: &PathBuf| {
        matches!(
            kind_of_directory(directory, dirs),
            DirectoryKind::Generator | DirectoryKind::GeneratorEarly | DirectoryKind::GeneratorLate
        )
    };
    let mut all: BTreeSet<PathBuf> =
        unit_path.iter().filter(|directory| !generated(directory)).cloned().collect();
    all.extend(declaring(dirs));
    all
}

/// The directories of inventory, seals and the host configuration.
fn declaring(dirs: &Dirs) -> BTreeSet<PathBuf> {
    let host = dirs.host_config_file().parent().map(ToOwned::to_owned);
    [dirs.inventory(), dirs.seals(), dirs.observed()].into_iter().chain(host).collect()
}

/// The user's own directories that stack-audit.path watches.
fn watched(dirs: &Dirs) -> Vec<PathBuf> {
    vec![
        dirs.owner(),
        dirs.owner().join("service.d"),
        dirs.config_home.join("systemd/user.control"),
        dirs.runtime.join("systemd/user"),
        dirs.runtime.join("systemd/user.control"),
        dirs.runtime.join("systemd/transient"),
        dirs.inventory(),
        dirs.seals(),
    ]
}

/// Makes the watched directories that have been removed since the path unit made them, and tells of those that cannot
/// be made. It is not armed again before this audit ends, and then watches the parents of none: an event there would
/// make it forget those of the other directories that it has not read yet.
fn make_watched(dirs: &Dirs) -> Vec<String> {
    watched(dirs)
        .iter()
        .filter_map(|directory| fs::create_dir_all(directory).err())
        .map(|e| chain(&e))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn what_is_watched_is_what_the_path_unit_says() {
        let dirs = Dirs::below(Path::new("/home/me"));
        let in_unit: BTreeSet<PathBuf> = include_str!("../../units/stack-audit.path")
            .lines()
            .filter_map(|line| line.strip_prefix("PathChanged="))
            .map(|path| path.replace("%E", "/home/me/.config").replace("%t", "/home/me/run"))
            .map(PathBuf::from)
            .collect();
        let mut here = BTreeSet::from_iter(watched(&dirs));
        here.insert("/etc/systemd/user".into());
        assert_eq!(here, in_unit);
    }
}
