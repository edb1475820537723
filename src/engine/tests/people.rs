//! What people and rules do in a drill: who may, what waits for whom, what begins by itself.

use std::time::Duration;

use super::plans::{drill, name};
use super::world::World;
use crate::engine::event::{ActorKind, Alert, Attribution, Fact, Judgement, Origin, Phase, Source};
use crate::engine::input::{Correction, Corrects, Input, TeamAct};
use crate::model::drill::{Rule, When};
use crate::model::fault::{Lasts, Start};
use crate::model::plan::Plan;
use crate::model::runbook::{Expectation, Expected};
use crate::model::signal::Sender;
use crate::model::team::{Rung, Seat};
use crate::model::time::Millis;

const SECOND: Duration = Duration::from_secs(1);

fn running(plan: Plan) -> World {
    let mut world = World::new(plan);
    for _ in 0..60 {
        world.perform_all();
        if world.state().phase() == Some(Phase::Running) {
            return world;
        }
        world.pass(SECOND);
    }
    panic!("it never ran");
}

fn by(world: &mut World, who: &str, act: TeamAct) -> bool {
    let origin = Origin::person(Source::Room, who);
    world.take(Input::Team { act, origin })
}

fn alert(world: &mut World, name: &str) {
    let alert = Alert {
        firing: true,
        labels: [("alertname".to_owned(), name.to_owned())].into(),
        fingerprint: name.to_owned(),
        starts_at: world.now.wall,
        qualifies: false,
    };
    let origin = Origin::machine(Source::Alertmanager);
    world.take(Input::Alert { alert, origin });
}

fn exercise(plan: &mut Plan) -> &mut crate::model::plan::Exercise {
    plan.drill.as_mut().expect("a drill")
}

fn calls(world: &World) -> Vec<(Vec<String>, Option<usize>)> {
    world
        .facts()
        .filter_map(|fact| match fact {
            Fact::Escalated { to, rung, .. } => Some((to.clone(), *rung)),
            _ => None,
        })
        .collect()
}

fn chosen(world: &World) -> usize {
    let chosen = |fact: &&Fact| matches!(fact, Fact::RemedyChosen { .. });
    world.facts().filter(chosen).count()
}

#[test]
fn whoever_acts_is_a_responder_and_staff_never_act() {
    let mut world = running(drill());
    assert!(by(&mut world, "p-1", TeamAct::Acknowledged));
    assert_eq!(world.state().seat("p-1"), Some(Seat::Responder));
    let watch = TeamAct::Joined {
        seat: Seat::Observer,
    };
    assert!(!by(&mut world, "p-1", watch.clone()));
    assert!(by(&mut world, "p-2", watch));
    assert!(!by(&mut world, "p-2", TeamAct::Resolved));
    assert!(by(&mut world, "p-2", TeamAct::Real), "that is anybody's");
}

#[test]
fn a_remedy_that_needs_approval_waits_for_somebody_else() {
    let mut plan = drill();
    exercise(&mut plan).drill.remedies[0].approvals = 2;
    let mut world = running(plan);
    let remedy = || name("rollback");
    let agree = || TeamAct::RemedyApproved { remedy: remedy() };
    assert!(!by(&mut world, "p-2", agree()), "nobody has chosen it");
    assert!(by(
        &mut world,
        "p-1",
        TeamAct::RemedyChosen { remedy: remedy() }
    ));
    assert!(!by(&mut world, "p-1", agree()), "it takes somebody else");
    assert!(by(&mut world, "p-2", agree()));
    assert!(!by(&mut world, "p-2", agree()), "once a person");
    let machine = Origin::machine(Source::Api);
    let act = agree();
    assert!(!world.take(Input::Team {
        act,
        origin: machine
    }));
    world.pass(SECOND * 5);
    let done = |world: &World| {
        world
            .facts()
            .any(|fact| matches!(fact, Fact::RemedyDone { .. }))
    };
    assert!(!done(&world), "one of two has agreed");
    assert!(by(&mut world, "p-3", agree()));
    world.pass(SECOND);
    assert!(!done(&world), "it takes two seconds from then on");
    world.pass(SECOND * 2);
    assert!(done(&world));
    assert!(!by(&mut world, "p-4", agree()), "nothing waits any more");
}

