//! Whole runs, step by step.

use std::time::Duration;

use super::plans::{drill, experiment, name};
use super::world::{Answer, World};
use crate::engine::effect::EffectKind;
use crate::engine::event::{Fact, Phase, Standing, UndoCause, UndoneBy, Verdict};
use crate::engine::input::{Input, TeamAct};
use crate::model::fault::{Act, Call, Injection};
use crate::model::ids::InjectionId;
use crate::model::plan::Plan;
use crate::model::probe::HttpRequest;

const SECOND: Duration = Duration::from_secs(1);

fn until_running(plan: crate::model::plan::Plan) -> World {
    let mut world = World::new(plan);
    world.perform_all();
    while world.state().phase() != Some(Phase::Running) {
        world.pass(SECOND);
    }
    world
}

/// Passes time until this injection is on.
fn until_on(world: &mut World, id: &str) {
    let id: InjectionId = name(id);
    for _ in 0..200 {
        if world.on.contains(&id) {
            return;
        }
        world.pass(SECOND / 2);
        world.perform_all();
    }
    panic!("`{id}` never came on");
}

fn verdict(world: &World) -> Option<Verdict> {
    world.state().verdict().map(|(verdict, _)| verdict)
}

fn reasons(world: &World) -> String {
    world
        .state()
        .verdict()
        .map(|(_, reasons)| reasons.join("; "))
        .unwrap_or_default()
}

fn cause_of(world: &World, id: &str) -> Option<UndoCause> {
    world.facts().find_map(|fact| match fact {
        Fact::UndoBegan { injection, cause } if injection.as_str() == id => Some(cause.clone()),
        _ => None,
    })
}

#[test]
fn an_experiment_whose_hypothesis_holds_passes_and_leaves_nothing() {
    let mut world = World::new(experiment());
    world.settle(SECOND * 120);
    assert_eq!(
        verdict(&world),
        Some(Verdict::Passed),
        "{}",
        reasons(&world)
    );
    assert!(world.on.is_empty());
    assert_eq!(cause_of(&world, "slow"), Some(UndoCause::Timer));
}

#[test]
fn an_experiment_that_breaks_nothing_passes_once_steady_state_has_held() {
    let mut plan = experiment();
    plan.experiment.method.clear();
    plan.injections.clear();
    let stable_for = plan.experiment.recovery.stable_for.duration();
    let mut world = until_running(plan);
    let began = world.now;
    world.settle(SECOND * 120);
    assert_eq!(
        verdict(&world),
        Some(Verdict::Passed),
        "{}",
        reasons(&world)
    );
    let watched = world.now.since(&began).expect("one epoch").unsigned_abs();
    assert!(watched >= stable_for, "only {watched:?}");
    assert!(!world.facts().any(|fact| matches!(fact, Fact::Due { .. })));
}

#[test]
fn an_experiment_that_breaks_nothing_fails_where_the_stack_falls_over_by_itself() {
    let mut plan = experiment();
    plan.experiment.method.clear();
    plan.injections.clear();
    plan.experiment.stop_when.clear();
    let mut world = until_running(plan);
    world.healthy.insert("canary", false);
    world.settle(SECOND * 120);
    assert_eq!(verdict(&world), Some(Verdict::Failed));
    assert!(
        reasons(&world).contains("steady state did not hold"),
        "{}",
        reasons(&world)
    );
}

#[test]
fn nothing_is_touched_while_steady_state_does_not_hold() {
    let mut world = World::new(experiment());
    world.healthy.insert("canary", false);
    world.settle(SECOND * 120);
    assert_eq!(verdict(&world), Some(Verdict::Errored));
    assert!(
        reasons(&world).contains("steady state does not hold before: `canary` fails: status 503"),
        "{}",
        reasons(&world)
    );
    assert!(!world.facts().any(|fact| matches!(fact, Fact::Due { .. })));
}

