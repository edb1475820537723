//! An after-action report as Markdown, for a wiki or a repository. What people typed is escaped.

use super::Review;
use crate::model::review::Kind;
use crate::model::time::wall_clock;
use crate::score::report::markdown::{self, escape};

/// Renders a report. Ends with a line feed.
pub fn render(review: &Review) -> String {
    let mut page = Vec::new();
    overview(&mut page, review);
    objectives(&mut page, review);
    page.push("\n## Ratings\n".to_owned());
    // Its headings stand one level deeper here.
    let ratings = markdown::render(&review.ratings);
    page.extend(ratings.lines().map(|line| match line.strip_prefix('#') {
        Some(rest) => format!("##{rest}"),
        None => line.to_owned(),
    }));
    page.push("\n## Timeline\n".to_owned());
    for moment in &review.timeline {
        page.push(format!(
            "- {} {} {} (event {})",
            moment.at.strftime("%H:%M:%S"),
            moment.mark,
            escape(&moment.text),
            moment.seq
        ));
    }
    findings(&mut page, review);
    actions(&mut page, review);
    survey(&mut page, review);
    page.join("\n") + "\n"
}

fn overview(page: &mut Vec<String>, review: &Review) {
    let overview = &review.overview;
    page.push(format!(
        "# After-action report: {}\n",
        escape(&overview.name)
    ));
    let team = overview.team.as_ref();
    let about = [
        Some(format!("Stack {}", escape(&overview.stack))),
        team.map(|team| format!("team {}", escape(team))),
        overview.severity.clone(),
        Some(format!("begun {}", wall_clock(overview.began))),
        overview.ended.map(|at| format!("ended {}", wall_clock(at))),
    ];
    let about: Vec<String> = about.into_iter().flatten().collect();
    page.push(format!("{}.\n", about.join(", ")));
    page.push(format!("**{}**\n", escape(&overview.conclusion)));
    if let Some(brief) = &overview.brief {
        page.push(format!("{}\n", escape(brief)));
    }
    page.push(format!("> {}", escape(&overview.hypothesis)));
}

fn objectives(page: &mut Vec<String>, review: &Review) {
    page.push("\n## Objectives\n".to_owned());
    if review.objectives.is_empty() {
        page.push("None.".to_owned());
        return;
    }
    page.push("| objective | came |\n|---|---|".to_owned());
    for objective in &review.objectives {
        let mark = match objective.well {
            Some(true) => "✓",
            Some(false) => "✗",
            None => "–",
        };
        page.push(format!(
            "| {} | {mark} {}{} |",
            escape(&objective.what),
            escape(&objective.came),
            events(&objective.evidence)
        ));
    }
}

fn findings(page: &mut Vec<String>, review: &Review) {
    for kind in Kind::ALL {
        page.push(format!("\n## {}\n", kind.title()));
        let before = page.len();
        for finding in review.of(kind) {
            let by = finding.by.as_ref();
            let by = by.map_or_else(String::new, |by| format!(" ({})", escape(by)));
            page.push(format!(
                "- {}{by}{}",
                escape(&finding.text),
                events(&finding.evidence)
            ));
        }
        if page.len() == before {
            page.push("Nothing was written down.".to_owned());
        }
    }
}

fn actions(page: &mut Vec<String>, review: &Review) {
    page.push("\n## Corrective actions\n".to_owned());
    if review.actions.is_empty() {
        page.push("None was agreed on.".to_owned());
        return;
    }
    page.push("| action | owner | due | state |\n|---|---|---|---|".to_owned());
    for action in &review.actions {
        let state = action.closed.as_ref().map_or_else(
            || "open".to_owned(),
            |closed| {
                format!(
                    "closed {} by {}: {}",
                    closed.at.strftime("%Y-%m-%d"),
                    escape(&closed.by),
                    escape(&closed.outcome)
                )
            },
        );
        page.push(format!(
            "| {} | {} | {} | {state} |",
            escape(&action.text),
            escape(&action.owner),
            action.due
        ));
    }
}

fn survey(page: &mut Vec<String>, review: &Review) {
    page.push("\n## Survey\n".to_owned());
    let survey = &review.survey;
    if survey.answers == 0 {
        page.push("Nobody has answered.".to_owned());
        return;
    }
    if survey.statements.is_empty() {
        page.push(format!(
            "{} answered: too few to show what they said.",
            survey.answers
        ));
        return;
    }
    page.push(format!(
        "{} answered, from 1 (not at all) to 5 (fully).\n\n| | middle | 1 | 2 | 3 | 4 | 5 |\n|---|---|---|---|---|---|---|",
        survey.answers
    ));
    for statement in &survey.statements {
        let counts: Vec<String> = statement.counts.iter().map(ToString::to_string).collect();
        page.push(format!(
            "| {} | {} | {} |",
            statement.text,
            statement.median,
            counts.join(" | ")
        ));
    }
    for comment in &survey.comments {
        page.push(format!("\n> {}", escape(comment)));
    }
}

fn events(evidence: &[u64]) -> String {
    if evidence.is_empty() {
        return String::new();
    }
    let numbers: Vec<String> = evidence.iter().map(ToString::to_string).collect();
    format!(" (event {})", numbers.join(", "))
}
