//! What can't be undone is loud, named, and undone once that is possible.

use std::time::Duration;

use rustix::process::Signal;

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
