//! The overview.

use axum::extract::State;
use axum::response::Html;

use crate::http::Services;
use crate::http::actor::Actor;
use crate::http::api::library::contents;
use crate::http::api::review::listed;
use crate::http::api::signals::hidden_from;
use crate::http::calendar;
use crate::http::catalogue::Kind;
use crate::http::gamedays;
use crate::http::problem::Problem;
use crate::http::reading::Reading;
use crate::http::templates::render;
use crate::http::view::gamedays::DayLine;
use crate::http::view::layout::Layout;
use crate::http::view::overview::{LiveRun, Next, Overview, Startable, Unmatched};
use crate::http::view::review::{ActionLine, RunLink};
use crate::http::view::run_line::RunLine;
use crate::model::access::{Permission, Subject};
use crate::store::signals::Which;

/// How many runs the last scorecards are looked for in.
const LOOKED_AT: u32 = 200;

/// How many game days are looked through for those that go on.
const DAYS: u32 = 10;

/// How many of a list the overview shows.
const SHOWN: usize = 6;

/// What runs, what comes, what can be started.
pub(in crate::http) async fn get(
    State(services): State<Services>,
    actor: Actor,
) -> Result<Html<String>, Problem> {
    let now = services.now().wall;
    let contents = contents(&services).await?;
    let mut live = Vec::new();
    let rows = services.database.live_runs().await?;
    for row in rows.into_iter().filter(|row| actor.sees(row)) {
        live.push(LiveRun::new(&Reading::of(&services, &row.id).await?, now));
    }
    let rows = services.database.recent_runs(LOOKED_AT, None).await?;
    let scored: Vec<RunLine> = rows
        .iter()
        .filter(|row| actor.sees(row))
        .map(RunLine::from)
        .filter(|run| run.score.is_some() && !run.rehearsal)
        .collect();
    let days = gamedays::latest(&services, &actor, DAYS).await?;
    let upcoming = calendar::next(&services, &actor, &contents).await?;
    let actions: Vec<ActionLine> = listed(&services, &actor, false)
        .await?
        .into_iter()
        .map(|one| {
            let run = RunLink {
                id: one.run.to_string(),
                name: one.name,
            };
            ActionLine::new(&one.task, Some(run), false, now)
        })
        .collect();
    // Raw alerts are exercise staff's to read.
    let unmatched = if actor.may(Permission::Operate, &Subject::Anywhere) {
        let hidden = hidden_from(&services, &actor).await?;
        let which = hidden.which(Which::Unmatched);
        let unmatched = services.database.signals(which, None, 5).await?;
        hidden.veil(unmatched, Which::Unmatched)
    } else {
        Vec::new()
    };
    render(&Overview {
        layout: Layout::new(&services, "Overview", "overview", &actor).await?,
        live,
        upcoming: upcoming.iter().take(SHOWN).map(Next::new).collect(),
        days: days
            .iter()
            .filter(|day| day.going)
            .map(DayLine::new)
            .collect(),
        game_days: Startable::days(&contents, &actor),
        drills: Startable::all(&contents, Kind::Drill, &scored, &actor),
        experiments: Startable::all(&contents, Kind::Experiment, &scored, &actor),
        scorecards: scored.into_iter().take(SHOWN).collect(),
        open: actions.len(),
        overdue: actions.iter().filter(|line| line.overdue).count(),
        actions: actions.into_iter().take(SHOWN).collect(),
        unmatched: unmatched.iter().map(Unmatched::from).collect(),
    })
}
