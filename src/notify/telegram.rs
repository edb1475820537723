//! Telegram's Bot API: `sendMessage` of plain text, since Markdown would have to be escaped, and a longer text than 4096
//! is refused rather than cut. The token is in the address, which is therefore never shown.

use serde_json::json;

use super::deliver::{Request, Twice};
use super::{Cleared, Notifiers, Taken};

const MOST: usize = 4096;

pub(super) async fn send(
    notifiers: &Notifiers,
    cleared: &Cleared<'_>,
    url: &str,
    token: &str,
    chat: &str,
) -> Result<Taken, String> {
    let body = json!({
        "chat_id": chat,
        "text": cleared.text_within(MOST),
        "link_preview_options": {"is_disabled": true},
    });
    let url = format!("{}/bot{token}/sendMessage", url.trim_end_matches('/'));
    let reply = notifiers
        .deliver(Request::post("Telegram", url, &body, Twice::IsTwice))
        .await?;
    let answer = reply.json().unwrap_or_default();
    if answer["ok"] != true {
        return Err("Telegram did not say that it took it".to_owned());
    }
    let id = answer["result"]["message_id"].as_i64();
    Ok(Taken {
        reference: id.map(|id| id.to_string()),
        evidence: match id {
            Some(id) => format!("Telegram took it as message {id}"),
            None => "Telegram took it".to_owned(),
        },
    })
}
