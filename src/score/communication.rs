//! How a team told others: when each audience first heard, how steadily it went on, whether what was promised came about,
//! whether estimates of the recovery held, what was delivered, and what the law would have asked by when.
//!
//! All of it is shown beside the score and none of it is scored: a runbook's lines are. The usual clocks are those of
//! incident response: within five minutes and every twenty where users can't do something, and a holding statement
//! within four hours where keys or money may be in wrong hands, because what is not confirmed yet helps an attacker.

mod law;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::measures::Reader;
use super::recovery::Holding;
use super::timeline::{Delivery, Moment};
use super::wording::{Tell as _, span};
use crate::engine::event::{ActorKind, Event, Fact, Update};
use crate::model::runbook::{Audience, Class, Runbook};
use crate::model::time::{Millis, Stamp, wall_clock};

pub use law::Deadline;

/// What a class of incident asks of the updates for customers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Usual {
    first: Millis,
    every: Option<Millis>,
}

impl Usual {
    fn of(class: Class) -> Self {
        match class {
            Class::Availability => Self {
                first: Millis::seconds(5 * 60),
                every: Some(Millis::seconds(20 * 60)),
            },
            Class::Security => Self {
                first: Millis::seconds(4 * 60 * 60),
                every: None,
            },
        }
    }
}

/// How a team told others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Communication {
    /// Which of the usual clocks applies, in words.
    pub clock: String,
    /// Each audience that was told something, or that the usual clock asks for.
    pub audiences: Vec<Told>,
    /// Each estimate of the recovery.
    pub estimates: Vec<Estimate>,
    /// How many of the estimates that can be judged held the recovery, in words.
    pub calibration: Option<String>,
    /// Each message that was to be delivered.
    pub deliveries: Vec<Delivered>,
    /// What the law would have asked for by when, had this been real. Nothing was sent.
    pub deadlines: Vec<Deadline>,
}

/// How one audience was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Told {
    /// Who.
    pub audience: Audience,
    /// How many updates there were.
    pub updates: usize,
    /// The first of them.
    pub first: Option<Moment>,
    /// From detection to the first, where there were both.
    pub first_ms: Option<u64>,
    /// The longest stretch without one, from the first to recovery or to the end.
    pub longest_gap_ms: Option<u64>,
    /// How many said when the next would come.
    pub promised: usize,
    /// How many of the promises that fell due were kept.
    pub kept: usize,
    /// How many were not.
    pub broken: usize,
    /// How that stands against the usual clock, where it applies to this audience.
    pub usual: Option<String>,
}

/// Whether an estimate held the recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// It did.
    Inside,
    /// Recovery came before it.
    Before,
    /// Recovery came after it.
    After,
    /// It was given once the recovery had come.
    Hindsight,
    /// The recovery is not known.
    Unknown,
}

impl Held {
    /// Whether it says anything of how well the recovery was foreseen.
    pub(super) fn is_judged(self) -> bool {
        matches!(self, Self::Inside | Self::Before | Self::After)
    }

    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inside => "held it",
            Self::Before => "was too late: recovery came before",
            Self::After => "was too early: recovery came after",
            Self::Hindsight => "says nothing: recovery had come",
            Self::Unknown => "can't be judged: the recovery is not known",
        }
    }
}

/// A range that was given for the recovery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Estimate {
    /// The event that gave it.
    pub seq: u64,
    /// Its earliest end.
    pub from: Timestamp,
    /// Its latest end.
    pub to: Timestamp,
    /// For whom it was.
    pub audience: Audience,
    /// Whether it held the recovery.
    pub held: Held,
    /// Whether a person gave it.
    #[serde(skip)]
    pub(super) by_person: bool,
}

/// A message and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Delivered {
    /// The event that asked for it.
    pub seq: u64,
    /// Where it went.
    pub channel: String,
    /// From the update until the channel had it.
    pub took_ms: Option<u64>,
    /// Why it did not get there, as far as is known.
    pub failed: Option<String>,
}

