//! Plans for tests, made without files.

use crate::model::drill::{Detection, Drill, Inject, Pass, Remedy, Severity};
use crate::model::experiment::{Experiment, Limits, Recovery, StopCondition};
use crate::model::fault::{
    Act, Call, Cause, ContainerAction, Direction, Fault, Hook, Injection, Lasts, Start, Step,
    Stream, Toxic,
};
use crate::model::plan::{Exercise, Plan};
use crate::model::probe::{Ask, Expect, HttpRequest, Probe, Tolerance};
use crate::model::runbook::{Class, Runbook};
use crate::model::stack::{ContainerSelector, Link, Service, Stack};
use crate::model::team::Team;
use crate::model::time::Millis;
use std::collections::BTreeMap;

pub(crate) fn name<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().expect("a name")
}

fn request(url: &str) -> HttpRequest {
    HttpRequest {
        method: "POST".into(),
        url: url.into(),
        headers: BTreeMap::new(),
        body: None,
    }
}

fn link() -> Link {
    Link {
        from: name("api"),
        to: name("signer"),
        proxy: name("api-signer"),
        listen: "127.0.0.1:7101".into(),
        upstream: "127.0.0.1:7001".into(),
    }
}

fn tolerance(probe: &str) -> Tolerance {
    Tolerance {
        probe: name(probe),
        fail_after: 2,
        pass_after: 2,
    }
}

fn probe(probe: &str, impact: bool) -> Probe {
    let expect = Expect {
        status: None,
        json: BTreeMap::new(),
        body: None,
        exit: None,
        below: None,
        above: None,
        within: Millis::seconds(1),
    };
    Probe {
        name: name(probe),
        ask: Ask::Tcp {
            address: "127.0.0.1:1".into(),
        },
        expect,
        every: Millis::seconds(1),
        impact,
    }
}

fn stack() -> Stack {
    let service = |container: Option<&str>| Service {
        tier: None,
        container: container.map(|name| ContainerSelector::Name(name.into())),
        protected: false,
    };
    Stack {
        name: name("staging"),
        environment: "staging".into(),
        identity: Vec::new(),
        toxiproxy: None,
        docker: None,
        services: [
            (name("api"), service(None)),
            (name("signer"), service(Some("signer"))),
        ]
        .into(),
        links: vec![link()],
        probes: [("canary", true), ("gap", false)]
            .map(|(n, impact)| (name(n), probe(n, impact)))
            .into(),
    }
}

/// One latency toxic for ten seconds.
pub(crate) fn experiment() -> Plan {
    let toxic = Toxic::Latency {
        latency: Millis::seconds(2),
        jitter: Millis::ZERO,
    };
    let lasts = Lasts::For(Millis::seconds(10));
    let step = Step {
        id: name("slow"),
        fault: Fault::Toxic {
            link: name("api-signer"),
            direction: Direction::Downstream,
            toxicity: 1.0,
            toxic,
        },
        start: Start::At(Millis::seconds(1)),
        lasts,
    };
    let injection = Injection {
        id: name("slow"),
        cause: Cause::Step(name("slow")),
        act: Act::AddToxic {
            link: link(),
            stream: Stream::Downstream,
            toxicity: 1.0,
            toxic,
        },
        lasts,
    };
    Plan {
        stack: stack(),
        experiment: Experiment {
            name: name("slow-signer"),
            stack: name("staging"),
            hypothesis: "It waits.".into(),
            steady_state: vec![tolerance("canary"), tolerance("gap")],
            during: vec![tolerance("gap")],
            method: vec![step],
            stop_when: vec![StopCondition {
                probe: name("gap"),
                fails_for: Millis::seconds(5),
            }],
            limits: Limits {
                services: Some(2),
                duration: Millis::seconds(120),
                links: None,
                containers: None,
                tiers: std::collections::BTreeMap::default(),
            },
            recovery: Recovery {
                within: Millis::seconds(20),
                stable_for: Millis::seconds(4),
            },
        },
        injections: vec![injection],
        drill: None,
        files: Vec::new(),
    }
}

/// The toxic, then a kill, and a hook that lasts until a remedy ends it; two remedies, one of which is restored.
pub(crate) fn drill() -> Plan {
    let mut plan = experiment();
    let kill = Lasts::For(Millis::seconds(5));
    let hook = Lasts::UntilRemedied {
        at_most: Millis::seconds(60),
    };
    let hooked = Hook {
        act: Call::Http(request("http://x/42")),
        verify: None,
        undo: Some(Call::Http(request("http://x/41"))),
        verify_undone: None,
    };
    plan.experiment.method.push(Step {
        id: name("kill"),
        fault: Fault::Container {
            service: name("signer"),
            action: ContainerAction::Kill,
        },
        start: Start::After {
            step: name("slow"),
            wait: Millis::seconds(2),
        },
        lasts: kill,
    });
    plan.experiment.method.push(Step {
        id: name("bad-token"),
        fault: Fault::Hook(hooked.clone()),
        start: Start::At(Millis::seconds(2)),
        lasts: hook,
    });
    plan.injections.push(Injection {
        id: name("kill"),
        cause: Cause::Step(name("kill")),
        act: Act::Container {
            service: name("signer"),
            selector: ContainerSelector::Name("signer".into()),
            action: ContainerAction::Kill,
        },
        lasts: kill,
    });
    plan.injections.push(Injection {
        id: name("bad-token"),
        cause: Cause::Step(name("bad-token")),
        act: Act::Hook(hooked),
        lasts: hook,
    });
    plan.drill = Some(Exercise {
        drill: Drill {
            name: name("bad-token"),
            experiment: name("slow-signer"),
            runbook: name("authentication"),
            team: name("oncall"),
            severity: Severity::Sev1,
            brief: "Log-ins fail.".into(),
            schedule: None,
            detection: vec![
                Detection::Alertmanager {
                    labels: [("alertname".into(), "LoginFailures".into())].into(),
                },
                Detection::Human,
            ],
            injects: vec![Inject {
                at: Millis::seconds(8),
                to: None,
                text: "Are funds safe?".into(),
                expect_reply_within: None,
            }],
            remedies: vec![
                Remedy {
                    id: name("rollback"),
                    label: "Roll back".into(),
                    act: None,
                    restore: None,
                    ends: vec![name("bad-token")],
                    takes: Millis::seconds(2),
                },
                Remedy {
                    id: name("failover"),
                    label: "Fail over".into(),
                    act: Some(Call::Http(request("http://x/b"))),
                    restore: Some(Call::Http(request("http://x/a"))),
                    ends: Vec::new(),
                    takes: Millis::ZERO,
                },
            ],
            pass: Pass {
                outcome: 80.0,
                observed: 75.0,
            },
        },
        runbook: Runbook {
            name: name("authentication"),
            class: Class::Availability,
            expect: Vec::new(),
            body: String::new(),
        },
        team: Team {
            name: name("oncall"),
            members: vec!["ann".into()],
        },
    });
    plan
}
