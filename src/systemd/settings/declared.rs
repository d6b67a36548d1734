//! What the declared lines of a setting come to, in the form in which it is compared.

use std::collections::BTreeSet;

use super::command::{Command, CommandError, simplify_path};
use super::quoting::{Escapes, words};
use super::rule::Rule;
use super::specifier::Context;
use super::{calendar, reported, scalar, timespan};
use crate::names::UnitName;

/// What is needed to read a declared value.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) unit: &'a UnitName,
    pub(super) context: &'a Context,
}

/// Why a setting could not be read.
pub(super) type Reason = String;

/// The assignments of a setting: key and value.
pub(super) type Values<'a> = &'a [(&'a str, &'a str)];

impl Reader<'_> {
    /// What `values` come to: the elements of a list, or the one element of a scalar. `None` if systemd ignores all
    /// assignments of a scalar.
    pub(super) fn expected(self, rule: Rule, values: Values<'_>) -> Result<Option<Vec<String>>, Reason> {
        let list = match rule {
            Rule::Units | Rule::ExactUnits => self.units(values)?.into_iter().map(String::from).collect(),
            Rule::Paths => self
                .expanded_words(values, Escapes::Removed)?
                .iter()
                .map(|path| simplify_path(path))
                .collect(),
            Rule::Links => {
                let mut links = self.expanded_words(values, Escapes::Retained)?;
                links.retain(|link| is_documentation(link));
                links
            }
            Rule::Names => self.expanded_words(values, Escapes::Retained)?,
            Rule::SearchPath => self.search_path(values)?,
            Rule::Commands => self.commands(values)?,
            Rule::Environment => self.environment(values)?,
            Rule::EnvironmentFiles => self.environment_files(values)?,
            Rule::ExitStatuses => exit_statuses(values)?,
            Rule::Conditions => each(values, |key, value| self.condition(key, value))?,
            Rule::Watches => {
                each(values, |key, value| Ok(format!("{key}={}", simplify_path(&self.expand(value)?))))?
            }
            Rule::Monotonic => spans(values),
            Rule::Calendar => self.events(values)?,
            Rule::Present => reported::presence(!values.is_empty()),
            Rule::AddressFamilies => {
                let (allowed, families) = scalar::address_families(values.iter().map(|(_, value)| *value));
                reported::shown_families(allowed, families)
            }
            _ => {
                // systemd keeps the last value that it can read.
                let mut readable = values.iter().rev().map(|(_, value)| self.scalar(rule, value));
                let value = readable.find_map(Result::transpose).transpose()?;
                return Ok(value.map(|value| vec![value]));
            }
        };
        Ok(Some(list))
    }

    fn expand(self, text: &str) -> Result<String, Reason> {
        self.context
            .expand(text, self.unit)
            .map_err(|specifier| format!("the value of %{specifier} is not known here"))
    }

    fn expanded_words(self, values: Values<'_>, escapes: Escapes) -> Result<Vec<String>, Reason> {
        let mut all = Vec::new();
        for (_, value) in values {
            // systemd keeps the words in front of a malformed one.
            let found = words(value, escapes).unwrap_or_else(|(found, _)| found);
            for word in found {
                all.push(self.expand(&word)?);
            }
        }
        Ok(all)
    }

    /// The units of a dependency. Quotes mean nothing here, and what is not a unit's name is ignored.
    pub(super) fn units(self, values: Values<'_>) -> Result<Vec<UnitName>, Reason> {
        let mut units = Vec::new();
        for word in values.iter().flat_map(|(_, value)| value.split_ascii_whitespace()) {
            units.extend(UnitName::parse(&self.expand(word)?).ok());
        }
        Ok(units)
    }

    fn search_path(self, values: Values<'_>) -> Result<Vec<String>, Reason> {
        let parts = values.iter().flat_map(|(_, value)| value.split(':')).filter(|part| !part.is_empty());
        parts.map(|part| Ok(simplify_path(&self.expand(part)?))).collect()
    }

    fn commands(self, values: Values<'_>) -> Result<Vec<String>, Reason> {
        let mut commands = Vec::new();
        for (_, value) in values {
            match Command::parse_line(value, self.context, self.unit) {
                Ok(line) => commands.extend(line.iter().map(ToString::to_string)),
                Err(error @ CommandError::Specifier(_)) => return Err(error.to_string()),
                Err(CommandError::Quoting(_) | CommandError::NoExecutable) => {}
            }
        }
        Ok(commands)
    }

    fn environment(self, values: Values<'_>) -> Result<Vec<String>, Reason> {
        let mut variables: Vec<String> = Vec::new();
        for (_, value) in values {
            let found = words(value, Escapes::Strict).unwrap_or_else(|(found, _)| found);
            for word in found {
                let assignment = self.expand(&word)?;
                let Some((name, _)) = assignment.split_once('=').filter(|(name, _)| is_variable(name)) else {
                    continue;
                };
                let start = format!("{name}=");
                variables.retain(|earlier| !earlier.starts_with(&start));
                variables.push(assignment);
            }
        }
        Ok(variables)
    }

    fn environment_files(self, values: Values<'_>) -> Result<Vec<String>, Reason> {
        let mut files = Vec::new();
        for (_, value) in values {
            let (dash, path) = value.strip_prefix('-').map_or(("", *value), |path| ("-", path));
            let path = self.expand(path)?;
            if path.starts_with('/') {
                files.push(format!("{dash}{}", simplify_path(&path)));
            }
        }
        Ok(files)
    }

    fn condition(self, key: &str, value: &str) -> Result<String, Reason> {
        let (trigger, rest) = value.strip_prefix('|').map_or(("", value), |rest| ("|", rest));
        let (negated, rest) = rest.strip_prefix('!').map_or(("", rest), |rest| ("!", rest));
        let parameter = self.expand(rest)?;
        let is_path = parameter.starts_with('/');
        let parameter = if is_path { simplify_path(&parameter) } else { parameter };
        Ok(format!("{key}={trigger}{negated}{parameter}"))
    }

    fn events(self, values: Values<'_>) -> Result<Vec<String>, Reason> {
        let events = values.iter().filter(|(key, _)| *key == "OnCalendar");
        events
            .map(|(_, value)| {
                calendar::normalize(&self.expand(value)?)
                    .ok_or_else(|| format!("the normal form of {value:?} is not known"))
            })
            .collect()
    }

    /// The declared scalar in the form of the property; `None` if systemd ignores it.
    fn scalar(self, rule: Rule, value: &str) -> Result<Option<String>, Reason> {
        Ok(match rule {
            Rule::Text => Some(self.expand(value)?),
            Rule::Flag => scalar::flag(value).map(reported::yes_no),
            Rule::FlagOrWord => Some(scalar::flag(value).map_or_else(|| value.to_owned(), reported::yes_no)),
            Rule::Span { zero_is_infinite } => timespan::micros(value).map(|micros| {
                reported::shown_span(if zero_is_infinite && micros == 0 {
                    timespan::INFINITE
                } else {
                    micros
                })
            }),
            Rule::Number => value.parse::<i64>().ok().map(|number| number.to_string()),
            Rule::Octal => scalar::octal(value).map(|mode| format!("{mode:04o}")),
            Rule::Bytes | Rule::Tasks if value.ends_with('%') => {
                return Err("a percentage is reported as a number of this machine".to_owned());
            }
            Rule::Bytes | Rule::Tasks => scalar::bytes(value).map(reported::shown_limit),
            Rule::Quota => scalar::quota(value).map(reported::shown_limit),
            Rule::Signal => scalar::signal(value).map(|signal| signal.to_string()),
            Rule::Namespaces => scalar::namespaces(value).map(|bits| format!("{bits:#x}")),
            // The manager reports the kind alone: `append` for `append:/path`.
            Rule::Output => Some(value.split_once(':').map_or(value, |(kind, _)| kind).to_owned()),
            Rule::WorkingDirectory => {
                let (mark, path) = value.strip_prefix('-').map_or(("", value), |path| ("!", path));
                let path = if path == "~" { path.to_owned() } else { simplify_path(&self.expand(path)?) };
                Some(format!("{mark}{path}"))
            }
            _ => None,
        })
    }
}

/// The schemes that systemd keeps; it drops the rest with a warning.
fn is_documentation(link: &str) -> bool {
    ["http://", "https://", "file:/", "info:", "man:"]
        .iter()
        .any(|scheme| link.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()))
}

fn is_variable(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The spans of a timer; one that systemd cannot read is ignored.
fn spans(values: Values<'_>) -> Vec<String> {
    let spans =
        values.iter().filter_map(|(key, value)| Some((key.strip_suffix("Sec")?, timespan::micros(value)?)));
    spans.map(|(base, micros)| reported::shown_monotonic(base, micros)).collect()
}

fn exit_statuses(values: Values<'_>) -> Result<Vec<String>, Reason> {
    let mut endings = BTreeSet::new();
    for word in values.iter().flat_map(|(_, value)| value.split_ascii_whitespace()) {
        let ending = scalar::ending(word).ok_or_else(|| format!("the number of {word} is not known here"))?;
        endings.insert(ending);
    }
    Ok(endings.into_iter().map(reported::shown_ending).collect())
}

fn each(
    values: Values<'_>,
    read: impl Fn(&str, &str) -> Result<String, Reason>,
) -> Result<Vec<String>, Reason> {
    values.iter().map(|(key, value)| read(key, value)).collect()
}
