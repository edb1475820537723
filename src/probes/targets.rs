//! Targets: whether what a plan is going to disturb, and to watch, is there and is what the stack's file says.
//!
//! Nothing is created or changed here, not even a missing proxy that may be created later.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use serde::Deserialize;

use super::identity::{Inspection, Lines, PATIENCE};
use crate::address::{agreement, shown};
use crate::model::experiment::StopCondition;
use crate::model::fault::Act;
use crate::model::ids::{ProbeName, ServiceName};
use crate::model::plan::Plan;
use crate::model::probe::HttpRequest;
use crate::model::runbook::Expected;
use crate::model::stack::{ContainerSelector, Link, Stack, Toxiproxy};
use crate::outbound::{Reply, SendError};

/// A proxy as the API tells it; what else it tells does not matter here.
#[derive(Deserialize)]
struct Proxy {
    listen: String,
    upstream: String,
}

/// Why a Toxiproxy told nothing.
enum Silence {
    /// Nobody is there.
    Absent(String),
    /// Somebody is, and answers otherwise.
    Wrong(String),
}

impl Inspection {
    /// Every target of the plan, looked at at once.
    pub(super) async fn targets(&self, plan: &Plan) -> Lines {
        let mut lines = probes(plan);
        let (proxies, containers) = tokio::join!(self.proxies(plan), self.used_containers(plan));
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
                let checks = used.iter().map(|link| agrees(link, toxiproxy, &proxies));
                lines.extend(join_all(checks).await);
            }
            Err(Silence::Absent(_)) if toxiproxy.embedded => {
                let place = shown(&toxiproxy.url);
                lines.push(Ok(format!(
                    "no Toxiproxy at {place}; firedrill will carry the links itself while it runs"
                )));
            }
            Err(Silence::Absent(why) | Silence::Wrong(why)) => lines.push(Err(why)),
        }
        lines
    }

    /// The server's version and its proxies by name.
    async fn read_proxies(
        &self,
        toxiproxy: &Toxiproxy,
    ) -> Result<(String, BTreeMap<String, Proxy>), Silence> {
        let (version, proxies) = tokio::join!(
            self.get(toxiproxy, "/version"),
            self.get(toxiproxy, "/proxies")
        );
        let foreign = |what: &str| {
            Silence::Wrong(format!(
                "{} does not answer {what} as Toxiproxy does",
                shown(&toxiproxy.url)
            ))
        };
        let version = version_of(&version?).ok_or_else(|| foreign("/version"))?;
        let proxies = serde_json::from_slice(&proxies?.body).map_err(|_| foreign("/proxies"))?;
        Ok((version, proxies))
    }

    async fn get(&self, toxiproxy: &Toxiproxy, path: &str) -> Result<Reply, Silence> {
        let request = HttpRequest {
            method: "GET".to_owned(),
            url: format!("{}{path}", toxiproxy.url.trim_end_matches('/')),
            headers: BTreeMap::new(),
            body: None,
        };
        let at = || format!("Toxiproxy at {}", shown(&toxiproxy.url));
        let reply = self
            .outbound
            .send_with_secrets(&request, PATIENCE)
            .await
            .map_err(|error| match error {
                error @ SendError::Connect(_) => Silence::Absent(format!("{}: {error}", at())),
                error => Silence::Wrong(format!("{}: {error}", at())),
            })?;
        if reply.status.is_success() {
            Ok(reply)
        } else {
            let answers = format!("{}: {path} answers {}", at(), reply.status);
            Err(Silence::Wrong(answers))
        }
    }

    async fn used_containers(&self, plan: &Plan) -> Lines {
        let mut used: Vec<(&ServiceName, &ContainerSelector)> = Vec::new();
        for injection in &plan.injections {
            if let Act::Container {
                service, selector, ..
            }
            | Act::Cut {
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
        if named.and_then(|service| service.container.as_ref()) != Some(selector.of_service()) {
            return Err(format!(
                "container {selector} is not the one stack {} names for {service}",
                stack.name
            ));
        }
        let docker = stack.docker.as_deref().ok_or_else(|| {
            format!(
                "stack {} names no docker to reach the container of {service} by",
                stack.name
            )
        })?;
        let found = self.containers(docker, selector).await?;
        let names: Vec<&str> = found.keys().map(String::as_str).collect();
        if found.values().any(|one| !one.runs) {
            return Err(format!(
                "container {} of {service} does not run",
                names.join(", ")
            ));
        }
        match (selector, names.as_slice()) {
            // What could be drawn has been.
            (ContainerSelector::Several { share, .. }, names) => Err(format!(
                "{share} of the containers of {service} can't be drawn: those that run are {}",
                names.join(", ")
            )),
            (_, [name]) => Ok(format!("container {name} of {service} is there")),
            (_, several) => Err(format!(
                "container {selector} of {service} must be one, and these run: {}; hint: say `count` or `percent` in a step \
                 that allows it, or name one in the stack",
                several.join(", ")
            )),
        }
    }
}

/// Every probe that the experiment or the runbook names is the stack's. Nothing is asked for this.
pub(super) fn probes(plan: &Plan) -> Lines {
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
    let runbook = plan.drill.iter().flat_map(|drill| &drill.runbook.expect);
    steady
        .filter_map(|tolerance| watched("steady_state", &tolerance.probe))
        .chain(during.filter_map(|tolerance| watched("during", &tolerance.probe)))
        .chain(stops.filter_map(|stop| match stop {
            StopCondition::Probe { probe, .. } => watched("stop_when", probe),
            StopCondition::Own { .. } | StopCondition::Alert { .. } => None,
        }))
        .chain(runbook.filter_map(|line| match &line.what {
            Expected::Probe { probe, .. } => watched("the runbook", probe),
            _ => None,
        }))
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
async fn agrees(
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
    let (listens, leads) = tokio::join!(
        agreement::listens_at(&proxy.listen, &link.listen),
        agreement::leads_to(&proxy.upstream, &link.upstream)
    );
    let differing: Vec<String> = [
        ("listens on", &link.listen, &proxy.listen, listens),
        ("forwards to", &link.upstream, &proxy.upstream, leads),
    ]
    .into_iter()
    .filter(|(.., same)| !same)
    .map(|(does, ours, theirs, _)| format!("{does} {theirs}, the stack says {ours}"))
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::experiment::Patience;
    use crate::model::fault::{ContainerAction, Stream, Toxic};
    use crate::model::time::Millis;
    use crate::ports::Inspector;
    use crate::probes::fixture::staging::{
        Known, injection, inspected, inspection, link, plan, proven, service, stack, told,
        tolerance, toxiproxy, upstreams,
    };
    use crate::probes::fixture::{Does, Server, masked, nobody, probe, within};

    fn server(version: &str, proxies: &str) -> Does {
        Does::Answer(vec![
            ("/version", 200, version.to_owned()),
            ("/proxies", 200, proxies.to_owned()),
        ])
    }

    fn slow(link: &Link) -> Act {
        Act::AddToxic {
            link: link.clone(),
            stream: Stream::Downstream,
            toxicity: 1.0,
            toxic: Toxic::Latency {
                latency: Millis::seconds(1),
                jitter: Millis::ZERO,
            },
            ramp: None,
        }
    }

    /// A plan that slows all of these links, carried by a server at this address.
    fn slowing(url: impl Into<String>, links: Vec<Link>) -> Plan {
        let injections = (0..)
            .zip(&links)
            .map(|(i, link)| injection(&format!("slow-{i}"), slow(link)))
            .collect();
        let stack = Stack {
            toxiproxy: Some(toxiproxy(url)),
            identity: vec![upstreams()],
            links,
            ..stack()
        };
        plan(stack, injections)
    }

    fn signer() -> Link {
        link("api-signer", "127.0.0.1:7101", "127.0.0.1:7001")
    }

    const PROXIES: &str = r#"{
        "api-signer": {"name":"api-signer","listen":"127.0.0.1:7101","upstream":"localhost:7001","enabled":true,"toxics":[]},
        "api-node": {"name":"api-node","listen":"[::]:7102","upstream":"127.0.0.1:7002","enabled":true,"toxics":[]}
    }"#;

    #[tokio::test]
    async fn proxies_that_are_as_the_stack_says_are_proof() {
        let api = Server::start(server(r#"{"version": "2.12.0"}"#, PROXIES)).await;
        let links = vec![signer(), link("api-node", ":7102", "127.0.0.1:7002")];
        let told = inspected(&slowing(api.url("/"), links)).await;
        insta::assert_snapshot!(masked(told, &[&api]), @r#"
environment staging is allowed
upstream 127.0.0.1:7001 of api-signer is 127.0.0.1 in 127.0.0.0/8
upstream 127.0.0.1:7002 of api-node is 127.0.0.1 in 127.0.0.0/8
Toxiproxy http://server-0/ is on loopback
Toxiproxy 2.12.0 at http://server-0/
proxy api-signer: 127.0.0.1:7101 to localhost:7001
proxy api-node: [::]:7102 to 127.0.0.1:7002
"#);
    }

    #[tokio::test]
    async fn proxies_that_differ_or_are_missing_are_findings() {
        let api = Server::start(server("2.1.4", PROXIES)).await;
        let links = vec![
            link("api-signer", "127.0.0.1:7109", "127.0.0.1:7001"),
            link("api-node", "127.0.0.1:7102", "127.0.0.2:7002"),
            link("api-feed", "127.0.0.1:7103", "127.0.0.1:7003"),
        ];
        let told = inspected(&slowing(api.url(""), links)).await;
        insta::assert_snapshot!(masked(told, &[&api]), @r#"
refused
proxy api-signer listens on 127.0.0.1:7101, the stack says 127.0.0.1:7109
proxy api-node forwards to 127.0.0.1:7002, the stack says 127.0.0.2:7002
proxy api-feed is not at http://server-0; hint: create it, or set `create_proxies: true`
"#);
    }

    #[tokio::test]
    async fn a_missing_proxy_that_may_be_created_is_no_finding() {
        let api = Server::start(server(r#"{"version": "2.12.0"}"#, "{}")).await;
        let mut plan = slowing(api.url(""), vec![signer()]);
        if let Some(toxiproxy) = &mut plan.stack.toxiproxy {
            toxiproxy.create_proxies = true;
        }
        insta::assert_snapshot!(masked(inspected(&plan).await, &[&api]), @r#"
environment staging is allowed
upstream 127.0.0.1:7001 of api-signer is 127.0.0.1 in 127.0.0.0/8
Toxiproxy http://server-0 is on loopback
Toxiproxy 2.12.0 at http://server-0
proxy api-signer is not there yet; it will be created: 127.0.0.1:7101 to 127.0.0.1:7001
"#);
    }

    #[tokio::test]
    async fn a_server_that_is_absent_or_is_no_toxiproxy_is_named() {
        let nobody = nobody().await;
        let begun = tokio::time::Instant::now();
        let absent = inspected(&slowing(format!("http://{nobody}"), vec![signer()])).await;
        assert!(begun.elapsed() < Duration::from_secs(5));
        let page = Server::json("<html>hello</html> <p>").await;
        let other = Server::start(server(r#"{"version": "7"}"#, "[]")).await;
        let broken = Server::start(Does::Answer(vec![("/", 500, String::new())])).await;
        let texts = [
            absent.replace(&nobody, "nobody"),
            inspected(&slowing(page.url(""), vec![signer()])).await,
            inspected(&slowing(other.url(""), vec![signer()])).await,
            inspected(&slowing(broken.url(""), vec![signer()])).await,
        ];
        insta::assert_snapshot!(masked(texts.join("\n"), &[&page, &other, &broken]), @r#"
refused
Toxiproxy at http://nobody: could not connect: Connection refused (os error 111)
refused
http://server-0 does not answer /version as Toxiproxy does
refused
http://server-1 does not answer /proxies as Toxiproxy does
refused
Toxiproxy at http://server-2: /version answers 500 Internal Server Error
"#);
    }

    #[tokio::test]
    async fn links_that_the_stack_does_not_carry_are_findings() {
        let api = Server::start(server(r#"{"version": "2.12.0"}"#, PROXIES)).await;
        let mut uncarried = slowing(api.url(""), vec![signer()]);
        uncarried.stack.toxiproxy = None;
        let mut foreign = slowing(api.url(""), vec![signer()]);
        foreign.stack.links[0].upstream = "127.0.0.1:7009".into();
        let texts = [inspected(&uncarried).await, inspected(&foreign).await];
        insta::assert_snapshot!(masked(texts.join("\n"), &[&api]), @r#"
refused
stack wallet names no toxiproxy to carry its links
refused
proxy api-signer is not a link of stack wallet as the plan has it
"#);
    }

    #[tokio::test]
    async fn a_server_that_no_injection_needs_is_not_asked_and_identity_alone_never_asks_it() {
        let mut idle = slowing(format!("http://{}", nobody().await), vec![signer()]);
        assert!(!proven(&idle.stack).await.contains("refused"));
        idle.injections.clear();
        assert!(!inspected(&idle).await.contains("refused"));
    }

    #[tokio::test]
    async fn containers_must_be_there_and_be_the_ones_the_stack_names() {
        let kill = |name: &str| Act::Container {
            service: name.parse().expect("a name"),
            selector: ContainerSelector::Name(name.into()),
            action: ContainerAction::Kill,
        };
        let stack = Stack {
            docker: Some("unix:///nowhere/docker.sock".into()),
            services: [service("api"), service("signer")].into(),
            ..stack()
        };
        let injections = ["api", "signer", "database"].map(|name| injection(name, kill(name)));
        let with_docker = plan(stack, injections.into());
        let mut without = with_docker.clone();
        without.stack.docker = None;
        without.stack.identity = vec![upstreams()];
        without.stack.links = vec![signer()];
        without.injections.truncate(1);
        let known = || inspection(Known(&[("api", "staging")]));
        let mut present = with_docker.clone();
        present.injections.truncate(1);
        let stopped = "stopped-api";
        let mut ended = present.clone();
        ended.stack.services = [service(stopped)].into();
        ended.injections = vec![injection("kill", kill(stopped))];
        let texts = [
            told(known().inspect(&present).await),
            told(
                inspection(Known(&[("stopped-api", "staging")]))
                    .inspect(&ended)
                    .await,
            ),
            told(known().inspect(&with_docker).await),
            told(known().inspect(&without).await),
        ];
        insta::assert_snapshot!(texts.join("\n"), @r#"
environment staging is allowed
no identity checks; on this machine: all targets (1)
container api of api is there
refused
container stopped-api of stopped-api does not run
refused
container signer at unix:///nowhere/docker.sock: no such container
container database is not the one stack wallet names for database
refused
stack wallet names no docker to reach the container of api by
"#);
    }

    #[tokio::test]
    async fn every_probe_that_is_named_must_be_the_stacks() {
        let ask = crate::model::probe::Ask::Tcp {
            address: "127.0.0.1:7001".into(),
        };
        let canary = probe(ask, within(1000));
        let stack = Stack {
            probes: [(canary.name.clone(), canary)].into(),
            ..stack()
        };
        let mut plan = plan(stack, Vec::new());
        let experiment = &mut plan.experiment;
        experiment.steady_state = vec![tolerance("canary"), tolerance("gap")];
        experiment.during = vec![tolerance("lag")];
        experiment.stop_when = vec![StopCondition::Probe {
            probe: "gap".parse().expect("a name"),
            patience: Patience::FailsFor(Millis::seconds(30)),
        }];
        insta::assert_snapshot!(inspected(&plan).await, @r#"
refused
probe gap in steady_state is not a probe of stack wallet
probe lag in during is not a probe of stack wallet
probe gap in stop_when is not a probe of stack wallet
"#);
    }
}
