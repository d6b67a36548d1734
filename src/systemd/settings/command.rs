//! Exec lines (systemd.service(5), "COMMAND LINES"): as unit files write them, and as the manager reports them.

use std::fmt;

use super::quoting::{self, Escapes, QuotingError, is_space};
use super::specifier::Context;
use crate::names::UnitName;
use crate::systemd::value::SettingValue;

/// What the characters in front of an executable mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Prefix {
    /// `-`: a failure is ignored.
    IgnoreFailure,
    /// `:`: no variables are filled in.
    NoEnvironment,
    /// `+`: with full privileges.
    Privileged,
    /// `!`: without the change of user.
    NoSetuid,
    /// `!!`: the same, where ambient capabilities are not supported.
    Ambient,
    /// `|`: through the user's shell, since 258.
    Shell,
}

impl Prefix {
    /// The word in the `Exec…Ex` properties (`exec-command` flags of systemd), and the characters in a unit file.
    const WORDS: &[(Self, &str, &str)] = &[
        (Self::IgnoreFailure, "ignore-failure", "-"),
        (Self::NoEnvironment, "no-env-expand", ":"),
        (Self::Privileged, "privileged", "+"),
        (Self::NoSetuid, "no-setuid", "!"),
        (Self::Ambient, "ambient", "!!"),
        (Self::Shell, "via-shell", "|"),
    ];
}

/// One command. Variables are not filled in: that happens when it is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// What is executed.
    pub path: String,
    /// Its arguments, from the zeroth.
    pub argv: Vec<String>,
    /// How it is executed; sorted.
    pub prefixes: Vec<Prefix>,
}

/// Why an Exec line cannot be compared or is ignored by systemd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// systemd ignores the line.
    #[error(transparent)]
    Quoting(#[from] QuotingError),
    /// systemd ignores the line.
    #[error("the name of the executable is empty")]
    NoExecutable,
    /// Its value is known to the manager alone.
    #[error("the value of %{0} is not known here")]
    Specifier(char),
}

impl Command {
    /// Reads the value of one `Exec…=` line: several commands if there is a `;` between them.
    ///
    /// # Errors
    /// systemd would ignore the line, or there is a specifier that is not known here.
    pub fn parse_line(line: &str, context: &Context, unit: &UnitName) -> Result<Vec<Self>, CommandError> {
        let expand = |text: &str| context.expand(text, unit).map_err(CommandError::Specifier);
        let mut commands = Vec::new();
        let mut rest = line;
        while let Some((word, after)) = quoting::next_word(rest, Escapes::Relaxed)? {
            let (mut prefixes, own_argv0, executable) = prefixes(&word);
            let path = simplify_path(&expand(executable)?);
            if path.is_empty() {
                return Err(CommandError::NoExecutable);
            }
            let mut argv = if own_argv0 { Vec::new() } else { vec![path.clone()] };
            rest = after;
            loop {
                if let Some(after) = separator(rest, ";") {
                    rest = after;
                    break;
                }
                if let Some(after) = separator(rest, "\\;") {
                    argv.push(";".to_owned());
                    rest = after;
                    continue;
                }
                match quoting::next_word(rest, Escapes::Relaxed)? {
                    None => {
                        rest = "";
                        break;
                    }
                    Some((word, after)) => {
                        argv.push(expand(&word)?);
                        rest = after;
                    }
                }
            }
            prefixes.sort_unstable();
            commands.push(Self { path, argv, prefixes });
        }
        Ok(commands)
    }

    /// Reads an `Exec…` or `Exec…Ex` property: an array of structures of path, argv, flags and times. `None` if it
    /// is neither.
    #[must_use]
    pub fn from_property(value: &SettingValue) -> Option<Vec<Self>> {
        value.list()?.iter().map(Self::from_structure).collect()
    }

    fn from_structure(value: &SettingValue) -> Option<Self> {
        let [path, argv, flags, ..] = value.list()? else {
            return None;
        };
        let prefixes = match flags {
            SettingValue::Bool(ignore) => ignore.then_some(Prefix::IgnoreFailure).into_iter().collect(),
            flags => {
                let mut prefixes: Vec<Prefix> =
                    flags.texts()?.iter().filter_map(|word| prefix_of(word)).collect();
                prefixes.sort_unstable();
                prefixes
            }
        };
        Some(Self { path: path.text()?.to_owned(), argv: argv.texts()?, prefixes })
    }
}

fn prefix_of(flag: &str) -> Option<Prefix> {
    Prefix::WORDS.iter().find(|(_, word, _)| *word == flag).map(|(prefix, _, _)| *prefix)
}

