//! A plan in plain words: what will be done to what, how it is undone, what stops it, and what the team is judged by.
//!
//! Headers and bodies of requests are left out, since they may hold secrets. Lines have at most 100 columns where
//! names and URLs allow.

use crate::model::drill::{Detection, Drill, Remedy};
use crate::model::fault::{
    Act, Call, Cause, ContainerAction, Injection, Lasts, Start, Stream, Toxic,
};
use crate::model::plan::{Exercise, Plan};
use crate::model::probe::{Ask, Expect, HttpRequest, Probe, Program, Tolerance};
use crate::model::runbook::{
    Anchor, Audience, By, Expectation, Expected, Milestone, PhraseSet, Target, UpdatePart,
};
use crate::model::stack::{ContainerSelector, Identity, Link};

/// The widest line.
const WIDTH: usize = 100;

/// Explains a plan.
pub fn explain(plan: &Plan) -> String {
    let mut page = Page::default();
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
    timeline(&mut page, plan);
    ends(&mut page, plan);
    if let Some(exercise) = &plan.drill {
        people(&mut page, &exercise.drill);
        expectations(&mut page, exercise);
    }
    page.section("Files");
    for file in &plan.files {
        page.line(2, &file.path);
    }
    page.0
}

/// The text so far.
#[derive(Default)]
struct Page(String);

impl Page {
    fn section(&mut self, title: &str) {
        self.0.push('\n');
        self.0.push_str(title);
        self.0.push('\n');
    }

    /// A line, or several where it is too long.
    fn line(&mut self, indent: usize, text: &str) {
        self.entry(indent, 0, "", text);
    }

