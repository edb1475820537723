//! The timeline as a drawing: fault bars, probe strips and people's acts on one time axis, as SVG text.
//!
//! Everything it tells is also a table of the same marks. Shapes and patterns differ where colours do, colours come from
//! the style sheet, and every mark has a title.

use jiff::Timestamp;
use serde::Serialize;

use super::sight::{Shown, told};
use super::svg::{Svg, clipped, escape};
use super::time::{Moment, offset_ms, relative, span};
use crate::engine::event::{Fact, Standing};
use crate::http::reading::Reading;
use crate::model::fault::Cause;
use crate::narrative::Tone;

const WIDTH: f64 = 960.0;
const LEFT: f64 = 150.0;
const RIGHT: f64 = 26.0;
const LANE: f64 = 26.0;
const HEAD: f64 = 12.0;
const FOOT: f64 = 30.0;

/// The most marks that the table repeats; a drawing of more is told by the log.
const MOST_ROWS: usize = 400;

/// A run over time: drawn, and as rows.
#[derive(Debug, Clone, Serialize)]
pub(in crate::http) struct Chart {
    /// The drawing.
    pub(in crate::http) svg: String,
    /// Whose marks the legend explains.
    pub(in crate::http) shown: Shown,
    /// Its marks, by time.
    pub(in crate::http) rows: Vec<Row>,
    /// How many marks have no row.
    pub(in crate::http) more: usize,
}

/// One mark in words.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(in crate::http) struct Row {
    /// The lane it is in.
    pub(in crate::http) lane: String,
    pub(in crate::http) what: String,
    pub(in crate::http) at: Moment,
    pub(in crate::http) relative: String,
    /// How long it lasted; nothing of what happened at once, or goes on.
    pub(in crate::http) lasted: Option<String>,
    /// Whether it goes on.
    pub(in crate::http) open: bool,
}

/// Distances between ticks, in seconds; the first that gives at most eight is taken.
const STEPS: [u64; 14] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200,
];

/// One row of the drawing.
#[derive(Debug, PartialEq)]
struct Lane {
    label: String,
    marks: Vec<Mark>,
}

#[derive(Debug, PartialEq)]
enum Mark {
    Bar {
        look: &'static str,
        from: Timestamp,
        to: Option<Timestamp>,
        title: String,
    },
    Point {
        look: &'static str,
        at: Timestamp,
        title: String,
    },
}

impl Lane {
    /// Points need room to step aside.
    fn height(&self) -> f64 {
        let points = self
            .marks
            .iter()
            .any(|mark| matches!(mark, Mark::Point { .. }));
        if points { LANE * 1.3 } else { LANE }
    }
}

/// The drawing of a run up to `now`; nothing before the method has begun.
pub(in crate::http) fn chart(
    reading: &Reading,
    shown: Shown,
    now: Timestamp,
    name: &dyn Fn(&str) -> String,
) -> Option<Chart> {
    let start = reading.state.running_since()?.wall;
    let lanes = lanes(reading, shown, name);
    let ended = reading
        .events
        .iter()
        .find(|event| matches!(event.fact, Fact::RunEnded { .. }));
    let end = ended.map_or(now, |event| event.at.wall);
    let hurt = if shown.probes {
        hurt(reading)
    } else {
        Vec::new()
    };
    let (rows, more) = rows(&lanes, start, ended.is_none());
    Some(Chart {
        svg: Drawing::new(start, end).draw(&lanes, &hurt, ended.is_none()),
        shown,
        rows,
        more,
    })
}

