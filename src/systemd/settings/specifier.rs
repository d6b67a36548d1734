//! Specifiers (systemd.unit(5)): `%h`, `%n`, `%i`, … as a user manager fills them in.

use std::path::Path;

use nix::unistd::{Gid, Group, Uid};

use crate::dirs::Dirs;
use crate::names::UnitName;

/// Since this version `%S` and `%L` are below `$XDG_STATE_HOME`, before below `$XDG_CONFIG_HOME` (systemd's NEWS).
const STATE_HOME_SINCE: u32 = 254;

/// What a user manager's specifiers stand for, the unit's own excepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    home: String,
    runtime: String,
    config: String,
    state: String,
    cache: String,
    logs: String,
    user: String,
    uid: String,
    gid: String,
    group: Option<String>,
}

impl Context {
    /// The context of this user's manager, which has the version `version` (as it reports it: `252.38-1`).
    #[must_use]
    pub fn new(dirs: &Dirs, version: &str) -> Self {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let (config, gid) = (text(&dirs.config_home), Gid::effective());
        let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
        let (state, logs) = if digits.parse().is_ok_and(|major: u32| major < STATE_HOME_SINCE) {
            (config.clone(), format!("{config}/log"))
        } else {
            (text(&dirs.state_home), text(&dirs.state_home.join("log")))
        };
        Self {
            home: text(&dirs.home),
            runtime: text(&dirs.runtime),
            config,
            state,
            logs,
            cache: text(&dirs.cache_home),
            user: dirs.user.clone(),
            uid: Uid::effective().to_string(),
            gid: gid.to_string(),
            group: Group::from_gid(gid).ok().flatten().map(|group| group.name),
        }
    }

    /// The user's home directory, which is a user unit's default working directory.
    #[must_use]
    pub fn home(&self) -> &str {
        &self.home
    }

    /// Fills in the specifiers of `text` for `unit`; the error is a specifier whose value is not known here.
    ///
    /// # Errors
    /// Names the first such specifier.
    pub fn expand(&self, text: &str, unit: &UnitName) -> Result<String, char> {
        let mut expanded = String::with_capacity(text.len());
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            if c != '%' {
                expanded.push(c);
                continue;
            }
            match rest.next() {
                None | Some('%') => expanded.push('%'),
                Some(specifier) => expanded.push_str(&self.value(specifier, unit).ok_or(specifier)?),
            }
        }
        Ok(expanded)
    }

    fn value(&self, specifier: char, unit: &UnitName) -> Option<String> {
        let stem = unit.stem();
        let (prefix, instance) = stem.split_once('@').unwrap_or((stem, ""));
        let last = prefix.rsplit_once('-').map_or(prefix, |(_, last)| last);
        Some(match specifier {
            'n' => unit.to_string(),
            'N' => stem.to_owned(),
            'p' => prefix.to_owned(),
            'P' => unescape(prefix)?,
            'i' => instance.to_owned(),
            'I' => unescape(instance)?,
            'j' => last.to_owned(),
            'J' => unescape(last)?,
            'f' if unit.instance().is_some() => format!("/{}", unescape(instance)?),
            'f' => format!("/{}", unescape(prefix)?),
            'h' => self.home.clone(),
            't' => self.runtime.clone(),
            'E' => self.config.clone(),
            'S' => self.state.clone(),
            'C' => self.cache.clone(),
            'L' => self.logs.clone(),
            'T' => "/tmp".to_owned(),
            'V' => "/var/tmp".to_owned(),
            'u' => self.user.clone(),
            'U' => self.uid.clone(),
            'g' => self.group.clone()?,
            'G' => self.gid.clone(),
            _ => return None,
        })
    }
}

/// Undoes the escaping of a unit name's part; `None` for one that systemd-escape(1) would not undo either.
fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'-' => bytes.push(b'/'),
            b'\\' => {
                let digit =
                    |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
                rest.next().filter(|x| *x == b'x')?;
                bytes.push(digit(rest.next()?)? * 16 + digit(rest.next()?)?);
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn context(version: &str) -> Context {
        let dirs = Dirs {
            user: "me".to_owned(),
            home: PathBuf::from("/home/me"),
            config_home: PathBuf::from("/home/me/.config"),
            state_home: PathBuf::from("/home/me/.local/state"),
            data_home: PathBuf::from("/home/me/.local/share"),
            cache_home: PathBuf::from("/home/me/.cache"),
            runtime: PathBuf::from("/run/user/1000"),
        };
        Context::new(&dirs, version)
    }

    fn expand(text: &str, unit: &str) -> Result<String, char> {
        context("257.7-1").expand(text, &UnitName::parse(unit).unwrap())
    }

    #[test]
    fn names_are_taken_apart_as_systemd_does() {
        let unit = "stack-watch@home-me-a\\x2db.d.path";
        for (text, expanded) in [
            ("%n", unit),
            ("%N", "stack-watch@home-me-a\\x2db.d"),
            ("%p %P %j", "stack-watch stack/watch watch"),
            ("%i", "home-me-a\\x2db.d"),
            ("%I", "home/me/a-b.d"),
            ("%f", "/home/me/a-b.d"),
            ("100%%", "100%"),
            ("%", "%"),
        ] {
            assert_eq!(expand(text, unit).unwrap(), expanded, "{text}");
        }
        assert_eq!(expand("%i|%f", "foo-bar.service").unwrap(), "|/foo/bar");
    }

    #[test]
    fn directories_are_the_user_s() {
        assert_eq!(
            expand("%h %t %E %S %C %L %u", "a.service").unwrap(),
            "/home/me /run/user/1000 /home/me/.config /home/me/.local/state /home/me/.cache /home/me/.local/state/log me"
        );
        let old = context("252.38-1~deb12u1");
        assert_eq!(old.expand("%S", &UnitName::parse("a.service").unwrap()).unwrap(), "/home/me/.config");
    }

    #[test]
    fn what_is_not_known_here_is_said() {
        assert_eq!(expand("on %H", "a.service"), Err('H'));
    }
}
