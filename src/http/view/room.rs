//! The run room: what happened, what is due, and what responders can do now. `sight` says what of it is shown to whom.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::acts::Acts;
use super::chart::{self, Chart};
use super::composer::Drafted;
use super::escalation::Chain;
use super::layout::Layout;
use super::posted::Posted;
use super::scorecard::{Times, standing};
use super::sight::{self, Shown, Sight, counts_from_the_fault, tells_the_answer, told};
use super::steps::{self, StepLine};
use super::time::{Moment, offset_ms, relative, span};
use super::topology::{Disturbed, Stage, Topology};
use super::{Badge, markdown, overview, word};
use crate::engine::event::{Fact, Knew, Standing};
use crate::engine::undo::Entry as Obligation;
use crate::http::catalogue::Contents;
use crate::http::reading::Reading;
use crate::http::templates::Page;
use crate::messages::Texts;
use crate::model::fault::Cause;
use crate::model::plan::Exercise;
use crate::model::runbook::Expected;
use crate::model::team::Role;
use crate::score::expectations::{Line, Verdict};

/// The page of one run.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a question of its own that the template asks"
)]
#[derive(Debug, Serialize)]
pub(in crate::http) struct Room {
    pub(in crate::http) layout: Layout,
    pub(in crate::http) id: String,
    pub(in crate::http) name: String,
    pub(in crate::http) stack: String,
    pub(in crate::http) drill: bool,
    /// The profile of the scripted team that responds.
    pub(in crate::http) rehearsal: Option<&'static str>,
    pub(in crate::http) team: Option<String>,
    /// Who of it is on call, in order.
    pub(in crate::http) on_call: Vec<String>,
    /// The narrative, for staff, and for everybody afterwards.
    pub(in crate::http) brief: Option<String>,
    pub(in crate::http) hypothesis: Option<String>,
    pub(in crate::http) live: bool,
    /// Whether the page shows what responders don't see yet.
    pub(in crate::http) staff: bool,
    /// Whether whoever looks may see that.
    pub(in crate::http) may_see_all: bool,
    /// What is kept from this page, in a sentence.
    pub(in crate::http) hidden: Option<&'static str>,
    pub(in crate::http) status: Badge,
    pub(in crate::http) phase: String,
    /// Both sides in a sentence, once it is over.
    pub(in crate::http) reason: Option<String>,
    pub(in crate::http) reasons: Vec<String>,
    /// When the method began.
    pub(in crate::http) since: Option<Moment>,
    pub(in crate::http) created: Moment,
    pub(in crate::http) ended: Option<Moment>,
    pub(in crate::http) lasted: Option<String>,
    /// The last event shown here.
    pub(in crate::http) seq: u64,
    pub(in crate::http) chart: Option<Chart>,
    /// The stack, with the faults that whoever looks may see.
    pub(in crate::http) topology: Option<Topology>,
    pub(in crate::http) timeline: Vec<Entry>,
    pub(in crate::http) timers: Vec<Timer>,
    /// Which of them is due first.
    pub(in crate::http) next: Option<NextDue>,
    /// Lines that would give the answer away.
    pub(in crate::http) withheld: usize,
    pub(in crate::http) times: Option<Times>,
    pub(in crate::http) probes: Vec<ProbeLine>,
    pub(in crate::http) roles: Vec<RoleLine>,
    /// The team's escalation chain, where it has one.
    pub(in crate::http) escalation: Option<Chain>,
    /// Messages to the team, latest first.
    pub(in crate::http) messages: Vec<Entry>,
    /// What was told to others, latest first.
    pub(in crate::http) posted: Vec<Posted>,
    /// Whether the drill has a status page of firedrill's own.
    pub(in crate::http) status_page: bool,
    pub(in crate::http) acts: Option<Acts>,
    /// Whether whoever looks is asked when they knew that it was a drill; what they said, once they did.
    pub(in crate::http) asked: bool,
    pub(in crate::http) knew: Option<&'static str>,
    /// What the runbook says before its first step.
    pub(in crate::http) runbook: Option<String>,
    /// Whether the runbook opens only once somebody has detected something.
    pub(in crate::http) closed: bool,
    pub(in crate::http) steps: Vec<StepLine>,
}

impl Page for Room {
    const TEMPLATE: &'static str = "room.html";
}

/// One thing that happened.
#[derive(Debug, Clone, Serialize)]
pub(in crate::http) struct Entry {
    pub(in crate::http) seq: u64,
    pub(in crate::http) at: Moment,
    pub(in crate::http) relative: Option<String>,
    pub(in crate::http) tone: String,
    pub(in crate::http) mark: char,
    pub(in crate::http) text: String,
    /// The way in, where it was not ourselves.
    pub(in crate::http) source: Option<String>,
}

