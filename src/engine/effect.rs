//! Effects: what the world is asked to do, from the log alone. Live running and recovery share this.

use std::collections::BTreeMap;

use super::event::Phase;
use super::state::State;
use super::undo::{Entry, Obligation};
use crate::model::fault::Act;
use crate::model::ids::{InjectionId, ProxyName, ServiceName};
use crate::model::time::Stamp;

/// Which effect an outcome answers: the event that asked for it, unique in its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EffectKey(pub u64);

/// One thing the world is asked to do, at least once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// What an outcome carries back.
    pub key: EffectKey,
    /// What is asked.
    pub kind: EffectKind,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EffectKind {
    /// Prove identity and find every target.
    Inspect,
    /// Read what the undo will need.
    Capture(InjectionId),
    /// Apply and read back.
    Apply(InjectionId),
    /// Change what is on to the level that is asked for, and read back.
    Adjust(InjectionId),
    /// Remove and read back.
    Undo(InjectionId),
}

/// What is asked now. The same state gives the same effects until an event answers one of them.
pub fn outstanding(state: &State, now: &Stamp) -> Vec<Effect> {
    let mut effects = Vec::new();
    if state.is_ended() {
        return effects;
    }
    if let (Some(Phase::Preflight), None, None) = (state.phase(), state.preflight(), state.stop()) {
        effects.push(Effect {
            key: EffectKey(state.phase_seq()),
            kind: EffectKind::Inspect,
        });
    }
    // Once it is to end, nothing new is done to the stack, whatever was already allowed.
    let may_begin = state.phase() == Some(Phase::Running) && state.stop().is_none();
    let newest = newest_undoing(state);
    for obligation in state.ledger().open() {
        let id = || obligation.injection.id.clone();
        let (requested, kind) = match undo_view(&obligation.entry) {
            Entry::Planned { requested } if may_begin => (*requested, EffectKind::Capture(id())),
            Entry::Arming { requested } if may_begin => (*requested, EffectKind::Apply(id())),
            Entry::Active {
                adjusting: Some(adjusting),
                ..
            } if may_begin => (adjusting.requested, EffectKind::Adjust(id())),
            Entry::Undoing {
                requested,
                not_before,
                ..
            } => {
                let waits = not_before.is_some_and(|at| !now.reached(&at));
                let newer = newest
                    .get(&target(&obligation.injection.act))
                    .is_some_and(|&o| o > obligation.order);
                if waits || newer {
                    continue;
                }
                (*requested, EffectKind::Undo(id()))
            }
            _ => continue,
        };
        effects.push(Effect {
            key: EffectKey(requested),
            kind,
        });
    }
    effects
}

/// The undoing inside a stuck entry, else the entry itself.
pub(super) fn undo_view(entry: &Entry) -> &Entry {
    if let Entry::Stuck { undoing, .. } = entry {
        undoing
    } else {
        entry
    }
}

/// On each target, the newest injection that older ones wait for.
fn newest_undoing(state: &State) -> BTreeMap<Target<'_>, u64> {
    let mut newest = BTreeMap::new();
    for obligation in state.ledger().open().filter(|one| holds_up(one)) {
        let order = obligation.order;
        let latest = newest
            .entry(target(&obligation.injection.act))
            .or_insert(order);
        *latest = order.max(*latest);
    }
    newest
}

/// Whether older injections on its target wait for its undo. On one proxy or container the order matters until it is
/// stuck. Hooks have no target that is known: mostly they have nothing to do with each other, so one whose undo keeps
/// failing does not hold up the rest.
fn holds_up(obligation: &Obligation) -> bool {
    let hook = matches!(obligation.injection.act, Act::Hook(_));
    matches!(obligation.entry, Entry::Undoing { .. }) && !(hook && obligation.entry.is_failing())
}

/// What an injection acts on, so that undo goes newest first on each.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Target<'a> {
    Proxy(&'a ProxyName),
    Container(&'a ServiceName),
    /// The user's calls may touch anything, so they all share one, loosely: see [`holds_up`].
    Hooks,
}

fn target(act: &Act) -> Target<'_> {
    match act {
        Act::AddToxic { link, .. } | Act::DisableProxy { link } => Target::Proxy(&link.proxy),
        Act::Container { service, .. } => Target::Container(service),
        Act::Hook(_) => Target::Hooks,
    }
}
