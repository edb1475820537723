//! A game day in words: its drills in their order, the pauses between them, and the longest it can take.

use super::{Page, WIDTH, on, starts};
use crate::model::gameday::Programme;
use crate::model::plan::Plan;

/// Explains a game day, in lines as wide as given, and never wider than 100 columns. What each drill does is for its own
/// explanation.
pub fn explain_game_day_within(programme: &Programme, width: usize) -> String {
    let mut page = Page {
        text: String::new(),
        width: width.min(WIDTH),
    };
    let day = &programme.day;
    let count = day.drills.len();
    let drills = if count == 1 { "drill" } else { "drills" };
    page.line(0, &format!("Game day {}: {count} {drills}", day.name));
    if let Some(schedule) = &day.schedule {
        page.line(2, &starts(schedule));
    }
    if !day.about.trim().is_empty() {
        page.line(2, &day.about);
    }
    page.section("In this order");
    let column = 2 + count.to_string().len();
    for (index, (part, plan)) in programme.parts().enumerate() {
        if index > 0 {
            let pause = format!("{} after everything of it is undone:", part.pause);
            page.entry(2, column, "", &pause);
        }
        let number = format!("{} ", index + 1);
        page.entry(2, column, &number, &told(plan));
    }
    page.section("When it ends");
    page.line(
        2,
        &format!(
            "The next drill begins after one that {}. After one that was aborted, that errored or that is stuck, nothing \
             more begins.",
            day.goes_on.words()
        ),
    );
    page.line(
        2,
        &format!(
            "It takes {} at most, beside looking at the stack before each drill and undoing at its end.",
            programme.longest()
        ),
    );
    page.section("Files");
    for file in &programme.files {
        page.line(2, &file.path);
    }
    page.text
}

fn told(plan: &Plan) -> String {
    let team = plan.drill.as_ref().map_or_else(String::new, |exercise| {
        format!(
            ", {}, team {}",
            exercise.drill.severity.as_str(),
            exercise.team.name
        )
    });
    format!(
        "{}{team}, on {}; {} at most",
        plan.name(),
        on(plan),
        plan.longest()
    )
}
