//! `stackctl gate` against a real user manager: what keeps a generation from being in force, and how it is said.
#![expect(clippy::unwrap_used, reason = "in a test, a failed step is a panic with its place")]

mod support;

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use stackwarden::document::read_text;
use support::{Manager, wait_for, write};

const STACKCTL: &str = env!("CARGO_BIN_EXE_stackctl");
const DEADLINE: Duration = Duration::from_secs(20);

/// Answers of a manager that hangs are not waited for as long as usual; the audits are the gate's own.
const CONFIG: &str = r#"{ "version": 1, "bus_deadline": "1s" }"#;
const WITHOUT_RELOAD: &str = r#"{ "version": 1, "heal": { "reload": false } }"#;

fn stackctl(manager: &Manager, args: &[&str]) -> Output {
    manager.command(STACKCTL).args(args).output().unwrap()
}

fn configure(manager: &Manager, config: &str) {
    write(manager.config().join("stackwarden/config.json"), config);
}

/// A manager with the shipped units, and a stack whose unit was never started.
fn with_a_stack() -> Manager {
    with_a_stack_and(CONFIG)
}

fn with_a_stack_and(config: &str) -> Manager {
    let manager = Manager::start();
    configure(&manager, config);
    declare(&manager);
    manager
}

fn declare(manager: &Manager) {
    let entry = r#"{ "version": 1, "compose": { "directory": "/srv/web", "files": ["compose.yml"] } }"#;
    write(manager.config().join("stackwarden/stacks/web.json"), entry);
    for args in [["install"].as_slice(), &["sync", "web"]] {
        let output = stackctl(manager, args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// What the gate prints, on both streams, once it has ended with `code`.
#[track_caller]
fn gate(manager: &Manager, code: i32) -> String {
    ended(&stackctl(manager, &["gate"]), code)
}

#[track_caller]
fn ended(output: &Output, code: i32) -> String {
    let printed = [output.stdout.as_slice(), &output.stderr].concat();
    let printed = String::from_utf8(printed).unwrap();
    assert_eq!(output.status.code(), Some(code), "{printed}");
    printed
}

/// The gate fails, and names the check and the object.
#[track_caller]
fn refused(manager: &Manager, check: &str, object: &str) {
    let printed = gate(manager, 79);
    let named = printed.lines().any(|line| line.contains(check) && line.contains(object));
    assert!(named, "{check} of {object}: {printed}");
    assert!(printed.contains("not every unit is linked, loaded and enabled as declared"), "{printed}");
}

fn unit_file(manager: &Manager) -> PathBuf {
    manager.owner().join("web.service")
}

#[test]
fn what_is_in_force_as_declared_passes() {
    let manager = with_a_stack();
    let printed = gate(&manager, 0);
    assert!(printed.contains("units are linked, loaded and enabled as declared"), "{printed}");
    // What loses is a leftover of somebody else: named, with what to do about it, and no obstacle.
    write(manager.etc().join("web.service"), "[Service]\nExecStart=/bin/false\n");
    let printed = gate(&manager, 0);
    assert!(printed.contains("shadowed-copy") && printed.contains("rm "), "{printed}");
}

#[test]
fn a_drifted_file_is_named() {
    let manager = with_a_stack();
    let text = read_text(&unit_file(&manager)).unwrap();
    manager.write_unit("web.service", &text.replace("RemainAfterExit=yes", "RemainAfterExit=no"));
    refused(&manager, "fragment-content", "web.service");

    fs_err::remove_file(unit_file(&manager)).unwrap();
    refused(&manager, "unit-missing", "web.service");

    symlink("/dev/null", unit_file(&manager)).unwrap();
    refused(&manager, "unit-masked", "web.service");

    fs_err::remove_file(unit_file(&manager)).unwrap();
    let elsewhere = write(manager.dir().join("home/web.service"), &text);
    symlink(&elsewhere, unit_file(&manager)).unwrap();
    refused(&manager, "fragment-replaced", "web.service");

    fs_err::remove_file(unit_file(&manager)).unwrap();
    manager.write_unit("web.service", &text);
    gate(&manager, 0);
}

#[test]
fn what_wins_over_the_owner_directory_is_named() {
    let manager = with_a_stack();
    let copy = manager.config().join("systemd/user.control/web.service");
    write(copy.clone(), "[Service]\nType=oneshot\nExecStart=/bin/true\n");
    refused(&manager, "override-control", copy.to_str().unwrap());
    fs_err::remove_file(copy).unwrap();

    let drop_in = manager.write_unit("web.service.d/50-local.conf", "[Service]\nNice=5\n");
    refused(&manager, "drop-in-unexpected", drop_in.to_str().unwrap());
    fs_err::remove_file(drop_in).unwrap();
    gate(&manager, 0);

    fs_err::remove_file(manager.owner().join("default.target.wants/web.service")).unwrap();
    refused(&manager, "unit-not-enabled", "web.service");
}

#[test]
fn what_is_linked_and_not_loaded_is_loaded_or_named() {
    let manager = with_a_stack_and(WITHOUT_RELOAD);
    let declared = read_text(&unit_file(&manager)).unwrap();
    // Held in memory, or the manager would read the file anew whenever it is asked.
    manager.write_unit("holder.service", "[Unit]\nWants=web.service\n[Service]\nExecStart=/bin/sleep 1d\n");
    manager.write_unit("web.service", &declared.replace("ExecStart=", "ExecStart=/bin/true "));
    manager.systemctl(&["daemon-reload"]);
    manager.systemctl(&["start", "holder.service"]);
    manager.write_unit("web.service", &declared);
    refused(&manager, "definition-stale", "web.service");

    configure(&manager, CONFIG);
    // By the gate itself, or by an audit that the change has started.
    gate(&manager, 0);
}

#[test]
fn a_manager_that_is_starting_is_waited_for() {
    let slow = "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'until [ -e %t/go ]; do sleep 0.02; done'\n";
    let manager = Manager::start_with_units(&[
        ("default.target.d/slow.conf", "[Unit]\nWants=slow.service\n"),
        ("slow.service", slow),
    ]);
    declare(&manager);
    let begin = Instant::now();
    let printed = ended(&stackctl(&manager, &["gate", "--wait", "300ms"]), 69);
    assert!(begin.elapsed() < DEADLINE / 2, "the wait is bounded");
    for part in ["is starting (after", "list-jobs", "then activate again"] {
        assert!(printed.contains(part), "{part}: {printed}");
    }

    let mut waiting =
        manager.command(STACKCTL).args(["gate", "--only-wait"]).stdout(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert!(waiting.try_wait().unwrap().is_none(), "it waits for as long as the manager is starting");
    write(manager.runtime().join("go"), "");
    let status = wait_for("the wait ends with the startup", DEADLINE, || waiting.try_wait().unwrap());
    assert!(status.success(), "{status}");
    gate(&manager, 0);
}

#[test]
fn a_degraded_manager_is_up() {
    let manager = with_a_stack();
    manager.write_unit("bad.service", "[Service]\nType=oneshot\nExecStart=/bin/false\n");
    manager.try_systemctl(&["start", "bad.service"]);
    wait_for("a failed unit degrades the manager", DEADLINE, || {
        (manager.systemctl(&["show", "--value", "--property", "SystemState"]) == "degraded\n").then_some(())
    });
    gate(&manager, 0);
}

#[test]
fn a_manager_that_cannot_be_asked_is_a_failure_that_says_how_to_recover() {
    let manager = with_a_stack();
    let unreachable = |printed: &str| {
        for part in [
            "so nothing was reloaded and nothing is in force",
            "systemctl status user@",
            "loginctl enable-linger",
        ] {
            assert!(printed.contains(part), "{part}: {printed}");
        }
    };
    // It hangs.
    let process = Pid::from_raw(manager.pid().try_into().unwrap());
    let begin = Instant::now();
    kill(process, Signal::SIGSTOP).unwrap();
    let printed = gate(&manager, 69);
    kill(process, Signal::SIGCONT).unwrap();
    assert!(begin.elapsed() < Duration::from_secs(6), "within the deadlines: {:?}", begin.elapsed());
    unreachable(&printed);
    gate(&manager, 0);

    // Nobody listens.
    let empty = manager.dir().join("nobody");
    fs_err::create_dir(&empty).unwrap();
    let output = manager.command(STACKCTL).arg("gate").env("XDG_RUNTIME_DIR", &empty).output().unwrap();
    unreachable(&ended(&output, 69));
}

#[test]
fn a_unit_whose_file_is_gone_is_not_forgotten_before_it_is_stopped() {
    let manager = with_a_stack_and(WITHOUT_RELOAD);
    let declared = read_text(&unit_file(&manager)).unwrap();
    let (stopped, seal) =
        (manager.dir().join("stopped"), manager.config().join("stackwarden/sealed/old.json"));
    let text = format!(
        "[Unit]\nDocumentation=file://{}#0123456789abcdef\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\nExecStop=/bin/touch {}\n",
        seal.display(),
        stopped.display()
    );
    let old = manager.write_unit("old.service", &text);
    manager.write_unit("holder.service", "[Unit]\nWants=web.service\n[Service]\nExecStart=/bin/sleep 1d\n");
    manager.write_unit("web.service", &declared.replace("ExecStart=", "ExecStart=/bin/true "));
    manager.systemctl(&["daemon-reload"]);
    manager.systemctl(&["start", "old.service", "holder.service"]);
    // As a switch leaves it between the change of the links and its own reload: what was removed still runs, and
    // something else is to be read.
    fs_err::remove_file(old).unwrap();
    manager.write_unit("web.service", &declared);
    configure(&manager, CONFIG);
    let printed = gate(&manager, 79);
    for part in ["definition-stale", "orphan-unit of old.service", "systemctl --user stop old.service"] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    manager.systemctl(&["stop", "old.service"]);
    assert!(stopped.exists(), "the manager still knows how to stop it");
    let printed = gate(&manager, 0);
    assert!(!printed.contains("old.service"), "{printed}");
}
