//! Unit texts: the templates in `units/`, filled. Nix fills the same files, so the rules are simple on purpose:
//! `@name@` is replaced by a value that is already escaped for its place, and a line that sets nothing but an empty
//! value is left out.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

use crate::digest::Sha256;
use crate::dirs::Dirs;
use crate::inventory::{Entry, Host, VerifyMode};
use crate::names::{NameError, StackName, UnitName};
use crate::seal;

/// The shipped units, by file name: the single source of the unit texts.
const SHIPPED: &[(&str, &str)] = &[
    ("stack-alert@.service", include_str!("../units/stack-alert@.service")),
    ("stack-audit.path", include_str!("../units/stack-audit.path")),
    ("stack-audit.service", include_str!("../units/stack-audit.service")),
    ("stack-audit.timer", include_str!("../units/stack-audit.timer")),
    ("stack-audit-settle.service", include_str!("../units/stack-audit-settle.service")),
    ("stack-update.service", include_str!("../units/stack-update.service")),
    ("stack-update.timer", include_str!("../units/stack-update.timer")),
    ("stack-verify@.service", include_str!("../units/stack-verify@.service")),
    ("stack-watch@.path", include_str!("../units/stack-watch@.path")),
];

/// The units of one stack, by what follows its name.
const OF_A_STACK: &[(&str, &str)] = &[
    (".service", include_str!("../units/@stack@.service")),
    ("-update.service", include_str!("../units/@stack@-update.service")),
];

/// What a start may take beside the steps that have bounds of their own: reading, checking, recording.
const START_MARGIN: Duration = Duration::from_secs(60);

/// What compose may take to stop containers: their `stop_grace_period`s, one after the other if they depend on
/// each other. Compose's default grace is 10 s; databases are often given minutes.
const STOP_BOUND: Duration = Duration::from_secs(10 * 60);

/// What an alert may take beside its command, which is given its time once for another alert that comes first and once
/// for each of two messages: the bus, the files, and three times the end of a command that does not end by itself.
const ALERT_MARGIN: Duration = Duration::from_secs(2 * 60);

/// The programs that units start, by absolute path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    /// `stackctl`.
    pub stackctl: PathBuf,
    /// `stack-audit`.
    pub stack_audit: PathBuf,
    /// `stack-update`.
    pub stack_update: PathBuf,
}

impl Programs {
    /// The programs beside this one.
    ///
    /// # Errors
    /// The system does not tell where this program is, or systemd would start nothing from there.
    pub fn beside_this_one() -> Result<Self, ProgramsError> {
        let this = std::env::current_exe()?;
        let programs = Self::in_directory(this.parent().unwrap_or(Path::new("/")));
        // systemd.service(5) allows quoting in command lines; the manager still refuses such a path of a program.
        if this.as_os_str().as_bytes().iter().any(|byte| b"\"'\\".contains(byte) || byte.is_ascii_control()) {
            return Err(ProgramsError::Unstartable(programs.stackctl));
        }
        Ok(programs)
    }

    /// The programs in `directory`.
    #[must_use]
    pub fn in_directory(directory: &Path) -> Self {
        Self {
            stackctl: directory.join("stackctl"),
            stack_audit: directory.join("stack-audit"),
            stack_update: directory.join("stack-update"),
        }
    }
}

/// Why there are no programs for units to start.
#[derive(Debug, Error)]
pub enum ProgramsError {
    /// The system does not tell.
    #[error("cannot tell where this program is")]
    Unknown(#[from] std::io::Error),
    /// Every unit would be a bad setting.
    #[error(
        "{}: systemd starts no program whose path has quotes, backslashes or control characters in it; next: install the programs in another directory",
        .0.display()
    )]
    Unstartable(PathBuf),
}

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
        seal::install_links(&self.name, &seal::settings(&self.text))
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
        ("start_timeout", format!("{}s", start_bound(entry, host).as_secs())),
        ("update_timeout", format!("{}s", update_bound(entry, host).as_secs())),
        ("update_stop_timeout", format!("{}s", way_back(entry).as_secs())),
        ("stop_timeout", format!("{}s", (STOP_BOUND + host.lock_wait.duration()).as_secs())),
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

