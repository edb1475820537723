//! What is asked about runs: lists for pages and commands, scorecards, and the events of one run as they are shown.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use sqlx::FromRow;

use super::chain::{Row, Walk};
use super::columns::{count, read_count, read_instant, read_word, unreadable};
use super::database::Database;
use super::journal::ChainHead;
use super::{Error, Result};
use crate::engine::event::{Fact, Origin, Phase, Trigger, Verdict};
use crate::model::ids::{DrillName, GameDayId, InjectionId, RunId, StackName, TeamName};
use crate::model::time::Stamp;

/// What a run is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunKind {
    /// Of an experiment alone.
    Experiment,
    /// Of a drill.
    Drill,
}

/// A run as lists show it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RunRow {
    /// Which.
    pub id: RunId,
    /// The name of its drill, else of its experiment.
    pub name: String,
    /// What it is of.
    pub kind: RunKind,
    /// On which stack.
    pub stack: StackName,
    /// Who is drilled, if it is of a drill.
    pub team: Option<TeamName>,
    /// What started it.
    #[serde(serialize_with = "alone")]
    pub trigger: Trigger,
    /// What its draws are made from.
    pub seed: u64,
    /// When it was created.
    pub created: Timestamp,
    /// When it ended, if it has.
    pub ended: Option<Timestamp>,
    /// How it ended, the stack's side.
    pub verdict: Option<Verdict>,
    /// The phase it is in, once one began.
    pub phase: Option<Phase>,
    /// Whether its responders are not told that it runs.
    pub secret: bool,
    /// Whether a scripted team responded in place of people: it counts in no trend.
    pub rehearsal: bool,
    /// How many of its injections are stuck now.
    pub stuck: u64,
    /// Where its chain ends.
    pub head: ChainHead,
    /// Its latest scorecard in a few figures, if it was scored.
    pub scorecard: Option<ScorecardSummary>,
}

/// Rows are shown to who may see the run, and a game day's other drills may be kept from them.
fn alone<S: Serializer>(trigger: &Trigger, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    trigger.alone().serialize(serializer)
}

/// A scorecard in a few figures.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ScorecardSummary {
    /// The version of the rubric it was scored by.
    pub rubric: String,
    /// The rating's letter; none where it is withheld.
    pub rating: Option<String>,
    /// In percent; none where nothing could be scored.
    pub outcome: Option<f64>,
    /// The share of the weight that could be seen, in percent.
    pub observed: Option<f64>,
    /// Whether it passes; none where that can't be told.
    pub pass: Option<bool>,
}

/// A scorecard as it was saved.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scorecard {
    /// The run it is of.
    pub run: RunId,
    /// When the run was created.
    pub created: Timestamp,
    /// In a few figures.
    pub summary: ScorecardSummary,
    /// The whole of it, as JSON.
    pub json: String,
}

/// A run that could not be undone, and what of it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct StuckRun {
    /// The run.
    pub run: RunRow,
    /// What is still on, longest first.
    pub injections: Vec<StuckInjection>,
}

/// An injection whose undo has failed for too long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StuckInjection {
    /// Which.
    pub injection: InjectionId,
    /// Why, when it was last told.
    pub error: String,
    /// Since when it counts as stuck.
    pub since: Timestamp,
}

/// An event as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ShownEvent {
    /// Its place.
    pub seq: u64,
    /// When it was so.
    pub at: Stamp,
    /// Where it came from.
    pub origin: Origin,
    /// The tag of its fact, which stays when the fact is erased.
    #[serde(rename = "type")]
    pub kind: String,
    /// The fact, unless it was erased.
    pub fact: Option<Fact>,
    /// Why it was erased, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub erased: Option<String>,
    /// The hash of its header.
    pub hash: String,
}

#[derive(FromRow)]
struct RawRun {
    id: String,
    name: String,
    kind: String,
    stack: String,
    team: Option<String>,
    started_by: String,
    game_day: Option<String>,
    seed: String,
    created: String,
    ended: Option<String>,
    verdict: Option<String>,
    phase: Option<String>,
    secret: bool,
    rehearsal: bool,
    stuck: i64,
    head_seq: i64,
    head_hash: String,
    #[sqlx(flatten)]
    summary: RawSummary,
}

