//! Logs written as one writes a story: what happens at which second. Only for tests.

use std::time::Duration;

use jiff::Timestamp;

use crate::engine::event::{
    ActorKind, Alert, Event, Fact, Origin, Source, Standing, StopCause, Trigger, UndoCause,
    UndoneBy, Update, Verdict,
};
use crate::model::drill::{Detection, Drill, Pass, Severity};
use crate::model::experiment::{Experiment, Limits, Recovery};
use crate::model::fault::{
    Act, Call, Cause, ContainerAction, Hook, Injection, Lasts, Stream, Toxic,
};
use crate::model::plan::{Exercise, Plan};
use crate::model::probe::{Ask, Expect, HttpRequest, Probe, Program, Tolerance};
use crate::model::runbook::{
    Anchor, Audience, By, Class, Expectation, Expected, Milestone, Runbook, Target,
};
use crate::model::stack::{ContainerSelector, Link, Service, Stack};
use crate::model::team::{Role, Team};
use crate::model::time::{Epoch, Millis, Stamp};
use crate::score::expectations::Line;
use crate::score::report::Report;

/// A name of any kind.
pub(super) fn name<N: std::str::FromStr>(text: &str) -> N
where
    N::Err: std::fmt::Debug,
{
    text.parse().expect("a name")
}

fn seconds(count: f64) -> Duration {
    Duration::from_secs_f64(count)
}

/// The instant so many seconds after the run was created.
pub(super) fn stamp(second: f64) -> Stamp {
    let start: Timestamp = "2026-03-02T10:00:00Z".parse().expect("a time");
    Stamp {
        epoch: Epoch(1),
        mono_ns: 1_000_000_000,
        wall: start,
    }
    .after(seconds(second))
}

fn probe(text: &str, every: Millis, within: Millis, impact: bool) -> Probe {
    Probe {
        name: name(text),
        ask: Ask::Http(HttpRequest {
            method: "GET".into(),
            url: "http://127.0.0.1:7000/".into(),
            headers: std::collections::BTreeMap::default(),
            body: None,
        }),
        expect: Expect {
            status: None,
            json: std::collections::BTreeMap::default(),
            body: None,
            headers: std::collections::BTreeMap::new(),
            exit: None,
            below: None,
            above: None,
            within,
        },
        every,
        impact,
    }
}

fn link(from: &str, to: &str) -> Link {
    Link {
        from: name(from),
        to: name(to),
        proxy: name(&format!("{from}-{to}")),
        listen: "127.0.0.1:7101".into(),
        upstream: "127.0.0.1:7001".into(),
    }
}

fn injection(id: &str, act: Act) -> Injection {
    Injection {
        id: name(id),
        cause: Cause::Step(name(id)),
        act,
        lasts: Lasts::UntilRemedied {
            at_most: Millis::seconds(3600),
        },
        occurrence: None,
        veiled: false,
    }
}

