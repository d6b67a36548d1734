//! Environments as they should not be: no home, no runtime directory, no bus or one that lies; and directories with
//! spaces, quotes and percent signs in their names, which are as good as any.

use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use super::installed::{DEADLINE, Host, copy_programs};
use super::support::{Manager, wait_for, write};

const UNREACHABLE: i32 = 69;
const REFUSED: i32 = 78;

/// More than the deadline of one second that is configured.
const IN_TIME: Duration = Duration::from_secs(5);

#[test]
fn no_bus_or_one_that_lies() {
    let host = Host::new(&["web"]);
    write(host.manager.config().join("stackwarden/config.json"), r#"{"version": 1, "bus_deadline": "1s"}"#);
    let before = fs_err::read(host.manager.state().join("stackwarden/audit.json")).unwrap();
    let runtime = host.manager.dir().join("elsewhere");
    fs_err::create_dir(&runtime).unwrap();
    let bus = runtime.join("bus");
    let silent = || drop(UnixListener::bind(&bus).unwrap());
    let file = || drop(write(&bus, "unix:path=/nowhere"));
    let directory = || fs_err::create_dir(&bus).unwrap();
    let nothing = || {};
    let ways: [(&str, &dyn Fn()); 4] = [
        ("nothing", &nothing),
        ("a socket that nobody listens on", &silent),
        ("a regular file", &file),
        ("a directory", &directory),
    ];
    let hold = |what: &str| {
        for arguments in [
            &["stack-audit", "--dry-run"][..],
            &["stackctl", "add", "web", "--description", "x"],
            &["stackctl", "sync"],
            &["stackctl", "install"],
            &["stackctl", "uninstall"],
            &["stackctl", "settle"],
        ] {
            let begin = Instant::now();
            let mut command = host.command(arguments[0]);
            let output = command.args(&arguments[1..]).env("XDG_RUNTIME_DIR", &runtime).output().unwrap();
            assert_eq!(output.status.code(), Some(UNREACHABLE), "{what}, {arguments:?}: {output:?}");
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8(said).unwrap();
            assert!(said.contains(bus.to_str().unwrap()), "{what}, {arguments:?}: {said}");
            assert!(begin.elapsed() < IN_TIME, "{what}, {arguments:?}: {:?}", begin.elapsed());
        }
    };
    for (what, make) in ways {
        make();
        hold(what);
        if bus.is_dir() {
            fs_err::remove_dir(&bus).unwrap();
        } else if bus.symlink_metadata().is_ok() {
            fs_err::remove_file(&bus).unwrap();
        }
    }
    // Somebody listens and never says a word.
    let listener = UnixListener::bind(&bus).unwrap();
    hold("a listener that says nothing");
    drop(listener);
    assert_eq!(fs_err::read(host.manager.state().join("stackwarden/audit.json")).unwrap(), before);

    // The session's variable may say anything: the user bus is where it always is.
    let output =
        host.command("stack-audit").env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere").output().unwrap();
    assert!(matches!(output.status.code(), Some(0 | 79)), "{output:?}");
    host.await_settled("nothing has changed", <[_]>::is_empty);
}

#[test]
fn no_home_or_no_runtime_directory() {
    let host = Host::new(&["web"]);
    let audit = |set: &[(&str, &str)], unset: &[&str]| {
        let mut command = host.command("stack-audit");
        command.arg("--dry-run").envs(set.iter().copied());
        for variable in unset {
            command.env_remove(variable);
        }
        let output = command.output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(said).unwrap())
    };
    // The other variables say everything that is asked.
    let (code, said) = audit(&[], &["HOME"]);
    assert!([0, 79].contains(&code), "{said}");
    for variable in ["HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"] {
        let (code, said) = audit(&[(variable, "relative/path")], &[]);
        assert_eq!(code, REFUSED, "{said}");
        assert!(said.contains(&format!("{variable} is \"relative/path\"")), "{said}");
    }
    let (code, said) = audit(&[("XDG_RUNTIME_DIR", "/nonexistent/runtime")], &[]);
    assert_eq!(code, UNREACHABLE, "{said}");
    assert!(said.contains("/nonexistent/runtime/bus"), "{said}");
}

#[test]
fn odd_names_are_as_good_as_any() {
    std::thread::scope(|scope| {
        for name in ["with space", "50% off", "it's \"quoted\"", "back\\slash\\", "ünï $HOME ;"] {
            scope.spawn(move || works_in(name));
        }
    });
}

/// A user whose directories are all called `name`, and the programs too, where systemd can start them from there.
fn works_in(name: &str) {
    let programs = |manager: &Manager| {
        let programs = copy_programs(&manager.dir().join(name).join("bin"));
        if !name.contains(['"', '\\']) {
            return programs;
        }
        let output = manager.command(programs.join("stackctl")).arg("install").output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(REFUSED), "{name}: {err}");
        assert!(err.contains("systemd starts no program whose path has quotes"), "{name}: {err}");
        let written = manager.owner().join("stack-audit.path").exists();
        assert!(!written, "{name}: refused before anything is written");
        copy_programs(&manager.dir().join("bin"))
    };
    let host = Host::below(name, programs, &["web"]);
    let mounts = host.manager.dir().join(name).join("mount");
    let mounts = mounts.to_str().unwrap();
    host.must("stackctl", &["add", "web", "--requires-mount", mounts, "--requires-mount", "/"]);
    let seen = host.manager.property("web.service", "RequiresMountsFor");
    assert!(seen.contains("mount"), "{name}: {seen}");
    // The unit runs the program at that place: it fails for want of podman, after it has been found.
    host.manager.try_systemctl(&["start", "web.service"]);
    let status = host.manager.property("web.service", "ExecMainStatus");
    assert!(!["203", "200"].contains(&status.as_str()), "{name}: {status}\n{}", host.manager.log());
    host.manager.try_systemctl(&["reset-failed", "web.service"]);
    let drop_in = host.owned("web.service.d/1.conf");
    write(&drop_in, "[Service]\nEnvironment=A=1\n");
    host.await_found("a drop-in", |found| {
        super::installed::has(found, "drop-in-unexpected", "web.service", &drop_in)
    });
    fs_err::remove_dir_all(drop_in.parent().unwrap()).unwrap();
    host.await_settled(name, <[_]>::is_empty);
    host.must("stackctl", &["remove", "web"]);
    host.must("stackctl", &["uninstall"]);
    wait_for("nothing of it", DEADLINE, || {
        let left = host.manager.systemctl(&["list-units", "--all", "--plain", "--no-legend", "stack-*"]);
        left.is_empty().then_some(())
    });
}
