//! Containers off their networks and back, by really connecting from one to the other.

use std::collections::BTreeMap;

use bollard::models::{NetworkCreateRequest, PortBinding};

use super::yard::{Yard, fixed, known_as, on_yard};
use super::*;
use crate::faults::docker::daemon::networks::{Attachment, Endpoint, Wired};
use crate::model::cut::Address;

fn publishing(host_port: &str) -> HostConfig {
    let binding = PortBinding {
        host_ip: Some("127.0.0.1".to_owned()),
        host_port: Some(host_port.to_owned()),
    };
    HostConfig {
        port_bindings: Some(HashMap::from([("80/tcp".to_owned(), Some(vec![binding]))])),
        ..HostConfig::default()
    }
}

fn free_port() -> String {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    socket.local_addr().expect("its address").port().to_string()
}

/// The driver of the process after a crash.
fn recovering(yard: &Yard) -> DockerDriver {
    DockerDriver::new(Arc::<Ticking>::clone(&yard.site.clock))
}

#[tokio::test]
async fn a_container_leaves_its_networks_and_comes_back_as_it_was_there() {
    on_yard(|yard| async move {
        let (fixed_network, prefix) = yard.with_subnet("fixed").await;
        let chosen = yard.network("chosen").await;
        let other = yard.name("other");
        let caller = yard
            .serve(
                "other",
                &[
                    (&fixed_network, known_as("caller")),
                    (&chosen, known_as("caller")),
                ],
                HostConfig::default(),
            )
            .await;
        let on_chosen = Endpoint {
            links: vec![format!("{other}:peer")],
            options: BTreeMap::from([("a.key".to_owned(), "a value".to_owned())]),
            ..known_as("chosen-alias")
        };
        let id = yard
            .serve(
                "stock",
                &[
                    (&fixed_network, fixed("stock", format!("{prefix}.77"))),
                    (&chosen, on_chosen),
                ],
                publishing(&free_port()),
            )
            .await;
        let before = yard.wired(&id).await;
        assert_eq!(before.attachments.len(), 2);
        assert_eq!(before.published.len(), 1);
        for name in ["stock", "chosen-alias"] {
            assert!(yard.reaches(&caller, name).await, "{name}");
        }
        assert!(yard.reaches(&id, "peer").await);

        // An address of the daemon's choice has to be given up first.
        let refused = yard.refused(&yard.leave("stock", &[], Address::Same)).await;
        assert!(
            refused.contains("was chosen by the daemon and may be another afterwards")
                && refused.contains("`address: any` accepts that"),
            "{refused}"
        );

        let armed = yard.armed(&yard.leave("stock", &[], Address::Any)).await;
        let applied = yard.site.driver.apply(&armed).await.expect("it is applied");
        assert!(applied.sent.is_before(&applied.effective));
        assert!(
            applied.evidence.contains("on no network"),
            "{}",
            applied.evidence
        );
        assert_eq!(yard.site.driver.look(&armed).await, Ok(Presence::Present));
        let again = yard.site.driver.apply(&armed).await;
        assert_eq!(again.expect("a repeat changes nothing").sent, applied.sent);
        let during = yard.wired(&id).await;
        assert!(during.attachments.is_empty() && during.published.is_empty());
        for name in ["stock", "chosen-alias"] {
            assert!(!yard.reaches(&caller, name).await, "{name}");
        }
        assert!(!yard.reaches(&id, &format!("{prefix}.2")).await);

        let driver = recovering(&yard);
        let late = after_a_crash(&armed);
        let removed = driver.undo(&late).await.expect("it is undone");
        assert_eq!(removed.by, UndoneBy::Us, "{}", removed.evidence);
        let after = yard.wired(&id).await;
        let asked = |wired: &Wired| {
            let of = |one: &Attachment| (one.network.clone(), one.asked.clone());
            wired.attachments.iter().map(of).collect::<Vec<_>>()
        };
        assert_eq!(asked(&after), asked(&before));
        assert_eq!(after.published, before.published);
        assert_eq!(after.seen, before.seen, "it was not restarted");
        let at = |wired: &Wired| {
            let on = wired.on(&fixed_network, "").expect("it is there");
            on.address.clone()
        };
        assert_eq!(at(&after), Some(format!("{prefix}.77")));
        for name in ["stock", "chosen-alias"] {
            assert!(yard.reaches(&caller, name).await, "{name}");
        }
        assert!(yard.reaches(&id, "peer").await);
        let repeated = driver.undo(&late).await.expect("nothing is left to undo");
        assert_eq!(repeated.by, UndoneBy::Other, "{}", repeated.evidence);
        assert_eq!(yard.wired(&id).await, after, "a repeat changes nothing");
        assert!(matches!(driver.look(&late).await, Ok(Presence::Gone(_))));
    })
    .await;
}

