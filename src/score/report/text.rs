//! A report for a terminal: as wide as asked and at most 100 columns, no colour, every figure with its reason.
//!
//! Names and words that people typed are printed without control characters, so that no log can move the cursor.

use super::entry::{Entry, Unjudged};
use super::{CheckKind, CheckResult, Corrected, Report, Scorecard, word};
pub(super) use crate::layout::plain;
use crate::layout::{LongWords, column, paragraph};
use crate::model::time::{since_began, wall_clock};
use crate::score::communication::Communication;
use crate::score::expectations::{Line, Verdict};
use crate::score::measures::{Censoring, Endpoint, Measure, Reading};
use crate::score::people::Message;
use crate::score::recovery::{Ended, Ender};
use crate::score::rubric::figure;
use crate::score::timeline::Moment;
use crate::score::wording::span;

/// The widest line, in columns.
pub const WIDTH: usize = 100;

/// The least width: below it the text beside a label would have no room.
pub const NARROWEST: usize = 60;

/// Renders a report as wide as it may be. Ends with a line feed.
pub fn render(report: &Report) -> String {
    render_within(report, WIDTH)
}

/// Renders a report in lines of so many columns, within what is readable. Ends with a line feed.
pub fn render_within(report: &Report, width: usize) -> String {
    let mut page = Page {
        text: String::new(),
        width: width.clamp(NARROWEST, WIDTH),
    };
    head(&mut page, report);
    if let Some(scorecard) = &report.scorecard {
        page.blank();
        score(&mut page, scorecard);
    }
    page.blank();
    if let Some(corrected_after) = &report.corrected {
        corrected(&mut page, corrected_after);
    }
    times(&mut page, report);
    if !report.checks.is_empty() {
        page.blank();
        checks(&mut page, report);
    }
    if let Some(scorecard) = &report.scorecard {
        page.blank();
        page.line("runbook, line by line: verdict, points, what was expected and what happened");
        for line in &scorecard.lines {
            runbook_line(&mut page, line);
        }
        if !scorecard.communication.is_empty() {
            page.blank();
            communication(&mut page, &scorecard.communication);
        }
        people(&mut page, report, scorecard);
    }
    page.finish()
}

/// Renders what one file came to, in lines of so many columns.
pub fn render_entry_within(entry: &Entry, width: usize) -> String {
    match entry {
        Entry::Judged(report) => render_within(report, width),
        Entry::Unjudged(unjudged) => without_report(unjudged, width),
    }
}

fn without_report(unjudged: &Unjudged, width: usize) -> String {
    let mut page = Page {
        text: String::new(),
        width: width.clamp(NARROWEST, WIDTH),
    };
    page.line(&format!(
        "{}: {} (exit {})",
        unjudged.name(),
        unjudged.cause.words(),
        unjudged.overall.exit_code
    ));
    page.hang("", 2, &unjudged.overall.reason);
    page.finish()
}

struct Page {
    text: String,
    width: usize,
}

impl Page {
    fn blank(&mut self) {
        self.text.push('\n');
    }

    fn line(&mut self, text: &str) {
        self.hang("", 0, text);
    }

    /// A label, then text that wraps under itself at `indent`.
    fn hang(&mut self, label: &str, indent: usize, text: &str) {
        let label = plain(label);
        let first = if label.is_empty() {
            " ".repeat(indent)
        } else {
            column(&label, indent)
        };
        // An event stays on the line of its number.
        let text = plain(text)
            .replace("(event ", "(event\u{a0}")
            .replace("(events ", "(events\u{a0}")
            .replace(" at +", "\u{a0}at\u{a0}+");
        self.text.push_str(&paragraph(
            &first,
            indent,
            &text,
            self.width,
            LongWords::Split,
        ));
    }

    fn finish(self) -> String {
        self.text.replace('\u{a0}', " ")
    }
}

