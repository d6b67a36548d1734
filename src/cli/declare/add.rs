//! `stackctl add`: declares a stack, or changes what is declared of it.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::place::{Place, is_active};
use super::sync::put;
use crate::cli::output;
use crate::compose::ComposeError;
use crate::error::{Error, chain};
use crate::exit::Code;
use crate::inventory::{Entry, EnvFile, ProviderKind, Timespan, VerifyMode};
use crate::names::StackName;
use crate::stack::{self, Context, StackError, add};

#[derive(Args)]
pub(in crate::cli) struct Arguments {
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

pub(super) fn add(place: &Place, given: Arguments) -> Result<Code, Error> {
    let stack = given.name.clone();
    let manager = place.manager()?;
    let state = manager.state()?;
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
    let written = add::write(&place.dirs, &stack, &entry)?;
    if written {
        output::say(&format!("wrote {}", place.dirs.inventory_file(&stack).display()));
    }
    let (code, changed) = put(place, &manager, vec![stack.clone()])?;
    if code == Code::Done {
        let unit = stack.service();
        output::say(&match is_active(&manager, &stack)? {
            true if written || !changed.is_empty() => format!("next: systemctl --user restart {unit}"),
            true => format!("{stack} is declared so already, and {unit} is active"),
            false => format!("next: systemctl --user start {unit}"),
        });
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
        Err(error) => return Err(Error::NotAdded { stack: stack.clone(), source: Box::new(error) }),
    };
    output::say(&format!("project {}: services {}", identity.project, identity.services.join(", ")));
    if identity.services.is_empty() {
        tracing::warn!(
            "{stack}: its compose files have no service in the enabled profiles, so that it cannot start; next: stackctl add {stack} --profile NAME, or write one"
        );
    }
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
    // What was adopted before is the stack's own.
    if !adoption.containers.is_empty() && adoption.recreated(stack).next().is_none() {
        return Ok(());
    }
    for container in &adoption.containers {
        let state = if container.running { "running" } else { "not running" };
        output::say(&format!("adopts container {} ({state})", container.name));
    }
    for volume in &adoption.volumes {
        output::say(&format!("adopts volume {volume}"));
    }
    for (volume, place) in &adoption.anonymous_volumes {
        output::say(&format!("adopts anonymous volume {volume} at {place}"));
    }
    let recreated: Vec<&str> = adoption.recreated(stack).map(|container| container.name.as_str()).collect();
    if !recreated.is_empty() {
        let anonymous = !adoption.anonymous_volumes.is_empty();
        let volumes = match context.host.provider.kind {
            ProviderKind::PodmanCompose if anonymous => format!(
                "podman-compose would give them new anonymous volumes, so the start is refused unless the compose files name those; next: stackctl preflight {stack}"
            ),
            ProviderKind::PodmanCompose => "volumes are kept".to_owned(),
            ProviderKind::DockerCompose => "volumes, anonymous ones too, are kept".to_owned(),
        };
        tracing::warn!(
            "{stack}: the first start recreates {}, to label them PODMAN_SYSTEMD_UNIT={}; {volumes}",
            recreated.join(", "),
            stack.service()
        );
    }
    Ok(())
}

fn cannot_ask(error: &StackError) -> bool {
    error.code() == Code::Unreachable || matches!(error, StackError::Compose(ComposeError::NoProvider { .. }))
}
