//! Templates of pages over many runs.

use jiff::{SignedDuration, Timestamp};

use super::layout;
use crate::http::calendar::Told;
use crate::http::catalogue::{Finding, Kind};
use crate::http::coverage::{Hits, STALE_DAYS, Seen, cells, starts};
use crate::http::desk::{Considered, Listed};
use crate::http::published::Gathered;
use crate::http::templates::sample;
use crate::http::view::calendar::{Calendar, Entry, Rule, laid_out};
use crate::http::view::coverage::{Coverage, Grid};
use crate::http::view::forecast::{Answer, Choice, Forecast, PLAYED};
use crate::http::view::library::{File, Group, Library, Line, Start, Trial, lines, plural, state};
use crate::http::view::transparency::{Figures, Transparency};
use crate::http::view::trends::{Card, Filters, Part, Trend, Trends};
use crate::model::failure::Failure;
use crate::model::summary::{Point, Scenario, Side, Standing, Time, Times};
use crate::spec;
use crate::stats::FEWEST;
use crate::stats::forecast::{self, Question};
use crate::store::schedule::ScheduledStart;
use crate::store::summaries::{Counted, Hit, Series, Summarised};

fn began() -> Timestamp {
    "2026-03-01T10:00:00Z".parse().expect("an instant")
}

pub(super) fn series(drill: bool) -> Series {
    Series {
        id: if drill { 3 } else { 4 },
        scenario: Scenario {
            drill,
            name: "outage".into(),
            stack: "tiny".parse().expect("a name"),
            team: drill.then(|| "crew".parse().expect("a name")),
            surprise: false,
            rehearsal: false,
            severity: drill.then(|| "SEV2".to_owned()),
            class: drill.then(|| "availability".to_owned()),
            failures: vec![Failure::CutOff],
        },
        latest: began(),
    }
}

/// Runs a day apart, latest first, each a second faster than the one before; the third was cut short and missed a line.
pub(super) fn runs(count: u64) -> Vec<Summarised> {
    let mut runs: Vec<Summarised> = (0..count)
        .map(|index| {
            let day = SignedDuration::from_hours(24 * i64::try_from(index).expect("few"));
            let ms = 60_000 - 1_000 * index;
            let third = index == 2;
            Summarised {
                run: format!("r{index}").parse().expect("an id"),
                created: began() + day,
                passed: (index != 4).then_some(!third),
                rating: (index != 4).then(|| if third { "M" } else { "P" }.to_owned()),
                outcome: Some(81.25),
                observed: Some(100.0),
                times: Times {
                    detect: Some(if third {
                        Time::AtLeast(600_000)
                    } else {
                        Time::Measured(ms)
                    }),
                    acknowledge: None,
                    mitigate: Some(Time::Measured(ms * 2)),
                    recover: Some(Time::Measured(ms * 3)),
                },
                ended_by: Some("team".into()),
                points: vec![Point {
                    side: Side::Team,
                    id: "detect".into(),
                    standing: if third {
                        Standing::Failed
                    } else {
                        Standing::Held
                    },
                }],
            }
        })
        .collect();
    runs.reverse();
    runs
}

#[test]
fn trends_show_few_runs_as_dots_and_many_with_medians() {
    let page = |cards, any, more, rehearsed| {
        let filters = Filters::new(&[series(true)], "crew", "cut_off", "drills");
        sample(&Trends {
            layout: layout(false),
            filters,
            cards,
            more,
            next: (more > 0).then(|| "/trends?from=6".into()),
            back: None,
            rehearsed,
            any,
            fewest: FEWEST,
            window: 60,
        })
    };
    let few = page(vec![Card::new(&series(true), &runs(4), false)], true, 0, 0);
    for part in [
        "too few for a median: 2 more runs",
        "detected 3 of 4",
        "announced",
        "1 fixed",
        "run censored",
    ] {
        assert!(few.contains(part), "no `{part}` in {few}");
    }
    assert!(!few.contains("class=\"band\"") && !few.contains("no upper end"));
    assert!(!few.contains("faster"), "an arrow for few runs");

    let many = page(vec![Card::new(&series(true), &runs(12), false)], true, 3, 1);
    for part in [
        "class=\"band\"",
        "detected 11 of 12",
        "faster",
        "3 more scenarios",
        "Rehearsals of 1 scenario ",
        "<option selected>crew</option>",
        "<option value=\"cut_off\" selected>cut off</option>",
    ] {
        assert!(many.contains(part), "no `{part}` in {many}");
    }
    assert!(page(vec![], true, 0, 0).contains("No scenario is like that."));
    assert!(page(vec![], false, 0, 0).contains("No run has ended yet"));
}

