//! What the tests of this module share: a clock, servers on loopback, plain requests and expectations.

pub(super) mod staging;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Probes;
use crate::engine::watch::{Sample, SampleResult};
use crate::model::probe::{Ask, Expect, HttpRequest, Probe};
use crate::model::time::{Epoch, Millis, Stamp};
use crate::outbound::Outbound;
use crate::ports::{Clock, Prober};

/// A clock that starts at zero when it is made.
pub(super) struct Since(Instant);

impl Clock for Since {
    fn now(&self) -> Stamp {
        Stamp {
            epoch: Epoch(1),
            mono_ns: 0,
            wall: jiff::Timestamp::UNIX_EPOCH,
        }
        .after(self.0.elapsed())
    }
}

pub(super) fn probes() -> Probes {
    Probes::new(Arc::new(Since(Instant::now())), Arc::new(Outbound::new()))
}

pub(super) fn within(milliseconds: u64) -> Expect {
    Expect {
        status: None,
        json: BTreeMap::new(),
        body: None,
        headers: BTreeMap::new(),
        exit: None,
        below: None,
        above: None,
        within: Millis::new(milliseconds),
    }
}

pub(super) fn get(url: impl Into<String>) -> HttpRequest {
    HttpRequest {
        method: "GET".into(),
        url: url.into(),
        headers: BTreeMap::new(),
        body: None,
    }
}

pub(super) fn probe(ask: Ask, expect: Expect) -> Probe {
    Probe {
        name: "canary".parse().expect("a name"),
        ask,
        expect,
        every: Millis::seconds(1),
        impact: false,
    }
}

pub(super) async fn sample(ask: Ask, expect: Expect) -> Sample {
    probes().ask(&probe(ask, expect)).await
}

/// A result in a line. `servers` are shown by their position, since their ports differ from run to run.
pub(super) fn line(sample: &Sample, servers: &[&Server]) -> String {
    let text = match &sample.result {
        SampleResult::Passed => "passed".to_owned(),
        SampleResult::Failed(why) => format!("failed: {why}"),
        SampleResult::Unknown(why) => format!("unknown: {why}"),
    };
    masked(text, servers)
}

pub(super) fn masked(mut text: String, servers: &[&Server]) -> String {
    for (place, server) in servers.iter().enumerate() {
        text = text.replace(&server.address, &format!("server-{place}"));
    }
    text
}

/// What a server does with each connection, after it has read the beginning of a request.
#[derive(Clone)]
pub(super) enum Does {
    /// Answers by the first path that the request's begins with.
    Answer(Vec<(&'static str, u16, String)>),
    /// Sends these bytes and closes.
    Raw(&'static [u8]),
    /// Sends these bytes, then nothing, and stays open.
    Stall(&'static [u8]),
    /// Resets the connection.
    Reset,
}

/// A server on a free port of loopback, gone when it is dropped.
pub(super) struct Server {
    pub(super) address: String,
    _tasks: JoinSet<()>,
}

impl Server {
    pub(super) async fn start(does: Does) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address").to_string();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                open.spawn(serve(socket, does.clone()));
            }
        });
        Self {
            address,
            _tasks: tasks,
        }
    }

    pub(super) async fn json(body: &str) -> Self {
        Self::start(Does::Answer(vec![("/", 200, body.to_owned())])).await
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

async fn serve(mut socket: tokio::net::TcpStream, does: Does) {
    let mut request = vec![0; 8192];
    let read = socket.read(&mut request).await.unwrap_or(0);
    let request = String::from_utf8_lossy(&request[..read]).into_owned();
    let path = request.split(' ').nth(1).unwrap_or_default();
    let bytes = match does {
        Does::Answer(answers) => {
            let (status, body) = answers
                .iter()
                .find(|(start, ..)| path.starts_with(start))
                .map_or((404, "no such page"), |(_, status, body)| {
                    (*status, body.as_str())
                });
            format!(
                "HTTP/1.1 {status} Said\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            )
            .into_bytes()
        }
        Does::Raw(bytes) => bytes.to_vec(),
        Does::Stall(bytes) => {
            let _ = socket.write_all(bytes).await;
            tokio::time::sleep(Duration::from_secs(30)).await;
            return;
        }
        Does::Reset => {
            let socket = socket.into_std().expect("a plain socket");
            socket2::SockRef::from(&socket)
                .set_linger(Some(Duration::ZERO))
                .expect("a linger");
            return;
        }
    };
    let _ = socket.write_all(&bytes).await;
    let _ = socket.shutdown().await;
}

/// A port of loopback that nobody listens on.
pub(super) async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    listener.local_addr().expect("its address").to_string()
}
