//! One proxy on one server, before an upstream that echoes, with drivers and a stack that know it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use firedrill::engine::event::{Event, Fact, Origin, Token};
use firedrill::engine::undo::{Armed, Ledger};
use firedrill::faults::drivers::Drivers;
use firedrill::model::fault::{Act, Cause, Injection, Lasts};
use firedrill::model::ids::RunId;
use firedrill::model::probe::HttpRequest;
use firedrill::model::stack::{Link, Stack, Toxiproxy};
use firedrill::model::time::{Epoch, Millis, Stamp};
use firedrill::outbound::Outbound;
use firedrill::ports::{Clock, FaultDriver, FaultError};
use firedrill::toxiproxy::{Options, Server};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A process's clock.
struct Wall(Epoch, Instant);

impl Clock for Wall {
    fn now(&self) -> Stamp {
        let since = self.1.elapsed();
        Stamp {
            epoch: self.0,
            mono_ns: u64::try_from(since.as_nanos()).expect("a test is short"),
            wall: Timestamp::UNIX_EPOCH + since,
        }
    }
}

/// What a test works on. Its proxy is deleted at the end, and with it whatever a failed test left on it.
pub(crate) struct Site {
    pub(crate) drivers: Drivers,
    pub(crate) link: Link,
    pub(crate) run: RunId,
    clock: Arc<Wall>,
    outbound: Arc<Outbound>,
    url: String,
}

/// Runs a test on firedrill's own server, and on the one at `TOXIPROXY_URL`.
pub(crate) async fn on_servers(test: impl AsyncFn(&Site)) {
    on_own_server(&test).await;
    match std::env::var("TOXIPROXY_URL") {
        Ok(url) => on_server(&url, &test).await,
        Err(_) => not_run("against another Toxiproxy: TOXIPROXY_URL is not set"),
    }
}

pub(crate) async fn on_own_server(test: impl AsyncFn(&Site)) {
    let options = Options {
        port: 0,
        ..Options::default()
    };
    let server = Server::bind(options).await.expect("a server");
    let url = format!("http://{}", server.local_addr());
    let shutdown = CancellationToken::new();
    let tasks = TaskTracker::new();
    let serving = tasks.spawn(server.run(shutdown.clone()));
    on_server(&url, &test).await;
    shutdown.cancel();
    serving.await.expect("it ends").expect("it ends well");
}

async fn on_server(url: &str, test: &impl AsyncFn(&Site)) {
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    let upstream = echo(&tasks, &stop).await;
    let site = Site::new(url, upstream).await;
    test(&site).await;
    let left = site.send("DELETE", &site.path(), None).await;
    assert!(matches!(left.0, 204 | 404), "{left:?}");
    stop.cancel();
    tasks.close();
    tasks.wait().await;
}

#[expect(clippy::print_stdout, reason = "a test that does not run must say so")]
fn not_run(why: &str) {
    println!("NOT RUN {why}");
}

/// An upstream that sends back what it gets.
async fn echo(tasks: &TaskTracker, stop: &CancellationToken) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    let (connections, stop) = (tasks.clone(), stop.clone());
    tasks.spawn(async move {
        while let Some(Ok((mut socket, _))) = stop.run_until_cancelled(listener.accept()).await {
            let stop = stop.clone();
            connections.spawn(async move {
                let (mut from, mut to) = socket.split();
                let copying = tokio::io::copy(&mut from, &mut to);
                let _ = stop.run_until_cancelled(copying).await;
            });
        }
    });
    address
}

