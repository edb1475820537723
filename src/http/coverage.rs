//! What of a stack was drilled, by whom a visitor may see, and what in the library would drill the rest: for the page and
//! the API alike.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::Services;
use super::actor::Visitor;
use super::api::library::contents;
use super::catalogue::{Contents, Kind, StackEntry};
use super::keeper::of_plan;
use super::problem::Problem;
use super::series::{sees, visible};
use crate::model::access::{Permission, Subject};
use crate::model::failure::{Failure, Target};
use crate::model::plan::Plan;
use crate::model::stack::Stack;
use crate::store::summaries::Hit;

/// A drill is stale after so many days.
pub(super) const STALE_DAYS: i64 = 90;

/// Something in the library that would hit a cell.
#[derive(Debug, Clone)]
pub(super) struct Start {
    pub(super) kind: &'static str,
    pub(super) name: String,
    /// Whether whoever looks may start it.
    pub(super) allowed: bool,
}

/// What would hit which cell: a target's key and a kind of failure.
pub(super) type Starts = BTreeMap<(String, Failure), Vec<Start>>;

/// A run that hit a cell, and whether whoever looks may see it.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) hit: Hit,
    pub(super) visible: bool,
}

/// What was hit last by drills, and by experiments.
#[derive(Debug, Default)]
pub(super) struct Hits {
    pub(super) drills: Vec<Seen>,
    pub(super) experiments: Vec<Seen>,
}

/// The stacks that a visitor sees, and what one of them was hit by.
#[derive(Debug)]
pub(super) struct Covered {
    pub(super) stacks: Vec<String>,
    /// The one that was chosen, or drilled last; none where there is no stack at all.
    pub(super) stack: Option<String>,
    /// None where nothing that can be started uses it.
    pub(super) cover: Option<Cover>,
}

/// What a stack was hit by.
#[derive(Debug)]
pub(super) struct Cover {
    plan: Arc<Plan>,
    pub(super) hits: Hits,
    pub(super) starts: Starts,
}

impl Hits {
    /// The last drill, and the last experiment, that hit a cell.
    pub(super) fn of(&self, target: &Target, failure: Failure) -> (Option<&Seen>, Option<&Seen>) {
        let key = target.key();
        let is = |seen: &&Seen| seen.hit.target == key && seen.hit.failure == failure;
        (
            self.drills.iter().find(is),
            self.experiments.iter().find(is),
        )
    }
}

impl Cover {
    /// The stack.
    pub(super) fn stack(&self) -> &Stack {
        &self.plan.stack
    }
}

/// Whether a run of this time is too long ago.
pub(super) fn is_stale(created: Timestamp, now: Timestamp) -> bool {
    now.duration_since(created) >= SignedDuration::from_hours(24 * STALE_DAYS)
}

/// The cells of a stack that can fail.
pub(super) fn cells(stack: &Stack) -> Vec<(Target, Failure)> {
    let mut cells = Vec::new();
    for target in Target::all(stack) {
        for failure in Failure::ALL {
            if target.can(failure, stack) {
                cells.push((target.clone(), failure));
            }
        }
    }
    cells
}

/// What entries of a library would hit, by cell.
pub(super) fn starts<'a>(
    plans: impl IntoIterator<Item = (Kind, &'a str, &'a Plan, bool)>,
) -> Starts {
    let mut starts = Starts::new();
    for (kind, name, plan, allowed) in plans {
        for (target, failure) in plan.hits() {
            let start = Start {
                kind: kind.as_str(),
                name: name.to_owned(),
                allowed,
            };
            starts
                .entry((target.key(), failure))
                .or_default()
                .push(start);
        }
    }
    // A drill trains people as well.
    for all in starts.values_mut() {
        all.sort_by(|one, other| {
            one.kind
                .cmp(other.kind)
                .then_with(|| one.name.cmp(&other.name))
        });
    }
    starts
}

impl Covered {
    /// Of the stack of this name, else of the one that was drilled last.
    pub(super) async fn of(
        services: &Services,
        visitor: &Visitor,
        wanted: Option<&str>,
    ) -> Result<Self, Problem> {
        let contents = contents(services).await?;
        let (series, _) = visible(services, visitor).await?;
        // A role of one team sees the stacks that this team was drilled on.
        let sees = |entry: &&StackEntry| {
            let drilled = series
                .iter()
                .any(|one| one.scenario.stack.as_str() == entry.name);
            visitor.sees_stack(&entry.name) || drilled
        };
        let known: Vec<&StackEntry> = contents.stacks.iter().filter(sees).collect();
        let chosen = if let Some(wanted) = wanted {
            let found = known.iter().find(|entry| entry.name == wanted);
            Some(*found.ok_or_else(|| {
                Problem::missing("no-such-stack", format!("there is no stack `{wanted}`"))
            })?)
        } else {
            // The one that was drilled last, else the first that anything uses.
            let last = series.first().map(|one| one.scenario.stack.as_str());
            let drilled = known.iter().find(|entry| Some(entry.name.as_str()) == last);
            drilled
                .or_else(|| known.iter().find(|entry| entry.stack().is_some()))
                .or_else(|| known.first())
                .copied()
        };
        let cover = match chosen.and_then(|entry| entry.stack.clone()) {
            Some(plan) => Some(cover(services, visitor, &contents, plan).await?),
            None => None,
        };
        Ok(Self {
            stacks: known.iter().map(|entry| entry.name.clone()).collect(),
            stack: chosen.map(|entry| entry.name.clone()),
            cover,
        })
    }
}

async fn cover(
    services: &Services,
    visitor: &Visitor,
    contents: &Contents,
    plan: Arc<Plan>,
) -> Result<Cover, Problem> {
    let stack = &plan.stack.name;
    let cells: Vec<(String, Failure)> = cells(&plan.stack)
        .into_iter()
        .map(|(target, failure)| (target.key(), failure))
        .collect();
    let seen = |hits: Vec<Hit>| {
        hits.into_iter()
            .map(|hit| Seen {
                visible: sees(visitor, stack, hit.team.as_ref()),
                hit,
            })
            .collect()
    };
    let database = &services.database;
    let hits = Hits {
        drills: seen(database.latest_hits(stack, true, &cells).await?),
        experiments: seen(database.latest_hits(stack, false, &cells).await?),
    };
    let plans = [Kind::Drill, Kind::Experiment]
        .into_iter()
        .flat_map(|kind| contents.of(kind))
        .filter(|entry| visitor.sees_entry(entry))
        .filter_map(|entry| {
            let plan = entry.plan.as_ref().ok()?;
            let may = visitor.may(Permission::Operate, &Subject::At(of_plan(plan)));
            (plan.stack.name == *stack).then_some((
                entry.kind,
                entry.name.as_str(),
                plan.as_ref(),
                may,
            ))
        });
    let starts = starts(plans);
    Ok(Cover { plan, hits, starts })
}