/// An experiment on a stack where `web` calls `wallet-api`, which calls `signer` and `node`; nothing links `billing`
/// or `mailer`, but `mailer` calls `billing`. `send` is the impact probe (every 2 s), `nonce` is steady state too
/// (every 1 s). The faults are `slow-signer`, `dead-node` and `bad-token`, a hook.
pub(super) fn experiment() -> Plan {
    let tolerance = |probe: &str| Tolerance {
        probe: name(probe),
        fail_after: 3,
        pass_after: 3,
    };
    let probes = [
        probe("send", Millis::seconds(2), Millis::new(1500), true),
        probe("nonce", Millis::seconds(1), Millis::new(2500), false),
    ];
    let services = [
        "web",
        "wallet-api",
        "signer",
        "node",
        "billing",
        "mailer",
        "archive",
    ];
    Plan {
        stack: Stack {
            name: name("wallet-staging"),
            environment: "staging".into(),
            identity: Vec::new(),
            toxiproxy: None,
            docker: None,
            services: services
                .into_iter()
                .map(|service| {
                    let nothing = Service {
                        tier: None,
                        container: None,
                        protected: false,
                    };
                    (name(service), nothing)
                })
                .collect(),
            links: vec![
                link("web", "wallet-api"),
                link("wallet-api", "signer"),
                link("wallet-api", "node"),
                link("mailer", "billing"),
            ],
            probes: probes.into_iter().map(|p| (p.name.clone(), p)).collect(),
        },
        experiment: Experiment {
            name: name("slow-signer"),
            stack: name("wallet-staging"),
            hypothesis: "A slow signer delays transfers but loses none.".into(),
            steady_state: vec![tolerance("send"), tolerance("nonce")],
            during: vec![tolerance("nonce")],
            method: Vec::new(),
            stop_when: Vec::new(),
            limits: Limits {
                services: None,
                duration: Millis::seconds(7200),
                links: None,
                containers: None,
                tiers: std::collections::BTreeMap::default(),
            },
            recovery: Recovery {
                within: Millis::seconds(60),
                stable_for: Millis::seconds(10),
            },
        },
        injections: vec![
            injection(
                "slow-signer",
                Act::AddToxic {
                    link: link("wallet-api", "signer"),
                    stream: Stream::Downstream,
                    toxicity: 1.0,
                    toxic: Toxic::Latency {
                        latency: Millis::seconds(2),
                        jitter: Millis::ZERO,
                    },
                    ramp: None,
                },
            ),
            injection(
                "dead-node",
                Act::Container {
                    service: name("node"),
                    selector: ContainerSelector::Name("node".into()),
                    action: ContainerAction::Kill,
                },
            ),
            injection(
                "bad-token",
                Act::Hook(Hook {
                    capture: None,
                    act: Call::Run(Program {
                        command: vec!["./rollout".into()],
                        folder: None,
                    }),
                    verify: None,
                    undo: None,
                    verify_undone: None,
                }),
            ),
        ],
        drill: None,
        files: Vec::new(),
    }
}

/// The experiment as a drill judged against these lines; people's reports and `Slow` alerts are detections.
pub(super) fn drill(lines: impl IntoIterator<Item = Expectation>) -> Plan {
    let detection = vec![
        Detection::Alertmanager {
            labels: [("alertname".to_owned(), "Slow".to_owned())].into(),
        },
        Detection::Human,
    ];
    Plan {
        drill: Some(Exercise {
            drill: Drill {
                name: name("slow-signer-drill"),
                experiment: name("slow-signer"),
                runbook: name("signing"),
                team: name("oncall"),
                severity: Severity::Sev1,
                brief: String::new(),
                schedule: None,
                detection,
                injects: Vec::new(),
                remedies: Vec::new(),
                automation: Vec::new(),
                decoy: None,
                autopilot: None,
                pass: Pass {
                    outcome: 80.0,
                    observed: 75.0,
                },
            },
            runbook: Runbook {
                name: name("signing"),
                class: Class::Availability,
                failure: None,
                clocks: Vec::new(),
                expect: lines.into_iter().collect(),
                body: String::new(),
            },
            team: Team {
                name: name("oncall"),
                members: Vec::new(),
                on_call: Vec::new(),
                escalation: Vec::new(),
            },
            channels: Vec::new(),
        }),
        ..experiment()
    }
}

/// A line of weight 1.
pub(super) fn line(id: &str, what: Expected) -> Expectation {
    Expectation {
        id: name(id),
        what,
        weight: 1.0,
        critical: false,
    }
}

/// A critical line.
pub(super) fn critical(line: Expectation) -> Expectation {
    Expectation {
        critical: true,
        ..line
    }
}

/// A line of another weight.
pub(super) fn weighing(weight: f64, line: Expectation) -> Expectation {
    Expectation { weight, ..line }
}

/// A timed line: due `within` seconds of the anchor, at the latest after `limit` seconds.
pub(super) fn timed(
    id: &str,
    event: Milestone,
    by: Option<By>,
    within: u64,
    limit: Option<u64>,
    from: Anchor,
) -> Expectation {
    line(
        id,
        Expected::Event {
            event,
            by,
            within: Some(Millis::seconds(within)),
            limit: limit.map(Millis::seconds),
            from: Some(from),
            before: None,
        },
    )
}

/// A line that asks for an event before something else.
pub(super) fn before(id: &str, event: Milestone, target: Target) -> Expectation {
    line(
        id,
        Expected::Event {
            event,
            by: None,
            within: None,
            limit: None,
            from: None,
            before: Some(target),
        },
    )
}

/// Something forbidden.
pub(super) fn forbid(id: &str, remedy: &str) -> Expectation {
    line(
        id,
        Expected::Forbid {
            target: Target::Remedy(name(remedy)),
        },
    )
}