#[derive(FromRow)]
struct RawSummary {
    rubric: Option<String>,
    rating: Option<String>,
    outcome: Option<f64>,
    observed: Option<f64>,
    pass: Option<bool>,
}

impl RawSummary {
    fn read(self) -> Option<ScorecardSummary> {
        Some(ScorecardSummary {
            rubric: self.rubric?,
            rating: self.rating,
            outcome: self.outcome,
            observed: self.observed,
            pass: self.pass,
        })
    }
}

impl RawRun {
    fn read(self) -> Result<RunRow> {
        Ok(RunRow {
            id: read_word("a run's id", &self.id)?,
            name: self.name,
            kind: read_word("a kind of run", &self.kind)?,
            stack: read_word("a stack's name", &self.stack)?,
            team: self
                .team
                .map(|team| read_word("a team's name", &team))
                .transpose()?,
            trigger: match self.game_day {
                Some(turn) => Trigger::GameDay(
                    serde_json::from_str(&turn)
                        .map_err(|_| unreadable("a drill of a game day", &turn))?,
                ),
                None => read_word("a trigger", &self.started_by)?,
            },
            seed: self
                .seed
                .parse()
                .map_err(|_| unreadable("a seed", &self.seed))?,
            created: read_instant(&self.created)?,
            ended: self.ended.map(|at| read_instant(&at)).transpose()?,
            verdict: self
                .verdict
                .map(|word| read_word("a verdict", &word))
                .transpose()?,
            phase: self
                .phase
                .map(|word| read_word("a phase", &word))
                .transpose()?,
            secret: self.secret,
            rehearsal: self.rehearsal,
            stuck: read_count("a count", self.stuck)?,
            head: ChainHead {
                seq: read_count("a run's head", self.head_seq)?,
                hash: self.head_hash,
            },
            scorecard: self.summary.read(),
        })
    }
}

fn read_all(rows: Vec<RawRun>) -> Result<Vec<RunRow>> {
    rows.into_iter().map(RawRun::read).collect()
}

/// From how many events on a part of a log is checked and read off the async threads.
const MANY: usize = 300;

/// A question about runs: the columns of a [`RawRun`], and then the rest of the statement.
macro_rules! runs {
    ($rest:literal) => {
        sqlx::query_as::<_, RawRun>(concat!(
            "SELECT id, name, kind, stack, team, started_by, game_day, seed, created, ended, verdict, phase, secret, rehearsal,
                    (SELECT count(*) FROM stuck WHERE stuck.run = runs.id) AS stuck,
                    head_seq, head_hash, rubric, rating, outcome, observed, pass
             FROM runs ",
            $rest
        ))
    };
}

impl Database {
    /// The latest runs, latest first; with `before`, those before that run, which is the last of the page before.
    pub async fn recent_runs(&self, limit: u32, before: Option<&RunId>) -> Result<Vec<RunRow>> {
        let query = match before {
            None => runs!("ORDER BY created DESC, id DESC LIMIT ?1").bind(limit),
            Some(run) => runs!(
                "WHERE (created, id) < (SELECT created, id FROM runs WHERE id = ?2)
                 ORDER BY created DESC, id DESC LIMIT ?1"
            )
            .bind(limit)
            .bind(run.as_str()),
        };
        read_all(query.fetch_all(self.readers()).await?)
    }

    /// One run.
    pub async fn run(&self, run: &RunId) -> Result<RunRow> {
        runs!("WHERE id = ?1")
            .bind(run.as_str())
            .fetch_optional(self.readers())
            .await?
            .ok_or_else(|| Error::NoSuchRun(run.clone()))?
            .read()
    }

    /// Runs whose responders are not told that they run.
    pub async fn secret_runs(&self) -> Result<Vec<RunRow>> {
        let rows = runs!("WHERE ended IS NULL AND secret = 1 ORDER BY created, id")
            .fetch_all(self.readers())
            .await?;
        read_all(rows)
    }

    /// The latest runs of a drill, latest first.
    pub async fn runs_of_drill(&self, drill: &DrillName, limit: u32) -> Result<Vec<RunRow>> {
        let rows =
            runs!("WHERE kind = 'drill' AND name = ?1 ORDER BY created DESC, id DESC LIMIT ?2")
                .bind(drill.as_str())
                .bind(limit)
                .fetch_all(self.readers())
                .await?;
        read_all(rows)
    }

