//! A stack as a drawing: its services in tiers, its links, and faults on both, as SVG text; and the same in words.
//!
//! The layout is a pure function of the stack, so that a page that follows a run never jumps. A tier stands in the column
//! of its longest way from a service that nobody calls; within a column, tiers and services keep the order of the
//! stack's links, then that of their names.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::svg::{Svg, clipped, escape, float};
use crate::model::fault::{Act, Injection};
use crate::model::ids::ServiceName;
use crate::model::stack::{Link, Stack};

const NODE: (f64, f64) = (168.0, 30.0);
const GAP: f64 = 8.0;
const TIER_HEAD: f64 = 22.0;
const TIER_PAD: f64 = 10.0;
const TIER_GAP: f64 = 10.0;
const COLUMN_GAP: f64 = 320.0;
const EDGE: f64 = 14.0;

/// The longest name that fits into its box.
const LONGEST: usize = 22;

/// Whether a disturbance is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::http) enum Stage {
    /// It is over.
    Was,
    /// It is on, or would be.
    On,
}

/// A disturbance, and where it is drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::http) struct Disturbed {
    place: Place,
    /// The step it is of.
    label: String,
    /// What it does, in a few words.
    told: String,
    stage: Stage,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Link(ServiceName, ServiceName),
    Service(ServiceName),
    Elsewhere,
}

impl Disturbed {
    /// What an injection does, at its place.
    pub(in crate::http) fn of(injection: &Injection, label: String, stage: Stage) -> Self {
        let place = match &injection.act {
            Act::AddToxic { link, .. } | Act::DisableProxy { link } => {
                Place::Link(link.from.clone(), link.to.clone())
            }
            Act::Container { service, .. } | Act::Cut { service, .. } => {
                Place::Service(service.clone())
            }
            Act::Hook(_) => Place::Elsewhere,
        };
        Self {
            place,
            label,
            told: crate::narrative::disturbance(injection),
            stage,
        }
    }
}

/// The drawing, and what it shows in words.
#[derive(Debug, Clone, Serialize)]
pub(in crate::http) struct Topology {
    /// The drawing.
    pub(in crate::http) svg: String,
    /// Every link.
    pub(in crate::http) links: Vec<LinkLine>,
    /// Services that no link names, and those that are disturbed themselves.
    pub(in crate::http) services: Vec<ServiceLine>,
    /// Disturbances that are at no link and no service: hooks.
    pub(in crate::http) elsewhere: Vec<String>,
    /// Whether any is drawn.
    pub(in crate::http) disturbed: bool,
}

/// A link in words.
#[derive(Debug, Clone, Serialize)]
pub(in crate::http) struct LinkLine {
    pub(in crate::http) from: String,
    pub(in crate::http) to: String,
    pub(in crate::http) told: Vec<String>,
}

/// A service in words.
#[derive(Debug, Clone, Serialize)]
pub(in crate::http) struct ServiceLine {
    pub(in crate::http) name: String,
    pub(in crate::http) tier: Option<String>,
    pub(in crate::http) told: Vec<String>,
}

impl Topology {
    /// A stack with these disturbances.
    pub(in crate::http) fn new(stack: &Stack, disturbed: &[Disturbed]) -> Self {
        let at = |place: &Place| {
            let here = disturbed.iter().filter(|one| one.place == *place);
            here.map(told).collect::<Vec<_>>()
        };
        let linked: BTreeSet<_> = stack
            .links
            .iter()
            .flat_map(|link| [&link.from, &link.to])
            .collect();
        let services = stack.services.iter().map(|(name, service)| ServiceLine {
            name: name.to_string(),
            tier: service.tier.clone(),
            told: at(&Place::Service(name.clone())),
        });
        Self {
            svg: draw(stack, disturbed),
            links: stack
                .links
                .iter()
                .map(|link| LinkLine {
                    from: link.from.to_string(),
                    to: link.to.to_string(),
                    told: at(&of(link)),
                })
                .collect(),
            services: services
                .filter(|line| {
                    !line.told.is_empty() || !linked.iter().any(|name| name.as_str() == line.name)
                })
                .collect(),
            elsewhere: at(&Place::Elsewhere),
            disturbed: !disturbed.is_empty(),
        }
    }
}

