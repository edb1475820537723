//! What can't be undone is loud, named, and undone once that is possible.

use std::net::SocketAddr;
use std::time::Duration;

use rustix::process::Signal;

use crate::browser;
use crate::ground::until;
use crate::http;
use crate::shop::{Experiment, IS_ON, Shop};
use crate::xml;

#[test]
fn a_toxiproxy_that_stops_answering_leaves_the_run_stuck_until_it_is_back() {
    let shop = Shop::open();
    let before = shop.proxies.snapshot();
    let file = shop.experiment(&Experiment::slow("2s"));
    let line = ["run", &file, &file, "--junit", "results.xml"];
    let mut started = shop.firedrill.start(line);
    started.wait_for(IS_ON);
    shop.server.signal(Signal::STOP);
    let stuck = started
        .finish()
        .exits(5)
        .tells("fault")
        .tells("could not be undone")
        .tells("trial: stuck (exit 5): `fault` could not be undone yet")
        .tells("trial: not begun (exit 5): nothing is begun while run ")
        .tells("firedrill recover");
    let results = xml::elements(&shop.folder.read("results.xml"));
    let errors = results.iter().filter(|element| element.name == "error");
    let types: Vec<_> = errors
        .map(|error| error.attributes["type"].as_str())
        .collect();
    assert_eq!(types, ["stuck", "not_begun"]);
    let expected = Duration::from_secs(50)..Duration::from_secs(100);
    assert!(expected.contains(&stuck.took), "{:?}", stuck.took);

    shop.firedrill
        .run(["recover", "--dry-run"])
        .exits(5)
        .results("fault");
    shop.server.signal(Signal::CONT);
    shop.firedrill
        .run(["recover"])
        .exits(0)
        .results("everything is undone");
    assert_eq!(shop.proxies.snapshot(), before);
    shop.firedrill
        .run(["recover", "--dry-run"])
        .exits(0)
        .results("nothing is open");
}

#[test]
fn a_server_that_can_not_undo_what_a_dead_process_left_says_so_everywhere_and_keeps_trying() {
    let shop = Shop::open();
    let before = shop.proxies.snapshot();
    shop.start(&Experiment::slow("60s")).crash();
    shop.server.signal(Signal::STOP);
    let address = SocketAddr::new(shop.host, 8700);
    let listen = address.to_string();
    let mut server = shop.firedrill.start(["serve", "--listen", &listen]);
    server.wait_for("firedrill serves");
    let get = |path: &str| {
        let answer = http::send(address, "GET", path, "").expect("the server answers");
        answer.body
    };
    let stuck =
        |count: usize| get("/metrics").contains(&format!("firedrill_injections_stuck {count}\n"));
    assert!(stuck(0), "{}", get("/metrics"));
    until("it is stuck", Duration::from_secs(100), || {
        stuck(1).then_some(())
    });
    for page in ["/", "/runs"] {
        let page = get(page);
        assert!(
            page.contains("Stuck: not everything could be undone"),
            "{page}"
        );
        let by_hand = "undo it by hand with <code>curl -X DELETE http:";
        assert!(page.contains(by_hand), "the way out is told: {page}");
    }
    browser::see(address, "/", "overview-stuck");
    // Nothing begins on that stack, whoever asks.
    let file = shop.experiment(&Experiment::slow("1s"));
    let refused = shop.firedrill.run(["run", &file]);
    assert_eq!(refused.code, Some(4), "{}", refused.stderr);

    shop.server.signal(Signal::CONT);
    until("it is undone", Duration::from_secs(40), || {
        (stuck(0) && shop.proxies.snapshot() == before).then_some(())
    });
    assert!(!get("/").contains("Stuck: not everything"), "{}", get("/"));
    shop.firedrill.run(["run", &file]).exits(0);
    server.signal(Signal::TERM);
    server.finish().exits(0);
}
