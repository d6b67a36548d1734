//! Running the pinned provider for one stack.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::env_files::{self, EnvFiles};
use super::error::ComposeError;
use super::hashes::{self, Hashed};
use super::joined::{self, Joined};
use super::merged::{MERGED, merged, project_hash};
use super::model::{self, Model};
use super::named::Named;
use super::overlay::Overlay;
use super::said;
use super::sayable::Sayable;
use crate::dirs::Dirs;
use crate::document::{kind_of, read_text};
use crate::inventory::{Entry, Host, ProviderKind};
use crate::lock::Locked;
use crate::names::StackName;
use crate::podman::Container;
use crate::process::{Command, Environment, Interrupt, ProcessError, Redactor};

/// Reading files takes compose some 0.1 s; a machine that is starting 50 stacks may take far longer. Both providers
/// read only local files for it.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// The compose of one stack: provider, project, directory, files, profiles and environment.
#[derive(Debug)]
pub struct Compose {
    stack: StackName,
    podman: PathBuf,
    kind: ProviderKind,
    provider: PathBuf,
    environment: Environment,
    directory: PathBuf,
    project: Option<String>,
    files: Vec<PathBuf>,
    profiles: Vec<String>,
    env_files: EnvFiles,
    named: Named,
    has_env_files: bool,
    reads_other_files: bool,
    joined: Option<Joined>,
    whole: Option<Unseen>,
    redactor: Redactor,
    sayable: Sayable,
    run: PathBuf,
    interrupt: Interrupt,
}

/// What holds the values of secrets.
struct Unseen(Value);

impl fmt::Debug for Unseen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unseen")
    }
}

/// The pinned provider's program.
///
/// # Errors
/// It is not installed.
pub fn find_provider(host: &Host) -> Result<PathBuf, ComposeError> {
    let program =
        host.provider.program.clone().unwrap_or_else(|| PathBuf::from(host.provider.kind.program()));
    let found = host.find_program(&program).filter(|path| path.is_file());
    found.ok_or_else(|| ComposeError::NoProvider { program, path: host.path.clone() })
}

impl Compose {
    /// The compose of a declared stack.
    ///
    /// # Errors
    /// The provider is not installed, or cannot do what is declared.
    pub fn new(
        dirs: &Dirs,
        host: &Host,
        podman: &Path,
        stack: &StackName,
        entry: &Entry,
        interrupt: &Interrupt,
    ) -> Result<Self, ComposeError> {
        let provider = find_provider(host)?;
        let directory = entry.compose.directory.clone();
        let files: Vec<PathBuf> = entry.compose_files().collect();
        if host.provider.kind == ProviderKind::PodmanCompose {
            same_directory(&directory, files.first())?;
        }
        let env_files = EnvFiles::of(entry);
        let texts: Vec<String> = files.iter().filter_map(|file| read_text(file).ok()).collect();
        let directories: Vec<&Path> =
            files.iter().filter_map(|file| file.parent()).chain([directory.as_path()]).collect();
        let named = Named::of(&texts, &directories);
        let mut sayable = Sayable::default();
        texts.iter().chain(entry.environment.values()).for_each(|text| sayable.know(text));
        let paths = files.iter().map(PathBuf::as_path).chain(directories.iter().copied());
        let env_paths = env_files.paths().chain(named.env_files.iter().map(PathBuf::as_path));
        paths.chain(env_paths.clone()).for_each(|path| sayable.know(&path.to_string_lossy()));
        let has = |key: &str| texts.iter().any(|text| text.contains(key));
        let reads_other_files = has("include") || has("extends");
        // Other compose files may name more of them.
        let has_env_files = env_paths.clone().next().is_some() || has("env_file") || reads_other_files;
        let mut redactor = Redactor::default();
        for text in env_paths.filter_map(|path| read_text(path).ok()) {
            env_files::hide(&mut redactor, &text, &sayable);
        }
        redactor.names().for_each(|name| sayable.know(name));
        let mut environment = Environment::new(dirs, host);
        for (name, value) in &entry.environment {
            environment = environment.with(name, value);
        }
        let environment = environment
            .with("PODMAN_COMPOSE_PROVIDER", &provider)
            .with("PODMAN_COMPOSE_WARNING_LOGS", "false");
        Ok(Self {
            stack: stack.clone(),
            podman: podman.to_owned(),
            kind: host.provider.kind,
            provider,
            environment,
            directory,
            project: entry.compose.project.clone(),
            files,
            profiles: entry.compose.profiles.clone(),
            redactor,
            sayable,
            named,
            has_env_files,
            reads_other_files,
            env_files,
            joined: None,
            whole: None,
            run: dirs.run(),
            interrupt: interrupt.clone(),
        })
    }

