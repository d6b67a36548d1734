//! What has to be asked: the user manager, podman's socket, and timers.

use std::os::unix::net::UnixStream;

use super::diagnosis::{Diagnosis, Found, MANAGER, Need};
use crate::dirs::Dirs;
use crate::error::chain;
use crate::inventory::{Host, ProviderKind};
use crate::names::UnitName;
use crate::podman::{Podman, is_older};
use crate::stack::container_of_timer;
use crate::systemd::manager::Manager;
use crate::systemd::search_path::SearchPath;
use crate::systemd::words::ActiveState;

/// The first whose user units have all that ours use.
const OLDEST_SYSTEMD: (u32, u32) = (252, 0);

/// The timer that updates containers behind our back.
const AUTO_UPDATE: &str = "podman-auto-update.timer";

pub(super) fn manager(dirs: &Dirs, host: &Host, diagnosis: &mut Diagnosis) -> Option<Manager> {
    let connected = Manager::connect(dirs, host.bus_deadline.duration());
    let asked = connected.and_then(|manager| manager.state().map(|state| (manager, state)));
    let (manager, state) = match asked {
        Ok(answer) => answer,
        Err(error) => {
            let next = "systemctl status \"user@$(id -u).service\"; over ssh or su: export XDG_RUNTIME_DIR=/run/user/$(id -u)";
            let lack = (Need::Required, "a user manager".to_owned(), chain(&error), next.to_owned());
            diagnosis.record(MANAGER, Some(lack));
            return None;
        }
    };
    diagnosis.record(MANAGER, None);
    let old = is_older(&state.version, OLDEST_SYSTEMD).then(|| -> Found {
        let (major, _) = OLDEST_SYSTEMD;
        let next =
            "upgrade the distribution: Debian 12, Ubuntu 24.04, Fedora 37, NixOS 22.11 have it".to_owned();
        (Need::Required, format!("systemd {major} or later"), state.version.clone(), next)
    });
    diagnosis.versions.insert("systemd", state.version);
    diagnosis.record("systemd", old);
    Some(manager)
}

pub(super) fn socket(dirs: &Dirs, host: &Host, diagnosis: &mut Diagnosis) {
    if host.provider.kind != ProviderKind::DockerCompose {
        return;
    }
    let socket = dirs.runtime.join("podman/podman.sock");
    let lack = UnixStream::connect(&socket).err().map(|error| -> Found {
        (
            Need::Required,
            format!("podman's API at {}, which docker-compose talks to", socket.display()),
            error.to_string(),
            "systemctl --user enable --now podman.socket".to_owned(),
        )
    });
    diagnosis.record("podman-socket", lack);
}

/// `podman auto-update` pulls and restarts by itself, without a record, a verification or a way back; with containers
/// that were made through the API it fails every night.
pub(super) fn auto_update(manager: &Manager, diagnosis: &mut Diagnosis) {
    let lack = match look_at_auto_update(manager) {
        Ok(None) => None,
        Ok(Some(seen)) => Some((
            Need::Advised,
            "updates by one of the two: stack-update, or podman auto-update".to_owned(),
            seen,
            format!("systemctl --user disable --now {AUTO_UPDATE}"),
        )),
        Err(reason) => Some((
            Need::Unknown,
            "to know whether podman auto-update runs".to_owned(),
            reason,
            format!("systemctl --user status {AUTO_UPDATE}"),
        )),
    };
    diagnosis.record("auto-update", lack);
}

fn look_at_auto_update(manager: &Manager) -> Result<Option<String>, String> {
    let timer = UnitName::parse(AUTO_UPDATE).map_err(|error| chain(&error))?;
    let listed = manager.loaded_units().map_err(|error| chain(&error))?;
    let is_active = listed.units.get(&timer).is_some_and(|unit| unit.active_state == ActiveState::Active);
    let state = manager.state().map_err(|error| chain(&error))?;
    let links = SearchPath::scan(state.unit_path).wants_links(&timer);
    let enabled = links.into_iter().find(|link| link.in_force);
    Ok(match (is_active, enabled) {
        (_, Some(link)) => Some(format!("{AUTO_UPDATE} is enabled by {}", link.path.display())),
        (true, None) => Some(format!("{AUTO_UPDATE} is active")),
        (false, None) => None,
    })
}

/// Each health check is a transient timer of the user manager; one whose container is gone fails, and logs that, for
/// ever.
pub(super) fn health_timers(manager: &Manager, podman: Option<&Podman>, diagnosis: &mut Diagnosis) {
    let Some(podman) = podman else { return };
    let (Ok(listed), Ok(containers)) = (manager.loaded_units(), podman.all_ids()) else { return };
    let orphaned: Vec<&str> = listed
        .units
        .keys()
        .filter(|unit| container_of_timer(unit).is_some_and(|id| !containers.contains(id)))
        .map(UnitName::as_str)
        .collect();
    let lack = (!orphaned.is_empty()).then(|| -> Found {
        (
            Need::Advised,
            "a container for each timer of a health check".to_owned(),
            format!("{} whose container is gone", orphaned.len()),
            format!("systemctl --user stop {}", orphaned.join(" ")),
        )
    });
    diagnosis.record("health-timers", lack);
}
