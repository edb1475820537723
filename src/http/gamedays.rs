//! Game days as pages and the API tell them: begun, held, ended, and what each drill of one came to.
//!
//! What one came to is read from its runs. Only what is still to come, and why something was not begun, is told by the
//! process that holds it.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::Services;
use super::actor::Visitor;
use super::api::library::faulty_day;
use super::api::start::{begin, refuse_other_files, scripted};
use super::catalogue::Refused;
use super::keeper::{of_plan, of_run};
use super::problem::Problem;
use super::reading::Reading;
use crate::engine::event::{Trigger, Verdict};
use crate::model::access::{Permission, Subject};
use crate::model::drill::Autopilot;
use crate::model::gameday::{CameTo, GoesOn, Programme, Turn};
use crate::model::ids::{GameDayId, GameDayName, RunId};
use crate::model::plan::{Plan, SourceFile};
use crate::ports::Answer;
use crate::runtime::StartError;
use crate::runtime::gameday::{Begun, Going, Progress, Stage};
use crate::store::runs::RunRow;

/// What is said of drills that a server did not begin because it ended.
const SERVER_ENDED: &str = "not begun: the server ended";

/// What shall be begun.
#[derive(Debug, Default)]
pub(super) struct Wish {
    pub(super) name: String,
    /// What the random draws of each drill are made from.
    pub(super) seed: Option<u64>,
    pub(super) vars: BTreeMap<String, String>,
    /// A scripted team in place of people, in every drill.
    pub(super) autopilot: Option<Autopilot>,
    /// The files that it must be made from.
    pub(super) files: Option<Vec<SourceFile>>,
}

/// A game day, this time that it is held.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Day {
    pub(super) id: GameDayId,
    pub(super) name: GameDayName,
    pub(super) goes_on: GoesOn,
    /// When its first drill was begun.
    pub(super) begun: Timestamp,
    /// Whether a drill of it goes on, or one is still to come.
    pub(super) going: bool,
    /// Whether something is left to begin, which can be ended here.
    pub(super) may_begin: bool,
    pub(super) drills: Vec<Leg>,
}

/// A drill of a game day.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Leg {
    /// From 1.
    pub(super) position: u32,
    pub(super) drill: String,
    pub(super) stands: Stands,
}

/// How a drill of a game day stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Stands {
    /// It was begun: its run tells the rest.
    Begun(Box<RunRow>),
    /// It begins then.
    Pauses(Timestamp),
    /// It begins after others.
    Waits,
    /// It was not begun, and never will be.
    NotBegun(String),
}

impl Day {
    /// A game day from the runs that it began, in their order; nothing of none.
    pub(super) fn of(rows: Vec<RunRow>, progress: Option<&Progress>) -> Option<Self> {
        let first = rows.first()?;
        let begun = first.created;
        let turn = first.trigger.turn()?.clone();
        let latest = rows.last()?;
        let live = latest.ended.is_none();
        let latest_position = latest.trigger.turn().map_or(1, |turn| turn.position);
        let rest = rest(latest, progress);
        let mut by_position: BTreeMap<u32, RunRow> = BTreeMap::new();
        for row in rows {
            if let Some(position) = row.trigger.turn().map(|turn| turn.position) {
                by_position.insert(position, row);
            }
        }
        let drills: Vec<Leg> = (1..)
            .zip(&turn.drills)
            .map(|(position, drill)| Leg {
                position,
                drill: drill.to_string(),
                stands: match (by_position.remove(&position), &rest) {
                    (Some(row), _) => Stands::Begun(Box::new(row)),
                    (None, Rest::Pauses(at)) if position == latest_position + 1 => {
                        Stands::Pauses(*at)
                    }
                    (None, Rest::Pauses(_) | Rest::Waits) => Stands::Waits,
                    (None, Rest::NotBegun(why)) => Stands::NotBegun(why.clone()),
                },
            })
            .collect();
        let to_come = |leg: &Leg| matches!(leg.stands, Stands::Pauses(_) | Stands::Waits);
        let may_begin = progress.is_some() && drills.iter().any(to_come);
        Some(Self {
            going: live || drills.iter().any(to_come),
            may_begin,
            id: turn.id,
            name: turn.name,
            goes_on: turn.goes_on,
            begun,
            drills,
        })
    }

    /// The runs of it.
    pub(super) fn runs(&self) -> impl Iterator<Item = &RunRow> {
        self.drills.iter().filter_map(|leg| match &leg.stands {
            Stands::Begun(row) => Some(row.as_ref()),
            _ => None,
        })
    }
}

