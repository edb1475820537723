//! One Docker daemon: the few calls firedrill makes, each with a deadline, in firedrill's errors.
//!
//! The API version is negotiated: the client's own is newer than what many daemons answer to.

use std::collections::HashMap;
use std::fmt;

use bollard::errors::Error;
use bollard::models::VolumeCreateRequest;
use bollard::query_parameters::{
    InspectContainerOptions, KillContainerOptions, ListContainersOptions, RemoveVolumeOptions,
    RestartContainerOptions, StartContainerOptions, StopContainerOptions,
};
use bollard::{API_DEFAULT_VERSION, Docker};

use crate::model::fault::ContainerAction;
use crate::ports::FaultError;

/// The longest one request takes, in seconds.
const LONGEST_REQUEST_S: u64 = 10;

/// How long a container may take to stop in good order, in seconds: what a driver call has, less the time to read back.
const STOP_GRACE_S: i32 = 8;

/// A daemon that has answered.
pub(super) struct Daemon {
    docker: Docker,
    host: String,
}

/// A container in a listing.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) labels: HashMap<String, String>,
    /// `running`, `paused`, `exited`…
    pub(super) state: String,
}

impl Listed {
    /// Whether it has processes: a paused one has.
    pub(super) fn is_running(&self) -> bool {
        matches!(self.state.as_str(), "running" | "paused" | "restarting")
    }
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.state)
    }
}

/// A container, as inspected.
#[expect(
    clippy::struct_excessive_bools,
    reason = "the daemon reports them as independent flags"
)]
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seen {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) status: String,
    pub(super) started_at: String,
    pub(super) running: bool,
    pub(super) paused: bool,
    pub(super) restarting: bool,
    pub(super) exit_code: Option<i64>,
    pub(super) auto_remove: bool,
    pub(super) restart_policy: String,
}

impl Seen {
    /// Its state in a few words.
    pub(super) fn state(&self) -> String {
        match (self.running, self.exit_code) {
            (false, Some(code)) => format!("{} with {code}", self.status),
            _ => format!("{} since {}", self.status, self.started_at),
        }
    }
}

impl Daemon {
    /// Connects to `host` and agrees on a version of the API.
    pub(super) async fn reach(host: &str) -> Result<Self, FaultError> {
        let connected = match host.split_once("://") {
            Some(("unix", path)) => {
                Docker::connect_with_unix(path, LONGEST_REQUEST_S, API_DEFAULT_VERSION)
            }
            Some(("tcp" | "http", _)) => {
                Docker::connect_with_http(host, LONGEST_REQUEST_S, API_DEFAULT_VERSION)
            }
            _ => {
                return Err(FaultError::Refused {
                    what: "firedrill".to_owned(),
                    why: format!(
                        "Docker host {host} is not supported yet: only unix:// and tcp:// without TLS are"
                    ),
                });
            }
        };
        let connected = connected.map_err(|error| failure(host, error))?;
        let docker = connected
            .negotiate_version()
            .await
            .map_err(|error| failure(host, error))?;
        Ok(Self {
            docker,
            host: host.to_owned(),
        })
    }

    /// Every container, running or not.
    pub(super) async fn list(&self) -> Result<Vec<Listed>, FaultError> {
        let options = ListContainersOptions {
            all: true,
            ..ListContainersOptions::default()
        };
        let all = self
            .docker
            .list_containers(Some(options))
            .await
            .map_err(|error| failure(&self.host, error))?;
        let listed = all.into_iter().filter_map(|one| {
            Some(Listed {
                id: one.id?,
                name: bare(&one.names?.into_iter().find(|name| is_own(name))?),
                labels: one.labels.unwrap_or_default(),
                state: one.state.map(|state| state.to_string()).unwrap_or_default(),
            })
        });
        Ok(listed.collect())
    }

