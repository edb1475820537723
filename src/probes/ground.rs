//! Ground: with identity checks, every host that firedrill acts on must be proven by them. The rule is
//! [`crate::model::ground`]'s; here names are resolved, before each run and again before each fault.
//!
//! Probes only read, so that they may go anywhere. Docker's host is also proven by the labels that a `containers` check
//! reads there.

use futures_util::future::join_all;

use super::identity::{Lines, in_time};
use super::reached::Target;
use crate::address::{Place, shown};
use crate::model::ground::{Ground, HINT, Socket};
use crate::model::stack::{Identity, Stack};

/// A line for each of these places: why it is proven, or that it is not.
pub(super) async fn proven(stack: &Stack, targets: Vec<Target>) -> Lines {
    let ground = Ground::of(stack);
    let labelled = stack.docker.as_deref().filter(|_| {
        let mut checks = stack.identity.iter();
        checks.any(|check| matches!(check, Identity::Containers { .. }))
    });
    let labelled = labelled.map(|docker| format!("docker {}", shown(docker)));
    let mut lines = Lines::new();
    for line in join_all(
        targets
            .iter()
            .map(|target| one(target, &ground, labelled.as_deref())),
    )
    .await
    {
        // A hook is done and undone at one place: it is told once.
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

async fn one(target: &Target, ground: &Ground, labelled: Option<&str>) -> Result<String, String> {
    let what = &target.what;
    let place = match &target.place {
        Ok(Some(place)) => place,
        Ok(None) => return Ok(format!("{what} is on this machine")),
        Err(why) => return Err(format!("{what}: {why}")),
    };
    if labelled == Some(what) {
        return Ok(format!("{what} is where the containers' labels are read"));
    }
    match standing(what, place, ground).await {
        Ok(footing) => Ok(format!("{what} is {footing}")),
        Err(why) => Err(why),
    }
}

async fn standing(what: &str, place: &Place, ground: &Ground) -> Result<String, String> {
    let socket = Socket::new(&place.host, place.port);
    let addresses = if ground.is_asked(&socket) {
        Vec::new()
    } else {
        in_time(what, place.resolve()).await?
    };
    let footing = ground.footing(&socket, &addresses);
    footing
        .map(|footing| footing.to_string())
        .map_err(|address| {
            let address = address.map_or_else(|| place.to_string(), |address| address.to_string());
            format!(
                "{what} is {address}, which no identity check proves to be staging; hint: {HINT}"
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fault::{Act, Call, Hook, Injection};
    use crate::model::probe::Expect;
    use crate::ports::Inspector;
    use crate::probes::fixture::staging::{
        Known, injection, inspected, inspection, link, plan, service, stack, told, toxiproxy,
    };
    use crate::probes::fixture::{Server, get, masked, within};

    fn hooked(id: &str, act: &str, undo: &str) -> Injection {
        let call = |url: &str| Call::Http(get(url));
        injection(
            id,
            Act::Hook(Hook {
                capture: None,
                act: call(act),
                verify: None,
                undo: Some(call(undo)),
                verify_undone: None,
            }),
        )
    }

    fn asked(server: &Server) -> Identity {
        Identity::Http {
            request: get(server.url("/about")),
            expect: Expect {
                json: [("$.env".to_owned(), "staging".into())].into(),
                ..within(5000)
            },
        }
    }

    fn networks(within: &[&str]) -> Identity {
        Identity::Upstreams {
            within: within.iter().map(|&one| one.to_owned()).collect(),
        }
    }

    async fn staging() -> (Server, Stack) {
        let server = Server::json(r#"{"env":"staging"}"#).await;
        let stack = Stack {
            identity: vec![asked(&server), networks(&["127.0.0.0/8", "192.0.2.0/24"])],
            toxiproxy: Some(toxiproxy("http://localhost:8474")),
            links: vec![link("api-signer", "127.0.0.1:7101", "127.0.0.1:7001")],
            ..stack()
        };
        (server, stack)
    }

    #[tokio::test]
    async fn hooks_may_go_to_loopback_and_to_what_the_checks_prove() {
        let (server, stack) = staging().await;
        let plan = plan(
            stack,
            vec![
                hooked("here", &server.url("/do"), &server.url("/undo?key=secret")),
                hooked("there", "http://192.0.2.7/do", "http://192.0.2.7/do"),
            ],
        );
        insta::assert_snapshot!(masked(inspected(&plan).await, &[&server]), @r#"
environment staging is allowed
$.env is "staging" at http://server-0/about
upstream 127.0.0.1:7001 of api-signer is 127.0.0.1 in 127.0.0.0/8
Toxiproxy http://localhost:8474 is on loopback
hook here http://server-0/do is where an identity check is answered
hook here http://server-0/undo is where an identity check is answered
hook there http://192.0.2.7/do is in 192.0.2.0/24
"#);
    }

    #[tokio::test]
    async fn each_host_that_no_check_proves_is_a_finding_before_the_run_and_before_its_fault() {
        let (server, mut stack) = staging().await;
        stack.toxiproxy = Some(toxiproxy("http://203.0.113.1:8474"));
        stack.docker = Some("tcp://203.0.113.2:2375".into());
        let far = hooked("far", &server.url("/do"), "http://203.0.113.3/undo");
        let near = hooked("near", &server.url("/do"), &server.url("/undo"));
        let plan = plan(stack, vec![far.clone(), near.clone()]);
        insta::assert_snapshot!(masked(inspected(&plan).await, &[&server]), @r#"
refused
Toxiproxy http://203.0.113.1:8474 is 203.0.113.1, which no identity check proves to be staging; hint: act on loopback, on addresses in the networks of the stack's `upstreams` checks, or on exactly the host and port of one of its `http` checks
docker tcp://203.0.113.2:2375 is 203.0.113.2, which no identity check proves to be staging; hint: act on loopback, on addresses in the networks of the stack's `upstreams` checks, or on exactly the host and port of one of its `http` checks
hook far http://203.0.113.3/undo is 203.0.113.3, which no identity check proves to be staging; hint: act on loopback, on addresses in the networks of the stack's `upstreams` checks, or on exactly the host and port of one of its `http` checks
"#);
        let mut stack = plan.stack;
        (stack.toxiproxy, stack.docker) = (None, None);
        let inspection = inspection(Known(&[]));
        assert!(inspection.prove(&stack, &near).await.is_ok());
        let refused = told(inspection.prove(&stack, &far).await);
        assert!(
            refused.contains("hook far http://203.0.113.3/undo is 203.0.113.3"),
            "{refused}"
        );
    }

    #[tokio::test]
    async fn a_name_is_resolved_and_one_without_addresses_is_not_proven() {
        let (_server, stack) = staging().await;
        let inspection = inspection(Known(&[]));
        let told = async |host: &str| {
            let url = format!("http://{host}:7000/do");
            told(inspection.prove(&stack, &hooked("named", &url, &url)).await)
        };
        let local = told("localhost").await;
        assert!(
            local.ends_with("hook named http://localhost:7000/do is on loopback"),
            "{local}"
        );
        let nowhere = told("nowhere.invalid").await;
        assert!(
            nowhere.starts_with("refused\nhook named http://nowhere.invalid:7000/do: "),
            "{nowhere}"
        );
    }

    #[tokio::test]
    async fn the_labels_of_its_containers_prove_the_daemon_that_they_are_read_from() {
        let docker = "unix:///nowhere/docker.sock";
        let labelled = Stack {
            identity: vec![Identity::Containers {
                label: "env=staging".into(),
            }],
            docker: Some(docker.into()),
            services: [service("api")].into(),
            ..stack()
        };
        let known = inspection(Known(&[("api", "staging")]));
        let here = hooked("here", "http://127.0.0.1/do", "http://127.0.0.1/do");
        insta::assert_snapshot!(told(known.prove(&labelled, &here).await), @r#"
environment staging is allowed
label env=staging on container api of api
docker unix:///nowhere/docker.sock is on this machine
hook here http://127.0.0.1/do is on loopback
"#);
        let far = Target::url("docker", "tcp://203.0.113.2:2375");
        let labelled = Stack {
            docker: Some("tcp://203.0.113.2:2375".into()),
            ..labelled
        };
        let lines = proven(&labelled, vec![far]).await;
        assert_eq!(
            lines,
            [Ok(
                "docker tcp://203.0.113.2:2375 is where the containers' labels are read".to_owned()
            )]
        );
    }
}
