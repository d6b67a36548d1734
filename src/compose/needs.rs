//! What a stack's services need that compose does not make: files of secrets and configs, networks and volumes of
//! somebody else's.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::{Map, Value};

/// What must be there before anything is started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Files and devices, absolute or relative to the project directory, each with what it is: `secret pw`.
    pub files: BTreeMap<PathBuf, String>,
    /// External networks, by podman's name.
    pub networks: BTreeSet<String>,
    /// External volumes, by podman's name.
    pub volumes: BTreeSet<String>,
}

impl Needs {
    /// Reads what `config` printed, docker-compose's form or podman-compose's.
    #[must_use]
    pub fn from_value(value: &Value) -> Self {
        let empty = Map::new();
        let part = |key: &str| value.get(key).and_then(Value::as_object).unwrap_or(&empty);
        let services = part("services");
        let mut needs = Self::default();
        for (key, what) in [("secrets", "secret"), ("configs", "config")] {
            for (name, source) in used(part(key), services, key) {
                if let Some(path) = source.get("file").and_then(Value::as_str) {
                    needs.files.insert(path.into(), format!("{what} {name}"));
                }
            }
        }
        for (name, service) in services {
            for path in devices(service) {
                needs.files.insert(path.into(), format!("device of service {name}"));
            }
        }
        let external =
            |key| used(part(key), services, key).filter_map(|(name, it)| external(name, it)).collect();
        needs.networks = external("networks");
        needs.volumes = external("volumes");
        needs
    }
}

/// The devices of the host that a service names: `/dev/a:/dev/b:rwm`, or `{source: /dev/a}`; not those of CDI
/// (`vendor.com/gpu=all`).
fn devices(service: &Value) -> impl Iterator<Item = &str> {
    let devices = service.get("devices").and_then(Value::as_array).into_iter().flatten();
    devices
        .filter_map(|device| device.as_str().or_else(|| device.get("source")?.as_str()))
        .filter_map(|device| device.split(':').next())
        .filter(|path| path.starts_with('/'))
}

/// The parts of one kind that a service uses.
fn used<'a>(
    parts: &'a Map<String, Value>,
    services: &'a Map<String, Value>,
    key: &'a str,
) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let names: BTreeSet<&str> = services.values().flat_map(|service| names(service, key)).collect();
    parts.iter().map(|(name, part)| (name.as_str(), part)).filter(move |(name, _)| names.contains(name))
}

/// What a service names: `[a, {source: b}, "c:/path"]`, or networks as `{a: …}`, or the network that is not named.
fn names<'a>(service: &'a Value, key: &str) -> Vec<&'a str> {
    match service.get(key) {
        Some(Value::Array(names)) => names
            .iter()
            .filter_map(|name| name.as_str().or_else(|| name.get("source")?.as_str()))
            .filter_map(|name| name.split(':').next())
            .collect(),
        Some(Value::Object(names)) => names.keys().map(String::as_str).collect(),
        _ if key == "networks" => vec!["default"],
        _ => Vec::new(),
    }
}

/// The name at podman of what is external: `{external: true, name: …}`, or as it once was written `{external: {name: …}}`.
fn external(name: &str, part: &Value) -> Option<String> {
    let flag = part.get("external").filter(|flag| **flag != Value::Bool(false) && !flag.is_null())?;
    let named = part.get("name").or_else(|| flag.get("name")).and_then(Value::as_str);
    Some(named.unwrap_or(name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_services_use_and_compose_does_not_make_is_needed() {
        let needs = Needs::from_value(&json!({
            "services": {
                "web": {"secrets": ["pw", {"source": "key"}], "volumes": ["data:/data", {"type": "volume", "source": "old"}]},
                "db": {"network_mode": "service:nosuch", "configs": [{"source": "c"}], "networks": {"lan": null},
                       "devices": ["/dev/a:/dev/b:r", "vendor.com/gpu=all", {"source": "/dev/c", "target": "/dev/c"}]}
            },
            "secrets": {"pw": {"file": "./pw.txt"}, "key": {"environment": "KEY"}, "unused": {"file": "/x"}},
            "configs": {"c": {"file": "/srv/c.conf"}},
            "volumes": {"data": {"external": true, "name": "shared"}, "old": {"external": {"name": "former"}}, "own": {}},
            "networks": {"default": {"external": true}, "lan": {"external": false}}
        }));
        let file = |path: &str, what: &str| (PathBuf::from(path), what.to_owned());
        let device = |path| file(path, "device of service db");
        let files = [
            file("./pw.txt", "secret pw"),
            file("/srv/c.conf", "config c"),
            device("/dev/a"),
            device("/dev/c"),
        ];
        assert_eq!(needs.files, files.into());
        assert_eq!(needs.volumes, ["former", "shared"].map(str::to_owned).into());
        assert_eq!(needs.networks, ["default"].map(str::to_owned).into());
        assert_eq!(Needs::from_value(&json!({})), Needs::default());
    }
}
