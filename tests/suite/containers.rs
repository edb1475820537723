//! Container faults on a real Docker daemon: whatever ends a run, the containers run as before.
//!
//! The image holds nothing but a static busybox, so that no registry is needed.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use bollard::models::{ContainerCreateBody, HostConfig, RestartPolicy, RestartPolicyNameEnum};
use bollard::query_parameters::{
    CreateContainerOptions, CreateImageOptions, RemoveContainerOptions, StartContainerOptions,
};
use bollard::{API_DEFAULT_VERSION, Docker};
use futures_util::TryStreamExt as _;
use rustix::process::Signal;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::runtime::Runtime;

use crate::ground::not_run;
use crate::shop::{Experiment, Shop};

pub(crate) const SOCKET: &str = "unix:///var/run/docker.sock";
pub(crate) const IMAGE: &str = "firedrill-suite";

/// A shop whose stock also has a container; it is removed when this is dropped.
struct Site {
    shop: Shop,
    runtime: Runtime,
    docker: Docker,
    container: String,
}

impl Site {
    /// Nothing where there is no daemon or no busybox, which is said.
    fn open() -> Option<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let docker = match runtime.block_on(reach()) {
            Ok(docker) => docker,
            Err(why) => {
                not_run(&format!(
                    "this test needs a Docker daemon and a static busybox: {why}"
                ));
                return None;
            }
        };
        let shop = Shop::open();
        let container = format!("firedrill-suite-{}", shop.host);
        runtime
            .block_on(start(&docker, &container))
            .expect("a container starts");
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
                &format!("{{tier: books, container: {{name: {container}}}}}"),
            );
        shop.folder.write("stacks/shop.yaml", &stack);
        Some(Self {
            shop,
            runtime,
            docker,
            container,
        })
    }

    /// What must be as it was.
    fn state(&self) -> Value {
        let seen = self
            .runtime
            .block_on(self.docker.inspect_container(&self.container, None))
            .expect("it is there");
        let state = seen.state.expect("a container has a state");
        let policy = seen.host_config.and_then(|config| config.restart_policy);
        json!({"running": state.running, "paused": state.paused, "restart_policy": policy, "id": seen.id})
    }

    /// The volumes that lock this container.
    fn marks(&self) -> Vec<String> {
        let state = self.state();
        let name = lock_on(state["id"].as_str().expect("an id"));
        let seen = self.runtime.block_on(self.docker.inspect_volume(&name));
        seen.into_iter().map(|volume| volume.name).collect()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let options = RemoveContainerOptions {
            force: true,
            ..RemoveContainerOptions::default()
        };
        let removed = self
            .runtime
            .block_on(self.docker.remove_container(&self.container, Some(options)));
        assert!(
            removed.is_ok() || thread::panicking(),
            "{} is left: {removed:?}",
            self.container
        );
    }
}

/// The name of the volume that locks the container with this id.
pub(crate) fn lock_on(id: &str) -> String {
    let mut name = "mark-".to_owned();
    for byte in &Sha256::digest(id)[..8] {
        write!(name, "{byte:02x}").expect("writing to a String never fails");
    }
    name
}

pub(crate) async fn reach() -> Result<Docker, String> {
    let docker = Docker::connect_with_unix(SOCKET, 20, API_DEFAULT_VERSION)
        .map_err(|error| error.to_string())?
        .negotiate_version()
        .await
        .map_err(|error| error.to_string())?;
    if docker.inspect_image(IMAGE).await.is_err() {
        import(&docker).await?;
    }
    Ok(docker)
}

async fn import(docker: &Docker) -> Result<(), String> {
    static ARCHIVE: OnceLock<Result<Vec<u8>, String>> = OnceLock::new();
    let archive = ARCHIVE.get_or_init(|| {
        let program =
            std::fs::read("/bin/busybox").map_err(|error| format!("/bin/busybox: {error}"))?;
        Ok(archive("bin/busybox", &program))
    });
    let options = CreateImageOptions {
        from_src: Some("-".to_owned()),
        repo: Some(IMAGE.to_owned()),
        tag: Some("latest".to_owned()),
        ..CreateImageOptions::default()
    };
    let body = bollard::body_full(archive.clone()?.into());
    let imported = docker
        .create_image(Some(options), Some(body), None)
        .try_collect::<Vec<_>>()
        .await;
    imported.map(drop).map_err(|error| error.to_string())
}

