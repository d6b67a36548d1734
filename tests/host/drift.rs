//! Every kind of change that there is: found in under two seconds through the path units, by the right check, for the
//! right unit and path, and gone after the repair.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::installed::{Host, has, lines};
use super::support::write;

/// From the change to the report, with the default settle time.
const IN_TIME: Duration = Duration::from_secs(2);

/// On a machine that is busy with other things a change may take longer now and then, but not every time.
const TRIES: usize = 5;

const EDITED: &str = "[Service]\nType=oneshot\nExecStart=/bin/false\n";
const DROP_IN: &str = "[Service]\nEnvironment=A=1\n";

/// A change, and what is to be found of it.
struct Kind {
    name: String,
    prepare: Box<dyn Fn(&Host) + Sync>,
    change: Box<dyn Fn(&Host) + Sync>,
    check: &'static str,
    unit: &'static str,
    path: Box<dyn Fn(&Host) -> PathBuf + Sync>,
    repair: Box<dyn Fn(&Host) + Sync>,
}

impl Kind {
    fn new(
        name: impl Into<String>,
        unit: &'static str,
        check: &'static str,
        change: impl Fn(&Host, &Path) + Sync + 'static,
    ) -> Self {
        let stack = unit.strip_suffix(".service").unwrap();
        Self {
            name: name.into(),
            prepare: Box::new(|_| {}),
            change: Box::new(move |host| change(host, &host.owned(unit))),
            check,
            unit,
            path: Box::new(move |host| host.owned(unit)),
            // Lingering is advice; everything else would be a failure.
            repair: Box::new(move |host| {
                let promised = host.must("stackctl", &["repair", stack, "--dry-run"]);
                let done = host.must("stackctl", &["repair", stack]);
                assert!(promised.lines().all(|line| line.starts_with("would ")), "{promised}");
                assert_eq!(steps(&promised), steps(&done));
            }),
        }
    }

    fn try_on(&self, host: &Host) -> Duration {
        (self.prepare)(host);
        let (begin, path) = (Instant::now(), (self.path)(host));
        (self.change)(host);
        host.await_found(&self.name, |found| has(found, self.check, self.unit, &path));
        let took = begin.elapsed();
        (self.repair)(host);
        host.await_settled(&format!("{}, repaired", self.name), <[_]>::is_empty);
        took
    }

    fn hold(&self, host: &Host) {
        let mut took = Vec::new();
        for _ in 0..TRIES {
            took.push(self.try_on(host));
            if took.iter().any(|took| *took < IN_TIME) {
                return;
            }
        }
        panic!("{}: found after {took:?}: {}", self.name, lines(&host.found()));
    }
}

/// What is done to which path, whether it was done or would be.
fn steps(said: &str) -> Vec<(char, &str)> {
    said.lines()
        .map(|line| {
            let (verb, what) = line.strip_prefix("would ").unwrap_or(line).split_once(' ').unwrap();
            let path = what.rsplit_once(" at ").map_or(what, |(_, path)| path.split(' ').next().unwrap());
            (verb.chars().next().unwrap(), path)
        })
        .collect()
}

/// Replaces a file by another in one step.
fn replace(path: &Path, text: &str) {
    let new = write(path.with_extension("new"), text);
    fs_err::rename(new, path).unwrap();
}

fn shell(host: &Host, script: &str, arguments: &[&Path]) {
    let status = host.manager.command("sh").args(["-euc", script, "sh"]).args(arguments).status().unwrap();
    assert!(status.success(), "{script}: {status}");
}

fn stale(host: &Host) -> PathBuf {
    write(host.manager.dir().join("store/stale.service"), EDITED)
}

