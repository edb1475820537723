//! The wallet's own books: transfers, nonces, what was sent to the chain, what is still to be settled. No I/O, no clock.
//!
//! Invariants: a nonce belongs to a transfer only once it is signed, so a transfer that fails before leaves no gap; a
//! signed transfer keeps its nonce and its one raw transaction until a node takes it; a transfer fails only when its
//! transaction cannot have reached the chain. Histories are bounded: settled transfers are forgotten oldest first.

mod record;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use super::super::Service;
use super::super::transaction::{Signed, digest};

pub(super) use record::{Order, State, Transfer, is_account};

const HISTORY: usize = 4096;
const WINDOW: u64 = 4096;
/// Transfers that may be under way at once.
const IN_FLIGHT: usize = 256;
/// Transactions that may wait for a block before new ones are refused.
const UNMINED: usize = 1024;
/// Entries that may wait for the ledger before new ones are refused.
const OUTBOX: usize = 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Confirm,
    Reverse,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Admission {
    New(String),
    /// The idempotency key belongs to this transfer.
    Known(String),
    KeyReused,
    Paused,
    NoPrice,
    Busy(&'static str),
}

pub(super) struct Book {
    pub(super) signer: Service,
    pub(super) node: Service,
    pub(super) paused: bool,
    pub(super) outbox: VecDeque<(String, Step)>,
    /// Goes up with whatever changes what the ledger should hold.
    pub(super) activity: u64,
    /// Sum of amounts and fees that the ledger confirmed.
    pub(super) confirmed: u64,
    pub(super) double_broadcasts: u64,
    started_at_ms: u64,
    made: u64,
    generation: u64,
    in_flight: usize,
    /// The next free nonce, once the chain told the first one.
    next: Option<u64>,
    base: u64,
    transfers: HashMap<String, Transfer>,
    order: VecDeque<String>,
    keys: HashMap<String, String>,
    by_nonce: BTreeMap<u64, String>,
    unsent: BTreeSet<u64>,
    unmined: BTreeSet<u64>,
    sent: BTreeMap<u64, String>,
    mined: BTreeMap<u64, String>,
}

impl Book {
    pub(super) fn new(now_ms: u64) -> Self {
        Self {
            signer: Service::SignerA,
            node: Service::NodeA,
            paused: false,
            outbox: VecDeque::new(),
            activity: 0,
            confirmed: 0,
            double_broadcasts: 0,
            started_at_ms: now_ms,
            made: 0,
            generation: 0,
            in_flight: 0,
            next: None,
            base: 0,
            transfers: HashMap::new(),
            order: VecDeque::new(),
            keys: HashMap::new(),
            by_nonce: BTreeMap::new(),
            unsent: BTreeSet::new(),
            unmined: BTreeSet::new(),
            sent: BTreeMap::new(),
            mined: BTreeMap::new(),
        }
    }

    /// Opens a transfer, or says why not; without a fee, nothing new. Whoever is told `New` owes a [`Self::leave`].
    pub(super) fn admit(&mut self, order: &Order, fee: Option<u64>) -> Admission {
        if let Some(known) = order
            .key
            .as_ref()
            .and_then(|key| self.keys.get(key))
            .and_then(|id| self.transfers.get(id))
        {
            if known.order != *order {
                return Admission::KeyReused;
            }
            // A failed transfer had no effect, so its key may try again.
            if known.state != State::Failed {
                return Admission::Known(known.id.clone());
            }
        }
        if self.paused {
            return Admission::Paused;
        }
        let Some(fee) = fee else {
            return Admission::NoPrice;
        };
        if self.in_flight >= IN_FLIGHT || self.order.len() >= 2 * HISTORY {
            return Admission::Busy("too many transfers are under way");
        }
        if self.unmined.len() >= UNMINED {
            return Admission::Busy(
                "the chain is not mining: too many transactions wait for a block",
            );
        }
        if self.outbox.len() >= OUTBOX {
            return Admission::Busy("the ledger is behind: too many entries wait to be settled");
        }
        self.made += 1;
        self.in_flight += 1;
        self.activity += 1;
        let unique = digest(&[&self.started_at_ms.to_be_bytes(), &self.made.to_be_bytes()]);
        let id = format!("tr_{}", &unique[2..18]);
        if let Some(key) = &order.key {
            self.keys.insert(key.clone(), id.clone());
        }
        let transfer = Transfer::new(id.clone(), order.clone(), fee);
        self.transfers.insert(id.clone(), transfer);
        self.order.push_back(id.clone());
        self.forget_the_oldest();
        Admission::New(id)
    }

    pub(super) fn leave(&mut self) {
        self.in_flight -= 1;
        self.activity += 1;
    }

    pub(super) fn get(&self, id: &str) -> Option<&Transfer> {
        self.transfers.get(id)
    }

    /// A number that is higher each time, also after a restart: tells signers which payload is the wallet's latest.
    pub(super) fn next_generation(&mut self, now_ms: u64) -> u64 {
        self.generation = (self.generation + 1).max(now_ms);
        self.generation
    }

    pub(super) fn next_nonce(&self) -> Option<u64> {
        self.next
    }

    /// Takes the first nonce from the chain.
    pub(super) fn start_at(&mut self, nonce: u64) {
        self.next = Some(nonce);
        self.base = nonce;
    }

    /// Gives the next nonce to the transfer, with what was signed for it.
    pub(super) fn assign(&mut self, id: &str, signed: &Signed) {
        let nonce = signed.transaction.nonce;
        if let Some(transfer) = self.transfers.get_mut(id) {
            transfer.state = State::Pending;
            transfer.nonce = Some(nonce);
            transfer.hash = Some(signed.hash.clone());
            transfer.raw = Some(signed.raw.clone());
            self.by_nonce.insert(nonce, id.to_owned());
            self.unsent.insert(nonce);
            self.next = Some(nonce + 1);
        }
    }

    /// The lowest nonce that is signed but not known to be with a node.
    pub(super) fn first_unsent(&self) -> Option<u64> {
        self.unsent.first().copied()
    }

    /// Every nonce below this one was accepted by a node.
    pub(super) fn accepted_up_to(&self) -> Option<u64> {
        self.first_unsent().or(self.next)
    }

    pub(super) fn has(&self, nonce: u64) -> bool {
        self.by_nonce.contains_key(&nonce)
    }

    /// The raw transaction of a nonce, recorded as sent now, and how often it was sent before.
    pub(super) fn send(&mut self, nonce: u64) -> Option<(String, u32)> {
        let transfer = self
            .by_nonce
            .get(&nonce)
            .and_then(|id| self.transfers.get_mut(id))?;
        let (raw, hash) = (transfer.raw.clone()?, transfer.hash.clone()?);
        let before = transfer.sends;
        transfer.sends += 1;
        if self
            .sent
            .get(&nonce)
            .is_some_and(|earlier| *earlier != hash)
        {
            self.double_broadcasts += 1;
        }
        self.sent.insert(nonce, hash);
        Some((raw, before))
    }

    /// A node has the transaction: the money is on its way and the ledger may post it.
    pub(super) fn accepted(&mut self, nonce: u64, now_ms: u64) {
        let Some(transfer) = self
            .by_nonce
            .get(&nonce)
            .and_then(|id| self.transfers.get_mut(id))
        else {
            return;
        };
        if transfer.state != State::Pending {
            return;
        }
        transfer.state = State::Broadcast;
        transfer.reason = None;
        transfer.broadcast_at_ms = Some(now_ms);
        self.outbox.push_back((transfer.id.clone(), Step::Confirm));
        self.unsent.remove(&nonce);
        self.unmined.insert(nonce);
        self.activity += 1;
    }

    /// A block holds a transaction of this wallet's account.
    pub(super) fn saw_mined(&mut self, nonce: u64, hash: &str, now_ms: u64) {
        let other = |earlier: Option<&String>| earlier.is_some_and(|earlier| earlier != hash);
        if self
            .mined
            .get(&nonce)
            .is_some_and(|earlier| earlier == hash)
        {
            return;
        }
        if other(self.mined.get(&nonce)) || other(self.sent.get(&nonce)) {
            self.double_broadcasts += 1;
        }
        self.mined.insert(nonce, hash.to_owned());
        if !self.is_superseded(nonce) {
            self.accepted(nonce, now_ms);
            if let Some(transfer) = self
                .by_nonce
                .get(&nonce)
                .and_then(|id| self.transfers.get_mut(id))
            {
                // The raw form stays: a node that lost its chain can be given it again.
                transfer.state = State::Mined;
            }
        }
        self.unmined.remove(&nonce);
    }

    /// Whether the chain holds another transaction than the wallet's at this nonce.
    pub(super) fn is_superseded(&self, nonce: u64) -> bool {
        let ours = self
            .by_nonce
            .get(&nonce)
            .and_then(|id| self.transfers.get(id))
            .and_then(|transfer| transfer.hash.as_ref());
        self.mined
            .get(&nonce)
            .is_some_and(|mined| Some(mined) != ours)
    }

    /// Gives up a signed transfer whose nonce somebody else used; the chain goes on at `expected`.
    pub(super) fn supersede(&mut self, nonce: u64, expected: u64) {
        self.unsent.remove(&nonce);
        if let Some(id) = self.by_nonce.remove(&nonce) {
            self.fail(&id, "the nonce was already used on the chain", true);
        }
        self.next = self.next.max(Some(expected));
        self.base = self.base.max(expected);
    }

    /// Ends a transfer; `held` when the ledger may hold money for it.
    pub(super) fn fail(&mut self, id: &str, reason: &str, held: bool) {
        let Some(transfer) = self.transfers.get_mut(id) else {
            return;
        };
        transfer.state = State::Failed;
        transfer.reason = Some(reason.to_owned());
        (transfer.nonce, transfer.hash, transfer.raw) = (None, None, None);
        if held {
            self.outbox.push_back((id.to_owned(), Step::Reverse));
        }
        self.activity += 1;
    }

    pub(super) fn keep_waiting(&mut self, id: &str, reason: &str) {
        if let Some(transfer) = self.transfers.get_mut(id)
            && transfer.state == State::Pending
        {
            transfer.reason = Some(reason.to_owned());
        }
    }

    /// The ledger carried out the oldest step of the outbox.
    pub(super) fn settled(&mut self) {
        let Some((id, step)) = self.outbox.pop_front() else {
            return;
        };
        if step == Step::Confirm
            && let Some(transfer) = self.transfers.get(&id)
        {
            self.confirmed += transfer.order.amount + transfer.fee;
        }
        self.activity += 1;
    }

    /// What the ledger should hold for transfers that are signed and wait for a node.
    pub(super) fn held(&self) -> u64 {
        let waiting = self
            .unsent
            .iter()
            .filter_map(|nonce| self.by_nonce.get(nonce))
            .filter_map(|id| self.transfers.get(id));
        waiting
            .map(|transfer| transfer.order.amount + transfer.fee)
            .sum()
    }

    /// No transfer is under way and nothing waits for the ledger: its books can be compared.
    pub(super) fn is_quiet(&self) -> bool {
        self.in_flight == 0 && self.outbox.is_empty()
    }

    /// Transfers that are neither broadcast nor ended.
    pub(super) fn pending(&self) -> usize {
        let open = |id: &&String| {
            self.transfers
                .get(*id)
                .is_some_and(|transfer| matches!(transfer.state, State::Accepted | State::Pending))
        };
        self.order.iter().filter(open).count()
    }

    pub(super) fn unmined(&self) -> usize {
        self.unmined.len()
    }

    /// When the oldest transaction that waits for a block was broadcast.
    pub(super) fn oldest_unmined_ms(&self) -> Option<u64> {
        let oldest = self
            .unmined
            .first()
            .and_then(|nonce| self.by_nonce.get(nonce));
        oldest
            .and_then(|id| self.transfers.get(id))
            .and_then(|transfer| transfer.broadcast_at_ms)
    }

    /// Nonces below the next one that no signed transfer holds, as far back as history reaches, plus those that the
    /// chain counts and the wallet does not know.
    pub(super) fn nonce_gap(&self, chain: Option<u64>) -> u64 {
        let Some(next) = self.next else { return 0 };
        let start = self
            .base
            .max(next.saturating_sub(WINDOW))
            .max(self.forgotten_below());
        let present = u64::try_from(self.by_nonce.range(start..next).count()).unwrap_or(u64::MAX);
        next.saturating_sub(start).saturating_sub(present) + chain.unwrap_or(0).saturating_sub(next)
    }

    /// Transfers leave history in the order of their making, so their nonces may leave with small holes at the edge: what
    /// lies below the highest forgotten nonce is not judged.
    fn forgotten_below(&self) -> u64 {
        self.sent
            .keys()
            .find(|nonce| self.by_nonce.contains_key(nonce))
            .copied()
            .unwrap_or(0)
    }

    fn forget_the_oldest(&mut self) {
        while self.order.len() > HISTORY {
            let settled = self
                .order
                .front()
                .and_then(|id| self.transfers.get(id))
                .is_none_or(Transfer::is_over);
            if !settled {
                break;
            }
            let Some(id) = self.order.pop_front() else {
                break;
            };
            if let Some(transfer) = self.transfers.remove(&id) {
                if let Some(key) = &transfer.order.key
                    && self.keys.get(key) == Some(&id)
                {
                    self.keys.remove(key);
                }
                if let Some(nonce) = transfer.nonce {
                    self.by_nonce.remove(&nonce);
                }
            }
        }
        for history in [&mut self.sent, &mut self.mined] {
            while history.len() > HISTORY {
                history.pop_first();
            }
        }
    }
}

#[cfg(test)]
mod tests;
