//! What happens to the programs and the manager meanwhile: killed, stopped, broken, no room.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::any_moment::Chance;
use super::installed::{DEADLINE, Host, has};
use super::support::{wait_for, write};

const DROP_IN: &str = "[Service]\nEnvironment=A=1\n";

/// How often a program of the host was started, by the lines that its stand-in writes.
fn starts(log: &Path) -> usize {
    fs_err::read_to_string(log).map_or(0, |text| text.lines().count())
}

fn script(path: &Path, text: &str) {
    write(path.with_extension("new"), text);
    fs_err::set_permissions(path.with_extension("new"), PermissionsExt::from_mode(0o755)).unwrap();
    fs_err::rename(path.with_extension("new"), path).unwrap();
}

/// An auditor that dies early, or in the middle, is started again a few times and then left to the timer; once it is
/// whole again so is everything else.
#[test]
fn an_audit_that_always_dies_is_not_started_for_ever() {
    let host = Host::with_own_programs(&["web"]);
    let (program, real) = (host.program("stack-audit"), host.program("real-audit"));
    let log = host.manager.dir().join("starts");
    fs_err::copy(&program, &real).unwrap();
    let started = format!("echo x >>'{}'", log.display());
    let in_the_middle = format!("#!/bin/sh\n{started}\n'{}' & sleep 0.02\nkill -KILL $$\n", real.display());
    for (index, what) in [format!("#!/bin/sh\n{started}\nexit 1\n"), in_the_middle].iter().enumerate() {
        script(&program, what);
        let drop_in = host.owned(&format!("web.service.d/{index}.conf"));
        let gives_up = || {
            fs_err::remove_file(&log).ok();
            // The directory anew: what is in it is watched only once an audit has come to its end.
            fs_err::remove_dir_all(drop_in.parent().unwrap()).ok();
            write(&drop_in, DROP_IN);
            wait_for("the first start", DEADLINE, || (starts(&log) > 0).then_some(()));
            host.await_rest();
            host.manager.property("stack-audit-settle.service", "ActiveState") == "failed"
        };
        // On a busy machine it may come to its verdict before it is killed; then there is nothing to give up.
        assert!((0..10).any(|_| gives_up()), "the last look gives up\n{}", host.manager.log());
        let bounded = starts(&log);
        assert!((2..=8).contains(&bounded), "{bounded} starts\n{}", host.manager.log());
        std::thread::sleep(Duration::from_secs(2));
        assert_eq!(starts(&log), bounded, "and no more");

        fs_err::copy(&real, program.with_extension("new")).unwrap();
        fs_err::rename(program.with_extension("new"), &program).unwrap();
        // What the timer does.
        host.manager.try_systemctl(&["start", "stack-audit.service"]);
        host.await_settled("found at last", |found| {
            has(found, "drop-in-unexpected", "web.service", &drop_in)
        });
        fs_err::remove_dir_all(drop_in.parent().unwrap()).unwrap();
        host.await_settled("all well", <[_]>::is_empty);
        let settle = host.manager.property("stack-audit-settle.service", "ActiveState");
        assert_eq!(settle, "inactive", "the last look is no longer failed");
    }
}

fn end_of(audit: &mut Child, limit: Duration) -> ExitStatus {
    wait_for("the end of the audit", limit, || audit.try_wait().unwrap())
}

