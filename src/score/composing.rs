//! What a runbook asks of updates, and what of it a draft has: the same checks by which the update will be judged.

use serde::Serialize;

use super::{phrases, wording};
use crate::engine::event::Update;
use crate::model::runbook::{Audience, Expected, Milestone, Runbook, UpdatePart};

/// Something an update should have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    /// What, in a few words.
    pub what: String,
    /// Whether the draft has it.
    pub there: bool,
}

/// What the runbook asks of updates for the draft's audience, in the order of its lines, each once. Whether it comes in
/// time is not asked here. Advice is for those who use the wallet.
pub fn parts(runbook: &Runbook, draft: &Update) -> Vec<Part> {
    let concerns = |audience: Option<Audience>| audience.is_none_or(|one| one == draft.audience);
    let mut parts = vec![Part {
        what: "a text".to_owned(),
        there: !draft.text.trim().is_empty(),
    }];
    for line in &runbook.expect {
        match &line.what {
            Expected::Event {
                event:
                    Milestone::Update {
                        audience,
                        channels,
                        must_have,
                    },
                ..
            } if concerns(*audience) => {
                if !channels.is_empty() {
                    parts.push(Part {
                        what: format!("on {}", wording::named(channels)),
                        there: channels.iter().any(|one| draft.channels.contains(one)),
                    });
                }
                parts.extend(must_have.iter().map(|part| carried(*part, draft)));
            }
            Expected::Cadence {
                audience,
                must_have,
                ..
            } if concerns(*audience) => {
                parts.extend(must_have.iter().map(|part| carried(*part, draft)));
            }
            Expected::Estimates { audience, .. } if concerns(*audience) => {
                parts.push(carried(UpdatePart::EstimatedRecovery, draft));
            }
            Expected::MessageContains { phrases } if draft.audience == Audience::Customers => {
                parts.extend(phrases.iter().map(|set| Part {
                    what: wording::phrase_set(*set).to_owned(),
                    there: phrases::says(&draft.text, *set),
                }));
            }
            _ => {}
        }
    }
    let mut once: Vec<Part> = Vec::new();
    for part in parts {
        if !once.contains(&part) {
            once.push(part);
        }
    }
    once
}

fn carried(part: UpdatePart, draft: &Update) -> Part {
    Part {
        what: wording::part(part).to_owned(),
        there: draft.has(part),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::runbook::{Anchor, Class, Expectation, PhraseSet};
    use crate::model::time::Millis;

    fn line(id: &str, what: Expected) -> Expectation {
        Expectation {
            id: id.parse().expect("an id"),
            what,
            weight: 1.0,
            critical: false,
        }
    }

    fn runbook() -> Runbook {
        let notice = Milestone::Update {
            audience: Some(Audience::Customers),
            channels: vec!["status_page".into(), "telegram".into()],
            must_have: vec![UpdatePart::NextUpdateAt],
        };
        Runbook {
            name: "signing".parse().expect("a name"),
            class: Class::Availability,
            failure: None,
            clocks: Vec::new(),
            expect: vec![
                line(
                    "notice",
                    Expected::Event {
                        event: notice,
                        by: None,
                        within: None,
                        limit: None,
                        from: None,
                        before: None,
                    },
                ),
                line(
                    "advice",
                    Expected::MessageContains {
                        phrases: vec![PhraseSet::DoNotRetry],
                    },
                ),
                line(
                    "cadence",
                    Expected::Cadence {
                        every: Millis::seconds(300),
                        until: Anchor::Recovered,
                        audience: None,
                        must_have: vec![UpdatePart::NextUpdateAt],
                    },
                ),
            ],
            body: String::new(),
        }
    }

    fn draft(audience: Audience, text: &str) -> Update {
        Update {
            audience,
            channels: vec!["telegram".into()],
            text: text.into(),
            stage: None,
            next_update_at: None,
            estimated_recovery: None,
        }
    }

    fn told(draft: &Update) -> Vec<String> {
        let parts = parts(&runbook(), draft);
        let mark = |part: &Part| if part.there { "has" } else { "lacks" };
        parts
            .iter()
            .map(|part| format!("{} {}", mark(part), part.what))
            .collect()
    }

    #[test]
    fn a_draft_is_told_what_it_has_and_what_it_lacks() {
        let mut update = draft(Audience::Customers, "Please do not send it again.");
        assert_eq!(
            told(&update),
            [
                "has a text",
                "has on status page or telegram",
                "lacks when the next update comes",
                "has “do not retry”",
            ]
        );
        update.next_update_at = Some(jiff::Timestamp::UNIX_EPOCH);
        assert!(told(&update).contains(&"has when the next update comes".to_owned()));
    }

    #[test]
    fn what_is_for_customers_is_not_asked_of_others() {
        assert_eq!(
            told(&draft(Audience::Internal, " ")),
            ["lacks a text", "lacks when the next update comes"]
        );
    }
}
