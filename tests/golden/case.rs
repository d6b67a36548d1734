//! A case: its directory, and the tree that is made of it.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use nix::sys::stat::Mode;
use serde_json::{Map, Value, json};
use stackwarden::audit::{self, Declaration, Options, World, with_instances};
use stackwarden::dirs::Dirs;
use tempfile::TempDir;

use super::manager::answers;
use super::podman;

/// Stands for the directory of the tree, in file contents, links and reports.
const ROOT: &str = "@root@";

/// What `@2-days-ago@` stands for, in file contents and reports.
static NOW: LazyLock<SystemTime> = LazyLock::new(SystemTime::now);

fn days_ago() -> impl Iterator<Item = (String, String)> {
    let time = |days: u64| *NOW - Duration::from_secs(days * 24 * 60 * 60);
    (0..10_u64).map(move |days| {
        (format!("@{days}-days-ago@"), humantime::format_rfc3339_millis(time(days)).to_string())
    })
}

/// A directory below `tests/golden`.
#[derive(Debug)]
pub struct Case {
    /// The directory's name.
    pub name: String,
    /// The directory.
    pub directory: PathBuf,
    /// The check that it breaks.
    pub breaks: Option<String>,
    description: Value,
}

/// The directory of this project.
pub fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The directory of the case that passes.
pub fn base() -> PathBuf {
    project().join("tests/golden/base")
}

