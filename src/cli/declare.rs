//! The verbs that declare: they change inventory, units and seals, and then let the auditor look.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::output;
use crate::artifacts::Change;
use crate::audit::settle::{LastLook, last_look};
use crate::audit::{self, Options, Report, Trigger};
use crate::compose::ComposeError;
use crate::dirs::Dirs;
use crate::error::{Error, chain};
use crate::exit::Code;
use crate::install;
use crate::inventory::{Entry, EnvFile, Host, Inventory, Timespan, VerifyMode};
use crate::names::{StackName, UnitName};
use crate::render::{self, Programs};
use crate::stack::{self, Context, StackError, add};
use crate::systemd::bus::BUS_DEADLINE;
use crate::systemd::loaded::Detail;
use crate::systemd::manager::{JobMode, Manager, Verb as JobVerb};
use crate::systemd::words::ActiveState;

#[derive(Subcommand)]
pub(super) enum Verb {
    /// Declare a stack, or change its declaration; starts nothing
    Add(Box<Add>),
    /// Make the units again after an inventory file was edited
    Sync {
        /// The stacks; all if none is named
        stacks: Vec<StackName>,
    },
    /// Forget a stack; its containers and data stay
    Remove {
        /// The stack
        stack: StackName,
        /// Stop it and take its containers and networks down first; volumes stay all the same
        #[arg(long)]
        down: bool,
    },
    /// Put a stack's unit files and links back to the declared ones, keeping what was there
    Repair {
        /// The stack
        stack: StackName,
        /// Say what would be done, and do nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Write, enable and start the shipped units: the auditor and its watchers
    Install {
        /// Say what would be done, and do nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Stop and remove the shipped units; stacks and state stay
    Uninstall {
        /// Say what would be done, and do nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Look once more for changes after an audit; called by stack-audit-settle.service
    Settle,
}

#[derive(Args)]
pub(super) struct Add {
    /// The stack's name, and that of its unit: NAME.service
    name: StackName,
    /// A compose file; may be given several times, in order
    #[arg(long = "compose", value_name = "FILE")]
    compose: Vec<PathBuf>,
    /// The project directory [default: that of the first compose file]
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// The compose project [default: what compose itself takes]
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// A profile to enable
    #[arg(long = "profile", value_name = "NAME")]
    profiles: Vec<String>,
    /// A file with variables, and where to look for it if it is missing
    #[arg(long = "env-file", value_name = "PATH[:FALLBACK]", value_parser = env_file)]
    env_files: Vec<EnvFile>,
    /// A variable for the compose files; not for secrets, which would be seen in the process list
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = assignment)]
    environment: Vec<(String, String)>,
    /// A path whose mount must be there first
    #[arg(long = "requires-mount", value_name = "PATH")]
    requires_mounts: Vec<PathBuf>,
    /// What systemctl shows
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Bound for starting the containers
    #[arg(long, value_name = "TIME")]
    startup_timeout: Option<Timespan>,
    /// Bound for pulling missing images
    #[arg(long, value_name = "TIME")]
    pull_timeout: Option<Timespan>,
    /// Recreate containers that stay unhealthy longer than this
    #[arg(long, value_name = "TIME")]
    stale_health_after: Option<Timespan>,
    /// When the stack is verified
    #[arg(long = "verify", value_name = "MODE", value_enum)]
    verify_mode: Option<Mode>,
    /// Bound for the verdict
    #[arg(long, value_name = "TIME")]
    verify_timeout: Option<Timespan>,
    /// How long a container without a health check must have run
    #[arg(long, value_name = "TIME")]
    stable_for: Option<Timespan>,
    /// Whether the nightly run updates the stack
    #[arg(long, value_name = "BOOL")]
    update: Option<bool>,
    /// Whether a failed update is undone
    #[arg(long, value_name = "BOOL")]
    rollback: Option<bool>,
    /// A drop-in that may change the units: a file name, or an absolute path
    #[arg(long = "allow-drop-in", value_name = "NAME")]
    allowed_drop_ins: Vec<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Mode {
    Detached,
    Gate,
    Off,
}

impl From<Mode> for VerifyMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Detached => Self::Detached,
            Mode::Gate => Self::Gate,
            Mode::Off => Self::Off,
        }
    }
}

