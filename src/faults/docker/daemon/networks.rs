//! Networks of one daemon, and what containers have on them. Networks go by their ids: a daemon of before API 1.44 lets
//! two have one name.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bollard::errors::Error;
use bollard::models::{
    EndpointIpamConfig, EndpointSettings, NetworkConnectRequest, NetworkCreateRequest,
    NetworkDisconnectRequest, PortMap,
};
use bollard::query_parameters::{InspectNetworkOptions, ListNetworksOptions};
use serde::{Deserialize, Serialize};

use super::{Daemon, Listed, Seen, failure};
use crate::ports::FaultError;

/// A network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::faults::docker) struct Network {
    pub(in crate::faults::docker) id: String,
    pub(in crate::faults::docker) name: String,
    pub(in crate::faults::docker) driver: String,
    /// `local`, or `swarm`.
    pub(in crate::faults::docker) scope: String,
    pub(in crate::faults::docker) internal: bool,
    pub(in crate::faults::docker) ipv6: bool,
    pub(in crate::faults::docker) options: BTreeMap<String, String>,
    pub(in crate::faults::docker) labels: BTreeMap<String, String>,
}

/// What was asked for when a container was connected: all that connecting it again needs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(in crate::faults::docker) struct Endpoint {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::faults::docker) ipv4: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::faults::docker) ipv6: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(in crate::faults::docker) link_local: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(in crate::faults::docker) aliases: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(in crate::faults::docker) links: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(in crate::faults::docker) options: BTreeMap<String, String>,
    /// From API 1.48 on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::faults::docker) gateway_priority: Option<i64>,
    /// Where it is not the one that follows from the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::faults::docker) mac: Option<String>,
}

/// A container on one network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::faults::docker) struct Attachment {
    /// The network's name.
    pub(in crate::faults::docker) name: String,
    /// The network's id; empty where the container has not run there yet.
    pub(in crate::faults::docker) network: String,
    /// The endpoint's id; empty while the container does not run.
    pub(in crate::faults::docker) endpoint: String,
    pub(in crate::faults::docker) asked: Endpoint,
    /// The address it has now.
    pub(in crate::faults::docker) address: Option<String>,
}

impl Attachment {
    /// Whether it is on this network.
    pub(in crate::faults::docker) fn is_on(&self, id: &str, name: &str) -> bool {
        is_on(&self.name, &self.network, id, name)
    }
}

/// A container with its networks.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::faults::docker) struct Wired {
    pub(in crate::faults::docker) seen: Seen,
    /// `default`, a network, `host`, `none`, or `container:…`.
    pub(in crate::faults::docker) mode: String,
    pub(in crate::faults::docker) attachments: Vec<Attachment>,
    /// What a running container is said to have where connecting it has failed: it is not on these networks, but without
    /// them it could not be started again.
    pub(in crate::faults::docker) failed: Vec<Attachment>,
    /// The ports that are published now, as `host address:port -> port`.
    pub(in crate::faults::docker) published: BTreeSet<String>,
    /// Whether some published port has a number of the daemon's choice.
    pub(in crate::faults::docker) drawn_ports: bool,
    /// Whether it has links of the old kind, on the default network.
    pub(in crate::faults::docker) old_links: bool,
}

impl Wired {
    /// What it has on this network.
    pub(in crate::faults::docker) fn on(&self, id: &str, name: &str) -> Option<&Attachment> {
        self.attachments.iter().find(|one| one.is_on(id, name))
    }
}

impl Listed {
    /// Whether it is on this network, running or not.
    pub(in crate::faults::docker) fn is_on(&self, id: &str, name: &str) -> bool {
        let mut networks = self.networks.iter();
        networks.any(|(its_name, its_id)| is_on(its_name, its_id, id, name))
    }
}

/// Containers that have not run since they were connected know their networks by name only.
fn is_on(its_name: &str, its_id: &str, id: &str, name: &str) -> bool {
    its_id == id || (its_id.is_empty() && its_name == name)
}

