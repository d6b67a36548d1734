//! `stackctl observe` against a real user manager: units of others, sealed as they are and held to it.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test, a failed step is a panic with its place"
)]

mod support;

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Output;

use serde_json::Value;
use stackwarden::document::read_text;
use support::{Manager, write};

const STACKCTL: &str = env!("CARGO_BIN_EXE_stackctl");
const STACK_AUDIT: &str = env!("CARGO_BIN_EXE_stack-audit");

fn stackctl(manager: &Manager, args: &[&str]) -> Output {
    manager.command(STACKCTL).args(args).output().unwrap()
}

#[track_caller]
fn ok(output: &Output) -> String {
    assert!(output.status.success(), "{}: {}", output.status, text(&output.stderr));
    text(&output.stdout)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What an audit finds of one unit: `check state`, in order.
fn findings(manager: &Manager, unit: &str) -> Vec<String> {
    let report = audit(manager, &["--dry-run"]);
    let findings = report["findings"].as_array().unwrap().iter().filter(|finding| finding["unit"] == unit);
    let mut told: Vec<String> = findings
        .map(|f| format!("{} {}", f["check"].as_str().unwrap(), f["state"].as_str().unwrap()))
        .collect();
    told.sort();
    told
}

fn audit(manager: &Manager, args: &[&str]) -> Value {
    let output = manager.command(STACK_AUDIT).arg("--json").args(args).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output.stderr)))
}

fn service(command: &str) -> String {
    format!("[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart={command}\n")
}

fn seal(manager: &Manager, unit: &str) -> std::path::PathBuf {
    manager.config().join(format!("stackwarden/sealed/observed/{unit}.json"))
}

/// A manager whose `web.service` lies in the directory of the administrator, is started and observed.
fn observed() -> Manager {
    let manager = Manager::start();
    write(manager.etc().join("web.service"), &service("/bin/true"));
    write(manager.etc().join("web.service.d/10.conf"), "[Unit]\nDescription=web\n");
    manager.systemctl(&["daemon-reload"]);
    manager.systemctl(&["start", "web.service"]);
    let said = ok(&stackctl(&manager, &["observe", "web"]));
    assert_eq!(said, "web.service: observed from now on, as it is\n");
    manager
}

#[test]
fn a_unit_is_held_to_what_it_was_wherever_it_lies() {
    let manager = observed();
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema/observed.schema.json");
    let json = |path: &Path| -> Value { serde_json::from_reader(fs_err::File::open(path).unwrap()).unwrap() };
    let validator = jsonschema::draft202012::new(&json(&schema)).unwrap();
    let sealed = json(&seal(&manager, "web.service"));
    assert!(validator.is_valid(&sealed), "{sealed:#}");
    assert_eq!(
        findings(&manager, "web.service"),
        [] as [&str; 0],
        "not in the owner directory, and no finding"
    );
    assert!(audit(&manager, &[])["units"].as_array().unwrap().contains(&"web.service".into()));
    let explained = ok(&stackctl(&manager, &["explain", "web"]));
    assert!(explained.contains("; as declared (observed)"), "{explained}");

    let drop_in = manager.write_unit("web.service.d/20.conf", "[Service]\nExecStart=/bin/echo\n");
    assert_eq!(findings(&manager, "web.service"), ["definition-stale loaded", "drop-in-unexpected on-disk"]);
    let refused = stackctl(&manager, &["observe", "web"]);
    assert_eq!(refused.status.code(), Some(78));
    let said = text(&refused.stderr);
    assert!(said.contains(&format!("the drop-in {} is new", drop_in.display())), "{said}");
    assert!(said.contains("stackctl observe --accept web.service"), "{said}");
    assert_eq!(json(&seal(&manager, "web.service")), sealed, "nothing was changed");
    let accepted = stackctl(&manager, &["observe", "--accept", "web"]);
    assert_eq!(accepted.status.code(), Some(79), "accepted, and the manager still runs the other definition");
    manager.systemctl(&["daemon-reload"]);
    assert_eq!(findings(&manager, "web.service"), [] as [&str; 0]);
    assert_eq!(
        ok(&stackctl(&manager, &["observe", "web"])),
        "web.service: observed already, and unchanged\n"
    );

    let file = manager.etc().join("web.service");
    write(&file, &service("/bin/false"));
    assert_eq!(findings(&manager, "web.service"), ["definition-stale loaded", "fragment-content on-disk"]);
    write(&file, &service("/bin/true"));
    let owner = manager.write_unit("web.service", &service("/bin/true"));
    assert_eq!(
        findings(&manager, "web.service"),
        ["definition-stale loaded", "fragment-owner on-disk", "shadowed-copy on-disk"]
    );
    fs_err::remove_file(&owner).unwrap();
    symlink("/dev/null", &owner).unwrap();
    let masked = findings(&manager, "web.service");
    assert!(masked.contains(&"unit-masked on-disk".to_owned()), "{masked:?}");
    fs_err::remove_file(&owner).unwrap();
    fs_err::remove_file(&file).unwrap();
    let missing = findings(&manager, "web.service");
    assert!(missing.contains(&"unit-missing on-disk".to_owned()), "{missing:?}");

    let said = ok(&stackctl(&manager, &["remove", "web.service"]));
    assert!(said.contains("no longer observed"), "{said}");
    assert!(!seal(&manager, "web.service").exists());
    assert_eq!(findings(&manager, "web.service"), [] as [&str; 0]);
    assert_eq!(stackctl(&manager, &["remove", "web@x.service"]).status.code(), Some(78));
}

