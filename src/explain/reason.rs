//! The reasons in words: pure functions over what was found.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Serialize;

use super::facts::Facts;
use super::generation::is_home_managers;
use crate::systemd::search_path::{
    CopyKind, DirectoryKind, DiskState, DropIn, DropInDirectory, DropInListing, Link, LinkRole, NotFound,
    Standing, Step, UnitCopy,
};

/// One reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// What kind of reason.
    pub kind: Kind,
    /// The reason in a sentence.
    pub text: String,
    /// The file that it is about, if it is about one.
    pub path: Option<PathBuf>,
}

/// The kinds of reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// There is no unit file.
    NotFound,
    /// The name is masked.
    Masked,
    /// The winning copy cannot be read as a unit file.
    Unusable,
    /// The name is another unit's.
    Alias,
    /// The file is that of the template.
    Template,
    /// Which file wins.
    Wins,
    /// The winning link is that of the current generation.
    Generation,
    /// The winning link leads out of the search path and is not the current generation's.
    Pinned,
    /// A copy loses to it.
    Shadowed,
    /// systemd takes no notice of a copy.
    Skipped,
    /// A drop-in changes it.
    DropIn,
    /// A drop-in has no effect.
    DropInIgnored,
    /// Which of several drop-ins of a name is read is a matter of chance.
    DropInContested,
    /// A generator made it.
    Generated,
    /// It was made over D-Bus and has no file that lasts.
    Transient,
    /// The manager has something else than the disk.
    Stale,
    /// The manager has a file as it was before it changed.
    NotRead,
    /// The manager could not use the files.
    LoadError,
    /// The disk has something else than was declared.
    Drifted,
    /// Nothing pulls it in, or what does leads elsewhere.
    Enablement,
}

impl Reason {
    pub(super) fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), path: None }
    }

    pub(super) fn at(mut self, path: &Path) -> Self {
        self.path = Some(path.to_owned());
        self
    }
}

