//! Faults on containers: killed, stopped, paused, restarted, crashed, squeezed, commands run inside.
//!
//! A container is known by its id and its start time, never by its name alone: one that was recreated, or that somebody
//! else restarted, is not ours to touch, and what became of it is said. Containers can't be labelled once they exist, so
//! the owner is in the token.

mod crash;
mod cut;
mod daemon;
mod exec;
pub(super) mod labels;
pub(super) mod lock;
mod squeeze;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::crash::Way;
use self::daemon::{Daemon, Listed, Seen};
pub use self::labels::Labels;
use self::squeeze::Pinch;
use super::attempts::Attempts;
use super::{deadline, misdirected, opened, owner, sealed};
use crate::engine::event::{Token, UndoneBy};
use crate::engine::undo::Armed;
use crate::model::fault::{Act, ContainerAction, Injection};
use crate::model::ids::RunId;
use crate::model::stack::{ContainerSelector, Stack};
use crate::ports::{Answer, Applied, Clock, FaultDriver, FaultError, Presence, Removed};

/// How long a state that was asked for may take to show, beyond the answer.
const SETTLING: Duration = Duration::from_secs(2);

/// The same where a process ends by itself, in its own time.
const DYING: Duration = Duration::from_secs(5);

/// From one look at a settling container to the next.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The most candidates that a hint lists.
const MOST_CANDIDATES: usize = 12;

/// What the undo needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Mark {
    /// The daemon.
    host: String,
    /// The container.
    id: String,
    /// Its name then.
    name: String,
    /// When it was last started then: tells our container from the same one restarted by others.
    started_at: String,
    /// Whether it ran then.
    running: bool,
    /// Whether it was frozen then.
    paused: bool,
    /// Its restart policy, which a kill suppresses until it is started.
    restart_policy: String,
    /// The owner tag.
    owner: String,
    /// How often its restart policy had started it then.
    #[serde(default)]
    restarts: i64,
    /// How a crash reaches its process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    way: Option<Way>,
    /// Its limits then, and squeezed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pinch: Option<Pinch>,
    /// What is done.
    action: ContainerAction,
}

impl Mark {
    /// Whether the container is as the action leaves it.
    fn shows_in(&self, seen: &Seen) -> bool {
        match self.action {
            ContainerAction::Kill | ContainerAction::Stop => !seen.running && !seen.restarting,
            ContainerAction::Pause => seen.paused && self.same_start(seen),
            ContainerAction::Restart => seen.running && !self.same_start(seen),
            ContainerAction::Crash(_) => !seen.running || seen.restarting || !self.same_start(seen),
            ContainerAction::Squeeze(_) => self
                .pinch
                .as_ref()
                .is_some_and(|pinch| pinch.shows_in(&seen.limits)),
            // Only its own check tells.
            ContainerAction::Exec(_) => true,
        }
    }

    /// How long what was asked for may take to show.
    fn settling(&self) -> Duration {
        match self.action {
            ContainerAction::Crash(_) => DYING,
            _ => SETTLING,
        }
    }

    fn pinch(&self) -> Result<&Pinch, FaultError> {
        self.pinch.as_ref().ok_or_else(|| self.incomplete("limits"))
    }

    fn incomplete(&self, what: &str) -> FaultError {
        FaultError::ReadBack {
            what: format!("the recorded token of {}", self.owner),
            why: format!("its {what} are missing"),
        }
    }

    fn same_start(&self, seen: &Seen) -> bool {
        self.started_at == seen.started_at
    }

    fn what(&self) -> String {
        format!("container {} ({})", self.name, short(&self.id))
    }
}

/// Drives containers.
pub struct DockerDriver {
    clock: Arc<dyn Clock>,
    attempts: Attempts,
    /// Held while a network is looked for and made.
    making: tokio::sync::Mutex<()>,
    /// Daemons that have answered, by host: to agree on a version anew would be a good part of what an undo may take.
    reached: Mutex<BTreeMap<String, Daemon>>,
}