#[tokio::test]
async fn one_network_is_left_and_a_mac_address_that_was_given_comes_back() {
    on_yard(|yard| async move {
        let (network, prefix) = yard.with_subnet("fixed").await;
        let kept = yard.network("kept").await;
        let mac = "02:42:0a:aa:bb:cc";
        let ip = format!("{prefix}.78");
        let id = yard
            .serve_with_mac("stock", &yard.name("fixed"), &ip, mac)
            .await;
        yard.connect(&kept, &id).await;
        let caller = yard
            .serve(
                "other",
                &[(&kept, known_as("other"))],
                HostConfig::default(),
            )
            .await;
        let before = yard.wired(&id).await;
        let leave = yard.leave("stock", &[&yard.name("fixed")], Address::Same);
        let armed = yard.armed(&leave).await;
        yard.site.driver.apply(&armed).await.expect("it is applied");
        let during = yard.wired(&id).await;
        assert!(during.on(&network, "").is_none());
        assert_eq!(during.on(&kept, ""), before.on(&kept, ""));
        assert!(yard.reaches(&caller, &yard.name("stock")).await);
        yard.site.driver.undo(&armed).await.expect("it is undone");
        let after = yard.wired(&id).await;
        let on = after.on(&network, "").expect("it is there again");
        assert_eq!(on.asked.mac.as_deref(), Some(mac));
        assert_eq!(on.address.as_deref(), Some(&*ip));
        assert_eq!(after.on(&kept, ""), before.on(&kept, ""), "left alone");
    })
    .await;
}

