//! Times of several runs as drawings: each run a mark, the median with its interval where there are enough, and the curve
//! of survival. All that they tell is in the page's tables as well; what was cut short has a shape of its own.

use std::fmt::Write as _;

use super::svg::{escape, float};
use super::time::span;
use crate::stats::Time;
use crate::stats::median::Median;
use crate::stats::survival::Survival;

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 132.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 22.0;

/// A run's time.
#[derive(Debug, Clone)]
pub(in crate::http) struct Mark {
    pub(in crate::http) time: Time,
    /// The day of the run.
    pub(in crate::http) day: String,
}

/// The drawing of times in the order of their runs, oldest first. Nothing where there is no time.
pub(in crate::http) fn dots(what: &str, marks: &[Mark], median: Option<&Median>) -> Option<String> {
    let longest = marks.iter().map(|mark| mark.time.ms()).max()?;
    let greatest = median
        .and_then(|median| median.high_ms)
        .map_or(longest, |high| high.max(longest));
    let top = ceiling(greatest.max(1));
    let mut svg = begin(&format!("{what}, run by run: {}", summary(marks, longest)));
    let y = |ms: u64| TOP + (1.0 - share(ms, top)) * (HEIGHT - TOP - BOTTOM);
    axis(&mut svg, top, &y);
    if let Some(median) = median {
        let (high, low) = (median.high_ms.map_or(TOP, &y), y(median.low_ms));
        put(
            &mut svg,
            format_args!(
                "<rect class=\"band\" x=\"{LEFT}\" y=\"{high:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>",
                WIDTH - LEFT - RIGHT,
                (low - high).max(1.0)
            ),
        );
        if let Some(ms) = median.ms {
            let y = y(ms);
            put(
                &mut svg,
                format_args!(
                    "<line class=\"median\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{:.1}\" y2=\"{y:.1}\"/>",
                    WIDTH - RIGHT
                ),
            );
        }
    }
    let places = float(marks.len().max(2) - 1);
    // One path for all of a shape: a page may hold many plots of many runs.
    let (mut dots, mut cut_short) = (String::new(), String::new());
    for (index, mark) in marks.iter().enumerate() {
        let x = if marks.len() == 1 {
            f64::midpoint(LEFT, WIDTH - RIGHT)
        } else {
            LEFT + 8.0 + float(index) / places * (WIDTH - LEFT - RIGHT - 16.0)
        };
        let y = y(mark.time.ms());
        if mark.time.is_measured() {
            put(&mut dots, format_args!("M{x:.1} {y:.1}h0"));
        } else {
            let shape = "m0-6l5.500 10h-11z";
            put(&mut cut_short, format_args!("M{x:.1} {y:.1}{shape}"));
        }
    }
    for (look, path) in [("dots", dots), ("run censored", cut_short)] {
        if !path.is_empty() {
            put(
                &mut svg,
                format_args!("<path class=\"{look}\" d=\"{path}\"/>"),
            );
        }
    }
    if let (Some(first), Some(last)) = (marks.first(), marks.last()) {
        let y = HEIGHT - 6.0;
        put(
            &mut svg,
            format_args!(
                "<text x=\"{LEFT}\" y=\"{y}\">{}</text><text x=\"{:.1}\" y=\"{y}\" text-anchor=\"end\">{}</text>",
                escape(&first.day),
                WIDTH - RIGHT,
                if marks.len() > 1 {
                    escape(&last.day)
                } else {
                    String::new()
                }
            ),
        );
    }
    svg.push_str("</svg>");
    Some(svg)
}

