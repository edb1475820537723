//! Container labels, read without touching anything: what the proof of staging needs of Docker.

use super::daemon::{Daemon, Listed};
use super::{carries, named};
use crate::model::stack::ContainerSelector;
use crate::ports::{Answer, Containers, FaultError, Found, Labelled};

/// Reads labels from whichever daemon it is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Labels;

impl Containers for Labels {
    fn find<'a>(
        &'a self,
        docker: &'a str,
        selector: &'a ContainerSelector,
    ) -> Answer<'a, Result<Found, String>> {
        Box::pin(async move {
            let found = found(docker, selector);
            found.await.map_err(|error: FaultError| error.to_string())
        })
    }
}

/// The containers that are meant, at least one: those that run, and where none does, those that don't.
pub(in crate::faults) async fn found(
    docker: &str,
    selector: &ContainerSelector,
) -> Result<Found, FaultError> {
    let all = Daemon::reach(docker).await?.list().await?;
    let meant: Vec<&Listed> = all.iter().filter(|one| carries(one, selector)).collect();
    let any_runs = meant.iter().any(|one| one.is_running());
    let found: Found = meant
        .into_iter()
        .filter(|one| one.is_running() || !any_runs)
        .map(|one| {
            let labelled = Labelled {
                labels: one.labels.clone().into_iter().collect(),
                runs: one.is_running(),
            };
            (one.name.clone(), labelled)
        })
        .collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let hint = if all.is_empty() {
        "there are no containers".to_owned()
    } else {
        format!("the containers there are {}", named(all.iter()))
    };
    Err(FaultError::Missing {
        what: format!("a container {selector}"),
        hint: Some(hint),
    })
}
