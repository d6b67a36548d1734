//! The override file: it marks every container with the unit that owns it. Written anew each time, because an
//! override that names a service which is gone is an error.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::model::{Model, Service};
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
        Self::put(dirs, stack, suffix, &content(stack, model, |_, _| Map::new()))
    }

    /// As [`Overlay::write`], beside what an apply is using: for asking what it would make.
    ///
    /// # Errors
    /// The runtime directory cannot be written.
    pub fn to_ask(dirs: &Dirs, stack: &StackName, model: &Model) -> Result<Self, WriteError> {
        Self::put(dirs, stack, "to-ask", &content(stack, Some(model), |_, _| Map::new()))
    }

    /// As [`Overlay::write`], and takes from the services `detached` what they share of others.
    ///
    /// # Errors
    /// The runtime directory cannot be written.
    pub fn detached(
        dirs: &Dirs,
        stack: &StackName,
        model: &Model,
        detached: &BTreeSet<&str>,
    ) -> Result<Self, WriteError> {
        let alone = |name: &str, service: &Service| {
            let keys = service.shares.keys().filter(|_| detached.contains(name));
            keys.map(|what| (what.key().to_owned(), json!(what.alone()))).collect()
        };
        Self::put(dirs, stack, "detached", &content(stack, Some(model), alone))
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

/// JSON is YAML. `more` has settings of a service beside its label.
fn content(
    stack: &StackName,
    model: Option<&Model>,
    more: impl Fn(&str, &Service) -> Map<String, Value>,
) -> String {
    let mut services: BTreeMap<&str, Value> = BTreeMap::new();
    if let Some(model) = model {
        for (name, service) in &model.services {
            let mut settings = more(name, service);
            settings.insert("labels".to_owned(), json!({ LABEL: stack.service().as_str() }));
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
        let model = |a: Value| Model::from_value(&json!({"services": {"a": a, "b \"c\"": {}}})).unwrap();
        let plain = model(json!({}));
        assert_eq!(
            content(&stack, Some(&plain), |_, _| Map::new()),
            r#"{"services":{"a":{"labels":{"PODMAN_SYSTEMD_UNIT":"demo.service"}},"b \"c\"":{"labels":{"PODMAN_SYSTEMD_UNIT":"demo.service"}}}}"#
        );
        assert_eq!(content(&stack, None, |_, _| Map::new()), r#"{"services":{}}"#);
    }
    #[test]
    fn what_a_service_shares_is_taken_away() {
        let home = tempfile::tempdir().unwrap();
        let (dirs, stack) = (Dirs::below(home.path()), StackName::parse("demo").unwrap());
        let a = json!({"network_mode": "service:b", "pid": "service:c", "ipc": "host"});
        let model = Model::from_value(&json!({"services": {"a": a, "b": {}, "c": {}}})).unwrap();
        let detached = Overlay::detached(&dirs, &stack, &model, &BTreeSet::from(["a"])).unwrap();
        let text = crate::document::read_text(detached.path()).unwrap();
        let of_a = &serde_json::from_str::<Value>(&text).unwrap()["services"]["a"];
        let labels = json!({LABEL: "demo.service"});
        assert_eq!(*of_a, json!({"labels": labels, "network_mode": "none", "pid": "private"}));
    }
}
