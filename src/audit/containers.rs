//! containers-unowned, stack-down, stack-unhealthy, label-mismatch, provider-mismatch, health-timer-missing: do the
//! containers run that should, for whom, and well?

use std::collections::BTreeMap;

use super::check::Check;
use super::declaration::Declaration;
use super::finding::{Finding, State, Verdicts};
use super::running::{Asked, Phase, StackSeen};
use super::world::World;
use crate::inventory::ProviderKind;
use crate::names::StackName;
use crate::podman::{Container, Inspected, Owner};
use crate::stack::verify::{ended_badly, never_checked};

pub(super) fn judge(declaration: &Declaration, world: &World, verdicts: &mut Verdicts) {
    match &world.stacks.podman {
        Asked::No => {}
        Asked::Failed { why, .. } => {
            for check in Check::RUNNING {
                let finding = Finding::unknown(*check, State::Running)
                    .expected("podman's answer", why)
                    .next("podman ps");
                verdicts.record(*check, Some(finding));
            }
        }
        Asked::Yes { containers, inspected, .. } => {
            let pinned = declaration.host.provider.kind;
            for (stack, seen) in &world.stacks.declared {
                let own = containers
                    .iter()
                    .filter(|one| seen.project.is_some() && one.project() == seen.project.as_deref())
                    .collect();
                Judge { stack, seen, own, inspected, pinned, world }.judge(verdicts);
            }
            forgotten(world, containers, verdicts);
        }
    }
}

/// One stack, and what podman says of its project.
struct Judge<'a> {
    stack: &'a StackName,
    seen: &'a StackSeen,
    own: Vec<&'a Container>,
    inspected: &'a BTreeMap<String, Inspected>,
    pinned: ProviderKind,
    world: &'a World,
}

