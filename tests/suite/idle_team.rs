//! Every shipped drill, with a team that does nothing: the faults run out by themselves, and nobody gets a point for it.
//!
//! The engine and the score are pure, so a whole drill is played in a made-up time: impact begins with the first fault
//! and ends with the last.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use ::firedrill::engine::effect::EffectKind;
use ::firedrill::engine::event::{Event, Token, Trigger, UndoneBy, Verdict};
use ::firedrill::engine::input::{AppliedProof, CapturedToken, Input, Outcome, RemovedProof};
use ::firedrill::engine::watch::{Sample, SampleResult, Watch};
use ::firedrill::engine::{Course, outstanding, phase};
use ::firedrill::model::plan::Plan;
use ::firedrill::model::time::{Epoch, Stamp};
use ::firedrill::score::{self, Rating};
use ::firedrill::shipped;
use ::firedrill::spec::{Kind, Library, Options, Source};

/// Plays a drill in which nobody does anything.
pub(crate) fn play(plan: Plan) -> Vec<Event> {
    let mut now = Stamp {
        epoch: Epoch(1),
        mono_ns: 0,
        wall: jiff::Timestamp::UNIX_EPOCH,
    };
    let mut course = Course::new("idle".parse().expect("a name"));
    let mut log = Vec::new();
    let mut take = |course: &mut Course, input, now| {
        log.extend(course.take(input, now).unwrap_or_default());
    };
    take(
        &mut course,
        Input::Create {
            plan: Box::new(plan),
            seed: 1,
            trigger: Trigger::Schedule,
        },
        now,
    );
    let mut watches: Vec<Watch> = phase::tolerances(course.state())
        .into_iter()
        .map(Watch::new)
        .collect();
    let mut confirming = None;
    for _ in 0..3 * 60 * 60 {
        if course.state().is_ended() {
            return log;
        }
        while let Some(effect) = outstanding(course.state(), &now).into_iter().next() {
            let outcome = match effect.kind {
                EffectKind::Inspect => Outcome::Inspected(Ok(vec!["made up".into()])),
                EffectKind::Capture(_) => {
                    Outcome::Captured(Ok(CapturedToken(Token(serde_json::json!({})))))
                }
                // What the idle team drills on does not grow.
                EffectKind::Adjust(id) => Outcome::Adjusted(Err(format!("{id} does not grow"))),
                // Nor does it say anything.
                EffectKind::Send => Outcome::Sent(Err("nobody asked for it".into())),
                EffectKind::Apply(_) => Outcome::Applied(Ok(AppliedProof {
                    sent: now,
                    effective: now,
                    evidence: "made up".into(),
                })),
                EffectKind::Undo(_) => Outcome::Removed(Ok(RemovedProof {
                    at: now,
                    by: UndoneBy::Us,
                    evidence: "made up".into(),
                })),
            };
            take(
                &mut course,
                Input::Outcome {
                    key: effect.key,
                    outcome,
                },
                now,
            );
        }
        now = now.after(Duration::from_secs(1));
        if course.state().confirm_since() != confirming {
            confirming = course.state().confirm_since();
            for watch in &mut watches {
                watch.confirm(confirming.unwrap_or(now));
            }
        }
        if let Some(stretch) = course.state().disturbance() {
            let summed_up: Vec<_> = watches
                .iter_mut()
                .filter_map(|watch| watch.disturb(stretch))
                .collect();
            for fact in summed_up {
                take(&mut course, Input::Watched(fact), now);
            }
        }
        let hurt = course.state().is_disturbed();
        let impact: BTreeMap<_, _> = course
            .state()
            .plan()
            .map(|plan| {
                plan.stack
                    .probes
                    .iter()
                    .map(|(name, probe)| (name.clone(), probe.impact))
                    .collect()
            })
            .unwrap_or_default();
        for watch in &mut watches {
            let fails = hurt && impact[watch.probe()];
            let result = if fails {
                SampleResult::Failed("made up".into())
            } else {
                SampleResult::Passed
            };
            let sample = Sample {
                sent: now,
                took: Duration::from_millis(5),
                result,
            };
            for fact in watch.observe(&sample) {
                take(&mut course, Input::Watched(fact), now);
            }
        }
        take(&mut course, Input::Tick, now);
    }
    panic!("the drill does not end: {:?}", course.state().phase());
}

#[test]
fn a_team_that_does_nothing_scores_0_and_rates_u_on_every_shipped_drill() {
    let sources = shipped::FILES
        .iter()
        .map(|(path, text)| Source::new(*path, *text));
    let mut library = Library::of(sources, Options::default());
    let drills: Vec<_> = library
        .items(&[])
        .into_iter()
        .filter(|item| item.kind == Kind::Drill)
        .collect();
    assert!(drills.len() >= 2, "{drills:?}");
    for drill in drills {
        let plan = library.plan(&PathBuf::from(&drill.path));
        let plan = plan.unwrap_or_else(|found| panic!("{}", found.render(false)));
        let log = play(plan);
        let report = score::judge(&log).expect("a report");
        let scorecard = report.scorecard.as_ref().expect("a scorecard");
        assert_eq!(
            scorecard.score.outcome,
            Some(0.0),
            "{}: {}",
            drill.name,
            scorecard.score.outcome_reason
        );
        assert_eq!(
            scorecard.score.rating,
            Some(Rating::U),
            "{}: {}",
            drill.name,
            scorecard.score.rating_reason
        );
        let overall = report.overall.as_ref().expect("it is over");
        assert_eq!(
            (overall.verdict, overall.exit_code),
            (Verdict::Failed, 1),
            "{}: {}",
            drill.name,
            overall.reason
        );
    }
}
