//! Networks and containers for the tests of cuts, which connect to each other for real.

use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use bollard::models::{
    Ipam, IpamConfig, NetworkConnectRequest, NetworkCreateRequest, NetworkingConfig,
};
use bollard::query_parameters::ListNetworksOptions;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::faults::docker::daemon::networks::{Endpoint, Wired};
use crate::model::cut::{Address, Cut, Others, Party};

/// A site with a run of its own, whose private networks are known by it.
pub(super) struct Yard {
    pub(super) site: Arc<Site>,
    pub(super) run: RunId,
    pub(super) daemon: Daemon,
}

/// Runs a test on a yard, and removes its networks whatever comes of it.
pub(super) async fn on_yard<F: Future<Output = ()>>(test: impl FnOnce(Arc<Yard>) -> F) {
    on_site(|site| async move {
        let daemon = Daemon::reach(HOST).await.expect("the daemon");
        let run = run();
        let yard = Arc::new(Yard { site, run, daemon });
        let outcome = AssertUnwindSafe(Box::pin(test(Arc::clone(&yard))))
            .catch_unwind()
            .await;
        let left = yard.privates().await;
        yard.clear().await;
        if let Err(panic) = outcome {
            std::panic::resume_unwind(panic);
        }
        assert_eq!(left, Vec::<String>::new(), "private networks are left");
    })
    .await;
}

impl Yard {
    pub(super) fn name(&self, what: &str) -> String {
        format!("{}-{what}", self.site.name)
    }

    fn labels(&self) -> HashMap<String, String> {
        HashMap::from([("firedrill.test.site".to_owned(), self.site.name.clone())])
    }

    /// A network whose addresses the daemon chooses.
    pub(super) async fn network(&self, what: &str) -> String {
        self.make(what, NetworkCreateRequest::default())
            .await
            .expect("a network is made")
    }

    pub(super) async fn make(
        &self,
        what: &str,
        wanted: NetworkCreateRequest,
    ) -> Result<String, bollard::errors::Error> {
        let wanted = NetworkCreateRequest {
            name: self.name(what),
            labels: Some(self.labels()),
            ..wanted
        };
        Ok(self.site.docker.create_network(wanted).await?.id)
    }

    /// A network with a subnet of its own, and what its addresses begin with.
    pub(super) async fn with_subnet(&self, what: &str) -> (String, String) {
        let wanted = NetworkCreateRequest {
            name: self.name(what),
            labels: Some(self.labels()),
            ..NetworkCreateRequest::default()
        };
        self.in_subnet(wanted, 24).await
    }

    /// A private network of this yard's run with a single address besides its gateway's.
    pub(super) async fn with_room_for_one(&self, name: &str, owner: &str) {
        let labels = [
            ("firedrill.owner", owner.to_owned()),
            ("firedrill.run", self.run.to_string()),
        ];
        let wanted = NetworkCreateRequest {
            name: name.to_owned(),
            labels: Some(labels.map(|(key, value)| (key.to_owned(), value)).into()),
            ..NetworkCreateRequest::default()
        };
        self.in_subnet(wanted, 30).await;
    }

    /// A network of both families with subnets of its own, and what its addresses of either begin with.
    pub(super) async fn with_both_families(&self, what: &str) -> (String, String, String) {
        let (network, prefix) = self.with_subnet(what).await;
        let docker = &self.site.docker;
        docker.remove_network(&network).await.expect("it is free");
        let prefix6 = format!("fd00:{:x}:{:x}:", std::process::id() & 0xffff, prefix.len());
        let subnets = [format!("{prefix}.0/24"), format!("{prefix6}:/64")];
        let config = subnets.map(|subnet| IpamConfig {
            subnet: Some(subnet),
            ..IpamConfig::default()
        });
        let wanted = NetworkCreateRequest {
            enable_ipv6: Some(true),
            ipam: Some(Ipam {
                config: Some(config.to_vec()),
                ..Ipam::default()
            }),
            ..NetworkCreateRequest::default()
        };
        let made = self.make(what, wanted).await.expect("a network is made");
        (made, prefix, prefix6)
    }

    async fn in_subnet(&self, wanted: NetworkCreateRequest, length: u8) -> (String, String) {
        let first = std::process::id() % 200;
        // Other tests, and other things on this machine, have theirs.
        for third in (0..=255).cycle().skip(first as usize).take(250) {
            let prefix = format!("10.{}.{third}", 100 + first % 100);
            let config = IpamConfig {
                subnet: Some(format!("{prefix}.0/{length}")),
                ..IpamConfig::default()
            };
            let wanted = NetworkCreateRequest {
                ipam: Some(Ipam {
                    config: Some(vec![config]),
                    ..Ipam::default()
                }),
                ..wanted.clone()
            };
            if let Ok(made) = self.site.docker.create_network(wanted).await {
                return (made.id, prefix);
            }
        }
        panic!("no subnet is free");
    }