impl Judge<'_> {
    fn judge(&self, verdicts: &mut Verdicts) {
        let phase = self.world.phase(self.stack);
        if matches!(phase, Phase::Moving | Phase::Unknown) {
            return;
        }
        let up = phase == Phase::Up;
        verdicts.record(Check::ContainersUnowned, if up { None } else { self.unowned() });
        verdicts.record(Check::StackDown, if up { self.down() } else { None });
        verdicts.record(Check::StackUnhealthy, if up { self.unhealthy() } else { None });
        verdicts.record(Check::HealthTimerMissing, if up { self.unchecked() } else { None });
        verdicts.record(Check::LabelMismatch, self.foreign(up));
        verdicts.record(Check::ProviderMismatch, self.other_provider());
    }

    fn finding(&self, check: Check, expected: &str, seen: &[String]) -> Option<Finding> {
        (!seen.is_empty()).then(|| {
            Finding::broken(check, State::Running)
                .about(&self.stack.service(), Some(self.stack))
                .expected(expected, seen.join("; "))
                .next(format!("stackctl restart {}", self.stack))
        })
    }

    fn running(&self) -> impl Iterator<Item = &Container> {
        self.own.iter().copied().filter(|one| one.is_running())
    }

    fn unowned(&self) -> Option<Finding> {
        let mut running: Vec<String> = self.running().map(|one| one.name().to_owned()).collect();
        // One that ends at once is hardly ever seen to run.
        let now = self.world.answers.now;
        let again = |one: &&&Container| {
            self.inspected.get(&one.id).is_some_and(|one| one.restart_count > 0 && one.is_alive(now))
        };
        running.extend(
            self.own
                .iter()
                .filter(|one| !one.is_running())
                .filter(again)
                .map(|one| format!("{} (again and again)", one.name())),
        );
        let loaded = self.world.units.get(&self.stack.service()).and_then(|seen| seen.loaded.as_ref());
        let state = loaded.and_then(|unit| unit.as_ref().ok()).map(|unit| unit.active_state.to_string());
        let seen = format!(
            "{} run, and the unit is {}",
            running.join(", "),
            state.unwrap_or_else(|| "unknown".to_owned())
        );
        let next = format!(
            "stackctl stop {stack} (a stop of the unit does nothing now), or: systemctl --user start {stack}.service",
            stack = self.stack
        );
        (!running.is_empty()).then(|| {
            Finding::broken(Check::ContainersUnowned, State::Running)
                .about(&self.stack.service(), Some(self.stack))
                .expected("containers that run for an active unit", seen)
                .next(next)
        })
    }

    fn down(&self) -> Option<Finding> {
        let found = |service: &String| {
            let of_it = |one: &&&Container| one.is_of_a_service() && one.service() == Some(service);
            u32::try_from(self.own.iter().filter(of_it).count()).unwrap_or(u32::MAX)
        };
        let applied = self.seen.applied.as_ref().ok().and_then(Option::as_ref);
        let expected = applied.into_iter().flat_map(|applied| &applied.replicas);
        let mut seen: Vec<String> = expected
            .filter_map(|(service, expected)| match found(service) {
                0 => Some(format!("service {service} has no container")),
                found if found < *expected => {
                    Some(format!("service {service} has {found} of {expected} containers"))
                }
                _ => None,
            })
            .collect();
        seen.extend(
            self.own.iter().filter(|one| one.is_of_a_service()).filter_map(|one| self.not_running(one)),
        );
        if seen.is_empty() && self.own.is_empty() {
            seen.push(format!(
                "project {} has no container",
                self.seen.project.as_deref().unwrap_or("(unknown)")
            ));
        }
        let paused: Vec<&str> = self.own.iter().filter(|one| one.is_paused()).map(|one| one.name()).collect();
        let mut next = if paused.is_empty() {
            format!("stackctl restart {}", self.stack)
        } else {
            format!("podman unpause {}", paused.join(" "))
        };
        if let (Some(held), false) = (&self.seen.held, seen.is_empty()) {
            let why = format!(
                "it is held since {}, because its data was not brought back: {}",
                held.since, held.reason
            );
            seen.insert(0, why);
            next = format!("bring the data back, then: {next}");
        }
        let finding =
            self.finding(Check::StackDown, "every container running, or finished as it is meant to", &seen)?;
        Some(finding.next(next))
    }

    fn not_running(&self, container: &Container) -> Option<String> {
        let why = match container.state.as_str() {
            "running" | "stopping" | "restarting" => return None,
            "exited" | "stopped" => match self.inspected.get(&container.id) {
                Some(inspected) if inspected.state.stopped_by_user => {
                    format!("was stopped by hand, with exit code {}", inspected.state.exit_code)
                }
                Some(inspected) => ended_badly(inspected)?,
                None if container.exit_code == 0 => return None,
                None => format!("ended with exit code {}", container.exit_code),
            },
            "created" | "configured" | "initialized" => "was created and not started".to_owned(),
            other => format!("is {other}"),
        };
        Some(format!("container {} {why}", container.name()))
    }

    fn unhealthy(&self) -> Option<Finding> {
        let seen: Vec<String> = self
            .running()
            .filter(|one| one.is_unhealthy())
            .map(|one| format!("container {} is unhealthy", one.name()))
            .collect();
        let finding =
            self.finding(Check::StackUnhealthy, "containers that pass their health checks", &seen)?;
        let first = self.running().find(|one| one.is_unhealthy()).map_or("", Container::name);
        Some(finding.next(format!("podman healthcheck run {first}; podman logs --tail 50 {first}")))
    }

    fn unchecked(&self) -> Option<Finding> {
        let now = self.world.answers.now;
        let seen: Vec<String> = self
            .running()
            .filter(|one| self.inspected.get(&one.id).is_some_and(|one| never_checked(one, now)))
            .map(|one| format!("container {} is \"starting\", and its check has never run", one.name()))
            .collect();
        let expected = "health checks that are run, by a timer that podman makes with systemd-run";
        let finding = self.finding(Check::HealthTimerMissing, expected, &seen)?;
        Some(
            finding.next(format!(
                "see that systemd-run is in podman's PATH, then: stackctl restart {}",
                self.stack
            )),
        )
    }

    /// A container without a label is somebody's who started it by hand; podman-compose puts its own label over ours,
    /// which names nobody.
    fn foreign(&self, up: bool) -> Option<Finding> {
        let unit = self.stack.service();
        let seen: Vec<String> = self
            .running()
            .filter_map(|one| match one.owner() {
                Owner::Unit(other) if other != unit.as_str() => {
                    Some(format!("container {} is labelled for {other}", one.name()))
                }
                Owner::Nobody if up => Some(format!("container {} has no such label", one.name())),
                Owner::Unit(_) | Owner::Nobody | Owner::PodmanCompose => None,
            })
            .collect();
        self.finding(Check::LabelMismatch, &format!("the label PODMAN_SYSTEMD_UNIT={unit}"), &seen)
    }

    fn other_provider(&self) -> Option<Finding> {
        let seen: Vec<String> = self
            .running()
            .filter_map(|one| {
                let made_by = one.provider().filter(|made_by| *made_by != self.pinned)?;
                Some(format!("container {} was made by {}", one.name(), made_by.program()))
            })
            .collect();
        let expected = format!("containers that {} made", self.pinned.program());
        let finding = self.finding(Check::ProviderMismatch, &expected, &seen)?;
        let names: Vec<&str> = self.running().map(Container::name).collect();
        let (stack, names) = (self.stack, names.join(" "));
        Some(finding.next(format!(
            "pin the other provider in config.json, or, if nothing in anonymous volumes is needed, which new containers do not get: stackctl stop {stack}; podman rm {names}; systemctl --user restart {stack}.service"
        )))
    }
}

/// What still runs of stacks that nobody declares any more.
fn forgotten(world: &World, containers: &[Container], verdicts: &mut Verdicts) {
    for (stack, project) in &world.stacks.forgotten {
        if world.stacks.of_project(project).is_some() {
            continue;
        }
        let running: Vec<&str> = containers
            .iter()
            .filter(|one| one.project() == Some(project) && one.is_running())
            .map(Container::name)
            .collect();
        let finding = (!running.is_empty()).then(|| {
            Finding::broken(Check::ContainersUnowned, State::Running)
                .of_stack(stack)
                .expected(
                    "no container of a stack that is not declared",
                    format!("{} run, and stack {stack} is not declared any more", running.join(", ")),
                )
                .next(format!("stackctl stop {stack}"))
        });
        verdicts.record(Check::ContainersUnowned, finding);
    }
}