/// What becomes of the drills that were not begun yet.
enum Rest {
    Pauses(Timestamp),
    Waits,
    NotBegun(String),
}

fn rest(latest: &RunRow, progress: Option<&Progress>) -> Rest {
    match progress.map(|progress| &progress.going) {
        Some(Going::Pause(at)) => Rest::Pauses(*at),
        Some(Going::Drill) => Rest::Waits,
        Some(Going::Ended(why)) => Rest::NotBegun(why.clone()),
        // Held by a process that is gone, or by another one while its drill goes on.
        Some(Going::Over) | None if latest.ended.is_none() => Rest::Waits,
        Some(Going::Over) | None => {
            let turn = latest.trigger.turn();
            let bar = turn.and_then(|turn| turn.goes_on.bar(&latest.name, came_to(latest)));
            Rest::NotBegun(bar.unwrap_or_else(|| SERVER_ENDED.to_owned()))
        }
    }
}

/// What a run came to, by its row.
fn came_to(row: &RunRow) -> CameTo {
    let pass = row.scorecard.as_ref().and_then(|scorecard| scorecard.pass);
    match row.verdict {
        Some(Verdict::Passed) if pass == Some(false) => CameTo::Failed,
        Some(Verdict::Passed) => CameTo::Passed,
        Some(Verdict::Failed) => CameTo::Failed,
        Some(Verdict::Aborted) => CameTo::Aborted,
        Some(Verdict::Errored) | None => CameTo::Errored,
    }
}

/// One game day; as one that there is not, where any of its drills is kept from who asks.
pub(super) async fn one(services: &Services, visitor: &Visitor, id: &str) -> Result<Day, Problem> {
    let unknown = || Problem::missing("no-such-game-day", format!("there is no game day `{id}`"));
    let id: GameDayId = id.parse().map_err(|_| unknown())?;
    let rows = services.database.runs_of_game_day(&id).await?;
    let seen = rows.iter().all(|row| visitor.sees(row));
    let progress = services.game_days.get(&id);
    let day = Day::of(rows, progress.as_ref()).filter(|_| seen);
    day.ok_or_else(unknown)
}

/// The latest game days, latest first, those of which every drill is told to who asks.
pub(super) async fn latest(
    services: &Services,
    visitor: &Visitor,
    limit: u32,
) -> Result<Vec<Day>, Problem> {
    let rows = services.database.runs_of_game_days(limit).await?;
    let mut days: BTreeMap<GameDayId, Vec<RunRow>> = BTreeMap::new();
    for row in rows {
        if let Some(id) = row.trigger.turn().map(|turn| turn.id.clone()) {
            days.entry(id).or_default().push(row);
        }
    }
    let mut days: Vec<Day> = days
        .into_iter()
        .filter(|(_, rows)| rows.iter().all(|row| visitor.sees(row)))
        .filter_map(|(id, rows)| Day::of(rows, services.game_days.get(&id).as_ref()))
        .collect();
    days.sort_by(|one, other| (other.begun, &other.id).cmp(&(one.begun, &one.id)));
    Ok(days)
}

/// Whether somebody may begin and end drills wherever this one has some.
pub(super) fn may_end(visitor: &Visitor, day: &Day) -> bool {
    day.may_begin && day.runs().all(|row| operates(visitor, row))
}

fn operates(visitor: &Visitor, row: &RunRow) -> bool {
    visitor.may(Permission::Operate, &Subject::At(of_run(row)))
}

/// Begins a game day with its first drill. Answers with both.
pub(super) async fn start(
    services: &Services,
    visitor: &Arc<Visitor>,
    wish: Wish,
) -> Result<(GameDayId, RunId), Problem> {
    let (library, name, vars) = (services.library.clone(), wish.name.clone(), wish.vars);
    let programme = tokio::task::spawn_blocking(move || library.programme(&name, &vars))
        .await
        .map_err(|error| Problem::internal(&error))?;
    let mut programme = programme.map_err(|refused| match refused {
        Refused::Unknown => Problem::missing(
            "no-such-game-day",
            format!("there is no game day `{}`", wish.name),
        ),
        Refused::Findings(found) => faulty_day(&wish.name, &found),
    })?;
    for plan in &mut programme.plans {
        visitor.must(Permission::Operate, &Subject::At(of_plan(plan)))?;
        if let Some(autopilot) = wish.autopilot {
            scripted(plan, autopilot);
        }
    }
    if let Some(expected) = &wish.files {
        refuse_other_files(&wish.name, &programme.files, expected)?;
    }
    hold(services, programme, (Some(visitor.clone()), wish.seed)).await
}

