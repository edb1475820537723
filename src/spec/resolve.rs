//! From checked files to a plan: each step becomes one injection for each target, and what only shows with
//! everything resolved is checked: overlaps, and how much is hit at once.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::cut::{Cut, Party};
use crate::model::draw::{MOST, injection_id};
use crate::model::experiment::Experiment;
use crate::model::fault::{
    Act, Cause, Direction, Fault, Injection, Occurrence, PartitionMode, Ramp, Step, Stream,
    Strength, Toxic,
};
use crate::model::ids::ServiceName;
use crate::model::plan::{Exercise, Plan, SourceFile};
use crate::model::reach::{Excess, Reach};
use crate::model::stack::{ContainerSelector, Link, Stack};
use crate::model::time::Millis;

use super::check::names::listed;
use super::check::shape::head;
use super::check::window::{Window, windows};
use super::code::Code;
use super::diagnostic::{Diagnostic, Span};
use super::document::Document;
use super::findings::Sink;

/// A checked value and the document it was read from.
#[derive(Debug)]
pub(crate) struct Read<'a, T> {
    pub(crate) document: &'a Document,
    pub(crate) value: T,
}

/// Makes the plan. Without one, the reasons are among the findings.
pub(crate) fn resolve(
    stack: Read<'_, Stack>,
    experiment: Read<'_, Experiment>,
    drill: Option<Exercise>,
    files: Vec<SourceFile>,
) -> (Option<Plan>, Vec<Diagnostic>) {
    let mut sink = Sink::new(&experiment.document.source);
    let keys: Vec<Span> = experiment
        .document
        .root
        .get("method")
        .map_or(&[][..], |method| method.items())
        .iter()
        .map(head)
        .collect();
    let key = |index: usize| keys.get(index).copied().unwrap_or_default();
    let schedule = drill
        .as_ref()
        .and_then(|exercise| exercise.drill.schedule.as_ref());
    let veiled = schedule.is_some_and(|schedule| schedule.surprise);
    let mut injections: Vec<(usize, Injection)> = Vec::new();
    for (index, step) in experiment.value.method.iter().enumerate() {
        if step.is_pause() {
            continue;
        }
        let acts = acts(&step.fault, &stack.value);
        if acts.is_empty() {
            sink.error(
                Code::EmptyPartition,
                key(index),
                format!("the step `{}` has no target", step.id),
            );
        }
        // Before they are made: a thousand occurrences of a partition of many services are too many to hold.
        if injections.len() + acts.len() * step.times() as usize > MOST {
            sink.error(
                Code::TooMuch,
                key(index),
                format!("the method has more than {MOST} targets"),
            );
            return (None, sink.into_found());
        }
        let occurrences = (1..=step.times()).flat_map(|nth| {
            let acts = acts.iter().cloned().enumerate();
            acts.map(move |(count, act)| (nth, count, act))
        });
        for (nth, count, act) in occurrences {
            if let Some(mut injection) = injection(step, nth, count, act) {
                injection.veiled = veiled;
                injections.push((index, injection));
            } else {
                sink.error(
                    Code::BadName,
                    key(index),
                    format!("the id `{}` is too long", step.id),
                )
                .with_hint(
                    "the ids of its targets are made from it, and have 80 characters at most",
                );
                break;
            }
        }
    }
    let steps: Vec<&Step> = experiment.value.method.iter().collect();
    let begun_by_remedies = |step: &Step| {
        let exercise = drill.iter();
        exercise
            .flat_map(|exercise| &exercise.drill.remedies)
            .any(|remedy| remedy.starts.contains(&step.id))
    };
    // When a step begins that waits for a remedy, nobody knows.
    let windows: Vec<Option<Window>> = windows(&steps)
        .into_iter()
        .zip(&steps)
        .map(|(window, step)| window.filter(|_| !begun_by_remedies(step)))
        .collect();
    overlaps(&steps, &windows, &injections, &key, &mut sink);
    limits(
        &experiment,
        &stack.value,
        &steps,
        &windows,
        &injections,
        key(0),
        &mut sink,
    );
    if sink.errors() > 0 {
        return (None, sink.into_found());
    }
    let plan = Plan {
        stack: stack.value,
        experiment: experiment.value,
        injections: injections
            .into_iter()
            .map(|(_, injection)| injection)
            .collect(),
        drill,
        files,
    };
    (Some(plan), sink.into_found())
}