/// One line of the runbook and its clock.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Timer {
    pub(in crate::http) id: String,
    pub(in crate::http) target: String,
    pub(in crate::http) critical: bool,
    pub(in crate::http) verdict: Badge,
    /// When it is due in full credit.
    pub(in crate::http) due: Option<Moment>,
    /// How far its time has run, where it runs.
    pub(in crate::http) meter: Option<Meter>,
    pub(in crate::http) took: Option<String>,
    pub(in crate::http) reason: String,
}

/// What is due first.
#[derive(Debug, Serialize)]
pub(in crate::http) struct NextDue {
    pub(in crate::http) target: String,
    pub(in crate::http) due: Moment,
}

impl NextDue {
    fn of(timers: &[Timer]) -> Option<Self> {
        let due = timers
            .iter()
            .filter_map(|timer| Some((timer, timer.due.as_ref()?)));
        let (timer, due) = due.min_by(|(_, one), (_, other)| one.iso.cmp(&other.iso))?;
        Some(Self {
            target: timer.target.clone(),
            due: due.clone(),
        })
    }
}

/// The time of a line, from where it counts to its limit.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Meter {
    pub(in crate::http) from: Moment,
    /// Full credit up to here.
    pub(in crate::http) within: Moment,
    /// Part credit up to here.
    pub(in crate::http) to: Moment,
    /// Where `within` is, in percent of the whole.
    pub(in crate::http) goal: String,
    /// How much has passed, in percent of the whole.
    pub(in crate::http) passed: String,
    /// `good`, `warn` past `within`, `bad` past the limit.
    pub(in crate::http) look: &'static str,
}

impl Meter {
    /// The clock of a line that is due then.
    fn new(what: &Expected, due: Timestamp, now: Timestamp) -> Option<Self> {
        let (within, limit) = match what {
            Expected::Event { within, limit, .. } => ((*within)?, *limit),
            Expected::Probe { within, limit, .. } => (*within, *limit),
            Expected::Cadence { every, .. } => (*every, None),
            _ => return None,
        };
        let limit = limit.unwrap_or(within);
        let from = due.checked_sub(within.duration()).ok()?;
        let to = from.checked_add(limit.duration()).ok()?;
        let whole = offset_ms(to, from).max(1);
        let percent = |at| {
            let tenths = offset_ms(at, from).clamp(0, whole) * 1000 / whole;
            format!("{}.{}", tenths / 10, tenths % 10)
        };
        Some(Self {
            from: from.into(),
            within: due.into(),
            to: to.into(),
            goal: percent(due),
            passed: percent(now),
            look: if now > to {
                "bad"
            } else if now > due {
                "warn"
            } else {
                ""
            },
        })
    }
}

/// How a probe stands.
#[derive(Debug, Serialize)]
pub(in crate::http) struct ProbeLine {
    pub(in crate::http) name: String,
    pub(in crate::http) impact: bool,
    pub(in crate::http) standing: Badge,
    pub(in crate::http) since: Option<Moment>,
    pub(in crate::http) reason: Option<String>,
}

/// Who has a role.
#[derive(Debug, Serialize)]
pub(in crate::http) struct RoleLine {
    pub(in crate::http) value: &'static str,
    pub(in crate::http) label: String,
    pub(in crate::http) who: Option<String>,
}

/// What a room is made from, beside the run itself.
#[derive(Debug)]
pub(in crate::http) struct Around<'a> {
    pub(in crate::http) contents: &'a Contents,
    /// Pseudonyms and the names behind them.
    pub(in crate::http) names: &'a BTreeMap<String, String>,
    pub(in crate::http) staff: bool,
    /// Under which name whoever looks acts.
    pub(in crate::http) who: &'a str,
    /// Whether whoever looks may act.
    pub(in crate::http) may_act: bool,
    /// Whether they may open the staff view.
    pub(in crate::http) may_see_all: bool,
    pub(in crate::http) now: Timestamp,
    /// What messages are made from.
    pub(in crate::http) texts: &'a Texts,
    /// An update that whoever looks is writing, where they sent it to be looked at.
    pub(in crate::http) drafted: Option<&'a Drafted>,
}