/// The marks of all lanes, by time.
fn rows(lanes: &[Lane], start: Timestamp, live: bool) -> (Vec<Row>, usize) {
    let mut marks: Vec<(Timestamp, Row)> = Vec::new();
    for lane in lanes {
        for mark in &lane.marks {
            let (at, to, title, bar) = match mark {
                Mark::Bar {
                    from, to, title, ..
                } => (*from, *to, title, true),
                Mark::Point { at, title, .. } => (*at, None, title, false),
            };
            let row = Row {
                lane: lane.label.clone(),
                what: title.clone(),
                at: at.into(),
                relative: relative(offset_ms(at, start)),
                lasted: to.map(|to| span(u64::try_from(offset_ms(to, at)).unwrap_or(0))),
                open: bar && to.is_none() && live,
            };
            marks.push((at, row));
        }
    }
    marks.sort_by_key(|(at, _)| *at);
    let more = marks.len().saturating_sub(MOST_ROWS);
    marks.truncate(MOST_ROWS);
    (marks.into_iter().map(|(_, row)| row).collect(), more)
}

fn lanes(reading: &Reading, shown: Shown, name: &dyn Fn(&str) -> String) -> Vec<Lane> {
    let mut lanes = Vec::new();
    if shown.faults {
        lanes.extend(faults(reading));
    }
    if shown.probes {
        lanes.extend(probes(reading));
    }
    lanes.push(people(reading, shown, name, "alerts", |fact| {
        matches!(fact, Fact::AlertReceived { .. })
    }));
    lanes.push(people(reading, shown, name, "team", |fact| {
        !matches!(
            fact,
            Fact::AlertReceived { .. } | Fact::InjectDelivered { .. }
        )
    }));
    lanes.push(people(reading, shown, name, "messages", |fact| {
        matches!(fact, Fact::InjectDelivered { .. })
    }));
    lanes.retain(|lane| !lane.marks.is_empty() || lane.label == "team");
    lanes
}

fn faults(reading: &Reading) -> Vec<Lane> {
    let steps = reading
        .state
        .ledger()
        .obligations()
        .filter(|o| matches!(o.injection.cause, Cause::Step(_)));
    let mut lanes: Vec<(u64, Lane)> = steps
        .filter_map(|obligation| {
            let id = &obligation.injection.id;
            let sent = reading.events.iter().find_map(|event| match &event.fact {
                Fact::Active {
                    injection, sent, ..
                } if injection == id => Some(sent.wall),
                _ => None,
            })?;
            let undone = reading.events.iter().find_map(|event| match &event.fact {
                Fact::Undone { injection, .. } if injection == id => Some(event.at.wall),
                _ => None,
            });
            let what = crate::narrative::disturbance(&obligation.injection);
            let bar = Mark::Bar {
                look: "fault",
                from: sent,
                to: undone,
                title: format!("{id}: {what}"),
            };
            Some((
                obligation.order,
                Lane {
                    label: id.to_string(),
                    marks: vec![bar],
                },
            ))
        })
        .collect();
    lanes.sort_by_key(|(order, _)| *order);
    lanes.into_iter().map(|(_, lane)| lane).collect()
}

fn probes(reading: &Reading) -> Vec<Lane> {
    let Some(plan) = reading.state.plan() else {
        return Vec::new();
    };
    let asked = crate::engine::phase::tolerances(&reading.state);
    asked
        .iter()
        .map(|tolerance| {
            let probe = &tolerance.probe;
            let mut marks: Vec<Mark> = Vec::new();
            for event in &reading.events {
                let Fact::ProbeChanged {
                    probe: changed,
                    standing,
                    first,
                    reason,
                    ..
                } = &event.fact
                else {
                    continue;
                };
                if changed != probe {
                    continue;
                }
                if let Some(Mark::Bar { to: to @ None, .. }) = marks.last_mut() {
                    *to = Some(first.wall);
                }
                let (look, title) = match standing {
                    Standing::Passing => ("well", format!("{probe} passes")),
                    Standing::Failing => (
                        "unwell",
                        format!(
                            "{probe} fails{}",
                            reason
                                .as_ref()
                                .map(|why| format!(": {why}"))
                                .unwrap_or_default()
                        ),
                    ),
                };
                marks.push(Mark::Bar {
                    look,
                    from: first.wall,
                    to: None,
                    title,
                });
            }
            let impact = plan
                .stack
                .probes
                .get(probe)
                .is_some_and(|probe| probe.impact);
            let label = if impact {
                format!("{probe} ★")
            } else {
                probe.to_string()
            };
            Lane { label, marks }
        })
        .collect()
}

