//! podman's list of containers, asked for once when a night begins instead of once a stack: a list takes podman as long as
//! a pull that finds nothing new. It only serves to see that nothing is new; what is, asks podman itself.

use std::path::PathBuf;
use std::sync::mpsc;
use std::thread::Scope;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::compose::LABEL;
use crate::dirs::Dirs;
use crate::document::Document;
use crate::lock::Alone;
use crate::podman::{Container, PodmanError};
use crate::stack::Context;

/// What `stack-update` locks while it runs.
pub const LOCK: &str = "stack-update";

/// For how long it is as good as a new one: what changes a container meanwhile could as well have come after the look.
const GOOD_FOR: Duration = Duration::from_secs(5);

/// How long the first updates wait for it. podman takes a tenth of a second.
const PATIENCE: Duration = Duration::from_secs(1);

/// The labels that say whose a container is. The others may be anything, and are left out.
const LABELS: [&str; 3] = ["com.docker.compose.", "io.podman.compose.", LABEL];

/// The file `listed.json` in the runtime directory, while `stack-update` runs.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// Version of this file's form.
    version: u32,
    /// When podman was asked, by the clock that nobody sets (`CLOCK_BOOTTIME`).
    at: Duration,
    /// What it said.
    containers: Vec<Container>,
}

impl Document for Listed {
    const KIND: &'static str = "list of containers";
    const VERSION: u32 = 1;
}

impl Listed {
    /// Asks podman and leaves the answer for the updates that follow. Returns when it is there, or takes too long; whether
    /// it comes at all is nothing to fail for.
    pub fn leave<'scope>(context: &'scope Context, scope: &'scope Scope<'scope, '_>) {
        let (done, is_done) = mpsc::channel();
        scope.spawn(move || {
            let at = now();
            if let Ok(containers) = context.podman().and_then(|podman| podman.compose_containers()) {
                // Without it every update asks itself.
                Self::of(at, containers).store(&Self::path(&context.dirs)).ok();
            }
            done.send(()).ok();
        });
        is_done.recv_timeout(PATIENCE).ok();
    }

    fn of(at: Duration, mut containers: Vec<Container>) -> Self {
        for container in &mut containers {
            container.labels.retain(|name, _| LABELS.iter().any(|label| name.starts_with(label)));
        }
        Self { version: Self::VERSION, at, containers }
    }

    /// Takes it away again.
    pub fn forget(dirs: &Dirs) {
        fs_err::remove_file(Self::path(dirs)).ok();
    }

    /// The containers of every project, as somebody was told a moment ago, or as podman says now.
    ///
    /// # Errors
    /// podman does not answer.
    pub fn or_ask(context: &Context) -> Result<Vec<Container>, PodmanError> {
        // One that was killed has left what it was told. The lock is only tried where there is a list.
        match Self::recent(&context.dirs, now()).filter(|_| Alone::is_held(&context.dirs, LOCK)) {
            Some(listed) => Ok(listed.containers),
            None => context.podman()?.compose_containers(),
        }
    }

    fn recent(dirs: &Dirs, now: Duration) -> Option<Self> {
        let listed = Self::load(&Self::path(dirs)).ok()?;
        now.checked_sub(listed.at).is_some_and(|age| age <= GOOD_FOR).then_some(listed)
    }

    fn path(dirs: &Dirs) -> PathBuf {
        dirs.run().join("listed.json")
    }
}

fn now() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_is_good_for_a_moment_and_tells_nothing_but_whose_a_container_is() {
        let home = tempfile::tempdir().unwrap();
        let dirs = Dirs::below(home.path());
        let labels = json!({
            "com.docker.compose.project": "shop", "com.docker.compose.service": "web",
            "PODMAN_SYSTEMD_UNIT": "shop.service", "auth": "hunter22"
        });
        let one =
            json!({"Id": "1", "Names": ["shop-web-1"], "ImageID": "i", "State": "running", "Labels": labels});
        let listed = Listed::of(Duration::from_secs(100), vec![serde_json::from_value(one).unwrap()]);
        listed.store(&Listed::path(&dirs)).unwrap();
        let text = crate::document::read_text(&Listed::path(&dirs)).unwrap();
        assert!(!text.contains("hunter22"), "{text}");
        let at = |now: u64| Listed::recent(&dirs, Duration::from_secs(now)).map(|it| it.containers);
        let containers = at(105).unwrap();
        assert_eq!(containers, listed.containers);
        let one = containers.first().unwrap();
        assert_eq!((one.project(), one.service(), one.is_running()), (Some("shop"), Some("web"), true));
        assert_eq!(one.owner(), crate::podman::Owner::Unit("shop.service"));
        assert_eq!((at(106), at(99)), (None, None), "too old, and of the future");
        Listed::forget(&dirs);
        assert_eq!(at(100), None);
    }
}
