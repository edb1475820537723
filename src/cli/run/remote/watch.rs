//! One run of a server, told here as a run of this process is, until it is over, stuck, or the server is gone. A first
//! signal asks the server to undo it; further ones say what is still being undone.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};

use super::client::{Client, Trouble};
use super::feed::{Feed, News};
use crate::cli::enter::Enter;
use crate::cli::teller::Teller;
use crate::cli::terminal::Terminal;
use crate::clock::SystemClock;
use crate::engine::event::{Event, Fact};
use crate::engine::state::State;
use crate::engine::undo::Entry as Undo;
use crate::lifecycle::Signals;
use crate::model::ids::{RunId, StepId};
use crate::model::plan::Plan;
use crate::model::time::{Stamp, wall_clock};
use crate::ports::Clock as _;
use crate::score::{self, Report};

/// How often the live line is drawn.
const REDRAWN: Duration = Duration::from_millis(250);

/// What is said to the server on a signal: it becomes the reason of the abort.
const REASON: &str = "a signal ended the command that started it";

/// How following ended.
#[derive(Debug)]
pub(super) enum End {
    /// The run is over, or stuck: its report says how.
    Told,
    /// The server can't be reached any more, or won't say more.
    Gone(String),
    /// It was to be undone, and the server won't.
    NotUndone(String),
}

/// What was asked beside, and what came of it.
enum Errand {
    Halt(Result<Value, Trouble>),
    Continue(StepId, Result<Value, Trouble>),
}

/// A run as it is known here.
pub(super) struct Watch {
    client: Arc<Client>,
    clock: SystemClock,
    run: RunId,
    plan: Plan,
    events: Vec<Event>,
    state: State,
    head: Option<String>,
    erased: bool,
    /// When the last event came, by this process's clock, and when it was so, by the server's.
    latest: Option<(Stamp, Stamp)>,
    teller: Teller,
    enter: Enter,
    /// The steps that wait for a person.
    waiting: Vec<StepId>,
    signalled: bool,
    errands: FuturesUnordered<LocalBoxFuture<'static, Errand>>,
}

impl Watch {
    /// Nothing is known yet but what it is of.
    pub(super) fn new(client: Arc<Client>, clock: SystemClock, run: RunId, plan: Plan) -> Self {
        Self {
            state: State::new(run.clone()),
            client,
            clock,
            run,
            plan,
            events: Vec::new(),
            head: None,
            erased: false,
            latest: None,
            teller: Teller::default(),
            enter: Enter::listen(),
            waiting: Vec::new(),
            signalled: false,
            errands: FuturesUnordered::new(),
        }
    }

    /// Whether a signal has come: then nothing more shall begin.
    pub(super) fn was_signalled(&self) -> bool {
        self.signalled
    }

    /// Whether something could not be undone for too long.
    pub(super) fn is_stuck(&self) -> bool {
        self.state.stuck().next().is_some()
    }

    /// What it came to so far, as the server's own report of this log says; nothing where the log can't be judged.
    pub(super) fn report(&self) -> Option<Report> {
        if self.erased {
            return None;
        }
        let report = score::judge(&self.events)?;
        Some(report.identified(self.run.clone(), self.head.clone()))
    }

    /// Asks the server to undo everything, until it answers.
    pub(super) fn halt(&mut self, terminal: Terminal) {
        self.signalled = true;
        terminal.note(
            "stopping: the server is asked to undo everything (a further signal tells what is left)",
        );
        let (client, path) = (self.client.clone(), format!("/runs/{}/halt", self.run));
        self.errands.push(Box::pin(async move {
            let body = json!({"reason": REASON});
            Errand::Halt(
                client
                    .patiently(async || client.post(&path, &body, None).await)
                    .await,
            )
        }));
    }

    /// Tells what comes, until the run is over or no more will come.
    pub(super) async fn settled(&mut self, signals: &mut Signals, terminal: Terminal) -> End {
        let (feed, mut news) = Feed::new(self.client.clone(), self.run.clone());
        let keeping = feed.keep();
        tokio::pin!(keeping);
        let mut kept = false;
        let mut beat = interval(REDRAWN);
        beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let end = loop {
            // Every branch is cancel safe: signals, a channel, a terminal, ticks; the feed and errands keep their place.
            tokio::select! {
                biased;
                () = signals.next() => {
                    if self.signalled {
                        self.say_what_is_left(terminal);
                    } else {
                        self.halt(terminal);
                    }
                }
                Some(errand) = self.errands.next(), if !self.errands.is_empty() => {
                    if let Some(end) = returned(errand, terminal) {
                        break end;
                    }
                }
                news = news.recv() => {
                    let Some(news) = news else {
                        break End::Gone("nothing more is told".to_owned());
                    };
                    if let Some(end) = self.hear(news, terminal) {
                        break end;
                    }
                }
                () = &mut keeping, if !kept => kept = true,
                () = self.enter.pressed() => self.go_on(),
                _ = beat.tick(), if terminal.is_live() => self.draw(terminal),
            }
        };
        terminal.erase();
        end
    }

