//! What systemd does with the parts of a unit's name: templates, instances, prefixes, and which types allow them.

use crate::names::UnitName;

/// Plain, template or instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NameForm {
    Plain,
    Template,
    Instance,
}

pub(super) fn form(name: &UnitName) -> NameForm {
    match name.instance() {
        None => NameForm::Plain,
        Some("") => NameForm::Template,
        Some(_) => NameForm::Instance,
    }
}

/// `foo@bar.service` for `foo@.service` or `foo@old.service` and `bar`; `None` for a plain name, or when it gets too long.
pub(super) fn with_instance(name: &UnitName, instance: &str) -> Option<UnitName> {
    let (prefix, _) = name.stem().split_once('@')?;
    UnitName::parse(&format!("{prefix}@{instance}.{}", name.unit_type())).ok()
}

/// `name`, or for a template its instance.
pub(super) fn instantiated(name: &UnitName, instance: Option<&str>) -> Option<UnitName> {
    match (form(name), instance) {
        (NameForm::Template, Some(instance)) => with_instance(name, instance),
        (NameForm::Template, None) => None,
        _ => Some(name.clone()),
    }
}

/// Types whose units may have aliases (systemd.unit(5), "Aliases").
pub(super) fn type_may_alias(unit_type: &str) -> bool {
    matches!(unit_type, "service" | "socket" | "target" | "device" | "timer" | "path")
}

/// Types whose units may be templates.
pub(super) fn type_may_template(unit_type: &str) -> bool {
    matches!(unit_type, "service" | "socket" | "target" | "timer" | "path")
}

/// Types that are loaded without a unit file.
pub(super) fn type_needs_no_file(unit_type: &str) -> bool {
    matches!(unit_type, "slice" | "device")
}

/// The next shorter prefix unit: `foo-.service` for `foo-bar.service`, `foo-@x.service` for `foo-bar@x.service`;
/// `None` when there is none.
pub(super) fn shorter_prefix(name: &UnitName) -> Option<UnitName> {
    let stem = name.stem();
    let prefix = stem.split_once('@').map_or(stem, |(prefix, _)| prefix);
    // A trailing dash is what makes a prefix unit: it is left out once when looking for the next one.
    let trimmed = prefix.strip_suffix('-').unwrap_or(prefix);
    let (head, _) = trimmed.rsplit_once('-')?;
    if head.is_empty() {
        return None;
    }
    let instance = match name.instance() {
        Some(instance) if !instance.is_empty() => format!("@{instance}"),
        _ => String::new(),
    };
    UnitName::parse(&format!("{head}-{instance}.{}", name.unit_type())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_get_shorter_one_dash_at_a_time() {
        let chain = |name: &str| {
            let mut all = Vec::new();
            let mut next = shorter_prefix(&UnitName::parse(name).unwrap());
            while let Some(name) = next {
                next = shorter_prefix(&name);
                all.push(name.as_str().to_owned());
            }
            all
        };
        assert_eq!(chain("foo-bar-baz.service"), ["foo-bar-.service", "foo-.service"]);
        assert_eq!(chain("foo--.service"), ["foo-.service"]);
        assert_eq!(chain("foo-bar@x-y.timer"), ["foo-@x-y.timer"]);
        assert_eq!(chain("foo-bar@.timer"), ["foo-.timer"]);
        assert!(chain("-foo.service").is_empty());
        assert!(chain("foo.service").is_empty());
    }
}