impl Room {
    /// The room of a run.
    pub(in crate::http) fn new(layout: Layout, reading: &Reading, around: &Around<'_>) -> Self {
        let state = &reading.state;
        let plan = state.plan();
        let exercise = plan.and_then(|plan| plan.drill.as_ref());
        let sight = Sight::of(reading, around.staff);
        let name = |pseudonym: &str| {
            around
                .names
                .get(pseudonym)
                .cloned()
                .unwrap_or_else(|| pseudonym.to_owned())
        };
        let timeline = timeline(reading, sight.shown, &name);
        let (timers, withheld) = timers(reading, sight, around.now);
        let live = reading.is_live();
        let overall = reading
            .report
            .as_ref()
            .and_then(|report| report.overall.as_ref());
        let mut messages: Vec<Entry> = timeline
            .iter()
            .filter(|entry| entry.tone == "message")
            .cloned()
            .collect();
        messages.reverse();
        Self {
            layout,
            id: reading.row.id.to_string(),
            name: reading.row.name.clone(),
            stack: reading.row.stack.to_string(),
            drill: exercise.is_some(),
            rehearsal: plan
                .and_then(crate::model::plan::Plan::autopilot)
                .map(|autopilot| autopilot.profile.as_str()),
            team: exercise.map(|exercise| exercise.team.name.to_string()),
            on_call: exercise
                .map(|exercise| exercise.team.on_call.clone())
                .unwrap_or_default(),
            brief: exercise
                .filter(|_| sight.all)
                .map(|exercise| exercise.drill.brief.clone()),
            hypothesis: plan
                .filter(|_| sight.all)
                .map(|plan| plan.experiment.hypothesis.clone()),
            live,
            staff: around.staff,
            may_see_all: around.may_see_all,
            hidden: sight.hidden(),
            status: if reading.row.stuck > 0 {
                Badge::new("stuck", '!', "bad")
            } else {
                Badge::of(overall.map(|overall| overall.verdict))
            },
            reason: overall.map(|overall| overall.reason.clone()),
            phase: overview::phase(sight::phase(state.phase(), sight.shown.faults)).to_owned(),
            reasons: state
                .verdict()
                .map(|(_, reasons)| reasons.to_vec())
                .unwrap_or_default(),
            since: state.running_since().map(Into::into),
            created: reading.row.created.into(),
            ended: reading.row.ended.map(Into::into),
            lasted: reading.row.ended.map(|ended| {
                span(u64::try_from(offset_ms(ended, reading.row.created)).unwrap_or(0))
            }),
            seq: reading.events.last().map_or(0, |event| event.seq),
            chart: chart::chart(reading, sight.shown, around.now, &name),
            topology: plan.map(|plan| {
                let disturbed = if sight.shown.faults {
                    disturbed(reading)
                } else {
                    Vec::new()
                };
                Topology::new(&plan.stack, &disturbed)
            }),
            timeline,
            next: NextDue::of(&timers).filter(|_| live),
            timers,
            withheld,
            times: reading
                .report
                .as_ref()
                .filter(|_| sight.all)
                .map(|report| Times::new(&report.measures)),
            probes: if sight.shown.probes {
                probes(reading)
            } else {
                Vec::new()
            },
            roles: exercise.map(|_| roles(reading, &name)).unwrap_or_default(),
            escalation: Chain::of(reading),
            messages,
            posted: Posted::all(reading),
            status_page: exercise
                .is_some_and(|one| one.channels.iter().any(|one| one.way.is_own())),
            asked: around.may_act
                && !around.staff
                && !state.is_secret()
                && plan.is_some_and(crate::model::plan::Plan::is_surprise),
            knew: knew(reading, around),
            acts: (live && around.may_act).then(|| {
                let mine = around.names.iter().find(|(_, known)| *known == around.who);
                let seat = mine.and_then(|(pseudonym, _)| state.seat(pseudonym));
                Acts::new(
                    reading,
                    around.contents,
                    sight,
                    seat,
                    around.texts,
                    around.drafted,
                )
            }),
            closed: exercise.is_some() && !sight.shown.probes,
            runbook: exercise
                .filter(|_| sight.shown.probes)
                .map(|exercise| markdown::html(exercise.runbook.introduction())),
            steps: exercise
                .filter(|_| sight.shown.probes)
                .map(|exercise| steps::all(&exercise.runbook, &reading.events, &name))
                .unwrap_or_default(),
        }
    }
}

/// What the method does or did to the stack.
pub(in crate::http) fn disturbed(reading: &Reading) -> Vec<Disturbed> {
    let obligations = reading.state.ledger().obligations();
    obligations
        .filter_map(|obligation| {
            let injection = &obligation.injection;
            let Cause::Step(step) = &injection.cause else {
                return None;
            };
            let stage = match obligation.entry {
                Obligation::Planned { .. } | Obligation::Cancelled => return None,
                Obligation::Undone { .. } => Stage::Was,
                _ => Stage::On,
            };
            Some(Disturbed::of(injection, step.to_string(), stage))
        })
        .collect()
}

