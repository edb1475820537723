//! Groups of containers parted from each other, by really connecting from one to the other.

use super::yard::{Yard, known_as, on_yard};
use super::*;
use crate::faults::docker::daemon::networks::Endpoint;
use crate::model::cut::Others;

/// Who reaches whom, as letters: `ab` where a reaches b.
async fn who_reaches_whom(yard: &Yard, all: &[&str]) -> Vec<String> {
    let mut reached = Vec::new();
    for from in all {
        for to in all.iter().filter(|to| *to != from) {
            if yard.reaches(&yard.name(from), to).await {
                reached.push(format!("{from}{to}"));
            }
        }
    }
    reached
}

async fn four(yard: &Yard) -> String {
    let network = yard.network("net").await;
    for what in ["a", "b", "c", "d"] {
        let on = [(network.as_str(), known_as(what))];
        yard.serve(what, &on, HostConfig::default()).await;
    }
    network
}

const ALL: [&str; 4] = ["a", "b", "c", "d"];

fn everybody() -> Vec<String> {
    let pairs = ALL
        .iter()
        .flat_map(|from| ALL.iter().map(move |to| (from, to)));
    pairs
        .filter(|(from, to)| from != to)
        .map(|(from, to)| format!("{from}{to}"))
        .collect()
}

async fn arm_all(yard: &Yard, injections: &[Injection]) -> Vec<Armed> {
    let mut all = Vec::new();
    for injection in injections {
        all.push(yard.armed(injection).await);
    }
    all
}

async fn apply_all(yard: &Yard, all: &[Armed]) {
    let applied = all.iter().map(|armed| yard.site.driver.apply(armed));
    for applied in futures_util::future::join_all(applied).await {
        applied.expect("it is applied");
    }
}

#[tokio::test]
async fn each_group_of_a_partition_keeps_working_inside_and_both_see_each_other_again() {
    on_yard(|yard| async move {
        let network = four(&yard).await;
        assert_eq!(who_reaches_whom(&yard, &ALL).await, everybody());
        let before = yard.wired(&yard.name("c")).await;
        let all = arm_all(&yard, &yard.part(&["a", "b"], &["c", "d"], Others::Refuse)).await;
        apply_all(&yard, &all).await;
        let privates = yard.privates().await;
        assert_eq!(privates.len(), 1, "one for both: {privates:?}");
        let expected = format!("firedrill-{}-split-{}", yard.run, short(&network));
        assert_eq!(privates[0], expected);
        assert_eq!(
            who_reaches_whom(&yard, &ALL).await,
            ["ab", "ba", "cd", "dc"]
        );
        for armed in &all {
            assert_eq!(yard.site.driver.look(armed).await, Ok(Presence::Present));
            let again = yard.site.driver.apply(armed).await;
            again.expect("a repeat changes nothing");
        }
        assert_eq!(yard.privates().await, privates);

        // By the next process, both at once, twice.
        let driver = DockerDriver::new(Arc::<Ticking>::clone(&yard.site.clock));
        for by in [UndoneBy::Us, UndoneBy::Other] {
            let late: Vec<Armed> = all.iter().map(after_a_crash).collect();
            let undone = late.iter().map(|armed| driver.undo(armed));
            for removed in futures_util::future::join_all(undone).await {
                let removed = removed.expect("it is undone");
                assert_eq!(removed.by, by, "{}", removed.evidence);
            }
            assert_eq!(yard.privates().await, Vec::<String>::new());
        }
        let after = yard.wired(&yard.name("c")).await;
        assert_eq!(after.attachments[0].network, before.attachments[0].network);
        assert_eq!(after.attachments[0].asked, before.attachments[0].asked);
        assert_eq!(after.attachments.len(), 1);
        assert_eq!(who_reaches_whom(&yard, &ALL).await, everybody());
    })
    .await;
}

