//! The declared settings of a unit against the loaded ones.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::declared::{Reader, Values};
use super::directives::{self, Comparable, SETTINGS, Setting};
use super::reported::{reported, yes_no};
use super::rule::{Rule, Undeclared};
use super::specifier::Context;
use crate::names::UnitName;
use crate::systemd::unit_file::Assignment;
use crate::systemd::value::{SettingValue, SettingValues};

/// One `Key=value` of a unit file or of a drop-in that is allowed, in the order in which systemd reads them. An empty
/// value resets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Declared<'a> {
    /// The section's name without its brackets.
    pub section: &'a str,
    /// The key.
    pub key: &'a str,
    /// The value as it stands in the file, continuation lines joined.
    pub value: &'a str,
}

impl<'a> From<&'a Assignment> for Declared<'a> {
    fn from(it: &'a Assignment) -> Self {
        Self { section: &it.section, key: &it.key, value: &it.value }
    }
}

/// A setting that is loaded otherwise than it is declared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// The directive; `Condition*` for a group of which the difference is one of the whole.
    pub setting: String,
    /// What the declared lines come to.
    pub expected: String,
    /// What the manager holds.
    pub seen: String,
}

/// A setting that is declared and could not be compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Uncompared {
    /// The directive.
    pub setting: String,
    /// Why.
    pub reason: String,
}

/// The outcome for one unit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Comparison {
    /// What is loaded otherwise than declared.
    pub differences: Vec<Difference>,
    /// What cannot be told.
    pub uncompared: Vec<Uncompared>,
}

/// Compares the settings that are declared for `unit` with the properties that the manager reports for it.
///
/// `aliases` are units that have another name than they are referred to by, with their real one: the manager reports
/// `After=dbus.service` as `dbus-broker.service` where that is the implementation. See [`referenced_units`].
#[must_use]
pub fn compare(
    unit: &UnitName,
    declared: &[Declared<'_>],
    context: &Context,
    aliases: &BTreeMap<UnitName, UnitName>,
    loaded: &SettingValues,
) -> Comparison {
    let mut comparison = Comparison::default();
    let reader = Reader { unit, context };
    let own_section = section_of(unit.unit_type());
    let relevant =
        SETTINGS.iter().filter(|setting| setting.section == "Unit" || Some(setting.section) == own_section);
    for setting in relevant {
        let values = in_force(setting, declared);
        let Some(seen) = loaded.get(setting.property) else {
            if !values.is_empty() {
                comparison.leave_out(name_of(setting, &values), "the manager does not report it");
            }
            continue;
        };
        let name = name_of(setting, &values);
        match sides(reader, setting, &values, seen) {
            Err(reason) => comparison.leave_out(name, &reason),
            Ok(None) => {}
            Ok(Some((expected, seen))) => comparison.add(name, setting.rule, expected, seen, aliases),
        }
    }
    let mut seen = BTreeSet::new();
    for Declared { section, key, .. } in declared {
        if let Comparable::Unknown = directives::comparable(section, key)
            && seen.insert((section, key))
        {
            comparison.leave_out(key, "how to compare it is not known");
        }
    }
    comparison
}

/// The units that the declared dependencies name. Those whose [`LoadedUnit::id`] is another name are the aliases for
/// [`compare`].
///
/// [`LoadedUnit::id`]: crate::systemd::loaded::LoadedUnit::id
#[must_use]
pub fn referenced_units(unit: &UnitName, declared: &[Declared<'_>], context: &Context) -> BTreeSet<UnitName> {
    let reader = Reader { unit, context };
    let dependencies = SETTINGS.iter().filter(|setting| setting.rule.is_units());
    // One that cannot be read is left out of the comparison too, which then says why.
    dependencies.filter_map(|setting| reader.units(&in_force(setting, declared)).ok()).flatten().collect()
}

/// What is expected, and what is seen.
type Sides = (Vec<String>, Vec<String>);

/// Both sides of a setting; `None` if anything goes.
fn sides(
    reader: Reader<'_>,
    setting: &Setting,
    values: Values<'_>,
    seen: &SettingValue,
) -> Result<Option<Sides>, String> {
    let declared = if values.is_empty() { None } else { reader.expected(setting.rule, values)? };
    let expected = match declared {
        Some(declared) => declared,
        None => match setting.undeclared {
            Undeclared::Anything => return Ok(None),
            Undeclared::Nothing => Vec::new(),
            Undeclared::Text(text) => vec![text.to_owned()],
            Undeclared::Flag(flag) => vec![yes_no(flag)],
            Undeclared::HomeDirectory => return Ok(home_directory(reader.context.home(), seen)),
            Undeclared::ServiceOfTheSameName => vec![format!("{}.service", reader.unit.stem())],
        },
    };
    let seen = reported(setting.rule, seen).ok_or("the manager reports it in a form that is not known")?;
    Ok(Some((expected, seen)))
}

/// A user unit's working directory is the home directory, which the manager may leave out or mark as optional.
fn home_directory(home: &str, seen: &SettingValue) -> Option<Sides> {
    let seen = seen.text()?;
    let path = seen.strip_prefix('!').unwrap_or(seen);
    let is_home = path.is_empty() || path == "~" || path == home;
    (!is_home).then(|| (vec![home.to_owned()], vec![path.to_owned()]))
}

/// The assignments that are left after the resets.
fn in_force<'a>(setting: &Setting, declared: &[Declared<'a>]) -> Vec<(&'a str, &'a str)> {
    let ours = declared.iter().filter(|line| setting.has(line.section, line.key));
    let mut values = Vec::new();
    for Declared { key, value, .. } in ours {
        // Dependencies cannot be taken back, an empty one means nothing.
        let resets = value.is_empty() && !setting.rule.is_units();
        if resets {
            values.clear();
        } else if !value.is_empty() {
            values.push((*key, *value));
        }
    }
    values
}

