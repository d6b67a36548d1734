//! Files as they should not be: each is told by its name, with its exit code; nothing is lost, and the other stacks are
//! audited as ever.

use std::path::{Path, PathBuf};

use nix::sys::stat::Mode;
use stackwarden::audit::Report;
use stackwarden::document::Document;

use super::installed::{Host, findings};
use super::support::write;

/// Exit codes.
const CANNOT: i32 = 74;
const REFUSED: i32 = 78;
const PAGE: i32 = 79;

/// Ways to spoil a file; the last word is a part of what is said about it.
const SPOILT: [(&str, &str); 10] = [
    ("empty", "the file is empty"),
    ("cut off", "EOF while parsing"),
    ("of a newer version", "made by a newer version of this program"),
    ("with an unknown key", "unknown field `nosuch`"),
    ("an array", "expected an object"),
    ("not UTF-8", "not UTF-8 after byte"),
    ("a directory", "found a directory"),
    ("a FIFO", "found a FIFO"),
    ("a link loop", "Too many levels of symbolic links"),
    ("1 GiB large", "1073741824 bytes"),
];

/// Spoils a file, whose good content is `good`.
fn spoil(path: &Path, good: &str, how: &str) {
    remove(path);
    match how {
        "empty" => drop(write(path, "")),
        "cut off" => drop(write(path, good.split_at(good.len() / 2).0)),
        "of a newer version" => drop(write(path, &good.replacen("\"version\": 1", "\"version\": 2", 1))),
        "with an unknown key" => drop(write(path, &good.replacen('{', "{\"nosuch\": 1,", 1))),
        "an array" => drop(write(path, &format!("[{good}]"))),
        "not UTF-8" => fs_err::write(path, [good.as_bytes(), b"\xff"].concat()).unwrap(),
        "a directory" => fs_err::create_dir(path).unwrap(),
        "a FIFO" => nix::unistd::mkfifo(path, Mode::S_IRWXU).unwrap(),
        "a link loop" => std::os::unix::fs::symlink(path.file_name().unwrap(), path).unwrap(),
        "1 GiB large" => fs_err::File::create(path).unwrap().set_len(1 << 30).unwrap(),
        "with NUL bytes" => fs_err::write(path, b"\0\0\0[Service]\nExecStart=\0\n").unwrap(),
        _ => panic!("{how}"),
    }
    assert!(path.symlink_metadata().is_ok(), "{how}");
}

fn remove(path: &Path) {
    match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => fs_err::remove_dir(path).unwrap(),
        Ok(_) => fs_err::remove_file(path).unwrap(),
        Err(_) => {}
    }
}

/// Something by which a file is known again, wherever it is moved.
fn identity(path: &Path) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    let metadata = path.symlink_metadata().unwrap();
    (metadata.ino(), metadata.len())
}

/// What was set aside.
fn kept(host: &Host) -> Vec<(u64, u64)> {
    let directory = host.manager.state().join("stackwarden/set-aside");
    let entries = fs_err::read_dir(directory).into_iter().flatten();
    entries.map(|entry| identity(&entry.unwrap().path())).collect()
}

