//! The config hashes that docker-compose (2.26) gives to containers. `up` takes them of a model in which namespaces and
//! volumes of other services are those of a container, by its id, and nothing waits for what is not enabled; `config --hash`
//! of the files takes them of neither, and leaves env files of services out. So it is asked about the model as `up` has it.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::model::Namespace;
use super::overlay::LABEL;
use crate::digest::Sha256;
use crate::podman::Container;

/// What docker-compose answered, kept because it answers from the model alone: the same question to the same program need
/// not be asked again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hashed {
    /// The key of the digest, which is taken of values of env files, too.
    key: Sha256,
    /// The digest of the question: the program's file, and the model.
    asked: Sha256,
    /// The config hash of every service.
    services: BTreeMap<String, String>,
}

impl Hashed {
    pub(super) fn new(program: &Path, model: &str, services: BTreeMap<String, String>) -> Self {
        let key = Sha256::random(model.as_bytes());
        Self { key, asked: question(&key, program, model), services }
    }

    pub(super) fn answers(&self, program: &Path, model: &str) -> bool {
        self.asked == question(&self.key, program, model)
    }

    /// The config hash of every service.
    #[must_use]
    pub fn services(&self) -> &BTreeMap<String, String> {
        &self.services
    }
}

/// Another version of the program may take another hash of the same model.
fn question(key: &Sha256, program: &Path, model: &str) -> Sha256 {
    let file = fs_err::metadata(program).map_or_else(
        |_| String::new(),
        |file| {
            format!("{} {} {} {} {}", file.dev(), file.ino(), file.size(), file.ctime(), file.ctime_nsec())
        },
    );
    key.keyed(Sha256::of_parts([file.as_bytes(), model.as_bytes()]).to_string().as_bytes())
}

/// The ids of the containers that stand for services in what others share: of several the first by name.
pub(super) fn stand_ins<'a>(project: &str, containers: &'a [Container]) -> BTreeMap<&'a str, &'a str> {
    let mut of_services: BTreeMap<&str, &Container> = BTreeMap::new();
    let own = containers.iter().filter(|one| one.is_of_a_service_of(project) && one.name_to_be().is_none());
    for (service, one) in own.filter_map(|one| Some((one.service()?, one))) {
        let first = of_services.entry(service).or_insert(one);
        if one.name() < first.name() {
            *first = one;
        }
    }
    of_services.into_iter().map(|(service, one)| (service, one.id.as_str())).collect()
}

/// Makes of the whole model, as `config` prints it, what `up` has of it.
pub(super) fn as_up_has_it(whole: &mut Value, unit: &str, stand_ins: &BTreeMap<&str, &str>) {
    let Some(services) = whole.get_mut("services").and_then(Value::as_object_mut) else { return };
    let enabled: Vec<String> = services.keys().cloned().collect();
    for service in services.values_mut().filter_map(Value::as_object_mut) {
        let labels = service.entry("labels").or_insert_with(|| json!({}));
        if let Some(labels) = labels.as_object_mut() {
            labels.insert(LABEL.to_owned(), json!(unit));
        }
        for what in Namespace::ALL {
            let with = service
                .get(what.key())
                .and_then(Value::as_str)
                .and_then(|mode| mode.strip_prefix("service:"));
            if let Some(id) = with.and_then(|with| stand_ins.get(with)) {
                service.insert(what.key().to_owned(), json!(format!("container:{id}")));
            }
        }
        for from in service.get_mut("volumes_from").and_then(Value::as_array_mut).into_iter().flatten() {
            let named = match from.as_str().map(|from| from.split(':').collect::<Vec<_>>()).as_deref() {
                Some(["container", name, ..]) => Some((*name).to_owned()),
                Some([with, ..]) => stand_ins.get(with).map(|id| (*id).to_owned()),
                _ => None,
            };
            if let Some(named) = named {
                *from = json!(named);
            }
        }
        let nothing_left =
            service.get_mut("depends_on").and_then(Value::as_object_mut).is_some_and(|awaited| {
                awaited.retain(|name, _| enabled.contains(name));
                awaited.is_empty()
            });
        if nothing_left {
            service.remove("depends_on");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::atomic;

    #[test]
    fn a_model_is_made_what_up_has_of_it() {
        let mut whole = json!({"name": "v", "services": {
            "x": {"image": "x"},
            "t": {"network_mode": "service:x", "pid": "service:none", "ipc": "host", "labels": {"a": "b"},
                  "volumes_from": ["x:ro", "container:other:ro", "none"],
                  "depends_on": {"x": {"condition": "service_started"}, "off": {"condition": "service_healthy"}}},
            "w": {"depends_on": {"off": {"condition": "service_started"}}},
        }});
        as_up_has_it(&mut whole, "v.service", &BTreeMap::from([("x", "1f")]));
        let label = json!({LABEL: "v.service"});
        assert_eq!(
            whole,
            json!({"name": "v", "services": {
                "x": {"image": "x", "labels": label},
                "t": {"network_mode": "container:1f", "pid": "service:none", "ipc": "host",
                      "labels": {"a": "b", LABEL: "v.service"}, "volumes_from": ["1f", "other", "none"],
                      "depends_on": {"x": {"condition": "service_started"}}},
                "w": {"labels": label},
            }})
        );
        let mut nothing = json!({"services": null});
        as_up_has_it(&mut nothing, "v.service", &BTreeMap::new());
        assert_eq!(nothing, json!({"services": null}));
    }

    #[test]
    fn an_answer_holds_for_the_same_model_and_program() {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("docker-compose");
        atomic::replace(&program, b"one", 0o755).unwrap();
        let services = BTreeMap::from([("x".to_owned(), "hash".to_owned())]);
        let hashed = Hashed::new(&program, "model", services);
        assert!(hashed.answers(&program, "model"));
        assert!(!hashed.answers(&program, "another"));
        atomic::replace(&program, b"another", 0o755).unwrap();
        assert!(!hashed.answers(&program, "model"));
        assert!(!serde_json::to_string(&hashed).unwrap().contains("model"));
    }

    #[test]
    fn the_first_container_stands_for_its_service() {
        let containers: Vec<Container> = ["v-x-2", "v-x-10", "v-y-1"]
            .into_iter()
            .map(|name| {
                let service = name.split('-').nth(1);
                let labels =
                    json!({"com.docker.compose.project": "v", "com.docker.compose.service": service});
                serde_json::from_value(json!({"Id": name, "Names": [name], "Labels": labels})).unwrap()
            })
            .collect();
        assert_eq!(stand_ins("v", &containers), BTreeMap::from([("x", "v-x-10"), ("y", "v-y-1")]));
        assert!(stand_ins("other", &containers).is_empty());
    }
}
