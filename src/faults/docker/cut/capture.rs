//! What a cut will need to be undone, and what can't be undone: refused before anything is touched.

use std::collections::BTreeMap;

use super::private::{Group, Private};
use super::{Left, Mark};
use crate::engine::event::Token;
use crate::faults::docker::daemon::networks::{Attachment, Network, Wired};
use crate::faults::docker::daemon::{Daemon, Listed};
use crate::faults::docker::{DockerDriver, chosen, host_of, named, short};
use crate::faults::{misdirected, owner, sealed};
use crate::model::cut::{Address, Cut, Others, Party};
use crate::model::fault::{Act, Injection};
use crate::model::ids::RunId;
use crate::model::stack::Stack;
use crate::ports::FaultError;

/// The network that containers without one are on. They know each other there by address only.
const DEFAULT: &str = "bridge";

/// Networks that nobody made.
const PREDEFINED: [&str; 4] = [DEFAULT, "host", "none", "docker_gwbridge"];

/// Who refuses what, for messages.
struct Asked {
    what: String,
}

impl Asked {
    fn refuse(&self, why: impl Into<String>) -> FaultError {
        FaultError::Refused {
            what: self.what.clone(),
            why: why.into(),
        }
    }
}

impl DockerDriver {
    pub(in crate::faults::docker) async fn read_cut(
        &self,
        run: &RunId,
        stack: &Stack,
        injection: &Injection,
    ) -> Result<Token, FaultError> {
        let Act::Cut {
            service,
            selector,
            cut,
        } = &injection.act
        else {
            return Err(misdirected("Docker", injection));
        };
        let host = host_of(stack)?;
        let daemon = Daemon::reach(host).await?;
        let all = daemon.list().await?;
        let listed = chosen(&all, selector, service.as_str())?;
        let wired = daemon
            .wired(&listed.id)
            .await?
            .ok_or_else(|| FaultError::Missing {
                what: format!("container {}", listed.name),
                hint: Some("it was removed just now".to_owned()),
            })?;
        let asked = Asked {
            what: format!(
                "{} of container {} ({})",
                cut.as_str(),
                wired.seen.name,
                short(&wired.seen.id)
            ),
        };
        fit(&asked, &wired)?;
        let (leaving, group) = match cut {
            Cut::Disconnect { networks, .. } => (leaving(&asked, &wired, networks)?, None),
            Cut::Part {
                from, with, others, ..
            } => {
                let sides = Sides::of(&all, listed, from, with)?;
                let leaving = sides.parted(&asked, &wired, *others, &all)?;
                let group = Group {
                    owner: Group::tag(run, injection),
                    others: sides.rest(),
                };
                (leaving, Some(group))
            }
        };
        let mut left = Vec::new();
        for attachment in leaving {
            let network =
                daemon
                    .network(&attachment.network)
                    .await?
                    .ok_or_else(|| FaultError::Missing {
                        what: format!("network {}", attachment.name),
                        hint: Some("it was removed just now".to_owned()),
                    })?;
            comes_back(&asked, attachment, &network, cut.address())?;
            let private = match &group {
                Some(group) => {
                    replaceable(&asked, &network)?;
                    Some(Private::instead_of(&network, &group.owner))
                }
                None => None,
            };
            left.push(Left {
                network: attachment.network.clone(),
                name: attachment.name.clone(),
                endpoint: attachment.endpoint.clone(),
                asked: attachment.asked.clone(),
                private,
            });
        }
        sealed(&Mark {
            host: host.to_owned(),
            id: wired.seen.id,
            name: wired.seen.name,
            started_at: wired.seen.started_at,
            owner: owner::tag_of(run, injection),
            left,
            published: wired.published,
            group,
        })
    }
}

