//! Messages to channels: asked for once, in order, marked, and never again.

use std::time::Duration;

use super::plans::{name, told_drill};
use super::world::{Answer, World};
use crate::engine::effect::{Effect, EffectKey, EffectKind};
use crate::engine::event::{Alert, Fact, Origin, Phase, Source, Update};
use crate::engine::input::{Input, Outcome, TeamAct};
use crate::engine::posts::Message;
use crate::model::drill::Detection;
use crate::model::message::Stage;
use crate::model::runbook::Audience;

const SECOND: Duration = Duration::from_secs(1);

fn update(audience: Audience, channels: &[&str], text: &str, stage: Option<Stage>) -> TeamAct {
    TeamAct::UpdatePosted(Update {
        audience,
        channels: channels.iter().map(|one| (*one).to_owned()).collect(),
        text: text.to_owned(),
        stage,
        next_update_at: None,
        estimated_recovery: None,
    })
}

fn running() -> World {
    let mut world = World::new(told_drill());
    world.perform_all();
    while world.state().phase() != Some(Phase::Running) {
        world.pass(SECOND);
    }
    world
}

fn due(world: &World) -> Vec<&Message> {
    world
        .facts()
        .filter_map(|fact| match fact {
            Fact::MessageDue { message } => Some(message),
            _ => None,
        })
        .collect()
}

fn sends(world: &World) -> Vec<Effect> {
    let effects = world.effects().into_iter();
    effects
        .filter(|effect| effect.kind == EffectKind::Send)
        .collect()
}

fn failures(world: &World) -> Vec<&str> {
    world
        .facts()
        .filter_map(|fact| match fact {
            Fact::MessageFailed { error, .. } => Some(error.as_str()),
            _ => None,
        })
        .collect()
}

#[test]
fn an_update_is_sent_to_the_drills_channels_marked_and_on_each_in_order() {
    let mut world = running();
    let channels = ["page", "telegram", "page"];
    assert!(world.team(update(
        Audience::Customers,
        &channels,
        "Transfers fail.",
        None
    )));
    assert!(world.team(update(
        Audience::Customers,
        &["page"],
        "[DRILL] Still so.",
        None
    )));
    assert!(world.team(update(
        Audience::Internal,
        &["chat"],
        "Look at the signer.",
        None
    )));
    let told: Vec<_> = due(&world)
        .iter()
        .map(|one| (one.channel.to_string(), one.stage, one.text.clone()))
        .collect();
    assert_eq!(
        told,
        [
            (
                "page".into(),
                Stage::FirstNotice,
                "[DRILL] Transfers fail.".into()
            ),
            ("page".into(), Stage::Update, "[DRILL] Still so.".into()),
            (
                "chat".into(),
                Stage::FirstNotice,
                "[DRILL] Look at the signer.".into()
            ),
        ]
    );
    // The title never says what the drill is about.
    let plan = world.state().plan().expect("it is created");
    let title = format!("[DRILL] Incident on {}", plan.stack.name);
    assert!(due(&world).iter().all(|one| one.title == title));
    assert_eq!(sends(&world).len(), 2, "one at a time on each channel");
    let first = sends(&world)[0].clone();
    world.perform(&first, Answer::Does);
    world.repeat_last_outcome();
    let second = sends(&world)[0].clone();
    assert_ne!(first.key, second.key);
    world.perform(&second, Answer::Does);
    let thread = format!("thread-{}", first.key.0);
    assert_eq!(world.sent[0].1, None);
    assert_eq!(world.sent[1].1.as_deref(), Some(thread.as_str()));
    let delivered = world
        .facts()
        .filter(|fact| matches!(fact, Fact::MessageDelivered { .. }));
    assert_eq!(delivered.count(), 2, "a repeated outcome says nothing");
}

#[test]
fn what_is_for_colleagues_does_not_go_where_customers_read() {
    let mut world = running();
    assert!(!world.team(update(
        Audience::Internal,
        &["page"],
        "The keys are gone.",
        None
    )));
    assert!(!world.team(update(Audience::Customers, &["chat"], "All is well.", None)));
    assert!(due(&world).is_empty());
}

#[test]
fn what_a_tool_tells_of_is_not_sent_again_nor_told_twice() {
    let mut world = running();
    let by = |source| Origin::person(source, "p-1");
    let post = |text| update(Audience::Customers, &["page"], text, None);
    world.take(Input::Team {
        act: post("Seen on the page."),
        origin: by(Source::Statuspage),
    });
    assert!(due(&world).is_empty(), "it is there already");
    world.take(Input::Team {
        act: post("From the room."),
        origin: by(Source::Room),
    });
    let before = world.log.len();
    world.take(Input::Team {
        act: post("[DRILL] From the room."),
        origin: by(Source::Statuspage),
    });
    assert_eq!(
        world.log.len(),
        before,
        "the page sends back what it was sent"
    );
}

