//! Asking registries, and fetching by digest.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::error::UpdateError;
use super::reference::Tag;
use crate::digest::Sha256;
use crate::error::Error;
use crate::podman::{Image, Podman, says_later};
use crate::process::{Command, Environment, ProcessError, joined};
use crate::stack::{Context, StackError};

/// One request for a manifest. A registry that limits the rate is asked five times within 30 s by skopeo itself, and
/// one that names a time is waited for.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(3 * 60);

/// How many tags of a stack are asked for at a time: most are at one or two registries, which count requests.
const AT_ONCE: usize = 4;

/// A registry, asked through skopeo.
#[derive(Debug)]
pub struct Registry {
    skopeo: PathBuf,
    environment: Environment,
}

impl Registry {
    /// Finds skopeo; none if it is not installed.
    #[must_use]
    pub fn find(context: &Context) -> Option<Self> {
        let skopeo = context.host.find_program(&context.host.skopeo).filter(|path| path.is_file())?;
        Some(Self { skopeo, environment: Environment::new(&context.dirs, &context.host) })
    }

    /// The digests that these references' tags have now, asked for side by side.
    ///
    /// # Errors
    /// A registry cannot be asked, or refuses: the first one in order.
    pub fn digests<'a>(
        &self,
        context: &Context,
        tags: impl IntoIterator<Item = (&'a String, &'a Tag)>,
    ) -> Result<BTreeMap<String, String>, UpdateError> {
        let tags: Vec<(&String, &Tag)> = tags.into_iter().collect();
        let mut digests = BTreeMap::new();
        for some in tags.chunks(AT_ONCE) {
            let ask =
                |(reference, tag): &(&String, &Tag)| Ok(((*reference).clone(), self.digest(context, tag)?));
            let answers: Vec<Result<_, UpdateError>> = std::thread::scope(|scope| {
                let asked: Vec<_> = some.iter().map(|one| scope.spawn(move || ask(one))).collect();
                asked.into_iter().map(joined).collect()
            });
            for answer in answers {
                digests.extend([answer?]);
            }
        }
        Ok(digests)
    }

    /// The digest that a tag has now: of its manifest, or of its list of manifests for several platforms.
    ///
    /// # Errors
    /// The registry cannot be asked, or refuses.
    fn digest(&self, context: &Context, tag: &Tag) -> Result<String, UpdateError> {
        let reference = tag.reference();
        // The manifest itself is one request; its digest is that of its bytes (OCI distribution specification).
        let manifest = Command::new(&self.skopeo, &self.environment, RESOLVE_TIMEOUT, &context.interrupt)
            .args(["inspect", "--raw"])
            .arg(format!("docker://{reference}"))
            .capture()
            .map_err(|source| judge(&reference, source))?;
        Ok(format!("sha256:{}", Sha256::of(&manifest)))
    }
}

/// Fetches one image by its digest, beside what is here.
///
/// # Errors
/// The registry cannot be asked, refuses, or offers what is no image for this machine.
pub fn fetch(
    podman: &Podman,
    tag: &Tag,
    digest: &str,
    timeout: Duration,
    like: Option<&Image>,
) -> Result<Image, Error> {
    let reference = tag.at(digest);
    pull(podman, tag, &reference, timeout)?;
    let image = here(podman, &reference)?.ok_or_else(|| missing(&reference))?;
    check_platform(&tag.reference(), &image, like)?;
    Ok(image)
}

/// Pulls a reference to a tag, or to a digest that it had.
///
/// # Errors
/// As [`fetch`].
pub fn pull(podman: &Podman, tag: &Tag, reference: &str, timeout: Duration) -> Result<(), UpdateError> {
    podman
        .command(timeout)
        .args(["pull", "--quiet", reference])
        .run(|_| {})
        .map_err(|source| judge(&tag.reference(), source))
}

/// The image of a reference or an id, if it is here.
///
/// # Errors
/// podman does not answer.
pub fn here(podman: &Podman, reference: &str) -> Result<Option<Image>, StackError> {
    Ok(podman.images(&[reference])?.remove(reference).flatten())
}

/// Refuses an image for another processor: it would be fetched, tagged, and end at once. One that ran before is
/// the operator's choice (emulation).
///
/// # Errors
/// Names both.
pub fn check_platform(reference: &str, image: &Image, like: Option<&Image>) -> Result<(), UpdateError> {
    let expected = this_machine();
    let seen = image.architecture.as_str();
    if seen.is_empty() || seen == expected || like.is_some_and(|like| like.architecture == seen) {
        return Ok(());
    }
    Err(UpdateError::Platform {
        reference: reference.to_owned(),
        expected: expected.to_owned(),
        seen: seen.to_owned(),
    })
}

/// This machine's processor in Go's word, which images use.
fn this_machine() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
        "loongarch64" => "loong64",
        other => other,
    }
}

fn missing(reference: &str) -> UpdateError {
    let command = format!("podman image inspect {reference}");
    let source = std::io::Error::from(std::io::ErrorKind::NotFound);
    UpdateError::Offer {
        reference: reference.to_owned(),
        source: ProcessError::Io { command, step: "find the image of", source },
    }
}

/// Whether it is worth trying again later, by what was printed: both programs have one exit status for everything.
fn judge(reference: &str, source: ProcessError) -> UpdateError {
    let reference = reference.to_owned();
    let is_later = match &source {
        ProcessError::TimedOut { .. } | ProcessError::Interrupted { .. } => true,
        other => says_later(other.stderr()),
    };
    if source.stderr().to_ascii_lowercase().contains("no space left on device") {
        return UpdateError::Full { reference, source };
    }
    if is_later { UpdateError::Later { reference, source } } else { UpdateError::Offer { reference, source } }
}