/// Whether the container is one whose networks are its own to leave and to come back to.
fn fit(asked: &Asked, wired: &Wired) -> Result<(), FaultError> {
    let seen = &wired.seen;
    if !seen.running || seen.paused || seen.restarting {
        return Err(asked.refuse(format!(
            "it is {}, and only a running one can be disturbed",
            seen.state()
        )));
    }
    let mode = wired.mode.as_str();
    if mode == "host" || mode == "none" {
        return Err(asked.refuse(format!(
            "it was made with the network `{mode}`, which can't be left or joined while it runs; hint: disturb a service on a \
             network of its own"
        )));
    }
    if mode.starts_with("container:") {
        return Err(asked.refuse(
            "it uses the network of another container; hint: disturb the service of that one"
                .to_owned(),
        ));
    }
    if wired.drawn_ports && !wired.published.is_empty() {
        return Err(asked.refuse(
            "it publishes a port whose number the daemon draws, and would come back with another; hint: publish it on a port \
             of the host that is written down",
        ));
    }
    Ok(())
}

/// What a disconnected container leaves.
fn leaving<'a>(
    asked: &Asked,
    wired: &'a Wired,
    names: &[String],
) -> Result<Vec<&'a Attachment>, FaultError> {
    let is_own = |one: &&Attachment| !PREDEFINED.contains(&one.name.as_str());
    let on: Vec<&str> = wired
        .attachments
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    if names.is_empty() {
        let own: Vec<&Attachment> = wired.attachments.iter().filter(is_own).collect();
        if own.is_empty() {
            return Err(asked.refuse(format!(
                "it is on no user-defined network, only on {}; hint: name in `networks` which to leave",
                if on.is_empty() { "none".to_owned() } else { on.join(", ") }
            )));
        }
        return Ok(own);
    }
    let mut chosen = Vec::new();
    for name in names {
        let found = wired.attachments.iter().find(|one| one.name == *name);
        let Some(found) = found else {
            return Err(asked.refuse(format!(
                "it is not on network {name}; hint: it is on {}",
                if on.is_empty() {
                    "none".to_owned()
                } else {
                    on.join(", ")
                }
            )));
        };
        if found.name == DEFAULT && wired.old_links {
            return Err(asked.refuse(
                "it has links on the default network (`--link`), which are made only when a container is; hint: use a network \
                 of your own",
            ));
        }
        chosen.push(found);
    }
    Ok(chosen)
}

/// Whether it will be on this network as it is now.
fn comes_back(
    asked: &Asked,
    on: &Attachment,
    network: &Network,
    address: Address,
) -> Result<(), FaultError> {
    if network.scope != "local" {
        return Err(asked.refuse(format!(
            "network {} is of scope {}, where others decide who is on it; hint: leave it out of `networks`",
            network.name, network.scope
        )));
    }
    let chosen_by_daemon = on.address.as_ref().filter(|_| on.asked.ipv4.is_none());
    let drawn_ipv6 = network.ipv6 && on.asked.ipv6.is_none();
    if address == Address::Same && (chosen_by_daemon.is_some() || drawn_ipv6) {
        return Err(asked.refuse(format!(
            "its address {}on {} was chosen by the daemon and may be another afterwards; hint: `address: any` accepts that; a \
             fixed one, on a network with a subnet of its own, comes back",
            chosen_by_daemon.map_or_else(String::new, |address| format!("{address} ")),
            network.name
        )));
    }
    Ok(())
}

/// Whether one of ours can stand in for it.
fn replaceable(asked: &Asked, network: &Network) -> Result<(), FaultError> {
    if network.driver != "bridge" {
        return Err(asked.refuse(format!(
            "network {} is of driver {}, and a private one would be of driver bridge; hint: `disconnect` takes containers off \
             it",
            network.name, network.driver
        )));
    }
    if network.ipv6 {
        return Err(asked.refuse(format!(
            "network {} has IPv6, and a private one would not; hint: `disconnect` takes containers off it",
            network.name
        )));
    }
    Ok(())
}

/// The containers of a partition.
struct Sides<'a> {
    own: &'a Listed,
    from: Vec<(&'a Party, &'a Listed)>,
    with: Vec<(&'a Party, &'a Listed)>,
}

