//! `firedrill halt`: pulls the lever of a data folder, and waits until everything reads back clean.
//!
//! The lever comes first and needs no database: living processes see it and undo what they did. What dead ones left is
//! then taken up and undone here, as `recover` does, for which the journal must open. Whose process lives is read from
//! the locks of runs, again without the journal.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;

use super::Common;
use super::exit::Exit;
use super::follow::say_stuck;
use super::terminal::Terminal;
use crate::app::{App, default_data};
use crate::clock::SystemClock;
use crate::engine::event::{Fact, Source, StopCause};
use crate::model::ids::RunId;
use crate::ports::{Clock as _, Journal as _};
use crate::runtime::{RunHandle, RunStatus, recovery};
use crate::store::database::Database;
use crate::store::halt::{Halt, Kept, Lever};
use crate::store::lock;

/// As long as the undo of an engine is tried before it is stuck, and the lever's own delay.
const PATIENCE: Duration = Duration::from_secs(70);

/// From one look to the next.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// From one count of what is still on to the next. A log of thousands of events takes longer to read than it takes to undo
/// what it tells of, on the same processors.
const COUNT_EVERY: Duration = Duration::from_secs(2);

/// How long the journal may take to open before it is tried again.
const OPENING: Duration = Duration::from_secs(2);

/// The longest reason or name, in characters.
const LONGEST: usize = 400;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  firedrill halt --reason 'the exchange is down'    undo all, start nothing
  firedrill halt --reason 'real incident' --by ann --data /srv/drills

Runs of `serve`, `run` and `demo` on the same data folder end as aborted with
the reason, in whichever process they are; what dead processes left is undone
here. New runs are refused with exit status 3 until `firedrill resume`. It needs
neither a server nor the database to reach living processes.

Exit status: 0 once everything reads back clean, 5 where something could not be
undone, 4 where the halt can't be written down.")]
pub(super) struct Args {
    /// Why; it becomes the reason of every run that is aborted
    #[arg(long, value_name = "TEXT", value_parser = line)]
    reason: String,
    /// Who halts [default: the user's name]
    #[arg(long, value_name = "NAME", value_parser = line)]
    by: Option<String>,
}

fn line(text: &str) -> Result<String, String> {
    let text = text.trim();
    let fits = !text.is_empty() && text.chars().count() <= LONGEST;
    if !fits || text.chars().any(char::is_control) {
        return Err(format!("write 1 to {LONGEST} characters in one line"));
    }
    Ok(text.to_owned())
}

pub(super) async fn run(args: Args, common: Common, terminal: Terminal) -> anyhow::Result<Exit> {
    let data = common.data();
    let wanted = Halt {
        by: args.by.unwrap_or_else(user),
        reason: args.reason,
        at: SystemClock::start().now().wall,
        source: Source::CommandLine,
    };
    if let Err(error) = pull(&data, &wanted, terminal) {
        terminal.error(&format!(
            "the halt can be written neither to {} nor aside: {error}; hint: make one of them writable, or end the \
             processes that drive runs with SIGTERM, which undoes everything too",
            data.display()
        ));
        return Ok(Exit::Errored);
    }
    let began = Instant::now();
    let mut wait = Wait::new(common, &data, terminal);
    let exit = wait.until_clean(began + PATIENCE).await;
    wait.conclude(exit, began.elapsed()).await;
    Ok(exit)
}

fn pull(data: &Path, wanted: &Halt, terminal: Terminal) -> std::io::Result<()> {
    let pulled = Lever::of(data).pull(wanted)?;
    let halt = &pulled.halt;
    if pulled.before {
        terminal.note(&format!(
            "already halted by {} since {}: {}",
            halt.by, halt.at, halt.reason
        ));
    } else {
        terminal.note(&format!("halted by {}: {}", halt.by, halt.reason));
    }
    if let (Kept::Aside, Some(why)) = (pulled.kept, pulled.why) {
        terminal.note(&format!(
            "{} takes no file ({why}): the halt is kept among this user's temporary files, and lasts until this machine \
             starts again",
            data.display()
        ));
    }
    terminal.note("nothing starts until `firedrill resume`");
    Ok(())
}

