//! Locks of all kinds: taken before a fault, let go after it, as part of the same obligation.
//!
//! A lock stands in the token of its fault, and so is durable before it is taken; the undo of the fault lets it go. The
//! lock of a dead process is let go by whoever recovers its run.

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::docker::lock::ContainerLock;
use super::drivers::Drivers;
use super::sealed;
use super::toxiproxy::lock::LinkLock;
use crate::engine::event::Token;
use crate::engine::undo::Armed;
use crate::model::fault::Injection;
use crate::model::ids::RunId;
use crate::model::plan::Plan;
use crate::model::stack::Stack;
use crate::ports::FaultError;

/// The key of a lock in its fault's token.
const KEY: &str = "lock";

/// The longest any call about a lock takes: with its fault's, still less than what a driver call may.
const LONGEST: Duration = Duration::from_secs(4);

/// One lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Lock {
    Link(LinkLock),
    Container(ContainerLock),
}

impl Lock {
    fn of(run: &RunId, stack: &Stack, injection: &Injection, token: &Token) -> Option<Self> {
        let id = token.0.get("id").and_then(serde_json::Value::as_str);
        let link = LinkLock::of(run, stack, injection).map(Self::Link);
        link.or_else(|| ContainerLock::of(run, stack, injection, id).map(Self::Container))
    }

    /// The lock that is recorded with an injection; logs of earlier versions have none.
    fn recorded(armed: &Armed) -> Result<Option<Self>, FaultError> {
        let Some(value) = armed.token().0.get(KEY) else {
            return Ok(None);
        };
        serde_json::from_value(value.clone())
            .map(Some)
            .map_err(|error| FaultError::ReadBack {
                what: format!("the recorded lock of {}", armed.injection().id),
                why: error.to_string(),
            })
    }
}

impl Drivers {
    /// A fault's token with the lock that it needs, refused where somebody else holds that.
    pub(super) async fn with_lock(
        &self,
        run: &RunId,
        stack: &Stack,
        injection: &Injection,
        token: Token,
    ) -> Result<Token, FaultError> {
        let Some(lock) = Lock::of(run, stack, injection, &token) else {
            return Ok(token);
        };
        self.see(&lock).await?;
        let mut token = token;
        if let Some(fields) = token.0.as_object_mut() {
            fields.insert(KEY.to_owned(), sealed(&lock)?.0);
        }
        Ok(token)
    }

    pub(super) async fn take_lock(&self, armed: &Armed) -> Result<(), FaultError> {
        match Lock::recorded(armed)? {
            None => Ok(()),
            Some(Lock::Link(lock)) => in_time(self.toxiproxy.take_lock(armed, &lock)).await,
            Some(Lock::Container(lock)) => in_time(self.docker.take_lock(armed, &lock)).await,
        }
    }

    pub(super) async fn release_lock(&self, armed: &Armed) -> Result<(), FaultError> {
        match Lock::recorded(armed)? {
            None => Ok(()),
            Some(Lock::Link(lock)) => in_time(self.toxiproxy.release_lock(&lock)).await,
            Some(Lock::Container(lock)) => in_time(self.docker.release_lock(&lock)).await,
        }
    }

    /// Every link of a plan that somebody else holds now. Containers are known only once they are captured.
    pub async fn held(&self, plan: &Plan) -> Vec<String> {
        // No run has this name; whose lock it is must only not be ours.
        let Ok(nobody) = "preflight".parse::<RunId>() else {
            return Vec::new();
        };
        let mut looked = BTreeSet::new();
        let mut held = Vec::new();
        for injection in &plan.injections {
            let Some(lock) = LinkLock::of(&nobody, &plan.stack, injection) else {
                continue;
            };
            let (url, name) = lock.place();
            if !looked.insert((url.to_owned(), name.to_owned())) {
                continue;
            }
            // A server that does not answer is told by those who look at targets.
            if let Err(error @ FaultError::Foreign { .. }) =
                in_time(self.toxiproxy.see_lock(&lock)).await
            {
                held.push(error.to_string());
            }
        }
        held
    }

    async fn see(&self, lock: &Lock) -> Result<(), FaultError> {
        match lock {
            Lock::Link(lock) => in_time(self.toxiproxy.see_lock(lock)).await,
            Lock::Container(lock) => in_time(self.docker.see_lock(lock)).await,
        }
    }
}

async fn in_time<T>(call: impl Future<Output = Result<T, FaultError>>) -> Result<T, FaultError> {
    tokio::time::timeout(LONGEST, call)
        .await
        .unwrap_or_else(|_| {
            Err(FaultError::Unreachable {
                what: "the target's lock".to_owned(),
                why: format!("no answer within {} s", LONGEST.as_secs()),
            })
        })
}
