//! The shipped units, and those of each stack.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::digest::Sha256;
use crate::dirs::Dirs;
use crate::inventory::{Entry, Host, VerifyMode};
use crate::names::{NameError, StackName, UnitName};
use crate::seal;
use crate::systemd::settings::assignments::Assignments;

use super::bounds;
use super::escape::{line, quoted, specifiers, url_path, word};
use super::programs::Programs;
use super::template::{Values, fill_lines};

/// The shipped units, by file name: the single source of the unit texts.
const SHIPPED: &[(&str, &str)] = &[
    ("stack-alert@.service", include_str!("../../units/stack-alert@.service")),
    ("stack-audit.path", include_str!("../../units/stack-audit.path")),
    ("stack-audit.service", include_str!("../../units/stack-audit.service")),
    ("stack-audit.timer", include_str!("../../units/stack-audit.timer")),
    ("stack-audit-settle.service", include_str!("../../units/stack-audit-settle.service")),
    ("stack-update.service", include_str!("../../units/stack-update.service")),
    ("stack-update.timer", include_str!("../../units/stack-update.timer")),
    ("stack-verify@.service", include_str!("../../units/stack-verify@.service")),
    ("stack-watch@.path", include_str!("../../units/stack-watch@.path")),
];

/// The units of one stack, by what follows its name.
const OF_A_STACK: &[(&str, &str)] = &[
    (".service", include_str!("../../units/@stack@.service")),
    ("-update.service", include_str!("../../units/@stack@-update.service")),
];

/// A unit text, ready to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedUnit {
    /// The unit's name.
    pub name: UnitName,
    /// The whole text.
    pub text: String,
    /// The token in its `Documentation=`: changes whenever the text or what it was made from does.
    pub token: String,
    /// What its `Documentation=` starts with: the seal that it belongs to.
    pub marker: String,
}

impl RenderedUnit {
    /// The links that enabling the unit makes, below the owner directory: `default.target.wants/foo.service`.
    #[must_use]
    pub fn wants_links(&self) -> Vec<PathBuf> {
        seal::install_links(&self.name, &Assignments::of_text(&self.text))
    }

    /// The same unit with a token that somebody else has made up.
    #[must_use]
    pub fn with_token(self, token: &str) -> Self {
        let (own, other) = (format!("{}{}", self.marker, self.token), format!("{}{token}", self.marker));
        Self { text: self.text.replacen(&own, &other, 1), token: token.to_owned(), ..self }
    }
}

/// The shipped units.
///
/// # Errors
/// A file in `units/` is not called like a unit: a mistake in this program, held by a test.
pub fn shipped(dirs: &Dirs, host: &Host, programs: &Programs) -> Result<Vec<RenderedUnit>, NameError> {
    let seal = dirs.seals().join(format!("{}.json", seal::SHIPPED));
    let values = common(&seal, host, programs);
    SHIPPED
        .iter()
        .map(|(name, template)| Ok(fill(UnitName::parse(name)?, template, &values, &Sha256::of(b""))))
        .collect()
}

/// The names of the shipped units.
#[must_use]
pub fn shipped_names() -> Vec<UnitName> {
    SHIPPED.iter().filter_map(|(name, _)| UnitName::parse(name).ok()).collect()
}

/// The shipped units that wait for something, in the order of their names.
#[must_use]
pub fn watchers() -> Vec<UnitName> {
    shipped_names().into_iter().filter(|name| !name.is_template() && name.unit_type() != "service").collect()
}

/// The units of `stack`, made from `entry`, whose file has the digest `inventory`.
///
/// # Errors
/// As [`shipped`].
pub fn stack(
    dirs: &Dirs,
    host: &Host,
    programs: &Programs,
    stack: &StackName,
    entry: &Entry,
    inventory: &Sha256,
) -> Result<Vec<RenderedUnit>, NameError> {
    let mut values = common(&dirs.seals().join(format!("{stack}.json")), host, programs);
    let description = if entry.description.trim().is_empty() {
        format!("Compose stack {stack}")
    } else {
        entry.description.clone()
    };
    let mounts: Vec<String> = entry.requires_mounts.iter().map(|path| word(path)).collect();
    values.extend([
        ("stack", specifiers(stack.as_str())),
        ("description", line(&description)),
        ("requires_mounts", mounts.join(" ")),
        ("verify", verification(stack, entry.verify.mode)),
        ("start_timeout", format!("{}s", bounds::start(entry, host).as_secs())),
        ("update_timeout", format!("{}s", bounds::update_bound(entry, host).as_secs())),
        ("update_stop_timeout", format!("{}s", bounds::way_back(entry).as_secs())),
        ("stop_timeout", format!("{}s", bounds::stop(host).as_secs())),
    ]);
    OF_A_STACK
        .iter()
        .map(|(suffix, template)| {
            Ok(fill(UnitName::parse(&format!("{stack}{suffix}"))?, template, &values, inventory))
        })
        .collect()
}

/// The names of a stack's units.
///
/// # Errors
/// As [`shipped`].
pub fn names_of(stack: &StackName) -> Result<Vec<UnitName>, NameError> {
    OF_A_STACK.iter().map(|(suffix, _)| UnitName::parse(&format!("{stack}{suffix}"))).collect()
}

/// What the `Documentation=` of a unit starts with whose seal is at `seal`.
#[must_use]
pub fn marker(seal: &Path) -> String {
    marker_of(&seal_link(seal))
}