fn head(page: &mut Page, report: &Report) {
    let kind = if report.scorecard.is_some() {
        "drill"
    } else {
        "experiment"
    };
    match &report.overall {
        Some(overall) => {
            page.line(&format!(
                "{kind} {}: {} (exit {})",
                report.name(),
                word(overall.verdict),
                overall.exit_code
            ));
            page.hang("", 2, &overall.reason);
        }
        None if report.stuck.is_empty() => {
            page.line(&format!("{kind} {}: not over yet", report.name()));
        }
        None => page.line(&format!("{kind} {}: stuck (exit 5)", report.name())),
    }
    page.blank();
    let run = report.run.as_ref().map_or("unnamed", |run| run.as_str());
    page.hang(
        "  run",
        13,
        &format!("{run}, begun {}", wall_clock(report.created)),
    );
    page.hang(
        "  log",
        13,
        &format!(
            "to event {}, chain head {}; rubric {}",
            report.chain.seq,
            report.chain.head.as_deref().unwrap_or("not given"),
            report.rubric
        ),
    );
    if let Some(rehearsed) = report.rehearsed() {
        page.hang("  rehearsal", 13, &rehearsed);
    }
    page.hang("  hypothesis", 13, &report.hypothesis);
    let verdict = report.stack_verdict.map_or("not decided yet", word);
    page.hang("  stack", 13, &format!("{}: {verdict}", report.stack));
    for reason in &report.stack_reasons {
        page.hang("", 15, reason);
    }
    for called in &report.stuck_called {
        page.hang("  STUCK", 13, &format!("{called} could not be undone yet"));
    }
}

fn score(page: &mut Page, scorecard: &Scorecard) {
    let score = &scorecard.score;
    page.line("score");
    page.hang(
        "  team",
        13,
        &format!(
            "{}, {}, runbook {}: {}",
            scorecard.team,
            scorecard.severity.as_str(),
            scorecard.runbook,
            score.verdict.as_str()
        ),
    );
    page.hang("", 15, &score.verdict_reason);
    let number = |value: Option<f64>| value.map_or("-".to_owned(), figure);
    page.hang(
        "  outcome",
        13,
        &format!("{} ({})", number(score.outcome), score.outcome_reason),
    );
    page.hang(
        "  observed",
        13,
        &format!("{} ({})", number(score.observed), score.observed_reason),
    );
    let rating = score.rating.map_or("-".to_owned(), |rating| {
        format!("{}, {}", rating.as_str(), rating.meaning())
    });
    page.hang(
        "  rating",
        13,
        &format!("{rating} ({})", score.rating_reason),
    );
}

/// How messages were answered, and who was there.
fn people(page: &mut Page, report: &Report, scorecard: &Scorecard) {
    if !scorecard.messages.is_empty() {
        page.blank();
        page.line("messages to the team");
        for message in &scorecard.messages {
            page.hang(
                &format!("  {}", message.inject + 1),
                13,
                &format!("{}{}", message.told(), shown(report, message)),
            );
        }
    }
    if !scorecard.attendance.is_empty() {
        page.blank();
        page.line("who was there");
        for one in &scorecard.attendance {
            page.hang(
                &format!("  {}", one.seat.as_str()),
                15,
                &match one.since {
                    Some(since) => format!("{} {}", one.told(), place(report, &since)),
                    None => one.told(),
                },
            );
        }
    }
}

fn shown(report: &Report, message: &Message) -> String {
    let shown = message.shown.iter();
    let places = shown.chain(&message.replied);
    let places: Vec<String> = places.map(|moment| place(report, moment)).collect();
    match places.as_slice() {
        [] => String::new(),
        places => format!(" {}", places.join(" to ")),
    }
}

fn corrected(page: &mut Page, corrected: &Corrected) {
    page.line("corrected after the run");
    for (seq, kind, told) in corrected.told() {
        page.hang(&format!("  {kind}"), 14, &format!("{told} (event {seq})"));
    }
    page.hang("  without", 14, &corrected.was());
}

