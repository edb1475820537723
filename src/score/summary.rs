//! A run in the figures that pages over many runs show, from its report and its log.

use std::collections::BTreeSet;

use super::expectations::{Line, Verdict as Judged};
use super::measures::{Measure, Reading};
use super::report::{CheckResult, Report};
use super::rubric::{RUBRIC, Rating};
use super::timeline::Moment;
use crate::engine::event::{Event, Fact, Verdict};
use crate::model::failure::{Failure, Target};
use crate::model::fault::Cause;
use crate::model::ids::InjectionId;
use crate::model::plan::Plan;
use crate::model::runbook::Class;
use crate::model::summary::{Point, Scenario, Side, Standing, Summary, Time, Times};

/// The version of what is made here: of the rubric, and of the form of summaries by it.
pub const VERSION: u32 = RUBRIC * 100 + 1;

/// The summary of a run that is over. Nothing of one that goes on, or whose first event is missing.
pub fn summary(report: &Report, events: &[Event]) -> Option<Summary> {
    let plan = events.iter().find_map(|event| match &event.fact {
        Fact::RunCreated { plan, .. } => Some(plan.as_ref()),
        _ => None,
    })?;
    let overall = report.overall.as_ref()?;
    let passed = match overall.verdict {
        Verdict::Passed => Some(true),
        Verdict::Failed => Some(false),
        Verdict::Aborted | Verdict::Errored => None,
    };
    let score = report.scorecard.as_ref().map(|scorecard| &scorecard.score);
    let measures = &report.measures;
    let (watched_ms, hurt_ms) = watched(report, events);
    Some(Summary {
        version: VERSION,
        scenario: scenario(plan),
        passed,
        rating: score
            .and_then(|score| score.rating)
            .map(|rating: Rating| rating.as_str().to_owned()),
        outcome: score.and_then(|score| score.outcome),
        observed: score.and_then(|score| score.observed),
        times: Times {
            detect: time(&measures.time_to_detect),
            acknowledge: time(&measures.time_to_acknowledge),
            mitigate: time(&measures.time_to_mitigate),
            recover: time(&measures.time_to_recover),
        },
        ended_by: measures
            .mitigation
            .as_ref()
            .map(|ended| ended.by.as_str().to_owned()),
        watched_ms,
        hurt_ms,
        hits: hits(plan, events),
        points: points(report),
    })
}

/// What a plan's runs are compared with.
fn scenario(plan: &Plan) -> Scenario {
    let exercise = plan.drill.as_ref();
    Scenario {
        drill: exercise.is_some(),
        name: plan.name().to_owned(),
        stack: plan.stack.name.clone(),
        team: exercise.map(|exercise| exercise.team.name.clone()),
        surprise: plan.is_surprise(),
        rehearsal: plan.autopilot().is_some(),
        severity: exercise.map(|exercise| exercise.drill.severity.as_str().to_owned()),
        class: exercise.map(|exercise| {
            match exercise.runbook.class {
                Class::Availability => "availability",
                Class::Security => "security",
            }
            .to_owned()
        }),
        failures: plan.failures(),
    }
}

fn time(measure: &Measure) -> Option<Time> {
    match measure.reading {
        Reading::Measured { value_ms } => Some(Time::Measured(value_ms)),
        Reading::Censored { at_least_ms, .. } => Some(Time::AtLeast(at_least_ms)),
        Reading::Pending | Reading::NotApplicable => None,
    }
}

/// How long the stack was watched from the first fault on, and for how much of that users were hurt.
fn watched(report: &Report, events: &[Event]) -> (u64, u64) {
    let (Some(sent), Some(last)) = (report.measures.fault_sent, events.last()) else {
        return (0, 0);
    };
    let end = Moment::from(last);
    let hurt = report.measures.impact_intervals.iter();
    let hurt: u64 = hurt
        .map(|interval| interval.to.unwrap_or(end).after(&interval.from))
        .sum();
    let watched = end.after(&sent);
    (watched, hurt.min(watched))
}

/// Where faults took effect.
fn hits(plan: &Plan, events: &[Event]) -> Vec<(Target, Failure)> {
    let active: BTreeSet<&InjectionId> = events
        .iter()
        .filter_map(|event| match &event.fact {
            Fact::Active { injection, .. } => Some(injection),
            _ => None,
        })
        .collect();
    let steps = plan.injections.iter().filter(|injection| {
        matches!(injection.cause, Cause::Step(_)) && active.contains(&injection.id)
    });
    let mut hits: Vec<_> = steps
        .map(|injection| (Target::of(&injection.act), Failure::of(&injection.act)))
        .collect();
    hits.sort();
    hits.dedup();
    hits
}

fn points(report: &Report) -> Vec<Point> {
    let checks = report.checks.iter().map(|check| Point {
        side: Side::Stack,
        id: check.probe.to_string(),
        standing: match check.result {
            CheckResult::Held => Standing::Held,
            CheckResult::Failed(_) => Standing::Failed,
            _ => Standing::NotTold,
        },
    });
    let lines = report
        .scorecard
        .iter()
        .flat_map(|scorecard| &scorecard.lines)
        .map(line);
    let mut points: Vec<Point> = Vec::new();
    for point in checks.chain(lines) {
        let same = |known: &&mut Point| known.side == point.side && known.id == point.id;
        // A probe may be checked twice, before and during: what failed once failed.
        match points.iter_mut().find(same) {
            Some(known) if point.standing == Standing::Failed => known.standing = Standing::Failed,
            Some(_) => {}
            None => points.push(point),
        }
    }
    points
}

fn line(line: &Line) -> Point {
    Point {
        side: Side::Team,
        id: line.id.to_string(),
        standing: match line.verdict {
            Judged::Met => Standing::Held,
            Judged::Late | Judged::Missed | Judged::Violated => Standing::Failed,
            _ => Standing::NotTold,
        },
    }
}