#[test]
fn a_probe_that_failed_before_keeps_the_run_from_beginning_though_it_passes_again() {
    let mut plan = experiment();
    for tolerance in &mut plan.experiment.steady_state {
        if tolerance.probe != name("canary") {
            tolerance.pass_after = 10;
        }
    }
    let mut world = World::new(plan);
    world.healthy.insert("canary", false);
    world.perform_all();
    let fell = |world: &World| {
        world.facts().any(|fact| {
            matches!(
                fact,
                Fact::ProbeChanged {
                    standing: Standing::Failing,
                    ..
                }
            )
        })
    };
    for _ in 0..20 {
        if fell(&world) {
            break;
        }
        world.pass(SECOND / 10);
    }
    assert!(fell(&world) && !world.state().is_ended());
    world.healthy.insert("canary", true);
    world.settle(SECOND * 120);
    assert_eq!(verdict(&world), Some(Verdict::Errored));
    assert!(
        reasons(&world).contains("`canary` fails: status 503"),
        "{}",
        reasons(&world)
    );
    assert!(!world.facts().any(|fact| matches!(fact, Fact::Due { .. })));
}

#[test]
fn every_probe_that_fails_before_is_named_at_once() {
    let mut world = World::new(experiment());
    world.healthy.insert("canary", false);
    world.healthy.insert("gap", false);
    world.settle(SECOND * 120);
    assert_eq!(verdict(&world), Some(Verdict::Errored));
    for probe in ["canary", "gap"] {
        let named = format!("`{probe}` fails: ");
        assert!(reasons(&world).contains(&named), "{}", reasons(&world));
    }
}

#[test]
fn a_finding_of_preflight_ends_it_before_any_probe() {
    let mut world = World::new(experiment());
    let inspect = world.effects();
    world.perform(&inspect[0], Answer::Refuses);
    assert_eq!(verdict(&world), Some(Verdict::Errored));
}

#[test]
fn a_probe_that_must_hold_during_and_does_not_fails_the_run() {
    let mut world = until_running(experiment());
    until_on(&mut world, "slow");
    world.healthy.insert("gap", false);
    world.pass(SECOND);
    world.pass(SECOND);
    world.healthy.insert("gap", true);
    world.settle(SECOND * 120);
    assert_eq!(verdict(&world), Some(Verdict::Failed));
    assert_eq!(
        reasons(&world),
        "`gap` failed while faults were on: status 503"
    );
}

#[test]
fn a_stop_condition_ends_it_after_its_time_and_undoes() {
    let mut world = until_running(experiment());
    until_on(&mut world, "slow");
    world.healthy.insert("gap", false);
    let began = world.now;
    while verdict(&world).is_none() {
        world.pass(SECOND / 4);
        world.perform_all();
    }
    let took = world.now.since(&began).expect("one epoch").as_secs_f64();
    assert_eq!(verdict(&world), Some(Verdict::Aborted));
    assert!((5.0..6.0).contains(&took), "{took}");
    assert!(world.on.is_empty());
}

#[test]
fn a_stack_that_does_not_come_back_fails() {
    let mut world = until_running(experiment());
    until_on(&mut world, "slow");
    world.healthy.insert("canary", false);
    world.settle(SECOND * 200);
    assert_eq!(verdict(&world), Some(Verdict::Failed));
    assert!(
        reasons(&world).contains("did not hold again within 20s"),
        "{}",
        reasons(&world)
    );
}

#[test]
fn a_refused_fault_is_an_error_and_is_undone_as_if_it_had_happened() {
    let mut world = until_running(experiment());
    world.pass(SECOND * 2);
    while let Some(effect) = world.effects().first().cloned() {
        let answer = if matches!(effect.kind, EffectKind::Apply(_)) {
            Answer::DoesAndFails
        } else {
            Answer::Does
        };
        world.perform(&effect, answer);
    }
    world.settle(SECOND * 60);
    assert_eq!(verdict(&world), Some(Verdict::Errored));
    assert!(
        reasons(&world).contains("`slow` could not be done: 500"),
        "{}",
        reasons(&world)
    );
    assert!(world.on.is_empty());
}

