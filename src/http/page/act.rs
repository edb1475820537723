//! What responders do from the room: one form for each act.

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Path, State};
use axum::response::Redirect;
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::start::bad_form;
use crate::engine::event::{Source, Update};
use crate::engine::input::TeamAct;
use crate::http::actor::{self, Actor};
use crate::http::keeper::of_run;
use crate::http::problem::Problem;
use crate::http::reading::run_id;
use crate::http::view::acts::{Draft, Drafted, SNIPPETS};
use crate::http::{Services, acting};
use crate::model::access::{Permission, Subject};
use crate::model::runbook::Audience;

/// The longest text of a form, in characters.
const LONGEST: usize = 4000;

/// Takes an act and leads back to the room.
pub(in crate::http) async fn post(
    State(services): State<Services>,
    actor: Actor,
    Path(run): Path<String>,
    form: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Result<Redirect, Problem> {
    let Form(pairs) = form.map_err(|error| bad_form(&error))?;
    let fields = Fields(pairs);
    let act = actor::pseudonymous(&services, fields.act(services.now().wall)?).await?;
    let id = run_id(&run)?;
    if act.is_for_staff() {
        let row = services.database.run(&id).await?;
        actor.must(Permission::Operate, &Subject::At(of_run(&row)))?;
    }
    let origin = actor::person(&services, Source::Room, &actor.name).await?;
    acting::act(&services, &id, act, origin).await?;
    let staff = if fields.get("staff") == "1" {
        "?staff=1"
    } else {
        ""
    };
    Ok(Redirect::to(&format!("/runs/{run}{staff}")))
}

/// An update that is being written, and whether its form is the staff view's. What can't be read of it yet counts as
/// not there.
pub(super) fn drafted(pairs: Vec<(String, String)>, now: Timestamp) -> (Drafted, bool) {
    let fields = Fields(pairs);
    let all = |key| fields.all(key).map(str::to_owned).collect();
    let form = Draft {
        audience: fields.get("audience").to_owned(),
        channels: all("channel"),
        text: fields.get("text").chars().take(LONGEST).collect(),
        advice: all("advice"),
        next_in: fields.get("next_in").to_owned(),
        recovery_from: fields.get("recovery_from").to_owned(),
        recovery_to: fields.get("recovery_to").to_owned(),
    };
    let update = fields.update(now).unwrap_or_else(|_| Update {
        audience: fields.parsed("audience").unwrap_or(Audience::Customers),
        channels: form.channels.clone(),
        text: with_advice(form.text.clone(), form.advice.iter().map(String::as_str)),
        next_update_at: fields.minutes("next_in", now).unwrap_or_default(),
        estimated_recovery: None,
        stage: None,
    });
    (Drafted { form, update }, fields.get("staff") == "1")
}

/// A text with the advice that was chosen and is not in it yet.
fn with_advice<'a>(mut text: String, chosen: impl Iterator<Item = &'a str>) -> String {
    for chosen in chosen {
        let Some(snippet) = SNIPPETS.iter().find(|snippet| snippet.value == chosen) else {
            continue;
        };
        if !text.contains(snippet.text) {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(snippet.text);
        }
    }
    text
}

/// A form's fields; those with several values stand several times.
#[derive(Debug)]
struct Fields(Vec<(String, String)>);

impl Fields {
    fn get(&self, key: &'static str) -> &str {
        self.all(key).next().unwrap_or_default()
    }

