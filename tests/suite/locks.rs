//! Two firedrills on one stack, with data folders of their own: one disturbs it at a time, and what is not one's own is
//! left alone.

use crate::shop::{Experiment, Shop};

#[test]
fn a_second_firedrill_with_another_data_folder_is_refused_and_told_whose_the_target_is() {
    let shop = Shop::open();
    let before = shop.proxies.snapshot();
    let first = shop.start(&Experiment::slow("60s"));
    let during = shop.proxies.snapshot();
    let elsewhere = shop
        .firedrill
        .with_data(shop.folder.path().join("elsewhere"));
    elsewhere
        .run(["run", "trial.yaml"])
        .exits(4)
        .tells("the lock on `latency downstream` of proxy shop-stock")
        .tells("holds it")
        .tells("hint: wait for its run; where that is dead, `firedrill recover` on its machine");
    assert_eq!(
        shop.proxies.snapshot(),
        during,
        "the first one's are as they were"
    );

    // Neither a halt nor a recovery of the other folder touches it.
    elsewhere.run(["recover"]).exits(0);
    elsewhere.run(["halt", "--reason", "x"]).exits(0);
    elsewhere.run(["resume"]).exits(0);
    assert_eq!(shop.proxies.snapshot(), during);

    // The lock of a dead process goes with its recovery, on its own folder.
    first.crash();
    elsewhere
        .run(["run", "trial.yaml"])
        .exits(4)
        .tells("the lock on");
    shop.firedrill.run(["recover"]).exits(0);
    assert_eq!(shop.proxies.snapshot(), before);
    shop.experiment(&Experiment::slow("1s"));
    elsewhere.run(["run", "trial.yaml"]).exits(0);
    assert_eq!(shop.proxies.snapshot(), before);
}

#[test]
fn a_service_that_the_servers_configuration_protects_is_refused_before_anything_is_touched() {
    let shop = Shop::open();
    let before = shop.proxies.snapshot();
    shop.folder.write("server.yaml", "protected: [stock]\n");
    let file = shop.experiment(&Experiment::slow("1s"));
    shop.firedrill
        .run(["run", &file, "--config", "server.yaml"])
        .exits(4)
        .tells("a fault on service stock: the server's configuration protects it");
    assert_eq!(shop.proxies.snapshot(), before);
}
