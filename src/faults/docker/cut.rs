//! Cuts: containers off their networks, and back on them as they were; and groups of containers parted from each other.
//!
//! The daemon offers no way to filter packets, and the host's firewall is not ours. So a container loses sight of others
//! by leaving the networks it shares with them. A group that is parted moves to private networks of ours, one for each
//! that it leaves, so that inside the group names and addresses by name hold; see [`private`].
//!
//! A container is known by its id: a restart changes nothing about its networks. What it had on each network is in the
//! token, in the words in which the daemon is asked for it again.

mod capture;
mod private;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use self::private::{Group, Private};
use super::daemon::Daemon;
use super::daemon::networks::{Attachment, Endpoint, Wired};
use super::{DockerDriver, short, succession};
use crate::engine::event::UndoneBy;
use crate::engine::undo::Armed;
use crate::faults::deadline;
use crate::ports::{Applied, FaultError, Presence, Removed};

/// What the undo needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// The daemon.
    host: String,
    /// The container.
    id: String,
    /// Its name then.
    name: String,
    /// When it was last started then.
    started_at: String,
    /// The owner tag.
    owner: String,
    /// The networks it leaves.
    left: Vec<Left>,
    /// The ports that were published then.
    published: BTreeSet<String>,
    /// Who moves with it, in a partition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<Group>,
}

/// One network that is left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Left {
    /// Its id.
    network: String,
    /// Its name then.
    name: String,
    /// The endpoint's id then: tells ours from one that somebody made since.
    endpoint: String,
    /// What was asked for there.
    asked: Endpoint,
    /// The network of ours that stands in for it, in a partition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    private: Option<Private>,
}

impl Left {
    fn now<'a>(&self, wired: &'a Wired) -> Option<&'a Attachment> {
        wired.on(&self.network, &self.name)
    }

    /// Whether somebody, or the daemon, has connected it with less than it had. A fixed address of another number was
    /// chosen on purpose.
    fn is_poorer(&self, now: &Attachment) -> bool {
        let lacks = |had: &[String], has: &[String]| had.iter().any(|one| !has.contains(one));
        (self.asked.is_fixed() && !now.asked.is_fixed())
            || lacks(&self.asked.aliases, &now.asked.aliases)
            || lacks(&self.asked.links, &now.asked.links)
    }
}

impl Mark {
    pub(super) fn what(&self) -> String {
        format!("container {} ({})", self.name, short(&self.id))
    }

    fn names(&self) -> String {
        let names: Vec<&str> = self.left.iter().map(|left| left.name.as_str()).collect();
        names.join(", ")
    }

    /// Whether the container is as the cut leaves it.
    fn shows_in(&self, wired: &Wired) -> bool {
        self.left.iter().all(|left| {
            let moved = left.private.as_ref().is_none_or(|private| {
                let mut all = wired.attachments.iter();
                all.any(|one| one.name == private.name)
            });
            moved && left.now(wired).is_none()
        })
    }

    fn state(wired: &Wired) -> String {
        let names: Vec<&str> = wired
            .attachments
            .iter()
            .map(|one| one.name.as_str())
            .collect();
        if names.is_empty() {
            "on no network".to_owned()
        } else {
            format!("on {}", names.join(", "))
        }
    }
}

/// What is done.
impl DockerDriver {
    pub(super) async fn cut(&self, armed: &Armed, mark: &Mark) -> Result<Applied, FaultError> {
        deadline::left(armed, &self.clock.now())?;
        let daemon = Daemon::reach(&mark.host).await?;
        let before = self.still_there(&daemon, mark).await?;
        let repeated = self.attempts.applied(&mark.owner).is_some();
        // Only endpoints that are as they were captured are ours to take away.
        let as_captured = mark.left.iter().all(|left| match left.now(&before) {
            Some(now) => now.endpoint == left.endpoint,
            None => repeated,
        });
        let seen = &before.seen;
        let runs = seen.running && !seen.restarting && !seen.paused;
        if !as_captured || !runs || seen.started_at != mark.started_at {
            return Err(FaultError::Foreign {
                what: mark.what(),
                why: format!(
                    "it has changed since it was looked at: {}, {}",
                    seen.state(),
                    Mark::state(&before)
                ),
            });
        }
        let sent = self.attempts.applying(&mark.owner, self.clock.now());
        let asked = self.sever(&daemon, armed, mark, &before).await;
        // Whatever was answered, what the container shows decides.
        let after = self.still_there(&daemon, mark).await?;
        if !mark.shows_in(&after) {
            asked?;
            return Err(FaultError::ReadBack {
                what: mark.what(),
                why: format!(
                    "it is {}, and was to leave {}",
                    Mark::state(&after),
                    mark.names()
                ),
            });
        }
        Ok(Applied {
            sent,
            effective: self.clock.now(),
            evidence: format!(
                "{} reads back {}, off {}",
                mark.what(),
                Mark::state(&after),
                mark.names()
            ),
        })
    }