fn told(one: &Disturbed) -> String {
    let over = match one.stage {
        Stage::On => "",
        Stage::Was => " (over)",
    };
    format!("{}: {}{over}", one.label, one.told)
}

fn of(link: &Link) -> Place {
    Place::Link(link.from.clone(), link.to.clone())
}

/// Where everything stands.
#[derive(Debug, PartialEq)]
struct Plan<'a> {
    tiers: Vec<Tier<'a>>,
    nodes: BTreeMap<&'a ServiceName, (f64, f64)>,
    size: (f64, f64),
}

#[derive(Debug, PartialEq)]
struct Tier<'a> {
    name: Option<&'a str>,
    at: (f64, f64),
    size: (f64, f64),
}

/// How many links lead to each service on the longest way. Where links go round in a circle, the service that the stack
/// names first is where it begins.
fn depths(stack: &Stack) -> BTreeMap<&ServiceName, usize> {
    let known = |link: &&Link| {
        link.from != link.to
            && stack.services.contains_key(&link.from)
            && stack.services.contains_key(&link.to)
    };
    let links: Vec<&Link> = stack.links.iter().filter(known).collect();
    let mut depths: BTreeMap<_, usize> = stack.services.keys().map(|name| (name, 0)).collect();
    let mut callers = depths.clone();
    for link in &links {
        *callers.entry(&link.to).or_default() += 1;
    }
    let mut order: Vec<&ServiceName> = links.iter().map(|link| &link.from).collect();
    order.extend(stack.services.keys());
    let mut waiting = Vec::new();
    for name in order {
        if !waiting.contains(&name) {
            waiting.push(name);
        }
    }
    while !waiting.is_empty() {
        let free = waiting.iter().position(|name| callers[name] == 0);
        let next = waiting.remove(free.unwrap_or(0));
        let depth = depths[next] + 1;
        for link in links.iter().filter(|link| link.from == *next) {
            if waiting.contains(&&link.to) {
                depths.entry(&link.to).and_modify(|at| *at = depth.max(*at));
            }
            callers
                .entry(&link.to)
                .and_modify(|count| *count = count.saturating_sub(1));
        }
    }
    depths
}

impl<'a> Plan<'a> {
    fn new(stack: &'a Stack) -> Self {
        let depths = depths(stack);
        let first_named = |name: &ServiceName| {
            let named = stack
                .links
                .iter()
                .position(|link| link.from == *name || link.to == *name);
            named.unwrap_or(usize::MAX)
        };
        // A tier is where its first member is; services without one make up a tier of their own in each column.
        let mut tiers: BTreeMap<(Option<&str>, usize), Vec<&ServiceName>> = BTreeMap::new();
        for (name, service) in &stack.services {
            let depth = depths.get(name).copied().unwrap_or(0);
            let tier = service.tier.as_deref();
            let own = if tier.is_some() { 0 } else { depth };
            tiers.entry((tier, own)).or_default().push(name);
        }
        let mut placed: Vec<(usize, usize, Option<&str>, Vec<&ServiceName>)> = tiers
            .into_iter()
            .map(|((tier, _), mut members)| {
                members.sort_by_key(|name| (first_named(name), (*name).clone()));
                let depth = members.iter().filter_map(|name| depths.get(*name)).min();
                let first = members.iter().map(|name| first_named(name)).min();
                (
                    depth.copied().unwrap_or(0),
                    first.unwrap_or(usize::MAX),
                    tier,
                    members,
                )
            })
            .collect();
        placed.sort_by_key(|(depth, first, tier, _)| (*depth, *first, *tier));
        // Columns without a tier are left out.
        let mut columns: Vec<usize> = placed.iter().map(|(depth, ..)| *depth).collect();
        columns.dedup();
        let mut plan = Self {
            tiers: Vec::new(),
            nodes: BTreeMap::new(),
            size: (0.0, 0.0),
        };
        let width = NODE.0 + 2.0 * TIER_PAD;
        for (column, depth) in columns.iter().enumerate() {
            let x = EDGE + float(column) * (width + COLUMN_GAP);
            let mut y = EDGE;
            for (_, _, name, members) in placed.iter().filter(|(at, ..)| at == depth) {
                let rows = float(members.len());
                let height = TIER_HEAD + rows * NODE.1 + (rows - 1.0) * GAP + TIER_PAD;
                for (row, member) in members.iter().enumerate() {
                    let top = y + TIER_HEAD + float(row) * (NODE.1 + GAP);
                    plan.nodes.insert(member, (x + TIER_PAD, top));
                }
                plan.tiers.push(Tier {
                    name: *name,
                    at: (x, y),
                    size: (width, height),
                });
                y += height + TIER_GAP;
            }
            plan.size.0 = x + width + EDGE;
            plan.size.1 = plan.size.1.max(y - TIER_GAP + EDGE);
        }
        // Links inside the last column bend outwards.
        plan.size.0 += 70.0;
        plan.centred(&columns, &placed)
    }

