//! Everything that must hold before a container is touched. All that does not is told, not only the first.

mod containers;
mod definition;
mod files;
mod here;
mod host;
mod model;
mod names;
mod read;
mod secrets;

use std::collections::BTreeMap;
use std::fmt;

use self::here::Here;
use self::read::Read;
use super::context::Context;
use super::error::StackError;
use super::state::{Inputs, StackState};
use super::volumes::losses;
use crate::compose::{Compose, ComposeError, Hashed, Model};
use crate::digest::Sha256;
use crate::error::chain;
use crate::exit::Code;
use crate::inventory::{Declared, Entry, Inventory};
use crate::names::StackName;
use crate::podman::{Container, Image, Podman, PodmanError};
use crate::process::joined;

/// Something that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The exit code that it alone leads to.
    pub code: Code,
    /// What: the object, what was expected, what was seen, what to do next.
    pub problem: String,
}

/// A stack that may be applied.
#[derive(Debug)]
pub struct Prepared {
    /// What is declared.
    pub entry: Entry,
    /// The digest of the inventory file.
    pub inventory: Sha256,
    /// podman.
    pub podman: Podman,
    /// The stack's compose, with its project pinned.
    pub compose: Compose,
    /// What compose makes of the files.
    pub model: Model,
    /// The files, as they were before compose read them.
    pub inputs: Inputs,
    /// The project's name.
    pub project: String,
    /// Every container, whoever made it, as they were before.
    pub containers: Vec<Container>,
    /// The images that their references named before, as far as they were looked at; none for one that was not here.
    pub images: BTreeMap<String, Option<Image>>,
    /// The config hashes that containers of the services would carry, if they are known; docker-compose only.
    pub hashes: Option<Hashed>,
    /// What is not right and no reason to refuse.
    pub warnings: Vec<String>,
}

impl Prepared {
    /// The containers of the stack's services, as they were before.
    pub fn own(&self) -> impl Iterator<Item = &Container> {
        self.own_among(&self.containers)
    }

    /// Those of these containers that are of the stack's services.
    pub fn own_among<'a>(&'a self, containers: &'a [Container]) -> impl Iterator<Item = &'a Container> {
        containers.iter().filter(|one| one.is_of_a_service_of(&self.project))
    }

    /// From now on podman and compose are run also when this program was asked to end: what was begun is finished.
    pub fn go_on_regardless(&mut self) {
        self.podman = self.podman.uninterrupted();
        self.compose.go_on_regardless();
    }
}

/// What the checks find.
#[derive(Debug, Default)]
pub(super) struct Findings {
    refusals: Vec<Refusal>,
    warnings: Vec<String>,
}

impl Findings {
    fn refuse(&mut self, code: Code, problem: impl Into<String>) {
        self.refusals.push(Refusal { code, problem: problem.into() });
    }

    fn warn(&mut self, warning: impl Into<String>) {
        self.warnings.push(warning.into());
    }

    fn fail(&mut self, error: impl Into<StackError> + std::error::Error + 'static) {
        let problem = chain(&error);
        self.refuse(error.into().code(), problem);
    }

    /// What was answered; that it was not is a refusal.
    fn take<T, E: Into<StackError> + std::error::Error + 'static>(
        &mut self,
        answer: Result<T, E>,
    ) -> Option<T> {
        answer.map_err(|error| self.fail(error)).ok()
    }

    fn and(mut self, mut more: Self) -> Self {
        self.refusals.append(&mut more.refusals);
        self.warnings.append(&mut more.warnings);
        self
    }

    fn are_none(&self) -> bool {
        self.refusals.is_empty() && self.warnings.is_empty()
    }
}

/// The refusals of one preflight, never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusals(Vec<Refusal>);

impl Refusals {
    /// The code that wins: 78, 77, 69, 76, in this order.
    #[must_use]
    pub fn code(&self) -> Code {
        [Code::Configuration, Code::SecretPermissions, Code::Unreachable, Code::Refused]
            .into_iter()
            .find(|code| self.0.iter().any(|refusal| refusal.code == *code))
            .unwrap_or(Code::Configuration)
    }
}

impl fmt::Display for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [only] => f.write_str(&only.problem),
            several => several.iter().enumerate().try_for_each(|(index, refusal)| {
                let separator = if index == 0 { "" } else { "; " };
                write!(f, "{separator}({}) {}", index + 1, refusal.problem)
            }),
        }
    }
}

