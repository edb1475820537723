//! Stacks: a staging system under test and the proof that it is one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ids::{ProbeName, ProxyName, ServiceName, StackName};
use super::probe::{Expect, HttpRequest, Probe};

/// A staging system under test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stack {
    /// As other files name it.
    pub name: StackName,
    /// The environment it claims to be; compared with the allow-list.
    pub environment: String,
    /// What proves that it is staging, read from the targets before each run and each fault.
    pub identity: Vec<Identity>,
    /// Where its links are carried.
    pub toxiproxy: Option<Toxiproxy>,
    /// Where its containers run, such as `unix:///var/run/docker.sock`.
    pub docker: Option<String>,
    /// Its services by name.
    pub services: BTreeMap<ServiceName, Service>,
    /// Its links, in the order of the file.
    pub links: Vec<Link>,
    /// Its probes by name.
    pub probes: BTreeMap<ProbeName, Probe>,
}

impl Stack {
    /// The link carried by this proxy.
    pub fn link(&self, proxy: &ProxyName) -> Option<&Link> {
        self.links.iter().find(|link| link.proxy == *proxy)
    }
}

/// One check of a stack's identity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Identity {
    /// A request whose answer must be as expected, such as a chain id or a header.
    Http {
        /// What is asked.
        request: HttpRequest,
        /// What must come back.
        expect: Expect,
    },
    /// Every container the stack names carries this label.
    Containers {
        /// `key=value`.
        label: String,
    },
    /// Every link's upstream resolves into these networks only.
    Upstreams {
        /// Networks in CIDR form.
        within: Vec<String>,
    },
}

/// The Toxiproxy-compatible server that carries a stack's links.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Toxiproxy {
    /// Its API, such as `http://127.0.0.1:8474`.
    pub url: String,
    /// Whether missing proxies are created from the stack's links.
    pub create_proxies: bool,
    /// Whether firedrill itself serves that API while it runs.
    pub embedded: bool,
}

/// One service of a stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// The layer it belongs to, such as `customer`, `keys` or `chain`.
    pub tier: Option<String>,
    /// How its container is found, where it has one.
    pub container: Option<ContainerSelector>,
    /// Whether no fault may touch it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub protected: bool,
}

/// How a container is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContainerSelector {
    /// By its exact name.
    Name(String),
    /// By a label, `key=value` or `key`; it must match exactly one running container.
    Label(String),
}

/// One dependency between two services, carried by one proxy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Who calls.
    pub from: ServiceName,
    /// Who is called.
    pub to: ServiceName,
    /// The proxy's name.
    pub proxy: ProxyName,
    /// Where the proxy listens, `host:port`.
    pub listen: String,
    /// Where it forwards to, `host:port`.
    pub upstream: String,
}
