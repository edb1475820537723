//! Figures about the process, in Prometheus's text format.

use std::fmt::Write as _;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use crate::engine::event::Verdict;
use crate::http::Services;
use crate::http::actor::Actor;
use crate::http::keeper::of_live;
use crate::http::problem::Problem;
use crate::model::access::{Permission, Subject};
use crate::runtime::{RunHandle, RunStatus};

/// All figures. A run that whoever asks is not told of is in none of them before it is over.
pub(in crate::http) async fn get(
    State(services): State<Services>,
    actor: Actor,
) -> Result<impl IntoResponse, Problem> {
    let mut live = services.supervisor.live();
    live.retain(|handle| actor.may(Permission::See, &Subject::At(of_live(handle))));
    let stuck_here = live
        .iter()
        .filter(|handle| matches!(handle.status(), RunStatus::Stuck { .. }))
        .count();
    let stuck: usize = services
        .database
        .stuck_runs()
        .await?
        .iter()
        .filter(|stuck| actor.sees(&stuck.run))
        .map(|stuck| stuck.injections.len())
        .sum();
    let halted = services.supervisor.ports().lever.halted().await.is_some();
    let ended = services.database.runs_by_verdict().await?;
    let uptime = services
        .now()
        .since(&services.started)
        .map_or(0.0, |length| length.as_secs_f64());
    let mut text = String::new();
    let mut gauge = |name: &str, help: &str, value: f64| {
        // Writing to a string can't fail.
        let _ = write!(
            text,
            "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n"
        );
    };
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of runs stay far below 2^52"
    )]
    let number = |count: usize| count as f64;
    gauge(
        "firedrill_runs_live",
        "Runs this process drives.",
        number(live.len()),
    );
    gauge(
        "firedrill_runs_stuck",
        "Runs this process drives and can't undo.",
        number(stuck_here),
    );
    gauge(
        "firedrill_halted",
        "Whether everything is halted.",
        f64::from(u8::from(halted)),
    );
    gauge(
        "firedrill_faults_active",
        "Injections of runs that this process drives, on and read back.",
        number(live.iter().map(RunHandle::active).sum()),
    );
    gauge(
        "firedrill_obligations_open",
        "Injections of runs that this process drives, on or being undone.",
        number(live.iter().map(RunHandle::open).sum()),
    );
    gauge(
        "firedrill_injections_stuck",
        "Injections of all runs that can't be undone.",
        number(stuck),
    );
    gauge(
        "firedrill_ready",
        "Whether the first recovery pass is done.",
        f64::from(u8::from(services.ready.is_set())),
    );
    gauge(
        "firedrill_uptime_seconds",
        "Since the process began.",
        uptime,
    );
    let _ = write!(
        text,
        "# HELP firedrill_build_info The version.\n# TYPE firedrill_build_info gauge\nfiredrill_build_info{{version=\"{}\"}} 1\n",
        services.version
    );
    text.push_str(
        "# HELP firedrill_runs_ended_total Runs by the verdict of the stack's side.\n# TYPE firedrill_runs_ended_total counter\n",
    );
    for verdict in [
        Verdict::Passed,
        Verdict::Failed,
        Verdict::Aborted,
        Verdict::Errored,
    ] {
        let known = ended.iter().find(|(known, _)| *known == verdict);
        let count = known.map_or(0, |(_, count)| *count);
        let word = format!("{verdict:?}").to_lowercase();
        let _ = writeln!(
            text,
            "firedrill_runs_ended_total{{verdict=\"{word}\"}} {count}"
        );
    }
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text))
}
