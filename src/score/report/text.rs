//! A report for a terminal: at most 100 columns, no colour, every figure with its reason.
//!
//! Names and words that people typed are printed without control characters, so that no log can move the cursor.

use super::entry::{Entry, Unjudged};
use super::{CheckKind, CheckResult, Report, Scorecard, word};
use crate::score::expectations::{Line, Verdict};
use crate::score::measures::{Censoring, Measure, Measures, Reading};
use crate::score::recovery::Ended;
use crate::score::rubric::figure;
use crate::score::wording::span;

/// The widest line, in characters.
const WIDTH: usize = 100;

/// Renders a report. Ends with a line feed.
pub fn render(report: &Report) -> String {
    let mut page = Page::default();
    head(&mut page, report);
    if let Some(scorecard) = &report.scorecard {
        page.blank();
        score(&mut page, scorecard);
    }
    page.blank();
    times(&mut page, &report.measures);
    if !report.checks.is_empty() {
        page.blank();
        checks(&mut page, report);
    }
    if let Some(scorecard) = &report.scorecard {
        page.blank();
        page.line("lines");
        for line in &scorecard.lines {
            runbook_line(&mut page, line);
        }
    }
    page.finish()
}

/// Renders what one file came to.
pub fn render_entry(entry: &Entry) -> String {
    match entry {
        Entry::Judged(report) => render(report),
        Entry::Unjudged(unjudged) => without_report(unjudged),
    }
}

fn without_report(unjudged: &Unjudged) -> String {
    let mut page = Page::default();
    page.line(&format!(
        "{}: {} (exit {})",
        unjudged.name(),
        unjudged.cause.words(),
        unjudged.overall.exit_code
    ));
    page.hang("", 2, &unjudged.overall.reason);
    page.finish()
}

#[derive(Default)]
struct Page {
    text: String,
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
        let mut line = format!("{label:indent$}");
        if !label.is_empty() && label.chars().count() >= indent {
            line.push(' ');
        }
        let mut empty = true;
        // An event stays on the line of its number.
        let text = plain(text)
            .replace("(event ", "(event\u{a0}")
            .replace("(events ", "(events\u{a0}");
        for part in text.split([' ']).filter(|part| !part.is_empty()) {
            let mut part = part;
            loop {
                let used = line.chars().count();
                let gap = usize::from(!empty);
                let room = WIDTH.saturating_sub(used + gap);
                if part.chars().count() <= room {
                    break;
                }
                // Only a word that is longer than a whole line is ever split.
                if empty {
                    let cut = part
                        .char_indices()
                        .nth(room.max(1))
                        .map_or(part.len(), |(index, _)| index);
                    line.push_str(&part[..cut]);
                    part = &part[cut..];
                }
                self.text.push_str(line.trim_end());
                self.text.push('\n');
                line = " ".repeat(indent);
                empty = true;
            }
            if !empty {
                line.push(' ');
            }
            line.push_str(part);
            empty = false;
        }
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn finish(self) -> String {
        self.text.replace('\u{a0}', " ")
    }
}

/// Text without control characters.
pub(super) fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
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
    page.hang("  run", 13, &format!("{run}, created {}", report.created));
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
    page.hang("  hypothesis", 13, &report.hypothesis);
    let verdict = report.stack_verdict.map_or("not decided yet", word);
    page.hang("  stack", 13, &format!("{}: {verdict}", report.stack));
    for reason in &report.stack_reasons {
        page.hang("", 15, reason);
    }
    for id in &report.stuck {
        page.hang("  STUCK", 13, &format!("{id} could not be undone yet"));
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

fn times(page: &mut Page, measures: &Measures) {
    page.line("times");
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
                    "observed by {}{fault}{width} (event {})",
                    impact.probe, impact.moment.seq
                ),
            );
        }
        None => page.hang("  impact", 13, "not observed"),
    }
    for (name, measure) in named(measures) {
        page.hang(&format!("  {name}"), 13, &sentence(measure));
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
    for (what, ended) in [
        ("  mitigated", &measures.mitigation),
        ("  recovered", &measures.recovery),
    ] {
        if let Some(ended) = ended {
            page.hang(what, 13, &who(ended));
        }
    }
}

/// The measures, by the names people know.
pub(super) fn named(measures: &Measures) -> [(&'static str, &Measure); 6] {
    [
        ("TTD", &measures.time_to_detect),
        ("  machine", &measures.time_to_detect_machine),
        ("  people", &measures.time_to_detect_human),
        ("TTA", &measures.time_to_acknowledge),
        ("TTM", &measures.time_to_mitigate),
        ("TTR", &measures.time_to_recover),
    ]
}

/// Who ended it, as a sentence.
pub(super) fn who(ended: &Ended) -> String {
    format!(
        "by {}: {} (event {})",
        ended.by.as_str(),
        ended.reason,
        ended.moment.seq
    )
}

/// A time and its error bound.
pub(super) fn value(measure: &Measure) -> String {
    let bound = match measure.error_bound_ms {
        0 => String::new(),
        ms => format!(" ±{}", span(ms)),
    };
    match &measure.reading {
        Reading::Measured { value_ms } => format!("{}{bound}", span(*value_ms)),
        Reading::Censored {
            at_least_ms,
            because,
        } => format!("over {}{bound}, {}", span(*at_least_ms), censored(*because)),
        Reading::Pending => "pending".into(),
        Reading::NotApplicable => "not applicable".into(),
    }
}

/// The two ends of a measure and how it came about.
pub(super) fn ends(measure: &Measure) -> String {
    let end =
        |end: &crate::score::measures::Endpoint| format!("{} (event {})", end.what, end.moment.seq);
    match (&measure.from, &measure.to) {
        (Some(from), Some(to)) => format!("{} to {}", end(from), end(to)),
        (Some(from), None) => format!("{}; {}", end(from), measure.reason),
        _ => measure.reason.clone(),
    }
}

fn sentence(measure: &Measure) -> String {
    format!("{}: {}", value(measure), ends(measure))
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
