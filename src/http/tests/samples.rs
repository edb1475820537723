//! Every template rendered: with everything in it, and with as little as there can be.

mod many;

use crate::http::problem::Problem;
use crate::http::templates::sample;
use crate::http::view::Badge;
use crate::http::view::account::{Account, Held, People, PersonLine, SessionLine, Wheres};
use crate::http::view::audit::{Audit, Line};
use crate::http::view::gamedays::{Coming, DayLine, DrillLine, GameDay, GameDays};
use crate::http::view::layout::{Halted, Layout, StuckLine, Who};
use crate::http::view::login::{Login, Setup};
use crate::http::view::overview::{LiveRun, Next, Overview, Startable, Unmatched};
use crate::http::view::review::{ActionLine, RunLink};
use crate::http::view::room::Timer;
use crate::http::view::run_line::{RunLine, Score};
use crate::http::view::run_list::RunList;
use crate::http::view::status::Status;
use crate::http::view::time::Moment;
use crate::http::view::tokens::{TokenLine, Tokens};
use crate::http::view::trouble::Trouble;

fn moment() -> Moment {
    Moment::from(
        "2026-03-01T10:00:00Z"
            .parse::<jiff::Timestamp>()
            .expect("an instant"),
    )
}

fn layout(full: bool) -> Layout {
    Layout {
        title: "A <title>".into(),
        here: "overview",
        who: Who {
            kind: if full { "account" } else { "local" },
            name: "Ada".into(),
            form_token: "t0ken".into(),
            may_respond: full,
            may_operate: full,
            may_lift: full,
            may_administer: full,
        },
        version: "1.2.3",
        css: "/static/app.css".into(),
        script: "/static/app.js".into(),
        icon: "/static/icon.svg".into(),
        now: moment(),
        ready: !full,
        stuck: full
            .then(|| StuckLine {
                run: "r1".into(),
                name: "outage".into(),
                injection: "cut#2".into(),
                error: "refused <why>".into(),
                since: moment(),
            })
            .into_iter()
            .collect(),
        halted: full.then(|| Halted {
            by: "ann".into(),
            reason: "storm".into(),
            at: moment(),
        }),
    }
}

fn line(full: bool) -> RunLine {
    RunLine {
        id: "r1".into(),
        name: "outage".into(),
        drill: full,
        stack: "tiny".into(),
        trigger: "api".into(),
        created: moment(),
        lasted: full.then(|| "1m12s".into()),
        verdict: Badge::new("passed", '✓', "good"),
        score: full.then(score),
        stuck: 0,
        rehearsal: full,
    }
}

fn score() -> Score {
    Score {
        rating: Some("P".into()),
        outcome: Some("92".into()),
        observed: None,
        pass: Badge::new("team passed", '✓', "good"),
    }
}

fn startable(full: bool) -> Startable {
    Startable {
        name: "outage".into(),
        kind: "drill",
        file: full.then(|| "/library/file?path=outage".into()),
        stack: Some("tiny".into()),
        summary: "SEV2, team crew".into(),
        findings: if full {
            Vec::new()
        } else {
            vec!["outage.yaml:3: `x` is unknown".into()]
        },
        may_start: full,
        last: full.then(score),
        last_run: full.then(|| "r1".into()),
    }
}

fn live(drill: bool, stuck: bool) -> LiveRun {
    LiveRun {
        id: "r1".into(),
        name: "outage".into(),
        drill,
        stack: "tiny".into(),
        phase: "running".into(),
        since: moment(),
        clock: "since the method began",
        faults: (!drill).then(|| vec!["kill of api's container".into()]),
        timers: if drill {
            vec![Timer {
                id: "ack".into(),
                target: "acknowledged within 5m".into(),
                critical: false,
                verdict: Badge::new("pending", '…', "live"),
                due: Some(moment()),
                meter: None,
                took: None,
                reason: String::new(),
            }]
        } else {
            Vec::new()
        },
        here: !stuck,
        stuck,
    }
}

