//! The scorecard of a run.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Html;

use super::room::Wish;
use crate::http::Services;
use crate::http::actor::{self, Actor};
use crate::http::keeper::of_run;
use crate::http::problem::Problem;
use crate::http::reading::{Reading, run_id};
use crate::http::templates::render;
use crate::http::view::chart::chart;
use crate::http::view::compared::{Compared, Freshness};
use crate::http::view::layout::Layout;
use crate::http::view::scorecard::{Beside, Card};
use crate::http::view::sight::Shown;
use crate::model::access::{Permission, Subject};

/// How many of a drill's scorecards are read: what one is compared with.
const COMPARED: u32 = 24;

/// The scorecard; of a run that goes on, the one so far.
pub(in crate::http) async fn get(
    State(services): State<Services>,
    actor: Actor,
    Path(run): Path<String>,
    Query(wish): Query<Wish>,
) -> Result<Html<String>, Problem> {
    let reading = Reading::of(&services, &run_id(&run)?).await?;
    let report = reading.report.as_ref().ok_or_else(|| {
        Problem::missing(
            "no-scorecard",
            "the run's log can't be judged: its first event was erased",
        )
    })?;
    let drill = report.scorecard.is_some();
    if reading.is_live() && drill && wish.staff.as_deref() != Some("1") {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "scorecard-held",
            "the scorecard names the cause and the remedies, so it opens when the run has ended; hint: exercise staff open it from the staff view",
        ));
    }
    let names = actor::names(&services, &reading.events).await?;
    let name = |pseudonym: &str| {
        names
            .get(pseudonym)
            .cloned()
            .unwrap_or_else(|| pseudonym.to_owned())
    };
    let layout = Layout::new(
        &services,
        format!("Scorecard of {}", report.name()),
        "runs",
        &actor,
    )
    .await?;
    let all = Shown {
        faults: true,
        probes: true,
    };
    let mut beside = Beside {
        chart: chart(&reading, all, services.now().wall, &name),
        ..Beside::default()
    };
    if let Some(scorecard) = report.scorecard.as_ref().filter(|_| !reading.is_live()) {
        let row = &reading.row;
        let scored = services
            .database
            .scorecards_of_drill(scorecard.drill.as_str(), &row.stack, COMPARED)
            .await?;
        let value = serde_json::to_value(report).map_err(|error| Problem::internal(&error))?;
        let outcome = scorecard.score.outcome;
        beside.compared = Compared::new(&value, outcome, row.created, &row.id, &scored);
        beside.freshness = Some(Freshness::new(
            &scored,
            &row.id,
            row.created,
            services.now().wall,
        ));
    }
    let mut card = Card::new(layout, &reading, report, beside);
    let place = Subject::At(of_run(&reading.row));
    card.may_correct = drill && !reading.is_live() && actor.may(Permission::Operate, &place);
    render(&card)
}
