//! `proxy`: what a link costs that goes through firedrill's own Toxiproxy-compatible server and does nothing to it.
//!
//! Every proxy is a process of its own, so that its processor time can be read, with upstreams of its own, so that
//! connections to one don't use up the ports of another. The load comes from this process, over loopback.

mod crowd;
mod load;
mod peers;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use crate::samples::{Samples, figure, ratio};
use crate::table::Table;
use load::Upstreams;
use peers::Peer;

/// What this program is called with to be the plain copy loop, before the addresses it forwards to.
pub(crate) const COPY_LOOP: &str = "copy-loop";

const TURNS: usize = 3;
const LENGTH: Duration = Duration::from_millis(800);
const CONNECTIONS: [usize; 2] = [1, 64];
const ROUND_TRIPS: usize = 2_000;
const CHURN: usize = 1_000;
const ADDED: Duration = Duration::from_millis(100);

/// What one contender came to.
struct Column {
    peer: Peer,
    upstreams: Upstreams,
    throughput: [Samples; 2],
    processor: [Samples; 2],
    round_trip: Samples,
    churn: Samples,
    late: Samples,
    /// As far apart as those that a latency is added to.
    paced: Samples,
    idle: Samples,
    many: Samples,
}

/// The plain copy loop: forwards to each of these addresses from a port of its own, and says which on standard error.
pub(crate) fn copy_loop(upstreams: &[String]) -> anyhow::Result<()> {
    peers::copy_loop(upstreams)
}

pub(crate) fn measure() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let done = runtime.block_on(Box::pin(turns()));
    runtime.shutdown_background();
    done
}

async fn turns() -> anyhow::Result<()> {
    let crowd_fits = crowd::raise_descriptors()?;
    let tasks = TaskTracker::new();
    let mut columns = Vec::new();
    for start in peers::all() {
        let upstreams = Upstreams::start(&tasks).await?;
        let Some(peer) = start(&upstreams).await? else {
            continue;
        };
        columns.push(Column {
            peer,
            upstreams,
            throughput: Default::default(),
            processor: Default::default(),
            round_trip: Samples::default(),
            churn: Samples::default(),
            late: Samples::default(),
            paced: Samples::default(),
            idle: Samples::default(),
            many: Samples::default(),
        });
    }
    // The first turn warms up and is not counted.
    for turn in 0..=TURNS {
        for column in &mut columns {
            let name = column.peer.name.clone();
            let measured = Box::pin(one_turn(column, turn > 0)).await;
            measured.with_context(|| format!("through {name}"))?;
        }
    }
    for column in &mut columns {
        let name = column.peer.name.clone();
        if crowd_fits {
            let idle = crowd::idle(&column.peer).await;
            let idle = idle.with_context(|| format!("idle, through {name}"))?;
            column.idle.extend(idle);
        }
        let many = crowd::many(&column.peer, column.upstreams.echo);
        column
            .many
            .extend(many.with_context(|| format!("many proxies, by {name}"))?);
    }
    report(&columns, crowd_fits);
    Ok(())
}

async fn one_turn(column: &mut Column, counts: bool) -> anyhow::Result<()> {
    let peer = &column.peer;
    for (index, connections) in CONNECTIONS.into_iter().enumerate() {
        let streamed = load::stream(peer, &column.upstreams, connections, LENGTH).await?;
        if counts {
            column.throughput[index].push(streamed.megabytes_a_second);
            column.processor[index].extend(streamed.processor_seconds_a_gigabyte);
        }
    }
    let round_trips = load::round_trips(peer.echo, ROUND_TRIPS).await?;
    let churn = load::churn(peer.echo, CHURN).await?;
    if counts {
        column.round_trip.extend(round_trips);
        column.churn.push(churn);
        if let Some(slow) = peer.slow {
            column.late.extend(load::paced(slow, ADDED, ADDED).await?);
        }
        let paced = load::paced(peer.echo, Duration::ZERO, ADDED).await?;
        column.paced.extend(paced);
    }
    Ok(())
}

