//! Shapes over time: steps that repeat, grow, happen in an instant or wait for a person, and what stops a run.

use std::time::Duration;

use jiff::Timestamp;

use super::plans::{confirm, drill, experiment, name, shaped};
use super::world::{Answer, World};
use crate::engine::effect::EffectKind;
use crate::engine::event::{Alert, Fact, Origin, Phase, Source, StopCause, UndoCause, Verdict};
use crate::engine::input::{Input, TeamAct};
use crate::model::experiment::{Patience, StopCondition};
use crate::model::fault::{Act, ContainerAction, Fault, Lasts, Start, Toxic, Unconfirmed};
use crate::model::ids::InjectionId;
use crate::model::plan::Plan;
use crate::model::stack::ContainerSelector;
use crate::model::time::Millis;

const TICK: Duration = Duration::from_millis(100);

/// A world in which everything does as asked at once, until the method runs.
fn running(plan: Plan) -> World {
    let mut world = World::new(plan);
    while world.state().phase() != Some(Phase::Running) {
        world.perform_all();
        world.pass(TICK);
    }
    world
}

fn until(world: &mut World, limit: Duration, done: impl Fn(&World) -> bool) {
    let end = world.now.after(limit);
    while !done(world) {
        assert!(
            !world.now.reached(&end),
            "not within {limit:?}: {:?}",
            world.log.last()
        );
        world.perform_all();
        world.pass(TICK);
    }
}

fn ended(world: &mut World) -> (Verdict, String) {
    until(world, Duration::from_mins(3), |world| {
        world.state().is_ended()
    });
    assert!(world.on.is_empty(), "left on: {:?}", world.on);
    let (verdict, reasons) = world.state().verdict().expect("it is over");
    (verdict, reasons.join("; "))
}

/// Seconds from the beginning of the method to the events that `which` picks, with the text it gives them.
fn times(world: &World, which: impl Fn(&Fact) -> Option<String>) -> Vec<(String, f64)> {
    let began = world.state().running_since().expect("it ran");
    let picked = world.log.iter().filter_map(|event| {
        let at = event.at.since(&began)?.as_secs_f64();
        Some((which(&event.fact)?, (at * 10.0).round() / 10.0))
    });
    picked.collect()
}

fn actives(fact: &Fact) -> Option<String> {
    match fact {
        Fact::Active { injection, .. } => Some(injection.to_string()),
        _ => None,
    }
}

fn without_pause() -> Plan {
    let mut plan = shaped();
    plan.experiment.method.truncate(1);
    plan.injections.truncate(3);
    plan
}

#[test]
fn a_step_that_repeats_begins_on_its_grid_and_each_time_is_an_entry_of_its_own() {
    let mut world = running(without_pause());
    assert_eq!(ended(&mut world).0, Verdict::Passed);
    let on = times(&world, actives);
    let ids: Vec<_> = on.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["slow:1", "slow:2", "slow:3"]);
    for ((_, at), wanted) in on.iter().zip([1.0, 7.0, 13.0]) {
        assert!((wanted..wanted + 0.25).contains(at), "{on:?}");
    }
    let off = times(&world, |fact| match fact {
        Fact::Undone { injection, .. } => Some(injection.to_string()),
        _ => None,
    });
    assert_eq!(off.len(), 3, "{off:?}");
}

#[test]
fn an_occurrence_waits_until_the_one_before_is_undone() {
    let mut plan = without_pause();
    let step = &mut plan.experiment.method[0];
    step.lasts = Lasts::For(Millis::seconds(6));
    for injection in &mut plan.injections {
        injection.lasts = step.lasts;
    }
    let mut world = running(plan);
    world.broken.insert(name("slow:1"));
    let first = |world: &World| times(world, actives).len();
    until(&mut world, Duration::from_secs(15), |world| {
        world
            .facts()
            .any(|fact| matches!(fact, Fact::UndoBegan { .. }))
    });
    for _ in 0..50 {
        let effects = world.effects();
        for effect in effects {
            world.perform(&effect, Answer::Does);
        }
        world.pass(TICK);
    }
    assert_eq!(first(&world), 1, "the second began while the first was on");
    world.broken.clear();
    until(&mut world, Duration::from_secs(15), |world| {
        first(world) == 2
    });
    assert_eq!(ended(&mut world).0, Verdict::Passed);
}

#[test]
fn what_waits_for_a_step_that_repeats_waits_for_its_last_time() {
    let mut plan = shaped();
    plan.experiment.method.remove(1);
    plan.experiment.method[1].start = Start::After {
        step: name("slow"),
        wait: Millis::seconds(1),
    };
    let mut world = running(plan);
    assert_eq!(ended(&mut world).0, Verdict::Passed);
    let on = times(&world, actives);
    let (id, at) = on.last().expect("something was on");
    assert_eq!(id, "kill");
    assert!((18.0..18.8).contains(at), "{on:?}");
}

