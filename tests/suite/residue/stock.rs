//! A stock Toxiproxy: it keeps neither owners nor times to live, and toxicities in single precision. Locks and undos must
//! do without.
//!
//! It is firedrill's own server behind something that takes the rest out of every request and every answer, which leaves
//! what Toxiproxy 2.12.0 answers (the table of `toxiproxy/cases.rs`). `TOXIPROXY_URL` names a real one, for the tests
//! that take any.

use std::sync::Arc;

use serde_json::{Value, json};

use super::carrier::{Fate, Killer};
use super::kinds::KINDS;
use super::lane::Lane;
use super::{dies_at_every_request, prove};
use crate::shop::{Experiment, PROXY};

/// A body as a stock server takes and gives it.
fn as_stock(mut body: Value) -> Value {
    strip(&mut body);
    if body.get("version").is_some() {
        return json!({"version": "2.12.0"});
    }
    body
}

fn strip(body: &mut Value) {
    match body {
        Value::Object(fields) => {
            for ours in ["owner", "ttl"] {
                fields.remove(ours);
            }
            if let Some(toxicity) = fields.get_mut("toxicity") {
                #[expect(clippy::cast_possible_truncation, reason = "that is what it does")]
                let kept = toxicity.as_f64().map(|toxicity| toxicity as f32);
                // As a server prints it.
                let printed = kept.and_then(|kept| kept.to_string().parse::<f64>().ok());
                *toxicity = printed.map_or(Value::Null, |printed| json!(printed));
            }
            fields.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

/// A lane whose Toxiproxy is a stock one.
fn stock(killer: &Arc<Killer>) -> Lane {
    let lane = Lane::open(false);
    lane.watched_by(&killer.watch(), Some(as_stock));
    lane
}

#[test]
fn a_stock_toxiproxy_is_locked_and_left_as_it_was_wherever_the_process_died() {
    let killer = Arc::<Killer>::default();
    let lane = (stock(&killer), killer);
    let latency = KINDS.into_iter().find(|kind| kind.name == "latency");
    let coverage = dies_at_every_request(&lane, &latency.expect("it is in the list"));
    prove("at the requests to a stock proxy server", coverage);
}

#[test]
fn on_a_stock_toxiproxy_a_second_firedrill_is_refused_and_the_holder_knows_its_own() {
    let lane = Lane::open(false);
    lane.watched_by(&(Arc::new(|_: &str, _| Fate::Carried) as _), Some(as_stock));
    let shop = &lane.shop;
    let before = lane.snapshot();
    let mut first = shop.start(&Experiment::slow("60s"));
    let held = shop.proxies.toxics();
    let mark = held
        .iter()
        .find(|name| name.starts_with("mark-"))
        .expect("it is locked");
    let proxies = shop.proxies.snapshot().to_string();
    assert!(!proxies.contains("\"owner\":\"firedrill-"), "{proxies}");
    let elsewhere = shop
        .firedrill
        .with_data(shop.folder.path().join("elsewhere"));
    elsewhere
        .run(["run", "trial.yaml"])
        .exits(4)
        .tells("the lock on `latency downstream` of proxy shop-stock")
        .tells("another firedrill holds it, whose run this server does not keep")
        .tells(mark);
    elsewhere.run(["recover"]).exits(0);
    assert_eq!(
        shop.proxies.toxics(),
        held,
        "the first one's are as they were"
    );
    assert!(first.is_running());
    first.crash();
    shop.firedrill.run(["recover"]).exits(0);
    assert_eq!(lane.snapshot(), before);

    // A lock that is another's by now is left alone, as is the fault of its holder.
    let first = shop.start(&Experiment::slow("60s"));
    shop.proxies.remove(PROXY, mark);
    let theirs = json!({"name": mark, "type": "noop", "stream": "downstream", "toxicity": 0.25, "attributes": {}});
    let path = format!("/proxies/{PROXY}/toxics");
    let made = crate::http::send(shop.proxies.0, "POST", &path, &theirs.to_string());
    assert_eq!(made.expect("Toxiproxy answers").status(), 200);
    first.signal(rustix::process::Signal::TERM);
    first.finish().exits(3);
    let left = shop.proxies.toxics();
    assert!(left.contains(mark), "{left:?}");
    shop.proxies.remove(PROXY, mark);
    assert_eq!(lane.snapshot(), before);
}
