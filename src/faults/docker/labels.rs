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
            let read = async {
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
            };
            read.await.map_err(|error: FaultError| error.to_string())
        })
    }
}