impl DockerDriver {
    /// A driver without connections; the daemons come from the stacks.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            attempts: Attempts::default(),
            making: tokio::sync::Mutex::default(),
            reached: Mutex::default(),
        }
    }

    /// A daemon, and the version agreed on with it.
    async fn reach(&self, host: &str) -> Result<Daemon, FaultError> {
        let known = self.reached().get(host).cloned();
        if let Some(daemon) = known {
            return Ok(daemon);
        }
        let daemon = Daemon::reach(host).await?;
        self.reached().insert(host.to_owned(), daemon.clone());
        Ok(daemon)
    }

    /// After a failure nothing that was agreed on is relied on: another daemon may answer by now.
    fn relying<T>(&self, outcome: Result<T, FaultError>) -> Result<T, FaultError> {
        if outcome.is_err() {
            self.reached().clear();
        }
        outcome
    }

    /// A panic elsewhere can't leave this map half-changed.
    fn reached(&self) -> MutexGuard<'_, BTreeMap<String, Daemon>> {
        self.reached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read(
        &self,
        run: &RunId,
        stack: &Stack,
        injection: &Injection,
    ) -> Result<Token, FaultError> {
        let Act::Container {
            service,
            selector,
            action,
        } = &injection.act
        else {
            return Err(misdirected("Docker", injection));
        };
        let host = host_of(stack)?;
        let daemon = self.reach(host).await?;
        let listed = chosen(&daemon.list().await?, selector, service.as_str())?.clone();
        let seen = daemon
            .inspect(&listed.id)
            .await?
            .ok_or_else(|| FaultError::Missing {
                what: format!("container {}", listed.name),
                hint: Some("it was removed just now".to_owned()),
            })?;
        judge(&seen, action)?;
        let refused = |why: String| unfit(&seen, action, why);
        let way = match action {
            ContainerAction::Crash(signal) => {
                Some(crash::way(host, &seen, *signal).map_err(refused)?)
            }
            _ => None,
        };
        let pinch = match action {
            ContainerAction::Squeeze(squeeze) => {
                let cpus = daemon.cpus().await?;
                Some(Pinch::of(*squeeze, &seen.limits, cpus).map_err(refused)?)
            }
            _ => None,
        };
        sealed(&Mark {
            host: host.to_owned(),
            restarts: seen.restarts,
            way,
            pinch,
            id: seen.id,
            name: seen.name,
            started_at: seen.started_at,
            running: seen.running,
            paused: seen.paused,
            restart_policy: seen.restart_policy,
            owner: owner::tag_of(run, injection),
            action: action.clone(),
        })
    }

    async fn act(&self, armed: &Armed, mark: &Mark) -> Result<Applied, FaultError> {
        deadline::left(armed, &self.clock.now())?;
        let daemon = self.reach(&mark.host).await?;
        let before = self.captured(&daemon, mark).await?;
        let repeated = self.attempts.applied(&mark.owner).is_some();
        // Only a container that is as it was captured is ours to act on.
        let as_captured = before.running
            && !before.restarting
            && before.paused == mark.paused
            && mark.same_start(&before);
        let already_done = repeated && mark.shows_in(&before);
        if !as_captured && !already_done {
            return Err(FaultError::Foreign {
                what: mark.what(),
                why: format!("it has changed since it was looked at: {}", before.state()),
            });
        }
        if let ContainerAction::Exec(exec) = &mark.action {
            return self.exec(&daemon, mark, exec, &before).await;
        }
        let sent = self.attempts.applying(&mark.owner, self.clock.now());
        let asked = if already_done {
            Ok(())
        } else {
            ask(&daemon, mark).await
        };
        // Whatever was answered, what the container shows decides.
        let seen = self
            .settled(&daemon, mark, |seen| mark.shows_in(seen))
            .await?;
        if !mark.shows_in(&seen) {
            asked?;
            return Err(wrong(mark, &seen));
        }
        Ok(Applied {
            sent,
            effective: self.clock.now(),
            evidence: format!(
                "{} reads back {}{}",
                mark.what(),
                state(mark, &seen),
                policy(mark, &seen)
            ),
        })
    }

    async fn restore(&self, mark: &Mark) -> Result<Removed, FaultError> {
        let daemon = self.reach(&mark.host).await?;
        let Some(seen) = daemon.inspect(&mark.id).await? else {
            let evidence = self.succession(&daemon, mark).await?;
            return Ok(self.removed(mark, UndoneBy::Other, evidence));
        };
        match &mark.action {
            ContainerAction::Squeeze(_) => return self.release(&daemon, mark, &seen).await,
            ContainerAction::Exec(exec) => return self.unexec(&daemon, mark, exec, &seen).await,
            _ => {}
        }
        if seen.restarting && matches!(mark.action, ContainerAction::Crash(_)) {
            // After each end its policy waits twice as long, up to a minute. To ask for a start changes nothing then; a
            // restart begins at once, and its policy's patience anew.
            let asked = daemon.restart(&mark.id).await;
            let runs = |seen: &Seen| seen.running && !seen.restarting;
            return self.finish(&daemon, mark, asked, runs).await;
        }
        if seen.restarting {
            return Err(wrong(mark, &seen));
        }
        let ours = self.attempts.undo_sent(&mark.owner);
        let who = |ours: bool| if ours { UndoneBy::Us } else { UndoneBy::Other };
        let state = format!("{} is {}", mark.what(), seen.state());
        match mark.action {
            ContainerAction::Kill | ContainerAction::Stop if seen.running => {
                Ok(self.removed(mark, who(ours), state))
            }
            ContainerAction::Crash(_) if seen.running => {
                let evidence = format!("{state}{}", revival(mark, &seen));
                Ok(self.removed(mark, who(ours), evidence))
            }
            ContainerAction::Restart if seen.running => {
                let restarted = !mark.same_start(&seen);
                Ok(self.removed(mark, who(restarted), state))
            }
            // Somebody has started it and stopped it again since: what it is now is theirs.
            ContainerAction::Kill | ContainerAction::Stop | ContainerAction::Crash(_)
                if !mark.same_start(&seen) =>
            {
                let evidence = format!("{state}; it was started again since, this end is not ours");
                Ok(self.removed(mark, UndoneBy::Other, evidence))
            }
            ContainerAction::Kill
            | ContainerAction::Stop
            | ContainerAction::Crash(_)
            | ContainerAction::Restart => {
                let started = daemon.start(&mark.id).await;
                self.finish(&daemon, mark, started, |seen| {
                    seen.running && !seen.restarting
                })
                .await
            }
            ContainerAction::Pause if !seen.paused => Ok(self.removed(mark, who(ours), state)),
            ContainerAction::Pause if !mark.same_start(&seen) => {
                let evidence = format!("{state}; it was restarted, this pause is not ours");
                Ok(self.removed(mark, UndoneBy::Other, evidence))
            }
            ContainerAction::Pause => {
                let unpaused = daemon.unpause(&mark.id).await;
                self.finish(&daemon, mark, unpaused, |seen| seen.running && !seen.paused)
                    .await
            }
            // Handled above.
            ContainerAction::Squeeze(_) | ContainerAction::Exec(_) => Err(wrong(mark, &seen)),
        }
    }

    /// Brings former limits back. They outlive restarts, so it does not matter whether it runs, nor since when.
    async fn release(
        &self,
        daemon: &Daemon,
        mark: &Mark,
        seen: &Seen,
    ) -> Result<Removed, FaultError> {
        let pinch = mark.pinch()?;
        if pinch.is_gone_from(&seen.limits) {
            let ours = self.attempts.undo_sent(&mark.owner);
            let by = if ours { UndoneBy::Us } else { UndoneBy::Other };
            let mut evidence = format!("{} has {}", mark.what(), seen.limits);
            if !pinch.is_undone_in(&seen.limits) {
                evidence.push_str("; somebody else has set that since, and it stays");
            }
            return Ok(self.removed(mark, by, evidence));
        }
        let asked = daemon.update(&mark.id, pinch.releasing(&seen.limits)).await;
        self.finish(daemon, mark, asked, |seen| pinch.is_gone_from(&seen.limits))
            .await
    }

    /// Reads back what an undo has come to.
    async fn finish(
        &self,
        daemon: &Daemon,
        mark: &Mark,
        asked: Result<(), FaultError>,
        done: impl Fn(&Seen) -> bool,
    ) -> Result<Removed, FaultError> {
        if !matches!(asked, Err(FaultError::Refused { .. })) {
            self.attempts.undoing(&mark.owner);
        }
        let seen = self.settled(daemon, mark, &done).await?;
        if !done(&seen) {
            asked?;
            return Err(wrong(mark, &seen));
        }
        // Somebody who was faster makes our request a refused one.
        let by = if asked.is_ok() {
            UndoneBy::Us
        } else {
            UndoneBy::Other
        };
        let evidence = format!("{} reads back {}", mark.what(), state(mark, &seen));
        Ok(self.removed(mark, by, evidence))
    }

    async fn see(&self, mark: &Mark) -> Result<Presence, FaultError> {
        let daemon = self.reach(&mark.host).await?;
        let Some(seen) = daemon.inspect(&mark.id).await? else {
            return Ok(Presence::Gone(self.succession(&daemon, mark).await?));
        };
        if let ContainerAction::Exec(exec) = &mark.action {
            return self.exec_shows(&daemon, mark, exec).await;
        }
        Ok(if mark.shows_in(&seen) {
            Presence::Present
        } else {
            Presence::Gone(format!("{} is {}", mark.what(), state(mark, &seen)))
        })
    }

    /// What has become of a container that is not there any more.
    async fn succession(&self, daemon: &Daemon, mark: &Mark) -> Result<String, FaultError> {
        succession(daemon, &mark.what(), &mark.name).await
    }

    async fn captured(&self, daemon: &Daemon, mark: &Mark) -> Result<Seen, FaultError> {
        daemon
            .inspect(&mark.id)
            .await?
            .ok_or_else(|| FaultError::Missing {
                what: mark.what(),
                hint: Some("it was removed since it was looked at".to_owned()),
            })
    }

    /// The container once it is as wanted, else as it is when the time to settle is over.
    async fn settled(
        &self,
        daemon: &Daemon,
        mark: &Mark,
        wanted: impl Fn(&Seen) -> bool,
    ) -> Result<Seen, FaultError> {
        let until = tokio::time::Instant::now() + mark.settling();
        loop {
            let seen = self.captured(daemon, mark).await?;
            if wanted(&seen) || tokio::time::Instant::now() >= until {
                return Ok(seen);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    fn removed(&self, mark: &Mark, by: UndoneBy, evidence: String) -> Removed {
        self.attempts.settled(&mark.owner);
        Removed {
            at: self.clock.now(),
            by,
            evidence,
        }
    }
}

impl FaultDriver for DockerDriver {
    fn capture<'a>(
        &'a self,
        run: &'a RunId,
        stack: &'a Stack,
        injection: &'a Injection,
    ) -> Answer<'a, Result<Token, FaultError>> {
        Box::pin(async move {
            let captured = deadline::bounded("Docker", async move {
                match injection.act {
                    Act::Cut { .. } => self.read_cut(run, stack, injection).await,
                    _ => self.read(run, stack, injection).await,
                }
            });
            self.relying(captured.await)
        })
    }

    fn apply<'a>(&'a self, armed: &'a Armed) -> Answer<'a, Result<Applied, FaultError>> {
        Box::pin(async move {
            let applied = deadline::bounded("Docker", async move {
                match armed.injection().act {
                    Act::Cut { .. } => self.cut(armed, &opened(armed)?).await,
                    _ => self.act(armed, &opened(armed)?).await,
                }
            });
            self.relying(applied.await)
        })
    }

    fn undo<'a>(&'a self, armed: &'a Armed) -> Answer<'a, Result<Removed, FaultError>> {
        Box::pin(async move {
            let removed = deadline::bounded("Docker", async move {
                match armed.injection().act {
                    Act::Cut { .. } => self.rejoin(&opened(armed)?).await,
                    _ => self.restore(&opened(armed)?).await,
                }
            });
            self.relying(removed.await)
        })
    }

    fn look<'a>(&'a self, armed: &'a Armed) -> Answer<'a, Result<Presence, FaultError>> {
        Box::pin(async move {
            let seen = deadline::bounded("Docker", async move {
                match armed.injection().act {
                    Act::Cut { .. } => self.see_cut(&opened(armed)?).await,
                    _ => self.see(&opened(armed)?).await,
                }
            });
            self.relying(seen.await)
        })
    }

    fn by_hand(&self, armed: &Armed) -> Option<String> {
        if matches!(armed.injection().act, Act::Cut { .. }) {
            return opened::<cut::Mark>(armed).ok().map(|mark| mark.by_hand());
        }
        let mark: Mark = opened(armed).ok()?;
        let (host, id) = (&mark.host, short(&mark.id));
        Some(match &mark.action {
            ContainerAction::Kill | ContainerAction::Stop | ContainerAction::Restart => {
                format!("docker -H {host} start {id}")
            }
            // What its policy is about to start again can't be started.
            ContainerAction::Crash(_) => format!("docker -H {host} restart {id}"),
            ContainerAction::Pause => format!("docker -H {host} unpause {id}"),
            ContainerAction::Squeeze(_) => {
                let limits = mark.pinch.as_ref()?.by_hand();
                format!("docker -H {host} update {limits} {id}")
            }
            ContainerAction::Exec(exec) => {
                format!("docker -H {host} exec {id} {}", exec::by_hand(exec))
            }
        })
    }
}