#[tokio::test]
async fn a_network_that_only_the_group_is_on_is_kept_and_each_that_is_left_has_one_in_its_place() {
    on_yard(|yard| async move {
        let (front, back, inner) = (
            yard.network("front").await,
            yard.network("back").await,
            yard.network("inner").await,
        );
        let on = |networks: &[&'static str]| -> Vec<(&str, Endpoint)> {
            networks
                .iter()
                .map(|one| match *one {
                    "front" => (front.as_str(), known_as("any")),
                    "back" => (back.as_str(), known_as("any")),
                    _ => (inner.as_str(), known_as("any")),
                })
                .collect()
        };
        yard.serve("a", &on(&["front", "back"]), HostConfig::default())
            .await;
        yard.serve("c", &on(&["front", "inner"]), HostConfig::default())
            .await;
        yard.serve("d", &on(&["back", "inner"]), HostConfig::default())
            .await;
        let all = arm_all(&yard, &yard.part(&["a"], &["c", "d"], Others::Refuse)).await;
        apply_all(&yard, &all).await;
        assert_eq!(yard.privates().await.len(), 2);
        let c = yard.wired(&yard.name("c")).await;
        assert!(
            c.on(&inner, "").is_some() && c.on(&front, "").is_none(),
            "{c:?}"
        );
        assert_eq!(c.attachments.len(), 2);
        assert!(!yard.reaches(&yard.name("a"), &yard.name("c")).await);
        assert!(
            yard.reaches(&yard.name("c"), &yard.name("d")).await,
            "over inner"
        );
        for armed in &all {
            yard.site.driver.undo(armed).await.expect("it is undone");
        }
        assert!(yard.reaches(&yard.name("a"), &yard.name("c")).await);
        assert!(yard.reaches(&yard.name("a"), &yard.name("d")).await);
    })
    .await;
}

#[tokio::test]
async fn a_process_that_died_anywhere_in_between_leaves_no_private_network() {
    on_yard(|yard| async move {
        let network = four(&yard).await;
        let injections = yard.part(&["a", "b"], &["c", "d"], Others::Refuse);
        let c = yard.name("c");
        // Made, and nothing more; then with somebody on it; then with that one off the other.
        for steps in 0..=3 {
            let all = arm_all(&yard, &injections).await;
            let name = format!("firedrill-{}-split-{}", yard.run, short(&network));
            if steps > 0 {
                let owner = format!("firedrill-{}-split", yard.run);
                let labels = [
                    ("firedrill.owner", owner),
                    ("firedrill.run", yard.run.to_string()),
                ];
                let wanted = bollard::models::NetworkCreateRequest {
                    name: name.clone(),
                    labels: Some(labels.map(|(key, value)| (key.to_owned(), value)).into()),
                    ..bollard::models::NetworkCreateRequest::default()
                };
                yard.daemon
                    .create_network(wanted)
                    .await
                    .expect("it is made");
            }
            if steps > 1 {
                yard.connect(&name, &c).await;
            }
            if steps > 2 {
                yard.daemon.disconnect(&network, &c).await.expect("off");
            }
            let driver = DockerDriver::new(Arc::<Ticking>::clone(&yard.site.clock));
            for armed in &all {
                driver
                    .undo(&after_a_crash(armed))
                    .await
                    .expect("it is undone");
            }
            assert_eq!(yard.privates().await, Vec::<String>::new(), "after {steps}");
            let now = yard.wired(&c).await;
            assert_eq!(now.attachments.len(), 1, "after {steps}");
            assert_eq!(now.attachments[0].network, network);
        }
        assert_eq!(who_reaches_whom(&yard, &ALL).await, everybody());
    })
    .await;
}

