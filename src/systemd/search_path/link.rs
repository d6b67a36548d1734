//! Links in the search path: into it they make aliases, out of it linked units.

use std::fmt;
use std::path::{Path, PathBuf};

use super::chase::Chaser;
use super::name_parts::{NameForm, form, type_may_alias, type_may_template};
use super::probe::CannotCheck;
use crate::names::UnitName;

/// A link that has a unit's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The link's text as written.
    pub text: PathBuf,
    /// Where the text points: absolute, links on the way followed, the last component not. This, and not the end of
    /// the chain, decides between alias and linked unit.
    pub target: PathBuf,
    /// What systemd makes of it.
    pub role: LinkRole,
}

/// What systemd makes of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkRole {
    /// It points out of the search path: the link itself is the unit file, whatever the target is called.
    Linked,
    /// It points into the search path: another name of that unit, wherever that name resolves to.
    Alias(UnitName),
    /// systemd skips it, and a later directory's copy takes its place.
    Skipped(AliasProblem),
}

/// Why systemd skips a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AliasProblem {
    /// It points to a file of its own name in the search path.
    SelfAlias,
    /// Units of this type have no aliases.
    TypeWithoutAliases,
    /// Units of this type have no templates.
    TypeWithoutTemplates,
    /// The target's name is not a unit name.
    TargetName,
    /// A plain name to a template, a template to an instance, …
    Form,
    /// Two instances of different names.
    Instance,
    /// Another unit type.
    Type,
    /// The text leads through a file, a circle, or a directory that does not exist and back.
    Unresolvable(CannotCheck),
}

impl fmt::Display for AliasProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::SelfAlias => "it points to a file of its own name in the search path",
            Self::TypeWithoutAliases => "units of this type have no aliases",
            Self::TypeWithoutTemplates => "units of this type have no templates",
            Self::TargetName => "the target's name is not a unit name",
            Self::Form => "plain name, template and instance do not match",
            Self::Instance => "the instances differ",
            Self::Type => "the unit types differ",
            Self::Unresolvable(error) => return error.fmt(f),
        };
        f.write_str(text)
    }
}

/// Reads the link `name` in `directory`. `search_path` holds the directories as given and as they really are.
pub(super) fn read(
    directory: &Path,
    name: &UnitName,
    search_path: &[PathBuf],
    chaser: &mut Chaser,
) -> Result<Link, CannotCheck> {
    let path = directory.join(name.as_str());
    let text = path.read_link().map_err(|error| CannotCheck::new(&path, "read the link", &error))?;
    let absolute = directory.join(&text);
    let (target, role) = match chaser.resolve_parents(&absolute) {
        Ok(target) => {
            let role = role(name, &target, search_path);
            (target, role)
        }
        Err(errno) => {
            let problem = AliasProblem::Unresolvable(CannotCheck {
                path: absolute.clone(),
                step: "follow the link",
                errno,
            });
            (absolute, LinkRole::Skipped(problem))
        }
    };
    Ok(Link { text, target, role })
}

fn role(name: &UnitName, target: &Path, search_path: &[PathBuf]) -> LinkRole {
    if !search_path.iter().any(|dir| target.starts_with(dir)) {
        return LinkRole::Linked;
    }
    match alias_target(name, target) {
        Ok(target) => LinkRole::Alias(target),
        Err(problem) => LinkRole::Skipped(problem),
    }
}

fn alias_target(name: &UnitName, target: &Path) -> Result<UnitName, AliasProblem> {
    if !type_may_alias(name.unit_type()) {
        return Err(AliasProblem::TypeWithoutAliases);
    }
    if form(name) != NameForm::Plain && !type_may_template(name.unit_type()) {
        return Err(AliasProblem::TypeWithoutTemplates);
    }
    let target = target
        .file_name()
        .and_then(|file_name| file_name.to_str())
        .and_then(|file_name| UnitName::parse(file_name).ok())
        .ok_or(AliasProblem::TargetName)?;
    if target == *name {
        return Err(AliasProblem::SelfAlias);
    }
    match (form(name), form(&target)) {
        (NameForm::Instance, NameForm::Instance) if name.instance() != target.instance() => {
            return Err(AliasProblem::Instance);
        }
        (NameForm::Instance, NameForm::Template) => {}
        (ours, theirs) if ours != theirs => return Err(AliasProblem::Form),
        _ => {}
    }
    if name.unit_type() != target.unit_type() {
        return Err(AliasProblem::Type);
    }
    Ok(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role_of(name: &str, target: &str) -> LinkRole {
        role(&UnitName::parse(name).unwrap(), Path::new(target), &[PathBuf::from("/etc/systemd/user")])
    }

    #[test]
    fn the_target_decides() {
        let alias = |name: &str| LinkRole::Alias(UnitName::parse(name).unwrap());
        let skipped = LinkRole::Skipped;
        for (name, target, expected) in [
            ("a.service", "/nix/store/b.timer", LinkRole::Linked),
            ("a.service", "/dev/null", LinkRole::Linked),
            ("a.service", "/etc/systemd/user-b/b.service", LinkRole::Linked),
            ("a.service", "/etc/systemd/user/b.service", alias("b.service")),
            ("a.service", "/etc/systemd/user/sub/b.service", alias("b.service")),
            ("a@x.service", "/etc/systemd/user/b@.service", alias("b@.service")),
            ("a@x.service", "/etc/systemd/user/b@x.service", alias("b@x.service")),
            ("a@x.service", "/etc/systemd/user/b@y.service", skipped(AliasProblem::Instance)),
            ("a@.service", "/etc/systemd/user/b@y.service", skipped(AliasProblem::Form)),
            ("a.service", "/etc/systemd/user/b@.service", skipped(AliasProblem::Form)),
            ("a.service", "/etc/systemd/user/a.service", skipped(AliasProblem::SelfAlias)),
            ("a.service", "/etc/systemd/user/b.timer", skipped(AliasProblem::Type)),
            ("a.service", "/etc/systemd/user/b", skipped(AliasProblem::TargetName)),
            ("a.slice", "/etc/systemd/user/b.slice", skipped(AliasProblem::TypeWithoutAliases)),
            ("a@x.device", "/etc/systemd/user/b@x.device", skipped(AliasProblem::TypeWithoutTemplates)),
        ] {
            assert_eq!(role_of(name, target), expected, "{name} -> {target}");
        }
    }
}
