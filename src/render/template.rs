//! A template, filled.

use std::collections::BTreeMap;

/// What each placeholder stands for, already escaped for its place.
pub(super) type Values = BTreeMap<&'static str, String>;

/// Every line of the template, but those that set nothing.
pub(super) fn fill_lines(template: &str, values: &Values) -> String {
    let mut text = String::with_capacity(template.len() * 2);
    for line in template.lines() {
        let filled = fill_line(line, values);
        let sets_nothing =
            filled != line && filled.split_once('=').is_some_and(|(_, value)| value.is_empty());
        if !sets_nothing {
            text.push_str(&filled);
            text.push('\n');
        }
    }
    text
}

/// Each placeholder is replaced once: what a value looks like does not matter.
fn fill_line(line: &str, values: &Values) -> String {
    let mut filled = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('@') {
        filled.push_str(before);
        let known = after.split_once('@').and_then(|(name, next)| Some((values.get(name)?, next)));
        rest = if let Some((value, next)) = known {
            filled.push_str(value);
            next
        } else {
            filled.push('@');
            after
        };
    }
    filled.push_str(rest);
    filled
}
