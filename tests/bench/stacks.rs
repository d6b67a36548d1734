//! What stackctl adds to what podman and compose take themselves, on real podman.
//!
//! `cargo bench --bench stacks` prints the tables of docs/benchmarks.md; `-- apply verify status`: these only. It needs the
//! lab, and so root on Debian.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark prints its table, and a failed step is a panic with its place"
)]

#[expect(dead_code, unused_imports, reason = "each benchmark uses its part of the frame")]
mod frame;

use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use frame::lab::{declare, done, eventually, image, in_the_lab, program, put};
use frame::{Table, bytes, measure_side_by_side, median, time};

const RUNS: usize = 11;

fn main() {
    if frame::measure_child_if_asked() {
        return;
    }
    in_the_lab("stacks", |_| {}, inside);
}

fn inside() {
    image("app:1", &["v1"]);
    image("ok:1", &["ok", "health=ok"]);
    image("once:1", &["once", "exit=0"]);
    done("stackctl", &["install"]);
    let parts: [(&str, fn()); 3] = [("apply", applies), ("verify", verdicts), ("status", || status(20, 3))];
    let chosen = |name: &str| std::env::args().any(|argument| argument == name);
    let all = !parts.iter().any(|(name, _)| chosen(name));
    for (name, part) in parts {
        if all || chosen(name) {
            part();
            println!();
        }
    }
}

/// An apply that changes nothing, against the bare compose of the same files.
fn applies() {
    let mut table =
        Table::new(&["provider", "stack", "`podman compose up -d`", "`stackctl apply`", "adds", "memory"]);
    for provider in ["docker-compose", "podman-compose"] {
        pin(provider);
        let one = format!("one-{provider}");
        declare(&one, &one_service(&one, "{image: 'localhost:5000/app:1'}"), &["--verify", "off"]);
        let shop = format!("shop-{provider}");
        declare(&shop, &four_services(&shop), &["--verify", "off"]);
        for (stack, what) in [(&one, "1 service"), (&shop, "4 services, one sharing a network")] {
            done("stackctl", &["apply", stack]);
            let before = started(stack);
            let bare = bare_compose(provider, stack);
            let apply = program("stackctl", &["apply", stack]);
            let [bare, ours] = measure_side_by_side([&bare, &apply], RUNS);
            // podman-compose starts a one-shot again each time.
            assert_eq!(started(stack), before, "{stack}: containers were started again");
            table.row(&[
                provider.to_owned(),
                what.to_owned(),
                time(bare.time),
                time(ours.time),
                time(ours.time.saturating_sub(bare.time)),
                bytes(ours.memory),
            ]);
            done("stackctl", &["stop", stack]);
        }
    }
    print!("{table}");
}

/// How long after the moment of its condition a verdict is given.
fn verdicts() {
    pin("docker-compose");
    let mut table = Table::new(&["verdict on", "the moment", "runs", "median after it", "worst"]);
    let health = "{image: 'localhost:5000/app:1', healthcheck: \
        {test: [CMD-SHELL, test -e /tmp/up], interval: 1s, retries: 1000}}";
    declare("health", &one_service("health", health), &["--verify", "off"]);
    let healthy: Vec<Duration> = (0..RUNS).map(|_| healthy_and_told("health")).collect();
    declare(
        "stable",
        &one_service("stable", "{image: 'localhost:5000/app:1'}"),
        &["--verify", "off", "--stable-for", "2s"],
    );
    let stable: Vec<Duration> =
        (0..RUNS).map(|_| stable_and_told("stable", Duration::from_secs(2))).collect();
    for (what, moment, delays) in [
        ("health", "the end of the check that passed, in podman's log of it", healthy),
        ("`stable_for`", "StartedAt + 2 s", stable),
    ] {
        table.row(&[
            what.to_owned(),
            moment.to_owned(),
            delays.len().to_string(),
            time(median(delays.iter().copied())),
            time(*delays.iter().max().unwrap()),
        ]);
    }
    print!("{table}");
}

/// Waits for the verdict on a container that gets healthy meanwhile.
fn healthy_and_told(stack: &str) -> Duration {
    let container = format!("{stack}-it-1");
    done("stackctl", &["apply", stack]);
    let mut verify = program("stackctl", &["verify", stack, "--timeout", "60s"]);
    let mut verify = verify.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // It has looked, and waits.
    eventually("verify waits for the health", || {
        program("pgrep", &["--full", "[p]odman wait"]).output().unwrap().status.success()
    });
    done("podman", &["exec", &container, "touch", "/tmp/up"]);
    let told = end_of(&mut verify);
    let log = done(
        "podman",
        &["inspect", "--format", "{{range .State.Health.Log}}{{.ExitCode}} {{.End}}\n{{end}}", &container],
    );
    let passed = log.lines().find_map(|line| line.strip_prefix("0 ")).unwrap();
    done("podman", &["rm", "--force", "--time", "0", &container]);
    told.duration_since(stackwarden::podman::parse_time(passed).unwrap()).unwrap()
}