/// Any update at all.
pub(super) fn any_update() -> Milestone {
    Milestone::Update {
        audience: None,
        channels: Vec::new(),
        must_have: Vec::new(),
    }
}

/// A log in the making.
#[derive(Clone)]
pub(super) struct Script {
    now: f64,
    epoch: Epoch,
    events: Vec<Event>,
}

impl Script {
    /// A run that was just created.
    pub(super) fn new(plan: Plan) -> Self {
        Self {
            now: 0.0,
            epoch: Epoch(1),
            events: Vec::new(),
        }
        .push(
            Origin::engine(),
            Fact::RunCreated {
                plan: Box::new(plan),
                seed: 7,
                trigger: Trigger::CommandLine,
            },
        )
    }

    /// What follows happens at this second.
    pub(super) fn at(mut self, second: f64) -> Self {
        self.now = second;
        self
    }

    fn stamp(&self, second: f64) -> Stamp {
        Stamp {
            epoch: self.epoch,
            ..stamp(second)
        }
    }

    fn push(self, origin: Origin, fact: Fact) -> Self {
        let later = 0.0;
        self.push_later(later, origin, fact)
    }

    fn push_later(mut self, later: f64, origin: Origin, fact: Fact) -> Self {
        let at = self.stamp(self.now + later);
        self.events.push(Event {
            seq: u64::try_from(self.events.len()).expect("few events") + 1,
            at,
            origin,
            fact,
        });
        self
    }

    /// firedrill decides something.
    pub(super) fn engine(self, fact: Fact) -> Self {
        self.push(Origin::engine(), fact)
    }

    /// A person does something.
    pub(super) fn person(self, fact: Fact) -> Self {
        self.push(Origin::person(Source::Room, "p1"), fact)
    }

    /// A machine does something.
    pub(super) fn machine(self, fact: Fact) -> Self {
        self.push(Origin::machine(Source::Api), fact)
    }

    /// Something comes in and nobody can tell from whom.
    pub(super) fn unknown(self, fact: Fact) -> Self {
        let origin = Origin {
            kind: ActorKind::Unknown,
            ..Origin::machine(Source::Api)
        };
        self.push(origin, fact)
    }

    /// A fault is sent now and read back a fifth of a second later.
    pub(super) fn fault(self, id: &str) -> Self {
        let sent = self.stamp(self.now);
        self.push_later(
            0.2,
            Origin::machine(Source::Fault),
            Fact::Active {
                injection: name(id),
                sent,
                evidence: "read back".into(),
            },
        )
    }

    /// A probe fails from now on; the third failing sample settles it four seconds later.
    pub(super) fn fails(self, probe: &str) -> Self {
        self.turn(probe, Standing::Failing)
    }

    /// A probe passes from now on; the third passing sample settles it four seconds later.
    pub(super) fn passes(self, probe: &str) -> Self {
        self.turn(probe, Standing::Passing)
    }

    fn turn(self, probe: &str, standing: Standing) -> Self {
        let first = self.stamp(self.now);
        let previous = Some(self.stamp((self.now - 2.0).max(0.0)));
        self.push_later(
            4.0,
            Origin::machine(Source::Probe),
            Fact::ProbeChanged {
                probe: name(probe),
                standing,
                first,
                previous,
                reason: None,
            },
        )
    }

    /// A `Slow` alert comes in that fired just now.
    pub(super) fn alert(self) -> Self {
        let starts_at = self.now;
        self.alert_from(starts_at)
    }

    /// A `Slow` alert comes in that fired at this second.
    pub(super) fn alert_from(self, second: f64) -> Self {
        self.push(
            Origin::machine(Source::Alertmanager),
            Fact::AlertReceived {
                alert: Alert {
                    firing: true,
                    labels: [("alertname".to_owned(), "Slow".to_owned())].into(),
                    fingerprint: "f1".into(),
                    starts_at: stamp(second).wall,
                    qualifies: true,
                },
            },
        )
    }

    /// A person reports a service.
    pub(super) fn detects(self, service: &str) -> Self {
        self.person(Fact::Detected {
            service: name(service),
            symptom: "transfers hang".into(),
        })
    }

    /// A person takes the page.
    pub(super) fn acknowledges(self) -> Self {
        self.person(Fact::Acknowledged)
    }

