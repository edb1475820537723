//! How a team told others, as the scorecard shows it.

use serde::Serialize;

use crate::score::communication::Communication;

/// The communication of a drill.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Telling {
    /// Which of the usual clocks applies.
    pub(in crate::http) clock: String,
    pub(in crate::http) rows: Vec<Row>,
    pub(in crate::http) calibration: Option<String>,
    /// What the law would have asked for.
    pub(in crate::http) deadlines: Vec<Row>,
}

/// One thing that was told, or would have been due.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Row {
    pub(in crate::http) what: String,
    pub(in crate::http) told: String,
    pub(in crate::http) seq: Option<u64>,
}

impl Telling {
    /// Nothing where nothing was told and nobody asked for it.
    pub(in crate::http) fn new(communication: &Communication) -> Option<Self> {
        if communication.is_empty() {
            return None;
        }
        let audiences = communication.audiences.iter().map(|one| Row {
            what: one.audience.title().to_owned(),
            told: one.told(),
            seq: one.first.map(|first| first.seq),
        });
        let estimates = communication.estimates.iter().map(|one| Row {
            what: "estimate".to_owned(),
            told: one.told(),
            seq: Some(one.seq),
        });
        let deliveries = communication.deliveries.iter().map(|one| Row {
            what: one.channel.clone(),
            told: one.told(),
            seq: Some(one.seq),
        });
        let deadlines = communication.deadlines.iter().map(|one| Row {
            what: format!("{}: {}", one.regulation.title(), one.what),
            told: one.told(),
            seq: None,
        });
        Some(Self {
            clock: communication.clock.clone(),
            rows: audiences.chain(estimates).chain(deliveries).collect(),
            calibration: communication.calibration.clone(),
            deadlines: deadlines.collect(),
        })
    }
}
