//! Groups of alerts, as Alertmanager sends them and Grafana does too.
//!
//! An alert is sent again for as long as it fires; it is one by its fingerprint, its start and its status. `startsAt`
//! is when the rule fired, which is after the rule's own wait; the group's wait and the way here come on top.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Arrival, Message, Refusal, Signal, What};
use crate::engine::event::ActorKind;

#[derive(Debug, Deserialize)]
struct Group {
    #[serde(default)]
    version: String,
    #[serde(default, rename = "truncatedAlerts")]
    truncated: u64,
    alerts: Vec<Alert>,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Alert {
    status: Status,
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    starts_at: Timestamp,
    #[serde(default)]
    ends_at: Option<String>,
    #[serde(default, rename = "generatorURL")]
    generator_url: String,
    fingerprint: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Firing,
    Resolved,
}

impl Alert {
    fn signal(&self, alone: bool) -> Signal {
        let status = match self.status {
            Status::Firing => "firing",
            Status::Resolved => "resolved",
        };
        Signal {
            identity: format!("{}/{}/{status}", self.fingerprint, self.starts_at),
            thread: Some(self.fingerprint.clone()),
            event_time: Some(self.starts_at),
            since: None,
            kind: ActorKind::Automation,
            person: None,
            what: What::Alert {
                firing: self.status == Status::Firing,
                labels: self.labels.clone(),
                fingerprint: self.fingerprint.clone(),
                starts_at: self.starts_at,
            },
            // The body as it came where it holds nothing else, so that a large group is not kept once for each alert.
            part: (!alone).then(|| serde_json::to_vec(self).unwrap_or_default()),
        }
    }
}

/// A group's alerts, of a body with this version.
pub(super) fn read(arrival: &Arrival<'_>, version: &str, what: &str) -> Result<Message, Refusal> {
    let group: Group = serde_json::from_slice(arrival.body)
        .map_err(|error| Refusal::Malformed(super::fields::unfit(what, &error)))?;
    if group.version != version {
        return Err(Refusal::Malformed(format!(
            "version `{}` is not known; hint: {what}s have `{version}`",
            super::fields::short(&group.version)
        )));
    }
    let alone = group.alerts.len() == 1;
    Ok(Message {
        signals: group.alerts.iter().map(|one| one.signal(alone)).collect(),
        truncated: group.truncated,
    })
}