#[test]
fn a_fault_somebody_else_removed_spoils_an_experiment_but_not_a_drill() {
    for (plan, expected) in [(experiment(), Verdict::Errored), (drill(), Verdict::Passed)] {
        let mut world = until_running(plan);
        until_on(&mut world, "slow");
        world.on.remove(&name("slow"));
        world.take(Input::Lost {
            injection: name("slow"),
            evidence: "404".into(),
        });
        world.settle(SECOND * 200);
        assert_eq!(verdict(&world), Some(expected), "{}", reasons(&world));
    }
}

#[test]
fn a_halt_undoes_everything_at_once() {
    let mut world = until_running(drill());
    until_on(&mut world, "bad-token");
    world.halt();
    world.perform_all();
    assert_eq!(verdict(&world), Some(Verdict::Aborted));
    assert!(world.on.is_empty());
}

#[test]
fn a_responder_who_says_that_it_is_real_ends_the_drill() {
    let mut world = until_running(drill());
    until_on(&mut world, "bad-token");
    assert!(world.team(TeamAct::Real));
    world.perform_all();
    assert_eq!(
        (verdict(&world), world.on.len()),
        (Some(Verdict::Aborted), 0)
    );
}

#[test]
fn a_remedy_ends_the_fault_it_repairs_after_the_time_it_takes() {
    let mut world = until_running(drill());
    until_on(&mut world, "bad-token");
    assert!(world.team(TeamAct::RemedyChosen {
        remedy: name("rollback")
    }));
    assert_eq!(cause_of(&world, "bad-token"), None);
    world.pass(SECOND * 2);
    world.perform_all();
    assert_eq!(
        cause_of(&world, "bad-token"),
        Some(UndoCause::Remedied {
            by: name("remedy:rollback#1")
        })
    );
    world.settle(SECOND * 200);
    assert_eq!(
        verdict(&world),
        Some(Verdict::Passed),
        "{}",
        reasons(&world)
    );
}

