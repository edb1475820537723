//! The wallet as containers: the shipped experiments that kill one and squeeze another run as they are.
//!
//! The image is made here, from the binary under test and the libraries it is linked to; the containers share the host's
//! network, so that every test has a loopback address of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use crate::firedrill::Firedrill;
use crate::ground::{Folder, not_run, own_address, project, until};
use crate::http;

const SERVICES: [&str; 7] = [
    "node-a",
    "node-b",
    "signer-a",
    "signer-b",
    "prices",
    "ledger",
    "wallet-api",
];

fn docker(arguments: &[&str]) -> Output {
    Command::new("docker")
        .args(arguments)
        .output()
        .expect("the docker command is there")
}

/// The image, and a container a service; all removed when this is dropped.
struct Containers {
    image: String,
    names: Vec<String>,
}

impl Containers {
    /// Nothing where there is no daemon, which is said.
    fn start(host: &str, folder: &Folder) -> Option<Self> {
        let daemon = Command::new("docker").arg("version").output();
        if !daemon.is_ok_and(|output| output.status.success()) {
            not_run("this test needs a Docker daemon, and the docker command to speak to it");
            return None;
        }
        let image = format!("firedrill-wallet-test:{}", std::process::id());
        import(&image, folder.path());
        let mut started = Self {
            image,
            names: Vec::new(),
        };
        for service in SERVICES {
            let name = format!("firedrill-{host}-{service}");
            let label = format!("firedrill.service={service}");
            let run = docker(&[
                "run",
                "--detach",
                "--name",
                &name,
                "--network",
                "host",
                "--label",
                "env=staging",
                "--label",
                &label,
                &started.image,
                "/firedrill",
                "wallet",
                service,
                "--direct",
                "--host",
                host,
            ]);
            started.names.push(name);
            assert!(
                run.status.success(),
                "{service}: {}",
                String::from_utf8_lossy(&run.stderr)
            );
        }
        Some(started)
    }
}

impl Drop for Containers {
    fn drop(&mut self) {
        let mut arguments = vec!["rm", "--force"];
        arguments.extend(self.names.iter().map(String::as_str));
        docker(&arguments);
        docker(&["rmi", "--force", &self.image]);
    }
}

/// Makes the image without a registry: the binary, and what the loader says that it needs.
fn import(image: &str, folder: &Path) {
    let script = r#"
        set -e
        mkdir -p "$2/root" && cp "$1" "$2/root/firedrill"
        ldd "$1" | grep -o '/[^ ]*' | while read -r library; do
            mkdir -p "$2/root$(dirname "$library")" && cp -L "$library" "$2/root$library"
        done
        tar -C "$2/root" -c . | docker import - "$3" >/dev/null
        rm -r "$2/root"
    "#;
    let made = Command::new("sh")
        .args(["-c", script, "sh", env!("CARGO_BIN_EXE_firedrill")])
        .arg(folder)
        .arg(image)
        .output()
        .expect("a shell");
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
}

#[test]
fn the_shipped_faults_on_containers_run_on_a_wallet_of_containers() {
    let folder = Folder::new();
    let host = own_address();
    let Some(containers) = Containers::start(&host.to_string(), &folder) else {
        return;
    };
    let api = SocketAddr::new(host, 7000);
    until("the wallet knows a price", Duration::from_secs(30), || {
        http::send(api, "GET", "/v1/quote", "")
            .ok()
            .filter(|answer| answer.status() == 200)
    });
    let started_at = || {
        let signer = containers
            .names
            .iter()
            .find(|name| name.ends_with("signer-a"))
            .expect("it was started");
        let seen = docker(&[
            "inspect",
            "--format",
            "{{.State.Running}} {{.State.StartedAt}}",
            signer,
        ]);
        String::from_utf8_lossy(&seen.stdout).trim().to_owned()
    };
    let before = started_at();
    let file = project()
        .join("experiments/killed-signer.yaml")
        .display()
        .to_string();
    let variable = format!("host={host}");
    let firedrill = Firedrill::within(folder.path());
    firedrill
        .run(["run", &file, "--var", &variable])
        .exits(0)
        .tells("killed-signer is on (read back): kill of signer-a's container");
    let after = started_at();
    assert!(
        after.starts_with("true ") && after != before,
        "before {before}, after {after}"
    );

    let file = project()
        .join("experiments/starved-node.yaml")
        .display()
        .to_string();
    firedrill
        .run(["run", &file, "--var", &variable])
        .exits(0)
        .tells("starved-node is on (read back): squeeze of node-a's container");
    let node = containers
        .names
        .iter()
        .find(|name| name.ends_with("node-a"));
    let node = node.expect("it was started");
    let seen = docker(&["inspect", "--format", "{{.HostConfig.CpuQuota}}", node]);
    assert_eq!(
        String::from_utf8_lossy(&seen.stdout).trim(),
        "-1",
        "no limit"
    );
}