/// A game day that goes on: in a pause, or in a drill.
fn day_line(pauses: bool) -> DayLine {
    DayLine {
        id: "d1".into(),
        name: "lost <keys>".into(),
        begun: moment(),
        state: Badge::new("goes on", '●', "live"),
        count: 1,
        of: 3,
        now: Some(Coming {
            drill: "outage".into(),
            run: (!pauses).then(|| "r1".into()),
            at: pauses.then(moment),
        }),
    }
}

#[test]
fn game_days_say_what_comes_next_and_what_was_not_begun_and_why() {
    let drill = |position, stands: &str| DrillLine {
        position,
        drill: "outage".into(),
        state: Badge::new(stands, '○', "plain"),
        run: (stands == "passed").then(|| "r1".into()),
        ended: stands == "passed",
        score: (position == 1).then(score),
        began: (stands == "passed").then(moment),
        begins: (stands == "next").then(moment),
        lasted: (stands == "passed").then(|| "1m12s".into()),
        why: (stands == "not begun").then(|| "drill `outage` <errored>".into()),
    };
    let page = |drills, line, may_end| {
        sample(&GameDay {
            layout: layout(false),
            line,
            goes_on: "passed or failed",
            drills,
            may_end,
        })
    };
    let drills = vec![
        drill(1, "passed"),
        drill(2, "passed"),
        drill(3, "next"),
        drill(4, "not begun"),
    ];
    let full = page(drills, day_line(true), true);
    for part in [
        "lost &lt;keys&gt;",
        "1 of 3 drills begun",
        "then outage begins",
        "/runs/r1/scorecard",
        "1m12s",
        "<code>outage</code> &lt;errored&gt;",
        "action=\"/gamedays/d1/end\"",
        "one that passed or failed",
    ] {
        assert!(full.contains(part), "no `{part}` in {full}");
    }
    let over = DayLine {
        now: None,
        ..day_line(false)
    };
    let bare = page(vec![], over, false);
    assert!(!bare.contains("/end\""), "{bare}");
    assert!(page(vec![], day_line(false), false).contains("Open the room of outage"));
    let list = |days| {
        sample(&GameDays {
            layout: layout(false),
            days,
        })
    };
    let listed = list(vec![day_line(true), day_line(false)]);
    assert!(
        listed.contains("1 of 3") && listed.contains("href=\"/runs/r1\""),
        "{listed}"
    );
    assert!(list(vec![]).contains("No game day was held yet."));
}

#[test]
fn the_overview_shows_all_it_has_and_says_what_there_is_not() {
    let full = sample(&Overview {
        layout: layout(true),
        live: vec![live(true, false), live(false, true)],
        days: vec![day_line(true), day_line(false)],
        game_days: vec![Startable {
            kind: "game day",
            stack: None,
            ..startable(true)
        }],
        upcoming: vec![
            Next {
                drill: "outage".into(),
                at: moment(),
                until: None,
            },
            Next {
                drill: "A surprise".into(),
                at: moment(),
                until: Some(moment()),
            },
        ],
        scorecards: vec![line(true)],
        drills: vec![startable(true)],
        experiments: vec![startable(false)],
        actions: vec![ActionLine {
            id: 7,
            text: "page <two> people".into(),
            owner: "Ada".into(),
            due: "2026-03-14".into(),
            overdue: true,
            open: true,
            closed: None,
            run: Some(RunLink {
                id: "r1".into(),
                name: "outage".into(),
            }),
            may_change: false,
        }],
        open: 3,
        overdue: 1,
        unmatched: vec![Unmatched {
            source: "alertmanager".into(),
            received: moment(),
            repeats: 2,
            text: "X fires".into(),
        }],
    });
    for part in [
        "Stuck: not everything could be undone",
        "refused &lt;why&gt;",
        "Everything is halted",
        "Recovering.",
        "kill of api&#x27;s container",
        "driven by another process",
        "href=\"/gamedays/d1\"",
        "1 of 3 drills begun",
        "page &lt;two&gt; people",
        "3, 1 overdue",
        "acknowledged within 5m",
        "again 2×",
        "1 finding",
    ] {
        assert!(full.contains(part), "no `{part}` in {full}");
    }
    let empty = sample(&Overview {
        layout: layout(false),
        live: vec![],
        days: vec![],
        game_days: vec![],
        upcoming: vec![],
        scorecards: vec![],
        drills: vec![],
        experiments: vec![],
        actions: vec![],
        open: 0,
        overdue: 0,
        unmatched: vec![],
    });
    for part in [
        "Nothing runs.",
        "No drill has been scored yet.",
        "Nothing is scheduled.",
        "No drills in the library.",
        "A &lt;title&gt;",
    ] {
        assert!(empty.contains(part), "no `{part}` in {empty}");
    }
}