fn people(
    reading: &Reading,
    shown: Shown,
    name: &dyn Fn(&str) -> String,
    label: &str,
    is_of: impl Fn(&Fact) -> bool,
) -> Lane {
    let points = reading
        .events
        .iter()
        .filter(|event| is_of(&event.fact))
        .filter_map(|event| {
            let (tone, title) = told(event, reading.state.plan()?, name, shown)?;
            (tone == Tone::People).then(|| Mark::Point {
                look: look(&event.fact),
                at: event.at.wall,
                title,
            })
        });
    Lane {
        label: label.to_owned(),
        marks: points.collect(),
    }
}

fn look(fact: &Fact) -> &'static str {
    match fact {
        Fact::AlertReceived { .. } => "alert",
        Fact::UpdatePosted { .. } => "update",
        Fact::RemedyChosen { .. } | Fact::RemedyDone { .. } | Fact::RemedyFailed { .. } => "remedy",
        Fact::InjectDelivered { .. } => "inject",
        _ => "act",
    }
}

/// Stretches in which users were hurt.
fn hurt(reading: &Reading) -> Vec<(Timestamp, Option<Timestamp>)> {
    let intervals = reading
        .report
        .as_ref()
        .map(|report| report.measures.impact_intervals.as_slice());
    intervals
        .unwrap_or_default()
        .iter()
        .map(|interval| (interval.from.at.wall, interval.to.map(|to| to.at.wall)))
        .collect()
}

/// Maps times to places and writes the SVG.
struct Drawing {
    start: Timestamp,
    length_ms: f64,
    svg: Svg,
}

impl Drawing {
    fn new(start: Timestamp, end: Timestamp) -> Self {
        Self {
            start,
            length_ms: millis(offset_ms(end, start)).max(1000.0),
            svg: Svg::default(),
        }
    }

    fn x(&self, at: Timestamp) -> f64 {
        let share = millis(offset_ms(at, self.start)) / self.length_ms;
        LEFT + share.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    }

    fn draw(
        mut self,
        lanes: &[Lane],
        hurt: &[(Timestamp, Option<Timestamp>)],
        live: bool,
    ) -> String {
        let bottom = lanes.iter().fold(HEAD, |y, lane| y + lane.height());
        let height = bottom + FOOT;
        let right = WIDTH - RIGHT;
        self.put(format_args!(
            "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"chart-title chart-desc\">\
             <title id=\"chart-title\">Timeline</title><desc id=\"chart-desc\">{}</desc>\
             <defs><pattern id=\"hatch\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
             <rect width=\"6\" height=\"6\" class=\"hatch-ground\"/><line x1=\"0\" y1=\"0\" x2=\"0\" y2=\"6\" class=\"hatch-line\"/></pattern></defs>",
            escape(&describe(lanes))
        ));
        for (from, to) in hurt {
            let (from, to) = (self.x(*from), to.map_or(right, |to| self.x(to)));
            self.put(format_args!(
                "<rect class=\"hurt\" x=\"{from:.1}\" y=\"{HEAD}\" width=\"{:.1}\" height=\"{:.1}\"><title>users are hurt</title></rect>",
                (to - from).max(1.0),
                bottom - HEAD
            ));
        }
        self.axis(bottom);
        let mut y = HEAD;
        for lane in lanes {
            self.lane(lane, y);
            y += lane.height();
        }
        if live {
            self.put(format_args!(
                "<line class=\"now\" x1=\"{right}\" y1=\"{HEAD}\" x2=\"{right}\" y2=\"{bottom}\"/>"
            ));
        }
        self.svg.finish()
    }

