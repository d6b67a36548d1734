//! What a night costs in which nothing is new, against the bare pulls of the same images; what is gained by waiting for
//! several registries at a time; and what the orchestrator itself takes meanwhile.
//!
//! `cargo bench --bench updates` prints the tables of docs/benchmarks.md (`-- 8`: with so many stacks). It needs the lab, and so root on Debian.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark prints its table, and a failed step is a panic with its place"
)]
#![expect(clippy::disallowed_methods, reason = "what is read are the kernel's files")]

#[expect(dead_code, unused_imports, reason = "each benchmark uses its part of the frame")]
mod frame;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use frame::lab::{Machine, REGISTRY, declare, done, eventually, image, in_the_lab, program};
use frame::{Table, bytes, median, sizes, time};

/// How many stacks the target is about.
const STACKS: usize = 20;

/// How many stacks wait for a slow registry.
const WAITING: usize = 8;

/// How long the slow registry takes for each answer. Seconds.
const SLOW: u64 = 2;

/// The slow registry, which has what the other one has.
const SLOW_REGISTRY: &str = "localhost:5001";

const RUNS: usize = 3;

fn main() {
    in_the_lab("updates", slow_registry, inside);
}

fn slow_registry(machine: &Machine) {
    machine.as_root(&format!(
        "printf '[[registry]]\\nlocation = \"{SLOW_REGISTRY}\"\\ninsecure = true\\n' >/etc/containers/registries.conf.d/98-slow.conf
         systemd-run --quiet --collect /opt/lab/bad-registry 5001 slow={SLOW} /tmp/slow.log"
    ));
}

fn inside() {
    done("stackctl", &["install"]);
    // Audits are not what is measured.
    done("systemctl", &["--user", "stop", "stack-audit.path", "stack-audit.timer"]);
    let mut table = Table::new(&[
        "stacks",
        "images each",
        "at a time",
        "bare pulls",
        "their processor time",
        "`stack-update`, nothing new",
        "its processor time",
        "ratio of time",
        "of processor time",
    ]);
    let count = sizes(&[STACKS]).first().copied().unwrap_or(STACKS);
    for images in [1, 3] {
        let references: Vec<String> =
            (0..images).map(|number| image(&format!("app{number}:1"), &[&format!("v{number}")])).collect();
        let stacks = started_stacks(&format!("of{images}-"), count, &references);
        let pulls = vec![references; count].concat();
        for at_a_time in [1, 2, 4] {
            table.row(&nothing_new(&stacks, &pulls, at_a_time));
        }
    }
    print!("{table}\n{}", waiting(2 * count + WAITING));
}

/// Stacks of a service for each image, which run.
fn started_stacks(prefix: &str, count: usize, references: &[String]) -> Vec<String> {
    let services: Vec<String> = references
        .iter()
        .enumerate()
        .map(|(number, reference)| format!("s{number}: {{image: '{reference}', network_mode: none}}"))
        .collect();
    let compose = format!("services: {{{}}}\n", services.join(", "));
    (0..count)
        .map(|number| {
            let stack = format!("{prefix}{number:02}");
            declare(&stack, &compose, &["--verify", "off"]);
            done("systemctl", &["--user", "start", &format!("{stack}.service")]);
            stack
        })
        .collect()
}

fn nothing_new(stacks: &[String], pulls: &[String], at_a_time: usize) -> Vec<String> {
    let bare = bare_pulls(pulls, at_a_time);
    let ours = stack_update(stacks, at_a_time);
    // What either finds for the first time is not what it costs every night.
    done_by(&bare);
    done_by(&ours);
    let before = started();
    let (mut of_bare, mut of_ours) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        of_bare.push(cost(&bare));
        of_ours.push(cost(&ours));
    }
    assert_eq!(started(), before, "containers were started again");
    let middle = |costs: &[Cost], which: fn(&Cost) -> Duration| median(costs.iter().map(which));
    let (bare_time, bare_processor) = (middle(&of_bare, |it| it.time), middle(&of_bare, |it| it.processor));
    let (our_time, our_processor) = (middle(&of_ours, |it| it.time), middle(&of_ours, |it| it.processor));
    let times = |ours: Duration, bare: Duration| format!("{:.2}", ours.as_secs_f64() / bare.as_secs_f64());
    vec![
        stacks.len().to_string(),
        (pulls.len() / stacks.len()).to_string(),
        at_a_time.to_string(),
        time(bare_time),
        time(bare_processor),
        time(our_time),
        time(our_processor),
        times(our_time, bare_time),
        times(our_processor, bare_processor),
    ]
}

