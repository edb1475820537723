//! `limit_data`: closes the connection once exactly `bytes` bytes have passed. The count survives updates.

use serde::Serialize;
use tokio::time::Instant;

use super::{
    super::{
        body::Fields,
        error::Error,
        queue::{Ending, Queue},
    },
    Kind, Stage, Step, drained, read_whole,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub(crate) struct LimitData {
    bytes: u64,
}

impl LimitData {
    pub(super) fn merge(&mut self, attributes: &Fields) -> Result<(), Error> {
        read_whole(
            attributes,
            "bytes",
            &mut self.bytes,
            i64::MAX as u64,
            "0 or more",
        )
    }
}

pub(super) struct Quota {
    settings: LimitData,
    passed: u64,
}

impl Quota {
    pub(super) fn new(settings: LimitData) -> Self {
        Self {
            settings,
            passed: 0,
        }
    }
}

impl Stage for Quota {
    fn step(&mut self, inbox: &mut Queue, _now: Instant) -> Step {
        let left = self.settings.bytes.saturating_sub(self.passed);
        // A quota of nothing still lets the connection open: it closes at the first bytes, one used up closes at once.
        if left == 0 && (self.passed > 0 || !inbox.is_empty()) {
            return Step::End(Ending::Close);
        }
        let Some(chunk) = inbox.pop_up_to(usize::try_from(left).unwrap_or(usize::MAX)) else {
            return drained(inbox);
        };
        self.passed += chunk.data.len() as u64;
        Step::Forward(chunk)
    }

    fn retune(&mut self, kind: &Kind, _now: Instant) {
        if let Kind::LimitData(settings) = kind {
            self.settings = *settings;
        }
    }
}
