//! What responders do from the room: one form for each act.

use std::sync::Arc;

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
use crate::http::api::compose::texts;
use crate::http::keeper::of_run;
use crate::http::problem::Problem;
use crate::http::reading::run_id;
use crate::http::view::composer::LANGUAGE;
use crate::http::{Services, acting};
use crate::messages::Texts;
use crate::model::access::{Permission, Subject};
use crate::model::runbook::PhraseSet;

/// The longest text of a form, in characters.
pub(super) const LONGEST: usize = 4000;

/// Takes an act and leads back to the room.
pub(in crate::http) async fn post(
    State(services): State<Services>,
    actor: Actor,
    Path(run): Path<String>,
    form: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Result<Redirect, Problem> {
    let Form(pairs) = form.map_err(|error| bad_form(&error))?;
    let fields = Fields(pairs);
    // Only an update is made of the library's texts; nothing else waits for them.
    let texts = match fields.get("act") {
        "update_posted" => texts(&services).await?,
        _ => Arc::default(),
    };
    let act = fields.act(&texts, services.now().wall)?;
    let act = actor::pseudonymous(&services, act).await?;
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

/// A form's fields; those with several values stand several times.
#[derive(Debug, Clone)]
pub(super) struct Fields(pub(super) Vec<(String, String)>);

impl Fields {
    pub(super) fn get(&self, key: &'static str) -> &str {
        self.all(key).next().unwrap_or_default()
    }

    pub(super) fn all(&self, key: &'static str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }

    /// Puts a value in the place of those there are.
    pub(super) fn put(&mut self, key: &'static str, value: String) {
        self.0.retain(|(name, _)| name != key);
        self.0.push((key.to_owned(), value));
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
    pub(super) fn parsed<T: DeserializeOwned>(&self, key: &'static str) -> Result<T, Problem> {
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

    /// The phrases that were chosen.
    pub(super) fn phrases(&self) -> Vec<PhraseSet> {
        let chosen = |set: &PhraseSet| self.all("advice").any(|one| one == set.as_str());
        PhraseSet::ALL.into_iter().filter(chosen).collect()
    }

    /// In which language it is written.
    pub(super) fn language(&self) -> &str {
        Some(self.get("language"))
            .filter(|tag| !tag.is_empty())
            .unwrap_or(LANGUAGE)
    }

    /// A text with the advice that was chosen and is not in it yet.
    pub(super) fn advised(&self, mut text: String, texts: &Texts) -> String {
        for set in self.phrases() {
            let phrase = texts.phrase(self.language(), set);
            if let Some(phrase) = phrase.filter(|phrase| !text.contains(phrase.trim())) {
                if !text.is_empty() {
                    text.push(' ');
                }
                text.push_str(phrase.trim());
            }
        }
        text
    }

    /// A number of minutes from `now`; nothing where the field is empty.
    pub(super) fn minutes(
        &self,
        key: &'static str,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Problem> {
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

    /// Between when recovery is expected.
    pub(super) fn recovery(
        &self,
        now: Timestamp,
    ) -> Result<Option<(Timestamp, Timestamp)>, Problem> {
        let earliest = self.minutes("recovery_from", now)?;
        let latest = self.minutes("recovery_to", now)?;
        match (earliest, latest) {
            (None, None) => Ok(None),
            (Some(earliest), Some(latest)) if earliest <= latest => Ok(Some((earliest, latest))),
            _ => Err(Problem::unprocessable(
                "unfit-act",
                "an estimated recovery has an earliest and a later latest time",
            )),
        }
    }

    fn act(&self, texts: &Texts, now: Timestamp) -> Result<TeamAct, Problem> {
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
            "update_posted" => TeamAct::UpdatePosted(self.update(texts, now)?),
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

    /// An update as its form has it, with the advice that was chosen.
    pub(super) fn update(&self, texts: &Texts, now: Timestamp) -> Result<Update, Problem> {
        let text = self.advised(self.text("text")?, texts);
        Ok(Update {
            audience: self.parsed("audience")?,
            channels: self.all("channel").map(str::to_owned).collect(),
            text,
            stage: match self.get("stage") {
                "" => None,
                _ => Some(self.parsed("stage")?),
            },
            next_update_at: self.minutes("next_in", now)?,
            estimated_recovery: self.recovery(now)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::shelf::SHIPPED;

    fn act(fields: &Fields, now: Timestamp) -> Result<TeamAct, Problem> {
        fields.act(&SHIPPED, now)
    }

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
        let TeamAct::UpdatePosted(update) = act(&form, now).expect("an act") else {
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
            let problem = act(&fields(pairs), now).expect_err("refused");
            assert!(problem.detail.contains(part), "{}", problem.detail);
        }
    }
}
