//! The command line: one file a command. Results go to standard output, everything else to standard error.

mod abandoned;
mod bearer;
mod demo;
mod enter;
pub(crate) mod event;
mod exit;
mod explain;
mod follow;
mod forecast;
mod halt;
mod live;
mod recover;
pub mod reference;
mod report;
mod resume;
mod run;
mod schema;
mod serve;
mod site;
mod teller;
mod terminal;
mod token;
mod toxiproxy;
mod validate;
mod wallet;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use tracing::level_filters::LevelFilter;

pub use exit::Exit;

use crate::app::{App, Settings, default_data};
use crate::spec::{Config, Options};
use crate::store::database::READERS;
use terminal::Terminal;

/// Incident drills and experiments on staging wallet stacks: breaks them on purpose, times the team, undoes everything.
#[derive(Debug, Parser)]
#[command(name = "firedrill", version, arg_required_else_help = true, max_term_width = 100, after_help = EXAMPLES)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  firedrill demo                              see a whole drill in a minute
  firedrill validate drills experiments       check files
  firedrill run experiments/slow-signer.yaml  run one, as a gate in CI
  firedrill serve                             web UI, API and schedule

Exit status:
  0  passed
  1  failed: the hypothesis did not hold, or the team did not reach `pass`
  2  the command line or a file is wrong; nothing was touched
  3  aborted by a halt, a stop condition or a signal; everything was undone
  4  errored: firedrill could not do its work; everything was undone
  5  something could not be undone: `firedrill recover` tries again";

/// The heading of what every command takes, so that a command's own options come first.
const FOLDERS: &str = "Folders";

/// What every command takes.
#[derive(Debug, Clone, Args)]
struct Common {
    /// Where runs are recorded [default: the platform's data folder]
    #[arg(long, global = true, help_heading = FOLDERS, value_name = "DIR", env = "FIREDRILL_DATA", hide_env_values = true)]
    data: Option<PathBuf>,
    /// Where stacks are looked for [default: stacks/ in the working folder, else beside the file]
    #[arg(long, global = true, help_heading = FOLDERS, value_name = "DIR")]
    stacks: Option<PathBuf>,
    /// Where everything else is looked for [default: beside the file]
    #[arg(long, global = true, help_heading = FOLDERS, value_name = "DIR")]
    library: Option<PathBuf>,
}

/// Values of variables.
#[derive(Debug, Clone, Default, Args)]
struct Variables {
    /// Give a variable that the files declare this value; may be repeated
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = variable)]
    vars: Vec<(String, String)>,
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show a whole drill on a demo wallet stack, with a scripted team
    Demo(demo::Args),
    /// Run the server: web UI, API, hooks and schedule
    Serve(serve::Args),
    /// Run experiments or drills, and end with what they came to
    Run(run::Args),
    /// Check files and folders, without running anything
    Validate(validate::Args),
    /// Say what a run of a file would do, without asking any target
    Explain(explain::Args),
    /// Halt everything: undo all that is on, and let nothing start
    Halt(halt::Args),
    /// Lift the halt
    Resume(resume::Args),
    /// Undo what runs whose process died have left
    Recover(recover::Args),
    /// Do as a responder what the run room's forms do, in a drill that a server runs
    Event(event::Args),
    /// Show the report of a run
    Report(report::Args),
    /// Reckon how long users may be hurt in the time ahead, from drills
    Forecast(forecast::Args),
    /// Print the JSON Schema of a kind of file
    Schema(schema::Args),
    /// Make, list and end API tokens
    Token(token::Args),
    /// Run a Toxiproxy-compatible server alone
    Toxiproxy(toxiproxy::Args),
    /// Start the demo wallet stack, or one of its services
    Wallet(wallet::Args),
}

impl Common {
    fn data(&self) -> PathBuf {
        self.data.clone().unwrap_or_else(default_data)
    }

    /// Where files are looked for, and what they may refer to.
    fn options(&self, variables: &Variables) -> Options {
        Options {
            stacks_dir: self.stacks.clone(),
            library_dir: self.library.clone(),
            vars: variables.vars.iter().cloned().collect::<BTreeMap<_, _>>(),
            env: crate::secret::environment(),
        }
    }

    /// Opens the data folder for a command that somebody typed: any program may run, only staging may be touched.
    async fn open(&self) -> anyhow::Result<App> {
        self.open_with(&Config::default(), false).await
    }

    fn settings(&self) -> Settings {
        self.settings_of(&Config::default(), false)
    }

    /// Opens it as a configuration says; of programs only where `bounded`.
    async fn open_with(&self, config: &Config, bounded: bool) -> anyhow::Result<App> {
        Ok(App::open(self.settings_of(config, bounded)).await?)
    }

    fn settings_of(&self, config: &Config, bounded: bool) -> Settings {
        Settings {
            data: self.data(),
            environments: config.environments.clone(),
            programs: bounded.then(|| config.programs.clone()),
            protected: config.protected.clone(),
            runs: config.runs,
            channels: config.channels.clone(),
            readers: if bounded { READERS } else { 1 },
        }
    }
}

/// Reads the command line, does what it says, and answers with the exit status.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are results; anything else is a wrong command line.
            let _ = error.print();
            return if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Passed
            }
            .into();
        }
    };
    let long_lived = matches!(cli.command, Command::Serve(_) | Command::Toxiproxy(_));
    crate::telemetry::start(if long_lived {
        LevelFilter::INFO
    } else {
        LevelFilter::ERROR
    });
    let terminal = Terminal::detect();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            terminal.error(&format!("the runtime could not be started: {error}"));
            return Exit::Errored.into();
        }
    };
    let done = runtime.block_on(dispatch(cli, terminal));
    // What could not be undone is in the journal; tasks that still try must not keep the process.
    runtime.shutdown_background();
    match done {
        Ok(exit) => exit.into(),
        Err(error) => {
            terminal.error(&format!("{error:#}"));
            Exit::Errored.into()
        }
    }
}

async fn dispatch(cli: Cli, terminal: Terminal) -> anyhow::Result<Exit> {
    let Cli { common, command } = cli;
    match command {
        Command::Demo(args) => Box::pin(demo::run(args, common, terminal)).await,
        Command::Serve(args) => Box::pin(serve::run(args, common, terminal)).await,
        Command::Run(args) => Box::pin(run::run(args, common, terminal)).await,
        Command::Validate(args) => validate::run(&args, &common, terminal),
        Command::Explain(args) => Ok(explain::run(&args, &common, terminal)),
        Command::Halt(args) => Box::pin(halt::run(args, common, terminal)).await,
        Command::Resume(args) => Ok(resume::run(&args, &common, terminal)),
        Command::Recover(args) => Box::pin(recover::run(args, common, terminal)).await,
        Command::Event(args) => Box::pin(event::run(args, terminal)).await,
        Command::Report(args) => Box::pin(report::run(args, common, terminal)).await,
        Command::Forecast(args) => Box::pin(forecast::run(args, common, terminal)).await,
        Command::Schema(args) => schema::run(&args, terminal),
        Command::Token(args) => Box::pin(token::run(args, common, terminal)).await,
        Command::Toxiproxy(args) => Box::pin(toxiproxy::run(args, terminal)).await,
        Command::Wallet(args) => Box::pin(wallet::run(args, terminal)).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
