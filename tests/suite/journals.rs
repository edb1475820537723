//! One journal, one run at a time on a stack; no journal, no run.

use std::time::Duration;

use rustix::process::Signal;

use crate::shop::{Experiment, IS_ON, Shop};
use crate::xml;

#[test]
fn a_second_run_on_a_stack_is_refused_and_the_first_one_named() {
    let shop = Shop::open();
    let first = shop.start(&Experiment::slow("60s"));
    let toxics = shop.proxies.faults();
    let second = shop
        .firedrill
        .run(["run", "trial.yaml", "--json", "second.json"])
        .exits(4);
    let run = toxics
        .first()
        .and_then(|toxic| toxic.split('-').skip(1).take(3).reduce(|_, last| last))
        .expect("a run's toxic");
    let second = second
        .tells("stack `shop` is in use by run")
        .tells(run)
        .tells("hint:");
    assert!(second.took < Duration::from_secs(10), "{:?}", second.took);
    assert_eq!(shop.proxies.faults(), toxics, "the first run's fault stays");

    // Nor does anybody recover what is alive.
    shop.firedrill
        .run(["recover"])
        .tells("is driven by another process");
    assert_eq!(shop.proxies.faults(), toxics, "the first run's fault stays");
    first.signal(Signal::INT);
    first.finish().exits(3);
    assert_eq!(shop.proxies.toxics(), [""; 0]);
}

#[test]
fn a_data_folder_that_can_not_be_one_stops_the_run_before_anything_is_touched() {
    let shop = Shop::open();
    let file = shop.folder.write("in-the-way", "a file");
    let firedrill = shop.firedrill.with_data(file.clone());
    let trial = shop.experiment(&Experiment::slow("1s"));
    let before = shop.proxies.snapshot();
    firedrill
        .run(["run", &trial])
        .exits(4)
        .tells("error:")
        .tells(&file.display().to_string());
    firedrill
        .run(["recover"])
        .exits(4)
        .tells(&file.display().to_string());
    assert_eq!(shop.proxies.snapshot(), before);
    assert_eq!(shop.stock.requests(), [""; 0]);
    assert_eq!(shop.folder.read("in-the-way"), "a file");
}

#[test]
fn a_report_of_a_run_that_never_was_is_an_error() {
    let shop = Shop::open();
    shop.firedrill
        .run(["report", "20261123-101500-4f2a91"])
        .exits(2)
        .tells("there is no run 20261123-101500-4f2a91");
}

#[test]
fn a_file_that_can_not_begin_is_an_error_of_its_own_and_the_others_are_run() {
    let shop = Shop::open();
    let stack = shop
        .folder
        .read("stacks/shop.yaml")
        .replace("name: shop\n", "name: mall\n");
    shop.folder.write("stacks/mall.yaml", &stack);
    let elsewhere = Experiment {
        name: "elsewhere",
        // Another kind of fault: both stacks name one proxy, and of a kind one fault at a time is on it.
        ..Experiment::of("slow_close: {id: fault, link: shop -> stock, delay: 10ms, for: 60s}")
    };
    shop.folder.write(
        "elsewhere.yaml",
        &elsewhere.yaml().replace("stack: shop", "stack: mall"),
    );
    let mut mall = shop.firedrill.start(["run", "elsewhere.yaml"]);
    mall.wait_for(IS_ON);

    let trial = shop.experiment(&Experiment::slow("500ms"));
    let line = [
        "run",
        &trial,
        &trial,
        "elsewhere.yaml",
        &trial,
        "--junit",
        "results.xml",
    ];
    shop.firedrill
        .run(line)
        .exits(4)
        .tells("elsewhere: not begun (exit 4): stack `mall` is in use by run")
        .tells("3 of 4 files passed (exit 4)");
    let results = xml::elements(&shop.folder.read("results.xml"));
    let of = |wanted: &str, attribute: &str| -> Vec<String> {
        let found = results.iter().filter(|element| element.name == wanted);
        found
            .map(|element| element.attributes[attribute].clone())
            .collect()
    };
    assert_eq!(
        of("testsuite", "name"),
        ["trial", "trial", "elsewhere", "trial"]
    );
    assert_eq!(of("testsuite", "errors"), ["0", "0", "1", "0"]);
    assert_eq!(of("error", "type"), ["not_begun"]);
    assert!(of("error", "message")[0].contains("stack `mall` is in use"));
}
