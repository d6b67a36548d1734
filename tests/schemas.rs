//! The published JSON Schemas against the parsers: what one takes the other takes, key by key and value by value, and
//! what the programs write is valid.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test, a failed step is a panic with its place"
)]

use std::path::Path;

use jsonschema::Validator;
use serde_json::{Map, Value, json};
use stackwarden::alert::Alerts;
use stackwarden::audit::{Check, Repair, Repairs, Report};
use stackwarden::digest::Sha256;
use stackwarden::dirs::Dirs;
use stackwarden::document::Document;
use stackwarden::error::chain;
use stackwarden::inventory::{Entry, Host};
use stackwarden::names::{StackName, UnitName};
use stackwarden::observe::Observed;
use stackwarden::records::Record;
use stackwarden::render::{self, Programs};
use stackwarden::seal::Seal;
use stackwarden::stack::StackState;
use stackwarden::status::Status;
use stackwarden::update::orchestrator as update;

/// What the programs take for a file of this kind, and what they would write in turn.
type Parse = fn(&[u8]) -> Result<Value, String>;

fn parse<D: Document>(content: &[u8]) -> Result<Value, String> {
    let document = D::parse(Path::new("/x.json"), content).map_err(|error| chain(&error))?;
    Ok(serde_json::to_value(document).unwrap())
}

fn parse_entry(content: &[u8]) -> Result<Value, String> {
    Entry::parse(Path::new("/x.json"), content).map_err(|error| chain(&error))?.check()?;
    parse::<Entry>(content)
}

fn schema(name: &str) -> Validator {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/schema/{name}.schema.json"));
    let schema: Value = serde_json::from_reader(fs_err::File::open(path).unwrap()).unwrap();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    jsonschema::draft202012::new(&schema).unwrap()
}

/// Values of every type, and texts that break one rule or another.
fn values() -> Vec<Value> {
    let mut values = vec![
        json!(null),
        json!(true),
        json!(0),
        json!(1),
        json!(7),
        json!(-1),
        json!(1.5),
        json!(u64::MAX),
        json!([]),
        json!([[]]),
        json!({}),
        json!({"k": "v"}),
        json!({"a b": "v"}),
        json!({"foo.service": {}}),
        json!("f".repeat(64)),
        json!("F".repeat(64)),
        json!("n".repeat(300)),
    ];
    values.extend(
        [
            "",
            "x",
            "text",
            "a b",
            "/abs",
            "/",
            "../x",
            "10s",
            "5min 30s",
            "1.5h",
            "0.5",
            "soon",
            "1s,",
            "a\nb",
            "a\0b",
            "ü",
            "-x",
            ".x",
            "x-update",
            "stackwarden",
            "stack-audit",
            "UPPER",
            "foo.service",
            "foo@.service",
            "@.service",
            "foo.nosuch",
            "a/b.service",
            "default.target.wants/foo.service",
            "default.target.wants/../foo.service",
            "/default.target.wants/foo.service",
            "foo.d/foo.service",
            "gate",
            "page",
            "on-disk",
            "drop-in-unexpected",
            "podman-compose",
        ]
        .map(Value::from),
    );
    let lists: Vec<Value> = values.iter().map(|value| json!([value])).collect();
    values.extend(lists);
    values
}

/// Every document that differs from `value` in one place: a value that is another, a key that is missing or unknown.
fn mutants(value: &Value) -> Vec<(String, Value)> {
    // Inside a document serde takes an object's values from an array as well; that is not published.
    let other = values().into_iter().filter(|other| !(value.is_object() && other.is_array()));
    let mut mutants: Vec<(String, Value)> = other.map(|other| (String::new(), other)).collect();
    match value {
        Value::Object(map) => {
            let with = |key: &str, value: Option<Value>| {
                let mut map: Map<String, Value> = map.clone();
                match value {
                    Some(value) => map.insert(key.to_owned(), value),
                    None => map.remove(key),
                };
                Value::Object(map)
            };
            mutants.push((".unknown".to_owned(), with("unknown", Some(json!(1)))));
            for (key, value) in map {
                mutants.push((format!(".{key} missing"), with(key, None)));
                let inner = mutants_of(value, &format!(".{key}"));
                mutants.extend(inner.map(|(place, mutant)| (place, with(key, Some(mutant)))));
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                for (place, mutant) in mutants_of(item, &format!("[{index}]")) {
                    let mut items = items.clone();
                    items[index] = mutant;
                    mutants.push((place, Value::Array(items)));
                }
            }
        }
        _ => {}
    }
    mutants
}

