//! Lines that ask how well the recovery was foreseen: the share of the estimated ranges that held the measured one.
//!
//! An estimate that was given once the recovery had come counts for nothing, and a range that is too long to be of use
//! does not hold it. Where the recovery is not known no estimate can be judged, and the line is not scored.

use super::{Finding, Verdict};
use crate::model::runbook::{Anchor, Audience};
use crate::model::time::Millis;
use crate::score::communication::{self, Estimate, Held};
use crate::score::measures::Reader;
use crate::score::recovery::Holding;
use crate::score::rubric::figure;
use crate::score::wording::{self, Tell as _};

pub(super) fn judge(
    reader: &Reader<'_>,
    hold: f64,
    widest: Option<Millis>,
    audience: Option<Audience>,
) -> Finding {
    let all: Vec<Estimate> = communication::estimates(reader)
        .into_iter()
        .filter(|one| audience.is_none_or(|audience| one.audience == audience))
        .collect();
    let seqs: Vec<u64> = all.iter().map(|one| one.seq).collect();
    if let Some(finding) = unjudgeable(reader, &all) {
        return finding.because(seqs);
    }
    let judged: Vec<&Estimate> = all.iter().filter(|one| one.held.is_judged()).collect();
    if judged.is_empty() {
        let reason = if all.is_empty() {
            "no update estimated the recovery"
        } else {
            "no update estimated the recovery before it came"
        };
        return Finding::new(Verdict::Missed, reason).because(seqs);
    }
    let inside: Vec<&&Estimate> = judged
        .iter()
        .filter(|one| one.held == Held::Inside)
        .collect();
    let of_use: Vec<&&&Estimate> = inside.iter().filter(|one| fits(one, widest)).collect();
    let held = of_use.len();
    let mut reason = format!(
        "{held} of {} estimates held the recovery; {}% are asked for",
        judged.len(),
        figure(hold)
    );
    if inside.len() > held {
        reason.tell(format_args!(
            "; {} more did, but spanned more than {}",
            inside.len() - held,
            wording::span(widest.map_or(0, Millis::get))
        ));
    }
    // Compared in whole numbers of estimates, so that two of three are two thirds.
    if count(held) * 100.0 < hold * count(judged.len()) {
        return Finding::new(Verdict::Missed, reason).because(seqs);
    }
    let by_person = of_use.iter().any(|one| one.by_person);
    let finding = Finding::met(reason).because(seqs);
    if by_person {
        return finding;
    }
    let mut finding = finding.idle_proof();
    finding
        .reason
        .push_str("; not a person's doing: it earns nothing");
    finding
}

/// What the line comes to where the recovery can't be held against anything.
fn unjudgeable(reader: &Reader<'_>, all: &[Estimate]) -> Option<Finding> {
    if reader.timeline.end.is_none() {
        let reason = "estimates are judged once the run is over";
        return Some(Finding::new(Verdict::Pending, reason));
    }
    if reader.impact.is_none() || reader.recovered == Holding::NeverFailed {
        let reason = wording::never(Anchor::ImpactObserved);
        return Some(Finding::new(Verdict::NotApplicable, reason));
    }
    let known = communication::recovery(reader).is_some();
    (!known).then(|| {
        let given = match all.len() {
            0 => String::new(),
            1 => ", so that 1 estimate can't be judged".to_owned(),
            many => format!(", so that {many} estimates can't be judged"),
        };
        Finding::new(
            Verdict::Censored,
            format!("the recovery is not known{given}"),
        )
    })
}

fn fits(estimate: &Estimate, widest: Option<Millis>) -> bool {
    let width = estimate.to.duration_since(estimate.from).as_millis();
    widest.is_none_or(|widest| width <= i128::from(widest.get()))
}

/// How many, as a number to multiply.
fn count(many: usize) -> f64 {
    f64::from(u32::try_from(many).unwrap_or(u32::MAX))
}
