//! A server with a made-up stack: its one probe fails while its fault is on.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::header::{CONTENT_TYPE, COOKIE, HOST};
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::openapi::conforms;
use crate::clock::{SystemClock, SystemIds};
use crate::engine::event::{Phase, Token, UndoneBy};
use crate::engine::posts::Post;
use crate::engine::undo::Armed;
use crate::engine::watch::{Sample, SampleResult};
use crate::http::gate::{digest, hex, recognise};
use crate::http::shelf::Shelf;
use crate::http::{Gate, Planned, Readiness, Readings, Services, Timetable, router, serve};
use crate::model::access::{Grant, Role, Scope};
use crate::model::fault::Injection;
use crate::model::ids::RunId;
use crate::model::plan::Plan;
use crate::model::probe::Probe;
use crate::model::signal::{GrafanaSigning, Sandbox, Secret, Senders};
use crate::model::stack::Stack;
use crate::model::time::Stamp;
use crate::ports::{
    Answer, Applied, Claim, Claims, Clock, Delivered, FaultDriver, FaultError, Inspector, Notifier,
    Presence, Prober, Removed,
};
use crate::runtime::{Ports, Supervisor};
use crate::spec::Options;
use crate::store::database::Database;
use crate::store::halt::{Lever, Watched};
use crate::store::sessions::NewSession;

/// The bearer token its hooks accept.
pub(super) const TOKEN: &str = "correct horse battery staple";

/// The code of the link that makes the first administrator.
pub(super) const CODE: &str = "c0de";

/// The made-up stack.
#[derive(Debug)]
struct World {
    clock: SystemClock,
    broken: AtomicBool,
}

impl FaultDriver for World {
    fn capture<'a>(
        &'a self,
        _: &'a RunId,
        _: &'a Stack,
        _: &'a Injection,
    ) -> Answer<'a, Result<Token, FaultError>> {
        Box::pin(async { Ok(Token(Value::Null)) })
    }

    fn apply<'a>(&'a self, _: &'a Armed) -> Answer<'a, Result<Applied, FaultError>> {
        Box::pin(async {
            let sent = self.clock.now();
            self.broken.store(true, Ordering::SeqCst);
            Ok(Applied {
                sent,
                effective: self.clock.now(),
                evidence: "it is cut".into(),
            })
        })
    }

    fn undo<'a>(&'a self, _: &'a Armed) -> Answer<'a, Result<Removed, FaultError>> {
        Box::pin(async {
            self.broken.store(false, Ordering::SeqCst);
            Ok(Removed {
                at: self.clock.now(),
                by: UndoneBy::Us,
                evidence: "it is whole".into(),
            })
        })
    }

    fn look<'a>(&'a self, _: &'a Armed) -> Answer<'a, Result<Presence, FaultError>> {
        Box::pin(async { Ok(Presence::Present) })
    }
}

impl Prober for World {
    fn ask<'a>(&'a self, _: &'a Probe) -> Answer<'a, Sample> {
        Box::pin(async {
            let sent = self.clock.now();
            let result = if self.broken.load(Ordering::SeqCst) {
                SampleResult::Failed("503 <unavailable>".into())
            } else {
                SampleResult::Passed
            };
            Sample {
                sent,
                took: Duration::from_millis(1),
                result,
            }
        })
    }
}

impl Inspector for World {
    fn inspect<'a>(&'a self, _: &'a Plan) -> Answer<'a, Result<Vec<String>, Vec<String>>> {
        Box::pin(async { Ok(vec!["made up".into()]) })
    }

    fn prove<'a>(
        &'a self,
        _: &'a Stack,
        _: &'a Injection,
    ) -> Answer<'a, Result<Vec<String>, Vec<String>>> {
        Box::pin(async { Ok(vec!["made up".into()]) })
    }
}

impl Notifier for World {
    fn send<'a>(&'a self, post: &'a Post) -> Answer<'a, Result<Delivered, String>> {
        Box::pin(async {
            let sent = self.clock.now();
            if post.message.text.contains("unreachable") {
                return Err("nobody is there".into());
            }
            Ok(Delivered {
                sent,
                at: self.clock.now(),
                reference: None,
                evidence: "it is taken".into(),
            })
        })
    }

    fn refused(&self, _: &Plan) -> Vec<String> {
        Vec::new()
    }
}

impl Claims for World {
    fn claim(&self, _: &RunId) -> std::io::Result<Option<Claim>> {
        Ok(Some(Box::new(())))
    }
}

