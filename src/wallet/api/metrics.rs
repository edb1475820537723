//! Counters, and the page that Prometheus reads.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use tokio::time::Instant;

use super::super::Service;
use super::super::client::BUCKETS_MS;
use super::super::shared::Shared;
use super::App;

#[derive(Default)]
pub(super) struct Counters {
    transfers: Shared<BTreeMap<&'static str, u64>>,
    logins: Shared<BTreeMap<&'static str, u64>>,
}

impl Counters {
    pub(super) fn transfer(&self, outcome: &'static str) {
        *self.transfers.lock().entry(outcome).or_default() += 1;
    }

    pub(super) fn login(&self, outcome: &'static str) {
        *self.logins.lock().entry(outcome).or_default() += 1;
    }
}

pub(super) async fn show(State(app): State<Arc<App>>) -> impl IntoResponse {
    let mut page = String::new();
    // Writing to a String cannot fail.
    let _ = app.write_metrics(&mut page);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], page)
}

impl App {
    fn write_metrics(&self, page: &mut String) -> std::fmt::Result {
        counter(
            page,
            "wallet_transfers_total",
            &self.counters.transfers.lock(),
        )?;
        counter(page, "wallet_logins_total", &self.counters.logins.lock())?;
        self.write_calls(page)?;
        let (signer, node, paused) = {
            let book = self.book.lock();
            (book.signer, book.node, book.paused)
        };
        active(page, "signer", signer, [Service::SignerA, Service::SignerB])?;
        active(page, "node", node, [Service::NodeA, Service::NodeB])?;
        gauge(page, "wallet_withdrawals_paused", u64::from(paused))?;
        gauge(
            page,
            "wallet_token_version",
            u64::from(self.tokens.lock().version()),
        )?;
        if let Some(chain) = &self.facts.lock().chain {
            gauge(page, "wallet_chain_height", chain.height)?;
            gauge(page, "wallet_mempool", chain.mempool)?;
        }
        let invariants = self.invariants(Instant::now());
        gauge(
            page,
            "wallet_double_broadcasts",
            invariants.double_broadcasts,
        )?;
        gauge(page, "wallet_nonce_gap", invariants.nonce_gap)?;
        gauge(page, "wallet_balance_drift", invariants.balance_drift)?;
        gauge(page, "wallet_pending", invariants.pending)
    }

    fn write_calls(&self, page: &mut String) -> std::fmt::Result {
        let name = "wallet_dependency_seconds";
        writeln!(page, "# TYPE {name} histogram")?;
        for remote in self.dependencies.all() {
            let (to, timings) = (remote.service, &remote.timings);
            for (bucket, bound) in timings.buckets.iter().zip(BUCKETS_MS) {
                let (whole, thousandths) = (bound / 1000, bound % 1000);
                let count = bucket.load(Ordering::Relaxed);
                writeln!(
                    page,
                    "{name}_bucket{{to=\"{to}\",le=\"{whole}.{thousandths:03}\"}} {count}"
                )?;
            }
            let count = timings.count.load(Ordering::Relaxed);
            let sum_ms = timings.sum_ms.load(Ordering::Relaxed);
            writeln!(page, "{name}_bucket{{to=\"{to}\",le=\"+Inf\"}} {count}")?;
            writeln!(
                page,
                "{name}_sum{{to=\"{to}\"}} {}.{:03}",
                sum_ms / 1000,
                sum_ms % 1000
            )?;
            writeln!(page, "{name}_count{{to=\"{to}\"}} {count}")?;
        }
        let name = "wallet_dependency_failures_total";
        writeln!(page, "# TYPE {name} counter")?;
        for remote in self.dependencies.all() {
            let failures = remote.timings.failures.load(Ordering::Relaxed);
            writeln!(page, "{name}{{to=\"{}\"}} {failures}", remote.service)?;
        }
        Ok(())
    }
}

fn counter(
    page: &mut String,
    name: &str,
    counts: &BTreeMap<&'static str, u64>,
) -> std::fmt::Result {
    writeln!(page, "# TYPE {name} counter")?;
    for (outcome, count) in counts {
        writeln!(page, "{name}{{outcome=\"{outcome}\"}} {count}")?;
    }
    Ok(())
}

fn gauge(page: &mut String, name: &str, value: u64) -> std::fmt::Result {
    writeln!(page, "# TYPE {name} gauge\n{name} {value}")
}

fn active(
    page: &mut String,
    role: &str,
    active: Service,
    choices: [Service; 2],
) -> std::fmt::Result {
    writeln!(page, "# TYPE wallet_active_{role} gauge")?;
    for choice in choices {
        let value = u64::from(choice == active);
        writeln!(page, "wallet_active_{role}{{{role}=\"{choice}\"}} {value}")?;
    }
    Ok(())
}
