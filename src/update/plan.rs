//! Which images of a stack can change at all, and what runs of them now.

use std::collections::{BTreeMap, BTreeSet};

use super::change::{Change, Version};
use super::error::UpdateError;
use super::reference::{Source, Tag, source};
use crate::compose::Model;
use crate::names::StackName;
use crate::podman::{Container, Image, Podman, same_image};
use crate::stack::StackError;
use crate::stack::verify::{Observed, observe};

/// An image that may change, and all that is known of it here.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Reference, services, and what runs.
    pub change: Change,
    /// The image that runs, or that the tag names if nothing runs.
    pub image: Option<Image>,
    /// Whether every container of its services runs it.
    pub uniform: bool,
    /// The other reference that what runs was made from: the compose file was edited since, and not applied.
    pub made_from: Option<String>,
}

impl Candidate {
    /// What its registry is asked for: reference and tag.
    #[must_use]
    pub fn asked_for(&self) -> (&String, &Tag) {
        (&self.change.reference, &self.change.tag)
    }

    /// Whether the image is the one that a registry knows by `digest`: an image of several platforms has the digest of
    /// its list and one of its own.
    #[must_use]
    pub fn is_at(&self, digest: &str) -> bool {
        self.uniform && self.is_known_by(digest)
    }

    /// Whether something that runs is the image of that digest.
    #[must_use]
    pub fn is_known_by(&self, digest: &str) -> bool {
        self.image.as_ref().is_some_and(|image| digests(image).any(|one| one == digest))
    }
}

/// Its own digest, and those of the lists that it was fetched by.
pub fn digests(image: &Image) -> impl Iterator<Item = &str> {
    let of_lists = image.repo_digests.iter().filter_map(|one| Some(one.split_once('@')?.1));
    std::iter::once(image.digest.as_str()).chain(of_lists).filter(|digest| !digest.is_empty())
}

/// What may change, and why the rest does not.
///
/// # Errors
/// podman does not answer.
pub fn candidates(
    podman: &Podman,
    project: &str,
    model: &Model,
) -> Result<(Vec<Candidate>, Vec<String>), StackError> {
    let tagged = podman.images(&model.images())?;
    let observed = observe(podman, project)?;
    let running: BTreeSet<&str> = observed.iter().map(|one| one.container.image.as_str()).collect();
    let ids: Vec<&str> = running.into_iter().filter(|id| !id.is_empty()).collect();
    let images = podman.images(&ids)?;
    let mut candidates = Vec::new();
    let mut left_out = Vec::new();
    for (reference, services) in by_reference(model) {
        let tagged = tagged.get(reference).cloned().flatten();
        let built = services.iter().any(|(_, built)| *built);
        let services: Vec<String> = services.into_iter().map(|(name, _)| name.to_owned()).collect();
        let names = tagged.as_ref().map(|image| image.repo_tags.clone()).unwrap_or_default();
        let tag = match source(reference, built, &names) {
            Source::Tag(tag) => tag,
            Source::Digest => {
                left_out.push(format!("{reference}: pinned by its digest, it does not change"));
                continue;
            }
            Source::Local => {
                left_out.push(format!("{reference}: built or tagged here, no registry offers it"));
                continue;
            }
        };
        let (running, uniform) = what_runs(&observed, &services, tagged.as_ref());
        let made_from = made_from(&observed, &services, &tag, tagged.as_ref());
        let container = observed.iter().find(|one| Some(&one.container.image) == running.as_ref());
        let digest = container.map(|one| one.container.image_digest.clone()).filter(|it| !it.is_empty());
        let image = match &running {
            Some(id) => images.get(id.as_str()).cloned().flatten(),
            None => tagged,
        };
        // An image that was removed under its container is still known by the container.
        let old = match (&image, running) {
            (Some(image), _) => Some(Version::of(image, digest)),
            (None, Some(id)) => Some(Version { id, digest, version: None, revision: None }),
            (None, None) => None,
        };
        let change = Change { reference: reference.to_owned(), tag, services, old, new: None };
        candidates.push(Candidate { change, image, uniform, made_from });
    }
    Ok((candidates, left_out))
}