fn marker_of(link: &str) -> String {
    format!("Documentation=file://{link}#")
}

/// The path of a seal as it stands in a unit.
fn seal_link(seal: &Path) -> String {
    specifiers(&url_path(seal))
}

/// The unit that verifies the stack afterwards, if one does.
fn verification(stack: &StackName, mode: VerifyMode) -> String {
    match mode {
        VerifyMode::Detached => format!("stack-verify@{}.service", specifiers(stack.as_str())),
        VerifyMode::Gate | VerifyMode::Off => String::new(),
    }
}

fn common(seal: &Path, host: &Host, programs: &Programs) -> Values {
    BTreeMap::from([
        ("seal", seal_link(seal)),
        ("path", quoted(&host.path)),
        ("stackctl", word(&programs.stackctl)),
        ("stack_audit", word(&programs.stack_audit)),
        ("alert_timeout", format!("{}s", bounds::alert(host).as_secs())),
        ("stack_update", word(&programs.stack_update)),
    ])
}

fn fill(name: UnitName, template: &str, values: &Values, made_from: &Sha256) -> RenderedUnit {
    let without_token = fill_lines(template, values);
    let token = Sha256::of_parts([without_token.as_bytes(), made_from.to_string().as_bytes()]).short();
    let mut values = values.clone();
    values.insert("token", token.clone());
    let marker = values.get("seal").map(|seal| marker_of(seal)).unwrap_or_default();
    RenderedUnit { name, text: fill_lines(template, &values), token, marker }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(description: &str, programs: &str) -> Vec<RenderedUnit> {
        let dirs = Dirs::below(Path::new("/home/m e"));
        let mut entry = Entry::new("/srv/a".into(), vec!["compose.yml".into()]);
        entry.description = description.to_owned();
        let programs = Programs::in_directory(Path::new(programs));
        let name = StackName::parse("demo").unwrap();
        stack(&dirs, &Host::default(), &programs, &name, &entry, &Sha256::of(b"x")).unwrap()
    }

    #[test]
    fn every_placeholder_is_filled_and_empty_settings_are_left_out() {
        let dirs = Dirs::below(Path::new("/home/me"));
        let programs = Programs::in_directory(Path::new("/b"));
        let mut units = shipped(&dirs, &Host::default(), &programs).unwrap();
        assert_eq!(units.len(), SHIPPED.len());
        units.extend(sample("", "/opt/bin"));
        for unit in units {
            for placeholder in
                ["@seal@", "@token@", "@path@", "@stack@", "@stackctl@", "@stack_audit@", "_timeout@"]
            {
                assert!(!unit.text.contains(placeholder), "{}: {placeholder} is left", unit.name);
            }
            assert!(!unit.text.lines().any(|line| line.ends_with('=')), "{}", unit.text);
        }
    }

    #[test]
    fn values_are_escaped_for_their_place() {
        let text = &sample("50% of \"it\"", "/opt/my tools")[0].text;
        assert!(text.contains("\nDescription=50%% of \"it\"\n"), "{text}");
        assert!(text.contains("\nExecStart=\"/opt/my tools/stackctl\" apply demo\n"), "{text}");
        assert!(
            text.contains("\nDocumentation=file:///home/m%%20e/.config/stackwarden/sealed/demo.json#"),
            "{text}"
        );
    }

    #[test]
    fn a_value_may_look_like_a_placeholder_or_like_nothing() {
        for description in ["@token@ @stack@", "@@path@", "a =", "me@example.org"] {
            let text = &sample(description, "/opt/bin")[0].text;
            assert!(text.contains(&format!("\nDescription={description}\n")), "{text}");
        }
    }

    #[test]
    fn another_token_changes_nothing_else() {
        let unit = sample("a", "/opt/bin").remove(0);
        let other = unit.clone().with_token("0123");
        assert_eq!(unit.text.replace(&unit.token, "0123"), other.text);
        assert_eq!(other.with_token(&unit.token), unit);
    }

    #[test]
    fn what_a_value_says_is_not_taken_for_a_placeholder_or_for_the_next_line() {
        let text = &sample("@token@ of @stackctl@ @ home\\", "/opt/bin")[0].text;
        assert!(text.contains("\nDescription=@token@ of @stackctl@ @ home\\ \nDocumentation="), "{text}");
        assert_eq!(quoted("a\n\"b\"\\"), "a\\x0a\\\"b\\\"\\\\");
        assert_eq!(word(Path::new("/a b/\"c\\")), "\"/a b/\\\"c\\\\\"");
    }

    #[test]
    fn the_token_changes_with_the_text_and_with_the_inventory() {
        let base = sample("a", "/opt/bin");
        assert_ne!(base[0].token, sample("b", "/opt/bin")[0].token);
        assert_eq!(base, sample("a", "/opt/bin"));
        assert!(base[0].text.contains(&format!("#{} ", base[0].token)));
        assert_eq!(base[0].token.len(), 16);
    }

    #[test]
    fn enabling_follows_the_install_section() {
        assert_eq!(sample("", "/opt/bin")[0].wants_links(), [Path::new("default.target.wants/demo.service")]);
    }

    #[test]
    fn no_stack_may_be_called_like_a_shipped_unit() {
        for name in shipped_names() {
            let stem = name.stem();
            assert!(StackName::parse(stem).is_err(), "a stack could be called {stem}");
        }
    }
}
