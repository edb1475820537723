//! What a plan reaches: the servers that firedrill acts through, the links and probes of its stack, and the calls of
//! its hooks and remedies.
//!
//! Programs are on this machine themselves; where they reach to can't be seen, which is why a server runs only those that
//! its configuration lists.

use crate::address::{Place, shown};
use crate::model::experiment::StopCondition;
use crate::model::fault::{Act, Call, Injection};
use crate::model::plan::Plan;
use crate::model::probe::Ask;
use crate::model::stack::Stack;

/// One thing that a plan reaches.
pub(super) struct Target {
    pub(super) what: String,
    /// Where it is; `None` for a local socket or a program.
    pub(super) place: Result<Option<Place>, String>,
}

impl Target {
    pub(super) fn url(what: impl Into<String>, url: &str) -> Self {
        let what = format!("{} {}", what.into(), shown(url));
        let is_socket = ["unix://", "npipe://", "/"]
            .iter()
            .any(|start| url.starts_with(start));
        let place = if is_socket {
            Ok(None)
        } else {
            Place::of_url(url).map(Some)
        };
        Self { what, place }
    }

    fn address(what: impl Into<String>, address: &str) -> Self {
        Self {
            what: format!("{} {address}", what.into()),
            place: address.parse().map(Some),
        }
    }

    /// A program, which is here wherever it reaches to.
    fn program(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            place: Ok(None),
        }
    }

    fn call(what: &str, call: &Call) -> Self {
        match call {
            Call::Http(request) => Self::url(what, &request.url),
            Call::Run(_) => Self::program(what),
        }
    }
}

/// The servers through which firedrill disturbs a stack.
pub(super) fn of_servers(stack: &Stack) -> Vec<Target> {
    let toxiproxy = stack.toxiproxy.as_ref();
    let toxiproxy = toxiproxy.map(|toxiproxy| Target::url("Toxiproxy", &toxiproxy.url));
    let docker = stack.docker.as_ref();
    let docker = docker.map(|docker| Target::url("docker", docker));
    toxiproxy.into_iter().chain(docker).collect()
}

/// All that a stack's file names.
pub(super) fn of_stack(stack: &Stack) -> Vec<Target> {
    let mut targets = of_servers(stack);
    for link in &stack.links {
        let proxy = &link.proxy;
        targets.push(Target::address(
            format!("listener of {proxy}"),
            &link.listen,
        ));
        targets.push(Target::address(
            format!("upstream of {proxy}"),
            &link.upstream,
        ));
    }
    for (name, probe) in &stack.probes {
        targets.extend(of_question(&format!("probe {name}"), &probe.ask));
    }
    targets
}

/// All that a plan's stop conditions ask by themselves.
pub(super) fn of_stop_conditions(plan: &Plan) -> Vec<Target> {
    let own = plan.experiment.stop_when.iter();
    own.filter_map(StopCondition::own)
        .flat_map(|probe| of_question(&format!("stop condition {}", probe.name), &probe.ask))
        .collect()
}

fn of_question(what: &str, ask: &Ask) -> Vec<Target> {
    match ask {
        Ask::Http(request) => vec![Target::url(what, &request.url)],
        Ask::Tcp { address } => vec![Target::address(what, address)],
        Ask::Difference { sides } => sides
            .iter()
            .map(|side| Target::url(what, &side.http.url))
            .collect(),
        Ask::Prometheus { url, .. } => vec![Target::url(what, url)],
        Ask::Process(_) => vec![Target::program(what)],
    }
}

/// All that a plan's hooks and remedies call.
pub(super) fn of_calls(plan: &Plan) -> Vec<Target> {
    let mut targets: Vec<Target> = plan.injections.iter().flat_map(of_injection).collect();
    let remedies = plan
        .drill
        .iter()
        .flat_map(|exercise| &exercise.drill.remedies);
    for remedy in remedies {
        let what = format!("remedy {}", remedy.id);
        targets.extend(remedy.calls().map(|call| Target::call(&what, call)));
    }
    targets
}

/// All that one injection calls.
pub(super) fn of_injection(injection: &Injection) -> Vec<Target> {
    let Act::Hook(hook) = &injection.act else {
        return Vec::new();
    };
    let what = format!("hook {}", injection.id);
    hook.calls().map(|call| Target::call(&what, call)).collect()
}
