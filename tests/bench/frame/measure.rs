//! Whole processes, from fork to exit.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};

/// What one run of a program costs.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// The median of all runs, wall clock.
    pub time: Duration,
    /// The most memory that it held at any time, bytes.
    pub memory: u64,
}

/// The first argument by which a benchmark knows that it is to run one program and tell its memory: the system tells
/// the peak of all children together, so that each needs a parent of its own.
const CHILD: &str = "--measure-child";

/// To be called first in `main`: whether this process was the parent of one measured program, and is done.
pub fn measure_child_if_asked() -> bool {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [marker, program, rest @ ..] = arguments.as_slice() else { return false };
    if marker != CHILD {
        return false;
    }
    let mut command = Command::new(program);
    command.args(rest).stdout(Stdio::null()).stderr(Stdio::null());
    let begin = Instant::now();
    let status = command.status().unwrap();
    let time = begin.elapsed();
    // 0 and 79 are verdicts; anything else is a program that did not do its work.
    assert!(matches!(status.code(), Some(0 | 79)), "{}: {status}", program.display());
    let peak = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss();
    println!("{} {}", time.as_nanos(), peak * 1024);
    true
}

/// Runs a program `runs` times.
pub fn measure(command: &Command, runs: usize) -> Cost {
    let [cost] = measure_side_by_side([command], runs);
    cost
}

/// Runs programs `runs` times each, by turns, so that whatever else the machine does falls on all of them.
pub fn measure_side_by_side<const N: usize>(commands: [&Command; N], runs: usize) -> [Cost; N] {
    let mut all = commands.map(|command| (command, Vec::with_capacity(runs)));
    for _ in 0..runs {
        for (command, costs) in &mut all {
            costs.push(once(command));
        }
    }
    all.map(|(_, costs)| {
        let memory = costs.iter().map(|cost| cost.memory).max().unwrap();
        Cost { time: median(costs.iter().map(|cost| cost.time)), memory }
    })
}

/// The middle of them.
pub fn median(times: impl Iterator<Item = Duration>) -> Duration {
    let mut times: Vec<Duration> = times.collect();
    times.sort_unstable();
    times[times.len() / 2]
}

fn once(command: &Command) -> Cost {
    let mut parent = copy(command, &std::env::current_exe().unwrap());
    let output = parent.output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let mut numbers = told.split_whitespace().filter_map(|number| number.parse::<u64>().ok());
    let (Some(time), Some(memory)) = (numbers.next(), numbers.next()) else {
        panic!("{command:?}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    };
    Cost { time: Duration::from_nanos(time), memory }
}

/// The instructions of one run, as callgrind counts them; none if valgrind is not installed.
pub fn instructions(command: &Command) -> Option<u64> {
    let valgrind = Path::new("/usr/bin/valgrind");
    if !valgrind.exists() {
        return None;
    }
    let mut counted = Command::new(valgrind);
    counted.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(command.get_program());
    inherit(&mut counted, command);
    let output = counted.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    let collected = told.lines().find_map(|line| line.split("Collected : ").nth(1))?;
    collected.trim().parse().ok()
}

fn copy(command: &Command, parent: &Path) -> Command {
    let mut copy = Command::new(parent);
    copy.arg(CHILD).arg(command.get_program());
    inherit(&mut copy, command);
    copy
}

fn inherit(to: &mut Command, from: &Command) {
    to.args(from.get_args()).env_clear();
    for (name, value) in from.get_envs() {
        if let Some(value) = value {
            to.env(name, value);
        }
    }
    if let Some(directory) = from.get_current_dir() {
        to.current_dir(directory);
    }
    to.stdin(Stdio::null());
}
