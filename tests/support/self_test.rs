//! The test support keeps its promises.
#![expect(
    clippy::disallowed_methods,
    reason = "the rules for reading state are for the product; these are a test's files"
)]

use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use super::{Manager, wait_for, write};

const DEADLINE: Duration = Duration::from_secs(10);

#[test]
fn units_and_commands_share_one_environment() {
    share_one_environment(&Manager::start());
    share_one_environment(&Manager::start_below("50% \"o d d\""));
}

fn share_one_environment(manager: &Manager) {
    let seen = manager.state().join("seen");
    manager.write_unit(
        "tell.service",
        &format!(
            "[Service]\nType=oneshot\nExecStart=/usr/bin/env\nStandardOutput=file:{}\n",
            seen.display().to_string().replace('%', "%%")
        ),
    );
    manager.systemctl(&["start", "tell.service"]);
    let unit = fs_err::read_to_string(&seen).unwrap();
    let command = manager.command("env").output().unwrap();
    let command = String::from_utf8(command.stdout).unwrap();
    let dirs = manager.dirs();
    for (name, dir) in
        [("HOME", dirs.home), ("XDG_CONFIG_HOME", dirs.config_home), ("XDG_CACHE_HOME", dirs.cache_home)]
    {
        assert!(command.lines().any(|line| line == format!("{name}={}", dir.display())), "{name}\n{command}");
    }
    for (name, value) in manager.environment() {
        let line = format!("{name}={}", value.to_str().unwrap());
        for environment in [&unit, &command] {
            assert!(environment.lines().any(|l| l == line), "{line}\n{environment}");
        }
    }
    let fails = manager.try_systemctl(&["start", "nosuch.service"]);
    assert_eq!(fails.status.code(), Some(5), "{fails:?}\n{}", manager.log());
}

#[test]
fn units_that_are_there_from_the_start_belong_to_the_startup() {
    let manager = Manager::start_with_units(&[
        ("default.target.d/early.conf", "[Unit]\nWants=early.service\n"),
        ("early.service", "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n"),
    ]);
    wait_for("it is started", DEADLINE, || {
        (manager.property("early.service", "ActiveState") == "active").then_some(())
    });
}

#[test]
fn the_unit_path_has_systemd_s_order() {
    let manager = Manager::start();
    let transient = manager.runtime().join("systemd/transient");
    let places = [
        manager.config().join("systemd/user.control"),
        manager.runtime().join("systemd/user.control"),
        transient,
        manager.owner(),
        manager.etc(),
        manager.runtime().join("systemd/user"),
        manager.dir().join("data/systemd/user"),
        manager.usr(),
    ];
    // From the last to the first: each new copy wins over all that are there.
    for place in places.iter().rev() {
        let file = write(place.join("web.service"), "[Service]\nExecStart=true\n");
        manager.systemctl(&["daemon-reload"]);
        let fragment = manager.property("web.service", "FragmentPath");
        assert_eq!(Path::new(&fragment), file);
    }
}

#[test]
fn a_path_unit_triggers() {
    let manager = Manager::start();
    let stamp = manager.dir().join("stamp");
    let watched = manager.dir().join("watched");
    fs_err::create_dir(&watched).unwrap();
    manager.write_unit("look.path", &format!("[Path]\nPathChanged={}\n", watched.display()));
    manager.write_unit(
        "look.service",
        &format!("[Service]\nType=oneshot\nExecStart=touch {}\n", stamp.display()),
    );
    manager.systemctl(&["daemon-reload"]);
    manager.systemctl(&["start", "look.path"]);
    write(watched.join("file"), "");
    wait_for("the triggered unit", DEADLINE, || stamp.exists().then_some(()));
}

#[test]
fn nothing_is_left_also_after_a_panic() {
    let seen = Mutex::new(None);
    let panicked = std::panic::catch_unwind(|| {
        let manager = Manager::start();
        manager.write_unit("long.service", "[Service]\nExecStart=sleep 86400\n");
        manager.systemctl(&["start", "long.service"]);
        let child: u32 = manager.property("long.service", "MainPID").parse().unwrap();
        *seen.lock().unwrap() = Some((manager.dir().to_owned(), manager.pid(), child));
        // A stopped manager answers nobody; it has to go all the same.
        let stop = ["-STOP", &manager.pid().to_string()];
        manager.command("kill").args(stop).status().unwrap();
        panic!("this is the panic");
    });
    panicked.unwrap_err();
    let (dir, manager, child) = seen.lock().unwrap().take().unwrap();
    assert!(!dir.exists());
    for pid in [manager, child] {
        wait_for("the end of a process", DEADLINE, || ended(pid));
    }
}

/// A process that has died and was not collected yet still has an entry, but no memory.
fn ended(pid: u32) -> Option<()> {
    let status = fs_err::read_to_string(format!("/proc/{pid}/status"));
    status.map_or(true, |text| !text.contains("VmSize:")).then_some(())
}