#[test]
fn a_closing_run_takes_its_word_back_where_nobody_did_and_waits_for_that() {
    let mut world = running();
    let resolved = Some(Stage::Resolved);
    world.team(update(
        Audience::Customers,
        &["page"],
        "Transfers fail.",
        None,
    ));
    world.team(update(
        Audience::Customers,
        &["page"],
        "Transfers work.",
        resolved,
    ));
    world.team(update(
        Audience::Internal,
        &["chat"],
        "It is the signer.",
        None,
    ));
    world.perform_all();
    world.halt();
    let farewell: Vec<_> = due(&world)
        .into_iter()
        .filter(|one| one.stage == Stage::DrillOver)
        .map(|one| (one.channel.as_str(), one.text.as_str()))
        .collect();
    assert_eq!(
        farewell,
        [(
            "chat",
            "[DRILL] The drill was broken off. There was no incident."
        )]
    );
    while world
        .effects()
        .iter()
        .any(|effect| effect.kind != EffectKind::Send)
    {
        for effect in world.effects() {
            if effect.kind != EffectKind::Send {
                world.perform(&effect, Answer::Does);
            }
        }
    }
    assert!(!world.state().is_ended(), "its last word is under way");
    world.perform_all();
    assert!(world.state().is_ended());
    assert_eq!(world.on.len(), 0);
}

#[test]
fn what_is_real_is_told_on_every_channel_that_was_told_anything() {
    let mut world = running();
    let resolved = Some(Stage::Resolved);
    world.team(update(
        Audience::Customers,
        &["page"],
        "Transfers work.",
        resolved,
    ));
    world.perform_all();
    world.team(TeamAct::Real);
    let last = due(&world).pop().expect("a message");
    assert_eq!(last.stage, Stage::DrillOver);
    assert!(
        last.text.contains("a real incident was reported"),
        "{}",
        last.text
    );
}

#[test]
fn a_channel_that_never_answers_holds_a_run_up_only_for_so_long() {
    let mut world = running();
    world.team(update(Audience::Internal, &["chat"], "Look here.", None));
    world.halt();
    for _ in 0..200 {
        for effect in world.effects() {
            if effect.kind != EffectKind::Send {
                world.perform(&effect, Answer::Does);
            }
        }
        world.pass(SECOND);
        if world.state().is_ended() {
            break;
        }
    }
    assert!(world.state().is_ended());
    assert_eq!(failures(&world), ["no answer within 40 s"; 2]);
    // An answer that comes late changes nothing.
    let before = world.log.len();
    let key = EffectKey(world.state().posts().all()[0].seq);
    world.take(Input::Outcome {
        key,
        outcome: Outcome::Sent(Err("late".into())),
    });
    assert_eq!(world.log.len(), before);
}

#[test]
fn recovery_sends_nothing_again_and_closes_only_what_stays() {
    let mut world = running();
    world.team(update(
        Audience::Customers,
        &["page"],
        "Transfers fail.",
        None,
    ));
    world.perform_all();
    world.team(update(Audience::Customers, &["page"], "Still so.", None));
    world.team(update(Audience::Internal, &["chat"], "Look here.", None));
    let sent = world.sent.len();
    world.crash(false);
    assert_eq!(failures(&world).len(), 2);
    assert!(failures(&world)[0].contains("it may have arrived, and is not sent again"));
    world.settle(SECOND * 120);
    assert!(world.state().is_ended());
    let after: Vec<_> = world.sent[sent..]
        .iter()
        .map(|(message, _)| (message.channel.as_str(), message.stage))
        .collect();
    assert_eq!(
        after,
        [("page", Stage::DrillOver), ("chat", Stage::DrillOver)]
    );
    // A second death while the last word is on its way: what stays is told again, what was only said is not.
    let mut world = running();
    world.team(update(
        Audience::Customers,
        &["page"],
        "Transfers fail.",
        None,
    ));
    world.team(update(Audience::Internal, &["chat"], "Look here.", None));
    world.perform_all();
    world.halt();
    let sent = world.sent.len();
    world.crash(false);
    world.settle(SECOND * 120);
    assert!(world.state().is_ended());
    let after = world.sent[sent..]
        .iter()
        .map(|(one, _)| one.channel.as_str());
    assert_eq!(after.collect::<Vec<_>>(), ["page"]);
}

#[test]
fn the_last_word_is_the_last() {
    let mut world = running();
    world.team(update(
        Audience::Customers,
        &["page"],
        "Transfers fail.",
        None,
    ));
    world.perform_all();
    world.halt();
    let count = due(&world).len();
    world.team(update(
        Audience::Customers,
        &["page"],
        "One more thing.",
        None,
    ));
    assert_eq!(due(&world).len(), count);
    let channel = name("page");
    let last = world
        .state()
        .posts()
        .on(&channel)
        .last()
        .expect("it was told");
    assert_eq!(last.message.stage, Stage::DrillOver);
}

#[test]
fn what_firedrill_told_a_pager_is_no_detection() {
    let mut plan = told_drill();
    let exercise = plan.drill.as_mut().expect("a drill");
    exercise.drill.detection = vec![Detection::Pagerduty {
        labels: [("service".to_owned(), "P1".to_owned())].into(),
    }];
    let mut world = World::new(plan);
    world.perform_all();
    for (title, qualifies) in [
        ("[DRILL] Incident on wallet", false),
        ("Transfers fail", true),
    ] {
        let labels = [("service", "P1"), ("title", title)];
        let alert = Alert {
            firing: true,
            labels: labels.map(|(key, value)| (key.into(), value.into())).into(),
            fingerprint: title.into(),
            starts_at: world.now.wall,
            qualifies: false,
        };
        world.take(Input::Alert {
            alert,
            origin: Origin::machine(Source::Pagerduty),
        });
        let last = world.log.last().expect("an event");
        assert!(
            matches!(&last.fact, Fact::AlertReceived { alert } if alert.qualifies == qualifies),
            "{title}: {last:?}"
        );
    }
}
