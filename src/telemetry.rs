//! Logs: to standard error, so that standard output carries only results.

use std::io::IsTerminal as _;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Sends logs of at least `default` to standard error; `FIREDRILL_LOG` overrides it (`debug`, `firedrill::http=trace`).
pub fn start(default: LevelFilter) {
    let asked = std::env::var("FIREDRILL_LOG").ok();
    let filter = asked
        .and_then(|text| text.parse::<Targets>().ok())
        .unwrap_or_else(|| Targets::new().with_default(default));
    let colour = std::io::stderr().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        // A closed standard error is its reader's choice. Told on standard error, that would be a panic in whatever task
        // logs: the very one that undoes.
        .log_internal_errors(false)
        .with_ansi(colour);
    // A second start (as in tests) keeps the first.
    let _ = tracing_subscriber::registry()
        .with(lines)
        .with(filter)
        .try_init();
}
