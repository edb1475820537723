//! Signals that came in through hooks: which senders can be heard, and what they said.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::log::Taken;
use super::runs::{bad_query, limited};
use super::start::malformed;
use crate::engine::event::Source;
use crate::engine::input::{self, Input};
use crate::http::Services;
use crate::http::actor::{self, Actor, Visitor};
use crate::http::cursor;
use crate::http::hook::deliver;
use crate::http::keeper::of_run;
use crate::http::problem::Problem;
use crate::http::reading::{Reading, run_id};
use crate::http::view::signals::{said, text};
use crate::model::access::{Permission, Subject};
use crate::model::ids::RunId;
use crate::model::signal::Sender;
use crate::model::time::Stamp;
use crate::runtime::amend::amend;
use crate::score::{self, Report};
use crate::signals::Signal as Said;
use crate::store::runs::ScorecardSummary;
use crate::store::signals::{Signal, Which};

/// The longest reason, in characters.
const LONGEST: usize = 1000;

/// The most signals of one answer, and how many there are where nobody says.
const MOST: u32 = 500;
const USUAL: u32 = 50;

/// The kind of this list's cursors.
const LIST: &str = "s";

/// Which part, and of what.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Part {
    /// At most so many.
    #[schemars(range(min = 1, max = MOST))]
    limit: Option<u32>,
    /// Where the part before ended: its `next`.
    cursor: Option<String>,
    /// All of them, and not only those that reached no run.
    #[serde(default)]
    all: bool,
}

/// The inbox: who can be heard, and a part of what came in.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct Inbox {
    /// Every tool that could send any.
    sources: Vec<Tool>,
    /// Latest first.
    signals: Vec<Row>,
    /// The cursor of the part that follows; null at the end.
    next: Option<String>,
}

/// A tool that could send signals.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "SignalSource")]
struct Tool {
    /// Which.
    source: Sender,
    /// Whether there is anything it could prove itself with.
    configured: bool,
    /// When its last signal came.
    last_heard: Option<Timestamp>,
    /// How many different ones it sent.
    signals: u64,
}

/// A signal as the list shows it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "InboxSignal")]
struct Row {
    /// Its number.
    id: i64,
    /// Through which hook it came.
    source: String,
    /// When it came.
    received: Timestamp,
    /// When it happened, as its sender says.
    event_time: Option<Timestamp>,
    /// How often it came again.
    repeats: u64,
    /// What it says, in a line.
    text: String,
    /// The run that it reached when it came.
    run: Option<String>,
    /// The run that it was attached to later.
    attached: Option<String>,
}

/// A signal as it came, and what it was understood as.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "WholeSignal")]
pub(in crate::http) struct Whole {
    #[serde(flatten)]
    row: Row,
    /// Its body, with what is not UTF-8 replaced; null once it was erased.
    body: Option<String>,
    /// Why it was erased, if it was.
    erased: Option<String>,
    /// What it says; null where it made no sense.
    said: Option<Said>,
}

/// The runs that somebody is not told of: what reached one looks to them as if it had reached none.
#[derive(Debug)]
pub(in crate::http) struct Hidden(BTreeSet<String>);

/// The runs that a visitor is not told of.
pub(in crate::http) async fn hidden_from(
    services: &Services,
    visitor: &Visitor,
) -> Result<Hidden, Problem> {
    let rows = services.database.secret_runs().await?;
    let hidden = rows.iter().filter(|row| !visitor.sees(row));
    Ok(Hidden(hidden.map(|row| row.id.to_string()).collect()))
}

impl Hidden {
    /// Which signals are to be asked for, for `wanted` to be shown.
    pub(in crate::http) fn which(&self, wanted: Which) -> Which {
        if self.0.is_empty() || wanted == Which::All {
            wanted
        } else {
            Which::UnmatchedOrSecret
        }
    }

    /// The signals without the runs that are not told, and of `wanted` no others.
    pub(in crate::http) fn veil(&self, signals: Vec<Signal>, wanted: Which) -> Vec<Signal> {
        let veiled = signals.into_iter().map(|mut signal| {
            signal.run = signal.run.filter(|run| !self.0.contains(run));
            signal
        });
        veiled
            .filter(|signal| wanted == Which::All || signal.run.is_none())
            .collect()
    }
}

/// Who can be heard, and a part of what came in, latest first: what reached no run, or all.
pub(in crate::http) async fn list(
    State(services): State<Services>,
    actor: Actor,
    part: Result<Query<Part>, QueryRejection>,
) -> Result<Json<Inbox>, Problem> {
    let Query(part) = part.map_err(|error| bad_query(&error))?;
    let limit = limited(part.limit, USUAL, MOST)?;
    let cursor = part.cursor.as_deref();
    let before = cursor.map(|text| cursor::read(LIST, text)).transpose()?;
    let which = if part.all {
        Which::All
    } else {
        Which::Unmatched
    };
    let database = &services.database;
    let hidden = hidden_from(&services, &actor).await?;
    let asked = hidden.which(which);
    let mut signals = database.signals(asked, before, limit + 1).await?;
    let more = signals.len() > limit as usize;
    signals.truncate(limit as usize);
    let next = signals.last().filter(|_| more).map(|signal| signal.id);
    let signals = hidden.veil(signals, which);
    let heard = database.heard().await?;
    let sources = Sender::ALL.map(|sender| {
        let heard = heard.iter().find(|one| one.source == sender.as_str());
        Tool {
            source: sender,
            configured: services.senders.knows(sender),
            last_heard: heard.map(|one| one.last),
            signals: heard.map_or(0, |one| one.signals),
        }
    });
    Ok(Json(Inbox {
        sources: sources.into(),
        next: next.map(|id| cursor::after(LIST, &id)),
        signals: signals.iter().map(Row::from).collect(),
    }))
}