/// Checks a stack. Nothing is changed, and the registry is not asked: a host must come up offline.
///
/// # Errors
/// Everything that does not hold.
pub fn preflight(context: &Context, stack: &StackName) -> Result<Prepared, StackError> {
    let Declared { entry, sha256 } = Inventory::load_stack(&context.dirs, stack)?;
    let mut findings = Findings::default();
    files::check(&entry, &mut findings);
    secrets::check(&entry, &mut findings);
    let podman = host::check(context, &mut findings);
    // compose would say again what is missing, with more words, and might repeat lines of a malformed env file.
    let readable = findings.refusals.iter().all(|refusal| refusal.code == Code::Unreachable);
    let compose = podman.as_ref().map(|podman| context.compose(podman, stack, &entry));
    let (compose, broken) = match compose.transpose() {
        Ok(compose) => (compose, None),
        Err(error) => (None, Some(error)),
    };
    let (definition, answers) = ask(context, stack, podman.as_ref(), compose.filter(|_| readable));
    // The unit comes first: what is wrong with it says nothing about the files.
    let mut findings = definition.and(findings);
    let podman = podman.filter(|_| host::check_version(answers.version, &mut findings));
    let (mut here, mut read) = (None, None);
    if podman.is_some() {
        here = answers.here.and_then(|here| findings.take(here));
        if let Some(error) = broken {
            findings.fail(error);
        }
        read = answers.read.and_then(|read| findings.take(read));
    }
    // A name that podman does not take; that it does not answer at all is told already.
    let images = read.as_mut().and_then(|read| read.images.take()).filter(|_| here.is_some());
    let images = images.and_then(|images| findings.take(images)).unwrap_or_default();
    let hashes = match read.as_mut().and_then(|read| read.hashes.take()) {
        None => None,
        Some(Ok(hashes)) => Some(hashes),
        Some(Err(error)) => {
            findings.warn(format!(
                "what depends on a container that is replaced is not looked for: {}",
                chain(&error)
            ));
            None
        }
    };
    if let (Some(Read { model, .. }), Some(podman)) = (&read, &podman) {
        model::check(context.host.provider.kind, model, &entry.compose.directory, podman, &mut findings);
    }
    if let (Some(Read { model, .. }), Some(here)) = (&read, &here) {
        let project = model.project.as_deref().unwrap_or_default();
        containers::check(context, stack, project, &here.containers, &mut findings);
        names::check(context.host.provider.kind, model, &here.containers, &mut findings);
    }
    if let (Some(podman), Some(here), Some(Read { compose, model, .. })) = (&podman, &here, &read) {
        let (containers, inspected) = (&here.containers, &here.inspected);
        let losses = findings.take(losses(&context.dirs, podman, compose, model, containers, inspected));
        for loss in losses.into_iter().flatten() {
            findings.refuse(Code::Configuration, loss.to_string());
        }
    }
    match (podman, here, read) {
        (Some(podman), Some(here), Some(read)) if findings.refusals.is_empty() => Ok(Prepared {
            project: read.model.project.clone().unwrap_or_default(),
            entry,
            inventory: sha256,
            podman,
            compose: read.compose,
            model: read.model,
            inputs: read.inputs,
            containers: here.containers,
            images: here.images.into_iter().chain(images).collect(),
            hashes,
            warnings: findings.warnings,
        }),
        // What could not be asked because of it is nothing that does not hold.
        _ if context.interrupt.pending() => {
            Err(StackError::Interrupted { stack: stack.clone(), before: "pull" })
        }
        _ => Err(StackError::Refused { stack: stack.clone(), refusals: Refusals(findings.refusals) }),
    }
}

/// Whether all of that holds as far as it can be seen without asking podman and compose. What does not, and what is worth
/// a warning, [`preflight`] tells.
#[must_use]
pub fn holds_so_far(context: &Context, stack: &StackName, entry: &Entry) -> bool {
    let mut findings = Findings::default();
    definition::check(context, stack, &mut findings);
    files::check(entry, &mut findings);
    secrets::check(entry, &mut findings);
    host::check_surroundings(context, &mut findings);
    findings.are_none()
}

/// Whether the containers that run, whoever made them, are nothing against this project.
#[must_use]
pub fn allows(context: &Context, stack: &StackName, project: &str, containers: &[Container]) -> bool {
    let mut findings = Findings::default();
    containers::check(context, stack, project, containers, &mut findings);
    findings.are_none()
}

/// What podman and compose say.
#[derive(Default)]
struct Answers {
    version: Option<Result<String, PodmanError>>,
    here: Option<Result<Here, PodmanError>>,
    read: Option<Result<Read, ComposeError>>,
}

/// Asks podman, compose and the manager at the same time, as far as none needs the answer of another: each of the programs
/// takes a tenth of a second to start.
fn ask(
    context: &Context,
    stack: &StackName,
    podman: Option<&Podman>,
    compose: Option<Compose>,
) -> (Findings, Answers) {
    let mut definition = Findings::default();
    let Some(podman) = podman else {
        definition::check(context, stack, &mut definition);
        return (definition, Answers::default());
    };
    let state = StackState::load_if_any(&context.dirs, stack).ok().flatten();
    let kind = context.host.provider.kind;
    std::thread::scope(|scope| {
        let version = scope.spawn(|| podman.version());
        let here = scope.spawn(|| Here::ask(podman, kind, state.as_ref()));
        let read = compose.map(|compose| scope.spawn(|| Read::ask(context, compose)));
        definition::check(context, stack, &mut definition);
        let here = joined(here);
        let containers = here.as_ref().map(|here| here.containers.as_slice()).unwrap_or_default();
        let known = state.as_ref().and_then(|state| state.hashed.clone());
        let read = read.map(|read| Ok(joined(read)?.and_further(podman, containers, known)));
        (definition, Answers { version: Some(joined(version)), here: Some(here), read })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_is_told_and_the_gravest_code_wins() {
        let refusal = |code, problem: &str| Refusal { code, problem: problem.to_owned() };
        let one = Refusals(vec![refusal(Code::Unreachable, "no socket")]);
        assert_eq!((one.to_string().as_str(), one.code()), ("no socket", Code::Unreachable));
        let both = Refusals(vec![
            refusal(Code::Unreachable, "no socket"),
            refusal(Code::SecretPermissions, "others can read it"),
        ]);
        assert_eq!(both.to_string(), "(1) no socket; (2) others can read it");
        assert_eq!(both.code(), Code::SecretPermissions);
    }
}
