//! One wallet stack of containers: how it is put together, and taken down.
//!
//! Addresses in the network are fixed, so that a container that was killed and started again is where it was. The
//! proxies are in a container too: the services dial nothing else, wherever the process that plays the drill is.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;

use bollard::models::{
    ContainerCreateBody, EndpointIpamConfig, EndpointSettings, HostConfig, Ipam, IpamConfig,
    NetworkCreateRequest, NetworkingConfig, PortBinding,
};
use futures_util::future::join_all;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::engine::Engine;
use super::estate::{self, Left};
use super::label::{self, BEGAN, DATA, DEMO, OWNER, SERVICE};
use super::owner::Owner;
use super::{Error, image};
use crate::wallet::{LinkName, Service};

/// The image's name; its tag is the demo's.
const IMAGE: &str = "firedrill-demo";

/// Where Toxiproxy's API listens.
const API_PORT: u16 = 8474;

/// What the proxies begin with, in the image.
const PROXIES: &str = "/proxies.json";

/// The last number of the proxies' address in the network; the gateway has the first.
const GATEWAY: u8 = 1;
const CARRIER: u8 = 2;

/// How often another network is tried where somebody was faster to take its addresses.
const NETWORKS: u32 = 5;

/// No container of the demo needs more memory than this, in bytes.
const MEMORY: i64 = 256 << 20;

/// Nobody in particular.
const USER: &str = "65534:65534";

/// A stack of containers that stands, or is being put together.
#[derive(Debug)]
pub struct Stack {
    engine: Engine,
    demo: String,
    host: IpAddr,
    seed: u64,
    owner: String,
    data: String,
    began: String,
    /// The first three numbers of the network's addresses, once it is there.
    network: Option<String>,
}

/// The first loopback address where every port of the stack is free.
pub fn free_host(hosts: &[IpAddr]) -> Result<IpAddr, Error> {
    let mut refused = None;
    for host in hosts {
        if !host.is_loopback() || !host.is_ipv4() {
            let why = format!(
                "{host} is not in 127.0.0.0/8, and a demo's ports are published nowhere else"
            );
            return Err(Error::NoHost(why));
        }
        // Held only for this look: Docker has the last word.
        let taken = ports().find_map(|port| {
            let address = SocketAddr::new(*host, port);
            let error = TcpListener::bind(address).err()?;
            Some(format!("{address} can't be listened on: {error}"))
        });
        match taken {
            None => return Ok(*host),
            Some(why) => refused = Some(why),
        }
    }
    let why = refused.unwrap_or_else(|| "there is none to try".to_owned());
    Err(Error::NoHost(why))
}

fn ports() -> impl Iterator<Item = u16> {
    Service::ALL
        .map(Service::port)
        .into_iter()
        .chain([API_PORT])
}

impl Stack {
    /// A stack that is not there yet. `draw` tells it from every other one, `now` is in seconds since 1970.
    pub fn new(
        engine: Engine,
        host: IpAddr,
        seed: u64,
        data: &Path,
        draw: u64,
        now: i64,
    ) -> Result<Self, Error> {
        Ok(Self {
            engine,
            demo: format!("{host}-{draw:016x}"),
            host,
            seed,
            owner: Owner::own().map_err(Error::Image)?.to_string(),
            data: estate::folder(data),
            began: now.to_string(),
            network: None,
        })
    }

    /// What the variables of `stacks/wallet-docker.yaml` are on this stack. It stands already.
    pub fn variables(&self) -> Vec<(String, String)> {
        let network = self.network.clone();
        let pairs = [
            ("host", self.host.to_string()),
            ("docker", self.engine.host().to_owned()),
            ("network", network.unwrap_or_default()),
        ];
        pairs.map(|(name, value)| (name.to_owned(), value)).into()
    }

    /// Where its ports are published.
    pub fn host(&self) -> IpAddr {
        self.host
    }

