//! A plan in plain words: what will be done to what, how it is undone, what stops it, and what the team is judged by.
//!
//! Headers and bodies of requests are left out, since they may hold secrets. Lines have at most 100 columns where
//! names and URLs allow.

mod cuts;
mod faults;
mod gameday;
mod people;

pub use gameday::explain_game_day_within;

use crate::layout::{LongWords, paragraph};
use crate::model::experiment::{Patience, StopCondition};
use crate::model::fault::{Call, Capture, Lasts, Step};
use crate::model::plan::{Exercise, Plan};
use crate::model::probe::{Ask, Expect, HttpRequest, Probe, Program, Tolerance};
use crate::model::schedule::Schedule;
use crate::model::stack::Identity;

/// The widest line.
const WIDTH: usize = 100;

/// Explains a plan, in lines of at most 100 columns.
pub fn explain(plan: &Plan) -> String {
    explain_within(plan, WIDTH)
}

/// Explains a plan in lines as wide as given, and never wider than 100 columns.
pub fn explain_within(plan: &Plan, width: usize) -> String {
    let mut page = Page {
        text: String::new(),
        width: width.min(WIDTH),
    };
    match &plan.drill {
        Some(exercise) => heading(&mut page, plan, exercise),
        None => page.line(
            0,
            &format!("Experiment {} on {}", plan.experiment.name, on(plan)),
        ),
    }
    page.line(2, &plan.experiment.hypothesis);
    identity(&mut page, plan);
    steady_state(&mut page, plan);
    faults::timeline(&mut page, plan);
    ends(&mut page, plan);
    if let Some(exercise) = &plan.drill {
        people::people(&mut page, exercise);
        people::expectations(&mut page, exercise);
    }
    page.section("Files");
    for file in &plan.files {
        page.line(2, &file.path);
    }
    page.text
}

/// The text so far.
struct Page {
    text: String,
    width: usize,
}

impl Page {
    fn section(&mut self, title: &str) {
        self.text.push('\n');
        self.text.push_str(title);
        self.text.push('\n');
    }

    /// A line, or several where it is too long.
    fn line(&mut self, indent: usize, text: &str) {
        self.entry(indent, 0, "", text);
    }

    /// A name, then text in a column of its own.
    fn entry(&mut self, indent: usize, column: usize, name: &str, text: &str) {
        let first = format!("{:indent$}{name:column$}", "");
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let (margin, width) = (indent + column, self.width);
        self.text
            .push_str(&paragraph(&first, margin, &text, width, LongWords::Whole));
    }

    /// Entries with their names in a column as wide as the widest.
    fn table(&mut self, rows: &[(String, String)]) {
        let column = 2 + rows
            .iter()
            .map(|(name, _)| name.chars().count())
            .max()
            .unwrap_or(0)
            .min(30);
        for (name, text) in rows {
            let name = format!("{name} ");
            self.entry(2, column, &name, text);
        }
    }
}

fn on(plan: &Plan) -> String {
    format!("{} ({})", plan.stack.name, plan.stack.environment)
}

fn heading(page: &mut Page, plan: &Plan, exercise: &Exercise) {
    let drill = &exercise.drill;
    page.line(
        0,
        &format!(
            "Drill {}, {}, on {}",
            drill.name,
            drill.severity.as_str(),
            on(plan)
        ),
    );
    let members = exercise.team.members.len();
    page.line(
        2,
        &format!(
            "Team {}: {members} {}",
            exercise.team.name,
            if members == 1 { "member" } else { "members" }
        ),
    );
    for rung in &exercise.team.escalation {
        page.line(
            2,
            &format!(
                "Nobody acknowledges for {}: {} is called",
                rung.after,
                rung.to.join(", ")
            ),
        );
    }
    if let Some(autopilot) = drill.autopilot {
        page.line(
            2,
            &format!(
                "A rehearsal: a scripted team responds ({}, seed {})",
                autopilot.profile.as_str(),
                autopilot.seed
            ),
        );
    }
    if let Some(lasts) = drill.decoy {
        page.line(2, &format!("A decoy: nothing breaks; it lasts {lasts}"));
    }
    if let Some(schedule) = &drill.schedule {
        page.line(2, &starts(schedule));
        if schedule.surprise {
            page.line(
                2,
                "A surprise: until it is over or staff reveal it, responders see only what the stack shows",
            );
        }
    }
    if !drill.brief.trim().is_empty() {
        page.line(2, &drill.brief);
    }
    page.section(&format!("Experiment {}", plan.experiment.name));
}