/// An audit by hand: its exit code and its report.
fn audit(host: &Host) -> (i32, Report) {
    let output = host.run("stack-audit", &["--json"]);
    let report =
        Report::parse(Path::new("-"), &output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    (output.status.code().unwrap(), report)
}

fn declaration(host: &Host, name: &str) -> PathBuf {
    host.manager.config().join("stackwarden").join(name)
}

#[test]
fn declarations() {
    let host = Host::new(&["web", "db"]);
    write(declaration(&host, "config.json"), "{\"version\": 1}\n");
    for name in ["stacks/web.json", "sealed/web.json", "sealed/stackwarden.json", "config.json"] {
        let path = declaration(&host, name);
        let good = fs_err::read_to_string(&path).unwrap();
        for (how, said) in SPOILT {
            spoil(&path, &good, how);
            let before = identity(&path);
            let (code, report) = audit(&host);
            // Pages, such as a user who does not linger, count for more.
            let pages = if report.counts.page > 0 { PAGE } else { REFUSED };
            assert_eq!(code, pages, "{name} {how}: {report:?}");
            let finding = report.findings.iter().find(|f| f.path.as_deref() == Some(&path));
            let finding = finding.unwrap_or_else(|| panic!("{name} {how}: {report:?}"));
            assert_eq!(finding.check.id(), "declaration-invalid");
            assert!(finding.seen.contains(said), "{name} {how}: {}", finding.seen);
            // The other stack is audited, and nothing else is found than what the file alone could say.
            assert!(report.units.iter().any(|unit| unit.as_str() == "db.service"), "{report:?}");
            let of_db =
                findings(report).find(|f| f.stack.as_ref().is_some_and(|stack| stack.as_str() == "db"));
            assert_eq!(of_db, None, "{name} {how}");
            assert_eq!(identity(&path), before, "{name} {how}");
            remove(&path);
            write(&path, &good);
        }
    }
    assert_eq!(kept(&host), []);
    // config.json, the last of them, is not watched.
    audit(&host);
    host.await_settled("all is well again", <[_]>::is_empty);
}

#[test]
fn state() {
    let host = Host::new(&["web"]);
    for path in [
        host.manager.state().join("stackwarden/audit.json"),
        host.manager.runtime().join("stackwarden/seen.json"),
    ] {
        host.await_rest();
        let good = fs_err::read_to_string(&path).unwrap();
        for (how, said) in SPOILT {
            spoil(&path, &good, how);
            let before = identity(&path);
            let (code, report) = audit(&host);
            assert!([CANNOT, PAGE].contains(&code), "{how}: {code}");
            let note = report.notes.iter().find(|note| note.contains(path.to_str().unwrap()));
            assert!(
                note.is_some_and(|note| note.contains(said) && note.contains("; kept as ")),
                "{how}: {report:?}"
            );
            assert!(kept(&host).contains(&before), "{how} is lost");
            // Once: what is there now is good.
            let (_, report) = audit(&host);
            assert_eq!(report.notes, [""; 0], "{how}");
        }
    }
    assert_eq!(host.found(), []);
}

#[test]
fn unit_files() {
    let host = Host::new(&["web", "db"]);
    let path = host.owned("web.service");
    let good = fs_err::read_to_string(&path).unwrap();
    let unit = [
        "empty",
        "cut off",
        "not UTF-8",
        "a directory",
        "a FIFO",
        "a link loop",
        "1 GiB large",
        "with NUL bytes",
    ];
    for how in unit {
        spoil(&path, &good, how);
        let before = identity(&path);
        let (code, report) = audit(&host);
        assert!([76, PAGE].contains(&code), "{how}: {code}");
        let of_web: Vec<_> = findings(report).collect();
        assert!(
            !of_web.is_empty() && of_web.iter().all(|f| f.stack.as_ref().unwrap().as_str() == "web"),
            "{how}: {of_web:?}"
        );
        assert_eq!(identity(&path), before, "{how}");
        host.must("stackctl", &["repair", "web"]);
        assert!(kept(&host).contains(&before), "{how} is lost");
        assert_eq!(fs_err::read_to_string(&path).unwrap(), good, "{how}");
        host.await_settled(how, <[_]>::is_empty);
    }
}

/// What the verbs do with a declaration that they cannot read.
#[test]
fn verbs_change_nothing_that_they_do_not_understand() {
    let host = Host::new(&["web", "db"]);
    let (entry, seal) = (declaration(&host, "stacks/web.json"), declaration(&host, "sealed/web.json"));
    let config = declaration(&host, "config.json");
    let refused = |arguments: &[&str], path: &Path, how: &str, said: &str| {
        let before = identity(path);
        let output = host.run("stackctl", arguments);
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(REFUSED), "{how}, {arguments:?}: {err}");
        assert!(err.contains(path.to_str().unwrap()) && err.contains(said), "{how}, {arguments:?}: {err}");
        assert_eq!(identity(path), before, "{how}, {arguments:?}");
    };
    let good = fs_err::read_to_string(&entry).unwrap();
    for (how, said) in SPOILT {
        spoil(&entry, &good, how);
        for arguments in
            [&["add", "web", "--description", "x"][..], &["sync", "web"], &["sync"], &["repair", "web"]]
        {
            refused(arguments, &entry, how, said);
        }
    }
    remove(&entry);
    write(&entry, &good);
    let sealed = fs_err::read_to_string(&seal).unwrap();
    for (how, said) in SPOILT {
        spoil(&seal, &sealed, how);
        if how == "of a newer version" {
            refused(&["remove", "web"], &seal, how, said);
            refused(&["sync", "web"], &seal, how, said);
            continue;
        }
        // Anything else is made again, and kept.
        let before = identity(&seal);
        host.must("stackctl", &["sync", "web"]);
        assert_eq!(fs_err::read_to_string(&seal).unwrap(), sealed, "{how}");
        assert!(kept(&host).contains(&before), "{how} is lost");
    }
    for (how, said) in SPOILT {
        spoil(&config, "{\"version\": 1, \"heal\": {}}\n", how);
        for arguments in
            [&["add", "web", "--description", "x"][..], &["sync"], &["remove", "web"], &["install"]]
        {
            refused(arguments, &config, how, said);
        }
    }
    remove(&config);
    host.must("stackctl", &["sync"]);
    host.await_settled("nothing has changed", <[_]>::is_empty);
}

