//! A report as Markdown, for a job summary or a repository. What people typed is escaped, so that it can neither
//! break a table nor draw anything.

use super::entry::{Entry, Unjudged};
use super::text::{SIMULATED, endings, ends, evidence, named, parts, plain, points, value, who};
use super::{CheckKind, CheckResult, Report, Scorecard, word};
use crate::model::time::wall_clock;
use crate::score::communication::Communication;
use crate::score::rubric::figure;
use crate::score::wording::Tell;

/// Renders a report. Ends with a line feed.
pub fn render(report: &Report) -> String {
    let mut page = String::new();
    head(&mut page, report);
    if let Some(scorecard) = &report.scorecard {
        score(&mut page, scorecard);
    }
    if let Some(corrected) = &report.corrected {
        page.push_str("\n### Corrected after the run\n\n");
        for (seq, _, told) in corrected.told() {
            page.tell(format_args!("- {} (event {seq})\n", escape(&told)));
        }
        page.tell(format_args!("\nWithout: {}.\n", escape(&corrected.was())));
    }
    times(&mut page, report);
    if let Some(scorecard) = &report.scorecard
        && !scorecard.communication.is_empty()
    {
        communication(&mut page, &scorecard.communication);
    }
    if !report.checks.is_empty() {
        checks(&mut page, report);
    }
    let run = report.run.as_ref().map_or("unnamed", |run| run.as_str());
    page.tell(format_args!(
        "\nRun {run}, begun {}, read to event {}, chain head {}, rubric {}.\n",
        wall_clock(report.created),
        report.chain.seq,
        report.chain.head.as_deref().unwrap_or("not given"),
        report.rubric
    ));
    page
}

/// Renders what files came to, one after the other.
pub fn render_all(entries: &[Entry]) -> String {
    let pages: Vec<_> = entries
        .iter()
        .map(|entry| match entry {
            Entry::Judged(report) => render(report),
            Entry::Unjudged(unjudged) => without_report(unjudged),
        })
        .collect();
    pages.join("\n")
}

fn without_report(unjudged: &Unjudged) -> String {
    let mut page = String::new();
    page.tell(format_args!(
        "## {}: {}\n\n{} (exit {}).\n",
        escape(unjudged.name()),
        unjudged.cause.words(),
        escape(&unjudged.overall.reason),
        unjudged.overall.exit_code
    ));
    if let Some(hypothesis) = &unjudged.hypothesis {
        page.tell(format_args!("\n> {}\n", escape(hypothesis)));
    }
    page.tell(format_args!("\nFile {}", escape(&unjudged.file)));
    if let Some(stack) = &unjudged.stack {
        page.tell(format_args!(", stack {stack}"));
    }
    if let Some(run) = &unjudged.run {
        page.tell(format_args!(", run {run}"));
    }
    page.push_str(".\n");
    page
}

/// Text that Markdown takes as it is, on one line. Backticks stay: reasons use them around names.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for character in plain(text).chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '&' => escaped.push_str("&amp;"),
            '\\' | '|' | '[' | ']' | '*' => {
                escaped.push('\\');
                escaped.push(character);
            }
            other => escaped.push(other),
        }
    }
    escaped
}

fn head(page: &mut String, report: &Report) {
    let name = escape(report.name());
    let (verdict, exit, reason) = report.conclusion();
    page.tell(format_args!("## {name}: {verdict}\n"));
    if report.overall.is_some() || !report.stuck.is_empty() {
        page.tell(format_args!("\n{} (exit {exit}).\n", escape(&reason)));
    }
    if let Some(rehearsed) = report.rehearsed() {
        page.tell(format_args!("\n**This is {rehearsed}.**\n"));
    }
    page.tell(format_args!("\n> {}\n\n", escape(&report.hypothesis)));
    let verdict = report.stack_verdict.map_or("not decided yet", word);
    page.tell(format_args!("Stack {}: **{verdict}**\n", report.stack));
    for reason in &report.stack_reasons {
        page.tell(format_args!("- {}\n", escape(reason)));
    }
    for called in &report.stuck_called {
        page.tell(format_args!(
            "- **stuck**: {called} could not be undone yet\n"
        ));
    }
}