    /// Makes the network, the image and the containers. Whatever comes of it, [`Stack::remove`] must follow. A request
    /// that is under way is never given up: what `stop` ends is what would come next.
    pub async fn start(
        &mut self,
        stop: &CancellationToken,
        progress: impl Fn(&str),
    ) -> Result<(), Error> {
        let network = self.make_network().await?;
        self.network = Some(network.clone());
        going_on(stop)?;
        let proxies = Self::proxies(&network);
        let root =
            tokio::task::spawn_blocking(move || image::root(&[(PROXIES, proxies.as_bytes())]));
        let root = root
            .await
            .map_err(|error| Error::Image(error.to_string()))?;
        let root = root.map_err(Error::Image)?;
        progress(&format!(
            "making an image of {} MB from this program and its libraries",
            root.len() / 1_000_000
        ));
        let labels = [
            (DEMO, self.demo.as_str()),
            (OWNER, &self.owner),
            (BEGAN, &self.began),
        ];
        let mut changes = label::instructions(&labels);
        changes.push(format!("ENV LD_LIBRARY_PATH={}", image::LIBRARIES));
        self.engine.import(IMAGE, &self.demo, changes, root).await?;
        going_on(stop)?;
        progress(&format!(
            "starting {} containers in network {network}.0/24",
            Service::ALL.len() + 1
        ));
        self.run_carrier(&network).await?;
        going_on(stop)?;
        let started = Service::ALL.map(|service| self.run_service(service, &network));
        // All are waited for: one that fails must not leave another half made.
        join_all(started)
            .await
            .into_iter()
            .collect::<Result<(), _>>()?;
        going_on(stop)
    }

    /// Removes everything that carries this demo's label, and reads back that it is gone.
    pub async fn remove(&self) -> Result<(), Left> {
        estate::remove(&self.engine, &self.demo).await
    }

    /// Why the stack is not as it was started, where a container of it has ended.
    pub async fn fallen(&self) -> Option<String> {
        let things = self.engine.labelled(Some(&self.demo)).await.ok()?;
        let fallen = things
            .iter()
            .find(|thing| thing.labels.contains_key(SERVICE) && !thing.runs)?;
        let words = self.engine.last_words(&fallen.name).await;
        Some(format!("container {} has ended: {words}", fallen.name))
    }

