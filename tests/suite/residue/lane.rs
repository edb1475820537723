//! A stack of its own to kill processes on, with foreign things beside ours, and a snapshot of all that must be as it
//! was.

use std::collections::HashMap;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};

use bollard::Docker;
use bollard::models::{
    ContainerCreateBody, EndpointIpamConfig, EndpointSettings, HostConfig, Ipam, IpamConfig,
    Network, NetworkConnectRequest, NetworkCreateRequest, NetworkingConfig, RestartPolicy,
    RestartPolicyNameEnum, VolumeCreateRequest,
};
use bollard::query_parameters::{
    CreateContainerOptions, ListContainersOptions, ListNetworksOptions, ListVolumesOptions,
    RemoveContainerOptions, RemoveVolumeOptions, StartContainerOptions,
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::carrier::{Bodies, Watch, carry_tcp, carry_unix};
use super::kinds::Kind;
use crate::containers::{IMAGE, SOCKET, lock_on, reach};
use crate::http;
use crate::proxies::Proxies;
use crate::shop::{Experiment, PROXY, Shop};

/// What marks everything of one lane in Docker.
const LABEL: &str = "firedrill-residue";

/// A stack that processes die on.
pub(crate) struct Lane {
    pub(crate) shop: Shop,
    pub(crate) proxies: Proxies,
    /// The proxies of this lane, where the server has others' too.
    names: Option<[String; 2]>,
    yard: Option<Yard>,
}

impl Lane {
    /// On firedrill's own server, with containers where `docker` is reached.
    pub(crate) fn open(with_docker: bool) -> Self {
        let shop = Shop::open();
        let listen = format!("{}:7191", shop.host);
        let lane = Self {
            proxies: shop.proxies,
            names: None,
            yard: with_docker.then(|| Yard::open(&shop)),
            shop,
        };
        lane.add_foreign(PROXY, "theirs", &listen);
        lane
    }

    /// On another Toxiproxy server.
    pub(crate) fn on_server(url: &str) -> Self {
        let shop = Shop::open();
        let authority = url.trim_start_matches("http://").trim_end_matches('/');
        let address: SocketAddr = authority
            .to_socket_addrs()
            .ok()
            .and_then(|mut found| found.next())
            .expect("TOXIPROXY_URL is http://HOST:PORT");
        let host = shop.host;
        let names = [format!("residue-{host}"), format!("residue-{host}-theirs")];
        let stack = shop
            .folder
            .read("stacks/shop.yaml")
            .replace(
                &format!("http://{host}:8474"),
                &format!("http://{authority}"),
            )
            .replace(&format!("proxy: {PROXY}"), &format!("proxy: {}", names[0]))
            .replace(":7101", ":7102");
        shop.folder.write("stacks/shop.yaml", &stack);
        let lane = Self {
            proxies: Proxies(address),
            names: Some(names.clone()),
            yard: None,
            shop,
        };
        lane.create(&names[0], &format!("{host}:7102"));
        lane.add_foreign(&names[0], &names[1], &format!("{host}:7192"));
        lane
    }

    /// A toxic on our proxy and a proxy of its own that are nobody's of firedrill.
    fn add_foreign(&self, ours: &str, theirs: &str, listen: &str) {
        self.proxies.add_foreign(ours, "theirs");
        self.create(theirs, listen);
        self.proxies.add_foreign(theirs, "theirs-too");
    }

    fn create(&self, name: &str, listen: &str) {
        let upstream = format!("{}:7001", self.shop.host);
        let body = json!({"name": name, "listen": listen, "upstream": upstream, "enabled": true});
        let made = http::send(self.proxies.0, "POST", "/proxies", &body.to_string())
            .expect("Toxiproxy answers");
        assert_eq!(made.status(), 201, "{}", made.body);
    }

    /// Writes the experiment of a kind, and answers with its file.
    pub(crate) fn experiment(&self, kind: &Kind, lasts: &str) -> String {
        let folder = self.shop.folder.path().display().to_string();
        let step = kind
            .step
            .replace("LASTS", lasts)
            .replace("HOST", &self.shop.host.to_string())
            .replace("FOLDER", &folder);
        let experiment = Experiment {
            // Faults are on for too short to be held to anything.
            during: "[]",
            ..Experiment::of(step)
        };
        let yaml = experiment
            .yaml()
            .replace("stable_for: 400ms", "stable_for: 100ms");
        let file = format!("residue-{lasts}.yaml");
        self.shop.folder.write(&file, &yaml);
        file
    }

    /// Everything that must be as it was.
    pub(crate) fn snapshot(&self) -> Value {
        let mut proxies = self.proxies.snapshot();
        if let (Some(names), Some(all)) = (&self.names, proxies.as_object_mut()) {
            all.retain(|name, _| names.contains(name));
        }
        json!({
            "proxies": proxies,
            "docker": self.yard.as_ref().map(Yard::snapshot),
            "version": self.shop.stock.version(),
            "mark": self.shop.folder.has("mark"),
        })
    }

    /// Puts a watch before the targets: from now on the stack's file names what carries requests to them.
    /// Its Toxiproxy gets bodies, and is heard, as `change` leaves them.
    pub(crate) fn watched_by(&self, watch: &Watch, change: Option<Bodies>) {
        let listen = SocketAddr::new(self.shop.host, 7474);
        carry_tcp(listen, self.proxies.0, watch.clone(), change);
        let mut stack = self.shop.folder.read("stacks/shop.yaml");
        stack = stack.replace(
            &format!("http://{}", self.proxies.0),
            &format!("http://{listen}"),
        );
        if self.yard.is_some() {
            let path = self.shop.folder.path().join("docker.sock");
            let daemon = Path::new(SOCKET.trim_start_matches("unix://"));
            carry_unix(&path, daemon, watch.clone());
            stack = stack.replace(SOCKET, &format!("unix://{}", path.display()));
        }
        self.shop.folder.write("stacks/shop.yaml", &stack);
    }

    /// The foreign container and the foreign network, whatever is done to ours.
    pub(crate) fn foreign(&self) -> Value {
        let all = self.snapshot();
        let docker = &all["docker"];
        let theirs = |name: &str| name.ends_with("theirs") || name.ends_with("theirs-network");
        let containers = docker["containers"].as_object().into_iter().flatten();
        let containers: Vec<_> = containers.filter(|(name, _)| theirs(name)).collect();
        let networks = docker["networks"].as_object().into_iter().flatten();
        let networks: Vec<_> = networks.filter(|(name, _)| theirs(name)).collect();
        assert_eq!((containers.len(), networks.len()), (1, 1), "{docker}");
        json!({"containers": containers, "networks": networks, "volumes": docker["volumes"]})
    }

    /// Somebody removes the container that faults act on.
    pub(crate) fn remove_container(&self) {
        if let Some(yard) = &self.yard {
            yard.remove("ours");
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        for name in self.names.iter().flatten() {
            let _ = http::send(self.proxies.0, "DELETE", &format!("/proxies/{name}"), "");
        }
    }
}

/// A lane's things in Docker: the containers of its services and a foreign one, on networks, with a volume. All go with
/// it.
struct Yard {
    runtime: Runtime,
    docker: Docker,
    tag: String,
    folder: PathBuf,
    /// The network that faults take containers off, by id.
    network: String,
}

/// Every container of a lane: those of `stock` and `spare`, which faults act on, of `shop`, which they don't, and a
/// foreign one.
const CONTAINERS: [&str; 4] = ["ours", "spare-ours", "shop", "theirs"];

/// Whether there is a daemon; if not, why.
pub(crate) fn reaches_docker() -> Result<(), String> {
    runtime().block_on(reach()).map(drop)
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

impl Yard {
    fn open(shop: &Shop) -> Self {
        let runtime = runtime();
        let docker = runtime.block_on(reach()).expect("it was reached before");
        let tag = format!("firedrill-residue-{}", shop.host);
        let mut yard = Self {
            runtime,
            docker,
            tag,
            folder: shop.folder.path().to_owned(),
            network: String::new(),
        };
        yard.network = yard
            .runtime
            .block_on(yard.fill())
            .expect("Docker makes what a lane needs");
        let stack = shop.folder.read("stacks/shop.yaml");
        let stack = stack
            .replace(
                "identity:\n",
                "identity:\n  - {containers: {label: \"env=staging\"}}\n",
            )
            .replace(
                "services:",
                &format!("docker: {{host: \"{SOCKET}\"}}\nservices:"),
            )
            .replace(
                "{tier: books}",
                &format!(
                    "{{tier: books, container: {{name: {}}}}}, spare: {{tier: books, container: {{name: {}}}}}",
                    yard.name("ours"),
                    yard.name("spare-ours")
                ),
            )
            .replace(
                "{tier: customer}",
                &format!(
                    "{{tier: customer, container: {{name: {}}}}}",
                    yard.name("shop")
                ),
            );
        shop.folder.write("stacks/shop.yaml", &stack);
        yard
    }

    fn name(&self, what: &str) -> String {
        format!("{}-{what}", self.tag)
    }

    fn labels(&self) -> HashMap<String, String> {
        HashMap::from([
            ("env".to_owned(), "staging".to_owned()),
            (LABEL.to_owned(), self.tag.clone()),
        ])
    }

    fn filters(&self) -> HashMap<String, Vec<String>> {
        HashMap::from([("label".to_owned(), vec![format!("{LABEL}={}", self.tag)])])
    }

    async fn fill(&self) -> Result<String, bollard::errors::Error> {
        let network = self.with_subnet("network").await?;
        // A network that nobody disturbs, with a container on it that is on the other as well.
        self.with_subnet("theirs-network").await?;
        let volume = VolumeCreateRequest {
            name: Some(self.name("volume")),
            labels: Some(self.labels()),
            ..VolumeCreateRequest::default()
        };
        self.docker.create_volume(volume).await?;
        for what in CONTAINERS {
            self.start(what).await?;
        }
        let both = NetworkConnectRequest {
            container: self.name("theirs"),
            endpoint_config: None,
        };
        self.docker
            .connect_network(&self.name("theirs-network"), both)
            .await?;
        // What is paused and isn't ours stays paused.
        self.docker.pause_container(&self.name("theirs")).await?;
        Ok(network)
    }

    /// A network with a subnet of its own, so that an address on it can be fixed.
    async fn with_subnet(&self, what: &str) -> Result<String, bollard::errors::Error> {
        let mut tried = 0;
        let first = std::process::id() % 256;
        loop {
            // Other lanes, and other things on this machine, have theirs.
            let subnet = format!("10.{}.{}.0/24", 40 + tried / 256, (first + tried) % 256);
            tried += 1;
            let config = IpamConfig {
                subnet: Some(subnet),
                ..IpamConfig::default()
            };
            let wanted = NetworkCreateRequest {
                name: self.name(what),
                labels: Some(self.labels()),
                ipam: Some(Ipam {
                    config: Some(vec![config]),
                    ..Ipam::default()
                }),
                ..NetworkCreateRequest::default()
            };
            match self.docker.create_network(wanted).await {
                Ok(made) => return Ok(made.id),
                Err(_) if tried < 512 => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// What `stock` has on its network: an alias, and the address that nobody else is given.
    async fn endpoint(&self, what: &str) -> Result<EndpointSettings, bollard::errors::Error> {
        let network = self
            .docker
            .inspect_network(&self.name("network"), None)
            .await?;
        let subnets = network.ipam.and_then(|ipam| ipam.config);
        let subnet = subnets.into_iter().flatten().find_map(|one| one.subnet);
        let address = subnet.and_then(|subnet| Some(format!("{}.200", subnet.rsplit_once('.')?.0)));
        let fixed = EndpointIpamConfig {
            ipv4_address: address,
            ..EndpointIpamConfig::default()
        };
        Ok(EndpointSettings {
            aliases: Some(vec![what.to_owned()]),
            ipam_config: (what == "ours").then_some(fixed),
            ..EndpointSettings::default()
        })
    }

    async fn start(&self, what: &str) -> Result<(), bollard::errors::Error> {
        let restart_policy = RestartPolicy {
            name: Some(RestartPolicyNameEnum::ALWAYS),
            maximum_retry_count: None,
        };
        // Ends at once when it is asked to: the first process of a container ignores what it doesn't handle.
        let command = [
            "/bin/busybox",
            "sh",
            "-c",
            "trap 'exit 0' TERM; while :; do /bin/busybox sleep 1 & wait $!; done",
        ];
        let body = ContainerCreateBody {
            image: Some(IMAGE.to_owned()),
            cmd: Some(command.map(str::to_owned).to_vec()),
            labels: Some(self.labels()),
            networking_config: Some(NetworkingConfig {
                endpoints_config: Some(HashMap::from([(
                    self.name("network"),
                    self.endpoint(what).await?,
                )])),
            }),
            host_config: Some(HostConfig {
                network_mode: Some(self.name("network")),
                // What commands in it do shows in the folder of the lane.
                binds: Some(vec![
                    format!("{}:/data", self.name("volume")),
                    format!("{}:/shop", self.folder.display()),
                ]),
                restart_policy: Some(restart_policy),
                memory: Some(64 << 20),
                cpu_quota: Some(80_000),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        let name = self.name(what);
        let options = CreateContainerOptions {
            name: Some(name.clone()),
            ..CreateContainerOptions::default()
        };
        self.docker.create_container(Some(options), body).await?;
        self.docker
            .start_container(&name, None::<StartContainerOptions>)
            .await
    }

    fn snapshot(&self) -> Value {
        self.runtime
            .block_on(self.look())
            .expect("Docker says what there is")
    }

    /// Every container, network and volume of this lane, inspected. Of ours, what each start makes anew is left out;
    /// the foreign one has not even been started again.
    async fn look(&self) -> Result<Value, bollard::errors::Error> {
        let all = ListContainersOptions {
            all: true,
            filters: Some(self.filters()),
            ..ListContainersOptions::default()
        };
        let mut containers = serde_json::Map::new();
        let mut locks = Vec::new();
        for listed in self.docker.list_containers(Some(all)).await? {
            let id = listed.id.unwrap_or_default();
            // A lock carries no label of this lane: it is known by its container.
            let lock = self.docker.inspect_volume(&lock_on(&id)).await;
            locks.extend(lock.map(|volume| volume.name));
            let seen = self.docker.inspect_container(&id, None).await?;
            let mut seen = json!(seen);
            // Docker lists mounts in any order.
            if let Some(mounts) = seen["Mounts"].as_array_mut() {
                mounts.sort_by_key(|mount| mount["Destination"].to_string());
            }
            let name = seen["Name"].as_str().unwrap_or_default().to_owned();
            if name.ends_with("ours") {
                without_what_a_start_makes(&mut seen);
            }
            containers.insert(name, seen);
        }
        let networks = ListNetworksOptions {
            filters: Some(self.filters()),
        };
        let volumes = ListVolumesOptions {
            filters: Some(self.filters()),
        };
        // Whatever stands in for the lane's network has the beginning of its id at the end of its name.
        let place = self.network.get(..12).unwrap_or(&self.network).to_owned();
        let private = ListNetworksOptions {
            filters: Some(HashMap::from([("name".to_owned(), vec![place])])),
        };
        Ok(json!({
            "containers": containers,
            "locks": locks,
            "networks": by_name(self.docker.list_networks(Some(networks)).await?),
            "private": by_name(self.docker.list_networks(Some(private)).await?),
            "volumes": self.docker.list_volumes(Some(volumes)).await?.volumes,
        }))
    }

    fn remove(&self, what: &str) {
        let options = RemoveContainerOptions {
            force: true,
            v: true,
            ..RemoveContainerOptions::default()
        };
        let _ = self.runtime.block_on(
            self.docker
                .remove_container(&self.name(what), Some(options)),
        );
    }
}

impl Drop for Yard {
    fn drop(&mut self) {
        for what in CONTAINERS {
            self.remove(what);
        }
        for what in ["network", "theirs-network"] {
            let _ = self
                .runtime
                .block_on(self.docker.remove_network(&self.name(what)));
        }
        let _ = self.runtime.block_on(
            self.docker
                .remove_volume(&self.name("volume"), None::<RemoveVolumeOptions>),
        );
    }
}

/// The daemon lists them in no order.
fn by_name(networks: Vec<Network>) -> serde_json::Map<String, Value> {
    let named = |network: Network| (network.name.clone().unwrap_or_default(), json!(network));
    networks.into_iter().map(named).collect()
}

fn without_what_a_start_makes(seen: &mut Value) {
    if let Some(state) = seen["State"].as_object_mut() {
        for key in ["Pid", "StartedAt", "FinishedAt", "ExitCode"] {
            state.remove(key);
        }
    }
    if let Some(all) = seen.as_object_mut() {
        // Counts what the restart policy has done, since the last start by hand.
        all.remove("RestartCount");
        // Commands that were run inside, which the daemon forgets some minutes after they ended.
        all.remove("ExecIDs");
    }
    let Some(settings) = seen["NetworkSettings"].as_object_mut() else {
        return;
    };
    for key in ["SandboxID", "SandboxKey"] {
        settings.remove(key);
    }
    for network in settings
        .get_mut("Networks")
        .and_then(Value::as_object_mut)
        .into_iter()
        .flat_map(|networks| networks.values_mut())
        .filter_map(Value::as_object_mut)
    {
        network.remove("EndpointID");
        if network.get("IPAMConfig").is_none_or(Value::is_null) {
            network.remove("MacAddress");
            network.remove("IPAddress");
        }
    }
}
