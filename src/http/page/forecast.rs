//! The forecast: all that is asked stands in the address, so that an answer can be linked and asked for again.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Html;

use crate::http::Services;
use crate::http::actor::Actor;
use crate::http::api::runs::bad_query;
use crate::http::problem::Problem;
use crate::http::series::{drilled, foretell};
use crate::http::templates::render;
use crate::http::view::forecast::{Answer, Choice, Forecast, PLAYED};
use crate::http::view::layout::Layout;
use crate::model::time::Millis;
use crate::stats::forecast::{Question, Scenario};
use crate::stats::{FEWEST, measured};

/// What can be asked, and the answer where something was.
pub(in crate::http) async fn get(
    State(services): State<Services>,
    actor: Actor,
    asked: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Result<Html<String>, Problem> {
    let Query(asked) = asked.map_err(|error| bad_query(&error))?;
    let entered = |key: &str, usual: &str| {
        let found = asked.iter().find(|(name, _)| name == key);
        found
            .map(|(_, value)| value.trim())
            .filter(|value| !value.is_empty())
            .unwrap_or(usual)
            .to_owned()
    };
    let (mut choices, mut few, mut scenarios) = (Vec::new(), Vec::new(), Vec::new());
    let (mut counts, mut wrong) = (Vec::new(), None);
    for (one, times) in drilled(&services, &actor).await? {
        let name = one.scenario.called();
        if times.len() < FEWEST {
            few.push(format!("{name}: {} so far", times.len()));
            continue;
        }
        let field = format!("s{}", one.id);
        let count = entered(&field, "");
        if !count.is_empty() {
            match count.parse::<u32>() {
                Ok(incidents) => {
                    counts.push(format!("--incidents {}={incidents}", one.scenario.name));
                    scenarios.push(Scenario {
                        name: name.clone(),
                        incidents,
                        times: times.clone(),
                    });
                }
                Err(_) => wrong = Some(format!("`{count}` is no count of incidents of {name}")),
            }
        }
        choices.push(Choice {
            field,
            name,
            drills: times.len(),
            recovered: measured(&times),
            entered: count,
        });
    }
    let (counted, ahead) = (entered("counted", "12"), entered("ahead", "12"));
    let (budget, seed) = (entered("budget", ""), entered("seed", "1"));
    let question = question(&counted, &ahead, &budget, &seed);
    let seed = seed.parse().unwrap_or(1);
    let mut refused = wrong;
    let mut answer = None;
    if refused.is_none() && !scenarios.is_empty() {
        match question {
            Err(why) => refused = Some(why),
            Ok(question) => {
                let mut command = format!(
                    "firedrill forecast {} --counted {counted} --ahead {ahead} --seed {seed}",
                    counts.join(" ")
                );
                if !budget.is_empty() {
                    command.push_str(" --budget ");
                    command.push_str(&budget);
                }
                match foretell(scenarios, question).await? {
                    Ok(found) => answer = Some(Answer::new(found, command)),
                    Err(why) => refused = Some(why.to_string()),
                }
            }
        }
    } else if refused.is_none() && !asked.is_empty() {
        refused = Some("Say how many real incidents there were of at least one scenario.".into());
    }
    render(&Forecast {
        layout: Layout::new(&services, "Forecast", "trends", &actor).await?,
        choices,
        few,
        counted,
        ahead,
        budget,
        seed,
        refused,
        answer,
        fewest: FEWEST,
        trials: PLAYED,
    })
}

fn question(counted: &str, ahead: &str, budget: &str, seed: &str) -> Result<Question, String> {
    let months = |text: &str| {
        text.parse::<f64>()
            .map_err(|_| format!("`{text}` is no number of months"))
    };
    Ok(Question {
        counted_months: months(counted)?,
        ahead_months: months(ahead)?,
        budget_ms: if budget.is_empty() {
            None
        } else {
            let length: Millis = budget
                .parse()
                .map_err(|error: crate::model::time::BadDuration| error.to_string())?;
            Some(length.get())
        },
        seed: seed
            .parse()
            .map_err(|_| format!("`{seed}` is no seed: it is a whole number"))?,
    })
}