    /// The compose of a project without its files: what needs only the containers (`stop`) works. docker-compose only.
    ///
    /// # Errors
    /// The provider is not installed.
    pub fn of_project(
        dirs: &Dirs,
        host: &Host,
        podman: &Path,
        stack: &StackName,
        project: &str,
        interrupt: &Interrupt,
    ) -> Result<Self, ComposeError> {
        // A directory without compose files, so that none is found by accident.
        let mut entry = Entry::new(dirs.runtime.clone(), Vec::new());
        entry.compose.project = Some(project.to_owned());
        Self::new(dirs, host, podman, stack, &entry, interrupt)
    }

    /// From now on it runs its commands also when this program was asked to end: what was begun is finished.
    pub fn go_on_regardless(&mut self) {
        self.interrupt = Interrupt::never();
    }

    /// The stack.
    #[must_use]
    pub fn stack(&self) -> &StackName {
        &self.stack
    }

    /// The files that compose reads: the compose files, and the env files.
    pub fn inputs(&self) -> (impl Iterator<Item = &Path>, impl Iterator<Item = &Path>) {
        (self.files.iter().map(PathBuf::as_path), self.env_files.paths())
    }

    /// Whether the compose files may name further ones, so that [`Self::inputs`] are not all.
    #[must_use]
    pub fn reads_other_files(&self) -> bool {
        self.reads_other_files
    }

    /// The provider's kind.
    #[must_use]
    pub fn kind(&self) -> ProviderKind {
        self.kind
    }

    /// What hides the values of the env files.
    #[must_use]
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// What compose makes of the files. The project's name is in it if compose tells it, and pinned from here on.
    ///
    /// # Errors
    /// compose refuses the files, or what it says of them is not understood.
    pub fn model(&mut self, dirs: &Dirs) -> Result<Model, ComposeError> {
        self.join_env_files()?;
        let value = match self.kind {
            ProviderKind::DockerCompose => self.whole()?,
            ProviderKind::PodmanCompose => {
                self.only_files()?;
                let none = Overlay::write(dirs, &self.stack, None)?;
                let command = self.directly(Some(&none)).args(["config", "--services"]);
                let printed = command.capture_stderr().map_err(|source| self.refused(source))?;
                merged(&printed).ok_or_else(|| ComposeError::Model {
                    stack: self.stack.clone(),
                    problem: format!("podman-compose printed no \"{MERGED}\""),
                })?
            }
        };
        for (name, value) in model::environment(&value).filter(|(_, value)| !self.sayable.knows(value)) {
            env_files::hide_value(&mut self.redactor, name, value, &self.sayable);
        }
        let mut model = Model::from_value(&value)
            .map_err(|problem| ComposeError::Model { stack: self.stack.clone(), problem })?;
        if let Some(service) = model.without_image_name() {
            return Err(ComposeError::Image { stack: self.stack.clone(), service: service.to_owned() });
        }
        // docker-compose's `--pull never` would also keep it from building anew what is to be built at every start.
        let builds = || model.services.values().any(|one| one.pull_policy.as_deref() == Some("build"));
        model.pulls_by_policy = self.kind == ProviderKind::PodmanCompose || builds();
        if model.project.is_none() {
            model.project = Some(self.default_project());
        }
        if self.project.is_none() {
            self.project.clone_from(&model.project);
        }
        model.project.clone_from(&self.project);
        self.whole = (self.kind == ProviderKind::DockerCompose).then_some(Unseen(value));
        Ok(model)
    }