/// In a unit, as updates are: elsewhere podman asks for a scope of its own first.
fn bare_pulls(references: &[String], at_a_time: usize) -> Command {
    let script = format!("printf '%s\\n' \"$@\" | xargs -P {at_a_time} -n 1 podman pull --quiet");
    let mut command = program(
        "systemd-run",
        &["--user", "--quiet", "--wait", "--collect", "--service-type=exec", "bash", "-c", &script, "pulls"],
    );
    command.args(references);
    command
}

fn stack_update(stacks: &[String], at_a_time: usize) -> Command {
    let mut command = program("stack-update", &["--concurrency", &at_a_time.to_string()]);
    command.args(stacks);
    command
}

struct Cost {
    time: Duration,
    processor: Duration,
}

fn cost(command: &Command) -> Cost {
    let (processor, begin) = (processor_time(), Instant::now());
    done_by(command);
    Cost { time: begin.elapsed(), processor: processor_time().saturating_sub(processor) }
}

fn done_by(command: &Command) {
    let arguments: Vec<&str> = command.get_args().filter_map(|argument| argument.to_str()).collect();
    done(command.get_program().to_str().unwrap(), &arguments);
}

/// What everything in the machine has used so far: also the units, and the managers that start them.
fn processor_time() -> Duration {
    let text = fs_err::read_to_string("/sys/fs/cgroup/cpu.stat").unwrap_or_default();
    let usage = text.lines().find_map(|line| line.strip_prefix("usage_usec ")?.parse().ok());
    Duration::from_micros(usage.unwrap())
}

fn started() -> String {
    done("podman", &["ps", "--sort", "names", "--format", "{{.Names}} {{.ID}} {{.StartedAt}}"])
}

/// Registries that answer slowly, one at a time and four; and the orchestrator while it waits.
fn waiting(declared: usize) -> String {
    let reference = image("app0:1", &["v0"]);
    let slow = reference.replace(REGISTRY, SLOW_REGISTRY);
    // Here already, or each start would wait, too.
    done("podman", &["tag", &reference, &slow]);
    let stacks = started_stacks("slow", WAITING, &[slow]);
    let (one, four) = (stack_update(&stacks, 1), stack_update(&stacks, 4));
    done_by(&four);
    let alone = cost(&one).time;
    let together = cost(&four).time;
    let mut table = Table::new(&["stacks", "each answer takes", "one at a time", "four at a time", "share"]);
    table.row(&[
        WAITING.to_string(),
        format!("{SLOW} s"),
        time(alone),
        time(together),
        format!("{:.0} %", 100.0 * together.as_secs_f64() / alone.as_secs_f64()),
    ]);

    let mut command = one;
    let mut orchestrator = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let process = format!("/proc/{}", orchestrator.id());
    eventually("an update runs", || {
        let active = ["--user", "list-units", "--no-legend", "--state=activating", "slow*-update.service"];
        !done("systemctl", &active).is_empty()
    });
    let before = ticks(&process);
    // Less than the first stack takes: nothing happens that it would have to notice.
    std::thread::sleep(Duration::from_secs(SLOW));
    let used = ticks(&process) - before;
    let peak = peak(&process);
    assert!(orchestrator.wait().unwrap().success());
    let mut of_it = Table::new(&["stacks declared", "peak memory", "processor time while it waits"]);
    of_it.row(&[declared.to_string(), bytes(peak), format!("{} ms of {SLOW} s", used * 10)]);
    format!("{table}\n{of_it}")
}

/// Processor time in hundredths of a second (`proc_pid_stat(5)`, utime and stime).
fn ticks(process: &str) -> u64 {
    let stat = fs_err::read_to_string(format!("{process}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum()
}

fn peak(process: &str) -> u64 {
    let status = fs_err::read_to_string(format!("{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}