/// Who may send signals to it.
fn senders() -> Senders {
    Senders {
        tokens: vec![Secret::new("another"), Secret::new(TOKEN)],
        grafana: Some(GrafanaSigning {
            secret: Secret::new(TOKEN),
            signature_header: "X-Grafana-Alerting-Signature".to_owned(),
            timestamp_header: None,
        }),
        pagerduty: vec![Secret::new("old"), Secret::new(TOKEN)],
        slack: vec![Secret::new(TOKEN)],
        sandboxes: [(
            "sandbox".to_owned(),
            Sandbox {
                team: "crew".to_owned(),
                by_people: true,
            },
        )]
        .into(),
        people: [("U1".to_owned(), "ann".to_owned())].into(),
        tests: std::collections::BTreeMap::new(),
        tested_every: None,
    }
}

/// The system's clock, whose calendar can be moved on.
#[derive(Debug, Clone)]
pub(super) struct Movable {
    clock: SystemClock,
    ahead_hours: Arc<AtomicU32>,
}

impl Clock for Movable {
    fn now(&self) -> Stamp {
        let now = self.clock.now();
        let ahead = SignedDuration::from_hours(self.ahead_hours.load(Ordering::SeqCst).into());
        Stamp {
            wall: now.wall + ahead,
            ..now
        }
    }
}

/// A schedule of one start.
pub(super) struct Once(pub(super) Planned);

impl Timetable for Once {
    fn next(&self) -> Vec<Planned> {
        vec![self.0.clone()]
    }

    fn between(&self, from: Timestamp, to: Timestamp) -> Vec<Planned> {
        let within = from < self.0.at && self.0.at <= to;
        within.then(|| self.0.clone()).into_iter().collect()
    }
}

/// What came back.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Reply {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("text"))
    }

    /// The problem's code, of an answer with this status.
    pub(super) fn problem(&self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        problem["code"].as_str().expect("a code").to_owned()
    }
}

/// A server and all it stands on.
pub(super) struct Server {
    pub(super) services: Services,
    ahead_hours: Arc<AtomicU32>,
    address: String,
    client: Client<HttpConnector, Full<Bytes>>,
    tracker: TaskTracker,
    folder: PathBuf,
}