/// Begins a game day that is due. Nobody asks for it, and so nobody coordinates it.
pub async fn start_due(services: &Services, name: &GameDayName) -> Result<GameDayId, String> {
    let (library, wanted) = (services.library.clone(), name.to_string());
    let programme =
        tokio::task::spawn_blocking(move || library.programme(&wanted, &BTreeMap::new()));
    let programme = programme.await.map_err(|error| error.to_string())?;
    let programme = programme
        .map_err(|_| "its files have findings; hint: `firedrill validate` shows them".to_owned())?;
    let begun = hold(services, programme, (None, None)).await;
    begun.map(|(id, _)| id).map_err(|problem| problem.detail)
}

async fn hold(
    services: &Services,
    programme: Programme,
    (visitor, seed): (Option<Arc<Visitor>>, Option<u64>),
) -> Result<(GameDayId, RunId), Problem> {
    let drawn = services.ids().run().to_string();
    let id: GameDayId = drawn.parse().map_err(|error| Problem::internal(&error))?;
    let turn = Turn::first(id.clone(), &programme.day);
    let pauses = programme.day.drills.iter().map(|part| part.pause).collect();
    let hall = Arc::new(Hall {
        services: services.clone(),
        plans: programme.plans,
        visitor,
        seed,
    });
    let run = hall.put_on(&turn).await?;
    let begun = Begun {
        turn,
        pauses,
        run: run.clone(),
        stage: hall,
    };
    services
        .game_days
        .hold(begun, &services.supervisor, &services.shutdown);
    Ok((id, run))
}

/// Sees to it that nothing more of a game day begins.
pub(super) async fn end(services: &Services, visitor: &Visitor, id: &str) -> Result<Day, Problem> {
    let day = one(services, visitor, id).await?;
    for row in day.runs() {
        visitor.must(Permission::Operate, &Subject::At(of_run(row)))?;
    }
    if !services
        .game_days
        .end(&day.id, "not begun: somebody ended the game day")
    {
        return Err(Problem::conflict(
            "game-day-over",
            "nothing of this game day is left to begin here; hint: a drill that goes on is halted in its room",
        ));
    }
    one(services, visitor, id).await
}

/// What a game day is held on here: its plans as they were when it began.
struct Hall {
    services: Services,
    plans: Vec<Plan>,
    visitor: Option<Arc<Visitor>>,
    seed: Option<u64>,
}

impl Hall {
    async fn put_on(&self, turn: &Turn) -> Result<RunId, Problem> {
        let index = usize::try_from(turn.position).unwrap_or(usize::MAX) - 1;
        let plan = self.plans.get(index).cloned();
        let plan = plan.ok_or_else(|| Problem::internal(&"a game day has no such drill"))?;
        let run = self.services.ids().run();
        let trigger = Trigger::GameDay(turn.clone());
        let visitor = self.visitor.as_deref();
        let begun = begin(&self.services, visitor, (run, plan, self.seed), trigger).await;
        Ok(begun?.run().clone())
    }

    async fn report(&self, run: &RunId) -> CameTo {
        let Ok(reading) = Reading::of(&self.services, run).await else {
            return CameTo::Errored;
        };
        let exit = reading
            .report
            .as_ref()
            .and_then(crate::score::Report::exit_code);
        exit.map_or(CameTo::Errored, CameTo::of_exit)
    }
}

impl Stage for Hall {
    fn begin<'a>(&'a self, turn: &'a Turn) -> Answer<'a, Result<RunId, String>> {
        Box::pin(async { self.put_on(turn).await.map_err(|problem| problem.detail) })
    }

    fn settled<'a>(&'a self, run: &'a RunId) -> Answer<'a, CameTo> {
        Box::pin(async {
            if let Some(mut handle) = self.services.supervisor.get(run)
                && matches!(
                    handle.settled().await,
                    crate::runtime::RunStatus::Stuck { .. }
                )
            {
                return CameTo::Stuck;
            }
            self.report(run).await
        })
    }

    fn halted(&self) -> Answer<'_, Option<String>> {
        Box::pin(async {
            let halted = self.services.supervisor.ports().lever.halted().await;
            halted.map(|halted| StartError::Halted(halted).to_string())
        })
    }
}
