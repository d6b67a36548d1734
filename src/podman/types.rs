//! What podman says, as far as we need it. Unknown fields are fine, missing ones too where podman leaves them out.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::inventory::ProviderKind;

/// The label of a container's project, with both providers.
pub const PROJECT_LABEL: &str = "com.docker.compose.project";

/// The label of a container's service, with both providers.
pub const SERVICE_LABEL: &str = "com.docker.compose.service";

/// `True` on the containers of `compose run`.
const ONE_OFF_LABEL: &str = "com.docker.compose.oneoff";
const REPLACED_LABEL: &str = "com.docker.compose.replace";

/// How much of an id stands before a name. Characters.
const SHORT_ID: usize = 12;

/// A container in `podman ps --format json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Container {
    /// Its id.
    pub id: String,
    /// Its names; podman gives one.
    #[serde(default, deserialize_with = "null_is_default")]
    pub names: Vec<String>,
    /// The reference that it was made from.
    #[serde(default)]
    pub image: String,
    /// The image's id.
    #[serde(default, rename = "ImageID")]
    pub image_id: String,
    /// Its labels.
    #[serde(default, deserialize_with = "null_is_default")]
    pub labels: BTreeMap<String, String>,
    /// `created`, `running`, `exited`, `paused`, …
    #[serde(default)]
    pub state: String,
    /// The state in words, with the health: `Up 2 hours (healthy)`.
    #[serde(default)]
    pub status: String,
    /// When it was started last, in seconds since 1970; negative if never.
    #[serde(default)]
    pub started_at: i64,
    /// What it ended with.
    #[serde(default)]
    pub exit_code: i64,
    /// The pod's own container, which no service asked for.
    #[serde(default)]
    pub is_infra: bool,
}

impl Container {
    /// Its name, or its id.
    #[must_use]
    pub fn name(&self) -> &str {
        self.names.first().unwrap_or(&self.id)
    }

    /// Its project.
    #[must_use]
    pub fn project(&self) -> Option<&str> {
        self.label(PROJECT_LABEL)
    }

    /// Its service.
    #[must_use]
    pub fn service(&self) -> Option<&str> {
        self.label(SERVICE_LABEL)
    }

    /// Who it says owns it. podman-compose (1.3) puts its own unit's name after every other label of that name,
    /// whether that unit exists or not, so that this name says nothing.
    #[must_use]
    pub fn owner(&self) -> Owner<'_> {
        match self.label(crate::compose::LABEL) {
            None => Owner::Nobody,
            Some(unit) if unit.starts_with("podman-compose@") => Owner::PodmanCompose,
            Some(unit) => Owner::Unit(unit),
        }
    }

    /// The provider that made it.
    #[must_use]
    pub fn provider(&self) -> Option<ProviderKind> {
        if self.label("io.podman.compose.version").is_some() {
            Some(ProviderKind::PodmanCompose)
        } else {
            self.label("com.docker.compose.version").map(|_| ProviderKind::DockerCompose)
        }
    }

    /// The name that docker-compose (2.26) was to give it and has not. What replaces another container has that one's id
    /// before its name until the other is gone, and keeps that when compose does not come so far.
    #[must_use]
    pub fn name_to_be(&self) -> Option<&str> {
        let (id, name) = self.name().split_once('_')?;
        let replaced = self.label(REPLACED_LABEL)?;
        (id.len() == SHORT_ID && replaced.starts_with(id)).then_some(name)
    }

    /// The hash of what it was made from, as its provider takes it.
    #[must_use]
    pub fn config_hash(&self) -> Option<&str> {
        self.label("io.podman.compose.config-hash").or_else(|| self.label("com.docker.compose.config-hash"))
    }

    /// One of its labels, if it is not empty.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether it belongs to a service, rather than to a `compose run`.
    #[must_use]
    pub fn is_of_a_service(&self) -> bool {
        self.service().is_some() && self.label(ONE_OFF_LABEL) != Some("True")
    }

    /// Whether podman was killed while it started it: its process may run, and podman does not know.
    #[must_use]
    pub fn is_half_started(&self) -> bool {
        self.state == "initialized"
    }

    /// Whether its health check has not said its word yet, in the words of `podman ps`.
    #[must_use]
    pub fn is_starting(&self) -> bool {
        self.status.contains("(starting)")
    }

    /// Whether its health check passes, in the words of `podman ps`.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.status.contains("(healthy)")
    }

    /// Whether its health check fails, in the words of `podman ps`.
    #[must_use]
    pub fn is_unhealthy(&self) -> bool {
        self.status.contains("(unhealthy)")
    }

    /// Whether its processes are held.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.state == "paused"
    }

    /// Whether a process of it may be alive.
    #[must_use]
    pub fn is_running(&self) -> bool {
        matches!(self.state.as_str(), "running" | "paused" | "stopping")
    }
}

