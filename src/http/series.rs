//! Series of runs, each of one scenario, as far as a visitor may see them: what trends, coverage and the forecast are made
//! from, on pages and in the API alike.

use jiff::Timestamp;

use super::Services;
use super::actor::Visitor;
use super::problem::Problem;
use crate::model::access::{Permission, Place, Subject};
use crate::model::ids::{RunId, StackName, TeamName};
use crate::model::summary::Scenario;
use crate::stats::Time;
use crate::stats::forecast::{self, Forecast, Question, Refused};
use crate::stats::weakness::{Weakness, weaknesses};
use crate::store::summaries::{Series, Summarised};

/// How many of a scenario's latest runs are looked at.
pub(super) const WINDOW: u32 = 60;

/// Scenarios that a forecast can be asked about at once.
const MOST_FORECAST: usize = 24;

/// A run that showed something: when it was created, and which it was.
pub(super) type Shown = (Timestamp, RunId);

/// What a list of scenarios is narrowed to; empty words narrow nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Narrowing<'a> {
    pub(super) team: &'a str,
    pub(super) failure: &'a str,
    /// `drills`, `experiments` or empty for both.
    pub(super) kind: &'a str,
}

impl Narrowing<'_> {
    /// Whether a scenario is among what is left.
    pub(super) fn takes(self, scenario: &Scenario) -> bool {
        let team = scenario.team.as_ref().map_or("", |team| team.as_str());
        let mut failures = scenario.failures.iter();
        (self.team.is_empty() || self.team == team)
            && (self.failure.is_empty() || failures.any(|kind| kind.as_str() == self.failure))
            && match self.kind {
                "drills" => scenario.drill,
                "experiments" => !scenario.drill,
                _ => true,
            }
    }
}

/// Whether a visitor may see the runs that were on a stack, by a team.
pub(super) fn sees(visitor: &Visitor, stack: &StackName, team: Option<&TeamName>) -> bool {
    let place = Place {
        stack: Some(stack),
        team,
        hides: false,
        secret: false,
    };
    visitor.may(Permission::See, &Subject::At(place))
}

/// The series that a visitor may see, those with the latest runs first, rehearsals left out, and how many those are.
pub(super) async fn visible(
    services: &Services,
    visitor: &Visitor,
) -> Result<(Vec<Series>, usize), Problem> {
    let mut all = services.database.series().await?;
    all.retain(|one| {
        let scenario = &one.scenario;
        sees(visitor, &scenario.stack, scenario.team.as_ref())
    });
    let before = all.len();
    all.retain(|one| !one.scenario.rehearsal);
    let rehearsed = before - all.len();
    Ok((all, rehearsed))
}

/// The latest runs of a series, latest first.
pub(super) async fn latest_runs(
    services: &Services,
    series: &Series,
) -> Result<Vec<Summarised>, Problem> {
    Ok(services.database.summaries_of(series.id, WINDOW).await?)
}

/// The drills that a forecast can be asked about, each with its times to recover.
pub(super) async fn drilled(
    services: &Services,
    visitor: &Visitor,
) -> Result<Vec<(Series, Vec<Time>)>, Problem> {
    let (series, _) = visible(services, visitor).await?;
    let drills = series.into_iter().filter(|one| one.scenario.drill);
    let mut all = Vec::new();
    for one in drills.take(MOST_FORECAST) {
        let times = services.database.recoveries_of(one.id, WINDOW).await?;
        all.push((one, times));
    }
    Ok(all)
}

/// Answers a question about scenarios. Some ten thousand trials: not on a thread that answers others.
pub(super) async fn foretell(
    scenarios: Vec<forecast::Scenario>,
    question: Question,
) -> Result<Result<Forecast, Refused>, Problem> {
    tokio::task::spawn_blocking(move || forecast::forecast(&scenarios, &question))
        .await
        .map_err(|error| Problem::internal(&error))
}

/// Every series of one name that a visitor may see. There is always one.
pub(super) async fn named(
    services: &Services,
    visitor: &Visitor,
    name: &str,
) -> Result<Vec<Series>, Problem> {
    let (mut series, _) = visible(services, visitor).await?;
    series.retain(|one| one.scenario.name == name);
    if series.is_empty() {
        return Err(Problem::missing(
            "no-such-scenario",
            format!(
                "no drill or experiment `{name}` has ended yet; hint: start it, and its runs are compared here"
            ),
        ));
    }
    Ok(series)
}

/// What failed in these runs, given latest first.
pub(super) fn found(runs: &[Summarised]) -> Vec<Weakness<Shown>> {
    let oldest = runs.iter().rev();
    weaknesses(oldest.map(|run| ((run.created, run.run.clone()), run.points.as_slice())))
}
