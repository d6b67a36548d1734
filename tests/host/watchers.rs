//! What watches is itself watched: dead path and timer units, directories that come and go.

use std::path::PathBuf;
use std::time::Duration;

use stackwarden::audit::Trigger;

use super::installed::{DEADLINE, Host, has};
use super::support::{wait_for, write};

const DROP_IN: &str = "[Service]\nEnvironment=A=1\n";

/// A change that only the path unit finds, and its repair.
fn works(host: &Host) {
    let drop_in = host.owned("web.service.d/works.conf");
    write(&drop_in, DROP_IN);
    host.await_found("a drop-in", |found| has(found, "drop-in-unexpected", "web.service", &drop_in));
    assert_eq!(host.report().unwrap().trigger, Trigger::Path);
    fs_err::remove_dir_all(drop_in.parent().unwrap()).unwrap();
    host.await_settled("no drop-in", <[_]>::is_empty);
}

fn sub_state(host: &Host, unit: &str) -> String {
    host.manager.property(unit, "SubState")
}

#[test]
fn the_timer_revives_a_dead_path_unit() {
    let host = Host::new(&["web"]);
    // The shipped timer, every second instead of every quarter of an hour.
    write(
        host.manager.runtime().join("systemd/user/stack-audit.timer.d/fast.conf"),
        "[Timer]\nOnCalendar=*:*:*\nAccuracySec=1us\n",
    );
    host.await_rest();
    host.manager.systemctl(&["daemon-reload"]);
    host.manager.systemctl(&["stop", "stack-audit.path"]);
    host.manager.systemctl(&["restart", "stack-audit.timer"]);
    let healed = wait_for("the path unit is started again", DEADLINE, || {
        let report = host.report()?;
        report.healed.iter().any(|h| h.action == "start stack-audit.path").then_some(report)
    });
    assert_eq!(healed.trigger, Trigger::Timer);
    assert_ne!(sub_state(&host, "stack-audit.path"), "dead");
}

#[test]
fn a_failed_path_unit_is_reset_and_started() {
    let host = Host::new(&["web"]);
    // Without our own limits a burst of changes would fail the path unit for good.
    let limit = "[Unit]\nStartLimitIntervalSec=1h\nStartLimitBurst=1\n";
    let drop_in = write(host.manager.runtime().join("systemd/user/stack-audit.service.d/limit.conf"), limit);
    host.await_found("the limit", |found| has(found, "drop-in-unexpected", "stack-audit.service", &drop_in));
    host.manager.systemctl(&["daemon-reload"]);
    for round in 0.. {
        assert!(round < 10, "{}", host.manager.log());
        write(host.owned(&format!("junk-{round}.service")), "");
        std::thread::sleep(Duration::from_secs(1));
        if sub_state(&host, "stack-audit.path") == "failed" {
            break;
        }
    }
    fs_err::remove_dir_all(drop_in.parent().unwrap()).unwrap();
    host.manager.systemctl(&["daemon-reload"]);
    assert_eq!(sub_state(&host, "stack-audit.path"), "failed", "a reload does not revive it");
    host.run("stack-audit", &[]);
    let report = host.report().unwrap();
    assert!(report.healed.iter().any(|h| h.action == "start stack-audit.path"), "{report:?}");
    works(&host);
}

#[test]
fn dead_watchers_are_started_by_any_audit() {
    let host = Host::new(&["web"]);
    host.manager.systemctl(&["stop", "stack-audit.path", "stack-audit.timer"]);
    let planned = host.run("stack-audit", &["--dry-run"]);
    assert!(String::from_utf8(planned.stdout).unwrap().contains("would    start stack-audit.path"));
    assert_eq!(sub_state(&host, "stack-audit.path"), "dead", "a dry run starts nothing");
    host.run("stack-audit", &[]);
    assert_eq!(sub_state(&host, "stack-audit.path"), "waiting");
    assert_eq!(sub_state(&host, "stack-audit.timer"), "waiting");
    works(&host);
}

/// systemd watches the parents of a directory that is missing, and each event there makes it forget what it has not
/// read yet. So what is removed is made again.
#[test]
fn watched_directories_that_are_removed_are_made_again_and_no_change_is_lost() {
    std::thread::scope(|scope| {
        for moment in [Moment::Before, Moment::With, Moment::After] {
            scope.spawn(move || remove_watched_directories(moment));
        }
    });
}

/// When something else changes: right before a directory is removed, right behind it, or long after.
#[derive(Clone, Copy, PartialEq)]
enum Moment {
    Before,
    With,
    After,
}

fn remove_watched_directories(moment: Moment) {
    let host = Host::new(&["web"]);
    let manager = &host.manager;
    let directories: [PathBuf; 5] = [
        manager.config().join("systemd/user.control"),
        manager.runtime().join("systemd/user.control"),
        manager.runtime().join("systemd/transient"),
        manager.runtime().join("systemd/user"),
        host.owned("service.d"),
    ];
    for (round, directory) in directories.iter().enumerate() {
        // In the neighbourhood of every directory something stirs when the change is made.
        let drop_in = host.owned(&format!("web.service.d/{round}.conf"));
        let neighbour = directory.parent().unwrap().join(format!("neighbour-{round}"));
        let change = || {
            fs_err::create_dir(&neighbour).unwrap();
            write(&drop_in, DROP_IN);
            fs_err::remove_dir(&neighbour).unwrap();
        };
        if moment == Moment::Before {
            change();
        }
        fs_err::remove_dir(directory).unwrap();
        if moment == Moment::With {
            change();
        }
        if moment == Moment::After {
            wait_for("the directory is made again", DEADLINE, || directory.exists().then_some(()));
            host.await_rest();
            change();
        }
        host.await_found("the change", |found| has(found, "drop-in-unexpected", "web.service", &drop_in));
        fs_err::remove_dir_all(drop_in.parent().unwrap()).unwrap();
        host.await_settled("the change is gone", <[_]>::is_empty);
        assert!(directory.exists(), "{}", directory.display());
    }
    works(&host);
}

#[test]
fn drop_in_directories_are_watched_for_as_long_as_they_exist() {
    let host = Host::new(&["web", "web-app"]);
    let directories: Vec<PathBuf> = ["web.service.d", "web-.service.d", "web-app.service.d", "path.d"]
        .iter()
        .map(|name| host.owned(name))
        .collect();
    let watches = || host.manager.systemctl(&["list-units", "--plain", "--no-legend", "stack-watch@*"]);
    for directory in &directories {
        fs_err::create_dir(directory).unwrap();
    }
    wait_for("a watch for each", DEADLINE, || (watches().lines().count() == directories.len()).then_some(()));
    for directory in &directories {
        fs_err::remove_dir(directory).unwrap();
    }
    wait_for("no watch", DEADLINE, || watches().is_empty().then_some(()));
    host.await_settled("nothing is found", <[_]>::is_empty);
}