    /// Private networks come first, so that ports stay published and a group never stands alone.
    async fn sever(
        &self,
        daemon: &Daemon,
        armed: &Armed,
        mark: &Mark,
        before: &Wired,
    ) -> Result<(), FaultError> {
        for left in &mark.left {
            if let (Some(group), Some(private)) = (&mark.group, &left.private) {
                let network = self.made(daemon, armed, group, private).await?;
                if before.on(&network, &private.name).is_none() {
                    let inside = Endpoint {
                        aliases: left.asked.aliases.clone(),
                        links: left.asked.links.clone(),
                        gateway_priority: left.asked.gateway_priority,
                        ..Endpoint::default()
                    };
                    daemon.connect(&network, &mark.id, &inside).await?;
                }
            }
            if left.now(before).is_some() {
                daemon.disconnect(&left.network, &mark.id).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn see_cut(&self, mark: &Mark) -> Result<Presence, FaultError> {
        let daemon = Daemon::reach(&mark.host).await?;
        let Some(wired) = daemon.wired(&mark.id).await? else {
            let gone = succession(&daemon, &mark.what(), &mark.name).await?;
            return Ok(Presence::Gone(gone));
        };
        if !mark.shows_in(&wired) {
            let now = format!("{} is {}", mark.what(), Mark::state(&wired));
            return Ok(Presence::Gone(now));
        }
        for left in &mark.left {
            if daemon.network(&left.network).await?.is_none() {
                return Ok(Presence::Gone(removed_meanwhile(&left.name)));
            }
        }
        Ok(Presence::Present)
    }

    async fn still_there(&self, daemon: &Daemon, mark: &Mark) -> Result<Wired, FaultError> {
        daemon
            .wired(&mark.id)
            .await?
            .ok_or_else(|| FaultError::Missing {
                what: mark.what(),
                hint: Some("it was removed since it was looked at".to_owned()),
            })
    }
}

/// What is undone.
impl DockerDriver {
    pub(super) async fn rejoin(&self, mark: &Mark) -> Result<Removed, FaultError> {
        let daemon = Daemon::reach(&mark.host).await?;
        let mut ours = self.attempts.undo_sent(&mark.owner);
        let mut said = match daemon.wired(&mark.id).await? {
            None => succession(&daemon, &mark.what(), &mark.name).await?,
            Some(before) => {
                let (sent, gone) = self.connect_again(&daemon, mark, &before).await?;
                ours |= sent;
                match daemon.wired(&mark.id).await? {
                    None => succession(&daemon, &mark.what(), &mark.name).await?,
                    Some(after) => is_back(mark, &after, &gone)?,
                }
            }
        };
        if let Some(group) = &mark.group {
            let (removed, told) = self.clear(&daemon, mark, group).await?;
            ours |= removed;
            said = format!("{said}{told}");
        }
        self.attempts.settled(&mark.owner);
        Ok(Removed {
            at: self.clock.now(),
            by: if ours { UndoneBy::Us } else { UndoneBy::Other },
            evidence: said,
        })
    }

    /// Puts right what is missing, network by network: only a container that is back on one leaves what stands in for it.
    /// One that can't come back keeps none of the others waiting. Whether anything was asked for, and the networks that are
    /// there no more.
    async fn connect_again(
        &self,
        daemon: &Daemon,
        mark: &Mark,
        before: &Wired,
    ) -> Result<(bool, BTreeSet<String>), FaultError> {
        let privates = match &mark.group {
            Some(group) => Self::ours(daemon, mark, group).await?,
            None => Vec::new(),
        };
        let mut sent = false;
        let mut gone = BTreeSet::new();
        let mut failed = None;
        for left in &mark.left {
            match self
                .connect_one(daemon, mark, left, before, &privates)
                .await
            {
                Ok(Back::AsItWas) => {}
                Ok(Back::Asked) => sent = true,
                Ok(Back::Nowhere) => {
                    gone.insert(left.network.clone());
                }
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok((sent, gone)), Err)
    }

    async fn connect_one(
        &self,
        daemon: &Daemon,
        mark: &Mark,
        left: &Left,
        before: &Wired,
        privates: &[(String, String)],
    ) -> Result<Back, FaultError> {
        let mut back = Back::AsItWas;
        let now = left.now(before);
        if now.is_none_or(|now| now.endpoint != left.endpoint && left.is_poorer(now)) {
            if daemon.network(&left.network).await?.is_none() {
                back = Back::Nowhere;
            } else {
                self.attempts.undoing(&mark.owner);
                back = Back::Asked;
                if now.is_some() {
                    daemon.disconnect(&left.network, &mark.id).await?;
                }
                daemon
                    .connect(&left.network, &mark.id, &left.asked)
                    .await
                    .map_err(|error| not_back(mark, left, error))?;
            }
        }
        let stands_in = privates.iter().filter(|(_, name)| {
            let private = left.private.as_ref();
            private.is_some_and(|private| private.name == *name)
        });
        for (network, name) in stands_in {
            let has_failed = before.failed.iter().any(|one| one.name == *name);
            if has_failed {
                // The daemon takes it off only what it is really on.
                daemon
                    .connect(network, &mark.id, &Endpoint::default())
                    .await?;
            }
            if has_failed || before.on(network, name).is_some() {
                self.attempts.undoing(&mark.owner);
                daemon.disconnect(network, &mark.id).await?;
                if back == Back::AsItWas {
                    back = Back::Asked;
                }
            }
        }
        Ok(back)
    }
}

/// What came of connecting a container again to one network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Back {
    /// Nothing had to be asked for.
    AsItWas,
    /// It was asked for.
    Asked,
    /// The network is there no more.
    Nowhere,
}

/// What a container shows that is back; an error where it is not.
fn is_back(mark: &Mark, wired: &Wired, gone: &BTreeSet<String>) -> Result<String, FaultError> {
    let wrong = |why: String| FaultError::ReadBack {
        what: mark.what(),
        why,
    };
    let runs = wired.seen.running;
    let mut said = Vec::new();
    for left in &mark.left {
        if gone.contains(&left.network) {
            said.push(removed_meanwhile(&left.name));
            continue;
        }
        let name = &left.name;
        let Some(now) = left.now(wired) else {
            return Err(wrong(format!("it is not on {name} again")));
        };
        if left.is_poorer(now) {
            let why = format!("on {name} it has {:?}, and had {:?}", now.asked, left.asked);
            return Err(wrong(why));
        }
        let mac = left.asked.mac.as_ref();
        if runs && now.asked.is_fixed() && mac.is_some() && mac != now.asked.mac.as_ref() {
            return Err(wrong(format!(
                "on {name} it does not have its MAC address again"
            )));
        }
        said.push(match &now.address {
            Some(address) => format!("{} is on {name} with {address}", mark.what()),
            None => format!("{} is on {name}", mark.what()),
        });
    }
    let all_there = gone.is_empty() && runs;
    if all_there && !mark.published.is_subset(&wired.published) {
        let lacks: Vec<&str> = mark
            .published
            .difference(&wired.published)
            .map(String::as_str)
            .collect();
        return Err(wrong(format!(
            "it does not publish {} again",
            lacks.join(", ")
        )));
    }
    Ok(said.join("; "))
}

fn removed_meanwhile(network: &str) -> String {
    format!(
        "network {network} was removed by somebody else: there is nothing to come back to, and one that has its name now \
         is not touched"
    )
}

fn not_back(mark: &Mark, left: &Left, error: FaultError) -> FaultError {
    match error {
        FaultError::Refused { what, why } => FaultError::Refused {
            what,
            why: format!(
                "{} could not come back to {}: {why}",
                mark.what(),
                left.name
            ),
        },
        error => error,
    }
}

impl Mark {
    /// The commands that connect it again, and remove what is private.
    pub(super) fn by_hand(&self) -> String {
        let docker = format!("docker -H {}", self.host);
        let container = short(&self.id);
        let mut commands = Vec::new();
        for left in &self.left {
            let mut connect = format!("{docker} network connect");
            let options = [("--ip", &left.asked.ipv4), ("--ip6", &left.asked.ipv6)];
            for (option, address) in options {
                if let Some(address) = address {
                    connect = format!("{connect} {option} {address}");
                }
            }
            for (option, values) in [
                ("--alias", &left.asked.aliases),
                ("--link", &left.asked.links),
            ] {
                for value in values.iter().filter(|value| *value != container) {
                    connect = format!("{connect} {option} {value}");
                }
            }
            commands.push(format!("{connect} {} {container}", short(&left.network)));
        }
        for private in self.left.iter().filter_map(|left| left.private.as_ref()) {
            let name = &private.name;
            commands.push(format!("{docker} network disconnect {name} {container}"));
            commands.push(format!("{docker} network rm {name}"));
        }
        commands.join("; ")
    }
}