impl Daemon {
    /// One container by id or name with its networks, if it is there.
    pub(in crate::faults::docker) async fn wired(
        &self,
        id: &str,
    ) -> Result<Option<Wired>, FaultError> {
        let Some(mut answer) = self.answer(id).await? else {
            return Ok(None);
        };
        let settings = answer.network_settings.take().unwrap_or_default();
        let config = answer.host_config.clone().unwrap_or_default();
        let bound = config.port_bindings.unwrap_or_default();
        let networks: BTreeMap<String, EndpointSettings> =
            settings.networks.unwrap_or_default().into_iter().collect();
        let seen = self.seen(id, answer)?;
        let attachments = networks.into_iter().map(attachment);
        let (attachments, failed) =
            attachments.partition(|one| !seen.running || !one.endpoint.is_empty());
        Ok(Some(Wired {
            seen,
            mode: config.network_mode.unwrap_or_default(),
            attachments,
            failed,
            published: published(settings.ports.unwrap_or_default()),
            drawn_ports: config.publish_all_ports.unwrap_or_default() || is_drawn(&bound),
            old_links: !config.links.unwrap_or_default().is_empty(),
        }))
    }

    /// One network by id, if it is there.
    pub(in crate::faults::docker) async fn network(
        &self,
        id: &str,
    ) -> Result<Option<Network>, FaultError> {
        let asked = self
            .docker
            .inspect_network(id, None::<InspectNetworkOptions>);
        match asked.await {
            Ok(answer) => Ok(Some(Network {
                id: answer.id.unwrap_or_default(),
                name: answer.name.unwrap_or_default(),
                driver: answer.driver.unwrap_or_default(),
                scope: answer.scope.unwrap_or_default(),
                internal: answer.internal.unwrap_or_default(),
                ipv6: answer.enable_ipv6.unwrap_or_default(),
                options: answer.options.unwrap_or_default().into_iter().collect(),
                labels: answer.labels.unwrap_or_default().into_iter().collect(),
            })),
            Err(Error::DockerResponseServerError {
                status_code: 404, ..
            }) => Ok(None),
            Err(error) => Err(failure(&self.host, error)),
        }
    }

    /// The ids of the networks with this label, in order.
    pub(in crate::faults::docker) async fn networks_labelled(
        &self,
        key: &str,
        value: &str,
    ) -> Result<Vec<(String, String)>, FaultError> {
        let filters = HashMap::from([("label".to_owned(), vec![format!("{key}={value}")])]);
        let options = ListNetworksOptions {
            filters: Some(filters),
        };
        let all = self
            .docker
            .list_networks(Some(options))
            .await
            .map_err(|error| failure(&self.host, error))?;
        let mut found: Vec<(String, String)> = all
            .into_iter()
            .filter_map(|one| Some((one.id?, one.name?)))
            .collect();
        found.sort();
        Ok(found)
    }

    /// Makes a network.
    pub(in crate::faults::docker) async fn create_network(
        &self,
        wanted: NetworkCreateRequest,
    ) -> Result<(), FaultError> {
        self.docker
            .create_network(wanted)
            .await
            .map(drop)
            .map_err(|error| failure(&self.host, error))
    }

    /// Removes a network; one that is gone by now is well.
    pub(in crate::faults::docker) async fn remove_network(
        &self,
        id: &str,
    ) -> Result<(), FaultError> {
        match self.docker.remove_network(id).await {
            Ok(())
            | Err(Error::DockerResponseServerError {
                status_code: 404, ..
            }) => Ok(()),
            Err(error) => Err(failure(&self.host, error)),
        }
    }

    /// Connects a container to a network.
    pub(in crate::faults::docker) async fn connect(
        &self,
        network: &str,
        container: &str,
        endpoint: &Endpoint,
    ) -> Result<(), FaultError> {
        let wanted = NetworkConnectRequest {
            container: container.to_owned(),
            endpoint_config: Some(endpoint.settings()),
        };
        self.docker
            .connect_network(network, wanted)
            .await
            .map_err(|error| failure(&self.host, error))
    }

    /// Takes a container off a network.
    pub(in crate::faults::docker) async fn disconnect(
        &self,
        network: &str,
        container: &str,
    ) -> Result<(), FaultError> {
        let wanted = NetworkDisconnectRequest {
            container: container.to_owned(),
            force: Some(false),
        };
        self.docker
            .disconnect_network(network, wanted)
            .await
            .map_err(|error| failure(&self.host, error))
    }
}