/// The characters in front of the executable; whether `@` is among them; the executable.
fn prefixes(word: &str) -> (Vec<Prefix>, bool, &str) {
    let mut prefixes = Vec::new();
    let mut own_argv0 = false;
    let mut rest = word;
    loop {
        let Some((first, after)) =
            rest.chars().next().map(|first| (first, rest.split_at(first.len_utf8()).1))
        else {
            return (prefixes, own_argv0, rest);
        };
        let has = |wanted: &[Prefix]| prefixes.iter().any(|prefix| wanted.contains(prefix));
        let privileges = [Prefix::Privileged, Prefix::NoSetuid, Prefix::Ambient];
        match first {
            '@' if !own_argv0 => own_argv0 = true,
            '-' if !has(&[Prefix::IgnoreFailure]) => prefixes.push(Prefix::IgnoreFailure),
            ':' if !has(&[Prefix::NoEnvironment]) => prefixes.push(Prefix::NoEnvironment),
            '|' if !has(&[Prefix::Shell]) => prefixes.push(Prefix::Shell),
            '+' if !has(&privileges) => prefixes.push(Prefix::Privileged),
            '!' if !has(&privileges) => prefixes.push(Prefix::NoSetuid),
            '!' if has(&[Prefix::NoSetuid]) => {
                prefixes.retain(|prefix| *prefix != Prefix::NoSetuid);
                prefixes.push(Prefix::Ambient);
            }
            _ => return (prefixes, own_argv0, rest),
        }
        rest = after;
    }
}

/// What follows a `;` or `\;` that stands for itself.
fn separator<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let after = text.trim_start_matches(is_space).strip_prefix(word)?;
    (after.is_empty() || after.starts_with(is_space)).then_some(after)
}

/// systemd's `path_simplify()`: without double and trailing slashes, and without `/./`.
pub(super) fn simplify_path(path: &str) -> String {
    let mut simple = String::with_capacity(path.len());
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if !simple.is_empty() || path.starts_with('/') {
            simple.push('/');
        }
        simple.push_str(part);
    }
    if simple.is_empty() && path.starts_with('/') { "/".to_owned() } else { simple }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for prefix in &self.prefixes {
            if let Some((_, _, characters)) = Prefix::WORDS.iter().find(|(known, _, _)| known == prefix) {
                f.write_str(characters)?;
            }
        }
        let own_argv0 = self.argv.first() != Some(&self.path);
        if own_argv0 {
            f.write_str("@")?;
        }
        f.write_str(&self.path)?;
        for word in self.argv.iter().skip(usize::from(!own_argv0)) {
            let plain = !word.is_empty()
                && word.chars().all(|c| c.is_ascii_alphanumeric() || "/.,:_-+=@%^~$".contains(c));
            if plain { write!(f, " {word}") } else { write!(f, " {word:?}") }?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::dirs::Dirs;

    fn parse(line: &str) -> Result<Vec<Command>, CommandError> {
        let path = |text| PathBuf::from(text);
        let dirs = Dirs {
            user: "me".to_owned(),
            home: path("/home/me"),
            config_home: path("/home/me/.config"),
            state_home: path("/home/me/.local/state"),
            data_home: path("/home/me/.local/share"),
            cache_home: path("/home/me/.cache"),
            runtime: path("/run/user/1000"),
        };
        Command::parse_line(line, &Context::new(&dirs, "257"), &UnitName::parse("a@b.service").unwrap())
    }

    fn shown(line: &str) -> Vec<String> {
        parse(line).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn words_specifiers_and_variables() {
        assert_eq!(
            shown("/bin/sh -c 'echo \"$HOME\" ${A} %i; true' %h/x"),
            ["/bin/sh -c \"echo \\\"$HOME\\\" ${A} b; true\" /home/me/x"]
        );
    }

    #[test]
    fn prefixes_and_a_name_of_its_own() {
        let command = &parse("-:@//bin/./sh zsh -l").unwrap()[0];
        assert_eq!(command.path, "/bin/sh");
        assert_eq!(command.argv, ["zsh", "-l"]);
        assert_eq!(command.prefixes, [Prefix::IgnoreFailure, Prefix::NoEnvironment]);
        assert_eq!(parse("!!/bin/a").unwrap()[0].prefixes, [Prefix::Ambient]);
        assert_eq!(command.to_string(), "-:@/bin/sh zsh -l");
    }

    #[test]
    fn semicolons_separate_commands() {
        assert_eq!(shown(r"/bin/a x ; -/bin/b \; y ;"), ["/bin/a x", "-/bin/b \";\" y"]);
        assert_eq!(shown("/bin/a x;y"), ["/bin/a \"x;y\""]);
    }

    #[test]
    fn what_systemd_ignores_is_an_error() {
        assert_eq!(parse("/bin/a 'b"), Err(CommandError::Quoting(QuotingError::Unbalanced)));
        assert_eq!(parse("-"), Err(CommandError::NoExecutable));
        assert_eq!(parse("/bin/a %H"), Err(CommandError::Specifier('H')));
    }

    #[test]
    fn both_forms_of_the_property_are_read() {
        let text = |text: &str| SettingValue::Text(text.to_owned());
        let list = |values: &[SettingValue]| SettingValue::List(values.to_vec());
        let plain = list(&[list(&[
            text("/bin/a"),
            list(&[text("/bin/a"), text("b c")]),
            SettingValue::Bool(true),
            SettingValue::Unsigned(0),
        ])]);
        let extended = list(&[list(&[
            text("/bin/a"),
            list(&[text("/bin/a"), text("b c")]),
            list(&[text("ignore-failure")]),
        ])]);
        let declared = parse("-/bin/a 'b c'").ok();
        assert_eq!(Command::from_property(&plain), declared);
        assert_eq!(Command::from_property(&extended), declared);
    }
}
