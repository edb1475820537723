//! Discord's webhooks: `content` of at most 2000 characters, and nobody mentioned whatever it says.
//!
//! Source: Discord's documentation of Execute Webhook. With `wait=true` it answers with the message it made.

use serde_json::json;

use super::deliver::{Request, Twice};
use super::{Cleared, Notifiers, Taken};

const MOST: usize = 2000;

pub(super) async fn send(
    notifiers: &Notifiers,
    cleared: &Cleared<'_>,
    webhook: &str,
) -> Result<Taken, String> {
    let body = json!({
        "content": cleared.text_within(MOST),
        "allowed_mentions": {"parse": []},
    });
    let joint = if webhook.contains('?') { '&' } else { '?' };
    let url = format!("{webhook}{joint}wait=true");
    let reply = notifiers
        .deliver(Request::post("Discord", url, &body, Twice::IsTwice))
        .await?;
    let id = reply.json().ok();
    let id = id.as_ref().and_then(|answer| answer["id"].as_str());
    Ok(Taken {
        reference: id.map(str::to_owned),
        evidence: match id {
            Some(id) => format!("Discord took it as message {id}"),
            None => "Discord took it".to_owned(),
        },
    })
}
