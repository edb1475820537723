//! Any sequence of inputs: nothing is left on, nothing is touched before it is recorded, replay equals live.

use std::time::Duration;

use proptest::prelude::*;

use super::plans::{drill, experiment, name, shaped};
use super::world::{Answer, World};
use crate::engine::event::{Fact, Verdict};
use crate::engine::input::{Input, TeamAct};
use crate::engine::state::State;
use crate::model::plan::Plan;

#[derive(Debug, Clone)]
enum Move {
    Pass(u64),
    Perform(usize, Answer),
    PerformAll,
    Repeat,
    Health(&'static str, bool),
    Halt,
    Act(u8),
    Lose,
    Crash(bool),
}

fn moves() -> impl Strategy<Value = Move> {
    let answer = prop_oneof![6 => Just(Answer::Does), 1 => Just(Answer::Refuses), 1 => Just(Answer::DoesAndFails)];
    prop_oneof![
        8 => (10_u64..4_000).prop_map(Move::Pass),
        6 => ((0_usize..6), answer).prop_map(|(index, answer)| Move::Perform(index, answer)),
        6 => Just(Move::PerformAll),
        1 => Just(Move::Repeat),
        2 => (prop_oneof![Just("canary"), Just("gap")], any::<bool>()).prop_map(|(probe, well)| Move::Health(probe, well)),
        1 => Just(Move::Halt),
        3 => (0_u8..6).prop_map(Move::Act),
        1 => Just(Move::Lose),
        1 => any::<bool>().prop_map(Move::Crash),
    ]
}

/// An experiment, a drill, one whose fault repeats, grows and is followed by a person, and a drill whose fault repeats.
fn plans() -> impl Strategy<Value = Plan> {
    let flapping = || {
        let mut plan = shaped();
        let exercise = drill().drill;
        plan.drill = exercise.map(|mut exercise| {
            exercise.drill.remedies[0].ends = vec![name("slow")];
            exercise
        });
        plan
    };
    prop_oneof![
        Just(experiment()),
        Just(drill()),
        Just(shaped()),
        Just(flapping()),
    ]
}

fn play(world: &mut World, step: &Move) {
    match step {
        Move::Pass(ms) => world.pass(Duration::from_millis(*ms)),
        Move::Perform(index, answer) => {
            let effects = world.effects();
            if let Some(effect) = effects.get(index % effects.len().max(1)) {
                world.perform(effect, *answer);
            }
        }
        Move::PerformAll => world.perform_all(),
        Move::Repeat => world.repeat_last_outcome(),
        Move::Health(probe, well) => {
            world.healthy.insert(probe, *well);
        }
        Move::Halt => world.halt(),
        Move::Act(which) => {
            let act = match which {
                0 => TeamAct::RemedyChosen {
                    remedy: name("rollback"),
                },
                1 => TeamAct::RemedyChosen {
                    remedy: name("failover"),
                },
                2 => TeamAct::Acknowledged,
                3 => TeamAct::Continued { step: name("look") },
                _ => TeamAct::Detected {
                    service: name("api"),
                    symptom: "log-ins fail".into(),
                },
            };
            world.team(act);
        }
        Move::Lose => {
            if let Some(id) = world.on.pop_first() {
                world.take(Input::Lost {
                    injection: id,
                    evidence: "404".into(),
                });
            }
        }
        Move::Crash(lands) => world.crash(*lands),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_inputs_ends_with_nothing_left(
        plan in plans(),
        steps in prop::collection::vec(moves(), 0..120),
    ) {
        let mut world = World::new(plan);
        for step in &steps {
            play(&mut world, step);
            let replayed = State::replay(world.state().run().clone(), &world.log);
            prop_assert_eq!(&replayed, world.state());
        }
        world.healthy.insert("canary", true);
        world.healthy.insert("gap", true);
        world.settle(Duration::from_mins(10));
        prop_assert!(world.state().is_ended(), "still {:?} after ten minutes", world.state().phase());
        // What was still under way lands, whether or not the run is over.
        world.pass(Duration::from_secs(5));
        prop_assert!(world.on.is_empty(), "left on: {:?}", world.on);
        prop_assert_eq!(world.state().ledger().open().count(), 0);
        prop_assert!(world.touched_without_record.is_empty());
        prop_assert!(world.adjusted_while_off.is_empty());
        prop_assert!(world.log.iter().zip(1..).all(|(event, seq)| event.seq == seq));
    }

    #[test]
    fn what_cannot_be_undone_is_stuck_loudly_and_holds_up_nothing_else(
        plan in plans(),
        steps in prop::collection::vec(moves(), 0..120),
        broken in prop::sample::subsequence(
            vec!["slow", "slow:1", "slow:2", "kill", "bad-token", "remedy:failover#1", "remedy:failover#2"],
            0..4,
        ),
    ) {
        let mut world = World::new(plan);
        for step in &steps {
            play(&mut world, step);
        }
        world.broken = broken.into_iter().map(name).collect();
        world.halt();
        world.settle(Duration::from_secs(30));
        let held_up: Vec<_> = world.on.difference(&world.broken).collect();
        prop_assert!(held_up.is_empty(), "held up: {:?}", held_up);
        world.settle(Duration::from_mins(2));
        let open: Vec<_> = world.state().ledger().open().collect();
        prop_assert!(
            open.iter().all(|one| one.entry.is_stuck() && world.broken.contains(&one.injection.id)),
            "{:?}", open
        );
        prop_assert_eq!(world.state().is_ended(), open.is_empty());
        let replayed = State::replay(world.state().run().clone(), &world.log);
        prop_assert_eq!(&replayed, world.state());
        world.broken.clear();
        world.settle(Duration::from_mins(2));
        prop_assert!(world.state().is_ended());
        prop_assert!(world.on.is_empty(), "left on: {:?}", world.on);
    }

    #[test]
    fn nothing_passes_that_was_not_observed(
        plan in plans(),
        steps in prop::collection::vec(moves(), 0..120),
    ) {
        let mut world = World::new(plan);
        for step in &steps {
            play(&mut world, step);
        }
        world.settle(Duration::from_mins(10));
        let passed = world.state().verdict().is_some_and(|(verdict, _)| verdict == Verdict::Passed);
        let observed = world.facts().any(|fact| matches!(fact, Fact::ProbeObserved { .. }));
        prop_assert!(observed || !passed);
    }

    #[test]
    fn an_event_survives_being_written_and_read(steps in prop::collection::vec(moves(), 0..60)) {
        let mut world = World::new(drill());
        for step in &steps {
            play(&mut world, step);
        }
        let mut shaped = World::new(shaped());
        for step in &steps {
            play(&mut shaped, step);
        }
        for event in world.log.iter().chain(&shaped.log) {
            let text = serde_json::to_string(event).expect("events serialise");
            let read: crate::engine::event::Event = serde_json::from_str(&text).expect("and read back");
            prop_assert_eq!(&read, event);
        }
    }
}
