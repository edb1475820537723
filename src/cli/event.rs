//! `firedrill event`: what responders do, from a shell, in a drill that a server runs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::bearer;
use super::exit::Exit;
use super::terminal::Terminal;
use crate::clock::SystemClock;
use crate::model::probe::HttpRequest;
use crate::model::time::Millis;
use crate::outbound::Outbound;
use crate::ports::Clock as _;

/// How long the server may take. An act is answered once it is on its disk.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  firedrill event RUN detected wallet-api \"transfers time out\"
  firedrill event RUN ack --as ann
  firedrill event RUN update \"Transfers fail.\" --channel status_page --next 20m
  firedrill event RUN update --template first_notice --failure api_outage
  firedrill event RUN remedy failover-signer --server https://drills.example
  firedrill event RUN real

`real` says that this is no drill: everything is undone and nothing is scored.
Says the event's number. Exit status: 0 when it is recorded, 2 when the server
did not take it, 4 when there was no answer: then it may be recorded.")]
pub(super) struct Args {
    /// The run, as `firedrill run` and the pages name it
    #[arg(value_name = "RUN")]
    run: String,
    #[command(subcommand)]
    act: Act,
    /// The server that runs it
    #[arg(
        long,
        global = true,
        default_value = "http://127.0.0.1:8700",
        value_name = "URL",
        env = "FIREDRILL_SERVER",
        hide_env_values = true
    )]
    server: String,
    /// A token of the server's, where it has accounts; better given as `FIREDRILL_TOKEN`
    #[arg(
        long,
        global = true,
        value_name = "TOKEN",
        env = "FIREDRILL_TOKEN",
        hide_env_values = true
    )]
    token: Option<String>,
    /// Read the token from this file
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Who does it [default: this user; with a token, the token itself, as automation]
    #[arg(long = "as", global = true, value_name = "NAME")]
    actor: Option<String>,
}

#[derive(Debug, clap::Subcommand)]
enum Act {
    /// Something is wrong: with which service, and how it shows
    Detected {
        /// The service, as the stack names it
        service: String,
        /// How it shows
        symptom: String,
    },
    /// Take the page
    Ack,
    /// Declare an incident
    Declare {
        /// SEV1 to SEV5
        severity: String,
    },
    /// Say that you are there
    Join {
        /// On which side; all but `responder` take the role operator
        #[arg(long, default_value = "responder", value_parser = ["responder", "owner", "coordinator", "observer"])]
        seat: String,
    },
    /// Take a role, or hand it over
    Role {
        /// Such as `incident_commander`
        role: String,
        /// To whom it is handed over
        #[arg(long, value_name = "NAME")]
        to: Option<String>,
    },
    /// Call somebody else
    Escalate {
        /// Whom
        to: String,
        /// Why
        #[arg(long, value_name = "TEXT")]
        because: Option<String>,
    },
    /// Name the cause
    Cause {
        /// The step that broke it
        cause: String,
    },
    /// Choose a remedy
    Remedy {
        /// The remedy's id
        remedy: String,
    },
    /// Agree to a remedy that somebody else has chosen
    Approve {
        /// The remedy's id
        remedy: String,
    },
    /// Tell others how things stand, in words of your own or from a template
    Update(Box<Update>),
    /// Attest to something done with tools of your own
    Did {
        /// What
        text: String,
    },
    /// Write something down
    Note {
        /// What
        text: String,
    },
    /// Tick off a step of the runbook
    Step {
        /// Its number, from 1, in the order of the runbook's text
        number: u32,
        /// Take it back
        #[arg(long)]
        undo: bool,
    },
    /// Answer a message
    Reply {
        /// What
        text: String,
        /// Which message, from 1 [default: the latest that nobody has answered]
        #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
        message: Option<u32>,
    },
    /// Say that nothing is wrong
    Nothing {
        /// Why not
        reason: String,
    },
    /// Say that it is over
    Resolve,
    /// Let the method go on (exercise staff)
    Continue {
        /// The step that asks for it
        step: String,
    },
    /// Tell the responders of a surprise drill that it is one (exercise staff)
    Reveal,
    /// Say when you knew that a surprise drill was one, once it is revealed
    Knew {
        /// When
        #[arg(value_parser = ["before", "during", "told"])]
        when: String,
        /// At what time, such as 2026-03-01T10:00:00Z
        #[arg(long, value_name = "TIME")]
        at: Option<Timestamp>,
    },
    /// Correct the time or the words of an event, once the run is over (exercise staff)
    Correct {
        /// The event, by its number
        event: u64,
        /// When it was, such as 2026-03-01T10:00:00Z
        #[arg(long, value_name = "TIME")]
        at: Option<Timestamp>,
        /// What it said
        #[arg(long)]
        text: Option<String>,
        /// Why
        #[arg(long, value_name = "TEXT")]
        because: String,
    },
    /// Judge a line of the runbook that only people can, once the run is over (exercise staff)
    Judge {
        /// The line's id
        line: String,
        /// What it came to
        #[arg(value_parser = ["met", "missed"])]
        verdict: String,
        /// Why
        #[arg(long, value_name = "TEXT")]
        because: String,
    },
    /// Say who ended it, once the run is over and where nothing on record does (exercise staff)
    EndedBy {
        /// Who
        #[arg(value_parser = ["team", "automation", "stack", "outside"])]
        who: String,
        /// How you know
        #[arg(long, value_name = "TEXT")]
        because: String,
    },
    /// Say that this is real: everything is undone and nothing is scored
    Real,
}