impl<'a> Sides<'a> {
    fn of(
        all: &'a [Listed],
        own: &'a Listed,
        from: &'a [Party],
        with: &'a [Party],
    ) -> Result<Self, FaultError> {
        let found = |parties: &'a [Party]| {
            let found = |party: &'a Party| {
                chosen(all, &party.selector, party.service.as_str()).map(|one| (party, one))
            };
            parties.iter().map(found).collect::<Result<Vec<_>, _>>()
        };
        Ok(Self {
            own,
            from: found(from)?,
            with: found(with)?,
        })
    }

    /// The rest of its group, by id.
    fn rest(&self) -> BTreeMap<String, String> {
        let rest = self.with.iter();
        rest.map(|(_, one)| (one.id.clone(), one.name.clone()))
            .collect()
    }

    /// The networks that the container shares with the other side, which it leaves.
    fn parted<'w>(
        &self,
        asked: &Asked,
        wired: &'w Wired,
        others: Others,
        all: &[Listed],
    ) -> Result<Vec<&'w Attachment>, FaultError> {
        let several = self
            .from
            .iter()
            .chain(&self.with)
            .find(|(_, one)| one.id == self.own.id);
        if let Some((party, one)) = several {
            return Err(asked.refuse(format!(
                "it is the container of {} as well: {one}",
                party.service
            )));
        }
        let on_both = |one: &&Attachment| {
            let mut from = self.from.iter();
            from.any(|(_, other)| other.is_on(&one.network, &one.name))
        };
        let left: Vec<&Attachment> = wired.attachments.iter().filter(on_both).collect();
        if left.is_empty() {
            return Err(asked.refuse(format!(
                "it shares no network with {}; hint: leave it out of `to`",
                services(&self.from)
            )));
        }
        if left.iter().any(|one| one.name == DEFAULT) {
            return Err(asked.refuse(
                "on the default network containers know each other by address only, and addresses change on a private one; \
                 hint: use a network of your own, or `disconnect`",
            ));
        }
        self.all_shared(asked)?;
        if others == Others::Refuse {
            self.alone(asked, &left, all)?;
        }
        Ok(left)
    }

    /// Everybody on the other side must lose somebody: who shares no network with the group is not cut from it.
    fn all_shared(&self, asked: &Asked) -> Result<(), FaultError> {
        let shares = |one: &Listed, other: &Listed| {
            one.networks.iter().any(|(name, id)| other.is_on(id, name))
        };
        let apart = self.from.iter().find(|(_, from)| {
            !shares(from, self.own) && !self.with.iter().any(|(_, one)| shares(from, one))
        });
        match apart {
            Some((party, _)) => Err(asked.refuse(format!(
                "{} shares no network with any service of `to`; hint: leave it out of `from`",
                party.service
            ))),
            None => Ok(()),
        }
    }

    /// Nobody else may run on what is left.
    fn alone(&self, asked: &Asked, left: &[&Attachment], all: &[Listed]) -> Result<(), FaultError> {
        let is_known = |one: &&Listed| {
            one.id == self.own.id
                || self
                    .from
                    .iter()
                    .chain(&self.with)
                    .any(|(_, known)| known.id == one.id)
        };
        let strangers: Vec<&Listed> = all
            .iter()
            .filter(|one| one.is_running() && !is_known(one))
            .filter(|one| left.iter().any(|on| one.is_on(&on.network, &on.name)))
            .collect();
        if strangers.is_empty() {
            return Ok(());
        }
        Err(asked.refuse(format!(
            "{} would lose sight of it too, being on neither side; hint: name their services in `from` or `to`, or accept it \
             with `others: cut`",
            named(strangers.into_iter())
        )))
    }
}

fn services(parties: &[(&Party, &Listed)]) -> String {
    let names: Vec<&str> = parties
        .iter()
        .map(|(party, _)| party.service.as_str())
        .collect();
    names.join(", ")
}