impl Communication {
    pub(super) fn new(reader: &Reader<'_>, runbook: &Runbook) -> Self {
        let usual = Usual::of(runbook.class);
        let posted = posted(reader);
        let recovered = recovery(reader);
        let audiences = Audience::ALL
            .into_iter()
            .filter_map(|audience| told(reader, &posted, audience, usual, recovered.as_ref()));
        let estimates = estimates(reader);
        Self {
            clock: clock(runbook.class),
            audiences: audiences.collect(),
            calibration: calibration(&estimates),
            estimates,
            deliveries: reader.timeline.deliveries.iter().map(delivered).collect(),
            deadlines: law::deadlines(reader, &runbook.clocks, &posted),
        }
    }

    /// Whether there is nothing to show.
    pub fn is_empty(&self) -> bool {
        self.audiences.is_empty() && self.deliveries.is_empty() && self.deadlines.is_empty()
    }
}

fn posted<'a>(reader: &Reader<'a>) -> Vec<(&'a Event, &'a Update)> {
    let acts = reader.timeline.answers();
    let posted = acts.filter_map(|act| match &act.fact {
        Fact::UpdatePosted { update } => Some((act, update)),
        _ => None,
    });
    posted.collect()
}

/// Each range that was given for the recovery, held against the one that was measured.
pub(super) fn estimates(reader: &Reader<'_>) -> Vec<Estimate> {
    let recovered = recovery(reader);
    let posted = posted(reader).into_iter();
    let estimates = posted.filter_map(|(act, update)| {
        let (from, to) = update.estimated_recovery?;
        let over = recovered.as_ref();
        let late = over.is_some_and(|over| Moment::from(act).order() > over.order());
        Some(Estimate {
            seq: act.seq,
            from,
            to,
            audience: update.audience,
            held: if late {
                Held::Hindsight
            } else {
                held(from, to, over)
            },
            by_person: act.origin.kind == ActorKind::Human,
        })
    });
    estimates.collect()
}

fn clock(class: Class) -> String {
    let usual = Usual::of(class);
    let first = span(usual.first.get());
    match (class, usual.every) {
        (Class::Availability, Some(every)) => format!(
            "availability: customers hear within {first} of the detection, then every {}",
            span(every.get())
        ),
        _ => format!(
            "security: a holding statement for customers within {first} of the detection, and nothing that is not confirmed"
        ),
    }
}

/// When all of steady state held again, where that is known.
pub(super) fn recovery(reader: &Reader<'_>) -> Option<Moment> {
    match &reader.recovered {
        Holding::Again { start, ended } if super::measures::censoring(ended.by).is_none() => {
            Some(*start)
        }
        _ => None,
    }
}

fn told(
    reader: &Reader<'_>,
    posted: &[(&Event, &Update)],
    audience: Audience,
    usual: Usual,
    recovered: Option<&Moment>,
) -> Option<Told> {
    let own: Vec<(&Event, &Update)> = posted
        .iter()
        .copied()
        .filter(|(_, update)| update.audience == audience)
        .collect();
    let timeline = reader.timeline;
    let asked = audience == Audience::Customers && reader.impact.is_some();
    if own.is_empty() && !asked {
        return None;
    }
    let detected = reader.detected().map(|signal| signal.moment);
    let first = own.first().map(|(act, _)| Moment::from(*act));
    let end = recovered
        .copied()
        .or(timeline.end.map(|end| end.at))
        .unwrap_or(timeline.last);
    let mut moments: Vec<Moment> = own.iter().map(|(act, _)| Moment::from(*act)).collect();
    moments.retain(|moment| moment.order() <= end.order());
    moments.push(end);
    let longest_gap_ms = first.map(|_| {
        let gaps = moments.windows(2).map(|pair| pair[1].after(&pair[0]));
        gaps.max().unwrap_or(0)
    });
    let first_ms = first.zip(detected).map(|(first, from)| first.after(&from));
    let (promised, kept, broken) = promises(&own, end.at);
    Some(Told {
        audience,
        updates: own.len(),
        first,
        first_ms,
        longest_gap_ms,
        promised,
        kept,
        broken,
        usual: asked.then(|| against(usual, detected.is_some(), first_ms, longest_gap_ms)),
    })
}