/// Refuses to update what runs under another reference than the compose files have now: the tag of the new one has never
/// named what runs, so that there would be no way back.
///
/// # Errors
/// There is such a service.
pub fn refuse_edited(stack: &StackName, candidates: &[Candidate]) -> Result<(), UpdateError> {
    let edited = |one: &Candidate| Some((one.change.clone(), one.made_from.clone()?));
    match candidates.iter().find_map(edited) {
        None => Ok(()),
        Some((Change { reference, services, .. }, runs)) => {
            Err(UpdateError::Edited { stack: stack.clone(), services, reference, runs })
        }
    }
}

/// Which other projects use a tag of these changes, one line each: their next restart takes what was only verified here.
#[must_use]
pub fn shared(containers: &[Container], project: &str, changes: &[Change]) -> BTreeSet<String> {
    let lacks = |one: &Container, change: &Change| {
        let has = change.new.as_ref().is_some_and(|new| same_image(&new.id, &one.image_id));
        change.tag.reference() == one.image && !has
    };
    let moves = |one: &Container| changes.iter().any(|change| lacks(one, change));
    let line = |one: &Container| {
        let other = one.project().filter(|other| *other != project && moves(one))?;
        Some(format!("project {other} uses {}, too, and takes it at its next restart", one.image))
    };
    containers.iter().filter_map(line).collect()
}

/// The references, each with the services that use it and whether they are built: services that share an image change
/// together.
fn by_reference(model: &Model) -> BTreeMap<&str, Vec<(&str, bool)>> {
    let mut references: BTreeMap<&str, Vec<(&str, bool)>> = BTreeMap::new();
    for (name, service) in &model.services {
        let never = service.pull_policy.as_deref() == Some("never");
        if let Some(image) = service.image.as_deref().filter(|_| service.replicas > 0) {
            references.entry(image).or_default().push((name, service.built || never));
        }
    }
    references
}

/// The image that the containers of these services run, and whether all of them do. If they differ it is the one that
/// the tag does not name: somebody has moved the tag, and what ran before is the older one.
fn what_runs(observed: &[Observed], services: &[String], tagged: Option<&Image>) -> (Option<String>, bool) {
    let ids: BTreeSet<&str> = observed
        .iter()
        .filter(|one| services.contains(&one.service))
        .map(|one| one.container.image.as_str())
        .filter(|id| !id.is_empty())
        .collect();
    let tagged = tagged.map(|image| image.id.as_str());
    let old = ids.iter().find(|id| Some(**id) != tagged).or_else(|| ids.first());
    (old.map(|id| (*id).to_owned()), ids.len() == 1)
}

/// The reference of a container of these services that neither has this tag's name nor the image that the tag names.
fn made_from(
    observed: &[Observed],
    services: &[String],
    tag: &Tag,
    tagged: Option<&Image>,
) -> Option<String> {
    // A short name means what the compose file means by it.
    let names = [tag.reference()];
    observed
        .iter()
        .filter(|one| services.contains(&one.service))
        .map(|one| &one.container)
        .filter(|one| tagged.is_none_or(|image| image.id != one.image))
        .filter(|one| !one.image_name.is_empty() && !one.image.starts_with(&one.image_name))
        .find(|one| source(&one.image_name, false, &names) != Source::Tag(tag.clone()))
        .map(|one| one.image_name.clone())
}