impl Server {
    pub(super) async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    pub(super) async fn start_with(adapt: impl FnOnce(&mut Services)) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let folder = std::env::temp_dir().join(format!(
            "firedrill-http-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        ));
        // A process that was killed may have left one of the same name.
        let _ = std::fs::remove_dir_all(&folder);
        let library = folder.join("library");
        write_library(&library);
        let clock = SystemClock::start();
        let ahead_hours = Arc::new(AtomicU32::new(0));
        let movable = Movable {
            clock,
            ahead_hours: ahead_hours.clone(),
        };
        let database = Database::open(&folder.join("data"))
            .await
            .expect("a database");
        let world = Arc::new(World {
            clock,
            broken: AtomicBool::new(false),
        });
        let tracker = TaskTracker::new();
        let lever = Lever::of(&folder.join("data"));
        let ports = Ports {
            clock: Arc::new(movable),
            ids: Arc::new(SystemIds::new(clock)),
            journal: Arc::new(database.clone()),
            driver: world.clone(),
            prober: world.clone(),
            inspector: world.clone(),
            claims: world.clone(),
            notifier: world,
            lever: Arc::new(Watched::new(
                lever.clone(),
                database.clone(),
                Arc::new(SystemIds::new(clock)),
            )),
        };
        let options = Options {
            library_dir: Some(library.clone()),
            stacks_dir: Some(library.clone()),
            env: Arc::new(|_| Some("s3cret".to_owned())),
            ..Options::default()
        };
        let ready = Readiness::default();
        ready.set();
        let planned = Planned {
            what: "outage".parse().expect("a name"),
            at: "2126-03-01T10:00:00Z".parse().expect("an instant"),
            range: None,
            barred: None,
        };
        let mut services = Services {
            supervisor: Supervisor::new(ports, tracker.clone()),
            game_days: crate::runtime::gameday::GameDays::default(),
            database,
            lever,
            library: Arc::new(Shelf::new(vec![library], options)),
            readings: Readings::default(),
            senders: Arc::new(senders()),
            gate: Gate::loopback(),
            local_operator: "Ada <Lovelace>".into(),
            hosts: Arc::new([]),
            courier: Arc::new(|_| Box::pin(async { Err("nobody is there".to_owned()) })),
            echoes: crate::http::Echoes::default(),
            upcoming: Arc::new(Once(planned)),
            published: None,
            ready,
            started: clock.now(),
            version: "0.0.0",
            publishes: false,
            shutdown: CancellationToken::new(),
        };
        adapt(&mut services);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        tracker.spawn(serve(
            listener,
            router(services.clone()),
            services.shutdown.clone(),
            None,
        ));
        Self {
            services,
            ahead_hours,
            address,
            client: Client::builder(TokioExecutor::new()).build_http(),
            tracker,
            folder,
        }
    }

    /// Moves its calendar on.
    pub(super) fn move_on(&self, hours: u32) {
        self.ahead_hours.fetch_add(hours, Ordering::SeqCst);
    }

    /// Writes a file of its library.
    pub(super) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.join("library").join(name), text).expect("a file");
    }

    /// Where its library is.
    pub(super) fn library(&self) -> PathBuf {
        self.folder.join("library")
    }

    /// Where it listens.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Whether any file of its data folder holds this text.
    pub(super) fn keeps(&self, text: &str) -> bool {
        let files = std::fs::read_dir(self.folder.join("data")).expect("a folder");
        files
            .map(|file| file.expect("an entry").path())
            .filter(|path| path.is_file())
            .any(|path| {
                let bytes = std::fs::read(path).expect("readable");
                bytes
                    .windows(text.len())
                    .any(|part| part == text.as_bytes())
            })
    }

    pub(super) fn request(&self, method: Method, path: &str) -> hyper::http::request::Builder {
        Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address))
            .header(HOST, &self.address)
    }

    pub(super) async fn open(
        &self,
        request: Request<Full<Bytes>>,
    ) -> hyper::Response<hyper::body::Incoming> {
        self.client.request(request).await.expect("an answer")
    }

    pub(super) async fn send(
        &self,
        request: hyper::http::request::Builder,
        body: impl Into<Bytes>,
    ) -> Reply {
        let request = request.body(Full::new(body.into())).expect("a request");
        let (method, path) = (request.method().clone(), request.uri().to_string());
        let (head, body) = self.open(request).await.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        let reply = Reply {
            status: head.status,
            headers: head.headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        };
        // Whatever a test asks for, the answer is held to the API's description.
        let own = format!("http://{}", self.address);
        conforms(&method, path.strip_prefix(&own).unwrap_or(&path), &reply);
        if reply.header("content-type").starts_with("text/html") {
            super::html::check(&reply.body);
        }
        reply
    }

    pub(super) async fn get(&self, path: &str) -> Reply {
        self.send(self.request(Method::GET, path), "").await
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> Reply {
        let request = self
            .request(Method::POST, path)
            .header(CONTENT_TYPE, "application/json");
        self.send(request, body.to_string()).await
    }

    /// Sends a form of the local operator, with its token.
    pub(super) async fn form(&self, path: &str, body: &str) -> Reply {
        let (token, _) = self.form_token(None).await;
        let request = self
            .request(Method::POST, path)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request, format!("{body}&csrf={token}")).await
    }

    /// A server that others reach, without an account yet.
    pub(super) async fn beyond_loopback() -> Self {
        Self::start_with(|services| services.gate = Gate::beyond(CODE)).await
    }

    /// Makes an account whose password nobody knows: hashing takes its time.
    pub(super) async fn add(&self, name: &str, grants: &[Grant]) {
        let now = self.services.now().wall;
        let added = self
            .services
            .database
            .add_user(name, "no hash", grants, now);
        assert!(added.await.expect("made"), "{name} is there already");
    }

    /// An administrator, somebody who looks on, and an operator of the team that is drilled and one of another's: `Root`,
    /// `viewer`, `ours` and `theirs`.
    pub(super) async fn add_operators(&self) {
        for (name, role, team) in [
            ("Root", Role::Administrator, None),
            ("viewer", Role::Viewer, None),
            ("ours", Role::Operator, Some("crew")),
            ("theirs", Role::Operator, Some("others")),
        ] {
            let scope = Scope {
                team: team.map(|name| name.parse().expect("a name")),
                stack: None,
            };
            self.add(name, &[Grant { role, scope }]).await;
        }
    }

    /// Begins a session of an account; answers with its token.
    pub(super) async fn login_as(&self, name: &str) -> String {
        let database = &self.services.database;
        let (user, ..) = database
            .password_of(name)
            .await
            .expect("asked")
            .expect("an account");
        let token = hex(&crate::clock::secret());
        let new = NewSession {
            token_sha256: &digest(&token),
            user,
            address: "127.0.0.1",
            agent: "a test",
            now: self.services.now().wall,
        };
        database.begin_session(&new, None).await.expect("begun");
        token
    }

    /// What a form carries, and the visit that it is bound to where nobody is logged in.
    pub(super) async fn form_token(&self, session: Option<&str>) -> (String, String) {
        let mut request = Request::new(());
        if let Some(session) = session {
            let cookie = format!("session={session}").parse().expect("a header");
            request.headers_mut().insert("cookie", cookie);
        }
        let (parts, ()) = request.into_parts();
        let visitor = recognise(&self.services, &parts).await;
        (visitor.form_token, visitor.fresh_visit.unwrap_or_default())
    }

    pub(super) async fn get_as(&self, path: &str, session: &str) -> Reply {
        let request = self
            .request(Method::GET, path)
            .header(COOKIE, format!("session={session}"));
        self.send(request, "").await
    }

    pub(super) async fn post_as(&self, path: &str, body: Value, session: &str) -> Reply {
        let request = self
            .request(Method::POST, path)
            .header(COOKIE, format!("session={session}"))
            .header(CONTENT_TYPE, "application/json");
        self.send(request, body.to_string()).await
    }

    /// Sends a form of somebody who is logged in, with its token.
    pub(super) async fn form_as(&self, path: &str, body: &str, session: &str) -> Reply {
        let (token, _) = self.form_token(Some(session)).await;
        let request = self
            .request(Method::POST, path)
            .header(COOKIE, format!("session={session}"))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request, format!("{body}&csrf={token}")).await
    }

    /// Starts the drill as somebody, and waits until it runs.
    pub(super) async fn drill_as(&self, session: &str) -> String {
        let drill = serde_json::json!({"drill": "outage"});
        let reply = self.post_as("/api/v1/runs", drill, session).await;
        assert_eq!(reply.status, 201, "{}", reply.body);
        let run = reply.json()["id"].as_str().expect("an id").to_owned();
        let id = run.parse().expect("an id");
        for _ in 0..400 {
            let row = self.services.database.run(&id).await.expect("a run");
            if row.phase == Some(Phase::Running) {
                return run;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("it never ran");
    }

    /// Starts the drill and waits until users are hurt. Answers with the run's id.
    pub(super) async fn drill(&self) -> String {
        let reply = self
            .post("/api/v1/runs", serde_json::json!({"drill": "outage"}))
            .await;
        assert_eq!(reply.status, 201, "{}", reply.body);
        let run = reply.json()["id"].as_str().expect("an id").to_owned();
        self.until(&run, "probe_changed", |event| {
            event["fact"]["standing"] == "failing"
        })
        .await;
        run
    }

    /// Alertmanager says that this alert fires.
    pub(super) async fn alert(&self, name: &str) -> Reply {
        let now = self.services.now().wall.to_string();
        let message = json!({
            "version": "4", "groupKey": "{}", "truncatedAlerts": 0, "status": "firing", "receiver": "drill",
            "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://am:9093",
            "alerts": [{
                "status": "firing", "labels": {"alertname": name}, "annotations": {}, "startsAt": now,
                "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "", "fingerprint": name,
            }],
        });
        let request = self
            .request(Method::POST, "/hooks/alertmanager")
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {TOKEN}"));
        self.send(request, message.to_string()).await
    }

    /// Waits until the run's log holds such an event.
    pub(super) async fn until(&self, run: &str, kind: &str, is: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..400 {
            let reply = self.get(&format!("/api/v1/runs/{run}/events")).await.json();
            let events = reply["events"].as_array().expect("events").clone();
            if let Some(event) = events
                .into_iter()
                .find(|event| event["type"] == kind && is(event))
            {
                return event;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("no `{kind}` came");
    }

    /// Halts a run and waits for its end.
    pub(super) async fn halt(&self, run: &str) {
        let reply = self
            .post(
                &format!("/api/v1/runs/{run}/halt"),
                serde_json::json!({"reason": "enough"}),
            )
            .await;
        assert_eq!(reply.status, 202, "{}", reply.body);
        self.until(run, "run_ended", |_| true).await;
        // The run's row goes with its last event; its place in the supervisor a moment later.
        while self
            .services
            .supervisor
            .get(&run.parse().expect("an id"))
            .is_some()
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.services.shutdown.cancel();
        self.tracker.close();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn write_library(folder: &std::path::Path) {
    std::fs::create_dir_all(folder).expect("a folder");
    for (name, text) in [
        ("tiny.yaml", include_str!("library/tiny.yaml")),
        ("cut.yaml", include_str!("library/cut.yaml")),
        ("outage.yaml", include_str!("library/outage.yaml")),
        ("broken.yaml", include_str!("library/broken.yaml")),
        ("crew.yaml", include_str!("library/crew.yaml")),
        ("cutting.md", include_str!("library/cutting.md")),
        ("page.yaml", include_str!("library/page.yaml")),
        ("notice.yaml", include_str!("library/notice.yaml")),
        ("chat.yaml", include_str!("library/chat.yaml")),
        ("own.yaml", include_str!("library/own.yaml")),
    ] {
        std::fs::write(folder.join(name), text).expect("a file");
    }
}