/// Whatever became of entry and seal, a stack can be forgotten, and nothing of it stays in force.
#[test]
fn a_stack_with_a_damaged_seal_can_be_removed() {
    let host = Host::new(&["web", "db"]);
    let (entry, seal) = (declaration(&host, "stacks/web.json"), declaration(&host, "sealed/web.json"));
    let compose = host.manager.dir().join("home/web/compose.yml");
    for (how, _) in SPOILT.into_iter().filter(|(how, _)| *how != "of a newer version") {
        spoil(&seal, &fs_err::read_to_string(&seal).unwrap(), how);
        remove(&entry);
        let damaged = identity(&seal);
        let unit = identity(&host.owned("web.service"));
        host.must("stackctl", &["remove", "web"]);
        for gone in [&seal, &host.owned("web.service"), &host.owned("default.target.wants/web.service")] {
            assert!(gone.symlink_metadata().is_err(), "{how}: {}", gone.display());
        }
        let kept = kept(&host);
        assert!(kept.contains(&damaged) && kept.contains(&unit), "{how}: what cannot be told is kept");
        host.await_settled(how, <[_]>::is_empty);
        host.must("stackctl", &["add", "web", "--compose", compose.to_str().unwrap()]);
    }
    // A unit of that name that is not ours stays.
    spoil(&seal, "", "empty");
    remove(&entry);
    write(host.owned("web.service"), "[Service]\nExecStart=/bin/true\n");
    host.must("stackctl", &["remove", "web"]);
    assert!(host.owned("web.service").exists());
}

#[test]
fn names() {
    let host = Host::new(&["web"]);
    let before: Vec<_> =
        fs_err::read_dir(host.manager.owner()).unwrap().map(|e| e.unwrap().file_name()).collect();
    let compose = host.manager.dir().join("home/web/compose.yml");
    let long = "n".repeat(200);
    for name in [
        "a/b",
        "../evil",
        "..",
        ".",
        "-dash",
        "--help-me",
        "a%b",
        "%h",
        "a b",
        "a\nb",
        "",
        "ü",
        "a@b",
        &long,
        "web-update",
        "stack-audit",
        "stack-audit-settle",
        "stackwarden",
        "dbus",
    ] {
        for verb in ["add", "remove", "repair", "sync"] {
            let mut command = host.command("stackctl");
            command.arg(verb);
            if verb == "add" {
                command.arg("--compose").arg(&compose);
            }
            let output = command.args(["--", name]).output().unwrap();
            assert_eq!(output.status.code(), Some(64), "{verb} {name:?}: {output:?}");
            assert!(!output.stderr.is_empty(), "{verb} {name:?}");
        }
        assert_eq!(
            host.command("stack-audit").args(["--", name]).output().unwrap().status.code(),
            Some(64),
            "{name:?}"
        );
    }
    // A unit of somebody else's, and stacks that are not declared.
    write(host.manager.usr().join("theirs.service"), "[Service]\nExecStart=/bin/true\n");
    let output = host.run("stackctl", &["add", "theirs", "--compose", compose.to_str().unwrap()]);
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(REFUSED), "{err}");
    assert!(err.contains("theirs.service is somebody else's"), "{err}");
    for arguments in [["sync", "nosuch"], ["remove", "nosuch"], ["repair", "nosuch"]] {
        let output = host.run("stackctl", &arguments);
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(REFUSED), "{arguments:?}: {err}");
        assert!(err.contains("nosuch"), "{arguments:?}: {err}");
    }
    let output = host.run("stack-audit", &["nosuch"]);
    assert_eq!(output.status.code(), Some(REFUSED), "{output:?}");
    let after: Vec<_> =
        fs_err::read_dir(host.manager.owner()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(before, after);
    host.await_settled("nothing has changed", <[_]>::is_empty);
}
