//! Faults on links, against real servers and with real traffic: firedrill's own server always, and the one at
//! `TOXIPROXY_URL` where that is set.

mod site;

use std::time::Duration;

use firedrill::engine::event::UndoneBy;
use firedrill::faults::drivers::Drivers;
use firedrill::model::fault::{Act, Stream, Toxic};
use firedrill::model::time::Millis;
use firedrill::ports::{FaultDriver, FaultError, Presence};
use serde_json::{Value, json};

use self::site::{Site, on_own_server, on_servers};

fn toxic(site: &Site, stream: Stream, toxicity: f64, toxic: Toxic) -> Act {
    Act::AddToxic {
        link: site.link.clone(),
        stream,
        toxicity,
        toxic,
        ramp: None,
    }
}

fn slow(site: &Site) -> Act {
    let latency = Toxic::Latency {
        latency: Millis::new(300),
        jitter: Millis::ZERO,
    };
    toxic(site, Stream::Downstream, 1.0, latency)
}

fn down(site: &Site) -> Act {
    Act::DisableProxy {
        link: site.link.clone(),
    }
}

/// Toxics that every server of the last years has.
fn common_toxics() -> Vec<Toxic> {
    vec![
        Toxic::Latency {
            latency: Millis::seconds(2),
            jitter: Millis::new(200),
        },
        Toxic::Bandwidth { rate: 100 },
        Toxic::SlowClose {
            delay: Millis::new(700),
        },
        Toxic::Timeout {
            timeout: Millis::ZERO,
        },
        Toxic::ResetPeer {
            timeout: Millis::new(50),
        },
        Toxic::Slicer {
            average_size: 64,
            size_variation: 32,
            delay_us: 10,
        },
        Toxic::LimitData { bytes: 1000 },
    ]
}

/// Done, seen, repeated, undone by another process from the token alone, repeated.
async fn there_and_back(site: &Site, id: &str, act: Act) {
    let armed = site.armed(id, act).await;
    let before = site.proxy().await;
    let applied = site.drivers.apply(&armed).await.expect("it is applied");
    assert!(applied.sent.is_before(&applied.effective));
    assert_eq!(site.drivers.look(&armed).await, Ok(Presence::Present));
    let during = site.proxy().await;
    assert_ne!(during, before, "{id} changed nothing");
    let again = site
        .drivers
        .apply(&armed)
        .await
        .expect("a repeat is no error");
    assert_eq!(
        again.sent, applied.sent,
        "the first request may have done it"
    );
    let repeated = site.proxy().await;
    assert_eq!(
        repeated["toxics"].as_array().map(Vec::len),
        during["toxics"].as_array().map(Vec::len)
    );

    let recovering = site.another_process();
    let late = Site::after_a_crash(&armed);
    let removed = recovering.undo(&late).await.expect("it is undone");
    assert_eq!(removed.by, UndoneBy::Us, "{}", removed.evidence);
    assert_eq!(site.proxy().await, before, "{id} left something behind");
    assert!(matches!(
        recovering.look(&late).await,
        Ok(Presence::Gone(_))
    ));
    let repeated = recovering
        .undo(&late)
        .await
        .expect("a repeat finds nothing to do");
    assert_eq!(repeated.by, UndoneBy::Other);
    assert_eq!(site.proxy().await, before);
}

#[tokio::test]
async fn every_toxic_goes_there_and_back_on_either_stream_and_leaves_others_alone() {
    on_servers(async |site| {
        let theirs = json!({"name": "theirs", "type": "latency", "attributes": {"latency": 1}});
        site.post(&format!("{}/toxics", site.path()), &theirs).await;
        for (index, kind) in common_toxics().into_iter().enumerate() {
            for stream in [Stream::Upstream, Stream::Downstream] {
                let act = toxic(site, stream, 0.3, kind);
                there_and_back(site, &format!("step#{index}"), act).await;
            }
        }
        let left = site.proxy().await;
        assert_eq!(left["toxics"][0]["name"], "theirs");
    })
    .await;
}

