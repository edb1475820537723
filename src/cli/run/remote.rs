//! Runs of a server: started there, told here, with the reports and exit statuses of runs of this process.
//!
//! A file's content never travels: commands are code, and a server runs only what its own disk holds. What is given here
//! only names what shall run, and pins it: a server whose files differ is refused before anything starts.

mod client;
mod day;
mod feed;
mod sse;
mod target;
mod watch;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::Deserialize;
use serde_json::json;

use super::turns::{Bar, Planned, Turns};
use super::{Args, Common, Terminal, finish};
use crate::cli::bearer::{self, TOKEN};
use crate::cli::exit::Exit;
use crate::clock::{SystemClock, random};
use crate::lifecycle::Signals;
use crate::model::ids::RunId;
use crate::model::time::Millis;
use crate::score::report::entry::{Cause, Entry};
use client::{Client, Trouble};
use day::{Day, Unbegun};
use target::Target;
use watch::{End, Watch};

/// How long an answer to a start is still waited for after a signal: its run may have begun.
const GRACE: Duration = Duration::from_secs(20);

#[derive(Debug, clap::Args)]
pub(super) struct Elsewhere {
    #[arg(long, value_name = "URL", help = "Run on this server instead, with the token in FIREDRILL_TOKEN", conflicts_with_all = ["dry_run", "listen", "no_room", "config"])]
    server: Option<String>,
    /// Read the server's token from this file
    #[arg(long, value_name = "FILE", requires = "server")]
    token_file: Option<PathBuf>,
    /// How long a server that does not answer is asked again
    #[arg(
        long,
        value_name = "DURATION",
        requires = "server",
        default_value = "2m"
    )]
    give_up_after: Millis,
}

impl Elsewhere {
    /// Whether a server is named.
    pub(super) fn is_wanted(&self) -> bool {
        self.server.is_some()
    }

    /// The server, as the command line names it.
    fn client(&self, terminal: Terminal) -> anyhow::Result<Client> {
        let base = self.server.as_deref().unwrap_or_default();
        let base = base.trim_end_matches('/');
        let place = base
            .strip_prefix("https://")
            .or_else(|| base.strip_prefix("http://"))
            .with_context(|| {
                format!("`{base}` is no server; hint: write it like https://drills.example.org")
            })?;
        if place.is_empty() || place.contains(['@', '?', '#', ' ']) {
            bail!(
                "a server's address has a host and perhaps a path, and nothing secret; hint: give a token in {TOKEN} or \
                 with `--token-file`"
            );
        }
        let given = std::env::var(TOKEN).ok();
        let token = bearer::token(self.token_file.as_deref(), given.as_deref())?;
        if token.is_some() && base.starts_with("http://") && !is_near(place) {
            terminal.note(
                "warning: the token goes to the server unencrypted; hint: use its https address",
            );
        }
        Ok(Client::new(
            base.to_owned(),
            token,
            self.give_up_after.duration(),
        ))
    }
}

/// Whether a place is this machine.
fn is_near(place: &str) -> bool {
    let host = place.split('/').next().unwrap_or_default();
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.split(':').next().unwrap_or(host),
    };
    name == "localhost"
        || name
            .parse()
            .is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

/// A run that was started.
#[derive(Debug, Deserialize)]
struct Begun {
    id: RunId,
}

