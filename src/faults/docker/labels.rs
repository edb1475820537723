//! Container labels, read without touching anything: what the proof of staging needs of Docker.

use std::collections::BTreeMap;

use super::chosen;
use super::daemon::Daemon;
use crate::model::stack::ContainerSelector;
use crate::ports::{Answer, Containers, FaultError};

/// Reads labels from whichever daemon it is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Labels;

impl Containers for Labels {
    fn labels<'a>(
        &'a self,
        docker: &'a str,
        selector: &'a ContainerSelector,
    ) -> Answer<'a, Result<BTreeMap<String, String>, String>> {
        Box::pin(async move {
            let read = labels_of(docker, selector);
            read.await.map_err(|error: FaultError| error.to_string())
        })
    }
}

/// The labels of the one running container that is meant.
pub(in crate::faults) async fn labels_of(
    docker: &str,
    selector: &ContainerSelector,
) -> Result<BTreeMap<String, String>, FaultError> {
    let daemon = Daemon::reach(docker).await?;
    let one = chosen(&daemon.list().await?, selector, "the stack")?.clone();
    if !one.is_running() {
        let what = format!("container {one}");
        return Err(FaultError::Missing {
            what,
            hint: Some("it does not run".to_owned()),
        });
    }
    Ok(one.labels.into_iter().collect())
}
