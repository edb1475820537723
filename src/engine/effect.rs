//! Effects: what the world is asked to do, from the log alone. Live running and recovery share this.

use std::collections::BTreeMap;

use super::event::Phase;
use super::state::State;
use super::undo::{Entry, Obligation};
use crate::model::fault::{Act, Hook};
use crate::model::ids::{InjectionId, ProxyName, ServiceName};
use crate::model::stack::ContainerSelector;
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
    /// Send a message to its channel.
    Send,
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
    effects.extend(state.posts().under_way().map(|sent| Effect {
        key: EffectKey(sent.seq),
        kind: EffectKind::Send,
    }));
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
                if waits || newest.holds_up(obligation) {
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

/// What older injections wait for.
struct Newest<'a> {
    /// On each target, the order of the newest.
    on: BTreeMap<Target<'a>, u64>,
    /// Every hook that is being undone, and its order.
    hooks: Vec<(u64, &'a Hook)>,
}

impl Newest<'_> {
    fn holds_up(&self, obligation: &Obligation) -> bool {
        let order = obligation.order;
        match target(&obligation.injection.act) {
            Some(target) => self.on.get(&target).is_some_and(|&newest| newest > order),
            None => match &obligation.injection.act {
                Act::Hook(hook) => {
                    let mut hooks = self.hooks.iter();
                    hooks.any(|(newer, other)| *newer > order && !hook.is_apart_from(other))
                }
                _ => false,
            },
        }
    }
}

fn newest_undoing(state: &State) -> Newest<'_> {
    let mut newest = Newest {
        on: BTreeMap::new(),
        hooks: Vec::new(),
    };
    let undoing = state.ledger().open();
    for obligation in undoing.filter(|one| matches!(one.entry, Entry::Undoing { .. })) {
        let order = obligation.order;
        match (target(&obligation.injection.act), &obligation.injection.act) {
            (Some(target), _) => {
                let latest = newest.on.entry(target).or_insert(order);
                *latest = order.max(*latest);
            }
            // Mostly hooks have nothing to do with each other, so one whose undo keeps failing, or whose target does not
            // answer, does not hold up the rest.
            (None, Act::Hook(hook))
                if !obligation.entry.is_failing() && !obligation.entry.is_hanging() =>
            {
                newest.hooks.push((order, hook));
            }
            (None, _) => {}
        }
    }
    newest
}

/// What an injection acts on, so that undo goes newest first on each: the order matters until it is stuck.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Target<'a> {
    Proxy(&'a ProxyName),
    /// Of a service, and by name where it has several.
    Container(&'a ServiceName, Option<&'a str>),
}

/// `None` for hooks: the user's calls may touch anything, so that each waits for the newer ones, loosely, unless they
/// surely go to different servers.
fn target(act: &Act) -> Option<Target<'_>> {
    match act {
        Act::AddToxic { link, .. } | Act::DisableProxy { link } => Some(Target::Proxy(&link.proxy)),
        Act::Container {
            service,
            selector: ContainerSelector::Drawn { name, .. },
            ..
        } => Some(Target::Container(service, Some(name))),
        Act::Container { service, .. } | Act::Cut { service, .. } => {
            Some(Target::Container(service, None))
        }
        Act::Hook(_) => None,
    }
}
