//! Starts under a key: one start stays one, however often it is asked for.
//!
//! The run's id is kept under the key before the run is started, and answers are made from the run alone: so an answer
//! that was lost comes again, over restarts too, and a start that was refused, of which nothing is left, may be tried
//! again.

use std::time::Duration;

use axum::http::HeaderMap;
use sha2::{Digest as _, Sha256};

use super::start::{Started, Wanted, start_as};
use crate::http::Services;
use crate::http::actor::Visitor;
use crate::http::gate::hex;
use crate::http::problem::Problem;
use crate::model::ids::RunId;
use crate::store::{self, keyed::KeyedStart};

/// The longest key.
pub(in crate::http) const LONGEST: usize = 255;

/// How long a start waits for another under the same key, and how often it looks.
const LOOKS: u32 = 20;
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What a caller names one start by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key(String);

impl Key {
    /// That of a request, where it has one: bare, or a quoted string as the header's draft standard writes it.
    pub(super) fn of(headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        let Some(value) = headers.get("idempotency-key") else {
            return Ok(None);
        };
        let text = value.to_str().unwrap_or_default().trim();
        let bare = text
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'))
            .unwrap_or(text);
        if bare.is_empty() || bare.len() > LONGEST || !bare.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Problem::bad(
                "bad-idempotency-key",
                format!("`Idempotency-Key` takes 1 to {LONGEST} visible ASCII characters"),
            ));
        }
        Ok(Some(Self(bare.to_owned())))
    }
}

/// Starts a run, or answers with the one that was started under this key.
pub(super) async fn start(
    services: &Services,
    visitor: &Visitor,
    key: &Key,
    wanted: Wanted,
) -> Result<Started, Problem> {
    let mine = KeyedStart {
        wanted: digest(&wanted)?,
        run: services.ids().run(),
    };
    let caller = visitor.means.caller();
    let kept = services
        .database
        .keep_start(caller, &key.0, &mine, services.now().wall)
        .await?;
    if kept.wanted != mine.wanted {
        return Err(Problem::unprocessable(
            "idempotency-key-reused",
            "this `Idempotency-Key` belongs to another start; hint: take a new key for each",
        ));
    }
    if let Some(started) = known(services, &kept.run).await? {
        return Ok(started);
    }
    match start_as(services, visitor, wanted, kept.run.clone()).await {
        Ok(handle) => Ok(Started::of(kept.run, handle.plan().name().to_owned())),
        Err(problem) if kept.run == mine.run => {
            services
                .database
                .forget_start(caller, &key.0, &mine.run)
                .await?;
            Err(problem)
        }
        // Another request under this key may be about to begin it.
        Err(problem) => begun_by_another(services, &kept.run).await?.ok_or(problem),
    }
}

async fn begun_by_another(services: &Services, run: &RunId) -> Result<Option<Started>, Problem> {
    for _ in 0..LOOKS {
        if let Some(started) = known(services, run).await? {
            return Ok(Some(started));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(None)
}

/// A run that has begun, here or in the store.
async fn known(services: &Services, run: &RunId) -> Result<Option<Started>, Problem> {
    if let Some(handle) = services.supervisor.get(run) {
        let name = handle.plan().name().to_owned();
        return Ok(Some(Started::of(run.clone(), name)));
    }
    match services.database.run(run).await {
        Ok(row) => Ok(Some(Started::of(row.id, row.name))),
        Err(store::Error::NoSuchRun(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What is asked for, whatever the order and the spaces of its JSON.
fn digest(wanted: &Wanted) -> Result<String, Problem> {
    let text = serde_json::to_vec(wanted).map_err(|error| Problem::internal(&error))?;
    Ok(hex(&Sha256::digest(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_bare_or_quoted_and_short() {
        let of = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("idempotency-key", text.parse().expect("a value"));
            Key::of(&headers)
        };
        assert_eq!(of("k-1"), Ok(Some(Key("k-1".into()))));
        assert_eq!(of("\"k-1\""), Ok(Some(Key("k-1".into()))));
        assert_eq!(Key::of(&HeaderMap::new()), Ok(None));
        for bad in ["", "\"\"", "a b", &"x".repeat(256)] {
            assert!(of(bad).is_err(), "{bad:?} was taken");
        }
    }
}