#[test]
fn a_scenario_in_full_has_its_runs_its_weaknesses_and_curves() {
    let page = |parts| {
        sample(&Trend {
            layout: layout(false),
            name: "outage".into(),
            parts,
            fewest: FEWEST,
            window: 60,
        })
    };
    let full = page(vec![
        Part::new(&series(true), &runs(12), 40),
        Part::new(&series(false), &runs(1), 1),
    ]);
    for part in [
        "40 runs in all, the last 12 here",
        "class=\"curve\"",
        "at least 10m",
        "broke off",
        "experiment",
    ] {
        assert!(full.contains(part), "no `{part}` in {full}");
    }
    assert!(full.contains("0 open, 1 fixed") && full.contains("held again"));
    assert!(
        full.contains("Nothing failed in these runs."),
        "the experiment's only run"
    );
}

#[test]
fn pages_over_all_runs_of_a_window_stay_light() {
    const ALONG: usize = include_bytes!("../../../../web/static/app.css").len()
        + include_bytes!("../../../../web/static/app.js").len();
    let runs: Vec<Summarised> = runs(60)
        .into_iter()
        .map(|run| Summarised {
            run: "20260301-100000-0a1b2c".parse().expect("an id"),
            times: Times {
                acknowledge: run.times.detect,
                ..run.times
            },
            ..run
        })
        .collect();
    let one = sample(&Trend {
        layout: layout(false),
        name: "outage".into(),
        parts: vec![Part::new(&series(true), &runs, 60)],
        fewest: FEWEST,
        window: 60,
    });
    let list = sample(&Trends {
        layout: layout(false),
        filters: Filters::new(&[series(true)], "", "", ""),
        cards: (0..6)
            .map(|id| Card::new(&Series { id, ..series(true) }, &runs, false))
            .collect(),
        more: 0,
        next: None,
        back: None,
        rehearsed: 0,
        any: true,
        fewest: FEWEST,
        window: 60,
    });
    for page in [one, list] {
        assert!(page.len() + ALONG < 100_000, "{}", page.len() + ALONG);
    }
}

#[test]
fn a_forecast_prints_what_it_takes_for_granted() {
    let page = |choices, few: &[&str], refused: Option<&str>, answer| {
        sample(&Forecast {
            layout: layout(false),
            choices,
            few: few.iter().map(|one| (*one).to_owned()).collect(),
            counted: "12".into(),
            ahead: "12".into(),
            budget: "4h".into(),
            seed: 1,
            refused: refused.map(str::to_owned),
            answer,
            fewest: FEWEST,
            trials: PLAYED,
        })
    };
    let choice = || {
        vec![Choice {
            field: "s3".into(),
            name: "outage".into(),
            drills: 8,
            recovered: 7,
            entered: "2".into(),
        }]
    };
    let mut times = vec![Time::Measured(60_000); 7];
    times.push(Time::AtLeast(600_000));
    let scenario = forecast::Scenario {
        name: "outage".into(),
        incidents: 2,
        times,
    };
    let question = Question {
        counted_months: 12.0,
        ahead_months: 12.0,
        budget_ms: Some(60_000),
        seed: 1,
    };
    let found = forecast::forecast(&[scenario], &question).expect("an answer");
    let answer = Answer::new(found, "firedrill forecast".into());
    let full = page(choice(), &["bad-token: 2 so far"], None, Some(answer));
    for part in [
        "What this takes for granted",
        "outage: 2 real incidents in 12 months, as entered",
        "incidents last longer than drills ever measured",
        "The budget of 4h is not kept",
        "bad-token: 2 so far",
    ] {
        assert!(full.contains(part), "no `{part}` in {full}");
    }
    assert!(page(choice(), &[], Some("so not"), None).contains("role=\"alert\">so not"));
    assert!(page(choice(), &[], None, None).contains("played through 10000 times"));
    let empty = page(vec![], &["bad-token: 2 so far"], None, None);
    assert!(empty.contains("none has so many yet. So far: bad-token: 2 so far."));
}

