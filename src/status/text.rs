//! The status for people: a table, or one line for prompts and scripts.

use std::time::SystemTime;

use super::model::{Condition, Containers, Last, StackStatus, Status};

const HEADINGS: [&str; 6] = ["STACK", "STATUS", "DEFINITION", "CONTAINERS", "LAST APPLY", "LAST UPDATE"];

/// One line: how many stacks are in which condition, and the names of those in trouble.
#[must_use]
pub fn one_line(status: &Status) -> String {
    let mut parts = Vec::new();
    for condition in Condition::ALL {
        let names: Vec<&str> = status
            .stacks
            .iter()
            .filter(|(_, stack)| stack.condition == *condition)
            .map(|(name, _)| name.as_str())
            .collect();
        if names.is_empty() {
            continue;
        }
        let count = format!("{} {}", names.len(), condition.word());
        parts.push(if condition.is_trouble() { format!("{count} ({})", names.join(" ")) } else { count });
    }
    if parts.is_empty() {
        parts.push("no stack is declared".to_owned());
    }
    parts.extend(status.manager.iter().map(|_| "the user manager does not answer".to_owned()));
    parts.extend(status.podman.iter().map(|_| "podman does not answer".to_owned()));
    parts.join(", ")
}

/// The table, with what is wrong below it.
#[must_use]
pub fn table(status: &Status, colour: bool, now: SystemTime) -> String {
    let rows: Vec<[String; 6]> =
        status.stacks.iter().map(|(name, stack)| row(name.as_str(), stack, now)).collect();
    let mut widths = HEADINGS.map(str::len);
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut lines = vec![line(&HEADINGS.map(str::to_owned), &widths)];
    for (row, stack) in rows.iter().zip(status.stacks.values()) {
        let text = line(row, &widths);
        lines.push(if colour { painted(&text, stack.condition) } else { text });
        lines.extend(stack.findings.iter().map(|finding| format!("  {finding}")));
        let last = stack.last_apply.iter().chain(&stack.last_update);
        let failed = last.filter(|last| last.code != Some(0));
        lines.extend(failed.map(|last| format!("  {}: {}", last.verb, last.message)));
    }
    if status.stacks.is_empty() {
        lines = vec!["no stack is declared; next: stackctl add NAME --compose FILE".to_owned()];
    }
    lines.extend(status.broken.iter().map(|problem| format!("not taken into account: {problem}")));
    lines.extend(status.manager.iter().map(|why| format!("the user manager does not answer: {why}")));
    lines.extend(status.podman.iter().map(|why| format!("podman does not answer: {why}")));
    let next: Vec<String> = status
        .next
        .iter()
        .map(|(timer, time)| {
            let name = timer.as_str().trim_end_matches(".timer");
            let time = time.as_ref().and_then(|time| humantime::parse_rfc3339(time).ok());
            let when = time.map_or_else(
                || "never: its timer does not run".to_owned(),
                |time| format!("in {}", span(time.duration_since(now).unwrap_or_default().as_secs())),
            );
            format!("{name} {when}")
        })
        .collect();
    if !next.is_empty() {
        lines.push(format!("next: {}", next.join(", ")));
    }
    lines.join("\n")
}

fn row(name: &str, stack: &StackStatus, now: SystemTime) -> [String; 6] {
    let unknown = || "?".to_owned();
    let state = match &stack.unit {
        Some(unit) if matches!(stack.condition, Condition::Up) => format!("up ({})", unit.active_state),
        Some(unit) => format!("{} (unit {})", stack.condition.word(), unit.active_state),
        None => stack.condition.word().to_owned(),
    };
    let definition = stack.provenance.as_ref().map_or_else(unknown, |provenance| {
        if provenance.declared {
            return "declared".to_owned();
        }
        let broken: Vec<&str> = provenance.broken.iter().map(|check| check.id()).collect();
        broken.join(" ")
    });
    [
        name.to_owned(),
        state,
        definition,
        stack.containers.as_ref().map_or_else(unknown, containers),
        last(stack.last_apply.as_ref(), now),
        last(stack.last_update.as_ref(), now),
    ]
}

