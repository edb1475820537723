//! Settling with the ledger: what was broadcast is confirmed, what failed is let go, in order, until the ledger says so.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::App;
use super::book::Step;
use super::dependencies::CALL;

const RETRY_AFTER: Duration = Duration::from_millis(300);

pub(super) async fn run(app: Arc<App>) {
    loop {
        // A permit that was stored while the outbox was being emptied wakes this at once, so nothing is overlooked.
        app.settle.notified().await;
        loop {
            let next = app.book.lock().outbox.front().cloned();
            let Some((id, step)) = next else { break };
            let name = match step {
                Step::Confirm => "confirm",
                Step::Reverse => "reverse",
            };
            match app
                .dependencies
                .settle(&id, name, Instant::now() + CALL)
                .await
            {
                Ok(()) => app.book.lock().settled(),
                // The ledger has other books than the wallet, say because it lost them: asking again is no use, and the
                // comparison of the books will show it.
                Err(trouble) if trouble.settled => {
                    tracing::warn!(%id, step = name, reason = %trouble, "the ledger refused to settle a transfer");
                    app.book.lock().settled();
                }
                Err(_) => tokio::time::sleep(RETRY_AFTER).await,
            }
        }
    }
}
