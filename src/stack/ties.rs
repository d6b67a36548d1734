//! Which containers need which others, whoever made them: they share a namespace with them, or were made to require them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::error::StackError;
use crate::names::StackName;
use crate::podman::{Container, Podman, PodmanError};

/// A container that is not the stack's to replace and depends on one that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guest {
    /// Its name.
    pub container: String,
    /// The unit that owns it.
    pub unit: Option<String>,
    /// The container whose namespace it shares.
    pub with: String,
}

impl fmt::Display for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { container, unit, with } = self;
        let of = unit.as_ref().map(|unit| format!(" of {unit}")).unwrap_or_default();
        write!(f, "container {container}{of} depends on {with}")
    }
}

/// Refuses what these are in the way of, if there are any.
///
/// # Errors
/// There are.
pub(super) fn refuse(stack: &StackName, mut guests: Vec<Guest>) -> Result<(), StackError> {
    if guests.is_empty() {
        return Ok(());
    }
    guests.sort_by(|one, other| one.container.cmp(&other.container));
    Err(StackError::Shared { stack: stack.clone(), guests })
}

/// What to type so that these are not in the way of a stack.
#[must_use]
pub(super) fn make_way(stack: &StackName, guests: &[Guest]) -> String {
    let names: Vec<&str> = guests.iter().map(|guest| guest.container.as_str()).collect();
    let own = stack.service();
    let others: BTreeSet<&str> = guests
        .iter()
        .filter_map(|guest| guest.unit.as_deref())
        .filter(|unit| *unit != own.as_str())
        .collect();
    let restart = if others.is_empty() {
        String::new()
    } else {
        format!(", then: systemctl --user restart {}", Vec::from_iter(others).join(" "))
    };
    let names = names.join(" ");
    format!("podman rm --force {names}, which leaves the volumes, then the same again{restart}")
}

/// Who shares with whom.
#[derive(Debug)]
pub struct Ties(BTreeMap<String, Vec<String>>);

impl Ties {
    /// Asks podman about all containers, of which these are the last that it listed.
    ///
    /// # Errors
    /// podman does not answer.
    pub fn ask(podman: &Podman, containers: &[Container]) -> Result<Self, PodmanError> {
        let (_, inspected) = podman.inspect_listed(containers.to_vec(), Podman::containers, |_| true)?;
        Ok(Self(inspected.into_iter().map(|one| (one.id, one.dependencies)).collect()))
    }

    /// All that shares something with these containers, or with what does, in an order in which podman removes it: nothing
    /// that is in a later round shares something with what is in an earlier one.
    pub fn rounds(&self, ids: &BTreeSet<&str>) -> Vec<Vec<&str>> {
        let mut tied: BTreeSet<&str> = BTreeSet::new();
        loop {
            let on = |with: &String| ids.contains(with.as_str()) || tied.contains(with.as_str());
            let more: Vec<&str> = self
                .0
                .iter()
                .filter(|(id, with)| !tied.contains(id.as_str()) && with.iter().any(on))
                .map(|(id, _)| id.as_str())
                .collect();
            if more.is_empty() {
                break;
            }
            tied.extend(more);
        }
        let mut rounds = Vec::new();
        while !tied.is_empty() {
            let awaited = |id: &str| tied.iter().any(|other| self.with(other).any(|with| with == id));
            let mut round: Vec<&str> = tied.iter().copied().filter(|id| !awaited(id)).collect();
            if round.is_empty() {
                round.extend(&tied);
            }
            tied.retain(|id| !round.contains(id));
            rounds.push(round);
        }
        rounds
    }

    /// Whether something depends on this container.
    pub fn is_shared(&self, id: &str) -> bool {
        self.0.values().flatten().any(|with| with == id)
    }

    /// Those of all these containers that depend on the ones of these ids and are not `own`.
    pub fn guests(
        &self,
        ids: &BTreeSet<&str>,
        containers: &[Container],
        own: impl Fn(&Container) -> bool,
    ) -> Vec<Guest> {
        let tied = self.rounds(ids).into_iter().flatten();
        tied.filter_map(|id| containers.iter().find(|one| one.id == id))
            .filter(|one| !own(one))
            .map(|one| self.guest(one, containers))
            .collect()
    }

    /// Who this is, and what of.
    pub fn guest(&self, container: &Container, containers: &[Container]) -> Guest {
        let name =
            |id: &str| containers.iter().find(|one| one.id == id).map_or(id, Container::name).to_owned();
        Guest {
            container: container.name().to_owned(),
            unit: container.unit().map(str::to_owned),
            with: self.with(&container.id).map(name).collect::<Vec<_>>().join(" and of "),
        }
    }

    fn with(&self, id: &str) -> impl Iterator<Item = &str> {
        self.0.get(id).into_iter().flatten().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_in_the_way_is_told_with_what_to_type() {
        let guest = |container: &str, unit: Option<&str>| Guest {
            container: container.to_owned(),
            unit: unit.map(str::to_owned),
            with: "vpn-gate-1".to_owned(),
        };
        let guests = [
            guest("own", None),
            guest("web-t-1", Some("web.service")),
            guest("web-u-1", Some("web.service")),
        ];
        assert_eq!(guests[1].to_string(), "container web-t-1 of web.service depends on vpn-gate-1");
        let vpn = StackName::parse("vpn").unwrap();
        let next = "podman rm --force own web-t-1 web-u-1, which leaves the volumes, then the same again";
        assert_eq!(make_way(&vpn, &guests), format!("{next}, then: systemctl --user restart web.service"));
        assert!(make_way(&vpn, &guests[..1]).ends_with("then the same again"));
        assert!(make_way(&StackName::parse("web").unwrap(), &guests).ends_with("then the same again"));
    }

    #[test]
    fn what_shares_comes_before_what_it_shares_with() {
        let tie = |(id, with): &(&str, &str)| ((*id).to_owned(), vec![(*with).to_owned()]);
        let ties = [("a", "b"), ("b", "c"), ("d", "c"), ("x", "y")];
        let ties = Ties(ties.iter().map(tie).chain([("c".to_owned(), Vec::new())]).collect());
        assert_eq!(ties.rounds(&BTreeSet::from(["c"])), [vec!["a", "d"], vec!["b"]]);
        // What is replaced itself is in a round when it shares something with another one that is.
        assert_eq!(ties.rounds(&BTreeSet::from(["b", "c"])), [vec!["a", "d"], vec!["b"]]);
        assert_eq!(ties.rounds(&BTreeSet::from(["b"])), [["a"]]);
        assert!(ties.rounds(&BTreeSet::from(["a"])).is_empty());
        assert!(ties.is_shared("c") && !ties.is_shared("a"));
    }
}
