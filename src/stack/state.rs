//! What is remembered of a stack: what it was last applied with. The published form is
//! `docs/schema/stack-state.schema.json`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::error::StackError;
use super::preflight::Prepared;
use crate::compose::{Compose, EnvFiles, Hashed};
use crate::digest::Sha256;
use crate::dirs::Dirs;
use crate::document::{Document, ReadError, read_bounded};
use crate::error::Error;
use crate::inventory::{Declared, ProviderKind};
use crate::names::StackName;
use crate::podman::Container;
use crate::records;
use crate::update::{Pin, Quarantined};

/// The file `stacks/<stack>.json` in the state directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StackState {
    /// Version of this file's form.
    pub version: u32,
    /// The project that was applied.
    pub project: String,
    /// The provider that made its containers.
    pub provider: ProviderKind,
    /// What the last successful apply was made from; none before the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<Applied>,
    /// The last good sets of images, the newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pins: Vec<Pin>,
    /// The digests that failed, by the reference that offered them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub quarantine: BTreeMap<String, Quarantined>,
    /// The config hashes that docker-compose last told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hashed: Option<Hashed>,
    /// Why the stack is not started until somebody has looked at its data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
}

/// A command of `update.on_rollback` failed: the old version would start on data that was not brought back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// Since when.
    pub since: String,
    /// What failed.
    pub reason: String,
}

/// What an apply was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Applied {
    /// The record of the transaction.
    pub record: String,
    /// When it was done.
    pub at: String,
    /// The digest of the inventory file.
    pub inventory: Sha256,
    /// The digests of the compose files.
    pub compose_files: BTreeMap<PathBuf, Sha256>,
    /// The digests of the env files, each taken with `key`: the digest of a short secret alone could be guessed.
    pub env_files: BTreeMap<PathBuf, Sha256>,
    /// The key of the digests of env files; new with every apply.
    pub key: Sha256,
    /// The config hash that each service's containers carry.
    pub services: BTreeMap<String, String>,
    /// How many containers each service had.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub replicas: BTreeMap<String, u32>,
    /// The services whose hash also depends on another container's id, which compose itself does not tell.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tied: BTreeSet<String>,
}

/// The files that a stack is made from, at one moment.
#[derive(Debug, Clone)]
pub struct Inputs {
    compose_files: BTreeMap<PathBuf, Sha256>,
    env_files: BTreeMap<PathBuf, Sha256>,
    key: Sha256,
}

impl Inputs {
    /// The files as they are now.
    #[must_use]
    pub fn of(compose: &Compose) -> Self {
        let key = Sha256::random(compose.stack().as_str().as_bytes());
        let (compose_files, env_files) = compose.inputs();
        Self {
            compose_files: digests(compose_files, Sha256::of),
            env_files: digests(env_files, |content| key.keyed(content)),
            key,
        }
    }
}

impl Applied {
    /// What `prepared` was made from, now that it runs in `containers`.
    #[must_use]
    pub fn of(prepared: &Prepared, containers: &[Container], record: &str) -> Self {
        let Inputs { compose_files, env_files, key } = prepared.inputs.clone();
        let mut replicas = BTreeMap::new();
        for container in containers.iter().filter(|container| container.is_of_a_service()) {
            *replicas.entry(container.service().unwrap_or_default().to_owned()).or_default() += 1;
        }
        Self {
            record: record.to_owned(),
            at: records::timestamp(SystemTime::now()),
            inventory: prepared.inventory,
            compose_files,
            env_files,
            key,
            replicas,
            tied: prepared
                .model
                .services
                .iter()
                .filter(|(_, service)| service.is_tied)
                .map(|(name, _)| name.clone())
                .collect(),
            services: containers
                .iter()
                .filter(|container| container.is_of_a_service())
                .filter_map(|container| {
                    Some((container.service()?.to_owned(), container.config_hash()?.to_owned()))
                })
                .collect(),
        }
    }
}

/// An input of a stack that is not what it was when it was applied. What is in an env file is never shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputChange {
    /// The file.
    pub path: PathBuf,
    /// What became of it.
    pub what: What,
}

/// What became of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Its content is another one.
    Edited,
    /// It was not there.
    New,
    /// It is declared, and cannot be read: nothing can be applied until it is back.
    Missing,
    /// Nothing reads it any more.
    Unread,
}

impl std::fmt::Display for InputChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = match self.what {
            What::Edited => "was edited",
            What::New => "is new",
            What::Missing => "is gone or cannot be read",
            What::Unread => "is gone, or not declared any more",
        };
        write!(f, "{} {what}", self.path.display())
    }
}

