//! On disk, loaded and declared: the three in the form of the explanation, how they differ, and what that means.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::explanation::{Between, Declared, Declarer, Difference, Loaded, OnDisk};
use super::facts::Facts;
use super::reason::{Kind, Reason, moment};
use crate::digest::Sha256;
use crate::seal;
use crate::systemd::disk_text::DiskText;
use crate::systemd::loaded::LoadedUnit;
use crate::systemd::search_path::{CopyKind, kind_of_directory};
use crate::systemd::settings::compare::Comparison;
use crate::systemd::words::LoadState;

pub(super) fn on_disk(facts: &Facts<'_>, texts: &DiskText) -> OnDisk {
    let resolution = facts.resolution;
    OnDisk {
        load_state: resolution.state.word(),
        fragment: resolution.fragment.clone(),
        drop_ins: resolution.drop_in_paths().into_iter().map(Path::to_owned).collect(),
        problems: texts.problems.clone(),
    }
}

pub(super) fn loaded(unit: &LoadedUnit, in_memory: bool) -> Loaded {
    Loaded {
        in_memory,
        id: unit.id.clone(),
        load_state: unit.load_state.to_string(),
        load_error: unit.load_error.as_ref().map(|error| error.message.clone()),
        active_state: unit.active_state.to_string(),
        sub_state: unit.sub_state.clone(),
        unit_file_state: unit.unit_file_state.clone(),
        fragment: unit.fragment_path.clone(),
        source: unit.source_path.clone(),
        drop_ins: unit.drop_in_paths.clone(),
        need_daemon_reload: unit.need_daemon_reload,
        transient: unit.transient,
        token: seal::token_of(&unit.documentation).map(str::to_owned),
    }
}

pub(super) fn declared(facts: &Facts<'_>, texts: &DiskText) -> Option<Declared> {
    let declaration = facts.declaration?;
    Some(Declared {
        by: declaration.by,
        stack: declaration.stack.clone(),
        seal: declaration.seal.clone(),
        fragment: declaration.fragment.clone(),
        link: declaration.link.clone(),
        sha256: declaration.sha256.map(String::from),
        text_is_sealed: declaration
            .sha256
            .zip(fragment_digest(facts, texts))
            .map(|(sealed, found)| sealed == found),
        token: declaration.token.clone(),
        allowed_drop_ins: declaration.allowed_drop_ins.clone(),
    })
}

fn fragment_digest(facts: &Facts<'_>, texts: &DiskText) -> Option<Sha256> {
    texts.digests.get(facts.resolution.fragment.as_ref()?).copied()
}

/// How the three states differ; `settings` is the comparison of the texts on disk with what is loaded.
pub(super) fn differences(facts: &Facts<'_>, texts: &DiskText, settings: &Comparison) -> Vec<Difference> {
    let mut found = declared_and_disk(facts, texts);
    if let Some(loaded) = facts.loaded.filter(|_| facts.in_memory) {
        found.extend(declared_and_loaded(facts, loaded));
        found.extend(disk_and_loaded(facts, loaded));
        found.extend(settings.differences.iter().map(|difference| Difference {
            between: Between::DiskAndLoaded,
            what: difference.setting.clone(),
            expected: difference.expected.clone(),
            seen: difference.seen.clone(),
        }));
    }
    found
}

fn declared_and_disk(facts: &Facts<'_>, texts: &DiskText) -> Vec<Difference> {
    let Some(declaration) = facts.declaration else { return Vec::new() };
    let mut found = Vec::new();
    let mut add = |what: &str, expected: String, seen: String| {
        found.push(Difference { between: Between::DeclaredAndDisk, what: what.to_owned(), expected, seen });
    };
    let seen = facts.resolution.fragment.as_ref();
    if let Some(expected) = &declaration.fragment
        && seen != Some(expected)
    {
        add("FragmentPath", expected.display().to_string(), path_or_none(seen));
    } else if let Some(winner) = facts.resolution.winner() {
        let link = match &winner.kind {
            CopyKind::Link(link) => Some(&link.text),
            _ => None,
        };
        if !facts.is_declared(link) {
            let shown = |link: Option<&PathBuf>| {
                link.map_or_else(
                    || "a regular file".to_owned(),
                    |target| format!("a link to {}", target.display()),
                )
            };
            add("file type", shown(declaration.link.as_ref()), shown(link));
        }
    }
    if let Some((sealed, found)) =
        declaration.sha256.zip(fragment_digest(facts, texts)).filter(|(a, b)| a != b)
    {
        add("text", format!("sha256 {}…", sealed.short()), format!("sha256 {}…", found.short()));
    }
    for drop_in in facts.resolution.drop_ins.iter().filter(|drop_in| drop_in.is_effective()) {
        if !declaration.allows(drop_in) {
            add(
                "DropInPaths",
                "not allowed by the declaration".to_owned(),
                drop_in.path.display().to_string(),
            );
        }
    }
    found
}

