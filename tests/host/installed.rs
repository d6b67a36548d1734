//! A user with a manager, the product installed, and some stacks.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stackwarden::audit::{Check, Finding, Report};
use stackwarden::document::Document;

use super::support::{Manager, write};

/// Far above what anything here takes, also on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// How many users there are at the same time. Each has some 15 inotify instances, of which one account has 128 on the
/// whole machine (`fs.inotify.max_user_instances`); without any left, a path unit fails.
const USERS: usize = 5;

/// One of [`USERS`].
struct Place;

static TAKEN: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

impl Place {
    fn wait_for_one() -> Self {
        let taken = TAKEN.0.lock().unwrap();
        *TAKEN.1.wait_while(taken, |taken| *taken == USERS).unwrap() += 1;
        Self
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *TAKEN.0.lock().unwrap() -= 1;
        TAKEN.1.notify_one();
    }
}

/// A user.
pub struct Host {
    /// Its manager.
    pub manager: Manager,
    programs: PathBuf,
    // The last to go.
    _place: Place,
}

impl Host {
    /// A user who has installed the product and declared `stacks`, and of whom nothing is found.
    pub fn new(stacks: &[&str]) -> Self {
        let programs = Path::new(env!("CARGO_BIN_EXE_stackctl")).parent().unwrap().to_owned();
        Self::with(Place::wait_for_one(), Manager::start(), programs, stacks)
    }

    /// The same, with programs of its own that a test may replace.
    pub fn with_own_programs(stacks: &[&str]) -> Self {
        let place = Place::wait_for_one();
        let manager = Manager::start();
        let programs = copy_programs(&manager.dir().join("bin"));
        Self::with(place, manager, programs, stacks)
    }

    /// The same, with directories that are all called `name`, and programs that `programs` puts somewhere.
    pub fn below(name: &str, programs: impl FnOnce(&Manager) -> PathBuf, stacks: &[&str]) -> Self {
        let place = Place::wait_for_one();
        let manager = Manager::start_below(name);
        let programs = programs(&manager);
        Self::with(place, manager, programs, stacks)
    }

    fn with(place: Place, manager: Manager, programs: PathBuf, stacks: &[&str]) -> Self {
        let host = Self { manager, programs, _place: place };
        host.must("stackctl", &["install"]);
        for stack in stacks {
            let home = host.manager.command("true").get_current_dir().unwrap().to_owned();
            let compose = write(home.join(stack).join("compose.yml"), "services: {a: {image: b}}\n");
            host.must("stackctl", &["add", stack, "--compose", compose.to_str().unwrap()]);
        }
        host.await_settled("the new host", <[_]>::is_empty);
        host
    }

    /// One of the programs.
    pub fn command(&self, program: &str) -> Command {
        self.manager.command(self.programs.join(program))
    }

    /// One of the programs, for a test that replaces it.
    pub fn program(&self, program: &str) -> PathBuf {
        self.programs.join(program)
    }

    /// Runs a program.
    pub fn run(&self, program: &str, args: &[&str]) -> Output {
        self.command(program).args(args).output().unwrap()
    }