fn score(page: &mut String, scorecard: &Scorecard) {
    let score = &scorecard.score;
    let number = |value: Option<f64>| value.map_or("-".to_owned(), figure);
    page.tell(format_args!(
        "\n### Team {}, {}: {}\n\n{}.\n\n| | | why |\n|---|---|---|\n",
        scorecard.team,
        scorecard.severity.as_str(),
        score.verdict.as_str(),
        escape(&score.verdict_reason)
    ));
    let rating = score.rating.map_or("-", |rating| rating.as_str());
    for (name, value, why) in [
        ("outcome", number(score.outcome), &score.outcome_reason),
        ("observed", number(score.observed), &score.observed_reason),
        ("rating", rating.to_owned(), &score.rating_reason),
    ] {
        page.tell(format_args!("| {name} | {value} | {} |\n", escape(why)));
    }
    page.push_str("\n| line | verdict | points | expected | why |\n|---|---|---|---|---|\n");
    for line in &scorecard.lines {
        let critical = if line.critical { " (critical)" } else { "" };
        page.tell(format_args!(
            "| {}{critical} | {} | {} | {} | {}{} |\n",
            line.id,
            line.verdict.as_str(),
            points(line),
            escape(&line.target),
            escape(&line.reason),
            evidence(line)
        ));
    }
    if !scorecard.messages.is_empty() {
        page.push_str("\n### Messages to the team\n\n");
        for message in &scorecard.messages {
            page.tell(format_args!(
                "- {}: {}\n",
                message.inject + 1,
                escape(&message.told())
            ));
        }
    }
    if !scorecard.attendance.is_empty() {
        page.push_str("\n### Who was there\n\n");
        for one in &scorecard.attendance {
            page.tell(format_args!(
                "- {} ({}){}\n",
                escape(&one.told()),
                one.seat.as_str(),
                one.since
                    .map_or(String::new(), |since| format!(", from event {}", since.seq))
            ));
        }
    }
}

fn times(page: &mut String, report: &Report) {
    page.push_str("\n### Times\n\n| | | from, to |\n|---|---|---|\n");
    for (name, measure) in named(report) {
        let parts = parts(measure).filter(|_| name.starts_with(' '));
        let parts = parts.map_or_else(String::new, |parts| format!("; {parts}"));
        page.tell(format_args!(
            "| {} | {} | {}{} |\n",
            name.trim(),
            value(report, measure),
            escape(&ends(report, measure)),
            escape(&parts)
        ));
    }
    for (what, ended) in endings(report) {
        let what = match what {
            "mitigated" => "Mitigated",
            "recovered" => "Recovered",
            _ => "Ended",
        };
        page.tell(format_args!("\n{what} {}.\n", escape(&who(report, ended))));
    }
}

fn communication(page: &mut String, told: &Communication) {
    page.tell(format_args!(
        "\n### Communication\n\nShown, and scored only by the lines above. {}.\n\n| | |\n|---|---|\n",
        escape(&told.clock)
    ));
    for audience in &told.audiences {
        let who = audience.audience.title();
        page.tell(format_args!("| {who} | {} |\n", escape(&audience.told())));
    }
    for estimate in &told.estimates {
        page.tell(format_args!(
            "| estimate (event {}) | {} |\n",
            estimate.seq,
            estimate.told()
        ));
    }
    if let Some(calibration) = &told.calibration {
        page.tell(format_args!("| calibration | {calibration} |\n"));
    }
    for delivery in &told.deliveries {
        page.tell(format_args!(
            "| {} (event {}) | {} |\n",
            delivery.channel,
            delivery.seq,
            escape(&delivery.told())
        ));
    }
    for deadline in &told.deadlines {
        page.tell(format_args!(
            "| {} {} | {} |\n",
            deadline.regulation.title(),
            deadline.what,
            deadline.told()
        ));
    }
    if !told.deadlines.is_empty() {
        page.tell(format_args!("\n{SIMULATED}\n"));
    }
}

fn checks(page: &mut String, report: &Report) {
    page.push_str("\n### Checks\n\n");
    for check in &report.checks {
        let kind = match check.kind {
            CheckKind::SteadyState => "steady state",
            CheckKind::During => "during",
        };
        let result = match &check.result {
            CheckResult::Held => "held".to_owned(),
            CheckResult::HeldSoFar(reason) => format!("held so far, {}", escape(reason)),
            CheckResult::Failed(reason) => format!("**failed**: {}", escape(reason)),
            CheckResult::Unusable(reason) => {
                format!("**could not be asked**: {}", escape(reason))
            }
            CheckResult::NotObserved(reason) => {
                format!("**not observed**: {}", escape(reason))
            }
            CheckResult::NotReached => "not reached".to_owned(),
        };
        page.tell(format_args!("- {kind} {}: {result}\n", check.probe));
    }
}
