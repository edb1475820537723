//! Signals end a run early and properly.

use std::time::Duration;

use rustix::process::Signal;

use crate::shop::{Experiment, IS_ON, Shop};

/// A signal in the middle of a fault undoes it.
fn undoes(signal: Signal) {
    let shop = Shop::open();
    let before = shop.proxies.snapshot();
    let started = shop.start(&Experiment::slow("60s"));
    assert_eq!(shop.proxies.faults().len(), 1, "the fault is on");
    started.signal(signal);
    let finished = started
        .finish()
        .exits(3)
        .tells("stopping: a signal")
        .results("aborted (exit 3)");
    assert!(
        finished.took < Duration::from_secs(20),
        "{:?}",
        finished.took
    );
    assert_eq!(shop.proxies.snapshot(), before);
}

#[test]
fn an_interrupt_undoes_the_fault_and_aborts() {
    undoes(Signal::INT);
}

#[test]
fn a_termination_undoes_the_fault_and_aborts() {
    undoes(Signal::TERM);
}

#[test]
fn a_signal_before_the_fault_leaves_it_unborn() {
    let shop = Shop::open();
    let experiment = Experiment {
        // Held back for as long as the stock is not well.
        steady_state: "[{probe: stock-well, fail_after: 100, pass_after: 1}]",
        ..Experiment::slow("60s")
    };
    shop.stock.be_well(false);
    let mut started = shop.firedrill.start(["run", &shop.experiment(&experiment)]);
    started.wait_for("waiting for steady state");
    started.signal(Signal::INT);
    let finished = started.finish().exits(3);
    assert!(!finished.stderr.contains(IS_ON), "{}", finished.stderr);
}

#[test]
fn a_second_signal_tells_what_is_left_and_ends_nothing_early() {
    let shop = Shop::open();
    let (done, undone) = (shop.path("done"), shop.path("undone"));
    let step = format!(
        r#"hook: {{id: fault, for: 60s, do: {{run: ["touch", "{done}"]}}, undo: {{run: ["sh", "-c", "sleep 2; touch {undone}"]}}}}"#
    );
    let mut started = shop.start(&Experiment::of(step));
    started.signal(Signal::INT);
    started.wait_for("is being undone");
    for signal in [Signal::INT, Signal::TERM] {
        started.signal(signal);
        started.wait_for("still in phase");
    }
    assert!(!shop.folder.has("undone"), "the undo goes on");
    assert!(started.is_running());
    started.finish().exits(3);
    assert!(shop.folder.has("undone"), "the undo was waited for");
}