    /// One container by id or name, if it is there.
    pub(super) async fn inspect(&self, id: &str) -> Result<Option<Seen>, FaultError> {
        let answer = match self
            .docker
            .inspect_container(id, None::<InspectContainerOptions>)
            .await
        {
            Ok(answer) => answer,
            Err(Error::DockerResponseServerError {
                status_code: 404,
                message,
            }) if message.to_ascii_lowercase().contains("no such") => return Ok(None),
            Err(error) => return Err(failure(&self.host, error)),
        };
        let incomplete = || FaultError::ReadBack {
            what: format!("container {id} at {}", self.host),
            why: "its id or state is missing from the answer".to_owned(),
        };
        let host_config = answer.host_config.unwrap_or_default();
        let state = answer.state.ok_or_else(incomplete)?;
        Ok(Some(Seen {
            id: answer.id.ok_or_else(incomplete)?,
            name: bare(&answer.name.ok_or_else(incomplete)?),
            status: state
                .status
                .map(|status| status.to_string())
                .unwrap_or_default(),
            started_at: state.started_at.ok_or_else(incomplete)?,
            running: state.running.ok_or_else(incomplete)?,
            paused: state.paused.unwrap_or_default(),
            restarting: state.restarting.unwrap_or_default(),
            exit_code: state.exit_code,
            auto_remove: host_config.auto_remove.unwrap_or_default(),
            restart_policy: host_config
                .restart_policy
                .and_then(|policy| policy.name)
                .map(|name| name.to_string())
                .unwrap_or_default(),
        }))
    }

    /// Does to a container what a fault does.
    pub(super) async fn act(&self, id: &str, action: ContainerAction) -> Result<(), FaultError> {
        let done = match action {
            ContainerAction::Kill => {
                let options = KillContainerOptions::default();
                self.docker.kill_container(id, Some(options)).await
            }
            ContainerAction::Stop => {
                let options = StopContainerOptions {
                    t: Some(STOP_GRACE_S),
                    ..StopContainerOptions::default()
                };
                self.docker.stop_container(id, Some(options)).await
            }
            ContainerAction::Pause => self.docker.pause_container(id).await,
            ContainerAction::Restart => {
                let options = RestartContainerOptions {
                    t: Some(STOP_GRACE_S),
                    ..RestartContainerOptions::default()
                };
                self.docker.restart_container(id, Some(options)).await
            }
        };
        done.map_err(|error| failure(&self.host, error))
    }

    /// Starts a container.
    pub(super) async fn start(&self, id: &str) -> Result<(), FaultError> {
        self.docker
            .start_container(id, None::<StartContainerOptions>)
            .await
            .map_err(|error| failure(&self.host, error))
    }

    /// Unfreezes a container.
    pub(super) async fn unpause(&self, id: &str) -> Result<(), FaultError> {
        self.docker
            .unpause_container(id)
            .await
            .map_err(|error| failure(&self.host, error))
    }
}

/// Volumes: empty ones, whose labels are what counts.
impl Daemon {
    /// A volume's labels, if it is there.
    pub(super) async fn volume_labels(
        &self,
        name: &str,
    ) -> Result<Option<HashMap<String, String>>, FaultError> {
        match self.docker.inspect_volume(name).await {
            Ok(volume) => Ok(Some(volume.labels)),
            Err(Error::DockerResponseServerError {
                status_code: 404,
                message,
            }) if message.to_ascii_lowercase().contains("no such") => Ok(None),
            Err(error) => Err(failure(&self.host, error)),
        }
    }

    /// Makes a volume; one that is there stays as it is.
    pub(super) async fn create_volume(
        &self,
        name: &str,
        labels: HashMap<String, String>,
    ) -> Result<(), FaultError> {
        let wanted = VolumeCreateRequest {
            name: Some(name.to_owned()),
            labels: Some(labels),
            ..VolumeCreateRequest::default()
        };
        self.docker
            .create_volume(wanted)
            .await
            .map(drop)
            .map_err(|error| failure(&self.host, error))
    }

    /// Removes a volume.
    pub(super) async fn remove_volume(&self, name: &str) -> Result<(), FaultError> {
        self.docker
            .remove_volume(name, None::<RemoveVolumeOptions>)
            .await
            .map_err(|error| failure(&self.host, error))
    }
}

/// Names come with a slash before them.
fn bare(name: &str) -> String {
    name.trim_start_matches('/').to_owned()
}

/// A link of another container shows as `/other/alias` among the names.
fn is_own(name: &str) -> bool {
    !bare(name).contains('/')
}

fn failure(host: &str, error: Error) -> FaultError {
    let what = format!("Docker at {host}");
    match error {
        Error::DockerResponseServerError {
            status_code,
            message,
        } => FaultError::Refused {
            what,
            why: format!("{status_code} {}", message.trim()),
        },
        Error::RequestTimeoutError => FaultError::Unreachable {
            what,
            why: format!("no answer within {LONGEST_REQUEST_S} s"),
        },
        error => FaultError::Unreachable {
            what,
            why: innermost(&error),
        },
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