/// A moment, to the second.
pub(super) fn moment(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

/// What the disk alone explains, the most important first.
pub(super) fn of_disk(facts: &Facts<'_>) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let resolution = facts.resolution;
    reasons.extend(state(facts));
    for step in &resolution.steps {
        reasons.extend(way(facts, step));
    }
    if let Some(winner) = resolution.winner() {
        reasons.extend(linked(facts, winner));
        if facts.kind_of(&winner.path).is_generated() {
            let kind = facts.kind_of(&winner.path);
            reasons.push(
                Reason::new(
                    Kind::Generated,
                    format!(
                        "it lies in the {kind} directory, where programs make units anew at each reload or boot{}",
                        facts.source.as_ref().map_or_else(String::new, |source| format!(
                            "; it was made from {}",
                            source.display()
                        ))
                    ),
                )
                .at(&winner.path),
            );
        }
    }
    reasons.extend(resolution.copies.iter().filter_map(|copy| lost(facts, copy)));
    reasons.extend(resolution.drop_ins.iter().flat_map(|drop_in| drop_in_reasons(facts, drop_in)));
    reasons.extend(resolution.drop_in_directories.iter().filter_map(ignored_directory));
    reasons
}

fn state(facts: &Facts<'_>) -> Option<Reason> {
    let resolution = facts.resolution;
    let winner = resolution.winner();
    Some(match &resolution.state {
        DiskState::Loaded => {
            let winner = winner?;
            let rivals = resolution.copies.iter().filter(|copy| {
                copy.name == winner.name && matches!(copy.standing, Standing::Wins | Standing::Shadowed)
            });
            let why = match rivals.count() {
                0 | 1 => "the only copy in the search path".to_owned(),
                count => format!("the first of {count} copies in the search path"),
            };
            let kind = facts.kind_of(&winner.path);
            Reason::new(Kind::Wins, format!("{} wins ({kind}): {why}", winner.path.display()))
                .at(&winner.path)
        }
        DiskState::LoadedWithoutFile => {
            Reason::new(Kind::Wins, format!("no unit file, and a {} needs none", facts.unit.unit_type()))
        }
        DiskState::Masked => {
            let winner = winner?;
            let how = match &winner.kind {
                CopyKind::Link(link) => format!("a link to {}", link.text.display()),
                _ => "an empty file".to_owned(),
            };
            Reason::new(
                Kind::Masked,
                format!(
                    "masked: {} is {how}{}; later directories' copies do not count",
                    winner.path.display(),
                    since(winner)
                ),
            )
            .at(&winner.path)
        }
        DiskState::Error { path, file_type } => Reason::new(
            Kind::Unusable,
            format!("{} wins and leads to a {file_type}, which is no unit file", path.display()),
        )
        .at(path),
        DiskState::NotFound(reason) => not_found(reason, winner),
    })
}

fn not_found(reason: &NotFound, winner: Option<&UnitCopy>) -> Reason {
    let useless = "a good copy in a later directory does not help";
    let text = match reason {
        NotFound::NoCopy => "no directory of the search path has a copy that systemd takes".to_owned(),
        NotFound::BrokenAlias(target) => format!("an alias of {target}, which no directory has"),
        NotFound::AliasLoop => "its aliases lead in a circle, or further than systemd follows".to_owned(),
        NotFound::Dangling(path) => {
            let target = match winner.map(|copy| &copy.kind) {
                Some(CopyKind::Link(link)) => format!(" ({})", link.text.display()),
                _ => String::new(),
            };
            let since = winner.map_or_else(String::new, since);
            format!("{} wins and is a link to nothing{target}{since}; {useless}", path.display())
        }
        NotFound::LinkLoop(path) => {
            format!("{} wins and is a link that leads in a circle; {useless}", path.display())
        }
        NotFound::Socket(path) => format!("{} wins and leads to a socket; {useless}", path.display()),
        NotFound::Unreadable(error) => format!("the copy that wins cannot be read: {error}; {useless}"),
    };
    let reason = Reason::new(Kind::NotFound, text);
    match winner {
        Some(copy) => reason.at(&copy.path),
        None => reason,
    }
}

fn way(facts: &Facts<'_>, step: &Step) -> Option<Reason> {
    match step {
        Step::Template { from, to } => Some(Reason::new(
            Kind::Template,
            format!("{from} has no file of its own: its template {to} is taken"),
        )),
        Step::Alias { from, to } => {
            let mut links = facts.resolution.copies.iter();
            let link = links.find(|copy| copy.name == *from && copy.standing == Standing::Wins);
            let how = link.map_or_else(String::new, |copy| {
                format!(": {} is a link into the search path{}", copy.path.display(), since(copy))
            });
            let reason = Reason::new(Kind::Alias, format!("{from} is another name of {to}{how}"));
            Some(match link {
                Some(copy) => reason.at(&copy.path),
                None => reason,
            })
        }
        Step::Fragment { .. } => None,
    }
}

/// Who made a winning link that leads out of the search path.
fn linked(facts: &Facts<'_>, winner: &UnitCopy) -> Option<Reason> {
    let CopyKind::Link(link @ Link { role: LinkRole::Linked, .. }) = &winner.kind else { return None };
    if winner.end.is_mask() {
        return None;
    }
    let owners = matches!(facts.kind_of(&winner.path), DirectoryKind::Owner);
    let name = Path::new(winner.name.as_str());
    let on =
        winner.status.as_ref().map_or_else(String::new, |status| format!(" on {}", moment(status.modified)));
    let leads = format!("{} leads to {}", winner.path.display(), link.text.display());
    if owners && let Some(current) = &facts.generation {
        if link.text == current.file(name) {
            let text = format!("{leads}: put there by the current Home Manager generation");
            return Some(Reason::new(Kind::Generation, text).at(&winner.path));
        }
        if is_home_managers(&link.text) {
            let now = if current.has(name) {
                format!("the current one ({}) has another file", current.root.display())
            } else {
                format!("the current one ({}) has no such unit", current.root.display())
            };
            let text = format!("{leads}: left by an earlier Home Manager generation; {now}");
            return Some(Reason::new(Kind::Pinned, text).at(&winner.path));
        }
    }
    // Another tool's declared links, or our own under Nix, are the declaration's to judge.
    if facts.is_declared(Some(&link.text)) {
        return None;
    }
    let enabled = facts
        .wants
        .iter()
        .any(|pull| pull.path.starts_with(facts.dirs.owner()) && pull.text.as_ref() == Some(&link.text));
    let verb = if enabled { "enable" } else { "link" };
    // On NixOS enabling a unit of the system's generation makes a link to the store file of that day.
    let real = winner.path.canonicalize().ok();
    let mut others = facts.resolution.shadowed().filter(|copy| copy.name == winner.name);
    let other = match others.find_map(|copy| Some((copy, copy.path.canonicalize().ok()?))) {
        Some((copy, other)) if Some(&other) != real.as_ref() => format!(
            "; its target is not in the current generation, where {} leads to {}",
            copy.path.display(),
            other.display()
        ),
        Some((copy, _)) => format!("; for now the same file as {}", copy.path.display()),
        None if owners && facts.generation.as_ref().is_some_and(|current| !current.has(name)) => {
            "; its target is not in the current generation".to_owned()
        }
        None => String::new(),
    };
    let text = format!(
        "{leads}: pinned by `systemctl --user {verb}`{on}{other}; `systemctl --user disable {}` takes the link away",
        winner.name
    );
    Some(Reason::new(Kind::Pinned, text).at(&winner.path))
}

/// When the file or link was put there.
fn since(copy: &UnitCopy) -> String {
    copy.status.as_ref().map_or_else(String::new, |status| format!(", since {}", moment(status.modified)))
}

fn lost(facts: &Facts<'_>, copy: &UnitCopy) -> Option<Reason> {
    let kind = facts.kind_of(&copy.path);
    let path = copy.path.display();
    let reason = match (copy.standing, &copy.kind) {
        (Standing::Shadowed, _) => {
            let winner = facts
                .resolution
                .copies
                .iter()
                .find(|other| other.name == copy.name && other.standing == Standing::Wins)?;
            let by = format!("{} stands in an earlier directory", winner.path.display());
            Reason::new(Kind::Shadowed, format!("{path} ({kind}) is shadowed: {by}"))
        }
        (Standing::Skipped, CopyKind::Link(Link { role: LinkRole::Skipped(problem), text, .. })) => {
            let text = format!("{path} ({kind}), a link to {}, is skipped: {problem}", text.display());
            Reason::new(Kind::Skipped, text)
        }
        (Standing::Skipped, CopyKind::Other(what)) => {
            Reason::new(Kind::Skipped, format!("{path} ({kind}) is a {what} and skipped"))
        }
        // What could not be looked at is told as unchecked.
        (Standing::Skipped | Standing::Wins, _) => return None,
    };
    Some(reason.at(&copy.path))
}

fn drop_in_reasons(facts: &Facts<'_>, drop_in: &DropIn) -> Vec<Reason> {
    let path = drop_in.path.display();
    let name = drop_in.path.file_name().unwrap_or_default().to_string_lossy();
    let mut reasons = Vec::new();
    let whose = drop_in.found_at.parent().map_or(DirectoryKind::Other, |dir| facts.kind_of(dir));
    let beaten: Vec<String> = drop_in.overridden.iter().map(|path| path.display().to_string()).collect();
    let beats = if beaten.is_empty() {
        String::new()
    } else {
        format!("; of the name {name} it wins over {}", beaten.join(", "))
    };
    if facts.resolution.drop_in_paths().is_empty() {
        let text = format!("{path} is not read: the unit itself is {}", facts.resolution.state.word());
        reasons.push(Reason::new(Kind::DropInIgnored, text).at(&drop_in.path));
    } else if drop_in.is_effective() {
        let scope = super::disk::scope_word(drop_in.scope);
        let text = format!("{path} ({whose}, {scope}) changes it{beats}");
        reasons.push(Reason::new(Kind::DropIn, text).at(&drop_in.path));
    } else {
        let text = format!("{path} leads to {} and changes nothing{beats}", drop_in.end);
        reasons.push(Reason::new(Kind::DropInIgnored, text).at(&drop_in.path));
    }
    if !drop_in.contested.is_empty() {
        let others: Vec<String> = drop_in.contested.iter().map(|path| path.display().to_string()).collect();
        let text = format!(
            "{path}: aliases have a {name} of their own ({}), and systemd picks one by chance",
            others.join(", ")
        );
        reasons.push(Reason::new(Kind::DropInContested, text).at(&drop_in.path));
    }
    reasons
}

fn ignored_directory(directory: &DropInDirectory) -> Option<Reason> {
    let path = directory.path.display();
    let text = match &directory.listing {
        DropInListing::RelativeLink(text) => format!(
            "{path} is a relative link ({}), which the manager follows from its own working directory: not read",
            text.display()
        ),
        DropInListing::BrokenLink(text) => {
            format!("{path} is a link to {}, where no directory is: not read", text.display())
        }
        DropInListing::NotADirectory(kind) => format!("{path} is a {kind} and no directory: not read"),
        DropInListing::Listed(_) | DropInListing::Partial(..) | DropInListing::Unreadable(_) => return None,
    };
    Some(Reason::new(Kind::DropInIgnored, text).at(&directory.path))
}