#[test]
fn a_remedy_nobody_agrees_to_holds_nothing_up() {
    let mut plan = drill();
    exercise(&mut plan).drill.remedies[0].approvals = 1;
    let mut world = running(plan);
    let remedy = name("rollback");
    assert!(by(&mut world, "p-1", TeamAct::RemedyChosen { remedy }));
    world.settle(SECOND * 300);
    assert!(world.state().is_ended());
    assert!(world.on.is_empty());
}

#[test]
fn a_step_that_a_remedy_starts_begins_with_it_and_is_undone_like_any_other() {
    let mut plan = drill();
    exercise(&mut plan).drill.remedies[1].starts = vec![name("kill")];
    let mut world = running(plan.clone());
    world.settle(SECOND * 300);
    assert!(world.state().is_ended());
    let ever = |world: &World| {
        world.facts().any(
            |fact| matches!(fact, Fact::Active { injection, .. } if injection.as_str() == "kill"),
        )
    };
    assert!(!ever(&world), "nobody chose the remedy that starts it");

    let mut world = running(plan);
    world.perform_all();
    let remedy = name("failover");
    assert!(by(&mut world, "p-1", TeamAct::RemedyChosen { remedy }));
    world.perform_all();
    world.settle(SECOND * 300);
    assert!(ever(&world), "it begins once the remedy is done");
    assert!(world.state().is_ended());
    assert!(world.on.is_empty());
}

#[test]
fn what_a_remedy_ends_begins_again_where_a_later_one_starts_it() {
    let mut plan = drill();
    {
        let drill = &mut exercise(&mut plan).drill;
        drill.remedies[0].ends = vec![name("kill")];
        drill.remedies[0].takes = Millis::ZERO;
        drill.remedies[1].starts = vec![name("kill")];
    }
    let kill = plan
        .experiment
        .method
        .iter_mut()
        .find(|step| step.id.as_str() == "kill");
    let kill = kill.expect("a step");
    kill.start = Start::At(Millis::ZERO);
    kill.lasts = Lasts::For(Millis::seconds(20));
    let mut world = running(plan);
    world.perform_all();
    let choose = |remedy: &str| TeamAct::RemedyChosen {
        remedy: name(remedy),
    };
    assert!(by(&mut world, "p-1", choose("rollback")));
    world.perform_all();
    world.pass(SECOND);
    assert!(by(&mut world, "p-1", choose("failover")));
    world.perform_all();
    world.pass(SECOND);
    world.perform_all();
    assert!(
        world.on.contains(&name("kill")),
        "the earlier remedy does not end what began after it"
    );
    assert!(by(&mut world, "p-1", choose("rollback")));
    world.perform_all();
    assert!(!world.on.contains(&name("kill")));
}

#[test]
fn a_rule_chooses_its_remedy_once_and_as_a_machine() {
    let mut plan = drill();
    exercise(&mut plan).drill.automation = vec![
        Rule {
            when: When::Signal {
                sender: Sender::Alertmanager,
                labels: [("alertname".into(), "SignerDown".into())].into(),
            },
            remedy: name("rollback"),
        },
        Rule {
            when: When::Probe(name("canary")),
            remedy: name("failover"),
        },
    ];
    let mut world = running(plan);
    world.perform_all();
    alert(&mut world, "Another");
    assert_eq!(chosen(&world), 0);
    alert(&mut world, "SignerDown");
    alert(&mut world, "SignerDown");
    assert_eq!(chosen(&world), 1);
    world.healthy.insert("canary", false);
    for _ in 0..8 {
        world.pass(SECOND);
        world.perform_all();
    }
    assert_eq!(chosen(&world), 2);
    let machines = world.log.iter().filter(|event| {
        matches!(event.fact, Fact::RemedyChosen { rule: Some(_), .. })
            && event.origin.kind == ActorKind::Automation
            && event.origin.actor.is_none()
    });
    assert_eq!(machines.count(), 2);
}

