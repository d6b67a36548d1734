//! `stackctl explain` against a real user manager: what it says is what systemd does.
#![expect(clippy::unwrap_used, clippy::panic, reason = "in a test, a failed step is a panic with its place")]

mod support;

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Output;

use serde_json::Value;
use stackwarden::artifacts::Hand;
use stackwarden::digest::Sha256;
use stackwarden::document::read_text;
use stackwarden::inventory::Host;
use stackwarden::names::StackName;
use stackwarden::render::Programs;
use stackwarden::seal::Seal;
use support::{Manager, write};

const STACKCTL: &str = env!("CARGO_BIN_EXE_stackctl");

fn run(manager: &Manager, args: &[&str]) -> Output {
    manager.command(STACKCTL).arg("explain").args(args).output().unwrap()
}

/// The explanation, held against the published schema.
#[track_caller]
fn explain(manager: &Manager, unit: &str) -> Value {
    let output = run(manager, &[unit, "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    valid(&output)
}

#[track_caller]
fn valid(output: &Output) -> Value {
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    let schema = read_text(&Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema/explain.schema.json"));
    let schema: Value = serde_json::from_str(&schema.unwrap()).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}\n{value:#}");
    value
}

/// The texts of the reasons of one kind.
fn reasons(explanation: &Value, kind: &str) -> Vec<String> {
    let reasons = explanation["reasons"].as_array().unwrap().iter();
    reasons.filter(|reason| reason["kind"] == kind).map(|r| r["text"].as_str().unwrap().to_owned()).collect()
}

#[track_caller]
fn reason(explanation: &Value, kind: &str) -> String {
    match reasons(explanation, kind).as_slice() {
        [reason] => reason.clone(),
        reasons => panic!("{kind}: {reasons:?} in {explanation:#}"),
    }
}

/// The standing of every copy, by path.
fn copies(explanation: &Value) -> Vec<(String, String)> {
    let directories = explanation["search_path"].as_array().unwrap().iter();
    directories
        .flat_map(|directory| directory["copies"].as_array().unwrap())
        .map(|copy| {
            (copy["path"].as_str().unwrap().to_owned(), copy["standing"].as_str().unwrap().to_owned())
        })
        .collect()
}

fn service(command: &str) -> String {
    format!("[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart={command}\n")
}

fn unit_path(manager: &Manager) -> String {
    manager.systemctl(&["show", "--value", "--property", "UnitPath"])
}

fn shown(path: impl AsRef<Path>) -> String {
    path.as_ref().display().to_string()
}

#[test]
fn a_shadowed_copy_says_who_wins_and_why() {
    let manager = Manager::start();
    let owner = manager.write_unit("web.service", &service("/bin/true"));
    let etc = write(manager.etc().join("web.service"), &service("/bin/false"));
    let usr = write(manager.usr().join("web.service"), &service("/bin/false"));
    manager.systemctl(&["daemon-reload"]);
    manager.systemctl(&["start", "web.service"]);
    let explanation = explain(&manager, "web");
    let standing = |path: &Path, word: &str| (shown(path), word.to_owned());
    assert_eq!(
        copies(&explanation),
        [standing(&owner, "wins"), standing(&etc, "shadowed"), standing(&usr, "shadowed")]
    );
    let unit_path = unit_path(&manager);
    let explained: Vec<&str> =
        explanation["search_path"].as_array().unwrap().iter().map(|d| d["path"].as_str().unwrap()).collect();
    assert_eq!(explained, unit_path.split_whitespace().collect::<Vec<_>>(), "the manager's own path");
    assert_eq!(
        reason(&explanation, "wins"),
        format!("{} wins (owner): the first of 3 copies in the search path", shown(&owner))
    );
    assert!(reasons(&explanation, "shadowed")[0].contains("stands in an earlier directory"));
    assert_eq!(explanation["differences"].as_array().unwrap().len(), 0, "{explanation:#}");
    assert_eq!(explanation["loaded"]["active_state"], "active");
    assert_eq!(
        explanation["summary"],
        format!("web.service: on disk {}; loaded as it is there: active (exited)", shown(&owner))
    );
    let text = String::from_utf8(run(&manager, &["web.service"]).stdout).unwrap();
    assert!(!text.contains('\x1b'), "colour only on a terminal: {text}");
    assert!(text.contains("[Service] ExecStart = /bin/true"), "{text}");
    assert!(text.contains(&format!("{}:4", shown(&owner))), "{text}");
}

#[test]
fn drop_ins_of_every_kind_say_which_file_and_which_line_wins() {
    let manager = Manager::start();
    let owner = manager.write_unit("web-app.service", &service("/bin/true"));
    let conf = |value: &str| format!("[Unit]\nDescription={value}\n");
    let by_type = manager.write_unit("service.d/99-type.conf", &conf("type"));
    let prefix = manager.write_unit("web-.service.d/50-prefix.conf", &conf("prefix"));
    let unit = manager.write_unit("web-app.service.d/10-unit.conf", &conf("unit"));
    let control =
        write(manager.config().join("systemd/user.control/web-app.service.d/50-prefix.conf"), &conf("c"));
    let masked = manager.owner().join("web-app.service.d/60-masked.conf");
    symlink("/dev/null", &masked).unwrap();
    manager.systemctl(&["daemon-reload"]);
    manager.systemctl(&["start", "web-app.service"]);
    let late =
        manager.write_unit("web-app.service.d/70-late.conf", "[Service]\nExecStart=\nExecStart=/bin/sh\n");
    let explanation = explain(&manager, "web-app.service");
    let drop_ins: Vec<(&str, &str, bool, bool)> = explanation["drop_ins"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| {
            (
                d["path"].as_str().unwrap(),
                d["scope"].as_str().unwrap(),
                d["effective"].as_bool().unwrap(),
                d["loaded"].as_bool().unwrap(),
            )
        })
        .collect();
    let expected = [
        (shown(&unit), "unit", true, true),
        (shown(&control), "unit", true, true),
        (shown(&masked), "unit", false, true),
        (shown(&late), "unit", true, false),
        (shown(&by_type), "type", true, true),
    ];
    let expected: Vec<_> = expected.iter().map(|(p, scope, e, l)| (p.as_str(), *scope, *e, *l)).collect();
    assert_eq!(drop_ins, expected);
    assert_eq!(explanation["drop_ins"][1]["beats"][0], shown(&prefix));
    let settings = explanation["settings"].as_array().unwrap();
    let lines = |key: &str| -> Vec<(String, u64, bool)> {
        let setting = settings.iter().find(|setting| setting["key"] == key).unwrap();
        let lines = setting["lines"].as_array().unwrap().iter();
        lines
            .map(|line| {
                let file = line["file"].as_str().unwrap().to_owned();
                (file, line["line"].as_u64().unwrap(), line["in_force"].as_bool().unwrap())
            })
            .collect()
    };
    assert_eq!(
        lines("Description"),
        [(shown(&unit), 2, false), (shown(&control), 2, false), (shown(&by_type), 2, true)],
        "the last file name wins, whatever its directory is called after"
    );
    assert_eq!(manager.property("web-app.service", "Description"), "type");
    assert_eq!(
        lines("ExecStart"),
        [(shown(&owner), 4, false), (shown(&late), 2, false), (shown(&late), 3, true)]
    );
    let stale = reason(&explanation, "stale");
    assert!(stale.contains("DropInPaths: on disk") && stale.contains("ExecStart: on disk"), "{stale}");
    assert!(stale.contains("daemon-reload` makes it read the disk"), "{stale}");
    manager.systemctl(&["daemon-reload"]);
    let explanation = explain(&manager, "web-app.service");
    assert_eq!(reasons(&explanation, "stale"), [] as [&str; 0]);
    assert_eq!(explanation["differences"].as_array().unwrap().len(), 0, "{explanation:#}");
}

#[test]
fn a_unit_pinned_by_enabling_it_is_told_from_the_current_generation() {
    let manager = Manager::start();
    let store =
        |day: &str| write(manager.dir().join(format!("store/{day}-unit/web.service")), &service("/bin/true"));
    let (old, new) = (store("old"), store("new"));
    symlink(&new, manager.etc().join("web.service")).unwrap();
    let link = manager.owner().join("web.service");
    symlink(&old, &link).unwrap();
    let pull = manager.owner().join("default.target.wants/web.service");
    fs_err::create_dir(pull.parent().unwrap()).unwrap();
    symlink(&old, &pull).unwrap();
    manager.systemctl(&["daemon-reload"]);
    let explanation = explain(&manager, "web.service");
    let pinned = reason(&explanation, "pinned");
    assert!(pinned.contains("pinned by `systemctl --user enable` on 20"), "{pinned}");
    assert!(
        pinned.contains(&format!(
            "its target is not in the current generation, where {} leads to {}",
            shown(manager.etc().join("web.service")),
            shown(&new)
        )),
        "{pinned}"
    );
    assert_eq!(explanation["pulled_in_by"][0]["by"], "default.target");
    assert_eq!(explanation["pulled_in_by"][0]["in_force"], true);

    // Home Manager's generations: an earlier one's link, and the current one's.
    let files = |name: &str| manager.dir().join(format!("store/{name}-home-manager-files"));
    let unit_in = |name: &str| files(name).join("config/systemd/user/web.service");
    for name in ["old", "new"] {
        write(unit_in(name), &service("/bin/true"));
    }
    let generation = manager.dir().join("store/new-home-manager-generation");
    fs_err::create_dir(&generation).unwrap();
    symlink(files("new"), generation.join("home-files")).unwrap();
    let root = manager.state().join("home-manager/gcroots/current-home");
    fs_err::create_dir_all(root.parent().unwrap()).unwrap();
    symlink(&generation, &root).unwrap();
    fs_err::remove_file(&link).unwrap();
    // HOME is beside XDG_CONFIG_HOME in these tests, so that the generation goes by `.config`.
    let usual = files("new").join(".config/systemd/user/web.service");
    write(&usual, &service("/bin/true"));
    symlink(&usual, &link).unwrap();
    let explanation = explain(&manager, "web.service");
    assert!(reason(&explanation, "generation").ends_with("the current Home Manager generation"));
    fs_err::remove_file(&link).unwrap();
    symlink(unit_in("old"), &link).unwrap();
    let explanation = explain(&manager, "web.service");
    let pinned = reason(&explanation, "pinned");
    assert!(pinned.contains("left by an earlier Home Manager generation"), "{pinned}");
}

#[test]
fn masks_aliases_templates_and_dead_links_have_their_words() {
    let manager = Manager::start();
    symlink("/dev/null", manager.owner().join("masked.service")).unwrap();
    write(manager.etc().join("masked.service"), &service("/bin/true"));
    manager.write_unit("real.service", &service("/bin/true"));
    symlink("real.service", manager.owner().join("alias.service")).unwrap();
    manager.write_unit("tpl@.service", &service("/bin/echo %i"));
    symlink("/nowhere/dead.service", manager.owner().join("dead.service")).unwrap();
    write(manager.etc().join("dead.service"), &service("/bin/true"));
    symlink("circle.service", manager.owner().join("circle.service")).unwrap();
    symlink("tpl@.service", manager.owner().join("wrong.service")).unwrap();
    fs_err::create_dir(manager.owner().join("dir.service")).unwrap();
    manager.systemctl(&["daemon-reload"]);
    for (unit, kind, word) in [
        ("masked.service", "masked", "a link to /dev/null, since 20"),
        ("alias.service", "alias", "alias.service is another name of real.service"),
        ("tpl@x.service", "template", "its template tpl@.service is taken"),
        ("tpl@.service", "wins", "the only copy in the search path"),
        ("dead.service", "not-found", "a link to nothing (/nowhere/dead.service)"),
        ("circle.service", "skipped", "it points to a file of its own name"),
        ("wrong.service", "skipped", "plain name, template and instance do not match"),
        ("dir.service", "skipped", "is a directory and skipped"),
        ("nosuch.service", "not-found", "no directory of the search path has a copy"),
    ] {
        let explanation = explain(&manager, unit);
        let reasons = reasons(&explanation, kind);
        assert!(reasons.iter().any(|reason| reason.contains(word)), "{unit}: {reasons:?}\n{explanation:#}");
        if !unit.contains("@.") {
            assert_eq!(explanation["on_disk"]["load_state"], manager.property(unit, "LoadState"), "{unit}");
        }
    }
    let transient = ["--unit=passing", "-p", "RemainAfterExit=yes", "/bin/true"];
    assert!(manager.command("systemd-run").arg("--user").args(transient).output().unwrap().status.success());
    let explanation = explain(&manager, "passing.service");
    assert_eq!(reasons(&explanation, "transient").len(), 1, "{explanation:#}");
}

#[test]
fn declared_disk_and_manager_are_told_apart() {
    let manager = Manager::start();
    let dirs = manager.dirs();
    let stack = StackName::parse("photos").unwrap();
    write(
        dirs.inventory_file(&stack),
        "{\"version\": 1, \"compose\": {\"directory\": \"/srv/p\", \"files\": [\"c.yml\"]}}",
    );
    let programs = Programs::in_directory(Path::new("/bin"));
    stackwarden::stack::sync(&Hand::new(&dirs), &Host::default(), &programs, &stack).unwrap();
    manager.systemctl(&["daemon-reload"]);
    let explanation = explain(&manager, "photos");
    let declared = &explanation["declared"];
    assert_eq!((&declared["by"], &declared["stack"]), (&"stack".into(), &"photos".into()));
    assert_eq!(declared["text_is_sealed"], true);
    assert_eq!(declared["token"], explanation["loaded"]["token"]);
    assert_eq!(explanation["differences"].as_array().unwrap().len(), 0, "{explanation:#}");
    assert!(explanation["summary"].as_str().unwrap().ends_with("; as declared (stack photos)"));

    let path = manager.owner().join("photos.service");
    let text = read_text(&path).unwrap();
    write(&path, &text.replace("apply photos", "apply other"));
    let explanation = explain(&manager, "photos");
    assert_eq!(explanation["declared"]["text_is_sealed"], false);
    assert!(reason(&explanation, "drifted").contains(&Sha256::of(text.as_bytes()).short()));
    let stale = reason(&explanation, "stale");
    assert!(stale.contains("mend the disk first") && stale.contains("ExecStart"), "{stale}");

    // A generation leads to the sealed file by way of a link of its own.
    let (sealed, hop) =
        (manager.dir().join("store/photos.service"), manager.dir().join("files/photos.service"));
    write(&sealed, &text);
    fs_err::create_dir(hop.parent().unwrap()).unwrap();
    symlink(&sealed, &hop).unwrap();
    fs_err::remove_file(&path).unwrap();
    symlink(&hop, &path).unwrap();
    let seal = Seal::of_linked(std::slice::from_ref(&sealed), None).unwrap();
    write(Seal::path(&dirs, "photos"), &serde_json::to_string(&seal).unwrap());
    manager.systemctl(&["daemon-reload"]);
    let explanation = explain(&manager, "photos");
    assert_eq!(explanation["differences"].as_array().unwrap().len(), 0, "{explanation:#}");
    fs_err::remove_file(&path).unwrap();
    let other = manager.dir().join("files/other.service");
    write(&other, &text);
    symlink(&other, &path).unwrap();
    let explanation = explain(&manager, "photos");
    assert!(
        reason(&explanation, "drifted").contains(&format!("file type is a link to {}", shown(&other))),
        "{explanation:#}"
    );

    let verify = explain(&manager, "stack-verify@photos.service");
    assert_eq!(verify["declared"], Value::Null, "the shipped units are not installed");
}

#[test]
fn without_a_manager_the_disk_is_explained_and_the_exit_code_says_so() {
    let manager = Manager::start();
    let path = manager.write_unit("web.service", &service("/bin/true"));
    let unit_path = unit_path(&manager).trim().replace(' ', ":");
    let empty = manager.dir().join("no-runtime");
    fs_err::create_dir(&empty).unwrap();
    let mut command = manager.command(STACKCTL);
    command.env("XDG_RUNTIME_DIR", &empty).env("SYSTEMD_UNIT_PATH", unit_path);
    let output = command.args(["explain", "web", "--json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(69));
    let explanation = valid(&output);
    assert_eq!(copies(&explanation), [(shown(&path), "wins".to_owned())]);
    assert_eq!((&explanation["manager"], &explanation["loaded"]), (&Value::Null, &Value::Null));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("from the disk alone") && stderr.contains("cannot connect"), "{stderr}");
}

/// Everything that a search path can hold by mistake: none of it hangs or ends the explanation.
#[test]
fn odd_files_and_crowded_directories_are_explained_in_time() {
    let manager = Manager::start();
    manager.write_unit("web.service", &service("/bin/true"));
    manager.systemctl(&["daemon-reload"]);
    manager.systemctl(&["start", "web.service"]);
    let drop_ins = manager.owner().join("web.service.d");
    let link_to_itself = drop_ins.join("40-loop.conf");
    fs_err::create_dir_all(drop_ins.join("10-directory.conf")).unwrap();
    nix::unistd::mkfifo(&drop_ins.join("20-fifo.conf"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let bytes = b"[Service]\nEnvironment=A=\xff\n";
    stackwarden::atomic::replace(&drop_ins.join("30-bytes.conf"), bytes, stackwarden::atomic::PUBLIC)
        .unwrap();
    fs_err::os::unix::fs::symlink(&link_to_itself, &link_to_itself).unwrap();
    fs_err::File::create(drop_ins.join("50-huge.conf")).unwrap().set_len(1 << 30).unwrap();
    write(drop_ins.join("60-good.conf"), "[Service]\nTimeoutStopSec=7s\n");
    for index in 0..10_000 {
        write(manager.owner().join(format!("crowd-{index}.service")), "");
    }
    let explanation = explain(&manager, "web.service");
    let said = explanation.to_string();
    for name in ["20-fifo.conf", "30-bytes.conf", "50-huge.conf", "60-good.conf"] {
        assert!(said.contains(name), "{name}: {explanation:#}");
    }
    assert!(said.contains("TimeoutStopSec"), "{explanation:#}");

    let looped = manager.owner().join("loop.service");
    fs_err::os::unix::fs::symlink(&looped, &looped).unwrap();
    assert!(!copies(&explain(&manager, "loop.service")).is_empty());

    let long = format!("{}.service", "a".repeat(300));
    for name in ["a/b.service", "", "a\nb.service", "@.service", long.as_str(), "a b.service"] {
        let output = run(&manager, &["--", name]);
        assert_eq!(output.status.code(), Some(64), "{name:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stdout.is_empty() && !output.stderr.is_empty());
    }
}
