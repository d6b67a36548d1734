//! `stackctl add`: writes a stack's inventory entry. Adding again changes what changed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Refusal;
use crate::atomic;
use crate::dirs::Dirs;
use crate::document::Document;
use crate::error::Error;
use crate::inventory::{Entry, EnvFile, Inventory, InventoryError, Timespan, VerifyMode};
use crate::names::StackName;
use crate::systemd::search_path::SearchPath;

/// What was given on the command line; nothing that was not given changes.
#[derive(Debug, Default, Clone)]
#[expect(missing_docs, reason = "each field is the inventory key of the same name")]
pub struct Given {
    pub description: Option<String>,
    pub compose_files: Vec<PathBuf>,
    pub directory: Option<PathBuf>,
    pub project: Option<String>,
    pub profiles: Vec<String>,
    pub environment: BTreeMap<String, String>,
    pub env_files: Vec<EnvFile>,
    pub requires_mounts: Vec<PathBuf>,
    pub startup_timeout: Option<Timespan>,
    pub pull_timeout: Option<Timespan>,
    pub stale_health_after: Option<Timespan>,
    pub verify_mode: Option<VerifyMode>,
    pub verify_timeout: Option<Timespan>,
    pub stable_for: Option<Timespan>,
    pub update: Option<bool>,
    pub rollback: Option<bool>,
    pub allowed_drop_ins: Vec<String>,
}

/// The entry that `given` makes of what is declared so far. Relative paths on the command line are relative to `here`.
///
/// # Errors
/// The present entry is broken, no compose file was given for a new one, or a value is refused.
pub fn entry(dirs: &Dirs, stack: &StackName, given: Given, here: &Path) -> Result<Entry, Error> {
    let present = match Inventory::load_stack(dirs, stack) {
        Ok(declared) => Some(declared.entry),
        Err(InventoryError::Read(error)) if error.is_missing() => None,
        Err(error) => return Err(error.into()),
    };
    let files: Vec<PathBuf> = given.compose_files.iter().map(|file| absolute(here, file)).collect();
    // Compose takes the directory of the first file as the project directory.
    let directory = given
        .directory
        .map(|directory| absolute(here, &directory))
        .or_else(|| files.first().and_then(|file| file.parent()).map(Path::to_owned));
    let mut entry = match (present, directory) {
        (Some(mut entry), directory) => {
            if !files.is_empty() {
                entry.compose.files = files;
            }
            entry.compose.directory = directory.unwrap_or(entry.compose.directory);
            entry
        }
        (None, Some(directory)) if !files.is_empty() => Entry::new(directory, files),
        (None, _) => return Err(Refusal::NoComposeFile { stack: stack.clone() }.into()),
    };
    let inside = entry.compose.directory.clone();
    for file in &mut entry.compose.files {
        if let Ok(relative) = file.strip_prefix(&inside) {
            *file = relative.to_owned();
        }
    }
    set(&mut entry.description, given.description);
    set_list(&mut entry.compose.profiles, given.profiles);
    set_list(
        &mut entry.env_files,
        given.env_files.into_iter().map(|file| absolute_env_file(here, file)).collect(),
    );
    set_list(
        &mut entry.requires_mounts,
        given.requires_mounts.iter().map(|mount| absolute(here, mount)).collect(),
    );
    set_list(&mut entry.allowed_drop_ins, given.allowed_drop_ins);
    entry.environment.extend(given.environment);
    set(&mut entry.startup_timeout, given.startup_timeout);
    set(&mut entry.pull_timeout, given.pull_timeout);
    set(&mut entry.verify.mode, given.verify_mode);
    set(&mut entry.verify.timeout, given.verify_timeout);
    set(&mut entry.verify.stable_for, given.stable_for);
    set(&mut entry.update.enabled, given.update);
    set(&mut entry.update.rollback, given.rollback);
    entry.stale_health_after = given.stale_health_after.or(entry.stale_health_after);
    entry.compose.project = given.project.or(entry.compose.project);
    entry.check().map_err(|problem| Refusal::BadValue { stack: stack.clone(), problem })?;
    for file in entry.compose_files() {
        if !file.is_file() {
            return Err(Refusal::ComposeFileMissing { stack: stack.clone(), path: file }.into());
        }
    }
    Ok(entry)
}

/// Refuses a name that already resolves to somebody else's unit.
///
/// # Errors
/// Names the unit and the file.
pub fn check_name(dirs: &Dirs, stack: &StackName, unit_path: &[PathBuf]) -> Result<(), Error> {
    let search_path = SearchPath::scan(unit_path.iter().cloned());
    let unit = stack.service();
    let resolution = search_path.resolve(&unit);
    let foreign = resolution.copies.iter().find(|copy| copy.path.parent() != Some(dirs.owner().as_path()));
    if let Some(copy) = foreign {
        return Err(Refusal::NameTaken { unit, path: copy.path.clone() }.into());
    }
    Ok(())
}

/// Refuses a project that another declared stack has: `--remove-orphans` of one would destroy the other.
///
/// # Errors
/// Names the other stack.
pub fn check_project(dirs: &Dirs, stack: &StackName, project: &str) -> Result<(), Error> {
    let inventory = Inventory::load(dirs);
    let other = inventory.stacks.iter().find(|(other, declared)| {
        *other != stack && declared.entry.compose.project.as_deref() == Some(project)
    });
    match other {
        Some((other, _)) => Err(Refusal::ProjectTaken {
            stack: stack.clone(),
            project: project.to_owned(),
            other: other.clone(),
        }
        .into()),
        None => Ok(()),
    }
}

/// Writes the entry.
///
/// # Errors
/// The inventory is a generation's, or cannot be written.
pub fn write(dirs: &Dirs, stack: &StackName, entry: &Entry) -> Result<bool, Error> {
    let path = dirs.inventory_file(stack);
    if let Ok(target) = fs_err::read_link(&path) {
        return Err(crate::artifacts::ArtifactError::Linked { path, target }.into());
    }
    if Inventory::load_stack(dirs, stack).is_ok_and(|declared| declared.entry == *entry) {
        return Ok(false);
    }
    entry.store(&path)?;
    path.parent().into_iter().for_each(atomic::sweep);
    Ok(true)
}

fn set<T>(value: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *value = given;
    }
}

fn set_list<T>(value: &mut Vec<T>, given: Vec<T>) {
    if !given.is_empty() {
        *value = given;
    }
}

fn absolute_env_file(here: &Path, file: EnvFile) -> EnvFile {
    EnvFile { path: absolute(here, &file.path), fallback: file.fallback.map(|path| absolute(here, &path)) }
}

/// `path` below `here`, without `.` and `..`, links not followed: what compose does with its own `-f`.
fn absolute(here: &Path, path: &Path) -> PathBuf {
    use std::path::Component;
    let mut result = PathBuf::new();
    for part in here.join(path).components() {
        match part {
            Component::ParentDir => drop(result.pop()),
            Component::CurDir => {}
            other => result.push(other),
        }
    }
    result
}