#[test]
fn lists_of_runs_lead_on_and_back() {
    let page = |runs, further, next| {
        sample(&RunList {
            layout: layout(false),
            runs,
            further,
            next,
        })
    };
    let middle = page(vec![line(true), line(false)], true, Some("r9".into()));
    assert!(
        middle.contains("/runs?before=r9")
            && middle.contains("Latest runs")
            && middle.contains("1m12s")
    );
    assert!(page(vec![], false, None).contains("Nothing has run yet."));
    assert!(page(vec![], true, None).contains("No earlier runs."));
}

#[test]
fn a_trouble_says_what_to_do() {
    let finding = serde_json::json!({"file": "a.yaml", "line": 3, "message": "`x` is unknown", "hint": "did you mean `y`?"});
    let problem = Problem::conflict("stack-busy", "stack `tiny` is in use; hint: wait <for> it")
        .with_findings(vec![finding]);
    let page = sample(&Trouble::new(layout(true), problem, "/runs/r1".into()));
    for part in [
        "<h1>Conflict</h1>",
        "</strong> wait &lt;for&gt; it",
        "a.yaml:3",
        "did you mean `y`?",
        "href=\"&#x2f;runs&#x2f;r1\"",
        "stack-busy",
    ] {
        assert!(page.contains(part), "no `{part}` in {page}");
    }
}

#[test]
fn the_doors_say_what_they_are_for() {
    let page = sample(&Login {
        layout: layout(false),
        back: "/runs/r1".into(),
        name: "Ada".into(),
        trouble: Some("The name or the password is wrong.".into()),
    });
    assert!(page.contains("role=\"alert\"") && page.contains("value=\"&#x2f;runs&#x2f;r1\""));
    let page = sample(&Setup {
        layout: layout(false),
        code: "c0de".into(),
        shortest: 12,
    });
    assert!(page.contains("action=\"/setup/c0de\"") && page.contains("12 characters or more"));
}

#[test]
fn settings_show_accounts_roles_and_sessions() {
    let one = || Held {
        role: "responder",
        place: "on stack tiny".into(),
        team: String::new(),
        stack: "tiny".into(),
    };
    let session = |here| SessionLine {
        id: 7,
        user: "Ada".into(),
        created: moment(),
        seen: moment(),
        address: "192.0.2.1".into(),
        agent: "<browser>".into(),
        browser: None,
        here,
    };
    let page = sample(&Account {
        layout: layout(true),
        held: vec![one()],
        sessions: vec![session(true), session(false)],
        shortest: 12,
    });
    for part in [
        "on stack tiny",
        "&lt;browser&gt;",
        "this one",
        "value=\"t0ken\"",
    ] {
        assert!(page.contains(part), "no `{part}` in {page}");
    }
    let none = sample(&Account {
        layout: layout(true),
        held: vec![],
        sessions: vec![],
        shortest: 12,
    });
    assert!(none.contains("No role yet") && none.contains("No session."));
    let people = sample(&People {
        layout: layout(true),
        accounts: vec![
            PersonLine {
                name: "Ada".into(),
                created: moment(),
                held: vec![one()],
            },
            PersonLine {
                name: "Bob".into(),
                created: moment(),
                held: vec![],
            },
        ],
        sessions: vec![session(false)],
        wheres: Wheres {
            roles: vec!["viewer"],
            teams: vec!["crew".into()],
            stacks: vec!["tiny".into()],
        },
        shortest: 12,
    });
    for part in [
        "<option>crew</option>",
        "No role: may do nothing.",
        "Remove Bob",
    ] {
        assert!(people.contains(part), "no `{part}` in {people}");
    }
}