    fn axis(&mut self, bottom: f64) {
        let seconds = self.length_ms / 1000.0;
        let step = STEPS
            .into_iter()
            .find(|step| seconds / float(*step) <= 8.0)
            .unwrap_or(14_400);
        let mut at = 0;
        while float(at) <= seconds {
            let x = LEFT + float(at) / seconds * (WIDTH - LEFT - RIGHT);
            self.put(format_args!(
                "<line class=\"tick\" x1=\"{x:.1}\" y1=\"{HEAD}\" x2=\"{x:.1}\" y2=\"{bottom}\"/>\
                 <text class=\"time\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                bottom + 18.0,
                relative(i64::try_from(at * 1000).unwrap_or(i64::MAX))
            ));
            at += step;
        }
    }

    fn lane(&mut self, lane: &Lane, top: f64) {
        let middle = top + lane.height() / 2.0;
        let label = clipped(&lane.label, 21);
        self.put(format_args!(
            "<line class=\"rule\" x1=\"{LEFT}\" y1=\"{middle}\" x2=\"{:.1}\" y2=\"{middle}\"/>\
             <text class=\"label\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}<title>{}</title></text>",
            WIDTH - RIGHT,
            LEFT - 10.0,
            middle + 4.0,
            escape(&label),
            escape(&lane.label)
        ));
        // Points that would hide each other step down and up again.
        let (mut last, mut row) = (f64::MIN, 0);
        for mark in &lane.marks {
            match mark {
                Mark::Bar {
                    look,
                    from,
                    to,
                    title,
                } => self.bar(look, *from, *to, title, middle),
                Mark::Point { look, at, title } => {
                    let x = self.x(*at);
                    row = if x - last < 13.0 { (row + 1) % 3 } else { 0 };
                    last = x;
                    let y = middle + [0.0, 8.0, -8.0][row];
                    self.point(look, *at, title, y);
                }
            }
        }
    }

    fn bar(
        &mut self,
        look: &str,
        from: Timestamp,
        to: Option<Timestamp>,
        title: &str,
        middle: f64,
    ) {
        let thick = if look == "well" { 4.0 } else { 14.0 };
        let (left, right) = (self.x(from), to.map_or(WIDTH - RIGHT, |to| self.x(to)));
        let length = to.map(|to| {
            format!(
                ", {}",
                span(u64::try_from(offset_ms(to, from)).unwrap_or(0))
            )
        });
        self.put(format_args!(
            "<rect class=\"{look}\" x=\"{left:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{thick}\" rx=\"2\"><title>{}{}</title></rect>",
            middle - thick / 2.0,
            (right - left).max(2.0),
            escape(title),
            length.unwrap_or_default()
        ));
    }

    fn point(&mut self, look: &str, at: Timestamp, title: &str, y: f64) {
        let x = self.x(at);
        let when = relative(offset_ms(at, self.start));
        // Each kind has a shape of its own, so that it is told without colour.
        let shape = match look {
            "alert" => "M0-7L7 6H-7Z",
            "update" => "M0-7L7 0L0 7L-7 0Z",
            "remedy" => "M-6-6H6V6H-6Z",
            "inject" => "M-7-6H7L0 7Z",
            _ => "M-6 0a6 6 0 1 0 12 0a6 6 0 1 0-12 0Z",
        };
        self.put(format_args!(
            "<path class=\"point {look}\" transform=\"translate({x:.1} {y:.1})\" d=\"{shape}\"><title>{when} {}</title></path>",
            escape(title)
        ));
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        self.svg.put(text);
    }
}

/// The drawing in a sentence, for those who can't see it.
fn describe(lanes: &[Lane]) -> String {
    let rows: Vec<String> = lanes
        .iter()
        .map(|lane| match lane.marks.len() {
            1 => format!("{}: 1 mark", lane.label),
            count => format!("{}: {count} marks", lane.label),
        })
        .collect();
    format!(
        "Rows over time, each mark in the table below. {}",
        rows.join("; ")
    )
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a drawing needs no more than 52 bits of milliseconds"
)]
fn millis(value: i64) -> f64 {
    value as f64
}

#[expect(
    clippy::cast_precision_loss,
    reason = "seconds on an axis stay far below 2^52"
)]
fn float(value: u64) -> f64 {
    value as f64
}