/// When something starts by itself.
fn starts(schedule: &Schedule) -> String {
    format!(
        "Starts by itself: {} in {}, at most {} late{}",
        schedule.cron,
        schedule.timezone,
        schedule.tolerance,
        surprises(schedule)
    )
}

/// What of a schedule is not known before.
fn surprises(schedule: &Schedule) -> String {
    let mut text = match (schedule.surprise, schedule.window) {
        (false, _) => String::new(),
        (true, None) => "; a surprise, so that the team is not told".to_owned(),
        (true, Some(hours)) => format!(
            "; a surprise between {} and {}",
            hours.from().strftime("%H:%M"),
            hours.to().strftime("%H:%M")
        ),
    };
    if !schedule.blackout.is_empty() {
        let days: Vec<String> = schedule.blackout.iter().map(ToString::to_string).collect();
        text.push_str("; never on ");
        text.push_str(&days.join(", "));
    }
    text
}

fn identity(page: &mut Page, plan: &Plan) {
    page.section("Proof that the stack is staging, read before the run and before each fault");
    if plan.stack.identity.is_empty() {
        page.line(2, "None is needed: everything it names is on this machine.");
    }
    let rows: Vec<_> = plan
        .stack
        .identity
        .iter()
        .map(|check| match check {
            Identity::Http { request, expect } => (
                "answer".to_owned(),
                format!("{}: {}", http(request), expected(expect)),
            ),
            Identity::Containers { label } => (
                "containers".to_owned(),
                format!("every container carries the label {label}"),
            ),
            Identity::Upstreams { within } => (
                "upstreams".to_owned(),
                format!("every link leads into {}", within.join(", ")),
            ),
        })
        .collect();
    page.table(&rows);
}

fn steady_state(page: &mut Page, plan: &Plan) {
    let experiment = &plan.experiment;
    page.section("Steady state, before and after");
    tolerances(page, plan, &experiment.steady_state);
    holds_again(page, plan);
    if !experiment.during.is_empty() {
        page.section("While faults are on");
        tolerances(page, plan, &experiment.during);
    }
    let impact: Vec<_> = plan
        .stack
        .probes
        .values()
        .filter(|probe| probe.impact)
        .map(|probe| (probe.name.to_string(), asked(probe)))
        .collect();
    if !impact.is_empty() {
        page.section("Users are hurt when one of these fails");
        page.table(&impact);
    }
}

/// When observation ends, as the engine decides it.
fn holds_again(page: &mut Page, plan: &Plan) {
    let recovery = plan.experiment.recovery;
    let steps = &plan.experiment.method;
    let whole = format!(
        "The run ends once all of it, and every probe that shows users hurt, has passed for {} without a break",
        recovery.stable_for
    );
    if steps.is_empty() {
        page.line(2, &format!("{whole}."));
    } else {
        page.line(
            2,
            &format!(
                "{whole}, counted at the earliest from when the last fault took effect, and has passed again since the \
                 stack was last touched. It does not end before the last step is undone."
            ),
        );
    }
    let remediable = |step: &Step| matches!(step.lasts, Lasts::UntilRemedied { .. });
    if steps.iter().any(remediable) {
        page.line(
            2,
            &format!(
                "Where users were hurt, steps that last until they are remedied may still be on then: they are undone, \
                 and it must pass once more within {}.",
                recovery.within
            ),
        );
    }
    let last = match steps.as_slice() {
        [] => "the start",
        _ => "the last undo",
    };
    page.line(
        2,
        &format!(
            "Where that has not come about {} and {} after {last}, it fails.",
            recovery.within, recovery.stable_for
        ),
    );
}