/// How many updates said when the next would come, and of those that fell due before the end how many kept to it.
fn promises(own: &[(&Event, &Update)], end: Stamp) -> (usize, usize, usize) {
    let (mut promised, mut kept, mut broken) = (0, 0, 0);
    for (place, (_, update)) in own.iter().enumerate() {
        let Some(next) = update.next_update_at else {
            continue;
        };
        promised += 1;
        match own.get(place + 1) {
            Some((later, _)) if later.at.wall <= next => kept += 1,
            Some(_) => broken += 1,
            None if end.wall > next => broken += 1,
            None => {}
        }
    }
    (promised, kept, broken)
}

fn against(
    usual: Usual,
    detected: bool,
    first_ms: Option<u64>,
    longest_gap_ms: Option<u64>,
) -> String {
    let first = match first_ms {
        None if !detected => "nothing was detected".to_owned(),
        None => "the first never came".to_owned(),
        Some(took) if took <= usual.first.get() => "the first came in time".to_owned(),
        Some(took) => format!("the first came {} late", span(took - usual.first.get())),
    };
    match (usual.every.map(Millis::get), longest_gap_ms) {
        (Some(every), Some(gap)) if gap > every => {
            format!(
                "{first}, the longest gap was {} too long",
                span(gap - every)
            )
        }
        (Some(_), Some(_)) => format!("{first}, and none was too long in coming"),
        _ => first,
    }
}

fn held(from: Timestamp, to: Timestamp, recovered: Option<&Moment>) -> Held {
    match recovered.map(|moment| moment.at.wall) {
        None => Held::Unknown,
        Some(at) if at < from => Held::Before,
        Some(at) if at > to => Held::After,
        Some(_) => Held::Inside,
    }
}

fn calibration(estimates: &[Estimate]) -> Option<String> {
    let judged = estimates.iter().filter(|one| one.held.is_judged()).count();
    let inside = estimates.iter().filter(|one| one.held == Held::Inside);
    let unknown = estimates.iter().any(|one| one.held == Held::Unknown);
    match (judged, unknown) {
        (0, false) => None,
        (0, true) => Some("the recovery is not known, so no estimate can be judged".to_owned()),
        _ => Some(format!("{} of {judged} held the recovery", inside.count())),
    }
}

fn delivered(delivery: &Delivery<'_>) -> Delivered {
    Delivered {
        seq: delivery.due.seq,
        channel: delivery.channel.to_string(),
        took_ms: delivery
            .delivered
            .map(|delivered| delivered.after(&delivery.due)),
        failed: delivery.failed.map(str::to_owned),
    }
}

impl Told {
    /// In a sentence.
    pub fn told(&self) -> String {
        let mut text = match (self.first_ms, self.updates) {
            (_, 0) => "no update".to_owned(),
            (Some(took), updates) => format!(
                "{} after the detection, {}",
                span(took),
                counted(updates, "update")
            ),
            (None, updates) => counted(updates, "update"),
        };
        if let Some(gap) = self.longest_gap_ms {
            text.tell(format_args!(", longest gap {}", span(gap)));
        }
        if self.promised > 0 {
            text.tell(format_args!(
                ", the next promised in {} of {}",
                self.promised, self.updates
            ));
            if self.kept + self.broken > 0 {
                text.tell(format_args!(
                    " (kept {} of {})",
                    self.kept,
                    self.kept + self.broken
                ));
            }
        }
        if let Some(usual) = &self.usual {
            text.tell(format_args!("; {usual}"));
        }
        text
    }
}

impl Estimate {
    /// In a sentence.
    pub fn told(&self) -> String {
        format!(
            "{} to {} {}",
            wall_clock(self.from),
            wall_clock(self.to),
            self.held.as_str()
        )
    }
}

impl Delivered {
    /// In a sentence.
    pub fn told(&self) -> String {
        match (self.took_ms, &self.failed) {
            (Some(took), _) => format!("delivered after {}", span(took)),
            (None, Some(why)) => format!("not delivered: {why}"),
            (None, None) => "under way".to_owned(),
        }
    }
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 {
        format!("1 {what}")
    } else {
        format!("{count} {what}s")
    }
}
