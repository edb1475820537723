//! A banner inside the product under test: put there, replaced, and taken away. Putting the same one twice changes
//! nothing.

use std::collections::BTreeMap;

use serde_json::json;

use super::deliver::{Request, Twice};
use super::{Cleared, Notifiers, Taken};

pub(super) async fn send(
    notifiers: &Notifiers,
    cleared: &Cleared<'_>,
    url: &str,
    headers: &BTreeMap<String, String>,
) -> Result<Taken, String> {
    let visible = !cleared.stage().closes();
    let body = json!({
        "drill": true,
        "run": cleared.run(),
        "visible": visible,
        "stage": cleared.stage(),
        "title": cleared.title(),
        "text": cleared.text(),
    });
    let (url, headers) = notifiers.revealed(url, headers)?;
    let reply = notifiers
        .deliver(Request {
            method: "PUT",
            headers,
            ..Request::post("the product", url, &body, Twice::IsOnce)
        })
        .await?;
    let done = if visible { "shows it" } else { "hides it" };
    Ok(Taken {
        reference: None,
        evidence: format!("the product answered {}: it {done}", reply.status.as_u16()),
    })
}
