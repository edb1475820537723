//! Container labels, read without touching anything: what the proof of staging needs of Docker.

use super::chosen;
use super::daemon::Daemon;
use crate::model::stack::ContainerSelector;
use crate::ports::{Answer, Containers, FaultError, Labelled};

/// Reads labels from whichever daemon it is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Labels;

impl Containers for Labels {
    fn labels<'a>(
        &'a self,
        docker: &'a str,
        selector: &'a ContainerSelector,
    ) -> Answer<'a, Result<Labelled, String>> {
        Box::pin(async move {
            let read = labelled(docker, selector);
            read.await.map_err(|error: FaultError| error.to_string())
        })
    }
}

/// The one container that is meant: a running one, where others are not.
pub(in crate::faults) async fn labelled(
    docker: &str,
    selector: &ContainerSelector,
) -> Result<Labelled, FaultError> {
    let daemon = Daemon::reach(docker).await?;
    let all = daemon.list().await?;
    let one = chosen(&all, selector, "the stack")?;
    Ok(Labelled {
        labels: one.labels.clone().into_iter().collect(),
        runs: one.is_running(),
    })
}
