//! Faults in words: when each begins, what it does to which target, and how it is undone.

use super::{Page, call, captured, cuts, expected};
use crate::model::container::{Check, ContainerAction};
use crate::model::fault::{
    Act, Cause, Fault, Injection, Lasts, Repeat, Start, Step, Stream, Toxic, Unconfirmed,
};
use crate::model::plan::Plan;
use crate::model::stack::{ContainerSelector, Link};

pub(super) fn timeline(page: &mut Page, plan: &Plan) {
    page.section("Timeline");
    if plan.experiment.method.is_empty() {
        page.line(2, "Nothing is broken: only steady state is watched.");
    }
    for step in &plan.experiment.method {
        page.line(
            2,
            &format!("{} {}, {}", step.id, begins(&step.start), length(step)),
        );
        if let Fault::Confirm(confirm) = &step.fault {
            page.entry(4, 8, "asks", &confirm.text);
            let then = match confirm.then {
                Unconfirmed::Abort => "the run is aborted",
                Unconfirmed::Continue => "it goes on",
            };
            page.entry(4, 8, "else", &format!("where nobody continues, {then}"));
        }
        let own = plan
            .injections
            .iter()
            .filter(|one| one.cause == Cause::Step(step.id.clone()) && one.nth() == 1);
        for injection in own {
            target(page, injection);
        }
    }
}

fn begins(start: &Start) -> String {
    match start {
        Start::At(at) => format!("at {at}"),
        Start::After { step, wait } if wait.get() == 0 => format!("after {step}"),
        Start::After { step, wait } => format!("{wait} after {step}"),
    }
}

fn length(step: &Step) -> String {
    let once = lasts(step.lasts);
    match step.repeat {
        _ if step.is_pause() => format!(
            "until a person continues, at most {}",
            step.lasts.deadline()
        ),
        Some(Repeat { times, every }) => format!(
            "{once}, {times} times, {every} from one beginning to the next: over after {}",
            step.whole()
        ),
        None => once,
    }
}

fn lasts(lasts: Lasts) -> String {
    match lasts {
        Lasts::For(length) if length.get() == 0 => "once".to_owned(),
        Lasts::For(length) => format!("for {length}"),
        Lasts::UntilRemedied { at_most } => format!("until it is remedied, at most {at_most}"),
    }
}

fn target(page: &mut Page, injection: &Injection) {
    let mut rows: Vec<(&str, String)> = Vec::new();
    let undo = match &injection.act {
        Act::AddToxic {
            link,
            stream,
            toxicity,
            toxic,
            ramp,
        } => {
            let share = if (*toxicity - 1.0).abs() < f64::EPSILON {
                "every connection".to_owned()
            } else {
                format!("{}% of connections", toxicity * 100.0)
            };
            let way = match stream {
                Stream::Downstream => format!("{} to {}", link.to, link.from),
                Stream::Upstream => format!("{} to {}", link.from, link.to),
            };
            rows.push((
                "does",
                format!("{}, from {way}, on {share}", toxic_words(toxic)),
            ));
            if let Some(ramp) = ramp {
                let share = ramp.from.toxicity;
                let share = if share.to_bits() == toxicity.to_bits() {
                    String::new()
                } else {
                    format!(", on {}% of connections", share * 100.0)
                };
                rows.push((
                    "grows",
                    format!(
                        "at first {}{share}; in its place to that in {} over {}",
                        toxic_words(&ramp.from.toxic),
                        if ramp.steps == 1 {
                            "1 step".to_owned()
                        } else {
                            format!("{} steps", ramp.steps)
                        },
                        ramp.over
                    ),
                ));
            }
            rows.push(("link", wire(link)));
            format!(
                "the {} toxic is deleted from the {} of {}",
                toxic.kind(),
                stream.as_str(),
                link.proxy
            )
        }
        Act::DisableProxy { link } => {
            rows.push(("does", "closes connections and refuses new ones".to_owned()));
            rows.push(("link", wire(link)));
            format!("the proxy {} is enabled", link.proxy)
        }
        Act::Container {
            service,
            selector,
            action,
        } => {
            let (does, undo) = contained(action, &mut rows);
            rows.push(("does", format!("{service}: {does}")));
            rows.push(("target", found(selector)));
            undo
        }
        Act::Cut {
            service,
            selector,
            cut,
        } => {
            let (cut, undo) = cuts::rows(service, selector, cut);
            rows.extend(cut);
            undo
        }
        Act::Hook(hook) => {
            if let Some(capture) = &hook.capture {
                rows.push(("reads", captured(capture)));
            }
            rows.push(("does", call(&hook.act)));
            if let Some(verify) = &hook.verify {
                rows.push((
                    "verify",
                    format!("{}: {}", call(&verify.call), expected(&verify.expect)),
                ));
            }
            let undo = hook
                .undo
                .as_ref()
                .map_or_else(|| "nothing".to_owned(), call);
            match &hook.verify_undone {
                Some(verify) => format!(
                    "{undo}, then {}: {}",
                    call(&verify.call),
                    expected(&verify.expect)
                ),
                None => undo,
            }
        }
    };
    rows.push(("undo", undo));
    for (name, text) in rows {
        page.entry(4, 8, name, &text);
    }
}

