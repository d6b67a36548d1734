//! What files tell.

use std::path::Path;

use nix::unistd::Uid;

use super::diagnosis::{Diagnosis, Found, Need};
use crate::alert::Alerts;
use crate::audit;
use crate::dirs::Dirs;
use crate::document::{Document, ReadError, read_text};
use crate::error::chain;
use crate::inventory::Host;
use crate::seal::{self, Seal};
use crate::systemd::linger::lingers;

/// What is looked at for lingering, which an audit tells too.
pub const LINGERING: &str = "lingering";

/// Ids that a container's image may use: 65,536, since images have a `nobody` with the id 65,534
/// (podman(1), "Rootless mode").
const IDS: u64 = 65_536;

/// Lines of `stack-audit.path`, each of which takes an inotify instance, and the most drop-in directories that are
/// watched.
const INSTANCES: usize = 10 + audit::WATCHES;

/// The configuration, or the defaults that the rest is looked at with.
pub(super) fn configuration(host: Result<Host, ReadError>, diagnosis: &mut Diagnosis) -> Host {
    let (host, lack) = match host {
        Ok(host) => (host, None),
        Err(error) => {
            let next = format!("edit {}, then: stackctl install", error.path().display());
            let lack = (Need::Required, "a configuration that can be read".to_owned(), chain(&error), next);
            (Host::default(), Some(lack))
        }
    };
    diagnosis.record("configuration", lack);
    host
}

pub(super) fn subordinate_ids(dirs: &Dirs, diagnosis: &mut Diagnosis) {
    let uid = Uid::effective();
    if uid.is_root() {
        return;
    }
    for (about, path) in [("subuid", "/etc/subuid"), ("subgid", "/etc/subgid")] {
        let found = match read_text(Path::new(path)) {
            Ok(text) => ids(&text, &dirs.user, uid),
            Err(error) if error.is_missing() => 0,
            Err(error) => {
                let next = format!("ls -l {path}");
                let lack = (Need::Unknown, format!("subordinate ids in {path}"), chain(&error), next);
                diagnosis.record(about, Some(lack));
                continue;
            }
        };
        // nsswitch.conf(5): with `subid: sss` they are in a directory service, which only podman itself can ask.
        let elsewhere = read_text(Path::new("/etc/nsswitch.conf"))
            .is_ok_and(|text| text.lines().any(|line| line.trim_start().starts_with("subid:")));
        let lack = (found < IDS && !elsewhere).then(|| {
            (
                Need::Required,
                format!("{IDS} ids for {} in {path}", dirs.user),
                found.to_string(),
                format!(
                    "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {}; podman system migrate",
                    dirs.user
                ),
            )
        });
        diagnosis.record(about, lack);
    }
}

/// How many ids a user has (subuid(5): name or uid, first id, count).
fn ids(text: &str, user: &str, uid: Uid) -> u64 {
    text.lines()
        .filter_map(|line| {
            let mut fields = line.trim().split(':');
            let (name, _, count) = (fields.next()?, fields.next()?, fields.next()?);
            (name == user || name == uid.to_string()).then(|| count.parse::<u64>().ok())?
        })
        .sum()
}

pub(super) fn lingering(dirs: &Dirs, diagnosis: &mut Diagnosis) {
    let expected = format!("lingering for {}", dirs.user);
    let lack = match lingers(&dirs.user) {
        Ok(true) => None,
        Ok(false) => Some((
            Need::Required,
            expected,
            "none: nothing runs before login or after logout".to_owned(),
            format!("loginctl enable-linger {}", dirs.user),
        )),
        Err(reason) => Some((
            Need::Unknown,
            expected,
            reason,
            format!("loginctl show-user {} --property=Linger", dirs.user),
        )),
    };
    diagnosis.record(LINGERING, lack);
}

pub(super) fn inotify(diagnosis: &mut Diagnosis) {
    const LIMIT: &str = "/proc/sys/fs/inotify/max_user_instances";
    let limit = read_text(Path::new(LIMIT)).ok().and_then(|text| text.trim().parse::<usize>().ok());
    let lack = match limit {
        None => Some((
            Need::Unknown,
            "a limit of inotify instances".to_owned(),
            format!("{LIMIT} cannot be read"),
            "sysctl fs.inotify.max_user_instances".to_owned(),
        )),
        Some(limit) => {
            let (used, ours) = inotify_instances();
            let left = limit.saturating_sub(used);
            // What our watches hold already is not needed once more.
            (left + ours < INSTANCES).then(|| -> Found {
                (
                    Need::Advised,
                    format!("{INSTANCES} inotify instances for the watches"),
                    format!("{left} left of {limit}, {ours} of the rest are the user manager's"),
                    "echo fs.inotify.max_user_instances=512 | sudo tee /etc/sysctl.d/60-inotify.conf; sudo sysctl --system"
                        .to_owned(),
                )
            })
        }
    };
    diagnosis.record("inotify", lack);
}

/// How many inotify instances this user's processes hold, and how many of them the user manager, whose path units are
/// nearly all ours. Those of other users' processes cannot be seen and do not count for the limit.
fn inotify_instances() -> (usize, usize) {
    let Ok(processes) = fs_err::read_dir("/proc") else { return (0, 0) };
    let (mut all, mut managers) = (0, 0);
    for process in processes.flatten() {
        let Ok(descriptors) = fs_err::read_dir(process.path().join("fd")) else { continue };
        let links = descriptors.flatten().filter_map(|descriptor| fs_err::read_link(descriptor.path()).ok());
        let count = links.filter(|link| link.as_os_str() == "anon_inode:inotify").count();
        all += count;
        if read_text(&process.path().join("comm")).is_ok_and(|comm| comm.trim() == "systemd") {
            managers += count;
        }
    }
    (all, managers)
}

pub(super) fn installed(dirs: &Dirs, diagnosis: &mut Diagnosis) {
    let lack = match Seal::load(&Seal::path(dirs, seal::SHIPPED)) {
        Ok(_) => None,
        Err(ReadError::Missing { .. }) => Some((
            Need::Required,
            "the auditor's units".to_owned(),
            "they are not installed".to_owned(),
            "stackctl install (with Home Manager: services.stackwarden.enable = true)".to_owned(),
        )),
        Err(error) => Some((
            Need::Unknown,
            "the seal of the auditor's units".to_owned(),
            chain(&error),
            "stackctl install".to_owned(),
        )),
    };
    diagnosis.record("installed", lack);
}

/// An alert that nobody received cannot tell of itself.
pub(super) fn alerts(dirs: &Dirs, diagnosis: &mut Diagnosis) {
    let lack = match Alerts::load(&Alerts::path(dirs)) {
        Ok(Alerts { undelivered, .. }) if !undelivered.is_empty() => Some((
            Need::Advised,
            "every alert taken by the alert command".to_owned(),
            format!("{} that it has not taken", undelivered.len()),
            "journalctl --user -u 'stack-alert@*' -n 20".to_owned(),
        )),
        Ok(_) | Err(ReadError::Missing { .. }) => None,
        Err(error) => Some((
            Need::Unknown,
            "what was told".to_owned(),
            chain(&error),
            "systemctl --user start stack-audit.service".to_owned(),
        )),
    };
    diagnosis.record("alerts", lack);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_summed_by_name_and_by_number() {
        let text = "# comment\nme:100000:65536\nyou:200000:65536\n1000:300000:10\nme:400000:x\nme\n";
        assert_eq!(ids(text, "me", Uid::from_raw(1000)), 65_546);
        assert_eq!(ids(text, "nobody", Uid::from_raw(65534)), 0);
    }
}
