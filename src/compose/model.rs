//! What compose makes of a stack's files: `config`, as far as we need it. It holds the values of secrets when it
//! arrives; only what is named here is kept.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::needs::Needs;

/// A project as compose sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// The project's name, if the provider tells it.
    pub project: Option<String>,
    /// The services of the enabled profiles.
    pub services: BTreeMap<String, Service>,
    /// Whether the provider's `up` pulls by each service's own policy: it has no option against it, or one that would
    /// forbid too much.
    pub pulls_by_policy: bool,
    /// What compose does not make.
    pub needs: Needs,
}

/// What containers can share with those of another service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Namespace {
    /// Its network.
    Network,
    /// Its processes, which end with the first of them.
    Pid,
    /// Its shared memory.
    Ipc,
}

impl Namespace {
    pub(super) const ALL: [Self; 3] = [Self::Network, Self::Pid, Self::Ipc];

    /// The key of a service that says so.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Network => "network_mode",
            Self::Pid => "pid",
            Self::Ipc => "ipc",
        }
    }

    /// That key's value for a container that shares none.
    #[must_use]
    pub fn alone(self) -> &'static str {
        match self {
            Self::Network => "none",
            Self::Pid | Self::Ipc => "private",
        }
    }

    /// In words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Pid => "process namespace",
            Self::Ipc => "IPC namespace",
        }
    }
}

/// One service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Service {
    /// The image's reference; compose makes one up for a service that is only built.
    pub image: Option<String>,
    /// The name of its one container, if it is given.
    pub container_name: Option<String>,
    /// Whether it is built here, so that its image cannot be pulled.
    pub built: bool,
    /// How many containers it has.
    pub replicas: u32,
    /// The restart policy; `no` if none is given.
    pub restart: Option<String>,
    /// The services that must be there first, and what is waited for (`service_healthy`, …).
    pub depends_on: BTreeMap<String, String>,
    /// The health check's command in exec form with blanks in an argument, which podman's API splits.
    pub splits_health_check: bool,
    /// The services whose namespaces its containers share.
    pub shares: BTreeMap<Namespace, String>,
    /// The services whose volumes its containers mount.
    pub volumes_from: BTreeSet<String>,
    /// The containers, by name or id and whosever they are, whose namespaces its containers share.
    pub joins: BTreeMap<Namespace, String>,
    /// Whether its containers are made with another container's id: they share its network, processes or volumes.
    pub is_tied: bool,
    /// Whether containers are to be pulled anew at every start.
    pub pull_policy: Option<String>,
    /// The places in a container for which a volume or a path is named, without a slash at their end.
    pub named_mounts: BTreeSet<String>,
}

impl Model {
    /// Reads what `config` printed, docker-compose's form or podman-compose's.
    ///
    /// # Errors
    /// What is missing or of the wrong type.
    pub fn from_value(value: &Value) -> Result<Self, String> {
        let services = match value.get("services") {
            None | Some(Value::Null) => BTreeMap::new(),
            Some(Value::Object(services)) => {
                services.iter().map(|(name, service)| (name.clone(), Service::from_value(service))).collect()
            }
            Some(_) => return Err("\"services\" is not an object".to_owned()),
        };
        let project = value.get("name").and_then(Value::as_str).map(str::to_owned);
        Ok(Self { project, services, pulls_by_policy: false, needs: Needs::from_value(value) })
    }

    /// The references of the images that the services name.
    #[must_use]
    pub fn images(&self) -> Vec<&str> {
        self.services.values().filter_map(|service| service.image.as_deref()).collect()
    }

    /// The first service whose image has a name that is none.
    #[must_use]
    pub fn without_image_name(&self) -> Option<&str> {
        let bad = |service: &Service| service.image.as_deref().is_some_and(|image| !is_reference(image));
        self.services.iter().find(|(_, service)| bad(service)).map(|(name, _)| name.as_str())
    }

    /// Which service shares what of which other.
    pub fn sharing(&self) -> impl Iterator<Item = (&str, Namespace, &str)> {
        self.services.iter().flat_map(|(name, service)| {
            service.shares.iter().map(|(what, with)| (name.as_str(), *what, with.as_str()))
        })
    }

    /// Services that share something of one that there is not, what, and that one.
    pub fn strangers(&self) -> impl Iterator<Item = (&str, Namespace, &str)> {
        self.sharing().filter(|(_, _, other)| !self.services.contains_key(*other))
    }

    /// The services that others wait for until they are healthy.
    pub fn awaited_healthy(&self) -> impl Iterator<Item = &str> {
        self.services
            .values()
            .flat_map(|service| &service.depends_on)
            .filter(|(_, condition)| condition.as_str() == "service_healthy")
            .map(|(name, _)| name.as_str())
    }
}

