//! Blocks, account nonces and the pool of transactions that wait for a block: the state of a chain, without I/O.
//!
//! Invariants: an account's transactions are mined in nonce order without gaps; a transaction that is already known, by
//! hash, is accepted again without effect; histories are bounded.

use std::collections::{BTreeMap, HashSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::transaction::{Malformed, Signed, digest};

const BLOCKS: usize = 2048;
/// Transactions kept over all blocks that are remembered.
const HISTORY: usize = 8192;
const POOL: usize = 4096;
const PER_BLOCK: usize = 500;
const ACCOUNTS: usize = 1000;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Block {
    pub(super) height: u64,
    pub(super) parent: String,
    pub(super) hash: String,
    pub(super) at_ms: u64,
    /// Raw transactions.
    pub(super) transactions: Vec<String>,
}

/// Blocks for a follower, and the whole state in case they do not join onto its own.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Sync {
    pub(super) head: Block,
    pub(super) nonces: BTreeMap<String, u64>,
    pub(super) blocks: Vec<Block>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Rejected {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("nonce too low: expected {expected}")]
    NonceTooLow { expected: u64 },
    #[error("nonce too high: expected {expected}")]
    NonceTooHigh { expected: u64 },
    #[error("the pool is full")]
    Full,
}

/// The blocks do not join onto what is there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unjoined;

pub(super) struct Chain {
    blocks: VecDeque<Block>,
    /// The next nonce of each account.
    nonces: BTreeMap<String, u64>,
    known: HashSet<String>,
    transactions: usize,
    pool: VecDeque<Signed>,
}

impl Chain {
    pub(super) fn genesis(seed: u64) -> Self {
        let parent = digest(&[b"genesis", &seed.to_be_bytes()]);
        let block = Block::new(0, parent, 0, Vec::new());
        Self {
            blocks: VecDeque::from([block]),
            nonces: BTreeMap::new(),
            known: HashSet::new(),
            transactions: 0,
            pool: VecDeque::new(),
        }
    }

    pub(super) fn head(&self) -> &Block {
        self.blocks
            .back()
            .expect("a chain has at least its first block")
    }

    pub(super) fn pool_len(&self) -> usize {
        self.pool.len()
    }

    pub(super) fn mined_nonce(&self, account: &str) -> u64 {
        self.nonces.get(account).copied().unwrap_or(0)
    }

    /// The next nonce when everything in the pool is counted too.
    pub(super) fn pending_nonce(&self, account: &str) -> u64 {
        let pooled = self
            .pool
            .iter()
            .rev()
            .find(|signed| signed.transaction.account == account);
        pooled.map_or_else(
            || self.mined_nonce(account),
            |signed| signed.transaction.nonce + 1,
        )
    }

    /// Takes a raw transaction into the pool and returns its hash.
    pub(super) fn accept(&mut self, raw: &str) -> Result<String, Rejected> {
        let signed = Signed::decode(raw)?;
        if !self.knows(&signed.hash) {
            signed.verify()?;
        }
        self.admit(signed)
    }

    /// Takes a transaction whose signature was checked.
    pub(super) fn admit(&mut self, signed: Signed) -> Result<String, Rejected> {
        if self.knows(&signed.hash) {
            return Ok(signed.hash);
        }
        let expected = self.pending_nonce(&signed.transaction.account);
        let nonce = signed.transaction.nonce;
        if nonce < expected {
            return Err(Rejected::NonceTooLow { expected });
        }
        if nonce > expected {
            return Err(Rejected::NonceTooHigh { expected });
        }
        if self.pool.len() >= POOL || self.nonces.len() >= ACCOUNTS {
            return Err(Rejected::Full);
        }
        let hash = signed.hash.clone();
        self.pool.push_back(signed);
        Ok(hash)
    }

    fn knows(&self, hash: &str) -> bool {
        self.known.contains(hash) || self.pool.iter().any(|pooled| pooled.hash == hash)
    }

    /// Mines the next block out of the pool.
    pub(super) fn produce(&mut self, at_ms: u64) {
        let head = self.head();
        let transactions = self
            .pool
            .iter()
            .take(PER_BLOCK)
            .map(|signed| signed.raw.clone())
            .collect();
        let block = Block::new(head.height + 1, head.hash.clone(), at_ms, transactions);
        self.join(block)
            .expect("a block built on the head joins onto it");
    }

    /// Appends the block if it follows the head, and drops from the pool what it settles.
    pub(super) fn join(&mut self, block: Block) -> Result<(), Unjoined> {
        let head = self.head();
        if block.height != head.height + 1
            || block.parent != head.hash
            || block.hash != block.computed_hash()
        {
            return Err(Unjoined);
        }
        for raw in &block.transactions {
            let signed = Signed::decode(raw).map_err(|_| Unjoined)?;
            let transaction = signed.transaction;
            self.known.insert(signed.hash);
            self.nonces
                .insert(transaction.account, transaction.nonce + 1);
        }
        self.transactions += block.transactions.len();
        self.blocks.push_back(block);
        self.forget_the_oldest();
        self.drop_settled();
        Ok(())
    }

    /// Takes over another chain's state as of its head; for a node whose own blocks do not join onto it.
    pub(super) fn adopt(&mut self, sync: Sync) {
        let whole = sync.blocks.last() == Some(&sync.head);
        self.blocks = if whole {
            sync.blocks.into()
        } else {
            VecDeque::from([sync.head])
        };
        self.nonces = sync.nonces;
        self.known.clear();
        self.transactions = 0;
        for raw in self.blocks.iter().flat_map(|block| &block.transactions) {
            self.transactions += 1;
            if let Ok(signed) = Signed::decode(raw) {
                self.known.insert(signed.hash);
            }
        }
        self.drop_settled();
    }