/// The curve of survival: how many in a hundred had not got there yet. Nothing where no run ended.
pub(in crate::http) fn curve(what: &str, survival: &Survival) -> Option<String> {
    let last = survival.steps.last()?;
    let top = ceiling(survival.longest_ms.max(1));
    let x = |ms: u64| LEFT + share(ms, top) * (WIDTH - LEFT - RIGHT);
    let y = |left: f64| TOP + (1.0 - left) * (HEIGHT - TOP - BOTTOM);
    let mut svg = begin(&format!(
        "{what}: after {} {} in 100 had not got there yet",
        span(last.ms),
        percent(last.left)
    ));
    for (left, label) in [(1.0, "100 %"), (0.5, "50 %"), (0.0, "0 %")] {
        let y = y(left);
        put(
            &mut svg,
            format_args!(
                "<line class=\"rule\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{:.1}\" y2=\"{y:.1}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
                WIDTH - RIGHT,
                LEFT - 6.0,
                y + 4.0
            ),
        );
    }
    let mut path = format!("M{LEFT} {:.1}", y(1.0));
    for step in &survival.steps {
        let _ = write!(path, "H{:.1}V{:.1}", x(step.ms), y(step.left));
    }
    let _ = write!(path, "H{:.1}", x(survival.longest_ms));
    let base = HEIGHT - 6.0;
    put(
        &mut svg,
        format_args!(
            "<path class=\"curve\" d=\"{path}\"/><text x=\"{LEFT}\" y=\"{base}\">0s</text>\
             <text x=\"{:.1}\" y=\"{base}\" text-anchor=\"end\">{}</text></svg>",
            WIDTH - RIGHT,
            span(top)
        ),
    );
    Some(svg)
}

fn begin(label: &str) -> String {
    format!(
        "<svg class=\"plot\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
        escape(label)
    )
}

fn axis(svg: &mut String, top: u64, y: &impl Fn(u64) -> f64) {
    for ms in [0, top / 2, top] {
        let at = y(ms);
        put(
            svg,
            format_args!(
                "<line class=\"rule\" x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{:.1}\" y2=\"{at:.1}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                WIDTH - RIGHT,
                LEFT - 6.0,
                at + 4.0,
                span(ms)
            ),
        );
    }
}

fn summary(marks: &[Mark], longest: u64) -> String {
    let ended = marks.iter().filter(|mark| mark.time.is_measured()).count();
    format!(
        "{ended} of {} were seen to end, the longest {}",
        marks.len(),
        span(longest)
    )
}

/// The first round length that is at least so long, in milliseconds.
fn ceiling(ms: u64) -> u64 {
    const ROUND: [u64; 17] = [
        100, 200, 500, 1_000, 2_000, 4_000, 10_000, 20_000, 60_000, 120_000, 300_000, 600_000,
        1_200_000, 1_800_000, 3_600_000, 7_200_000, 14_400_000,
    ];
    let round = ROUND.into_iter().find(|round| *round >= ms);
    round.unwrap_or_else(|| ms.next_multiple_of(14_400_000))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a drawing needs no more than 52 bits of milliseconds"
)]
fn share(ms: u64, of: u64) -> f64 {
    (ms as f64 / of as f64).clamp(0.0, 1.0)
}

/// A share in whole percent.
pub(in crate::http) fn percent(share: f64) -> String {
    format!("{:.0}", share * 100.0)
}

fn put(svg: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string can't fail.
    let _ = svg.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::median::median;

    fn mark(time: Time) -> Mark {
        Mark {
            time,
            day: "2026-03-01".into(),
        }
    }

    #[test]
    fn few_runs_are_dots_and_six_have_a_band() {
        let times: Vec<Time> = (1..=6).map(|n| Time::Measured(n * 1_000)).collect();
        let marks: Vec<Mark> = times.iter().copied().map(mark).collect();
        let few = dots("to detect", &marks[..5], median(&times[..5]).as_ref()).expect("a drawing");
        assert!(!few.contains("class=\"band\"") && !few.contains("class=\"median\""));
        assert_eq!(few.matches("h0").count(), 5);
        let six = dots("to detect", &marks, median(&times).as_ref()).expect("a drawing");
        assert!(six.contains("class=\"band\"") && six.contains("class=\"median\""));
        assert!(dots("to detect", &[], None).is_none());
    }

    #[test]
    fn what_was_cut_short_has_a_shape_of_its_own() {
        let marks = [mark(Time::AtLeast(1_000)), mark(Time::Measured(900))];
        let svg = dots("to recover", &marks, None).expect("a drawing");
        assert!(svg.contains("run censored") && svg.contains("1 of 2 were seen to end"));
    }

    #[test]
    fn a_curve_says_how_many_had_not_got_there() {
        let times = [Time::Measured(1_000), Time::AtLeast(2_000)];
        let svg = curve("to recover", &Survival::of(&times)).expect("a drawing");
        assert!(
            svg.contains("after 1s 50 in 100 had not got there yet"),
            "{svg}"
        );
        assert!(curve("to recover", &Survival::of(&[Time::AtLeast(5)])).is_none());
    }
}
