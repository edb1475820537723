//! Test signals: before a drill begins, each tool whose signals it counts as detections is made to send one. What does not
//! come back through its hook is on record, and what only it could have told counts as not observed.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::Services;
use crate::model::probe::HttpRequest;
use crate::model::signal::{Sender, SignalTest};
use crate::model::time::Millis;
use crate::runtime::RunHandle;

/// Sends a request; what went wrong where it was not taken.
pub type Courier = Arc<
    dyn Fn(HttpRequest) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync,
>;

/// Who waits for which number, and through which tool.
type Waiting = BTreeMap<(Sender, String), oneshot::Sender<()>>;

/// The numbers of test signals that are waited for. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Echoes(Arc<Mutex<Waiting>>);

impl Echoes {
    fn expect(&self, sender: Sender, number: &str) -> oneshot::Receiver<()> {
        let (heard, echo) = oneshot::channel();
        self.lock().insert((sender, number.to_owned()), heard);
        echo
    }

    fn forget(&self, sender: Sender, number: &str) {
        self.lock().remove(&(sender, number.to_owned()));
    }

    /// Hears a message that has proven itself.
    pub(super) fn hear(&self, sender: Sender, body: &[u8]) {
        let mut waiting = self.lock();
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

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // The map is whole at every instant.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tests every tool that a drill depends on, beside its steady state.
pub fn test(services: &Services, handle: &RunHandle) {
    // Of a surprise drill it would tell.
    if handle.is_secret() {
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
            tell(&handle, sender, heard).await;
        });
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
    match heard {
        Ok(Ok(())) => {
            let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            Ok(Millis::new(took))
        }
        Ok(Err(why)) => Err(why),
        Err(_) => Err(format!("it did not come within {}", test.within)),
    }
}

async fn tell(handle: &RunHandle, sender: Sender, heard: Result<Millis, String>) {
    if let Err(error) = handle.source(sender, heard).await {
        tracing::warn!(run = %handle.run(), %sender, %error, "what came of a test signal could not be recorded");
    }
}