    /// Columns that are lower than the highest stand in its middle.
    fn centred(
        mut self,
        columns: &[usize],
        placed: &[(usize, usize, Option<&str>, Vec<&'a ServiceName>)],
    ) -> Self {
        let mut tier = 0;
        for depth in columns {
            let here = placed.iter().filter(|(at, ..)| at == depth);
            let here: Vec<_> = here.collect();
            let bottom = self.tiers[tier..tier + here.len()]
                .iter()
                .map(|tier| tier.at.1 + tier.size.1)
                .fold(0.0, f64::max);
            let shift = (self.size.1 - EDGE - bottom) / 2.0;
            for (_, _, _, members) in &here {
                self.tiers[tier].at.1 += shift;
                for member in members {
                    if let Some(at) = self.nodes.get_mut(member) {
                        at.1 += shift;
                    }
                }
                tier += 1;
            }
        }
        self
    }
}

fn draw(stack: &Stack, disturbed: &[Disturbed]) -> String {
    let plan = Plan::new(stack);
    let (width, height) = plan.size;
    let mut svg = Svg::default();
    let on = disturbed.len();
    svg.put(format_args!(
        "<svg class=\"topology\" viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" aria-labelledby=\"topology-title topology-desc\">\
         <title id=\"topology-title\">The stack {}</title><desc id=\"topology-desc\">{} services, {} links, {on} disturbances; each is listed in words below.</desc>",
        escape(stack.name.as_str()),
        stack.services.len(),
        stack.links.len(),
    ));
    for tier in &plan.tiers {
        svg.put(format_args!(
            "<rect class=\"tier\" x=\"{:.0}\" y=\"{:.0}\" width=\"{:.0}\" height=\"{:.0}\" rx=\"8\"/>",
            tier.at.0, tier.at.1, tier.size.0, tier.size.1
        ));
        if let Some(name) = tier.name {
            svg.put(format_args!(
                "<text x=\"{:.0}\" y=\"{:.0}\">{}</text>",
                tier.at.0 + TIER_PAD,
                tier.at.1 + 16.0,
                escape(&clipped(name, LONGEST))
            ));
        }
    }
    for link in &stack.links {
        let (Some(from), Some(to)) = (plan.nodes.get(&link.from), plan.nodes.get(&link.to)) else {
            continue;
        };
        edge(&mut svg, link, *from, *to, &here(disturbed, &of(link)));
    }
    for (name, at) in &plan.nodes {
        let place = Place::Service((*name).clone());
        node(&mut svg, name, *at, &here(disturbed, &place));
    }
    // Last, so that nothing is drawn over what matters most.
    for link in &stack.links {
        let (Some(from), Some(to)) = (plan.nodes.get(&link.from), plan.nodes.get(&link.to)) else {
            continue;
        };
        tag(&mut svg, *from, *to, &here(disturbed, &of(link)));
    }
    svg.finish()
}

fn here<'a>(disturbed: &'a [Disturbed], place: &Place) -> Vec<&'a Disturbed> {
    disturbed.iter().filter(|one| one.place == *place).collect()
}

/// `on` where anything is on, `was` where something was.
fn look(here: &[&Disturbed]) -> &'static str {
    match here.iter().map(|one| one.stage).max() {
        Some(Stage::On) => " on",
        Some(Stage::Was) => " was",
        None => "",
    }
}

/// Where a link leaves, arrives, and bends.
struct Bend {
    from: (f64, f64),
    to: (f64, f64),
    pull: f64,
    side: f64,
}