fn injection(step: &Step, nth: u32, count: usize, act: Act) -> Option<Injection> {
    let occurrence = step.repeat.map(|_| Occurrence {
        nth,
        of: step.times(),
    });
    Some(Injection {
        id: injection_id(&step.id, count, occurrence)?,
        cause: Cause::Step(step.id.clone()),
        act,
        lasts: step.lasts,
        occurrence,
        veiled: false,
    })
}

const EACH_WAY: [Stream; 2] = [Stream::Downstream, Stream::Upstream];

/// What a fault does, one act a target.
fn acts(fault: &Fault, stack: &Stack) -> Vec<Act> {
    match fault {
        Fault::Toxic {
            link,
            direction,
            toxicity,
            toxic,
            ramp,
        } => {
            let streams = match direction {
                Direction::Downstream => &EACH_WAY[..1],
                Direction::Upstream => &EACH_WAY[1..],
                Direction::Both => &EACH_WAY[..],
            };
            stack.link(link).map_or(Vec::new(), |link| {
                let strength = Strength {
                    toxic: *toxic,
                    toxicity: *toxicity,
                };
                toxics(link, streams, strength, *ramp)
            })
        }
        Fault::Down { link } => stack
            .link(link)
            .map(|link| Act::DisableProxy { link: link.clone() })
            .into_iter()
            .collect(),
        Fault::Partition { from, to, mode } => stack
            .links
            .iter()
            .filter(|link| from.contains(&link.from) && to.contains(&link.to))
            .flat_map(|link| cut(link, *mode))
            .collect(),
        Fault::Container {
            service,
            action,
            share,
        } => stack
            .services
            .get(service)
            .and_then(|found| found.container.clone())
            .map(|selector| Act::Container {
                service: service.clone(),
                selector: match share {
                    Some(share) => ContainerSelector::Several {
                        of: Box::new(selector),
                        share: *share,
                    },
                    None => selector,
                },
                action: action.clone(),
            })
            .into_iter()
            .collect(),
        Fault::Disconnect {
            service,
            networks,
            address,
        } => parties([service], stack)
            .into_iter()
            .map(|party| {
                let networks = networks.clone();
                let address = *address;
                cut_off(party, Cut::Disconnect { networks, address })
            })
            .collect(),
        Fault::Part {
            from,
            to,
            others,
            address,
        } => {
            let from = parties(from, stack);
            let group = parties(to, stack);
            let rest = |one: &Party| {
                let rest = group.iter().filter(|other| *other != one);
                rest.cloned().collect()
            };
            let parted = |one: &Party| {
                let cut = Cut::Part {
                    from: from.clone(),
                    with: rest(one),
                    others: *others,
                    address: *address,
                };
                cut_off(one.clone(), cut)
            };
            group.iter().map(parted).collect()
        }
        Fault::Hook(hook) => vec![Act::Hook(hook.clone())],
        Fault::Confirm(_) => Vec::new(),
    }
}

/// Services and how their containers are found; those without one are left out.
fn parties<'a>(names: impl IntoIterator<Item = &'a ServiceName>, stack: &Stack) -> Vec<Party> {
    let party = |service: &ServiceName| {
        let known = stack.services.get(service)?;
        Some(Party {
            service: service.clone(),
            selector: known.container.clone()?,
        })
    };
    names.into_iter().filter_map(party).collect()
}

fn cut_off(party: Party, cut: Cut) -> Act {
    Act::Cut {
        service: party.service,
        selector: party.selector,
        cut,
    }
}

fn toxics(link: &Link, streams: &[Stream], full: Strength, ramp: Option<Ramp>) -> Vec<Act> {
    streams
        .iter()
        .map(|stream| Act::AddToxic {
            link: link.clone(),
            stream: *stream,
            toxicity: full.toxicity,
            toxic: full.toxic,
            ramp,
        })
        .collect()
}

fn cut(link: &Link, mode: PartitionMode) -> Vec<Act> {
    let each_way = |toxic| {
        let full = Strength {
            toxic,
            toxicity: 1.0,
        };
        toxics(link, &EACH_WAY, full, None)
    };
    let timeout = Millis::ZERO;
    match mode {
        PartitionMode::Drop => each_way(Toxic::Timeout { timeout }),
        PartitionMode::Refuse => vec![Act::DisableProxy { link: link.clone() }],
        PartitionMode::Reset => each_way(Toxic::ResetPeer { timeout }),
    }
}