fn times(page: &mut Page, report: &Report) {
    let measures = &report.measures;
    page.line(if report.scorecard.is_some() {
        "times to detect (TTD), to acknowledge (TTA), to mitigate (TTM), to recover (TTR)"
    } else {
        "times"
    });
    match &measures.impact {
        Some(impact) => {
            let fault = measures.fault_sent.map_or(String::new(), |sent| {
                format!(", {} after the fault", span(impact.moment.after(&sent)))
            });
            let width = impact
                .last_good
                .and_then(|good| impact.moment.at.since(&good))
                .and_then(|length| u64::try_from(length.as_millis()).ok())
                .map_or(String::new(), |ms| {
                    format!("; last good {} earlier", span(ms))
                });
            page.hang(
                "  impact",
                13,
                &format!(
                    "observed by {}{fault}{width} {}",
                    impact.probe,
                    place(report, &impact.moment)
                ),
            );
        }
        None => page.hang("  impact", 13, "not observed: no impact probe failed"),
    }
    for (name, measure) in named(report) {
        page.hang(
            &format!("  {name}"),
            13,
            &format!("{}: {}", value(report, measure), ends(report, measure)),
        );
        if let Some(parts) = parts(measure).filter(|_| name.starts_with(' ')) {
            page.hang("", 15, &parts);
        }
    }
    for gap in &measures.remissions {
        let Some(to) = gap.to else { continue };
        page.hang(
            "  remission",
            13,
            &format!(
                "held for {} and was lost again (events {} to {})",
                span(to.after(&gap.from)),
                gap.from.seq,
                to.seq
            ),
        );
    }
    for (what, ended) in endings(report) {
        page.hang(&format!("  {what}"), 13, &who(report, ended));
    }
}

/// The measures that apply, by the names people know: an experiment has no team to detect or acknowledge anything.
pub(super) fn named(report: &Report) -> Vec<(&'static str, &Measure)> {
    let measures = &report.measures;
    if report.scorecard.is_none() {
        return match measures.impact {
            Some(_) => vec![
                ("users well", &measures.time_to_mitigate),
                ("recovery", &measures.time_to_recover),
            ],
            None => Vec::new(),
        };
    }
    vec![
        ("TTD", &measures.time_to_detect),
        ("  machine", &measures.time_to_detect_machine),
        ("  people", &measures.time_to_detect_human),
        ("TTA", &measures.time_to_acknowledge),
        ("TTM", &measures.time_to_mitigate),
        ("TTR", &measures.time_to_recover),
    ]
}

/// Who ended impact, and who brought steady state back; of an experiment once, since nobody works on it.
pub(super) fn endings(report: &Report) -> Vec<(&'static str, &Ended)> {
    let measures = &report.measures;
    let recovered = measures.recovery.iter().map(|ended| ("recovered", ended));
    if report.scorecard.is_none() {
        return recovered.map(|(_, ended)| ("ended", ended)).collect();
    }
    let mitigated = measures.mitigation.iter().map(|ended| ("mitigated", ended));
    mitigated.chain(recovered).collect()
}

/// Who ended it, as a sentence.
pub(super) fn who(report: &Report, ended: &Ended) -> String {
    let by = match ended.by {
        Ender::Team if report.scorecard.is_none() => "a person",
        by => by.as_str(),
    };
    format!("by {by}: {} {}", ended.reason, place(report, &ended.moment))
}

/// The event behind a moment, and where it stands on the timeline.
fn place(report: &Report, moment: &Moment) -> String {
    format!(
        "(event {} at {})",
        moment.seq,
        since_began(&report.began, &moment.at)
    )
}

/// A time and its error bound. What a drill's timer cuts, because the team was not done, is an experiment's own course.
pub(super) fn value(report: &Report, measure: &Measure) -> String {
    let bound = match measure.error_bound_ms {
        0 => String::new(),
        ms => format!(" ±{}", span(ms)),
    };
    match (&measure.reading, &measure.from, &measure.to) {
        (Reading::Censored { .. }, Some(from), Some(to)) if report.scorecard.is_none() => {
            format!("{}{bound}", span(to.moment.after(&from.moment)))
        }
        (Reading::Measured { value_ms }, ..) => format!("{}{bound}", span(*value_ms)),
        (
            Reading::Censored {
                at_least_ms,
                because,
            },
            ..,
        ) => format!("over {}{bound}, {}", span(*at_least_ms), censored(*because)),
        (Reading::Pending, ..) => "pending".into(),
        (Reading::NotApplicable, ..) => "not applicable".into(),
    }
}

/// The two ends of a measure and how it came about.
pub(super) fn ends(report: &Report, measure: &Measure) -> String {
    let end = |end: &Endpoint| format!("{} {}", end.what, place(report, &end.moment));
    match (&measure.from, &measure.to) {
        (Some(from), Some(to)) => format!("{} to {}", end(from), end(to)),
        (Some(from), None) => format!("{}; {}", end(from), measure.reason),
        _ => measure.reason.clone(),
    }
}

