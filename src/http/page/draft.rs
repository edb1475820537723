//! An update that is being written: made from a template, and looked over for what it still lacks. Nothing is posted.

use axum::extract::rejection::FormRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::{Form, Json};
use jiff::Timestamp;
use serde::Serialize;

use super::act::{Fields, LONGEST};
use super::room;
use super::start::bad_form;
use crate::engine::event::Update;
use crate::http::Services;
use crate::http::actor::Actor;
use crate::http::api::compose::texts;
use crate::http::api::log::accepts;
use crate::http::problem::Problem;
use crate::http::reading::{Reading, run_id};
use crate::http::view::composer::{Draft, Drafted, parts};
use crate::messages::{Texts, Wish};
use crate::model::runbook::Audience;
use crate::score::composing::Part;

/// What a page with JavaScript takes over.
#[derive(Debug, Serialize)]
struct Looked {
    text: String,
    made: String,
    trouble: Option<String>,
    parts: Vec<Part>,
}

/// The room with the draft, or only what has changed of it, as JSON.
pub(in crate::http) async fn post(
    State(services): State<Services>,
    actor: Actor,
    Path(run): Path<String>,
    headers: HeaderMap,
    form: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Result<Response, Problem> {
    let Form(pairs) = form.map_err(|error| bad_form(&error))?;
    let fields = Fields(pairs);
    let reading = Reading::of(&services, &run_id(&run)?).await?;
    let texts = texts(&services).await?;
    let plan = reading.state.plan();
    let stack = plan.map_or_else(String::new, |plan| plan.stack.name.to_string());
    let drafted = drafted(fields.clone(), &texts, &stack, services.now().wall);
    if accepts(&headers, "application/json") {
        let exercise = plan.and_then(|plan| plan.drill.as_ref());
        let looked = Looked {
            parts: exercise
                .map(|exercise| parts(exercise, Some(&drafted.update)))
                .unwrap_or_default(),
            text: drafted.form.text,
            made: drafted.form.made,
            trouble: drafted.trouble,
        };
        return Ok(Json(looked).into_response());
    }
    let staff = fields.get("staff") == "1";
    let page = room::show(&services, &actor, &reading, staff, Some(&drafted)).await?;
    Ok(page.into_response())
}

/// The draft as its form has it. What can't be read of it yet counts as not there.
fn drafted(mut fields: Fields, texts: &Texts, stack: &str, now: Timestamp) -> Drafted {
    let mut trouble = None;
    if fields.get("fill") == "1" {
        match made(&fields, texts, stack, now) {
            Ok(made) => {
                let text = [made.as_str(), own_words(&fields)];
                let text: Vec<&str> = text.into_iter().filter(|part| !part.is_empty()).collect();
                fields.put("text", text.join(" "));
                fields.put("made", made);
            }
            Err(why) => trouble = Some(why),
        }
    }
    let short = |key| fields.get(key).chars().take(LONGEST).collect();
    let all = |key| fields.all(key).map(str::to_owned).collect();
    let form = Draft {
        audience: short("audience"),
        stage: short("stage"),
        failure: short("failure"),
        language: fields.language().to_owned(),
        channels: all("channel"),
        text: short("text"),
        made: short("made"),
        advice: all("advice"),
        next_in: short("next_in"),
        recovery_from: short("recovery_from"),
        recovery_to: short("recovery_to"),
    };
    let update = fields.update(texts, now).unwrap_or_else(|_| Update {
        audience: fields.parsed("audience").unwrap_or(Audience::Customers),
        channels: form.channels.clone(),
        text: fields.advised(form.text.clone(), texts),
        next_update_at: fields.minutes("next_in", now).unwrap_or_default(),
        estimated_recovery: None,
        stage: None,
    });
    Drafted {
        form,
        update,
        trouble,
    }
}

/// What the template says, with the chosen advice and times.
fn made(fields: &Fields, texts: &Texts, stack: &str, now: Timestamp) -> Result<String, String> {
    let told = |problem: Problem| problem.detail;
    if fields.get("failure").is_empty() {
        return Err(
            "choose what it is about: each kind of failure has a template of its own".into(),
        );
    }
    let wish = Wish {
        language: fields.language().to_owned(),
        stage: fields.parsed("stage").map_err(told)?,
        failure: fields.parsed("failure").map_err(told)?,
        stack: stack.to_owned(),
        detail: String::new(),
        phrases: fields.phrases(),
        next_update_at: fields.minutes("next_in", now).map_err(told)?,
        estimated_recovery: fields.recovery(now).map_err(told)?,
        now,
    };
    texts.compose(&wish).map_err(|unmade| unmade.to_string())
}

/// What somebody wrote beside what a template had made. Where they wrote into that, all of it is theirs.
fn own_words(fields: &Fields) -> &str {
    let (text, made) = (fields.get("text").trim(), fields.get("made").trim());
    text.strip_prefix(made).unwrap_or(text).trim()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::shelf::SHIPPED;

    const DE: &str = "Überweisungen";

    /// The draft after a template was asked for in this language, on what the form had.
    fn filled(text: &str, made: &str, language: &str) -> Drafted {
        let pairs = [
            ("audience", "customers"),
            ("stage", "first_notice"),
            ("failure", "key_management"),
            ("language", language),
            ("advice", "funds_are_safe"),
            ("text", text),
            ("made", made),
            ("fill", "1"),
        ];
        let pairs = pairs.map(|(key, value)| (key.to_owned(), value.to_owned()));
        drafted(
            Fields(pairs.to_vec()),
            &SHIPPED,
            "wallet",
            Timestamp::UNIX_EPOCH,
        )
    }

    #[test]
    fn a_template_made_anew_gives_way_and_ones_own_words_stay() {
        let first = filled("", "", "en").form;
        assert!(
            first.text.starts_with("Transfers can't be signed"),
            "{first:?}"
        );
        assert!(first.text.ends_with("Your funds are safe."), "{first:?}");
        assert_eq!(first.text, first.made);

        let own = format!("{} Only on iOS.", first.text);
        let second = filled(&own, &first.made, "de").form;
        assert!(second.made.contains(DE), "{second:?}");
        assert_eq!(second.text, format!("{} Only on iOS.", second.made));

        // Written into, it is all one's own.
        let edited = second.text.replace(DE, "Zahlungen");
        let third = filled(&edited, &second.made, "en").form;
        assert_eq!(third.text, format!("{} {edited}", first.made));
    }

    #[test]
    fn advice_is_of_the_language_and_said_once() {
        let german = filled("", "", "de");
        assert_eq!(
            german.update.text, german.form.text,
            "it has the advice already"
        );
        assert!(!german.update.text.contains("Your funds are safe."));
    }

    #[test]
    fn what_can_not_be_made_is_said_and_nothing_is_lost() {
        let unknown = filled("Mine.", "", "tlh");
        assert_eq!(unknown.form.text, "Mine.");
        assert!(
            unknown
                .trouble
                .is_some_and(|why| why.contains("no messages in `tlh`")),
        );
    }
}