/// Who sits at the command line, as far as the machine says.
pub(super) fn user() -> String {
    ["USER", "LOGNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()))
        .unwrap_or_else(|| "somebody at the command line".to_owned())
}

/// What is waited for.
struct Wait<'a> {
    common: Common,
    data: &'a Path,
    terminal: Terminal,
    app: Option<App>,
    /// Why the journal could not be opened when it was last tried.
    closed: Option<String>,
    /// Runs that were seen unfinished, and what each still owed when it was last looked at.
    runs: BTreeMap<RunId, usize>,
    told: BTreeSet<String>,
    /// When what is still on is counted next.
    counts_at: Instant,
    stuck: Vec<(RunHandle, RunStatus)>,
    unrecorded: Vec<RunId>,
}

/// How far it has come.
enum Standing {
    Clean,
    Waiting,
    Stuck,
}

impl<'a> Wait<'a> {
    fn new(common: Common, data: &'a Path, terminal: Terminal) -> Self {
        Self {
            common,
            data,
            terminal,
            app: None,
            closed: None,
            runs: BTreeMap::new(),
            told: BTreeSet::new(),
            counts_at: Instant::now() + COUNT_EVERY,
            stuck: Vec::new(),
            unrecorded: Vec::new(),
        }
    }

    async fn until_clean(&mut self, limit: Instant) -> Exit {
        loop {
            match self.look().await {
                Standing::Clean => return Exit::Passed,
                Standing::Stuck => return Exit::Stuck,
                Standing::Waiting if Instant::now() >= limit => return Exit::Stuck,
                Standing::Waiting => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }

    async fn look(&mut self) -> Standing {
        if !Database::is_in(self.data) {
            // Nothing was ever run here, or it is about to make its database: then its lock is there.
            return self.living();
        }
        self.open().await;
        let Some(app) = self.app.clone() else {
            let why = self.closed.clone().unwrap_or_default();
            self.say(&format!(
                "the journal can't be opened yet ({why}): living processes are halted all the same"
            ));
            self.living();
            return Standing::Waiting;
        };
        match self.settle(&app).await {
            Ok(standing) => standing,
            Err(error) => {
                self.say(&format!("the journal can't be read yet: {error}"));
                Standing::Waiting
            }
        }
    }

    async fn open(&mut self) {
        if self.app.is_some() {
            return;
        }
        match tokio::time::timeout(OPENING, self.common.open()).await {
            Ok(Ok(app)) => self.app = Some(app),
            Ok(Err(error)) => self.closed = Some(format!("{error:#}")),
            Err(_) => self.closed = Some(format!("no answer within {} s", OPENING.as_secs())),
        }
    }

    /// Whether processes that drive runs live, as their locks say.
    fn living(&mut self) -> Standing {
        match lock::held(self.data) {
            Ok(held) if held.is_empty() => Standing::Clean,
            Ok(held) => {
                let names: Vec<&str> = held.iter().map(RunId::as_str).collect();
                self.say(&format!(
                    "waiting for living processes: {}",
                    names.join(", ")
                ));
                Standing::Waiting
            }
            Err(error) => {
                self.say(&format!("the locks of runs can't be read: {error}"));
                Standing::Waiting
            }
        }
    }

    /// Takes up what dead processes left, and sees what is still owed.
    async fn settle(&mut self, app: &App) -> Result<Standing, crate::ports::JournalError> {
        let recovered = recovery::recover(&app.supervisor).await?;
        for handle in &recovered.taken {
            self.terminal.note(&format!(
                "undoing what run {} of a dead process left",
                handle.run()
            ));
        }
        for (run, error) in &recovered.failed {
            self.say(&format!("run {run} can't be taken up: {error}"));
        }
        for mut handle in recovered.taken {
            // A run that gets stuck here is said with what is stuck; it is in the journal for `recover`.
            match handle.settled().await {
                RunStatus::Ended {
                    unrecorded: Some(_),
                    ..
                } => self.unrecorded.push(handle.run().clone()),
                status @ RunStatus::Stuck { .. } => {
                    self.stuck.push((handle.clone(), status));
                }
                _ => {}
            }
        }
        let unfinished = app.database.unfinished().await?;
        let open: Vec<RunId> = unfinished
            .into_iter()
            .map(|one| one.run)
            .filter(|run| !self.unrecorded.contains(run))
            .collect();
        for run in &open {
            self.runs.entry(run.clone()).or_insert(0);
        }
        if !self.stuck.is_empty() {
            return Ok(Standing::Stuck);
        }
        if open.is_empty() {
            return Ok(Standing::Clean);
        }
        if Instant::now() >= self.counts_at {
            self.count(app, &open).await;
            self.counts_at = Instant::now() + COUNT_EVERY;
        }
        Ok(Standing::Waiting)
    }

    /// Counts what is still on, and says it.
    async fn count(&mut self, app: &App, open: &[RunId]) {
        let mut owed = 0;
        for run in open {
            match recovery::owed(&app.supervisor, run).await {
                Ok(lines) => {
                    self.runs.insert(run.clone(), lines.len());
                    owed += lines.len();
                }
                // It stays open until it is given up, and halting ends without it.
                Err(error) => self.say(&format!("what run {run} left can't be told: {error}")),
            }
        }
        let names: Vec<&str> = open.iter().map(RunId::as_str).collect();
        self.say(&format!(
            "{owed} fault(s) still on, of run(s) {}",
            names.join(", ")
        ));
    }

    /// Says something once.
    fn say(&mut self, text: &str) {
        if self.told.insert(text.to_owned()) {
            self.terminal.note(text);
        }
    }

    async fn conclude(mut self, exit: Exit, took: Duration) {
        let Some(app) = self.app.take() else {
            match exit {
                Exit::Passed => {
                    self.terminal.note(&format!(
                        "there is no journal in {}; hint: name another folder with `--data DIR`; demos keep theirs in {}",
                        self.data.display(),
                        default_data().join("demo").display()
                    ));
                    self.terminal
                        .result(&format!("nothing runs in {}", self.data.display()));
                }
                _ => self.terminal.error(&format!(
                    "whether everything was undone can't be told: {}; hint: living processes were halted; run \
                     `firedrill recover` once the journal works",
                    self.closed.unwrap_or_default()
                )),
            }
            return;
        };
        for (handle, status) in &self.stuck {
            say_stuck(handle, status, self.terminal);
        }
        for run in &self.unrecorded {
            self.terminal.note(&format!(
                "run {run} is undone, which could not be recorded; hint: `firedrill recover` records it once the data \
                 folder works"
            ));
        }
        if exit == Exit::Passed {
            let (faults, runs) = undone(&app, &self.runs).await;
            self.terminal.result(&format!(
                "everything reads back clean after {:.1} s: {faults} fault(s) of {runs} run(s) undone",
                took.as_secs_f64()
            ));
            app.close(StopCause::Signal).await;
            return;
        }
        if self.stuck.is_empty() {
            for (run, owed) in self.runs.iter().filter(|(_, owed)| **owed > 0) {
                self.terminal
                    .error(&format!("run {run} still owes {owed} undo(s)"));
            }
            self.terminal.error(&format!(
                "not everything is undone after {} s; hint: `firedrill recover` tries again once its process is gone",
                PATIENCE.as_secs()
            ));
        }
    }
}

/// How many faults of how many runs were undone since each was stopped or taken up, as their logs say.
async fn undone(app: &App, seen: &BTreeMap<RunId, usize>) -> (usize, usize) {
    let since = app.lever.state().map(|halt| halt.at);
    let mut runs: BTreeSet<RunId> = seen.keys().cloned().collect();
    // Those that were over before the first look.
    let recent = app
        .database
        .recent_runs(100, None)
        .await
        .unwrap_or_default();
    runs.extend(
        recent
            .into_iter()
            .filter(|row| since.is_some() && row.ended >= since)
            .map(|row| row.id),
    );
    let (mut faults, mut with) = (0, 0);
    for run in runs {
        let events = app.database.load(&run).await.unwrap_or_default();
        let stopped = events.iter().position(|event| {
            matches!(
                &event.fact,
                Fact::StopRequested {
                    cause: StopCause::Halt { .. }
                } | Fact::Interrupted { .. }
            )
        });
        let after = stopped.map_or(&[][..], |place| &events[place..]);
        let count = after
            .iter()
            .filter(|event| matches!(event.fact, Fact::Undone { .. }))
            .count();
        faults += count;
        with += usize::from(stopped.is_some());
    }
    (faults, with)
}
