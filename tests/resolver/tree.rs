//! Trees of unit files, each grown from a seed.
#![expect(
    clippy::disallowed_methods,
    reason = "the rules for writing state are for the product; these are a test's files"
)]

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use stackwarden::names::UnitName;

use super::chance::Chance;
use super::kinds::{CONFS, COPIES, Conf, Copies, DOTS, Dot, NAMES};

/// Where trees grow.
pub struct Places {
    /// Directories of the search path, in order.
    pub search: Vec<PathBuf>,
    /// What the third of them is a link to.
    pub real_etc: PathBuf,
    /// Not in the search path.
    pub outside: PathBuf,
}

impl Places {
    /// Empties them all.
    pub fn clear(&self) {
        for place in self.search.iter().chain([&self.outside]) {
            fs_err::create_dir_all(place).unwrap();
            for entry in fs_err::read_dir(place).unwrap() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_dir() {
                    fs_err::remove_dir_all(entry.path()).unwrap();
                } else {
                    fs_err::remove_file(entry.path()).unwrap();
                }
            }
        }
    }
}

/// A small world of units whose names start with `f<seed>`.
pub struct Tree {
    pub seed: u64,
    /// What was made, a line each.
    pub log: Vec<String>,
    names: Vec<String>,
}

struct Gardener<'a> {
    chance: Chance,
    places: &'a Places,
    log: Vec<String>,
    stem: String,
}

/// Drop-ins for whole types, which every tree of a batch gets.
pub fn type_drop_ins(seed: u64, places: &Places) -> Vec<String> {
    let mut gardener =
        Gardener { chance: Chance::new(!seed), places, log: Vec::new(), stem: format!("type{seed}") };
    for unit_type in ["service", "target", "timer", "slice"] {
        for place in &places.search {
            if gardener.chance.percent(25) {
                gardener.dot_directory(place, unit_type);
            }
        }
    }
    gardener.log
}

impl Tree {
    pub fn grow(seed: u64, places: &Places) -> Self {
        let mut chance = Chance::new(seed);
        let unit_type = chance.weigh(&[
            (70, "service"),
            (14, "target"),
            (6, "timer"),
            (3, "path"),
            (3, "socket"),
            (4, "slice"),
        ]);
        let stem = format!("f{seed}");
        let mut names: Vec<String> = ["", "-a", "-a-b", "-c", "--d", "-a\\x2de-g"]
            .iter()
            .map(|rest| format!("{stem}{rest}.{unit_type}"))
            .collect();
        if unit_type == "slice" {
            // A slice's name is a path in the tree of slices: no empty parts.
            names.retain(|name| !name.contains("--"));
        } else {
            for rest in ["", "-a", "-g-h"] {
                for instance in ["", "x", "y-z"] {
                    names.push(format!("{stem}{rest}@{instance}.{unit_type}"));
                }
            }
        }
        let mut gardener = Gardener { chance, places, log: Vec::new(), stem };
        for name in &names {
            if gardener.chance.percent(60) {
                for _ in 0..=gardener.chance.below(3) {
                    let place = gardener.chance.pick(&places.search).clone();
                    gardener.copy(&place, name, &names);
                }
            }
        }
        if gardener.chance.percent(15) {
            names.extend(gardener.chain(unit_type));
        }
        gardener.drop_ins(&names, unit_type);
        Self { seed, log: gardener.log, names }
    }

    /// The units to ask the manager for: it has no templates.
    pub fn units(&self) -> Vec<UnitName> {
        self.names
            .iter()
            .map(|name| UnitName::parse(name).unwrap())
            .filter(|unit| unit.instance() != Some(""))
            .collect()
    }
}