#[derive(Debug, clap::Args)]
struct Update {
    /// What it says; with a template, what else is known
    #[arg(required_unless_present = "template")]
    text: Option<String>,
    /// Make it from a template: what point of the incident it speaks of
    #[arg(long, value_parser = ["first_notice", "update", "resolved"])]
    template: Option<String>,
    /// Of what kind of failure the template speaks [default: what the runbook says]
    #[arg(long, value_parser = ["key_management", "api_outage", "transaction_delays", "authentication"], requires = "template")]
    failure: Option<String>,
    /// In which language [default: en]
    #[arg(long, value_name = "TAG", requires = "template")]
    lang: Option<String>,
    /// A phrase to add to the template; may be repeated [default: those that the runbook asks for]
    #[arg(long, value_parser = ["do_not_retry", "never_share_keys", "funds_are_safe"], requires = "template")]
    phrase: Vec<String>,
    /// What point of the incident a text of your own speaks of [default: on each channel a first notice, then updates]
    #[arg(long, value_parser = ["first_notice", "update", "resolved"], conflicts_with = "template")]
    stage: Option<String>,
    /// Show the message and what it lacks, and send nothing
    #[arg(long)]
    preview: bool,
    /// For whom
    #[arg(long, default_value = "customers", value_parser = ["customers", "internal", "regulator"])]
    to: String,
    /// Where it goes; may be repeated. What the drill has no channel for was posted by yourself
    #[arg(long = "channel", alias = "on", value_name = "CHANNEL")]
    on: Vec<String>,
    /// When the next one comes
    #[arg(long, value_name = "DURATION")]
    next: Option<Millis>,
    /// When recovery is expected, at the earliest and at the latest
    #[arg(long, num_args = 2, value_names = ["FROM", "TO"])]
    recovery: Vec<Millis>,
}

