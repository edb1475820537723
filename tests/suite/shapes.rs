//! Shapes over time and what stops them, with the real binary, the real proxy server and real traffic.

#![expect(
    clippy::disallowed_methods,
    reason = "how long firedrill takes is measured from outside, with a clock of its own"
)]

use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::Value;

use crate::http;
use crate::shop::{Experiment, IS_ON, PROXY, Shop};

/// The one toxic that is on, as the server shows it.
fn toxic(shop: &Shop) -> Option<Value> {
    let snapshot = shop.proxies.snapshot();
    let mut toxics = snapshot.get(PROXY)?.get("toxics")?.as_array()?.clone();
    // The lock on the target stands beside its fault.
    toxics.retain(|toxic| toxic["type"] != "noop");
    assert!(toxics.len() <= 1, "{toxics:?}");
    toxics.into_iter().next()
}

#[test]
fn a_link_that_flaps_is_refused_and_restored_as_often_as_the_file_says() {
    let shop = Shop::open();
    let before = shop.proxies.snapshot();
    let step = "down: {id: fault, link: shop -> stock, for: 600ms, repeat: 3, every: 1500ms}";
    let experiment = Experiment {
        during: "[{probe: stock-well, fail_after: 1}]",
        ..Experiment::of(step)
    };
    let finished = shop.run(&experiment).exits(0);
    for nth in 1..=3 {
        let told = format!("fault is on (read back): connections shop → stock refused, {nth} of 3");
        assert_eq!(
            finished.stderr.matches(&told).count(),
            1,
            "{}",
            finished.stderr
        );
        let gone = format!("fault, {nth} of 3 is off (");
        assert_eq!(
            finished.stderr.matches(&gone).count(),
            1,
            "{}",
            finished.stderr
        );
    }
    assert_eq!(shop.proxies.snapshot(), before);
}

#[test]
fn a_ramp_grows_in_its_place_on_the_real_server_and_is_one_toxic_all_the_time() {
    let shop = Shop::open();
    let step = "latency: {id: fault, link: shop -> stock, latency: 200ms, for: 4s, \
                ramp: {from: 50ms, over: 2s, steps: 3}}";
    let started = shop.start(&Experiment::of(step));
    let (mut seen, mut lives) = (Vec::new(), Vec::new());
    let end = Instant::now() + Duration::from_millis(3_200);
    while Instant::now() < end {
        // One look that finds none would be one in which it was removed and added again.
        let toxic = toxic(&shop).expect("the toxic is there all the time");
        let latency = toxic["attributes"]["latency"].as_u64().expect("a delay");
        lives.push(toxic["ttl"].as_u64().expect("a time to live"));
        if seen.last() != Some(&latency) {
            seen.push(latency);
        }
    }
    assert_eq!(seen, [50, 100, 150, 200]);
    // Each change says anew how long is left until the deadline, which two seconds have come nearer.
    let (first, last) = (lives[0], lives[lives.len() - 1]);
    assert!(
        (1_900..2_500).contains(&(first - last)),
        "{first} ms, then {last} ms"
    );
    let finished = started.finish().exits(0);
    for told in [
        "grows to 100ms (level 1 of 3, read back)",
        "grows to 200ms (level 3 of 3, read back)",
    ] {
        assert!(finished.stderr.contains(told), "{}", finished.stderr);
    }
    assert_eq!(shop.proxies.toxics(), [""; 0]);
}

#[test]
fn a_toxic_that_somebody_removes_while_it_grows_is_missed() {
    let shop = Shop::open();
    let step = "latency: {id: fault, link: shop -> stock, latency: 200ms, for: 20s, \
                ramp: {from: 50ms, over: 10s, steps: 100}}";
    let started = shop.start(&Experiment::of(step));
    let faults = shop.proxies.faults();
    shop.proxies.remove(PROXY, &faults[0]);
    let finished = started.finish().exits(4);
    assert!(
        finished.took < Duration::from_secs(15),
        "{:?}",
        finished.took
    );
    assert_eq!(shop.proxies.toxics(), [""; 0]);
}

