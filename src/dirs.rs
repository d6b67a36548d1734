//! Where things are, read once from the environment. The only module that looks at XDG variables.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use nix::unistd::{Uid, User};
use thiserror::Error;

use crate::names::StackName;

/// The name of our directory below each of the XDG base directories.
const OURS: &str = "stackwarden";

/// Why the directories are not known.
#[derive(Debug, Error)]
pub enum DirsError {
    /// Neither the environment nor the user database knows the home directory.
    #[error("no home directory: HOME is not set and the user database has no entry for uid {uid}")]
    NoHome {
        /// The user's id.
        uid: Uid,
    },
    /// A variable whose value is not an absolute path.
    #[error("{variable} is {value:?}, which is not an absolute path")]
    NotAbsolute {
        /// The variable's name.
        variable: &'static str,
        /// Its value.
        value: OsString,
    },
    /// The user's name, which lingering goes by, is not known.
    #[error("no user name: the user database has no entry for uid {uid}, and USER is not set")]
    NoUser {
        /// The user's id.
        uid: Uid,
    },
}

/// The directories of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dirs {
    /// The user's login name.
    pub user: String,
    /// `$HOME`.
    pub home: PathBuf,
    /// `$XDG_CONFIG_HOME`, by default `~/.config`.
    pub config_home: PathBuf,
    /// `$XDG_STATE_HOME`, by default `~/.local/state`.
    pub state_home: PathBuf,
    /// `$XDG_DATA_HOME`, by default `~/.local/share`.
    pub data_home: PathBuf,
    /// `$XDG_CACHE_HOME`, by default `~/.cache`.
    pub cache_home: PathBuf,
    /// `$XDG_RUNTIME_DIR`, by default `/run/user/<uid>` as `pam_systemd(8)` sets it.
    pub runtime: PathBuf,
}

impl Dirs {
    /// Reads the environment of this process.
    ///
    /// # Errors
    /// A variable is not an absolute path, or nothing tells the home directory.
    pub fn from_env() -> Result<Self, DirsError> {
        Self::from_variables(&std::env::vars_os().collect(), Uid::effective())
    }

    /// Every directory below `home`, as with an empty environment: for tests.
    #[cfg(test)]
    pub(crate) fn below(home: &Path) -> Self {
        let mut variables = BTreeMap::new();
        variables.insert("HOME".into(), home.into());
        variables.insert("XDG_RUNTIME_DIR".into(), home.join("run").into());
        Self::from_variables(&variables, Uid::effective()).expect("absolute paths")
    }

    /// The directories of another user, of whose environment only `variables` are known.
    ///
    /// # Errors
    /// The user database does not know the user, or a variable is not an absolute path.
    pub fn of_user(uid: Uid, variables: &BTreeMap<OsString, OsString>) -> Result<Self, DirsError> {
        Self::from_variables(variables, uid)
    }

