//! What an audit costs, whole process, against the ways in which people ask the manager today.
//!
//! `cargo bench --bench audit` prints the tables of docs/benchmarks.md; `-- 10 100` measures at those sizes only.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark prints its table, and a failed step is a panic with its place"
)]

#[expect(dead_code, unused_imports, reason = "each benchmark uses its part of the frame")]
mod frame;

use std::process::Command;

use frame::{Host, Table, bytes, count, instructions, measure, measure_side_by_side, ratio, sizes, time};

const STACK_AUDIT: &str = env!("CARGO_BIN_EXE_stack-audit");
const STACKCTL: &str = env!("CARGO_BIN_EXE_stackctl");

/// The least that the auditor has to know of each unit.
const PROPERTIES: &str = "--property=FragmentPath,DropInPaths,NeedDaemonReload,UnitFileState,LoadState";

fn main() {
    if frame::measure_child_if_asked() {
        return;
    }
    let sizes = sizes(&[10, 100, 1000]);
    programs();
    println!();
    audits(&sizes);
    println!();
    others(100, 1000);
}

/// Start-up and size of each program.
fn programs() {
    let mut table = Table::new(&["program", "size", "start-up (`--version`)", "instructions", "peak memory"]);
    for (name, path) in [("stack-audit", STACK_AUDIT), ("stackctl", STACKCTL)] {
        let mut command = Command::new(path);
        command.arg("--version");
        let cost = measure(&command, 21);
        let size = fs_err::metadata(path).unwrap().len();
        table.row(&[
            name.to_owned(),
            format!("{:.2} MB", f64::from(u32::try_from(size).unwrap()) / 1e6),
            time(cost.time),
            count(instructions(&command)),
            bytes(cost.memory),
        ]);
    }
    print!("{table}");
}

/// An audit against the alternatives, of the same units, in the same run.
fn audits(sizes: &[usize]) {
    let mut table = Table::new(&[
        "stacks",
        "units",
        "nothing moved",
        "memory",
        "instructions",
        "everything compared",
        "memory",
        "after a reload",
        "one `systemctl show`",
        "against nothing moved",
        "against everything compared",
        "loop of `show` and awk",
        "against nothing moved",
        "`explain`",
    ]);
    for size in sizes {
        let host = Host::with_stacks(*size);
        let units = host.audited_units();
        assert!(units.len() >= 2 * size, "only {} units are in memory", units.len());
        host.manager.systemctl(&["daemon-reload"]);
        let audit = host.program(STACK_AUDIT, &[]);
        let first = measure(&audit, 1);
        let show = show(&host, &units);
        // What systemd remembers after the first question of all is there for both.
        measure(&show, 1);
        let runs = if *size >= 1000 { 7 } else { 21 };
        let [audited, shown] = measure_side_by_side([&audit, &show], runs);
        // Without what the audits before have compared, as after any change.
        let anew = anew(&host);
        let compared = measure(&anew, runs);
        let looped = measure(&shell_loop(&host, &units), 1);
        let explained = measure(&host.program(STACKCTL, &["explain", &host.stacks[size / 2]]), runs);
        table.row(&[
            size.to_string(),
            units.len().to_string(),
            time(audited.time),
            bytes(audited.memory),
            count(instructions(&audit)),
            time(compared.time),
            bytes(compared.memory),
            time(first.time),
            time(shown.time),
            ratio(shown.time, audited.time),
            ratio(shown.time, compared.time),
            time(looped.time),
            ratio(looped.time, audited.time),
            time(explained.time),
        ]);
    }
    print!("{table}");
}

/// What units of others cost us.
fn others(stacks: usize, others: usize) {
    let host = Host::with_stacks(stacks);
    let audit = host.program(STACK_AUDIT, &[]);
    let mut table = Table::new(&["stacks", "units of others in memory", "stack-audit"]);
    let mut row = |others: usize| {
        measure(&audit, 1);
        table.row(&[stacks.to_string(), others.to_string(), time(measure(&audit, 21).time)]);
    };
    row(0);
    host.add_other_units(others);
    row(others);
    print!("{table}");
}

/// An audit that compares every unit.
fn anew(host: &Host) -> Command {
    let text = "rm -f \"$XDG_RUNTIME_DIR/stackwarden/known.json\"; exec \"$1\"\n";
    let mut command = host.manager.command("sh");
    command.arg(host.script("anew.sh", text)).arg(STACK_AUDIT);
    command
}

fn show(host: &Host, units: &[String]) -> Command {
    let mut command = host.manager.command("systemctl");
    command.args(["--user", "--no-pager", "show", PROPERTIES]).args(units);
    command
}

fn shell_loop(host: &Host, units: &[String]) -> Command {
    let text = format!(
        "for unit in {}; do
            shown=$(systemctl --user --no-pager show {PROPERTIES} \"$unit\")
            fragment=$(echo \"$shown\" | awk -F= '$1 == \"FragmentPath\" {{ print $2 }}')
            drop_ins=$(echo \"$shown\" | awk -F= '$1 == \"DropInPaths\" {{ print $2 }}')
            reload=$(echo \"$shown\" | awk -F= '$1 == \"NeedDaemonReload\" {{ print $2 }}')
            state=$(echo \"$shown\" | awk -F= '$1 == \"UnitFileState\" {{ print $2 }}')
            echo \"$unit $fragment $drop_ins $reload $state\"
        done\n",
        units.iter().map(|unit| format!("'{unit}'")).collect::<Vec<_>>().join(" ")
    );
    let mut command = host.manager.command("sh");
    command.arg(host.script("loop.sh", &text));
    command
}