    /// Runs a program, which must succeed, and returns its output.
    #[track_caller]
    pub fn must(&self, program: &str, args: &[&str]) -> String {
        let output = self.run(program, args);
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{program} {args:?}: {}: {err}\n{}",
            output.status,
            self.manager.log()
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// A file of the owner directory.
    pub fn owned(&self, name: &str) -> PathBuf {
        self.manager.owner().join(name)
    }

    /// Declares a stack's unit as a link into a generation, as Home Manager does it; returns the link's target.
    pub fn link(&self, stack: &str) -> PathBuf {
        let unit = format!("{stack}.service");
        let target = self.manager.dir().join("store").join(&unit);
        let text = fs_err::read_to_string(self.owned(&unit)).unwrap();
        write(&target, &text);
        let seal = self.manager.config().join(format!("stackwarden/sealed/{stack}.json"));
        let mut sealed: Value = serde_json::from_str(&fs_err::read_to_string(&seal).unwrap()).unwrap();
        sealed["units"][&unit]["link"] = json!(target);
        write(seal, &sealed.to_string());
        let new = self.manager.dir().join("new");
        symlink(&target, &new).unwrap();
        fs_err::rename(new, self.owned(&unit)).unwrap();
        self.await_settled("the linked unit", <[_]>::is_empty);
        target
    }

    /// The last report, if there is one.
    pub fn report(&self) -> Option<Report> {
        let path = self.manager.state().join("stackwarden/audit.json");
        match Report::load(&path) {
            Ok(report) => Some(report),
            Err(error) if error.is_missing() => None,
            // It is replaced whole: there is no moment at which it could not be read.
            Err(error) => panic!("{error}"),
        }
    }

    /// What the last report found, as far as it is not about the machine that the tests run on.
    pub fn found(&self) -> Vec<Finding> {
        self.report().map_or_else(Vec::new, |report| findings(report).collect())
    }

    /// Waits until the last report finds what is wanted; how long that took.
    #[track_caller]
    pub fn await_found(&self, what: &str, wanted: impl Fn(&[Finding]) -> bool) -> Duration {
        let begin = Instant::now();
        loop {
            let found = self.found();
            if wanted(&found) {
                return begin.elapsed();
            }
            assert!(begin.elapsed() < DEADLINE, "{what}: {}\n{}", lines(&found), self.manager.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The same, and then until nothing is under way any more, after which it must still be so.
    #[track_caller]
    pub fn await_settled(&self, what: &str, wanted: impl Fn(&[Finding]) -> bool) {
        self.await_found(what, &wanted);
        self.await_rest();
        let found = self.found();
        assert!(wanted(&found), "{what}, at rest: {}\n{}", lines(&found), self.manager.log());
    }

    /// Waits until no audit runs or is due.
    #[track_caller]
    pub fn await_rest(&self) {
        let begin = Instant::now();
        let units = ["stack-audit.service", "stack-audit-settle.service", "stack-audit.path"];
        let properties = ["show", "--property=ActiveState,SubState,Job", "--"];
        let idle = |state: &str| {
            let jobless =
                !state.lines().any(|line| line.strip_prefix("Job=").is_some_and(|job| !job.is_empty()));
            jobless && ["inactive", "failed"].iter().any(|s| state.contains(&format!("ActiveState={s}")))
        };
        loop {
            let states = self.manager.systemctl(&[&properties[..], &units[..]].concat());
            let each: Vec<&str> = states.split("\n\n").collect();
            if idle(each[0]) && idle(each[1]) && each[2].contains("SubState=waiting") {
                return;
            }
            assert!(begin.elapsed() < DEADLINE, "no rest: {states}\n{}", self.manager.log());
            std::thread::sleep(Duration::from_millis(30));
        }
    }
}

/// Puts the programs into a directory.
pub fn copy_programs(directory: &Path) -> PathBuf {
    fs_err::create_dir_all(directory).unwrap();
    for program in [
        env!("CARGO_BIN_EXE_stackctl"),
        env!("CARGO_BIN_EXE_stack-audit"),
        env!("CARGO_BIN_EXE_stack-update"),
    ] {
        fs_err::copy(program, directory.join(Path::new(program).file_name().unwrap())).unwrap();
    }
    directory.to_owned()
}

/// Whether root lingers here, and whether there is a podman to ask, is not these tests' to say.
pub fn of_the_machine(check: Check) -> bool {
    check == Check::LingerDisabled || Check::RUNNING.contains(&check)
}

/// What a report found, as far as it is not about the machine that the tests run on.
pub fn findings(report: Report) -> impl Iterator<Item = Finding> {
    report.findings.into_iter().filter(|finding| !of_the_machine(finding.check))
}

/// Whether there is a finding of a check about a unit and a path.
pub fn has(found: &[Finding], check: &str, unit: &str, path: &Path) -> bool {
    found.iter().any(|finding| {
        finding.check.id() == check
            && finding.unit.as_ref().is_some_and(|name| name.as_str() == unit)
            && finding.path.as_deref() == Some(path)
    })
}

/// Findings for a message.
pub fn lines(found: &[Finding]) -> String {
    let lines: Vec<String> = found.iter().map(Finding::line).collect();
    format!("found {}:\n{}", lines.len(), lines.join("\n"))
}