fn mutants_of(value: &Value, place: &str) -> impl Iterator<Item = (String, Value)> + use<> {
    let place = place.to_owned();
    mutants(value).into_iter().map(move |(inner, mutant)| (format!("{place}{inner}"), mutant))
}

/// Holds a schema against a parser: the samples are valid to both, and so is what is written for them; every mutant is
/// valid to both or to neither.
fn hold(name: &str, parse: Parse, samples: &[Value]) {
    let schema = schema(name);
    let (mut good, mut bad) = (0, 0);
    for sample in samples {
        let written =
            parse(sample.to_string().as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}: {sample}"));
        for document in [sample, &written] {
            if let Err(error) = schema.validate(document) {
                panic!("{name}: {error}, at {}: {document}", error.instance_path());
            }
        }
        for (place, mutant) in mutants(sample) {
            let parsed = parse(mutant.to_string().as_bytes());
            let valid = schema.is_valid(&mutant);
            assert_eq!(parsed.is_ok(), valid, "{name}, {place}: the parser says {parsed:?}: {mutant}");
            if valid { good += 1 } else { bad += 1 }
        }
    }
    assert!(good > 10 && bad > 100, "{name}: only {good} good and {bad} bad mutants");
}

fn dirs() -> Dirs {
    let home = Path::new("/home/me");
    Dirs {
        user: "me".to_owned(),
        home: home.to_owned(),
        config_home: home.join(".config"),
        state_home: home.join(".local/state"),
        data_home: home.join(".local/share"),
        cache_home: home.join(".cache"),
        runtime: "/run/user/1000".into(),
    }
}

#[test]
fn inventory_entries() {
    let least = json!({"version": 1, "compose": {"directory": "/srv/a", "files": ["compose.yml"]}});
    let full = json!({
        "version": 1,
        "description": "Immich photo stack",
        "compose": {
            "project": "immich", "directory": "/home/me/immich", "files": ["compose.yml"], "profiles": ["ml"]
        },
        "environment": {"DATA_ROOT": "/mnt/docker"},
        "env_files": [{"path": "immich.env", "fallback": "/run/user/1000/secrets/immich.env"}],
        "requires_mounts": ["/mnt/docker"],
        "startup_timeout": "120s", "pull_timeout": "30min",
        "stale_health_after": "1h",
        "verify": {"mode": "detached", "timeout": "60s", "stable_for": "5s"},
        "update": {
            "enabled": true, "rollback": true, "before": [["/bin/dump", "-a"]], "on_rollback": [["undo"]],
            "hook_timeout": "10min", "keep": true
        },
        "allowed_drop_ins": ["10-local.conf"]
    });
    hold("inventory", parse_entry, &[least, full]);
}

#[test]
fn host_configurations() {
    let full = serde_json::to_value(Host::default()).unwrap();
    let mut with_program = full.clone();
    with_program["provider"]["program"] = json!("/opt/docker-compose");
    hold("config", parse::<Host>, &[json!({"version": 1}), full, with_program]);
}

#[test]
fn seals() {
    let programs = Programs::in_directory(Path::new("/b"));
    let stack = StackName::parse("web").unwrap();
    let entry = Entry::new("/srv/a".into(), vec!["compose.yml".into()]);
    let inventory = Sha256::of(b"x");
    let units = render::stack(&dirs(), &Host::default(), &programs, &stack, &entry, &inventory).unwrap();
    let mut of_stack = serde_json::to_value(Seal::of(&units, Some(inventory))).unwrap();
    // Settings are alike; a few are enough to change each part of.
    let settings = of_stack["units"]["web.service"]["settings"].as_array_mut().unwrap();
    settings.truncate(2);
    of_stack["units"]["web.service"]["link"] = json!("/nix/store/x-web.service");
    let none = json!({"version": 1, "units": {}});
    hold("seal", parse::<Seal>, &[none, of_stack]);

    let shipped = Seal::of(&render::shipped(&dirs(), &Host::default(), &programs).unwrap(), None);
    schema("seal").validate(&serde_json::to_value(shipped).unwrap()).unwrap();
}

