//! Search paths as they should not be: what cannot be looked at is told, never taken for absent.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Instant;

use nix::errno::Errno;
use stackwarden::names::UnitName;
use stackwarden::systemd::search_path::{
    AliasProblem, CopyKind, DirectoryState, DiskState, DropInListing, FileEnd, LinkRole, NotFound,
    Resolution, SearchPath, Standing,
};
use tempfile::TempDir;

use super::support::write;

const SERVICE: &str = "[Service]\nExecStart=true\n";

fn name(text: &str) -> UnitName {
    UnitName::parse(text).unwrap()
}

/// A search path of two directories.
struct Two {
    dir: TempDir,
}

impl Two {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for part in ["a", "b", "out"] {
            fs_err::create_dir(dir.path().join(part)).unwrap();
        }
        Self { dir }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn scan(&self) -> SearchPath {
        SearchPath::scan([self.at("a"), self.at("b")])
    }

    fn resolve(&self, unit: &str) -> Resolution {
        self.scan().resolve(&name(unit))
    }

    fn link(&self, path: &str, target: impl AsRef<Path>) {
        fs_err::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        symlink(target, self.at(path)).unwrap();
    }
}

#[test]
fn every_copy_is_told_with_its_standing() {
    let two = Two::new();
    write(two.at("b/x.service"), SERVICE);
    let target = write(two.at("out/store.service"), SERVICE);
    two.link("a/x.service", &target);
    let found = two.resolve("x.service");
    assert_eq!(found.state, DiskState::Loaded);
    assert_eq!(found.fragment, Some(two.at("a/x.service")));
    let winner = found.winner().unwrap();
    let CopyKind::Link(link) = &winner.kind else {
        panic!("{winner:?}");
    };
    assert_eq!((&link.text, &link.role), (&target, &LinkRole::Linked));
    let size = u64::try_from(SERVICE.len()).unwrap();
    assert_eq!(winner.end.status().unwrap().size, size);
    assert_eq!(winner.status.as_ref().unwrap().file_type, "link");
    let shadowed: Vec<_> = found.shadowed().map(|copy| copy.path.clone()).collect();
    assert_eq!(shadowed, [two.at("b/x.service")]);
}

#[test]
fn a_good_later_copy_does_not_help_a_dangling_link_but_a_skipped_one() {
    let two = Two::new();
    for unit in ["dangling", "circle", "oneself", "through"] {
        write(two.at(&format!("b/{unit}.service")), SERVICE);
    }
    two.link("a/dangling.service", two.at("out/none"));
    two.link("out/circle", "circle");
    two.link("a/circle.service", two.at("out/circle"));
    two.link("a/oneself.service", two.at("b/oneself.service"));
    two.link("a/through.service", two.at("b/through.service/x"));
    let state = |unit: &str| two.resolve(unit).state;
    assert_eq!(
        state("dangling.service"),
        DiskState::NotFound(NotFound::Dangling(two.at("a/dangling.service")))
    );
    assert_eq!(state("circle.service"), DiskState::NotFound(NotFound::LinkLoop(two.at("a/circle.service"))));
    let skipped = two.resolve("oneself.service");
    assert_eq!(skipped.fragment, Some(two.at("b/oneself.service")));
    let copy = skipped.copies.first().unwrap();
    assert_eq!(copy.standing, Standing::Skipped);
    assert!(
        matches!(&copy.kind, CopyKind::Link(link) if link.role == LinkRole::Skipped(AliasProblem::SelfAlias))
    );
    let through = two.resolve("through.service");
    assert_eq!(through.fragment, Some(two.at("b/through.service")));
}

