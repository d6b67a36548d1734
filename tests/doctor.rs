//! `stackctl doctor` on a machine that lacks nearly everything, and against its schema.
#![expect(clippy::unwrap_used, reason = "in a test, a failed step is a panic with its place")]

mod support;

use std::path::Path;

use serde_json::Value;
use stackwarden::document::read_text;
use support::{Manager, write};

fn doctor(manager: &Manager) -> (Option<i32>, Value) {
    let output = manager.command(env!("CARGO_BIN_EXE_stackctl")).args(["doctor", "--json"]).output().unwrap();
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
}

fn abouts(diagnosis: &Value, list: &str) -> Vec<String> {
    let list = diagnosis[list].as_array().unwrap().iter();
    list.map(|item| item.get("about").unwrap_or(item).as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_bare_host_is_told_what_it_lacks_and_the_schema_holds() {
    let manager = Manager::start();
    write(manager.config().join("stackwarden/config.json"), r#"{"version": 1, "path": "/nonexistent"}"#);
    let (code, diagnosis) = doctor(&manager);
    assert_eq!(code, Some(79), "{diagnosis:#}");
    let lacks = abouts(&diagnosis, "lacks");
    for about in ["newuidmap", "newgidmap", "systemd-run", "podman", "provider", "podman-socket", "installed"]
    {
        assert!(lacks.contains(&about.to_owned()), "{about}: {diagnosis:#}");
    }
    assert!(abouts(&diagnosis, "fine").contains(&"user-manager".to_owned()));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = read_text(&root.join("docs/schema/doctor.schema.json")).unwrap();
    let validator = jsonschema::draft202012::new(&serde_json::from_str(&text).unwrap()).unwrap();
    assert!(validator.is_valid(&diagnosis), "{diagnosis:#}");
    // Each of them has its place in the documentation.
    let documented = read_text(&root.join("docs/host.md")).unwrap();
    for about in lacks.into_iter().chain(abouts(&diagnosis, "fine")) {
        assert!(documented.contains(&format!("| `{about}` |")), "{about} is not in docs/host.md");
    }
}

#[test]
fn programs_that_misbehave_and_files_that_are_none_are_told_and_end_in_time() {
    let manager = Manager::start();
    let bin = manager.dir().join("home/bin");
    for (program, script) in [
        ("podman", "#!/bin/sh\nprintf 'podman version \\377\\n'\n"),
        ("docker-compose", "#!/bin/sh\nhead -c 100000000 /dev/zero\n"),
    ] {
        let file = write(bin.join(program), script);
        fs_err::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let config = serde_json::json!({"version": 1, "path": format!("{}:/usr/bin:/bin", bin.display())});
    write(manager.config().join("stackwarden/config.json"), &config.to_string());
    fs_err::create_dir_all(manager.config().join("stackwarden/sealed/stackwarden.json")).unwrap();
    let (_, diagnosis) = doctor(&manager);
    let lacks = diagnosis["lacks"].as_array().unwrap();
    for about in ["podman", "provider", "installed"] {
        let lack = lacks.iter().find(|lack| lack["about"] == about);
        assert_eq!(lack.unwrap()["need"], "unknown", "{diagnosis:#}");
    }
}

#[test]
fn without_a_manager_the_rest_is_told() {
    let manager = Manager::start();
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(manager.pid().try_into().unwrap()),
        nix::sys::signal::Signal::SIGSTOP,
    )
    .unwrap();
    write(manager.config().join("stackwarden/config.json"), r#"{"version": 1, "bus_deadline": "200ms"}"#);
    let (code, diagnosis) = doctor(&manager);
    assert_eq!(code, Some(69), "{diagnosis:#}");
    assert_eq!(abouts(&diagnosis, "lacks")[0], "user-manager");
    assert!(abouts(&diagnosis, "lacks").contains(&"installed".to_owned()));
}

#[test]
fn alerts_that_nobody_received_are_told() {
    let manager = Manager::start();
    let event = serde_json::json!({"kind": "all-is-well", "time": "2026-01-01T00:00:00Z", "since": null,
        "text": "every invariant holds", "problem": null});
    let alerts = |undelivered: Value| {
        let state =
            serde_json::json!({"version": 1, "open": [], "all_well": null, "undelivered": undelivered});
        write(manager.state().join("stackwarden/alerts.json"), &state.to_string());
        doctor(&manager).1
    };
    assert!(abouts(&alerts(serde_json::json!([])), "fine").contains(&"alerts".to_owned()));
    let diagnosis = alerts(serde_json::json!([event]));
    let lack = diagnosis["lacks"].as_array().unwrap().iter().find(|lack| lack["about"] == "alerts");
    assert_eq!(lack.unwrap()["seen"], "1 that it has not taken", "{diagnosis:#}");
}
