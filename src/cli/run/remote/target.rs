//! What shall run on a server: a file of this machine that the server has too, or a name in the server's library.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::client::{Client, Finding, Trouble};
use super::day::{Day, Part};
use crate::cli::exit::Exit;
use crate::cli::run::day::Place;
use crate::cli::run::turns::Planned;
use crate::cli::terminal::Terminal;
use crate::lifecycle::Signals;
use crate::model::gameday::Programme;
use crate::model::plan::{Plan, SourceFile};
use crate::score::report::entry::{Cause, Entry, Unjudged};
use crate::secret;
use crate::spec::{self, Loaded, Options};

/// A server lists its library from memory for two seconds.
const LISTED_ANEW: Duration = Duration::from_millis(2500);

/// What shall run.
#[derive(Debug)]
pub(super) struct Target {
    /// Its file, or its name, as it was given; its plan as it is here, else as the server has it.
    pub(super) planned: Planned,
    /// `drill` or `experiment`.
    pub(super) kind: &'static str,
    pub(super) name: String,
    /// Which drill of a game day that the server holds it is, if it is one's.
    pub(super) part: Option<Part>,
}

/// A drill or an experiment as the server lists it.
#[derive(Debug, Deserialize)]
struct Listed {
    plan: Option<Plan>,
    #[serde(default)]
    findings: Vec<Finding>,
}

/// Why a target can't be run.
struct Wrong {
    plan: Option<Plan>,
    exit: Exit,
    reason: String,
    /// Whether the server's library may only have been listed too early.
    passing: bool,
}

impl Wrong {
    fn usage(plan: Option<Plan>, reason: impl Into<String>) -> Self {
        Self {
            plan,
            exit: Exit::Usage,
            reason: reason.into(),
            passing: false,
        }
    }

    fn of_the_library(plan: &Plan, reason: String) -> Self {
        Self {
            passing: true,
            ..Self::usage(Some(plan.clone()), reason)
        }
    }
}

/// All targets; or, where one is wrong, what that comes to for each: one wrong file stops them all.
pub(super) async fn read_all(
    client: &Arc<Client>,
    files: &[PathBuf],
    options: &Options,
    signals: &mut Signals,
    terminal: Terminal,
) -> Result<Vec<Target>, (Exit, Vec<Entry>)> {
    let mut read = Vec::new();
    for (index, file) in files.iter().enumerate() {
        // Cancel safe: nothing was asked for that would have to be taken back.
        let one = tokio::select! {
            one = targets(client, (index, file), options, terminal) => one,
            () = signals.next() => Err(Wrong {
                plan: None,
                exit: Exit::Aborted,
                reason: "a signal ended the command before anything was started".to_owned(),
                passing: false,
            }),
        };
        let over = one.as_ref().is_err_and(|wrong| wrong.exit != Exit::Usage);
        read.push((file.clone(), one));
        if over {
            break;
        }
    }
    let exit = read
        .iter()
        .filter_map(|(_, one)| one.as_ref().err())
        .map(|wrong| wrong.exit)
        .reduce(Exit::worst);
    let Some(exit) = exit else {
        let read = read.into_iter().filter_map(|(_, targets)| targets.ok());
        return Ok(read.flatten().collect());
    };
    let looked_at = read.len();
    let mut entries: Vec<Entry> = Vec::new();
    for (file, one) in read {
        let file = file.display().to_string();
        match one {
            Ok(targets) => entries.extend(targets.iter().map(|target| {
                let file = target.planned.file.display().to_string();
                skipped(&file, Some(&target.planned.plan), exit)
            })),
            Err(wrong) => {
                let cause = match wrong.exit {
                    Exit::Usage => Cause::WrongFile,
                    Exit::Aborted => Cause::Skipped,
                    _ => Cause::NotBegun,
                };
                let (plan, code) = (wrong.plan.as_ref(), wrong.exit.code());
                entries.push(Unjudged::new(file, plan, cause, code, wrong.reason).into());
            }
        }
    }
    for file in &files[looked_at..] {
        entries.push(skipped(&file.display().to_string(), None, exit));
    }
    Err((exit, entries))
}

fn skipped(file: &str, plan: Option<&Plan>, exit: Exit) -> Entry {
    let reason = "not begun: something is wrong with another file of the list, or with the server";
    Unjudged::new(file, plan, Cause::Skipped, exit.code(), reason).into()
}

async fn targets(
    client: &Client,
    (index, file): (usize, &Path),
    options: &Options,
    terminal: Terminal,
) -> Result<Vec<Target>, Wrong> {
    let told = if file.exists() || !is_name(file) {
        known(client, (index, file), options, terminal).await
    } else {
        named(client, file).await.map(|target| vec![target])
    };
    if let Err(wrong) = &told {
        terminal.error(&format!("{}: {}", file.display(), wrong.reason));
    }
    told
}

/// Whether this can be a name in the server's library rather than a file that is missing here.
fn is_name(file: &Path) -> bool {
    let text = file.to_str().unwrap_or_default();
    let is_file = [".yaml", ".yml", ".json", ".md"]
        .iter()
        .any(|end| text.ends_with(end));
    !is_file && text.parse::<crate::model::ids::DrillName>().is_ok()
}