/// Runs every file on the server.
pub(super) async fn run(args: Args, common: Common, terminal: Terminal) -> Exit {
    let wrong = |error: &anyhow::Error| {
        terminal.error(&format!("{error:#}"));
        Exit::Usage
    };
    let client = match args.remote.client(terminal) {
        Ok(client) => Arc::new(client),
        Err(error) => return wrong(&error),
    };
    if let Err(error) = args.outputs.prepare() {
        return wrong(&error);
    }
    let mut signals = match Signals::catch() {
        Ok(signals) => signals,
        Err(error) => {
            terminal.error(&format!("signals can't be caught: {error}"));
            return Exit::Errored;
        }
    };
    let options = common.options(&args.variables);
    let read = target::read_all(&client, &args.files, &options, &mut signals, terminal).await;
    let (exit, entries) = match read {
        Ok(targets) => {
            let mut list = List {
                client,
                args: &args,
                signals: &mut signals,
                terminal,
            };
            let days: Vec<Arc<Day>> = targets
                .iter()
                .filter_map(|target| target.part.as_ref())
                .filter(|part| part.index == 0)
                .map(|part| part.day.clone())
                .collect();
            let entries = list.take(targets, None).await;
            for day in days {
                day.end(&list.client).await;
            }
            let exits = entries
                .iter()
                .map(|entry| entry.exit_code().map_or(Exit::Errored, Exit::of_code));
            (exits.fold(Exit::Passed, Exit::worst), entries)
        }
        Err((exit, entries)) => (exit, entries),
    };
    finish(&args, &entries, exit, terminal)
}

/// What becomes of a list.
struct List<'a> {
    client: Arc<Client>,
    args: &'a Args,
    signals: &'a mut Signals,
    terminal: Terminal,
}

impl Turns for List<'_> {
    type Item = Target;

    fn planned(target: &Target) -> &Planned {
        &target.planned
    }

    async fn one(&mut self, target: &Target) -> (Entry, Option<Bar>) {
        let (begun, signalled) = self.begin(target).await;
        let run = match begun {
            Ok(run) => run,
            Err(entry) => {
                let bar = signalled.then(Bar::signal);
                return (entry, bar);
            }
        };
        self.terminal
            .note(&format!("the run room: {}", self.client.page(&run)));
        let clock = SystemClock::start();
        let mut watch = Watch::new(
            self.client.clone(),
            clock,
            run.clone(),
            target.planned.plan.clone(),
        );
        if signalled {
            watch.halt(self.terminal);
        }
        let end = watch.settled(self.signals, self.terminal).await;
        let unrecorded = |exit: Exit, reason: &str| {
            let mut unjudged = target.planned.without_run(Cause::Unrecorded, exit, reason);
            unjudged.run = Some(run.clone());
            Entry::from(unjudged)
        };
        let (entry, bar) = match end {
            End::Told => {
                let stuck = watch.is_stuck();
                let exit = if stuck { Exit::Stuck } else { Exit::Errored };
                if stuck {
                    self.terminal.note(
                        "hint: put right what the report names; the server goes on trying, and its pages show how that goes",
                    );
                }
                let entry = watch.report().map_or_else(
                    || unrecorded(exit, "its log can't be judged: facts in it were erased"),
                    |report| Entry::Judged(Box::new(report)),
                );
                let bar = stuck.then(|| {
                    Bar::not_begun(Exit::Stuck, format!("not begun: run {run} can't be undone"))
                });
                (entry, bar)
            }
            End::Gone(why) => {
                let reason = format!(
                    "the server can't be followed any more: {why}; {}",
                    watch.last_known()
                );
                let bar = Bar::not_begun(Exit::Errored, "not begun: the server can't be followed");
                (unrecorded(Exit::Errored, &reason), Some(bar))
            }
            End::NotUndone(why) => {
                let reason = format!(
                    "the server was asked to undo everything and did not take it: {why}; {}",
                    watch.last_known()
                );
                (unrecorded(Exit::Errored, &reason), Some(Bar::signal()))
            }
        };
        let bar = if watch.was_signalled() {
            bar.or_else(|| Some(Bar::signal()))
        } else {
            bar
        };
        (entry, bar)
    }

    fn conclusion(&self, entry: &Entry) -> String {
        entry.conclusion_with(|run| self.client.page(run))
    }

    fn signals(&mut self) -> &mut Signals {
        self.signals
    }

    fn terminal(&self) -> Terminal {
        self.terminal
    }
}