fn report(columns: &[Column], crowd_fits: bool) {
    let names = columns.iter().map(|column| column.peer.name.clone());
    let mut table = Table::new(
        "proxy: pass-through, loopback",
        std::iter::once(String::new()).chain(names),
    );
    let mut row = |name: String, cell: &dyn Fn(&Column) -> String| {
        table.row(std::iter::once(name).chain(columns.iter().map(cell)));
    };
    for (index, connections) in CONNECTIONS.into_iter().enumerate() {
        row(
            format!("throughput, {connections} connection(s), MB/s"),
            &|column| column.throughput[index].spread(),
        );
        row(
            format!("processor time, {connections} connection(s), s/GB"),
            &|column| column.processor[index].spread(),
        );
    }
    row("round trip of 64 bytes, p50, µs".to_owned(), &|column| {
        figure(column.round_trip.median())
    });
    row("round trip of 64 bytes, p99, µs".to_owned(), &|column| {
        figure(column.round_trip.quantile(0.99))
    });
    let direct = columns
        .first()
        .map_or(f64::NAN, |column| column.round_trip.median());
    row("over direct, p50, µs".to_owned(), &|column| {
        figure(column.round_trip.median() - direct)
    });
    row("connections/s, 16 at a time".to_owned(), &|column| {
        column.churn.spread()
    });
    row(
        format!("beyond {} ms of latency, p50, ms", ADDED.as_millis()),
        &|column| figure(column.late.median()),
    );
    row(
        format!("beyond {} ms of latency, p99, ms", ADDED.as_millis()),
        &|column| figure(column.late.quantile(0.99)),
    );
    row(
        format!("one each {} ms, no latency, p50, ms", ADDED.as_millis()),
        &|column| figure(column.paced.median()),
    );
    row(
        format!("one each {} ms, no latency, p99, ms", ADDED.as_millis()),
        &|column| figure(column.paced.quantile(0.99)),
    );
    row(
        format!("memory of each of {} idle connections, KB", crowd::IDLE),
        &|column| column.idle.spread(),
    );
    row(
        format!("{} proxies made, toxified and reset, s", crowd::MANY),
        &|column| column.many.spread(),
    );
    if let [_, copy, ours, ..] = columns {
        let over = |column: &Column| column.round_trip.median() - direct;
        table.note(format!(
            "{} against the {}: round-trip overhead {}×, connections/s {}",
            ours.peer.name,
            copy.peer.name,
            figure(over(ours) / over(copy)),
            ratio(&ours.churn, &copy.churn),
        ));
        table.note(
            "bars against the copy loop: throughput 1.3× at 1 connection and 1.0× at 64, processor time 0.6×, \
             round-trip overhead 1.25×, connections/s 0.95×; beyond a latency 0.3 ms at p50 and 0.8 ms at p99; 16 KB an \
             idle connection; 2 s for the proxies",
        );
        table.note(
            "round trips far apart find the processors asleep: what they take without a latency is the least that one \
             with a latency can be late",
        );
        for (index, connections) in CONNECTIONS.into_iter().enumerate() {
            table.note(format!(
                "{} against the {}, {connections} connection(s): throughput {}, processor time {}",
                ours.peer.name,
                copy.peer.name,
                ratio(&ours.throughput[index], &copy.throughput[index]),
                ratio(&ours.processor[index], &copy.processor[index]),
            ));
        }
    }
    if let [_, _, ours, toxiproxy] = columns {
        for (index, connections) in CONNECTIONS.into_iter().enumerate() {
            table.note(format!(
                "{} against {}, {connections} connection(s): throughput {}",
                ours.peer.name,
                toxiproxy.peer.name,
                ratio(&ours.throughput[index], &toxiproxy.throughput[index]),
            ));
        }
    } else {
        table.note(
            "Toxiproxy's own server is absent: there is no `toxiproxy-server` on the PATH and no TOXIPROXY_URL",
        );
    }
    if !crowd_fits {
        table.note(
            "idle connections were not measured: the limit of open files is too low (ulimit -Hn)",
        );
    }
    table.note(format!(
        "median (least–greatest) of {TURNS} turns of {} ms, after one that is not counted; processor time is the \
         proxy's alone, and the load shares the cores with it",
        LENGTH.as_millis()
    ));
    table.print();
}

/// A listener on loopback, on a port of the system's choice.
async fn listener() -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}