fn declared_and_loaded(facts: &Facts<'_>, loaded: &LoadedUnit) -> Option<Difference> {
    let expected = facts.declaration?.token.as_ref()?;
    let seen = seal::token_of(&loaded.documentation);
    (seen != Some(expected)).then(|| Difference {
        between: Between::DeclaredAndLoaded,
        what: "token".to_owned(),
        expected: expected.clone(),
        seen: seen.unwrap_or("(none)").to_owned(),
    })
}

fn disk_and_loaded(facts: &Facts<'_>, loaded: &LoadedUnit) -> Vec<Difference> {
    let resolution = facts.resolution;
    let mut found = Vec::new();
    let mut add = |what: &str, expected: String, seen: String| {
        found.push(Difference { between: Between::DiskAndLoaded, what: what.to_owned(), expected, seen });
    };
    let word = resolution.state.word();
    // A unit with a bad line in it is a file on disk all the same.
    let bad = matches!(loaded.load_state, LoadState::BadSetting | LoadState::Error) && word == "loaded";
    if loaded.load_state.as_str() != word && !bad {
        add("LoadState", word.to_owned(), loaded.load_state.to_string());
    }
    if loaded.fragment_path != resolution.fragment && !loaded.transient {
        let seen = path_or_none(loaded.fragment_path.as_ref());
        add("FragmentPath", path_or_none(resolution.fragment.as_ref()), seen);
    }
    if !resolution.drop_ins_match(&loaded.drop_in_paths) && !bad {
        let shown =
            |paths: Vec<String>| if paths.is_empty() { "(none)".to_owned() } else { paths.join(", ") };
        let on_disk = resolution.drop_in_paths().iter().map(|path| path.display().to_string()).collect();
        let in_memory = loaded.drop_in_paths.iter().map(|path| path.display().to_string()).collect();
        add("DropInPaths", shown(on_disk), shown(in_memory));
    }
    found
}

fn path_or_none(path: Option<&PathBuf>) -> String {
    path.map_or_else(|| "(none)".to_owned(), |path| path.display().to_string())
}

/// What manager and declaration explain.
pub(super) fn reasons(facts: &Facts<'_>, differences: &[Difference]) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if let Some(loaded) = facts.loaded.filter(|_| facts.in_memory) {
        reasons.extend(of_loaded(facts, loaded, differences));
    }
    let drifted: Vec<String> = differences
        .iter()
        .filter(|difference| difference.between == Between::DeclaredAndDisk)
        .map(|difference| match difference.what.as_str() {
            "DropInPaths" => format!("the drop-in {} is not allowed", difference.seen),
            what => format!("{what} is {}, declared is {}", difference.seen, difference.expected),
        })
        .collect();
    if let Some(declaration) = facts.declaration.filter(|_| !drifted.is_empty()) {
        let text = format!("not what was declared ({}): {}", declaration.by_whom(), drifted.join("; "));
        reasons.push(Reason::new(Kind::Drifted, text).at(&declaration.seal));
    }
    for pull in facts.wants.iter().filter(|pull| !pull.in_force) {
        let why =
            if pull.text.is_none() { "it is no link" } else { "it is masked or hidden by an earlier one" };
        let text = format!("{} does not pull it in: {why}", pull.path.display());
        reasons.push(Reason::new(Kind::Enablement, text).at(&pull.path));
    }
    reasons
}

