//! Signals end a run early and properly.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::firedrill::Firedrill;
use crate::ground::{Folder, own_address, until};
use crate::proxies::Proxies;
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
fn a_hangup_undoes_the_fault_and_aborts() {
    undoes(Signal::HUP);
}

#[test]
fn a_quit_undoes_the_fault_and_aborts() {
    undoes(Signal::QUIT);
}

#[test]
fn a_termination_ends_a_demo_that_would_go_on_serving() {
    let folder = Folder::new();
    let firedrill = Firedrill::within(folder.path());
    let host = own_address();
    let address = host.to_string();
    let mut demo = firedrill.start(["demo", "--manual", "--host", &address]);
    demo.wait_for(IS_ON);
    demo.signal(Signal::TERM);
    demo.finish().exits(3).tells("stopping: a signal");
    assert!(!Proxies::on(host).answers(), "its proxies are still there");
    let left = firedrill.run(["recover", "--dry-run"]);
    left.exits(0).results("nothing is open");
}

#[test]
fn a_hangup_that_whoever_started_it_ignores_ends_nothing() {
    let shop = Shop::open();
    let entrance = ["sh", "-c", r#"trap '' HUP; exec "$@""#, "sh"];
    let firedrill = shop.firedrill.through(entrance.map(str::to_owned).to_vec());
    let file = shop.experiment(&Experiment::slow("3s"));
    let mut started = firedrill.start(["run", &file]);
    started.wait_for(IS_ON);
    started.signal(Signal::HUP);
    started.finish().exits(0);
}

#[test]
fn signals_that_mean_nothing_here_end_nothing() {
    let shop = Shop::open();
    let started = shop.start(&Experiment::slow("3s"));
    let meaningless = [
        Signal::USR1,
        Signal::USR2,
        Signal::ALARM,
        Signal::PIPE,
        Signal::XCPU,
        Signal::XFSZ,
    ];
    for signal in meaningless {
        started.signal(signal);
    }
    started.finish().exits(0);
}

#[test]
fn closed_streams_keep_nothing_from_being_undone() {
    let shop = Shop::open();
    let before = shop.proxies.snapshot();
    let file = shop.experiment(&Experiment::slow("60s"));
    let mut child = Command::new(env!("CARGO_BIN_EXE_firedrill"))
        .current_dir(shop.folder.path())
        .args(["--data", "data", "run", &file])
        // Everything that may be told is, to nobody.
        .env("FIREDRILL_LOG", "trace")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary is built");
    let told = BufReader::new(child.stderr.take().expect("it is piped"));
    let on = told
        .lines()
        .map_while(Result::ok)
        .find(|line| line.contains(IS_ON));
    assert!(on.is_some(), "the fault is on");
    drop(child.stdout.take());
    assert_eq!(shop.proxies.faults().len(), 1);
    kill_process(Pid::from_child(&child), Signal::TERM).expect("it is there");
    let status = until("it ends", Duration::from_secs(20), || {
        child.try_wait().expect("it is our child")
    });
    assert_eq!(status.code(), Some(3));
    assert_eq!(shop.proxies.snapshot(), before);
    let asked = shop.firedrill.run(["recover", "--dry-run"]);
    asked.exits(0).results("nothing is open");
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
        started.wait_for("is still undoing `fault` since ");
    }
    assert!(!shop.folder.has("undone"), "the undo goes on");
    assert!(started.is_running());
    started.finish().exits(3);
    assert!(shop.folder.has("undone"), "the undo was waited for");
}