#[test]
fn seals_of_observed_units() {
    let file = json!({"path": "/etc/a", "link": "/store/a", "sha256": "f".repeat(64)});
    let none = json!({"path": "/etc/a", "link": null, "sha256": null});
    let observed = |fragment: &Value, drop_ins: &[&Value]| {
        json!({
            "version": 1, "unit": "foo.service", "time": "2026-02-13T10:00:00Z", "masked": false,
            "fragment": fragment, "source": none, "drop_ins": drop_ins,
            "shadowed": ["/etc/foo.service"], "pulled_in_by": ["/u/default.target.wants/foo.service"]
        })
    };
    hold("observed", parse::<Observed>, &[observed(&file, &[&none]), observed(&Value::Null, &[])]);
}

#[test]
fn audit_reports() {
    let finding = json!({
        "severity": "page", "check": "drop-in-unexpected", "status": "broken", "stack": "web",
        "unit": "web.service", "path": "/x.conf", "state": "on-disk", "expected": "a", "seen": "b", "next": "c",
        "documentation": "docs/handbook.md#drop-in-unexpected", "as_of": "2026-02-13T09:45:00.000Z"
    });
    let report = json!({
        "version": 1, "run": "0123456789abcdef", "trigger": "path",
        "started": "2026-02-13T10:00:00.000Z", "finished": "2026-02-13T10:00:01.000Z", "dry_run": false,
        "thresholds": {
            "bus_deadline": "10s", "reload_deadline": "1m 30s", "reload_grace": "1m", "quiet": "500ms",
            "quiet_at_most": "10s", "watches": 32
        },
        "stacks": ["web"], "units": ["web.service"],
        "counts": {"passed": 1, "page": 1, "ticket": 0, "info": 0, "unknown": 0},
        "podman_asked": "2026-02-13T09:45:00.000Z",
        "passed": {"unit-missing": 1}, "findings": [finding],
        "healed": [{"action": "daemon-reload", "findings": [finding]}],
        "reload_blocked_by": ["fragment-content of web.service"], "notes": ["a note"]
    });
    hold("audit", parse::<Report>, &[report]);

    let schema = schema("audit");
    for check in Check::ALL {
        let passed = json!({check.id(): 1});
        let errors: Vec<String> = schema
            .iter_errors(&json!({"passed": passed}))
            .filter(|error| error.instance_path().as_str().contains("passed"))
            .map(|error| error.to_string())
            .collect();
        assert_eq!(errors, [""; 0], "{check} is not in the schema");
    }
}

fn image() -> Value {
    json!({"id": "0".repeat(64), "digest": format!("sha256:{}", "1".repeat(64)), "version": "1.2", "revision": "abc"})
}

fn changed_image() -> Value {
    let tag = json!({"repository": "docker.io/library/app", "tag": "1"});
    json!({"reference": "app:1", "tag": tag, "services": ["web"], "old": image(), "new": image()})
}

#[test]
fn update_reports() {
    let stack = json!({
        "verdict": "rolled-back", "message": "m", "images": [changed_image()], "milliseconds": 7,
        "next": "stackctl history web"
    });
    let report = json!({
        "version": 1, "started": "2026-02-13T04:00:00.000Z", "finished": "2026-02-13T04:01:00.000Z",
        "concurrency": 2, "interrupted": false, "broken": {"/x.json": "not valid"}, "stacks": {"web": stack}
    });
    hold("update", parse::<update::Report>, &[report]);
}

#[test]
fn records() {
    let least = json!({
        "version": 1, "stack": "web", "verb": "apply", "pid": 1, "started": "2026-02-13T04:00:00.000Z", "steps": []
    });
    let full = json!({
        "version": 1, "stack": "web", "verb": "update", "unit": "web-update.service", "pid": 1,
        "started": "2026-02-13T04:00:00.000Z", "finished": "2026-02-13T04:01:00.000Z",
        "steps": [{"name": "pin", "started": "2026-02-13T04:00:01.000Z", "notes": ["a note"]}],
        "update": {
            "images": [changed_image()], "not_up_before": ["db"], "blamed": ["app:1"], "result": "rolled-back"
        },
        "outcome": {"code": 81, "message": "m"}
    });
    hold("record", parse::<Record>, &[least, full]);
}