    /// The config hash of every service, as its containers carry it where these are the containers; docker-compose only.
    /// It is not asked for what it is `known` to answer.
    ///
    /// # Errors
    /// compose refuses the files.
    pub fn hashes(
        &mut self,
        containers: &[Container],
        known: Option<Hashed>,
    ) -> Result<Hashed, ComposeError> {
        let mut whole = match self.whole.take() {
            Some(Unseen(whole)) => whole,
            None => self.whole()?,
        };
        let stand_ins = hashes::stand_ins(self.project.as_deref().unwrap_or_default(), containers);
        hashes::as_up_has_it(&mut whole, self.stack.service().as_str(), &stand_ins);
        let model = whole.to_string();
        if let Some(known) = known.filter(|known| known.answers(&self.provider, &model)) {
            return Ok(known);
        }
        let asked = self.command(&self.provider, READ_TIMEOUT).args(self.options_with([OsStr::new("-")]));
        // It is made normal already, and what is a container's id now is no service to be depended on.
        let asked = asked.input(model.as_bytes()).args(["config", "--no-normalize", "--hash", "*"]);
        let text = asked.capture_text().map_err(|source| self.refused(source))?;
        let pairs = text.lines().filter_map(|line| line.trim().split_once(' '));
        let hashes = pairs.map(|(service, hash)| (service.to_owned(), hash.trim().to_owned())).collect();
        Ok(Hashed::new(&self.provider, &model, hashes))
    }

    /// The files as docker-compose merges them.
    fn whole(&self) -> Result<Value, ComposeError> {
        self.only_files()?;
        let whole = self.directly(None).args(["config", "--format", "json"]).capture_json();
        whole.map_err(|source| self.refused(source))
    }

    /// The names of all services, of disabled profiles too; docker-compose only.
    ///
    /// # Errors
    /// compose refuses the files.
    pub fn services_of_all_profiles(&self) -> Result<Vec<String>, ComposeError> {
        let asked = self.directly(None).args(["--profile", "*", "config", "--services"]);
        let text = asked.capture_text().map_err(|source| self.refused(source))?;
        Ok(text.lines().map(|line| line.trim().to_owned()).collect())
    }

    /// The config hash of the project, as every container of it carries it; podman-compose only.
    ///
    /// # Errors
    /// It refuses the files, or what it says of them is not understood.
    pub fn hash_of_project(&self, overlay: &Overlay) -> Result<String, ComposeError> {
        self.only_files()?;
        let command = self.directly(Some(overlay)).args(["--verbose", "config", "--services"]);
        let log = command.capture_stderr().map_err(|source| self.refused(source))?;
        project_hash(&log).ok_or_else(|| ComposeError::Model {
            stack: self.stack.clone(),
            problem: format!("podman-compose printed no \"{MERGED}\""),
        })
    }

    /// What compose says of files that it refuses quotes them, and the env files with them.
    fn refused(&self, source: ProcessError) -> ComposeError {
        // Of a malformed one docker-compose (2.26) tells only the line.
        let malformed = self.named.env_files.iter().filter_map(|path| super::secrets::content(path));
        let source = source.retold(|said| {
            if !self.has_env_files {
                return said.to_owned();
            }
            let said = [self.sayable.repeat(said)].into_iter();
            said.chain(malformed.map(|flaw| flaw.to_string())).collect::<Vec<_>>().join("; ")
        });
        ComposeError::Refused { stack: self.stack.clone(), source }
    }

    /// Runs a compose command that touches containers, through podman. What it prints goes to `watch`, redacted.
    ///
    /// # Errors
    /// It fails or does not end in time.
    pub fn act<A: AsRef<OsStr>>(
        &self,
        overlay: Option<&Overlay>,
        step: &'static str,
        arguments: impl IntoIterator<Item = A>,
        timeout: Duration,
        watch: impl FnMut(&str),
    ) -> Result<(), ComposeError> {
        self.through_podman(overlay, timeout).args(arguments).run(watch).map_err(|source| {
            let source = source.retold(said::reason);
            ComposeError::Step { stack: self.stack.clone(), step, source }
        })
    }

    /// Becomes a compose command with this stack's project, files, environment and labels. Returns only if that fails.
    #[must_use]
    pub fn become_command(
        mut self,
        overlay: &Overlay,
        arguments: &[OsString],
        locked: Option<Locked>,
    ) -> ProcessError {
        let command = self.through_podman(Some(overlay), Duration::MAX).args(arguments);
        let behind = (self.joined.take(), locked);
        if matches!(behind, (None, None)) {
            return command.replace_this_program();
        }
        // Somebody has to hold the lock meanwhile, and to remove the joined env file behind it.
        let ended = command.attend();
        drop(behind);
        match ended {
            Ok(code) => leave(code),
            Err(error) => error,
        }
    }

