//! Every kind of fault, a line each: what is not in this list is not proven to leave nothing behind.

use std::time::Duration;

/// What a fault acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// A proxy of any Toxiproxy server.
    Link,
    /// A proxy of firedrill's own server: others don't know it.
    OwnLink,
    /// A container.
    Container,
    /// Whatever the user's own calls do.
    Hook,
}

/// One kind of fault.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) target: Target,
    /// The step. `LASTS` is how long it is on; `HOST` and `FOLDER` are the lane's.
    pub(crate) step: &'static str,
    /// Whether it can be seen while it is on: a restart is over when it is done.
    pub(crate) shows: bool,
    /// How long an undo may take in 99 of 100 cases, where a bar is set.
    pub(crate) bar: Option<Duration>,
}

const TOXIC: Option<Duration> = Some(Duration::from_millis(100));
const UNPAUSE: Option<Duration> = Some(Duration::from_millis(200));
const START: Option<Duration> = Some(Duration::from_secs(1));
const RECONNECT: Option<Duration> = START;

const fn kind(
    name: &'static str,
    target: Target,
    bar: Option<Duration>,
    step: &'static str,
) -> Kind {
    Kind {
        name,
        target,
        step,
        shows: true,
        bar,
    }
}

/// All of them.
#[rustfmt::skip]
pub(crate) const KINDS: [Kind; 24] = [
    kind("latency", Target::Link, TOXIC, "latency: {id: fault, link: shop -> stock, latency: 20ms, for: LASTS}"),
    kind("bandwidth", Target::Link, TOXIC, "bandwidth: {id: fault, link: shop -> stock, rate: 1000, for: LASTS}"),
    kind("slow_close", Target::Link, TOXIC, "slow_close: {id: fault, link: shop -> stock, delay: 20ms, for: LASTS}"),
    kind("timeout", Target::Link, TOXIC, "timeout: {id: fault, link: shop -> stock, timeout: 50ms, for: LASTS}"),
    kind("reset_peer", Target::Link, TOXIC, "reset_peer: {id: fault, link: shop -> stock, timeout: 20ms, for: LASTS}"),
    kind("slicer", Target::Link, TOXIC, "slicer: {id: fault, link: shop -> stock, average_size: 64, size_variation: 8, delay: 10us, for: LASTS}"),
    kind("limit_data", Target::Link, TOXIC, "limit_data: {id: fault, link: shop -> stock, bytes: 100000, for: LASTS}"),
    kind("packet_loss", Target::OwnLink, TOXIC, "packet_loss: {id: fault, link: shop -> stock, loss_rate: 0.01, for: LASTS}"),
    kind("down", Target::Link, TOXIC, "down: {id: fault, link: shop -> stock, for: LASTS}"),
    kind("partition, drop", Target::Link, TOXIC, "partition: {id: fault, from: [shop], to: [stock], mode: drop, for: LASTS}"),
    kind("partition, refuse", Target::Link, TOXIC, "partition: {id: fault, from: [shop], to: [stock], mode: refuse, for: LASTS}"),
    kind("partition, reset", Target::Link, TOXIC, "partition: {id: fault, from: [shop], to: [stock], mode: reset, for: LASTS}"),
    kind("kill", Target::Container, START, "kill: {id: fault, service: stock, for: LASTS}"),
    kind("stop", Target::Container, START, "stop: {id: fault, service: stock, for: LASTS}"),
    kind("pause", Target::Container, UNPAUSE, "pause: {id: fault, service: stock, for: LASTS}"),
    Kind { shows: false, ..kind("restart", Target::Container, START, "restart: {id: fault, service: stock}") },
    kind("crash", Target::Container, START, "crash: {id: fault, service: stock, for: LASTS}"),
    kind("crash, handled", Target::Container, None, "crash: {id: fault, service: stock, signal: TERM, for: LASTS}"),
    kind("squeeze", Target::Container, None, "squeeze: {id: fault, service: stock, memory: 32MiB, cpus: 0.05, for: LASTS}"),
    kind("exec", Target::Container, None, r#"exec: {id: fault, service: stock, for: LASTS,
      do: {run: ["/bin/busybox", "touch", "/shop/mark"]}, verify: {run: ["/bin/busybox", "test", "-e", "/shop/mark"]},
      undo: {run: ["/bin/busybox", "rm", "-f", "/shop/mark"]},
      verify_undone: {run: ["/bin/busybox", "test", "-e", "/shop/mark"], expect: {exit: 1}}}"#),
    kind("disconnect", Target::Container, RECONNECT, "disconnect: {id: fault, service: stock, address: any, for: LASTS}"),
    kind("partition of containers", Target::Container, RECONNECT, "partition: {id: fault, via: docker, from: [shop], to: [stock, spare], others: cut, address: any, for: LASTS}"),
    kind("hook over HTTP", Target::Hook, None, r#"hook: {id: fault, for: LASTS,
      do: {http: {method: POST, url: "http://HOST:7001/version", body: '{"version": 42}'}},
      verify: {http: {url: "http://HOST:7001/version"}, expect: {json: {"$.version": 42}}},
      undo: {http: {method: POST, url: "http://HOST:7001/version", body: '{"version": 41}'}},
      verify_undone: {http: {url: "http://HOST:7001/version"}, expect: {json: {"$.version": 41}}}}"#),
    kind("hook by programs", Target::Hook, None, r#"hook: {id: fault, for: LASTS, do: {run: ["touch", "FOLDER/mark"]}, undo: {run: ["rm", "-f", "FOLDER/mark"]}}"#),
];