    fn from_variables(variables: &BTreeMap<OsString, OsString>, uid: Uid) -> Result<Self, DirsError> {
        let account = User::from_uid(uid).ok().flatten();
        let absolute = |variable: &'static str| -> Result<Option<PathBuf>, DirsError> {
            match variables.get(std::ffi::OsStr::new(variable)).filter(|value| !value.is_empty()) {
                None => Ok(None),
                Some(value) if Path::new(value).is_absolute() => Ok(Some(plain(Path::new(value)))),
                Some(value) => Err(DirsError::NotAbsolute { variable, value: value.clone() }),
            }
        };
        let given = absolute("HOME")?;
        // The manager has the name that the user database knows the directory by.
        let home = match (&given, account.as_ref().map(|user| plain(&user.dir))) {
            (Some(home), Some(usual)) if is_same(home, &usual) => usual,
            (Some(home), _) => home.clone(),
            (None, usual) => usual.ok_or(DirsError::NoHome { uid })?,
        };
        let named = |variable: &str| {
            variables
                .get(std::ffi::OsStr::new(variable))
                .and_then(|v| v.to_str())
                .filter(|v| !v.is_empty())
                .map(str::to_owned)
        };
        let user = match account.map(|user| user.name) {
            Some(user) => user,
            None => named("USER").ok_or(DirsError::NoUser { uid })?,
        };
        let below_home = |variable, default: &str| -> Result<PathBuf, DirsError> {
            let Some(path) = absolute(variable)? else { return Ok(home.join(default)) };
            let below = given.as_ref().and_then(|given| path.strip_prefix(given).ok());
            Ok(below.map_or_else(|| path.clone(), |below| plain(&home.join(below))))
        };
        Ok(Self {
            user,
            config_home: below_home("XDG_CONFIG_HOME", ".config")?,
            state_home: below_home("XDG_STATE_HOME", ".local/state")?,
            data_home: below_home("XDG_DATA_HOME", ".local/share")?,
            cache_home: below_home("XDG_CACHE_HOME", ".cache")?,
            runtime: absolute("XDG_RUNTIME_DIR")?
                .unwrap_or_else(|| PathBuf::from(format!("/run/user/{uid}"))),
            home,
        })
    }

    /// The owner directory: where every unit of ours is linked or written, `$XDG_CONFIG_HOME/systemd/user`.
    #[must_use]
    pub fn owner(&self) -> PathBuf {
        self.config_home.join("systemd/user")
    }

    /// One inventory file per stack.
    #[must_use]
    pub fn inventory(&self) -> PathBuf {
        self.config_home.join(OURS).join("stacks")
    }

    /// The inventory file of one stack.
    #[must_use]
    pub fn inventory_file(&self, stack: &StackName) -> PathBuf {
        self.inventory().join(format!("{stack}.json"))
    }

    /// One seal per stack, and one for the shipped units.
    #[must_use]
    pub fn seals(&self) -> PathBuf {
        self.config_home.join(OURS).join("sealed")
    }

    /// One seal per observed unit.
    #[must_use]
    pub fn observed(&self) -> PathBuf {
        self.seals().join("observed")
    }

    /// The host-wide settings.
    #[must_use]
    pub fn host_config_file(&self) -> PathBuf {
        self.config_home.join(OURS).join("config.json")
    }

    /// Reports, records, pins: what must survive a reboot.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.state_home.join(OURS)
    }

    /// Locks and fingerprints: what must not survive a reboot.
    #[must_use]
    pub fn run(&self) -> PathBuf {
        self.runtime.join(OURS)
    }

    /// The address of the user bus. The session's own variable is not used: a desktop may run a private bus
    /// without the manager on it.
    #[must_use]
    pub fn bus_socket(&self) -> PathBuf {
        self.runtime.join("bus")
    }
}

/// A path without repeated or trailing slashes and without `.`, as the manager writes it.
fn plain(path: &Path) -> PathBuf {
    path.components().collect()
}

/// Whether both are names of one directory that is there.
fn is_same(a: &Path, b: &Path) -> bool {
    a == b || a.canonicalize().is_ok_and(|a| b.canonicalize().is_ok_and(|b| a == b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dirs(variables: &[(&str, &str)]) -> Result<Dirs, DirsError> {
        Dirs::from_variables(&variables.iter().map(|(k, v)| (k.into(), v.into())).collect(), Uid::from_raw(0))
    }

    #[test]
    fn defaults_follow_the_base_directory_specification() {
        let dirs = dirs(&[("HOME", "/home/me"), ("XDG_STATE_HOME", "")]).unwrap();
        assert_eq!(dirs.owner(), Path::new("/home/me/.config/systemd/user"));
        assert_eq!(dirs.state(), Path::new("/home/me/.local/state/stackwarden"));
        assert_eq!(dirs.run(), Path::new("/run/user/0/stackwarden"));
    }

    #[test]
    fn a_directory_goes_by_its_usual_name() {
        let dirs = dirs(&[("HOME", "/home//me/./"), ("XDG_CONFIG_HOME", "/home/me/./.config/")]).unwrap();
        assert_eq!(dirs.home.as_os_str(), "/home/me");
        assert_eq!(dirs.owner().as_os_str(), "/home/me/.config/systemd/user");
    }

    #[test]
    fn a_link_to_the_home_directory_goes_by_the_name_in_the_user_database() {
        let home = User::from_uid(Uid::current()).unwrap().unwrap().dir;
        let place = tempfile::tempdir().unwrap();
        let link = place.path().join("link");
        std::os::unix::fs::symlink(&home, &link).unwrap();
        let link = link.to_str().unwrap();
        let below = format!("{link}/.config");
        let dirs = dirs(&[("HOME", link), ("XDG_CONFIG_HOME", &below), ("XDG_STATE_HOME", "/s")]).unwrap();
        assert_eq!(dirs.home, home);
        assert_eq!(dirs.config_home, home.join(".config"));
        assert_eq!(dirs.data_home, home.join(".local/share"));
        assert_eq!(dirs.state_home, Path::new("/s"));
    }

    #[test]
    fn a_relative_directory_is_an_error_that_names_the_variable() {
        let error = dirs(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "conf")]).unwrap_err();
        assert_eq!(error.to_string(), "XDG_CONFIG_HOME is \"conf\", which is not an absolute path");
    }

    #[test]
    fn the_user_database_stands_in_for_home() {
        assert_eq!(dirs(&[]).unwrap().home, Path::new("/root"));
    }
}
