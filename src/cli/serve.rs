//! `firedrill serve`: web UI, API, hooks and schedule.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;

use super::exit::Exit;
use super::follow::{say_stuck, say_what_is_left};
use super::site::Site;
use super::terminal::Terminal;
use super::{Common, Variables};
use crate::app::App;
use crate::clock::secret;
use crate::engine::event::StopCause;
use crate::http::shelf::Shelf;
use crate::http::{Gate, Published, Tls};
use crate::lifecycle::{Signals, raise_open_files};
use crate::spec::read_config;

/// Where files are when nobody says.
const SHELVES: [&str; 8] = [
    "stacks",
    "experiments",
    "drills",
    "gamedays",
    "runbooks",
    "teams",
    "channels",
    "messages",
];

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  firedrill serve                    this folder, on http://127.0.0.1:8700
  firedrill serve --library ops/drills --config firedrill.yaml
  firedrill serve --listen 0.0.0.0:8700 --tls-cert cert.pem --tls-key key.pem

A configuration:
  environments: [staging]
  programs: [./check-backup]
  protected: [ledger, team=treasury]
  runs: 4
  tokens: {alertmanager: \"${env:ALERTMANAGER_TOKEN}\"}")]
pub(super) struct Args {
    /// Where to listen. Beyond loopback nothing is served before there is an account
    #[arg(long, default_value = "127.0.0.1:8700", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// A file that says what the server may do: environments, programs, limits, hooks' tokens
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Serve encrypted, with this certificate and those that lead to its authority, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's key, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    #[command(flatten)]
    variables: Variables,
}

pub(super) async fn run(args: Args, common: Common, terminal: Terminal) -> anyhow::Result<Exit> {
    let options = common.options(&args.variables);
    let config = match args
        .config
        .as_ref()
        .map(|path| read_config(path, &options))
        .transpose()
    {
        Ok(config) => config.unwrap_or_default(),
        Err(findings) => {
            terminal
                .block(&findings.render_within(terminal.has_colour(), terminal.findings_width()));
            return Ok(Exit::Usage);
        }
    };
    let tls = match (&args.tls_cert, &args.tls_key) {
        (Some(certificate), Some(key)) => match Tls::read(certificate, key) {
            Ok(tls) => Some(tls),
            Err(why) => {
                terminal.error(&why);
                return Ok(Exit::Usage);
            }
        },
        _ => None,
    };
    let mut signals = Signals::catch()?;
    raise_open_files();
    let listener = TcpListener::bind(args.listen).await.with_context(|| {
        format!(
            "{} can't be listened on; hint: give another address with `--listen`",
            args.listen
        )
    })?;
    let app = common.open_with(&config, true).await?;
    let library = Arc::new(Shelf::new(shelves(&common), options));
    // What a proxy forwards comes from elsewhere, even where the proxy itself is on this machine.
    let beyond = !args.listen.ip().is_loopback() || !config.trusted_proxies.is_empty();
    let code = beyond.then(setup_code);
    let gate = code.as_deref().map_or_else(Gate::loopback, Gate::beyond);
    let encrypted = tls.is_some();
    if beyond && !encrypted && config.trusted_proxies.is_empty() {
        terminal.note(
            "passwords and tokens will cross the network unencrypted; hint: give `--tls-cert` and `--tls-key`, or put \
             a proxy in front and list it under `trusted_proxies`",
        );
    }
    let site = Site {
        app: app.clone(),
        listener,
        library,
        senders: config.senders,
        gate: gate.reached_through(encrypted, config.trusted_proxies),
        hosts: config.hosts,
        tls,
        local_operator: "local operator".to_owned(),
        publishes: config.publishes,
        published: config.transparency.as_deref().map(Published::of),
    };
    let (address, _) = site.serve()?;
    let scheme = if encrypted { "https" } else { "http" };
    terminal.note(&format!(
        "firedrill serves {scheme}://{address}; Ctrl-C undoes what is on and ends"
    ));
    if let Some(code) = code
        && !app.database.has_users().await?
    {
        terminal.note(&format!(
            "there is no account yet, and nothing else is served until there is; this link makes the first \
             administrator, once: {scheme}://{address}/setup/{code}"
        ));
    }
    signals.next().await;
    Ok(end(app, signals, terminal).await)
}

/// What whoever makes the first account must know: only who sees this process's output does.
fn setup_code() -> String {
    secret().iter().fold(String::new(), |mut text, byte| {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn shelves(common: &Common) -> Vec<PathBuf> {
    let named = common
        .library
        .iter()
        .chain(&common.stacks)
        .cloned()
        .collect::<Vec<_>>();
    if common.library.is_some() {
        named
    } else {
        SHELVES
            .map(PathBuf::from)
            .into_iter()
            .chain(named)
            .collect()
    }
}

/// Undoes what is on, saying what is left at each further signal, and closes.
pub(super) async fn end(app: App, mut signals: Signals, terminal: Terminal) -> Exit {
    let live = app.supervisor.live();
    if !live.is_empty() {
        terminal.note(&format!(
            "stopping {} run(s): everything is being undone",
            live.len()
        ));
    }
    let supervisor = app.supervisor.clone();
    let closing = app.close(StopCause::Signal);
    tokio::pin!(closing);
    let left = loop {
        // Cancel safe: the closing goes on where it was.
        tokio::select! {
            left = &mut closing => break left,
            () = signals.next() => {
                for handle in supervisor.live() {
                    say_what_is_left(&handle, terminal);
                }
            }
            () = tokio::time::sleep(Duration::from_secs(10)) => {
                for handle in supervisor.live() {
                    say_what_is_left(&handle, terminal);
                }
            }
        }
    };
    for handle in &left {
        say_stuck(handle, &handle.status(), terminal);
    }
    if left.is_empty() {
        Exit::Passed
    } else {
        Exit::Stuck
    }
}