fn confirm(then: &str) -> Experiment {
    // Two steps: what stands before the brace of the second belongs to the first one's line.
    let experiment = Experiment::slow("1s");
    let step = format!(
        "{}\n  - confirm: {{id: look, text: Look at the dashboards., at_most: 60s, then: {then}, after: fault}}\n  \
         - latency: {{id: again, link: shop -> stock, latency: 50ms, for: 500ms, after: look}}",
        experiment.step
    );
    Experiment {
        step,
        during: "[]",
        ..experiment
    }
}

#[test]
fn without_a_terminal_and_a_room_a_pause_ends_at_once_as_its_file_says() {
    let shop = Shop::open();
    let finished = shop.run(&confirm("continue")).exits(0);
    assert!(
        finished.stderr.contains("nobody can be asked"),
        "{}",
        finished.stderr
    );
    assert!(
        finished.stderr.contains("again is on (read back): latency"),
        "{}",
        finished.stderr
    );
    let finished = shop.run(&confirm("abort")).exits(3);
    assert!(
        finished.stderr.contains("nobody continued look in time"),
        "{}",
        finished.stderr
    );
    assert!(
        !finished.stderr.contains("again is on (read back): latency"),
        "{}",
        finished.stderr
    );
    assert!(
        finished.took < Duration::from_secs(20),
        "{:?}",
        finished.took
    );
}

#[test]
fn on_a_terminal_enter_lets_the_method_go_on() {
    let shop = Shop::open();
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&master).expect("it is ours");
    unlockpt(&master).expect("it can be opened");
    let name = ptsname(&master, Vec::new()).expect("it has a name");
    let name = name.to_str().expect("a path").to_owned();
    let line = File::options()
        .read(true)
        .write(true)
        .open(name)
        .expect("its other end");
    let file = shop.experiment(&confirm("abort"));
    let mut started = shop
        .firedrill
        .start_reading(["run", &file], Stdio::from(line));
    let mut keys = File::from(master);
    // Before anybody is asked it counts for nothing.
    started.wait_for(IS_ON);
    keys.write_all(b"\n").expect("it is pressed");
    started.wait_for("press Enter to continue look");
    std::thread::sleep(Duration::from_millis(700));
    assert!(
        !started.told().contains("continues look"),
        "{}",
        started.told()
    );
    keys.write_all(b"\n").expect("it is pressed");
    started.wait_for("somebody continues look");
    started.finish().exits(0);
}

/// Stops a run whose service falls ill, and says how long that took: from the first request that met the illness to the
/// time at which the proxy reads as it was before.
fn stopped(shop: &Shop, stop_when: &str) -> (Duration, String) {
    let experiment = Experiment {
        stop_when: stop_when.to_owned(),
        during: "[]",
        ..Experiment::slow("60s")
    };
    let started = shop.start(&experiment);
    std::thread::sleep(Duration::from_millis(500));
    shop.stock.be_well(false);
    let began = Instant::now();
    while toxic(shop).is_some() {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "{}",
            started.told()
        );
    }
    let took = began.elapsed();
    (took, started.finish().exits(3).stderr)
}

#[test]
fn a_stop_condition_takes_effect_within_one_interval_of_its_probe_and_a_tenth_of_a_second() {
    const EVERY: Duration = Duration::from_millis(200);
    // The first failing sample is sent at the latest one interval after the illness began, the third two later.
    for (stop_when, intervals, told) in [
        (
            "[{probe: stock-well, fails: 1}]",
            1,
            "it has failed once, and the limit is 1: status",
        ),
        (
            "[{probe: stock-well, fails: 3}]",
            3,
            "it has failed 3 times in a row, and the limit is 3: status",
        ),
        (
            "[{probe: stock-well, fails_for: 400ms}]",
            3,
            "it has failed for 400ms, which is the limit: status",
        ),
    ] {
        let bound = EVERY * intervals + Duration::from_millis(100);
        // Other tests share the processors: one of three tries must be undisturbed by them.
        let quickest = (0..3).find_map(|_| {
            let (took, progress) = stopped(&Shop::open(), stop_when);
            assert!(progress.contains(told), "{progress}");
            println!("{stop_when}: off {took:?} after the illness began, at most {bound:?}");
            (took <= bound).then_some(took)
        });
        assert!(quickest.is_some(), "{stop_when} took longer than {bound:?}");
    }
}