#[test]
fn stack_states() {
    let least = json!({"version": 1, "project": "web", "provider": "docker-compose"});
    let digest = "a".repeat(64);
    let tag = json!({"repository": "docker.io/library/app", "tag": "1"});
    let pinned = json!({"tag": tag, "image": image(), "name": "localhost/stackwarden/web/app:1"});
    let full = json!({
        "version": 1, "project": "web", "provider": "podman-compose",
        "applied": {
            "record": "r", "at": "2026-02-13T04:00:00.000Z", "inventory": digest, "key": digest,
            "compose_files": {"/srv/a/compose.yml": digest}, "env_files": {"/srv/a/.env": digest},
            "services": {"web": "hash"}, "replicas": {"web": 1}, "tied": ["web"]
        },
        "pins": [{"at": "2026-02-13T04:00:00.000Z", "record": "r", "images": {"app:1": pinned}}],
        "quarantine": {"app:1": {
            "digest": "sha256:1", "at": "2026-02-13T04:00:00.000Z", "reason": "not healthy", "also": ["sha256:2"]
        }},
        "hashed": {"key": digest, "asked": digest, "services": {"web": "hash"}},
        "held": {"since": "2026-02-13T04:00:00.000Z", "reason": "the dump is gone"}
    });
    hold("stack-state", parse::<StackState>, &[least, full]);
}

#[test]
fn statuses() {
    let last =
        json!({"verb": "apply", "started": "2026-02-13T10:00:00.000Z", "code": 0, "message": "applied"});
    let full = json!({
        "version": 1, "at": "2026-02-13T10:00:00.000Z", "manager": "why", "podman": "why", "code": 69,
        "stacks": {"web": {
            "condition": "up", "unit": {"active_state": "active", "result": "success", "since": "t"},
            "provenance": {"path": "/x", "owner": "owner", "declared": false, "broken": ["unit-missing"]},
            "project": "web",
            "containers": {
                "expected": 1, "running": 1, "finished": 0, "healthy": 1, "starting": 0, "unhealthy": 0, "down": 0
            },
            "last_apply": last, "last_update": last, "findings": ["a: b"]
        }},
        "next": {"stack-audit.timer": "2026-02-13T10:15:00.000Z"}, "broken": ["a file"]
    });
    hold("status", parse::<Status>, &[full]);
}

#[test]
fn alert_states() {
    let problem = json!({
        "subject": {"check": "drop-in-unexpected", "stack": "web", "unit": "web.service", "path": "/x.conf"},
        "severity": "page", "status": "broken", "object": "web.service", "text": "a", "next": "b",
        "documentation": "docs/handbook.md#drop-in-unexpected", "run": "0123456789abcdef"
    });
    let time = "2026-02-13T10:00:00.000Z";
    let least = json!({"version": 1, "open": [], "undelivered": []});
    let full = json!({
        "version": 1, "open": [{"problem": problem, "since": time, "told": time}], "all_well": "2026-02-12",
        "undelivered": [{"kind": "new", "time": time, "since": time, "text": "a", "problem": problem}]
    });
    hold("alerts", parse::<Alerts>, &[least, full]);
}

#[test]
fn repair_histories() {
    let repair = Repair {
        time: "2026-02-13T10:00:00.000Z".to_owned(),
        unit: UnitName::parse("web.service").unwrap(),
        token: "0123456789abcdef".to_owned(),
        action: "daemon-reload".to_owned(),
    };
    let totals = Check::ALL.iter().map(|check| (*check, 1)).collect();
    for repairs in [Repairs::default(), Repairs { version: 1, totals, history: vec![repair] }] {
        let written = serde_json::to_value(&repairs).unwrap();
        schema("repairs").validate(&written).unwrap();
        assert_eq!(parse::<Repairs>(written.to_string().as_bytes()).unwrap(), written);
    }
}

#[test]
fn a_newer_version_is_told_apart() {
    let ours: [Parse; 8] = [
        parse_entry,
        parse::<Alerts>,
        parse::<Host>,
        parse::<Seal>,
        parse::<Report>,
        parse::<update::Report>,
        parse::<Record>,
        parse::<StackState>,
    ];
    for parse in ours {
        let error = parse(br#"{"version": 2, "new": {}}"#).unwrap_err();
        assert!(error.contains("made by a newer version of this program: \"version\" is 2"), "{error}");
    }
}
