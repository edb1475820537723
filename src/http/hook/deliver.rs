//! Handing a signal to the runs it is for: which those are, and whose act it is in their log.
//!
//! Nothing is guessed. Alerts go to the runs that wait for them; what people did with an incident goes where the
//! incident went; a command goes to the one drill whose team they are of; a post goes to the drill of the team that posts
//! there. What fits none, or several, stays in the inbox, from where a person can attach it.

use std::collections::BTreeMap;

use super::not_recorded;
use crate::engine::event::{ActorKind, Alert, Origin, StopCause, Update};
use crate::engine::input::{Rejection, Said, TeamAct};
use crate::http::Services;
use crate::http::actor;
use crate::http::problem::Problem;
use crate::model::ids::RunId;
use crate::model::runbook::Audience;
use crate::model::signal::{Sandbox, Sender};
use crate::runtime::{ActError, RunHandle};
use crate::signals::{Person, Signal, What};

/// Where a post on a sandbox page counts as posted.
const STATUS_PAGE: &str = "status_page";

/// What came of a signal.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// The run that took it.
    pub(super) run: Option<RunId>,
    /// What to tell whoever sent it, where they read it.
    pub(super) told: Option<String>,
    /// Whether that run is kept from its responders: who sent it is told as if there were none.
    pub(super) secret: bool,
}

/// What is said of an act that no drill takes, or one that must not show.
const KEPT: &str = "no drill is running; this was kept";

impl Outcome {
    fn told(text: impl Into<String>) -> Self {
        Self {
            told: Some(text.into()),
            ..Self::default()
        }
    }
}

/// Whose doing a signal is, as a run's log has it: a person's name becomes a pseudonym.
pub(in crate::http) async fn origin(
    services: &Services,
    sender: Sender,
    signal: &Signal,
) -> Result<Origin, Problem> {
    let base = match &signal.person {
        Some(person) => {
            let name =
                actor::checked(handle(services, person)).or_else(|_| actor::checked(&person.id))?;
            actor::person(services, sender.into(), &name).await?
        }
        None => Origin::machine(sender.into()),
    };
    Ok(described(base, signal))
}

/// The pseudonym of whoever is behind a signal, so that they can be forgotten in it; none where they have no name.
pub(super) async fn person(
    services: &Services,
    sender: Sender,
    signal: &Signal,
) -> Result<Option<String>, Problem> {
    let Some(person) = &signal.person else {
        return Ok(None);
    };
    let named = [handle(services, person), &person.id].map(actor::checked);
    let Some(name) = named.into_iter().find_map(Result::ok) else {
        return Ok(None);
    };
    Ok(actor::person(services, sender.into(), &name).await?.actor)
}

fn described(base: Origin, signal: &Signal) -> Origin {
    Origin {
        source_id: Some(signal.identity.clone()),
        kind: signal.kind,
        event_time: signal.event_time,
        since: signal.since,
        ..base
    }
}

/// The team's handle of a person, else what the sender calls them.
fn handle<'a>(services: &'a Services, person: &'a Person) -> &'a str {
    let known = services.senders.people.get(&person.id);
    known.map_or(person.name.as_str(), String::as_str)
}

/// Halts at once where somebody says that it is real: before anything is kept.
pub(super) async fn real(services: &Services, sender: Sender, signal: &Signal) -> Option<Outcome> {
    let What::Command {
        run,
        act: TeamAct::Real,
    } = &signal.what
    else {
        return None;
    };
    let person = signal.person.as_ref()?;
    let name = handle(services, person);
    let drills = drills(services);
    let named = drills
        .iter()
        .filter(|drill| run.as_deref().is_none_or(|run| drill.run().as_str() == run));
    let named: Vec<&RunHandle> = named.collect();
    let own: Vec<&RunHandle> = named
        .iter()
        .copied()
        .filter(|drill| is_of(drill, name))
        .collect();
    // Whoever is of no team that is drilled means them all: what is real is not to be argued about.
    let stopped = if own.is_empty() { named } else { own };
    let Some(last) = stopped.last() else {
        return Some(Outcome::told("no drill is running: nothing was halted"));
    };
    let origin = actor::person_at_once(services, sender.into(), name).await;
    let origin = described(origin, signal);
    for drill in &stopped {
        drill.stop(StopCause::Real, origin.clone()).await;
    }
    Some(Outcome {
        secret: false,
        run: Some(last.run().clone()),
        told: Some(
            "this is real: the drill is halted, everything is being undone, and nothing is scored"
                .to_owned(),
        ),
    })
}

