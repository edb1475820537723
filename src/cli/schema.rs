//! `firedrill schema`: JSON Schema, for editors.

use super::exit::Exit;
use super::terminal::Terminal;
use crate::spec::{self, Kind};

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  firedrill schema drill > drill.schema.json")]
pub(super) struct Args {
    /// The kind: stack, experiment, drill, gameday, runbook, team, channel or messages
    #[arg(value_parser = kind)]
    kind: Kind,
}

fn kind(text: &str) -> Result<Kind, String> {
    let wanted = text.to_lowercase();
    let known = Kind::ALL;
    known
        .into_iter()
        .find(|kind| kind.as_str().to_lowercase() == wanted)
        .ok_or_else(|| {
            let names = known.map(|kind| kind.as_str().to_lowercase()).join(", ");
            format!("the kinds are {names}")
        })
}

pub(super) fn run(args: &Args, terminal: Terminal) -> anyhow::Result<Exit> {
    terminal.result(&serde_json::to_string_pretty(&spec::schema::schema(
        args.kind,
    ))?);
    Ok(Exit::Passed)
}
