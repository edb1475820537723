//! A scorecard beside the last runs of the same drill on the same stack, by the rules for few numbers: a dot for each run,
//! a middle only from six on, never an arrow. A time that was cut off is an open dot at what it is known to have
//! exceeded, and counts among the runs.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::figure;
use super::svg::{Svg, escape};
use super::time::{Moment, span};
use crate::model::ids::RunId;
use crate::score::RUBRIC;
use crate::store::runs::Scorecard;

/// How many runs a middle takes.
const ENOUGH: usize = 6;

const WIDTH: f64 = 320.0;
const HEIGHT: f64 = 26.0;
const EDGE: f64 = 10.0;

/// This run and those before.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Compared {
    /// The runs that it is compared with, latest first.
    pub(in crate::http) earlier: Vec<Earlier>,
    pub(in crate::http) rows: Vec<Row>,
    /// Runs left out, since another version of the rules scored them.
    pub(in crate::http) left_out: usize,
    /// Whether there are enough for a middle.
    pub(in crate::http) enough: bool,
}

/// How old the last score of a drill is.
#[derive(Debug, PartialEq, Serialize)]
pub(in crate::http) struct Freshness {
    /// Days since the drill was last scored.
    pub(in crate::http) days: i64,
    /// The run that scored it, where that is a later one.
    pub(in crate::http) later: Option<String>,
    /// Days from the run before to this one.
    pub(in crate::http) gap: Option<i64>,
}

/// A run that it is compared with.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Earlier {
    pub(in crate::http) id: String,
    pub(in crate::http) at: Moment,
    pub(in crate::http) rating: Option<String>,
}

/// One figure of all those runs.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Row {
    pub(in crate::http) short: &'static str,
    pub(in crate::http) label: &'static str,
    /// This run's.
    pub(in crate::http) this: String,
    /// Dots on one axis.
    pub(in crate::http) svg: String,
    /// The same in words.
    pub(in crate::http) told: String,
}

/// A figure of one run.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Dot {
    value: f64,
    censored: bool,
}

/// A figure: how it is called, where it stands in a report, and how it is told.
struct Figure {
    short: &'static str,
    label: &'static str,
    key: Option<&'static str>,
    /// Whether a missing one means that it never came about.
    counted: &'static str,
}

const FIGURES: [Figure; 5] = [
    Figure {
        short: "Outcome",
        label: "of 100",
        key: None,
        counted: "scored",
    },
    Figure {
        short: "TTD",
        label: "to detect",
        key: Some("time_to_detect"),
        counted: "detected",
    },
    Figure {
        short: "TTA",
        label: "to acknowledge",
        key: Some("time_to_acknowledge"),
        counted: "acknowledged",
    },
    Figure {
        short: "TTM",
        label: "to mitigate",
        key: Some("time_to_mitigate"),
        counted: "mitigated",
    },
    Figure {
        short: "TTR",
        label: "to recover",
        key: Some("time_to_recover"),
        counted: "recovered",
    },
];

impl Freshness {
    /// How fresh the score of `run`, created then, is among all scores of its drill, latest first.
    pub(in crate::http) fn new(
        all: &[Scorecard],
        run: &RunId,
        created: Timestamp,
        now: Timestamp,
    ) -> Self {
        let days =
            |from: Timestamp, to: Timestamp| (to.duration_since(from).as_hours() / 24).max(0);
        let latest = all.first().filter(|one| one.created > created);
        let before = all
            .iter()
            .find(|one| one.run != *run && one.created < created);
        Self {
            days: days(latest.map_or(created, |one| one.created), now),
            later: latest.map(|one| one.run.to_string()),
            gap: before.map(|one| days(one.created, created)),
        }
    }
}

impl Compared {
    /// A run's report beside the scorecards of its drill; nothing where there is none from before.
    pub(in crate::http) fn new(
        report: &Value,
        outcome: Option<f64>,
        created: Timestamp,
        run: &RunId,
        all: &[Scorecard],
    ) -> Option<Self> {
        let before: Vec<&Scorecard> = all
            .iter()
            .filter(|one| one.run != *run && one.created < created)
            .collect();
        let (same, others): (Vec<&Scorecard>, Vec<&Scorecard>) = before
            .into_iter()
            .partition(|one| one.summary.rubric == RUBRIC.to_string());
        if same.is_empty() {
            return None;
        }
        let reports: Vec<(Option<f64>, Value)> = same
            .iter()
            .map(|one| {
                let report = serde_json::from_str(&one.json).unwrap_or(Value::Null);
                (one.summary.outcome, report)
            })
            .collect();
        let enough = same.len() + 1 >= ENOUGH;
        let rows = FIGURES.iter().map(|asked| {
            let dot = |outcome: Option<f64>, report: &Value| match asked.key {
                None => outcome.map(|value| Dot {
                    value,
                    censored: false,
                }),
                Some(key) => dot(report, key),
            };
            let this = dot(outcome, report);
            let earlier: Vec<Option<Dot>> = reports
                .iter()
                .map(|(outcome, report)| dot(*outcome, report))
                .collect();
            row(asked, this, &earlier, enough)
        });
        Some(Self {
            rows: rows.collect(),
            earlier: same
                .iter()
                .map(|one| Earlier {
                    id: one.run.to_string(),
                    at: one.created.into(),
                    rating: one.summary.rating.clone(),
                })
                .collect(),
            left_out: others.len(),
            enough,
        })
    }
}

