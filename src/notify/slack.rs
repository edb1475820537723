//! Slack's incoming webhooks: `{"text": …}`, in which `&`, `<` and `>` are escaped, so that no text calls a whole channel.
//!
//! Source: Slack's documentation of incoming webhooks and of formatting text. It answers `ok`.

use serde_json::json;

use super::deliver::{Request, Twice};
use super::{Cleared, Notifiers, Taken};

/// The most that Slack shows of a text without cutting it.
const MOST: usize = 4000;

pub(super) async fn send(
    notifiers: &Notifiers,
    cleared: &Cleared<'_>,
    webhook: &str,
) -> Result<Taken, String> {
    let text = cleared
        .text_within(MOST)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let body = json!({"text": text, "unfurl_links": false, "unfurl_media": false});
    let request = Request::post("Slack", webhook.to_owned(), &body, Twice::IsTwice);
    notifiers.deliver(request).await?;
    Ok(Taken {
        reference: None,
        evidence: "Slack took it".to_owned(),
    })
}
