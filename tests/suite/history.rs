//! A year of drills and experiments, as a server finds them in its data folder: logs with their beginning and their end,
//! and summaries as the score would make them of longer ones.

use std::path::Path;

use ::firedrill::engine::event::{Event, Fact, Origin, Trigger, Verdict};
use ::firedrill::model::ids::RunId;
use ::firedrill::model::plan::Plan;
use ::firedrill::model::summary::{Point, Scenario, Side, Standing, Summary, Time, Times};
use ::firedrill::model::time::{Epoch, Stamp};
use ::firedrill::ports::{Durability, Journal as _};
use ::firedrill::score;
use ::firedrill::spec::{Options, load_plan};
use ::firedrill::store::database::Database;
use jiff::{SignedDuration, Timestamp};

/// A run of the past: how many days ago, its rating, its times to detect and to recover in seconds, and what failed.
type Past = (i64, Option<&'static str>, Time, Time, Option<&'static str>);

const fn measured(seconds: u64) -> Time {
    Time::Measured(seconds * 1000)
}

const OUTAGES: [Past; 9] = [
    (
        330,
        Some("U"),
        Time::AtLeast(600_000),
        Time::AtLeast(600_000),
        Some("detect"),
    ),
    (300, Some("M"), measured(170), measured(540), Some("public")),
    (270, Some("M"), measured(160), measured(500), Some("public")),
    (240, Some("S"), measured(131), measured(420), Some("public")),
    (200, Some("S"), measured(120), measured(390), None),
    (150, Some("P"), measured(82), measured(310), None),
    (100, Some("P"), measured(70), measured(301), None),
    (40, Some("P"), measured(61), measured(250), None),
    (9, Some("S"), measured(52), measured(240), Some("advice")),
];

const TOKENS: [Past; 4] = [
    (210, Some("M"), measured(240), measured(700), Some("cause")),
    (140, Some("S"), measured(190), Time::AtLeast(900_000), None),
    (80, Some("P"), measured(95), measured(420), None),
    (20, Some("P"), measured(101), measured(380), None),
];

const SLOW: [Past; 3] = [
    (60, None, measured(0), measured(12), None),
    (30, None, measured(0), measured(10), None),
    (2, None, measured(0), measured(11), None),
];

/// Writes the past into a data folder, of drills and experiments of this library.
#[expect(
    clippy::disallowed_methods,
    reason = "a past is told from today on, as its readers see it"
)]
pub(crate) fn write(library: &Path, data: &Path, host: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(Box::pin(async {
        let database = Database::open(data).await.expect("a database");
        let now = Timestamp::now();
        for (file, runs) in [
            ("drills/signer-outage.yaml", OUTAGES.as_slice()),
            ("drills/bad-token.yaml", TOKENS.as_slice()),
            ("experiments/slow-signer.yaml", SLOW.as_slice()),
        ] {
            let plan = plan(library, file, host);
            for (index, past) in runs.iter().enumerate() {
                let run: RunId = format!("past-{}-{index}", plan.name())
                    .parse()
                    .expect("an id");
                keep(&database, &run, &plan, past, now).await;
            }
        }
        for (days, outcome) in [
            (6, "started run past-signer-outage-8"),
            (
                3,
                "skipped: firedrill came 30m late, which is beyond its tolerance",
            ),
            (1, "not started: stack `wallet-demo` is in use"),
        ] {
            let due = now - SignedDuration::from_hours(24 * days);
            let drill = "signer-outage".parse().expect("a name");
            database
                .record_start(&drill, due, outcome)
                .await
                .expect("kept");
        }
        database.close().await.expect("closed");
    }));
}

fn plan(library: &Path, file: &str, host: &str) -> Plan {
    let options = Options {
        library_dir: Some(library.to_owned()),
        stacks_dir: Some(library.join("stacks")),
        vars: [("host".to_owned(), host.to_owned())].into(),
        ..Options::default()
    };
    load_plan(&library.join(file), &options)
        .unwrap_or_else(|found| panic!("{}", found.render(false)))
}

async fn keep(database: &Database, run: &RunId, plan: &Plan, past: &Past, now: Timestamp) {
    let (days, rating, detect, recover, failed) = *past;
    let began = now - SignedDuration::from_hours(24 * days);
    let passed = failed.is_none();
    let event = |seq: u64, fact| Event {
        seq,
        at: Stamp {
            epoch: Epoch(1),
            mono_ns: seq * 600_000_000_000,
            wall: began + SignedDuration::from_mins(if seq == 1 { 0 } else { 10 }),
        },
        origin: Origin::engine(),
        fact,
    };
    let log = [
        event(
            1,
            Fact::RunCreated {
                plan: Box::new(plan.clone()),
                seed: 1,
                trigger: Trigger::Schedule,
            },
        ),
        event(
            2,
            Fact::RunEnded {
                verdict: if passed {
                    Verdict::Passed
                } else {
                    Verdict::Failed
                },
                reasons: vec!["it is over".into()],
            },
        ),
    ];
    database
        .append(run, 0, &log, Durability::Durable)
        .await
        .expect("stored");
    let exercise = plan.drill.as_ref();
    let lines = exercise
        .into_iter()
        .flat_map(|exercise| &exercise.runbook.expect);
    let summary = Summary {
        version: score::summary::VERSION,
        scenario: Scenario {
            drill: exercise.is_some(),
            name: plan.name().to_owned(),
            stack: plan.stack.name.clone(),
            team: exercise.map(|exercise| exercise.team.name.clone()),
            surprise: false,
            rehearsal: false,
            severity: exercise.map(|exercise| exercise.drill.severity.as_str().to_owned()),
            class: exercise.map(|_| "availability".to_owned()),
            failures: plan.failures(),
        },
        passed: Some(passed),
        rating: rating.map(str::to_owned),
        outcome: rating.map(|rating| match rating {
            "P" => 88.5,
            "S" => 71.0,
            "M" => 55.0,
            _ => 20.0,
        }),
        observed: rating.map(|_| 100.0),
        times: Times {
            detect: exercise.map(|_| detect),
            acknowledge: exercise.map(|_| Time::Measured(detect.ms() / 2)),
            mitigate: Some(recover),
            recover: Some(recover),
        },
        ended_by: Some(
            if recover.is_measured() {
                "team"
            } else {
                "timer"
            }
            .to_owned(),
        ),
        watched_ms: 600_000,
        hurt_ms: recover.ms().min(600_000) / 2,
        hits: plan.hits(),
        points: lines
            .map(|line| Point {
                side: Side::Team,
                id: line.id.to_string(),
                standing: if Some(line.id.as_str()) == failed {
                    Standing::Failed
                } else {
                    Standing::Held
                },
            })
            .collect(),
    };
    database.save_summary(run, &summary).await.expect("kept");
}