/// Who owns a container, by its label `PODMAN_SYSTEMD_UNIT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner<'a> {
    /// No label.
    Nobody,
    /// podman-compose's own label, which names no owner.
    PodmanCompose,
    /// This unit.
    Unit(&'a str),
}

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

/// A volume in `podman volume ls --format json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// Whether it was made without a name.
    pub anonymous: bool,
    /// Its labels.
    #[serde(deserialize_with = "null_is_default")]
    pub labels: BTreeMap<String, String>,
}

/// An image in `podman image inspect`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Image {
    /// Its id.
    pub id: String,
    /// The references that name it.
    #[serde(deserialize_with = "null_is_default")]
    pub repo_tags: Vec<String>,
    /// Its digest.
    pub digest: String,
    /// Every digest that it is known by, each with a repository: `docker.io/library/nginx@sha256:…`.
    #[serde(deserialize_with = "null_is_default")]
    pub repo_digests: Vec<String>,
    /// The processor that it is for, in Go's word.
    pub architecture: String,
    /// Its labels.
    #[serde(deserialize_with = "null_is_default")]
    pub labels: BTreeMap<String, String>,
}

impl Image {
    /// Whether this is the image of that id.
    #[must_use]
    pub fn is(&self, id: &str) -> bool {
        same_image(&self.id, id)
    }
}

/// Whether two ids are those of one image; podman prints them with and without the name of their algorithm.
#[must_use]
pub fn same_image(one: &str, other: &str) -> bool {
    one.trim_start_matches("sha256:") == other.trim_start_matches("sha256:")
}

/// podman writes `null` where it has nothing.
fn null_is_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_compose_gave_for_the_time_being_is_told_from_one_that_was_meant() {
        let named = |name: &str, replaced: &str| -> Container {
            let labels = serde_json::json!({"com.docker.compose.replace": replaced});
            serde_json::from_value(serde_json::json!({"Id": "c", "Names": [name], "Labels": labels})).unwrap()
        };
        let id = "2433373ac711270d4af21756f297d345721529efe8a4417d299d8cc7426cad69";
        assert_eq!(named("2433373ac711_shop-db-1", id).name_to_be(), Some("shop-db-1"));
        assert_eq!(named("2433373ac711_a_b", id).name_to_be(), Some("a_b"));
        for (name, replaced) in
            [("shop-db-1", id), ("2433373ac711_x", ""), ("2433_x", id), ("0433373ac711_x", id)]
        {
            assert_eq!(named(name, replaced).name_to_be(), None, "{name}");
        }
    }

    #[test]
    fn what_podman_says_is_read_with_and_without_what_it_may_leave_out() {
        let container: Container = serde_json::from_str(
            r#"{"Id": "c", "Names": ["web-web-1"], "Labels": null, "State": "running", "New": [1], "StartedAt": -62135596800}"#,
        )
        .unwrap();
        assert_eq!(
            (container.name(), container.owner(), container.is_running()),
            ("web-web-1", Owner::Nobody, true)
        );
        let inspected: Inspected = serde_json::from_str(
            r#"{"Id": "c", "Name": "x", "State": {"Status": "exited", "Health": null}, "Mounts": null,
                "Config": {"Labels": null, "Healthcheck": null}}"#,
        )
        .unwrap();
        assert_eq!(inspected.state.health.status, "");
    }
}