    /// Runs that have not ended, oldest first.
    pub async fn live_runs(&self) -> Result<Vec<RunRow>> {
        let rows = runs!("WHERE ended IS NULL ORDER BY created, id")
            .fetch_all(self.readers())
            .await?;
        read_all(rows)
    }

    /// The runs of a game day, in the order in which they began.
    pub async fn runs_of_game_day(&self, id: &GameDayId) -> Result<Vec<RunRow>> {
        let rows = runs!("WHERE game_day_id = ?1 ORDER BY created, id")
            .bind(id.as_str())
            .fetch_all(self.readers())
            .await?;
        read_all(rows)
    }

    /// The runs of the latest game days, in the order in which they began.
    pub async fn runs_of_game_days(&self, limit: u32) -> Result<Vec<RunRow>> {
        let rows = runs!(
            "WHERE game_day_id IN (
                 SELECT game_day_id FROM runs WHERE game_day_id IS NOT NULL
                 GROUP BY game_day_id ORDER BY min(created) DESC, game_day_id DESC LIMIT ?1
             ) ORDER BY created, id"
        )
        .bind(limit)
        .fetch_all(self.readers())
        .await?;
        read_all(rows)
    }

    /// How many runs ended with each verdict.
    pub async fn runs_by_verdict(&self) -> Result<Vec<(Verdict, u64)>> {
        let rows: Vec<(String, i64)> = sqlx::query_as(
            "SELECT verdict, count(*) FROM runs WHERE verdict IS NOT NULL GROUP BY verdict",
        )
        .fetch_all(self.readers())
        .await?;
        rows.into_iter()
            .map(|(verdict, count)| {
                let count = u64::try_from(count).unwrap_or_default();
                Ok((read_word("a verdict", &verdict)?, count))
            })
            .collect()
    }

    /// Runs of which something could not be undone, oldest first, with what it is.
    pub async fn stuck_runs(&self) -> Result<Vec<StuckRun>> {
        let mut snapshot = self.readers().begin().await?;
        let rows = runs!("WHERE id IN (SELECT run FROM stuck) ORDER BY created, id")
            .fetch_all(&mut *snapshot)
            .await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in rows {
            let injections: Vec<(String, String, String)> = sqlx::query_as(
                "SELECT injection, error, since FROM stuck WHERE run = ?1 ORDER BY since, injection",
            )
            .bind(&row.id)
            .fetch_all(&mut *snapshot)
            .await?;
            found.push(StuckRun {
                run: row.read()?,
                injections: injections
                    .into_iter()
                    .map(|(injection, error, since)| {
                        Ok(StuckInjection {
                            injection: read_word("an injection's id", &injection)?,
                            error,
                            since: read_instant(&since)?,
                        })
                    })
                    .collect::<Result<_>>()?,
            });
        }
        snapshot.commit().await?;
        Ok(found)
    }

    /// Saves a run's scorecard in place of an earlier one.
    pub async fn save_scorecard(
        &self,
        run: &RunId,
        summary: &ScorecardSummary,
        json: &str,
    ) -> Result<()> {
        let saved = sqlx::query(
            "UPDATE runs SET rubric = ?2, rating = ?3, outcome = ?4, observed = ?5, pass = ?6, scorecard = ?7
             WHERE id = ?1",
        )
        .bind(run.as_str())
        .bind(&summary.rubric)
        .bind(&summary.rating)
        .bind(summary.outcome)
        .bind(summary.observed)
        .bind(summary.pass)
        .bind(json)
        .execute(self.writer())
        .await?;
        if saved.rows_affected() == 0 {
            return Err(Error::NoSuchRun(run.clone()));
        }
        Ok(())
    }

    /// A run's scorecard, if it was scored.
    pub async fn scorecard_of(&self, run: &RunId) -> Result<Option<Scorecard>> {
        let row: Option<RawScorecard> = sqlx::query_as(
            "SELECT id, created, rubric, rating, outcome, observed, pass, scorecard FROM runs
             WHERE id = ?1 AND scorecard IS NOT NULL",
        )
        .bind(run.as_str())
        .fetch_optional(self.readers())
        .await?;
        row.map(RawScorecard::read).transpose()
    }

    /// The scorecards of the runs of a drill on a stack that were scored, latest first, rehearsals left out: what one of
    /// them is compared with.
    pub async fn scorecards_of_drill(
        &self,
        drill: &str,
        stack: &StackName,
        limit: u32,
    ) -> Result<Vec<Scorecard>> {
        let rows: Vec<RawScorecard> = sqlx::query_as(
            "SELECT id, created, rubric, rating, outcome, observed, pass, scorecard FROM runs
             WHERE kind = 'drill' AND name = ?1 AND stack = ?2 AND scorecard IS NOT NULL AND rehearsal = 0
             ORDER BY created DESC, id DESC LIMIT ?3",
        )
        .bind(drill)
        .bind(stack.as_str())
        .bind(limit)
        .fetch_all(self.readers())
        .await?;
        rows.into_iter().map(RawScorecard::read).collect()
    }

    /// The scorecard of the latest run of a drill that was scored, rehearsals left out.
    pub async fn last_scorecard_of(&self, drill: &DrillName) -> Result<Option<Scorecard>> {
        let row: Option<RawScorecard> = sqlx::query_as(
            "SELECT id, created, rubric, rating, outcome, observed, pass, scorecard FROM runs
             WHERE kind = 'drill' AND name = ?1 AND scorecard IS NOT NULL AND rehearsal = 0
             ORDER BY created DESC, id DESC LIMIT 1",
        )
        .bind(drill.as_str())
        .fetch_optional(self.readers())
        .await?;
        row.map(RawScorecard::read).transpose()
    }

    /// Of how many of a run's events the payload was erased.
    pub async fn erased_of(&self, run: &RunId) -> Result<u64> {
        let erased: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM events WHERE run = ?1 AND payload IS NULL AND erased IS NOT NULL",
        )
        .bind(run.as_str())
        .fetch_one(self.readers())
        .await?;
        read_count("a count of events", erased)
    }

    /// Up to `limit` events of a run after event `seq`, erased ones too. Each is checked against its own hash and the
    /// event before it in the answer; [`Database::verify`] checks the whole.
    pub async fn events_after(&self, run: &RunId, seq: u64, limit: u32) -> Result<Vec<ShownEvent>> {
        self.queue().settle().await;
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT seq, header, payload, erased, hash FROM events
             WHERE run = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
        )
        .bind(run.as_str())
        .bind(count(seq))
        .bind(limit)
        .fetch_all(self.readers())
        .await?;
        if rows.is_empty() {
            // Nothing new is not the same as nothing there.
            self.run(run).await?;
        }
        if rows.len() < MANY {
            return shown(run, seq, rows);
        }
        let run = run.clone();
        tokio::task::spawn_blocking(move || shown(&run, seq, rows))
            .await
            .map_err(|_| unreadable("a log", "it could not be looked at"))?
    }
}

fn shown(run: &RunId, after: u64, rows: Vec<Row>) -> Result<Vec<ShownEvent>> {
    let mut walk = Walk::after(run, after);
    rows.into_iter()
        .map(|row| {
            let opened = walk.open(&row)?;
            let (fact, erased) = match opened.fact {
                Ok(fact) => (Some(fact), None),
                Err(reason) => (None, Some(reason)),
            };
            Ok(ShownEvent {
                seq: opened.header.seq,
                at: opened.header.at,
                origin: opened.header.origin,
                kind: opened.header.kind,
                fact,
                erased,
                hash: row.hash,
            })
        })
        .collect()
}

#[derive(FromRow)]
struct RawScorecard {
    id: String,
    created: String,
    #[sqlx(flatten)]
    summary: RawSummary,
    scorecard: String,
}

impl RawScorecard {
    fn read(self) -> Result<Scorecard> {
        Ok(Scorecard {
            run: read_word("a run's id", &self.id)?,
            created: read_instant(&self.created)?,
            summary: self
                .summary
                .read()
                .ok_or_else(|| unreadable("a rubric's version", ""))?,
            json: self.scorecard,
        })
    }
}

#[cfg(test)]
mod tests;