/// Asks a daemon for what is to be done.
async fn ask(daemon: &Daemon, mark: &Mark) -> Result<(), FaultError> {
    let id = &mark.id;
    match &mark.action {
        ContainerAction::Kill => daemon.kill(id).await,
        ContainerAction::Stop => daemon.stop(id).await,
        ContainerAction::Pause => daemon.pause(id).await,
        ContainerAction::Restart => daemon.restart(id).await,
        ContainerAction::Crash(signal) => {
            let way = mark.way.ok_or_else(|| mark.incomplete("ways"))?;
            crash::send(daemon, id, way, *signal).await
        }
        ContainerAction::Squeeze(_) => daemon.update(id, mark.pinch()?.squeezing()).await,
        ContainerAction::Exec(_) => Ok(()),
    }
}

/// What has become of a container that is not there any more.
async fn succession(daemon: &Daemon, what: &str, name: &str) -> Result<String, FaultError> {
    Ok(match daemon.inspect(name).await? {
        None => format!("{what} was removed"),
        Some(other) => format!(
            "{what} was removed; {} has its name now and is not touched",
            short(&other.id)
        ),
    })
}

fn host_of(stack: &Stack) -> Result<&str, FaultError> {
    stack.docker.as_deref().ok_or_else(|| FaultError::Missing {
        what: format!("the Docker host of stack {}", stack.name),
        hint: Some("name it in the stack: `docker: {host: …}`".to_owned()),
    })
}