impl Act {
    /// As the API takes it.
    fn body(&self, now: Timestamp) -> Value {
        match self {
            Self::Detected { service, symptom } => {
                json!({"type": "detected", "service": service, "symptom": symptom})
            }
            Self::Ack => json!({"type": "acknowledged"}),
            Self::Declare { severity } => {
                json!({"type": "declared", "severity": severity.to_uppercase()})
            }
            Self::Join { seat } => json!({"type": "joined", "seat": seat}),
            Self::Role { role, to } => {
                let role = role.to_lowercase().replace([' ', '-'], "_");
                with(
                    json!({"type": "role_taken", "role": role}),
                    "to",
                    to.as_ref(),
                )
            }
            Self::Escalate { to, because } => with(
                json!({"type": "escalated", "to": to}),
                "reason",
                because.as_ref(),
            ),
            Self::Approve { remedy } => json!({"type": "remedy_approved", "remedy": remedy}),
            Self::Reply { text, message } => with(
                json!({"type": "replied", "text": text}),
                "inject",
                message.map(|nth| nth - 1).as_ref(),
            ),
            Self::Nothing { reason } => json!({"type": "dismissed", "reason": reason}),
            Self::Continue { step } => json!({"type": "continued", "step": step}),
            Self::Reveal => json!({"type": "revealed"}),
            Self::Knew { when, at } => {
                with(json!({"type": "knew", "when": when}), "at", at.as_ref())
            }
            Self::Cause { cause } => json!({"type": "cause_named", "cause": cause}),
            Self::Remedy { remedy } => json!({"type": "remedy_chosen", "remedy": remedy}),
            Self::Update(update) => update.body(now, update.text.as_deref().unwrap_or_default()),
            Self::Did { text } => json!({"type": "action_attested", "text": text}),
            Self::Note { text } => json!({"type": "noted", "text": text}),
            Self::Step { number, undo } => {
                json!({"type": "step_ticked", "step": number, "done": !undo})
            }
            Self::Resolve => json!({"type": "resolved"}),
            Self::Correct {
                event,
                at,
                text,
                because,
            } => {
                let body = json!({"seq": event, "reason": because});
                with(with(body, "at", at.as_ref()), "text", text.as_ref())
            }
            Self::Judge {
                line,
                verdict,
                because,
            } => json!({"line": line, "verdict": verdict, "reason": because}),
            Self::EndedBy { who, because } => json!({"ended_by": who, "reason": because}),
            Self::Real => json!({"type": "real"}),
        }
    }

    /// Whether it is said of a run that is over.
    fn corrects(&self) -> bool {
        matches!(
            self,
            Self::Correct { .. } | Self::Judge { .. } | Self::EndedBy { .. }
        )
    }
}

/// With one more key, where there is something to say.
fn with(mut body: Value, key: &str, value: Option<&impl serde::Serialize>) -> Value {
    if let Some(value) = value {
        body[key] = json!(value);
    }
    body
}

impl Update {
    /// The act that posts this text.
    fn body(&self, now: Timestamp, text: &str) -> Value {
        let mut body = self.common(now);
        body.insert("type".into(), "update_posted".into());
        body.insert("channels".into(), json!(self.on));
        body.insert("text".into(), json!(text));
        Value::Object(body)
    }

    /// What makes its text from a template, or has one looked over.
    fn wish(&self, now: Timestamp) -> Value {
        let mut wish = self.common(now);
        let text = self.text.as_deref().unwrap_or_default();
        if self.template.is_none() {
            wish.insert("text".into(), json!(text));
            return Value::Object(wish);
        }
        if let Some(failure) = &self.failure {
            wish.insert("failure".into(), json!(failure));
        }
        wish.insert("language".into(), json!(self.lang));
        wish.insert("detail".into(), json!(text));
        if !self.phrase.is_empty() {
            wish.insert("phrases".into(), json!(self.phrase));
        }
        Value::Object(wish)
    }