fn on_a_chain() -> Plan {
    let mut plan = drill();
    let rung = |after, to: &str| Rung {
        after: Millis::seconds(after),
        to: vec![to.to_owned()],
    };
    exercise(&mut plan).team.escalation = vec![rung(3, "bo"), rung(4, "dana")];
    plan
}

#[test]
fn while_nobody_acknowledges_one_after_the_other_is_called() {
    let mut world = running(on_a_chain());
    world.pass(SECOND * 6);
    assert_eq!(calls(&world), [], "nobody was paged");
    alert(&mut world, "LoginFailures");
    world.pass(SECOND * 2);
    assert_eq!(calls(&world), []);
    world.pass(SECOND * 2);
    let called = |who: &str, rung| (vec![who.to_owned()], Some(rung));
    assert_eq!(calls(&world), [called("bo", 0)]);
    world.pass(SECOND * 4);
    assert_eq!(calls(&world), [called("bo", 0), called("dana", 1)]);
    world.settle(SECOND * 300);
    assert_eq!(calls(&world).len(), 2);
}

#[test]
fn who_acknowledges_ends_the_chain_and_a_machine_does_not() {
    let mut world = running(on_a_chain());
    alert(&mut world, "LoginFailures");
    world.take(Input::Team {
        act: TeamAct::Acknowledged,
        origin: Origin::machine(Source::Pagerduty),
    });
    world.pass(SECOND * 4);
    assert_eq!(calls(&world).len(), 1);
    assert!(by(&mut world, "p-1", TeamAct::Acknowledged));
    world.pass(SECOND * 20);
    assert_eq!(calls(&world).len(), 1);
}

#[test]
fn a_reply_answers_the_latest_message_unless_it_names_one() {
    let mut world = running(drill());
    let reply = |inject| TeamAct::Replied {
        inject,
        text: "They are safe.".into(),
    };
    assert!(!by(&mut world, "p-1", reply(None)), "nothing was asked yet");
    world.pass(SECOND * 9);
    assert!(by(&mut world, "p-1", reply(None)));
    assert!(by(&mut world, "p-1", reply(Some(0))));
    assert!(!by(&mut world, "p-1", reply(Some(1))), "there is no other");
    let replied = |fact: &&Fact| matches!(fact, Fact::Replied { inject: 0, .. });
    assert_eq!(world.facts().filter(replied).count(), 2);
}

#[test]
fn a_decoy_is_watched_for_as_long_as_it_says_and_breaks_nothing() {
    let mut plan = drill();
    plan.experiment.method.clear();
    plan.injections.clear();
    exercise(&mut plan).drill.decoy = Some(Millis::seconds(30));
    let mut world = running(plan);
    world.pass(SECOND * 25);
    assert_eq!(world.state().observation(), None);
    world.settle(SECOND * 60);
    assert!(world.state().is_ended());
    assert!(
        world
            .facts()
            .all(|fact| !matches!(fact, Fact::Active { .. }))
    );
    assert_eq!(world.state().observation(), Some(true));
}

#[test]
fn what_is_over_is_corrected_by_one_more_event_that_acts_on_nothing() {
    let mut world = running(drill());
    world.perform_all();
    let remedy = name("rollback");
    assert!(by(&mut world, "p-1", TeamAct::RemedyChosen { remedy }));
    assert!(by(&mut world, "p-1", TeamAct::Acknowledged));
    let seq = world.state().seq();
    let when = world.now.wall;
    let correct = |world: &mut World, seq, at, text: Option<&str>| {
        world.take(Input::Correct {
            correction: Correction {
                what: Corrects::Event {
                    seq,
                    at,
                    text: text.map(str::to_owned),
                },
                reason: "it was so".into(),
            },
            origin: Origin::person(Source::Room, "p-9"),
        })
    };
    assert!(!correct(&mut world, seq, Some(when), None), "it goes on");
    world.settle(SECOND * 300);
    assert!(world.state().is_ended());
    let before = (world.log.len(), world.on.clone());
    assert!(
        !correct(&mut world, seq, None, None),
        "nothing is corrected"
    );
    assert!(!correct(&mut world, 1, Some(when), None), "that is no act");
    assert!(
        !correct(&mut world, seq, None, Some("x")),
        "it has no words"
    );
    let early = jiff::Timestamp::UNIX_EPOCH - jiff::SignedDuration::from_hours(1);
    assert!(
        !correct(&mut world, seq, Some(early), None),
        "before the run"
    );
    assert!(correct(&mut world, seq, Some(when), None));
    assert!(
        correct(&mut world, seq - 1, Some(when), None),
        "of a remedy, too"
    );
    assert_eq!(
        (world.log.len(), world.on.clone()),
        (before.0 + 2, before.1)
    );
    assert!(world.effects().is_empty(), "no side effect fires again");
}

