//! Every judge over every unit: a pure function of the declaration and the world.

use super::declaration::Declaration;
use super::definition::{self, Pending};
use super::finding::Verdicts;
use super::watches;
use super::world::World;
use super::{
    containers, dependencies, drop_ins, enablement, fragment, host, inputs, observed, programs, secrets,
    units, updates,
};
use crate::dirs::Dirs;
use crate::systemd::settings::specifier::Context;

/// What the judges say of one observation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judgement {
    /// What is broken, unknown, passed.
    pub verdicts: Verdicts,
    /// Changes that the manager has not read yet.
    pub pending: Vec<Pending>,
    /// The same of observed units, which nothing is done about.
    pub observed_pending: Vec<Pending>,
    /// The drop-in watches to start and stop.
    pub watches: watches::Plan,
}

/// Judges.
#[must_use]
pub fn judge(dirs: &Dirs, declaration: &Declaration, world: &World) -> Judgement {
    let mut judgement = Judgement::default();
    let verdicts = &mut judgement.verdicts;
    declaration.judge(dirs, verdicts);
    fragment::directories(world, verdicts);
    let context = Context::new(dirs, &world.answers.manager.version);
    let enabling = dependencies::enabling(declaration, dirs);
    let targets = enablement::targets(world);
    for seen in world.units.values() {
        units::judge(seen, dirs, verdicts);
        fragment::judge(seen, dirs, verdicts);
        drop_ins::judge(seen, dirs, verdicts);
        programs::judge(seen, world, &context, verdicts);
        dependencies::judge(seen, &enabling, dirs, verdicts);
        enablement::judge(seen, &targets, world, dirs, verdicts);
        judgement.pending.extend(definition::judge(seen, world, dirs, verdicts));
    }
    for seen in world.observed.values() {
        let (state, now) = (&world.answers.manager, world.answers.now);
        judgement.observed_pending.extend(observed::judge(seen, state, now, dirs, verdicts));
    }
    enablement::orphans(declaration, world, dirs, verdicts);
    enablement::watchers(declaration, world, dirs, verdicts);
    host::judge(world, dirs, verdicts);
    secrets::judge(world, verdicts);
    inputs::judge(world, verdicts);
    containers::judge(declaration, world, verdicts);
    updates::judge(world, verdicts);
    judgement.watches = watches::plan(world, dirs, verdicts);
    judgement
}

impl Judgement {
    /// The verdicts once the grace period of pending changes is taken into account.
    #[must_use]
    pub fn settled(mut self, world: &World, grace: std::time::Duration) -> Verdicts {
        for pending in self.pending.into_iter().chain(self.observed_pending) {
            let overdue = world.answers.now.duration_since(pending.since).is_ok_and(|age| age > grace);
            self.verdicts.record(super::Check::ReloadPending, overdue.then_some(pending.finding));
        }
        self.verdicts.sort();
        self.verdicts
    }
}