impl Site {
    async fn new(url: &str, upstream: SocketAddr) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let run: RunId = format!("s{}-{next}", std::process::id())
            .parse()
            .expect("a name");
        let clock = Arc::new(Wall(Epoch(next), Instant::now()));
        let outbound = Arc::new(Outbound::new());
        let mut site = Self {
            drivers: drivers(&clock, &outbound),
            link: Link {
                from: "wallet-api".parse().expect("a name"),
                to: "signer".parse().expect("a name"),
                // Names may hold what means something else in an address.
                proxy: format!("api:signer#{run}").parse().expect("a name"),
                listen: "127.0.0.1:0".to_owned(),
                upstream: upstream.to_string(),
            },
            run,
            clock,
            outbound,
            url: url.trim_end_matches('/').to_owned(),
        };
        let body = json!({
            "name": site.link.proxy.as_str(), "listen": site.link.listen, "upstream": site.link.upstream,
        });
        let created = site.post("/proxies", &body).await;
        let listen = created["listen"].as_str().expect("an address");
        listen.clone_into(&mut site.link.listen);
        site
    }

    /// The proxy's path in the API.
    pub(crate) fn path(&self) -> String {
        let name = self.link.proxy.as_str();
        format!("/proxies/{}", name.replace(':', "%3A").replace('#', "%23"))
    }

    /// The proxy as the server shows it.
    pub(crate) async fn proxy(&self) -> Value {
        let (status, body) = self.send("GET", &self.path(), None).await;
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).expect("JSON")
    }

    /// Somebody else's POST, which succeeds.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.send("POST", path, Some(body.to_string())).await;
        assert!((200..=201).contains(&status), "{status} {answer}");
        serde_json::from_str(&answer).expect("JSON")
    }

    /// Somebody else's DELETE, which succeeds.
    pub(crate) async fn delete(&self, path: &str) {
        assert_eq!(self.send("DELETE", path, None).await.0, 204);
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<String>,
    ) -> (u16, String) {
        let request = HttpRequest {
            method: method.to_owned(),
            url: format!("{}{path}", self.url),
            headers: std::collections::BTreeMap::new(),
            body,
        };
        let reply = self
            .outbound
            .send(&request, Duration::from_secs(5))
            .await
            .expect("an answer");
        (reply.status.as_u16(), reply.text())
    }

    /// How long one byte takes through the link and back, on a new connection.
    pub(crate) async fn round_trip(&self) -> std::io::Result<Duration> {
        let began = Instant::now();
        let mut socket = TcpStream::connect(&self.link.listen).await?;
        socket.write_all(b"x").await?;
        let mut answer = [0];
        socket.read_exact(&mut answer).await?;
        Ok(began.elapsed())
    }

    pub(crate) fn creating_proxies(&self) -> Stack {
        let mut stack = self.stack();
        stack.toxiproxy = stack.toxiproxy.map(|server| Toxiproxy {
            create_proxies: true,
            ..server
        });
        stack
    }

    fn stack(&self) -> Stack {
        Stack {
            name: "wallet-staging".parse().expect("a name"),
            environment: "staging".to_owned(),
            identity: Vec::new(),
            toxiproxy: Some(Toxiproxy {
                url: self.url.clone(),
                create_proxies: false,
                embedded: false,
            }),
            docker: None,
            services: std::collections::BTreeMap::new(),
            links: vec![self.link.clone()],
            probes: std::collections::BTreeMap::new(),
        }
    }

    pub(crate) async fn capture(&self, id: &str, act: Act) -> Result<Token, FaultError> {
        self.capture_with(&self.drivers, id, act).await
    }

    pub(crate) async fn capture_with(
        &self,
        drivers: &Drivers,
        id: &str,
        act: Act,
    ) -> Result<Token, FaultError> {
        drivers
            .capture(&self.run, &self.stack(), &injection(id, act))
            .await
    }

    pub(crate) async fn capture_in(
        &self,
        stack: &Stack,
        id: &str,
        act: Act,
    ) -> Result<Token, FaultError> {
        self.drivers
            .capture(&self.run, stack, &injection(id, act))
            .await
    }

    pub(crate) async fn capture_for_another_run(
        &self,
        id: &str,
        act: Act,
    ) -> Result<Token, FaultError> {
        let run = "another".parse().expect("a name");
        self.drivers
            .capture(&run, &self.stack(), &injection(id, act))
            .await
    }

    /// As `armed`, of a run that this one knows nothing of.
    pub(crate) async fn armed_for_another_run(&self, id: &str, act: Act) -> Armed {
        let captured = self.capture_for_another_run(id, act.clone()).await;
        let at = self.clock.now();
        arm(
            &"another".parse().expect("a name"),
            injection(id, act),
            captured.expect("it is captured"),
            at,
            at.after(Duration::from_mins(1)),
        )
    }

    /// Drivers of another firedrill: they share the clock, and nothing else.
    pub(crate) fn another_firedrill(&self) -> Drivers {
        drivers(&self.clock, &self.outbound)
    }

    /// An injection with a minute left, as the ledger arms it.
    pub(crate) async fn armed(&self, id: &str, act: Act) -> Armed {
        self.armed_for(id, act, Duration::from_mins(1)).await
    }

    /// An injection with so much left.
    pub(crate) async fn armed_for(&self, id: &str, act: Act, left: Duration) -> Armed {
        let token = self.capture(id, act.clone()).await.expect("it is captured");
        let at = self.clock.now();
        arm(&self.run, injection(id, act), token, at, at.after(left))
    }

    /// Drivers that remember nothing, on a clock of another epoch.
    pub(crate) fn another_process(&self) -> Drivers {
        let clock = Arc::new(Wall(Epoch(u64::MAX), Instant::now()));
        drivers(&clock, &self.outbound)
    }

    /// The same obligation, as that process reads it.
    pub(crate) fn after_a_crash(armed: &Armed) -> Armed {
        let text = serde_json::to_string(armed.token()).expect("tokens are JSON");
        let token = serde_json::from_str(&text).expect("tokens are read back");
        arm(
            armed.run(),
            armed.injection().clone(),
            token,
            armed.deadline(),
            armed.deadline(),
        )
    }
}

fn drivers(clock: &Arc<Wall>, outbound: &Arc<Outbound>) -> Drivers {
    Drivers::new(Arc::<Wall>::clone(clock), Arc::clone(outbound))
}

fn injection(id: &str, act: Act) -> Injection {
    Injection {
        id: id.parse().expect("a name"),
        cause: Cause::Step("step".parse().expect("a name")),
        act,
        lasts: Lasts::For(Millis::seconds(60)),
        occurrence: None,
        veiled: false,
    }
}

fn arm(run: &RunId, injection: Injection, token: Token, at: Stamp, deadline: Stamp) -> Armed {
    let mut ledger = Ledger::new(run.clone());
    let id = injection.id.clone();
    let facts = [
        Fact::Due {
            injection: Box::new(injection),
        },
        Fact::Arming {
            injection: id.clone(),
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
    ledger.armed(&id).expect("it is armed").clone()
}
