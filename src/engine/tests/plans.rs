//! Plans for tests, made without files.

use crate::model::channel::{Channel, Hidden, Way};
use crate::model::drill::{Detection, Drill, Inject, Pass, Remedy, Severity};
use crate::model::experiment::{Experiment, Limits, Patience, Recovery, StopCondition};
use crate::model::fault::{
    Act, Call, Cause, Confirm, ContainerAction, Direction, Fault, Hook, Injection, Lasts,
    Occurrence, Ramp, Repeat, Start, Step, Stream, Strength, Toxic, Unconfirmed,
};
use crate::model::plan::{Exercise, Plan};
use crate::model::probe::{Ask, Expect, HttpRequest, Probe, Tolerance};
use crate::model::runbook::{Audience, Class, Runbook};
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
        headers: std::collections::BTreeMap::new(),
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
            ramp: None,
        },
        start: Start::At(Millis::seconds(1)),
        lasts,
        repeat: None,
    };
    let injection = Injection {
        id: name("slow"),
        cause: Cause::Step(name("slow")),
        act: Act::AddToxic {
            link: link(),
            stream: Stream::Downstream,
            toxicity: 1.0,
            toxic,
            ramp: None,
        },
        lasts,
        occurrence: None,
        veiled: false,
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
            stop_when: vec![StopCondition::Probe {
                probe: name("gap"),
                patience: Patience::FailsFor(Millis::seconds(5)),
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

/// The toxic three times, for four seconds every six, growing in four steps over two seconds; a person in between, and
/// then a kill.
pub(crate) fn shaped() -> Plan {
    let mut plan = drill();
    plan.drill = None;
    plan.experiment.method.truncate(2);
    plan.injections.truncate(2);
    let lasts = Lasts::For(Millis::seconds(4));
    let ramp = Some(Ramp {
        from: Strength {
            toxic: Toxic::Latency {
                latency: Millis::new(100),
                jitter: Millis::ZERO,
            },
            toxicity: 1.0,
        },
        over: Millis::seconds(2),
        steps: 4,
    });
    let slow = &mut plan.experiment.method[0];
    slow.lasts = lasts;
    slow.repeat = Some(Repeat {
        times: 3,
        every: Millis::seconds(6),
    });
    if let Fault::Toxic { ramp: growth, .. } = &mut slow.fault {
        *growth = ramp;
    }
    let kill = plan.injections.remove(1);
    let mut first = plan.injections.remove(0);
    first.lasts = lasts;
    if let Act::AddToxic { ramp: growth, .. } = &mut first.act {
        *growth = ramp;
    }
    plan.injections.extend((1..=3).map(|nth| Injection {
        id: name(&format!("slow:{nth}")),
        occurrence: Some(Occurrence { nth, of: 3 }),
        ..first.clone()
    }));
    plan.injections.push(kill);
    plan.experiment
        .method
        .insert(1, confirm(Unconfirmed::Continue));
    plan.experiment.method[2].start = Start::After {
        step: name("look"),
        wait: Millis::seconds(1),
    };
    plan
}

/// Waits for a person after the toxic, for twenty seconds at most.
pub(crate) fn confirm(then: Unconfirmed) -> Step {
    Step {
        id: name("look"),
        fault: Fault::Confirm(Confirm {
            text: "Look at the dashboards.".into(),
            then,
        }),
        start: Start::After {
            step: name("slow"),
            wait: Millis::seconds(1),
        },
        lasts: Lasts::For(Millis::seconds(20)),
        repeat: None,
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
        capture: None,
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
            share: None,
        },
        start: Start::After {
            step: name("slow"),
            wait: Millis::seconds(2),
        },
        lasts: kill,
        repeat: None,
    });
    plan.experiment.method.push(Step {
        id: name("bad-token"),
        fault: Fault::Hook(hooked.clone()),
        start: Start::At(Millis::seconds(2)),
        lasts: hook,
        repeat: None,
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
        occurrence: None,
        veiled: false,
    });
    plan.injections.push(Injection {
        id: name("bad-token"),
        cause: Cause::Step(name("bad-token")),
        act: Act::Hook(hooked),
        lasts: hook,
        occurrence: None,
        veiled: false,
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
                    capture: None,
                    act: None,
                    restore: None,
                    ends: vec![name("bad-token")],
                    takes: Millis::seconds(2),
                    approvals: 0,
                    starts: Vec::new(),
                },
                Remedy {
                    id: name("failover"),
                    label: "Fail over".into(),
                    capture: None,
                    act: Some(Call::Http(request("http://x/b"))),
                    restore: Some(Call::Http(request("http://x/a"))),
                    ends: Vec::new(),
                    takes: Millis::ZERO,
                    approvals: 0,
                    starts: Vec::new(),
                },
            ],
            automation: Vec::new(),
            decoy: None,
            autopilot: None,
            pass: Pass {
                outcome: 80.0,
                observed: 75.0,
            },
        },
        runbook: Runbook {
            name: name("authentication"),
            class: Class::Availability,
            failure: None,
            clocks: Vec::new(),
            expect: Vec::new(),
            body: String::new(),
        },
        team: Team {
            name: name("oncall"),
            members: vec!["ann".into()],
            on_call: Vec::new(),
            escalation: Vec::new(),
        },
        channels: Vec::new(),
    });
    plan
}

/// A channel of this name, on a way of its own.
pub(crate) fn channel(title: &str, audience: Audience, way: Way) -> Channel {
    Channel {
        name: name(title),
        audience,
        sandbox: true,
        way,
    }
}

/// The drill with a status page for customers and a chat for colleagues.
pub(crate) fn told_drill() -> Plan {
    let mut plan = drill();
    if let Some(exercise) = &mut plan.drill {
        let webhook = Hidden::Environment("${env:HOOK}".into());
        exercise.channels = vec![
            channel("page", Audience::Customers, Way::OwnPage),
            channel("chat", Audience::Internal, Way::Slack { webhook }),
        ];
    }
    plan
}
