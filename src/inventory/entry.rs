//! One stack's inventory entry. The published form is `docs/schema/inventory.schema.json`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::timespan::Timespan;
use crate::document::Document;

/// What is declared of one stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Version of this file's form.
    pub version: u32,
    /// What the unit's `Description=` says; the stack's name if it is empty.
    #[serde(default)]
    pub description: String,
    /// The Compose project.
    pub compose: Compose,
    /// Variables for compose's interpolation; they win over `.env` and the env files.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Files with variables, usually secrets, read after the directory's own `.env`.
    #[serde(default)]
    pub env_files: Vec<EnvFile>,
    /// Paths whose mounts must be there before the stack starts.
    #[serde(default)]
    pub requires_mounts: Vec<PathBuf>,
    /// Bound for `compose up`.
    #[serde(default = "startup_timeout")]
    pub startup_timeout: Timespan,
    /// Bound for pulling images that are missing.
    #[serde(default = "pull_timeout")]
    pub pull_timeout: Timespan,
    /// Containers that stay `starting` or `unhealthy` for longer are recreated by the next apply; off if null.
    #[serde(default)]
    pub stale_health_after: Option<Timespan>,
    /// How the stack is verified after it was applied.
    #[serde(default)]
    pub verify: Verify,
    /// How the stack is updated.
    #[serde(default)]
    pub update: Update,
    /// Drop-ins that may change the stack's units: file names (`override.conf`) or absolute paths.
    #[serde(default)]
    pub allowed_drop_ins: Vec<String>,
}

/// The Compose project of a stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compose {
    /// The project's name; what compose itself would take if it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The project directory, absolute. Relative paths are relative to it, here and in the compose files.
    pub directory: PathBuf,
    /// The compose files, at least one, in order.
    pub files: Vec<PathBuf>,
    /// The profiles to enable.
    #[serde(default)]
    pub profiles: Vec<String>,
}

/// A file with variables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvFile {
    /// The native path.
    pub path: PathBuf,
    /// The compatibility path, used with a warning if the native one is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<PathBuf>,
}

/// When a stack is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum VerifyMode {
    /// Afterwards, by `stack-verify@<stack>.service`: starting the unit does not wait for it.
    #[default]
    Detached,
    /// Inside the transaction: starting the unit fails unless the stack is up.
    Gate,
    /// Not at all.
    Off,
}

/// How a stack is verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verify {
    /// When.
    #[serde(default)]
    pub mode: VerifyMode,
    /// The verdict is given at the latest after this.
    #[serde(default = "verify_timeout")]
    pub timeout: Timespan,
    /// A container without a health check must have run this long without a restart.
    #[serde(default = "stable_for")]
    pub stable_for: Timespan,
}

impl Default for Verify {
    fn default() -> Self {
        Self { mode: VerifyMode::default(), timeout: verify_timeout(), stable_for: stable_for() }
    }
}

/// How a stack is updated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Update {
    /// Whether the orchestrator runs the stack's update unit.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Whether a failed update is undone.
    #[serde(default = "yes")]
    pub rollback: bool,
    /// Commands, each a program and its arguments, run before anything changes.
    #[serde(default)]
    pub before: Vec<Vec<String>>,
    /// Commands run after a rollback.
    #[serde(default)]
    pub on_rollback: Vec<Vec<String>>,
    /// Bound for each of these commands.
    #[serde(default = "hook_timeout")]
    pub hook_timeout: Timespan,
    /// Whether images stay that no pinned set needs any more.
    #[serde(default = "yes")]
    pub keep: bool,
}

impl Default for Update {
    fn default() -> Self {
        Self {
            enabled: true,
            rollback: true,
            before: Vec::new(),
            on_rollback: Vec::new(),
            hook_timeout: hook_timeout(),
            keep: true,
        }
    }
}

impl Document for Entry {
    const KIND: &'static str = "inventory entry";
    const VERSION: u32 = 1;
}