    /// What both say alike.
    fn common(&self, now: Timestamp) -> Map<String, Value> {
        let at = |length: &Millis| {
            let length = i64::try_from(length.get()).unwrap_or(i64::MAX);
            now.saturating_add(SignedDuration::from_millis(length))
                .unwrap_or(now)
        };
        let mut body = Map::new();
        body.insert("audience".into(), json!(self.to));
        if let Some(stage) = self.template.as_ref().or(self.stage.as_ref()) {
            body.insert("stage".into(), json!(stage));
        }
        if let Some(next) = &self.next {
            body.insert("next_update_at".into(), json!(at(next)));
        }
        if let [from, to] = self.recovery.as_slice() {
            body.insert("estimated_recovery".into(), json!([at(from), at(to)]));
        }
        body
    }
}

/// Where acts are sent, and as whom.
struct Desk<'a> {
    server: &'a str,
    run: &'a str,
    headers: BTreeMap<String, String>,
    terminal: Terminal,
}

impl Desk<'_> {
    /// The server's answer, or the exit that there is without one.
    async fn ask(&self, what: &str, body: &Value) -> Result<Value, Exit> {
        let request = HttpRequest {
            method: "POST".to_owned(),
            url: format!("{}/api/v1/runs/{}/{what}", self.server, self.run),
            headers: self.headers.clone(),
            body: Some(body.to_string()),
        };
        let reply = match Outbound::new().send(&request, PATIENCE).await {
            Ok(reply) => reply,
            Err(error) => {
                self.terminal.error(&format!(
                    "{} did not answer: {error}; hint: `--server URL` names another",
                    self.server
                ));
                return Err(Exit::Errored);
            }
        };
        let answer = reply.json().unwrap_or(Value::Null);
        if reply.status.is_success() {
            return Ok(answer);
        }
        let detail = answer["detail"].as_str().unwrap_or("it does not say why");
        self.terminal.error(&format!(
            "{} answered {}: {detail}",
            self.server, reply.status
        ));
        Err(if reply.status.is_server_error() {
            Exit::Errored
        } else {
            Exit::Usage
        })
    }

    /// Says what a message lacks.
    fn say_lacks(&self, answer: &Value) {
        for lack in answer["lacks"].as_array().into_iter().flatten() {
            let asked = if lack["asked"] == true {
                ", which the runbook asks for"
            } else {
                ""
            };
            let what = lack["what"].as_str().unwrap_or_default();
            self.terminal.note(&format!("it lacks {what}{asked}"));
        }
    }
}

pub(super) async fn run(args: Args, terminal: Terminal) -> anyhow::Result<Exit> {
    let now = SystemClock::start().now().wall;
    let mut body = args.act.body(now);
    let mut headers = BTreeMap::new();
    let corrects = args.act.corrects();
    let door = if corrects { "corrections" } else { "events" };
    let token = bearer::token(args.token_file.as_deref(), args.token.as_deref());
    let token = match token {
        Ok(token) => token,
        Err(error) => {
            terminal.error(&format!("{error:#}"));
            return Ok(Exit::Usage);
        }
    };
    match &token {
        // A token acts as itself, a machine, unless it speaks for somebody.
        Some(token) => {
            headers.insert("authorization".to_owned(), format!("Bearer {token}"));
            if let Some(actor) = args.actor.as_ref().filter(|_| !corrects) {
                body["actor"] = json!(actor);
            }
        }
        // Whoever asks corrects, and in nobody else's name.
        None if corrects => {}
        None => body["actor"] = json!(args.actor.clone().unwrap_or_else(super::halt::user)),
    }
    let desk = Desk {
        server: args.server.trim_end_matches('/'),
        run: &args.run,
        headers,
        terminal,
    };
    Ok(match tell(&desk, &args.act, door, body, now).await {
        Ok(()) => Exit::Passed,
        Err(exit) => exit,
    })
}

