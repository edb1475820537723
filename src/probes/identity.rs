//! Identity: proves that a stack is staging, from its targets and not from its word.
//!
//! Invariants: everything is only read. All checks run at once, each for [`PATIENCE`] at the most, and all findings are
//! told together. A check that finds nothing to look at is a finding, never a proof. A mainnet's chain id and an
//! environment outside the allow-list are refused whatever a file expects, and there is no way around it.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, join_all};

use super::locality::{self, Target};
use super::network::{Network, Place, shown};
use super::{late, mainnet};
use crate::model::plan::Plan;
use crate::model::probe::{Expect, HttpRequest};
use crate::model::stack::{ContainerSelector, Identity, Link, Stack};
use crate::outbound::{Outbound, Reply};
use crate::ports::{Answer, Containers, Inspector};

/// How long one check may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);

/// What checks come to: proofs and findings, each a line.
pub(super) type Lines = Vec<Result<String, String>>;

/// Inspects stacks and plans.
pub struct Inspection {
    allowed_environments: Vec<String>,
    pub(super) outbound: Arc<Outbound>,
    pub(super) containers: Arc<dyn Containers>,
}

impl Inspection {
    /// An inspector that accepts stacks of these environments only.
    pub fn new(
        allowed_environments: Vec<String>,
        outbound: Arc<Outbound>,
        containers: Arc<dyn Containers>,
    ) -> Self {
        Self {
            allowed_environments,
            outbound,
            containers,
        }
    }

    fn environment(&self, stack: &Stack) -> Result<String, String> {
        let environment = &stack.environment;
        if self.allowed_environments.contains(environment) {
            Ok(format!("environment {environment} is allowed"))
        } else {
            Err(format!(
                "environment `{environment}` of stack {} is not among the allowed ones ({})",
                stack.name,
                self.allowed_environments.join(", ")
            ))
        }
    }

    /// The stack's own checks, or, where it has none, that nothing in `reached` lies beyond this machine.
    async fn identity(&self, stack: &Stack, reached: Vec<Target>) -> Lines {
        let mut lines = vec![self.environment(stack)];
        if stack.identity.is_empty() {
            lines.extend(locality::all_local(stack, reached).await);
            return lines;
        }
        let checks = stack
            .identity
            .iter()
            .map(|identity| -> BoxFuture<'_, Lines> {
                match identity {
                    Identity::Http { request, expect } => self.http(request, expect).boxed(),
                    Identity::Containers { label } => self.labels(stack, label).boxed(),
                    Identity::Upstreams { within } => upstreams(stack, within).boxed(),
                }
            });
        lines.extend(join_all(checks).await.into_iter().flatten());
        lines
    }

    async fn http(&self, request: &HttpRequest, expect: &Expect) -> Lines {
        let place = shown(&request.url);
        let patience = expect.within.duration().min(PATIENCE);
        let reply = match self.outbound.send(request, patience).await {
            Ok(reply) => reply,
            Err(error) => return vec![Err(format!("identity at {place}: {error}"))],
        };
        let chains = mainnet::is_asked_for(request).then(|| mainnet::answered(&reply.body));
        if let Some((id, name)) = chains
            .iter()
            .flatten()
            .find_map(|id| mainnet::named(id).map(|name| (id, name)))
        {
            return vec![Err(format!(
                "chain id {} at {place} is {name}'s mainnet: firedrill never touches it",
                plain(id)
            ))];
        }
        let status = reply.status.as_u16();
        let shows = expect
            .judge_http(status, &reply.body)
            .and_then(|()| match &chains {
                None => Ok(read(expect, &reply)),
                Some(ids) if ids.is_empty() => Err("the answer holds no chain id".to_owned()),
                Some(ids) => {
                    let ids: Vec<String> = ids.iter().map(plain).collect();
                    Ok(format!("chain id {}", ids.join(", ")))
                }
            });
        vec![match shows {
            Ok(shown) => Ok(format!("{shown} at {place}")),
            Err(why) => Err(format!("identity at {place}: {why}")),
        }]
    }

    async fn labels(&self, stack: &Stack, label: &str) -> Lines {
        let (key, value) = match label.split_once('=') {
            Some((key, value)) if !key.is_empty() => (key, value),
            _ => return vec![Err(format!("label `{label}` is not `key=value`"))],
        };
        let Some(docker) = stack.docker.as_deref() else {
            return vec![Err(format!(
                "label {label} can't be read: stack {} names no docker",
                stack.name
            ))];
        };
        let named = stack
            .services
            .iter()
            .filter_map(|(name, service)| Some((name, service.container.as_ref()?)));
        let checks = named.map(|(service, selector)| async move {
            let labels = self.container(docker, selector).await?;
            let container = container_name(selector);
            match labels.get(key) {
                Some(found) if found == value => Ok(format!(
                    "label {label} on container {container} of {service}"
                )),
                Some(found) => Err(format!(
                    "container {container} of {service} has label {key}={found}, expected {label}"
                )),
                None => Err(format!(
                    "container {container} of {service} has no label {key}, expected {label}"
                )),
            }
        });
        let lines = join_all(checks).await;
        if lines.is_empty() {
            return vec![Err(format!(
                "label {label} proves nothing: stack {} names no container",
                stack.name
            ))];
        }
        lines
    }

    /// A container's labels, in time.
    pub(super) async fn container(
        &self,
        docker: &str,
        selector: &ContainerSelector,
    ) -> Result<BTreeMap<String, String>, String> {
        in_time(
            format!(
                "container {} at {}",
                container_name(selector),
                shown(docker)
            ),
            self.containers.labels(docker, selector),
        )
        .await
    }
}

