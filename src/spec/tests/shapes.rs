//! Steps that repeat, grow or wait for a person, and stop conditions, as files write them.

use super::*;
use crate::model::experiment::{Patience, StopCondition};
use crate::model::fault::{Act, Fault, Toxic, Unconfirmed};
use crate::model::probe::Ask;

fn made(text: &str) -> Plan {
    plan(
        &[("stack.yaml", STACK), ("experiment.yaml", &head(text))],
        &[],
    )
    .expect("a plan")
}

/// The one finding of an experiment has this title and points at `token`, which stands once in the text.
fn finds(text: &str, title: &str, token: &str) {
    let whole = head(text);
    let found = check(&[("stack.yaml", STACK), ("experiment.yaml", &whole)]);
    assert_eq!(
        whole.matches(token).count(),
        1,
        "`{token}` is not one place"
    );
    let before = &whole[..whole.find(token).expect("it is there")];
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    let place = format!("experiment.yaml:{line}:{column}");
    assert!(found.contains(title), "{title} is not in\n{found}");
    assert!(found.contains(&place), "{place} is not in\n{found}");
    assert_eq!(found.matches("error[").count(), 1, "{found}");
}

#[test]
fn a_step_that_repeats_becomes_an_injection_for_each_time_and_target() {
    let plan = made(
        "method:\n  - latency: {id: flap, link: api-signer, direction: both, latency: 1s, for: 5s, repeat: 2, every: 20s}\n",
    );
    let ids: Vec<_> = plan.injections.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids, ["flap:1", "flap#2:1", "flap:2", "flap#2:2"]);
    let last = plan.injections[3].occurrence.expect("it repeats");
    assert_eq!((last.nth, last.of), (2, 2));
    let told = crate::spec::explain(&plan);
    let line = "flap at 0s, for 5s, 2 times, 20s from one beginning to the next: over after 25s";
    assert!(told.contains(line), "{told}");
    assert_eq!(
        told.matches("data arrives 1s later").count(),
        2,
        "each target once:\n{told}"
    );
}

#[test]
fn what_can_not_repeat_is_refused_at_its_token() {
    let step = |keys: &str| format!("method:\n  - down: {{link: api-signer, {keys}}}\n");
    finds(
        &step("for: 5s, repeat: 6, every: 4s"),
        "error[out-of-range]: a step that lasts 5s can't begin again after 4s",
        "4s",
    );
    finds(
        &step("until: remedied, at_most: 1m, repeat: 6, every: 2m"),
        "error[conflicting-keys]: `repeat` and `until` exclude each other",
        "repeat",
    );
    finds(
        &step("for: 5s, repeat: 6"),
        "error[missing-key]: `repeat` needs `every` beside it",
        "repeat",
    );
    finds(
        &step("for: 5s, repeat: 1, every: 9s"),
        "error[out-of-range]",
        "1, every",
    );
}

#[test]
fn limits_and_overlaps_count_every_time() {
    let flap = "  - down: {id: flap, link: api-signer, for: 5s, repeat: 6, every: 20s}\n";
    finds(
        &format!("method:\n{flap}limits: {{duration: 104s}}\n"),
        "error[late-step]: the step `flap` can last until 1m45s",
        "6, every",
    );
    let other =
        |at: &str| format!("method:\n{flap}  - down: {{link: api-signer, for: 4s, at: {at}}}\n");
    finds(
        &other("62s"),
        "error[overlap]",
        "down: {link: api-signer, for: 4s",
    );
    made(&other("66s"));
    let longer = format!("during: [{{probe: node-lag, fail_after: 6}}]\nmethod:\n{flap}");
    finds(&longer, "error[unrefutable]", "6}]");
    made(&longer.replace("fail_after: 6", "fail_after: 5"));
}

#[test]
fn a_ramp_says_what_grows_and_from_where() {
    let plan = made(
        "method:\n  - latency: {id: creep, link: api-signer, latency: 2s, jitter: 100ms, for: 3m, ramp: {from: 100ms, over: 60s, steps: 6}}\n  \
         - bandwidth: {link: api-signer, rate: 10, for: 3m, ramp: {from: {rate: 1000, toxicity: 0.1}, over: 60s, steps: 1}}\n  \
         - packet_loss: {link: api-signer, loss_rate: 0.5, for: 3m, ramp: {from: 0, over: 60s, steps: 5}}\n",
    );
    let ramps: Vec<_> = plan
        .injections
        .iter()
        .map(|one| *one.act.ramp().expect("it grows"))
        .collect();
    let Toxic::Latency { latency, jitter } = ramps[0].from.toxic else {
        panic!("{ramps:?}");
    };
    assert_eq!(
        (latency.get(), jitter.get()),
        (100, 100),
        "jitter does not grow"
    );
    assert_eq!(ramps[1].from.toxic, Toxic::Bandwidth { rate: 1000 });
    assert!((ramps[1].from.toxicity - 0.1).abs() < 1e-9);
    let Act::AddToxic { toxic, .. } = &plan.injections[1].act else {
        panic!("a toxic");
    };
    assert_eq!(*toxic, Toxic::Bandwidth { rate: 10 });
    let told = crate::spec::explain(&plan);
    assert!(
        told.contains("grows   at first data arrives 100ms later, ± 100ms; in its place to that in 6 steps over 1m"),
        "{told}"
    );
}

