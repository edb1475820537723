//! The scripted on-call team: waits for the pager, then acts through the public API as people do, with a pace drawn
//! from the seed.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use super::desk::{Desk, Log};

/// What differs from drill to drill.
struct Case {
    alert: &'static str,
    symptom_path: &'static str,
    cause: &'static str,
    remedy: &'static str,
    first_notice: &'static str,
    all_clear: &'static str,
}

const SIGNER_OUTAGE: Case = Case {
    alert: "TransfersFailing",
    symptom_path: "/v1/transfers/canary",
    cause: "signer-outage",
    remedy: "failover-signer",
    first_notice: "Transfers are failing at the moment. Your funds are safe. Please do not retry: a transfer that seems \
                   lost may still be waiting, and sending it again could send it twice. We never ask for your seed \
                   phrase or private keys.",
    all_clear: "Transfers work again and your funds are safe. Transfers that were waiting are being sent; please do not \
                retry them.",
};

const BAD_TOKEN: Case = Case {
    alert: "LoginFailures",
    symptom_path: "/v1/login/canary",
    cause: "bad-token",
    remedy: "rollback",
    first_notice: "Log-ins are failing for everybody at the moment. Your funds are safe. Please do not retry again and \
                   again, and never share your seed phrase or private keys: nobody from our team will ask for them.",
    all_clear: "Log-ins work again and your funds are safe. Never share your seed phrase or private keys with anybody.",
};

/// The pace of one rehearsal.
struct Pace {
    seed: u64,
    step: u64,
}

impl Pace {
    /// Between `least` and `most` milliseconds: the next draw.
    async fn pause(&mut self, least: u64, most: u64) {
        self.step += 1;
        let mut hash = Sha256::new();
        hash.update(self.seed.to_le_bytes());
        hash.update(b"demo team pace");
        hash.update(self.step.to_le_bytes());
        let digest = hash.finalize();
        let draw = digest
            .iter()
            .take(8)
            .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        tokio::time::sleep(Duration::from_millis(least + draw % (most - least + 1))).await;
    }
}

/// Responds to one incident, until it is resolved or the run is over.
pub(super) async fn respond(
    desk: Desk,
    drill: String,
    seed: u64,
    log: Log,
    over: CancellationToken,
) {
    let case = if drill == "bad-token" {
        &BAD_TOKEN
    } else {
        &SIGNER_OUTAGE
    };
    tokio::select! {
        () = over.cancelled() => {}
        () = incident(&desk, case, Pace { seed, step: 0 }, &log) => {}
    }
}

async fn incident(desk: &Desk, case: &Case, mut pace: Pace, log: &Log) {
    let mut pager = desk.pager.subscribe();
    // The desk holds the sender, so this ends only with a value.
    let _ = pager
        .wait_for(|alert| alert.as_deref() == Some(case.alert))
        .await;
    pace.pause(1500, 3000).await;
    act(
        desk,
        log,
        "ann",
        "acknowledged",
        json!({"type": "acknowledged"}),
    )
    .await;
    pace.pause(1500, 2500).await;
    let symptom = symptom(desk, case).await;
    act(
        desk,
        log,
        "ann",
        "detected",
        json!({"type": "detected", "service": "wallet-api", "symptom": symptom}),
    )
    .await;
    pace.pause(800, 1500).await;
    act(
        desk,
        log,
        "ann",
        "declared",
        json!({"type": "declared", "severity": "SEV1"}),
    )
    .await;
    pace.pause(500, 1200).await;
    act(
        desk,
        log,
        "ann",
        "role_taken",
        json!({"type": "role_taken", "role": "incident_commander"}),
    )
    .await;
    pace.pause(500, 1000).await;
    act(
        desk,
        log,
        "bo",
        "operations",
        json!({"type": "role_taken", "role": "operations"}),
    )
    .await;
    pace.pause(400, 800).await;
    act(
        desk,
        log,
        "chris",
        "communications",
        json!({"type": "role_taken", "role": "communications"}),
    )
    .await;
    pace.pause(2500, 4000).await;
    act(
        desk,
        log,
        "chris",
        "update",
        update("first_notice", case.first_notice),
    )
    .await;
    pace.pause(1500, 3000).await;
    act(
        desk,
        log,
        "bo",
        "cause_named",
        json!({"type": "cause_named", "cause": case.cause}),
    )
    .await;
    pace.pause(1500, 3000).await;
    act(
        desk,
        log,
        "bo",
        "remedy_chosen",
        json!({"type": "remedy_chosen", "remedy": case.remedy}),
    )
    .await;
    let _ = pager.wait_for(Option::is_none).await;
    pace.pause(1000, 1500).await;
    act(
        desk,
        log,
        "chris",
        "all_clear",
        update("resolved", case.all_clear),
    )
    .await;
    pace.pause(300, 600).await;
    act(desk, log, "ann", "resolved", json!({"type": "resolved"})).await;
}

async fn act(desk: &Desk, log: &Log, actor: &str, what: &str, act: Value) {
    log.note(what);
    desk.act(actor, act).await;
}

/// What a person sees who tries it.
async fn symptom(desk: &Desk, case: &Case) -> String {
    let seen = desk.wallet("POST", case.symptom_path).await;
    let reason = seen
        .ok()
        .and_then(|reply| Some(reply.json().ok()?["reason"].as_str()?.to_owned()));
    format!(
        "{} fails: {}",
        case.symptom_path,
        reason.as_deref().unwrap_or("no answer")
    )
}

#[expect(
    clippy::disallowed_methods,
    reason = "a person promises the next update by the clock on the wall"
)]
fn update(stage: &str, text: &str) -> Value {
    let next = Timestamp::now()
        .saturating_add(SignedDuration::from_mins(15))
        .unwrap_or(Timestamp::MAX);
    json!({
        "type": "update_posted",
        "audience": "customers",
        "channels": ["status_page", "banner"],
        "stage": stage,
        "text": text,
        "next_update_at": next,
    })
}