/// What two injections can't both do at one time: the undo of the first would undo the second, or fail.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Seat<'a> {
    Toxic(&'a str, &'static str, &'static str),
    Proxy(&'a str),
    /// Whatever is done to it: one can't pause what another has killed. Which of several it will be is not known yet.
    Container(String),
}

fn seat(act: &Act) -> Option<Seat<'_>> {
    Some(match act {
        Act::AddToxic {
            link,
            stream,
            toxic,
            ..
        } => Seat::Toxic(link.proxy.as_str(), toxic.kind(), stream.as_str()),
        Act::DisableProxy { link } => Seat::Proxy(link.proxy.as_str()),
        Act::Container { selector, .. } | Act::Cut { selector, .. } => {
            Seat::Container(selector.to_string())
        }
        Act::Hook(_) => return None,
    })
}

fn overlaps(
    steps: &[&Step],
    windows: &[Option<Window>],
    injections: &[(usize, Injection)],
    key: &dyn Fn(usize) -> Span,
    sink: &mut Sink,
) {
    let mut taken: BTreeMap<Seat<'_>, Vec<(usize, u32)>> = BTreeMap::new();
    let window = |index: usize, nth: u32| Some(windows[index]?.of(steps[index], nth));
    let mut reported: BTreeSet<(usize, usize)> = BTreeSet::new();
    for (index, injection) in injections {
        let Some(seat) = seat(&injection.act) else {
            continue;
        };
        let what = match &seat {
            Seat::Toxic(proxy, kind, stream) => {
                format!("add a `{kind}` to the {stream} of `{proxy}`")
            }
            Seat::Proxy(proxy) => format!("disable the proxy `{proxy}`"),
            Seat::Container(found) => format!("act on the container {found}"),
        };
        let others = taken.entry(seat).or_default();
        for (other, nth) in others.iter() {
            if other == index {
                continue;
            }
            let both = (window(*index, injection.nth()), window(*other, *nth));
            let (Some(one), Some(two)) = both else {
                continue;
            };
            let certain = one.is_fixed() && two.is_fixed() && one.meets(two);
            if certain && reported.insert((*index, *other)) {
                let (late, early) = if one.latest_start < two.latest_start {
                    (*other, *index)
                } else {
                    (*index, *other)
                };
                sink.error(
                    Code::Overlap,
                    key(late),
                    format!(
                        "`{}` begins while `{}` is on, and both {what}",
                        steps[late].id, steps[early].id
                    ),
                )
                .with_hint(format!(
                    "let it begin `after: {}`, or shorten one of them",
                    steps[early].id
                ));
            }
        }
        others.push((*index, injection.nth()));
    }
}

/// Each limit at the first moment when it is passed, as far as the timeline decides.
fn limits(
    experiment: &Read<'_, Experiment>,
    stack: &Stack,
    steps: &[&Step],
    windows: &[Option<Window>],
    injections: &[(usize, Injection)],
    key: Span,
    sink: &mut Sink,
) {
    let hits: Vec<(Window, &Act)> = injections
        .iter()
        .filter_map(|(index, injection)| {
            let window = windows[*index]?.of(steps[*index], injection.nth());
            Some((window, &injection.act))
        })
        .filter(|(window, _)| window.is_fixed())
        .collect();
    let starts: BTreeSet<Millis> = hits.iter().map(|(window, _)| window.latest_start).collect();
    let mut worst: BTreeMap<Vec<String>, (Excess, Millis)> = BTreeMap::new();
    for start in starts {
        let instant = Window {
            earliest_start: start,
            latest_start: start,
            latest_end: start,
        };
        let mut reach = Reach::default();
        for (_, act) in hits.iter().filter(|(window, _)| window.meets(instant)) {
            reach.add(act);
        }
        for excess in reach.beyond(&experiment.value.limits, stack) {
            let known = worst.get(&excess.keys);
            if known.is_none_or(|(known, _)| known.names.len() < excess.names.len()) {
                worst.insert(excess.keys.clone(), (excess, start));
            }
        }
    }
    for (excess, at) in worst.into_values() {
        let mut node = experiment.document.root.get("limits");
        for key in &excess.keys {
            node = node.and_then(|node| node.get(key));
        }
        let services = excess.keys == ["services"];
        let code = if services {
            Code::TooManyServices
        } else {
            Code::TooManyTargets
        };
        let names = listed(excess.names.iter().map(String::as_str), "and");
        let counts = if excess.keys == ["links"] || excess.keys == ["containers"] {
            ""
        } else {
            "; a link counts the service that it leads to"
        };
        sink.error(
            code,
            node.map_or(key, |node| node.span),
            format!(
                "{} are hit at once at {at}, and {} may be",
                excess.hit, excess.allowed
            ),
        )
        .with_hint(format!("{names} are hit then{counts}"));
    }
}
