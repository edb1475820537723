//! What the drivers' tests stand on: a clock, armed injections, a stack, and an HTTP server that says what it is told.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;

use crate::engine::event::{Event, Fact, Origin, Token};
use crate::engine::undo::{Armed, Ledger};
use crate::model::fault::{Act, Cause, Injection, Lasts};
use crate::model::ids::RunId;
use crate::model::stack::{Link, Stack, Toxiproxy};
use crate::model::time::{Epoch, Millis, Stamp};
use crate::ports::Clock;

/// A clock that is a millisecond later each time it is read.
#[derive(Debug, Default)]
pub(super) struct Ticking(AtomicU64);

impl Clock for Ticking {
    fn now(&self) -> Stamp {
        let ms = self.0.fetch_add(1, Ordering::Relaxed);
        Stamp {
            epoch: Epoch(7),
            mono_ns: ms * 1_000_000,
            wall: Timestamp::UNIX_EPOCH + Duration::from_millis(ms),
        }
    }
}

pub(super) fn clock() -> Arc<Ticking> {
    Arc::new(Ticking::default())
}

/// A run of its own for each test, so that tests never meet on a shared server.
pub(super) fn run() -> RunId {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("t{}-{next}", std::process::id())
        .parse()
        .expect("a name")
}

pub(super) fn injection(id: &str, act: Act) -> Injection {
    Injection {
        id: id.parse().expect("a name"),
        cause: Cause::Step(id.parse().expect("a name")),
        act,
        lasts: Lasts::For(Millis::seconds(60)),
        occurrence: None,
        veiled: false,
    }
}

/// The injection as the ledger arms it, with a minute left.
pub(super) fn arm(run: &RunId, injection: &Injection, token: Token, clock: &Ticking) -> Armed {
    let at = clock.now();
    arm_until(run, injection, token, at, at.after(Duration::from_mins(1)))
}

pub(super) fn arm_until(
    run: &RunId,
    injection: &Injection,
    token: Token,
    at: Stamp,
    deadline: Stamp,
) -> Armed {
    let mut ledger = Ledger::new(run.clone());
    let facts = [
        Fact::Due {
            injection: Box::new(injection.clone()),
        },
        Fact::Arming {
            injection: injection.id.clone(),
            token,
            deadline,
        },
    ];
    for (seq, fact) in (1..).zip(facts) {
        ledger.apply(&Event {
            seq,
            at,
            origin: Origin::engine(),
            fact,
        });
    }
    ledger.armed(&injection.id).expect("it is armed").clone()
}

/// The same obligation as the next process finds it in the log: its stamps are on a clock that is gone.
pub(super) fn after_a_crash(armed: &Armed) -> Armed {
    let text = serde_json::to_string(armed.token()).expect("tokens are JSON");
    let token = serde_json::from_str(&text).expect("tokens are read back");
    let deadline = Stamp {
        epoch: Epoch(6),
        ..armed.deadline()
    };
    arm_until(armed.run(), armed.injection(), token, deadline, deadline)
}

pub(super) fn link(listen: &str, upstream: &str) -> Link {
    Link {
        from: "wallet-api".parse().expect("a name"),
        to: "signer".parse().expect("a name"),
        proxy: "api-signer".parse().expect("a name"),
        listen: listen.to_owned(),
        upstream: upstream.to_owned(),
    }
}

pub(super) fn stack(url: &str, links: Vec<Link>) -> Stack {
    Stack {
        name: "wallet-staging".parse().expect("a name"),
        environment: "staging".to_owned(),
        identity: Vec::new(),
        toxiproxy: Some(Toxiproxy {
            url: url.to_owned(),
            create_proxies: false,
            embedded: false,
        }),
        docker: None,
        services: std::collections::BTreeMap::new(),
        links,
        probes: std::collections::BTreeMap::new(),
    }
}

/// What the scripted server does with a request.
#[derive(Debug, Clone)]
pub(super) enum Say {
    /// Answers.
    This(u16, String),
    /// Takes the request and never answers.
    Nothing,
    /// Takes the request and closes.
    Close,
}

pub(super) fn say(status: u16, body: impl Into<Body>) -> Say {
    Say::This(status, body.into().0)
}

/// A body, from text or from JSON.
pub(super) struct Body(String);

impl From<&str> for Body {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<serde_json::Value> for Body {
    fn from(value: serde_json::Value) -> Self {
        Self(value.to_string())
    }
}

/// A server that expects these requests in this order, and answers a wrong one with 599.
pub(super) struct Scripted {
    pub(super) url: String,
    heard: Arc<Mutex<Vec<(String, String)>>>,
    expected: Vec<String>,
}

impl Scripted {
    pub(super) fn new(script: Vec<(&str, Say)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let expected: Vec<String> = script.iter().map(|(line, _)| (*line).to_owned()).collect();
        let steps: Vec<(String, Say)> = script
            .into_iter()
            .map(|(line, what)| (line.to_owned(), what))
            .collect();
        let record = Arc::clone(&heard);
        std::thread::spawn(move || {
            let mut kept = Vec::new();
            let mut steps = steps.into_iter();
            for socket in listener.incoming() {
                let mut socket = socket.expect("a client");
                let (line, body) = request(&mut socket);
                record
                    .lock()
                    .expect("no test panics here")
                    .push((line.clone(), body));
                match steps.next() {
                    Some((wanted, Say::This(status, text))) if wanted == line => {
                        answer(&mut socket, status, &text);
                    }
                    Some((wanted, Say::Nothing)) if wanted == line => kept.push(socket),
                    Some((wanted, Say::Close)) if wanted == line => {}
                    other => answer(
                        &mut socket,
                        599,
                        &format!("{{\"error\":\"expected {other:?}, got {line}\"}}")
                            .replace('\\', ""),
                    ),
                }
            }
        });
        Self {
            url,
            heard,
            expected,
        }
    }

    /// The bodies it was sent, once every request of the script has come and no other.
    pub(super) fn bodies(&self) -> Vec<String> {
        let heard = self.heard.lock().expect("no test panics here").clone();
        let lines: Vec<&String> = heard.iter().map(|(line, _)| line).collect();
        assert_eq!(lines, self.expected.iter().collect::<Vec<_>>());
        heard.into_iter().map(|(_, body)| body).collect()
    }
}

fn request(socket: &mut TcpStream) -> (String, String) {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let read = socket.read(&mut piece).unwrap_or(0);
        bytes.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| {
                    line.to_ascii_lowercase()
                        .strip_prefix("content-length: ")?
                        .parse()
                        .ok()
                })
                .unwrap_or(0);
            if body.len() >= length {
                let line = head.lines().next().unwrap_or_default();
                let line = line.trim_end_matches(" HTTP/1.1").to_owned();
                return (line, body.to_owned());
            }
        }
        if read == 0 {
            return (String::new(), String::new());
        }
    }
}

fn answer(socket: &mut TcpStream, status: u16, body: &str) {
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let _ = socket.write_all(format!("{head}{body}").as_bytes());
}
