//! What the manager reports for a setting, in the form in which it is compared.

use std::collections::BTreeSet;

use super::command::Command;
use super::rule::Rule;
use super::scalar::{self, Ending};
use super::timespan;
use crate::systemd::value::SettingValue;

/// The elements of a list, or the one element of a scalar. `None` if the property is not of the type that it has in
/// the versions that are known.
pub(super) fn reported(rule: Rule, seen: &SettingValue) -> Option<Vec<String>> {
    match rule {
        Rule::Units
        | Rule::ExactUnits
        | Rule::Paths
        | Rule::Links
        | Rule::Names
        | Rule::SearchPath
        | Rule::Environment => seen.texts(),
        Rule::Commands => Some(Command::from_property(seen)?.iter().map(ToString::to_string).collect()),
        Rule::EnvironmentFiles => structures(seen, environment_file),
        Rule::ExitStatuses => endings(seen),
        Rule::Conditions => structures(seen, condition),
        Rule::Watches => structures(seen, |fields| match fields {
            [kind, path, ..] => Some(format!("{}={}", kind.text()?, path.text()?)),
            _ => None,
        }),
        Rule::Monotonic => structures(seen, |fields| match fields {
            [base, span, ..] => Some(shown_monotonic(base.text()?.strip_suffix("USec")?, span.unsigned()?)),
            _ => None,
        }),
        Rule::Calendar => structures(seen, |fields| fields.get(1)?.text().map(str::to_owned)),
        Rule::Present => is_filled(seen).map(presence),
        Rule::AddressFamilies => families(seen),
        _ => scalar(rule, seen).map(|seen| vec![seen]),
    }
}

fn scalar(rule: Rule, seen: &SettingValue) -> Option<String> {
    match rule {
        Rule::Flag => seen.bool().map(yes_no),
        Rule::Span { .. } => seen.unsigned().map(shown_span),
        Rule::Number | Rule::Signal => seen.signed().map(|number| number.to_string()),
        Rule::Octal => seen.unsigned().map(|mode| format!("{mode:04o}")),
        Rule::Bytes | Rule::Tasks | Rule::Quota => seen.unsigned().map(shown_limit),
        Rule::Namespaces => seen.unsigned().map(|bits| format!("{:#x}", scalar::known_namespaces(bits))),
        _ => seen.text().map(str::to_owned),
    }
}

pub(super) fn yes_no(flag: bool) -> String {
    if flag { "yes" } else { "no" }.to_owned()
}

pub(super) fn shown_span(micros: u64) -> String {
    if micros == timespan::INFINITE {
        "infinity".to_owned()
    } else {
        humantime::format_duration(std::time::Duration::from_micros(micros)).to_string()
    }
}

pub(super) fn shown_limit(number: u64) -> String {
    if number == u64::MAX { "infinity".to_owned() } else { number.to_string() }
}

pub(super) fn shown_monotonic(base: &str, micros: u64) -> String {
    format!("{base}Sec={}", shown_span(micros))
}

pub(super) fn presence(there: bool) -> Vec<String> {
    if there { vec!["some".to_owned()] } else { Vec::new() }
}

/// An array of structures, each shown as a text.
fn structures(seen: &SettingValue, show: impl Fn(&[SettingValue]) -> Option<String>) -> Option<Vec<String>> {
    seen.list()?.iter().map(|structure| show(structure.list()?)).collect()
}

fn environment_file(fields: &[SettingValue]) -> Option<String> {
    let [path, ignore_missing] = fields else {
        return None;
    };
    Some(format!("{}{}", if ignore_missing.bool()? { "-" } else { "" }, path.text()?))
}

/// Type, whether it is a trigger, whether it is negated, parameter, result.
fn condition(fields: &[SettingValue]) -> Option<String> {
    let [kind, trigger, negated, parameter, ..] = fields else {
        return None;
    };
    let trigger = if trigger.bool()? { "|" } else { "" };
    let negated = if negated.bool()? { "!" } else { "" };
    Some(format!("{}={trigger}{negated}{}", kind.text()?, parameter.text()?))
}

pub(super) fn shown_ending(ending: Ending) -> String {
    match ending {
        Ending::Status(status) => status.to_string(),
        Ending::Signal(signal) => format!("signal {signal}"),
    }
}

/// A pair of arrays: statuses and signals.
fn endings(seen: &SettingValue) -> Option<Vec<String>> {
    let [statuses, signals] = seen.list()? else {
        return None;
    };
    let statuses = statuses.list()?.iter().map(|status| status.signed().map(Ending::Status));
    let signals = signals.list()?.iter().map(|signal| signal.signed().map(Ending::Signal));
    let endings: BTreeSet<Ending> = statuses.chain(signals).collect::<Option<_>>()?;
    Some(endings.into_iter().map(shown_ending).collect())
}

pub(super) fn shown_families(allowed: bool, families: BTreeSet<String>) -> Vec<String> {
    let kind = if allowed { "only" } else { "all but" };
    std::iter::once(kind.to_owned()).chain(families).collect()
}

fn families(seen: &SettingValue) -> Option<Vec<String>> {
    let [allowed, families] = seen.list()? else {
        return None;
    };
    Some(shown_families(allowed.bool()?, families.texts()?.into_iter().collect()))
}

/// Whether a list has elements; some lists come in a structure with a flag in front.
fn is_filled(seen: &SettingValue) -> Option<bool> {
    match seen.list()? {
        [SettingValue::Bool(_), SettingValue::List(values)] => Some(!values.is_empty()),
        values => Some(!values.is_empty()),
    }
}
