//! Locality: a stack without identity checks is accepted only where everything it reaches is on this machine.
//!
//! Names are resolved when it is checked, so that a `localhost` that leads elsewhere is not believed.

use std::net::{IpAddr, Ipv4Addr};

use futures_util::future::join_all;

use super::identity::{Lines, in_time};
use super::reached::Target;
use crate::model::stack::Stack;

impl Target {
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
            "no identity checks; on this machine: all targets ({count})"
        ))];
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::drill::{Drill, Pass, Remedy, Severity};
    use crate::model::fault::{Act, Call, Hook, Verify};
    use crate::model::plan::Exercise;
    use crate::model::probe::{Ask, Program, Reading};
    use crate::model::runbook::{Class, Runbook};
    use crate::model::team::Team;
    use crate::model::time::Millis;
    use crate::probes::fixture::staging::{
        injection, inspected, link, plan, proven, stack, toxiproxy,
    };
    use crate::probes::fixture::{get, probe, within};

    fn probed(asks: Vec<Ask>) -> Stack {
        let named = asks.into_iter().enumerate().map(|(i, ask)| {
            let name = format!("p{i}").parse().expect("a name");
            (name, probe(ask, within(1000)))
        });
        Stack {
            probes: named.collect(),
            ..stack()
        }
    }

    #[tokio::test]
    async fn a_stack_on_loopback_needs_no_identity() {
        let local = Stack {
            toxiproxy: Some(toxiproxy("http://localhost:8474")),
            docker: Some("unix:///var/run/docker.sock".into()),
            links: vec![link("api-signer", "127.0.0.1:7101", "[::1]:7001")],
            ..probed(vec![Ask::Http(get("http://127.0.0.1:7000/"))])
        };
        insta::assert_snapshot!(proven(&local).await, @r#"
environment staging is allowed
no identity checks; on this machine: all targets (5)
"#);
    }

    #[tokio::test]
    async fn without_identity_each_target_elsewhere_is_a_finding() {
        let reading = |url: &str| Reading {
            http: get(url),
            read: "$".into(),
        };
        let remote = Stack {
            toxiproxy: Some(toxiproxy("http://203.0.113.1:8474")),
            docker: Some("tcp://203.0.113.2:2375".into()),
            links: vec![
                link("open", "0.0.0.0:7101", "203.0.113.3:7001"),
                link("every", ":7102", "127.0.0.1"),
            ],
            ..probed(vec![
                Ask::Http(get("https://user:secret@203.0.113.4/health?key=secret")),
                Ask::Tcp {
                    address: "203.0.113.5:22".into(),
                },
                Ask::Difference {
                    sides: Box::new([
                        reading("http://127.0.0.1/head"),
                        reading("http://[2001:db8::1]/head"),
                    ]),
                },
                Ask::Prometheus {
                    url: "http://203.0.113.6:9090".into(),
                    query: "up".into(),
                },
                Ask::Process(Program {
                    command: vec!["true".into()],
                    folder: None,
                }),
            ])
        };
        insta::assert_snapshot!(proven(&remote).await, @r#"
refused
stack wallet has no identity checks, and Toxiproxy http://203.0.113.1:8474 is 203.0.113.1, not on loopback
stack wallet has no identity checks, and docker tcp://203.0.113.2:2375 is 203.0.113.2, not on loopback
stack wallet has no identity checks, and listener of open 0.0.0.0:7101 is 0.0.0.0, not on loopback
stack wallet has no identity checks, and upstream of open 203.0.113.3:7001 is 203.0.113.3, not on loopback
stack wallet has no identity checks, and listener of every :7102 is 0.0.0.0, not on loopback
stack wallet has no identity checks, and upstream of every 127.0.0.1: `127.0.0.1` is not `host:port`
stack wallet has no identity checks, and probe p0 https://203.0.113.4/health is 203.0.113.4, not on loopback
stack wallet has no identity checks, and probe p1 203.0.113.5:22 is 203.0.113.5, not on loopback
stack wallet has no identity checks, and probe p2 http://[2001:db8::1]/head is 2001:db8::1, not on loopback
stack wallet has no identity checks, and probe p3 http://203.0.113.6:9090 is 203.0.113.6, not on loopback
"#);
    }

    #[tokio::test]
    async fn programs_run_on_this_machine_so_a_stack_of_programs_alone_is_local() {
        let program = || Program {
            command: vec!["./check-backup".into()],
            folder: None,
        };
        let asked = probed(vec![Ask::Process(program())]);
        insta::assert_snapshot!(proven(&asked).await, @r#"
environment staging is allowed
no identity checks; on this machine: all targets (1)
"#);
        let hook = Act::Hook(Hook {
            capture: None,
            act: Call::Run(program()),
            verify: None,
            undo: Some(Call::Run(program())),
            verify_undone: None,
        });
        insta::assert_snapshot!(inspected(&plan(stack(), vec![injection("bad-token", hook)])).await, @r#"
environment staging is allowed
no identity checks; on this machine: all targets (2)
"#);
    }

    #[tokio::test]
    async fn a_stack_with_nothing_to_tell_it_by_is_refused() {
        insta::assert_snapshot!(proven(&stack()).await, @r#"
refused
stack wallet has neither identity checks nor targets to tell it by
"#);
    }

    fn drilled(remedy: Remedy) -> Exercise {
        Exercise {
            drill: Drill {
                name: "night".parse().expect("a name"),
                experiment: "slow".parse().expect("a name"),
                runbook: "tokens".parse().expect("a name"),
                team: "oncall".parse().expect("a name"),
                severity: Severity::Sev1,
                brief: String::new(),
                schedule: None,
                detection: Vec::new(),
                injects: Vec::new(),
                remedies: vec![remedy],
                automation: Vec::new(),
                decoy: None,
                autopilot: None,
                pass: Pass {
                    outcome: 80.0,
                    observed: 75.0,
                },
            },
            runbook: Runbook {
                name: "tokens".parse().expect("a name"),
                class: Class::Availability,
                failure: None,
                clocks: Vec::new(),
                expect: Vec::new(),
                body: String::new(),
            },
            team: Team {
                name: "oncall".parse().expect("a name"),
                members: Vec::new(),
                on_call: Vec::new(),
                escalation: Vec::new(),
            },
            channels: Vec::new(),
        }
    }

    #[tokio::test]
    async fn hooks_and_remedies_of_a_plan_must_be_local_too() {
        let call = |host: u8| Call::Http(get(format!("http://203.0.113.{host}/do")));
        let verify = |host: u8| {
            Some(Verify {
                call: call(host),
                expect: within(1000),
            })
        };
        let hook = Act::Hook(Hook {
            capture: None,
            act: call(1),
            verify: verify(2),
            undo: Some(call(3)),
            verify_undone: verify(4),
        });
        let local = probed(vec![Ask::Http(get("http://127.0.0.1:7000/"))]);
        let mut plan = plan(local, vec![injection("bad-token", hook)]);
        let remedy = Remedy {
            id: "failover".parse().expect("an id"),
            label: String::new(),
            capture: None,
            act: Some(call(5)),
            restore: Some(call(6)),
            ends: Vec::new(),
            takes: Millis::ZERO,
            approvals: 0,
            starts: Vec::new(),
        };
        plan.drill = Some(drilled(remedy));
        insta::assert_snapshot!(inspected(&plan).await, @r#"
refused
stack wallet has no identity checks, and hook bad-token http://203.0.113.1/do is 203.0.113.1, not on loopback
stack wallet has no identity checks, and hook bad-token http://203.0.113.2/do is 203.0.113.2, not on loopback
stack wallet has no identity checks, and hook bad-token http://203.0.113.3/do is 203.0.113.3, not on loopback
stack wallet has no identity checks, and hook bad-token http://203.0.113.4/do is 203.0.113.4, not on loopback
stack wallet has no identity checks, and remedy failover http://203.0.113.5/do is 203.0.113.5, not on loopback
stack wallet has no identity checks, and remedy failover http://203.0.113.6/do is 203.0.113.6, not on loopback
"#);
    }
}