fn tolerances(page: &mut Page, plan: &Plan, all: &[Tolerance]) {
    let rows: Vec<_> = all
        .iter()
        .map(|one| {
            let asked = plan
                .stack
                .probes
                .get(&one.probe)
                .map_or(String::new(), asked);
            let streak = format!(
                "fails after {}, passes after {} in a row",
                one.fail_after, one.pass_after
            );
            (one.probe.to_string(), format!("{asked}; {streak}"))
        })
        .collect();
    page.table(&rows);
}

fn asked(probe: &Probe) -> String {
    let ask = match &probe.ask {
        Ask::Http(request) => http(request),
        Ask::Tcp { address } => format!("a connection to {address}"),
        Ask::Process(command) => program(command),
        Ask::Difference { sides } => {
            let [one, other] = &**sides;
            format!(
                "the difference of {} at {} and {} at {}",
                one.read, one.http.url, other.read, other.http.url
            )
        }
        Ask::Prometheus { url, query } => format!("{query} at {url}"),
    };
    format!("{ask}, every {}: {}", probe.every, expected(&probe.expect))
}

fn expected(expect: &Expect) -> String {
    let mut parts: Vec<String> = Vec::new();
    parts.extend(expect.status.map(|status| format!("status {status}")));
    parts.extend(
        expect
            .json
            .iter()
            .map(|(path, value)| format!("{path} is {value}")),
    );
    parts.extend(expect.body.as_ref().map(|text| format!("holds \"{text}\"")));
    let headers = expect.headers.iter();
    parts.extend(headers.map(|(name, value)| format!("header {name} is \"{value}\"")));
    parts.extend(expect.exit.map(|exit| format!("exit {exit}")));
    parts.extend(expect.below.map(|number| format!("below {number}")));
    parts.extend(expect.above.map(|number| format!("above {number}")));
    parts.push(format!("within {}", expect.within));
    parts.join(", ")
}

fn http(request: &HttpRequest) -> String {
    format!("{} {}", request.method, request.url)
}

fn program(program: &Program) -> String {
    program.command.join(" ")
}

fn call(call: &Call) -> String {
    match call {
        Call::Http(request) => http(request),
        Call::Run(command) => format!("run {}", program(command)),
    }
}

/// What is read before something is done.
fn captured(capture: &Capture) -> String {
    match &capture.read {
        Some(path) => format!("{path} of {}", call(&capture.call)),
        None => format!("what {} prints", call(&capture.call)),
    }
}

fn stops(stop: &StopCondition) -> String {
    let fails = |patience: &Patience| format!("failing {patience}");
    match stop {
        StopCondition::Probe { probe, patience } => format!("{probe} {}", fails(patience)),
        StopCondition::Own { own, patience } => format!("{} {}", asked(own), fails(patience)),
        StopCondition::Alert { alertmanager } => {
            let labels = alertmanager.iter();
            let labels: Vec<_> = labels
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            format!("an alert with {}", labels.join(", "))
        }
    }
}

fn ends(page: &mut Page, plan: &Plan) {
    let experiment = &plan.experiment;
    page.section("What ends it early");
    for stop in &experiment.stop_when {
        page.line(2, &stops(stop));
    }
    page.line(
        2,
        &format!("{} after the first step", experiment.limits.duration),
    );
    let limits = &experiment.limits;
    for (most, one, several) in [
        (limits.services, "service", "services"),
        (limits.links, "link", "links"),
        (limits.containers, "container", "containers"),
    ] {
        if let Some(most) = most {
            let what = if most == 1 { one } else { several };
            page.line(2, &format!("more than {most} {what} hit at once"));
        }
    }
    for (tier, percent) in &limits.tiers {
        let line = format!("more than {percent}% of tier {tier} hit at once");
        page.line(2, &line);
    }
    page.line(2, "a halt, or a responder who says that this is real");
}
