//! Stacks: a staging system under test and the proof that it is one.

use std::collections::BTreeMap;
use std::fmt;

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

/// How containers are found. Services name one of the first three; the others come of steps that hit several containers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContainerSelector {
    /// By its exact name.
    Name(String),
    /// By a label, `key=value` or `key`.
    Label(String),
    /// By its Compose service.
    Compose {
        /// Its project; any where absent.
        project: Option<String>,
        /// The service.
        service: String,
    },
    /// So many of those that `of` finds: to be drawn when a run begins.
    Several {
        /// How they are found.
        of: Box<ContainerSelector>,
        /// How many.
        share: Share,
    },
    /// One of those that `of` finds, as it was drawn.
    Drawn {
        /// Its name.
        name: String,
        /// How it was found.
        of: Box<ContainerSelector>,
    },
}

/// The label by which Compose says what service a container is of.
const COMPOSE_SERVICE: &str = "com.docker.compose.service";

/// The label by which Compose says what project a container is of.
const COMPOSE_PROJECT: &str = "com.docker.compose.project";

impl ContainerSelector {
    /// Whether it means the container with this name and these labels; of several, all that they are drawn from.
    pub fn matches<'a>(&self, name: &str, label: &dyn Fn(&str) -> Option<&'a str>) -> bool {
        match self {
            Self::Name(own) => own == name,
            Self::Label(text) => match text.split_once('=') {
                Some((key, value)) => label(key) == Some(value),
                None => label(text).is_some(),
            },
            Self::Compose { project, service } => {
                label(COMPOSE_SERVICE) == Some(service)
                    && project
                        .as_deref()
                        .is_none_or(|project| label(COMPOSE_PROJECT) == Some(project))
            }
            Self::Several { of, .. } => of.matches(name, label),
            Self::Drawn { name: own, of } => own == name && of.matches(name, label),
        }
    }

    /// How the service it is of finds its containers.
    pub fn of_service(&self) -> &Self {
        match self {
            Self::Several { of, .. } | Self::Drawn { of, .. } => of.of_service(),
            own => own,
        }
    }
}

impl fmt::Display for ContainerSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) | Self::Drawn { name, .. } => f.write_str(name),
            Self::Label(label) => write!(f, "with label {label}"),
            Self::Compose {
                project: Some(project),
                service,
            } => write!(f, "of Compose service {service} of project {project}"),
            Self::Compose { service, .. } => write!(f, "of Compose service {service}"),
            Self::Several { of, .. } => of.fmt(f),
        }
    }
}

/// How many of several containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Share {
    /// So many, at least 1.
    Count(u32),
    /// So many of a hundred, rounded down, and at least one.
    Percent(u8),
}

impl Share {
    /// How many of `all`. More than there are is more than there are.
    pub fn of(self, all: usize) -> usize {
        match self {
            Self::Count(count) => count as usize,
            Self::Percent(percent) => (all * usize::from(percent) / 100).max(1),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_are_found_by_name_label_and_compose_service() {
        let compose = |project: Option<&str>, service: &str| ContainerSelector::Compose {
            project: project.map(str::to_owned),
            service: service.to_owned(),
        };
        let drawn = |name: &str, of| ContainerSelector::Drawn {
            name: name.to_owned(),
            of: Box::new(of),
        };
        let label = |text: &str| ContainerSelector::Label(text.to_owned());
        let labels = |key: &str| match key {
            "env" => Some("staging"),
            "com.docker.compose.service" => Some("node"),
            "com.docker.compose.project" => Some("wallet"),
            _ => None,
        };
        for (selector, matches) in [
            (ContainerSelector::Name("node-1".to_owned()), true),
            (ContainerSelector::Name("node-2".to_owned()), false),
            (label("env=staging"), true),
            (label("env"), true),
            (label("env=production"), false),
            (compose(None, "node"), true),
            (compose(Some("wallet"), "node"), true),
            (compose(Some("shop"), "node"), false),
            (compose(None, "api"), false),
            (drawn("node-1", label("env")), true),
            (drawn("node-1", label("other")), false),
            (drawn("node-2", label("env")), false),
        ] {
            assert_eq!(selector.matches("node-1", &labels), matches, "{selector:?}");
        }
    }
}