/// The variables of all services with their values, as far as the provider tells them.
pub(super) fn environment(value: &Value) -> impl Iterator<Item = (&str, &str)> {
    let services = value.get("services").and_then(Value::as_object).into_iter().flat_map(|all| all.values());
    services.filter_map(|service| service.get("environment")).flat_map(|environment| {
        let named = environment.as_object().into_iter().flatten();
        let listed = environment.as_array().into_iter().flatten().filter_map(Value::as_str);
        named
            .filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
            .chain(listed.filter_map(|text| text.split_once('=')))
            .collect::<Vec<_>>()
    })
}

impl Service {
    fn from_value(value: &Value) -> Self {
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let deployed = value.pointer("/deploy/replicas").and_then(number);
        let with = |kind: &str| -> BTreeMap<Namespace, String> {
            let of = |what: Namespace| Some((what, text(what.key())?.strip_prefix(kind)?.to_owned()));
            Namespace::ALL.into_iter().filter_map(of).collect()
        };
        let shares = with("service:");
        Self {
            image: text("image"),
            container_name: text("container_name"),
            built: value.get("build").is_some_and(|build| !build.is_null()),
            replicas: value.get("scale").and_then(number).or(deployed).unwrap_or(1),
            restart: text("restart"),
            depends_on: depends_on(value.get("depends_on")),
            splits_health_check: value.pointer("/healthcheck/test").is_some_and(is_split),
            is_tied: !shares.is_empty()
                || value.get("volumes_from").is_some_and(|volumes| !volumes.is_null()),
            shares,
            volumes_from: value
                .get("volumes_from")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(|from| from.as_str()?.split(':').next())
                .filter(|service| *service != "container")
                .map(str::to_owned)
                .collect(),
            joins: with("container:"),
            pull_policy: text("pull_policy"),
            named_mounts: value
                .get("volumes")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(named_mount)
                .map(|place| place.trim_end_matches('/').to_owned())
                .collect(),
        }
    }

    /// Whether its containers are made anew when those of one of these services are.
    #[must_use]
    pub fn follows(&self, services: &BTreeSet<&str>) -> bool {
        let others = self.shares.values().chain(&self.volumes_from);
        others.into_iter().any(|other| services.contains(other.as_str()))
    }

    /// Whether its containers are meant to run for ever: they are started again when they end.
    #[must_use]
    pub fn is_restarted(&self) -> bool {
        self.restart.as_deref().is_some_and(|policy| policy != "no")
    }
}

/// Whether it has the form `[HOST[:PORT]/]NAME[:TAG][@DIGEST]`, so that nothing but a name goes to podman. What of it
/// podman accepts (capital letters, lengths) is podman's to say.
fn is_reference(text: &str) -> bool {
    let word = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
    };
    let (name, digest) = text.split_once('@').map_or((text, None), |(name, digest)| (name, Some(digest)));
    let digest_fits = |digest: &str| {
        let hex = |hex: &str| hex.len() >= 32 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        digest.split_once(':').is_some_and(|(kind, digits)| word(kind) && hex(digits))
    };
    let (path, last) = name.rsplit_once('/').map_or((None, name), |(path, last)| (Some(path), last));
    let (last, tag) = last.split_once(':').map_or((last, None), |(last, tag)| (last, Some(tag)));
    let host = |host: &str| match host.split_once(':') {
        Some((host, port)) => word(host) && !port.is_empty() && port.bytes().all(|c| c.is_ascii_digit()),
        None => word(host),
    };
    digest.is_none_or(digest_fits)
        && tag.is_none_or(word)
        && word(last)
        && path.is_none_or(|path| {
            path.split('/').enumerate().all(|(at, part)| if at == 0 { host(part) } else { word(part) })
        })
}

/// Where something that has a name is mounted: `"data:/data:ro"`, or `{source: data, target: /data}`; not `"/data"`.
fn named_mount(mount: &Value) -> Option<&str> {
    if let Some(text) = mount.as_str() {
        return text.split(':').nth(1);
    }
    mount.get("source").and_then(Value::as_str).filter(|source| !source.is_empty())?;
    mount.get("target")?.as_str()
}

fn number(value: &Value) -> Option<u32> {
    match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64().and_then(|number| u32::try_from(number).ok()),
    }
}

/// A list of names, or an object with conditions.
fn depends_on(value: Option<&Value>) -> BTreeMap<String, String> {
    const STARTED: &str = "service_started";
    match value {
        Some(Value::Array(names)) => {
            names.iter().filter_map(Value::as_str).map(|name| (name.to_owned(), STARTED.to_owned())).collect()
        }
        Some(Value::Object(names)) => names
            .iter()
            .map(|(name, how)| {
                let condition = how.get("condition").and_then(Value::as_str).unwrap_or(STARTED);
                (name.clone(), condition.to_owned())
            })
            .collect(),
        _ => BTreeMap::new(),
    }
}