impl Gardener<'_> {
    fn write(&mut self, path: &Path, text: &str) {
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        if path.symlink_metadata().is_err() {
            fs_err::write(path, text).unwrap();
            self.log.push(format!("file {} {text:?}", path.display()));
        }
    }

    fn link(&mut self, path: &Path, target: impl AsRef<Path>) {
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        if path.symlink_metadata().is_err() {
            symlink(&target, path).unwrap();
            self.log.push(format!("link {} -> {}", path.display(), target.as_ref().display()));
        }
    }

    fn directory(&mut self, path: &Path) {
        if path.symlink_metadata().is_err() {
            fs_err::create_dir_all(path).unwrap();
            self.log.push(format!("directory {}", path.display()));
        }
    }

    /// A path outside of the search path that nothing else has.
    fn fresh(&mut self, what: &str) -> PathBuf {
        let number = self.chance.number();
        self.places.outside.join(format!("{}-{number:x}-{what}", self.stem))
    }

    /// A file outside, with a unit's text.
    fn file_outside(&mut self, text: &str) -> PathBuf {
        // What the target is called does not matter.
        let name = *self.chance.pick(&["any", "b.service", "c.timer", "d@.service"]);
        let path = self.fresh(name);
        self.write(&path, text);
        path
    }

    fn copy(&mut self, place: &Path, name: &str, names: &[String]) {
        let path = place.join(name);
        let text = unit_text(name);
        let other = self.chance.pick(names).clone();
        let other_place = self.chance.pick(&self.places.search).clone();
        match self.chance.weigh(COPIES) {
            Copies::File => self.write(&path, text),
            Copies::Empty => self.write(&path, ""),
            Copies::Null => self.link(&path, "/dev/null"),
            Copies::CharacterDevice => self.link(&path, "/dev/zero"),
            Copies::Linked { relative } => {
                let target = self.file_outside(text);
                let target = if relative { up(place, &target) } else { target };
                self.link(&path, target);
            }
            Copies::LinkedTwice => {
                let target = self.file_outside(text);
                let between = self.fresh("between");
                self.link(&between, target.file_name().unwrap());
                self.link(&path, between);
            }
            Copies::LinkedToSearchPath => {
                // The first link decides: this is no alias.
                let between = self.fresh("between");
                self.link(&between, other_place.join(&other));
                self.link(&path, between);
            }
            Copies::Dangling => {
                let target = self.fresh("none");
                self.link(&path, target);
            }
            Copies::Loop => {
                let target = self.fresh("loop");
                self.link(&target, &target);
                self.link(&path, target);
            }
            Copies::ToDirectory => {
                let target = self.fresh("directory");
                self.directory(&target);
                self.link(&path, target);
            }
            Copies::ToSocket => {
                let target = self.fresh("socket");
                drop(std::os::unix::net::UnixListener::bind(&target).unwrap());
                self.link(&path, target);
            }
            Copies::Alias => self.link(&path, other_place.join(other)),
            Copies::AliasRelative => self.link(&path, up(place, &other_place).join(other)),
            Copies::AliasSameDirectory => self.link(&path, other),
            Copies::AliasThroughRealPlace => {
                let target = self.places.real_etc.join(other);
                self.link(&path, target);
            }
            Copies::AliasInSubdirectory => self.link(&path, other_place.join("sub").join(other)),
            Copies::AliasOfOtherType => {
                let target = format!("{}.path", self.stem);
                self.link(&path, other_place.join(target));
            }
            Copies::AliasOfNoUnit => self.link(&path, other_place.join("README")),
            Copies::SelfAlias => self.link(&path, other_place.join(name)),
            Copies::ToSearchDirectory => self.link(&path, other_place),
            Copies::ThroughMissing => self.link(&path, other_place.join("none/..").join(other)),
            Copies::ThroughFile => {
                let file = self.file_outside(text);
                self.link(&path, file.join(other));
            }
            Copies::Directory => self.directory(&path),
            // No FIFO: a link that leads to it, and the manager waits for a writer for ever.
            Copies::Socket => {
                if path.symlink_metadata().is_err() {
                    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
                    self.log.push(format!("socket {}", path.display()));
                }
            }
        }
    }

    /// Aliases in a row, about as many as systemd follows; the last is a file or, at times, the first again.
    fn chain(&mut self, unit_type: &str) -> Vec<String> {
        let length = 2 + self.chance.below(9);
        let names: Vec<String> =
            (0..=length).map(|number| format!("{}-k{number}.{unit_type}", self.stem)).collect();
        for pair in names.windows(2) {
            let [from, to] = pair else { continue };
            let place = self.chance.pick(&self.places.search).clone();
            self.link(&place.join(from), to);
        }
        let place = self.chance.pick(&self.places.search).clone();
        let (first, last) = (names.first().unwrap(), names.last().unwrap());
        if self.chance.percent(25) {
            self.link(&place.join(last), first);
        } else {
            self.write(&place.join(last), unit_text(last));
        }
        names
    }

    fn drop_ins(&mut self, names: &[String], unit_type: &str) {
        let mut of: Vec<String> = names.to_vec();
        for prefix in ["-", "--", "-a-", "-g-", "-g-@x", "-@x", "-@", "-a-@y-z", "-k"] {
            of.push(format!("{}{prefix}.{unit_type}", self.stem));
        }
        for name in of {
            if self.chance.percent(30) {
                for _ in 0..=self.chance.below(2) {
                    let place = self.chance.pick(&self.places.search).clone();
                    self.dot_directory(&place, &name);
                }
            }
        }
    }

    fn dot_directory(&mut self, place: &Path, name: &str) {
        let path = place.join(format!("{name}.d"));
        if path.symlink_metadata().is_ok() {
            return;
        }
        match self.chance.weigh(DOTS) {
            Dot::Directory => {
                self.directory(&path);
                self.confs(&path);
            }
            Dot::LinkOut => {
                let target = self.fresh("drop-ins");
                self.directory(&target);
                self.confs(&target);
                self.link(&path, target);
            }
            Dot::LinkRelative => {
                let target = self.fresh("drop-ins");
                self.directory(&target);
                self.confs(&target);
                self.link(&path, up(place, &target));
            }
            Dot::LinkRelativeNear => {
                let target = place.join(format!("{}-near", self.stem));
                self.directory(&target);
                self.confs(&target);
                self.link(&path, target.file_name().unwrap());
            }
            Dot::LinkToAnother => {
                let other = self.chance.pick(&self.places.search).clone();
                let target = other.join(format!("{}-a.service.d", self.stem));
                self.link(&path, target);
            }
            Dot::Dangling => {
                let target = self.fresh("none");
                self.link(&path, target);
            }
            Dot::File => self.write(&path, "no directory\n"),
            Dot::LinkToFile => {
                let target = self.file_outside("no directory\n");
                self.link(&path, target);
            }
        }
    }

    fn confs(&mut self, directory: &Path) {
        const TEXT: &str = "[Unit]\nDescription=changed\n";
        for name in NAMES {
            if !self.chance.percent(35) {
                continue;
            }
            let path = directory.join(format!("{name}.conf"));
            match self.chance.weigh(CONFS) {
                Conf::File => self.write(&path, TEXT),
                Conf::Empty => self.write(&path, ""),
                Conf::Null => self.link(&path, "/dev/null"),
                Conf::Dangling => {
                    let target = self.fresh("none");
                    self.link(&path, target);
                }
                Conf::Directory => self.directory(&path),
                Conf::LinkOut => {
                    let target = self.file_outside(TEXT);
                    self.link(&path, target);
                }
                Conf::LinkRelative => {
                    let target = self.file_outside(TEXT);
                    self.link(&path, up(directory, &target));
                }
                Conf::Loop => self.link(&path, path.file_name().unwrap()),
            }
        }
        for (percent, name) in [(5, ".hidden.conf"), (5, "README"), (5, "50-e.conf~")] {
            if self.chance.percent(percent) {
                self.write(&directory.join(name), TEXT);
            }
        }
    }
}

/// `target` as seen from `from`: up to the root, and down again.
fn up(from: &Path, target: &Path) -> PathBuf {
    let real = from.canonicalize().unwrap();
    let mut path = PathBuf::new();
    for _ in real.components().skip(1) {
        path.push("..");
    }
    path.join(target.strip_prefix("/").unwrap())
}

fn unit_text(name: &str) -> &'static str {
    match name.rsplit_once('.') {
        Some((_, "service")) => "[Unit]\nDefaultDependencies=no\n[Service]\nExecStart=/bin/true\n",
        Some((_, "timer")) => "[Unit]\nDefaultDependencies=no\n[Timer]\nOnActiveSec=1h\n",
        Some((_, "path")) => "[Unit]\nDefaultDependencies=no\n[Path]\nPathExists=/none\n",
        Some((_, "socket")) => "[Unit]\nDefaultDependencies=no\n[Socket]\nListenStream=/none/socket\n",
        _ => "[Unit]\nDefaultDependencies=no\n",
    }
}
