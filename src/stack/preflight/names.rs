//! The names that compose gives to containers: what has one of them already makes `up` fail, after the container that is
//! replaced is gone.

use std::collections::BTreeSet;

use super::Findings;
use crate::compose::{Model, Service};
use crate::exit::Code;
use crate::inventory::ProviderKind;
use crate::podman::Container;

pub(super) fn check(kind: ProviderKind, model: &Model, containers: &[Container], findings: &mut Findings) {
    let project = model.project.as_deref().unwrap_or_default();
    let mut told = BTreeSet::new();
    for (service, declared) in &model.services {
        for name in names(kind, project, service, declared) {
            let holder = containers.iter().find(|one| one.name() == name);
            let Some(holder) = holder.filter(|one| is_in_the_way(kind, model, service, one)) else {
                continue;
            };
            if told.insert(name.clone()) {
                let of = holder.unit().map(|unit| format!(" of {unit}")).unwrap_or_default();
                findings.refuse(
                    Code::Configuration,
                    format!(
                        "service {service} needs the container name {name}, which another container{of} has ({}); next: podman rename {name} {name}.before, or give the service another \"container_name\"",
                        holder.status
                    ),
                );
            }
        }
    }
}

/// The names of a service's containers (docker-compose 2.26, podman-compose 1.3).
fn names(kind: ProviderKind, project: &str, service: &str, declared: &Service) -> Vec<String> {
    let separator = match kind {
        ProviderKind::DockerCompose => '-',
        ProviderKind::PodmanCompose => '_',
    };
    let numbered = |number| format!("{project}{separator}{service}{separator}{number}");
    match &declared.container_name {
        Some(name) => vec![name.clone()],
        None => (1..=declared.replicas).map(numbered).collect(),
    }
}

/// Whether this is another one than the service's own, and stays: compose removes what no service has before it makes
/// anything, and podman-compose all that it replaces.
fn is_in_the_way(kind: ProviderKind, model: &Model, service: &str, holder: &Container) -> bool {
    if !holder.is_of_a_service_of(model.project.as_deref().unwrap_or_default()) {
        return true;
    }
    let of_another = holder.service().filter(|other| *other != service);
    kind == ProviderKind::DockerCompose && of_another.is_some_and(|other| model.services.contains_key(other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refusals(kind: ProviderKind, containers: &serde_json::Value) -> Vec<String> {
        let mut model = Model::from_value(&json!({"name": "p", "services": {
            "a": {"image": "i", "container_name": "x"}, "b": {"image": "i", "container_name": "y"},
            "c": {"image": "i", "scale": 2},
        }}))
        .unwrap();
        model.project = Some("p".to_owned());
        let containers: Vec<Container> = serde_json::from_value(containers.clone()).unwrap();
        let mut findings = Findings::default();
        check(kind, &model, &containers, &mut findings);
        findings.refusals.into_iter().map(|refusal| refusal.problem).collect()
    }

    fn container(name: &str, project: &str, service: &str) -> serde_json::Value {
        json!({"Id": name, "Names": [name], "Labels": {
            "com.docker.compose.project": project, "com.docker.compose.service": service
        }})
    }

    #[test]
    fn names_that_others_have_are_told() {
        let own =
            json!([container("x", "p", "a"), container("p-c-1", "p", "c"), container("p-c-2", "p", "c")]);
        assert!(refusals(ProviderKind::DockerCompose, &own).is_empty());
        let foreign = json!([container("x", "q", "a"), {"Id": "f", "Names": ["p-c-2"]}]);
        let told = refusals(ProviderKind::DockerCompose, &foreign);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[1].contains("service c needs the container name p-c-2"), "{told:?}");
        // podman-compose takes down what it replaces, and then a swap is none.
        let swapped = json!([container("x", "p", "b"), container("y", "p", "a")]);
        assert_eq!(refusals(ProviderKind::DockerCompose, &swapped).len(), 2);
        assert!(refusals(ProviderKind::PodmanCompose, &swapped).is_empty());
        // A service that there is no more.
        assert!(refusals(ProviderKind::DockerCompose, &json!([container("x", "p", "old")])).is_empty());
        assert_eq!(refusals(ProviderKind::PodmanCompose, &json!([{"Id": "f", "Names": ["p_c_1"]}])).len(), 1);
    }
}