/// The one container that is meant. A label may also be on stopped containers; a name is on one at the most.
fn chosen<'a>(
    all: &'a [Listed],
    selector: &ContainerSelector,
    service: &str,
) -> Result<&'a Listed, FaultError> {
    let what = match selector {
        ContainerSelector::Name(name) => format!("container {name} of {service}"),
        ContainerSelector::Label(label) => format!("a container of {service} labelled {label}"),
        other => format!("a container of {service}, {other}"),
    };
    let matching: Vec<&Listed> = all.iter().filter(|one| carries(one, selector)).collect();
    let running: Vec<&Listed> = matching
        .iter()
        .copied()
        .filter(|one| one.is_running())
        .collect();
    let hint = match (running.as_slice(), matching.as_slice()) {
        ([one], _) | ([], [one]) => return Ok(one),
        ([], []) if all.is_empty() => "there are no containers".to_owned(),
        ([], []) => format!("the containers there are {}", named(all.iter())),
        ([], several) => format!("none of {} runs", named(several.iter().copied())),
        (several, _) => format!(
            "it must be one, and matches {}; say `count` or `percent` to hit some of them",
            named(several.iter().copied())
        ),
    };
    Err(FaultError::Missing {
        what,
        hint: Some(hint),
    })
}

/// Whether what is to be done can be done and undone.
fn judge(seen: &Seen, action: &ContainerAction) -> Result<(), FaultError> {
    if !seen.running || seen.paused || seen.restarting {
        let why = format!(
            "it is {}, and only a running one can be disturbed",
            seen.state()
        );
        return Err(unfit(seen, action, why));
    }
    if seen.auto_remove && action.ends_it() {
        let why = "it is removed when it ends (`--rm`), so that it could not be started again";
        return Err(unfit(seen, action, why.to_owned()));
    }
    Ok(())
}