#[tokio::test]
async fn fixed_addresses_of_both_families_come_back() {
    on_yard(|yard| async move {
        let (network, prefix, prefix6) = yard.with_both_families("both").await;
        let (ipv4, ipv6) = (format!("{prefix}.79"), format!("{prefix6}:79"));
        let given = Endpoint {
            ipv6: Some(ipv6.clone()),
            ..fixed("stock", ipv4.clone())
        };
        yard.serve("stock", &[(&network, given)], HostConfig::default())
            .await;
        let caller = yard
            .serve(
                "other",
                &[(&network, known_as("other"))],
                HostConfig::default(),
            )
            .await;
        let drawn = yard.refused(&yard.leave("other", &[], Address::Same)).await;
        assert!(drawn.contains("was chosen by the daemon"), "{drawn}");
        for address in [&ipv4, &ipv6] {
            assert!(yard.reaches(&caller, address).await, "{address}");
        }
        let armed = yard.armed(&yard.leave("stock", &[], Address::Same)).await;
        yard.site.driver.apply(&armed).await.expect("it is applied");
        for address in [&ipv4, &ipv6] {
            assert!(!yard.reaches(&caller, address).await, "{address}");
        }
        let removed = recovering(&yard).undo(&after_a_crash(&armed)).await;
        assert_eq!(removed.expect("it is undone").by, UndoneBy::Us);
        for address in [&ipv4, &ipv6] {
            assert!(yard.reaches(&caller, address).await, "{address}");
        }
        let by_hand = yard.site.driver.by_hand(&armed).expect("there is a way");
        assert!(
            by_hand.contains(&format!("--ip {ipv4} --ip6 {ipv6}")),
            "{by_hand}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_cut_must_mean_one_container() {
    on_yard(|yard| async move {
        let network = yard.network("net").await;
        let on = [(network.as_str(), Endpoint::default())];
        for what in ["one", "two"] {
            yard.serve(what, &on, HostConfig::default()).await;
        }
        let mut leave = yard.leave("one", &[], Address::Any);
        let Act::Cut { selector, .. } = &mut leave.act else {
            panic!("it is a cut");
        };
        *selector = ContainerSelector::Label(format!("firedrill.test.site={}", yard.site.name));
        let several = yard.refused(&leave).await;
        assert!(
            several.contains("it must be one, and matches ")
                && several.contains(&yard.name("one"))
                && several.contains(&yard.name("two")),
            "{several}"
        );
    })
    .await;
}

#[tokio::test]
async fn an_undo_of_a_disconnect_that_never_was_touches_nothing() {
    on_yard(|yard| async move {
        let network = yard.network("net").await;
        let id = yard
            .serve(
                "stock",
                &[(&network, known_as("stock"))],
                HostConfig::default(),
            )
            .await;
        let before = yard.wired(&id).await;
        let leave = yard.leave("stock", &[], Address::Any);
        let armed = after_a_crash(&yard.armed(&leave).await);
        let removed = yard.site.driver.undo(&armed).await.expect("nothing to do");
        assert_eq!(removed.by, UndoneBy::Other);
        let refused = yard.site.driver.apply(&armed).await;
        let refused = refused.expect_err("its process is dead").to_string();
        assert!(refused.ends_with("its deadline has passed"), "{refused}");
        assert_eq!(yard.wired(&id).await, before);

        // Somebody connected it anew between the look and the deed: that is not what was captured.
        let armed = yard.armed(&leave).await;
        yard.daemon.disconnect(&network, &id).await.expect("off");
        yard.connect(&network, &id).await;
        let refused = yard.site.driver.apply(&armed).await;
        let refused = refused.expect_err("it is theirs");
        assert!(matches!(refused, FaultError::Foreign { .. }), "{refused}");
    })
    .await;
}

#[tokio::test]
async fn what_others_did_meanwhile_is_put_right_where_it_is_less_and_left_where_it_is_more() {
    on_yard(|yard| async move {
        let network = yard.network("net").await;
        let id = yard
            .serve(
                "stock",
                &[(&network, known_as("stock"))],
                HostConfig::default(),
            )
            .await;
        let leave = yard.leave("stock", &[], Address::Any);
        let off = async || {
            let armed = yard.armed(&leave).await;
            yard.site.driver.apply(&armed).await.expect("it is applied");
            armed
        };
        // In a hurry, without its alias.
        let armed = off().await;
        yard.connect(&network, &id).await;
        match yard.site.driver.look(&armed).await {
            Ok(Presence::Gone(why)) => assert!(why.contains(&yard.name("net")), "{why}"),
            other => panic!("{other:?}"),
        }
        let removed = yard.site.driver.undo(&armed).await.expect("it is undone");
        assert_eq!(removed.by, UndoneBy::Us, "{}", removed.evidence);
        let now = yard.wired(&id).await.attachments.remove(0);
        assert!(now.asked.aliases.contains(&"stock".to_owned()), "{now:?}");

        // With everything, and one more.
        let armed = off().await;
        let mut more = known_as("stock");
        more.aliases.push("also".to_owned());
        yard.daemon.connect(&network, &id, &more).await.expect("on");
        let theirs = yard.wired(&id).await;
        let removed = yard.site.driver.undo(&armed).await.expect("it is undone");
        assert_eq!(removed.by, UndoneBy::Other, "{}", removed.evidence);
        assert_eq!(yard.wired(&id).await, theirs);

        // Stopped: it is connected again all the same, and is there once it is started.
        let armed = off().await;
        let daemon = &yard.daemon;
        daemon.kill(&id).await.expect("dead");
        assert_eq!(yard.site.driver.look(&armed).await, Ok(Presence::Present));
        let removed = yard.site.driver.undo(&armed).await.expect("it is undone");
        assert_eq!(removed.by, UndoneBy::Us);
        assert!(!yard.wired(&id).await.seen.running, "nobody starts it");
        yard.site.start(&id).await;
        let now = yard.wired(&id).await;
        assert!(now.on(&network, "").is_some(), "{now:?}");

        // Its network removed.
        let armed = off().await;
        daemon.remove_network(&network).await.expect("it is empty");
        match yard.site.driver.look(&armed).await {
            Ok(Presence::Gone(why)) => assert!(why.contains("was removed"), "{why}"),
            other => panic!("{other:?}"),
        }
        let successor = yard.network("net").await;
        let removed = yard.site.driver.undo(&armed).await.expect("it is settled");
        assert_eq!(removed.by, UndoneBy::Other);
        let said = removed.evidence;
        assert!(said.contains("there is nothing to come back to"), "{said}");
        assert!(yard.wired(&id).await.on(&successor, "").is_none());

        // The container removed, and another in its place.
        yard.connect(&successor, &id).await;
        let armed = off().await;
        yard.site.remove(&id).await;
        let heir = yard
            .serve(
                "stock",
                &[(&successor, known_as("stock"))],
                HostConfig::default(),
            )
            .await;
        let theirs = yard.wired(&heir).await;
        let removed = yard.site.driver.undo(&armed).await.expect("ours is gone");
        assert_eq!(removed.by, UndoneBy::Other);
        assert!(
            removed.evidence.contains("has its name now"),
            "{}",
            removed.evidence
        );
        assert_eq!(yard.wired(&heir).await, theirs);
    })
    .await;
}

#[tokio::test]
async fn a_network_without_room_for_the_address_makes_the_undo_fail_until_there_is() {
    on_yard(|yard| async move {
        let (network, prefix) = yard.with_subnet("net").await;
        let ip = format!("{prefix}.79");
        let on = [(network.as_str(), fixed("stock", ip.clone()))];
        let id = yard.serve("stock", &on, HostConfig::default()).await;
        let armed = yard.armed(&yard.leave("stock", &[], Address::Same)).await;
        yard.site.driver.apply(&armed).await.expect("it is applied");
        let thief = yard.serve("thief", &on, HostConfig::default()).await;
        // What a failed try leaves behind is not taken for being connected by the next.
        for _ in 0..2 {
            let failed = yard.site.driver.undo(&armed).await;
            let failed = failed.expect_err("the address is taken").to_string();
            assert!(failed.contains("could not come back to"), "{failed}");
            assert_eq!(yard.site.driver.look(&armed).await, Ok(Presence::Present));
        }
        let by_hand = yard.site.driver.by_hand(&armed).expect("there is a way");
        assert!(
            by_hand.contains(&format!("network connect --ip {ip} --alias stock")),
            "{by_hand}"
        );
        yard.site.remove(&thief).await;
        yard.site.driver.undo(&armed).await.expect("it is undone");
        assert_eq!(yard.wired(&id).await.attachments[0].address, Some(ip));
    })
    .await;
}

#[tokio::test]
async fn what_could_not_come_back_is_refused_before_it_leaves() {
    on_yard(|yard| async move {
        let network = yard.network("net").await;
        let on = [("bridge", Endpoint::default())];
        yard.serve("default", &on, HostConfig::default()).await;
        yard.idle("host", "host").await;
        yard.idle("none", "none").await;
        let own = [(network.as_str(), known_as("drawn"))];
        yard.serve("drawn", &own, publishing("")).await;
        let first = yard.serve("first", &own, HostConfig::default()).await;
        yard.idle("sharing", &format!("container:{first}")).await;
        for (what, networks, why) in [
            (
                "default",
                &[][..],
                "it is on no user-defined network, only on bridge",
            ),
            (
                "default",
                &["nowhere"][..],
                "it is not on network nowhere; hint: it is on bridge",
            ),
            ("host", &[][..], "it was made with the network `host`"),
            ("none", &[][..], "it was made with the network `none`"),
            (
                "drawn",
                &[][..],
                "it publishes a port whose number the daemon draws",
            ),
            (
                "sharing",
                &[][..],
                "it uses the network of another container",
            ),
        ] {
            let refused = yard
                .refused(&yard.leave(what, networks, Address::Any))
                .await;
            assert!(refused.contains(why), "{what}: {refused}");
        }
        // The default network, by name.
        let id = yard.name("default");
        let before = yard.wired(&id).await;
        let armed = yard
            .armed(&yard.leave("default", &["bridge"], Address::Any))
            .await;
        yard.site.driver.apply(&armed).await.expect("it is applied");
        assert!(yard.wired(&id).await.attachments.is_empty());
        let removed = recovering(&yard).undo(&after_a_crash(&armed)).await;
        assert_eq!(removed.expect("it is undone").by, UndoneBy::Us);
        let after = yard.wired(&id).await;
        assert_eq!(after.attachments[0].network, before.attachments[0].network);
        assert_eq!(after.attachments[0].asked, before.attachments[0].asked);
    })
    .await;
}

#[tokio::test]
async fn an_internal_network_is_left_and_joined_like_any_other() {
    on_yard(|yard| async move {
        let wanted = NetworkCreateRequest {
            internal: Some(true),
            ..NetworkCreateRequest::default()
        };
        let network = yard.make("net", wanted).await.expect("a network is made");
        let on = [(network.as_str(), known_as("stock"))];
        let id = yard.serve("stock", &on, HostConfig::default()).await;
        let caller = yard
            .serve(
                "other",
                &[(&network, known_as("other"))],
                HostConfig::default(),
            )
            .await;
        let armed = yard.armed(&yard.leave("stock", &[], Address::Any)).await;
        yard.site.driver.apply(&armed).await.expect("it is applied");
        assert!(!yard.reaches(&caller, "stock").await);
        yard.site.driver.undo(&armed).await.expect("it is undone");
        assert!(yard.reaches(&caller, "stock").await);
        assert!(yard.wired(&id).await.on(&network, "").is_some());
    })
    .await;
}