fn of_loaded(facts: &Facts<'_>, loaded: &LoadedUnit, differences: &[Difference]) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let drifted = differences.iter().any(|difference| difference.between == Between::DeclaredAndDisk);
    if loaded.transient {
        let text = "the manager has a transient unit of this name: made by systemd-run or another program, gone when it ends";
        reasons.push(Reason::new(Kind::Transient, text));
    }
    if let Some(error) = &loaded.load_error {
        reasons
            .push(Reason::new(Kind::LoadError, format!("the manager could not use it: {}", error.message)));
    }
    let stale: Vec<String> = differences
        .iter()
        .filter(|difference| difference.between == Between::DiskAndLoaded)
        .map(|difference| {
            format!("{}: on disk {}, loaded {}", difference.what, difference.expected, difference.seen)
        })
        .collect();
    if !stale.is_empty() {
        let when = facts
            .manager
            .and_then(|manager| manager.units_load)
            .map_or_else(String::new, |time| format!(", as it was on {time}"));
        let text = format!(
            "the manager runs another definition than the one on disk{when}; {}: {}",
            if drifted {
                "the one on disk is not what is declared, and a daemon-reload would load it: mend the disk first"
            } else {
                "`systemctl --user daemon-reload` makes it read the disk"
            },
            stale.join("; ")
        );
        reasons.push(Reason::new(Kind::Stale, text));
    }
    if let Some((path, changed, read)) = not_read(facts).filter(|_| !loaded.transient) {
        let text = format!(
            "{} changed on {}, after the manager last read all unit files (on {}): unless it has loaded this unit since, {}",
            path.display(),
            moment(changed),
            moment(read),
            if drifted { "a daemon-reload would load it" } else { "a daemon-reload is due" }
        );
        reasons.push(Reason::new(Kind::NotRead, text).at(&path));
    } else if loaded.need_daemon_reload && stale.is_empty() {
        let text =
            "the manager says itself that a file is newer than what it has read (NeedDaemonReload=yes)";
        reasons.push(Reason::new(Kind::NotRead, text));
    }
    reasons
}

/// The file of the unit that changed last, if that was after the manager read all of them.
fn not_read(facts: &Facts<'_>) -> Option<(PathBuf, SystemTime, SystemTime)> {
    let read = SystemTime::from(facts.manager?.units_load?);
    let now = SystemTime::now();
    let winner = facts
        .resolution
        .winner()
        .into_iter()
        .flat_map(|copy| [copy.status.as_ref(), copy.end.status()].map(|status| (&copy.path, status)));
    let drop_ins = facts.resolution.drop_ins.iter().flat_map(|drop_in| {
        [drop_in.status.as_ref(), drop_in.end.status()].map(|status| (&drop_in.path, status))
    });
    winner
        .chain(drop_ins)
        // What a generator makes is made during each reload, after the time that the reload goes by.
        .filter(|(path, _)| {
            !path.ancestors().skip(1).take(2).any(|dir| kind_of_directory(dir, facts.dirs).is_generated())
        })
        .filter_map(|(path, status)| Some((path.clone(), status?.changed)))
        // A time that lies ahead says that the clock was set back, and nothing about the order of things.
        .filter(|(_, changed)| *changed <= now && *changed > read)
        .max_by_key(|(_, changed)| *changed)
        .map(|(path, changed)| (path, changed, read))
}

/// The answer in a line.
pub(super) fn summary(facts: &Facts<'_>, differences: &[Difference]) -> String {
    let on_disk = match (facts.resolution.state.word(), &facts.resolution.fragment) {
        ("loaded", Some(path)) => format!("on disk {}", path.display()),
        ("loaded", None) => "needs no file".to_owned(),
        ("masked", _) => "masked on disk".to_owned(),
        ("not-found", _) => "not found on disk".to_owned(),
        (_, _) => "not usable on disk".to_owned(),
    };
    let has = |between| differences.iter().any(|difference| difference.between == between);
    let manager = match facts.loaded {
        None => String::new(),
        Some(loaded) if !facts.in_memory && loaded.load_state == LoadState::NotFound => String::new(),
        Some(_) if !facts.in_memory => "; not in the manager's memory".to_owned(),
        Some(loaded) => {
            let state = format!("{} ({})", loaded.active_state, loaded.sub_state);
            if has(Between::DiskAndLoaded) || has(Between::DeclaredAndLoaded) {
                format!("; the manager runs something else: {state}")
            } else {
                format!("; loaded as it is there: {state}")
            }
        }
    };
    let declared = match facts.declaration {
        None => String::new(),
        Some(declaration) if declaration.by == Declarer::Orphan => {
            format!("; no longer declared: {}", declaration.by_whom())
        }
        Some(declaration) if has(Between::DeclaredAndDisk) => {
            format!("; not as declared ({})", declaration.by_whom())
        }
        Some(declaration) => format!("; as declared ({})", declaration.by_whom()),
    };
    format!("{}: {on_disk}{manager}{declared}", facts.unit)
}