#[tokio::test]
async fn the_command_by_hand_undoes_what_it_says() {
    on_servers(async |site| {
        let before = site.proxy().await;
        for (id, act) in [("slow#1", slow(site)), ("cut", down(site))] {
            let armed = site.armed(id, act).await;
            site.drivers.apply(&armed).await.expect("it is applied");
            assert_ne!(site.proxy().await, before);
            let command = site.drivers.by_hand(&armed).expect("there is a way");
            let (method, rest) = command
                .strip_prefix("curl -X ")
                .and_then(|words| words.split_once(' '))
                .expect("it is for curl");
            let (body, url) = match rest.rsplit_once(' ') {
                Some((body, url)) => (body.strip_prefix("-d "), url),
                None => (None, rest),
            };
            let path = &url[url.find("/proxies").expect("it is about a proxy")..];
            let body = body.map(|quoted| quoted.trim_matches('\'').to_owned());
            let (status, answer) = site.send(method, path, body).await;
            assert!(matches!(status, 200 | 204), "{command}: {status} {answer}");
            let look = site.drivers.look(&armed).await;
            assert!(matches!(look, Ok(Presence::Gone(_))), "{command}: {look:?}");
            // What is left is the lock on the target, which the undo that is still tried lets go.
            site.drivers.undo(&armed).await.expect("it is undone");
            assert_eq!(site.proxy().await, before, "{command}");
        }
    })
    .await;
}

#[tokio::test]
async fn two_toxics_of_a_run_are_removed_one_by_one() {
    on_servers(async |site| {
        let one = site.armed("slow", slow(site)).await;
        let up = Toxic::Latency {
            latency: Millis::new(10),
            jitter: Millis::ZERO,
        };
        let up = toxic(site, Stream::Upstream, 1.0, up);
        let two = site.armed("slow#2", up).await;
        site.drivers.apply(&one).await.expect("it is applied");
        site.drivers.apply(&two).await.expect("it is applied");
        site.drivers.undo(&one).await.expect("it is undone");
        assert_eq!(site.drivers.look(&two).await, Ok(Presence::Present));
        site.drivers.undo(&two).await.expect("it is undone");
    })
    .await;
}

#[tokio::test]
async fn of_two_firedrills_that_know_nothing_of_each_other_one_disturbs_a_target_in_one_way() {
    on_servers(async |site| {
        let before = site.proxy().await;
        let elsewhere = site.another_firedrill();
        // Both have looked before either acts: the server itself decides.
        let ours = site.armed("slow", slow(site)).await;
        let theirs = site.armed_for_another_run("slow", slow(site)).await;
        site.drivers.apply(&ours).await.expect("it is applied");
        let during = site.proxy().await;
        let refused = elsewhere.apply(&theirs).await.expect_err("it is locked");
        assert!(matches!(refused, FaultError::Foreign { .. }), "{refused}");
        let told = refused.to_string();
        assert!(
            told.contains("the lock on `latency downstream`") && told.contains("firedrill recover"),
            "{told}"
        );
        // What follows a refusal undoes nothing of the other's.
        elsewhere.undo(&theirs).await.expect("nothing to undo");
        assert_eq!(site.proxy().await, during);
        assert_eq!(site.drivers.look(&ours).await, Ok(Presence::Present));
        let late = site.capture_for_another_run("late", slow(site)).await;
        assert!(matches!(late, Err(FaultError::Foreign { .. })), "{late:?}");
        let other = site.capture_for_another_run("cut", down(site)).await;
        other.expect("another kind of fault is no conflict");

        site.drivers.undo(&ours).await.expect("it is undone");
        assert_eq!(site.proxy().await, before);
        elsewhere.apply(&theirs).await.expect("it is free now");
        elsewhere.undo(&theirs).await.expect("it is undone");
        assert_eq!(site.proxy().await, before);
    })
    .await;
}

#[tokio::test]
async fn latency_is_felt_until_it_is_undone() {
    on_servers(async |site| {
        let armed = site.armed("slow", slow(site)).await;
        assert!(site.round_trip().await.expect("an echo") < Duration::from_millis(200));
        site.drivers.apply(&armed).await.expect("it is applied");
        assert!(site.round_trip().await.expect("an echo") >= Duration::from_millis(295));
        site.drivers.undo(&armed).await.expect("it is undone");
        assert!(site.round_trip().await.expect("an echo") < Duration::from_millis(200));
    })
    .await;
}

#[tokio::test]
async fn a_disabled_proxy_refuses_until_it_is_enabled_again() {
    on_servers(async |site| {
        there_and_back(site, "cut", down(site)).await;
        let armed = site.armed("cut-again", down(site)).await;
        site.drivers.apply(&armed).await.expect("it is applied");
        site.round_trip().await.expect_err("nobody listens");
        site.drivers.undo(&armed).await.expect("it is undone");
        site.round_trip().await.expect("somebody listens");
    })
    .await;
}