    fn hear(&mut self, news: News, terminal: Terminal) -> Option<End> {
        match news {
            News::Event(event, hash) => {
                self.take(*event, hash, terminal);
                (self.state.is_ended() || self.is_stuck()).then_some(End::Told)
            }
            News::Erased => {
                self.erased = true;
                None
            }
            News::People(people) => {
                for (pseudonym, name) in people {
                    self.teller.learn(pseudonym, name);
                }
                None
            }
            News::Lost(why) => {
                let patience = self.client.patience().as_secs();
                terminal.note(&format!(
                    "the connection to the server is lost ({why}): it is tried again for {patience} s; the run goes on there"
                ));
                None
            }
            News::Back => {
                terminal.note("the server answers again");
                None
            }
            News::Gone(why) => Some(End::Gone(why)),
            News::Refused(trouble) => Some(End::Gone(trouble.to_string())),
        }
    }

    fn take(&mut self, event: Event, hash: String, terminal: Terminal) {
        self.latest = Some((self.clock.now(), event.at));
        self.head = Some(hash);
        self.state.apply(&event);
        if let Fact::RunCreated { plan, .. } = &event.fact {
            self.plan = plan.as_ref().clone();
        }
        self.teller.tell(&event, &self.plan, terminal);
        match &event.fact {
            Fact::PauseBegan { step, .. } => self.ask(step, terminal),
            Fact::PauseEnded { step, .. } => self.waiting.retain(|waiting| waiting != step),
            _ => {}
        }
        self.events.push(event);
    }

    fn ask(&mut self, step: &StepId, terminal: Terminal) {
        self.waiting.push(step.clone());
        if self.enter.is_there() {
            terminal.note(&format!("press Enter to continue {step}"));
        }
        terminal.note(&format!(
            "{step} is continued in the staff view of the run room: {}",
            self.client.page(&self.run)
        ));
    }

    /// Enter was pressed: the step that has waited longest goes on.
    fn go_on(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let step = self.waiting.remove(0);
        let (client, path) = (self.client.clone(), format!("/runs/{}/events", self.run));
        self.errands.push(Box::pin(async move {
            let body = json!({"type": "continued", "step": step});
            Errand::Continue(step, client.post(&path, &body, None).await)
        }));
    }

    /// The live line, by the server's clock as it stands now as far as is known.
    fn draw(&self, terminal: Terminal) {
        let Some((came, was)) = &self.latest else {
            return;
        };
        let passed = self.clock.now().since(came).unwrap_or_default();
        let passed = Duration::try_from(passed).unwrap_or_default();
        self.teller.draw(&was.after(passed), terminal);
    }

    fn say_what_is_left(&self, terminal: Terminal) {
        let left = self.left();
        if left.is_empty() {
            terminal.note(&format!(
                "run {} is not over yet{}: waiting until what was done is read back as undone",
                self.run,
                self.phase()
            ));
        }
        for one in left {
            terminal.note(&format!("run {} is still undoing {one}", self.run));
        }
    }

    fn left(&self) -> Vec<String> {
        let open = self.state.ledger().open();
        open.filter_map(|obligation| {
            let since = obligation.entry.undoing_since()?.wall;
            Some(format!(
                "`{}` since {}",
                obligation.injection.id,
                since.strftime("%H:%M:%SZ")
            ))
        })
        .collect()
    }

    fn phase(&self) -> String {
        self.state
            .phase()
            .map_or_else(String::new, |phase| format!(", in phase {phase:?}"))
    }

    /// What is known of a run whose server is gone, and how to see more.
    pub(super) fn last_known(&self) -> String {
        let (run, page) = (&self.run, self.client.page(&self.run));
        let last = self.events.last().map_or_else(
            || "nothing of it was told".to_owned(),
            |event| {
                format!(
                    "the last that was told is event {} of {}{}",
                    event.seq,
                    wall_clock(event.at.wall),
                    self.phase()
                )
            },
        );
        let on: Vec<String> = self
            .state
            .ledger()
            .open()
            .filter_map(|obligation| {
                let armed = obligation.armed()?;
                let id = &obligation.injection.id;
                Some(match obligation.entry {
                    Undo::Undoing { .. } | Undo::Stuck { .. } => format!("`{id}` was being undone"),
                    _ => format!(
                        "`{id}` was on, until {} at the latest",
                        wall_clock(armed.deadline().wall)
                    ),
                })
            })
            .collect();
        let on = if on.is_empty() {
            "nothing was on".to_owned()
        } else {
            on.join(", ")
        };
        format!(
            "run {run}: {last}; {on}; the server, or the next one on its data folder, undoes it; hint: look at {page}, or \
             run `firedrill recover` on the server's machine"
        )
    }
}

/// What an errand came to; an end, where it must be one.
fn returned(errand: Errand, terminal: Terminal) -> Option<End> {
    match errand {
        Errand::Halt(Ok(_)) | Errand::Continue(_, Ok(_)) => None,
        Errand::Halt(Err(Trouble::Refused(refusal))) if refusal.code == "run-ended" => None,
        Errand::Halt(Err(trouble)) => Some(End::NotUndone(trouble.to_string())),
        Errand::Continue(_, Err(Trouble::Refused(refusal))) if refusal.status == 409 => None,
        Errand::Continue(step, Err(trouble)) => {
            terminal.error(&format!("{step} could not be continued: {trouble}"));
            None
        }
    }
}
