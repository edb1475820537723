//! Random calls beside traffic, for a bounded time and from a seed: the server must not grow.
//!
//! Three seconds; `FIREDRILL_SOAK=600` makes it ten minutes, `FIREDRILL_SEED=7` another course.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::server::Server;
use crate::ground::until;

/// The proxies that come and go.
const PROXIES: u64 = 6;
/// How many more files may be open at the end than at the beginning: threads for blocking work come and go.
const MORE_FILES: usize = 4;
/// How much more memory may be held at the end than after a first stretch.
const MORE_KILOBYTES: u64 = 24 * 1024;

fn setting(name: &str, default: u64) -> u64 {
    let value = std::env::var(name).ok();
    value.and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A small generator of the test's own, so that a seed repeats its course of calls.
struct Course(u64);

impl Course {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn one_of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        let index = self.below(choices.len() as u64);
        choices[usize::try_from(index).expect("a small number")]
    }
}

/// An upstream that sends back what it gets until told to stop.
fn echo(stop: &Arc<AtomicBool>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    let stop = Arc::clone(stop);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            std::thread::spawn(move || {
                let _ = client.set_read_timeout(Some(Duration::from_secs(5)));
                let mut buffer = [0; 4096];
                while let Ok(length @ 1..) = (&client).read(&mut buffer) {
                    if (&client).write_all(&buffer[..length]).is_err() {
                        break;
                    }
                }
            });
        }
    });
    address
}

/// One change at random; whatever it answers, it must answer.
fn meddle(server: &Server, course: &mut Course, upstream: SocketAddr, ports: &[u16]) {
    let index = course.below(PROXIES);
    let name = format!("p{index}");
    let proxy = format!("/proxies/{name}");
    let listen = format!("127.0.0.1:{}", ports[usize::try_from(index).expect("few")]);
    let config = json!({"name": name, "listen": listen, "upstream": upstream.to_string(),
                        "toxics": [{"type": "latency", "attributes": {"latency": course.below(30)}, "ttl": 200}]});
    let kinds = [
        "latency",
        "bandwidth",
        "slow_close",
        "timeout",
        "reset_peer",
        "slicer",
        "limit_data",
        "packet_loss",
        "noop",
    ];
    let kind = course.one_of(&kinds);
    let attributes = match kind {
        "bandwidth" => json!({"rate": 100 + course.below(10_000)}),
        "slicer" => json!({"average_size": 64, "size_variation": 32, "delay": 10}),
        "limit_data" => json!({"bytes": course.below(5000)}),
        _ => {
            json!({"latency": course.below(50), "timeout": course.below(50), "delay": course.below(50)})
        }
    };
    let toxic = json!({"type": kind, "stream": course.one_of(&["upstream", "downstream"]), "attributes": attributes,
                       "toxicity": 0.5, "ttl": 1 + course.below(400)});
    let (method, path, body) = match course.below(12) {
        0 | 1 => ("POST", "/proxies".to_owned(), config),
        2 => ("POST", "/populate".to_owned(), json!([config])),
        3 => ("DELETE", proxy, json!(null)),
        4 => (
            "PATCH",
            proxy,
            json!({"enabled": false, "ttl": 1 + course.below(200)}),
        ),
        5 => ("PATCH", proxy, json!({"enabled": true})),
        6..9 => ("POST", format!("{proxy}/toxics"), toxic),
        9 => (
            "PATCH",
            format!("{proxy}/toxics/{kind}_upstream"),
            json!({"toxicity": 1, "ttl": 50}),
        ),
        10 => ("GET", "/metrics".to_owned(), json!(null)),
        _ => ("POST", "/reset".to_owned(), json!(null)),
    };
    let answer = server.call(method, &path, &body.to_string());
    assert!(
        matches!(answer.status(), 200 | 201 | 204 | 404 | 409),
        "{method} {path} {body}: {answer:?}"
    );
}