/// The longest that an apply can take by its own bounds.
fn start_bound(entry: &Entry, host: &Host) -> Duration {
    let gate = match entry.verify.mode {
        VerifyMode::Gate => entry.verify.timeout.duration(),
        VerifyMode::Detached | VerifyMode::Off => Duration::ZERO,
    };
    host.lock_wait.duration()
        + entry.pull_timeout.duration()
        + entry.startup_timeout.duration()
        + gate
        + START_MARGIN
}

/// The longest that an update can take by its own bounds: what another one left open is settled first, then the way
/// there, then the way back.
pub(crate) fn update_bound(entry: &Entry, host: &Host) -> Duration {
    let hooks = |commands: &[Vec<String>]| {
        entry.update.hook_timeout.duration() * u32::try_from(commands.len()).unwrap_or(u32::MAX)
    };
    let pull = entry.pull_timeout.duration();
    let there = pull
        + hooks(&entry.update.before)
        + entry.startup_timeout.duration()
        + entry.verify.timeout.duration();
    host.lock_wait.duration() * 2 + (there + way_back(entry) + START_MARGIN) * 2
}

/// The longest that going back can take: images that were pruned are fetched again.
fn way_back(entry: &Entry) -> Duration {
    let commands = u32::try_from(entry.update.on_rollback.len()).unwrap_or(u32::MAX);
    entry.pull_timeout.duration()
        + entry.startup_timeout.duration()
        + entry.verify.timeout.duration()
        + entry.update.hook_timeout.duration() * commands
        + START_MARGIN
}

type Values = BTreeMap<&'static str, String>;

fn common(seal: &Path, host: &Host, programs: &Programs) -> Values {
    BTreeMap::from([
        ("seal", seal_link(seal)),
        ("path", quoted(&host.path)),
        ("stackctl", word(&programs.stackctl)),
        ("stack_audit", word(&programs.stack_audit)),
        ("alert_timeout", format!("{}s", (host.alert.timeout.duration() * 3 + ALERT_MARGIN).as_secs())),
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

fn fill_lines(template: &str, values: &Values) -> String {
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

/// `%` introduces a specifier in every unit setting; systemd.unit(5).
fn specifiers(text: &str) -> String {
    text.replace('%', "%%")
}

/// What a link in `Documentation=` to a file in `directory` starts with, as the manager reports it.
#[must_use]
pub fn documentation(directory: &Path) -> String {
    format!("file://{}/", url_path(directory))
}

/// A path as the path of a URL.
fn url_path(path: &Path) -> String {
    let mut url = String::new();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
                url.push(char::from(*byte));
            }
            other => url.push_str(&percent(*other)),
        }
    }
    url
}

fn percent(byte: u8) -> String {
    format!("%{byte:02X}")
}

/// A text to the end of its line. A backslash there would join the next line to it; the space that keeps it from that
/// is not part of the value (systemd.syntax(7)).
fn line(text: &str) -> String {
    let end = if text.ends_with('\\') { " " } else { "" };
    specifiers(text) + end
}

/// The inside of a double-quoted string in a unit file.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '"' => quoted.extend(['\\', c]),
            c if c.is_ascii_control() => quoted.extend(["\\x".to_owned(), format!("{:02x}", u32::from(c))]),
            c => quoted.push(c),
        }
    }
    specifiers(&quoted)
}

fn is_plain(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | ':' | ','))
}

/// A path as one word: the first of a command line, in which nothing else is expanded, or one of a list; quoted only
/// where it must be.
fn word(path: &Path) -> String {
    let text = path.to_string_lossy();
    if is_plain(&text) { text.into_owned() } else { format!("\"{}\"", quoted(&text)) }
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
