//! Any address that takes JSON. The header `Idempotency-Key` is the same whenever a message is sent, so that a receiver
//! can take two copies as one.

use std::collections::BTreeMap;

use serde_json::json;

use super::deliver::{Request, Twice};
use super::{Cleared, Notifiers, Taken};
use crate::model::probe::HttpRequest;

pub(super) async fn send(
    notifiers: &Notifiers,
    cleared: &Cleared<'_>,
    url: &str,
    headers: &BTreeMap<String, String>,
) -> Result<Taken, String> {
    let body = json!({
        "drill": true,
        "run": cleared.run(),
        "key": cleared.key(),
        "channel": cleared.channel().name,
        "audience": cleared.channel().audience,
        "stage": cleared.stage(),
        "title": cleared.title(),
        "text": cleared.text(),
    });
    let (url, mut headers) = notifiers.revealed(url, headers)?;
    headers.insert("idempotency-key".to_owned(), cleared.key());
    let reply = notifiers
        .deliver(Request {
            headers,
            ..Request::post("the webhook", url, &body, Twice::IsOnce)
        })
        .await?;
    Ok(Taken {
        reference: None,
        evidence: format!("the webhook answered {}", reply.status.as_u16()),
    })
}

impl Notifiers {
    /// An address and headers with the values of the secrets that they refer to.
    pub(super) fn revealed(
        &self,
        url: &str,
        headers: &BTreeMap<String, String>,
    ) -> Result<(String, BTreeMap<String, String>), String> {
        let template = HttpRequest {
            method: "POST".to_owned(),
            url: url.to_owned(),
            headers: headers.clone(),
            body: None,
        };
        let revealed = self.outbound.revealed(&template);
        let revealed = revealed.map_err(|error| error.to_string())?;
        Ok((revealed.url, revealed.headers))
    }
}
