//! `firedrill token`: API tokens, made and ended on the data folder, with or without a server.

use std::collections::BTreeMap;

use anyhow::anyhow;
use clap::Subcommand;
use jiff::SignedDuration;
use serde_json::json;

use super::Common;
use super::exit::Exit;
use super::halt::user;
use super::terminal::Terminal;
use crate::app::App;
use crate::clock::random;
use crate::engine::event::StopCause;
use crate::http::{new_token, token_digest};
use crate::model::access::{Grant, Role, Scope};
use crate::model::ids::{StackName, TeamName, TokenName};
use crate::ports::Clock as _;
use crate::store::audit::{Deed, Through};
use crate::store::tokens::NewToken;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  firedrill token create ci --role operator --stack wallet-staging
  firedrill token list
  firedrill token revoke ci

A token is sent as `Authorization: Bearer TOKEN`, and refused in an address.
What each role may do: docs/access.md.")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a token and print it: it is kept nowhere, and never shown again
    Create(CreateArgs),
    /// List the tokens there are
    List,
    /// End a token
    Revoke {
        /// Its name
        name: TokenName,
    },
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  firedrill token create ci --role operator --stack wallet-staging --days 30")]
struct CreateArgs {
    /// Its name, under which it acts
    name: TokenName,
    /// What it may do: viewer, responder, operator or administrator
    #[arg(long, value_parser = role)]
    role: Role,
    /// Only what drills this team
    #[arg(long, value_name = "TEAM")]
    team: Option<TeamName>,
    /// Only what happens on this stack
    #[arg(long, value_name = "STACK")]
    stack: Option<StackName>,
    /// How many days it lasts
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..=366))]
    days: u16,
}

fn role(text: &str) -> Result<Role, String> {
    Role::named(text)
        .ok_or_else(|| format!("the roles are {}", Role::ALL.map(Role::as_str).join(", ")))
}

pub(super) async fn run(args: Args, common: Common, terminal: Terminal) -> anyhow::Result<Exit> {
    let app = common.open().await?;
    let done = match args.command {
        Command::Create(args) => create(&app, &args, terminal).await,
        Command::List => list(&app, terminal).await,
        Command::Revoke { name } => revoke(&app, &name, terminal).await,
    };
    app.close(StopCause::Signal).await;
    done
}

async fn create(app: &App, args: &CreateArgs, terminal: Terminal) -> anyhow::Result<Exit> {
    let now = app.clock.now().wall;
    let grant = Grant {
        role: args.role,
        scope: Scope {
            team: args.team.clone(),
            stack: args.stack.clone(),
        },
    };
    let maker = audit(app, "token create", &args.name).await?;
    let token = new_token();
    let new = NewToken {
        name: args.name.as_str(),
        token_sha256: &token_digest(&token),
        grant: &grant,
        created_by: &maker,
        now,
        expires: now.checked_add(SignedDuration::from_hours(24 * i64::from(args.days)))?,
    };
    if !app.database.add_token(&new).await? {
        terminal.error(&format!(
            "there is a token `{0}` already; hint: give another name, or end it with `firedrill token revoke {0}`",
            args.name
        ));
        return Ok(Exit::Usage);
    }
    terminal.note(&format!(
        "token `{}` lasts until {}; it is kept nowhere and never shown again:",
        args.name, new.expires
    ));
    terminal.result(&token);
    Ok(Exit::Passed)
}

async fn list(app: &App, terminal: Terminal) -> anyhow::Result<Exit> {
    let tokens = app.database.tokens().await?;
    let makers: Vec<&str> = tokens
        .iter()
        .map(|token| token.created_by.as_str())
        .collect();
    let names: BTreeMap<String, String> = app.database.names(&makers).await?;
    let now = app.clock.now().wall;
    let lines: Vec<String> = tokens
        .iter()
        .map(|token| {
            let scope = &token.grant.scope;
            let team = scope.team.as_ref().map(|team| format!(" for team {team}"));
            let stack = scope
                .stack
                .as_ref()
                .map(|stack| format!(" on stack {stack}"));
            let used = token
                .used
                .map_or("never used".to_owned(), |at| format!("last used {at}"));
            format!(
                "{}: {}{}{}, by {}, {} {}, {used}",
                token.name,
                token.grant.role.as_str(),
                team.unwrap_or_default(),
                stack.unwrap_or_default(),
                names.get(&token.created_by).unwrap_or(&token.created_by),
                if token.expires <= now {
                    "ended"
                } else {
                    "until"
                },
                token.expires,
            )
        })
        .collect();
    if lines.is_empty() {
        terminal.note("there is no token");
    } else {
        terminal.result(&lines.join("\n"));
    }
    Ok(Exit::Passed)
}

async fn revoke(app: &App, name: &TokenName, terminal: Terminal) -> anyhow::Result<Exit> {
    audit(app, "token revoke", name).await?;
    if app.database.revoke_token(name.as_str()).await? {
        terminal.result(&format!("token `{name}` is none any more"));
        return Ok(Exit::Passed);
    }
    terminal.error(&format!(
        "there is no token `{name}`; hint: `firedrill token list` names them"
    ));
    Ok(Exit::Usage)
}

/// Writes down who changes what, before it is done. Answers with their pseudonym.
async fn audit(app: &App, command: &str, name: &TokenName) -> anyhow::Result<String> {
    let draw = || {
        let mut bytes = [0; 6];
        bytes.copy_from_slice(&random().to_be_bytes()[2..]);
        bytes
    };
    let pseudonym = app.database.pseudonym_of(&user(), draw).await?;
    let deed = Deed {
        at: app.clock.now().wall,
        actor: Some(pseudonym.clone()),
        through: Through::CommandLine,
        act: format!("firedrill {command}"),
        about: json!({"subject": {"name": name}}),
    };
    app.database.audit(&deed).await.map_err(|error| {
        anyhow!("nothing was changed, because it could not be audited: {error}")
    })?;
    Ok(pseudonym)
}
