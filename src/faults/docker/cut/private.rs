//! Private networks: where a group of containers sees itself and nobody else.
//!
//! Each network that a group leaves has one of ours in its place, with the same options and the same aliases on it, so
//! that who did not share a network before does not share one now. Its name follows from the run, the step and the
//! network, and is in the token of every container of the group before it is made. All of the group share it: the first
//! to come makes it, the last to go removes it. Who goes looks after it has left, so that of two that go at once at
//! least the later sees nobody. It is known as ours by its owner label; whoever else is on it is never touched.

use std::collections::{BTreeMap, HashMap};

use bollard::models::NetworkCreateRequest;
use serde::{Deserialize, Serialize};

use super::Mark;
use crate::engine::undo::Armed;
use crate::faults::docker::DockerDriver;
use crate::faults::docker::daemon::Daemon;
use crate::faults::docker::daemon::networks::Network;
use crate::faults::docker::short;
use crate::faults::owner;
use crate::model::fault::{Cause, Injection};
use crate::model::ids::RunId;
use crate::ports::FaultError;

/// Options of a network that no second one can have.
const OF_ONE_ONLY: [&str; 2] = [
    "com.docker.network.bridge.name",
    "com.docker.network.bridge.default_bridge",
];

/// A network of ours in place of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Private {
    pub(super) name: String,
    /// Whether it leads nowhere but to itself, as the one that is left.
    internal: bool,
    options: BTreeMap<String, String>,
}

impl Private {
    /// The one that stands in for `left`.
    pub(super) fn instead_of(left: &Network, group: &str) -> Self {
        let mut options = left.options.clone();
        options.retain(|key, _| !OF_ONE_ONLY.contains(&key.as_str()));
        Self {
            name: owner::toxic_name(&format!("{group}-{}", short(&left.id))),
            internal: left.internal,
            options,
        }
    }
}

/// Who moves together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Group {
    /// The owner label of its private networks: one for all of a step's containers.
    pub(super) owner: String,
    /// The others in it, by id: names.
    pub(super) others: BTreeMap<String, String>,
}

impl Group {
    /// What the private networks of a step, or of one of its occurrences, are labelled with.
    pub(super) fn tag(run: &RunId, injection: &Injection) -> String {
        let step = match &injection.cause {
            Cause::Step(step) => step.to_string(),
            Cause::Remedy(remedy) => remedy.to_string(),
        };
        let nth = injection.occurrence.map(|occurrence| occurrence.nth);
        let nth = nth.map_or_else(String::new, |nth| format!(":{nth}"));
        let step = if injection.veiled {
            owner::veil(&step)
        } else {
            step
        };
        format!("{}{step}{nth}", owner::prefix_of(run, injection))
    }
}

impl DockerDriver {
    /// The id of a private network, which is made where it is not there yet.
    pub(super) async fn made(
        &self,
        daemon: &Daemon,
        armed: &Armed,
        group: &Group,
        private: &Private,
    ) -> Result<String, FaultError> {
        // One at a time: the daemon would make two of one name.
        let _one = self.making.lock().await;
        let found = async || {
            let all = daemon
                .networks_labelled(owner::labels(&group.owner)[0], &group.owner)
                .await?;
            let named = all.into_iter().find(|(_, name)| *name == private.name);
            Ok::<_, FaultError>(named.map(|(id, _)| id))
        };
        if let Some(id) = found().await? {
            return Ok(id);
        }
        let [owned, of_run, until] = owner::labels(&group.owner);
        let labels = [
            (owned, group.owner.clone()),
            (of_run, owner::run_label(armed.run(), &group.owner)),
            (until, armed.deadline().wall.to_string()),
        ];
        let labels = labels.map(|(key, value)| (key.to_owned(), value));
        let wanted = NetworkCreateRequest {
            name: private.name.clone(),
            driver: Some("bridge".to_owned()),
            internal: Some(private.internal),
            options: Some(private.options.clone().into_iter().collect()),
            labels: Some(HashMap::from(labels)),
            ..NetworkCreateRequest::default()
        };
        daemon.create_network(wanted).await?;
        found().await?.ok_or_else(|| FaultError::ReadBack {
            what: format!("network {}", private.name),
            why: "it is not there after it was made".to_owned(),
        })
    }

    /// The private networks of ours that stand in for what this container leaves: ids and names.
    pub(super) async fn ours(
        daemon: &Daemon,
        mark: &Mark,
        group: &Group,
    ) -> Result<Vec<(String, String)>, FaultError> {
        let mut all = daemon
            .networks_labelled(owner::labels(&group.owner)[0], &group.owner)
            .await?;
        all.retain(|(_, name)| {
            let mut privates = mark.left.iter().filter_map(|left| left.private.as_ref());
            privates.any(|private| private.name == *name)
        });
        Ok(all)
    }

    /// Somebody else of the group who is on a private network. Those who are stopped count, and those whose connecting has
    /// failed: without it they could not be started.
    async fn still_on(
        daemon: &Daemon,
        group: &Group,
        name: &str,
    ) -> Result<Option<String>, FaultError> {
        for (id, mate) in &group.others {
            let Some(wired) = daemon.wired(id).await? else {
                continue;
            };
            let mut all = wired.attachments.iter().chain(&wired.failed);
            if all.any(|one| one.name == name) {
                return Ok(Some(mate.clone()));
            }
        }
        Ok(None)
    }

    /// Removes the private networks on which nobody of the group is left. Whether any was, and what there is to say.
    pub(super) async fn clear(
        &self,
        daemon: &Daemon,
        mark: &Mark,
        group: &Group,
    ) -> Result<(bool, String), FaultError> {
        let mut removed = false;
        let mut said = String::new();
        for (id, name) in Self::ours(daemon, mark, group).await? {
            let all = daemon.list().await?;
            let stranger = all
                .iter()
                .filter(|one| one.is_on(&id, &name))
                .find(|one| one.id != mark.id && !group.others.contains_key(&one.id));
            if let Some(stranger) = stranger {
                return Err(FaultError::Foreign {
                    what: format!("container {stranger} on network {name}"),
                    why: format!(
                        "somebody else connected it there; hint: `docker -H {} network disconnect {name} {}`",
                        mark.host, stranger.name
                    ),
                });
            }
            if let Some(mate) = Self::still_on(daemon, group, &name).await? {
                said = format!("{said}; network {name} stays for {mate}");
                continue;
            }
            self.attempts.undoing(&mark.owner);
            daemon.remove_network(&id).await?;
            if daemon.network(&id).await?.is_some() {
                return Err(FaultError::ReadBack {
                    what: format!("network {name}"),
                    why: "it is still there after it was removed".to_owned(),
                });
            }
            removed = true;
            said = format!("{said}; network {name} is removed");
        }
        Ok((removed, said))
    }
}