fn containers(counts: &Containers) -> String {
    let here = counts.running + counts.finished + counts.down;
    let all = counts.expected.unwrap_or(here).max(here);
    let words = [
        (counts.healthy, "healthy"),
        (counts.starting, "starting"),
        (counts.unhealthy, "unhealthy"),
        (counts.finished, "finished"),
        (counts.down, "down"),
    ];
    let mut parts = vec![format!("{}/{all}", counts.running + counts.finished)];
    parts.extend(words.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")));
    parts.join(", ")
}

fn last(last: Option<&Last>, now: SystemTime) -> String {
    let Some(last) = last else { return "-".to_owned() };
    let age = humantime::parse_rfc3339(&last.started)
        .map(|started| span(now.duration_since(started).unwrap_or_default().as_secs()));
    let age = age.map_or_else(|_| last.started.clone(), |age| format!("{age} ago"));
    match last.code {
        Some(0) => age,
        Some(code) => format!("{age}, exit {code}"),
        None => {
            let what = last.message.split([',', ':']).next().unwrap_or_default();
            format!("{age}, {what}")
        }
    }
}

/// A time in its largest unit: nobody reads the minutes of a week.
fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86400),
    }
}

fn line(cells: &[String; 6], widths: &[usize; 6]) -> String {
    let cells: Vec<String> =
        cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}", width = *width)).collect();
    cells.join("  ").trim_end().to_owned()
}

fn painted(text: &str, condition: Condition) -> String {
    let code = match condition {
        Condition::Up => "32",
        Condition::Starting | Condition::Working => "33",
        Condition::Stopped => "2",
        Condition::Unwell | Condition::Down | Condition::Failed | Condition::Unknown => "31",
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::StackName;

    fn status() -> Status {
        let stack = |condition, containers: Containers| StackStatus {
            condition,
            unit: None,
            provenance: None,
            project: None,
            containers: Some(containers),
            last_apply: Some(Last {
                verb: "apply".to_owned(),
                started: "2026-02-13T10:00:00Z".to_owned(),
                code: Some(80),
                message: format!("{}; next: podman logs a", "not up ".repeat(20)),
            }),
            last_update: None,
            findings: vec!["stack-down: container a".to_owned()],
        };
        let counts = Containers {
            expected: Some(3),
            running: 1,
            finished: 1,
            down: 1,
            healthy: 1,
            ..Containers::default()
        };
        let name = |text| StackName::parse(text).unwrap();
        Status {
            version: 1,
            at: String::new(),
            manager: None,
            podman: Some("gone".to_owned()),
            code: 69,
            stacks: [
                (name("web"), stack(Condition::Down, counts.clone())),
                (name("db"), stack(Condition::Up, counts)),
            ]
            .into(),
            next: std::collections::BTreeMap::new(),
            broken: Vec::new(),
        }
    }

    #[test]
    fn a_prompt_gets_one_line_with_the_names_of_those_in_trouble() {
        assert_eq!(one_line(&status()), "1 up, 1 down (web), podman does not answer");
        let none = Status { stacks: std::collections::BTreeMap::new(), podman: None, ..status() };
        assert_eq!(one_line(&none), "no stack is declared");
    }

    #[test]
    fn a_person_gets_a_table_in_colour_only_on_a_terminal() {
        let now = humantime::parse_rfc3339("2026-02-13T12:00:00Z").unwrap();
        let text = table(&status(), false, now);
        let rows: Vec<Vec<&str>> = text
            .lines()
            .take(5)
            .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
            .collect();
        assert_eq!(rows[0], HEADINGS);
        assert_eq!(
            rows[4],
            ["web", "down", "?", "2/3, 1 healthy, 1 finished, 1 down", "2 h ago, exit 80", "-"]
        );
        let whole = format!("\n  apply: {}; next: podman logs a\n", "not up ".repeat(20));
        assert!(text.contains(&whole), "{text}");
        assert!(
            text.contains("\n  stack-down: container a\n") && text.ends_with("podman does not answer: gone")
        );
        assert!(!text.contains('\x1b') && table(&status(), true, now).contains("\x1b[31mweb"));
    }
}
