//! The unit of a stack on a real user manager, with a start whose program has not come as far as to catch signals.
#![expect(
    clippy::disallowed_methods,
    reason = "the rules for reading state are for the product; these are a test's files"
)]
#![expect(clippy::unwrap_used, reason = "in a test, a failed step is a panic with its place")]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use stackwarden::digest::Sha256;
use stackwarden::inventory::{Entry, Host};
use stackwarden::names::StackName;
use stackwarden::render::{self, Programs};
use support::{Manager, wait_for, write};

const DEADLINE: Duration = Duration::from_secs(30);

/// Writes the unit of the stack `shop`. Its `apply` is a program that signals kill; each call is in the file `calls`, as
/// is each alert.
fn declare(manager: &Manager) {
    let dirs = manager.dirs();
    let calls = manager.dir().join("calls");
    let script = format!(
        "#!/bin/sh\necho \"$*\" >>{}\nif [ \"$1\" = apply ]; then exec sleep 60; fi\n",
        calls.display()
    );
    let program = write(manager.dir().join("bin/stackctl"), &script);
    fs_err::set_permissions(program, PermissionsExt::from_mode(0o755)).unwrap();
    let entry = Entry::new("/srv/shop".into(), vec!["compose.yml".into()]);
    let stack = StackName::parse("shop").unwrap();
    let programs = Programs::in_directory(&manager.dir().join("bin"));
    for unit in render::stack(&dirs, &Host::default(), &programs, &stack, &entry, &Sha256::of(b"")).unwrap() {
        manager.write_unit(unit.name.as_str(), &unit.text);
    }
    let alert =
        format!("[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo alert %i >>{}'\n", calls.display());
    manager.write_unit("stack-alert@.service", &alert);
}

fn calls(manager: &Manager) -> Vec<String> {
    let text = fs_err::read_to_string(manager.dir().join("calls")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Starts the unit, and returns when its `apply` runs, the only call so far.
fn start(manager: &Manager) {
    write(manager.dir().join("calls"), "");
    manager.systemctl(&["start", "--no-block", "shop.service"]);
    wait(manager, &["apply shop"]);
}

fn wait(manager: &Manager, expected: &[&str]) {
    wait_for(&format!("{expected:?}"), DEADLINE, || (calls(manager) == expected).then_some(()));
}

#[track_caller]
fn assert_state(manager: &Manager, active: &str, result: &str) {
    let seen = ["ActiveState", "Result"].map(|name| manager.property("shop.service", name));
    assert_eq!(seen, [active, result]);
}

#[test]
fn a_start_that_is_called_off_before_it_can_notice_has_not_failed() {
    let manager = Manager::start();
    declare(&manager);

    start(&manager);
    manager.systemctl(&["stop", "shop.service"]);
    assert_state(&manager, "inactive", "success");
    wait(&manager, &["apply shop", "stop --left shop"]);

    start(&manager);
    manager.systemctl(&["restart", "--no-block", "shop.service"]);
    wait(&manager, &["apply shop", "stop --left shop", "apply shop"]);
    assert_state(&manager, "activating", "success");
    manager.systemctl(&["stop", "shop.service"]);
}

#[test]
fn a_start_that_somebody_kills_or_that_takes_too_long_has_failed() {
    let manager = Manager::start();
    declare(&manager);
    let told = ["apply shop", "stop --left shop", "alert shop.service"];

    start(&manager);
    manager.systemctl(&["kill", "shop.service"]);
    wait(&manager, &told);
    assert_state(&manager, "failed", "signal");

    manager.write_unit("shop.service.d/10-short.conf", "[Service]\nTimeoutStartSec=200ms\n");
    manager.systemctl(&["daemon-reload"]);
    start(&manager);
    wait(&manager, &told);
    assert_state(&manager, "failed", "timeout");
}
