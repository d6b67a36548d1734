//! `stackctl alert` against a real user manager and real alert commands.
#![expect(
    clippy::disallowed_methods,
    reason = "the rules for reading and writing state are for the product; these are a test's files"
)]
#![expect(clippy::unwrap_used, reason = "in a test, a failed step is a panic with its place")]

mod support;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};
use stackwarden::audit::{Counts, Finding, Report, Thresholds, Trigger};
use stackwarden::document::Document;
use stackwarden::inventory::Timespan;
use stackwarden::names::{StackName, UnitName};
use support::{Manager, write};

const STACKCTL: &str = env!("CARGO_BIN_EXE_stackctl");

/// A manager, and an alert command that writes what it gets, one message a line.
struct Host {
    manager: Manager,
}

impl Host {
    fn start() -> Self {
        let host = Self { manager: Manager::start() };
        host.script("take", "tr -d '\\n' >>messages && echo >>messages");
        host.configure(&json!({ "command": [host.path("take")], "daily": true }));
        host
    }

    fn path(&self, name: &str) -> PathBuf {
        self.manager.dir().join("home").join(name)
    }

    /// An alert command.
    fn script(&self, name: &str, body: &str) {
        let path = write(self.path(name), &format!("#!/bin/sh\n{body}\n"));
        fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn configure(&self, alert: &Value) {
        let config = json!({ "version": 1, "alert": alert });
        write(self.manager.config().join("stackwarden/config.json"), &config.to_string());
    }

    /// A unit of somebody else's that fails, or does not.
    fn unit(&self, name: &str, command: &str) {
        self.manager.write_unit(name, &format!("[Service]\nType=oneshot\nExecStart={command}\n"));
        self.manager.systemctl(&["daemon-reload"]);
        self.manager.try_systemctl(&["start", name]);
    }

    /// Runs `stackctl alert`; its exit code and what it said.
    fn alert(&self, unit: &str) -> (i32, String) {
        let output = self.manager.command(STACKCTL).args(["alert", unit]).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }

    /// The messages that the command has taken since the last call.
    fn messages(&self) -> Vec<Value> {
        let text = fs_err::read_to_string(self.path("messages")).unwrap_or_default();
        fs_err::remove_file(self.path("messages")).ok();
        let schema = schema("alert");
        text.lines()
            .map(|line| {
                let message: Value = serde_json::from_str(line).unwrap();
                schema.validate(&message).unwrap();
                message
            })
            .collect()
    }

    fn state(&self) -> Value {
        let text = fs_err::read_to_string(self.state_file("alerts.json")).unwrap();
        let state = serde_json::from_str(&text).unwrap();
        schema("alerts").validate(&state).unwrap();
        state
    }

    fn state_file(&self, name: &str) -> PathBuf {
        self.manager.state().join("stackwarden").join(name)
    }

    /// Leaves the report of an audit that has just ended.
    fn report(&self, run: &str, findings: &Value) {
        let now = humantime::format_rfc3339_millis(std::time::SystemTime::now()).to_string();
        let span = Timespan::seconds(1);
        let report = Report {
            version: Report::VERSION,
            run: run.to_owned(),
            trigger: Trigger::Timer,
            started: now.clone(),
            finished: now,
            dry_run: false,
            thresholds: Thresholds {
                bus_deadline: span,
                reload_deadline: span,
                reload_grace: span,
                quiet: span,
                quiet_at_most: span,
                watches: 32,
            },
            stacks: [StackName::parse("web").unwrap()].into(),
            units: [UnitName::parse("web.service").unwrap()].into(),
            counts: Counts::default(),
            podman_asked: None,
            passed: BTreeMap::new(),
            findings: Vec::<Finding>::deserialize(findings).unwrap(),
            healed: Vec::new(),
            reload_blocked_by: Vec::new(),
            notes: Vec::new(),
        };
        write(self.state_file("audit.json"), &serde_json::to_string(&report).unwrap());
    }
}

fn schema(name: &str) -> jsonschema::Validator {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/schema/{name}.schema.json"));
    let schema: Value = serde_json::from_str(&fs_err::read_to_string(path).unwrap()).unwrap();
    jsonschema::draft202012::new(&schema).unwrap()
}

fn finding(severity: &str) -> Value {
    json!({
        "severity": severity, "check": "shadowed-copy", "status": "broken", "stack": "web",
        "unit": "web.service", "path": "/etc/systemd/user/web.service", "state": "on-disk",
        "expected": "one copy", "seen": "another one", "next": "rm it", "documentation": "docs/handbook.md#shadowed-copy"
    })
}

fn kinds(message: &Value) -> Vec<&str> {
    message["events"].as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap()).collect()
}

#[test]
fn a_failed_unit_is_told_once_and_its_recovery_once() {
    let host = Host::start();
    host.unit("backup.service", "/bin/false");
    for _ in 0..3 {
        let (code, said) = host.alert("backup.service");
        assert_eq!(code, 0, "{said}");
    }
    let messages = host.messages();
    assert_eq!(messages.len(), 1, "{messages:#?}");
    let message = &messages[0];
    assert_eq!(
        (kinds(message), &message["level"], &message["open"]),
        (vec!["new"], &json!("page"), &json!(1))
    );
    assert!(message["title"].as_str().unwrap().ends_with(": page: backup.service: unit-failed"), "{message}");
    assert!(message["text"].as_str().unwrap().contains("journalctl --user -u backup.service"), "{message}");

    // An audit that found nothing else says no more about it.
    host.report("1", &json!([]));
    host.alert("stack-audit.service");
    assert_eq!(host.messages(), [] as [Value; 0]);

    host.unit("backup.service", "/bin/true");
    host.alert("stack-audit.service");
    let messages = host.messages();
    assert_eq!(messages.iter().map(kinds).collect::<Vec<_>>(), [["recovered"], ["all-is-well"]]);
    assert_eq!((&messages[0]["level"], &messages[0]["open"]), (&json!("recovered"), &json!(0)));
    assert!(messages[0]["text"].as_str().unwrap().contains("backup.service: no longer failed, now "));
    assert_eq!(host.state()["open"], json!([]));
}