    fn all(&self, key: &'static str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }

    fn text(&self, key: &'static str) -> Result<String, Problem> {
        let text = self.get(key).trim();
        if text.chars().count() > LONGEST {
            return Err(Problem::unprocessable(
                "text-too-long",
                format!("`{key}` has more than {LONGEST} characters"),
            ));
        }
        Ok(text.to_owned())
    }

    /// A value of a type that the API reads from a text.
    fn parsed<T: DeserializeOwned>(&self, key: &'static str) -> Result<T, Problem> {
        serde_json::from_value(Value::String(self.get(key).to_owned()))
            .map_err(|error| Problem::unprocessable("unfit-act", format!("`{key}`: {error}")))
    }

    /// A text; nothing where the field is empty or absent.
    fn named(&self, key: &'static str) -> Result<Option<String>, Problem> {
        Ok(Some(self.text(key)?).filter(|text| !text.is_empty()))
    }

    /// A whole number; nothing where the field is empty or absent.
    fn number(&self, key: &'static str) -> Result<Option<usize>, Problem> {
        let Some(text) = self.named(key)? else {
            return Ok(None);
        };
        text.parse()
            .map(Some)
            .map_err(|_| Problem::unprocessable("unfit-act", format!("`{key}` is no whole number")))
    }

    /// A number of minutes from `now`; nothing where the field is empty.
    fn minutes(&self, key: &'static str, now: Timestamp) -> Result<Option<Timestamp>, Problem> {
        let text = self.get(key).trim();
        if text.is_empty() {
            return Ok(None);
        }
        let minutes = text
            .parse::<u16>()
            .ok()
            .filter(|minutes| *minutes <= 10_000);
        let minutes = minutes.ok_or_else(|| {
            Problem::unprocessable("unfit-act", format!("`{key}` is no number of minutes"))
        })?;
        Ok(now
            .checked_add(SignedDuration::from_mins(i64::from(minutes)))
            .ok())
    }

    fn act(&self, now: Timestamp) -> Result<TeamAct, Problem> {
        Ok(match self.get("act") {
            "detected" => TeamAct::Detected {
                service: self.parsed("service")?,
                symptom: self.text("symptom")?,
            },
            "acknowledged" => TeamAct::Acknowledged,
            "declared" => TeamAct::Declared {
                severity: self.parsed("severity")?,
            },
            "role_taken" => TeamAct::RoleTaken {
                role: self.parsed("role")?,
                to: self.named("to")?,
            },
            "joined" => TeamAct::Joined {
                seat: self.parsed("seat")?,
            },
            "escalated" => TeamAct::Escalated {
                to: self.text("to")?,
                reason: self.named("reason")?,
            },
            "replied" => TeamAct::Replied {
                inject: self.number("inject")?,
                text: self.text("text")?,
            },
            "dismissed" => TeamAct::Dismissed {
                reason: self.text("reason")?,
            },
            "remedy_approved" => TeamAct::RemedyApproved {
                remedy: self.parsed("remedy")?,
            },
            "revealed" => TeamAct::Revealed,
            "knew" => TeamAct::Knew {
                when: self.parsed("when")?,
                at: None,
            },
            "cause_named" => TeamAct::CauseNamed {
                cause: self.text("cause")?,
            },
            "update_posted" => TeamAct::UpdatePosted(self.update(now)?),
            "remedy_chosen" => TeamAct::RemedyChosen {
                remedy: self.parsed("remedy")?,
            },
            "action_attested" => TeamAct::ActionAttested {
                text: self.text("text")?,
            },
            "noted" => TeamAct::Noted {
                text: self.text("text")?,
            },
            "step_ticked" => TeamAct::StepTicked {
                step: self.get("step").parse().map_err(|_| {
                    Problem::unprocessable("unfit-act", "`step` is no number of a step")
                })?,
                done: self.get("done") != "0",
            },
            "resolved" => TeamAct::Resolved,
            "continued" => TeamAct::Continued {
                step: self.parsed("step")?,
            },
            other => {
                let other: String = other.chars().take(40).collect();
                return Err(Problem::unprocessable(
                    "unfit-act",
                    format!("`{other}` is no act"),
                ));
            }
        })
    }

    fn update(&self, now: Timestamp) -> Result<Update, Problem> {
        let text = with_advice(self.text("text")?, self.all("advice"));
        let earliest = self.minutes("recovery_from", now)?;
        let latest = self.minutes("recovery_to", now)?;
        let estimated_recovery = match (earliest, latest) {
            (None, None) => None,
            (Some(earliest), Some(latest)) if earliest <= latest => Some((earliest, latest)),
            _ => {
                return Err(Problem::unprocessable(
                    "unfit-act",
                    "an estimated recovery has an earliest and a later latest time",
                ));
            }
        };
        Ok(Update {
            audience: self.parsed("audience")?,
            channels: self.all("channel").map(str::to_owned).collect(),
            text,
            stage: match self.get("stage") {
                "" => None,
                _ => Some(self.parsed("stage")?),
            },
            next_update_at: self.minutes("next_in", now)?,
            estimated_recovery,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        Fields(
            pairs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
        )
    }

    #[test]
    fn an_update_carries_channels_advice_and_promises() {
        let now: Timestamp = "2026-03-01T10:00:00Z".parse().expect("an instant");
        let form = fields(&[
            ("act", "update_posted"),
            ("audience", "customers"),
            ("channel", "status_page"),
            ("channel", "telegram"),
            ("text", "Log-ins fail."),
            ("advice", "funds_are_safe"),
            ("next_in", "20"),
            ("recovery_from", "10"),
            ("recovery_to", "30"),
        ]);
        let TeamAct::UpdatePosted(update) = form.act(now).expect("an act") else {
            panic!("no update")
        };
        assert_eq!(update.text, "Log-ins fail. Your funds are safe.");
        assert_eq!(update.channels, ["status_page", "telegram"]);
        assert_eq!(
            update.next_update_at.map(|at| at.to_string()).as_deref(),
            Some("2026-03-01T10:20:00Z")
        );
        assert_eq!(
            update
                .estimated_recovery
                .map(|(_, to)| to.to_string())
                .as_deref(),
            Some("2026-03-01T10:30:00Z")
        );
    }

    #[test]
    fn what_is_no_act_is_refused_with_its_field() {
        let now = Timestamp::UNIX_EPOCH;
        for (pairs, part) in [
            (&[("act", "dance")][..], "`dance` is no act"),
            (&[("act", "declared"), ("severity", "SEV9")], "`severity`"),
            (
                &[("act", "detected"), ("service", "not a name")],
                "`service`",
            ),
            (
                &[
                    ("act", "update_posted"),
                    ("audience", "customers"),
                    ("next_in", "soon"),
                ],
                "`next_in`",
            ),
            (
                &[
                    ("act", "update_posted"),
                    ("audience", "customers"),
                    ("recovery_from", "5"),
                ],
                "earliest",
            ),
        ] {
            let problem = fields(pairs).act(now).expect_err("refused");
            assert!(problem.detail.contains(part), "{}", problem.detail);
        }
    }
}