/// The directive that was used, or else the first that could have been.
fn name_of<'a>(setting: &Setting, values: &[(&'a str, &'a str)]) -> &'a str {
    let first = setting.keys.first().copied().unwrap_or(setting.property);
    match values {
        _ if setting.rule == Rule::Monotonic => "On*Sec",
        _ if setting.rule == Rule::Calendar => "OnCalendar",
        [(key, _)] => key,
        [(key, _), rest @ ..] if rest.iter().all(|(other, _)| other == key) => key,
        [.., (key, _)] if !setting.rule.is_list() => key,
        _ => first,
    }
}

fn section_of(unit_type: &str) -> Option<&'static str> {
    match unit_type {
        "service" => Some("Service"),
        "path" => Some("Path"),
        "timer" => Some("Timer"),
        _ => None,
    }
}

impl Comparison {
    fn leave_out(&mut self, setting: &str, reason: &str) {
        self.uncompared.push(Uncompared { setting: setting.to_owned(), reason: reason.to_owned() });
    }

    fn add(
        &mut self,
        setting: &str,
        rule: Rule,
        mut expected: Vec<String>,
        mut seen: Vec<String>,
        aliases: &BTreeMap<UnitName, UnitName>,
    ) {
        if !rule.is_ordered() {
            expected.sort_unstable();
            expected.dedup();
            seen.sort_unstable();
        }
        // A unit counts as there under its real name too.
        let is = |declared: &String, there: &String| {
            declared == there
                || UnitName::parse(declared)
                    .is_ok_and(|name| aliases.get(&name).is_some_and(|real| real.as_str() == there))
        };
        if rule.may_have_more() {
            let missing: Vec<String> =
                expected.iter().filter(|name| !seen.iter().any(|there| is(name, there))).cloned().collect();
            let undeclared =
                |there: &String| !rule.may_be_added(there) && !expected.iter().any(|name| is(name, there));
            if missing.is_empty() {
                seen.retain(undeclared);
                if seen.is_empty() {
                    return;
                }
            } else {
                expected = missing;
            }
        } else if expected == seen {
            return;
        }
        self.differences.push(Difference {
            setting: setting.to_owned(),
            expected: shown(&expected),
            seen: shown(&seen),
        });
    }
}

fn shown(values: &[String]) -> String {
    match values {
        [] => "(none)".to_owned(),
        [value] if value.is_empty() => "(empty)".to_owned(),
        values => values.join(", "),
    }
}