fn env_file(text: &str) -> Result<EnvFile, String> {
    let (path, fallback) = match text.split_once(':') {
        Some((path, fallback)) => (path, Some(PathBuf::from(fallback))),
        None => (text, None),
    };
    if path.is_empty() || fallback.as_ref().is_some_and(|path| path.as_os_str().is_empty()) {
        return Err("expected PATH or PATH:FALLBACK".to_owned());
    }
    Ok(EnvFile { path: path.into(), fallback })
}

fn assignment(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| "expected NAME=VALUE".to_owned())
}

/// The unit that runs audits, and the one that takes the last look after each.
const AUDIT: &str = "stack-audit.service";
const SETTLE: &str = "stack-audit-settle.service";

/// What a declaration may be made without: it is needed when the stack starts.
const ADVICE: &[audit::Check] = &[
    audit::Check::LingerDisabled,
    audit::Check::SecretMissing,
    audit::Check::SecretExposed,
    audit::Check::SecretFallback,
];

/// What the verbs work on.
struct Place {
    dirs: Dirs,
    host: Host,
    programs: Programs,
}

impl Place {
    fn open() -> Result<Self, Error> {
        let dirs = Dirs::from_env()?;
        let host = Host::load_or_default(&dirs).map_err(Error::Configuration)?;
        Ok(Self { dirs, host, programs: Programs::beside_this_one()? })
    }

    /// The manager is asked for before anything is written: without it the change could not take effect.
    fn manager(&self) -> Result<Manager, Error> {
        Ok(Manager::connect(&self.dirs, self.host.bus_deadline.duration())?)
    }
}

pub(super) fn work(verb: Verb) -> Result<Code, Error> {
    if let Verb::Settle = verb {
        return settle();
    }
    let place = Place::open()?;
    match verb {
        Verb::Add(given) => add(&place, *given),
        Verb::Sync { stacks } => sync(&place, stacks),
        Verb::Remove { stack, down } => remove(&place, &stack, down),
        Verb::Repair { stack, dry_run } => {
            if dry_run {
                return repair_preview(&place, stack);
            }
            place.manager()?.state()?;
            let changed = show(&stack::repair(&place.dirs, &place.host, &place.programs, &stack)?)?;
            look(&place, &BTreeSet::from([stack]), &[], changed)
        }
        Verb::Install { dry_run } => install(&place, dry_run),
        Verb::Uninstall { dry_run } => uninstall(&place, dry_run),
        Verb::Settle => settle(),
    }
}

/// Prints what was changed, and says whether anything was.
fn show(changes: &[Change]) -> Result<bool, Error> {
    changes.iter().try_for_each(|change| output::print(&change.to_string()))?;
    Ok(!changes.is_empty())
}

