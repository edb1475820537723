//! One Docker daemon: the few calls firedrill makes, each with a deadline, in firedrill's errors.
//!
//! The API version is negotiated: the client's own is newer than what many daemons answer to.

pub(super) mod networks;

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use bollard::models::{ContainerInspectResponse, ContainerUpdateBody, VolumeCreateRequest};
use bollard::query_parameters::{
    InspectContainerOptions, KillContainerOptions, ListContainersOptions, RemoveVolumeOptions,
    RestartContainerOptions, StartContainerOptions, StopContainerOptions,
};
use bollard::{API_DEFAULT_VERSION, Docker};
use futures_util::StreamExt as _;

use super::LOOK_AGAIN;
use crate::ports::FaultError;

/// The longest one request takes, in seconds.
const LONGEST_REQUEST_S: u64 = 10;

/// How long a container may take to stop in good order, in seconds: what a driver call has, less the time to read back.
const STOP_GRACE_S: i32 = 8;

/// The most that is kept of what a command prints, in bytes.
const MOST_SAID: usize = 300;

/// A daemon that has answered. Its connections are kept and used again.
#[derive(Clone)]
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
    /// The networks it is on: names, and ids where the daemon tells them, which it does once it has run there.
    pub(super) networks: BTreeMap<String, String>,
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
    /// Its first process, as the daemon's machine numbers it.
    pub(super) pid: i64,
    /// How often its restart policy has started it since it was last started by hand.
    pub(super) restarts: i64,
    pub(super) limits: Limits,
}

/// What a container may use, as the daemon holds it; zero where nothing was ever said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// In bytes.
    pub(super) memory: i64,
    /// Memory with swap, in bytes.
    pub(super) memory_swap: i64,
    /// In billionths of a processor.
    pub(super) nano_cpus: i64,
    /// In microseconds of each period; negative for none.
    pub(super) cpu_quota: i64,
    /// In microseconds.
    pub(super) cpu_period: i64,
}

/// How a command inside a container ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ran {
    /// Its exit status, where the daemon still knows it.
    pub(super) code: Option<i64>,
    /// The end of what it printed.
    tail: String,
}