/// One signal, with its body.
pub(in crate::http) async fn get(
    State(services): State<Services>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Json<Whole>, Problem> {
    let mut signal = find(&services, &id).await?;
    let hidden = hidden_from(&services, &actor).await?;
    signal.run = signal.run.filter(|run| !hidden.0.contains(run));
    Ok(Json(Whole {
        row: Row::from(&signal),
        said: said(&signal),
        body: Some(signal.body).filter(|_| signal.erased.is_none()),
        erased: signal.erased,
    }))
}

/// A signal by its id, as it stands in an address.
pub(in crate::http) async fn find(services: &Services, id: &str) -> Result<Signal, Problem> {
    let missing = || Problem::missing("no-such-signal", format!("there is no signal `{id}`"));
    let number: i64 = id.parse().map_err(|_| missing())?;
    services.database.signal(number).await?.ok_or_else(missing)
}

/// Which run a signal belongs to, and why.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Attachment {
    /// The run's id.
    pub(in crate::http) run: String,
    /// Why, in words that the log keeps.
    pub(in crate::http) reason: String,
}

/// Attaches a signal to a run that is over; its score is made anew, beside what it was.
pub(in crate::http) async fn attach(
    State(services): State<Services>,
    actor: Actor,
    Path(id): Path<String>,
    wanted: Result<Json<Attachment>, JsonRejection>,
) -> Result<impl IntoResponse, Problem> {
    let Json(wanted) = wanted.map_err(|error| malformed(&error))?;
    let (run, seq) = attach_to(&services, &actor, Source::Api, &id, &wanted).await?;
    Ok((
        StatusCode::CREATED,
        Json(Taken {
            run,
            seq,
            lacks: Vec::new(),
        }),
    ))
}

/// Attaches a signal on somebody's word. Answers with the run and the event that says so.
pub(in crate::http) async fn attach_to(
    services: &Services,
    actor: &Actor,
    source: Source,
    id: &str,
    wanted: &Attachment,
) -> Result<(RunId, u64), Problem> {
    let signal = find(services, id).await?;
    let run = run_id(wanted.run.trim())?;
    let row = services.database.run(&run).await?;
    actor.must(Permission::Operate, &Subject::At(of_run(&row)))?;
    let taken = signal.run.as_deref().or(signal.attached.as_deref());
    if taken.is_some_and(|taken| taken != run.as_str()) || signal.run.is_some() {
        return Err(Problem::conflict(
            "signal-taken",
            format!("run {} has this signal already", taken.unwrap_or_default()),
        ));
    }
    let unread = || Problem::unprocessable("not-attachable", "an earlier version kept it unread");
    let told = said(&signal).ok_or_else(unread)?;
    let sender = Sender::ALL
        .into_iter()
        .find(|one| one.as_str() == signal.source)
        .ok_or_else(unread)?;
    let now = services.now();
    let attachment = input::Attachment {
        signal: signal.id,
        received: signal.stamp.unwrap_or(Stamp {
            wall: signal.received,
            mono_ns: 0,
            epoch: now.epoch,
        }),
        told: deliver::origin(services, sender, &told).await?,
        said: deliver::said(&told)?,
        reason: wanted.reason.trim().chars().take(LONGEST).collect(),
    };
    let input = Input::Attach {
        attachment: Box::new(attachment),
        origin: actor::person(services, source, &actor.name).await?,
    };
    let seq = amend(&services.supervisor, &run, input).await?;
    services.database.attach_signal(signal.id, &run).await?;
    rescore(services, &run).await?;
    Ok((run, seq))
}

/// Makes a run's score anew, after something was said of it.
pub(in crate::http) async fn rescore(services: &Services, run: &RunId) -> Result<(), Problem> {
    let reading = Reading::of(services, run).await?;
    let Some(report) = &reading.report else {
        return Ok(());
    };
    save(services, run, report).await?;
    if let Some(summary) = score::summary::summary(report, &reading.events) {
        services.database.save_summary(run, &summary).await?;
    }
    Ok(())
}

/// A drill's score in a few figures.
fn summary(report: &Report) -> Option<ScorecardSummary> {
    let score = &report.scorecard.as_ref()?.score;
    let overall = report.overall.as_ref();
    Some(ScorecardSummary {
        rubric: report.rubric.to_string(),
        rating: score.rating.map(|rating| rating.as_str().to_owned()),
        outcome: score.outcome,
        observed: score.observed,
        pass: overall.map(|overall| overall.exit_code == 0),
    })
}

/// Keeps the score as it is now in place of what it was; the report says both.
async fn save(services: &Services, run: &RunId, report: &Report) -> Result<(), Problem> {
    let Some(summary) = summary(report) else {
        return Ok(());
    };
    let json = serde_json::to_string(report).map_err(|error| Problem::internal(&error))?;
    services
        .database
        .save_scorecard(run, &summary, &json)
        .await?;
    Ok(())
}

impl From<&Signal> for Row {
    fn from(signal: &Signal) -> Self {
        Self {
            id: signal.id,
            source: signal.source.clone(),
            received: signal.received,
            event_time: said(signal).and_then(|said| said.event_time),
            repeats: signal.repeats,
            text: text(signal),
            run: signal.run.clone(),
            attached: signal.attached.clone(),
        }
    }
}
