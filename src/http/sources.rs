//! Test signals: before a drill begins, each tool whose signals it counts as detections is made to send one. What does not
//! come back through its hook is on record, and what only it could have told counts as not observed.
//!
//! A test that is sent because a drill begins tells of it, in the team's own tools. So nothing is sent for a surprise: its
//! tools count as proven by when they were last heard, and are made to speak on a clock that knows of no drill.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::Services;
use crate::engine::input::Proof;
use crate::model::probe::HttpRequest;
use crate::model::signal::{Sender, SignalTest};
use crate::model::time::{Millis, wall_clock};
use crate::runtime::RunHandle;

/// Sends a request; what went wrong where it was not taken.
pub type Courier = Arc<
    dyn Fn(HttpRequest) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync,
>;

/// For how long a tool that was heard counts as one that can be.
const PROVEN_FOR: SignedDuration = SignedDuration::from_hours(24);

/// Test signals: those that are waited for, and what came of the last. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Echoes(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    /// Who waits for which number, and through which tool.
    waiting: BTreeMap<(Sender, String), oneshot::Sender<()>>,
    /// The tools whose last test failed: when, and why.
    failed: BTreeMap<Sender, (Timestamp, String)>,
}

impl Echoes {
    fn expect(&self, sender: Sender, number: &str) -> oneshot::Receiver<()> {
        let (heard, echo) = oneshot::channel();
        let key = (sender, number.to_owned());
        self.lock().waiting.insert(key, heard);
        echo
    }

    fn forget(&self, sender: Sender, number: &str) {
        self.lock().waiting.remove(&(sender, number.to_owned()));
    }

    /// Keeps what came of a test.
    fn came_of(&self, sender: Sender, heard: &Result<Millis, String>, now: Timestamp) {
        let mut known = self.lock();
        match heard {
            Ok(_) => drop(known.failed.remove(&sender)),
            Err(why) => drop(known.failed.insert(sender, (now, why.clone()))),
        }
    }

    /// When and why the last test of a tool failed, if it did.
    fn failure(&self, sender: Sender) -> Option<(Timestamp, String)> {
        self.lock().failed.get(&sender).cloned()
    }

    /// Hears a message that has proven itself.
    pub(super) fn hear(&self, sender: Sender, body: &[u8]) {
        let mut known = self.lock();
        let waiting = &mut known.waiting;
        let found: Vec<(Sender, String)> = waiting
            .keys()
            .filter(|(from, number)| {
                let number = number.as_bytes();
                *from == sender && body.windows(number.len()).any(|part| part == number)
            })
            .cloned()
            .collect();
        for key in found {
            if let Some(heard) = waiting.remove(&key) {
                // Whoever waited may have given up.
                let _ = heard.send(());
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // The maps are whole at every instant.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tests every tool that a drill depends on, beside its steady state; of a surprise, looks when each was last heard.
pub fn test(services: &Services, handle: &RunHandle) {
    if handle.is_secret() {
        let (services, handle) = (services.clone(), handle.clone());
        let supervisor = services.supervisor.clone();
        supervisor.own(async move { look_back(&services, &handle).await });
        return;
    }
    for sender in handle.plan().monitors() {
        let Some(test) = services.senders.tests.get(&sender) else {
            // A hook that nothing can prove itself to stays silent for sure. Of the rest nobody knows without a test.
            if !services.senders.knows(sender) {
                let (handle, why) = (handle.clone(), "its hook is closed".to_owned());
                services.supervisor.own(async move {
                    tell(&handle, sender, Err(why)).await;
                });
            }
            continue;
        };
        let (services, handle, test) = (services.clone(), handle.clone(), test.clone());
        let supervisor = services.supervisor.clone();
        supervisor.own(async move {
            let heard = send(&services, sender, &test).await;
            tell(&handle, sender, heard.map(Proof::Tested)).await;
        });
    }
}

/// Tests every tool again and again, whether or not a drill comes, until the server goes.
pub async fn rounds(services: Services) {
    let Some(every) = services.senders.tested_every else {
        return;
    };
    let services = &services;
    loop {
        let tests = services.senders.tests.iter();
        let sent = tests.map(|(sender, test)| async move {
            if let Err(why) = send(services, *sender, test).await {
                tracing::warn!(%sender, %why, "a test signal did not come through");
            }
        });
        join_all(sent).await;
        // Cancel safe: a pause begins anew.
        tokio::select! {
            () = services.shutdown.cancelled() => return,
            () = tokio::time::sleep(every.duration()) => {}
        }
    }
}

/// Says of each tool that a surprise depends on when it was last heard.
async fn look_back(services: &Services, handle: &RunHandle) {
    let heard = match services.database.heard().await {
        Ok(heard) => heard,
        Err(error) => {
            tracing::error!(run = %handle.run(), %error, "when tools were last heard can't be read");
            return;
        }
    };
    let now = services.now().wall;
    for sender in handle.plan().monitors() {
        let last = heard.iter().find(|one| one.source == sender.as_str());
        if let Some(proof) = proof(services, sender, last.map(|one| one.last), now) {
            if let Err(why) = &proof {
                tracing::warn!(run = %handle.run(), %sender, %why, "a surprise depends on a tool that is not proven");
            }
            tell(handle, sender, proof.map(Proof::Heard)).await;
        }
    }
}

/// When a tool was last heard, or why it does not count as heard; nothing where nobody knows.
fn proof(
    services: &Services,
    sender: Sender,
    last: Option<Timestamp>,
    now: Timestamp,
) -> Option<Result<Timestamp, String>> {
    if !services.senders.knows(sender) {
        return Some(Err("its hook is closed".to_owned()));
    }
    let failure = services.echoes.failure(sender);
    match (last, failure) {
        (last, Some((at, why))) if last.is_none_or(|last| last < at) => Some(Err(format!(
            "its last test, at {}, failed: {why}",
            wall_clock(at)
        ))),
        (Some(last), _) if now.duration_since(last) <= PROVEN_FOR => Some(Ok(last)),
        _ if services.senders.tests.contains_key(&sender) => Some(Err(format!(
            "it was not heard in the last {} h, and nothing is sent for a surprise; hint: `signal_tests: {{every: 6h}}` in \
             the server's configuration",
            PROVEN_FOR.as_hours()
        ))),
        _ => None,
    }
}

async fn send(services: &Services, sender: Sender, test: &SignalTest) -> Result<Millis, String> {
    let number = format!("t{:015x}", services.ids().seed());
    let began = tokio::time::Instant::now();
    let echo = services.echoes.expect(sender, &number);
    let sent = async {
        (services.courier)(test.numbered(&number)).await?;
        echo.await.map_err(|_| "it was not waited for".to_owned())
    };
    // Cancel safe: what is given up is forgotten below.
    let heard = tokio::select! {
        heard = timeout(test.within.duration(), sent) => heard,
        () = services.shutdown.cancelled() => Ok(Err("the server goes".to_owned())),
    };
    services.echoes.forget(sender, &number);
    let heard = match heard {
        Ok(Ok(())) => {
            let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            Ok(Millis::new(took))
        }
        Ok(Err(why)) => Err(why),
        Err(_) => Err(format!("it did not come within {}", test.within)),
    };
    let echoes = &services.echoes;
    echoes.came_of(sender, &heard, services.now().wall);
    heard
}

async fn tell(handle: &RunHandle, sender: Sender, heard: Result<Proof, String>) {
    if let Err(error) = handle.source(sender, heard).await {
        tracing::warn!(run = %handle.run(), %sender, %error, "whether a tool can be heard could not be recorded");
    }
}