fn unfit(seen: &Seen, action: &ContainerAction, why: String) -> FaultError {
    FaultError::Refused {
        what: format!(
            "{} of container {} ({})",
            action.as_str(),
            seen.name,
            short(&seen.id)
        ),
        why,
    }
}

fn carries(one: &Listed, selector: &ContainerSelector) -> bool {
    selector.matches(&one.name, &|key| one.labels.get(key).map(String::as_str))
}

fn named<'a>(all: impl Iterator<Item = &'a Listed>) -> String {
    let names: Vec<String> = all.map(ToString::to_string).collect();
    let shown = names[..names.len().min(MOST_CANDIDATES)].join(", ");
    match names.len().checked_sub(MOST_CANDIDATES) {
        Some(more) if more > 0 => format!("{shown} and {more} more"),
        _ => shown,
    }
}

/// What a container is like, of what the action is about.
fn state(mark: &Mark, seen: &Seen) -> String {
    match mark.action {
        ContainerAction::Squeeze(_) => seen.limits.to_string(),
        _ => seen.state(),
    }
}

/// What becomes of a container that was made to end, where nobody starts it.
fn policy(mark: &Mark, seen: &Seen) -> String {
    let policy = match mark.restart_policy.as_str() {
        "" | "no" => None,
        policy => Some(policy),
    };
    match (&mark.action, policy) {
        (ContainerAction::Kill | ContainerAction::Stop, Some(policy)) => {
            format!("; its restart policy `{policy}` is suppressed until it is started")
        }
        (ContainerAction::Crash(_), None) => {
            "; it has no restart policy, and stays as it is until it is started".to_owned()
        }
        (ContainerAction::Crash(_), Some(policy)) => {
            let so_far = revival(mark, seen);
            if so_far.is_empty() {
                format!("; its restart policy `{policy}` may start it again")
            } else {
                so_far
            }
        }
        _ => String::new(),
    }
}

/// Who has started a crashed container again, where it was.
fn revival(mark: &Mark, seen: &Seen) -> String {
    if mark.same_start(seen) {
        String::new()
    } else if seen.restarts > mark.restarts {
        format!(
            "; its restart policy `{}` has started it again",
            mark.restart_policy
        )
    } else {
        "; it was started again, and not by its restart policy".to_owned()
    }
}

fn wrong(mark: &Mark, seen: &Seen) -> FaultError {
    FaultError::ReadBack {
        what: mark.what(),
        why: format!(
            "{}: it is {}{}",
            mark.action.as_str(),
            state(mark, seen),
            match &mark.action {
                // The kernel keeps from a first process what it does not handle.
                ContainerAction::Crash(signal) if mark.same_start(seen) && seen.running => {
                    format!(
                        "; {signal} did not end its first process, which ignores it or handles it otherwise; hint: name \
                         another `signal`"
                    )
                }
                _ => String::new(),
            }
        ),
    }
}

fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}
