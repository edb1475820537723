//! `firedrill run`: experiments and drills as a gate.
//!
//! Every file that is given is in every report, in order. Nothing is touched before all files, the command line and the
//! reports' own files are seen to be right.

mod day;
mod list;
mod outputs;
mod remote;
mod room;
mod turns;

use std::path::PathBuf;

use super::exit::Exit;
use super::terminal::Terminal;
use super::{Common, Variables};
use crate::app::App;
use crate::engine::event::StopCause;
use crate::engine::watch::SampleResult;
use crate::lifecycle::Signals;
use crate::model::drill::{Autopilot, Profile};
use crate::model::plan::Plan;
use crate::score::report::entry::{Cause, Entry, Unjudged};
use crate::spec::{self, Findings, Loaded};
use day::Place;
use list::List;
use turns::Planned;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  firedrill run experiments/slow-signer.yaml
  firedrill run experiments/*.yaml --junit results.xml --markdown summary.md
  firedrill run drills/signer-outage.yaml      be drilled; the room is named
  firedrill run drills/bad-token.yaml --dry-run --var host=127.0.0.2
  firedrill run gamedays/keys-and-tokens.yaml --autopilot seasoned
  firedrill run experiments/*.yaml --server https://drills.example.org

Every file is checked before anything is touched. SIGINT, SIGTERM, SIGQUIT and
SIGHUP undo everything, then end with exit status 3. Of several files the worst
exit status counts.

Every file is in every report, in order: one that could not be begun as an
error, one that was not begun because a signal ended the list as skipped. A
wrong file is reported as well, with the others as skipped; a wrong command
line writes no report. With GITHUB_STEP_SUMMARY set, the Markdown report is
appended to that file too.

A game day's drills have their turns as if their files had been given one after
the other, each after its pause. Where one comes to something that the game day
does not go on after, those behind it are reported as skipped, and so they are
where a signal comes during a pause.

While a drill is run, or an experiment that stops on an alert, its room is
served on loopback, with the API that people act through and the hook that takes
alerts, and nobody can start anything there. It goes when the last file is over.

With `--server` the runs are that server's, of its library: a FILE is looked for
there by its kind and name, and must be the same there, byte for byte, with all
that belongs to it; what is no file here is a name of a drill or an experiment
there. Nothing of a file is sent, since programs come only from the server's own
disk. Reports and exit statuses are the same as here. A dropped connection is
taken up where it broke; a signal asks the server to undo everything, and is
waited for. Where the server stays away, the run goes on there, and the exit
status is 4. A game day is given as a file; the server holds it and its pauses,
and begins nothing more of it after a signal.

A step that waits for a person is continued with Enter where standard input is a
terminal, and in the room where there is one. Where there is neither, what its
file says happens at once.")]
pub(super) struct Args {
    /// Files of experiments, drills or game days
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Look at every target, ask each probe once, and say what would be done; touch nothing
    #[arg(long)]
    dry_run: bool,
    /// Make random draws repeatable [default: a new one each run]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Let a scripted team respond in place of people, as a rehearsal: seasoned, new or absent
    #[arg(long, value_name = "PROFILE")]
    autopilot: Option<Profile>,
    /// What the scripted team draws its pace from
    #[arg(long, value_name = "N", default_value_t = 1)]
    autopilot_seed: u64,
    #[command(flatten)]
    outputs: outputs::Outputs,
    #[command(flatten)]
    room: room::Wish,
    #[command(flatten)]
    remote: remote::Elsewhere,
    #[command(flatten)]
    variables: Variables,
}

impl Args {
    /// The scripted team that is wanted.
    fn autopilot(&self) -> Option<Autopilot> {
        self.autopilot.map(|profile| Autopilot {
            profile,
            seed: self.autopilot_seed,
        })
    }
}

pub(super) async fn run(args: Args, common: Common, terminal: Terminal) -> anyhow::Result<Exit> {
    if args.remote.is_wanted() {
        return Ok(Box::pin(remote::run(args, common, terminal)).await);
    }
    let mut read = read(&args, &common, terminal);
    if let Some(autopilot) = args.autopilot() {
        let planned = read.iter_mut().filter_map(|(_, read)| read.as_mut().ok());
        for Planned { file, plan, .. } in planned.flatten() {
            let Some(exercise) = &mut plan.drill else {
                terminal.error(&format!(
                    "`--autopilot` scripts the team of a drill, and {} is an experiment",
                    file.display()
                ));
                return Ok(Exit::Usage);
            };
            exercise.drill.autopilot = Some(autopilot);
        }
    }
    let options = common.options(&args.variables);
    let planned = read.iter().filter_map(|(_, read)| read.as_ref().ok());
    let plans = planned.flatten().map(|planned| &planned.plan);
    let arrangement = match args.room.arrange(plans, &options, terminal) {
        Ok(arrangement) => arrangement,
        Err(error) => {
            terminal.error(&format!("{error:#}"));
            return Ok(Exit::Usage);
        }
    };
    if let Err(error) = args.outputs.prepare() {
        terminal.error(&format!("{error:#}"));
        return Ok(Exit::Usage);
    }
    let files = match sort(read) {
        Ok(files) => files,
        Err(_) if args.dry_run => return Ok(Exit::Usage),
        Err(entries) => return Ok(finish(&args, &entries, Exit::Usage, terminal)),
    };
    if args.dry_run {
        return rehearse(&common, arrangement, files, args.seed, terminal).await;
    }
    let (exit, entries) = Box::pin(perform(&args, &common, arrangement, files, terminal)).await;
    Ok(finish(&args, &entries, exit, terminal))
}

/// A file that was given, with what it asks to be run: of a game day, each of its drills.
type Read = (PathBuf, Result<Vec<Planned>, Findings>);

/// Reads every file, and says what is wrong with each.
fn read(args: &Args, common: &Common, terminal: Terminal) -> Vec<Read> {
    let options = common.options(&args.variables);
    let read = args.files.iter().enumerate().map(|(index, file)| {
        let loaded = spec::load(file, &options);
        if let Err(findings) = &loaded {
            terminal
                .block(&findings.render_within(terminal.has_colour(), terminal.findings_width()));
        }
        let planned = loaded.map(|loaded| match loaded {
            Loaded::Plan(plan) => vec![Planned {
                file: file.clone(),
                plan: *plan,
                place: None,
            }],
            Loaded::GameDay(programme) => Place::all(index, *programme),
        });
        (file.clone(), planned)
    });
    read.collect()
}

/// The plans; or, where one file is wrong, what that comes to for each: one wrong file stops them all.
fn sort(read: Vec<Read>) -> Result<Vec<Planned>, Vec<Entry>> {
    if read.iter().all(|(_, planned)| planned.is_ok()) {
        let files = read.into_iter().filter_map(|(_, planned)| planned.ok());
        return Ok(files.flatten().collect());
    }
    let mut entries = Vec::new();
    for (file, planned) in read {
        match planned {
            Ok(planned) => entries.extend(planned.iter().map(|planned| {
                let reason = "not begun: another file of the list is wrong";
                Entry::from(planned.without_run(Cause::Skipped, Exit::Usage, reason))
            })),
            Err(findings) => {
                let (file, text) = (file.display().to_string(), findings.render(false));
                let (usage, text) = (Exit::Usage.code(), text.trim_end());
                entries.push(Unjudged::new(file, None, Cause::WrongFile, usage, text).into());
            }
        }
    }
    Err(entries)
}

/// Writes the reports, and says what several files came to together.
fn finish(args: &Args, entries: &[Entry], exit: Exit, terminal: Terminal) -> Exit {
    let exit = if args.outputs.write(entries, terminal) {
        exit
    } else {
        exit.worst(Exit::Errored)
    };
    if entries.len() > 1 {
        let passed = entries
            .iter()
            .filter(|entry| entry.exit_code() == Some(0))
            .count();
        terminal.note(&format!(
            "{passed} of {} files passed (exit {})",
            entries.len(),
            exit.code()
        ));
    }
    exit
}

/// Opens what runs need, runs all files, and closes it. Answers with an entry for each file, whatever happens.
async fn perform(
    args: &Args,
    common: &Common,
    arrangement: room::Arrangement,
    files: Vec<Planned>,
    terminal: Terminal,
) -> (Exit, Vec<Entry>) {
    let none_begun = |reason: &str| {
        terminal.error(reason);
        let entries = files.iter().map(|file| {
            file.without_run(Cause::NotBegun, Exit::Errored, reason)
                .into()
        });
        (Exit::Errored, entries.collect())
    };
    let mut signals = match Signals::catch() {
        Ok(signals) => signals,
        Err(error) => return none_begun(&format!("signals can't be caught: {error}")),
    };
    let app = match common.open_with(&arrangement.config, false).await {
        Ok(app) => app,
        Err(error) => return none_begun(&format!("{error:#}")),
    };
    let room = match arrangement.open(&app, terminal).await {
        Ok(room) => room,
        Err(error) => {
            app.close(StopCause::Signal).await;
            return none_begun(&format!("{error:#}"));
        }
    };
    let list = List {
        app: &app,
        seed: args.seed,
        room,
        signals: &mut signals,
        terminal,
    };
    let entries = Box::pin(list.run(files)).await;
    let exit = entries
        .iter()
        .map(|entry| entry.exit_code().map_or(Exit::Errored, Exit::of_code))
        .fold(Exit::Passed, Exit::worst);
    if exit != Exit::Stuck {
        app.close(StopCause::Signal).await;
    }
    (exit, entries)
}

async fn rehearse(
    common: &Common,
    arrangement: room::Arrangement,
    files: Vec<Planned>,
    seed: Option<u64>,
    terminal: Terminal,
) -> anyhow::Result<Exit> {
    let app = common.open_with(&arrangement.config, false).await?;
    let exit = look(&app, files, seed, terminal).await;
    app.close(StopCause::Signal).await;
    Ok(exit)
}

async fn look(app: &App, files: Vec<Planned>, seed: Option<u64>, terminal: Terminal) -> Exit {
    let mut exit = Exit::Passed;
    for Planned { plan, place, .. } in files {
        if let Some(place) = place {
            terminal.note(&place.announced(plan.name()));
        }
        let draws = !plan.to_draw().is_empty();
        let (plan, seed) = app.draw(plan, seed).await;
        if draws {
            terminal.note(&format!(
                "drawn by seed {seed}; `--seed {seed}` draws the same"
            ));
        }
        let plan = &plan;
        terminal.result(&spec::explain::explain_within(
            plan,
            terminal.report_width(),
        ));
        match app.rehearse(plan).await {
            Ok(proof) => {
                for line in proof {
                    terminal.note(&format!("✓ {line}"));
                }
                exit = exit.worst(ask(app, plan, terminal).await);
                terminal.note("dry run: nothing was touched");
            }
            Err(findings) => {
                for finding in findings {
                    terminal.error(&finding);
                }
                exit = Exit::Errored;
            }
        }
    }
    exit
}

/// Asks each probe once: a run whose steady state does not hold would end before it touches anything.
async fn ask(app: &App, plan: &Plan, terminal: Terminal) -> Exit {
    let Some(answers) = app.ask_probes(plan).await else {
        terminal
            .note("· no probe was asked: not all of the stack's links are carried yet; a run sees to that first");
        return Exit::Passed;
    };
    let mut exit = Exit::Passed;
    for (probe, sample) in answers {
        match sample.result {
            SampleResult::Passed => {
                terminal.note(&format!(
                    "✓ probe {probe}: passes, in {} ms",
                    sample.took.as_millis()
                ));
            }
            SampleResult::Failed(why) => {
                terminal.error(&format!("probe {probe}: fails: {why}"));
                exit = Exit::Errored;
            }
            SampleResult::Unknown(why) => {
                terminal.error(&format!("probe {probe}: can't be asked: {why}"));
                exit = Exit::Errored;
            }
        }
    }
    exit
}
