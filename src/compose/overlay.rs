//! The override file: it marks every container with the unit that owns it. Written anew each time, because an
//! override that names a service which is gone is an error.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::model::{Model, Service};
use super::needs::Needs;
use crate::atomic::{self, WriteError};
use crate::dirs::Dirs;
use crate::names::StackName;

/// The label that names the owning unit. It is podman's own, so that every tool reads it the same way.
pub const LABEL: &str = "PODMAN_SYSTEMD_UNIT";

/// An override file on disk. Given to compose last.
#[derive(Debug)]
pub struct Overlay {
    path: PathBuf,
    labels: bool,
}

impl Overlay {
    /// Writes the file that labels every service of `model`. One that labels none is needed to ask for the model.
    ///
    /// # Errors
    /// The runtime directory cannot be written.
    pub fn write(dirs: &Dirs, stack: &StackName, model: Option<&Model>) -> Result<Self, WriteError> {
        // A name per purpose: what only reads holds no lock, and must not replace what an apply is using.
        let suffix = if model.is_some() { "labels" } else { "none" };
        Self::put(dirs, stack, suffix, &content(stack, model, &BTreeSet::new()))
    }

    /// As [`Overlay::write`], beside what an apply is using: for asking what it would make.
    ///
    /// # Errors
    /// The runtime directory cannot be written.
    pub fn to_ask(dirs: &Dirs, stack: &StackName, model: &Model) -> Result<Self, WriteError> {
        Self::put(dirs, stack, "to-ask", &content(stack, Some(model), &BTreeSet::new()))
    }

    /// As [`Overlay::write`], for services that are known by name: for asking what an apply would make.
    ///
    /// # Errors
    /// The runtime directory cannot be written.
    pub fn of_services<'a>(
        dirs: &Dirs,
        stack: &StackName,
        services: impl IntoIterator<Item = &'a String>,
    ) -> Result<Self, WriteError> {
        let services = services.into_iter().map(|name| (name.clone(), Service::default())).collect();
        let model = Model { project: None, services, pulls_by_policy: false, needs: Needs::default() };
        Self::put(dirs, stack, "asked", &content(stack, Some(&model), &BTreeSet::new()))
    }

    /// As [`Overlay::write`], and takes their network from the services `detached`.
    ///
    /// # Errors
    /// The runtime directory cannot be written.
    pub fn without_network(
        dirs: &Dirs,
        stack: &StackName,
        model: &Model,
        detached: &BTreeSet<&str>,
    ) -> Result<Self, WriteError> {
        Self::put(dirs, stack, "detached", &content(stack, Some(model), detached))
    }

    fn put(dirs: &Dirs, stack: &StackName, suffix: &str, content: &str) -> Result<Self, WriteError> {
        let path = dirs.run().join("overrides").join(format!("{stack}.{suffix}.json"));
        atomic::replace_if_changed(&path, content.as_bytes(), atomic::PRIVATE)?;
        Ok(Self { path, labels: suffix != "none" })
    }

    /// Whether it labels nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.labels
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Whether a start would take what the registry has just then, unverified; what is missing was fetched before.
fn pulls(service: &Service) -> bool {
    service.pull_policy.as_deref().is_some_and(|policy| !matches!(policy, "build" | "never"))
}

/// JSON is YAML.
fn content(stack: &StackName, model: Option<&Model>, detached: &BTreeSet<&str>) -> String {
    let mut services: BTreeMap<&str, Value> = BTreeMap::new();
    if let Some(model) = model {
        for (name, service) in &model.services {
            let labels = json!({ LABEL: stack.service().as_str() });
            let mut settings = Map::from_iter([("labels".to_owned(), labels)]);
            if detached.contains(name.as_str()) {
                settings.insert("network_mode".to_owned(), json!("none"));
            }
            if model.pulls_by_policy && pulls(service) {
                settings.insert("pull_policy".to_owned(), json!("never"));
            }
            services.insert(name, Value::Object(settings));
        }
    }
    json!({ "services": services }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_is_labelled() {
        let stack = StackName::parse("demo").unwrap();
        let model = Model::from_value(&json!({"services": {"a": {}, "b \"c\"": {}}})).unwrap();
        assert_eq!(
            content(&stack, Some(&model), &BTreeSet::new()),
            r#"{"services":{"a":{"labels":{"PODMAN_SYSTEMD_UNIT":"demo.service"}},"b \"c\"":{"labels":{"PODMAN_SYSTEMD_UNIT":"demo.service"}}}}"#
        );
        assert!(
            content(&stack, Some(&model), &BTreeSet::from(["a"]))
                .contains(r#""a":{"labels":{"PODMAN_SYSTEMD_UNIT":"demo.service"},"network_mode":"none"}"#)
        );
        assert_eq!(content(&stack, None, &BTreeSet::new()), r#"{"services":{}}"#);
    }
}
