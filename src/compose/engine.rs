//! One Docker daemon of this machine: the calls that a demo makes, each with a deadline.

use std::collections::HashMap;
use std::time::Duration;

use bollard::errors::Error as Failure;
use bollard::models::{ContainerCreateBody, NetworkCreateRequest};
use bollard::query_parameters::{
    CreateContainerOptions, CreateImageOptions, ListContainersOptions, ListImagesOptions,
    ListNetworksOptions, LogsOptions, RemoveContainerOptions, RemoveImageOptions,
    StartContainerOptions,
};
use bollard::{API_DEFAULT_VERSION, Docker};
use futures_util::{StreamExt as _, TryStreamExt as _};

use super::Error;
use super::label::{DEMO, Labels};

/// Where a daemon listens unless it was told otherwise.
const USUAL: &str = "unix:///var/run/docker.sock";

/// The longest one request takes, in seconds: importing an image on a busy machine.
const LONGEST_REQUEST_S: u64 = 120;

/// How long a daemon may take to say that it is there.
const GREETING: Duration = Duration::from_secs(5);

/// The most that is shown of what a container said.
const LAST_WORDS: usize = 300;

/// A daemon that has answered.
#[derive(Debug, Clone)]
pub struct Engine {
    docker: Docker,
    host: String,
}

/// What a demo makes at a daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Container,
    Network,
    Image,
}

/// One thing that is labelled as a demo's.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Thing {
    pub(super) kind: Kind,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) labels: Labels,
    /// Whether it is a container that runs.
    pub(super) runs: bool,
}

impl Thing {
    /// It, as the command that removes it by hand has it.
    pub(super) fn by_hand(&self) -> String {
        match self.kind {
            Kind::Container => format!("docker rm --force {}", self.name),
            Kind::Network => format!("docker network rm {}", self.name),
            Kind::Image => format!("docker rmi --force {}", self.name),
        }
    }
}

impl Engine {
    /// The daemon that `DOCKER_HOST` names, or the usual one.
    pub async fn reach(docker_host: Option<&str>) -> Result<Self, Error> {
        let host = docker_host.filter(|host| !host.is_empty()).unwrap_or(USUAL);
        let Some(path) = host.strip_prefix("unix://") else {
            return Err(Error::Elsewhere(host.to_owned()));
        };
        let unreachable = |why: String| Error::Unreachable {
            host: host.to_owned(),
            why,
        };
        let reached = async {
            Docker::connect_with_unix(path, LONGEST_REQUEST_S, API_DEFAULT_VERSION)?
                .negotiate_version()
                .await
        };
        let docker = tokio::time::timeout(GREETING, reached)
            .await
            .map_err(|_| unreachable(format!("no answer within {} s", GREETING.as_secs())))?
            .map_err(|failure| unreachable(innermost(&failure)))?;
        Ok(Self {
            docker,
            host: host.to_owned(),
        })
    }

    /// Its address, as a stack file names it.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Makes an image of one layer from an archive of its root.
    pub(super) async fn import(
        &self,
        name: &str,
        tag: &str,
        changes: Vec<String>,
        root: Vec<u8>,
    ) -> Result<(), Error> {
        let options = CreateImageOptions {
            from_src: Some("-".to_owned()),
            repo: Some(name.to_owned()),
            tag: Some(tag.to_owned()),
            changes,
            ..CreateImageOptions::default()
        };
        let body = bollard::body_full(root.into());
        self.docker
            .create_image(Some(options), Some(body), None)
            .try_collect::<Vec<_>>()
            .await
            .map(drop)
            .map_err(|failure| refused(&format!("importing image {name}:{tag}"), &failure))
    }

    /// Makes a network.
    pub(super) async fn create_network(&self, wanted: NetworkCreateRequest) -> Result<(), Error> {
        let what = format!("making network {}", wanted.name);
        let made = self.docker.create_network(wanted).await;
        made.map(drop).map_err(|failure| refused(&what, &failure))
    }

    /// The blocks of addresses of a network.
    pub(super) async fn subnets(&self, name: &str) -> Result<Vec<String>, Error> {
        let seen = self
            .docker
            .inspect_network(name, None)
            .await
            .map_err(|failure| refused(&format!("reading network {name}"), &failure))?;
        let blocks = seen.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
        Ok(blocks
            .into_iter()
            .filter_map(|block| block.subnet)
            .collect())
    }

    /// Makes a container, and starts it.
    pub(super) async fn run(&self, name: &str, body: ContainerCreateBody) -> Result<(), Error> {
        let options = CreateContainerOptions {
            name: Some(name.to_owned()),
            ..CreateContainerOptions::default()
        };
        self.docker
            .create_container(Some(options), body)
            .await
            .map_err(|failure| refused(&format!("making container {name}"), &failure))?;
        self.docker
            .start_container(name, None::<StartContainerOptions>)
            .await
            .map_err(|failure| refused(&format!("starting container {name}"), &failure))
    }