#[test]
fn an_observed_unit_causes_no_reload_and_blocks_none_that_would_not_hang() {
    let manager = observed();
    write(manager.etc().join("web.service"), &service("/bin/echo changed"));
    let loads = || manager.systemctl(&["show", "--property", "UnitsLoadTimestampMonotonic"]);
    let before = loads();
    let report = audit(&manager, &[]);
    assert_eq!(report["healed"].as_array().unwrap().len(), 0, "{report:#}");
    assert_eq!(loads(), before, "nothing is healed for it");
    assert_eq!(report["reload_blocked_by"].as_array().unwrap().len(), 0, "{report:#}");
    // A stack of ours that is written now is loaded, although the observed unit has drifted.
    let compose = write(manager.dir().join("home/photos/compose.yml"), "services:\n  a: {image: x}\n");
    let add = |stack: &str| stackctl(&manager, &["add", stack, "--compose", compose.to_str().unwrap()]);
    let added = add("photos");
    assert_ne!(loads(), before, "{}", text(&added.stderr));
    assert_eq!(manager.property("photos.service", "LoadState"), "loaded");
    let units = |args: &[&str]| -> Vec<Value> {
        let report = audit(&manager, args);
        report["findings"].as_array().unwrap().iter().map(|finding| finding["unit"].clone()).collect()
    };
    assert!(units(&["--dry-run"]).contains(&"web.service".into()));
    assert!(!units(&["--dry-run", "photos"]).contains(&"web.service".into()), "nobody asked for it");
    let refused = stackctl(&manager, &["observe", "photos"]);
    assert_eq!(refused.status.code(), Some(78));
    assert!(text(&refused.stderr).contains("declared (by stack photos)"), "{}", text(&refused.stderr));
    // Only what the manager would hang on keeps it from being asked.
    let fifo = manager.owner().join("web.service.d/20.conf");
    fs_err::create_dir(fifo.parent().unwrap()).unwrap();
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let before = loads();
    let said = text(&add("music").stderr);
    assert!(said.contains(&format!("{}, a FIFO", fifo.display())), "{said}");
    assert_eq!(loads(), before);
}

#[test]
fn links_generated_units_and_their_sources_are_sealed_too() {
    let manager = Manager::start();
    let target =
        |day: &str| write(manager.dir().join(format!("store/{day}/web.service")), &service("/bin/true"));
    let (first, second) = (target("first"), target("second"));
    let link = manager.owner().join("web.service");
    symlink(&first, &link).unwrap();
    let source = write(manager.dir().join("home/box.container"), "[Container]\n");
    let generated = manager.runtime().join("systemd/generator/box.service");
    let unit = format!("[Unit]\nSourcePath={}\n{}", source.display(), service("/bin/true"));
    write(&generated, &unit);
    ok(&stackctl(&manager, &["observe", "web", "box"]));
    assert_eq!(findings(&manager, "web.service"), [] as [&str; 0]);
    assert_eq!(findings(&manager, "box.service"), [] as [&str; 0]);
    fs_err::remove_file(&link).unwrap();
    symlink(&second, &link).unwrap();
    assert_eq!(findings(&manager, "web.service"), ["fragment-replaced on-disk"]);
    write(&source, "[Container]\nImage=x\n");
    assert_eq!(findings(&manager, "box.service"), ["fragment-content on-disk"]);
    ok(&stackctl(&manager, &["observe", "--accept", "web", "box"]));
    assert_eq!(findings(&manager, "box.service"), [] as [&str; 0]);
}

#[test]
fn what_cannot_be_sealed_is_refused_and_what_cannot_be_read_is_told() {
    let manager = observed();
    let systemd_run = ["--user", "--unit=passing", "-p", "RemainAfterExit=yes", "/bin/true"];
    assert!(manager.command("systemd-run").args(systemd_run).output().unwrap().status.success());
    symlink("nothing", manager.owner().join("dead.service")).unwrap();
    manager.write_unit("odd.service", &service("/bin/true"));
    let fifo = manager.owner().join("odd.service.d");
    fs_err::create_dir(&fifo).unwrap();
    symlink("loop.conf", fifo.join("loop.conf")).unwrap();
    for (unit, word) in [
        ("nosuch", "expected a unit file on disk, found none"),
        ("passing", "a transient unit"),
        ("dead", "expected a unit file on disk"),
        ("odd", "cannot be sealed as it is"),
    ] {
        let refused = stackctl(&manager, &["observe", unit]);
        assert_eq!(refused.status.code(), Some(78), "{unit}");
        assert!(text(&refused.stderr).contains(word), "{unit}: {}", text(&refused.stderr));
        assert!(!seal(&manager, &format!("{unit}.service")).exists(), "{unit}");
    }
    for bad in ["", "a/b", "%n", "a b", "../web.service"] {
        assert_eq!(stackctl(&manager, &["observe", bad]).status.code(), Some(64), "{bad:?}");
    }

    let path = seal(&manager, "web.service");
    let good = read_text(&path).unwrap();
    for broken in ["", "{", &good.replace("\"web.service\"", "\"other.service\""), "\u{0}"] {
        write(&path, broken);
        let report = audit(&manager, &["--dry-run"]);
        let findings = report["findings"].as_array().unwrap();
        let told = findings.iter().find(|f| f["check"] == "declaration-invalid").unwrap();
        assert_eq!(told["path"], path.display().to_string());
        assert_eq!(report["reload_blocked_by"].as_array().unwrap().len(), 0);
    }
    assert_eq!(stackctl(&manager, &["observe", "web"]).status.code(), Some(78), "not written over");
    ok(&stackctl(&manager, &["observe", "--accept", "web"]));
    assert_eq!(findings(&manager, "web.service"), [] as [&str; 0]);
}
