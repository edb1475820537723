//! The demo on containers that it makes itself: played to the end, interrupted, killed. Whatever ends it, nothing of it
//! is left at the Docker daemon; and nothing else is touched.

use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rustix::process::Signal;

use crate::demo::{Truth, looks_until, looks_until_failed_over, measured_truly};
use crate::firedrill::{Firedrill, Started};
use crate::ground::{Folder, not_run, own_address, until};
use crate::http;
use crate::proxies::Proxies;

/// The services, and the server that carries their links.
const CONTAINERS: usize = 8;

/// Held where a demo is killed: of two tests, the one must not remove what the other one's left.
static KILLED: Mutex<()> = Mutex::new(());

/// Runs the `docker` command, and answers with the lines that it printed.
fn docker(arguments: &[&str]) -> Vec<String> {
    let output = Command::new("docker").args(arguments).output();
    let output = output.expect("the docker command is there");
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| line.trim().to_owned()).collect()
}

/// Whether these tests can run; else why not is said.
fn is_there() -> bool {
    let daemon = Command::new("docker").arg("version").output();
    let there = daemon.is_ok_and(|output| output.status.success());
    if !there {
        not_run("this test needs a Docker daemon, and the docker command to speak to it");
    }
    there
}

/// A demo's address, folder and binary. What its test may leave at the daemon is removed when it is dropped.
struct Site {
    host: IpAddr,
    folder: Folder,
    firedrill: Firedrill,
}

/// Its `recover` and its demos see what other demos have at the daemon.
fn at_the_daemon(folder: &Folder) -> Firedrill {
    let host = std::env::var("DOCKER_HOST").unwrap_or_default();
    Firedrill::within(folder.path()).with("DOCKER_HOST", &host)
}

impl Site {
    fn new() -> Self {
        let folder = Folder::new();
        Self {
            host: own_address(),
            firedrill: at_the_daemon(&folder),
            folder,
        }
    }

    fn start(&self, further: &[&str]) -> Started {
        let host = self.host.to_string();
        let line = ["demo", "--docker", "--host", &host];
        self.firedrill.start(line.iter().chain(further))
    }

    /// Until the drill's fault is on.
    fn start_until_on(&self) -> Started {
        let mut demo = self.start(&["--exit"]);
        for told in [
            "containers in network",
            "published on",
            "signer-outage is on (read back)",
        ] {
            demo.wait_for(told);
        }
        demo
    }

    /// The container of a service.
    fn container(&self, service: &str) -> String {
        format!("firedrill-{}-{service}", self.host)
    }

    fn containers(&self) -> Vec<String> {
        let mut found = docker(&["ps", "--all", "--format", "{{.Names}}"]);
        found.retain(|name| name.starts_with(&self.container("")));
        found
    }

    /// Everything at the daemon that belongs to this address's demos: containers, networks, images and locks.
    fn things(&self) -> Vec<String> {
        let mut found = self.containers();
        let networks = docker(&["network", "ls", "--format", "{{.Name}}"]);
        let images = docker(&["images", "--all", "--format", "{{.Repository}}:{{.Tag}}"]);
        let (network, image) = (self.container(""), format!("firedrill-demo:{}-", self.host));
        found.extend(
            networks
                .into_iter()
                .filter(|name| name.starts_with(&network)),
        );
        found.extend(images.into_iter().filter(|name| name.starts_with(&image)));
        found.extend(self.runs().iter().flat_map(|run| {
            let label = format!("label=firedrill.run={run}");
            docker(&["volume", "ls", "--quiet", "--filter", &label])
        }));
        found
    }

    /// The runs that are in the journal's lock folder, or were: every run of this site, by the rooms that were told.
    fn runs(&self) -> Vec<String> {
        let streams = std::fs::read_dir(self.folder.path()).expect("a folder");
        let told = streams.filter_map(|entry| std::fs::read_to_string(entry.ok()?.path()).ok());
        told.flat_map(|text| {
            let rooms = text.lines().filter_map(|line| line.split_once("/runs/"));
            rooms
                .map(|(_, run)| run.trim().to_owned())
                .collect::<Vec<_>>()
        })
        .collect()
    }

