//! Identity: proves that a stack is staging, from its targets and not from its word.
//!
//! Invariants: everything is only read. All checks run at once, each for three seconds at the most, and all findings are
//! told together. A check that finds nothing to look at is a finding, never a proof. A mainnet's chain id and an
//! environment outside the allow-list are refused whatever a file expects, and there is no way around it; a stack of
//! such an environment is not even asked.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, join_all};

use super::reached::{self, Target};
use super::{ground, late, locality, mainnet, targets};
use crate::address::{Place, shown};
use crate::model::fault::Injection;
use crate::model::network::Network;
use crate::model::plan::Plan;
use crate::model::probe::{Expect, HttpRequest};
use crate::model::stack::{ContainerSelector, Identity, Link, Stack};
use crate::outbound::{Outbound, Reply};
use crate::ports::{Answer, Containers, Found, Inspector};

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

    /// The stack's own checks, and that what is acted on, among it these `calls`, is proven by them. Where it has none,
    /// that nothing at all, what is only `asked` included, lies beyond this machine.
    async fn identity(&self, stack: &Stack, calls: Vec<Target>, asked: Vec<Target>) -> Lines {
        let mut lines = vec![self.environment(stack)];
        if lines[0].is_err() {
            return lines;
        }
        if stack.identity.is_empty() {
            let mut all = reached::of_stack(stack);
            all.extend(calls);
            all.extend(asked);
            lines.extend(locality::all_local(stack, all).await);
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
        let mut acted = reached::of_servers(stack);
        acted.extend(calls);
        let (checked, acted) = tokio::join!(join_all(checks), ground::proven(stack, acted));
        lines.extend(checked.into_iter().flatten());
        lines.extend(acted);
        lines
    }

    async fn http(&self, request: &HttpRequest, expect: &Expect) -> Lines {
        let place = shown(&request.url);
        let patience = expect.within.duration().min(PATIENCE);
        let reply = match self.outbound.send_with_secrets(request, patience).await {
            Ok(reply) => reply,
            Err(error) => return vec![Err(format!("identity at {place}: {error}"))],
        };
        // What is asked for may itself be in a secret.
        let sent = self.outbound.revealed(request);
        let chains = sent
            .is_ok_and(|sent| mainnet::is_asked_for(&sent))
            .then(|| mainnet::answered(&reply.body));
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
            .judge_http(status, |name| reply.header(name), &reply.body)
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
            // One that a fault has ended still has them: what else is done meanwhile is proven as before.
            match self.containers(docker, selector).await {
                Ok(found) => found
                    .iter()
                    .map(|(name, one)| match one.labels.get(key) {
                        Some(found) if found == value => Ok(format!(
                            "label {label} on container {name} of {service}"
                        )),
                        Some(found) => Err(format!(
                            "container {name} of {service} has label {key}={found}, expected {label}"
                        )),
                        None => Err(format!(
                            "container {name} of {service} has no label {key}, expected {label}"
                        )),
                    })
                    .collect(),
                Err(why) => vec![Err(why)],
            }
        });
        let lines = join_all(checks).await;
        let lines: Lines = lines.into_iter().flatten().collect();
        if lines.is_empty() {
            return vec![Err(format!(
                "label {label} proves nothing: stack {} names no container",
                stack.name
            ))];
        }
        lines
    }

    /// The containers that are meant, in time.
    pub(super) async fn containers(
        &self,
        docker: &str,
        selector: &ContainerSelector,
    ) -> Result<Found, String> {
        in_time(
            format!("container {selector} at {}", shown(docker)),
            self.containers.find(docker, selector),
        )
        .await
    }
}

impl Inspector for Inspection {
    fn inspect<'a>(&'a self, plan: &'a Plan) -> Answer<'a, Result<Vec<String>, Vec<String>>> {
        Box::pin(async move {
            if let Err(why) = self.environment(&plan.stack) {
                return settled([Err(why)].into_iter().chain(targets::probes(plan)));
            }
            let calls = reached::of_calls(plan);
            let asked = reached::of_stop_conditions(plan);
            let (identity, targets) =
                tokio::join!(self.identity(&plan.stack, calls, asked), self.targets(plan));
            settled(identity.into_iter().chain(targets))
        })
    }