/// Hands a signal on. A repeat is handed on, too: the first may have failed here, and the run knows what it has.
pub(super) async fn signal(
    services: &Services,
    sender: Sender,
    signal: &Signal,
    repeat: bool,
) -> Result<Outcome, Problem> {
    match &signal.what {
        What::Alert { labels, .. } => alert(services, sender, signal, labels).await,
        What::Act { act, labels } => incident(services, sender, signal, act, labels).await,
        What::Command { run, act } => command(services, sender, signal, run.as_deref(), act).await,
        What::Unclear { answer } => Ok(Outcome::told(answer)),
        What::Post { page, text, .. } => match services.senders.sandboxes.get(page) {
            Some(sandbox) => post(services, sender, signal, sandbox, text).await,
            // What says no time of its own is new only when it first comes.
            None if repeat && signal.event_time.is_none() => Ok(Outcome::default()),
            None => Ok(leak(services, sender, signal, page).await),
        },
        What::Other { .. } => Ok(Outcome::default()),
    }
}

/// An alert, in the log's terms. Whether it qualifies is the engine's to say.
pub(in crate::http) fn as_alert(what: &What) -> Option<Alert> {
    let What::Alert {
        firing,
        labels,
        fingerprint,
        starts_at,
    } = what
    else {
        return None;
    };
    Some(Alert {
        firing: *firing,
        labels: labels.clone(),
        fingerprint: fingerprint.clone(),
        starts_at: *starts_at,
        qualifies: false,
    })
}

/// A post on a status page of drills, in the log's terms.
pub(in crate::http) fn as_update(text: &str) -> TeamAct {
    TeamAct::UpdatePosted(Update {
        audience: Audience::Customers,
        channels: vec![STATUS_PAGE.to_owned()],
        text: text.to_owned(),
        stage: None,
        next_update_at: None,
        estimated_recovery: None,
    })
}

/// What a signal says, in a run's terms.
pub(in crate::http) fn said(signal: &Signal) -> Result<Said, Problem> {
    Ok(match &signal.what {
        what @ What::Alert { .. } => Said::Alert(as_alert(what).ok_or_else(nothing)?),
        What::Act { act, .. } | What::Command { act, .. } => Said::Act(act.clone()),
        What::Post { text, .. } => Said::Act(as_update(text)),
        What::Unclear { .. } | What::Other { .. } => return Err(nothing()),
    })
}

fn nothing() -> Problem {
    Problem::unprocessable("not-attachable", "it says nothing that a run could hold")
}

async fn alert(
    services: &Services,
    sender: Sender,
    signal: &Signal,
    labels: &BTreeMap<String, String>,
) -> Result<Outcome, Problem> {
    let mut outcome = Outcome::default();
    let Some(alert) = as_alert(&signal.what) else {
        return Ok(outcome);
    };
    for run in services.supervisor.live() {
        if !run.plan().awaits(sender, labels) {
            continue;
        }
        let origin = origin(services, sender, signal).await?;
        match run.alert(alert.clone(), origin).await {
            Ok(_) => {
                outcome.run = Some(run.run().clone());
                outcome.secret = run.is_secret();
            }
            Err(ActError::Rejected(Rejection::Ended)) => {}
            Err(error) => return Err(not_recorded(&error)),
        }
    }
    Ok(outcome)
}

/// What somebody did with an incident goes where its page went, since notes and updates don't name the service, and to
/// the runs that wait for its service.
async fn incident(
    services: &Services,
    sender: Sender,
    signal: &Signal,
    act: &TeamAct,
    labels: &BTreeMap<String, String>,
) -> Result<Outcome, Problem> {
    let of = match &signal.thread {
        Some(thread) => services
            .database
            .run_of_thread(sender.as_str(), thread)
            .await
            .map_err(|error| not_recorded(&error))?,
        None => None,
    };
    let mut runs = services.supervisor.live();
    runs.retain(|run| Some(run.run()) == of.as_ref() || run.plan().detects(sender, labels));
    let mut outcome = Outcome::default();
    for run in runs {
        let origin = origin(services, sender, signal).await?;
        if taken(&run, act.clone(), origin).await?.is_ok() {
            outcome.run = Some(run.run().clone());
            outcome.secret = run.is_secret();
        }
    }
    Ok(outcome)
}

