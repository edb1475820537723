//! The drill guard: every channel is tried with every message that must not leave.

use super::receiver::Receiver;
use super::*;
use crate::engine::tests::plans;
use crate::model::plan::Plan;
use crate::ports::Notifier as _;

#[tokio::test]
async fn no_channel_takes_what_is_not_marked_or_not_listed_or_would_be_taken_for_real() {
    let receiver = Receiver::willing().await;
    let notifiers = notifiers(&receiver.address);
    let ways = ways(&receiver.address);
    assert_eq!(ways.len(), 8, "a new way is tried here too");
    for way in &ways {
        let good = || post(way.clone(), Stage::Update, "[DRILL] Transfers fail.");
        let mut unmarked = good();
        unmarked.message.text = "Transfers fail. [DRILL]".into();
        let mut untitled = good();
        untitled.message.title = "Incident".into();
        let mut unlisted = good();
        unlisted.channel.name = "real".parse().expect("a name");
        let mut real = good();
        real.channel.sandbox = false;
        let mut official = good();
        official.channel.sandbox = false;
        official.channel.audience = Audience::Regulator;
        for (post, why) in [
            (unmarked, "its text does not begin with `[DRILL]`"),
            (untitled, "its title does not begin with `[DRILL]`"),
            (unlisted, "it is not among the server's `channels`"),
            (real, "customers read it, and it is no sandbox"),
            (official, "the regulator read it, and it is no sandbox"),
        ] {
            let refused = notifiers.send(&post).await.expect_err(way.title());
            assert!(refused.starts_with(why), "{}: {refused}", way.title());
        }
    }
    assert_eq!(receiver.connections(), 0, "something left");
    // The same messages without what is wrong with them do leave.
    for way in ways {
        let title = way.title();
        let sent = post(way, Stage::Update, "[DRILL] Transfers fail.");
        let taken = notifiers.send(&sent).await;
        taken.unwrap_or_else(|why| panic!("{title}: {why}"));
    }
    assert!(receiver.connections() >= 8);
}

#[tokio::test]
async fn what_firedrill_serves_needs_no_list_and_still_a_mark() {
    let notifiers = notifiers("127.0.0.1:1");
    for way in [Way::OwnPage, Way::OwnBanner] {
        let mut own = post(way, Stage::Update, "[DRILL] Transfers fail.");
        own.channel.name = "page".parse().expect("a name");
        assert!(notifiers.send(&own).await.is_ok());
        own.message.text = "Transfers fail.".into();
        assert!(notifiers.send(&own).await.is_err());
    }
}

#[test]
fn preflight_names_every_channel_that_could_not_be_sent_to() {
    let notifiers = notifiers("127.0.0.1:1");
    let mut plan: Plan = plans::drill();
    let exercise = plan.drill.as_mut().expect("a drill");
    let channel = |name: &str, audience, sandbox, webhook: Hidden| Channel {
        name: name.parse().expect("a name"),
        audience,
        sandbox,
        way: Way::Slack { webhook },
    };
    exercise.channels = vec![
        channel("off-list", Audience::Internal, false, key("WEBHOOK")),
        channel("c", Audience::Internal, false, key("NOT_SET")),
    ];
    assert_eq!(
        notifiers.refused(&plan),
        [
            "channel `off-list`: it is not among the server's `channels`; hint: add it to the file of `--config`",
            "channel `c`: the environment variable `NOT_SET` is not set",
        ]
    );
    let exercise = plan.drill.as_mut().expect("a drill");
    exercise.channels = vec![
        channel("c", Audience::Customers, false, key("WEBHOOK")),
        channel(
            "c",
            Audience::Internal,
            false,
            Hidden::File("/nowhere/at/all".into()),
        ),
        channel("c", Audience::Internal, false, key("WEBHOOK")),
    ];
    let refused = notifiers.refused(&plan);
    assert_eq!(refused.len(), 2, "{refused:?}");
    assert!(refused[0].contains("never reaches them"), "{refused:?}");
    assert!(
        refused[1].contains("/nowhere/at/all, can't be read"),
        "{refused:?}"
    );
}