/// A file of this machine, which must be the same on the server.
async fn known(
    client: &Client,
    (index, file): (usize, &Path),
    options: &Options,
    terminal: Terminal,
) -> Result<Vec<Target>, Wrong> {
    // The server's secrets are the server's: here they need not be set.
    let options = Options {
        env: Arc::new(|name| Some(secret::reference(name))),
        ..options.clone()
    };
    let loaded = spec::load(file, &options).map_err(|findings| {
        terminal.block(&findings.render_within(terminal.has_colour(), terminal.findings_width()));
        Wrong::usage(None, findings.render(false).trim_end())
    })?;
    let plan = match loaded {
        Loaded::Plan(plan) => *plan,
        Loaded::GameDay(programme) => return Ok(of_day(index, *programme)),
    };
    let (kind, name) = (kind(&plan), plan.name().to_owned());
    let mut told = compare(client, kind, &name, &plan).await;
    if told.as_ref().is_err_and(|wrong| wrong.passing) {
        // The listing may be from before its library was brought up to date.
        tokio::time::sleep(LISTED_ANEW).await;
        told = compare(client, kind, &name, &plan).await;
    }
    told?;
    Ok(vec![Target {
        planned: Planned {
            file: file.to_owned(),
            plan,
            place: None,
        },
        kind,
        name,
        part: None,
    }])
}

/// The drills of a game day, which the server holds as one. Its start is refused where the server's files differ.
fn of_day(index: usize, programme: Programme) -> Vec<Target> {
    let name = programme.day.name.to_string();
    let day = Day::new(name, programme.files.clone());
    let planned = Place::all(index, programme).into_iter().enumerate();
    let targets = planned.map(|(index, planned)| Target {
        name: planned.plan.name().to_owned(),
        kind: "drill",
        planned,
        part: Some(Part {
            day: day.clone(),
            index,
        }),
    });
    targets.collect()
}

/// Holds what the server has by this name to the plan of the file here.
async fn compare(client: &Client, kind: &str, name: &str, plan: &Plan) -> Result<(), Wrong> {
    let Some(listed) = look(client, kind, name, Some(plan)).await? else {
        let reason = format!(
            "the server's library has no {kind} `{name}`; hint: bring its library up to date: files never come with a \
             request, since they may name programs to run"
        );
        return Err(Wrong::of_the_library(plan, reason));
    };
    let there = listed.plan.map(|plan| plan.files).unwrap_or_default();
    let differ = differences(&plan.files, &there);
    if differ.is_empty() {
        return Ok(());
    }
    let reason = format!(
        "the server has {kind} `{name}` with other files: {}; hint: bring its library, or this one, up to date",
        differ.join(", ")
    );
    Err(Wrong::of_the_library(plan, reason))
}

/// A name in the server's library.
async fn named(client: &Client, file: &Path) -> Result<Target, Wrong> {
    let name = file.display().to_string();
    let drill = look(client, "drill", &name, None).await?;
    let experiment = look(client, "experiment", &name, None).await?;
    let (kind, listed) = match (drill, experiment) {
        (Some(drill), None) => ("drill", drill),
        (None, Some(experiment)) => ("experiment", experiment),
        (Some(_), Some(_)) => {
            let reason = format!(
                "the server has a drill and an experiment `{name}`; hint: give the file of the one that is meant"
            );
            return Err(Wrong::usage(None, reason));
        }
        (None, None) => {
            let reason = format!(
                "there is no file `{name}` here, and the server's library has neither a drill nor an experiment of that name"
            );
            return Err(Wrong::usage(None, reason));
        }
    };
    let Some(plan) = listed.plan else {
        return Err(Wrong::usage(None, "the server shows no plan of it"));
    };
    Ok(Target {
        planned: Planned {
            file: file.to_owned(),
            plan,
            place: None,
        },
        kind,
        name,
        part: None,
    })
}

/// What the server has by this name, where it has anything that can be started.
async fn look(
    client: &Client,
    kind: &str,
    name: &str,
    plan: Option<&Plan>,
) -> Result<Option<Listed>, Wrong> {
    let path = format!("/{kind}s/{}", name.replace('#', "%23"));
    match client
        .patiently(async || client.get::<Listed>(&path).await)
        .await
    {
        Ok(listed) if listed.plan.is_none() && !listed.findings.is_empty() => {
            let found: Vec<String> = listed.findings.iter().map(ToString::to_string).collect();
            let reason = format!(
                "the server's {kind} `{name}` can't be started: {}",
                found.join("\n  ")
            );
            Err(Wrong::usage(plan.cloned(), reason))
        }
        Ok(listed) => Ok(Some(listed)),
        Err(Trouble::Refused(refusal)) if refusal.code.starts_with("no-such-") => Ok(None),
        Err(trouble) => Err(Wrong {
            passing: false,
            plan: plan.cloned(),
            exit: match &trouble {
                Trouble::Refused(refusal) if matches!(refusal.status, 401 | 403) => Exit::Usage,
                _ => Exit::Errored,
            },
            reason: match &trouble {
                Trouble::Away(why) => format!("{} can't be used: {why}", client.base()),
                Trouble::Refused(_) => trouble.to_string(),
            },
        }),
    }
}

fn kind(plan: &Plan) -> &'static str {
    if plan.drill.is_some() {
        "drill"
    } else {
        "experiment"
    }
}

/// The files that are on one side only, or with another content on the other.
fn differences(here: &[SourceFile], there: &[SourceFile]) -> Vec<String> {
    let lacks =
        |all: &[SourceFile], one: &SourceFile| !all.iter().any(|other| other.sha256 == one.sha256);
    let ours = here.iter().filter(|file| lacks(there, file));
    let ours = ours.map(|file| format!("{} here", file.path));
    let theirs = there.iter().filter(|file| lacks(here, file));
    ours.chain(theirs.map(|file| format!("{} there", file.path)))
        .collect()
}
