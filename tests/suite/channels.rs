//! Messages of a drill on real sockets: by every way in, to a real receiver, and never off the list.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::ground::{project, until};
use crate::http;
use crate::wallet::Wallet;

/// A server that takes whatever it is sent.
struct Receiver {
    address: SocketAddr,
    taken: Arc<Mutex<Vec<Value>>>,
}

impl Receiver {
    fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let taken = Arc::new(Mutex::new(Vec::new()));
        let kept = taken.clone();
        thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let mut reader = BufReader::new(socket);
                let mut length = 0;
                loop {
                    let mut line = String::new();
                    if reader.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
                        break;
                    }
                    let lower = line.to_ascii_lowercase();
                    if let Some(value) = lower.strip_prefix("content-length:") {
                        length = value.trim().parse().expect("a length");
                    }
                }
                let mut body = vec![0; length];
                if reader.read_exact(&mut body).is_err() {
                    continue;
                }
                let body = serde_json::from_slice(&body).expect("JSON");
                kept.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(body);
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
                let _ = reader.get_mut().write_all(answer);
            }
        });
        Self { address, taken }
    }

    fn texts(&self) -> Vec<String> {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let texts = taken
            .iter()
            .map(|body| body["text"].as_str().expect("a text").to_owned());
        texts.collect()
    }
}

/// The shipped drill with channels of its own, in one file with them.
fn drill(receiver: &Receiver) -> String {
    let text =
        std::fs::read_to_string(project().join("drills/signer-outage.yaml")).expect("a drill");
    let text = text.replace(
        "channels: [status_page, banner]",
        "channels: [chat, customers]",
    );
    let channel = |name: &str, audience: &str, rest: &str| {
        format!("---\nkind: Channel\nname: {name}\naudience: {audience}\n{rest}\n")
    };
    let address = receiver.address;
    let chat = channel("chat", "internal", "slack: {webhook: \"${env:HOOK}\"}");
    let customers = channel(
        "customers",
        "customers",
        &format!("sandbox: true\nwebhook: {{url: \"http://{address}/in\"}}"),
    );
    format!("{text}{chat}{customers}")
}

