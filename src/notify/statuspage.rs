//! Statuspage's API, version 1: one incident a run, opened by the first message, added to by the others, resolved by the
//! last. Subscribers are never notified.
//!
//! An incident carries the run in its metadata. Where nobody remembers its id, because the answer that held it was lost,
//! it is looked for first: so a message that is tried again opens no second one, and what a dead process opened can be
//! closed.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::deliver::{Request, Twice};
use super::{Cleared, Notifiers, Taken};
use crate::model::message::Stage;

/// A page of an API.
#[derive(Debug, Clone, Copy)]
pub(super) struct Page<'a> {
    pub(super) url: &'a str,
    pub(super) id: &'a str,
}

impl Page<'_> {
    fn address(&self, rest: &str) -> String {
        let url = self.url.trim_end_matches('/');
        format!("{url}/v1/pages/{}/{rest}", self.id)
    }
}

pub(super) async fn send(
    notifiers: &Notifiers,
    cleared: &Cleared<'_>,
    page: Page<'_>,
    key: &str,
) -> Result<Taken, String> {
    let call = Call {
        notifiers,
        page,
        key,
    };
    let known = match cleared.thread() {
        Some(id) => Some(id.to_owned()),
        None => call.find(cleared.run()).await?,
    };
    let mut incident = json!({
        "status": status(cleared.stage()),
        "body": cleared.text(),
        "deliver_notifications": false,
    });
    if let Some(id) = known {
        let body = json!({"incident": incident});
        call.ask("PATCH", &format!("incidents/{id}"), Some(&body))
            .await?;
        return Ok(Taken {
            evidence: format!("Statuspage added it to incident {id}"),
            reference: Some(id),
        });
    }
    incident["name"] = json!(cleared.title());
    incident["metadata"] = json!({"firedrill": {"run": cleared.run()}});
    let body = json!({"incident": incident});
    let made = call.ask("POST", "incidents", Some(&body)).await?;
    let id = made["id"]
        .as_str()
        .ok_or("Statuspage did not say which incident it opened")?;
    Ok(Taken {
        evidence: format!("Statuspage opened incident {id}"),
        reference: Some(id.to_owned()),
    })
}

fn status(stage: Stage) -> &'static str {
    match stage {
        Stage::FirstNotice => "investigating",
        Stage::Update => "identified",
        Stage::Resolved | Stage::DrillOver => "resolved",
    }
}

struct Call<'a> {
    notifiers: &'a Notifiers,
    page: Page<'a>,
    key: &'a str,
}

impl Call<'_> {
    async fn ask(&self, method: &str, rest: &str, body: Option<&Value>) -> Result<Value, String> {
        let request = Request {
            method,
            url: self.page.address(rest),
            headers: BTreeMap::from([("authorization".to_owned(), format!("OAuth {}", self.key))]),
            body,
            twice: if method == "POST" {
                Twice::IsTwice
            } else {
                Twice::IsOnce
            },
            whom: "Statuspage",
        };
        let reply = self.notifiers.deliver(request).await?;
        Ok(reply.json().unwrap_or_default())
    }

    /// The open incident of a run, where there is one.
    async fn find(&self, run: &str) -> Result<Option<String>, String> {
        let open = self.ask("GET", "incidents/unresolved", None).await?;
        let open = open.as_array().into_iter().flatten();
        let mut ours = open.filter(|one| one["metadata"]["firedrill"]["run"] == run);
        Ok(ours
            .next()
            .and_then(|one| one["id"].as_str())
            .map(str::to_owned))
    }
}