    /// A network whose block of addresses Docker has chosen, as it does for anybody, and which is then made again with
    /// that block, since only what is asked for by name lets containers have fixed addresses.
    async fn make_network(&self) -> Result<String, Error> {
        let name = format!("firedrill-{}", self.demo);
        let mut tried = 0;
        loop {
            tried += 1;
            self.engine
                .create_network(self.network(&name, None))
                .await?;
            let subnets = self.engine.subnets(&name).await?;
            let prefix = subnets.iter().find_map(|subnet| prefix(subnet));
            let prefix = prefix.ok_or_else(|| Error::Refused {
                what: format!("making network {name}"),
                why: format!("its addresses are {subnets:?}, and the stack needs 256 of IPv4"),
            })?;
            for thing in self.engine.labelled(Some(&self.demo)).await? {
                self.engine.remove(&thing).await?;
            }
            let again = self.network(&name, Some(&prefix));
            match self.engine.create_network(again).await {
                Ok(()) => return Ok(prefix),
                Err(_) if tried < NETWORKS => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn network(&self, name: &str, prefix: Option<&str>) -> NetworkCreateRequest {
        let ipam = prefix.map(|prefix| Ipam {
            config: Some(vec![IpamConfig {
                subnet: Some(format!("{prefix}.0/24")),
                gateway: Some(format!("{prefix}.{GATEWAY}")),
                ..IpamConfig::default()
            }]),
            ..Ipam::default()
        });
        NetworkCreateRequest {
            name: name.to_owned(),
            driver: Some("bridge".to_owned()),
            ipam,
            labels: Some(label::map(&self.labels())),
            ..NetworkCreateRequest::default()
        }
    }

    fn labels(&self) -> [(&str, &str); 4] {
        [
            (DEMO, &self.demo),
            (OWNER, &self.owner),
            (DATA, &self.data),
            (BEGAN, &self.began),
        ]
    }

    /// The proxies, in Toxiproxy's own JSON.
    fn proxies(network: &str) -> String {
        let proxies = LinkName::ALL.map(|link| {
            json!({
                "name": link.name(),
                "listen": format!("{network}.{CARRIER}:{}", link.port()),
                "upstream": format!("{network}.{}:{}", last(link.to()), link.to().port()),
                "enabled": true,
            })
        });
        json!(proxies).to_string()
    }

    async fn run_carrier(&self, network: &str) -> Result<(), Error> {
        let command = [
            "toxiproxy",
            "serve",
            "--host",
            "0.0.0.0",
            "--config",
            PROXIES,
            "--metrics",
            "--seed",
            &self.seed.to_string(),
        ];
        let command = command.map(str::to_owned).to_vec();
        let body = self.container("toxiproxy", command, network, CARRIER, API_PORT);
        self.engine.run(&self.name("toxiproxy"), body).await
    }

    async fn run_service(&self, service: Service, network: &str) -> Result<(), Error> {
        let node_b = Service::NodeB;
        let command = [
            "wallet",
            service.name(),
            "--host",
            "0.0.0.0",
            "--proxies",
            &format!("{network}.{CARRIER}"),
            "--peer",
            &format!("{network}.{}:{}", last(node_b), node_b.port()),
            "--seed",
            &self.seed.to_string(),
        ];
        let command = command.map(str::to_owned).to_vec();
        let body = self.container(
            service.name(),
            command,
            network,
            last(service),
            service.port(),
        );
        self.engine.run(&self.name(service.name()), body).await
    }

    /// The name that `stacks/wallet-docker.yaml` knows a container by.
    fn name(&self, service: &str) -> String {
        format!("firedrill-{}-{service}", self.host)
    }

    fn container(
        &self,
        service: &str,
        command: Vec<String>,
        network: &str,
        address: u8,
        port: u16,
    ) -> ContainerCreateBody {
        let mut labels = label::map(&self.labels());
        labels.insert(SERVICE.to_owned(), service.to_owned());
        labels.insert("env".to_owned(), "staging".to_owned());
        let port = format!("{port}/tcp");
        let published = PortBinding {
            host_ip: Some(self.host.to_string()),
            host_port: port.split('/').next().map(str::to_owned),
        };
        let network_name = format!("firedrill-{}", self.demo);
        let endpoint = EndpointSettings {
            ipam_config: Some(EndpointIpamConfig {
                ipv4_address: Some(format!("{network}.{address}")),
                ..EndpointIpamConfig::default()
            }),
            aliases: Some(vec![service.to_owned()]),
            ..EndpointSettings::default()
        };
        ContainerCreateBody {
            image: Some(format!("{IMAGE}:{}", self.demo)),
            user: Some(USER.to_owned()),
            entrypoint: Some(vec![image::PROGRAM.to_owned()]),
            cmd: Some(command),
            labels: Some(labels),
            exposed_ports: Some(vec![port.clone()]),
            host_config: Some(HostConfig {
                network_mode: Some(network_name.clone()),
                port_bindings: Some(HashMap::from([(port, Some(vec![published]))])),
                memory: Some(MEMORY),
                memory_swap: Some(MEMORY),
                cap_drop: Some(vec!["ALL".to_owned()]),
                security_opt: Some(vec!["no-new-privileges".to_owned()]),
                readonly_rootfs: Some(true),
                ..HostConfig::default()
            }),
            networking_config: Some(NetworkingConfig {
                endpoints_config: Some(HashMap::from([(network_name, endpoint)])),
            }),
            ..ContainerCreateBody::default()
        }
    }
}

fn going_on(stop: &CancellationToken) -> Result<(), Error> {
    if stop.is_cancelled() {
        Err(Error::Interrupted)
    } else {
        Ok(())
    }
}

/// The last number of a service's address in the network.
fn last(service: Service) -> u8 {
    match service {
        Service::SignerA => 11,
        Service::SignerB => 12,
        Service::NodeA => 13,
        Service::NodeB => 14,
        Service::Prices => 15,
        Service::Ledger => 16,
        Service::WalletApi => 17,
    }
}

/// The first three numbers of a block that holds 256 addresses.
fn prefix(subnet: &str) -> Option<String> {
    let (base, bits) = subnet.split_once('/')?;
    let base: Ipv4Addr = base.parse().ok()?;
    let bits: u8 = bits.parse().ok()?;
    let [a, b, c, _] = base.octets();
    (bits <= 24).then(|| format!("{a}.{b}.{c}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_of_enough_addresses_has_a_prefix() {
        assert_eq!(prefix("172.18.0.0/16").as_deref(), Some("172.18.0"));
        assert_eq!(prefix("192.168.16.0/24").as_deref(), Some("192.168.16"));
        assert_eq!(prefix("192.168.16.16/28"), None);
        assert_eq!(prefix("fd00::/64"), None);
    }

    #[test]
    fn ports_are_published_on_loopback_or_nowhere() {
        let everywhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        assert!(matches!(free_host(&[everywhere]), Err(Error::NoHost(_))));
    }

    #[test]
    fn the_shipped_stack_has_the_addresses_and_names_that_containers_get() {
        let file = include_str!("../../stacks/wallet-docker.yaml");
        for link in LinkName::ALL {
            let listen = format!("listen: \"${{network}}.{CARRIER}:{}\"", link.port());
            let to = link.to();
            let upstream = format!("upstream: \"${{network}}.{}:{}\"", last(to), to.port());
            let line = file
                .lines()
                .find(|line| line.contains(&format!("proxy: {},", link.name())))
                .expect("every link is there");
            assert!(line.contains(&listen) && line.contains(&upstream), "{line}");
        }
        for service in Service::ALL {
            let name = format!("{{name: \"firedrill-${{host}}-{service}\"}}");
            assert!(file.contains(&name), "{name}");
        }
    }
}