#[tokio::test]
async fn what_somebody_else_ended_is_said_to_be_theirs() {
    on_servers(async |site| {
        let cut = site.armed("cut", down(site)).await;
        site.drivers.apply(&cut).await.expect("it is applied");
        site.post(&site.path(), &json!({"enabled": true})).await;
        assert!(matches!(
            site.drivers.look(&cut).await,
            Ok(Presence::Gone(_))
        ));
        assert_eq!(
            site.drivers.undo(&cut).await.expect("it is enabled").by,
            UndoneBy::Other
        );

        let slow = site.armed("slow", slow(site)).await;
        site.drivers.apply(&slow).await.expect("it is applied");
        site.delete(&site.path()).await;
        match site.drivers.look(&slow).await {
            Ok(Presence::Gone(why)) => assert!(why.ends_with("is not found"), "{why}"),
            other => panic!("{other:?}"),
        }
        let removed = site.drivers.undo(&slow).await.expect("its proxy is gone");
        assert_eq!(removed.by, UndoneBy::Other, "{}", removed.evidence);
        let missing = site
            .drivers
            .apply(&slow)
            .await
            .expect_err("its proxy is gone");
        assert!(matches!(missing, FaultError::Missing { .. }), "{missing}");
    })
    .await;
}

#[tokio::test]
async fn a_proxy_disabled_by_others_is_not_taken_over() {
    on_servers(async |site| {
        site.post(&site.path(), &json!({"enabled": false})).await;
        for act in [down(site), slow(site)] {
            let refused = site.capture("cut", act).await.expect_err("it is not ours");
            assert!(matches!(refused, FaultError::Foreign { .. }), "{refused}");
        }
        let disabled = site.proxy().await;
        assert_eq!(disabled["enabled"], Value::Bool(false));
    })
    .await;
}

#[tokio::test]
async fn a_missing_proxy_is_named_or_created() {
    on_servers(async |site| {
        site.delete(&site.path()).await;
        let refused = site
            .capture("slow", slow(site))
            .await
            .expect_err("it is not there");
        assert!(matches!(refused, FaultError::Missing { .. }), "{refused}");
        let creating = site.creating_proxies();
        let captured = site.capture_in(&creating, "slow", slow(site)).await;
        captured.expect("it is created from the link");
        site.round_trip().await.expect("it carries the link");
    })
    .await;
}

#[tokio::test]
async fn firedrills_own_server_knows_the_owner_and_ends_faults_by_itself() {
    on_own_server(async |site| {
        let packet_loss = Toxic::PacketLoss {
            loss_rate: 0.1,
            correlation: 0.25,
        };
        there_and_back(
            site,
            "lossy",
            toxic(site, Stream::Downstream, 1.0, packet_loss),
        )
        .await;
        for (id, act) in [("slow", slow(site)), ("cut", down(site))] {
            let armed = site.armed(id, act).await;
            let applied = site.drivers.apply(&armed).await.expect("it is applied");
            assert!(
                applied
                    .evidence
                    .contains("; the server ends it by itself after 6"),
                "{}",
                applied.evidence
            );
        }
        let proxy = site.proxy().await;
        let owner = |tag: &str| Value::from(format!("firedrill-{}-{tag}", site.run));
        assert_eq!(proxy["owner"], owner("cut"));
        assert_eq!(proxy["toxics"][0]["owner"], owner("slow"));
        // The owner is known even to a process that did not disable it.
        let elsewhere: &Drivers = &site.another_process();
        let refused = site.capture_with(elsewhere, "again", down(site)).await;
        assert!(
            matches!(refused, Err(FaultError::Refused { .. })),
            "{refused:?}"
        );
        let refused = site.capture_for_another_run("theirs", slow(site)).await;
        assert!(
            matches!(refused, Err(FaultError::Foreign { .. })),
            "{refused:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn firedrills_own_server_ends_what_a_dead_driver_left() {
    on_own_server(async |site| {
        let before = site.proxy().await;
        let mut left = Vec::new();
        for (id, act) in [("slow", slow(site)), ("cut", down(site))] {
            let armed = site.armed_for(id, act, Duration::from_millis(300)).await;
            site.drivers.apply(&armed).await.expect("it is applied");
            left.push(armed);
        }
        // Nobody undoes it: the deadline and the grace after it pass.
        let began = tokio::time::Instant::now();
        while site.proxy().await != before {
            assert!(began.elapsed() < Duration::from_secs(15), "it is still on");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(
            began.elapsed() > Duration::from_secs(4),
            "the server was faster than we would have been"
        );
        let another = site.another_process();
        for armed in left.iter().map(Site::after_a_crash) {
            let removed = another.undo(&armed).await.expect("it is gone");
            assert_eq!(removed.by, UndoneBy::Other, "{}", removed.evidence);
        }
    })
    .await;
}