/// Lets the auditor reload what may be reloaded, and reports what it finds of `stacks` and `units`.
fn look(
    place: &Place,
    stacks: &BTreeSet<StackName>,
    units: &[UnitName],
    changed: bool,
) -> Result<Code, Error> {
    let options =
        Options { trigger: Trigger::Manual, dry_run: false, changed, podman: false, stacks: BTreeSet::new() };
    let audit = audit::audit(&place.dirs, &options)?;
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

fn add(place: &Place, given: Add) -> Result<Code, Error> {
    let stack = given.name.clone();
    let state = place.manager()?.state()?;
    add::check_name(&place.dirs, &stack, &state.unit_path)?;
    let given = add::Given {
        description: given.description,
        compose_files: given.compose,
        directory: given.directory,
        project: given.project,
        profiles: given.profiles,
        environment: given.environment.into_iter().collect(),
        env_files: given.env_files,
        requires_mounts: given.requires_mounts,
        startup_timeout: given.startup_timeout,
        pull_timeout: given.pull_timeout,
        stale_health_after: given.stale_health_after,
        verify_mode: given.verify_mode.map(VerifyMode::from),
        verify_timeout: given.verify_timeout,
        stable_for: given.stable_for,
        update: given.update,
        rollback: given.rollback,
        allowed_drop_ins: given.allowed_drop_ins,
    };
    let mut entry = add::entry(&place.dirs, &stack, given, &std::env::current_dir()?)?;
    adopt(&stack, &mut entry)?;
    if let Some(project) = &entry.compose.project {
        add::check_project(&place.dirs, &stack, project)?;
    }
    if add::write(&place.dirs, &stack, &entry)? {
        output::print(&format!("wrote {}", place.dirs.inventory_file(&stack).display()))?;
    }
    let code = sync(place, vec![stack.clone()])?;
    if code == Code::Done {
        output::print(&format!("next: systemctl --user start {}", stack.service()))?;
    }
    Ok(code)
}

/// Takes the project's name from compose itself, so that a running project keeps its containers and volumes, and says
/// what is adopted. A host on which compose cannot be asked can still declare; what was not looked at is said.
fn adopt(stack: &StackName, entry: &mut Entry) -> Result<(), Error> {
    let context = Context::open()?;
    let identity = match stack::adopt::identity(&context, stack, entry) {
        Ok(identity) => identity,
        // Not installed, or not running: whether compose accepts the files is then for the first start to say.
        Err(error) if cannot_ask(&error) => {
            tracing::warn!("{stack}: not looked for containers and volumes to adopt: {}", chain(&error));
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    output::print(&format!("project {}: services {}", identity.project, identity.services.join(", ")))?;
    if entry.compose.project.is_none() {
        entry.compose.project = Some(identity.project.clone());
    }
    let adoption = match stack::adopt::survey(&context, &identity.project) {
        Ok(adoption) => adoption,
        Err(error) => {
            tracing::warn!("{stack}: not looked for containers and volumes to adopt: {}", chain(&error));
            return Ok(());
        }
    };
    for container in &adoption.containers {
        let state = if container.running { "running" } else { "not running" };
        output::print(&format!("adopts container {} ({state})", container.name))?;
    }
    for volume in &adoption.volumes {
        output::print(&format!("adopts volume {volume}"))?;
    }
    for (volume, place) in &adoption.anonymous_volumes {
        output::print(&format!("adopts anonymous volume {volume} at {place}"))?;
    }
    let recreated: Vec<&str> = adoption.recreated(stack).map(|container| container.name.as_str()).collect();
    if !recreated.is_empty() {
        tracing::warn!(
            "{stack}: the first start recreates {}, to label them PODMAN_SYSTEMD_UNIT={}; volumes, anonymous ones too, are kept",
            recreated.join(", "),
            stack.service()
        );
    }
    Ok(())
}

fn cannot_ask(error: &StackError) -> bool {
    error.code() == Code::Unreachable || matches!(error, StackError::Compose(ComposeError::NoProvider { .. }))
}

fn sync(place: &Place, stacks: Vec<StackName>) -> Result<Code, Error> {
    place.manager()?.state()?;
    let mut worst = Code::Done;
    let mut fail = |error: &Error| {
        tracing::error!("{}", chain(error));
        worst = worst.max(error.code());
    };
    let stacks: BTreeSet<StackName> = if stacks.is_empty() {
        let inventory = Inventory::load(&place.dirs);
        let names = inventory.stacks.into_keys().collect();
        inventory.broken.into_values().for_each(|error| fail(&error.into()));
        names
    } else {
        stacks.into_iter().collect()
    };
    let mut changed = false;
    for stack in &stacks {
        match stack::sync(&place.dirs, &place.host, &place.programs, stack) {
            Ok(done) => changed |= show(&done)?,
            Err(error) => fail(&error),
        }
    }
    let seen = look(place, &stacks, &[], changed)?;
    Ok(if worst == Code::Done { seen } else { worst })
}

fn remove(place: &Place, stack: &StackName, down: bool) -> Result<Code, Error> {
    let mut manager = place.manager()?;
    let unit = stack.service();
    let active = manager.observe_one(&unit, Detail::Unit)?.active_state != ActiveState::Inactive;
    if down {
        if active {
            manager.run_job(JobVerb::Stop, &unit, JobMode::Replace, stack::stop::STOP_TIMEOUT)?;
        }
        stack::stop::down(&Context::open()?, stack)?;
    }
    let changed = show(&stack::remove(&place.dirs, stack)?)?;
    let code = look(place, &BTreeSet::from([stack.clone()]), &[], changed)?;
    if active && !down {
        output::print(&format!("its containers are left as they are; next: stackctl stop {stack}"))?;
    }
    Ok(code)
}

fn repair_preview(place: &Place, stack: StackName) -> Result<Code, Error> {
    Inventory::load_stack(&place.dirs, &stack)?;
    let options = Options {
        trigger: Trigger::Manual,
        dry_run: true,
        changed: false,
        podman: false,
        stacks: BTreeSet::from([stack]),
    };
    let report = audit::audit(&place.dirs, &options)?.report;
    for finding in report.findings.iter().filter(|finding| finding.state == audit::State::OnDisk) {
        output::print(&format!("would mend {}", finding.line()))?;
    }
    Ok(Code::Done)
}

fn install(place: &Place, dry_run: bool) -> Result<Code, Error> {
    if dry_run {
        install::preview(&place.dirs, &place.host, &place.programs, false)?
            .iter()
            .try_for_each(|line| output::print(line))?;
        return Ok(Code::Done);
    }
    let mut manager = place.manager()?;
    manager.state()?;
    let changed = show(&install::install(&place.dirs, &place.host, &place.programs)?)?;
    let units = render::shipped_names();
    // The audit reloads the manager, so that it knows what is started next.
    look(place, &BTreeSet::new(), &[], changed)?;
    for unit in render::watchers() {
        let result = manager.run_job(JobVerb::Start, &unit, JobMode::Replace, BUS_DEADLINE)?;
        if !result.is_success() {
            return Err(Error::NotStarted { unit, result: result.to_string() });
        }
    }
    let code = look(place, &BTreeSet::new(), &units, false)?;
    if code == Code::Done {
        output::print("next: stackctl add NAME --compose FILE")?;
    }
    Ok(code)
}

fn uninstall(place: &Place, dry_run: bool) -> Result<Code, Error> {
    if dry_run {
        install::preview(&place.dirs, &place.host, &place.programs, true)?
            .iter()
            .try_for_each(|line| output::print(line))?;
        return Ok(Code::Done);
    }
    let mut manager = place.manager()?;
    let ours = |name: &UnitName| {
        let template = name.template();
        render::shipped_names().iter().any(|shipped| shipped == name || Some(shipped) == template.as_ref())
    };
    // Watchers first: the removal of their files is no drift. Then an audit that they have started, and the look that
    // its end brings, which would come to a verdict about units that are going away.
    let loaded: Vec<UnitName> = manager.loaded_units()?.units.into_keys().filter(ours).collect();
    let watchers = loaded.iter().filter(|name| name.unit_type() != "service");
    let audits =
        [AUDIT, SETTLE].iter().flat_map(|wanted| loaded.iter().filter(|name| name.as_str() == *wanted));
    for unit in watchers.chain(audits.clone()) {
        manager.run_job(JobVerb::Stop, unit, JobMode::Replace, BUS_DEADLINE)?;
    }
    for unit in audits {
        // One that is not failed cannot be reset.
        drop(manager.reset_failed(unit));
    }
    show(&install::uninstall(&place.dirs)?)?;
    manager.reload(place.host.reload_deadline.duration())?;
    Ok(Code::Done)
}

/// The last look after an audit; see [`crate::audit::settle`].
fn settle() -> Result<Code, Error> {
    let dirs = Dirs::from_env()?;
    let _alone = audit::settle::take_turn(&dirs)?;
    let manager = Manager::connect(&dirs, BUS_DEADLINE)?;
    audit::settle::wait_until_armed(&manager)?;
    let audit = UnitName::parse(AUDIT)?;
    match last_look(&dirs)? {
        LastLook::Settled => Ok(Code::Done),
        LastLook::Again => {
            manager.enqueue(JobVerb::Start, &audit, JobMode::Replace)?;
            tracing::info!("something changed while the audit ran: {audit} is started again");
            Ok(Code::Done)
        }
        LastLook::GiveUp => Err(Error::AuditNeverCompletes { unit: audit }),
    }
}