impl Entry {
    /// An entry with every default, for the given project directory and files.
    #[must_use]
    pub fn new(directory: PathBuf, files: Vec<PathBuf>) -> Self {
        Self {
            version: Self::VERSION,
            description: String::new(),
            compose: Compose { project: None, directory, files, profiles: Vec::new() },
            environment: BTreeMap::new(),
            env_files: Vec::new(),
            requires_mounts: Vec::new(),
            startup_timeout: startup_timeout(),
            pull_timeout: pull_timeout(),
            stale_health_after: None,
            verify: Verify::default(),
            update: Update::default(),
            allowed_drop_ins: Vec::new(),
        }
    }

    /// The compose files as absolute paths.
    pub fn compose_files(&self) -> impl Iterator<Item = PathBuf> + '_ {
        self.compose.files.iter().map(|file| self.compose.directory.join(file))
    }

    /// What the types cannot say: absolute paths, at least one compose file, sensible names and commands.
    ///
    /// # Errors
    /// The key, and what is wrong with its value.
    pub fn check(&self) -> Result<(), String> {
        if !self.compose.directory.is_absolute() {
            return Err(format!(
                "\"compose.directory\" is {:?}; expected an absolute path",
                self.compose.directory.to_string_lossy()
            ));
        }
        if self.compose.files.is_empty() {
            return Err("\"compose.files\" is empty; expected at least one compose file".to_owned());
        }
        if let Some(project) = &self.compose.project {
            check_project(project)?;
        }
        for name in self.environment.keys() {
            let good = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if !good {
                return Err(format!(
                    "\"environment\" has the name {name:?}; expected letters, digits and \"_\""
                ));
            }
        }
        for path in &self.requires_mounts {
            if !path.is_absolute() {
                return Err(format!("\"requires_mounts\" has {}; expected an absolute path", path.display()));
            }
        }
        for (key, commands) in [("before", &self.update.before), ("on_rollback", &self.update.on_rollback)] {
            if commands.iter().any(|command| command.first().is_none_or(String::is_empty)) {
                return Err(format!("\"update.{key}\" has a command without a program"));
            }
        }
        let texts = std::iter::once(&self.description)
            .chain(self.allowed_drop_ins.iter())
            .chain(self.compose.profiles.iter())
            .map(String::as_str)
            .chain(self.paths().filter_map(|path| path.to_str()));
        for text in texts {
            if text.contains(char::is_control) {
                return Err(format!("{text:?} contains a control character"));
            }
        }
        if self.environment.values().any(|value| value.contains('\0')) {
            return Err("\"environment\" has a value with a NUL byte".to_owned());
        }
        if self.paths().any(|path| path.as_os_str().is_empty()) {
            return Err("a path is empty".to_owned());
        }
        Ok(())
    }

    fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        std::iter::once(&self.compose.directory)
            .chain(&self.compose.files)
            .chain(&self.requires_mounts)
            .chain(self.env_files.iter().flat_map(|file| std::iter::once(&file.path).chain(&file.fallback)))
    }
}

/// Compose accepts lower-case letters, digits, dashes and underscores, with a letter or digit first
/// (compose specification, "name").
fn check_project(project: &str) -> Result<(), String> {
    let good = project.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && project.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'));
    if good {
        Ok(())
    } else {
        Err(format!(
            "\"compose.project\" is {project:?}; compose takes lower-case letters, digits, \"-\" and \"_\", and a letter or digit first"
        ))
    }
}

const fn startup_timeout() -> Timespan {
    Timespan::seconds(120)
}

const fn pull_timeout() -> Timespan {
    Timespan::seconds(30 * 60)
}

const fn verify_timeout() -> Timespan {
    Timespan::seconds(60)
}

const fn stable_for() -> Timespan {
    Timespan::seconds(5)
}

/// A dump of a database of some gigabytes.
const fn hook_timeout() -> Timespan {
    Timespan::seconds(10 * 60)
}

const fn yes() -> bool {
    true
}
