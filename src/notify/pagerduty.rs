//! PagerDuty's Events API, version 2: one incident a run, which its `dedup_key` makes of every message, and which the
//! last one resolves. Two copies are one by that key.
//!
//! Source: PagerDuty's documentation of the Events API v2; a summary has at most 1024 characters.

use serde_json::{Value, json};

use super::deliver::{Request, Twice};
use super::{Cleared, Notifiers, Taken};

const LONGEST_SUMMARY: usize = 1024;

pub(super) async fn send(
    notifiers: &Notifiers,
    cleared: &Cleared<'_>,
    url: &str,
    routing_key: &str,
) -> Result<Taken, String> {
    let key = format!("firedrill-{}", cleared.run());
    let action = if cleared.stage().closes() {
        "resolve"
    } else {
        "trigger"
    };
    let body: Value = json!({
        "routing_key": routing_key,
        "event_action": action,
        "dedup_key": key,
        "client": "firedrill",
        "payload": {
            "summary": cleared.text_within(LONGEST_SUMMARY),
            "source": "firedrill",
            "severity": "error",
            "class": "drill",
            "custom_details": {
                "drill": true,
                "stage": cleared.stage(),
                "title": cleared.title(),
                "text": cleared.text(),
            },
        },
    });
    let url = format!("{}/v2/enqueue", url.trim_end_matches('/'));
    let reply = notifiers
        .deliver(Request::post("PagerDuty", url, &body, Twice::IsOnce))
        .await?;
    let answer = reply.json().unwrap_or_default();
    let known = answer["dedup_key"].as_str().unwrap_or(&key).to_owned();
    Ok(Taken {
        evidence: format!("PagerDuty took it ({action}) as {known}"),
        reference: Some(known),
    })
}