    /// A FIFO is waited for by compose until its time is up, and compose does not name it.
    fn only_files(&self) -> Result<(), ComposeError> {
        let read = self.files.iter().map(PathBuf::as_path).chain(self.env_files.paths());
        for path in read.chain(self.named.awaited.iter().map(PathBuf::as_path)) {
            // What is missing is compose's to tell.
            let Ok(metadata) = fs_err::metadata(path) else { continue };
            if !metadata.is_file() {
                let found = kind_of(metadata.file_type());
                return Err(ComposeError::NotAFile {
                    stack: self.stack.clone(),
                    path: path.to_owned(),
                    found,
                });
            }
        }
        Ok(())
    }

    fn through_podman(&self, overlay: Option<&Overlay>, timeout: Duration) -> Command {
        let command = self.command(&self.podman, timeout).arg("compose");
        command.args(self.options(overlay))
    }

    fn directly(&self, overlay: Option<&Overlay>) -> Command {
        self.command(&self.provider, READ_TIMEOUT).args(self.options(overlay))
    }

    fn command(&self, program: &Path, timeout: Duration) -> Command {
        Command::new(program, &self.environment, timeout, &self.interrupt)
            .directory(&self.directory)
            .redact(&self.redactor)
    }

    fn options(&self, overlay: Option<&Overlay>) -> Vec<OsString> {
        let overlay_file = overlay.map(|overlay| overlay.path().as_os_str());
        let mut options =
            self.options_with(self.files.iter().map(|file| file.as_os_str()).chain(overlay_file));
        if self.kind == ProviderKind::PodmanCompose && overlay.is_some_and(Overlay::is_empty) {
            options.push("--verbose".into());
        }
        options
    }

    fn options_with<'a>(&self, files: impl IntoIterator<Item = &'a OsStr>) -> Vec<OsString> {
        let mut options: Vec<OsString> = Vec::new();
        let mut push = |option: &str, value: &OsStr| {
            options.push(option.into());
            options.push(value.to_owned());
        };
        match self.kind {
            ProviderKind::DockerCompose => {
                push("--project-directory", self.directory.as_os_str());
                // Naming one env file turns off the implicit one, so it is named too.
                for path in self.env_files.paths() {
                    push("--env-file", path.as_os_str());
                }
            }
            // It takes one env file only (1.3).
            ProviderKind::PodmanCompose => {
                let only = self.env_files.paths().next();
                if let Some(path) = self.joined.as_ref().map(Joined::path).or(only) {
                    push("--env-file", path.as_os_str());
                }
            }
        }
        if let Some(project) = &self.project {
            push("--project-name", project.as_ref());
        }
        for file in files {
            push("--file", file);
        }
        for profile in &self.profiles {
            push("--profile", profile.as_ref());
        }
        options
    }

    fn join_env_files(&mut self) -> Result<(), ComposeError> {
        joined::remove_left(&self.run);
        if self.kind == ProviderKind::PodmanCompose && self.env_files.paths().count() > 1 {
            self.joined = Some(Joined::write(&self.run, &self.stack, self.env_files.paths())?);
        }
        Ok(())
    }

    /// What podman-compose takes as the project's name when nobody names it.
    fn default_project(&self) -> String {
        let name = self.directory.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        name.chars()
            .filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'))
            .collect()
    }
}

#[expect(clippy::exit, clippy::disallowed_methods, reason = "as if this program had been replaced")]
fn leave(code: i32) -> ! {
    std::process::exit(code)
}

fn same_directory(directory: &Path, first: Option<&PathBuf>) -> Result<(), ComposeError> {
    let file = first.and_then(|file| file.parent()).unwrap_or(directory);
    // A path that cannot be resolved is preflight's to tell.
    let real = |path: &Path| fs_err::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if real(file) == real(directory) {
        return Ok(());
    }
    Err(ComposeError::Directory { file: file.to_owned(), directory: directory.to_owned() })
}
