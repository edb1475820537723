//! Targets: whether what a plan is going to disturb, and to watch, is there and is what the stack's file says.
//!
//! Nothing is created or changed here, not even a missing proxy that may be created later.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use serde::Deserialize;

use super::identity::{Inspection, Lines, PATIENCE, container_name};
use super::network::{Place, shown};
use crate::model::fault::Act;
use crate::model::ids::{ProbeName, ServiceName};
use crate::model::plan::Plan;
use crate::model::probe::HttpRequest;
use crate::model::stack::{ContainerSelector, Link, Stack, Toxiproxy};
use crate::outbound::Reply;

/// A proxy as the API tells it; what else it tells does not matter here.
#[derive(Deserialize)]
struct Proxy {
    listen: String,
    upstream: String,
}

impl Inspection {
    /// Every target of the plan, looked at at once.
    pub(super) async fn targets(&self, plan: &Plan) -> Lines {
        let mut lines = probes(plan);
        let (proxies, containers) = tokio::join!(self.proxies(plan), self.containers(plan));
        lines.extend(proxies);
        lines.extend(containers);
        lines
    }

    async fn proxies(&self, plan: &Plan) -> Lines {
        let mut used: Vec<&Link> = Vec::new();
        for injection in &plan.injections {
            if let Act::AddToxic { link, .. } | Act::DisableProxy { link } = &injection.act
                && !used.contains(&link)
            {
                used.push(link);
            }
        }
        if used.is_empty() {
            return Vec::new();
        }
        let stack = &plan.stack;
        let Some(toxiproxy) = &stack.toxiproxy else {
            return vec![Err(format!(
                "stack {} names no toxiproxy to carry its links",
                stack.name
            ))];
        };
        let mut lines: Lines = used
            .iter()
            .filter(|link| stack.link(&link.proxy) != Some(**link))
            .map(|link| {
                Err(format!(
                    "proxy {} is not a link of stack {} as the plan has it",
                    link.proxy, stack.name
                ))
            })
            .collect();
        match self.read_proxies(toxiproxy).await {
            Ok((version, proxies)) => {
                let place = shown(&toxiproxy.url);
                lines.push(Ok(format!("Toxiproxy {version} at {place}")));
                lines.extend(used.iter().map(|link| agrees(link, toxiproxy, &proxies)));
            }
            Err(why) => lines.push(Err(why)),
        }
        lines
    }

    /// The server's version and its proxies by name.
    async fn read_proxies(
        &self,
        toxiproxy: &Toxiproxy,
    ) -> Result<(String, BTreeMap<String, Proxy>), String> {
        let (version, proxies) = tokio::join!(
            self.get(toxiproxy, "/version"),
            self.get(toxiproxy, "/proxies")
        );
        let foreign = |what: &str| {
            format!(
                "{} does not answer {what} as Toxiproxy does",
                shown(&toxiproxy.url)
            )
        };
        let version = version_of(&version?).ok_or_else(|| foreign("/version"))?;
        let proxies = serde_json::from_slice(&proxies?.body).map_err(|_| foreign("/proxies"))?;
        Ok((version, proxies))
    }

    async fn get(&self, toxiproxy: &Toxiproxy, path: &str) -> Result<Reply, String> {
        let request = HttpRequest {
            method: "GET".to_owned(),
            url: format!("{}{path}", toxiproxy.url.trim_end_matches('/')),
            headers: BTreeMap::new(),
            body: None,
        };
        let at = || format!("Toxiproxy at {}", shown(&toxiproxy.url));
        let reply = self
            .outbound
            .send(&request, PATIENCE)
            .await
            .map_err(|error| format!("{}: {error}", at()))?;
        if reply.status.is_success() {
            Ok(reply)
        } else {
            Err(format!("{}: {path} answers {}", at(), reply.status))
        }
    }