impl Applied {
    /// What of the inputs is not what it was when they were applied.
    #[must_use]
    pub fn changes(&self, inventory_file: &Path, declared: &Declared) -> Vec<InputChange> {
        let entry = &declared.entry;
        let files: BTreeSet<PathBuf> = entry.compose_files().collect();
        let compose_files = digests(files.iter().map(PathBuf::as_path), Sha256::of);
        let env = EnvFiles::of(entry);
        let env_files = digests(env.paths(), |content| self.key.keyed(content));
        let needed = env.paths().map(Path::to_owned).collect();
        let mut changes = Vec::new();
        if self.inventory != declared.sha256 {
            changes.push(InputChange { path: inventory_file.to_owned(), what: What::Edited });
        }
        changes.extend(differences(&self.compose_files, &compose_files, &files));
        changes.extend(differences(&self.env_files, &env_files, &needed));
        changes
    }
}

fn differences(
    before: &BTreeMap<PathBuf, Sha256>,
    now: &BTreeMap<PathBuf, Sha256>,
    needed: &BTreeSet<PathBuf>,
) -> Vec<InputChange> {
    let paths: BTreeSet<&PathBuf> = before.keys().chain(now.keys()).collect();
    paths
        .into_iter()
        .filter_map(|path| {
            let what = match (before.get(path), now.get(path)) {
                (Some(before), Some(now)) if before == now => return None,
                (Some(_), Some(_)) => What::Edited,
                (Some(_), None) if needed.contains(path) => What::Missing,
                (Some(_), None) => What::Unread,
                (None, _) => What::New,
            };
            Some(InputChange { path: path.clone(), what })
        })
        .collect()
}

/// A file that cannot be read has no digest; preflight has read them all a moment ago.
fn digests<'a>(
    paths: impl Iterator<Item = &'a Path>,
    digest: impl Fn(&[u8]) -> Sha256,
) -> BTreeMap<PathBuf, Sha256> {
    paths.filter_map(|path| Some((path.to_owned(), digest(&read_bounded(path).ok()?)))).collect()
}

impl Document for StackState {
    const KIND: &'static str = "stack state";
    const VERSION: u32 = 1;
}

impl StackState {
    /// The state of a stack that is applied for the first time.
    #[must_use]
    pub fn new(project: &str, provider: ProviderKind) -> Self {
        Self {
            version: Self::VERSION,
            project: project.to_owned(),
            provider,
            applied: None,
            pins: Vec::new(),
            quarantine: BTreeMap::new(),
            hashed: None,
            held: None,
        }
    }

    /// Refuses what would start a stack that is held.
    ///
    /// # Errors
    /// It is held, or its state cannot be read.
    pub fn refuse_held(dirs: &Dirs, stack: &StackName) -> Result<(), StackError> {
        match Self::load_if_any(dirs, stack)?.and_then(|state| state.held) {
            Some(held) => Err(StackError::Held { stack: stack.clone(), held }),
            None => Ok(()),
        }
    }

    /// Lets a stack start again.
    ///
    /// # Errors
    /// Its state cannot be read or written.
    pub fn release(dirs: &Dirs, stack: &StackName) -> Result<(), Error> {
        let state = Self::load_if_any(dirs, stack).map_err(StackError::from)?;
        if let Some(state) = state.filter(|state| state.held.is_some()) {
            Self { held: None, ..state }.store(&Self::path(dirs, stack))?;
        }
        Ok(())
    }

    /// Where the state of `stack` is.
    #[must_use]
    pub fn path(dirs: &Dirs, stack: &StackName) -> PathBuf {
        dirs.state().join("stacks").join(format!("{stack}.json"))
    }

    /// The digests of `stack` that failed, by the reference that offered them.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn quarantine_of(dirs: &Dirs, stack: &StackName) -> Result<BTreeMap<String, Quarantined>, ReadError> {
        Ok(Self::load_if_any(dirs, stack)?.map(|state| state.quarantine).unwrap_or_default())
    }

    /// Reads the file; `None` if there is none.
    ///
    /// # Errors
    /// The file is there and cannot be read or is not valid.
    pub fn load_if_any(dirs: &Dirs, stack: &StackName) -> Result<Option<Self>, ReadError> {
        let path: &Path = &Self::path(dirs, stack);
        match Self::load(path) {
            Err(error) if error.is_missing() => Ok(None),
            other => other.map(Some),
        }
    }
}
