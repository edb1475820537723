//! The demo's monitoring: reads the wallet's `/metrics` as Prometheus would, fires after a rule's own delay, and sends
//! Alertmanager's webhook.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::desk::{Desk, Log};

/// How often metrics are read.
const READ_EVERY: Duration = Duration::from_millis(500);

/// How long a rule must hold until it fires.
const HOLDS_FOR: Duration = Duration::from_secs(4);

/// An alerting rule: nothing succeeds any more, and something fails.
struct Rule {
    alert: &'static str,
    succeeded: &'static [&'static str],
    failed: &'static [&'static str],
}

const RULES: [Rule; 2] = [
    Rule {
        alert: "TransfersFailing",
        succeeded: &["wallet_transfers_total{outcome=\"broadcast\"}"],
        failed: &[
            "wallet_transfers_total{outcome=\"failed\"}",
            "wallet_transfers_total{outcome=\"pending\"}",
        ],
    },
    Rule {
        alert: "LoginFailures",
        succeeded: &["wallet_logins_total{outcome=\"accepted\"}"],
        failed: &["wallet_logins_total{outcome=\"rejected\"}"],
    },
];

/// One rule's memory.
#[derive(Default)]
struct Series {
    succeeded: f64,
    failed: f64,
    since: Option<Instant>,
    firing: Option<Timestamp>,
}

/// Watches until `over`.
pub(super) async fn watch(desk: Desk, log: Log, over: CancellationToken) {
    let mut series: [Series; 2] = Default::default();
    let mut first = true;
    loop {
        tokio::select! {
            () = over.cancelled() => return,
            () = tokio::time::sleep(READ_EVERY) => {}
        }
        let Ok(reply) = desk.wallet("GET", "/metrics").await else {
            continue;
        };
        let page = reply.text();
        for (rule, series) in RULES.iter().zip(&mut series) {
            let (succeeded, failed) = (total(&page, rule.succeeded), total(&page, rule.failed));
            let (works, fails) = (succeeded > series.succeeded, failed > series.failed);
            series.succeeded = succeeded;
            series.failed = failed;
            if first {
                continue;
            }
            if works {
                series.since = None;
                if let Some(began) = series.firing.take() {
                    desk.alert(&message(rule.alert, "resolved", began)).await;
                    desk.pager.send_replace(None);
                    log.note(&format!("{} resolved", rule.alert));
                }
            } else if fails {
                series.since.get_or_insert_with(Instant::now);
            }
            let due = series
                .since
                .is_some_and(|since| since.elapsed() >= HOLDS_FOR);
            if due && series.firing.is_none() {
                fire(&desk, &log, rule.alert, series).await;
            }
        }
        first = false;
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "an alert says when it fired by its own system's clock"
)]
async fn fire(desk: &Desk, log: &Log, alert: &str, series: &mut Series) {
    let began = Timestamp::now();
    log.note(&format!("{alert} firing"));
    if desk.alert(&message(alert, "firing", began)).await {
        series.firing = Some(began);
        desk.pager.send_replace(Some(alert.to_owned()));
    }
}

/// The sum of some series of a page in Prometheus's text format.
fn total(page: &str, series: &[&str]) -> f64 {
    let value = |line: &str| {
        line.rsplit_once(' ')
            .and_then(|(_, value)| value.parse::<f64>().ok())
    };
    page.lines()
        .filter(|line| series.iter().any(|name| line.starts_with(name)))
        .filter_map(value)
        .sum()
}

/// Alertmanager's webhook, version 4.
fn message(alert: &str, status: &str, began: Timestamp) -> Value {
    let labels = json!({"alertname": alert, "severity": "critical", "env": "staging"});
    json!({
        "version": "4",
        "groupKey": format!("{{}}:{{alertname=\"{alert}\"}}"),
        "truncatedAlerts": 0,
        "status": status,
        "receiver": "wallet-oncall",
        "groupLabels": {"alertname": alert},
        "commonLabels": labels,
        "commonAnnotations": {},
        "externalURL": "http://127.0.0.1:9093",
        "alerts": [{
            "status": status,
            "labels": labels,
            "annotations": {"summary": "nothing succeeds any more"},
            "startsAt": began.to_string(),
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://127.0.0.1:9090/graph",
            "fingerprint": format!("{:016x}", alert.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)))),
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_added_up_by_series() {
        let page = "# TYPE a counter\na{outcome=\"x\"} 3\na{outcome=\"y\"} 4\nb 9\n";
        assert!(
            (total(page, &["a{outcome=\"x\"}", "a{outcome=\"y\"}"]) - 7.0).abs() < f64::EPSILON
        );
        assert!(total(page, &["c"]).abs() < f64::EPSILON);
    }
}