#[test]
fn what_is_no_file_is_named_and_never_opened() {
    let two = Two::new();
    let fifo = two.at("out/fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    two.link("a/fifo.service", &fifo);
    two.link("a/dir.service", two.at("out"));
    fs_err::create_dir(two.at("a/isdir.service")).unwrap();
    two.link("b/x.service.d/fifo.conf", &fifo);
    fs_err::create_dir(two.at("b/x.service.d/dir.conf")).unwrap();
    write(two.at("b/x.service"), SERVICE);
    let error = |file_type, path: &str| DiskState::Error { path: two.at(path), file_type };
    assert_eq!(two.resolve("fifo.service").state, error("FIFO", "a/fifo.service"));
    assert_eq!(two.resolve("dir.service").state, error("directory", "a/dir.service"));
    let is_dir = two.resolve("isdir.service");
    assert_eq!(is_dir.state, DiskState::NotFound(NotFound::NoCopy));
    assert_eq!(is_dir.copies.first().unwrap().kind, CopyKind::Other("directory"));
    let found = two.resolve("x.service");
    assert_eq!(found.drop_in_paths().len(), 2);
    assert!(found.drop_ins.iter().all(|drop_in| !drop_in.is_effective()));
}

#[test]
fn what_cannot_be_looked_at_is_not_taken_for_absent() {
    let two = Two::new();
    write(two.at("file"), "");
    two.link("circle", "circle");
    let search_path = SearchPath::scan([two.at("none"), two.at("file"), two.at("circle")]);
    let states: Vec<_> = search_path.directories().iter().map(|dir| &dir.state).collect();
    assert_eq!(*states.first().unwrap(), &DirectoryState::Missing);
    let found = search_path.resolve(&name("x.service"));
    assert_eq!(found.state, DiskState::NotFound(NotFound::NoCopy));
    let errors: Vec<_> = found.unchecked.iter().map(|error| error.errno).collect();
    assert_eq!(errors, [Errno::ENOTDIR, Errno::ELOOP]);
    assert_eq!(search_path.wants_unchecked().len(), 2);
    let told = found.unchecked.first().unwrap().to_string();
    assert_eq!(told, format!("{}: cannot list the directory: Not a directory", two.at("file").display()));
}

#[test]
fn permissions_are_told_to_who_does_not_have_them() {
    use std::os::unix::fs::PermissionsExt;
    if nix::unistd::geteuid().is_root() {
        return;
    }
    let two = Two::new();
    write(two.at("a/x.service"), SERVICE);
    let forbid = |path| fs_err::set_permissions(two.at(path), PermissionsExt::from_mode(0o000)).unwrap();
    forbid("a/x.service");
    assert!(matches!(two.resolve("x.service").state, DiskState::NotFound(NotFound::Unreadable(_))));
    forbid("a");
    assert_eq!(two.resolve("x.service").unchecked.len(), 1);
    fs_err::set_permissions(two.at("a"), PermissionsExt::from_mode(0o700)).unwrap();
}

#[test]
fn what_vanishes_after_the_scan_is_no_surprise() {
    let two = Two::new();
    write(two.at("a/x.service"), SERVICE);
    write(two.at("a/x.service.d/1.conf"), "[Unit]\n");
    let search_path = two.scan();
    fs_err::remove_dir_all(two.at("a")).unwrap();
    let found = search_path.resolve(&name("x.service"));
    assert_eq!(found.state, DiskState::NotFound(NotFound::Dangling(two.at("a/x.service"))));
    assert_eq!(found.copies.first().unwrap().end, FileEnd::Missing);
    let [error] = found.unchecked.as_slice() else {
        panic!("{:?}", found.unchecked);
    };
    assert_eq!(error.path, two.at("a/x.service.d").canonicalize().unwrap_or(two.at("a/x.service.d")));
}

#[test]
fn empty_and_odd_drop_in_directories_are_told() {
    let two = Two::new();
    write(two.at("a/x-y.service"), SERVICE);
    fs_err::create_dir(two.at("a/x-y.service.d")).unwrap();
    write(two.at("a/x-.service.d"), "a file");
    two.link("b/service.d", two.at("none"));
    two.link("b/x-.service.d", "near");
    fs_err::create_dir(two.at("b/near")).unwrap();
    let found = two.resolve("x-y.service");
    let listings: Vec<_> = found.drop_in_directories.iter().map(|dir| &dir.listing).collect();
    assert_eq!(
        listings,
        [
            &DropInListing::Listed(Vec::new()),
            &DropInListing::NotADirectory("regular file"),
            &DropInListing::RelativeLink(PathBuf::from("near")),
            &DropInListing::BrokenLink(two.at("none")),
        ]
    );
}

#[test]
fn aliases_drop_ins_of_one_name_are_contested() {
    let two = Two::new();
    write(two.at("a/x.service"), SERVICE);
    for alias in ["p", "q"] {
        two.link(&format!("a/{alias}.service"), "x.service");
        write(two.at(&format!("a/{alias}.service.d/1.conf")), "[Unit]\n");
    }
    let found = two.resolve("q.service");
    assert_eq!(found.id, name("x.service"));
    let drop_in = found.drop_ins.first().unwrap();
    assert_eq!(drop_in.contested.len(), 1);
    assert!(found.drop_ins_match(&drop_in.contested));
    assert!(found.drop_ins_match(&[&drop_in.path]));
    assert!(!found.drop_ins_match::<&Path>(&[]));
}

#[test]
fn wants_links_say_which_of_them_count() {
    let two = Two::new();
    write(two.at("b/x.service"), SERVICE);
    two.link("a/default.target.wants/x.service", "/dev/null");
    two.link("b/default.target.wants/x.service", "../x.service");
    two.link("b/timers.target.requires/x.service", "/nowhere/x.service");
    write(two.at("b/paths.target.wants/x.service"), "a file");
    let search_path = two.scan();
    let links: Vec<_> = search_path
        .wants_links(&name("x.service"))
        .into_iter()
        .map(|link| (link.directory, link.wanted_by, link.in_force))
        .collect();
    let expected = [
        (0, "default.target", false),
        (1, "default.target", false),
        (1, "paths.target", false),
        (1, "timers.target", true),
    ];
    assert_eq!(links, expected.map(|(dir, by, in_force)| (dir, by.to_owned(), in_force)));
    assert!(search_path.wants_links(&name("y.service")).is_empty());
    assert!(search_path.wants_unchecked().is_empty());
}

#[test]
fn ten_thousand_files_and_names_that_are_none() {
    let two = Two::new();
    for number in 0..10_000 {
        symlink("/nix/store/x", two.at(&format!("b/u{number}.service"))).unwrap();
    }
    for odd in [&b"\xff\xfe.service"[..], b"a b.service", b".service", b"x.service~", b"-.slice.d"] {
        fs_err::create_dir(two.at("a").join(OsStr::from_bytes(odd))).unwrap();
    }
    let begin = Instant::now();
    let search_path = two.scan();
    let scanned = begin.elapsed();
    assert_eq!(search_path.unit_names().count(), 10_000);
    for number in 0..2000 {
        let found = search_path.resolve(&name(&format!("u{number}.service")));
        assert_eq!(found.copies.len(), 1);
    }
    println!("scan {scanned:?}, with 2,000 units resolved {:?}", begin.elapsed());
}