#[test]
fn a_manager_that_is_stopped_during_an_audit_is_reported_within_the_deadline() {
    let mut chance = Chance::new("stops");
    let host = Host::new(&["web"]);
    write(
        host.manager.config().join("stackwarden/config.json"),
        r#"{"version": 1, "bus_deadline": "1s", "reload_deadline": "1s"}"#,
    );
    host.await_rest();
    let manager = Pid::from_raw(host.manager.pid().try_into().unwrap());
    let mut unreachable = 0;
    for index in 0..12 {
        let mut audit = host.command("stack-audit").spawn().unwrap();
        if index > 0 {
            chance.pause(Duration::from_millis(60));
        }
        kill(manager, Signal::SIGSTOP).unwrap();
        let begin = Instant::now();
        let status = end_of(&mut audit, DEADLINE);
        let took = begin.elapsed();
        kill(manager, Signal::SIGCONT).unwrap();
        // The deadline once for what is asked at the moment; afterwards nothing is asked any more.
        assert!(took < Duration::from_secs(4), "{took:?}");
        match status.code() {
            Some(69) => unreachable += 1,
            // It had its answers already.
            Some(0 | 79) => {}
            other => panic!("{other:?}"),
        }
        if status.code() == Some(69) {
            let found = host.found();
            assert!(found.iter().any(|f| f.check.id() == "manager-unreachable"), "{found:?}");
        }
        host.run("stack-audit", &[]);
        host.await_settled("the manager goes on", <[_]>::is_empty);
    }
    assert!(unreachable > 0, "it was stopped too late every time");
}

#[test]
fn a_manager_that_dies_during_an_audit_is_reported() {
    let mut chance = Chance::new("deaths");
    for index in 0..4 {
        let host = Host::new(&[]);
        let mut audit = host.command("stack-audit").spawn().unwrap();
        if index > 0 {
            chance.pause(Duration::from_millis(40));
        }
        kill(Pid::from_raw(host.manager.pid().try_into().unwrap()), Signal::SIGKILL).unwrap();
        let code = end_of(&mut audit, DEADLINE).code();
        assert!(matches!(code, Some(0 | 69 | 79)), "{code:?}");
        let after = host.run("stack-audit", &[]);
        assert_eq!(after.status.code(), Some(69), "{after:?}");
        assert!(host.found().iter().any(|f| f.check.id() == "manager-unreachable"));
    }
}

#[test]
fn an_audit_that_is_killed_leaves_the_last_report_whole() {
    let mut chance = Chance::new("kills by hand");
    let host = Host::new(&["web"]);
    for _ in 0..30 {
        let mut audit = host.command("stack-audit").spawn().unwrap();
        chance.pause(Duration::from_millis(80));
        audit.kill().unwrap();
        let status = audit.wait().unwrap();
        assert!(status.signal() == Some(9) || status.code().is_some());
        // This panics if it cannot be read.
        assert!(host.report().is_some());
    }
    host.run("stack-audit", &[]);
    host.await_settled("all well", <[_]>::is_empty);
    let left: Vec<_> = fs_err::read_dir(host.manager.state().join("stackwarden"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(left.len() < 40, "temporary files pile up: {left:?}");
}

#[test]
fn without_room_the_old_report_stays_and_it_is_said() {
    let host = Host::new(&["web"]);
    let state = host.manager.state().join("stackwarden");
    let test = r#"
        mkdir -p "$1"
        mount -t tmpfs -o size=64k,mode=700 tmpfs "$1"
        "$2"; echo "first $?"
        cp "$1/audit.json" "$3"
        cat /dev/zero >"$1/filler" 2>/dev/null || true
        "$2"; echo "second $?"
        cmp "$1/audit.json" "$3"
        rm "$1/filler"
        "$2"; echo "third $?"
    "#;
    let copy = host.manager.dir().join("copy.json");
    let output = host
        .manager
        .command("unshare")
        .args(["--mount", "sh", "-uc", test, "sh"])
        .args([&state, &host.program("stack-audit"), &copy])
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    let codes: Vec<&str> = out
        .lines()
        .filter(|line| ["first ", "second ", "third "].iter().any(|w| line.starts_with(w)))
        .collect();
    assert!(output.status.success(), "{out}{err}");
    assert_eq!(codes[1], "second 73", "{out}{err}");
    assert!(
        matches!(codes[0], "first 0" | "first 79") && codes[2] == codes[0].replace("first", "third"),
        "{out}{err}"
    );
    assert!(err.contains("audit.json: cannot write: No space left on device"), "{err}");
    // What was found is said all the same.
    assert_eq!(out.matches("linger-disabled").count() % 3, 0, "{out}");
}
