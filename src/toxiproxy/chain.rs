//! The toxics of one direction of one connection, in order, with a queue before each and one before the socket.
//!
//! No I/O and no clock. Each queue holds bytes later in the stream than the queue after it, whatever is added, changed or
//! removed, so order is kept by construction and every byte that went in comes out unless a toxic is there to eat it.

use tokio::time::Instant;

use super::{
    queue::{Chunk, Ending, Queue},
    random::Draws,
    toxic::{Kind, Stage, Step},
};

/// A toxic as connections see it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Effect {
    /// Unique among all toxics that the proxy ever had.
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) toxicity: f64,
    pub(crate) kind: Kind,
}

/// What may wait before the socket; beyond that the toxics hold their bytes back.
const OUTBOX: usize = 64 * 1024;

pub(crate) struct Chain {
    nodes: Vec<Node>,
    outbox: Queue,
    draws: Draws,
}

struct Node {
    id: u64,
    kind: Kind,
    stage: Box<dyn Stage>,
    inbox: Queue,
    /// Set once the stage has ended the stream: it has no more to say.
    done: bool,
}

impl Chain {
    /// `draws` belongs to this direction of this connection.
    pub(crate) fn new(draws: Draws) -> Self {
        Self {
            nodes: Vec::new(),
            outbox: Queue::default(),
            draws,
        }
    }

    /// Whether bytes could just as well be copied from socket to socket.
    pub(crate) fn is_transparent(&self) -> bool {
        self.nodes.is_empty() && self.outbox.is_empty() && self.outbox.ending().is_none()
    }

    pub(crate) fn wants_input(&self) -> bool {
        // Once any part has ended, nothing that comes in now could get out.
        if self.outbox.ending().is_some()
            || self.nodes.iter().any(|node| node.inbox.ending().is_some())
        {
            return false;
        }
        match self.nodes.first() {
            Some(first) => first.inbox.cost() < first.stage.capacity(),
            None => self.outbox.cost() < OUTBOX,
        }
    }

    pub(crate) fn push(&mut self, chunk: Chunk, now: Instant) {
        self.inlet().push(chunk, now);
    }

    /// The source has ended.
    pub(crate) fn end(&mut self, ending: Ending) {
        self.inlet().end(ending);
    }

    pub(crate) fn outbox(&mut self) -> &mut Queue {
        &mut self.outbox
    }

    /// Moves everything on as far as it may go by `now`, and says when to try again.
    pub(crate) fn pump(&mut self, now: Instant) -> Option<Instant> {
        loop {
            let mut next_at = None;
            let mut moved = false;
            for index in (0..self.nodes.len()).rev() {
                let (before, after) = self.nodes.split_at_mut(index + 1);
                let Some(node) = before.last_mut() else {
                    continue;
                };
                let (next, room) = match after.first_mut() {
                    Some(following) => (&mut following.inbox, following.stage.capacity()),
                    None => (&mut self.outbox, OUTBOX),
                };
                while !node.done && (next.cost() < room || node.stage.ignores_backpressure()) {
                    match node.stage.step(&mut node.inbox, now) {
                        Step::Forward(chunk) => next.push(chunk, now),
                        Step::End(ending) => {
                            next.end(ending);
                            node.done = true;
                        }
                        Step::WaitUntil(at) => {
                            next_at = next_at
                                .map_or(Some(at), |earliest: Instant| Some(earliest.min(at)));
                            break;
                        }
                        Step::Idle => break,
                    }
                    moved = true;
                }
            }
            if !moved {
                return next_at;
            }
        }
    }

    /// Makes the chain hold the stages of `effects` that strike this connection, in their order: those that stay are
    /// retuned, the bytes waiting before those that go move on, new ones start empty.
    pub(crate) fn reconcile(&mut self, effects: &[Effect], now: Instant) {
        let wanted: Vec<&Effect> = effects
            .iter()
            .filter(|effect| self.strikes(effect))
            .collect();
        // From the end, so that bytes released by several at once stay in order.
        for index in (0..self.nodes.len()).rev() {
            if !wanted
                .iter()
                .any(|effect| effect.id == self.nodes[index].id)
            {
                self.remove(index, now);
            }
        }
        for (index, effect) in wanted.into_iter().enumerate() {
            match self.nodes.get_mut(index) {
                Some(node) if node.id == effect.id => {
                    if node.kind != effect.kind {
                        node.kind = effect.kind;
                        node.stage.retune(&effect.kind, now);
                    }
                }
                _ => {
                    let draws = self.draws.of(&effect.name);
                    if let Some(stage) = effect.kind.stage(draws, now) {
                        let node = Node {
                            id: effect.id,
                            kind: effect.kind,
                            stage,
                            inbox: Queue::default(),
                            done: false,
                        };
                        self.nodes.insert(index, node);
                    }
                }
            }
        }
    }

    /// The draw depends on the connection and the toxic's name alone: an update never rolls again.
    fn strikes(&self, effect: &Effect) -> bool {
        !matches!(effect.kind, Kind::Noop(_))
            && self.draws.of(&effect.name).of("toxicity").unit(0) < effect.toxicity
    }

    fn remove(&mut self, index: usize, now: Instant) {
        let node = self.nodes.remove(index);
        let closes = node.stage.closes_when_removed();
        let next = match self.nodes.get_mut(index) {
            Some(following) => &mut following.inbox,
            None => &mut self.outbox,
        };
        if closes {
            next.end(Ending::Close);
        } else {
            next.absorb(node.inbox, now);
        }
    }

    fn inlet(&mut self) -> &mut Queue {
        match self.nodes.first_mut() {
            Some(first) => &mut first.inbox,
            None => &mut self.outbox,
        }
    }
}

#[cfg(test)]
mod tests;
