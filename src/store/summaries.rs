//! Summaries of runs that are over: what pages over many runs ask for. A projection of logs that the score makes; it is
//! saved in one transaction, and saving it again replaces it.
//!
//! Every question here is answered from an index, however many runs and events there are: the tests ask `SQLite` how it
//! would.

use jiff::Timestamp;
use sqlx::{Connection, FromRow, SqliteConnection};

use super::columns::{count, instant, read_count, read_instant, read_word, unreadable, word};
use super::database::Database;
use super::{Error, Result};
use crate::model::failure::Failure;
use crate::model::ids::{RunId, StackName, TeamName};
use crate::model::summary::{Point, Scenario, Summary, Time, Times};

/// A series: what is compared with itself only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// Its number, which it keeps.
    pub id: i64,
    /// What its runs are of, as its latest run has it.
    pub scenario: Scenario,
    /// When its latest run was created.
    pub latest: Timestamp,
}

/// A run of a series.
#[derive(Debug, Clone, PartialEq)]
pub struct Summarised {
    /// Which.
    pub run: RunId,
    /// When it was created.
    pub created: Timestamp,
    /// Whether both sides passed; none where it was aborted or errored.
    pub passed: Option<bool>,
    /// The rating's letter.
    pub rating: Option<String>,
    /// In percent.
    pub outcome: Option<f64>,
    /// In percent.
    pub observed: Option<f64>,
    /// The four times.
    pub times: Times,
    /// Who ended the impact.
    pub ended_by: Option<String>,
    /// What held and what did not.
    pub points: Vec<Point>,
}

/// The latest run in which something failed in some way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// Where, by its key.
    pub target: String,
    /// How.
    pub failure: Failure,
    /// Which run.
    pub run: RunId,
    /// When it was created.
    pub created: Timestamp,
    /// Whether both sides passed.
    pub passed: Option<bool>,
    /// The rating's letter, of a drill.
    pub rating: Option<String>,
    /// What it was of.
    pub name: String,
    /// Who was drilled.
    pub team: Option<TeamName>,
}

/// What drills came to in a time, counted. Nothing is averaged: different scenarios are never pooled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counted {
    /// How many were held.
    pub drills: u64,
    /// In how many of them users were hurt and the time to detect counts.
    pub with_impact: u64,
    /// How many of those were detected.
    pub detected: u64,
    /// In how many the time to recover counts.
    pub to_recover: u64,
    /// How many of those recovered while they were observed.
    pub recovered: u64,
    /// How many passed.
    pub passed: u64,
    /// How many passed or failed.
    pub judged: u64,
    /// How long stacks were watched with faults on, in milliseconds.
    pub watched_ms: u64,
    /// For how much of that users were hurt, in milliseconds.
    pub hurt_ms: u64,
}

const SERIES: &str =
    "SELECT id, drill, name, stack, team, surprise, rehearsal, severity, class, failures, latest
     FROM series ORDER BY latest DESC, id DESC";

const OF_SERIES: &str = "SELECT run, created, passed, rating, outcome, observed,
            detect_ms, detect_ended, acknowledge_ms, acknowledge_ended, mitigate_ms, mitigate_ended,
            recover_ms, recover_ended, ended_by, points
     FROM summaries WHERE series = ?1 ORDER BY created DESC, run DESC LIMIT ?2";

const RECOVERIES: &str = "SELECT recover_ms, recover_ended FROM summaries
     WHERE series = ?1 ORDER BY created DESC, run DESC LIMIT ?2";

const HOW_MANY: &str = "SELECT count(*) FROM summaries WHERE series = ?1";

/// For each cell, the latest run that hit it.
const HITS: &str = "SELECT cell.target, cell.failure, cell.run, s.created, s.passed, s.rating, series.name, series.team
     FROM (SELECT wanted.value ->> 0 AS target, wanted.value ->> 1 AS failure,
                  (SELECT hits.run FROM hits
                   WHERE hits.stack = ?1 AND hits.target = wanted.value ->> 0 AND hits.failure = wanted.value ->> 1
                     AND hits.drill = ?2
                   ORDER BY hits.created DESC, hits.run DESC LIMIT 1) AS run
           FROM json_each(?3) AS wanted) AS cell
     CROSS JOIN summaries AS s ON s.run = cell.run
     CROSS JOIN series ON series.id = s.series";

