//! What can't be undone is loud, named, and undone once that is possible.

use std::time::Duration;

use rustix::process::Signal;

use crate::shop::{Experiment, Shop};

#[test]
fn a_toxiproxy_that_stops_answering_leaves_the_run_stuck_until_it_is_back() {
    let shop = Shop::open();
    let before = shop.proxies.snapshot();
    let started = shop.start(&Experiment::slow("2s"));
    shop.server.signal(Signal::STOP);
    let stuck = started
        .finish()
        .exits(5)
        .tells("fault")
        .tells("could not be undone")
        .tells("firedrill recover");
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
