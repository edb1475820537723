//! Locality: a stack without identity checks is accepted only where everything it reaches is on this machine.
//!
//! Names are resolved when it is checked, so that a `localhost` that leads elsewhere is not believed. Programs are local
//! themselves; where they reach to can't be seen, which is why a server runs only those that its configuration lists.

use std::net::{IpAddr, Ipv4Addr};

use futures_util::future::join_all;

use super::identity::{Lines, in_time};
use super::network::{Place, shown};
use crate::model::fault::{Act, Call, Verify};
use crate::model::plan::Plan;
use crate::model::probe::Ask;
use crate::model::stack::Stack;

/// One thing that a plan reaches over a socket.
pub(super) struct Target {
    what: String,
    /// Where it is; `None` for a local socket.
    place: Result<Option<Place>, String>,
}

impl Target {
    fn url(what: impl Into<String>, url: &str) -> Self {
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

    /// Nothing, or why it is not local.
    async fn elsewhere(&self) -> Option<String> {
        let place = match &self.place {
            Ok(None) => return None,
            Ok(Some(place)) => place,
            Err(why) => return Some(format!("{}: {why}", self.what)),
        };
        let addresses = if place.host.is_empty() {
            Ok(vec![IpAddr::V4(Ipv4Addr::UNSPECIFIED)])
        } else {
            in_time(&self.what, place.resolve()).await
        };
        match addresses {
            Ok(addresses) => addresses
                .iter()
                .find(|address| !address.is_loopback())
                .map(|address| format!("{} is {address}, not on loopback", self.what)),
            Err(why) => Some(why),
        }
    }
}

/// All that a stack's file names.
pub(super) fn of_stack(stack: &Stack) -> Vec<Target> {
    let mut targets = Vec::new();
    if let Some(toxiproxy) = &stack.toxiproxy {
        targets.push(Target::url("Toxiproxy", &toxiproxy.url));
    }
    if let Some(docker) = &stack.docker {
        targets.push(Target::url("docker", docker));
    }
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
        let what = format!("probe {name}");
        match &probe.ask {
            Ask::Http(request) => targets.push(Target::url(what, &request.url)),
            Ask::Tcp { address } => targets.push(Target::address(what, address)),
            Ask::Difference { sides } => {
                targets.extend(sides.iter().map(|side| Target::url(&*what, &side.http.url)));
            }
            Ask::Prometheus { url, .. } => targets.push(Target::url(what, url)),
            Ask::Process(_) => {}
        }
    }
    targets
}

/// All that a plan reaches beyond what its stack names: its hooks' and remedies' requests.
pub(super) fn of_plan(plan: &Plan) -> Vec<Target> {
    let of_call = |what: String, call: &Call| match call {
        Call::Http(request) => Some(Target::url(what, &request.url)),
        Call::Run(_) => None,
    };
    let mut targets = Vec::new();
    for injection in &plan.injections {
        let Act::Hook(hook) = &injection.act else {
            continue;
        };
        let verified = |verify: &'_ Option<Verify>| verify.as_ref().map(|v| v.call.clone());
        let calls = [
            Some(hook.act.clone()),
            verified(&hook.verify),
            hook.undo.clone(),
            verified(&hook.verify_undone),
        ];
        targets.extend(
            calls
                .iter()
                .flatten()
                .filter_map(|call| of_call(format!("hook {}", injection.id), call)),
        );
    }
    let remedies = plan
        .drill
        .iter()
        .flat_map(|exercise| &exercise.drill.remedies);
    for remedy in remedies {
        let calls = [&remedy.act, &remedy.restore];
        targets.extend(
            calls
                .into_iter()
                .flatten()
                .filter_map(|call| of_call(format!("remedy {}", remedy.id), call)),
        );
    }
    targets
}

/// One proof for all, or a finding for each that is elsewhere.
pub(super) async fn all_local(stack: &Stack, targets: Vec<Target>) -> Lines {
    if targets.is_empty() {
        return vec![Err(format!(
            "stack {} has neither identity checks nor targets to tell it by",
            stack.name
        ))];
    }
    let count = targets.len();
    let findings: Lines = join_all(targets.iter().map(Target::elsewhere))
        .await
        .into_iter()
        .flatten()
        .map(|why| {
            Err(format!(
                "stack {} has no identity checks, and {why}",
                stack.name
            ))
        })
        .collect();
    if findings.is_empty() {
        return vec![Ok(format!(
            "no identity checks, but all {count} targets are on loopback or local sockets"
        ))];
    }
    findings
}