/// A POSIX `ustar` archive of one program.
fn archive(path: &str, program: &[u8]) -> Vec<u8> {
    let size = format!("{:011o}\0", program.len());
    let fields = [
        (0, path),
        (100, "0000755\0"),
        (108, "0000000\0"),
        (116, "0000000\0"),
        (124, size.as_str()),
        (136, "00000000000\0"),
        // While the sum is taken, its own field is blank.
        (148, "        "),
        (156, "0"),
        (257, "ustar\x0000"),
    ];
    let mut header = [0_u8; 512];
    for (at, field) in fields {
        header[at..at + field.len()].copy_from_slice(field.as_bytes());
    }
    let sum: u32 = header.iter().copied().map(u32::from).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut archive = [&header, program].concat();
    // Whole blocks, and two empty ones at the end.
    archive.resize(archive.len().next_multiple_of(512) + 1024, 0);
    archive
}

async fn start(docker: &Docker, name: &str) -> Result<(), bollard::errors::Error> {
    start_labelled(docker, name, &[("env", "staging")]).await
}

async fn start_labelled(
    docker: &Docker,
    name: &str,
    labels: &[(&str, &str)],
) -> Result<(), bollard::errors::Error> {
    let labels = labels.iter();
    let labels = labels.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    let restart_policy = RestartPolicy {
        name: Some(RestartPolicyNameEnum::ALWAYS),
        maximum_retry_count: None,
    };
    let body = ContainerCreateBody {
        image: Some(IMAGE.to_owned()),
        cmd: Some(["/bin/busybox", "sleep", "600"].map(str::to_owned).to_vec()),
        labels: Some(labels.collect::<HashMap<_, _>>()),
        host_config: Some(HostConfig {
            network_mode: Some("none".to_owned()),
            restart_policy: Some(restart_policy),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    let options = CreateContainerOptions {
        name: Some(name.to_owned()),
        ..CreateContainerOptions::default()
    };
    docker.create_container(Some(options), body).await?;
    docker
        .start_container(name, None::<StartContainerOptions>)
        .await
}

fn hit(fault: &str, lasts: &str) -> Experiment {
    Experiment::of(format!(
        "{fault}: {{id: fault, service: stock, for: {lasts}}}"
    ))
}

#[test]
fn killed_and_paused_containers_run_again_after_a_run() {
    let Some(site) = Site::open() else { return };
    let before = site.state();
    for fault in ["kill", "pause"] {
        site.shop.run(&hit(fault, "1s")).exits(0);
        assert_eq!(site.state(), before, "{fault}");
    }
}

#[test]
fn a_signal_brings_a_killed_container_back() {
    let Some(site) = Site::open() else { return };
    let before = site.state();
    let run = site.shop.start(&hit("kill", "60s"));
    assert_eq!(site.state()["running"], false);
    run.signal(Signal::TERM);
    run.finish().exits(3);
    assert_eq!(site.state(), before);
}

#[test]
fn containers_run_again_whenever_the_process_died() {
    let Some(site) = Site::open() else { return };
    let before = site.state();
    for (fault, delay) in [("kill", 300), ("kill", 450), ("pause", 300), ("pause", 450)] {
        let file = site.shop.experiment(&hit(fault, "60s"));
        let run = site.shop.firedrill.start(["run", &file]);
        thread::sleep(Duration::from_millis(delay));
        run.crash();
        site.shop.firedrill.run(["recover"]).exits(0);
        assert_eq!(site.state(), before, "{fault} after {delay} ms");
    }
    for fault in ["kill", "pause"] {
        let run = site.shop.start(&hit(fault, "60s"));
        assert_ne!(site.state(), before, "{fault} is on");
        run.crash();
        site.shop.firedrill.run(["recover", "--dry-run"]).exits(5);
        assert_ne!(site.state(), before, "a dry run touches nothing");
        site.shop.firedrill.run(["recover"]).exits(0);
        assert_eq!(site.state(), before, "{fault} in the middle");
    }
}

#[test]
fn a_container_that_is_not_labelled_as_staging_is_refused() {
    let Some(site) = Site::open() else { return };
    let before = site.state();
    let stack = site
        .shop
        .folder
        .read("stacks/shop.yaml")
        .replace("env=staging", "env=production");
    site.shop.folder.write("stacks/shop.yaml", &stack);
    site.shop
        .run(&hit("kill", "1s"))
        .exits(4)
        .tells("env=production");
    assert_eq!(site.state(), before);
}

#[test]
fn a_container_that_another_firedrill_disturbs_is_refused_and_its_mark_goes_with_the_fault() {
    let Some(site) = Site::open() else { return };
    let before = site.state();
    let run = site.shop.start(&hit("pause", "60s"));
    let elsewhere = site
        .shop
        .firedrill
        .with_data(site.shop.folder.path().join("elsewhere"));
    // The container itself is as its fault left it, and is refused for that too.
    elsewhere.run(["run", "trial.yaml"]).exits(4);
    assert_eq!(site.marks().len(), 1, "the lock is on");
    run.crash();
    assert_eq!(site.marks().len(), 1, "the lock outlives its process");
    site.shop
        .firedrill
        .run(["halt", "--reason", "enough"])
        .exits(0)
        .results("1 fault(s) of 1 run(s) undone");
    assert_eq!(site.state(), before);
    assert_eq!(site.marks(), [""; 0]);
    site.shop.experiment(&hit("pause", "1s"));
    elsewhere.run(["run", "trial.yaml"]).exits(0);
    assert_eq!(site.marks(), [""; 0]);
}

/// More containers of the stock, found by a label; removed with this.
struct Crowd<'a> {
    site: &'a Site,
    names: Vec<String>,
}

impl<'a> Crowd<'a> {
    fn of(site: &'a Site, count: usize) -> Self {
        let label = format!("shop={}", site.container);
        let mut crowd = Self {
            site,
            names: Vec::new(),
        };
        for nth in 1..=count {
            let name = format!("{}-{nth}", site.container);
            let labels = [("env", "staging"), ("shop", site.container.as_str())];
            let started = site
                .runtime
                .block_on(start_labelled(&site.docker, &name, &labels));
            crowd.names.push(name);
            started.expect("a container starts");
        }
        let stack = site.shop.folder.read("stacks/shop.yaml");
        let stack = stack.replace(
            &format!("{{name: {}}}", site.container),
            &format!("{{label: \"{label}\"}}"),
        );
        site.shop.folder.write("stacks/shop.yaml", &stack);
        crowd
    }

    fn paused(&self) -> Vec<&str> {
        let paused = |name: &&String| {
            let seen = self.site.docker.inspect_container(name, None);
            let seen = self.site.runtime.block_on(seen).expect("it is there");
            seen.state.and_then(|state| state.paused) == Some(true)
        };
        let names = self.names.iter().filter(paused);
        names.map(String::as_str).collect()
    }
}

impl Drop for Crowd<'_> {
    fn drop(&mut self) {
        for name in &self.names {
            let options = RemoveContainerOptions {
                force: true,
                ..RemoveContainerOptions::default()
            };
            let removed = self.site.docker.remove_container(name, Some(options));
            let _ = self.site.runtime.block_on(removed);
        }
    }
}

#[test]
fn of_several_containers_those_are_hit_that_the_seed_draws_and_a_dry_run_says_which() {
    let Some(site) = Site::open() else { return };
    let crowd = Crowd::of(&site, 4);
    let step = "pause: {id: fault, service: stock, count: 2, for: 60s}";
    let file = site.shop.experiment(&Experiment::of(step));
    let firedrill = &site.shop.firedrill;
    let told = firedrill
        .run(["run", &file, "--dry-run", "--seed", "7"])
        .exits(0);
    let drawn: Vec<&str> = crowd
        .names
        .iter()
        .map(String::as_str)
        .filter(|name| {
            told.stdout
                .contains(&format!("the container {name}, drawn"))
        })
        .collect();
    assert_eq!(drawn.len(), 2, "{}", told.stdout);
    assert_eq!(crowd.paused(), [""; 0], "a dry run touches nothing");

    let mut run = firedrill.start(["run", &file, "--seed", "7"]);
    for name in &drawn {
        run.wait_for(&format!("pause of stock's container {name}"));
    }
    assert_eq!(crowd.paused(), drawn);
    run.crash();
    firedrill.run(["recover"]).exits(0);
    assert_eq!(crowd.paused(), [""; 0]);

    let every = Experiment::of("pause: {id: fault, service: stock, for: 1s}");
    site.shop.run(&every).exits(4).tells("must be one");
    let many = Experiment::of("pause: {id: fault, service: stock, count: 5, for: 1s}");
    site.shop.run(&many).exits(4).tells("can't be drawn");
    let half = Experiment::of("pause: {id: fault, service: stock, percent: 50, for: 1s}");
    site.shop.run(&half).exits(0);
    assert_eq!(crowd.paused(), [""; 0]);
}

#[test]
fn a_squeeze_without_a_limit_to_come_back_to_is_refused_before_anything_is_measured() {
    let Some(site) = Site::open() else { return };
    let step = "squeeze: {id: fault, service: stock, memory: 32MiB, at: 1s, for: 1s}";
    site.shop
        .run(&Experiment::of(step))
        .exits(4)
        .tells("it has no memory limit");
}