#[test]
fn a_token_is_shown_once_and_the_audit_says_who_did_what() {
    let held = Held {
        role: "operator",
        place: "everywhere".into(),
        team: String::new(),
        stack: String::new(),
    };
    let token = |over, used| TokenLine {
        name: "ci".into(),
        held: held.clone(),
        maker: "Ada".into(),
        created: moment(),
        expires: moment(),
        over,
        used,
    };
    let page = |made, tokens| {
        sample(&Tokens {
            layout: layout(true),
            all: tokens,
            made,
            wheres: Wheres {
                roles: vec!["viewer"],
                teams: vec!["crew".into()],
                stacks: vec!["tiny".into()],
            },
            lasts: 90,
        })
    };
    let both = vec![token(true, None), token(false, Some(moment()))];
    let full = page(Some("firedrill_0123".into()), both);
    for part in ["firedrill_0123", "ended", "never", "by Ada"] {
        assert!(full.contains(part), "no `{part}` in {full}");
    }
    assert!(page(None, vec![]).contains("No token."));

    let line = |refused: Option<String>| Line {
        seq: 7,
        at: moment(),
        who: "Ada".into(),
        through: "session".into(),
        act: "POST /start".into(),
        subject: "run r1".into(),
        from: "192.0.2.1".into(),
        refused,
        hash: "0123456789ab".into(),
    };
    let page = |lines, next| {
        sample(&Audit {
            layout: layout(true),
            lines,
            next,
        })
    };
    let full = page(vec![line(None), line(Some("stack-busy".into()))], Some(7));
    for part in ["192.0.2.1", "refused: stack-busy", "?before=7"] {
        assert!(full.contains(part), "no `{part}` in {full}");
    }
    assert!(page(vec![], None).contains("Nothing was changed yet."));
}

#[test]
fn a_status_page_always_says_that_it_is_a_drill() {
    for live in [true, false] {
        let page = sample(&Status {
            css: "/static/app.css".into(),
            icon: "/static/icon.svg".into(),
            script: "/static/app.js".into(),
            now: moment(),
            stack: "tiny".into(),
            standing: "No incident has been reported.",
            open: false,
            banner: live.then(|| "[DRILL] <b>".into()),
            posts: vec![],
            live,
        });
        assert!(page.contains("This is a drill.") && page.contains("Nothing has been posted."));
        assert_eq!(page.contains("data-every=\"10\""), live);
        assert_eq!(page.contains("[DRILL] &lt;b&gt;"), live);
    }
}