/// A time of a report, as its JSON has it.
fn dot(report: &Value, key: &str) -> Option<Dot> {
    let reading = &report["measures"][key];
    match reading["state"].as_str()? {
        "measured" => Some(Dot {
            value: reading["value_ms"].as_f64()?,
            censored: false,
        }),
        "censored" => Some(Dot {
            value: reading["at_least_ms"].as_f64()?,
            censored: true,
        }),
        _ => None,
    }
}

fn row(asked: &Figure, this: Option<Dot>, earlier: &[Option<Dot>], enough: bool) -> Row {
    let known: Vec<Dot> = earlier.iter().flatten().copied().collect();
    let seen = known.iter().filter(|dot| !dot.censored).count();
    let mut values: Vec<f64> = known
        .iter()
        .filter(|dot| !dot.censored)
        .map(|dot| dot.value)
        .collect();
    values.sort_by(f64::total_cmp);
    let range = match (values.first(), values.last()) {
        (Some(only), Some(_)) if seen == 1 => format!(": {}", worded(asked, *only)),
        (Some(least), Some(most)) => {
            format!(": {} to {}", worded(asked, *least), worded(asked, *most))
        }
        _ => String::new(),
    };
    // A middle of all, those that were cut off among them: it is known only where it is not one of these.
    let middle = middle(&known).filter(|_| enough);
    let half = middle.map_or_else(String::new, |middle| {
        format!("; half within {}", worded(asked, middle))
    });
    let told = format!(
        "{} {seen} of {} before{range}{half}",
        asked.counted,
        earlier.len()
    );
    Row {
        short: asked.short,
        label: asked.label,
        this: this.map_or_else(
            || "–".to_owned(),
            |dot| {
                let value = worded(asked, dot.value);
                if dot.censored {
                    format!("at least {value}")
                } else {
                    value
                }
            },
        ),
        svg: plot(asked, this, &known, middle, &told),
        told,
    }
}

/// The lower middle value of all runs; nothing where it was cut off.
fn middle(known: &[Dot]) -> Option<f64> {
    let mut all = known.to_vec();
    all.sort_by(|one, other| {
        let order = one.value.total_cmp(&other.value);
        order.then(one.censored.cmp(&other.censored))
    });
    let at = all.len().checked_sub(1)? / 2;
    // One that was cut off earlier may belong anywhere after it: then the middle is not known.
    let clear = all[..=at].iter().all(|dot| !dot.censored);
    clear.then_some(all[at].value)
}

fn worded(asked: &Figure, value: f64) -> String {
    if asked.key.is_none() {
        figure(value)
    } else {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "milliseconds that were read from an unsigned number"
        )]
        let milliseconds = value.max(0.0) as u64;
        span(milliseconds)
    }
}

fn plot(
    asked: &Figure,
    this: Option<Dot>,
    earlier: &[Dot],
    middle: Option<f64>,
    told: &str,
) -> String {
    let most = if asked.key.is_none() {
        100.0
    } else {
        let values = earlier.iter().chain(&this).map(|dot| dot.value);
        values.fold(1.0, f64::max)
    };
    let x = |value: f64| EDGE + value / most * (WIDTH - 2.0 * EDGE);
    let y = HEIGHT / 2.0;
    let mut svg = Svg::default();
    svg.put(format_args!(
        "<svg class=\"plot\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\"><line class=\"rule\" x1=\"{EDGE}\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\"/>",
        escape(told),
        WIDTH - EDGE
    ));
    if let Some(middle) = middle {
        let x = x(middle);
        svg.put(format_args!(
            "<line class=\"middle\" x1=\"{x:.1}\" y1=\"4\" x2=\"{x:.1}\" y2=\"{}\"/>",
            HEIGHT - 4.0
        ));
    }
    for dot in earlier {
        mark(&mut svg, "run", *dot, x(dot.value), y, 4.5, asked);
    }
    if let Some(dot) = this {
        mark(&mut svg, "run this", dot, x(dot.value), y, 6.0, asked);
    }
    svg.finish()
}