#[test]
fn exercise_staff_judge_what_only_people_can_and_say_who_ended_it() {
    let mut plan = drill();
    let manual = |id: &str, what| Expectation {
        id: name(id),
        what,
        weight: 1.0,
        critical: false,
    };
    let text = "The handover named the open risks".to_owned();
    exercise(&mut plan).runbook.expect = vec![
        manual("handover", Expected::Manual { text }),
        manual(
            "advice",
            Expected::MessageContains {
                phrases: Vec::new(),
            },
        ),
    ];
    let mut world = running(plan);
    world.perform_all();
    assert!(by(&mut world, "p-1", TeamAct::Acknowledged));
    let say = |world: &mut World, who: &str, what, reason: &str| {
        world.take(Input::Correct {
            correction: Correction {
                what,
                reason: reason.into(),
            },
            origin: Origin::person(Source::Room, who),
        })
    };
    let line = |id: &str| Corrects::Line {
        line: name(id),
        verdict: Judgement::Met,
    };
    assert!(!say(&mut world, "p-9", line("handover"), "x"), "it goes on");
    world.settle(SECOND * 300);
    assert!(world.state().is_ended());
    let before = world.log.len();
    assert!(!say(&mut world, "p-1", line("handover"), "x"), "their own");
    assert!(!say(&mut world, "p-9", line("handover"), " "), "no reason");
    assert!(
        !say(&mut world, "p-9", line("advice"), "x"),
        "the log judges it"
    );
    assert!(!say(&mut world, "p-9", line("other"), "x"), "there is none");
    let team = || Corrects::End {
        by: Attribution::Team,
    };
    assert!(!say(&mut world, "p-1", team(), "x"), "their own");
    assert_eq!(world.log.len(), before);
    assert!(say(&mut world, "p-9", line("handover"), "it was there"));
    assert!(say(&mut world, "p-9", team(), "by hand"));
    assert_eq!(world.log.len(), before + 2);
    assert!(world.effects().is_empty(), "nothing follows from it");
}

#[test]
fn a_correction_says_one_thing() {
    let read = |text: &str| serde_json::from_str::<Correction>(text).map(|read| read.what);
    let line = r#"{"line": "handover", "verdict": "met", "reason": "x"}"#;
    assert!(matches!(read(line), Ok(Corrects::Line { .. })));
    let end = r#"{"ended_by": "team", "reason": "x"}"#;
    assert!(matches!(read(end), Ok(Corrects::End { .. })));
    for (wrong, why) in [
        (r#"{"reason": "x"}"#, "it says one thing"),
        (
            r#"{"line": "handover", "reason": "x"}"#,
            "it says one thing",
        ),
        (
            r#"{"seq": 4, "ended_by": "team", "reason": "x"}"#,
            "it says one thing",
        ),
        (
            r#"{"ended_by": "team", "text": "y", "reason": "x"}"#,
            "they need `seq`",
        ),
        (r#"{"ended_by": "timer", "reason": "x"}"#, "unknown variant"),
        (
            r#"{"seq": 4, "when": "now", "reason": "x"}"#,
            "unknown field",
        ),
    ] {
        let error = read(wrong).expect_err(wrong).to_string();
        assert!(error.contains(why), "{wrong}: {error}");
    }
}
