//! A host: a private user manager, our units installed, and stacks.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use super::manager::{Manager, write};

const STACKCTL: &str = env!("CARGO_BIN_EXE_stackctl");

/// A manager with stacks.
#[derive(Debug)]
pub struct Host {
    /// The manager.
    pub manager: Manager,
    /// The names of the stacks.
    pub stacks: Vec<String>,
}

impl Host {
    /// Declares `stacks` stacks, whose units the manager then has in memory because `default.target` wants them. None
    /// is started: the auditor reads units, not containers.
    pub fn with_stacks(stacks: usize) -> Self {
        let manager = Manager::start();
        let stacks: Vec<String> = (0..stacks).map(|number| format!("app{number:04}")).collect();
        for stack in &stacks {
            let compose = manager.dir().join("home").join(stack).join("compose.yml");
            write(&compose, "services:\n  web:\n    image: localhost/web:1\n");
            let entry = json!({
                "version": 1, "description": format!("The stack {stack}"),
                "compose": {"directory": compose.parent(), "files": ["compose.yml"], "project": stack},
                "environment": {"DATA_ROOT": "/srv/data"}
            });
            write(manager.config().join(format!("stackwarden/stacks/{stack}.json")), &entry.to_string());
        }
        // Five thousand new units at once take a busy machine longer than the usual deadline.
        // Containers are podman's cost, not ours: this podman has none.
        let podman = write(manager.dir().join("home/podman"), "#!/bin/sh\necho '[]'\n");
        fs_err::set_permissions(&podman, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let config =
            json!({"version": 1, "podman": podman, "bus_deadline": "5min", "reload_deadline": "5min"});
        write(manager.config().join("stackwarden/config.json"), &config.to_string());
        let host = Self { manager, stacks };
        host.run(&["install"]);
        host.run(&["sync"]);
        host
    }

    /// Units that are not ours, in memory too.
    pub fn add_other_units(&self, units: usize) {
        for number in 0..units {
            let name = format!("other{number:04}.service");
            let file = self.manager.usr().join(&name);
            write(&file, "[Unit]\nDescription=Of somebody else\n[Service]\nExecStart=/bin/true\n");
            let link = self.manager.usr().join("default.target.wants").join(&name);
            fs_err::create_dir_all(link.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(&file, link).unwrap();
        }
        self.manager.systemctl(&["daemon-reload"]);
        let loaded = self.manager.systemctl(&["list-units", "--all", "--plain", "--no-legend", "other*"]);
        assert_eq!(loaded.lines().count(), units, "the other units are not in memory");
    }

    /// One of our programs, as this manager's user runs it.
    pub fn program(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = self.manager.command(program);
        command.args(arguments);
        command
    }

    /// The units that an audit looks at, all of them in memory; nothing but the missing lingering of a test's user may
    /// be found.
    pub fn audited_units(&self) -> Vec<String> {
        let report = self.report();
        let findings = report["findings"].as_array().unwrap();
        let broken: Vec<&Value> = findings.iter().filter(|f| f["check"] != "linger-disabled").collect();
        assert!(broken.is_empty(), "the host is not as declared: {broken:#?}");
        let loaded = self.manager.systemctl(&["list-units", "--all", "--plain", "--no-legend"]);
        let loaded: Vec<&str> = loaded.lines().filter_map(|line| line.split_whitespace().next()).collect();
        let units = report["units"].as_array().unwrap().iter().map(|unit| unit.as_str().unwrap());
        units.filter(|unit| loaded.contains(unit)).map(ToOwned::to_owned).collect()
    }

    fn report(&self) -> Value {
        let output = self.program(env!("CARGO_BIN_EXE_stack-audit"), &["--json"]).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn run(&self, arguments: &[&str]) {
        let output = self.program(STACKCTL, arguments).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "stackctl {arguments:?}: {}: {told}", output.status);
    }

    /// A file of shell that runs with this host's environment.
    pub fn script(&self, name: &str, text: &str) -> PathBuf {
        write(self.manager.dir().join(name), text)
    }
}