async fn command(
    services: &Services,
    sender: Sender,
    signal: &Signal,
    run: Option<&str>,
    act: &TeamAct,
) -> Result<Outcome, Problem> {
    let Some(person) = &signal.person else {
        return Ok(Outcome::default());
    };
    let name = handle(services, person);
    let drills = drills(services);
    let of_run = |drill: &&RunHandle| run.is_none_or(|run| drill.run().as_str() == run);
    let own = drills.iter().filter(|drill| is_of(drill, name));
    let (secret, open): (Vec<&RunHandle>, Vec<&RunHandle>) =
        own.partition(|drill| drill.is_secret());
    let chosen: Vec<&RunHandle> = open.iter().copied().filter(of_run).collect();
    // Who means a drill that they know of does not mean another.
    let silent: Vec<&RunHandle> = secret.into_iter().filter(of_run).collect();
    let drill = match (chosen.as_slice(), silent.as_slice()) {
        ([drill], _) | ([], [drill]) => *drill,
        _ => {
            let told = drills.iter().filter(|drill| !drill.is_secret()).count();
            return Ok(Outcome::told(match (told, open.len(), run) {
                (0, ..) => KEPT.to_owned(),
                (_, 0, _) => format!(
                    "`{name}` is in no team that is drilled now, so this was only kept; hint: the server's configuration \
                     names the Slack id {} under `people`",
                    person.id
                ),
                (_, _, Some(_)) => "no drill of yours has that id; this was kept".to_owned(),
                _ => {
                    let ids: Vec<&str> = open.iter().map(|drill| drill.run().as_str()).collect();
                    format!(
                        "several drills are yours: say run=ID first, one of {}",
                        ids.join(", ")
                    )
                }
            }));
        }
    };
    let origin = origin(services, sender, signal).await?;
    let act = actor::pseudonymous(services, act.clone()).await?;
    // Before it is taken: it may be what ends the secret, and then it is told as it was meant.
    let secret = drill.is_secret();
    Ok(match taken(drill, act, origin).await? {
        taken if secret => Outcome {
            run: taken.is_ok().then(|| drill.run().clone()),
            told: Some(KEPT.to_owned()),
            secret,
        },
        Ok(()) => Outcome {
            run: Some(drill.run().clone()),
            told: Some(format!("taken: {name} {}", signal.summary())),
            secret,
        },
        Err(rejection) => Outcome::told(format!("not taken: {rejection}")),
    })
}

/// A post where nobody but the team reads.
async fn post(
    services: &Services,
    sender: Sender,
    signal: &Signal,
    sandbox: &Sandbox,
    text: &str,
) -> Result<Outcome, Problem> {
    let mut own = drills(services);
    own.retain(|drill| {
        let exercise = drill.plan().drill.as_ref();
        exercise.is_some_and(|exercise| exercise.team.name.as_str() == sandbox.team)
    });
    let [drill] = own.as_slice() else {
        return Ok(Outcome::default());
    };
    let mut origin = origin(services, sender, signal).await?;
    if sandbox.by_people {
        origin.kind = ActorKind::Human;
    }
    Ok(match taken(drill, as_update(text), origin).await? {
        Ok(()) => Outcome {
            run: Some(drill.run().clone()),
            told: None,
            secret: drill.is_secret(),
        },
        Err(_) => Outcome::default(),
    })
}

/// A new post where customers read, while a drill runs: either it leaked, or something real happened. Both halt. What
/// was posted before a drill began is neither.
async fn leak(services: &Services, sender: Sender, signal: &Signal, page: &str) -> Outcome {
    let mut outcome = Outcome::default();
    for drill in drills(services) {
        let Ok(row) = services.database.run(drill.run()).await else {
            continue;
        };
        if signal.event_time.is_some_and(|at| at < row.created) {
            continue;
        }
        let reason = format!(
            "a post was seen on the status page `{page}`, which is no sandbox: the drill leaked, or something real \
             happened"
        );
        let origin = described(Origin::machine(sender.into()), signal);
        drill.stop(StopCause::Halt { reason }, origin).await;
        outcome.run = Some(drill.run().clone());
    }
    outcome
}

/// The drills that go on here.
fn drills(services: &Services) -> Vec<RunHandle> {
    let mut live = services.supervisor.live();
    live.retain(|run| run.plan().drill.is_some());
    live
}

fn is_of(drill: &RunHandle, name: &str) -> bool {
    let exercise = drill.plan().drill.as_ref();
    exercise.is_some_and(|exercise| exercise.team.members.iter().any(|member| member == name))
}

/// Hands an act on. What makes no sense there and then is the sender's to hear, and no failure.
async fn taken(
    run: &RunHandle,
    act: TeamAct,
    origin: Origin,
) -> Result<Result<(), Rejection>, Problem> {
    match run.act(act, origin).await {
        Ok(_) => Ok(Ok(())),
        Err(ActError::Rejected(rejection)) => Ok(Err(rejection)),
        Err(error) => Err(not_recorded(&error)),
    }
}
