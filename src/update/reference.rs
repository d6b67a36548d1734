//! Image references, as far as an update must understand them.

use serde::{Deserialize, Serialize};

/// What an image of a service comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A tag at a registry, which can move.
    Tag(Tag),
    /// Pinned by its digest: it cannot move.
    Digest,
    /// It is built here, or only known here: nothing offers a newer one.
    Local,
}

/// A tag at a registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tag {
    /// Registry and repository: `docker.io/library/nginx`.
    pub repository: String,
    /// The tag.
    pub tag: String,
}

impl Tag {
    /// The whole reference, which no registries.conf can read otherwise: `docker.io/library/nginx:1`.
    #[must_use]
    pub fn reference(&self) -> String {
        format!("{}:{}", self.repository, self.tag)
    }

    /// One of its images.
    #[must_use]
    pub fn at(&self, digest: &str) -> String {
        format!("{}@{digest}", self.repository)
    }
}

/// Reads a reference as it stands in a compose file. `names` are the names that the image of that reference has here:
/// they tell which registry a short name was taken from.
#[must_use]
pub fn source(reference: &str, built: bool, names: &[String]) -> Source {
    if built {
        return Source::Local;
    }
    if reference.contains('@') {
        return Source::Digest;
    }
    let (name, tag) = match reference.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (reference, "latest"),
    };
    let repository = if has_registry(name) {
        name.to_owned()
    } else {
        let short = format!("/{name}:{tag}");
        match names.iter().find(|known| known.ends_with(&short)) {
            Some(known) => known.strip_suffix(&format!(":{tag}")).unwrap_or(known).to_owned(),
            // What podman's API makes of a short name (containers.conf(5), compat_api_enforce_docker_hub).
            None if name.contains('/') => format!("docker.io/{name}"),
            None => format!("docker.io/library/{name}"),
        }
    };
    // podman gives what is built or tagged here this name; no registry listens there.
    if repository.starts_with("localhost/") {
        return Source::Local;
    }
    Source::Tag(Tag { repository, tag: tag.to_owned() })
}

/// By the rule of Docker and podman: the first part is a host if it looks like one.
fn has_registry(name: &str) -> bool {
    name.split_once('/').is_some_and(|(host, _)| host.contains(['.', ':']) || host == "localhost")
}

/// A text as a part of an image's name, which takes lower-case letters, digits, `.`, `_` and `-` between them. Texts
/// that would come out alike are told apart.
#[must_use]
pub fn slug(text: &str) -> String {
    let plain: String = text
        .to_ascii_lowercase()
        .chars()
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' })
        .collect();
    let same = plain == text && !plain.starts_with('-') && !plain.ends_with('-') && !plain.contains("--");
    if same {
        return plain;
    }
    let parts: Vec<&str> = plain.split('-').filter(|part| !part.is_empty()).collect();
    let digest = crate::digest::Sha256::of(text.as_bytes()).short();
    let digest = digest.get(..8).unwrap_or(&digest);
    parts.into_iter().chain([digest]).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(reference: &str, names: &[&str]) -> String {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        match source(reference, false, &names) {
            Source::Tag(tag) => tag.reference(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn references_are_read_as_podman_does() {
        for (reference, expected) in [
            ("nginx", "docker.io/library/nginx:latest"),
            ("nginx:1.27", "docker.io/library/nginx:1.27"),
            ("me/app", "docker.io/me/app:latest"),
            ("localhost:5000/app:1", "localhost:5000/app:1"),
            ("localhost:5000/app", "localhost:5000/app:latest"),
            ("ghcr.io/a/b/c:v1", "ghcr.io/a/b/c:v1"),
            ("localhost/app:1", "Local"),
            ("ghcr.io/a/b@sha256:0123", "Digest"),
        ] {
            assert_eq!(tag(reference, &[]), expected, "{reference}");
        }
        assert_eq!(tag("nginx:1", &["quay.io/lib/nginx:1"]), "quay.io/lib/nginx:1");
        assert_eq!(tag("app:1", &["localhost/app:1"]), "Local");
        assert_eq!(source("x:1", true, &[]), Source::Local);
    }

    #[test]
    fn slugs_are_names_and_differ_where_texts_do() {
        assert_eq!(slug("immich-db2"), "immich-db2");
        for text in ["Immich", "a_b", "a.b", "a:b", "-", "a--b", "a-"] {
            let slug = slug(text);
            assert!(slug.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{slug}");
            assert!(!slug.starts_with('-') && !slug.ends_with('-') && !slug.contains("--"), "{slug}");
        }
        assert_ne!(slug("a_b"), slug("a.b"));
    }
}