impl Bend {
    fn new(from: (f64, f64), to: (f64, f64)) -> Self {
        let middle = NODE.1 / 2.0;
        let same_column = (from.0 - to.0).abs() < 1.0;
        // To the right, from the right side to the left; back or within a column, round the right side.
        if to.0 > from.0 + 1.0 {
            Self {
                from: (from.0 + NODE.0, from.1 + middle),
                to: (to.0 - 7.0, to.1 + middle),
                pull: (to.0 - from.0 - NODE.0) / 2.0,
                side: -1.0,
            }
        } else {
            Self {
                from: (from.0 + NODE.0, from.1 + middle),
                to: (to.0 + NODE.0 + 7.0, to.1 + middle),
                pull: if same_column { 62.0 } else { 90.0 },
                side: 1.0,
            }
        }
    }

    /// The curve's point halfway.
    fn middle(&self) -> (f64, f64) {
        let out = (self.from.0 + self.pull, self.to.0 + self.side * self.pull);
        (
            (self.from.0 + 3.0 * out.0 + 3.0 * out.1 + self.to.0) / 8.0,
            f64::midpoint(self.from.1, self.to.1),
        )
    }
}

fn edge(svg: &mut Svg, link: &Link, from: (f64, f64), to: (f64, f64), here: &[&Disturbed]) {
    let bend = Bend::new(from, to);
    let look = look(here);
    let telling: Vec<String> = here.iter().map(|one| told(one)).collect();
    let telling = if telling.is_empty() {
        String::new()
    } else {
        format!(". {}", telling.join("; "))
    };
    svg.put(format_args!(
        "<path class=\"link{look}\" d=\"M{:.1} {:.1}C{:.1} {:.1} {:.1} {:.1} {:.1} {:.1}\"><title>{} → {}{}</title></path>",
        bend.from.0,
        bend.from.1,
        bend.from.0 + bend.pull,
        bend.from.1,
        bend.to.0 + bend.side * bend.pull,
        bend.to.1,
        bend.to.0,
        bend.to.1,
        escape(link.from.as_str()),
        escape(link.to.as_str()),
        escape(&telling)
    ));
    let head = if look == " on" { " on" } else { "" };
    let (x, y, way) = (bend.to.0, bend.to.1, bend.side);
    svg.put(format_args!(
        "<path class=\"head{head}\" d=\"M{:.1} {y:.1}l{:.1} -4.5v9Z\"/>",
        x - way * 6.0,
        way * 8.0
    ));
}

fn node(svg: &mut Svg, name: &ServiceName, at: (f64, f64), here: &[&Disturbed]) {
    let look = look(here);
    let mut telling = vec![name.to_string()];
    telling.extend(here.iter().map(|one| told(one)));
    svg.put(format_args!(
        "<rect class=\"node{look}\" x=\"{:.0}\" y=\"{:.0}\" width=\"{}\" height=\"{}\" rx=\"6\"><title>{}</title></rect>\
         <text class=\"label\" x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"middle\">{}</text>",
        at.0,
        at.1,
        NODE.0,
        NODE.1,
        escape(&telling.join(". ")),
        at.0 + NODE.0 / 2.0,
        at.1 + NODE.1 / 2.0 + 4.0,
        escape(&clipped(name.as_str(), LONGEST)),
    ));
    if !here.is_empty() {
        flag(svg, at.0 + NODE.0 / 2.0, at.1, here);
    }
}

/// The names of what disturbs a link, on its middle.
fn tag(svg: &mut Svg, from: (f64, f64), to: (f64, f64), here: &[&Disturbed]) {
    if !here.is_empty() {
        let (x, y) = Bend::new(from, to).middle();
        flag(svg, x, y, here);
    }
}