impl Case {
    /// Every case, the base among them.
    pub fn all() -> Vec<Self> {
        let mut cases: Vec<Self> = fs_err::read_dir(project().join("tests/golden"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_dir())
            .map(Self::load)
            .collect();
        cases.sort_by(|a, b| a.name.cmp(&b.name));
        cases
    }

    fn load(directory: PathBuf) -> Self {
        let description = read_json(&directory.join("case.json"));
        let known =
            ["about", "breaks", "manager", "remove", "links", "directories", "fifos", "sparse", "modes"];
        for key in description.as_object().unwrap().keys() {
            assert!(known.contains(&key.as_str()), "{}: {key}", directory.display());
        }
        assert!(description["about"].is_string(), "{}: what is it about?", directory.display());
        Self {
            name: directory.file_name().unwrap().to_str().unwrap().to_owned(),
            breaks: description["breaks"].as_str().map(str::to_owned),
            directory,
            description,
        }
    }

    /// Makes the tree, and judges it.
    pub fn report(&self) -> Value {
        let root = TempDir::new().unwrap();
        self.make(root.path());
        let dirs = dirs(root.path());
        let mut says = read_json(&base().join("manager.json"));
        // A merge patch takes null for the removal of what it stands for: there is no manager then.
        merge(&mut says, self.description.get("manager").unwrap_or(&json!({})));
        let report = if says.is_null() {
            let options = Options { dry_run: true, podman: true, ..Options::default() };
            audit::audit(&dirs, &options).unwrap().report
        } else {
            let says = with_root(&says, root.path());
            let declaration = Declaration::load(&dirs);
            let answers = answers(&says, SystemTime::now());
            let units = with_instances(&declaration, &answers.listed);
            let stacks = podman::stacks(&self.directory, root.path(), &dirs, &declaration);
            audit::preview(&dirs, &declaration, &World::assemble(&dirs, units, answers, stacks))
        };
        normal(&serde_json::to_value(report).unwrap(), root.path())
    }

    fn make(&self, root: &Path) {
        lay(&base().join("files"), root, root);
        let all = |key: &str| self.description[key].as_array().cloned().unwrap_or_default();
        let at = |path: &Value| root.join(path.as_str().unwrap());
        for path in all("remove").iter().map(at) {
            if path.is_dir() && !path.is_symlink() {
                fs_err::remove_dir_all(path).unwrap();
            } else {
                fs_err::remove_file(path).unwrap();
            }
        }
        if self.directory != base() {
            lay(&self.directory.join("files"), root, root);
        }
        for path in all("directories").iter().map(at) {
            fs_err::create_dir_all(path).unwrap();
        }
        for path in all("fifos").iter().map(at) {
            nix::unistd::mkfifo(&room_for(path), Mode::S_IRWXU).unwrap();
        }
        for path in all("sparse").iter().map(at) {
            fs_err::File::create(room_for(path)).unwrap().set_len(1 << 30).unwrap();
        }
        let modes = self.description["modes"].as_object().cloned().unwrap_or_default();
        for (path, mode) in modes {
            let mode = u32::from_str_radix(mode.as_str().unwrap(), 8).unwrap();
            fs_err::set_permissions(root.join(path), std::fs::Permissions::from_mode(mode)).unwrap();
        }
        let links = self.description["links"].as_object().cloned().unwrap_or_default();
        for (path, target) in links {
            let target = target.as_str().unwrap().replace(ROOT, root.to_str().unwrap());
            symlink(target, room_for(root.join(path))).unwrap();
        }
    }
}

/// The directories of the tree's user.
pub fn dirs(root: &Path) -> Dirs {
    Dirs {
        user: "me".to_owned(),
        home: root.join("home"),
        config_home: root.join("config"),
        state_home: root.join("state"),
        data_home: root.join("data"),
        cache_home: root.join("cache"),
        runtime: root.join("run"),
    }
}

/// Copies a tree of files and links.
pub fn lay(from: &Path, to: &Path, root: &Path) {
    if !from.exists() {
        return;
    }
    for entry in fs_err::read_dir(from).unwrap() {
        let from = entry.unwrap().path();
        let to = to.join(from.file_name().unwrap());
        let status = from.symlink_metadata().unwrap();
        if status.is_dir() {
            fs_err::create_dir_all(&to).unwrap();
            lay(&from, &to, root);
        } else if status.is_symlink() {
            let target = fs_err::read_link(&from).unwrap();
            symlink(target.to_str().unwrap().replace(ROOT, root.to_str().unwrap()), room_for(to)).unwrap();
        } else {
            let content = fs_err::read(&from).unwrap();
            let content = match String::from_utf8(content) {
                Ok(text) => filled(&text, root).into_bytes(),
                Err(error) => error.into_bytes(),
            };
            fs_err::write(room_for(to), content).unwrap();
        }
    }
}

/// A text in which the tree's directory and the days are named.
fn filled(text: &str, root: &Path) -> String {
    let text = text.replace(ROOT, root.to_str().unwrap());
    days_ago().fold(text, |text, (name, time)| text.replace(&name, &time))
}

/// Makes the directory of `path`, and takes away what is there.
fn room_for(path: PathBuf) -> PathBuf {
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    if path.symlink_metadata().is_ok() {
        fs_err::remove_file(&path).unwrap();
    }
    path
}

pub fn with_root(value: &Value, root: &Path) -> Value {
    serde_json::from_str(&value.to_string().replace(ROOT, root.to_str().unwrap())).unwrap()
}

/// A report without what differs between two runs.
pub fn normal(report: &Value, root: &Path) -> Value {
    let text = report.to_string().replace(root.to_str().unwrap(), ROOT);
    let text = days_ago().fold(text, |text, (name, time)| text.replace(&time, &name));
    let mut report: Value = serde_json::from_str(&text).unwrap();
    for key in ["run", "started", "finished", "podman_asked"] {
        if !report[key].is_null() {
            report[key] = json!(format!("@{key}@"));
        }
    }
    report
}

/// RFC 7386.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        target.clone_from(patch);
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let target = target.as_object_mut().unwrap();
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key).or_insert(Value::Null), value);
        }
    }
}

/// Reads a JSON file.
#[track_caller]
pub fn read_json(path: &Path) -> Value {
    let text = fs_err::read_to_string(path).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Writes a JSON file.
pub fn write_json(path: &Path, value: &Value) {
    fs_err::write(path, format!("{value:#}\n")).unwrap();
}

/// The lines in which two documents differ.
pub fn difference(expected: &Value, seen: &Value) -> String {
    let (expected, seen) = (format!("{expected:#}"), format!("{seen:#}"));
    let only = |a: &str, b: &str, sign: char| -> Vec<String> {
        let others: Vec<&str> = b.lines().collect();
        a.lines().filter(|line| !others.contains(line)).map(|line| format!("{sign} {line}")).collect()
    };
    [only(&expected, &seen, '-'), only(&seen, &expected, '+')].concat().join("\n")
}
