//! `metrics.prom`: the last report for the textfile collector of Prometheus' node exporter, in its text format.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::check::{Check, Severity};
use super::finding::Status;
use super::repairs::Repairs;
use super::report::Report;
use crate::atomic::{self, WriteError};
use crate::dirs::Dirs;

/// Writes the metrics of a report that was kept.
pub(super) fn store(dirs: &Dirs, report: &Report, repairs: &Repairs) -> Result<(), WriteError> {
    let text = render(&dirs.user, report, repairs);
    atomic::replace(&dirs.state().join("metrics.prom"), text.as_bytes(), atomic::PRIVATE)
}

/// Values with their labels.
type Samples = Vec<(Vec<(&'static str, String)>, String)>;

/// One metric: name, kind, help, and its samples with the labels beside the user's.
struct Metric {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    samples: Samples,
}

fn render(user: &str, report: &Report, repairs: &Repairs) -> String {
    let gauge =
        |name, help, value: String| Metric { name, kind: "gauge", help, samples: vec![(Vec::new(), value)] };
    let finished = seconds(&report.finished);
    let metrics = [
        Metric {
            name: "stackwarden_audit_findings",
            kind: "gauge",
            help: "Findings of the last audit, by check; every check is there, most of them with 0.",
            samples: findings(report),
        },
        gauge(
            "stackwarden_audit_checks_passed",
            "How often a check held in the last audit.",
            report.counts.passed.to_string(),
        ),
        gauge(
            "stackwarden_audit_finished_timestamp_seconds",
            "When the last audit ended, as seconds since 1970.",
            format!("{finished:.3}"),
        ),
        gauge(
            "stackwarden_audit_duration_seconds",
            "How long the last audit took, its waiting for quiet included.",
            format!("{:.3}", (finished - seconds(&report.started)).max(0.0)),
        ),
        gauge(
            "stackwarden_audit_stacks",
            "Stacks that the last audit covered.",
            report.stacks.len().to_string(),
        ),
        gauge(
            "stackwarden_audit_units",
            "Units that the last audit covered.",
            report.units.len().to_string(),
        ),
        gauge(
            "stackwarden_audit_notes",
            "What went wrong in the last audit itself, such as a repair that was refused.",
            report.notes.len().to_string(),
        ),
        Metric {
            name: "stackwarden_repairs_total",
            kind: "counter",
            help: "Findings that the auditor has ended by a repair, by check.",
            samples: Check::ALL
                .iter()
                .map(|check| {
                    let total = repairs.totals.get(check).copied().unwrap_or_default();
                    (vec![("check", check.to_string())], total.to_string())
                })
                .collect(),
        },
    ];
    let mut text = String::new();
    for Metric { name, kind, help, samples } in metrics {
        // Writing to a String does not fail.
        writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}").ok();
        for (labels, value) in samples {
            let labels: Vec<String> = std::iter::once(("user", user.to_owned()))
                .chain(labels)
                .map(|(label, value)| format!("{label}=\"{}\"", escape(&value)))
                .collect();
            writeln!(text, "{name}{{{}}} {value}", labels.join(",")).ok();
        }
    }
    text
}

/// A count for every check with its usual severity, so that a rule can tell 0 from a check that is gone, and for each
/// severity and status that was found beside it.
fn findings(report: &Report) -> Samples {
    let mut counts: BTreeMap<(Check, Severity, bool), u64> =
        Check::ALL.iter().map(|check| ((*check, check.severity(), true), 0)).collect();
    for finding in &report.findings {
        let broken = finding.status == Status::Broken;
        *counts.entry((finding.check, finding.severity, broken)).or_default() += 1;
    }
    counts
        .into_iter()
        .map(|((check, severity, broken), count)| {
            let status = if broken { "broken" } else { "unknown" };
            let labels = vec![
                ("check", check.to_string()),
                ("severity", severity.to_string()),
                ("status", status.to_owned()),
            ];
            (labels, count.to_string())
        })
        .collect()
}

/// Seconds since 1970 of a time of ours.
fn seconds(time: &str) -> f64 {
    humantime::parse_rfc3339(time)
        .ok()
        .and_then(|time| time.duration_since(std::time::SystemTime::UNIX_EPOCH).ok())
        .map_or(0.0, |since| since.as_secs_f64())
}

/// The text format knows these three escapes, and no others.
fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Finding, State};

    #[test]
    fn every_check_has_a_line_and_what_was_found_is_counted() {
        let mut report = Report::empty();
        let mut milder = Finding::broken(Check::LingerDisabled, State::Declared);
        milder.severity = Severity::Ticket;
        report.findings = vec![
            Finding::broken(Check::UnitFailed, State::Loaded),
            Finding::broken(Check::UnitFailed, State::Loaded),
            Finding::unknown(Check::UnitLoadError, State::Loaded),
            milder,
        ];
        let mut repairs = Repairs::default();
        repairs.totals.insert(Check::DefinitionStale, 7);
        let text = render("m\"e", &report, &repairs);
        for line in [
            r#"stackwarden_audit_findings{user="m\"e",check="unit-failed",severity="page",status="broken"} 2"#,
            r#"stackwarden_audit_findings{user="m\"e",check="unit-load-error",severity="page",status="broken"} 0"#,
            r#"stackwarden_audit_findings{user="m\"e",check="unit-load-error",severity="page",status="unknown"} 1"#,
            r#"stackwarden_audit_findings{user="m\"e",check="linger-disabled",severity="ticket",status="broken"} 1"#,
            r#"stackwarden_audit_finished_timestamp_seconds{user="m\"e"} 1770976800.250"#,
            r#"stackwarden_audit_duration_seconds{user="m\"e"} 0.250"#,
            r#"stackwarden_repairs_total{user="m\"e",check="definition-stale"} 7"#,
        ] {
            assert!(text.lines().any(|seen| seen == line), "{line} is not in:\n{text}");
        }
        for check in Check::ALL {
            assert!(text.contains(&format!("check=\"{check}\",severity=")), "{check}");
        }
    }
}