    /// Whether bytes have come through a link's proxy.
    fn carries(&self, link: &str) -> bool {
        let carrier = SocketAddr::new(self.host, 8474);
        let metrics = http::send(carrier, "GET", "/metrics", "").expect("the carrier answers");
        metrics.body.lines().any(|line| {
            line.starts_with("toxiproxy_proxy_received_bytes_total{")
                && line.contains(&format!("proxy=\"{link}\""))
                && !line.ends_with(" 0")
        })
    }

    #[track_caller]
    fn left_nothing(&self) {
        assert_eq!(self.things(), [""; 0]);
        for port in [7000, 8474] {
            let closed = std::net::TcpStream::connect(SocketAddr::new(self.host, port));
            assert!(closed.is_err(), "port {port} is still published");
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // A test that failed must not leave to others what firedrill left.
        for name in self.containers() {
            docker(&["rm", "--force", &name]);
        }
        for thing in self.things() {
            let kind = if thing.contains(':') {
                "image"
            } else {
                "network"
            };
            docker(&[kind, "rm", &thing]);
        }
    }
}

fn inspect(container: &str, form: &str) -> String {
    docker(&["inspect", "--format", form, container]).concat()
}

#[test]
fn a_demo_on_containers_measures_what_happened_and_leaves_nothing() {
    if !is_there() {
        return;
    }
    let site = Site::new();
    let mut demo = site.start(&["--exit", "--seed", "2", "--script", "script.json"]);
    demo.wait_for("containers in network");
    demo.wait_for("published on");
    let signer = site.container("signer-a");
    looks_until("the kill", || {
        inspect(&signer, "{{.State.Running}}") == "false"
    });
    // The daemon's own word, to the microsecond.
    let broken: Timestamp = inspect(&signer, "{{.State.FinishedAt}}")
        .parse()
        .expect("a time");
    let repaired = looks_until_failed_over(site.host);

    // Seven services and the carrier, one container each, published on the demo's own address alone.
    assert_eq!(site.containers().len(), CONTAINERS);
    let form = "{{range .HostConfig.PortBindings}}{{range .}}{{.HostIp}} {{end}}{{end}}{{.HostConfig.Privileged}}";
    for container in site.containers() {
        assert_eq!(inspect(&container, form), format!("{} false", site.host));
    }
    // Every link is a proxy in the containers' network; all but that to the idle node carry something.
    let proxies = Proxies::on(site.host).snapshot();
    let proxies = proxies.as_object().expect("proxies by name");
    assert_eq!(proxies.len(), 7);
    for (name, proxy) in proxies {
        let text = |key: &str| proxy[key].as_str().expect("an address").to_owned();
        let (listen, upstream) = (text("listen"), text("upstream"));
        let network = listen.rsplit_once(".2:").expect("the carrier's address").0;
        assert!(upstream.starts_with(&format!("{network}.1")), "{proxy}");
        if name != "api-node-b" {
            let what = format!("{name} carries something");
            until(&what, Duration::from_secs(10), || {
                site.carries(name).then_some(())
            });
        }
    }

    let finished = demo.finish().exits(0);
    let finished = finished
        .results("drill lost-signer: passed")
        .tells("kill of signer-a's container")
        .tells("the demo's containers, network and image are removed");
    assert!(
        finished.stdout.contains("rating     P, performed"),
        "{}",
        finished.stdout
    );
    measured_truly(&site.folder, &site.firedrill, &Truth { broken, repaired });
    let left = site.firedrill.run(["recover", "--dry-run"]);
    assert!(left.stdout.contains("nothing is open"), "{}", left.stdout);
    site.left_nothing();
}

#[test]
fn an_interrupt_in_the_middle_of_a_demo_on_containers_leaves_nothing() {
    if !is_there() {
        return;
    }
    let site = Site::new();
    let demo = site.start_until_on();
    assert_eq!(
        site.things().len(),
        CONTAINERS + 3,
        "with network, image and lock"
    );
    demo.signal(Signal::INT);
    demo.finish().exits(3).results("aborted (exit 3)");
    site.left_nothing();
}

#[test]
fn an_interrupt_while_the_containers_start_leaves_nothing() {
    if !is_there() {
        return;
    }
    let site = Site::new();
    for told in ["making an image", "containers in network"] {
        let mut demo = site.start(&["--exit"]);
        demo.wait_for(told);
        demo.signal(Signal::TERM);
        demo.finish()
            .exits(3)
            .tells("the demo's containers, network and image are removed");
        site.left_nothing();
    }
}

#[test]
fn what_a_killed_demo_leaves_is_recovered_and_neither_a_living_ones_nor_anybody_elses() {
    if !is_there() {
        return;
    }
    let _alone = KILLED.lock().unwrap_or_else(PoisonError::into_inner);
    let (dead, living) = (Site::new(), Site::new());
    let mut alive = living.start(&["--exit", "--manual"]);
    dead.start_until_on().crash();
    alive.wait_for("published on");
    assert_eq!(dead.things().len(), CONTAINERS + 3);
    // Looks like a demo's but for the label that counts.
    let stranger = dead.container("stranger");
    docker(&[
        "network",
        "create",
        "--label",
        "firedrill.service=signer-a",
        &stranger,
    ]);
    assert!(dead.things().contains(&stranger));

    // From another data folder, as somebody would who knows nothing of that demo.
    let folder = Folder::new();
    let firedrill = at_the_daemon(&folder);
    let rehearsed = firedrill.run(["recover", "--dry-run"]).exits(5);
    rehearsed.results(&format!("demo {}-", dead.host));
    let recovered = firedrill.run(["recover"]);
    recovered
        .exits(0)
        .tells("when its process died")
        .tells("it is removed");
    assert_eq!(dead.things(), [stranger]);
    assert_eq!(living.containers().len(), CONTAINERS);
    let running = inspect(&living.container("wallet-api"), "{{.State.Running}}");
    assert_eq!(running, "true");
    // The dead demo's runs are ended as well, in its own journal.
    let open = dead.firedrill.run(["recover", "--dry-run"]).exits(0);
    open.results("nothing is open");
    alive.signal(Signal::INT);
    until("it ends", Duration::from_mins(1), || {
        (!alive.is_running()).then_some(())
    });
    living.left_nothing();
}

#[test]
fn the_next_demo_on_containers_removes_what_a_killed_one_left_and_takes_its_place() {
    if !is_there() {
        return;
    }
    let _alone = KILLED.lock().unwrap_or_else(PoisonError::into_inner);
    let site = Site::new();
    site.start_until_on().crash();
    let next = site.start_until_on();
    assert_eq!(site.things().len(), CONTAINERS + 3);
    next.signal(Signal::INT);
    next.finish().exits(3).tells("when its process died");
    site.left_nothing();
}

#[test]
fn a_demo_without_a_daemon_of_this_machine_says_so_and_touches_nothing() {
    let folder = Folder::new();
    let firedrill = Firedrill::within(folder.path());
    let absent = firedrill.with("DOCKER_HOST", "unix:///nowhere/docker.sock");
    let refused = absent.run(["demo", "--docker", "--exit"]).exits(4);
    refused
        .tells("no Docker daemon answers at unix:///nowhere/docker.sock")
        .tells("hint: start Docker");
    let far = firedrill.with("DOCKER_HOST", "tcp://192.0.2.1:2375");
    let refused = far.run(["demo", "--docker", "--exit"]).exits(4);
    refused
        .tells("must be on this machine")
        .tells("hint: unset it");
    assert!(!folder.has("data"), "nothing was opened");
    firedrill
        .run(["demo", "--docker", "--drill", "bad-token"])
        .exits(2);
}

#[test]
fn a_demo_on_containers_publishes_nothing_beyond_loopback() {
    if !is_there() {
        return;
    }
    let site = Site::new();
    let line = ["demo", "--docker", "--exit", "--host", "0.0.0.0"];
    let refused = site.firedrill.run(line).exits(4);
    refused.tells("a demo's ports are published nowhere else");
    site.left_nothing();
}
