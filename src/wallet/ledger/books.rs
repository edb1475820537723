//! The books themselves: no I/O, no clock.
//!
//! Invariants: the sum over all accounts is zero (what accounts opened with is owed by `genesis`); each step of an entry
//! takes effect once, however often it is asked; a reversed entry, even one reversed before its hold arrived, can never
//! be held or confirmed afterwards.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde::{Deserialize, Serialize};

/// The account that fees are posted to.
const FEES: &str = "fees";
const OPENING: [(&str, i64); 5] = [
    ("canary", 1_000_000_000_000_000),
    ("treasury", 1_000_000_000_000_000),
    ("alice", 1_000_000_000_000),
    ("bob", 1_000_000_000_000),
    ("carol", 1_000_000_000_000),
];
/// How many settled entries are remembered; open ones always are.
const SETTLED: usize = 8192;
const OPEN: usize = 8192;
const ACCOUNTS: usize = 10_000;
/// Largest amount of one entry; keeps every sum far from overflow.
const LARGEST: u64 = 1_000_000_000_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Step {
    Hold,
    Confirm,
    Reverse,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) step: Step,
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
    #[serde(default)]
    amount: u64,
    #[serde(default)]
    fee: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    Insufficient,
    Invalid(&'static str),
    Conflict(&'static str),
}

pub(super) struct Held {
    from: String,
    to: String,
    amount: i64,
    fee: i64,
}

#[derive(Debug, Default, Clone, Copy, Serialize)]
pub(super) struct Balance {
    pub(super) balance: i64,
    pub(super) held: i64,
}

#[derive(Default)]
pub(super) struct Books {
    pub(super) accounts: BTreeMap<String, Balance>,
    pub(super) open: HashMap<String, Held>,
    settled: HashMap<String, Step>,
    settled_order: VecDeque<String>,
    pub(super) posted: i64,
    pub(super) held: i64,
    pub(super) confirmed: u64,
    pub(super) reversed: u64,
}

impl Books {
    pub(super) fn opening() -> Self {
        let mut books = Self::default();
        for (name, amount) in OPENING {
            books.account(name).balance += amount;
            books.account("genesis").balance -= amount;
        }
        books
    }

    fn account(&mut self, name: &str) -> &mut Balance {
        self.accounts.entry(name.to_owned()).or_default()
    }

    /// What all accounts add up to: always zero.
    pub(super) fn sum(&self) -> i64 {
        self.accounts.values().map(|account| account.balance).sum()
    }

    pub(super) fn book(&mut self, entry: &Entry) -> Result<(), Refused> {
        match entry.step {
            Step::Hold => self.hold(entry),
            Step::Confirm => self.settle(&entry.id, Step::Confirm),
            Step::Reverse => self.settle(&entry.id, Step::Reverse),
        }
    }

    fn hold(&mut self, entry: &Entry) -> Result<(), Refused> {
        if self.open.contains_key(&entry.id) {
            return Ok(());
        }
        if self.settled.contains_key(&entry.id) {
            return Err(Refused::Conflict("the entry is already settled"));
        }
        if entry.amount == 0 || entry.amount > LARGEST || entry.fee > LARGEST {
            return Err(Refused::Invalid("the amount is zero or too large"));
        }
        if entry.from.is_empty()
            || entry.to.is_empty()
            || entry.from == "genesis"
            || entry.to == "genesis"
        {
            return Err(Refused::Invalid(
                "an entry needs two accounts, and neither is genesis",
            ));
        }
        if self.open.len() >= OPEN || self.accounts.len() >= ACCOUNTS {
            return Err(Refused::Conflict("the books are full"));
        }
        let (Ok(amount), Ok(fee)) = (i64::try_from(entry.amount), i64::try_from(entry.fee)) else {
            return Err(Refused::Invalid("the amount is zero or too large"));
        };
        // An account nobody ever credited has nothing, and asking for it must not open it.
        let payer = self
            .accounts
            .get_mut(&entry.from)
            .ok_or(Refused::Insufficient)?;
        if payer.balance - payer.held < amount + fee {
            return Err(Refused::Insufficient);
        }
        payer.held += amount + fee;
        self.held += amount + fee;
        let held = Held {
            from: entry.from.clone(),
            to: entry.to.clone(),
            amount,
            fee,
        };
        self.open.insert(entry.id.clone(), held);
        Ok(())
    }

    fn settle(&mut self, id: &str, step: Step) -> Result<(), Refused> {
        if let Some(&earlier) = self.settled.get(id) {
            let same = earlier == step;
            return if same {
                Ok(())
            } else {
                Err(Refused::Conflict("the entry was settled the other way"))
            };
        }
        let Some(held) = self.open.remove(id) else {
            if step == Step::Confirm {
                return Err(Refused::Conflict("the entry was never held"));
            }
            // The hold may still be on its way: remembered as reversed, it will be refused when it arrives.
            self.remember(id, Step::Reverse);
            return Ok(());
        };
        let whole = held.amount + held.fee;
        self.account(&held.from).held -= whole;
        self.held -= whole;
        if step == Step::Confirm {
            self.account(&held.from).balance -= whole;
            self.account(&held.to).balance += held.amount;
            self.account(FEES).balance += held.fee;
            self.posted += whole;
            self.confirmed += 1;
        } else {
            self.reversed += 1;
        }
        self.remember(id, step);
        Ok(())
    }

    fn remember(&mut self, id: &str, step: Step) {
        self.settled.insert(id.to_owned(), step);
        self.settled_order.push_back(id.to_owned());
        while self.settled_order.len() > SETTLED {
            if let Some(oldest) = self.settled_order.pop_front() {
                self.settled.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: &str, step: Step, amount: u64) -> Entry {
        Entry {
            id: id.into(),
            step,
            from: "alice".into(),
            to: "bob".into(),
            amount,
            fee: 3,
        }
    }

    #[test]
    fn a_confirmed_entry_moves_the_money_once_however_often_it_is_asked() {
        let mut books = Books::opening();
        for _ in 0..2 {
            assert_eq!(books.book(&entry("1", Step::Hold, 100)), Ok(()));
        }
        assert_eq!(books.held, 103);
        for _ in 0..2 {
            assert_eq!(books.book(&entry("1", Step::Confirm, 0)), Ok(()));
        }
        assert_eq!(books.accounts["bob"].balance, 1_000_000_000_100);
        assert_eq!(books.accounts["fees"].balance, 3);
        assert_eq!((books.held, books.posted, books.sum()), (0, 103, 0));
    }

    #[test]
    fn a_hold_that_arrives_after_its_reversal_is_refused() {
        let mut books = Books::opening();
        assert_eq!(books.book(&entry("1", Step::Reverse, 0)), Ok(()));
        assert!(matches!(
            books.book(&entry("1", Step::Hold, 100)),
            Err(Refused::Conflict(_))
        ));
        assert_eq!((books.held, books.sum()), (0, 0));
    }

    #[test]
    fn money_on_hold_cannot_be_spent_twice() {
        let mut books = Books::opening();
        assert_eq!(books.book(&entry("1", Step::Hold, 999_999_999_000)), Ok(()));
        assert_eq!(
            books.book(&entry("2", Step::Hold, 999)),
            Err(Refused::Insufficient)
        );
        assert_eq!(books.book(&entry("1", Step::Reverse, 0)), Ok(()));
        assert_eq!(books.book(&entry("2", Step::Hold, 999)), Ok(()));
    }
}