fn mark(svg: &mut Svg, look: &str, dot: Dot, x: f64, y: f64, size: f64, asked: &Figure) {
    let (cut, least) = if dot.censored {
        (" censored", "at least ")
    } else {
        ("", "")
    };
    svg.put(format_args!(
        "<circle class=\"{look}{cut}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{size}\"><title>{least}{}</title></circle>",
        worded(asked, dot.value)
    ));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::runs::ScorecardSummary;
    use serde_json::json;

    fn at(day: i64) -> Timestamp {
        Timestamp::from_second(1_767_225_600 + day * 86_400).expect("an instant")
    }

    fn report(detect: &Value) -> Value {
        let none = json!({"state": "not_applicable"});
        json!({"measures": {"time_to_detect": detect, "time_to_acknowledge": none}})
    }

    fn measured(ms: u64) -> Value {
        json!({"state": "measured", "value_ms": ms})
    }

    fn card(id: &str, day: i64, rubric: &str, detect: &Value) -> Scorecard {
        Scorecard {
            run: id.parse().expect("an id"),
            created: at(day),
            summary: ScorecardSummary {
                rubric: rubric.into(),
                rating: Some("P".into()),
                outcome: Some(90.0),
                observed: Some(100.0),
                pass: Some(true),
            },
            json: report(detect).to_string(),
        }
    }

    fn compared(all: &[Scorecard]) -> Option<Compared> {
        let run: RunId = "this".parse().expect("an id");
        let report = report(&measured(4000));
        Compared::new(&report, Some(100.0), at(30), &run, all)
    }

    #[test]
    fn few_runs_are_dots_and_have_no_middle() {
        let rubric = RUBRIC.to_string();
        let cut = json!({"state": "censored", "at_least_ms": 60_000, "because": "timer"});
        let all = [
            card("this", 30, &rubric, &measured(4000)),
            card("b", 20, &rubric, &measured(9000)),
            card("c", 10, &rubric, &cut),
            card("old", 5, "0", &measured(1)),
            card("later", 40, &rubric, &measured(1)),
        ];
        let compared = compared(&all).expect("there are earlier ones");
        assert_eq!(compared.earlier.len(), 2);
        assert_eq!((compared.left_out, compared.enough), (1, false));
        let detect = &compared.rows[1];
        assert_eq!(detect.this, "4s");
        assert_eq!(detect.told, "detected 1 of 2 before: 9s");
        assert_eq!(detect.svg.matches("<circle").count(), 3);
        assert_eq!(detect.svg.matches("censored").count(), 1);
        assert!(!detect.svg.contains("class=\"middle\""));
        // What there is nothing of is said, not drawn.
        assert_eq!(compared.rows[2].this, "–");
        assert_eq!(compared.rows[2].told, "acknowledged 0 of 2 before");
    }

    #[test]
    fn six_runs_have_a_middle_unless_it_was_cut_off() {
        let rubric = RUBRIC.to_string();
        let five = |cut: bool| -> Vec<Scorecard> {
            (0..5_u64)
                .map(|nth| {
                    let detect = if cut && nth < 3 {
                        json!({"state": "censored", "at_least_ms": 1, "because": "timer"})
                    } else {
                        measured(1000 * (nth + 1))
                    };
                    card(
                        &format!("r{nth}"),
                        i64::try_from(nth).unwrap_or(0),
                        &rubric,
                        &detect,
                    )
                })
                .collect()
        };
        let clear = compared(&five(false)).expect("there are earlier ones");
        assert!(clear.enough);
        assert_eq!(
            clear.rows[1].told,
            "detected 5 of 5 before: 1s to 5s; half within 3s"
        );
        let cut = compared(&five(true)).expect("there are earlier ones");
        assert_eq!(cut.rows[1].told, "detected 2 of 5 before: 4s to 5s");
    }

    #[test]
    fn a_first_run_is_compared_with_nothing() {
        let rubric = RUBRIC.to_string();
        assert!(compared(&[card("this", 30, &rubric, &measured(1))]).is_none());
        assert!(compared(&[]).is_none());
    }

    #[test]
    fn freshness_counts_whole_days_from_the_last_score() {
        let rubric = RUBRIC.to_string();
        let run: RunId = "this".parse().expect("an id");
        let all = [
            card("this", 30, &rubric, &measured(1)),
            card("b", 20, &rubric, &measured(1)),
        ];
        let fresh = Freshness::new(&all, &run, at(30), at(33));
        assert_eq!((fresh.days, fresh.later, fresh.gap), (3, None, Some(10)));
        let all = [
            card("later", 31, &rubric, &measured(1)),
            card("this", 30, &rubric, &measured(1)),
        ];
        let fresh = Freshness::new(&all, &run, at(30), at(33));
        assert_eq!(
            (fresh.days, fresh.later.as_deref(), fresh.gap),
            (2, Some("later"), None)
        );
    }
}