/// Connects, sends, reads a little, closes one way or the other, again and again. Failures are what toxics are for.
fn client(ports: &[u16], seed: u64, stop: &AtomicBool, messages: &AtomicU64) {
    let mut course = Course(seed);
    while !stop.load(Ordering::Relaxed) {
        let port = ports[usize::try_from(course.below(PROXIES)).expect("few")];
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200))
        else {
            std::thread::sleep(Duration::from_millis(5));
            continue;
        };
        let _ = stream.set_read_timeout(Some(Duration::from_millis(100)));
        let _ = stream.set_write_timeout(Some(Duration::from_millis(100)));
        let data = [7; 2048];
        for _ in 0..course.below(8) {
            let sent = stream.write_all(&data);
            let got = stream.read(&mut [0; 4096]);
            if sent.is_err() || !matches!(got, Ok(1..)) {
                break;
            }
            messages.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A stretch of calls and traffic, then everything deleted. Answers with how many messages came back.
fn stretch(server: &Server, course: &mut Course, ports: &[u16], length: Duration) -> u64 {
    let (stop, messages) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let upstream = echo(&stop);
    let end = Instant::now() + length;
    std::thread::scope(|scope| {
        for number in 0..4 {
            let seed = 1 + course.below(1 << 40) + number;
            let (stop, messages) = (&stop, &messages);
            scope.spawn(move || client(ports, seed, stop, messages));
        }
        while Instant::now() < end {
            meddle(server, course, upstream, ports);
        }
        stop.store(true, Ordering::Relaxed);
    });
    // Lets the upstream see that it is over.
    let _ = TcpStream::connect(upstream);
    for index in 0..PROXIES {
        server.call("DELETE", &format!("/proxies/p{index}"), "");
    }
    assert_eq!(server.ok("GET", "/proxies", "").body, "{}");
    messages.load(Ordering::Relaxed)
}

fn open_files(server: &Server) -> usize {
    std::fs::read_dir(server.kernel("fd"))
        .expect("the process is there")
        .count()
}

fn resident_kilobytes(server: &Server) -> u64 {
    let status = std::fs::read_to_string(server.kernel("status")).expect("the process is there");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let digits = line.and_then(|line| line.split_whitespace().next());
    digits.and_then(|text| text.parse().ok()).expect("a size")
}

/// Tasks of the server, by its own count.
fn tasks(server: &Server) -> u64 {
    let page = server.ok("GET", "/metrics", "").body;
    let line = page
        .lines()
        .find_map(|line| line.strip_prefix("toxiproxy_tasks "));
    line.and_then(|count| count.parse().ok()).expect("a count")
}

#[test]
fn calls_beside_traffic_leave_nothing_behind() {
    let server = Server::start(["--metrics", "--state", "state.json", "--seed", "1"]);
    let seed = setting("FIREDRILL_SEED", 1);
    let length = Duration::from_secs(setting("FIREDRILL_SOAK", 3));
    let mut course = Course(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let ports: Vec<u16> = {
        let holders: Vec<_> = (0..PROXIES)
            .map(|_| TcpListener::bind("127.0.0.1:0").expect("a port"))
            .collect();
        let port = |holder: &TcpListener| holder.local_addr().expect("its address").port();
        holders.iter().map(port).collect()
    };
    let (files, idle) = (open_files(&server), tasks(&server));
    // What is allocated once is allocated now.
    stretch(&server, &mut course, &ports, Duration::from_secs(2));
    let kilobytes = resident_kilobytes(&server);
    let messages = stretch(&server, &mut course, &ports, length);
    assert!(messages > 20, "only {messages} messages came back");
    // Connections end a moment after their proxy.
    until(
        "descriptors and tasks are given back",
        Duration::from_secs(15),
        || (open_files(&server) <= files + MORE_FILES && tasks(&server) <= idle).then_some(()),
    );
    let (files_after, kilobytes_after) = (open_files(&server), resident_kilobytes(&server));
    println!(
        "seed {seed}, {length:?}: {messages} messages; files {files} → {files_after}, VmRSS {kilobytes} → \
         {kilobytes_after} kB; tasks {idle} → {}",
        tasks(&server)
    );
    assert!(
        kilobytes_after <= kilobytes + MORE_KILOBYTES,
        "VmRSS went from {kilobytes} to {kilobytes_after} kB"
    );
    let told = server.process.told();
    assert!(!told.contains("panicked"), "{told}");
}
