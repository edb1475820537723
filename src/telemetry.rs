//! Logs: to standard error, so that standard output carries only results.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// Sends logs of at least `default` to standard error; `FIREDRILL_LOG` overrides it (`debug`, `firedrill::http=trace`).
pub fn start(default: &str) {
    let filter =
        EnvFilter::try_from_env("FIREDRILL_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let colour = std::io::stderr().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    // A second start (as in tests) keeps the first.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colour)
        .try_init();
}
