//! Reports as `JUnit` XML: one suite a file; a case for the hypothesis, for each of its probes, for the team, and for
//! each line of the runbook. What could not be decided is an error or skipped, never passed. A file without a report has
//! one case, under the name that its hypothesis has when it is run, so that a tool which keeps histories sees one test.
//!
//! The form is the one that Jenkins and Surefire read. It has no standard: attributes that some readers require are
//! there (counts, `time`, `timestamp`), and none that strict ones refuse.

use std::fmt;

use jiff::Timestamp;

use super::entry::{Cause, Entry, Unjudged};
use super::text::evidence;
use super::{Check, CheckKind, CheckResult, Report, word};
use crate::engine::event::Verdict as StackVerdict;
use crate::score::expectations::{Line, Verdict};
use crate::score::rubric::TeamVerdict;
use crate::score::wording::Tell;

/// How a case came out.
enum Outcome {
    Passed(Option<String>),
    Failed(&'static str, String),
    Errored(&'static str, String),
    Skipped(String),
}

struct Case {
    class: &'static str,
    name: String,
    took_ms: u64,
    outcome: Outcome,
}

/// A file's cases, and what is said of them together.
struct Suite {
    name: String,
    began: Option<Timestamp>,
    took_ms: u64,
    properties: Vec<(&'static str, String)>,
    cases: Vec<Case>,
}

/// How many cases came out how.
#[derive(Default)]
struct Counts {
    tests: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
}

impl Counts {
    fn of<'a>(cases: impl IntoIterator<Item = &'a Case>) -> Self {
        let mut counts = Self::default();
        for case in cases {
            counts.tests += 1;
            match case.outcome {
                Outcome::Passed(_) => {}
                Outcome::Failed(..) => counts.failures += 1,
                Outcome::Errored(..) => counts.errors += 1,
                Outcome::Skipped(_) => counts.skipped += 1,
            }
        }
        counts
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            tests,
            failures,
            errors,
            skipped,
        } = self;
        write!(
            f,
            "tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\""
        )
    }
}

/// Renders one report as a whole document.
pub fn render(report: &Report) -> String {
    document(&[judged(report)])
}

/// Renders what files came to as one document, a suite each.
pub fn render_all(entries: &[Entry]) -> String {
    let suites: Vec<_> = entries
        .iter()
        .map(|entry| match entry {
            Entry::Judged(report) => judged(report),
            Entry::Unjudged(unjudged) => without_report(unjudged),
        })
        .collect();
    document(&suites)
}

fn document(suites: &[Suite]) -> String {
    let counts = Counts::of(suites.iter().flat_map(|suite| &suite.cases));
    let took_ms = suites.iter().map(|suite| suite.took_ms).sum();
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    text.tell(format_args!(
        "<testsuites name=\"firedrill\" {counts} time=\"{}\">\n",
        seconds(took_ms)
    ));
    for one in suites {
        suite(&mut text, one);
    }
    text.push_str("</testsuites>\n");
    text
}

fn judged(report: &Report) -> Suite {
    Suite {
        name: report.name().to_owned(),
        began: Some(report.created),
        took_ms: report.took_ms,
        properties: properties(report),
        cases: cases(report),
    }
}

fn without_report(unjudged: &Unjudged) -> Suite {
    let overall = &unjudged.overall;
    let mut properties = vec![("file", unjudged.file.clone())];
    if let Some(stack) = &unjudged.stack {
        properties.push(("stack", stack.as_str().to_owned()));
    }
    if let Some(run) = &unjudged.run {
        properties.push(("run", run.as_str().to_owned()));
    }
    Suite {
        name: unjudged.name().to_owned(),
        began: None,
        took_ms: 0,
        properties,
        cases: vec![Case {
            class: "stack",
            name: unjudged.hypothesis.as_deref().map_or_else(
                || format!("file: {}", unjudged.file),
                |hypothesis| format!("hypothesis: {hypothesis}"),
            ),
            took_ms: 0,
            outcome: match unjudged.cause {
                Cause::Skipped => Outcome::Skipped(overall.reason.clone()),
                cause => Outcome::Errored(cause.as_str(), overall.reason.clone()),
            },
        }],
    }
}

fn suite(text: &mut String, suite: &Suite) {
    let name = escape(&suite.name);
    text.tell(format_args!(
        "  <testsuite name=\"{name}\" {} time=\"{}\"",
        Counts::of(&suite.cases),
        seconds(suite.took_ms)
    ));
    if let Some(began) = suite.began {
        text.tell(format_args!(
            " timestamp=\"{}\"",
            began.strftime("%Y-%m-%dT%H:%M:%SZ")
        ));
    }
    text.push_str(">\n    <properties>\n");
    for (name, value) in &suite.properties {
        text.tell(format_args!(
            "      <property name=\"{name}\" value=\"{}\"/>\n",
            escape(value)
        ));
    }
    text.push_str("    </properties>\n");
    for one in &suite.cases {
        case(text, &name, one);
    }
    text.push_str("  </testsuite>\n");
}

fn seconds(milliseconds: u64) -> String {
    format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000)
}