/// `[CMD, sh, -c, "a b"]` arrives at podman as `sh -c a b` (5.4.2, through the API).
fn is_split(test: &Value) -> bool {
    let Some(words) = test.as_array() else { return false };
    let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
    matches!(words.as_slice(), ["CMD", rest @ ..] if rest.iter().any(|word| word.contains(char::is_whitespace)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(json: &str) -> Model {
        Model::from_value(&serde_json::from_str(json).unwrap()).unwrap()
    }

    #[test]
    fn both_providers_are_understood() {
        let docker = model(
            r#"{"name": "web", "services": {
                "web": {"image": "a:1", "restart": "unless-stopped", "build": null,
                        "depends_on": {"db": {"condition": "service_healthy", "required": true}},
                        "healthcheck": {"test": ["CMD", "sh", "-c", "true || false"]}},
                "db": {"image": "b:1", "deploy": {"replicas": 2}},
                "own": {"image": "own", "build": {"context": "."}, "network_mode": "service:web",
                        "volumes_from": ["db:ro", "container:other"]}}}"#,
        );
        let podman = model(
            r#"{"services": {"web": {"image": "a:1", "depends_on": ["db"], "scale": "3"}, "db": {}}, "_dirname": "/x"}"#,
        );
        assert_eq!(docker.project.as_deref(), Some("web"));
        assert_eq!(docker.services["db"].replicas, 2);
        assert!(docker.services["web"].is_restarted() && docker.services["web"].splits_health_check);
        assert!(!docker.services["db"].is_restarted());
        assert_eq!(docker.awaited_healthy().collect::<Vec<_>>(), ["db"]);
        assert_eq!(docker.images(), ["b:1", "own", "a:1"]);
        assert_eq!(docker.services["own"].shares, BTreeMap::from([(Namespace::Network, "web".to_owned())]));
        assert_eq!(docker.services["own"].volumes_from, BTreeSet::from(["db".to_owned()]));
        for (other, follows) in [("web", true), ("db", true), ("other", false)] {
            assert_eq!(docker.services["own"].follows(&BTreeSet::from([other])), follows, "{other}");
        }
        assert!(docker.services["own"].is_tied && !docker.services["web"].is_tied);
        assert_eq!(podman.project, None);
        assert_eq!(podman.services["web"].replicas, 3);
        assert_eq!(podman.services["web"].depends_on["db"], "service_started");
    }

    #[test]
    fn the_places_of_named_volumes_are_told_from_those_of_others() {
        let model = model(
            r#"{"services": {"db": {"volumes": ["data:/a:ro", "/b", "./c:/c/", {"type": "volume", "source": "d", "target": "/d"},
                {"type": "volume", "target": "/e"}]}, "web": {"volumes": null}}}"#,
        );
        assert_eq!(model.services["db"].named_mounts, ["/a", "/c", "/d"].map(str::to_owned).into());
        assert!(model.services["web"].named_mounts.is_empty());
    }

    #[test]
    fn namespaces_can_only_be_shared_with_a_service_that_there_is() {
        use Namespace::{Ipc, Network, Pid};
        let model = model(
            r#"{"services": {"web": {"pid": "host", "ipc": "container:x"}, "own": {"network_mode": "service:web", "ipc": "service:web"}, "db": {"pid": "service:nosuch"}}}"#,
        );
        let sharing = [("db", Pid, "nosuch"), ("own", Network, "web"), ("own", Ipc, "web")];
        assert_eq!(model.sharing().collect::<Vec<_>>(), sharing);
        assert_eq!(model.services["web"].joins, BTreeMap::from([(Ipc, "x".to_owned())]));
        assert_eq!(model.strangers().collect::<Vec<_>>(), [("db", Pid, "nosuch")]);
    }

    #[test]
    fn what_is_no_name_of_an_image_is_told_by_its_service() {
        let digest = format!("a/b@sha256:{}", "0f".repeat(32));
        for good in
            ["nginx", "nginx:1.27", "localhost/a_b", "quay.io:5000/a/b.c:v1-2", digest.as_str(), "sha256:0f"]
        {
            assert!(is_reference(good), "{good}");
        }
        for bad in ["", "S3cret bad ref", "a:b c", "-v", "a//b", "a@b", "docker://a", "a:b:c", "a,b", "$a"] {
            assert!(!is_reference(bad), "{bad}");
        }
        let model = model(r#"{"services": {"db": {"image": "b:1"}, "web": {"image": "a b"}}}"#);
        assert_eq!(model.without_image_name(), Some("web"));
    }

    #[test]
    fn a_stack_without_services_is_not_an_error_and_garbage_is() {
        assert!(model("{}").services.is_empty());
        assert!(Model::from_value(&serde_json::json!({"services": []})).is_err());
    }
}