#[test]
fn every_way_in_reaches_a_listed_channel_marked_and_the_end_takes_it_back() {
    let (wallet, receiver) = (Wallet::start(), Receiver::open());
    let room = SocketAddr::new(wallet.host, 8700);
    wallet.folder.write("told.yaml", &drill(&receiver));
    wallet
        .folder
        .write("server.yaml", "channels: [chat, customers]\n");
    let hook = format!("http://{}/services/s3cret", receiver.address);
    let mut started = wallet.firedrill.with("HOOK", &hook).start([
        "run",
        "told.yaml",
        "--var",
        &wallet.variable(),
        "--library",
        &project().display().to_string(),
        "--listen",
        &room.to_string(),
        "--config",
        "server.yaml",
        "--json",
        "report.json",
    ]);
    started.wait_for("send-transaction fails");
    let told = started.told();
    let link = format!("http://{room}/runs/");
    let (_, rest) = told.split_once(&link).expect("the link is told");
    let run = rest.split_whitespace().next().expect("a run").to_owned();
    let act = json!({"type": "update_posted", "audience": "internal", "channels": ["chat"],
                     "text": "Look at the signer.", "actor": "ann"});
    let path = format!("/api/v1/runs/{run}/events");
    let answer = http::send(room, "POST", &path, &act.to_string()).expect("an answer");
    assert_eq!(answer.status(), 201, "{}", answer.body);
    let server = format!("http://{room}");
    let update = |rest: &[&str]| {
        let line = [
            "event",
            &run,
            "update",
            "--server",
            &server,
            "--channel",
            "customers",
        ];
        wallet.firedrill.run(line.iter().chain(rest))
    };
    update(&["Transfers fail."])
        .exits(0)
        .tells("it lacks “do not retry”, which the runbook asks for");
    let template = [
        "--template",
        "update",
        "--failure",
        "key_management",
        "--lang",
        "de",
        "--next",
        "20m",
    ];
    update(&[&template[..], &["--preview"]].concat())
        .exits(0)
        .tells("it lacks when recovery is expected");
    update(&template).exits(0);
    update(&["Only for us.", "--to", "internal"])
        .exits(2)
        .tells("`customers` is read by customers");
    let texts = until("three messages arrive", Duration::from_secs(10), || {
        Some(receiver.texts()).filter(|texts| texts.len() == 3)
    });
    assert_eq!(
        texts[..2],
        ["[DRILL] Look at the signer.", "[DRILL] Transfers fail."]
    );
    assert!(
        texts[2].starts_with("[DRILL] Überweisungen können noch immer nicht"),
        "{texts:?}"
    );
    let halt = format!("/api/v1/runs/{run}/halt");
    let halted = http::send(room, "POST", &halt, r#"{"reason":"seen enough"}"#);
    assert_eq!(halted.expect("an answer").status(), 202);
    started.finish().exits(3);
    let texts = receiver.texts();
    let over = "[DRILL] The drill was broken off. There was no incident.";
    assert_eq!(texts[3..], [over, over]);
    let report = wallet.folder.read("report.json");
    assert!(!report.contains("s3cret"), "a secret is in the report");
    let report: Value = serde_json::from_str(&report).expect("a report is JSON");
    let deliveries = &report["scorecard"]["communication"]["deliveries"];
    let deliveries = deliveries.as_array().expect("a list");
    assert_eq!(deliveries.len(), 5);
    assert!(
        deliveries.iter().all(|one| one["took_ms"].is_u64()),
        "{deliveries:?}"
    );
}

#[test]
fn a_channel_off_the_list_stops_the_run_before_anything_is_touched_or_sent() {
    let (wallet, receiver) = (Wallet::start(), Receiver::open());
    wallet.folder.write("told.yaml", &drill(&receiver));
    wallet
        .folder
        .write("server.yaml", "channels: [customers]\n");
    let room = SocketAddr::new(wallet.host, 8700);
    let hook = format!("http://{}/services/s3cret", receiver.address);
    let firedrill = wallet.firedrill.with("HOOK", &hook);
    let (variable, library) = (wallet.variable(), project().display().to_string());
    let room = room.to_string();
    let line = [
        "run",
        "told.yaml",
        "--var",
        &variable,
        "--library",
        &library,
        "--listen",
        &room,
        "--config",
        "server.yaml",
    ];
    for team in [&[][..], &["--autopilot", "seasoned"]] {
        firedrill
            .run([&line[..], team].concat())
            .exits(4)
            .tells("channel `chat`: it is not among the server's `channels`");
    }
    assert_eq!(receiver.texts(), [""; 0]);
    assert_eq!(wallet.proxies.toxics(), [""; 0]);
}

#[test]
fn what_a_scripted_team_tells_goes_out_as_a_persons_words_do() {
    let (wallet, receiver) = (Wallet::start(), Receiver::open());
    wallet.folder.write("told.yaml", &drill(&receiver));
    wallet
        .folder
        .write("server.yaml", "channels: [chat, customers]\n");
    let room = SocketAddr::new(wallet.host, 8700);
    let hook = format!("http://{}/services/s3cret", receiver.address);
    wallet
        .firedrill
        .with("HOOK", &hook)
        .run([
            "run",
            "told.yaml",
            "--var",
            &wallet.variable(),
            "--library",
            &project().display().to_string(),
            "--listen",
            &room.to_string(),
            "--config",
            "server.yaml",
            "--autopilot",
            "seasoned",
            "--json",
            "report.json",
        ])
        .exits(0);
    let texts = receiver.texts();
    // The runbook wants customers to be told, and nobody else.
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(
        texts[0].starts_with("[DRILL] Something does not work at the moment"),
        "{texts:?}"
    );
    assert!(
        texts[1].starts_with("[DRILL] Everything works again."),
        "{texts:?}"
    );
    let report: Value =
        serde_json::from_str(&wallet.folder.read("report.json")).expect("a report is JSON");
    assert!(report["rehearsal"].is_object(), "{report}");
    let deliveries = &report["scorecard"]["communication"]["deliveries"];
    let channels: Vec<_> = deliveries
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| (one["channel"].clone(), one["took_ms"].is_u64()))
        .collect();
    assert_eq!(
        channels,
        [(json!("customers"), true), (json!("customers"), true)]
    );
}
