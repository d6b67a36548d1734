//! `stackctl explain`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::output;
use crate::dirs::Dirs;
use crate::error::{Error, chain};
use crate::exit::Code;
use crate::explain::{self, Asked, Explanation};
use crate::inventory::Host;
use crate::names::{NameError, UnitName};
use crate::process::{Command, Environment, Interrupt, ProcessError};

/// It reads no unit and talks to nobody.
const UNIT_PATHS_TIMEOUT: Duration = Duration::from_secs(5);

/// A unit's name as a person types it: without a type it is a service, as for systemctl(1).
pub(super) fn unit_name(text: &str) -> Result<UnitName, NameError> {
    match UnitName::parse(text) {
        Err(NameError::UnitType { .. }) => UnitName::parse(&format!("{text}.service")),
        other => other,
    }
}

pub(super) fn explain(unit: &UnitName, json: bool) -> Result<Code, Error> {
    let dirs = Dirs::from_env()?;
    let host = Host::load_or_default(&dirs).unwrap_or_else(|error| {
        tracing::warn!("{}; the defaults are used", chain(&error));
        Host::default()
    });
    match Asked::manager(&dirs, unit, host.bus_deadline.duration()) {
        Ok(asked) => {
            show(&explain::explain(&dirs, unit, &asked), json)?;
            Ok(Code::Done)
        }
        // What the disk says is worth knowing, the more so when the manager is not there.
        Err(error) => match unit_paths(&dirs, &host) {
            Ok(search_path) => {
                show(&explain::explain_disk(&dirs, unit, &search_path), json)?;
                tracing::warn!(
                    "from the disk alone: the search path is the one that systemd-analyze computes for this environment, which may not be the manager's"
                );
                Err(error.into())
            }
            Err(problem) => {
                tracing::warn!("no search path to look along without the manager: {}", chain(&problem));
                Err(error.into())
            }
        },
    }
}

fn show(explanation: &Explanation, json: bool) -> Result<(), Error> {
    if json {
        output::print_json(explanation)
    } else {
        output::print(&explain::text(explanation, output::colour()))
    }
}

/// The search path as systemd itself computes it; the manager is not asked for it.
fn unit_paths(dirs: &Dirs, host: &Host) -> Result<Vec<PathBuf>, ProcessError> {
    let name = Path::new("systemd-analyze");
    let program = host.find_program(name).unwrap_or_else(|| name.to_owned());
    let mut environment = Environment::new(dirs, host);
    for variable in ["XDG_CONFIG_DIRS", "XDG_DATA_DIRS", "SYSTEMD_UNIT_PATH"] {
        if let Some(value) = std::env::var_os(variable) {
            environment = environment.with(variable, value);
        }
    }
    let text = Command::new(&program, &environment, UNIT_PATHS_TIMEOUT, &Interrupt::never())
        .args(["--user", "unit-paths"])
        .capture_text()?;
    Ok(text.lines().filter(|line| line.starts_with('/')).map(PathBuf::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_type_is_a_service() {
        for (typed, name) in
            [("a", "a.service"), ("a.timer", "a.timer"), ("a.b", "a.b.service"), ("a@x", "a@x.service")]
        {
            assert_eq!(unit_name(typed).unwrap().as_str(), name);
        }
        for bad in ["", "a/b", "a b", "ü", "a\n", "%n", "@x", "../a.service"] {
            assert!(unit_name(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