    /// A running container that listens on port 80, on the first network from its beginning.
    pub(super) async fn serve(
        &self,
        what: &str,
        on: &[(&str, Endpoint)],
        host_config: HostConfig,
    ) -> String {
        let (first, endpoint) = &on[0];
        let settings = serde_json::from_value(settings(endpoint)).expect("it is an endpoint");
        let exposed = host_config.port_bindings.as_ref();
        let body = ContainerCreateBody {
            image: Some(IMAGE.to_owned()),
            cmd: Some(LISTENING.map(ToOwned::to_owned).to_vec()),
            labels: Some(self.labels()),
            exposed_ports: exposed.map(|ports| ports.keys().cloned().collect()),
            host_config: Some(HostConfig {
                network_mode: Some((*first).to_owned()),
                ..host_config
            }),
            networking_config: Some(NetworkingConfig {
                endpoints_config: Some(HashMap::from([((*first).to_owned(), settings)])),
            }),
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptions {
            name: Some(self.name(what)),
            ..CreateContainerOptions::default()
        };
        let made = self
            .site
            .docker
            .create_container(Some(options), body)
            .await
            .expect("it is created");
        for (network, endpoint) in &on[1..] {
            self.daemon
                .connect(network, &made.id, endpoint)
                .await
                .expect("it is connected");
        }
        self.site.start(&made.id).await;
        made.id
    }

    /// A running container that does nothing, on whatever this mode is.
    pub(super) async fn idle(&self, what: &str, mode: &str) {
        let command = ["/bin/busybox", "sleep", "600"];
        let body = ContainerCreateBody {
            image: Some(IMAGE.to_owned()),
            cmd: Some(command.map(ToOwned::to_owned).to_vec()),
            labels: Some(self.labels()),
            host_config: Some(HostConfig {
                network_mode: Some(mode.to_owned()),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptions {
            name: Some(self.name(what)),
            ..CreateContainerOptions::default()
        };
        let docker = &self.site.docker;
        let made = docker.create_container(Some(options), body).await;
        self.site.start(&made.expect("it is created").id).await;
    }

    /// A running container made with a MAC address of its own, which current clients' types no longer have.
    pub(super) async fn serve_with_mac(&self, what: &str, on: &str, ip: &str, mac: &str) -> String {
        let endpoint = Endpoint {
            ipv4: Some(ip.to_owned()),
            ..Endpoint::default()
        };
        let body = serde_json::json!({
            "Image": IMAGE, "Cmd": LISTENING, "Labels": self.labels(), "MacAddress": mac,
            "HostConfig": {"NetworkMode": on},
            "NetworkingConfig": {"EndpointsConfig": {on: settings(&endpoint)}},
        })
        .to_string();
        let mut socket = tokio::net::UnixStream::connect(HOST.trim_start_matches("unix://"))
            .await
            .expect("the daemon's socket");
        let request = format!(
            "POST /v1.41/containers/create?name={} HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.name(what),
            body.len()
        );
        socket
            .write_all(request.as_bytes())
            .await
            .expect("it is sent");
        let mut answer = String::new();
        socket
            .read_to_string(&mut answer)
            .await
            .expect("it is answered");
        assert!(answer.contains(" 201 "), "{answer}");
        let name = self.name(what);
        self.site.start(&name).await;
        self.site.seen(&name).await.id
    }

    pub(super) async fn wired(&self, id: &str) -> Wired {
        self.daemon
            .wired(id)
            .await
            .expect("an answer")
            .expect("a container")
    }

    /// Whether `from` can open a connection to port 80 of `host`.
    pub(super) async fn reaches(&self, from: &str, host: &str) -> bool {
        let options = CreateExecOptions {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(vec![
                "/bin/busybox",
                "timeout",
                "2",
                "/bin/busybox",
                "nc",
                "-w",
                "1",
                host,
                "80",
                "-e",
                "/bin/busybox",
                "true",
            ]),
            ..CreateExecOptions::default()
        };
        let docker = &self.site.docker;
        let exec = docker
            .create_exec(from, options)
            .await
            .expect("it runs there");
        let started = docker.start_exec(&exec.id, None::<StartExecOptions>).await;
        if let Ok(StartExecResults::Attached { output, .. }) = started {
            let _ = output.try_collect::<Vec<_>>().await;
        }
        let ended = docker.inspect_exec(&exec.id).await.expect("it is known");
        ended.exit_code == Some(0)
    }

    pub(super) fn party(&self, what: &str) -> Party {
        Party {
            service: what.parse().expect("a name"),
            selector: ContainerSelector::Name(self.name(what)),
        }
    }

    /// A step's injection for one of its containers.
    pub(super) fn injection(&self, id: &str, what: &str, cut: Cut) -> Injection {
        let party = self.party(what);
        let mut made = injection(
            id,
            Act::Cut {
                service: party.service,
                selector: party.selector,
                cut,
            },
        );
        // The second of a step's targets has the step's own name as its cause.
        let step = id.split('#').next().unwrap_or_default();
        made.cause = crate::model::fault::Cause::Step(step.parse().expect("a name"));
        made
    }

    pub(super) fn leave(&self, what: &str, networks: &[&str], address: Address) -> Injection {
        let networks = networks.iter().map(|name| (*name).to_owned()).collect();
        self.injection("off", what, Cut::Disconnect { networks, address })
    }

    /// The injections of a partition, one for each of `to`.
    pub(super) fn part(&self, from: &[&str], to: &[&str], others: Others) -> Vec<Injection> {
        let parties = |names: &[&str]| names.iter().map(|one| self.party(one)).collect();
        to.iter()
            .enumerate()
            .map(|(nth, what)| {
                let with: Vec<&str> = to.iter().copied().filter(|one| one != what).collect();
                let id = match nth {
                    0 => "split".to_owned(),
                    _ => format!("split#{}", nth + 1),
                };
                let cut = Cut::Part {
                    from: parties(from),
                    with: parties(&with),
                    others,
                    address: Address::Any,
                };
                self.injection(&id, what, cut)
            })
            .collect()
    }

    pub(super) async fn armed(&self, injection: &Injection) -> Armed {
        let token = self
            .site
            .capture(&self.run, injection)
            .await
            .expect("it is captured");
        arm(&self.run, injection, token, &self.site.clock)
    }

    pub(super) async fn refused(&self, injection: &Injection) -> String {
        match self.site.capture(&self.run, injection).await {
            Ok(token) => panic!("it was captured: {token:?}"),
            Err(error) => error.to_string(),
        }
    }

    /// The names of the private networks of this yard's run.
    pub(super) async fn privates(&self) -> Vec<String> {
        let run = self.run.to_string();
        let found = self.daemon.networks_labelled("firedrill.run", &run).await;
        let mut names: Vec<String> = found
            .expect("an answer")
            .into_iter()
            .map(|(_, name)| name)
            .collect();
        names.sort();
        names
    }

    /// Connects a container by hand.
    pub(super) async fn connect(&self, network: &str, container: &str) {
        let request = NetworkConnectRequest {
            container: container.to_owned(),
            endpoint_config: None,
        };
        self.site
            .docker
            .connect_network(network, request)
            .await
            .expect("it is connected");
    }

    async fn clear(&self) {
        self.site.clear().await.expect("containers are removed");
        let site = format!("firedrill.test.site={}", self.site.name);
        let run = format!("firedrill.run={}", self.run);
        for label in [site, run] {
            let options = ListNetworksOptions {
                filters: Some(HashMap::from([("label".to_owned(), vec![label])])),
            };
            let found = self.site.docker.list_networks(Some(options)).await;
            for network in found.expect("an answer") {
                let id = network.id.unwrap_or_default();
                let removed = self.site.docker.remove_network(&id).await;
                removed.expect("nobody is on it");
            }
        }
    }
}

/// A first process that ignores requests to stop: it is killed with its container.
const LISTENING: [&str; 6] = ["/bin/busybox", "httpd", "-f", "-p80", "-h", "/"];

fn settings(endpoint: &Endpoint) -> serde_json::Value {
    let ipam = serde_json::json!({"IPv4Address": endpoint.ipv4, "IPv6Address": endpoint.ipv6});
    serde_json::json!({"IPAMConfig": ipam, "Aliases": endpoint.aliases, "Links": endpoint.links})
}

pub(super) fn known_as(alias: &str) -> Endpoint {
    Endpoint {
        aliases: vec![alias.to_owned()],
        ..Endpoint::default()
    }
}

pub(super) fn fixed(alias: &str, ip: String) -> Endpoint {
    Endpoint {
        ipv4: Some(ip),
        ..known_as(alias)
    }
}
