//! Locks on containers: one fault at a time on one container, whoever started it.
//!
//! Containers take no label once they exist, so the mark is a labelled volume beside them, empty, named by the container's
//! id: creating one that exists answers with the existing one, whose labels say whose it is, without a word that tells where
//! that is a surprise drill's. A volume that is not ours is never touched. The daemon ends nothing by itself: a label says
//! when the mark has outlived its fault.

use serde::{Deserialize, Serialize};

use super::DockerDriver;
use crate::engine::undo::Armed;
use crate::faults::{deadline, lock_name, owner};
use crate::model::fault::{Act, Injection};
use crate::model::ids::RunId;
use crate::model::stack::Stack;
use crate::ports::FaultError;

/// One lock on a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::faults) struct ContainerLock {
    /// The daemon.
    host: String,
    /// The volume's name, the same for whoever acts on the same container.
    name: String,
    /// The container, in words.
    what: String,
    /// The owner tag.
    owner: String,
    /// The run.
    run: RunId,
}

impl ContainerLock {
    /// The lock of an injection on the container with this id; none where it acts on no container.
    pub(in crate::faults) fn of(
        run: &RunId,
        stack: &Stack,
        injection: &Injection,
        id: Option<&str>,
    ) -> Option<Self> {
        let (Act::Container {
            service, selector, ..
        }
        | Act::Cut {
            service, selector, ..
        }) = &injection.act
        else {
            return None;
        };
        let selected = selector.to_string();
        Some(Self {
            host: stack.docker.clone()?,
            name: lock_name(id.unwrap_or(&selected)),
            what: format!("the container of {service}"),
            owner: owner::tag_of(run, injection),
            run: run.clone(),
        })
    }

    fn is_ours(&self, labels: &std::collections::HashMap<String, String>) -> bool {
        labels.get(owner::labels(&self.owner)[0]) == Some(&self.owner)
    }

    fn held(&self, labels: &std::collections::HashMap<String, String>) -> FaultError {
        // Whoever holds it may hide whose it is.
        let [owner, run, until] = owner::labels("firedrill-");
        let label = |key: &str| labels.get(key).map_or("nobody knows", String::as_str);
        FaultError::Foreign {
            what: format!("the lock on {} at {}", self.what, self.host),
            why: format!(
                "{} of run {} holds it, until {} at the latest; hint: wait for that run; where it is dead, `firedrill \
                 recover` on its machine, or `docker volume rm {}`",
                label(owner),
                label(run),
                label(until),
                self.name
            ),
        }
    }
}

impl DockerDriver {
    /// Refuses where somebody else holds it. Touches nothing.
    pub(in crate::faults) async fn see_lock(&self, lock: &ContainerLock) -> Result<(), FaultError> {
        let daemon = self.reach(&lock.host).await?;
        match daemon.volume_labels(&lock.name).await? {
            Some(labels) if !lock.is_ours(&labels) => Err(lock.held(&labels)),
            _ => Ok(()),
        }
    }

    /// Takes it, or says who holds it.
    pub(in crate::faults) async fn take_lock(
        &self,
        armed: &Armed,
        lock: &ContainerLock,
    ) -> Result<(), FaultError> {
        deadline::left(armed, &self.clock.now())?;
        let daemon = self.reach(&lock.host).await?;
        let [owned, of_run, until] = owner::labels(&lock.owner);
        let labels = [
            (owned, lock.owner.clone()),
            (of_run, owner::run_label(&lock.run, &lock.owner)),
            (until, armed.deadline().wall.to_string()),
        ];
        let labels = labels.map(|(key, value)| (key.to_owned(), value));
        daemon.create_volume(&lock.name, labels.into()).await?;
        // What is there decides, whatever was answered.
        match daemon.volume_labels(&lock.name).await? {
            Some(labels) if lock.is_ours(&labels) => Ok(()),
            Some(labels) => Err(lock.held(&labels)),
            None => Err(FaultError::ReadBack {
                what: format!("the lock {} at {}", lock.name, lock.host),
                why: "it is not there after it was made".to_owned(),
            }),
        }
    }

    /// Lets it go and reads that back. One that is somebody else's is left alone.
    pub(in crate::faults) async fn release_lock(
        &self,
        lock: &ContainerLock,
    ) -> Result<(), FaultError> {
        let daemon = self.reach(&lock.host).await?;
        let is_ours = |labels: Option<std::collections::HashMap<String, String>>| {
            labels.is_some_and(|labels| lock.is_ours(&labels))
        };
        if !is_ours(daemon.volume_labels(&lock.name).await?) {
            return Ok(());
        }
        daemon.remove_volume(&lock.name).await?;
        if is_ours(daemon.volume_labels(&lock.name).await?) {
            return Err(FaultError::ReadBack {
                what: format!("the lock {} at {}", lock.name, lock.host),
                why: "it is still there after it was removed".to_owned(),
            });
        }
        Ok(())
    }
}