fn properties(report: &Report) -> Vec<(&'static str, String)> {
    let mut named = vec![
        ("stack", report.stack.as_str().to_owned()),
        ("rubric", report.rubric.to_string()),
        ("seq", report.chain.seq.to_string()),
    ];
    if let Some(run) = &report.run {
        named.push(("run", run.as_str().to_owned()));
    }
    if let Some(head) = &report.chain.head {
        named.push(("chain", head.clone()));
    }
    if let Some(scorecard) = &report.scorecard {
        let score = &scorecard.score;
        named.push(("team", scorecard.team.as_str().to_owned()));
        for (name, value) in [("outcome", score.outcome), ("observed", score.observed)] {
            if let Some(value) = value {
                named.push((name, crate::score::rubric::figure(value)));
            }
        }
        if let Some(rating) = score.rating {
            named.push(("rating", rating.as_str().to_owned()));
        }
    }
    named
}

fn cases(report: &Report) -> Vec<Case> {
    let mut cases = vec![Case {
        class: "stack",
        name: format!("hypothesis: {}", report.hypothesis),
        took_ms: report.took_ms,
        outcome: hypothesis(report),
    }];
    cases.extend(report.checks.iter().map(check));
    if let Some(scorecard) = &report.scorecard {
        let score = &scorecard.score;
        let reason = score.verdict_reason.clone();
        cases.push(Case {
            class: "team",
            name: format!("team {}", scorecard.team),
            took_ms: 0,
            outcome: match score.verdict {
                TeamVerdict::Passed => Outcome::Passed(Some(reason)),
                TeamVerdict::Failed => Outcome::Failed("team", reason),
                TeamVerdict::Withheld => Outcome::Errored("withheld", reason),
                TeamVerdict::Unrated | TeamVerdict::Pending => Outcome::Skipped(reason),
            },
        });
        cases.extend(scorecard.lines.iter().map(line));
    }
    cases
}

fn hypothesis(report: &Report) -> Outcome {
    if !report.stuck.is_empty() {
        return Outcome::Errored("stuck", report.left());
    }
    let reasons = report.stack_reasons.join("; ");
    match report.stack_verdict {
        Some(StackVerdict::Passed) => Outcome::Passed(None),
        Some(StackVerdict::Failed) => Outcome::Failed("deviated", reasons),
        Some(verdict @ (StackVerdict::Aborted | StackVerdict::Errored)) => {
            Outcome::Errored(word(verdict), reasons)
        }
        None => Outcome::Skipped("the run goes on".into()),
    }
}

fn check(check: &Check) -> Case {
    let (class, what) = match check.kind {
        CheckKind::SteadyState => ("steady_state", "steady state"),
        CheckKind::During => ("during", "during"),
    };
    Case {
        class,
        name: format!("{what}: {}", check.probe),
        took_ms: check.took_ms.unwrap_or(0),
        outcome: match &check.result {
            CheckResult::Held => Outcome::Passed(None),
            CheckResult::HeldSoFar(reason) => Outcome::Skipped(reason.clone()),
            CheckResult::Failed(reason) => Outcome::Failed(class, reason.clone()),
            CheckResult::Unusable(reason) => Outcome::Errored("unusable", reason.clone()),
            CheckResult::NotObserved(reason) => Outcome::Errored("not_observed", reason.clone()),
            CheckResult::NotReached => Outcome::Skipped("the run did not get so far".into()),
        },
    }
}

fn line(line: &Line) -> Case {
    let reason = format!("{}{}", line.reason, evidence(line));
    Case {
        class: "runbook",
        name: format!("{}: {}", line.id, line.target),
        took_ms: line.took_ms.unwrap_or(0),
        outcome: match line.verdict {
            Verdict::Met => Outcome::Passed(Some(reason)),
            Verdict::Late => Outcome::Failed("late", reason),
            Verdict::Missed => Outcome::Failed("missed", reason),
            Verdict::Violated => Outcome::Failed("violated", reason),
            Verdict::Censored
            | Verdict::NotObserved
            | Verdict::NotApplicable
            | Verdict::Pending => Outcome::Skipped(format!("{}: {reason}", line.verdict.as_str())),
        },
    }
}

fn case(text: &mut String, suite: &str, case: &Case) {
    let open = format!(
        "    <testcase classname=\"{suite}.{}\" name=\"{}\" time=\"{}\"",
        case.class,
        escape(&case.name),
        seconds(case.took_ms)
    );
    text.push_str(&open);
    let inner = match &case.outcome {
        Outcome::Passed(None) => {
            text.push_str("/>\n");
            return;
        }
        Outcome::Passed(Some(reason)) => format!("<system-out>{}</system-out>", escape(reason)),
        Outcome::Failed(kind, reason) => problem("failure", kind, reason),
        Outcome::Errored(kind, reason) => problem("error", kind, reason),
        Outcome::Skipped(reason) => format!("<skipped message=\"{}\"/>", escape(reason)),
    };
    text.tell(format_args!(">\n      {inner}\n    </testcase>\n"));
}

fn problem(element: &str, kind: &str, reason: &str) -> String {
    let reason = escape(reason);
    format!("<{element} type=\"{kind}\" message=\"{reason}\">{reason}</{element}>")
}

/// Text for an attribute or an element. Control characters and what XML 1.0 can't hold become replacement characters.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\n' => escaped.push_str("&#10;"),
            '\t' => escaped.push_str("&#9;"),
            '\r' => escaped.push_str("&#13;"),
            // Those that XML could hold, from DEL on, still steer terminals.
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_any_kind_is_safe_in_an_attribute_and_in_an_element() {
        assert_eq!(
            escape("a<b> & \"c\" 'd'\n\t\u{1b}[31m]]>\u{ffff}\u{9b}ü"),
            "a&lt;b&gt; &amp; &quot;c&quot; &apos;d&apos;&#10;&#9;\u{fffd}[31m]]&gt;\u{fffd}\u{fffd}ü"
        );
    }
}
