//! Whose directory it is, in a word.

use std::fmt;
use std::path::Path;

use crate::dirs::Dirs;

/// Who puts unit files into a directory of the search path. Source: systemd.unit(5), "User Unit Search Path".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DirectoryKind {
    /// `$XDG_CONFIG_HOME/systemd/user.control`: `systemctl --user set-property`, `edit` of some tools.
    Control,
    /// `$XDG_RUNTIME_DIR/systemd/user.control`: the same with `--runtime`.
    RuntimeControl,
    /// `$XDG_RUNTIME_DIR/systemd/transient`: `systemd-run` and other programs.
    Transient,
    /// `$XDG_RUNTIME_DIR/systemd/generator.early`.
    GeneratorEarly,
    /// `$XDG_CONFIG_HOME/systemd/user`: the user, Home Manager, Stackwarden.
    Owner,
    /// `$XDG_CONFIG_DIRS`, such as /etc/xdg/systemd/user.
    Config,
    /// /etc/systemd/user: the administrator, NixOS.
    Etc,
    /// `$XDG_RUNTIME_DIR/systemd/user` and /run/systemd/user.
    Runtime,
    /// `$XDG_RUNTIME_DIR/systemd/generator`: Quadlet.
    Generator,
    /// `$XDG_DATA_HOME` and `$XDG_DATA_DIRS`: packages of the user, profiles.
    Data,
    /// /usr/lib/systemd/user and its like: packages of the system.
    Usr,
    /// `$XDG_RUNTIME_DIR/systemd/generator.late`.
    GeneratorLate,
    /// None of these: `SYSTEMD_UNIT_PATH`, a patched systemd.
    Other,
}

impl DirectoryKind {
    /// Whether its units are made at run time, by a program or a generator, and not from a file that somebody keeps.
    #[must_use]
    pub const fn is_generated(self) -> bool {
        matches!(self, Self::Transient | Self::GeneratorEarly | Self::Generator | Self::GeneratorLate)
    }

    /// The word for messages.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::RuntimeControl => "runtime control",
            Self::Transient => "transient",
            Self::GeneratorEarly => "generator.early",
            Self::Owner => "owner",
            Self::Config => "config",
            Self::Etc => "etc",
            Self::Runtime => "runtime",
            Self::Generator => "generator",
            Self::Data => "data",
            Self::Usr => "usr",
            Self::GeneratorLate => "generator.late",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for DirectoryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Tells whose directory a file lies in. Purely by its name; nothing is looked up.
#[must_use]
pub fn kind_of_file(path: &Path, dirs: &Dirs) -> DirectoryKind {
    path.parent().map_or(DirectoryKind::Other, |directory| kind_of_directory(directory, dirs))
}

/// Tells whose directory `path` is. Purely by its name; nothing is looked up.
#[must_use]
pub fn kind_of_directory(path: &Path, dirs: &Dirs) -> DirectoryKind {
    let runtime = dirs.runtime.join("systemd");
    let known = [
        (dirs.config_home.join("systemd/user.control"), DirectoryKind::Control),
        (dirs.owner(), DirectoryKind::Owner),
        (runtime.join("user.control"), DirectoryKind::RuntimeControl),
        (runtime.join("transient"), DirectoryKind::Transient),
        (runtime.join("generator.early"), DirectoryKind::GeneratorEarly),
        (runtime.join("generator.late"), DirectoryKind::GeneratorLate),
        (runtime.join("generator"), DirectoryKind::Generator),
        (runtime.join("user"), DirectoryKind::Runtime),
        (dirs.data_home.join("systemd/user"), DirectoryKind::Data),
    ];
    if let Some((_, kind)) = known.iter().find(|(directory, _)| path == directory) {
        return *kind;
    }
    // The rest lies in directories that the distribution chooses: by the part of the path that it keeps.
    if path == Path::new("/etc/systemd/user") {
        DirectoryKind::Etc
    } else if path == Path::new("/run/systemd/user") {
        DirectoryKind::Runtime
    } else if path.ends_with("xdg/systemd/user") {
        DirectoryKind::Config
    } else if path.ends_with("share/systemd/user") {
        DirectoryKind::Data
    } else if path.ends_with("lib/systemd/user") {
        DirectoryKind::Usr
    } else {
        DirectoryKind::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn every_directory_of_the_manual_page_has_its_word() {
        let dirs = Dirs {
            user: "me".to_owned(),
            home: PathBuf::from("/home/me"),
            config_home: PathBuf::from("/home/me/.config"),
            state_home: PathBuf::from("/home/me/.local/state"),
            data_home: PathBuf::from("/home/me/.local/share"),
            cache_home: PathBuf::from("/home/me/.cache"),
            runtime: PathBuf::from("/run/user/1000"),
        };
        for (path, word) in [
            ("/home/me/.config/systemd/user.control", "control"),
            ("/run/user/1000/systemd/user.control", "runtime control"),
            ("/run/user/1000/systemd/transient", "transient"),
            ("/run/user/1000/systemd/generator.early", "generator.early"),
            ("/home/me/.config/systemd/user", "owner"),
            ("/etc/xdg/systemd/user", "config"),
            ("/etc/systemd/user", "etc"),
            ("/run/user/1000/systemd/user", "runtime"),
            ("/run/systemd/user", "runtime"),
            ("/run/user/1000/systemd/generator", "generator"),
            ("/home/me/.local/share/systemd/user", "data"),
            ("/home/me/.nix-profile/share/systemd/user", "data"),
            ("/usr/share/systemd/user", "data"),
            ("/usr/local/lib/systemd/user", "usr"),
            ("/nix/store/x-systemd-257/lib/systemd/user", "usr"),
            ("/run/user/1000/systemd/generator.late", "generator.late"),
            ("/srv/units", "other"),
        ] {
            assert_eq!(kind_of_directory(Path::new(path), &dirs).word(), word, "{path}");
        }
    }
}
