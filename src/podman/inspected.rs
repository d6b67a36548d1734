//! A container in full, as far as we need it. Unknown fields are fine, missing ones too where podman leaves them out.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::types::null_is_default;

/// A container in `podman container inspect`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Inspected {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The image's id.
    #[serde(default)]
    pub image: String,
    /// The reference that it was made from.
    #[serde(default)]
    pub image_name: String,
    /// The image's digest.
    #[serde(default)]
    pub image_digest: String,
    /// How often it was started again.
    #[serde(default)]
    pub restart_count: i64,
    /// What it does now.
    pub state: State,
    /// What it was made with.
    #[serde(default)]
    pub config: Config,
    /// What the host does for it.
    #[serde(default)]
    pub host_config: HostConfig,
    /// Its volumes and binds.
    #[serde(default, deserialize_with = "null_is_default")]
    pub mounts: Vec<Mount>,
    /// The ids of the containers without which it cannot be: it was made with a namespace of theirs, or to require them.
    #[serde(default, deserialize_with = "null_is_default")]
    pub dependencies: Vec<String>,
}

/// The state of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct State {
    /// `created`, `running`, `exited`, …
    pub status: String,
    /// What it ended with.
    pub exit_code: i64,
    /// When it was started last.
    pub started_at: String,
    /// When it ended last.
    pub finished_at: String,
    /// Whether the kernel killed it for want of memory.
    #[serde(rename = "OOMKilled")]
    pub oom_killed: bool,
    /// Whether somebody asked podman to stop it.
    pub stopped_by_user: bool,
    /// Why it could not be started.
    pub error: String,
    /// Its health, if it has a health check.
    #[serde(deserialize_with = "null_is_default")]
    pub health: Health,
}

/// The health of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Health {
    /// `starting`, `healthy`, `unhealthy`; empty without a health check.
    pub status: String,
    /// How often the check failed in a row.
    pub failing_streak: i64,
    /// The last checks.
    #[serde(deserialize_with = "null_is_default")]
    pub log: Vec<HealthLog>,
}

/// One run of a health check.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HealthLog {
    /// When it began.
    pub start: String,
    /// What it ended with.
    pub exit_code: i64,
    /// What it printed.
    pub output: String,
}

/// What a container was made with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Config {
    /// Its labels.
    #[serde(deserialize_with = "null_is_default")]
    pub labels: BTreeMap<String, String>,
    /// Its health check.
    #[serde(deserialize_with = "null_is_default")]
    pub healthcheck: Healthcheck,
}

/// A health check as it was declared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Healthcheck {
    /// The command; empty or `NONE` for none.
    #[serde(deserialize_with = "null_is_default")]
    pub test: Vec<String>,
    /// Time between checks, in nanoseconds.
    pub interval: i64,
    /// How long failures do not count, in nanoseconds.
    pub start_period: i64,
    /// How long a check may take, in nanoseconds.
    pub timeout: i64,
    /// After how many failures it is unhealthy.
    pub retries: i64,
}

/// What the host does for a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HostConfig {
    /// When it is started again.
    #[serde(deserialize_with = "null_is_default")]
    pub restart_policy: RestartPolicy,
}

/// When a container is started again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RestartPolicy {
    /// `no`, `always`, `on-failure`, `unless-stopped`.
    pub name: String,
    /// How often at most after a failure; 0 for ever.
    pub maximum_retry_count: i64,
}

/// A volume or bind of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Mount {
    /// `volume` or `bind`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// The volume's name.
    pub name: String,
    /// The path in the container.
    pub destination: String,
}

impl Mount {
    /// Whether it is a volume without a name: podman gives it 64 hexadecimal digits.
    #[must_use]
    pub fn is_anonymous_volume(&self) -> bool {
        self.kind == "volume"
            && self.name.len() == 64
            && self.name.bytes().all(|byte| byte.is_ascii_hexdigit())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_podman_leaves_out_or_writes_as_null_is_read() {
        let inspected: Inspected = serde_json::from_str(
            r#"{"Id": "c", "Name": "x", "State": {"Status": "exited", "Health": null}, "Mounts": null,
                "Config": {"Labels": null, "Healthcheck": null}}"#,
        )
        .unwrap();
        assert_eq!(inspected.state.health.status, "");
    }
}