impl Ran {
    /// What it printed, after what else is told of it; nothing where it was silent.
    pub(super) fn said(&self) -> String {
        match self.tail.trim() {
            "" => String::new(),
            said => {
                let from = said.len().saturating_sub(MOST_SAID);
                let from = (from..said.len()).find(|at| said.is_char_boundary(*at));
                let end = &said[from.unwrap_or_default()..];
                format!("; it said: {}", end.replace('\n', " | "))
            }
        }
    }
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
                networks: one
                    .network_settings
                    .and_then(|settings| settings.networks)
                    .unwrap_or_default()
                    .into_iter()
                    .map(|(name, endpoint)| (name, endpoint.network_id.unwrap_or_default()))
                    .collect(),
            })
        });
        Ok(listed.collect())
    }

    /// One container by id or name, if it is there.
    pub(super) async fn inspect(&self, id: &str) -> Result<Option<Seen>, FaultError> {
        match self.answer(id).await? {
            Some(answer) => self.seen(id, answer).map(Some),
            None => Ok(None),
        }
    }

    /// What the daemon says of one container, if it is there.
    async fn answer(&self, id: &str) -> Result<Option<ContainerInspectResponse>, FaultError> {
        match self
            .docker
            .inspect_container(id, None::<InspectContainerOptions>)
            .await
        {
            Ok(answer) => Ok(Some(answer)),
            Err(Error::DockerResponseServerError {
                status_code: 404,
                message,
            }) if message.to_ascii_lowercase().contains("no such") => Ok(None),
            Err(error) => Err(failure(&self.host, error)),
        }
    }

    fn seen(&self, id: &str, answer: ContainerInspectResponse) -> Result<Seen, FaultError> {
        let incomplete = || FaultError::ReadBack {
            what: format!("container {id} at {}", self.host),
            why: "its id or state is missing from the answer".to_owned(),
        };
        let host_config = answer.host_config.unwrap_or_default();
        let state = answer.state.ok_or_else(incomplete)?;
        Ok(Seen {
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
            pid: state.pid.unwrap_or_default(),
            restarts: answer.restart_count.unwrap_or_default(),
            limits: Limits {
                memory: host_config.memory.unwrap_or_default(),
                memory_swap: host_config.memory_swap.unwrap_or_default(),
                nano_cpus: host_config.nano_cpus.unwrap_or_default(),
                cpu_quota: host_config.cpu_quota.unwrap_or_default(),
                cpu_period: host_config.cpu_period.unwrap_or_default(),
            },
            auto_remove: host_config.auto_remove.unwrap_or_default(),
            restart_policy: host_config
                .restart_policy
                .and_then(|policy| policy.name)
                .map(|name| name.to_string())
                .unwrap_or_default(),
        })
    }

    /// Kills a container's first process, and keeps its restart policy from acting.
    pub(super) async fn kill(&self, id: &str) -> Result<(), FaultError> {
        let options = KillContainerOptions::default();
        let done = self.docker.kill_container(id, Some(options)).await;
        done.map_err(|error| failure(&self.host, error))
    }

    /// Stops a container in good order.
    pub(super) async fn stop(&self, id: &str) -> Result<(), FaultError> {
        let options = StopContainerOptions {
            t: Some(STOP_GRACE_S),
            ..StopContainerOptions::default()
        };
        let done = self.docker.stop_container(id, Some(options)).await;
        done.map_err(|error| failure(&self.host, error))
    }

    /// Freezes a container.
    pub(super) async fn pause(&self, id: &str) -> Result<(), FaultError> {
        let done = self.docker.pause_container(id).await;
        done.map_err(|error| failure(&self.host, error))
    }

    /// Restarts a container in good order.
    pub(super) async fn restart(&self, id: &str) -> Result<(), FaultError> {
        let options = RestartContainerOptions {
            t: Some(STOP_GRACE_S),
            ..RestartContainerOptions::default()
        };
        let done = self.docker.restart_container(id, Some(options)).await;
        done.map_err(|error| failure(&self.host, error))
    }

    /// Changes a container's limits. What is absent stays as it is.
    pub(super) async fn update(
        &self,
        id: &str,
        limits: ContainerUpdateBody,
    ) -> Result<(), FaultError> {
        let done = self.docker.update_container(id, limits).await;
        done.map_err(|error| failure(&self.host, error))
    }

    /// How many processors the daemon's machine has.
    pub(super) async fn cpus(&self) -> Result<i64, FaultError> {
        let told = self.docker.info().await;
        let told = told.map_err(|error| failure(&self.host, error))?;
        told.ncpu
            .filter(|cpus| *cpus > 0)
            .ok_or_else(|| FaultError::ReadBack {
                what: format!("the processors of {}", self.host),
                why: "their number is missing from the answer".to_owned(),
            })
    }

    /// Runs a command inside a container, and waits for its end.
    pub(super) async fn run_inside(&self, id: &str, command: &[String]) -> Result<Ran, FaultError> {
        let options = CreateExecOptions {
            cmd: Some(command.to_vec()),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            ..CreateExecOptions::default()
        };
        let failed = |error| failure(&self.host, error);
        let exec = self
            .docker
            .create_exec(id, options)
            .await
            .map_err(failed)?
            .id;
        let start = self.docker.start_exec(&exec, None::<StartExecOptions>);
        let mut tail = String::new();
        if let StartExecResults::Attached { mut output, .. } = start.await.map_err(failed)? {
            while let Some(Ok(line)) = output.next().await {
                if let LogOutput::StdOut { message } | LogOutput::StdErr { message } = line {
                    tail.push_str(&String::from_utf8_lossy(&message));
                }
                keep_end(&mut tail);
            }
        }
        // What it printed may end before it does. The daemon forgets commands with the container that they ran in.
        let code = loop {
            match self.docker.inspect_exec(&exec).await {
                Ok(told) if told.running == Some(true) => tokio::time::sleep(LOOK_AGAIN).await,
                told => break told.ok().and_then(|told| told.exit_code),
            }
        };
        Ok(Ran { code, tail })
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

/// Cuts a text down to its end, where it has grown too long.
fn keep_end(text: &mut String) {
    if text.len() > 2 * MOST_SAID {
        let from = text.len() - MOST_SAID;
        let from = (from..text.len()).find(|at| text.is_char_boundary(*at));
        *text = text.split_off(from.unwrap_or_default());
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
