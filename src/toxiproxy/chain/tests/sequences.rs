//! Any sequence of toxics that come, change and go, with any toxicity, those included that eat: what comes out is always
//! what went in, less what a toxic says that it eats.

use proptest::prelude::*;
use tokio::time::Instant;

use super::{
    super::{super::queue::Ending, Chain, Draws, Effect},
    collect, effect, feed, ms,
};

#[derive(Debug, Clone)]
enum Deed {
    /// One read of so many bytes.
    Feed(u16),
    Wait(u16),
    Drain,
    /// The toxics from now on: which, with which of their settings, how toxic.
    Toxics(Vec<(usize, usize, f64)>),
}

/// Of each toxic two settings. The first passes or drops whole reads, so it has to come before those that cut them.
const TOXICS: [(&str, [&str; 2]); 8] = [
    (
        "packet_loss",
        [
            r#"{"loss_rate":0.3}"#,
            r#"{"loss_rate":0.9,"correlation":0.5}"#,
        ],
    ),
    (
        "latency",
        [r#"{"latency":80,"jitter":80}"#, r#"{"latency":5}"#],
    ),
    ("bandwidth", [r#"{"rate":50}"#, r#"{"rate":3000}"#]),
    (
        "slicer",
        [
            r#"{"average_size":300,"size_variation":299,"delay":500}"#,
            r#"{"average_size":1000}"#,
        ],
    ),
    ("slow_close", [r#"{"delay":70}"#, r#"{"delay":1}"#]),
    ("limit_data", [r#"{"bytes":9000}"#, r#"{"bytes":30000}"#]),
    ("timeout", [r#"{"timeout":0}"#, r#"{"timeout":60}"#]),
    (
        "reset_peer",
        [r#"{"timeout":3600000}"#, r#"{"timeout":90}"#],
    ),
];

/// A toxic of `TOXICS` whose name is among `kinds`, and how it is set.
fn toxics(kinds: &'static [&'static str]) -> impl Strategy<Value = Vec<(usize, usize, f64)>> {
    let among: Vec<usize> = (0..TOXICS.len())
        .filter(|index| kinds.contains(&TOXICS[*index].0))
        .collect();
    let one = (
        proptest::sample::select(among),
        0..2_usize,
        proptest::sample::select(vec![0.0, 0.5, 1.0, 1.0]),
    );
    proptest::collection::vec(one, 0..5).prop_map(|mut toxics| {
        // Each at most once, in the order that they would have been added in.
        toxics.sort_by_key(|(index, ..)| *index);
        toxics.dedup_by_key(|(index, ..)| *index);
        toxics
    })
}

fn deeds(kinds: &'static [&'static str]) -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        4 => (16..5000_u16).prop_map(Deed::Feed),
        2 => (0..200_u16).prop_map(Deed::Wait),
        2 => Just(Deed::Drain),
        2 => toxics(kinds).prop_map(Deed::Toxics),
    ];
    proptest::collection::vec(deed, 1..60)
}

#[derive(Debug)]
struct Outcome {
    /// Each read by itself.
    sent: Vec<Vec<u8>>,
    got: Vec<u8>,
    ending: Option<Ending>,
}

impl Outcome {
    fn is_whole(&self) -> bool {
        self.got == self.sent.concat()
    }

    fn is_a_beginning(&self) -> bool {
        self.sent.concat().starts_with(&self.got)
    }

    /// Whether it is some of the reads, each as a whole and in order. Every read begins with its number.
    fn is_some_of_the_reads(&self) -> bool {
        let mut rest = self.got.as_slice();
        let mut reads = self.sent.iter();
        while !rest.is_empty() {
            match reads.find(|read| rest.starts_with(&read[..8])) {
                Some(read) if rest.starts_with(read) => rest = &rest[read.len()..],
                _ => return false,
            }
        }
        true
    }
}

/// The deeds, then the end of the stream, the last toxics gone, and all that is left.
fn run(seed: u64, deeds: Vec<Deed>) -> Outcome {
    let mut now = Instant::now();
    let mut chain = Chain::new(Draws::seeded(seed));
    let (mut sent, mut got) = (Vec::<Vec<u8>>::new(), Vec::new());
    for deed in deeds {
        match deed {
            Deed::Feed(length) if chain.wants_input() => {
                let number = sent.len() as u64;
                let words = (0..).flat_map(|index| {
                    let word = Draws::seeded(number).word(index);
                    word.to_le_bytes()
                });
                let read = number.to_le_bytes().into_iter().chain(words);
                let read: Vec<u8> = read.take(usize::from(length)).collect();
                feed(&mut chain, &read, now);
                sent.push(read);
            }
            Deed::Feed(_) => {}
            Deed::Wait(milliseconds) => now += ms(u64::from(milliseconds)),
            Deed::Drain => got.extend(collect(&mut chain, now)),
            Deed::Toxics(toxics) => {
                let effects: Vec<Effect> = toxics
                    .into_iter()
                    .map(|(index, setting, toxicity)| {
                        let (kind, settings) = TOXICS[index];
                        Effect {
                            toxicity,
                            ..effect(index as u64, kind, settings[setting])
                        }
                    })
                    .collect();
                chain.reconcile(&effects, now);
            }
        }
    }
    chain.end(Ending::Eof);
    chain.reconcile(&[], now);
    got.extend(collect(&mut chain, now));
    Outcome {
        sent,
        got,
        ending: chain.outbox().ended(),
    }
}

const HARMLESS: [&str; 4] = ["latency", "bandwidth", "slicer", "slow_close"];

proptest! {
    #[test]
    fn toxics_that_eat_nothing_let_every_byte_through(seed: u64, deeds in deeds(&HARMLESS)) {
        let outcome = run(seed, deeds);
        prop_assert!(outcome.is_whole());
        prop_assert_eq!(outcome.ending, Some(Ending::Eof));
    }

    #[test]
    fn loss_drops_whole_reads_and_disturbs_no_other(
        seed: u64,
        deeds in deeds(&["packet_loss", "latency", "bandwidth", "slicer", "slow_close"]),
    ) {
        let outcome = run(seed, deeds);
        prop_assert!(outcome.is_some_of_the_reads());
        prop_assert_eq!(outcome.ending, Some(Ending::Eof));
    }

    #[test]
    fn what_hangs_up_leaves_a_beginning(
        seed: u64,
        deeds in deeds(&["latency", "bandwidth", "slicer", "slow_close", "limit_data", "timeout", "reset_peer"]),
    ) {
        let outcome = run(seed, deeds);
        prop_assert!(outcome.is_a_beginning());
        // Whole, unless the ending says otherwise.
        prop_assert!(outcome.is_whole() || outcome.ending != Some(Ending::Eof), "{:?}", outcome.ending);
    }
}