#[test]
fn coverage_tells_what_was_drilled_and_what_never() {
    let plan = crate::engine::tests::plans::experiment();
    let stack = &plan.stack;
    let all = cells(stack);
    let (target, failure) = all.first().expect("a cell").clone();
    let hit = |days: i64, visible, rating: Option<&str>| Seen {
        hit: Hit {
            target: target.key(),
            failure,
            run: "r1".parse().expect("an id"),
            created: began() - SignedDuration::from_hours(24 * days),
            passed: Some(true),
            rating: rating.map(str::to_owned),
            name: "outage".into(),
            team: None,
        },
        visible,
    };
    let starts = starts([(Kind::Experiment, "slow", &plan, true)]);
    let page = |grid: Option<Grid>, stack: Option<&str>| {
        sample(&Coverage {
            layout: layout(false),
            stacks: vec!["tiny".into(), "other".into()],
            stack: stack.map(str::to_owned),
            grid,
            stale_days: STALE_DAYS,
        })
    };
    let grid = |drills, experiments| {
        Grid::new(
            stack,
            &Hits {
                drills,
                experiments,
            },
            &starts,
            began(),
        )
    };
    let full = grid(vec![hit(120, true, Some("P"))], vec![]);
    assert_eq!((full.drilled, full.stale, full.tried), (1, 1, 0));
    assert_eq!(full.possible, all.len());
    let full = page(Some(full), Some("tiny"));
    for part in [
        ">never<",
        "4 months ago",
        "cell drilled stale",
        "<a href=\"/runs/r1/scorecard\">outage</a>",
        "that nothing in the library would drill",
    ] {
        assert!(full.contains(part), "no `{part}` in {full}");
    }
    let tried = page(Some(grid(vec![], vec![hit(0, true, None)])), Some("tiny"));
    assert!(tried.contains("today, experiment"), "{tried}");
    let other = page(
        Some(grid(vec![hit(1, false, Some("P"))], vec![])),
        Some("tiny"),
    );
    assert!(
        other.contains("another team") && !other.contains("/runs/r1"),
        "another team's run is shown: {other}"
    );
    assert!(page(None, Some("tiny")).contains("Nothing in the library that can be started uses"));
    assert!(page(None, None).contains("There is no stack yet."));
}

#[test]
fn what_is_published_names_nothing() {
    let counted = |drills| Counted {
        drills,
        with_impact: drills,
        detected: drills,
        to_recover: drills,
        recovered: drills - 1,
        passed: drills - 1,
        judged: drills,
        watched_ms: 600_000,
        hurt_ms: 60_000,
    };
    let gathered = |quarters, actions, late, scenarios| Gathered {
        at: began(),
        quarters,
        actions,
        late,
        scenarios,
    };
    let page = |gathered: &Gathered| {
        sample(&Transparency {
            layout: layout(false),
            platform: "Example <Wallet>".into(),
            figures: Figures::new(gathered),
        })
    };
    let full = page(&gathered(
        vec![counted(4), counted(3), counted(2), counted(1)],
        3,
        1,
        vec![(series(true), runs(7)), (series(true), runs(2))],
    ));
    for part in [
        "Example &lt;Wallet&gt;",
        "<dd>10</dd>",
        "6 of 10",
        "90.0 %",
        "too few drills",
        "57s (54s without an upper end)",
        "1 late",
    ] {
        assert!(full.contains(part), "no `{part}` in {full}");
    }
    for telling in ["outage", "tiny", "crew", "cut off", "r0", "<footer"] {
        assert!(!full.contains(telling), "`{telling}` is published");
    }
    let none = page(&gathered(vec![], 0, 0, vec![]));
    assert!(none.contains("No drill was held in the last twelve months."));
}

#[test]
fn the_calendar_says_what_starts_what_did_and_why_something_did_not() {
    let zone = jiff::tz::TimeZone::UTC;
    let start = |outcome: &str| ScheduledStart {
        due: began(),
        outcome: outcome.into(),
    };
    let drill = || "outage".parse().expect("a name");
    let planned = |told: bool, range, barred: Option<&str>| Told {
        start: told.then(|| (drill(), began())),
        range,
        barred: barred.map(str::to_owned),
    };
    let range = Some((began(), began() + SignedDuration::from_hours(6)));
    let entries = vec![
        Entry::past("outage", &start("started run r1"), &zone),
        Entry::past("game day d", &start("started game day d1"), &zone),
        Entry::past("outage", &start("skipped: it came late"), &zone),
        Entry::past("outage", &start("not started: it is busy"), &zone),
        Entry::past("outage", &start("claimed"), &zone),
        Entry::planned(&planned(true, None, None), &zone),
        Entry::planned(&planned(false, range, None), &zone),
        Entry::planned(&planned(true, None, Some("2026-03-01")), &zone),
    ];
    let page = |entries, scheduled| {
        let month = "2026-03-01".parse().expect("a day");
        let (weeks, agenda) = laid_out(month, month, entries, |_| Vec::new());
        sample(&Calendar {
            layout: layout(false),
            title: "March 2026".into(),
            month: "2026-03".into(),
            before: "2026-02".into(),
            after: "2026-04".into(),
            zone: "UTC".into(),
            zones: vec!["UTC".into()],
            weeks,
            agenda,
            scheduled,
        })
    };
    let rule = Rule {
        drill: "outage".into(),
        cron: "0 10 * * TUE".into(),
        zone: "UTC".into(),
        window: Some("10:00-16:00".into()),
        blackout: "2026-03-01".into(),
        tolerance: "10m".into(),
        surprise: true,
    };
    let full = page(entries, vec![rule]);
    for part in [
        "<a href=\"/runs/r1\">outage</a>",
        "<a href=\"/gamedays/d1\">game day d</a>",
        "it came late",
        "it is busy",
        "the server ended before it was known",
        "10:00–16:00",
        "some time in these hours",
        "blackout 2026-03-01",
        "yes, 10:00-16:00",
    ] {
        assert!(full.contains(part), "no `{part}` in {full}");
    }
    let empty = page(vec![], vec![]);
    assert!(empty.contains("Nothing starts by itself in March 2026: give a drill or a game day a"));
}