const COUNTED: &str = "SELECT count(*), count(detect_ended), coalesce(sum(detect_ended), 0), count(recover_ended),
            coalesce(sum(recover_ended), 0), coalesce(sum(passed), 0), count(passed), coalesce(sum(watched_ms), 0),
            coalesce(sum(hurt_ms), 0)
     FROM summaries WHERE counts = 1 AND created >= ?1 AND created < ?2";

const WITHOUT: &str = "SELECT id FROM runs WHERE ended IS NOT NULL AND (created, id) > (?2, ?3)
       AND NOT EXISTS (SELECT 1 FROM summaries WHERE run = runs.id AND version = ?1)
     ORDER BY created, id LIMIT ?4";

#[derive(FromRow)]
struct RawSeries {
    id: i64,
    drill: bool,
    name: String,
    stack: String,
    team: String,
    surprise: bool,
    rehearsal: bool,
    severity: Option<String>,
    class: Option<String>,
    failures: String,
    latest: String,
}

impl RawSeries {
    fn read(self) -> Result<Series> {
        Ok(Series {
            id: self.id,
            scenario: Scenario {
                drill: self.drill,
                name: self.name,
                stack: read_word::<StackName>("a stack's name", &self.stack)?,
                team: team(&self.team)?,
                surprise: self.surprise,
                rehearsal: self.rehearsal,
                severity: self.severity,
                class: self.class,
                failures: serde_json::from_str(&self.failures)
                    .map_err(|_| unreadable("kinds of failure", &self.failures))?,
            },
            latest: read_instant(&self.latest)?,
        })
    }
}

fn team(text: &str) -> Result<Option<TeamName>> {
    if text.is_empty() {
        return Ok(None);
    }
    read_word("a team's name", text).map(Some)
}

#[derive(FromRow)]
struct RawSummary {
    run: String,
    created: String,
    passed: Option<bool>,
    rating: Option<String>,
    outcome: Option<f64>,
    observed: Option<f64>,
    detect_ms: Option<i64>,
    detect_ended: Option<bool>,
    acknowledge_ms: Option<i64>,
    acknowledge_ended: Option<bool>,
    mitigate_ms: Option<i64>,
    mitigate_ended: Option<bool>,
    recover_ms: Option<i64>,
    recover_ended: Option<bool>,
    ended_by: Option<String>,
    points: String,
}

impl RawSummary {
    fn read(self) -> Result<Summarised> {
        Ok(Summarised {
            run: read_word("a run's id", &self.run)?,
            created: read_instant(&self.created)?,
            passed: self.passed,
            rating: self.rating,
            outcome: self.outcome,
            observed: self.observed,
            times: Times {
                detect: time(self.detect_ms, self.detect_ended)?,
                acknowledge: time(self.acknowledge_ms, self.acknowledge_ended)?,
                mitigate: time(self.mitigate_ms, self.mitigate_ended)?,
                recover: time(self.recover_ms, self.recover_ended)?,
            },
            ended_by: self.ended_by,
            points: serde_json::from_str(&self.points)
                .map_err(|_| unreadable("a summary's points", &self.points))?,
        })
    }
}

fn time(ms: Option<i64>, ended: Option<bool>) -> Result<Option<Time>> {
    let (Some(ms), Some(ended)) = (ms, ended) else {
        return Ok(None);
    };
    let ms = read_count("a time", ms)?;
    Ok(Some(if ended {
        Time::Measured(ms)
    } else {
        Time::AtLeast(ms)
    }))
}

impl Database {
    /// Saves a run's summary in place of an earlier one.
    pub async fn save_summary(&self, run: &RunId, summary: &Summary) -> Result<()> {
        self.save_summaries(&[(run.clone(), summary.clone())]).await
    }

