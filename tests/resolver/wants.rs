//! Generated dependency directories: which links make dependencies, compared with what the manager loaded.

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;

use stackwarden::names::UnitName;
use stackwarden::systemd::search_path::{DependencyKind, SearchPath};

use super::chance::Chance;
use super::support::{Manager, write};
use super::{number, show, unit_path};

#[derive(Clone, Copy)]
enum Item {
    Link,
    LinkElsewhere,
    Dangling,
    Null,
    Empty,
    File,
    Directory,
}

const ITEMS: &[(usize, Item)] = &[
    (50, Item::Link),
    (10, Item::LinkElsewhere),
    (10, Item::Dangling),
    (10, Item::Null),
    (7, Item::Empty),
    (7, Item::File),
    (6, Item::Directory),
];

#[test]
fn wants_links_count_as_for_systemd() {
    let manager = Manager::start();
    let places =
        [manager.config().join("systemd/user.control"), manager.owner(), manager.etc(), manager.usr()];
    let first = number("STACKWARDEN_SEED", 1);
    let mut targets = Vec::new();
    for seed in first..first + 100 {
        let mut chance = Chance::new(seed);
        let target = UnitName::parse(&format!("w{seed}.target")).unwrap();
        write(manager.usr().join(target.as_str()), "[Unit]\nDefaultDependencies=no\n");
        for (suffix, unit) in [("wants", "a"), ("wants", "b"), ("requires", "a"), ("requires", "c")] {
            for place in &places {
                if !chance.percent(40) {
                    continue;
                }
                let path = place.join(format!("{target}.{suffix}/w{seed}-{unit}.service"));
                fs_err::create_dir_all(path.parent().unwrap()).unwrap();
                let link = |to: &str| symlink(to, &path).unwrap();
                match chance.weigh(ITEMS) {
                    Item::Link => link(&format!("../w{seed}-{unit}.service")),
                    Item::LinkElsewhere => link("../basic.target"),
                    Item::Dangling => link("/none/at.service"),
                    Item::Null => link("/dev/null"),
                    Item::Empty => drop(write(&path, "")),
                    Item::File => drop(write(&path, "[Unit]\n")),
                    Item::Directory => fs_err::create_dir(&path).unwrap(),
                }
            }
        }
        targets.push((seed, target));
    }
    manager.systemctl(&["daemon-reload"]);
    let search_path = SearchPath::scan(unit_path(&manager));
    let loaded = show(&manager, "Wants,Requires", targets.iter().map(|(_, target)| target));
    let mut links = 0;
    for ((seed, target), theirs) in targets.iter().zip(&loaded) {
        for (property, kind) in [("Wants", DependencyKind::Wants), ("Requires", DependencyKind::Requires)] {
            let systemd: BTreeSet<String> = theirs
                .get(property)
                .map_or("", String::as_str)
                .split_whitespace()
                .map(str::to_owned)
                .collect();
            let ours: BTreeSet<String> = ["a", "b", "c"]
                .iter()
                .map(|unit| UnitName::parse(&format!("w{seed}-{unit}.service")).unwrap())
                .filter(|unit| {
                    search_path
                        .wants_links(unit)
                        .iter()
                        .any(|link| link.in_force && link.kind == kind && link.wanted_by == target.as_str())
                })
                .map(|unit| unit.to_string())
                .collect();
            assert_eq!(ours, systemd, "{target} {property}");
            links += ours.len();
        }
    }
    println!("{} targets, {links} dependencies agree", targets.len());
}