/// Waits for the verdict on a container that has just been started.
fn stable_and_told(stack: &str, stable_for: Duration) -> Duration {
    let container = format!("{stack}-it-1");
    done("stackctl", &["apply", stack]);
    let mut verify = program("stackctl", &["verify", stack, "--timeout", "60s"]);
    let mut verify = verify.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let told = end_of(&mut verify);
    let started = done("podman", &["inspect", "--format", "{{.State.StartedAt}}", &container]);
    done("podman", &["rm", "--force", "--time", "0", &container]);
    told.duration_since(stackwarden::podman::parse_time(&started).unwrap() + stable_for).unwrap()
}

fn end_of(verify: &mut std::process::Child) -> SystemTime {
    let status = verify.wait().unwrap();
    let told = SystemTime::now();
    assert!(status.success(), "verify: {status}");
    told
}

/// The status of many stacks, against the list of containers alone.
fn status(stacks: usize, services: usize) {
    pin("docker-compose");
    for number in 0..stacks {
        let stack = format!("many{number:02}");
        let services: Vec<String> = (0..services)
            .map(|service| format!("s{service}: {{image: 'localhost:5000/app:1', network_mode: none}}"))
            .collect();
        declare(&stack, &format!("services: {{{}}}", services.join(", ")), &["--verify", "off"]);
        done("systemctl", &["--user", "start", &format!("{stack}.service")]);
    }
    let running = done("podman", &["ps", "--quiet"]).lines().count();
    assert_eq!(running, stacks * services, "containers that run");
    let list = program("podman", &["ps", "--all", "--format", "json"]);
    let oneline = program("stackctl", &["status", "--oneline"]);
    let json = program("stackctl", &["status", "--json"]);
    let [list, table_of, oneline, json] =
        measure_side_by_side([&list, &program("stackctl", &["status"]), &oneline, &json], RUNS);
    let mut table = Table::new(&[
        "stacks",
        "containers",
        "`podman ps --all`",
        "`stackctl status`",
        "`--oneline`",
        "`--json`",
        "memory",
    ]);
    table.row(&[
        stacks.to_string(),
        running.to_string(),
        time(list.time),
        time(table_of.time),
        time(oneline.time),
        time(json.time),
        bytes(table_of.memory),
    ]);
    print!("{table}");
}

fn pin(provider: &str) {
    let config = format!("{{\"version\": 1, \"provider\": {{\"kind\": \"{provider}\"}}}}");
    put(".config/stackwarden/config.json", &config);
}

/// The label that our override file sets is in these files already: so both are the same project to compose.
fn one_service(stack: &str, mapping: &str) -> String {
    let labelled = mapping.replacen('{', &format!("{{labels: {{PODMAN_SYSTEMD_UNIT: {stack}.service}}, "), 1);
    format!("services:\n  it: {labelled}\n")
}

fn four_services(stack: &str) -> String {
    let labels = format!("labels: {{PODMAN_SYSTEMD_UNIT: {stack}.service}}");
    format!(
        "services:
  db: {{image: 'localhost:5000/ok:1', {labels}, volumes: ['/anonymous', 'data:/data']}}
  web:
    image: 'localhost:5000/app:1'
    {labels}
    ports: ['0:80']
    depends_on: {{db: {{condition: service_healthy}}}}
  side: {{image: 'localhost:5000/app:1', {labels}, network_mode: 'service:web', depends_on: [web]}}
  other: {{image: 'localhost:5000/app:1', {labels}}}
volumes: {{data: {{}}}}
"
    )
}

fn bare_compose(provider: &str, stack: &str) -> Command {
    let directory = std::path::Path::new(&std::env::var_os("HOME").unwrap()).join(stack);
    let mut command = program("podman", &["compose", "--project-name", stack, "up", "-d"]);
    command.env("PODMAN_COMPOSE_PROVIDER", format!("/usr/bin/{provider}")).current_dir(directory);
    command
}

/// Which containers there are, and when each was started.
fn started(stack: &str) -> String {
    let filter = format!("label=com.docker.compose.project={stack}");
    done(
        "podman",
        &[
            "ps",
            "--all",
            "--filter",
            &filter,
            "--sort",
            "names",
            "--format",
            "{{.Names}} {{.ID}} {{.StartedAt}}",
        ],
    )
}