    /// A name, then text in a column of its own.
    fn entry(&mut self, indent: usize, column: usize, name: &str, text: &str) {
        let margin = indent + column;
        let mut line = format!("{:indent$}{name:column$}", "");
        let mut used = line.chars().count();
        let mut fresh = true;
        for word in text.split_whitespace() {
            let length = word.chars().count();
            if !fresh && used + 1 + length > WIDTH {
                self.0.push_str(line.trim_end());
                self.0.push('\n');
                line = " ".repeat(margin);
                used = margin;
                fresh = true;
            }
            if !fresh {
                line.push(' ');
                used += 1;
            }
            line.push_str(word);
            used += length;
            fresh = false;
        }
        self.0.push_str(line.trim_end());
        self.0.push('\n');
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
    if let Some(schedule) = &drill.schedule {
        page.line(
            2,
            &format!(
                "Starts by itself: {} in {}, at most {} late",
                schedule.cron, schedule.timezone, schedule.tolerance
            ),
        );
    }
    if !drill.brief.trim().is_empty() {
        page.line(2, &drill.brief);
    }
    page.section(&format!("Experiment {}", plan.experiment.name));
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
    let recovery = experiment.recovery;
    page.line(
        2,
        &format!(
            "After the last undo it must be back within {} and hold for {}.",
            recovery.within, recovery.stable_for
        ),
    );
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

fn timeline(page: &mut Page, plan: &Plan) {
    page.section("Timeline");
    for step in &plan.experiment.method {
        page.line(
            2,
            &format!("{} {}, {}", step.id, begins(&step.start), lasts(step.lasts)),
        );
        let own = plan
            .injections
            .iter()
            .filter(|one| one.cause == Cause::Step(step.id.clone()));
        for injection in own {
            target(page, injection);
        }
    }
}

fn begins(start: &Start) -> String {
    match start {
        Start::At(at) => format!("at {at}"),
        Start::After { step, wait } if wait.get() == 0 => format!("after {step}"),
        Start::After { step, wait } => format!("{wait} after {step}"),
    }
}

fn lasts(lasts: Lasts) -> String {
    match lasts {
        Lasts::For(length) if length.get() == 0 => "once".to_owned(),
        Lasts::For(length) => format!("for {length}"),
        Lasts::UntilRemedied { at_most } => format!("until it is remedied, at most {at_most}"),
    }
}

fn target(page: &mut Page, injection: &Injection) {
    let mut rows: Vec<(&str, String)> = Vec::new();
    let undo = match &injection.act {
        Act::AddToxic {
            link,
            stream,
            toxicity,
            toxic,
        } => {
            let share = if (*toxicity - 1.0).abs() < f64::EPSILON {
                "every connection".to_owned()
            } else {
                format!("{}% of connections", toxicity * 100.0)
            };
            let way = match stream {
                Stream::Downstream => format!("{} to {}", link.to, link.from),
                Stream::Upstream => format!("{} to {}", link.from, link.to),
            };
            rows.push((
                "does",
                format!("{}, from {way}, on {share}", toxic_words(toxic)),
            ));
            rows.push(("link", wire(link)));
            format!(
                "the {} toxic is deleted from the {} of {}",
                toxic.kind(),
                stream.as_str(),
                link.proxy
            )
        }
        Act::DisableProxy { link } => {
            rows.push(("does", "closes connections and refuses new ones".to_owned()));
            rows.push(("link", wire(link)));
            format!("the proxy {} is enabled", link.proxy)
        }
        Act::Container {
            service,
            selector,
            action,
        } => {
            let (does, undo) = match action {
                ContainerAction::Kill => (
                    "kills its container; no restart policy acts until the step ends",
                    "the container is started",
                ),
                ContainerAction::Stop => (
                    "stops its container in good order",
                    "the container is started",
                ),
                ContainerAction::Pause => ("freezes its container", "the container is unpaused"),
                ContainerAction::Restart => (
                    "restarts its container once",
                    "nothing, once the container is seen to run",
                ),
            };
            rows.push(("does", format!("{service}: {does}")));
            rows.push((
                "target",
                match selector {
                    ContainerSelector::Name(name) => format!("the container named {name}"),
                    ContainerSelector::Label(label) => {
                        format!("the one running container with the label {label}")
                    }
                },
            ));
            undo.to_owned()
        }
        Act::Hook(hook) => {
            rows.push(("does", call(&hook.act)));
            if let Some(verify) = &hook.verify {
                rows.push((
                    "verify",
                    format!("{}: {}", call(&verify.call), expected(&verify.expect)),
                ));
            }
            let undo = hook
                .undo
                .as_ref()
                .map_or_else(|| "nothing".to_owned(), call);
            match &hook.verify_undone {
                Some(verify) => format!(
                    "{undo}, then {}: {}",
                    call(&verify.call),
                    expected(&verify.expect)
                ),
                None => undo,
            }
        }
    };
    rows.push(("undo", undo));
    for (name, text) in rows {
        page.entry(4, 8, name, &text);
    }
}

fn wire(link: &Link) -> String {
    format!(
        "{} -> {}, proxy {}: {} -> {}",
        link.from, link.to, link.proxy, link.listen, link.upstream
    )
}

fn toxic_words(toxic: &Toxic) -> String {
    match toxic {
        Toxic::Latency { latency, jitter } if jitter.get() == 0 => {
            format!("data arrives {latency} later")
        }
        Toxic::Latency { latency, jitter } => format!("data arrives {latency} later, ± {jitter}"),
        Toxic::Bandwidth { rate } => format!("at most {rate} KB/s"),
        Toxic::SlowClose { delay } => format!("connections close {delay} later"),
        Toxic::Timeout { timeout } if timeout.get() == 0 => "no data passes".to_owned(),
        Toxic::Timeout { timeout } => format!("no data passes, closed after {timeout}"),
        Toxic::ResetPeer { timeout } if timeout.get() == 0 => {
            "connections are reset at once".to_owned()
        }
        Toxic::ResetPeer { timeout } => format!("connections are reset after {timeout}"),
        Toxic::Slicer {
            average_size,
            size_variation,
            delay_us,
        } => {
            format!(
                "data arrives in pieces of {average_size} ± {size_variation} bytes, {delay_us} µs apart"
            )
        }
        Toxic::LimitData { bytes } => format!("connections close after {bytes} bytes"),
        Toxic::PacketLoss {
            loss_rate,
            correlation,
        } => {
            format!(
                "{}% of pieces are lost, correlation {correlation}",
                loss_rate * 100.0
            )
        }
    }
}

fn ends(page: &mut Page, plan: &Plan) {
    let experiment = &plan.experiment;
    page.section("What ends it early");
    for stop in &experiment.stop_when {
        page.line(2, &format!("{} failing for {}", stop.probe, stop.fails_for));
    }
    page.line(
        2,
        &format!("{} after the first step", experiment.limits.duration),
    );
    if let Some(services) = experiment.limits.services {
        page.line(
            2,
            &format!(
                "more than {services} {} hit at once",
                if services == 1 { "service" } else { "services" }
            ),
        );
    }
    page.line(2, "a halt, or a responder who says that this is real");
}

fn people(page: &mut Page, drill: &Drill) {
    page.section("What counts as a detection");
    for detection in &drill.detection {
        match detection {
            Detection::Human => {
                page.line(2, "a person's report that names a service and a symptom")
            }
            Detection::Alertmanager { labels } => {
                let labels: Vec<String> = labels
                    .iter()
                    .map(|(name, value)| format!("{name}={value}"))
                    .collect();
                page.line(
                    2,
                    &format!("an Alertmanager alert with {}", labels.join(", ")),
                );
            }
        }
    }
    if !drill.injects.is_empty() {
        page.section("Messages to the team");
        let rows: Vec<_> = drill
            .injects
            .iter()
            .map(|inject| {
                let to = inject
                    .to
                    .map_or("everybody", crate::model::team::Role::as_str);
                let reply = inject.expect_reply_within.map_or(String::new(), |within| {
                    format!(" (a reply within {within})")
                });
                (
                    inject.at.to_string(),
                    format!("to {to}: {}{reply}", inject.text),
                )
            })
            .collect();
        page.table(&rows);
    }
    if !drill.remedies.is_empty() {
        page.section("What responders can do");
        let rows: Vec<_> = drill
            .remedies
            .iter()
            .map(|one| (one.id.to_string(), remedy(one)))
            .collect();
        page.table(&rows);
    }
}

fn remedy(remedy: &Remedy) -> String {
    let mut parts = Vec::new();
    if let Some(act) = &remedy.act {
        parts.push(call(act));
    }
    if !remedy.ends.is_empty() {
        let ends: Vec<&str> = remedy
            .ends
            .iter()
            .map(crate::model::ids::StepId::as_str)
            .collect();
        parts.push(format!("ends {}", ends.join(", ")));
    }
    if remedy.takes.get() > 0 {
        parts.push(format!("takes {}", remedy.takes));
    }
    if let Some(restore) = &remedy.restore {
        parts.push(format!("put back after the run by {}", call(restore)));
    }
    format!("{}: {}", remedy.label, parts.join("; "))
}

fn expectations(page: &mut Page, exercise: &Exercise) {
    page.section(&format!(
        "What the team is judged by (runbook {})",
        exercise.runbook.name
    ));
    let rows: Vec<_> = exercise
        .runbook
        .expect
        .iter()
        .map(|line| (line.id.to_string(), expectation(line)))
        .collect();
    page.table(&rows);
    let pass = exercise.drill.pass;
    page.line(
        2,
        &format!(
            "It passes with {}% of the points and {}% of the weight observed.",
            pass.outcome, pass.observed
        ),
    );
}

fn expectation(line: &Expectation) -> String {
    let what = match &line.what {
        Expected::Event {
            event,
            by,
            within,
            limit,
            from,
            before,
        } => {
            let mut text = milestone(event);
            text.push_str(match by {
                Some(By::Human) => " by a person",
                Some(By::Automation) => " by a machine",
                Some(By::Team) => " by the team",
                None => "",
            });
            if let Some(within) = within {
                text.push_str(&format!(" within {within}"));
            }
            if let Some(limit) = limit {
                text.push_str(&format!(", in part up to {limit},"));
            }
            if let Some(from) = from {
                text.push_str(&format!(" of {}", anchor(*from)));
            }
            if let Some(before) = before {
                text.push_str(&format!(" before {}", moment(before)));
            }
            text
        }
        Expected::Cadence {
            every,
            until,
            audience,
            must_have,
        } => {
            format!(
                "an update{}{} at least every {every} until {}",
                readers(*audience),
                parts(must_have),
                anchor(*until)
            )
        }
        Expected::MessageContains { phrases } => {
            let phrases: Vec<&str> = phrases.iter().map(|one| phrase(*one)).collect();
            format!("updates say: {}", phrases.join("; "))
        }
        Expected::Forbid { target } => format!("never: {}", moment(target)),
        Expected::Probe {
            probe,
            within,
            limit,
            from,
        } => {
            let limit = limit.map_or(String::new(), |limit| format!(", in part up to {limit},"));
            format!(
                "{probe} holds again within {within}{limit} of {}",
                anchor(*from)
            )
        }
        Expected::Manual { text } => format!("staff judge: {text}"),
    };
    let weight = format!("weight {}", line.weight);
    let critical = if line.critical { ", critical" } else { "" };
    format!("{what} ({weight}{critical})")
}

fn milestone(event: &Milestone) -> String {
    match event {
        Milestone::Detected => "detected".to_owned(),
        Milestone::Acknowledged => "acknowledged".to_owned(),
        Milestone::Declared => "an incident declared".to_owned(),
        Milestone::RoleAssigned(role) => format!("{} taken", role.as_str()),
        Milestone::CauseNamed(cause) => format!("the cause named: {cause},"),
        Milestone::RemedyChosen(remedy) => format!("the remedy {remedy} chosen"),
        Milestone::Update {
            audience,
            channels,
            must_have,
        } => {
            let on = if channels.is_empty() {
                String::new()
            } else {
                format!(" on {}", channels.join(" or "))
            };
            format!("an update{}{}{on}", readers(*audience), parts(must_have))
        }
        Milestone::Mitigated => "mitigated".to_owned(),
        Milestone::Recovered => "recovered".to_owned(),
        Milestone::Resolved => "resolved".to_owned(),
    }
}

fn readers(audience: Option<Audience>) -> &'static str {
    match audience {
        Some(Audience::Customers) => " for customers",
        Some(Audience::Internal) => " for colleagues",
        Some(Audience::Regulator) => " for the regulator",
        None => "",
    }
}

fn parts(parts: &[UpdatePart]) -> String {
    let words: Vec<&str> = parts
        .iter()
        .map(|part| match part {
            UpdatePart::NextUpdateAt => "the next update's time",
            UpdatePart::EstimatedRecovery => "an estimate of recovery",
        })
        .collect();
    if words.is_empty() {
        String::new()
    } else {
        format!(" with {}", words.join(" and "))
    }
}

fn phrase(set: PhraseSet) -> &'static str {
    match set {
        PhraseSet::DoNotRetry => "do not send again",
        PhraseSet::NeverShareKeys => "never share your keys",
        PhraseSet::FundsAreSafe => "funds are safe",
    }
}

fn moment(target: &Target) -> String {
    match target {
        Target::Remedy(remedy) => format!("the remedy {remedy}"),
        Target::Anchor(moment) => anchor(*moment).to_owned(),
    }
}

fn anchor(anchor: Anchor) -> &'static str {
    match anchor {
        Anchor::FaultEffective => "the fault",
        Anchor::ImpactObserved => "the impact",
        Anchor::Detected => "the detection",
        Anchor::Paged => "the page",
        Anchor::Acknowledged => "the acknowledgement",
        Anchor::Declared => "the declaration",
        Anchor::Mitigated => "the mitigation",
        Anchor::Recovered => "the recovery",
        Anchor::Resolved => "the resolution",
    }
}
