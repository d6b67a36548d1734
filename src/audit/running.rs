//! What was observed of the stacks themselves: the files that they are made from, and what podman runs. podman is asked
//! twice, for all stacks together, and a few times more when containers go before they are looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime};

use super::declaration::Declaration;
use super::world::World;
use crate::compose::{Compose, Flaw, Hashed};
use crate::dirs::Dirs;
use crate::error::chain;
use crate::exit::Code;
use crate::inventory::{Declared, Host, Inventory, ProviderKind, json_files, stack_of_file};
use crate::lock::{Locked, Peek};
use crate::names::StackName;
use crate::podman::{Container, Inspected, Podman, PodmanError};
use crate::process::Interrupt;
use crate::stack::{Applied, Held, InputChange, StackError, StackState};
use crate::systemd::words::ActiveState;

/// How long the compose provider is asked for hashes, one stack after the other, before the rest is left unknown. Each
/// takes some 0.1 s; the audit's unit has 5 min, of which settling and a reload may take 2.
const HASHES: Duration = Duration::from_secs(60);

/// The stacks, as they were seen.
#[derive(Debug, Default)]
pub struct Stacks {
    /// The declared ones.
    pub declared: BTreeMap<StackName, StackSeen>,
    /// The projects of stacks that were applied and are not declared any more.
    pub forgotten: BTreeMap<StackName, String>,
    /// What podman said.
    pub podman: Asked,
}

/// Who is asked, beside the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Nobody.
    Nobody,
    /// podman.
    Podman,
    /// podman, and compose for the hashes of what it would make.
    Compose,
}

/// What podman said.
#[derive(Debug, Default)]
pub enum Asked {
    /// It was not asked.
    #[default]
    No,
    /// It did not answer.
    Failed {
        /// Why.
        why: String,
        /// The exit code of a program that can do nothing without the answer.
        code: Code,
    },
    /// It did.
    Yes {
        /// When.
        at: SystemTime,
        /// Every container of every project.
        containers: Vec<Container>,
        /// Those that do not simply run, in full, by id.
        inspected: BTreeMap<String, Inspected>,
    },
}

/// One stack.
#[derive(Debug)]
pub struct StackSeen {
    /// Its project, as declared or as it was applied.
    pub project: Option<String>,
    /// What is wrong with its env files.
    pub flaws: Vec<Flaw>,
    /// What it was last applied with; none if it never was.
    pub applied: Result<Option<Applied>, String>,
    /// Why it is not started, if its data must be brought back first.
    pub held: Option<Held>,
    /// What changed of its files since.
    pub changes: Vec<InputChange>,
    /// The config hashes that an apply would give its containers now; none if nobody was asked.
    pub hashes: Option<Result<BTreeMap<String, String>, String>>,
    /// Whether a transaction was under way while it was looked at.
    pub busy: bool,
    /// What compose told of them when it was last applied.
    hashed: Option<Hashed>,
    peek: Option<Peek>,
}

impl Stacks {
    /// Observes the files, and what the others say.
    #[must_use]
    pub fn observe(dirs: &Dirs, declaration: &Declaration, ask: Ask) -> Self {
        let inventory = &declaration.inventory;
        let mut declared: BTreeMap<StackName, StackSeen> = inventory
            .stacks
            .iter()
            .map(|(stack, declared)| (stack.clone(), StackSeen::look(dirs, stack, declared)))
            .collect();
        let forgotten = forgotten(dirs, inventory);
        let podman = if ask != Ask::Nobody && !(declared.is_empty() && forgotten.is_empty()) {
            Asked::ask(dirs, &declaration.host)
        } else {
            Asked::No
        };
        if let (Ask::Compose, Asked::Yes { containers, .. }) = (ask, &podman) {
            ask_hashes(dirs, &declaration.host, inventory, containers, &mut declared);
        }
        Self { declared, forgotten, podman }
    }

    /// The same answers, beside files that have changed meanwhile.
    #[must_use]
    pub(super) fn with_files_of(self, dirs: &Dirs, declaration: &Declaration) -> Self {
        let mut fresh = Self::observe(dirs, declaration, Ask::Nobody);
        for (stack, seen) in &mut fresh.declared {
            if let Some(before) = self.declared.get(stack) {
                // What podman was asked for is of then: a transaction since makes it worthless.
                seen.busy |= before.busy || before.peek != seen.peek;
                seen.hashes.clone_from(&before.hashes);
            }
        }
        Self { podman: self.podman, ..fresh }
    }

    /// Finds the stacks that somebody has worked on since they were looked at.
    pub(super) fn look_again(&mut self, dirs: &Dirs) {
        for (stack, seen) in &mut self.declared {
            let peek = Locked::peek(dirs, stack);
            seen.busy |= peek.held || seen.peek != Some(peek);
        }
    }

    /// The project's declared stack.
    #[must_use]
    pub fn of_project(&self, project: &str) -> Option<&StackName> {
        self.declared
            .iter()
            .find(|(_, seen)| seen.project.as_deref() == Some(project))
            .map(|(stack, _)| stack)
    }
}

