mod sequences;

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::{
    super::{body, queue::Ending},
    *,
};

fn effect(id: u64, kind: &str, attributes: &str) -> Effect {
    let attributes = body::object(attributes.as_bytes(), "").unwrap();
    let kind = Kind::named(kind).unwrap().merged(&attributes).unwrap();
    Effect {
        id,
        name: format!("toxic {id}"),
        toxicity: 1.0,
        kind,
    }
}

fn chain(effects: &[Effect], now: Instant) -> Chain {
    let mut chain = Chain::new(Draws::seeded(1));
    chain.reconcile(effects, now);
    chain
}

fn feed(chain: &mut Chain, data: &[u8], now: Instant) {
    chain.push(Chunk::new(Bytes::copy_from_slice(data), now), now);
}

/// All that may leave by `now`.
fn collect(chain: &mut Chain, now: Instant) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        chain.pump(now);
        let Some(chunk) = chain.outbox().pop() else {
            return out;
        };
        out.extend_from_slice(&chunk.data);
    }
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

#[test]
fn it_says_exactly_when_the_next_byte_is_due() {
    let start = Instant::now();
    let mut chain = chain(&[effect(0, "latency", r#"{"latency":100}"#)], start);
    feed(&mut chain, b"a", start);
    feed(&mut chain, b"b", start + ms(30));
    assert_eq!(chain.pump(start + ms(30)), Some(start + ms(100)));
    assert_eq!(collect(&mut chain, start + ms(99)), b"");
    assert_eq!(collect(&mut chain, start + ms(100)), b"a");
    assert_eq!(chain.pump(start + ms(100)), Some(start + ms(130)));
    assert_eq!(collect(&mut chain, start + ms(130)), b"b");
    assert_eq!(chain.pump(start + ms(130)), None);
}

#[test]
fn a_late_timer_does_not_slow_the_average_rate() {
    let start = Instant::now();
    let mut chain = chain(&[effect(0, "bandwidth", r#"{"rate":10}"#)], start);
    feed(&mut chain, &[0; 10_000], start);
    let mut sent = 0;
    for late in (0..=1_030).step_by(103) {
        sent += collect(&mut chain, start + ms(late)).len();
        assert!(sent as u64 <= 10 * late, "{sent} bytes after {late} ms");
    }
    assert_eq!(sent, 10_000);
}

#[test]
fn the_latency_queue_is_bounded_in_bytes_and_small_chunks_count_for_more() {
    let start = Instant::now();
    let mut chain = chain(&[effect(0, "latency", r#"{"latency":1000}"#)], start);
    let mut chunks = 0;
    while chain.wants_input() {
        feed(&mut chain, b"x", start);
        chunks += 1;
    }
    assert!(chunks < 200_000, "{chunks}");
    assert!(chain.nodes[0].inbox.cost() <= 9 << 20);
}

#[test]
fn a_full_outbox_holds_back_what_passes_on_but_not_what_swallows() {
    let start = Instant::now();
    for (kind, drains) in [("slow_close", false), ("timeout", true)] {
        let mut chain = chain(&[effect(0, kind, "{}")], start);
        chain
            .outbox
            .push(Chunk::new(Bytes::from(vec![0; OUTBOX]), start), start);
        feed(&mut chain, &vec![1; 40_000], start);
        chain.pump(start);
        assert_eq!(chain.wants_input(), drains, "{kind}");
    }
}

#[test]
fn several_toxics_removed_at_once_release_their_bytes_in_order() {
    let start = Instant::now();
    let slow = |id| effect(id, "latency", r#"{"latency":1000}"#);
    let stuck = effect(1, "bandwidth", "{}");
    let mut chain = chain(&[stuck, slow(2), slow(3)], start);
    chain.nodes[2]
        .inbox
        .push(Chunk::new(Bytes::from_static(b"a"), start), start);
    chain.nodes[1]
        .inbox
        .push(Chunk::new(Bytes::from_static(b"b"), start), start);
    feed(&mut chain, b"c", start);
    chain.end(Ending::Eof);
    chain.reconcile(&[], start);
    assert_eq!(collect(&mut chain, start), b"abc");
    assert_eq!(chain.outbox().ended(), Some(Ending::Eof));
}

#[test]
fn a_toxic_that_comes_to_strike_takes_its_own_place() {
    let start = Instant::now();
    let spared = |toxicity| Effect {
        toxicity,
        ..effect(1, "limit_data", r#"{"bytes":2}"#)
    };
    let last = effect(2, "latency", r#"{"latency":50}"#);
    let mut chain = chain(&[spared(0.0), last.clone()], start);
    feed(&mut chain, b"before", start);
    chain.reconcile(&[spared(1.0), last], start);
    assert_eq!(
        chain.nodes.iter().map(|node| node.id).collect::<Vec<_>>(),
        [1, 2]
    );
    feed(&mut chain, b"after", start);
    assert_eq!(collect(&mut chain, start + ms(50)), b"beforeaf");
    assert_eq!(chain.outbox().ended(), Some(Ending::Close));
}

#[test]
fn raising_toxicity_never_spares_a_connection_that_was_struck() {
    let start = Instant::now();
    for seed in 0..200 {
        let mut chain = Chain::new(Draws::seeded(seed));
        let mut struck = false;
        for toxicity in [0.0, 0.2, 0.5, 0.9, 1.0] {
            chain.reconcile(
                &[Effect {
                    toxicity,
                    ..effect(0, "latency", "{}")
                }],
                start,
            );
            assert!(!struck || !chain.nodes.is_empty());
            struck = !chain.nodes.is_empty();
        }
        assert!(struck);
    }
}

#[derive(Debug, Clone)]
enum Deed {
    Feed(u16),
    Wait(u16),
    Drain,
    Toxics(Vec<u8>),
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        4 => (1..5000_u16).prop_map(Deed::Feed),
        2 => (0..200_u16).prop_map(Deed::Wait),
        2 => Just(Deed::Drain),
        2 => proptest::collection::vec(0..6_u8, 0..5).prop_map(Deed::Toxics),
    ];
    proptest::collection::vec(deed, 1..60)
}

/// Toxic `id`, of a kind that eats nothing.
fn harmless(id: u8) -> Effect {
    let (kind, attributes) = [
        ("latency", r#"{"latency":80,"jitter":80}"#),
        ("bandwidth", r#"{"rate":50}"#),
        (
            "slicer",
            r#"{"average_size":300,"size_variation":299,"delay":500}"#,
        ),
        ("slow_close", r#"{"delay":70}"#),
        ("reset_peer", r#"{"timeout":3600000}"#),
        ("latency", r#"{"latency":10}"#),
    ][usize::from(id)];
    effect(u64::from(id), kind, attributes)
}

proptest! {
    #[test]
    fn every_byte_comes_out_once_and_in_order(deeds in deeds()) {
        let start = Instant::now();
        let mut now = start;
        let mut chain = chain(&[], now);
        let (mut sent, mut got) = (Vec::new(), Vec::new());
        for deed in deeds {
            match deed {
                Deed::Feed(length) if chain.wants_input() => {
                    let from = sent.len();
                    sent.extend((from..from + usize::from(length)).map(|index| u8::try_from(index % 251).unwrap()));
                    feed(&mut chain, &sent[from..], now);
                }
                Deed::Feed(_) => {}
                Deed::Wait(milliseconds) => now += ms(u64::from(milliseconds)),
                Deed::Drain => got.extend(collect(&mut chain, now)),
                Deed::Toxics(mut ids) => {
                    ids.sort_unstable();
                    ids.dedup();
                    let effects: Vec<Effect> = ids.into_iter().map(harmless).collect();
                    chain.reconcile(&effects, now);
                }
            }
        }
        chain.end(Ending::Eof);
        chain.reconcile(&[], now);
        got.extend(collect(&mut chain, now));
        prop_assert!(got == sent);
        prop_assert_eq!(chain.outbox().ended(), Some(Ending::Eof));
    }
}