#[test]
fn a_service_that_is_asked_may_stop_a_run() {
    let shop = Shop::open();
    let host = shop.host;
    let stop = format!(
        "[{{http: \"http://{host}:7001/health\", expect: {{status: 200}}, every: 100ms, fails: 2}}]"
    );
    let (took, told) = stopped(&shop, &stop);
    assert!(took <= Duration::from_millis(300), "{took:?}\n{told}");
    assert!(
        told.contains("stop condition: stop_when#1: it has failed 2 times in a row"),
        "{told}"
    );
}

#[test]
fn a_prometheus_that_is_silent_leaves_a_run_blind() {
    let shop = Shop::open();
    let host = shop.host;
    let stop_when = format!(
        "[{{prometheus: {{url: \"http://{host}:9\", query: up}}, expect: {{above: 0}}, every: 100ms, fails: 2}}]"
    );
    let experiment = Experiment {
        stop_when,
        ..Experiment::slow("60s")
    };
    let finished = shop.run(&experiment).exits(4);
    assert!(
        finished.stderr.contains("could not be asked"),
        "{}",
        finished.stderr
    );
    assert_eq!(shop.proxies.toxics(), [""; 0]);
}

#[test]
fn an_alert_that_nobody_could_send_is_no_stop_condition() {
    let shop = Shop::open();
    let experiment = Experiment {
        stop_when: "[{alertmanager: {alertname: MoneyLost}}]".to_owned(),
        ..Experiment::slow("60s")
    };
    let file = shop.experiment(&experiment);
    shop.firedrill
        .run(["run", &file])
        .exits(2)
        .tells("no hook token is configured");
    shop.firedrill
        .run(["run", &file, "--no-room"])
        .exits(2)
        .tells("leave out `--no-room`");
}

#[test]
fn an_alert_stops_the_run_that_names_it() {
    let shop = Shop::open();
    shop.folder.write(
        "server.yaml",
        "tokens: {alertmanager: a-token-of-this-test}\n",
    );
    let experiment = Experiment {
        stop_when: "[{alertmanager: {alertname: MoneyLost}}]".to_owned(),
        during: "[]",
        ..Experiment::slow("60s")
    };
    let file = shop.experiment(&experiment);
    let address = SocketAddr::new(shop.host, 8700);
    let listen = address.to_string();
    let mut started = shop.firedrill.start([
        "run",
        &file,
        "--config",
        "server.yaml",
        "--listen",
        listen.as_str(),
    ]);
    started.wait_for(IS_ON);
    let alert = |name: &str| {
        serde_json::json!({"version": "4", "alerts": [{
            "status": "firing", "labels": {"alertname": name}, "startsAt": "2026-03-01T10:00:00Z",
            "fingerprint": name,
        }]})
    };
    let send = |name: &str| -> Value {
        let (path, token) = (
            "/hooks/alertmanager",
            "authorization: Bearer a-token-of-this-test\r\n",
        );
        let answer = http::send_with(address, "POST", path, token, &alert(name).to_string());
        answer.expect("the hook answers").json()
    };
    assert_eq!(send("Other")["matched"], 0);
    assert_eq!(send("MoneyLost")["matched"], 1);
    let told = started.finish().exits(3).stderr;
    assert!(
        told.contains("stopping: stop condition: MoneyLost fires"),
        "{told}"
    );
    assert_eq!(shop.proxies.toxics(), [""; 0]);
}