/// What a machine's time to detect is made of.
pub(crate) fn parts(measure: &Measure) -> Option<String> {
    let delays = measure.delays?;
    let length = |ms: i64| {
        let sign = if ms < 0 { "-" } else { "" };
        format!("{sign}{}", span(ms.unsigned_abs()))
    };
    Some(format!(
        "of it {} until {}'s rule fired, by its clock, and {} until the signal was here",
        length(delays.rule_ms),
        delays.sender.title(),
        length(delays.delivery_ms)
    ))
}

fn censored(because: Censoring) -> &'static str {
    match because {
        Censoring::Timer => "cut by the timer",
        Censoring::Abort => "cut by the stop",
        Censoring::Outside => "cut from outside",
        Censoring::ObservationEnded => "cut by the end of observation",
        Censoring::Unstable => "cut while unstable",
        Censoring::Interrupted => "cut by an interruption",
    }
}

fn checks(page: &mut Page, report: &Report) {
    page.line("checks");
    for check in &report.checks {
        let kind = match check.kind {
            CheckKind::SteadyState => "steady state",
            CheckKind::During => "during",
        };
        let result = match &check.result {
            CheckResult::Held => "held".to_owned(),
            CheckResult::HeldSoFar(reason) => format!("held so far, {reason}"),
            CheckResult::Failed(reason) => format!("failed: {reason}"),
            CheckResult::Unusable(reason) => format!("could not be asked: {reason}"),
            CheckResult::NotObserved(reason) => format!("not observed: {reason}"),
            CheckResult::NotReached => "not reached".to_owned(),
        };
        page.hang(
            &format!("  {kind}"),
            16,
            &format!("{}: {result}", check.probe),
        );
    }
}

fn communication(page: &mut Page, told: &Communication) {
    page.line("communication: shown, and scored only by the runbook's lines");
    page.hang("  clock", 16, &told.clock);
    for audience in &told.audiences {
        let label = format!("  {}", audience.audience.title());
        page.hang(&label, 16, &audience.told());
    }
    for estimate in &told.estimates {
        page.hang(
            "  estimate",
            16,
            &format!("{} (event {})", estimate.told(), estimate.seq),
        );
    }
    if let Some(calibration) = &told.calibration {
        page.hang("  calibration", 16, calibration);
    }
    for delivery in &told.deliveries {
        page.hang(
            "  delivery",
            16,
            &format!(
                "{}: {} (event {})",
                delivery.channel,
                delivery.told(),
                delivery.seq
            ),
        );
    }
    for deadline in &told.deadlines {
        page.hang(
            &format!("  {}", deadline.regulation.title()),
            16,
            &format!("{}: {}", deadline.what, deadline.told()),
        );
    }
    if !told.deadlines.is_empty() {
        page.hang("", 16, SIMULATED);
    }
}

/// What holds for every legal clock.
pub(super) const SIMULATED: &str = "Legal clocks are a simulation: nothing was sent, nobody judged whether an incident is \
                                    major, and weekends and bank holidays may move a date.";

/// The points of a line: what it earned of what it could.
pub(super) fn points(line: &Line) -> String {
    match line.verdict {
        Verdict::Violated => format!("-{}", figure(line.weight)),
        Verdict::Met | Verdict::Late | Verdict::Missed if line.earns => {
            format!("{}/{}", figure(line.credit), figure(line.weight))
        }
        _ => "-".into(),
    }
}

/// The events behind a line.
pub(super) fn evidence(line: &Line) -> String {
    let seqs: Vec<_> = line.evidence.iter().map(u64::to_string).collect();
    match seqs.as_slice() {
        [] => String::new(),
        [one] => format!(" (event {one})"),
        many => format!(" (events {})", many.join(", ")),
    }
}

fn runbook_line(page: &mut Page, line: &Line) {
    let critical = if line.critical { ", critical" } else { "" };
    page.hang(
        &format!("  {:15}{:>7}  ", line.verdict.as_str(), points(line)),
        27,
        &format!("{}{critical}: {}", line.id, line.target),
    );
    page.hang("", 29, &format!("{}{}", line.reason, evidence(line)));
}