#[test]
fn a_ramp_that_leads_nowhere_is_refused_at_its_token() {
    let step = |ramp: &str| {
        format!(
            "method:\n  - latency: {{link: api-signer, latency: 2s, for: 50s, ramp: {{{ramp}}}}}\n"
        )
    };
    finds(
        &step("from: 100ms, over: 60s, steps: 6"),
        "error[out-of-range]: a step that lasts 50s",
        "60s",
    );
    finds(
        &step("from: 2s, over: 40s, steps: 6"),
        "nothing grows",
        "2s, over",
    );
    finds(
        &step("from: 100ms, over: 5s, steps: 60"),
        "60 steps over 5s are shorter than 100ms each",
        "60}",
    );
    finds(
        &step("from: {}, over: 5s, steps: 6"),
        "error[missing-key]",
        "from",
    );
    finds(
        &step("from: {latency: 1s, rate: 5}, over: 5s, steps: 6"),
        "has no key `rate`",
        "rate",
    );
    let down =
        "method:\n  - timeout: {link: api-signer, for: 5s, ramp: {from: 1s, over: 2s, steps: 2}}\n";
    finds(
        down,
        "error[unknown-key]: a timeout step has no key `ramp`",
        "ramp",
    );
}

#[test]
fn a_method_may_wait_for_a_person() {
    let text = "method:\n  - down: {id: first, link: api-signer, for: 5s}\n  \
                - confirm: {id: look, text: Look., at_most: 10m, after: first}\n  \
                - down: {link: api-signer, for: 5s, after: look}\nlimits: {duration: 20m}\n";
    let plan = made(text);
    assert_eq!(plan.injections.len(), 2);
    let Fault::Confirm(confirm) = &plan.experiment.method[1].fault else {
        panic!("{:?}", plan.experiment.method[1]);
    };
    assert_eq!(confirm.then, Unconfirmed::Abort);
    let told = crate::spec::explain(&plan);
    assert!(
        told.contains("look after first, until a person continues, at most 10m"),
        "{told}"
    );
    let alone =
        "method:\n  - confirm: {id: look, text: Look., at_most: 10m}\nlimits: {duration: 9m}\n";
    finds(
        alone,
        "error[late-step]: the step `look` can last until 10m, past the limit of 9m",
        "10m",
    );
}

#[test]
fn a_stop_condition_is_a_probe_a_question_of_its_own_or_an_alert() {
    let plan = made(
        "method: []\nstop_when:\n  - {probe: nonce-gap, fails: 3}\n  - {probe: nonce-gap, fails_for: 5s}\n  \
         - {prometheus: {url: \"http://127.0.0.1:9090\", query: up}, expect: {above: 0}, every: 5s, fails: 2}\n  \
         - {http: \"http://127.0.0.1:1/stop\", expect: {status: 204}, fails_for: 0s}\n  \
         - {alertmanager: {alertname: MoneyLost}}\n",
    );
    let stops = &plan.experiment.stop_when;
    let patience: Vec<_> = stops
        .iter()
        .map(|stop| {
            stop.probe()
                .map(|(name, patience)| (name.to_string(), patience))
        })
        .collect();
    assert_eq!(
        patience[0],
        Some(("nonce-gap".to_owned(), Patience::Fails(3)))
    );
    assert_eq!(
        patience[2],
        Some(("stop_when#3".to_owned(), Patience::Fails(2)))
    );
    let own = stops[2].own().expect("a question");
    assert!(matches!(&own.ask, Ask::Prometheus { query, .. } if query == "up"));
    assert_eq!((own.every.get(), own.expect.above), (5_000, Some(0.0)));
    assert_eq!(stops[3].own().expect("a question").every.get(), 1_000);
    assert!(matches!(stops[4], StopCondition::Alert { .. }));
    for stop in stops {
        let text = serde_json::to_string(stop).expect("it is written");
        let read: StopCondition = serde_json::from_str(&text).expect("it is read");
        assert_eq!(read, *stop);
    }
    let told = crate::spec::explain(&plan);
    for line in [
        "nonce-gap failing 3 times in a row",
        "up at http://127.0.0.1:9090, every 5s: above 0, within 1s failing 2 times in a row",
        "an alert with alertname=MoneyLost",
    ] {
        assert!(told.contains(line), "{line} is not in\n{told}");
    }
}

#[test]
fn a_stop_condition_that_could_not_be_met_or_asked_is_refused_at_its_token() {
    let stop = |keys: &str| format!("method: []\nstop_when: [{{{keys}}}]\n");
    finds(
        &stop("probe: nonce-gop, fails: 3"),
        "error[unknown-probe]",
        "nonce-gop",
    );
    finds(
        &stop("probe: node-lag"),
        "needs one of `fails_for`, `fails` or `alertmanager`",
        "probe: node-lag",
    );
    finds(
        &stop("probe: nonce-gap, fails: 3, fails_for: 1s"),
        "error[conflicting-keys]",
        "fails_for",
    );
    finds(
        &stop("probe: nonce-gap, fails: 0"),
        "error[out-of-range]",
        "0}]",
    );
    finds(
        &stop("probe: nonce-gap, expect: {status: 200}, fails: 1"),
        "`expect` and `probe` exclude each other",
        "expect",
    );
    finds(
        &stop("prometheus: {url: \"http://127.0.0.1:9\", query: up}, fails: 1"),
        "error[expect-mismatch]",
        "prometheus",
    );
    finds(
        &stop("alertmanager: {}"),
        "error[wrong-length]",
        "alertmanager",
    );
}
