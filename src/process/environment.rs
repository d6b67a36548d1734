//! The environment of the programs that we run: the same whether a unit runs us or a person.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use crate::dirs::Dirs;
use crate::inventory::Host;

/// What is taken over from our own environment if it is there: proxies and certificates for registries, podman's and
/// compose's own configuration. Everything else is left out on purpose: a variable of the shell that somebody happens
/// to type in must not change what a compose file means, and `NOTIFY_SOCKET` would let podman speak for our unit.
const PASSED_ON: &[&str] = &[
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NIX_SSL_CERT_FILE",
    "CONTAINERS_CONF",
    "CONTAINERS_CONF_OVERRIDE",
    "CONTAINERS_REGISTRIES_CONF",
    "CONTAINERS_STORAGE_CONF",
    "REGISTRY_AUTH_FILE",
    "DOCKER_CONFIG",
    "TMPDIR",
    "TZ",
];

/// The variables that a program is started with, and no others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// What every program gets.
    #[must_use]
    pub fn new(dirs: &Dirs, host: &Host) -> Self {
        let mut variables: BTreeMap<OsString, OsString> = PASSED_ON
            .iter()
            .filter_map(|name| std::env::var_os(name).map(|value| ((*name).into(), value)))
            .collect();
        let bus = format!("unix:path={}", dirs.bus_socket().display());
        let known: [(&str, &OsStr); 11] = [
            ("HOME", dirs.home.as_os_str()),
            ("USER", dirs.user.as_ref()),
            ("LOGNAME", dirs.user.as_ref()),
            ("PATH", host.path.as_ref()),
            // Sizes, dates and messages are read by programs: no translations.
            ("LANG", "C.UTF-8".as_ref()),
            ("XDG_CONFIG_HOME", dirs.config_home.as_os_str()),
            ("XDG_DATA_HOME", dirs.data_home.as_os_str()),
            ("XDG_STATE_HOME", dirs.state_home.as_os_str()),
            ("XDG_CACHE_HOME", dirs.cache_home.as_os_str()),
            ("XDG_RUNTIME_DIR", dirs.runtime.as_os_str()),
            ("DBUS_SESSION_BUS_ADDRESS", bus.as_ref()),
        ];
        variables.extend(known.iter().map(|(name, value)| ((*name).into(), (*value).to_owned())));
        Self(variables)
    }

    /// With one more variable, or another value for it.
    #[must_use]
    pub fn with(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.0.insert(name.into(), value.into());
        self
    }

    /// The variables.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_named_is_passed_on() {
        let environment =
            Environment::new(&Dirs::below("/home/me".as_ref()), &Host::default()).with("A", "b");
        let names: Vec<&str> = environment.iter().filter_map(|(name, _)| name.to_str()).collect();
        assert!(names.contains(&"A") && names.contains(&"XDG_RUNTIME_DIR"), "{names:?}");
        // cargo sets many variables for its tests; none of them comes through.
        assert!(!names.iter().any(|name| name.starts_with("CARGO")), "{names:?}");
    }
}