#[test]
fn observation_ends_with_the_fault_on_once_the_team_has_routed_round_it_and_the_remedy_is_restored()
{
    let mut plan = drill();
    plan.experiment
        .method
        .retain(|step| step.id.as_str() == "bad-token");
    plan.injections
        .retain(|injection| injection.id.as_str() == "bad-token");
    let mut world = until_running(plan);
    until_on(&mut world, "bad-token");
    world.healthy.insert("canary", false);
    for _ in 0..5 {
        world.pass(SECOND);
    }
    assert!(world.team(TeamAct::RemedyChosen {
        remedy: name("failover")
    }));
    world.perform_all();
    world.healthy.insert("canary", true);
    world.settle(SECOND * 200);
    assert_eq!(
        verdict(&world),
        Some(Verdict::Passed),
        "{}",
        reasons(&world)
    );
    assert_eq!(cause_of(&world, "bad-token"), Some(UndoCause::Closing));
    assert!(world.on.is_empty());
    let order: Vec<_> = world
        .facts()
        .filter_map(|fact| match fact {
            Fact::Undone { injection, .. } => Some(injection.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(
        order,
        ["bad-token", "remedy:failover#1"],
        "the fault goes first, then what stood in for it"
    );
}

#[test]
fn an_undo_that_keeps_failing_is_stuck_loudly_and_still_tried() {
    let mut world = until_running(experiment());
    until_on(&mut world, "slow");
    world.halt();
    for _ in 0..140 {
        for effect in world.effects() {
            world.perform(&effect, Answer::Refuses);
        }
        world.pass(SECOND / 2);
    }
    assert_eq!(world.state().stuck().count(), 1);
    assert_eq!(verdict(&world), None);
    world.settle(SECOND * 60);
    assert_eq!(
        (
            verdict(&world),
            world.on.len(),
            world.state().stuck().count()
        ),
        (Some(Verdict::Aborted), 0, 0)
    );
}

#[test]
fn a_request_that_lands_after_recovery_looked_is_found_on_the_second_look() {
    let mut world = until_running(experiment());
    world.pass(SECOND * 2);
    let capture = world.effects();
    world.perform(&capture[0], Answer::Does);
    assert!(matches!(world.effects()[0].kind, EffectKind::Apply(_)));
    world.crash(true);
    world.settle(SECOND * 60);
    assert_eq!(verdict(&world), Some(Verdict::Errored));
    assert!(
        world.on.is_empty(),
        "the late request left {:?} on",
        world.on
    );
    assert!(world.facts().any(|fact| matches!(
        fact,
        Fact::Undone {
            by: UndoneBy::Us,
            ..
        }
    )));
}

#[test]
fn each_interruption_names_the_clock_of_the_process_that_died_last() {
    let epochs = |world: &World| {
        let facts = world.facts().filter_map(|fact| match fact {
            Fact::Interrupted { epoch } => Some(epoch.0),
            _ => None,
        });
        facts.collect::<Vec<_>>()
    };
    let mut world = until_running(drill());
    until_on(&mut world, "bad-token");
    world.halt();
    world.crash(false);
    world.crash(false);
    assert_eq!(epochs(&world), [1, 2]);
    world.settle(SECOND * 60);
    assert!(world.on.is_empty());

    let mut barely_begun = World::new(experiment());
    barely_begun.log.truncate(1);
    barely_begun.crash(false);
    assert_eq!(epochs(&barely_begun), [1]);
    assert_eq!(verdict(&barely_begun), Some(Verdict::Errored));
}

#[test]
fn what_responders_send_twice_counts_once_and_what_makes_no_sense_is_turned_away() {
    let mut world = until_running(drill());
    let mut origin = crate::engine::event::Origin::person(crate::engine::event::Source::Api, "p-1");
    origin.source_id = Some("abc".into());
    for _ in 0..2 {
        world.take(Input::Team {
            act: TeamAct::Acknowledged,
            origin: origin.clone(),
        });
    }
    assert_eq!(
        world
            .facts()
            .filter(|fact| matches!(fact, Fact::Acknowledged))
            .count(),
        1
    );
    assert!(!world.team(TeamAct::Detected {
        service: name("nope"),
        symptom: "slow".into()
    }));
    assert!(!world.team(TeamAct::Detected {
        service: name("api"),
        symptom: "  ".into()
    }));
    assert!(!world.team(TeamAct::RemedyChosen {
        remedy: name("pray")
    }));
}

#[test]
fn steps_of_the_runbook_are_ticked_off_and_reopened_and_others_turned_away() {
    let mut plan = drill();
    let exercise = plan.drill.as_mut().expect("a drill");
    exercise.runbook.body = "## Look\n\n## Mend\n".into();
    let mut world = until_running(plan);
    for (step, done, taken) in [
        (1, true, true),
        (1, false, true),
        (2, true, true),
        (3, true, false),
        (0, true, false),
    ] {
        assert_eq!(
            world.team(TeamAct::StepTicked { step, done }),
            taken,
            "{step}"
        );
    }
    let ticked: Vec<(u32, bool)> = world
        .facts()
        .filter_map(|fact| match fact {
            Fact::StepTicked { step, done } => Some((*step, *done)),
            _ => None,
        })
        .collect();
    assert_eq!(ticked, [(1, true), (1, false), (2, true)]);
}

#[test]
fn more_services_at_once_than_allowed_is_an_error() {
    let mut plan = experiment();
    plan.experiment.limits.services = Some(0);
    let mut world = until_running(plan);
    world.settle(SECOND * 60);
    assert_eq!(verdict(&world), Some(Verdict::Errored));
    assert!(
        reasons(&world).contains("limits.services"),
        "{}",
        reasons(&world)
    );
    assert!(world.on.is_empty());
}

#[test]
fn every_limit_that_a_step_would_pass_is_said_before_it_begins() {
    let mut plan = experiment();
    let service = plan.injections[0].act.service().expect("a link").clone();
    let known = plan.stack.services.get_mut(&service).expect("it is there");
    known.tier = Some("chain".to_owned());
    plan.experiment.limits.links = Some(0);
    plan.experiment.limits.tiers.insert("chain".to_owned(), 50);
    let mut world = until_running(plan);
    world.settle(SECOND * 60);
    assert_eq!(verdict(&world), Some(Verdict::Errored));
    let told = reasons(&world);
    for line in [
        "`slow` would hit 1 link at once, and `limits.links` is 0",
        "`slow` would hit 1 of the 1 services of tier `chain` at once, and `limits.tiers.chain` is 50%",
    ] {
        assert!(told.contains(line), "{told}");
    }
    assert!(world.on.is_empty());
}

#[test]
fn a_probe_that_cannot_be_asked_leaves_the_run_blind_and_ends_it() {
    let mut world = until_running(experiment());
    until_on(&mut world, "slow");
    world.take(Input::Watched(Fact::ProbeUnusable {
        probe: name("gap"),
        reason: "no such program".into(),
    }));
    world.perform_all();
    assert_eq!(verdict(&world), Some(Verdict::Errored));
    assert_eq!(
        reasons(&world),
        "probe `gap` could not be asked: no such program"
    );
    assert!(world.on.is_empty());
}

#[test]
fn a_probe_that_two_lists_name_is_held_to_the_strictest_of_them() {
    let mut plan = experiment();
    let listed = plan.experiment.steady_state[0].clone();
    plan.experiment.during = vec![crate::model::probe::Tolerance {
        fail_after: 1,
        pass_after: 5,
        ..listed.clone()
    }];
    let world = World::new(plan);
    let held: Vec<_> = crate::engine::phase::tolerances(world.state())
        .into_iter()
        .filter(|tolerance| tolerance.probe == listed.probe)
        .map(|tolerance| (tolerance.fail_after, tolerance.pass_after))
        .collect();
    assert_eq!(held, [(1, 5)]);
}

#[test]
fn a_remedy_on_its_way_when_the_run_is_halted_does_nothing_more_to_the_stack() {
    // Captured or armed, but not applied: while the faults are undone it must not begin.
    for armed in [false, true] {
        let mut world = until_running(drill());
        until_on(&mut world, "bad-token");
        let failover: InjectionId = name("remedy:failover#1");
        assert!(world.team(TeamAct::RemedyChosen {
            remedy: name("failover")
        }));
        let capture = world.effects();
        assert!(
            matches!(&capture[..], [effect] if effect.kind == EffectKind::Capture(failover.clone()))
        );
        if armed {
            world.perform(&capture[0], Answer::Does);
        }
        world.halt();
        if !armed {
            world.perform(&capture[0], Answer::Does);
        }
        let applies = |effect: &crate::engine::effect::Effect| {
            matches!(effect.kind, EffectKind::Apply(_) | EffectKind::Capture(_))
        };
        assert!(
            !world.effects().iter().any(applies),
            "{:?}",
            world.effects()
        );
        world.settle(SECOND * 60);
        assert_eq!(verdict(&world), Some(Verdict::Aborted));
        assert!(world.on.is_empty());
        let undone = world
            .facts()
            .any(|fact| matches!(fact, Fact::Undone { injection, .. } if *injection == failover));
        assert_eq!(
            undone, armed,
            "what was armed may have been applied, and is restored"
        );
    }
}

#[test]
fn a_long_run_takes_no_more_memory_than_a_short_one() {
    // Two probes that flap for a day and a half, asked every second, and an alert that repeats itself.
    let mut world = until_running(drill());
    until_on(&mut world, "bad-token");
    let origin = {
        let mut origin =
            crate::engine::event::Origin::machine(crate::engine::event::Source::Alertmanager);
        origin.source_id = Some("abc:firing".into());
        origin
    };
    let mut watches: Vec<_> = crate::engine::phase::tolerances(world.state())
        .into_iter()
        .map(crate::engine::watch::Watch::new)
        .collect();
    let mut sizes = Vec::new();
    let mut events = 0;
    for second in 0..130_000_u64 {
        let sample = crate::engine::watch::Sample {
            sent: world
                .now
                .after(SECOND * u32::try_from(second).expect("few")),
            took: SECOND / 100,
            result: if second % 60 < 50 {
                crate::engine::watch::SampleResult::Passed
            } else {
                crate::engine::watch::SampleResult::Failed("status 503".into())
            },
        };
        let mut inputs: Vec<_> = watches
            .iter_mut()
            .flat_map(|watch| watch.observe(&sample))
            .map(Input::Watched)
            .collect();
        if second % 60 == 0 {
            inputs.push(Input::Alert {
                alert: crate::engine::event::Alert {
                    firing: true,
                    labels: std::collections::BTreeMap::new(),
                    fingerprint: "abc".into(),
                    starts_at: world.now.wall,
                    qualifies: false,
                },
                origin: origin.clone(),
            });
        }
        for input in inputs {
            events += world
                .course
                .take(input, world.now)
                .expect("it is taken")
                .len();
        }
        if second % 10_000 == 9_000 {
            sizes.push(format!("{:?} {watches:?}", world.state()).len());
        }
    }
    assert!(events > 20_000, "{events}");
    let (first, last) = (sizes[0], sizes[sizes.len() - 1]);
    assert!(last < first + 200, "it grows: {sizes:?}");
}

#[test]
fn a_hook_whose_call_lands_after_it_was_undone_is_undone_once_more() {
    let mut world = until_running(drill());
    world.pass(SECOND * 2);
    let hook: InjectionId = name("bad-token");
    while !world
        .effects()
        .iter()
        .any(|effect| effect.kind == EffectKind::Apply(hook.clone()))
    {
        let captures: Vec<_> = world
            .effects()
            .into_iter()
            .filter(|effect| matches!(effect.kind, EffectKind::Capture(_)))
            .collect();
        for effect in captures {
            world.perform(&effect, Answer::Does);
        }
        world.pass(SECOND / 2);
    }
    // The call is under way when the run is halted, and is carried out a second later.
    world.landing.push((world.now.after(SECOND), hook));
    world.halt();
    world.settle(SECOND * 60);
    // What is still under way lands, whether or not the run is over.
    world.pass(SECOND * 5);
    assert_eq!(verdict(&world), Some(Verdict::Aborted));
    assert!(world.on.is_empty(), "the late call left {:?} on", world.on);
}

/// The experiment with a fault of this length, whose `gap` needs so many failing samples. Samples come every second.
fn brief(lasts: Duration, fail_after: u32) -> World {
    let mut plan = experiment();
    let lasts = crate::model::fault::Lasts::For(crate::model::time::Millis::new(
        u64::try_from(lasts.as_millis()).expect("short"),
    ));
    plan.experiment.method[0].lasts = lasts;
    plan.injections[0].lasts = lasts;
    plan.experiment.steady_state.truncate(1);
    plan.experiment.during[0].fail_after = fail_after;
    let mut world = until_running(plan);
    world.pass(SECOND);
    world.perform_all();
    assert!(world.on.contains(&name::<InjectionId>("slow")));
    world
}

/// Passes half a second in which no probe is asked.
fn unseen(world: &mut World) {
    world.now = world.now.after(SECOND / 2);
    world.take(Input::Tick);
    world.perform_all();
}

/// Passes time a sample a second until the run is over.
fn to_its_end(world: &mut World) {
    for _ in 0..120 {
        world.pass(SECOND);
        world.perform_all();
    }
}

#[test]
fn a_probe_that_nobody_asked_while_the_fault_was_on_did_not_hold() {
    let mut world = brief(SECOND / 2, 1);
    unseen(&mut world);
    to_its_end(&mut world);
    assert_eq!(verdict(&world), Some(Verdict::Errored));
    assert_eq!(
        reasons(&world),
        "`gap` was not observed: it was not asked while faults were on"
    );
    assert!(world.on.is_empty());
}

#[test]
fn a_failing_streak_that_only_the_end_of_the_fault_cut_short_is_no_success() {
    let mut world = brief(SECOND * 5 / 2, 3);
    world.healthy.insert("gap", false);
    world.pass(SECOND);
    world.pass(SECOND);
    unseen(&mut world);
    assert!(world.on.is_empty());
    world.healthy.insert("gap", true);
    to_its_end(&mut world);
    assert_eq!(verdict(&world), Some(Verdict::Errored));
    assert_eq!(
        reasons(&world),
        "`gap` was not observed: it was asked fewer than 3 times in a row while faults were on, or failed until they ended"
    );
}

#[test]
fn a_failing_streak_that_goes_on_when_the_fault_has_ended_refutes_the_hypothesis() {
    let mut world = brief(SECOND * 5 / 2, 3);
    world.healthy.insert("gap", false);
    world.pass(SECOND);
    world.pass(SECOND);
    unseen(&mut world);
    assert!(world.on.is_empty());
    world.pass(SECOND);
    world.healthy.insert("gap", true);
    to_its_end(&mut world);
    assert_eq!(verdict(&world), Some(Verdict::Failed));
    assert_eq!(
        reasons(&world),
        "`gap` failed while faults were on: status 503"
    );
}

#[test]
fn a_probe_asked_often_enough_while_the_fault_was_on_held() {
    let mut world = brief(SECOND * 7 / 2, 3);
    for _ in 0..3 {
        world.pass(SECOND);
    }
    unseen(&mut world);
    assert!(world.on.is_empty());
    to_its_end(&mut world);
    assert_eq!(
        verdict(&world),
        Some(Verdict::Passed),
        "{}",
        reasons(&world)
    );
    let observed: Vec<_> = world
        .facts()
        .filter(|fact| matches!(fact, Fact::ProbeObserved { probe, .. } if probe.as_str() == "gap"))
        .collect();
    assert!(
        matches!(observed[..], [Fact::ProbeObserved { samples: 3, .. }]),
        "{observed:?}"
    );
}

/// The drill with a second hook, begun after the first.
fn two_hooks() -> World {
    with_two_hooks(drill(), None)
}

/// The same with hooks that are requests to these URLs.
fn hooks_at(first: &str, second: &str) -> World {
    let mut plan = drill();
    let at = |injection: &mut Injection, url: &str| {
        if let Act::Hook(hook) = &mut injection.act {
            let call = Call::Http(HttpRequest {
                method: "POST".to_owned(),
                url: url.to_owned(),
                headers: std::collections::BTreeMap::new(),
                body: None,
            });
            hook.act = call.clone();
            hook.undo = Some(call);
        }
    };
    at(&mut plan.injections[2], second);
    let later = plan.injections[2].act.clone();
    at(&mut plan.injections[2], first);
    let mut world = with_two_hooks(plan, Some(later));
    world.perform_all();
    world
}

fn with_two_hooks(mut plan: Plan, second: Option<Act>) -> World {
    let mut step = plan.experiment.method[2].clone();
    step.id = name("worse-token");
    step.start = crate::model::fault::Start::At(crate::model::time::Millis::seconds(4));
    plan.experiment.method.push(step);
    let mut injection = plan.injections[2].clone();
    injection.id = name("worse-token");
    injection.cause = crate::model::fault::Cause::Step(name("worse-token"));
    if let Some(second) = second {
        injection.act = second;
    }
    plan.injections.push(injection);
    let mut world = until_running(plan);
    until_on(&mut world, "worse-token");
    world
}

/// The hooks whose undo is asked for now.
fn asked(world: &World) -> Vec<crate::engine::effect::Effect> {
    let undos = world.effects().into_iter();
    undos
        .filter(
            |effect| matches!(&effect.kind, EffectKind::Undo(id) if id.as_str().ends_with("token")),
        )
        .collect()
}

fn undone(world: &World) -> Vec<&str> {
    let ids = world.facts().filter_map(|fact| match fact {
        Fact::Undone { injection, .. } => Some(injection.as_str()),
        _ => None,
    });
    ids.collect()
}

#[test]
fn hooks_are_undone_newest_first_through_a_hiccup() {
    let mut world = two_hooks();
    world.halt();
    let first = asked(&world);
    assert!(
        matches!(&first[..], [effect] if effect.kind == EffectKind::Undo(name("worse-token"))),
        "{first:?}"
    );
    world.perform(&first[0], Answer::Refuses);
    assert_eq!(asked(&world), [], "the older one waits for the second try");
    world.settle(SECOND * 30);
    let order: Vec<_> = undone(&world)
        .into_iter()
        .filter(|id| id.ends_with("token"))
        .collect();
    assert_eq!(order, ["worse-token", "bad-token"]);
}

#[test]
fn a_hook_that_hangs_holds_up_older_ones_for_one_call_and_no_longer() {
    let mut world = two_hooks();
    world.halt();
    let first = asked(&world);
    assert_eq!(first.len(), 1, "{first:?}");
    world.pass(SECOND * 10);
    world.perform(&first[0], Answer::Refuses);
    let next = asked(&world);
    assert!(
        matches!(&next[..], [effect] if effect.kind == EffectKind::Undo(name("bad-token"))),
        "{next:?}"
    );
    // What waited for the hanging one all that time has not hung itself.
    world.perform(&next[0], Answer::Refuses);
    world.settle(SECOND * 30);
    assert!(world.on.is_empty());
}

#[test]
fn hooks_that_surely_act_on_different_servers_are_undone_side_by_side() {
    for (other, apart) in [
        ("http://127.0.0.1:7777/token", true),
        ("http://127.0.0.1:7001/token", false),
        ("http://token.example:7001/token", false),
    ] {
        let mut world = hooks_at("http://127.0.0.1:7001/token", other);
        world.halt();
        assert_eq!(asked(&world).len(), if apart { 2 } else { 1 }, "{other}");
        world.settle(SECOND * 30);
        assert!(world.on.is_empty());
    }
}

#[test]
fn a_hook_whose_undo_keeps_failing_holds_up_neither_older_hooks_nor_what_remedies_put_back() {
    let mut world = two_hooks();
    assert!(world.team(TeamAct::RemedyChosen {
        remedy: name("failover")
    }));
    world.perform_all();
    let (failover, worse): (InjectionId, InjectionId) =
        (name("remedy:failover#1"), name("worse-token"));
    assert!(world.on.contains(&failover));
    world.broken.insert(worse.clone());
    world.halt();
    world.settle(SECOND * 5);
    assert_eq!(
        world.on.iter().collect::<Vec<_>>(),
        [&worse],
        "everything else is undone long before it is stuck"
    );
    assert_eq!(undone(&world).last(), Some(&failover.as_str()));
    assert_eq!(
        world.state().stuck().count(),
        0,
        "which takes a minute, and is said then"
    );
    world.settle(SECOND * 60);
    assert_eq!(world.state().stuck().count(), 1);
    world.broken.clear();
    world.settle(SECOND * 60);
    assert_eq!(verdict(&world), Some(Verdict::Aborted));
    assert!(world.on.is_empty());
}