    pub(super) fn sync_from(&self, from: u64, limit: usize) -> Sync {
        Sync {
            head: self.head().clone(),
            nonces: self.nonces.clone(),
            blocks: self.since(from).take(limit).cloned().collect(),
        }
    }

    /// The blocks from height `from` on that are still remembered.
    pub(super) fn since(&self, from: u64) -> impl Iterator<Item = &Block> {
        let first = self.blocks.front().map_or(0, |block| block.height);
        let skip = usize::try_from(from.saturating_sub(first)).unwrap_or(usize::MAX);
        self.blocks.iter().skip(skip)
    }

    /// The oldest `limit` transactions of the pool.
    pub(super) fn pooled(&self, limit: usize) -> Vec<Signed> {
        self.pool.iter().take(limit).cloned().collect()
    }

    fn drop_settled(&mut self) {
        let nonces = &self.nonces;
        self.pool.retain(|signed| {
            let next = nonces
                .get(&signed.transaction.account)
                .copied()
                .unwrap_or(0);
            signed.transaction.nonce >= next
        });
    }

    fn forget_the_oldest(&mut self) {
        while self.blocks.len() > BLOCKS || (self.transactions > HISTORY && self.blocks.len() > 1) {
            let Some(oldest) = self.blocks.pop_front() else {
                return;
            };
            self.transactions -= oldest.transactions.len();
            for signed in oldest
                .transactions
                .iter()
                .filter_map(|raw| Signed::decode(raw).ok())
            {
                self.known.remove(&signed.hash);
            }
        }
    }
}

impl Block {
    fn new(height: u64, parent: String, at_ms: u64, transactions: Vec<String>) -> Self {
        let mut block = Self {
            height,
            parent,
            hash: String::new(),
            at_ms,
            transactions,
        };
        block.hash = block.computed_hash();
        block
    }

    fn computed_hash(&self) -> String {
        let (height, at_ms) = (self.height.to_be_bytes(), self.at_ms.to_be_bytes());
        let mut parts: Vec<&[u8]> = vec![&height, self.parent.as_bytes(), &at_ms];
        parts.extend(self.transactions.iter().map(String::as_bytes));
        digest(&parts)
    }
}

#[cfg(test)]
mod tests {
    use super::super::transaction::{CHAIN_ID, Transaction, account_of, sign, wallet_key};
    use super::*;

    fn raw(nonce: u64, transfer: &str) -> String {
        let key = wallet_key(1);
        let public_key = key.verifying_key().to_bytes();
        let transaction = Transaction {
            chain_id: CHAIN_ID,
            account: account_of(&public_key),
            nonce,
            to: "bob".into(),
            amount: 1,
            transfer: transfer.into(),
        };
        let payload = transaction.payload();
        Signed::assemble(&public_key, &sign(&key, &payload), &payload)
            .unwrap()
            .raw
    }

    #[test]
    fn nonces_are_taken_in_order_and_repeats_change_nothing() {
        let mut chain = Chain::genesis(1);
        assert_eq!(
            chain.accept(&raw(1, "b")),
            Err(Rejected::NonceTooHigh { expected: 0 })
        );
        let hash = chain.accept(&raw(0, "a")).unwrap();
        assert_eq!(chain.accept(&raw(0, "a")), Ok(hash.clone()));
        assert_eq!(
            chain.accept(&raw(0, "other")),
            Err(Rejected::NonceTooLow { expected: 1 })
        );
        chain.produce(5);
        assert_eq!(
            chain.accept(&raw(0, "a")),
            Ok(hash),
            "a mined transaction is known by its hash"
        );
        assert_eq!(
            (
                chain.head().height,
                chain.head().transactions.len(),
                chain.pool_len()
            ),
            (1, 1, 0)
        );
    }

    #[test]
    fn a_follower_joins_blocks_and_adopts_what_does_not_join() {
        let (mut producer, mut follower) = (Chain::genesis(1), Chain::genesis(1));
        producer.accept(&raw(0, "a")).unwrap();
        follower.accept(&raw(0, "a")).unwrap();
        producer.produce(1);
        producer.produce(2);
        for block in producer.sync_from(1, 10).blocks {
            follower.join(block).unwrap();
        }
        assert_eq!((follower.head(), follower.pool_len()), (producer.head(), 0));

        let stranger = Chain::genesis(2);
        let sync = stranger.sync_from(3, 10);
        assert!(sync.blocks.is_empty());
        follower.adopt(sync);
        assert_eq!(follower.head(), stranger.head());
    }

    #[test]
    fn a_block_whose_content_was_changed_does_not_join() {
        let (mut producer, mut follower) = (Chain::genesis(1), Chain::genesis(1));
        producer.produce(1);
        let mut block = producer.head().clone();
        block.transactions.push(raw(0, "a"));
        assert_eq!(follower.join(block), Err(Unjoined));
    }

    #[test]
    fn a_long_chain_keeps_a_bounded_history() {
        let mut chain = Chain::genesis(1);
        for at in 0..3000 {
            chain.produce(at);
        }
        assert_eq!(chain.blocks.len(), BLOCKS);
        assert_eq!(chain.since(2990).count(), 11);
        assert_eq!(chain.since(4000).count(), 0);
    }
}