#[test]
fn a_remedy_that_ends_a_step_calls_off_what_it_would_do_again() {
    let mut plan = shaped();
    plan.drill = drill().drill;
    if let Some(exercise) = &mut plan.drill {
        exercise.drill.remedies[0].ends = vec![name("slow")];
    }
    plan.experiment.method.remove(1);
    plan.experiment.method[1].start = Start::After {
        step: name("slow"),
        wait: Millis::ZERO,
    };
    let mut world = running(plan);
    until(&mut world, Duration::from_secs(10), |world| {
        world.on.contains(&name::<InjectionId>("slow:2"))
    });
    assert!(world.team(TeamAct::RemedyChosen {
        remedy: name("rollback"),
    }));
    assert_eq!(ended(&mut world).0, Verdict::Passed);
    let ids: Vec<_> = times(&world, actives)
        .into_iter()
        .map(|(id, _)| id)
        .collect();
    assert_eq!(ids, ["slow:1", "slow:2", "kill"]);
    let off: Vec<_> = world
        .facts()
        .filter_map(|fact| match fact {
            Fact::Cancelled { injection } => Some(injection.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(off, ["slow:3"]);
}

#[test]
fn a_ramp_is_one_injection_whose_levels_are_asked_for_on_time_and_read_back() {
    let mut world = running(without_pause());
    assert_eq!(ended(&mut world).0, Verdict::Passed);
    let levels = times(&world, |fact| match fact {
        Fact::Adjusted {
            injection, level, ..
        } if injection.as_str() == "slow:1" => Some(level.to_string()),
        _ => None,
    });
    let began = times(&world, actives)[0].1;
    let numbers: Vec<_> = levels.iter().map(|(level, _)| level.as_str()).collect();
    assert_eq!(numbers, ["1", "2", "3", "4"]);
    for ((_, at), wanted) in levels.iter().zip([0.5, 1.0, 1.5, 2.0]) {
        assert!(
            (wanted..wanted + 0.25).contains(&(at - began)),
            "{levels:?} after {began}"
        );
    }
    let undos = world.facts().filter(
        |fact| matches!(fact, Fact::UndoBegan { injection, .. } if injection.as_str() == "slow:1"),
    );
    assert_eq!(undos.count(), 1);
    let act = &world.state().plan().expect("it has one").injections[0].act;
    let strengths: Vec<_> = (0..=4)
        .map(
            |level| match act.strength(level).map(|strength| strength.toxic) {
                Some(Toxic::Latency { latency, .. }) => latency.get(),
                other => panic!("{other:?}"),
            },
        )
        .collect();
    assert_eq!(strengths, [100, 575, 1050, 1525, 2000]);
}

#[test]
fn a_late_ramp_goes_to_the_last_level_that_is_due_and_repeats_of_an_outcome_change_nothing() {
    let mut world = running(without_pause());
    until(&mut world, Duration::from_secs(5), |world| {
        !world.on.is_empty()
    });
    world.pass(Duration::from_millis(1_600));
    let effects = world.effects();
    assert_eq!(effects.len(), 1, "{effects:?}");
    world.perform(&effects[0], Answer::Does);
    assert_eq!(world.levels[&name::<InjectionId>("slow:1")], 3);
    let seq = world.state().seq();
    world.repeat_last_outcome();
    assert_eq!(world.state().seq(), seq);
    assert_eq!(ended(&mut world).0, Verdict::Passed);
}

#[test]
fn a_change_that_fails_is_an_error_and_the_fault_is_undone_once() {
    for answer in [Answer::Refuses, Answer::DoesAndFails] {
        let mut world = running(without_pause());
        until(&mut world, Duration::from_secs(5), |world| {
            !world.on.is_empty()
        });
        world.pass(Duration::from_millis(600));
        let effect = world.effects().remove(0);
        assert!(matches!(effect.kind, EffectKind::Adjust(_)));
        world.perform(&effect, answer);
        let (verdict, reasons) = ended(&mut world);
        assert_eq!(verdict, Verdict::Errored);
        assert_eq!(reasons, "`slow:1` could not be changed to its level 1: 500");
        let removed = world
            .facts()
            .filter(|fact| matches!(fact, Fact::Undone { .. }));
        assert_eq!(removed.count(), 1);
    }
}

#[test]
fn a_crash_in_the_middle_of_a_ramp_is_undone_like_any_other() {
    let mut world = running(without_pause());
    until(&mut world, Duration::from_secs(5), |world| {
        !world.on.is_empty()
    });
    world.pass(Duration::from_millis(600));
    assert!(matches!(world.effects()[0].kind, EffectKind::Adjust(_)));
    world.crash(false);
    let kinds: Vec<_> = world
        .effects()
        .into_iter()
        .map(|effect| effect.kind)
        .collect();
    assert_eq!(kinds, [EffectKind::Undo(name("slow:1"))]);
    assert_eq!(ended(&mut world).0, Verdict::Errored);
}

#[test]
fn a_remediable_fault_that_still_grows_does_not_let_observation_end() {
    let mut plan = without_pause();
    let step = &mut plan.experiment.method[0];
    step.repeat = None;
    step.lasts = Lasts::UntilRemedied {
        at_most: Millis::seconds(60),
    };
    plan.injections.truncate(1);
    plan.injections[0].occurrence = None;
    plan.injections[0].id = name("slow");
    plan.injections[0].lasts = step.lasts;
    if let Act::AddToxic {
        ramp: Some(ramp), ..
    } = &mut plan.injections[0].act
    {
        ramp.over = Millis::seconds(20);
    }
    plan.drill = drill().drill;
    let mut world = running(plan);
    until(&mut world, Duration::from_secs(5), |world| {
        !world.on.is_empty()
    });
    world.healthy.insert("canary", false);
    for _ in 0..10 {
        world.perform_all();
        world.pass(TICK);
    }
    world.healthy.insert("canary", true);
    until(&mut world, Duration::from_mins(1), |world| {
        world.state().observation().is_some()
    });
    let began = times(&world, actives)[0].1;
    let held = times(&world, |fact| {
        matches!(fact, Fact::ObservationEnded { .. }).then(String::new)
    });
    assert!(held[0].1 - began >= 20.0, "{held:?}");
    ended(&mut world);
}

#[test]
fn a_step_without_length_is_done_before_its_time_is_up() {
    let mut plan = experiment();
    let lasts = Lasts::For(Millis::ZERO);
    let step = &mut plan.experiment.method[0];
    step.fault = Fault::Container {
        service: name("signer"),
        action: ContainerAction::Restart,
        share: None,
    };
    step.lasts = lasts;
    plan.injections[0].act = Act::Container {
        service: name("signer"),
        selector: ContainerSelector::Name("signer".into()),
        action: ContainerAction::Restart,
    };
    plan.injections[0].lasts = lasts;
    plan.experiment.during.clear();
    let mut world = running(plan);
    world.settle(Duration::from_mins(2));
    let (verdict, reasons) = ended(&mut world);
    assert_eq!(verdict, Verdict::Passed, "{reasons}");
    assert_eq!(times(&world, actives).len(), 1, "it was never done");
    let undone = world.facts().any(|fact| {
        matches!(
            fact,
            Fact::UndoBegan {
                cause: UndoCause::Timer,
                ..
            }
        )
    });
    assert!(undone);
}

fn paused(then: Unconfirmed) -> World {
    let mut plan = shaped();
    plan.experiment.method[1] = confirm(then);
    let mut world = running(plan);
    until(&mut world, Duration::from_secs(30), |world| {
        world.state().pauses().next().is_some()
    });
    world
}

#[test]
fn the_method_goes_on_once_somebody_continues() {
    let mut world = paused(Unconfirmed::Abort);
    let asked = world.now;
    for _ in 0..30 {
        world.perform_all();
        world.pass(TICK);
    }
    assert_eq!(
        times(&world, actives).len(),
        3,
        "nothing that waits has begun"
    );
    let refused = world.team(TeamAct::Continued { step: name("slow") });
    assert!(!refused, "nobody waits for that step");
    assert!(world.team(TeamAct::Continued { step: name("look") }));
    assert!(
        !world.team(TeamAct::Continued { step: name("look") }),
        "once is enough"
    );
    until(&mut world, Duration::from_secs(5), |world| {
        times(world, actives).len() == 4
    });
    assert!(world.now.since(&asked).expect("one epoch").as_secs_f64() < 5.0);
    assert_eq!(ended(&mut world).0, Verdict::Passed);
}

#[test]
fn where_nobody_continues_in_time_it_ends_as_the_file_says() {
    let mut world = paused(Unconfirmed::Continue);
    let (verdict, reasons) = ended(&mut world);
    assert_eq!(verdict, Verdict::Passed, "{reasons}");
    assert_eq!(times(&world, actives).len(), 4);

    let mut world = paused(Unconfirmed::Abort);
    let (verdict, reasons) = ended(&mut world);
    assert_eq!(
        (verdict, reasons.as_str()),
        (Verdict::Aborted, "nobody continued `look` in time")
    );
    assert_eq!(times(&world, actives).len(), 3);
}

fn stopping(patience: Patience) -> World {
    let mut plan = experiment();
    plan.experiment.during.clear();
    plan.experiment.steady_state.truncate(1);
    plan.experiment.stop_when = vec![StopCondition::Probe {
        probe: name("gap"),
        patience,
    }];
    running(plan)
}

#[test]
fn a_stop_condition_counts_samples_in_a_row() {
    let mut world = stopping(Patience::Fails(3));
    until(&mut world, Duration::from_secs(5), |world| {
        !world.on.is_empty()
    });
    for well in [false, false, true, false, false] {
        world.healthy.insert("gap", well);
        world.pass(TICK);
    }
    assert!(world.state().stop().is_none());
    world.pass(TICK);
    let (verdict, reasons) = ended(&mut world);
    assert_eq!(verdict, Verdict::Aborted);
    assert_eq!(
        reasons,
        "stop condition `gap`: it has failed 3 times in a row, and the limit is 3: status 503"
    );
}

#[test]
fn a_stop_condition_does_not_wait_for_the_probe_to_change_its_standing() {
    let mut world = stopping(Patience::FailsFor(Millis::new(100)));
    world.healthy.insert("gap", false);
    world.pass(TICK);
    assert!(world.state().stop().is_none());
    world.pass(TICK);
    let (verdict, reasons) = ended(&mut world);
    assert_eq!(verdict, Verdict::Aborted);
    assert_eq!(
        reasons,
        "stop condition `gap`: it has failed for 100ms, which is the limit: status 503"
    );
}

#[test]
fn a_condition_that_was_met_before_the_method_stops_it_as_it_begins() {
    let mut plan = experiment();
    plan.experiment.during.clear();
    plan.experiment.steady_state.truncate(1);
    plan.experiment.stop_when = vec![StopCondition::Probe {
        probe: name("gap"),
        patience: Patience::Fails(2),
    }];
    let mut world = World::new(plan);
    world.healthy.insert("gap", false);
    let (verdict, _) = ended(&mut world);
    assert_eq!(verdict, Verdict::Aborted);
    assert!(times(&world, actives).is_empty());
}

fn alert(labels: &[(&str, &str)], firing: bool) -> Input {
    let pairs = labels.iter();
    let labels = pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Input::Alert {
        alert: Alert {
            firing,
            labels: labels.collect(),
            fingerprint: "f".to_owned(),
            starts_at: Timestamp::UNIX_EPOCH,
            qualifies: false,
        },
        origin: Origin::machine(Source::Alertmanager),
    }
}

#[test]
fn an_alert_that_a_condition_names_stops_the_run_once_it_fires() {
    let mut plan = experiment();
    plan.experiment.stop_when = vec![StopCondition::Alert {
        alertmanager: [("alertname".to_owned(), "MoneyLost".to_owned())].into(),
    }];
    let mut world = running(plan);
    world.take(alert(&[("alertname", "Other")], true));
    world.take(alert(&[("alertname", "MoneyLost")], false));
    assert!(world.state().stop().is_none());
    world.take(alert(
        &[("alertname", "MoneyLost"), ("severity", "page")],
        true,
    ));
    assert!(matches!(
        world.state().stop(),
        Some(StopCause::Alert { .. })
    ));
    let (verdict, reasons) = ended(&mut world);
    assert_eq!(verdict, Verdict::Aborted);
    assert_eq!(reasons, "stop condition: the alert `MoneyLost` fires");
}

#[test]
fn an_old_log_s_stop_condition_is_still_read() {
    let old = r#"{"probe": "gap", "fails_for": "5s"}"#;
    let read: StopCondition = serde_json::from_str(old).expect("it is read");
    let wanted = StopCondition::Probe {
        probe: name("gap"),
        patience: Patience::FailsFor(Millis::seconds(5)),
    };
    assert_eq!(read, wanted);
    let cause: StopCause =
        serde_json::from_str(r#"{"condition": {"probe": "gap"}}"#).expect("it is read");
    assert!(matches!(cause, StopCause::Condition { reason: None, .. }));
}

#[test]
fn a_level_is_due_in_proportion() {
    let act = &shaped().injections[0].act;
    let ramp = act.ramp().expect("it grows");
    let due: Vec<_> = (1..=4).map(|level| ramp.due(level).get()).collect();
    assert_eq!(due, [500, 1000, 1500, 2000]);
}