#[test]
fn findings_are_told_when_they_are_new_worse_or_gone() {
    let host = Host::start();
    let mut seen = Vec::new();
    for findings in [
        json!([]),
        json!([finding("ticket")]),
        json!([finding("ticket")]),
        json!([finding("page")]),
        json!([]),
        json!([]),
    ] {
        host.report(&seen.len().to_string(), &findings);
        assert_eq!(host.alert("stack-audit.service").0, 0);
        seen.push(host.messages().iter().map(|m| kinds(m).join(" ")).collect::<Vec<_>>().join(" "));
    }
    // The first audit of the day in which everything holds has been told already when it holds again.
    assert_eq!(seen, ["all-is-well", "new", "", "worse", "recovered", ""]);
}

#[test]
fn all_is_well_is_told_to_the_command_only_if_that_is_asked_for() {
    let host = Host::start();
    host.configure(&json!({ "command": [host.path("take")] }));
    host.report("1", &json!([]));
    let (code, said) = host.alert("stack-audit.service");
    assert_eq!((code, host.messages().len()), (0, 0));
    assert!(said.contains("every invariant holds"), "{said}");
    let (_, again) = host.alert("stack-audit.service");
    assert_eq!(again, "", "once a day");
}

#[test]
fn what_the_command_does_not_take_is_kept_until_it_does() {
    let host = Host::start();
    host.unit("backup.service", "/bin/false");
    host.script("fail", "echo no route to host >&2; exit 3");
    host.script("hang", "trap '' HUP; sleep 1000");
    host.script("flood", "exec yes");
    let cases = [
        ("fail", 76, "no route to host (`fail` failed with exit status 3)"),
        ("hang", 76, "did not end within 1s"),
        ("flood", 76, "flood"),
        ("none", 78, "is not there, or may not be run"),
    ];
    for (command, code, reason) in cases {
        host.configure(&json!({ "command": [host.path(command)], "timeout": "1s" }));
        let begin = Instant::now();
        let (seen, said) = host.alert("backup.service");
        assert_eq!(seen, code, "{command}: {said}");
        assert!(said.contains(reason), "{command}: {said}");
        assert!(said.contains("1 alerts wait for it"), "{command}: {said}");
        assert!(begin.elapsed() < Duration::from_secs(8), "{command} took {:?}: {said}", begin.elapsed());
        assert_eq!(host.state()["undelivered"].as_array().unwrap().len(), 1);
    }
    // It came and went before the command was mended: both are told, once.
    host.unit("backup.service", "/bin/true");
    host.configure(&json!({ "command": [host.path("take")] }));
    assert_eq!(host.alert("backup.service").0, 0);
    assert_eq!(host.messages().iter().map(kinds).collect::<Vec<_>>(), [["new", "recovered"]]);
    host.alert("backup.service");
    assert_eq!(host.messages().len(), 0);
}

#[test]
fn a_command_that_reads_nothing_is_no_failure() {
    let host = Host::start();
    host.unit("backup.service", "/bin/false");
    host.configure(&json!({ "command": ["true", "and an argument"] }));
    let (code, said) = host.alert("backup.service");
    assert_eq!(code, 0, "{said}");
    assert_eq!(host.state()["undelivered"], json!([]));
}

#[test]
fn without_a_manager_nothing_is_called_recovered() {
    let host = Host::start();
    host.unit("backup.service", "/bin/false");
    host.alert("backup.service");
    assert_eq!(host.messages().len(), 1);
    let bus = host.manager.runtime().join("bus");
    fs_err::rename(&bus, bus.with_extension("away")).unwrap();
    let (code, said) = host.alert("backup.service");
    assert_eq!((code, host.messages().len()), (0, 0), "{said}");
    assert!(said.contains("which units are failed is not known"), "{said}");
    assert_eq!(host.state()["open"].as_array().unwrap().len(), 1);
}

#[test]
fn damaged_state_is_kept_and_what_is_open_is_told_anew() {
    let host = Host::start();
    host.unit("backup.service", "/bin/false");
    write(host.state_file("alerts.json"), "{ \"version\": 1, \"open\"");
    let (code, said) = host.alert("backup.service");
    assert_eq!((code, host.messages().len()), (0, 1), "{said}");
    assert!(said.contains("alerts.json") && said.contains("set-aside"), "{said}");
}

#[test]
fn a_reminder_comes_after_its_time() {
    let host = Host::start();
    host.configure(&json!({ "command": [host.path("take")], "reminder": "1h" }));
    host.unit("backup.service", "/bin/false");
    host.alert("backup.service");
    let mut state = host.state();
    state["open"][0]["told"] = json!("2026-01-01T00:00:00.000Z");
    write(host.state_file("alerts.json"), &state.to_string());
    host.messages();
    host.alert("stack-audit.service");
    assert_eq!(host.messages().iter().map(kinds).collect::<Vec<_>>(), [["reminder"]]);
    host.alert("stack-audit.service");
    assert_eq!(host.messages().len(), 0);
}