#[test]
fn the_library_and_its_files_say_what_is_wrong_and_what_would_be_hit() {
    let line = |address: Option<&str>, errors| Line {
        path: "drills/outage.yaml".into(),
        address: address.map(str::to_owned),
        name: "outage".into(),
        about: "SEV2".into(),
        state: state(&Listed {
            path: "drills/outage.yaml".into(),
            holds: vec![],
            errors,
            warnings: 1,
            canonical: "drills/outage.yaml".into(),
        }),
        start: address.map(|_| Start {
            kind: "drill",
            name: "outage".into(),
        }),
    };
    let page = |files, may| {
        sample(&Library {
            layout: layout(false),
            groups: vec![
                Group {
                    title: plural(spec::Kind::Drill),
                    files,
                },
                Group {
                    title: plural(spec::Kind::Team),
                    files: vec![],
                },
            ],
            kinds: vec!["Drill"],
            may_open: may,
            may_make: may,
        })
    };
    let full = page(
        vec![line(Some("/library/file?path=x"), 2), line(None, 0)],
        true,
    );
    for part in [
        "2 errors",
        "1 warning",
        "A new file",
        "None: begin one above.",
    ] {
        assert!(full.contains(part), "no `{part}` in {full}");
    }
    assert!(page(vec![], false).contains("takes the role operator"));

    let finding = |severity: &str, line| Finding {
        severity: severity.into(),
        code: "unknown-key".into(),
        file: "stacks/x.yaml".into(),
        line,
        column: line,
        message: "`x` is <unknown>".into(),
        hint: Some("did you mean `y`?".into()),
    };
    let found = Considered {
        own: vec![finding("error", Some(3)), finding("warning", None)],
        others: vec![finding("error", Some(4))],
        commands: vec!["Stack.probes.x: [\"./steal\"]".into()],
    };
    let plan = crate::engine::tests::plans::experiment();
    let page = |new: bool, looked: Option<Result<Vec<String>, Vec<String>>>, full: bool| {
        let (own, others) = lines(&found);
        sample(&File {
            layout: layout(false),
            path: "experiments/slow.yaml".into(),
            title: "slow".into(),
            kind: full.then_some("Experiment"),
            text: "kind: Experiment\n</textarea>".into(),
            rows: 12,
            tag: "t4g".into(),
            new: new.then(|| ("Experiment".to_owned(), "slow".to_owned())),
            may_save: full,
            used_by: if full {
                "drill outage".into()
            } else {
                String::new()
            },
            own: if full { own } else { vec![] },
            others: if full { others } else { vec![] },
            commands: if full { found.commands.clone() } else { vec![] },
            refused: full.then(|| ("it has errors".to_owned(), Some("mend them".to_owned()))),
            done: (!full).then_some("Saved."),
            trial: looked.map(|looked| Trial::new(&plan, Some(looked))),
            words: full.then(|| "Game day lost <keys>".into()),
            start: full.then(|| Start {
                kind: "experiment",
                name: "slow".into(),
            }),
        })
    };
    let full = page(false, Some(Err(vec!["no `signer`".into()])), true);
    for part in [
        "is &lt;unknown&gt;",
        "3:3",
        "stacks&#x2f;x.yaml:4:4",
        "the whole file",
        "./steal",
        "Not saved:",
        "It could not run now.",
        "Game day lost &lt;keys&gt;",
        "Save although other files will have errors",
        "&lt;&#x2f;textarea&gt;",
        "value=\"t4g\"",
    ] {
        let found = full.contains(part) || full.contains(&part.replace("./", ".&#x2f;"));
        assert!(found, "no `{part}` in {full}");
    }
    let plain = page(false, Some(Ok(vec!["chain id 0x7a69".into()])), false);
    for part in [
        "Saved.",
        "Nothing is wrong in it.",
        "it could run now",
        " readonly",
    ] {
        assert!(plain.contains(part), "no `{part}` in {plain}");
    }
    assert!(page(true, None, true).contains("Save the new file"));
}
