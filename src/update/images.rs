//! What an update does with podman's images: local names that keep them, holders for as long as it lasts, tags.

use std::time::Duration;

use super::change::{Change, Pinned, Version};
use super::reference::slug;
use super::registry;
use crate::error::Error;
use crate::names::StackName;
use crate::podman::{Podman, PodmanError};
use crate::stack::StackError;

/// The label of the containers that hold images. They are created and never started: `podman image prune --all` leaves
/// what a container was made from, a mere tag it removes.
const HOLDER: &str = "stackwarden.holder";

/// Tagging, creating and removing take podman 0.1 s each; on a busy disk it waits for locks.
const QUICK: Duration = Duration::from_secs(60);

/// The local name that keeps an image of a stack.
#[must_use]
pub fn pin_name(stack: &StackName, service: &str, id: &str) -> String {
    format!("localhost/stackwarden/{}/{}:{}", slug(stack.as_str()), slug(service), short(id))
}

/// Pins an image under its local name.
///
/// # Errors
/// podman fails.
pub fn pin(
    podman: &Podman,
    stack: &StackName,
    change: &Change,
    image: &Version,
) -> Result<Pinned, StackError> {
    let service = change.services.first().map_or(change.reference.as_str(), String::as_str);
    let name = pin_name(stack, service, &image.id);
    tag(podman, &image.id, &name)?;
    Ok(Pinned { tag: change.tag.clone(), image: image.clone(), name })
}

/// Holds an image until [`release`].
///
/// # Errors
/// podman fails.
pub fn hold(podman: &Podman, stack: &StackName, id: &str) -> Result<(), StackError> {
    let name = format!("stackwarden-holder-{}-{}", slug(stack.as_str()), short(id));
    let label = format!("{HOLDER}={stack}");
    let made = ["create", "--pull", "never", "--replace", "--name", &name, "--label", &label];
    // A volume of the image would be made, and stay behind. Never started, so the command is never looked for; an image may
    // have none of its own.
    run(podman, &[made.as_slice(), &["--image-volume", "ignore", id, "/holder"]].concat())
}

/// Removes the holders of a stack.
///
/// # Errors
/// podman fails.
pub fn release(podman: &Podman, stack: &StackName) -> Result<(), StackError> {
    let holders = podman.labelled(&format!("{HOLDER}={stack}"))?;
    if holders.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = holders.iter().map(|holder| holder.id.as_str()).collect();
    run(podman, &[&["rm", "--force", "--ignore"], ids.as_slice()].concat())
}

/// Lets a name point at an image.
///
/// # Errors
/// There is no such image, or podman fails.
pub fn tag(podman: &Podman, id: &str, name: &str) -> Result<(), StackError> {
    run(podman, &["tag", id, name])
}

/// Takes a name away; that it is gone already is fine.
///
/// # Errors
/// podman fails.
pub fn untag(podman: &Podman, name: &str) -> Result<(), StackError> {
    if registry::here(podman, name)?.is_none() {
        return Ok(());
    }
    run(podman, &["untag", name, name])
}

/// Removes an image that nothing uses; one that is used stays.
pub fn remove_unused(podman: &Podman, id: &str) {
    // podman refuses while a container or another name has it, which is what is wanted.
    drop(run(podman, &["image", "rm", id]));
}

/// Points the tag of a change at one of its two images, which is fetched again by its digest if it was pruned.
///
/// # Errors
/// The image is gone and cannot be had again, or podman fails.
pub fn point(podman: &Podman, change: &Change, image: &Version, timeout: Duration) -> Result<bool, Error> {
    let mut fetched = false;
    if registry::here(podman, &image.id)?.is_none() {
        let Some(digest) = &image.digest else {
            return Err(
                StackError::ImageGone { reference: change.reference.clone(), id: image.id.clone() }.into()
            );
        };
        registry::pull(podman, &change.tag, &change.tag.at(digest), timeout)?;
        fetched = true;
    }
    tag(podman, &image.id, &change.tag.reference())?;
    Ok(fetched)
}

fn run(podman: &Podman, arguments: &[&str]) -> Result<(), StackError> {
    Ok(podman.command(QUICK).args(arguments).run(|_| {}).map_err(PodmanError::from)?)
}

fn short(id: &str) -> String {
    id.trim_start_matches("sha256:").chars().take(12).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pin_names_are_names_whatever_the_stack_is_called() {
        let stack = StackName::parse("My_Stack").unwrap();
        let name = pin_name(&stack, "db", &"ab".repeat(32));
        assert!(name.starts_with("localhost/stackwarden/my-stack-"), "{name}");
        assert!(name.ends_with("/db:abababababab"), "{name}");
        assert_eq!(name, name.to_lowercase());
    }
}
