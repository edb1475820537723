//! E-mail by SMTP: plain text, its subject marked too. Later messages of a run answer the first, so that they are one
//! thread; the same message always has the same id.

use std::time::Duration;

use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Mailboxes, MessageBuilder};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};

use super::{Cleared, Taken};
use crate::address::Place;
use crate::model::channel::{Email, Encryption};

/// How long a server may take for one answer.
const ONE_ANSWER: Duration = Duration::from_secs(10);

pub(super) async fn send(
    cleared: &Cleared<'_>,
    email: &Email,
    password: Option<String>,
) -> Result<Taken, String> {
    let place: Place = email.server.parse()?;
    let parameters =
        || TlsParameters::new(place.host.clone()).map_err(|error| format!("no TLS: {error}"));
    let tls = match email.encryption {
        Encryption::Starttls => Tls::Required(parameters()?),
        Encryption::Tls => Tls::Wrapper(parameters()?),
        Encryption::Plain => Tls::None,
    };
    let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&place.host)
        .port(place.port)
        .timeout(Some(ONE_ANSWER))
        .tls(tls);
    if let (Some(account), Some(password)) = (&email.account, password) {
        transport = transport.credentials(Credentials::new(account.user.clone(), password));
    }
    let id = format!("<{}@firedrill>", cleared.key());
    let message = written(cleared, email, &id)?;
    let answer = transport
        .build()
        .send(message)
        .await
        .map_err(|error| format!("the mail server did not take it: {error}"))?;
    let first = cleared.thread().unwrap_or(&id).to_owned();
    let said: Vec<&str> = answer.message().take(1).collect();
    Ok(Taken {
        reference: Some(first),
        evidence: format!(
            "the mail server answered {} {}",
            answer.code(),
            said.join(" ").chars().take(120).collect::<String>()
        ),
    })
}

fn written(cleared: &Cleared<'_>, email: &Email, id: &str) -> Result<Message, String> {
    let mailbox = |text: &String| -> Result<Mailbox, String> {
        text.parse()
            .map_err(|error| format!("`{text}` is no address: {error}"))
    };
    let recipients = email
        .to
        .iter()
        .map(mailbox)
        .collect::<Result<Vec<_>, _>>()?;
    let recipients: Mailboxes = recipients.into_iter().collect();
    let mut builder: MessageBuilder = Message::builder()
        .from(mailbox(&email.from)?)
        .mailbox(lettre::message::header::To::from(recipients))
        .subject(cleared.title())
        .message_id(Some(id.to_owned()))
        .header(AutoSubmitted)
        .header(ContentType::TEXT_PLAIN);
    if let Some(first) = cleared.thread() {
        builder = builder
            .in_reply_to(first.to_owned())
            .references(first.to_owned());
    }
    builder
        .body(cleared.text().to_owned())
        .map_err(|error| format!("the e-mail can't be written: {error}"))
}

/// So that absences are not answered to it (RFC 3834).
#[derive(Debug, Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}