fn flag(svg: &mut Svg, x: f64, y: f64, here: &[&Disturbed]) {
    let mut labels: Vec<&str> = here.iter().map(|one| one.label.as_str()).collect();
    labels.dedup();
    let text = match labels.as_slice() {
        [one] => format!("⚡ {}", clipped(one, LONGEST)),
        many => format!("⚡ {} disturbances", many.len()),
    };
    let over = here.iter().all(|one| one.stage == Stage::Was);
    let text = if over { format!("{text}, over") } else { text };
    let width = float(text.chars().count()) * 7.0 + 14.0;
    svg.put(format_args!(
        "<rect class=\"tag\" x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"20\" rx=\"10\"/>\
         <text class=\"tag-text\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
        x - width / 2.0,
        y - 10.0,
        y + 4.0,
        escape(&text)
    ));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tests::plans::{drill, name};

    fn stack(services: &[(&str, Option<&str>)], links: &[(&str, &str)]) -> Stack {
        let mut stack = drill().stack;
        let pattern = stack.links[0].clone();
        let service = stack.services.values().next().expect("a service").clone();
        stack.services = services
            .iter()
            .map(|(id, tier)| {
                let mut service = service.clone();
                service.tier = tier.map(str::to_owned);
                (name(id), service)
            })
            .collect();
        stack.links = links
            .iter()
            .map(|(from, to)| Link {
                from: name(from),
                to: name(to),
                ..pattern.clone()
            })
            .collect();
        stack
    }

    #[test]
    fn tiers_stand_in_columns_by_who_calls_whom() {
        let stack = stack(
            &[
                ("api", Some("customer")),
                ("node-a", Some("chain")),
                ("node-b", Some("chain")),
                ("signer", Some("keys")),
                ("vault", None),
            ],
            &[
                ("api", "signer"),
                ("api", "node-b"),
                ("node-b", "node-a"),
                ("signer", "vault"),
            ],
        );
        let plan = Plan::new(&stack);
        let x = |id: &str| plan.nodes[&name::<ServiceName>(id)].0;
        assert!(x("api") < x("signer"), "callers stand left");
        assert!(
            (x("node-a") - x("node-b")).abs() < 1.0,
            "a tier stays together"
        );
        assert!((x("signer") - x("node-b")).abs() < 1.0);
        assert!(x("vault") > x("signer"));
        assert_eq!(Plan::new(&stack), plan, "the layout is always the same");
    }

    #[test]
    fn nothing_overlaps_and_all_is_inside_whatever_the_links() {
        let names: Vec<String> = (0..12).map(|at| format!("service-{at}")).collect();
        for seed in 0..40_usize {
            let services: Vec<(&str, Option<&str>)> = names
                .iter()
                .enumerate()
                .map(|(at, id)| (id.as_str(), [None, Some("a"), Some("b")][(at * seed) % 3]))
                .collect();
            // Loops and links to oneself among them.
            let links: Vec<(&str, &str)> = (0..18)
                .map(|at| {
                    let from = (at * 7 + seed) % 12;
                    let to = (at * at + seed * 5) % 12;
                    (names[from].as_str(), names[to].as_str())
                })
                .collect();
            let stack = stack(&services, &links);
            let plan = Plan::new(&stack);
            assert_eq!(plan.nodes.len(), 12);
            let boxes: Vec<(f64, f64)> = plan.nodes.values().copied().collect();
            for (at, one) in boxes.iter().enumerate() {
                assert!(one.0 >= 0.0 && one.0 + NODE.0 <= plan.size.0, "{seed}");
                assert!(one.1 >= 0.0 && one.1 + NODE.1 <= plan.size.1, "{seed}");
                for other in &boxes[at + 1..] {
                    let apart =
                        (one.0 - other.0).abs() >= NODE.0 || (one.1 - other.1).abs() >= NODE.1;
                    assert!(apart, "{seed}: {one:?} and {other:?}");
                }
            }
            assert!(!draw(&stack, &[]).contains("NaN"));
        }
    }

    #[test]
    fn faults_are_drawn_where_they_act_and_told_in_words() {
        let plan = drill();
        let one = |stage| Disturbed::of(&plan.injections[0], "slow".into(), stage);
        let quiet = Topology::new(&plan.stack, &[]);
        assert!(!quiet.disturbed && !quiet.svg.contains("⚡"));
        let on = Topology::new(&plan.stack, &[one(Stage::On)]);
        assert!(on.disturbed && on.svg.contains("⚡ slow"), "{}", on.svg);
        let told: Vec<&String> = on
            .links
            .iter()
            .flat_map(|line| &line.told)
            .chain(on.services.iter().flat_map(|line| &line.told))
            .chain(&on.elsewhere)
            .collect();
        assert_eq!(told.len(), 1, "{told:?}");
        let over = Topology::new(&plan.stack, &[one(Stage::Was)]);
        assert!(over.svg.contains(", over"), "{}", over.svg);
    }
}