    async fn containers(&self, plan: &Plan) -> Lines {
        let mut used: Vec<(&ServiceName, &ContainerSelector)> = Vec::new();
        for injection in &plan.injections {
            if let Act::Container {
                service, selector, ..
            } = &injection.act
                && !used.contains(&(service, selector))
            {
                used.push((service, selector));
            }
        }
        let checks = used
            .into_iter()
            .map(|(service, selector)| self.container_of(&plan.stack, service, selector));
        join_all(checks).await
    }

    async fn container_of(
        &self,
        stack: &Stack,
        service: &ServiceName,
        selector: &ContainerSelector,
    ) -> Result<String, String> {
        let named = stack.services.get(service);
        if named.and_then(|service| service.container.as_ref()) != Some(selector) {
            return Err(format!(
                "container {} is not the one stack {} names for {service}",
                container_name(selector),
                stack.name
            ));
        }
        let docker = stack.docker.as_deref().ok_or_else(|| {
            format!(
                "stack {} names no docker to reach the container of {service} by",
                stack.name
            )
        })?;
        self.container(docker, selector).await?;
        Ok(format!(
            "container {} of {service} is there",
            container_name(selector)
        ))
    }
}

/// Every probe that the experiment names is the stack's.
fn probes(plan: &Plan) -> Lines {
    let experiment = &plan.experiment;
    let watched = |place: &'static str, name: &ProbeName| {
        (!plan.stack.probes.contains_key(name)).then(|| {
            Err(format!(
                "probe {name} in {place} is not a probe of stack {}",
                plan.stack.name
            ))
        })
    };
    let steady = experiment.steady_state.iter();
    let during = experiment.during.iter();
    let stops = experiment.stop_when.iter();
    steady
        .filter_map(|tolerance| watched("steady_state", &tolerance.probe))
        .chain(during.filter_map(|tolerance| watched("during", &tolerance.probe)))
        .chain(stops.filter_map(|stop| watched("stop_when", &stop.probe)))
        .collect()
}

/// The version: JSON from current servers, plain text from old ones.
fn version_of(reply: &Reply) -> Option<String> {
    #[derive(Deserialize)]
    struct Version {
        version: String,
    }
    let version = match serde_json::from_slice::<Version>(&reply.body) {
        Ok(Version { version }) => version,
        Err(_) => reply.text().trim().to_owned(),
    };
    let plausible = version.len() <= 40
        && version.starts_with(|c: char| c.is_ascii_alphanumeric())
        && !version.contains(char::is_whitespace);
    plausible.then_some(version)
}

/// Whether the proxy is there as the stack's file has it, or may be made so.
fn agrees(
    link: &Link,
    toxiproxy: &Toxiproxy,
    proxies: &BTreeMap<String, Proxy>,
) -> Result<String, String> {
    let name = &link.proxy;
    let Some(proxy) = proxies.get(name.as_str()) else {
        return if toxiproxy.create_proxies {
            Ok(format!(
                "proxy {name} is not there yet; it will be created: {} to {}",
                link.listen, link.upstream
            ))
        } else {
            Err(format!(
                "proxy {name} is not at {}; hint: create it, or set `create_proxies: true`",
                shown(&toxiproxy.url)
            ))
        };
    };
    let same = |ours: &str, theirs: &str| match (ours.parse::<Place>(), theirs.parse::<Place>()) {
        (Ok(ours), Ok(theirs)) => ours.agrees_with(&theirs),
        _ => ours == theirs,
    };
    let differing: Vec<String> = [
        ("listens on", &link.listen, &proxy.listen),
        ("forwards to", &link.upstream, &proxy.upstream),
    ]
    .into_iter()
    .filter(|(_, ours, theirs)| !same(ours, theirs))
    .map(|(does, ours, theirs)| format!("{does} {theirs}, the stack says {ours}"))
    .collect();
    if differing.is_empty() {
        Ok(format!(
            "proxy {name}: {} to {}",
            proxy.listen, proxy.upstream
        ))
    } else {
        Err(format!("proxy {name} {}", differing.join("; it ")))
    }
}