impl StackSeen {
    fn look(dirs: &Dirs, stack: &StackName, declared: &Declared) -> Self {
        let peek = Locked::peek(dirs, stack);
        let state = StackState::load_if_any(dirs, stack).map_err(|error| chain(&error));
        let project = declared.entry.compose.project.clone();
        let applied_project = state.as_ref().ok().and_then(|state| Some(state.as_ref()?.project.clone()));
        let held = state.as_ref().ok().and_then(|state| state.as_ref()?.held.clone());
        let hashed = state.as_ref().ok().and_then(|state| state.as_ref()?.hashed.clone());
        let applied = state.map(|state| state.and_then(|state| state.applied));
        let changes = applied
            .as_ref()
            .ok()
            .and_then(Option::as_ref)
            .map_or_else(Vec::new, |applied| applied.changes(&dirs.inventory_file(stack), declared));
        Self {
            project: project.or(applied_project),
            flaws: Flaw::all_of(&declared.entry),
            applied,
            held,
            changes,
            hashes: None,
            busy: peek.held,
            hashed,
            peek: Some(peek),
        }
    }
}

/// The state of stacks that nobody declares any more. One whose entry is there and cannot be read is not forgotten.
fn forgotten(dirs: &Dirs, inventory: &Inventory) -> BTreeMap<StackName, String> {
    let unreadable: BTreeSet<StackName> =
        inventory.broken.keys().filter_map(|path| stack_of_file(path).ok()).collect();
    let paths = json_files(&dirs.state().join("stacks")).unwrap_or_default();
    paths
        .iter()
        .filter_map(|path| stack_of_file(path).ok())
        .filter(|stack| !inventory.stacks.contains_key(stack) && !unreadable.contains(stack))
        .filter(|_| !inventory.broken.contains_key(&dirs.inventory()))
        .filter_map(|stack| Some((stack.clone(), StackState::load_if_any(dirs, &stack).ok()??.project)))
        .collect()
}

impl Asked {
    fn ask(dirs: &Dirs, host: &Host) -> Self {
        match answers(dirs, host) {
            Ok((containers, inspected)) => {
                let inspected = inspected.into_iter().map(|one| (one.id.clone(), one)).collect();
                Self::Yes { at: SystemTime::now(), containers, inspected }
            }
            Err(error) => {
                let why = chain(&error);
                Self::Failed { why, code: StackError::from(error).code() }
            }
        }
    }
}

fn answers(dirs: &Dirs, host: &Host) -> Result<(Vec<Container>, Vec<Inspected>), PodmanError> {
    let podman = Podman::find(dirs, host, &Interrupt::never())?;
    let doubtful = |one: &Container| one.is_of_a_service() && (one.state != "running" || one.is_starting());
    podman.inspect_listed(podman.compose_containers()?, Podman::compose_containers, doubtful)
}

/// Asks docker-compose what it would make of the files of each stack that has containers and whose own files have not
/// changed: what they include may have. podman-compose does not tell.
fn ask_hashes(
    dirs: &Dirs,
    host: &Host,
    inventory: &Inventory,
    containers: &[Container],
    stacks: &mut BTreeMap<StackName, StackSeen>,
) {
    if host.provider.kind != ProviderKind::DockerCompose {
        return;
    }
    let deadline = Instant::now() + HASHES;
    for (stack, seen) in stacks {
        let Ok(Some(_)) = &seen.applied else { continue };
        let runs = |one: &Container| one.is_running() && one.project() == seen.project.as_deref();
        let Some(declared) = inventory.stacks.get(stack) else { continue };
        if !seen.changes.is_empty() || seen.busy || !containers.iter().any(runs) {
            continue;
        }
        seen.hashes = Some(if Instant::now() < deadline {
            hashes(dirs, host, stack, declared, seen.hashed.take())
        } else {
            Err(format!("not asked within {}", humantime::format_duration(HASHES)))
        });
    }
}

fn hashes(
    dirs: &Dirs,
    host: &Host,
    stack: &StackName,
    declared: &Declared,
    known: Option<Hashed>,
) -> Result<BTreeMap<String, String>, String> {
    // Reading the files needs no podman. What is made with the id of a container is not judged by its hash.
    let compose = Compose::new(dirs, host, &host.podman, stack, &declared.entry, &Interrupt::never());
    let hashed = compose.and_then(|mut compose| compose.hashes(&[], known));
    hashed.map(|hashed| hashed.services().clone()).map_err(|error| chain(&error))
}

/// What a stack's unit is doing, as far as its containers are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// They are to run.
    Up,
    /// They are not.
    Down,
    /// It is on its way, or somebody is at work on the stack: nothing can be said at this moment.
    Moving,
    /// The manager does not have it.
    Unknown,
}

impl World {
    /// What the unit of a stack is doing.
    #[must_use]
    pub fn phase(&self, stack: &StackName) -> Phase {
        if self.stacks.declared.get(stack).is_some_and(|seen| seen.busy) {
            return Phase::Moving;
        }
        let loaded = self.units.get(&stack.service()).and_then(|seen| seen.loaded.as_ref());
        let Some(Ok(unit)) = loaded else { return Phase::Unknown };
        match &unit.active_state {
            ActiveState::Active => Phase::Up,
            ActiveState::Inactive | ActiveState::Failed => Phase::Down,
            _ => Phase::Moving,
        }
    }
}
