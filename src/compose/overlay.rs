//! The override file: it marks every container with the unit that owns it. Written anew each time, because an
//! override that names a service which is gone is an error.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::model::Model;
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
        let path = dirs.run().join("overrides").join(format!("{stack}.{suffix}.json"));
        let content = content(stack, model);
        atomic::replace_if_changed(&path, content.as_bytes(), atomic::PRIVATE)?;
        Ok(Self { path, labels: model.is_some() })
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

/// JSON is YAML.
fn content(stack: &StackName, model: Option<&Model>) -> String {
    let labels = json!({ "labels": { LABEL: stack.service().as_str() } });
    let services: BTreeMap<&str, _> =
        model.iter().flat_map(|model| model.services.keys()).map(|name| (name.as_str(), &labels)).collect();
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
            content(&stack, Some(&model)),
            r#"{"services":{"a":{"labels":{"PODMAN_SYSTEMD_UNIT":"demo.service"}},"b \"c\"":{"labels":{"PODMAN_SYSTEMD_UNIT":"demo.service"}}}}"#
        );
        assert_eq!(content(&stack, None), r#"{"services":{}}"#);
    }
}