/// Sends an act; of an update, first its text is made where it comes from a template.
async fn tell(
    desk: &Desk<'_>,
    act: &Act,
    door: &str,
    mut body: Value,
    now: Timestamp,
) -> Result<(), Exit> {
    if let Act::Update(update) = act
        && (update.template.is_some() || update.preview)
    {
        let draft = desk.ask("compose", &update.wish(now)).await?;
        let text = draft["text"].as_str().unwrap_or_default();
        desk.say_lacks(&draft);
        if update.preview {
            desk.terminal.result(text);
            return Ok(());
        }
        desk.terminal.note(text);
        body["text"] = json!(text);
    }
    let answer = desk.ask(door, &body).await?;
    let made = matches!(act, Act::Update(update) if update.template.is_some());
    if !made {
        desk.say_lacks(&answer);
    }
    desk.terminal.result(&answer["seq"].as_u64().map_or_else(
        || "recorded".to_owned(),
        |seq| format!("recorded as event {seq}"),
    ));
    Ok(())
}

/// What the server is sent for these words, as the command line reads them.
#[cfg(test)]
pub(crate) fn body_of(words: &[&str], now: Timestamp) -> Value {
    #[derive(clap::Parser)]
    struct Whole {
        #[command(flatten)]
        args: Args,
    }
    let all = ["event", "RUN"].iter().chain(words);
    let whole = <Whole as clap::Parser>::try_parse_from(all).expect("a command line");
    whole.args.act.body(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::input::TeamAct;

    fn act(body: Value) -> TeamAct {
        serde_json::from_value(body).expect("an act that the API takes")
    }

    #[test]
    fn every_act_is_one_that_the_api_takes() {
        let now: Timestamp = "2026-03-01T10:00:00Z".parse().expect("an instant");
        let text = || "words".to_owned();
        for (given, expected) in [
            (Act::Ack, TeamAct::Acknowledged),
            (Act::Resolve, TeamAct::Resolved),
            (Act::Real, TeamAct::Real),
            (Act::Note { text: text() }, TeamAct::Noted { text: text() }),
            (
                Act::Step {
                    number: 2,
                    undo: false,
                },
                TeamAct::StepTicked {
                    step: 2,
                    done: true,
                },
            ),
            (
                Act::Did { text: text() },
                TeamAct::ActionAttested { text: text() },
            ),
            (
                Act::Cause { cause: text() },
                TeamAct::CauseNamed { cause: text() },
            ),
        ] {
            assert_eq!(act(given.body(now)), expected);
        }
        for given in [
            Act::Detected {
                service: "wallet-api".into(),
                symptom: text(),
            },
            Act::Declare {
                severity: "sev1".into(),
            },
            Act::Role {
                role: "Incident commander".into(),
                to: None,
            },
            Act::Role {
                role: "deputy".into(),
                to: Some("bo".into()),
            },
            Act::Join {
                seat: "observer".into(),
            },
            Act::Escalate {
                to: "bo".into(),
                because: Some(text()),
            },
            Act::Approve {
                remedy: "failover".into(),
            },
            Act::Reply {
                text: text(),
                message: Some(1),
            },
            Act::Nothing { reason: text() },
            Act::Continue {
                step: "look".into(),
            },
            Act::Reveal,
            Act::Knew {
                when: "during".into(),
                at: Some(now),
            },
            Act::Remedy {
                remedy: "failover".into(),
            },
        ] {
            act(given.body(now));
        }
        let update = Act::Update(Box::new(Update {
            text: Some(text()),
            template: None,
            failure: None,
            lang: None,
            phrase: Vec::new(),
            stage: Some("resolved".into()),
            preview: false,
            to: "customers".into(),
            on: vec!["status_page".into()],
            next: Some(Millis::seconds(1200)),
            recovery: vec![Millis::seconds(60), Millis::seconds(120)],
        }));
        let TeamAct::UpdatePosted(update) = act(update.body(now)) else {
            panic!("no update")
        };
        assert_eq!(
            update.next_update_at.map(|at| at.to_string()).as_deref(),
            Some("2026-03-01T10:20:00Z")
        );
        assert!(update.estimated_recovery.is_some());
        assert_eq!(update.stage, Some(crate::model::message::Stage::Resolved));
    }
}
