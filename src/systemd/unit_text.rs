//! Which assignment finally wins, and where it stands: a unit file and its drop-ins merged as systemd merges them.

use std::path::{Path, PathBuf};

use super::unit_file::UnitFile;

/// How several assignments of one key become a setting. Source: systemd.unit(5), systemd.exec(5), systemd.service(5),
/// systemd.timer(5), systemd.path(5), systemd.socket(5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Merging {
    /// The last one wins; an empty one means the default.
    Last,
    /// They add up; an empty one drops what came before.
    List,
    /// They add up, and nothing takes one back: dependencies.
    Accumulates,
}

/// How systemd merges `key`. Keys that are not known, extensions too, are taken as scalars.
#[must_use]
pub fn merging(section: &str, key: &str) -> Merging {
    const DEPENDENCIES: &[&str] = &[
        "After",
        "Before",
        "BindsTo",
        "Conflicts",
        "JoinsNamespaceOf",
        "OnFailure",
        "OnSuccess",
        "PartOf",
        "PropagatesReloadTo",
        "PropagatesStopTo",
        "ReloadPropagatedFrom",
        "Requires",
        "Requisite",
        "RequiresMountsFor",
        "StopPropagatedFrom",
        "Upholds",
        "Wants",
        "WantsMountsFor",
    ];
    const LISTS: &[&str] = &[
        "BindPaths",
        "BindReadOnlyPaths",
        "CapabilityBoundingSet",
        "AmbientCapabilities",
        "ConfigurationDirectory",
        "CacheDirectory",
        "DeviceAllow",
        "Documentation",
        "Environment",
        "EnvironmentFile",
        "ExecPaths",
        "InaccessiblePaths",
        "IPAddressAllow",
        "IPAddressDeny",
        "LoadCredential",
        "LoadCredentialEncrypted",
        "LogExtraFields",
        "LogFilterPatterns",
        "LogsDirectory",
        "MakeDirectory",
        "NoExecPaths",
        "OpenFile",
        "PassEnvironment",
        "ReadOnlyPaths",
        "ReadWritePaths",
        "RestartForceExitStatus",
        "RestartPreventExitStatus",
        "RestrictAddressFamilies",
        "RuntimeDirectory",
        "SetCredential",
        "StateDirectory",
        "SuccessExitStatus",
        "SupplementaryGroups",
        "Symlinks",
        "SystemCallFilter",
        "TemporaryFileSystem",
        "UnsetEnvironment",
    ];
    let listed = LISTS.contains(&key)
        || section == "Install"
        || (key.starts_with("Exec") && key != "ExecSearchPath")
        || reset_group(section, key) != key
        || (section == "Socket" && (key.starts_with("Listen")));
    match (section, key) {
        ("Unit", key) if DEPENDENCIES.contains(&key) => Merging::Accumulates,
        _ if listed => Merging::List,
        _ => Merging::Last,
    }
}

/// The keys that one empty assignment resets together: `ConditionPathExists=` resets every condition.
fn reset_group<'a>(section: &str, key: &'a str) -> &'a str {
    match (section, key) {
        ("Unit", key) if key.starts_with("Condition") => "Condition*",
        ("Unit", key) if key.starts_with("Assert") => "Assert*",
        (
            "Timer",
            "OnActiveSec" | "OnBootSec" | "OnStartupSec" | "OnUnitActiveSec" | "OnUnitInactiveSec"
            | "OnCalendar",
        ) => "On*",
        ("Path", "PathExists" | "PathExistsGlob" | "PathChanged" | "PathModified" | "DirectoryNotEmpty") => {
            "Path*"
        }
        ("Socket", key) if key.starts_with("Listen") => "Listen*",
        _ => key,
    }
}

/// One assignment, with the file it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The unit file or drop-in.
    pub file: PathBuf,
    /// The line, counted from 1.
    pub line: usize,
    /// The key as written: in a group that resets together it may differ from the one asked for.
    pub key: String,
    /// The value as written; empty in an assignment that resets.
    pub value: String,
    /// Whether it has an effect on the result.
    pub in_force: bool,
}

/// The texts that make a unit, in the order in which systemd reads them: the fragment, then the drop-ins in order of
/// their file names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnitText {
    files: Vec<(PathBuf, UnitFile)>,
}

impl UnitText {
    /// Adds the next file.
    pub fn push(&mut self, path: impl Into<PathBuf>, file: UnitFile) {
        self.files.push((path.into(), file));
    }

