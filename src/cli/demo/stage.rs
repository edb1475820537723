//! The stage: the wallet stack that a demo is played on, in this process or as containers, set before and struck after.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::super::abandoned;
use super::super::exit::Exit;
use super::super::terminal::Terminal;
use super::super::{Common, wallet};
use super::Args;
use crate::app::default_data;
use crate::clock::{SystemClock, random};
use crate::compose::{self, Stack};
use crate::lifecycle::Signals;
use crate::ports::Clock as _;

/// A stack that stands.
pub(super) struct Stage {
    pub(super) host: IpAddr,
    /// Where its demo keeps its journal.
    pub(super) data: PathBuf,
    made: Made,
}

enum Made {
    /// Tasks of this process.
    Tasks {
        tracker: TaskTracker,
        end: CancellationToken,
    },
    Containers(Box<Stack>),
}

/// What setting the stage came to.
pub(super) enum Set {
    Stands(Stage),
    /// There will be no drill, and nothing of the stack is left but what was said.
    Ended(Exit),
}

pub(super) async fn set(
    args: &Args,
    common: &Common,
    signals: &mut Signals,
    terminal: Terminal,
) -> anyhow::Result<Set> {
    let hosts = args.host.map_or_else(
        || {
            (1..=9)
                .map(|last| IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)))
                .collect()
        },
        |host| vec![host],
    );
    if args.docker {
        set_containers(args, common, &hosts, signals, terminal).await
    } else {
        set_tasks(args, common, &hosts, terminal).await
    }
}

impl Stage {
    /// What the library's variables are on it.
    pub(super) fn variables(&self) -> Vec<(String, String)> {
        match &self.made {
            Made::Tasks { .. } => vec![("host".to_owned(), self.host.to_string())],
            Made::Containers(stack) => stack.variables(),
        }
    }

    /// What has ended of it by itself, if anything has.
    pub(super) async fn fallen(&self) -> Option<String> {
        match &self.made {
            Made::Tasks { .. } => None,
            Made::Containers(stack) => stack.fallen().await,
        }
    }

    /// Takes the stack down, and says what could not be.
    pub(super) async fn strike(self, terminal: Terminal) -> Exit {
        match self.made {
            Made::Tasks { tracker, end } => {
                end.cancel();
                tracker.close();
                tracker.wait().await;
                Exit::Passed
            }
            Made::Containers(stack) => remove(&stack, terminal).await,
        }
    }
}

fn data(common: &Common, host: IpAddr) -> PathBuf {
    let own = || default_data().join("demo").join(host.to_string());
    common.data.clone().unwrap_or_else(own)
}

/// The wallet and the server that carries its links, on the first loopback address where every port is free.
async fn set_tasks(
    args: &Args,
    common: &Common,
    hosts: &[IpAddr],
    terminal: Terminal,
) -> anyhow::Result<Set> {
    let (tracker, end) = (TaskTracker::new(), CancellationToken::new());
    let mut refused = None;
    for host in hosts {
        match wallet::start(*host, args.seed, &tracker, &end).await {
            Ok(()) => {
                terminal.note(&format!(
                    "wallet stack on {host}: API on port 7000, Toxiproxy's API on port 8474"
                ));
                return Ok(Set::Stands(Stage {
                    host: *host,
                    data: data(common, *host),
                    made: Made::Tasks { tracker, end },
                }));
            }
            Err(error) => {
                terminal.note(&format!("{host} can't hold the wallet stack: {error:#}"));
                refused = Some(error);
            }
        }
    }
    Err(refused
        .unwrap_or_else(|| anyhow::anyhow!("there is no address to try"))
        .context("the wallet stack did not start"))
}

/// The same as containers. Whatever ends this before they stand, what was made is removed again.
async fn set_containers(
    args: &Args,
    common: &Common,
    hosts: &[IpAddr],
    signals: &mut Signals,
    terminal: Terminal,
) -> anyhow::Result<Set> {
    let docker = std::env::var("DOCKER_HOST").ok();
    let engine = compose::Engine::reach(docker.as_deref()).await?;
    let settled = abandoned::settle(&engine, None, signals, terminal).await?;
    if settled == Exit::Stuck {
        return Ok(Set::Ended(settled));
    }
    let host = compose::free_host(hosts)?;
    let now = SystemClock::start().now().wall.as_second();
    let data = data(common, host);
    let mut stack = Stack::new(engine, host, args.seed, &data, random(), now)?;
    let stop = CancellationToken::new();
    let started = {
        let starting = stack.start(&stop, |text| terminal.note(text));
        tokio::pin!(starting);
        // Cancel safe: what is under way is always waited for, and only what would come next is left out.
        tokio::select! {
            started = &mut starting => started,
            () = signals.next() => {
                terminal.note("stopping: the containers are being removed");
                stop.cancel();
                starting.await
            }
        }
    };
    match started {
        Ok(()) => {
            terminal.note(&format!(
                "wallet stack in containers, published on {host}: API on port 7000, Toxiproxy's API on port 8474"
            ));
            Ok(Set::Stands(Stage {
                host,
                data,
                made: Made::Containers(Box::new(stack)),
            }))
        }
        Err(error) => {
            let left = remove(&stack, terminal).await;
            match error {
                compose::Error::Interrupted => Ok(Set::Ended(Exit::Aborted.worst(left))),
                error if left == Exit::Stuck => {
                    terminal.error(&error.to_string());
                    Ok(Set::Ended(left))
                }
                error => Err(error.into()),
            }
        }
    }
}

/// Removes a stack, or says what is left of it.
async fn remove(stack: &Stack, terminal: Terminal) -> Exit {
    match stack.remove().await {
        Ok(()) => {
            terminal.note("the demo's containers, network and image are removed");
            Exit::Passed
        }
        Err(left) => {
            terminal.error(&left.to_string());
            Exit::Stuck
        }
    }
}
