//! Host-wide settings. The published form is `docs/schema/config.schema.json`.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use serde::de;
use serde::{Deserialize, Deserializer, Serialize};

use super::timespan::Timespan;
use crate::dirs::Dirs;
use crate::document::{Document, ReadError};

/// Two stacks at a time keep a small machine's disk and line busy and leave it usable.
const UPDATE_CONCURRENCY: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);

/// The settings of `config.json`; a missing file, like a missing key, means the defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Host {
    /// Version of this file's form.
    pub version: u32,
    /// The podman program: absolute, or a name that is looked up in `path`.
    #[serde(deserialize_with = "podman")]
    pub podman: PathBuf,
    /// The skopeo program, which asks registries without pulling; where it is not installed, updates pull the tags
    /// themselves and put them back.
    #[serde(deserialize_with = "skopeo")]
    pub skopeo: PathBuf,
    /// The compose provider.
    pub provider: Provider,
    /// `PATH` of every unit that calls podman, which needs newuidmap and systemd-run.
    #[serde(deserialize_with = "search_path")]
    pub path: String,
    /// What the auditor may repair.
    pub heal: Heal,
    /// Deadline for a reply of the bus or the manager.
    pub bus_deadline: Timespan,
    /// Deadline for a daemon-reload.
    pub reload_deadline: Timespan,
    /// How long a change on disk may stay unread before it is reported.
    pub reload_grace: Timespan,
    /// How long a transaction waits for another one's lock.
    pub lock_wait: Timespan,
    /// How many stacks are updated at a time.
    pub update_concurrency: NonZeroUsize,
    /// Who is told of problems, beside the journal.
    pub alert: Alert,
}

/// How alerts are sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Alert {
    /// A program and its arguments; it gets each message as JSON on standard input. None: the journal alone.
    pub command: Vec<String>,
    /// Whether it also gets, once a day, that every invariant holds.
    pub daily: bool,
    /// After which time a problem that is still there is told again.
    pub reminder: Timespan,
    /// How long the command may take.
    pub timeout: Timespan,
}

/// The compose provider that `podman compose` is pinned to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Provider {
    /// Which of the two.
    pub kind: ProviderKind,
    /// The program; the kind's usual name, looked up in `path`, if it is missing.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "provider")]
    pub program: Option<PathBuf>,
}

/// The compose providers that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum ProviderKind {
    /// docker-compose 2, which talks to podman's API socket.
    #[default]
    DockerCompose,
    /// podman-compose, which runs podman.
    PodmanCompose,
}

impl ProviderKind {
    /// The program's usual name.
    #[must_use]
    pub const fn program(self) -> &'static str {
        match self {
            Self::DockerCompose => "docker-compose",
            Self::PodmanCompose => "podman-compose",
        }
    }
}

/// What the auditor may repair by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Heal {
    /// daemon-reload when everything of ours on disk is declared and something loaded is not.
    pub reload: bool,
    /// Reset and start a dead watcher.
    pub watchers: bool,
    /// Put a replaced owned link back, keeping the drifted file in the state directory.
    pub restore_links: bool,
}

impl Document for Host {
    const KIND: &'static str = "host configuration";
    const VERSION: u32 = 1;
}

impl Host {
    /// Reads `config.json`; a missing file means the defaults.
    ///
    /// # Errors
    /// The file is there and cannot be read or is not valid.
    pub fn load_or_default(dirs: &Dirs) -> Result<Self, ReadError> {
        match Self::load(&dirs.host_config_file()) {
            Err(error) if error.is_missing() => Ok(Self::default()),
            other => other,
        }
    }

    /// The first program of that name in `path`; an absolute name is taken as it is.
    #[must_use]
    pub fn find_program(&self, name: &Path) -> Option<PathBuf> {
        if name.is_absolute() {
            return Some(name.to_owned());
        }
        std::env::split_paths(&self.path).map(|dir| dir.join(name)).find(|candidate| {
            nix::unistd::access(candidate, nix::unistd::AccessFlags::X_OK).is_ok() && candidate.is_file()
        })
    }
}

/// It becomes `PATH` in units.
fn search_path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let good = |directory: &str| directory.starts_with('/') && !directory.contains(char::is_control);
    if text.split(':').all(good) {
        return Ok(text);
    }
    Err(de::Error::custom(format!(
        "\"path\" is {text:?}; expected absolute directories with \":\" between them"
    )))
}

fn podman<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    PathBuf::deserialize(deserializer).and_then(|program| named("podman", program))
}

fn skopeo<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    PathBuf::deserialize(deserializer).and_then(|program| named("skopeo", program))
}

fn provider<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    let program = Option::<PathBuf>::deserialize(deserializer)?;
    program.map(|program| named("provider.program", program)).transpose()
}

/// A relative path would mean another program in each directory.
fn named<E: de::Error>(key: &str, program: PathBuf) -> Result<PathBuf, E> {
    let text = program.to_string_lossy();
    let plain = !text.is_empty() && !text.contains(char::is_control);
    if plain && (program.is_absolute() || !text.contains('/')) {
        return Ok(program);
    }
    Err(E::custom(format!("{key:?} is {text:?}; expected an absolute path, or a name without \"/\"")))
}

impl Default for Host {
    fn default() -> Self {
        Self {
            version: Self::VERSION,
            podman: PathBuf::from("podman"),
            skopeo: PathBuf::from("skopeo"),
            provider: Provider::default(),
            // NixOS keeps the setuid newuidmap in /run/wrappers/bin, other systems keep it in /usr/bin.
            path: "/run/wrappers/bin:/run/current-system/sw/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
                .to_owned(),
            heal: Heal::default(),
            bus_deadline: Timespan::seconds(10),
            reload_deadline: Timespan::seconds(90),
            reload_grace: Timespan::seconds(60),
            lock_wait: Timespan::seconds(5 * 60),
            update_concurrency: UPDATE_CONCURRENCY,
            alert: Alert::default(),
        }
    }
}

impl Default for Alert {
    fn default() -> Self {
        Self {
            command: Vec::new(),
            daily: false,
            reminder: Timespan::seconds(24 * 60 * 60),
            timeout: Timespan::seconds(30),
        }
    }
}

impl Default for Heal {
    fn default() -> Self {
        Self { reload: true, watchers: true, restore_links: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_a_search_path_or_a_program_is_refused_by_its_key() {
        for (key, json) in [
            ("path", r#""path": """#),
            ("path", r#""path": "/bin:relative""#),
            ("path", r#""path": "/bin:""#),
            ("path", r#""path": "/bin\nExecStart=/x""#),
            ("podman", r#""podman": """#),
            ("skopeo", r#""skopeo": "./skopeo""#),
            ("provider.program", r#""provider": {"program": "a\u0000b"}"#),
        ] {
            let error =
                Host::parse(Path::new("config.json"), format!(r#"{{"version": 1, {json}}}"#).as_bytes());
            let error = crate::error::chain(&error.unwrap_err());
            assert!(error.contains("config.json") && error.contains(&format!("{key:?} is")), "{error}");
        }
        let good =
            r#"{"version": 1, "path": "/bin:/usr/bin", "podman": "/a/podman", "provider": {"program": "x"}}"#;
        assert!(Host::parse(Path::new("config.json"), good.as_bytes()).is_ok());
    }
}