#[test]
fn an_after_action_report_shows_all_there_is_and_asks_for_the_rest() {
    use crate::http::view::chart::{Chart, Row};
    use crate::http::view::review::{
        ActionsPage, ClosedLine, Group, Line as Happened, ObjectiveLine, ReviewPage, StatementLine,
    };
    use crate::http::view::scorecard::Times;
    use crate::model::review::{Agreement, Kind, Survey};
    use crate::review::{Finding, Overview as About};

    let action = |open: bool, run: bool| ActionLine {
        id: if open { 7 } else { 8 },
        text: "page <two> people".into(),
        owner: "Ada".into(),
        due: "2026-03-14".into(),
        overdue: false,
        open,
        closed: (!open).then(|| ClosedLine {
            outcome: "they are".into(),
            by: "Bob".into(),
            at: moment(),
        }),
        run: run.then(|| RunLink {
            id: "r1".into(),
            name: "outage".into(),
        }),
        may_change: true,
    };
    let group = |kind: Kind, full: bool| Group {
        kind: kind.as_str(),
        title: kind.title(),
        mark: '✓',
        findings: if full {
            vec![
                Finding {
                    kind,
                    text: "`detect`: in time".into(),
                    by: None,
                    remark: None,
                    evidence: vec![3, 4],
                },
                Finding {
                    kind,
                    text: "calm <b>heads</b>".into(),
                    by: Some("Ada".into()),
                    remark: Some(4),
                    evidence: vec![],
                },
            ]
        } else {
            vec![]
        },
    };
    let page = |full: bool| {
        sample(&ReviewPage {
            layout: layout(full),
            id: "r1".into(),
            overview: About {
                name: "outage".into(),
                team: full.then(|| "crew".into()),
                severity: full.then(|| "SEV2".into()),
                brief: full.then(|| "The signer goes.".into()),
                hypothesis: "Payments stop.".into(),
                stack: "tiny".into(),
                began: jiff::Timestamp::UNIX_EPOCH,
                ended: None,
                conclusion: "stack and team passed".into(),
            },
            began: moment(),
            ended: full.then(moment),
            lasted: full.then(|| "1m12s".into()),
            overall: Badge::new("passed", '✓', "good"),
            objectives: if full {
                vec![ObjectiveLine {
                    what: "probe `canary` holds".into(),
                    came: Badge::new("failed", '✗', "bad"),
                    more: Some("503 <unavailable>".into()),
                    evidence: vec![9],
                }]
            } else {
                vec![]
            },
            team: None,
            times: Times {
                rows: vec![],
                mitigation: None,
                recovery: None,
                remissions: 0,
            },
            chart: full.then(|| Chart {
                svg: "<svg></svg>".into(),
                shown: crate::http::view::sight::Shown {
                    faults: true,
                    probes: true,
                },
                rows: vec![Row {
                    lane: "team".into(),
                    what: "Ada <acts>".into(),
                    at: moment(),
                    relative: "+0:01".into(),
                    lasted: None,
                    open: true,
                }],
                more: 3,
            }),
            timeline: if full {
                vec![Happened {
                    seq: 4,
                    at: moment(),
                    relative: "+0:01".into(),
                    mark: '●',
                    text: "Ada acknowledges".into(),
                }]
            } else {
                vec![]
            },
            groups: Kind::ALL.map(|kind| group(kind, full)).into(),
            actions: if full {
                vec![action(true, false), action(false, false)]
            } else {
                vec![]
            },
            survey: Survey {
                answers: if full { 3 } else { 0 },
                statements: if full {
                    vec![Agreement {
                        key: "runbook_helped",
                        text: "The runbook helped.",
                        median: 4,
                        counts: [0, 0, 1, 2, 0],
                    }]
                } else {
                    vec![]
                },
                comments: if full {
                    vec!["less <noise>".into()]
                } else {
                    vec![]
                },
            },
            statements: vec![StatementLine {
                key: "runbook_helped",
                text: "The runbook helped.",
                given: full.then_some(4),
            }],
            comment: String::new(),
            may_write: full,
            took_part: full,
            answered: full,
            due: "2026-03-15".into(),
            longest: 2000,
        })
    };
    let full = page(true);
    for part in [
        "503 &lt;unavailable&gt;",
        "calm &lt;b&gt;heads&lt;&#x2f;b&gt;",
        "they are",
        "Open again",
        "“less &lt;noise&gt;”",
        "Change your answers",
        "And 3 more",
        "Ada &lt;acts&gt;",
    ] {
        assert!(full.contains(part), "no `{part}` in {full}");
    }
    let empty = page(false);
    for part in [
        "None was agreed on yet.",
        "Nobody has answered yet. Those who acted in this run can.",
        "names no probe and no expectation",
        "The log was erased.",
    ] {
        assert!(empty.contains(part), "no `{part}` in {empty}");
    }
    let list = |full: bool| {
        sample(&ActionsPage {
            layout: layout(full),
            open: if full {
                vec![action(true, true)]
            } else {
                vec![]
            },
            closed: if full {
                vec![action(false, true)]
            } else {
                vec![]
            },
            overdue: usize::from(full),
        })
    };
    assert!(list(true).contains("1 overdue") && list(true).contains("Closed lately"));
    assert!(list(false).contains("Nothing is open."));
}
