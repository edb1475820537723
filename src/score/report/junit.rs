//! A report as `JUnit` XML: one suite a run; a case for the hypothesis, for each of its probes, for the team, and for
//! each line of the runbook. What could not be decided is an error or skipped, never passed.

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

/// Renders one report as a whole document.
pub fn render(report: &Report) -> String {
    render_all(std::slice::from_ref(report))
}

/// Renders reports as one document, a suite each.
pub fn render_all(reports: &[Report]) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for report in reports {
        suite(&mut text, report);
    }
    text.push_str("</testsuites>\n");
    text
}

fn suite(text: &mut String, report: &Report) {
    let cases = cases(report);
    let count = |wanted: fn(&Outcome) -> bool| cases.iter().filter(|c| wanted(&c.outcome)).count();
    text.tell(format_args!(
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" timestamp=\"{}\">\n",
        escape(report.name()),
        cases.len(),
        count(|o| matches!(o, Outcome::Failed(..))),
        count(|o| matches!(o, Outcome::Errored(..))),
        count(|o| matches!(o, Outcome::Skipped(_))),
        escape(&report.created.to_string()),
    ));
    properties(text, report);
    for one in &cases {
        case(text, report, one);
    }
    text.push_str("  </testsuite>\n");
}

fn properties(text: &mut String, report: &Report) {
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
    text.push_str("    <properties>\n");
    for (name, value) in named {
        text.tell(format_args!(
            "      <property name=\"{name}\" value=\"{}\"/>\n",
            escape(&value)
        ));
    }
    text.push_str("    </properties>\n");
}

fn cases(report: &Report) -> Vec<Case> {
    let mut cases = vec![Case {
        class: "stack",
        name: format!("hypothesis: {}", report.hypothesis),
        took_ms: 0,
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
        took_ms: 0,
        outcome: match &check.result {
            CheckResult::Held => Outcome::Passed(None),
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

fn case(text: &mut String, report: &Report, case: &Case) {
    let open = format!(
        "    <testcase classname=\"{}.{}\" name=\"{}\" time=\"{}.{:03}\"",
        escape(report.name()),
        case.class,
        escape(&case.name),
        case.took_ms / 1000,
        case.took_ms % 1000
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

/// Text for an attribute or an element. What XML 1.0 cannot hold at all becomes a replacement character.
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
            c if c < ' ' || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
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
            escape("a<b> & \"c\" 'd'\n\t\u{1b}[31m]]>\u{ffff}ü"),
            "a&lt;b&gt; &amp; &quot;c&quot; &apos;d&apos;&#10;&#9;\u{fffd}[31m]]&gt;\u{fffd}ü"
        );
    }
}
