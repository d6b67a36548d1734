//! The resolver held against systemd itself: generated trees of unit files, loaded into a real user manager, and
//! every unit in them compared.
//!
//! `STACKWARDEN_TREES` sets the number of trees, `STACKWARDEN_SEED` the first one's seed.
#![expect(clippy::unwrap_used, clippy::panic, reason = "in a test, a failed step is a panic with its place")]

#[path = "resolver/chance.rs"]
mod chance;
#[path = "resolver/hostile.rs"]
mod hostile;
#[path = "resolver/kinds.rs"]
mod kinds;
#[path = "resolver/texts.rs"]
mod texts;
#[path = "resolver/tree.rs"]
mod tree;
#[path = "resolver/wants.rs"]
mod wants;

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use stackwarden::names::UnitName;
use stackwarden::systemd::search_path::{Resolution, SearchPath};

use support::Manager;
use tree::{Places, Tree};

/// Trees that share one reload: many, because a reload costs more than a tree; few enough for one command line.
const BATCH: u64 = 20;

/// A file system in memory.
const MEMORY: &str = "/dev/shm";

/// What the manager says of one unit.
#[derive(Debug, PartialEq, Eq)]
struct Loaded {
    id: String,
    names: BTreeSet<String>,
    fragment: String,
    drop_ins: Vec<String>,
    state: String,
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable)
        .map_or(default, |value| value.parse().unwrap_or_else(|error| panic!("{variable}={value}: {error}")))
}

fn unit_path(manager: &Manager) -> Vec<PathBuf> {
    manager
        .systemctl(&["show", "--value", "--property", "UnitPath"])
        .split_whitespace()
        .map(PathBuf::from)
        .collect()
}

/// Asks the manager for some properties of many units, in one command.
fn show<'a>(
    manager: &Manager,
    properties: &str,
    units: impl Iterator<Item = &'a UnitName>,
) -> Vec<BTreeMap<String, String>> {
    let properties = format!("--property={properties}");
    let units: Vec<&str> = units.map(UnitName::as_str).collect();
    let mut command = vec!["show", properties.as_str(), "--"];
    command.extend(units);
    manager
        .systemctl(&command)
        .split("\n\n")
        .map(|block| {
            block
                .lines()
                .filter_map(|line| line.split_once('='))
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect()
        })
        .collect()
}

fn ask<'a>(manager: &Manager, units: impl Iterator<Item = &'a UnitName>) -> Vec<Loaded> {
    show(manager, "Id,Names,FragmentPath,DropInPaths,LoadState", units)
        .iter()
        .map(|properties| {
            let words = |key: &str| {
                let value = properties.get(key).map_or("", String::as_str);
                value.split_whitespace().map(unquoted)
            };
            Loaded {
                id: words("Id").collect(),
                names: words("Names").collect(),
                fragment: words("FragmentPath").collect(),
                drop_ins: words("DropInPaths").collect(),
                state: words("LoadState").collect(),
            }
        })
        .collect()
}

/// A word as `systemctl show` prints it: in quotes, with backslashes doubled, when it has any in it.
fn unquoted(word: &str) -> String {
    word.strip_prefix('"')
        .and_then(|inner| inner.strip_suffix('"'))
        .map_or_else(|| word.to_owned(), |inner| inner.replace("\\\\", "\\"))
}

/// What differs; `None` when the manager and the resolver agree.
fn difference(ours: &Resolution, theirs: &Loaded) -> Option<String> {
    let shown = |path: &Path| path.display().to_string();
    let expected = Loaded {
        id: ours.id.to_string(),
        names: ours.names.iter().map(ToString::to_string).collect(),
        fragment: ours.fragment.as_deref().map_or(String::new(), shown),
        // The manager picks some by chance.
        drop_ins: if ours.drop_ins_match(&theirs.drop_ins) {
            theirs.drop_ins.clone()
        } else {
            ours.drop_ins.iter().map(|drop_in| shown(&drop_in.path)).collect()
        },
        state: ours.state.word().to_owned(),
    };
    (expected != *theirs).then(|| format!("resolver {expected:#?}\nsystemd {theirs:#?}\n{:?}", ours.steps))
}

#[test]
fn generated_trees_resolve_as_systemd_does() {
    // Thousands of files are made, which a disk may take a second per thousand for.
    if Path::new(MEMORY).is_dir() {
        tempfile::env::override_temp_dir(Path::new(MEMORY)).unwrap();
    }
    let manager = Manager::start();
    // As on NixOS, one of the directories is a link.
    let real_etc = manager.dir().join("real-etc");
    fs_err::rename(manager.etc(), &real_etc).unwrap();
    symlink(&real_etc, manager.etc()).unwrap();
    let outside = manager.dir().join("outside");
    let places = Places {
        search: vec![
            manager.config().join("systemd/user.control"),
            manager.owner(),
            manager.etc(),
            manager.runtime().join("systemd/user"),
            manager.dir().join("data/systemd/user"),
            manager.usr(),
        ],
        real_etc,
        outside,
    };
    let directories = unit_path(&manager);
    let manager_directory = fs_err::read_link(format!("/proc/{}/cwd", manager.pid())).unwrap();
    let first = number("STACKWARDEN_SEED", 1);
    let trees = number("STACKWARDEN_TREES", 150);
    let mut compared = 0;
    let mut states: BTreeMap<String, usize> = BTreeMap::new();
    let mut drop_ins = 0;
    for start in (first..first + trees).step_by(usize::try_from(BATCH).unwrap()) {
        places.clear();
        let seeds = start..(start + BATCH).min(first + trees);
        let grown: Vec<Tree> = seeds.map(|seed| Tree::grow(seed, &places)).collect();
        let shared = tree::type_drop_ins(start, &places);
        manager.systemctl(&["daemon-reload"]);
        let search_path = SearchPath::scan_as_from(&manager_directory, directories.clone());
        let units: Vec<(&Tree, UnitName)> =
            grown.iter().flat_map(|tree| tree.units().into_iter().map(move |unit| (tree, unit))).collect();
        let loaded = ask(&manager, units.iter().map(|(_, unit)| unit));
        assert_eq!(loaded.len(), units.len());
        for ((tree, unit), theirs) in units.iter().zip(&loaded) {
            let ours = search_path.resolve(unit);
            assert_eq!(ours.unchecked, [], "{unit}");
            if let Some(difference) = difference(&ours, theirs) {
                panic!(
                    "{unit}: {difference}\nSTACKWARDEN_SEED={} STACKWARDEN_TREES=1:\n{}\nfor all:\n{}",
                    tree.seed,
                    tree.log.join("\n"),
                    shared.join("\n"),
                );
            }
            compared += 1;
            drop_ins += theirs.drop_ins.len();
            *states.entry(theirs.state.clone()).or_default() += 1;
        }
    }
    println!("{trees} trees, {compared} units, {drop_ins} drop-ins agree; {states:?}");
    assert!(trees < 100 || compared >= 1000, "{compared}");
}