/// Changes of the unit file itself.
fn files() -> Vec<Kind> {
    vec![
        Kind::new("edited in place", "web.service", "fragment-content", |_, path| drop(write(path, EDITED))),
        Kind::new("replaced by rename", "web.service", "fragment-content", |_, path| replace(path, EDITED)),
        Kind::new("deleted", "web.service", "unit-missing", |_, path| fs_err::remove_file(path).unwrap()),
        Kind::new("masked", "web.service", "unit-masked", |_, path| {
            fs_err::remove_file(path).unwrap();
            symlink("/dev/null", path).unwrap();
        }),
        Kind::new("a FIFO", "web.service", "fragment-replaced", |host, path| {
            shell(host, "rm \"$1\"; mkfifo \"$1\"", &[path]);
        }),
        Kind::new("a directory", "web.service", "fragment-replaced", |_, path| {
            fs_err::remove_file(path).unwrap();
            fs_err::create_dir(path).unwrap();
        }),
        // The directory of the link is none that is watched: this is what the timer's run does.
        Kind::new("no longer enabled", "web.service", "unit-not-enabled", |host, _| {
            fs_err::remove_file(host.owned("default.target.wants/web.service")).unwrap();
            host.run("stack-audit", &[]);
        })
        .at(|host| host.owned("default.target.wants/web.service")),
    ]
}

/// Changes of a link that is declared.
fn links() -> Vec<Kind> {
    vec![
        Kind::new("ln -sfn", "linked.service", "fragment-replaced", |host, path| {
            shell(host, "ln -sfn \"$1\" \"$2\"", &[&stale(host), path]);
        }),
        Kind::new("mv -T", "linked.service", "fragment-replaced", |host, path| {
            shell(host, "ln -s \"$1\" \"$2.new\"; mv -T \"$2.new\" \"$2\"", &[&stale(host), path]);
        }),
        Kind::new("a regular file for the link", "linked.service", "fragment-replaced", |host, path| {
            let text = fs_err::read_to_string(host.manager.dir().join("store/linked.service")).unwrap();
            replace(path, &text);
        }),
        Kind::new("a dangling link", "linked.service", "unit-missing", |host, path| {
            shell(host, "ln -sfn /nowhere \"$1\"", &[path]);
        }),
        Kind::new("the link deleted", "linked.service", "unit-missing", |_, path| {
            fs_err::remove_file(path).unwrap();
        }),
    ]
}

impl Kind {
    fn at(mut self, path: impl Fn(&Host) -> PathBuf + Sync + 'static) -> Self {
        self.path = Box::new(path);
        self
    }
}

/// The directories in which drop-ins and copies may appear.
fn place(host: &Host, word: &str) -> PathBuf {
    let manager = &host.manager;
    match word {
        "owner" => manager.owner(),
        "control" => manager.config().join("systemd/user.control"),
        "runtime" => manager.runtime().join("systemd/user"),
        "runtime control" => manager.runtime().join("systemd/user.control"),
        "transient" => manager.runtime().join("systemd/transient"),
        "etc" => manager.etc(),
        _ => panic!("{word}"),
    }
}

/// A drop-in for a unit, a prefix or a type, in a directory that is new, or that exists and is watched.
fn drop_in(word: &'static str, directory: &'static str, unit: &'static str, is_new: bool) -> Kind {
    let path = move |host: &Host| place(host, word).join(directory).join("50.conf");
    let mut kind = Kind::new(
        format!(
            "a drop-in in the {word} directory's {} {directory}",
            if is_new { "new" } else { "existing" }
        ),
        unit,
        "drop-in-unexpected",
        move |host, _| drop(write(path(host), DROP_IN)),
    );
    kind.path = Box::new(path);
    // The owner's service.d is always there: the path unit has a line of its own for it.
    let permanent = word == "owner" && directory == "service.d";
    let stack = unit.strip_suffix(".service").unwrap();
    kind.repair = Box::new(move |host| {
        let promised = host.must("stackctl", &["repair", stack, "--dry-run"]);
        let left = format!("left alone: {unit}: drop-in-unexpected: ");
        assert!(!promised.contains("would ") && promised.contains(&left), "{promised}");
        fs_err::remove_file(path(host)).unwrap();
        if !permanent {
            fs_err::remove_dir(path(host).parent().unwrap()).unwrap();
        }
    });
    if !is_new && !permanent {
        kind.prepare = Box::new(move |host| {
            let directory = path(host).parent().unwrap().to_owned();
            fs_err::create_dir_all(&directory).unwrap();
            if word == "etc" {
                host.run("stack-audit", &[]);
            }
            let escaped = stackwarden::names::escape_path(directory.to_str().unwrap());
            let watch = format!("stack-watch@{escaped}.path");
            super::support::wait_for(&watch, super::installed::DEADLINE, || {
                (host.manager.property(&watch, "SubState") == "waiting").then_some(())
            });
            host.await_rest();
        });
    }
    kind
}

