//! What podman says, as far as we need it. Unknown fields are fine, missing ones too where podman leaves them out.

use std::collections::{BTreeMap, BTreeSet};

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
    /// The id of its pod; empty if it is in none.
    #[serde(default)]
    pub pod: String,
    /// Where something is mounted, volumes of its image too, as far as podman says it.
    #[serde(default)]
    pub mounts: Option<Vec<String>>,
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

    /// Whether something may be mounted anywhere but at `known`, paths without a slash at their end.
    #[must_use]
    pub fn mounts_beside(&self, known: &BTreeSet<String>) -> bool {
        let is_known = |mount: &String| known.contains(mount.trim_end_matches('/'));
        self.mounts.as_ref().is_none_or(|mounts| !mounts.iter().all(is_known))
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

    /// The unit that owns it, if it says so.
    #[must_use]
    pub fn unit(&self) -> Option<&str> {
        match self.owner() {
            Owner::Unit(unit) => Some(unit),
            Owner::Nobody | Owner::PodmanCompose => None,
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

    /// Whether this is the container that docker-compose was to replace by it.
    #[must_use]
    pub fn was_to_replace(&self, other: &Self) -> bool {
        let id = self.name().get(..SHORT_ID);
        self.name_to_be() == Some(other.name()) && id.is_some_and(|id| other.id.starts_with(id))
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
        self.service().is_some() && !self.is_one_off()
    }

    /// Whether it belongs to a service of this project.
    #[must_use]
    pub fn is_of_a_service_of(&self, project: &str) -> bool {
        self.project() == Some(project) && self.is_of_a_service()
    }

    /// Whether `compose run` has made it. podman-compose (1.3) marks it in no other way than by its name.
    #[must_use]
    pub fn is_one_off(&self) -> bool {
        let number = || {
            let start = format!("{}_{}_tmp", self.project()?, self.service()?);
            self.name().strip_prefix(&start).filter(|rest| !rest.is_empty())
        };
        self.label(ONE_OFF_LABEL) == Some("True")
            || number().is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
    }

    /// Whether podman was killed while it started it: its process may run, and podman does not know.
    #[must_use]
    pub fn is_half_started(&self) -> bool {
        self.state == "initialized"
    }

    /// Whether it was made and never started.
    #[must_use]
    pub fn is_only_made(&self) -> bool {
        self.state == "created"
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
pub(super) fn null_is_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
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
    fn a_mount_that_is_not_known_is_told_and_so_is_not_to_know() {
        let known = ["/data", "/etc/x"].map(str::to_owned).into();
        let beside = |mounts: &str| {
            let text = format!(r#"{{"Id": "c", "Mounts": {mounts}}}"#);
            serde_json::from_str::<Container>(&text).unwrap().mounts_beside(&known)
        };
        assert!(!beside("[]") && !beside(r#"["/data/"]"#) && !beside(r#"["/etc/x", "/data"]"#));
        assert!(beside(r#"["/data", "/cache"]"#) && beside("null"));
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
    }
}