impl Endpoint {
    fn settings(&self) -> EndpointSettings {
        let some = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
        let ipam = EndpointIpamConfig {
            ipv4_address: self.ipv4.clone(),
            ipv6_address: self.ipv6.clone(),
            link_local_ips: some(&self.link_local),
        };
        EndpointSettings {
            ipam_config: (ipam != EndpointIpamConfig::default()).then_some(ipam),
            links: some(&self.links),
            aliases: some(&self.aliases),
            mac_address: self.mac.clone(),
            driver_opts: (!self.options.is_empty())
                .then(|| self.options.clone().into_iter().collect()),
            gw_priority: self.gateway_priority,
            ..EndpointSettings::default()
        }
    }

    /// Whether its address is one that was asked for.
    pub(in crate::faults::docker) fn is_fixed(&self) -> bool {
        self.ipv4.is_some() || self.ipv6.is_some()
    }
}

fn attachment((name, seen): (String, EndpointSettings)) -> Attachment {
    let some = |text: Option<String>| text.filter(|text| !text.is_empty());
    let ipam = seen.ipam_config.unwrap_or_default();
    let address = some(seen.ip_address);
    let mac = some(seen.mac_address).filter(|mac| !follows(mac, address.as_deref()));
    Attachment {
        name,
        network: seen.network_id.unwrap_or_default(),
        endpoint: seen.endpoint_id.unwrap_or_default(),
        asked: Endpoint {
            ipv4: some(ipam.ipv4_address),
            ipv6: some(ipam.ipv6_address),
            link_local: ipam.link_local_ips.unwrap_or_default(),
            aliases: seen.aliases.unwrap_or_default(),
            links: seen.links.unwrap_or_default(),
            options: seen.driver_opts.unwrap_or_default().into_iter().collect(),
            gateway_priority: seen.gw_priority.filter(|priority| *priority != 0),
            mac,
        },
        address,
    }
}

/// Whether a MAC address is the one that the daemon makes from an IPv4 address: 02:42 and its four bytes.
fn follows(mac: &str, address: Option<&str>) -> bool {
    let address: Option<std::net::Ipv4Addr> = address.and_then(|text| text.parse().ok());
    address.is_some_and(|address| {
        let [a, b, c, d] = address.octets();
        mac.eq_ignore_ascii_case(&format!("02:42:{a:02x}:{b:02x}:{c:02x}:{d:02x}"))
    })
}

/// Where nobody said which port of the host, the daemon draws one each time.
fn is_drawn(bound: &PortMap) -> bool {
    bound.values().flatten().flatten().any(|binding| {
        let port = binding.host_port.as_deref().unwrap_or_default();
        !port.parse::<u16>().is_ok_and(|port| port != 0)
    })
}

fn published(ports: PortMap) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for (port, bindings) in ports {
        for binding in bindings.into_iter().flatten() {
            let host = binding.host_ip.unwrap_or_default();
            let at = binding.host_port.unwrap_or_default();
            all.insert(format!("{host}:{at} -> {port}"));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mac_that_follows_from_the_address_is_not_kept() {
        let endpoint = |mac: &str| EndpointSettings {
            ip_address: Some("172.20.0.255".to_owned()),
            mac_address: Some(mac.to_owned()),
            ..EndpointSettings::default()
        };
        let of = |mac: &str| attachment(("wallet".to_owned(), endpoint(mac))).asked.mac;
        assert_eq!(of("02:42:ac:14:00:ff"), None);
        assert_eq!(
            of("02:42:0a:aa:bb:cc"),
            Some("02:42:0a:aa:bb:cc".to_owned())
        );
    }

    #[test]
    fn a_container_that_has_not_run_since_it_was_connected_is_known_by_the_networks_name() {
        assert!(is_on("wallet", "", "1f", "wallet"));
        assert!(is_on("renamed", "1f", "1f", "wallet"));
        assert!(!is_on("wallet", "2e", "1f", "wallet"));
    }
}