    fn draw(&self, plan: Plan, seed: u64) -> Answer<'_, Plan> {
        Box::pin(async move {
            let Some(docker) = plan.stack.docker.clone() else {
                return plan;
            };
            let looks = plan.to_draw();
            let looks = looks.into_iter().map(|(service, selector)| {
                let docker = &docker;
                async move {
                    let found = self.containers(docker, selector).await.ok()?;
                    let running = found.into_iter().filter(|(_, one)| one.runs);
                    Some((service.clone(), running.map(|(name, _)| name).collect()))
                }
            });
            let found = join_all(looks).await.into_iter().flatten().collect();
            plan.draw(seed, &found)
        })
    }

    fn prove<'a>(
        &'a self,
        stack: &'a Stack,
        injection: &'a Injection,
    ) -> Answer<'a, Result<Vec<String>, Vec<String>>> {
        let calls = reached::of_injection(injection);
        Box::pin(async move { settled(self.identity(stack, calls, Vec::new()).await) })
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
    let headers = expect.headers.iter();
    read.extend(headers.map(|(name, value)| format!("header {name} is {value:?}")));
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::probes::fixture::staging::{
        Known, chain_id, idle, inspected, inspection, link, plan, proven, service, stack, told,
        tolerance, toxiproxy, upstreams,
    };
    use crate::probes::fixture::{Does, Server, get, masked, nobody, within};

    fn result(value: serde_json::Value) -> Expect {
        Expect {
            json: [("$.result".to_owned(), value)].into(),
            ..within(5000)
        }
    }

    fn with(identity: Vec<Identity>) -> Stack {
        Stack {
            identity,
            ..stack()
        }
    }

    #[tokio::test]
    async fn a_test_chain_is_proof_and_another_one_than_expected_is_not() {
        let node = Server::json(r#"{"result":"0x7a69"}"#).await;
        let right = chain_id(node.url("/"), result(json!("0x7a69")));
        let wrong = chain_id(node.url("/"), result(json!("0xaa36a7")));
        let texts = [
            proven(&with(vec![right])).await,
            proven(&with(vec![wrong])).await,
        ];
        insta::assert_snapshot!(masked(texts.join("\n"), &[&node]), @r#"
environment staging is allowed
chain id 0x7a69 at http://server-0/
refused
identity at http://server-0/: $.result is "0x7a69", expected "0xaa36a7"
"#);
    }

    #[tokio::test]
    async fn a_mainnet_is_refused_even_where_it_is_expected() {
        let node = Server::json(r#"{"result":"0x1"}"#).await;
        let batch = Server::json(r#"[{"result":"0x7a69"},{"result":137}]"#).await;
        let texts = [
            proven(&with(vec![chain_id(node.url("/"), result(json!("0x1")))])).await,
            proven(&with(vec![chain_id(node.url("/"), within(5000))])).await,
            proven(&with(vec![chain_id(batch.url("/"), within(5000))])).await,
        ];
        insta::assert_snapshot!(masked(texts.join("\n"), &[&node, &batch]), @r#"
refused
chain id 0x1 at http://server-0/ is Ethereum's mainnet: firedrill never touches it
refused
chain id 0x1 at http://server-0/ is Ethereum's mainnet: firedrill never touches it
refused
chain id 137 at http://server-1/ is Polygon's mainnet: firedrill never touches it
"#);
    }

    #[tokio::test]
    async fn a_node_that_names_no_chain_proves_nothing() {
        let error = Server::json(r#"{"error":{"code":-32601}}"#).await;
        let empty = Server::json(r#"{"result":null}"#).await;
        let refused = nobody().await;
        let texts = [
            proven(&with(vec![chain_id(error.url("/"), within(5000))])).await,
            proven(&with(vec![chain_id(empty.url("/"), within(5000))])).await,
            proven(&with(vec![chain_id(
                format!("http://{refused}/"),
                within(5000),
            )]))
            .await
            .replace(&refused, "nobody"),
        ];
        insta::assert_snapshot!(masked(texts.join("\n"), &[&error, &empty]), @r#"
refused
identity at http://server-0/: the answer holds no chain id
refused
identity at http://server-1/: the answer holds no chain id
refused
identity at http://nobody/: could not connect: Connection refused (os error 111)
"#);
    }

    #[tokio::test]
    async fn other_answers_are_shown_as_they_were_expected() {
        let api = Server::json(r#"{"network":"staging","paused":false}"#).await;
        let check = |expect| Identity::Http {
            request: get(api.url("/about?key=secret")),
            expect,
        };
        let network = Expect {
            json: [("$.network".to_owned(), json!("staging"))].into(),
            body: Some("paused".into()),
            ..within(5000)
        };
        let proofs = proven(&with(vec![check(network), check(within(5000))])).await;
        insta::assert_snapshot!(masked(proofs, &[&api]), @r#"
environment staging is allowed
$.network is "staging", text "paused" at http://server-0/about
status 200 at http://server-0/about
"#);
    }

    #[tokio::test]
    async fn a_header_is_proof_whatever_the_case_of_its_name() {
        let server = |head: &'static [u8]| Server::start(Does::Raw(head));
        let right =
            server(b"HTTP/1.1 200 OK\r\nx-environment: staging\r\ncontent-length: 0\r\n\r\n").await;
        let wrong =
            server(b"HTTP/1.1 200 OK\r\nX-Environment: live\r\ncontent-length: 0\r\n\r\n").await;
        let silent = server(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        let servers = [&right, &wrong, &silent];
        let check = |server: &&Server| Identity::Http {
            request: get(server.url("/")),
            expect: Expect {
                headers: [("X-Environment".to_owned(), "staging".to_owned())].into(),
                ..within(5000)
            },
        };
        let texts = [
            proven(&with(vec![check(&servers[0])])).await,
            proven(&with(servers.iter().map(check).collect())).await,
        ];
        insta::assert_snapshot!(masked(texts.join("\n"), &servers), @r#"
environment staging is allowed
header X-Environment is "staging" at http://server-0/
refused
identity at http://server-1/: header X-Environment is "live", expected "staging"
identity at http://server-2/: header X-Environment is missing, expected "staging"
"#);
    }

    #[tokio::test]
    async fn a_stack_of_an_environment_outside_the_list_is_refused_unasked() {
        let silent = Server::start(Does::Stall(b"")).await;
        let production = Stack {
            environment: "production".into(),
            ..with(vec![chain_id(silent.url("/"), within(5000))])
        };
        let mut plan = plan(production, Vec::new());
        plan.experiment.steady_state = vec![tolerance("canary")];
        // Nobody waited for the server: it was not asked.
        let begun = tokio::time::Instant::now();
        let texts = [proven(&plan.stack).await, inspected(&plan).await];
        assert!(begun.elapsed() < Duration::from_secs(1));
        insta::assert_snapshot!(texts.join("\n"), @r#"
refused
environment `production` of stack wallet is not among the allowed ones (staging)
refused
environment `production` of stack wallet is not among the allowed ones (staging)
probe canary in steady_state is not a probe of stack wallet
"#);
    }

    #[tokio::test]
    async fn upstreams_must_lie_in_the_networks_with_every_address() {
        let stack = |upstream: &str, within: &[&str]| Stack {
            links: vec![link("api-signer", "127.0.0.1:7101", upstream)],
            ..with(vec![Identity::Upstreams {
                within: within.iter().map(|&n| n.to_owned()).collect(),
            }])
        };
        let loopback = ["172.16.0.0/12", "127.0.0.0/8", "::1/128"];
        let no_links = with(vec![upstreams()]);
        let texts = [
            proven(&stack("127.0.0.1:7001", &loopback)).await,
            proven(&stack("[::1]:7001", &loopback)).await,
            proven(&stack("203.0.113.7:7001", &loopback)).await,
            proven(&stack("[2001:db8::1]:7001", &["0.0.0.0/0"])).await,
            proven(&stack("signer", &loopback)).await,
            proven(&stack("127.0.0.1:7001", &["127.0.0.0", "10.0.0.0/40"])).await,
            proven(&no_links).await,
        ];
        insta::assert_snapshot!(texts.join("\n"), @r#"
environment staging is allowed
upstream 127.0.0.1:7001 of api-signer is 127.0.0.1 in 127.0.0.0/8
environment staging is allowed
upstream [::1]:7001 of api-signer is ::1 in ::1/128
refused
upstream 203.0.113.7:7001 of api-signer is 203.0.113.7, outside 172.16.0.0/12, 127.0.0.0/8, ::1/128
refused
upstream [2001:db8::1]:7001 of api-signer is 2001:db8::1, outside 0.0.0.0/0
refused
upstream signer of api-signer: `signer` is not `host:port`
refused
`127.0.0.0` is not a network in CIDR form, such as `10.0.0.0/8`
`10.0.0.0/40` is not a network in CIDR form, such as `10.0.0.0/8`
refused
upstream networks prove nothing: stack wallet has no links
"#);
        let by_name = proven(&stack("localhost:7001", &loopback)).await;
        assert!(
            by_name.contains("upstream localhost:7001 of api-signer is 127.0.0.1 in 127.0.0.0/8"),
            "{by_name}"
        );
        let nowhere = proven(&stack("nowhere.invalid:7001", &loopback)).await;
        assert!(
            nowhere.starts_with("refused\nupstream nowhere.invalid:7001 of api-signer: "),
            "{nowhere}"
        );
    }

    #[tokio::test]
    async fn every_container_must_carry_the_label() {
        let labelled = |names: &[&str], docker: Option<&str>| Stack {
            docker: docker.map(str::to_owned),
            services: names.iter().map(|name| service(name)).collect(),
            ..with(vec![Identity::Containers {
                label: "env=staging".into(),
            }])
        };
        let docker = Some("unix:///nowhere/docker.sock");
        let known = || Known(&[("api", "staging"), ("signer", "production"), ("node", "")]);
        let mut texts = Vec::new();
        for stack in [
            labelled(&["api"], docker),
            labelled(&["api", "gone", "node", "signer"], docker),
            labelled(&["api"], None),
            labelled(&[], docker),
            Stack {
                identity: vec![Identity::Containers {
                    label: "env".into(),
                }],
                ..labelled(&["api"], docker)
            },
        ] {
            texts.push(told(inspection(known()).prove(&stack, &idle()).await));
        }
        insta::assert_snapshot!(texts.join("\n"), @r#"
environment staging is allowed
label env=staging on container api of api
docker unix:///nowhere/docker.sock is on this machine
refused
container gone at unix:///nowhere/docker.sock: no such container
container node of node has no label env, expected env=staging
container signer of signer has label env=production, expected env=staging
refused
label env=staging can't be read: stack wallet names no docker
refused
label env=staging proves nothing: stack wallet names no container
refused
label `env` is not `key=value`
"#);
    }

    #[tokio::test]
    async fn a_container_that_a_fault_has_ended_still_proves_what_it_is() {
        let stack = Stack {
            docker: Some("unix:///nowhere/docker.sock".into()),
            services: [service("stopped-signer")].into(),
            ..with(vec![Identity::Containers {
                label: "env=staging".into(),
            }])
        };
        let known = inspection(Known(&[("stopped-signer", "staging")]));
        insta::assert_snapshot!(told(known.prove(&stack, &idle()).await), @r"
        environment staging is allowed
        label env=staging on container stopped-signer of stopped-signer
        docker unix:///nowhere/docker.sock is on this machine
        ");
    }

    #[tokio::test]
    async fn all_findings_come_at_once_and_in_time_though_every_target_hangs() {
        let silent = Server::start(Does::Stall(b"")).await;
        let slow = within(60_000);
        let hung = Stack {
            docker: Some("unix:///nowhere/docker.sock".into()),
            services: [service("signer")].into(),
            toxiproxy: Some(toxiproxy(silent.url(""))),
            links: vec![link("api-signer", "127.0.0.1:7101", "203.0.113.7:7001")],
            ..with(vec![
                chain_id(silent.url("/a"), slow.clone()),
                chain_id(silent.url("/b"), slow),
                Identity::Containers {
                    label: "env=staging".into(),
                },
                upstreams(),
            ])
        };
        let act = crate::model::fault::Act::DisableProxy {
            link: hung.links[0].clone(),
        };
        let injection = crate::probes::fixture::staging::injection("cut", act);
        let mut plan = plan(hung, vec![injection]);
        plan.experiment.steady_state = vec![tolerance("canary")];
        let begun = tokio::time::Instant::now();
        let told = told(
            inspection(Known(&[("signer", "hangs")]))
                .inspect(&plan)
                .await,
        );
        assert!(begun.elapsed() < Duration::from_millis(4500));
        insta::assert_snapshot!(masked(told, &[&silent]), @r#"
refused
identity at http://server-0/a: no answer within 3000 ms
identity at http://server-0/b: no answer within 3000 ms
container signer at unix:///nowhere/docker.sock: no answer within 3000 ms
upstream 203.0.113.7:7001 of api-signer is 203.0.113.7, outside 127.0.0.0/8, ::1/128
probe canary in steady_state is not a probe of stack wallet
Toxiproxy at http://server-0: no answer within 3000 ms
"#);
    }
}
