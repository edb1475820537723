//! Probes: asks a stack whether it is well, one question at a time, and proves which stack it is.
//!
//! Invariants: a refused, reset, late or wrong answer is the target's fault and `Failed`; a question that could not be
//! asked is the asker's fault and `Unknown`; nothing that went wrong is ever `Passed`. A question is stamped before it
//! leaves, and none outlives its expectation's `within` or the future that asks it. When to ask is not decided here.

mod difference;
mod ground;
mod http;
pub mod identity;
mod locality;
mod mainnet;
mod process;
mod prometheus;
mod reached;
mod targets;
mod tcp;

#[cfg(test)]
mod fixture;

use std::sync::Arc;
use std::time::Duration;

use crate::engine::watch::{Sample, SampleResult};
use crate::model::probe::{Ask, Probe};
use crate::model::time::Stamp;
use crate::outbound::{Outbound, SendError};
use crate::ports::{Answer, Clock, Prober};

/// Asks every kind of probe.
pub struct Probes {
    clock: Arc<dyn Clock>,
    outbound: Arc<Outbound>,
}

impl Probes {
    /// A prober that stamps with `clock` and sends through `outbound`.
    pub fn new(clock: Arc<dyn Clock>, outbound: Arc<Outbound>) -> Self {
        Self { clock, outbound }
    }

    async fn question(&self, probe: &Probe) -> SampleResult {
        let (outbound, expect) = (&*self.outbound, &probe.expect);
        match &probe.ask {
            Ask::Http(request) => http::ask(outbound, request, expect).await,
            Ask::Tcp { address } => tcp::ask(address, expect).await,
            Ask::Process(program) => process::ask(program, outbound.environment(), expect).await,
            Ask::Difference { sides } => difference::ask(outbound, sides, expect).await,
            Ask::Prometheus { url, query } => prometheus::ask(outbound, url, query, expect).await,
        }
    }
}

impl Prober for Probes {
    fn ask<'a>(&'a self, probe: &'a Probe) -> Answer<'a, Sample> {
        Box::pin(async move {
            let sent = self.clock.now();
            let result = self.question(probe).await;
            let took = elapsed(sent, self.clock.now());
            on_time(probe, sent, took, result)
        })
    }
}

/// A busy machine can see an answer before it sees that the deadline has passed: the clock has the last word, so that
/// no sample passes late and none claims to have taken longer than it was given.
fn on_time(probe: &Probe, sent: Stamp, took: Duration, result: SampleResult) -> Sample {
    let within = probe.expect.within.duration();
    if took <= within {
        return Sample { sent, took, result };
    }
    let result = match result {
        SampleResult::Passed if matches!(probe.ask, Ask::Prometheus { .. }) => {
            SampleResult::Unknown(late(within))
        }
        SampleResult::Passed => SampleResult::Failed(late(within)),
        said => said,
    };
    Sample {
        sent,
        took: within,
        result,
    }
}

fn elapsed(from: Stamp, to: Stamp) -> Duration {
    to.since(&from)
        .map_or(Duration::ZERO, |d| d.try_into().unwrap_or(Duration::ZERO))
}

/// The one wording of lateness, whatever was asked.
fn late(within: Duration) -> String {
    SendError::Late(within).to_string()
}

/// A judgement as a sample's result: what is not as expected is the target's fault.
fn judged(judgement: Result<(), String>) -> SampleResult {
    match judgement {
        Ok(()) => SampleResult::Passed,
        Err(why) => SampleResult::Failed(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::{Epoch, Millis};
    use crate::probes::fixture::{get, probe, within};

    fn seen(ask: Ask, milliseconds: u64, result: SampleResult) -> Sample {
        let sent = Stamp {
            epoch: Epoch(1),
            mono_ns: 0,
            wall: jiff::Timestamp::UNIX_EPOCH,
        };
        let took = Millis::new(milliseconds).duration();
        on_time(&probe(ask, within(1000)), sent, took, result)
    }

    #[test]
    fn an_answer_seen_after_the_deadline_never_passes() {
        let http = || Ask::Http(get("http://127.0.0.1/"));
        assert_eq!(
            seen(http(), 1000, SampleResult::Passed).result,
            SampleResult::Passed
        );
        let sample = seen(http(), 1001, SampleResult::Passed);
        assert_eq!(
            sample.result,
            SampleResult::Failed("no answer within 1000 ms".into())
        );
        assert_eq!(sample.took, Duration::from_secs(1));
        let prometheus = Ask::Prometheus {
            url: "http://127.0.0.1".into(),
            query: "up".into(),
        };
        assert_eq!(
            seen(prometheus, 1001, SampleResult::Passed).result,
            SampleResult::Unknown("no answer within 1000 ms".into())
        );
        let refused = SampleResult::Failed("refused".into());
        assert_eq!(seen(http(), 1001, refused.clone()).result, refused);
    }
}