    /// The last that a container said; nothing where that can't be read.
    pub(super) async fn last_words(&self, name: &str) -> String {
        let options = LogsOptions {
            stdout: true,
            stderr: true,
            tail: "5".to_owned(),
            ..LogsOptions::default()
        };
        let lines = self.docker.logs(name, Some(options));
        let lines: Vec<String> = lines
            .filter_map(|line| async { Some(line.ok()?.to_string().trim().to_owned()) })
            .collect()
            .await;
        lines.join("; ").chars().take(LAST_WORDS).collect()
    }

    /// Everything that is labelled as a demo's, or as this demo's.
    pub(super) async fn labelled(&self, demo: Option<&str>) -> Result<Vec<Thing>, Error> {
        let label = match demo {
            Some(demo) => format!("{DEMO}={demo}"),
            None => DEMO.to_owned(),
        };
        let filters = HashMap::from([("label".to_owned(), vec![label])]);
        let mut things = self.containers(filters.clone()).await?;
        things.extend(self.networks(filters.clone()).await?);
        things.extend(self.images(filters).await?);
        // A filter that a daemon does not know must not hand us what is not ours.
        things.retain(|thing| match (thing.labels.get(DEMO), demo) {
            (Some(found), Some(demo)) => found == demo,
            (found, _) => found.is_some(),
        });
        Ok(things)
    }

    async fn containers(&self, filters: HashMap<String, Vec<String>>) -> Result<Vec<Thing>, Error> {
        let options = ListContainersOptions {
            all: true,
            filters: Some(filters),
            ..ListContainersOptions::default()
        };
        let listed = self.docker.list_containers(Some(options)).await;
        let listed = listed.map_err(|failure| refused("listing containers", &failure))?;
        let things = listed.into_iter().filter_map(|one| {
            let id = one.id?;
            let name = one.names.and_then(|names| names.into_iter().next());
            let state = one.state.map(|state| state.to_string()).unwrap_or_default();
            Some(Thing {
                kind: Kind::Container,
                name: name.map_or_else(
                    || id.clone(),
                    |name| name.trim_start_matches('/').to_owned(),
                ),
                id,
                labels: one.labels.unwrap_or_default(),
                runs: matches!(state.as_str(), "running" | "paused" | "restarting"),
            })
        });
        Ok(things.collect())
    }

    async fn networks(&self, filters: HashMap<String, Vec<String>>) -> Result<Vec<Thing>, Error> {
        let options = ListNetworksOptions {
            filters: Some(filters),
        };
        let listed = self.docker.list_networks(Some(options)).await;
        let listed = listed.map_err(|failure| refused("listing networks", &failure))?;
        let things = listed.into_iter().filter_map(|one| {
            Some(Thing {
                kind: Kind::Network,
                id: one.id?,
                name: one.name.unwrap_or_default(),
                labels: one.labels.unwrap_or_default(),
                runs: false,
            })
        });
        Ok(things.collect())
    }

    async fn images(&self, filters: HashMap<String, Vec<String>>) -> Result<Vec<Thing>, Error> {
        let options = ListImagesOptions {
            all: true,
            filters: Some(filters),
            ..ListImagesOptions::default()
        };
        let listed = self.docker.list_images(Some(options)).await;
        let listed = listed.map_err(|failure| refused("listing images", &failure))?;
        let things = listed.into_iter().map(|one| Thing {
            kind: Kind::Image,
            name: one
                .repo_tags
                .into_iter()
                .next()
                .unwrap_or_else(|| one.id.clone()),
            id: one.id,
            labels: one.labels,
            runs: false,
        });
        Ok(things.collect())
    }

    /// Removes a thing. One that is gone already is as good.
    pub(super) async fn remove(&self, thing: &Thing) -> Result<(), Error> {
        let removed = match thing.kind {
            Kind::Container => {
                let options = RemoveContainerOptions {
                    force: true,
                    v: true,
                    link: false,
                };
                self.docker.remove_container(&thing.id, Some(options)).await
            }
            Kind::Network => self.docker.remove_network(&thing.id).await,
            Kind::Image => {
                let options = RemoveImageOptions {
                    force: true,
                    ..RemoveImageOptions::default()
                };
                let removed = self.docker.remove_image(&thing.id, Some(options), None);
                removed.await.map(drop)
            }
        };
        match removed {
            Err(Failure::DockerResponseServerError {
                status_code: 404, ..
            }) => Ok(()),
            removed => {
                removed.map_err(|failure| refused(&format!("removing {}", thing.name), &failure))
            }
        }
    }
}

fn refused(what: &str, failure: &Failure) -> Error {
    let why = match failure {
        Failure::DockerResponseServerError { message, .. } => message.trim().to_owned(),
        failure => innermost(failure),
    };
    Error::Refused {
        what: what.to_owned(),
        why,
    }
}

/// The error at the bottom says what the system said.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}