    /// A person declares an incident.
    pub(super) fn declares(self) -> Self {
        self.person(Fact::Declared {
            severity: Severity::Sev1,
        })
    }

    /// A person takes a role.
    pub(super) fn takes(self, role: Role) -> Self {
        self.person(Fact::RoleTaken { role, to: None })
    }

    /// A person posts an update for customers.
    pub(super) fn says(self, text: &str) -> Self {
        self.person(update(text, false))
    }

    /// A person chooses a remedy, which is done and ends the fault within a tenth of a second.
    pub(super) fn remedies(self, remedy: &str, fault: &str) -> Self {
        let origin = Origin::person(Source::Room, "p1");
        self.remedies_by(origin, remedy, fault)
    }

    /// A rule chooses a remedy.
    pub(super) fn remedies_itself(self, remedy: &str, fault: &str) -> Self {
        self.remedies_by(Origin::machine(Source::Api), remedy, fault)
    }

    fn remedies_by(self, origin: Origin, remedy: &str, fault: &str) -> Self {
        let acts_at = self.stamp(self.now);
        let uses = format!("remedy:{remedy}#1");
        self.push(
            origin,
            Fact::RemedyChosen {
                remedy: name(remedy),
                uses: name(&uses),
                acts_at,
                approvals: None,
                rule: None,
            },
        )
        .engine(Fact::RemedyDone { uses: name(&uses) })
        .undo(fault, UndoCause::Remedied { by: name(&uses) })
        .push_later(
            0.1,
            Origin::machine(Source::Fault),
            Fact::Undone {
                injection: name(fault),
                by: UndoneBy::Us,
                evidence: "gone".into(),
            },
        )
    }

    /// A person chooses a remedy that does nothing.
    pub(super) fn chooses(self, remedy: &str) -> Self {
        let acts_at = self.stamp(self.now + 60.0);
        self.person(Fact::RemedyChosen {
            remedy: name(remedy),
            uses: name(&format!("remedy:{remedy}#1")),
            acts_at,
            approvals: None,
            rule: None,
        })
    }

    /// The undo of a fault begins.
    pub(super) fn undo(self, fault: &str, cause: UndoCause) -> Self {
        self.engine(Fact::UndoBegan {
            injection: name(fault),
            cause,
        })
    }

    /// A fault is read back as removed.
    pub(super) fn undone(self, fault: &str, by: UndoneBy) -> Self {
        self.engine(Fact::Undone {
            injection: name(fault),
            by,
            evidence: "gone".into(),
        })
    }

    /// Observation ends.
    pub(super) fn observed(self) -> Self {
        self.engine(Fact::ObservationEnded { held: true })
    }

    /// The run is stopped.
    pub(super) fn stop(self, cause: StopCause) -> Self {
        self.engine(Fact::StopRequested { cause })
    }

    /// The process dies; what follows is told by another one, on another clock that reads much lower.
    pub(super) fn interrupted(mut self) -> Self {
        let dead = self.epoch;
        self.epoch = Epoch(dead.0 + 1);
        self.engine(Fact::Interrupted { epoch: dead })
    }

    /// The run is over.
    pub(super) fn ends(self, verdict: Verdict) -> Self {
        let reasons = match verdict {
            Verdict::Passed => Vec::new(),
            _ => vec!["because of the story".to_owned()],
        };
        self.engine(Fact::RunEnded { verdict, reasons })
    }

    /// The log.
    pub(super) fn events(self) -> Vec<Event> {
        self.events
    }

    /// The log, judged.
    pub(super) fn judge(self) -> Report {
        crate::score::judge(&self.events).expect("a log that begins with its creation")
    }
}

/// An update for customers on the status page.
pub(super) fn update(text: &str, next: bool) -> Fact {
    Fact::UpdatePosted {
        update: Update {
            audience: Audience::Customers,
            channels: vec!["status_page".into()],
            text: text.into(),
            stage: None,
            next_update_at: next.then(|| stamp(600.0).wall),
            estimated_recovery: None,
        },
    }
}

/// A line of a report's scorecard.
pub(super) fn judged(report: &Report, id: &str) -> Line {
    let scorecard = report.scorecard.as_ref().expect("a drill");
    let line = scorecard.lines.iter().find(|line| line.id.as_str() == id);
    line.expect("a line of that id").clone()
}