/// A copy of the unit in another directory.
fn copy(word: &'static str, check: &'static str) -> Kind {
    let path = move |host: &Host| place(host, word).join("web.service");
    let mut kind =
        Kind::new(format!("a copy in the {word} directory"), "web.service", check, move |host, _| {
            write(path(host), EDITED);
        });
    kind.path = Box::new(path);
    kind.repair = Box::new(move |host| fs_err::remove_file(path(host)).unwrap());
    kind
}

const DIRECTORIES: [(&str, &str); 3] =
    [("web.service.d", "web.service"), ("web-.service.d", "web-app.service"), ("service.d", "web.service")];

fn drop_ins(words: &[&'static str]) -> Vec<Kind> {
    let mut kinds = Vec::new();
    for word in words {
        for (directory, unit) in DIRECTORIES {
            for is_new in [true, false] {
                // What is not watched is found by the timer's run only.
                if is_new && (*word == "etc" || (*word == "owner" && directory == "service.d")) {
                    continue;
                }
                kinds.push(drop_in(word, directory, unit, is_new));
            }
        }
    }
    kinds
}

/// Users among whom the kinds of a test are shared out: most of it is waiting.
const HOSTS: usize = 3;

fn hold(stacks: &[&str], kinds: &[Kind]) {
    std::thread::scope(|scope| {
        for share in kinds.chunks(kinds.len().div_ceil(HOSTS)) {
            scope.spawn(move || {
                let host = Host::new(stacks);
                if stacks.contains(&"linked") {
                    host.link("linked");
                }
                for kind in share {
                    kind.hold(&host);
                }
            });
        }
    });
}

#[test]
fn changes_of_a_unit_file() {
    hold(&["web"], &files());
}

#[test]
fn changes_of_a_link() {
    hold(&["linked"], &links());
}

#[test]
fn drop_ins_beside_the_unit_and_in_user_control() {
    hold(&["web", "web-app"], &drop_ins(&["owner", "control"]));
}

#[test]
fn drop_ins_in_the_runtime_directories() {
    hold(&["web", "web-app"], &drop_ins(&["runtime", "runtime control"]));
}

#[test]
fn drop_ins_in_the_transient_and_the_administrator_s_directory() {
    hold(&["web", "web-app"], &drop_ins(&["transient", "etc"]));
}

#[test]
fn copies_in_other_directories() {
    let copies = [
        copy("runtime", "shadowed-copy"),
        copy("control", "override-control"),
        copy("runtime control", "override-control"),
        copy("transient", "override-transient"),
    ];
    hold(&["web"], &copies);
}

#[test]
fn changes_of_the_declaration() {
    let inventory = |host: &Host| host.manager.config().join("stackwarden/stacks/web.json");
    let seal = |host: &Host| host.manager.config().join("stackwarden/sealed/web.json");
    let host = Host::new(&["web"]);
    let entry = fs_err::read_to_string(inventory(&host)).unwrap();
    let sealed = fs_err::read_to_string(seal(&host)).unwrap();

    replace(&inventory(&host), &entry.replace("\"description\": \"\"", "\"description\": \"web\""));
    host.await_settled("an edited entry", |found| found.iter().any(|f| f.check.id() == "inventory-unsealed"));
    host.must("stackctl", &["sync", "web"]);
    host.await_settled("synced", <[_]>::is_empty);

    write(inventory(&host), entry.split_at(20).0);
    host.await_settled("a broken entry", |found| found.iter().any(|f| f.check.id() == "declaration-invalid"));
    write(inventory(&host), &entry);
    host.must("stackctl", &["sync", "web"]);
    host.await_settled("mended", <[_]>::is_empty);

    replace(&seal(&host), sealed.split_at(20).0);
    host.await_settled("a broken seal", |found| found.iter().any(|f| f.check.id() == "declaration-invalid"));
    host.must("stackctl", &["sync", "web"]);
    host.await_settled("sealed again", <[_]>::is_empty);
}