/// The first container of a changed service that does not run the image that `wanted` picks, with its service, what is
/// expected and what runs.
#[must_use]
pub fn wrong_image(
    observed: &[Observed],
    changes: &[Change],
    wanted: impl Fn(&Change) -> Option<&Version>,
) -> Option<(String, String, String)> {
    observed.iter().find_map(|one| {
        let change = changes.iter().find(|change| change.services.contains(&one.service))?;
        let expected = &wanted(change)?.id;
        let seen = &one.container.image;
        (seen != expected).then(|| (one.service.clone(), expected.clone(), seen.clone()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn running(service: &str, image: &str) -> Observed {
        let container = json!({"Id": "c", "Name": "c", "Image": image, "State": {}});
        Observed {
            service: service.to_owned(),
            container: serde_json::from_value(container).unwrap(),
            since: None,
        }
    }

    #[test]
    fn what_runs_is_old_when_a_tag_was_moved() {
        let tagged = Image { id: "new".to_owned(), ..Image::default() };
        let services = ["web".to_owned()];
        let both = [running("web", "new"), running("web", "old"), running("db", "x")];
        assert_eq!(what_runs(&both, &services, Some(&tagged)), (Some("old".to_owned()), false));
        assert_eq!(what_runs(&both[..1], &services, Some(&tagged)), (Some("new".to_owned()), true));
        assert_eq!(what_runs(&both[2..], &services, Some(&tagged)), (None, false));
    }

    #[test]
    fn what_was_made_from_another_reference_is_told() {
        let Source::Tag(tag) = source("host/x:2", false, &[]) else { panic!() };
        let services = ["web".to_owned()];
        let tagged = Image { id: "two".to_owned(), ..Image::default() };
        let from = |name: &str, image: &str, tagged: Option<&Image>| {
            let mut one = running("web", image);
            one.container.image_name = name.to_owned();
            made_from(&[one], &services, &tag, tagged)
        };
        assert_eq!(from("host/x:1", "one", Some(&tagged)), Some("host/x:1".to_owned()));
        assert_eq!(from("host/x:1", "one", None), Some("host/x:1".to_owned()), "the new one was never here");
        assert_eq!(from("host/x:2", "one", Some(&tagged)), None, "the tag was moved");
        assert_eq!(from("host/x:1", "two", Some(&tagged)), None, "two names of one image");
        assert_eq!(from("on", "one", Some(&tagged)), None, "made from an id");
        assert_eq!(from("x:2", "one", Some(&tagged)), None, "a short name");
        assert_eq!(from("host/x@sha256:0123", "one", Some(&tagged)), Some("host/x@sha256:0123".to_owned()));
        assert_eq!(from("", "one", Some(&tagged)), None);
    }

    #[test]
    fn services_that_share_an_image_change_together() {
        let model = Model::from_value(&json!({"services": {
            "a": {"image": "x:1"}, "b": {"image": "x:1"}, "c": {"image": "y", "build": "."},
            "d": {"image": "z", "scale": 0}, "e": {"image": "n", "pull_policy": "never"}
        }}))
        .unwrap();
        let references = by_reference(&model);
        assert_eq!(references.get("x:1"), Some(&vec![("a", false), ("b", false)]));
        assert_eq!(references.get("y"), Some(&vec![("c", true)]));
        assert_eq!(references.get("n"), Some(&vec![("e", true)]));
        assert!(!references.contains_key("z"));
    }

    #[test]
    fn who_else_uses_a_tag_is_told() {
        let Source::Tag(tag) = source("x:1", false, &[]) else { panic!() };
        let new = Some(Version { id: "sha256:new".to_owned(), digest: None, version: None, revision: None });
        let change = Change { reference: "x:1".to_owned(), tag, services: Vec::new(), old: None, new };
        let container = |project: &str, image: &str| -> Container {
            let labels = json!({"com.docker.compose.project": project});
            let id = if project == "has" { "new" } else { "old" };
            serde_json::from_value(json!({"Id": "c", "Image": image, "ImageID": id, "Labels": labels}))
                .unwrap()
        };
        let (tag, other) = ("docker.io/library/x:1", "docker.io/library/x:2");
        let seen = [("own", tag), ("sb", tag), ("has", tag), ("sb", tag), ("sc", other)]
            .map(|(project, image)| container(project, image));
        assert_eq!(
            shared(&seen, "own", &[change]).into_iter().collect::<Vec<_>>(),
            ["project sb uses docker.io/library/x:1, too, and takes it at its next restart"]
        );
    }

    #[test]
    fn a_container_on_another_image_is_found() {
        let version = |id: &str| Version { id: id.to_owned(), digest: None, version: None, revision: None };
        let Source::Tag(tag) = source("x:1", false, &[]) else { panic!() };
        let change = Change {
            reference: "x:1".to_owned(),
            tag,
            services: vec!["web".to_owned()],
            old: Some(version("old")),
            new: Some(version("new")),
        };
        let seen = [running("db", "y"), running("web", "new")];
        assert_eq!(wrong_image(&seen, std::slice::from_ref(&change), |change| change.new.as_ref()), None);
        assert_eq!(
            wrong_image(&seen, &[change], |change| change.old.as_ref()),
            Some(("web".to_owned(), "old".to_owned(), "new".to_owned()))
        );
    }
}