#[tokio::test]
async fn who_is_stopped_in_a_private_network_keeps_it_until_its_own_undo() {
    on_yard(|yard| async move {
        let network = four(&yard).await;
        let all = arm_all(&yard, &yard.part(&["a", "b"], &["c", "d"], Others::Refuse)).await;
        apply_all(&yard, &all).await;
        let d = yard.name("d");
        yard.daemon.kill(&d).await.expect("dead");
        let removed = yard.site.driver.undo(&all[0]).await.expect("it is undone");
        assert!(
            removed.evidence.contains("stays for"),
            "{}",
            removed.evidence
        );
        assert_eq!(yard.privates().await.len(), 1);
        yard.site.driver.undo(&all[1]).await.expect("it is undone");
        assert_eq!(yard.privates().await, Vec::<String>::new());
        yard.site.start(&d).await;
        assert!(yard.wired(&d).await.on(&network, "").is_some());
        assert_eq!(who_reaches_whom(&yard, &ALL).await, everybody());

        // Removed instead: the last to be undone still removes the network.
        let all = arm_all(&yard, &yard.part(&["a", "b"], &["c", "d"], Others::Refuse)).await;
        apply_all(&yard, &all).await;
        yard.site.remove(&d).await;
        for armed in &all {
            yard.site.driver.undo(armed).await.expect("it is undone");
        }
        assert_eq!(yard.privates().await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn a_stranger_on_a_private_network_is_not_touched_and_named() {
    on_yard(|yard| async move {
        let network = four(&yard).await;
        let all = arm_all(&yard, &yard.part(&["a", "b"], &["c", "d"], Others::Refuse)).await;
        apply_all(&yard, &all).await;
        let private = yard.privates().await.remove(0);
        let on = [(network.as_str(), known_as("x"))];
        let stranger = yard.serve("x", &on, HostConfig::default()).await;
        yard.connect(&private, &stranger).await;
        let theirs = yard.wired(&stranger).await;
        for armed in &all {
            let failed = yard.site.driver.undo(armed).await;
            let failed = failed.expect_err("somebody is on it");
            assert!(matches!(failed, FaultError::Foreign { .. }), "{failed}");
            assert!(failed.to_string().contains(&yard.name("x")), "{failed}");
            let by_hand = yard.site.driver.by_hand(armed).expect("a way");
            assert!(
                by_hand.contains(&format!("network rm {private}")),
                "{by_hand}"
            );
        }
        // The containers are back all the same.
        assert_eq!(who_reaches_whom(&yard, &ALL).await, everybody());
        assert_eq!(yard.wired(&stranger).await, theirs);
        let run = yard.run.to_string();
        let id = yard.daemon.networks_labelled("firedrill.run", &run);
        let id = id.await.expect("an answer").remove(0).0;
        yard.daemon.disconnect(&id, &stranger).await.expect("off");
        for armed in &all {
            yard.site.driver.undo(armed).await.expect("it is undone");
        }
    })
    .await;
}

#[tokio::test]
async fn a_partition_that_would_cut_others_or_nothing_is_refused() {
    on_yard(|yard| async move {
        four(&yard).await;
        let apart = yard.network("apart").await;
        let on = [(apart.as_str(), known_as("e"))];
        yard.serve("e", &on, HostConfig::default()).await;
        yard.serve(
            "f",
            &[("bridge", Endpoint::default())],
            HostConfig::default(),
        )
        .await;
        yard.serve(
            "g",
            &[("bridge", Endpoint::default())],
            HostConfig::default(),
        )
        .await;
        let refused = async |from: &[&str], to: &[&str]| {
            yard.refused(&yard.part(from, to, Others::Refuse)[0]).await
        };
        let said = refused(&["a"], &["c", "d"]).await;
        assert!(
            said.contains(&format!(
                "{} (running) would lose sight of it too",
                yard.name("b")
            )),
            "{said}"
        );
        let said = refused(&["a", "b"], &["e"]).await;
        assert!(said.contains("it shares no network with a, b"), "{said}");
        let said = refused(&["a", "b", "e"], &["c", "d"]).await;
        assert!(
            said.contains("e shares no network with any service of `to`"),
            "{said}"
        );
        let said = refused(&["f"], &["g"]).await;
        assert!(
            said.contains("on the default network containers know each other by address"),
            "{said}"
        );

        let all = arm_all(&yard, &yard.part(&["a"], &["c", "d"], Others::Cut)).await;
        apply_all(&yard, &all).await;
        assert_eq!(
            who_reaches_whom(&yard, &ALL).await,
            ["ab", "ba", "cd", "dc"]
        );
        for armed in &all {
            yard.site.driver.undo(armed).await.expect("it is undone");
        }
    })
    .await;
}

#[tokio::test]
async fn who_could_not_be_moved_can_be_started_again_after_the_undo() {
    on_yard(|yard| async move {
        let network = four(&yard).await;
        let all = arm_all(&yard, &yard.part(&["a", "b"], &["c", "d"], Others::Refuse)).await;
        // A private network on which one container has room, and no other.
        let name = format!("firedrill-{}-split-{}", yard.run, short(&network));
        let owner = format!("firedrill-{}-split", yard.run);
        yard.with_room_for_one(&name, &owner).await;
        yard.site
            .driver
            .apply(&all[0])
            .await
            .expect("there is room");
        let failed = yard.site.driver.apply(&all[1]).await;
        failed.expect_err("there is no room");
        for armed in &all {
            yard.site.driver.undo(armed).await.expect("it is undone");
        }
        let d = yard.name("d");
        yard.daemon.kill(&d).await.expect("dead");
        yard.site.start(&d).await;
        assert_eq!(who_reaches_whom(&yard, &ALL).await, everybody());
    })
    .await;
}
