//! Grafana's webhook: Alertmanager's JSON with a version of its own, signed where the contact point has a secret.
//!
//! The signature is over the body, or over the time, a colon and the body where a header for the time is set; without
//! one a copy can't be told from the message, and only deduplication keeps it harmless.

use super::{Arrival, Message, Refusal, alerts, proof};
use crate::model::signal::GrafanaSigning;

pub(super) fn prove(signing: &GrafanaSigning, arrival: &Arrival<'_>) -> Result<(), Refusal> {
    let signature = arrival.headers.get(&signing.signature_header);
    let signature = signature.ok_or(Refusal::Unproven("the signature is missing"))?;
    let time = match &signing.timestamp_header {
        Some(header) => Some(
            arrival
                .headers
                .get(header)
                .ok_or(Refusal::Unproven("the signature's time is missing"))?,
        ),
        None => None,
    };
    let signature = std::iter::once(signature.trim());
    let secrets = std::slice::from_ref(&signing.secret);
    let signed = match time {
        Some(time) => proof::is_signed(secrets, &[time.as_bytes(), b":", arrival.body], signature),
        None => proof::is_signed(secrets, &[arrival.body], signature),
    };
    if !signed {
        return Err(Refusal::Unproven("the signature is wrong"));
    }
    if time.is_some_and(|time| !proof::is_fresh(time, arrival.received)) {
        return Err(Refusal::Unproven(
            "the signature's time is more than 300 s from now",
        ));
    }
    Ok(())
}

pub(super) fn read(arrival: &Arrival<'_>) -> Result<Message, Refusal> {
    alerts::read(arrival, "1", "Grafana message")
}
