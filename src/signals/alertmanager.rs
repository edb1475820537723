//! Alertmanager's webhook, version 4 of its JSON. It signs nothing, so that a token must come along.

use super::{Arrival, Message, Refusal, alerts};

/// The alerts of a message.
pub(super) fn read(arrival: &Arrival<'_>) -> Result<Message, Refusal> {
    alerts::read(arrival, "4", "Alertmanager message")
}