    /// The files, in order.
    pub fn files(&self) -> impl Iterator<Item = (&Path, &UnitFile)> {
        self.files.iter().map(|(path, file)| (path.as_path(), file))
    }

    /// Every (section, key) that is assigned anywhere, in order of first appearance.
    #[must_use]
    pub fn keys(&self) -> Vec<(String, String)> {
        let mut seen = std::collections::BTreeSet::new();
        self.files
            .iter()
            .flat_map(|(_, file)| &file.assignments)
            .filter(|a| seen.insert((a.section.as_str(), a.key.as_str())))
            .map(|a| (a.section.clone(), a.key.clone()))
            .collect()
    }

    /// Every assignment that has a say in `key`, in order, and which of them are in force after systemd's merging.
    ///
    /// systemd also drops a value that it cannot parse and keeps the one before; what a value means is not known here.
    #[must_use]
    pub fn history(&self, section: &str, key: &str) -> Vec<Located> {
        let merging = merging(section, key);
        let group = reset_group(section, key);
        let mut found: Vec<Located> = Vec::new();
        for (path, file) in &self.files {
            for a in file.assignments.iter().filter(|a| a.section == section) {
                let ours = a.key == key;
                let resets = a.value.is_empty() && reset_group(section, &a.key) == group;
                if !ours && !resets {
                    continue;
                }
                if merging == Merging::Last || (merging == Merging::List && resets) {
                    for earlier in &mut found {
                        earlier.in_force = false;
                    }
                }
                found.push(Located {
                    file: path.clone(),
                    line: a.line,
                    key: a.key.clone(),
                    value: a.value.clone(),
                    in_force: match merging {
                        Merging::Last => true,
                        Merging::List | Merging::Accumulates => !a.value.is_empty(),
                    },
                });
            }
        }
        found
    }

    /// The assignments that are in force: for a scalar the last one (with an empty value: the default), for a list
    /// what came after its last reset.
    #[must_use]
    pub fn in_force(&self, section: &str, key: &str) -> Vec<Located> {
        let mut history = self.history(section, key);
        history.retain(|located| located.in_force);
        history
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(files: &[(&str, &str)]) -> UnitText {
        let mut text = UnitText::default();
        for (path, content) in files {
            text.push(*path, UnitFile::parse(content).unwrap());
        }
        text
    }

    /// `file:line value` of what is in force.
    fn in_force(text: &UnitText, section: &str, key: &str) -> Vec<String> {
        text.in_force(section, key)
            .iter()
            .map(|l| format!("{}:{} {}", l.file.display(), l.line, l.value))
            .collect()
    }

    #[test]
    fn scalars_lists_and_dependencies_merge_differently() {
        let text = text(&[
            (
                "u",
                "[Unit]\nDescription=a\nAfter=x\nDocumentation=man:a\n[Service]\nExecStart=1\nExecStart=2\n",
            ),
            ("d1", "[Unit]\nDescription=b\nAfter=\nAfter=y\n[Service]\nExecStart=\nExecStart=3\n"),
            ("d2", "[Service]\nExecStart=4\n[Unit]\nDescription=\n"),
        ]);
        assert_eq!(in_force(&text, "Unit", "Description"), ["d2:4 "]);
        assert_eq!(in_force(&text, "Unit", "After"), ["u:3 x", "d1:4 y"]);
        assert_eq!(in_force(&text, "Unit", "Documentation"), ["u:4 man:a"]);
        assert_eq!(in_force(&text, "Service", "ExecStart"), ["d1:7 3", "d2:2 4"]);
        assert_eq!(text.history("Service", "ExecStart").len(), 5);
        assert_eq!(in_force(&text, "Service", "Description"), [] as [&str; 0]);
    }

    #[test]
    fn one_empty_condition_resets_them_all() {
        let text = text(&[
            (
                "u",
                "[Unit]\nConditionPathExists=/a\nConditionHost=b\n[Timer]\nOnBootSec=1\nOnCalendar=daily\n",
            ),
            ("d", "[Unit]\nConditionUser=\nConditionHost=c\n[Timer]\nOnCalendar=\n"),
        ]);
        assert_eq!(in_force(&text, "Unit", "ConditionPathExists"), [] as [&str; 0]);
        assert_eq!(in_force(&text, "Unit", "ConditionHost"), ["d:3 c"]);
        assert_eq!(in_force(&text, "Timer", "OnBootSec"), [] as [&str; 0]);
    }
}