    /// Saves the summaries of several runs together. A run that is not there fails them all.
    pub async fn save_summaries(&self, all: &[(RunId, Summary)]) -> Result<()> {
        let mut connection = self.writer().acquire().await?;
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        for (run, summary) in all {
            save(&mut transaction, run, summary).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// All series, those with the latest runs first.
    pub async fn series(&self) -> Result<Vec<Series>> {
        let rows: Vec<RawSeries> = sqlx::query_as(SERIES).fetch_all(self.readers()).await?;
        rows.into_iter().map(RawSeries::read).collect()
    }

    /// The latest runs of a series, latest first.
    pub async fn summaries_of(&self, series: i64, limit: u32) -> Result<Vec<Summarised>> {
        let rows: Vec<RawSummary> = sqlx::query_as(OF_SERIES)
            .bind(series)
            .bind(limit)
            .fetch_all(self.readers())
            .await?;
        rows.into_iter().map(RawSummary::read).collect()
    }

    /// The times to recover of the latest runs of a series that have one, latest first.
    pub async fn recoveries_of(&self, series: i64, limit: u32) -> Result<Vec<Time>> {
        let rows: Vec<(Option<i64>, Option<bool>)> = sqlx::query_as(RECOVERIES)
            .bind(series)
            .bind(limit)
            .fetch_all(self.readers())
            .await?;
        let times = rows.into_iter().map(|(ms, ended)| time(ms, ended));
        times.filter_map(Result::transpose).collect()
    }

    /// How many runs a series has.
    pub async fn runs_of_series(&self, series: i64) -> Result<u64> {
        let number: i64 = sqlx::query_scalar(HOW_MANY)
            .bind(series)
            .fetch_one(self.readers())
            .await?;
        read_count("a count of runs", number)
    }

    /// The latest drill, else experiment, that hit each of these cells of a stack, a target's key and a kind of failure;
    /// cells that none hit are left out.
    pub async fn latest_hits(
        &self,
        stack: &StackName,
        drill: bool,
        cells: &[(String, Failure)],
    ) -> Result<Vec<Hit>> {
        type Row = (
            String,
            String,
            String,
            String,
            Option<bool>,
            Option<String>,
            String,
            String,
        );
        let wanted: Vec<_> = cells
            .iter()
            .map(|(target, failure)| serde_json::json!([target, failure.as_str()]))
            .collect();
        let rows: Vec<Row> = sqlx::query_as(HITS)
            .bind(stack.as_str())
            .bind(drill)
            .bind(serde_json::Value::from(wanted).to_string())
            .fetch_all(self.readers())
            .await?;
        rows.into_iter()
            .map(
                |(target, failure, run, created, passed, rating, name, by)| {
                    Ok(Hit {
                        target,
                        failure: read_word("a kind of failure", &failure)?,
                        run: read_word("a run's id", &run)?,
                        created: read_instant(&created)?,
                        passed,
                        rating,
                        name,
                        team: team(&by)?,
                    })
                },
            )
            .collect()
    }

    /// What all drills from then until then came to, rehearsals left out.
    pub async fn counted_between(&self, from: Timestamp, to: Timestamp) -> Result<Counted> {
        let row: (i64, i64, i64, i64, i64, i64, i64, i64, i64) = sqlx::query_as(COUNTED)
            .bind(instant(from))
            .bind(instant(to))
            .fetch_one(self.readers())
            .await?;
        let read = |number| read_count("a count of drills", number);
        Ok(Counted {
            drills: read(row.0)?,
            with_impact: read(row.1)?,
            detected: read(row.2)?,
            to_recover: read(row.3)?,
            recovered: read(row.4)?,
            passed: read(row.5)?,
            judged: read(row.6)?,
            watched_ms: read(row.7)?,
            hurt_ms: read(row.8)?,
        })
    }

    /// Runs that are over and have no summary of this version, oldest first, after `after`. It looks at every run, so it
    /// is for the time after a start, never for a page.
    pub async fn runs_without_summary(
        &self,
        version: u32,
        after: Option<&RunId>,
        limit: u32,
    ) -> Result<Vec<RunId>> {
        let after = match after {
            None => None,
            Some(run) => {
                let created: Option<String> =
                    sqlx::query_scalar("SELECT created FROM runs WHERE id = ?1")
                        .bind(run.as_str())
                        .fetch_optional(self.readers())
                        .await?;
                Some((
                    created.ok_or_else(|| Error::NoSuchRun(run.clone()))?,
                    run.to_string(),
                ))
            }
        };
        let (created, id) = after.unwrap_or_default();
        let rows: Vec<String> = sqlx::query_scalar(WITHOUT)
            .bind(version)
            .bind(created)
            .bind(id)
            .bind(limit)
            .fetch_all(self.readers())
            .await?;
        rows.iter().map(|id| read_word("a run's id", id)).collect()
    }
}

async fn save(connection: &mut SqliteConnection, run: &RunId, summary: &Summary) -> Result<()> {
    let created: Option<String> = sqlx::query_scalar("SELECT created FROM runs WHERE id = ?1")
        .bind(run.as_str())
        .fetch_optional(&mut *connection)
        .await?;
    let created = created.ok_or_else(|| Error::NoSuchRun(run.clone()))?;
    let scenario = &summary.scenario;
    let series = series_of(connection, scenario, &created).await?;
    let points =
        serde_json::to_string(&summary.points).map_err(|_| unreadable("a summary's points", ""))?;
    let ms = |time: Option<Time>| time.map(|time| count(time.ms()));
    let ended = |time: Option<Time>| time.map(Time::is_measured);
    let times = &summary.times;
    sqlx::query(
        "INSERT OR REPLACE INTO summaries (run, version, series, created, counts, passed, rating, outcome, observed,
             detect_ms, detect_ended, acknowledge_ms, acknowledge_ended, mitigate_ms, mitigate_ended,
             recover_ms, recover_ended, ended_by, watched_ms, hurt_ms, points)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)",
    )
    .bind(run.as_str())
    .bind(summary.version)
    .bind(series)
    .bind(&created)
    .bind(scenario.drill && !scenario.rehearsal)
    .bind(summary.passed)
    .bind(&summary.rating)
    .bind(summary.outcome)
    .bind(summary.observed)
    .bind(ms(times.detect))
    .bind(ended(times.detect))
    .bind(ms(times.acknowledge))
    .bind(ended(times.acknowledge))
    .bind(ms(times.mitigate))
    .bind(ended(times.mitigate))
    .bind(ms(times.recover))
    .bind(ended(times.recover))
    .bind(&summary.ended_by)
    .bind(count(summary.watched_ms))
    .bind(count(summary.hurt_ms))
    .bind(points)
    .execute(&mut *connection)
    .await?;
    sqlx::query("DELETE FROM hits WHERE run = ?1")
        .bind(run.as_str())
        .execute(&mut *connection)
        .await?;
    // A run that broke off tells nothing of what it hit, and a rehearsal counts for nothing.
    if summary.passed.is_none() || scenario.rehearsal {
        return Ok(());
    }
    for (target, failure) in &summary.hits {
        sqlx::query(
            "INSERT OR IGNORE INTO hits (stack, target, failure, drill, created, run) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )
        .bind(scenario.stack.as_str())
        .bind(target.key())
        .bind(word(failure))
        .bind(scenario.drill)
        .bind(&created)
        .bind(run.as_str())
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// The number of a scenario's series, which is made where it is new and takes the attributes of its latest run.
async fn series_of(
    connection: &mut SqliteConnection,
    scenario: &Scenario,
    created: &str,
) -> Result<i64> {
    let failures: Vec<&str> = scenario.failures.iter().map(|kind| kind.as_str()).collect();
    let id = sqlx::query_scalar(
        "INSERT INTO series (drill, name, stack, team, surprise, rehearsal, severity, class, failures, latest)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         ON CONFLICT (drill, name, stack, team, surprise, rehearsal) DO UPDATE SET
             severity = iif(excluded.latest >= latest, excluded.severity, severity),
             class    = iif(excluded.latest >= latest, excluded.class, class),
             failures = iif(excluded.latest >= latest, excluded.failures, failures),
             latest   = max(excluded.latest, latest)
         RETURNING id",
    )
    .bind(scenario.drill)
    .bind(&scenario.name)
    .bind(scenario.stack.as_str())
    .bind(scenario.team.as_ref().map_or("", TeamName::as_str))
    .bind(scenario.surprise)
    .bind(scenario.rehearsal)
    .bind(&scenario.severity)
    .bind(&scenario.class)
    .bind(serde_json::json!(failures).to_string())
    .bind(created)
    .fetch_one(connection)
    .await?;
    Ok(id)
}

#[cfg(test)]
mod tests;