/// Which container is meant.
pub(super) fn found(selector: &ContainerSelector) -> String {
    match selector {
        ContainerSelector::Name(name) => format!("the container named {name}"),
        ContainerSelector::Label(label) => {
            format!("the one running container with the label {label}")
        }
        ContainerSelector::Compose { .. } => format!("the one running container {selector}"),
        ContainerSelector::Several { share, .. } => format!(
            "{share} of the running containers {selector}, drawn from the run's seed when it begins"
        ),
        ContainerSelector::Drawn { name, of } => {
            format!("the container {name}, drawn from those {of}")
        }
    }
}

/// What is done to a container, and what undoes it; what is checked in between is among the rows.
fn contained(action: &ContainerAction, rows: &mut Vec<(&str, String)>) -> (String, String) {
    let started = "the container is started".to_owned();
    match action {
        ContainerAction::Kill => (
            "kills its container; no restart policy acts until the step ends".to_owned(),
            started,
        ),
        ContainerAction::Stop => ("stops its container in good order".to_owned(), started),
        ContainerAction::Pause => (
            "freezes its container".to_owned(),
            "the container is unpaused".to_owned(),
        ),
        ContainerAction::Restart => (
            "restarts its container once".to_owned(),
            "nothing, once the container is seen to run".to_owned(),
        ),
        ContainerAction::Crash(signal) => (
            format!(
                "its container's first process dies by {signal}, as by itself: its restart policy acts"
            ),
            "the container is started, where its policy has not done that".to_owned(),
        ),
        ContainerAction::Squeeze(squeeze) => (
            format!("its container gets only {squeeze}"),
            "the container's former limits come back".to_owned(),
        ),
        ContainerAction::Exec(exec) => {
            if let Some(check) = &exec.verify {
                rows.push(("verify", checked(check)));
            }
            let undo = match &exec.verify_undone {
                Some(check) => format!("{} in it, then {}", exec.undo.join(" "), checked(check)),
                None => format!("{} in it", exec.undo.join(" ")),
            };
            (
                format!("runs {} in its container", exec.act.join(" ")),
                undo,
            )
        }
    }
}

fn checked(check: &Check) -> String {
    format!(
        "{} in it: exit {} within {}",
        check.run.join(" "),
        check.exit,
        check.within
    )
}

fn wire(link: &Link) -> String {
    format!(
        "{} -> {}, proxy {}: {} -> {}",
        link.from, link.to, link.proxy, link.listen, link.upstream
    )
}

fn toxic_words(toxic: &Toxic) -> String {
    match toxic {
        Toxic::Latency { latency, jitter } if jitter.get() == 0 => {
            format!("data arrives {latency} later")
        }
        Toxic::Latency { latency, jitter } => format!("data arrives {latency} later, ± {jitter}"),
        Toxic::Bandwidth { rate } => format!("at most {rate} KB/s"),
        Toxic::SlowClose { delay } => format!("connections close {delay} later"),
        Toxic::Timeout { timeout } if timeout.get() == 0 => "no data passes".to_owned(),
        Toxic::Timeout { timeout } => format!("no data passes, closed after {timeout}"),
        Toxic::ResetPeer { timeout } if timeout.get() == 0 => {
            "connections are reset at once".to_owned()
        }
        Toxic::ResetPeer { timeout } => format!("connections are reset after {timeout}"),
        Toxic::Slicer {
            average_size,
            size_variation,
            delay_us,
        } => {
            format!(
                "data arrives in pieces of {average_size} ± {size_variation} bytes, {delay_us} µs apart"
            )
        }
        Toxic::LimitData { bytes } => format!("connections close after {bytes} bytes"),
        Toxic::PacketLoss {
            loss_rate,
            correlation,
        } => {
            format!(
                "{}% of pieces are lost, correlation {correlation}",
                loss_rate * 100.0
            )
        }
    }
}