/// What whoever looks last said about when they knew.
fn knew(reading: &Reading, around: &Around<'_>) -> Option<&'static str> {
    let mine = |actor: &str| {
        around
            .names
            .get(actor)
            .is_some_and(|name| name == around.who)
    };
    let said = reading.events.iter().rev().find_map(|event| {
        let Fact::Knew { when, .. } = event.fact else {
            return None;
        };
        mine(event.origin.actor.as_deref()?).then_some(when)
    });
    said.map(Knew::words)
}

fn timeline(reading: &Reading, shown: Shown, name: &dyn Fn(&str) -> String) -> Vec<Entry> {
    let Some(plan) = reading.state.plan() else {
        return Vec::new();
    };
    let start = reading.state.running_since();
    let entries = reading.events.iter().filter_map(|event| {
        let (tone, text) = told(event, plan, name, shown)?;
        let source = word(&event.origin.source);
        let message = matches!(event.fact, Fact::InjectDelivered { .. });
        Some(Entry {
            seq: event.seq,
            at: event.at.into(),
            relative: start.map(|start| relative(offset_ms(event.at.wall, start.wall))),
            tone: if message {
                "message".to_owned()
            } else {
                word(&tone)
            },
            mark: match event.fact {
                Fact::AlertReceived { .. } => '▲',
                _ => tone.mark(),
            },
            text,
            source: (!matches!(source.as_str(), "engine" | "probe" | "fault" | "room"))
                .then_some(source),
        })
    });
    entries.collect()
}

/// The runbook's lines. While a drill goes on, those that name the cause or a remedy are left out and counted, and
/// clocks that run from the fault show nothing before a detection.
pub(in crate::http) fn timers(
    reading: &Reading,
    sight: Sight,
    now: Timestamp,
) -> (Vec<Timer>, usize) {
    let plan = reading.state.plan();
    let Some(exercise) = plan.and_then(|plan| plan.drill.as_ref()) else {
        return (Vec::new(), 0);
    };
    let lines = reading
        .report
        .as_ref()
        .and_then(|report| report.scorecard.as_ref());
    let lines = lines
        .map(|scorecard| scorecard.lines.as_slice())
        .unwrap_or_default();
    let mut withheld = 0;
    let mut timers = Vec::new();
    for line in lines {
        let what = expected(exercise, line);
        if !sight.all && what.is_some_and(tells_the_answer) {
            withheld += 1;
            continue;
        }
        let quiet = !sight.shown.probes && what.is_some_and(counts_from_the_fault);
        let due = line
            .due
            .filter(|_| !quiet && line.verdict == Verdict::Pending);
        timers.push(Timer {
            meter: due.and_then(|due| Meter::new(what?, due.wall, now)),
            id: line.id.to_string(),
            target: line.target.clone(),
            critical: line.critical,
            verdict: if quiet {
                standing(Verdict::Pending)
            } else {
                standing(line.verdict)
            },
            due: due.map(Into::into),
            took: line.took_ms.filter(|_| !quiet).map(span),
            reason: if quiet {
                String::new()
            } else {
                line.reason.clone()
            },
        });
    }
    (timers, withheld)
}

fn expected<'a>(exercise: &'a Exercise, line: &Line) -> Option<&'a Expected> {
    exercise
        .runbook
        .expect
        .iter()
        .find(|known| known.id == line.id)
        .map(|known| &known.what)
}

fn probes(reading: &Reading) -> Vec<ProbeLine> {
    let plan = reading.state.plan();
    crate::engine::phase::tolerances(&reading.state)
        .into_iter()
        .map(|tolerance| {
            let probe = reading.state.probe(&tolerance.probe);
            let known = plan.and_then(|plan| plan.stack.probes.get(&tolerance.probe));
            ProbeLine {
                name: tolerance.probe.to_string(),
                impact: known.is_some_and(|probe| probe.impact),
                standing: match probe.standing {
                    Some((Standing::Passing, _)) => Badge::new("passes", '✓', "good"),
                    Some((Standing::Failing, _)) => Badge::new("fails", '✗', "bad"),
                    None => Badge::new("not known", '–', "plain"),
                },
                since: probe.standing.map(|(_, since)| since.into()),
                reason: probe.reason,
            }
        })
        .collect()
}

fn roles(reading: &Reading, name: &dyn Fn(&str) -> String) -> Vec<RoleLine> {
    Role::ALL
        .into_iter()
        .map(|role| {
            let taken = reading
                .events
                .iter()
                .rev()
                .find_map(|event| match &event.fact {
                    Fact::RoleTaken { role: taken, to } if *taken == role => {
                        Some(to.as_deref().or(event.origin.actor.as_deref()))
                    }
                    _ => None,
                });
            let who = taken.map(|who| who.map_or_else(|| "somebody".to_owned(), name));
            RoleLine {
                value: role.as_str(),
                label: role.title().to_owned(),
                who,
            }
        })
        .collect()
}
