//! A machine of the lab: real systemd, podman, compose and registry, with our programs and the benchmark itself in it.
//! For what a stand-in could not tell.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The argument by which a benchmark knows that it is in the machine.
const INSIDE: &str = "--inside";

/// Our programs.
const PROGRAMS: &[&str] =
    &[env!("CARGO_BIN_EXE_stack-audit"), env!("CARGO_BIN_EXE_stack-update"), env!("CARGO_BIN_EXE_stackctl")];

/// The registry in the machine.
pub const REGISTRY: &str = "localhost:5000";

/// Boots a machine for the benchmark `name`, lets `prepare` do there what root has to, and then runs this very program
/// in it, as the machine's user: there `inside` does the measuring. What it prints is printed here.
pub fn in_the_lab(name: &str, prepare: impl FnOnce(&Machine), inside: impl FnOnce()) {
    if std::env::args().any(|argument| argument == INSIDE) {
        inside();
        return;
    }
    let machine = Machine::boot(name);
    prepare(&machine);
    let own = std::env::args_os().skip(1).filter(|argument| argument != "--bench");
    machine.run(&["-m", &machine.name, &format!("/opt/stackwarden/bin/{name}"), INSIDE], own);
}

/// A machine that is gone, with its files, when this is dropped.
#[derive(Debug)]
pub struct Machine {
    name: String,
    programs: tempfile::TempDir,
}

impl Machine {
    fn boot(name: &str) -> Self {
        let programs = tempfile::tempdir().unwrap();
        for program in PROGRAMS.iter().map(PathBuf::from) {
            fs_err::copy(&program, programs.path().join(program.file_name().unwrap())).unwrap();
        }
        fs_err::copy(std::env::current_exe().unwrap(), programs.path().join(name)).unwrap();
        let machine = Self { name: format!("bench-{name}"), programs };
        // One that was interrupted has left its own; usually there is none.
        machine.forget();
        machine.lab("boot", &[&machine.name], std::iter::empty::<&str>());
        machine
    }

    /// Runs a bash script in the machine, as root.
    pub fn as_root(&self, script: &str) {
        self.run(&["-m", &self.name, "--root", "bash", "-euc", script], std::iter::empty::<&str>());
    }

    fn run<A: AsRef<OsStr>>(&self, arguments: &[&str], more: impl Iterator<Item = A>) {
        self.lab("run", arguments, more);
    }

    fn lab<A: AsRef<OsStr>>(&self, verb: &str, arguments: &[&str], more: impl Iterator<Item = A>) {
        let status = lab().arg(verb).args(arguments).args(more).env("LAB_BIN", self.programs.path()).status();
        assert!(status.as_ref().unwrap().success(), "lab {verb} {arguments:?}: {status:?}");
    }

    fn forget(&self) {
        let stop = lab().args(["stop", &self.name, "--purge"]).stderr(Stdio::null()).status();
        drop(stop);
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.forget();
    }
}

fn lab() -> Command {
    let mut command = Command::new("bash");
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/lab")).stdin(Stdio::null());
    command
}

/// In the machine: a program as its user would call it.
pub fn program(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).envs(std::env::vars_os()).stdin(Stdio::null());
    command
}

/// In the machine: runs a program, which must succeed, and returns what it printed.
pub fn done(name: &str, arguments: &[&str]) -> String {
    let output = program(name, arguments).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} {arguments:?}: {}: {told}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// In the machine: puts a tiny image into the registry under `NAME:TAG` (settings: see tests/lab/guest/lab-image), and
/// returns its reference.
pub fn image(name: &str, settings: &[&str]) -> String {
    let reference = format!("{REGISTRY}/{name}");
    eventually("the registry answers", || std::net::TcpStream::connect(REGISTRY).is_ok());
    done("/opt/lab/lab-image", &[&[reference.as_str()], settings].concat());
    reference
}

/// In the machine: writes a compose file and declares a stack of it. Nothing is started.
pub fn declare(stack: &str, compose: &str, options: &[&str]) {
    let file = put(&format!("{stack}/compose.yml"), compose).display().to_string();
    done("stackctl", &[&["add", stack, "--compose", &file, "--project", stack], options].concat());
}

/// In the machine: a file of its user's, the path from the home directory.
pub fn put(path: &str, text: &str) -> PathBuf {
    super::manager::write(Path::new(&std::env::var_os("HOME").unwrap()).join(path), text)
}

/// Waits for what must come.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "not within a minute: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