impl Inspector for Inspection {
    fn inspect<'a>(&'a self, plan: &'a Plan) -> Answer<'a, Result<Vec<String>, Vec<String>>> {
        Box::pin(async move {
            let mut reached = locality::of_stack(&plan.stack);
            reached.extend(locality::of_plan(plan));
            let (identity, targets) =
                tokio::join!(self.identity(&plan.stack, reached), self.targets(plan));
            settled(identity.into_iter().chain(targets))
        })
    }

    fn prove<'a>(&'a self, stack: &'a Stack) -> Answer<'a, Result<Vec<String>, Vec<String>>> {
        Box::pin(async move { settled(self.identity(stack, locality::of_stack(stack)).await) })
    }
}

/// All proofs, or, where there is a single finding, all findings.
fn settled(
    lines: impl IntoIterator<Item = Result<String, String>>,
) -> Result<Vec<String>, Vec<String>> {
    let (mut proofs, mut findings) = (Vec::new(), Vec::new());
    for line in lines {
        match line {
            Ok(proof) => proofs.push(proof),
            // Two checks may meet the same obstacle; it is told once.
            Err(finding) if findings.contains(&finding) => {}
            Err(finding) => findings.push(finding),
        }
    }
    if findings.is_empty() {
        Ok(proofs)
    } else {
        Err(findings)
    }
}

/// Every address of every upstream lies in one of the networks, as this machine resolves it now.
async fn upstreams(stack: &Stack, within: &[String]) -> Lines {
    let (networks, bad): (Vec<_>, Vec<_>) = within
        .iter()
        .map(|text| text.parse::<Network>())
        .partition(Result::is_ok);
    if !bad.is_empty() {
        return bad.into_iter().filter_map(Result::err).map(Err).collect();
    }
    let networks: Vec<Network> = networks.into_iter().flatten().collect();
    if stack.links.is_empty() {
        return vec![Err(format!(
            "upstream networks prove nothing: stack {} has no links",
            stack.name
        ))];
    }
    join_all(stack.links.iter().map(|link| upstream(link, &networks))).await
}

async fn upstream(link: &Link, networks: &[Network]) -> Result<String, String> {
    let what = format!("upstream {} of {}", link.upstream, link.proxy);
    let place: Place = link
        .upstream
        .parse()
        .map_err(|why| format!("{what}: {why}"))?;
    let addresses = in_time(&what, place.resolve()).await?;
    let home = |address| networks.iter().find(|network| network.contains(address));
    if let Some(outside) = addresses.iter().find(|address| home(**address).is_none()) {
        let networks: Vec<String> = networks.iter().map(ToString::to_string).collect();
        return Err(format!(
            "{what} is {outside}, outside {}",
            networks.join(", ")
        ));
    }
    let homes: Vec<String> = addresses
        .iter()
        .filter_map(|address| Some(format!("{address} in {}", home(*address)?)))
        .collect();
    Ok(format!("{what} is {}", homes.join(", ")))
}

/// Awaits a check no longer than [`PATIENCE`], and says whose it was when it failed.
pub(super) async fn in_time<T>(
    what: impl Display,
    check: impl Future<Output = Result<T, String>>,
) -> Result<T, String> {
    match tokio::time::timeout(PATIENCE, check).await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(why)) => Err(format!("{what}: {why}")),
        Err(_) => Err(format!("{what}: {}", late(PATIENCE))),
    }
}

/// What an accepted answer showed, in the words of the expectation that it met.
fn read(expect: &Expect, reply: &Reply) -> String {
    let mut read: Vec<String> = expect
        .json
        .iter()
        .map(|(path, value)| format!("{path} is {value}"))
        .collect();
    read.extend(expect.body.as_ref().map(|text| format!("text {text:?}")));
    if read.is_empty() {
        read.push(format!("status {}", reply.status.as_u16()));
    }
    read.join(", ")
}

fn plain(value: &serde_json::Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

pub(super) fn container_name(selector: &ContainerSelector) -> String {
    match selector {
        ContainerSelector::Name(name) => name.clone(),
        ContainerSelector::Label(label) => format!("with label {label}"),
    }
}