impl List<'_> {
    /// Starts it once, however often it must be asked for. Answers as well whether a signal came meanwhile.
    async fn begin(&mut self, target: &Target) -> (Result<RunId, Entry>, bool) {
        if let Some(part) = target.part.as_ref().filter(|part| part.index > 0) {
            return self.follow(target, &part.day, part.index).await;
        }
        let (answer, signalled) = if let Some(part) = &target.part {
            let (client, args) = (self.client.clone(), self.args);
            self.answered(part.day.begin(&client, args)).await
        } else {
            self.start(target).await
        };
        let begun = answer.map_err(|trouble| self.unbegun(target, &trouble, signalled));
        (begun, signalled)
    }

    /// Waits for a further drill of a game day to be begun by the server.
    async fn follow(
        &mut self,
        target: &Target,
        day: &Day,
        index: usize,
    ) -> (Result<RunId, Entry>, bool) {
        let client = self.client.clone();
        match day.begun(index, &client, self.signals).await {
            Ok(run) => (Ok(run), false),
            Err(Unbegun::Trouble(trouble)) => (Err(self.unbegun(target, &trouble, false)), false),
            Err(Unbegun::Told(why)) => {
                let unjudged = target
                    .planned
                    .without_run(Cause::NotBegun, Exit::Errored, &why);
                (Err(unjudged.into()), false)
            }
            Err(Unbegun::Signalled) => {
                let bar = Bar::signal();
                let unjudged = target.planned.without_run(bar.cause, bar.exit, &bar.reason);
                (Err(unjudged.into()), true)
            }
        }
    }

    /// Asks for the start of one run, again and again.
    async fn start(&mut self, target: &Target) -> (Result<RunId, Trouble>, bool) {
        let key = format!("{:016x}{:016x}", random(), random());
        let body = json!({
            target.kind: target.name,
            "seed": self.args.seed,
            "vars": vars(self.args),
            "files": target.planned.plan.files,
            "autopilot": self.args.autopilot(),
        });
        let client = self.client.clone();
        let asked = client.patiently(async || client.post("/runs", &body, Some(&key)).await);
        let begun = async { asked.await.map(|begun: Begun| begun.id) };
        self.answered(begun).await
    }

    /// Waits for the answer to a start, for a while even after a signal: its run may have begun.
    async fn answered(
        &mut self,
        asked: impl Future<Output = Result<RunId, Trouble>>,
    ) -> (Result<RunId, Trouble>, bool) {
        tokio::pin!(asked);
        let mut signalled = false;
        let answer = loop {
            let over = async {
                if signalled {
                    tokio::time::sleep(GRACE).await;
                } else {
                    std::future::pending::<()>().await;
                }
            };
            // Cancel safe: the start keeps its place, and signals stay until they are received.
            tokio::select! {
                answer = &mut asked => break answer,
                () = self.signals.next() => {
                    signalled = true;
                    self.terminal.note("stopping: the server is asked to start a run, and its answer must come first");
                }
                () = over => break Err(Trouble::Away("no answer".to_owned())),
            }
        };
        (answer, signalled)
    }

    /// What a start that came to no run is in the reports.
    fn unbegun(&self, target: &Target, trouble: &Trouble, signalled: bool) -> Entry {
        let (cause, exit) = match trouble {
            Trouble::Away(_) => (Cause::Unrecorded, Exit::Errored),
            Trouble::Refused(refusal) if refusal.code == "halted" => {
                (Cause::NotBegun, Exit::Aborted)
            }
            Trouble::Refused(_) if signalled => (Cause::NotBegun, Exit::Aborted),
            Trouble::Refused(_) => (Cause::NotBegun, Exit::Errored),
        };
        let reason = match trouble {
            Trouble::Away(why) => format!(
                "the server was asked to start it and did not answer: {why}; hint: see at {} whether it runs",
                self.client.base()
            ),
            Trouble::Refused(_) => trouble.to_string(),
        };
        target.planned.without_run(cause, exit, &reason).into()
    }
}

/// The values of variables that the command line gives.
fn vars(args: &Args) -> BTreeMap<String, String> {
    args.variables.vars.iter().cloned().collect()
}
