//! The operator's commands after a failed update. What had got a new image is stopped before, so that nothing of it
//! writes to what they bring back; the rest runs, so that a database can be asked.

use std::collections::BTreeSet;
use std::time::SystemTime;

use super::hooks::Hook;
use super::machine::Seen;
use super::run::Run;
use crate::compose::{Model, Overlay};
use crate::document::Document;
use crate::error::{Error, chain};
use crate::records::timestamp;
use crate::stack::verify::{Observed, ended_badly, observe};
use crate::stack::{Held, StackError, StackState};

impl Run<'_> {
    pub(super) fn on_rollback(&mut self) -> Result<Seen, Error> {
        if Hook::OnRollback.commands(&self.prepared()?.entry).is_empty() {
            return Ok(Seen::Nothing);
        }
        self.halt()?;
        if let Err(error) = self.run_hooks(Hook::OnRollback) {
            self.hold_back(&error)?;
            return Err(error);
        }
        Ok(Seen::Done)
    }

    /// Neither a boot nor a start that nobody thought about starts the old version on data that was not brought back.
    fn hold_back(&mut self, error: &Error) -> Result<(), Error> {
        let mut state = self.state()?;
        state.held = Some(Held { since: timestamp(SystemTime::now()), reason: error.reason() });
        self.is_held = true;
        Ok(state.store(&StackState::path(&self.context.dirs, &self.stack))?)
    }

    fn halt(&mut self) -> Result<(), Error> {
        let prepared = self.prepared()?;
        let changed: BTreeSet<&String> =
            self.update.images.iter().flat_map(|change| &change.services).collect();
        let observed = observe(&prepared.podman, &prepared.project).map_err(StackError::from)?;
        let of_changed: Vec<&Observed> =
            observed.iter().filter(|one| changed.contains(&one.service)).collect();
        let ids: Vec<&str> = of_changed.iter().map(|one| one.container.id.as_str()).collect();
        let timeout = prepared.entry.startup_timeout.duration();
        // Also what has ended by itself: its restart policy would start it again.
        prepared.podman.stop(&ids, timeout).map_err(StackError::from)?;
        let stopped: Vec<&str> = of_changed.iter().map(|one| one.container.name.as_str()).collect();
        let note = format!("stopped for the operator's commands: {}", stopped.join(", "));
        let idle = idle(&prepared.model, &observed, &changed, self.is_resumed);
        let started = if idle.is_empty() {
            Ok(())
        } else {
            Overlay::write(&self.context.dirs, &self.stack, Some(&prepared.model))
                .map_err(Error::from)
                .and_then(|overlay| {
                    let arguments = ["up", "--detach", "--no-deps"].into_iter().chain(idle.iter().copied());
                    let started = prepared.compose.act(Some(&overlay), "start", arguments, timeout, |_| {});
                    Ok(started.map_err(StackError::from)?)
                })
        };
        let started =
            started.map_err(|error| format!("{} cannot be started: {}", idle.join(", "), chain(&error)));
        self.transaction.note(&note);
        // A command that needs one of them says so; one that does not must not be kept from its work.
        if let Err(why) = started {
            self.transaction.warn(&why);
        }
        Ok(())
    }
}

/// The services that have not changed and do not run. One that has finished its work needs not, except after the
/// program was killed: a power loss ends with the same code what should run.
fn idle<'a>(
    model: &'a Model,
    observed: &[Observed],
    changed: &BTreeSet<&String>,
    after_kill: bool,
) -> Vec<&'a str> {
    let is_at_work = |one: &Observed| match one.container.state.status.as_str() {
        "running" => true,
        "exited" | "stopped" => !after_kill && ended_badly(&one.container).is_none(),
        _ => false,
    };
    let serves = |name: &String| observed.iter().any(|one| one.service == *name && is_at_work(one));
    model
        .services
        .iter()
        .filter(|(name, service)| service.replicas > 0 && !changed.contains(name) && !serves(name))
        .map(|(name, _)| name.as_str())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_has_not_changed_runs_while_the_data_are_brought_back() {
        let services =
            ["web", "db", "job", "dead", "none"].map(|name| (name.to_owned(), json!({"image": name})));
        let services = serde_json::Map::from_iter(services);
        let model = Model::from_value(&json!({"services": services})).unwrap();
        let seen = |service: &str, status: &str, code: u32| {
            let state = json!({"Status": status, "ExitCode": code});
            let container = json!({"Id": "c", "Name": "c", "Image": "x", "State": state});
            Observed {
                service: service.to_owned(),
                container: serde_json::from_value(container).unwrap(),
                since: None,
            }
        };
        let observed = [
            seen("web", "exited", 1),
            seen("db", "running", 0),
            seen("job", "exited", 0),
            seen("dead", "exited", 1),
        ];
        let web = "web".to_owned();
        let changed = BTreeSet::from([&web]);
        assert_eq!(idle(&model, &observed, &changed, false), ["dead", "none"]);
        assert_eq!(idle(&model, &observed, &changed, true), ["dead", "job", "none"]);
    }
}
