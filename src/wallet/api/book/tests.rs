use super::super::super::transaction::{CHAIN_ID, Transaction, account_of, sign, wallet_key};
use super::*;

fn order(key: Option<&str>) -> Order {
    Order {
        from: "alice".into(),
        to: "bob".into(),
        amount: 10,
        key: key.map(Into::into),
    }
}

fn admitted(book: &mut Book, key: Option<&str>) -> String {
    match book.admit(&order(key), Some(2)) {
        Admission::New(id) => id,
        other => panic!("not admitted: {other:?}"),
    }
}

fn signed(nonce: u64, transfer: &str) -> Signed {
    let key = wallet_key(1);
    let public_key = key.verifying_key().to_bytes();
    let account = account_of(&public_key);
    let transaction = Transaction {
        chain_id: CHAIN_ID,
        account,
        nonce,
        to: "bob".into(),
        amount: 10,
        transfer: transfer.into(),
    };
    let payload = transaction.payload();
    Signed::assemble(&public_key, &sign(&key, &payload), &payload).unwrap()
}

fn started() -> Book {
    let mut book = Book::new(1_000);
    book.start_at(5);
    book
}

#[test]
fn a_transfer_that_fails_before_it_is_signed_leaves_no_gap() {
    let mut book = started();
    let failed = admitted(&mut book, None);
    book.fail(&failed, "signer timed out", true);
    let next = admitted(&mut book, None);
    assert_eq!(book.next_nonce(), Some(5));
    book.assign(&next, &signed(5, &next));
    assert_eq!((book.nonce_gap(None), book.next_nonce()), (0, Some(6)));
    assert_eq!(book.outbox.front(), Some(&(failed, Step::Reverse)));
}

#[test]
fn nonces_that_nobody_holds_and_nonces_that_only_the_chain_knows_are_gaps() {
    let mut book = started();
    let id = admitted(&mut book, None);
    book.assign(&id, &signed(7, &id));
    assert_eq!(book.nonce_gap(None), 2, "5 and 6 were skipped");
    assert_eq!(book.nonce_gap(Some(9)), 3, "and 8 is on the chain alone");
}

#[test]
fn another_transaction_for_a_nonce_that_was_sent_is_a_double_broadcast() {
    let mut book = started();
    let first = admitted(&mut book, None);
    book.assign(&first, &signed(5, &first));
    assert!(book.send(5).is_some());
    assert!(book.send(5).is_some());
    assert_eq!(
        book.double_broadcasts, 0,
        "the same transaction again is none"
    );
    let second = admitted(&mut book, None);
    book.assign(&second, &signed(5, &second));
    assert!(book.send(5).is_some());
    assert_eq!(book.double_broadcasts, 1);
    book.saw_mined(5, &signed(5, &first).hash, 0);
    assert_eq!(
        book.double_broadcasts, 2,
        "the chain holds what was sent first"
    );
}

#[test]
fn an_idempotency_key_names_one_transfer_until_that_one_fails() {
    let mut book = started();
    let first = admitted(&mut book, Some("k"));
    assert_eq!(
        book.admit(&order(Some("k")), Some(2)),
        Admission::Known(first.clone())
    );
    let other = Order {
        amount: 11,
        ..order(Some("k"))
    };
    assert_eq!(book.admit(&other, Some(2)), Admission::KeyReused);
    book.fail(&first, "signer timed out", false);
    assert_ne!(admitted(&mut book, Some("k")), first);
}

#[test]
fn a_transaction_seen_in_a_block_counts_as_accepted_even_if_no_node_said_so() {
    let mut book = started();
    let id = admitted(&mut book, None);
    let sent = signed(5, &id);
    book.assign(&id, &sent);
    book.send(5);
    assert_eq!((book.held(), book.pending()), (12, 1));
    book.saw_mined(5, &sent.hash, 9);
    assert_eq!(book.get(&id).unwrap().state, State::Mined);
    assert_eq!(
        (book.held(), book.pending(), book.first_unsent()),
        (0, 0, None)
    );
    assert_eq!(book.outbox.front(), Some(&(id, Step::Confirm)));
}

#[test]
fn a_paused_wallet_and_a_chain_that_stopped_mining_take_nothing_new() {
    let mut book = started();
    book.paused = true;
    assert_eq!(book.admit(&order(None), Some(2)), Admission::Paused);
    book.paused = false;
    for nonce in 5..5 + UNMINED as u64 {
        let id = admitted(&mut book, None);
        book.leave();
        book.assign(&id, &signed(nonce, &id));
        book.accepted(nonce, 0);
        book.settled();
    }
    assert!(matches!(
        book.admit(&order(None), Some(2)),
        Admission::Busy(_)
    ));
}

#[test]
fn a_long_life_keeps_a_bounded_history_without_inventing_gaps() {
    let mut book = started();
    let life = HISTORY as u64 + 300;
    for nonce in 5..5 + life {
        let id = admitted(&mut book, Some(&format!("key-{nonce}")));
        book.leave();
        let mut sent = signed(5, "one signature for all");
        sent.transaction.nonce = nonce;
        sent.hash = format!("0x{nonce}");
        book.assign(&id, &sent);
        book.send(nonce);
        book.accepted(nonce, 0);
        book.saw_mined(nonce, &sent.hash, 0);
        book.settled();
    }
    assert_eq!(
        (book.transfers.len(), book.keys.len(), book.by_nonce.len()),
        (HISTORY, HISTORY, HISTORY)
    );
    assert_eq!(
        (book.nonce_gap(Some(5 + life)), book.double_broadcasts),
        (0, 0)
    );
    assert_eq!(book.confirmed, life * 12);
}
