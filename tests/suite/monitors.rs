//! Real Prometheus and Alertmanager watch the wallet while firedrill breaks it: what firedrill says of the detection is
//! held against what they say of it themselves.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::ground::{not_run, until};
use crate::http;
use crate::wallet::Wallet;

const PROMETHEUS: &str = "prometheus";
const ALERTMANAGER: &str = "prometheus-alertmanager";

/// How far firedrill's times may be from theirs.
const AGREEMENT_MS: i64 = 100;

/// The bearer token between them.
const TOKEN: &str = "a-token-of-these-tests";

/// A program that is ended when it is dropped.
struct Monitor(Child);

impl Monitor {
    fn start(program: &str, arguments: &[String], log: &Path) -> Self {
        let log = File::create(log).expect("a log");
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn();
        Self(child.expect("it starts"))
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn is_there(program: &str) -> bool {
    let found = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    found.is_ok_and(|status| status.success())
}

fn get(at: SocketAddr, path: &str) -> Value {
    let answer = http::send(at, "GET", path, "").expect("an answer");
    assert_eq!(answer.status(), 200, "{path}: {}", answer.body);
    answer.json()
}

fn ready(at: SocketAddr, path: &str) {
    until(path, Duration::from_mins(1), || {
        http::send(at, "GET", path, "")
            .ok()
            .filter(|answer| answer.status() == 200)
    });
}

fn instant(value: &Value) -> Timestamp {
    let text = value
        .as_str()
        .unwrap_or_else(|| panic!("no instant: {value}"));
    text.parse().expect("an instant")
}

fn between(from: Timestamp, to: Timestamp) -> i64 {
    i64::try_from(to.duration_since(from).as_millis()).expect("it is short")
}

/// When Alertmanager's log first says this of the webhook, in its own words.
fn logged(log: &Path, what: &str) -> Option<Timestamp> {
    let text = fs::read_to_string(log).unwrap_or_default();
    let line = text.lines().find(|line| line.contains(what))?;
    let time = line
        .split_whitespace()
        .find_map(|word| word.strip_prefix("ts="))?;
    time.parse().ok()
}

/// The first instant at which Prometheus's own series says that the rule fires.
fn fired(prometheus: SocketAddr) -> Option<Timestamp> {
    let query = "/api/v1/query?query=ALERTS%7Balertstate%3D%22firing%22%7D%5B5m%5D";
    let answer = get(prometheus, query);
    let seconds = answer["data"]["result"][0]["values"][0][0].as_f64()?;
    let since = jiff::SignedDuration::try_from_secs_f64(seconds).ok()?;
    Timestamp::UNIX_EPOCH.checked_add(since).ok()
}

fn configure(wallet: &Wallet) {
    let host = wallet.host;
    for folder in [
        "stacks",
        "experiments",
        "drills",
        "gamedays",
        "runbooks",
        "teams",
        "channels",
        "messages",
    ] {
        for entry in fs::read_dir(crate::ground::project().join(folder)).expect("it ships") {
            let path = entry.expect("it can be read").path();
            let name = path
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            let text = fs::read_to_string(&path).expect("it can be read");
            wallet.folder.write(&format!("{folder}/{name}"), &text);
        }
    }
    wallet.folder.write(
        "firedrill.yaml",
        &format!("tokens: {{alertmanager: {TOKEN}}}\n"),
    );
    wallet.folder.write(
        "prometheus.yml",
        &format!(
            "global: {{scrape_interval: 500ms, evaluation_interval: 500ms}}\n\
             rule_files: [rules.yml]\n\
             alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{host}:9093']}}]}}]}}\n\
             scrape_configs: [{{job_name: wallet, static_configs: [{{targets: ['{host}:7000']}}]}}]\n"
        ),
    );
    wallet.folder.write(
        "rules.yml",
        "groups:\n\
         - name: wallet\n  \
           rules:\n  \
           - alert: TransfersFailing\n    \
             expr: rate(wallet_transfers_total{outcome!~\"broadcast|repeated\"}[5s]) > 0\n    \
             for: 1s\n",
    );
    wallet.folder.write(
        "alertmanager.yml",
        &format!(
            "route: {{receiver: drill, group_wait: 1s, group_interval: 1s}}\n\
             receivers:\n\
             - name: drill\n  \
               webhook_configs:\n  \
               - url: http://{host}:8700/hooks/alertmanager\n    \
                 http_config: {{authorization: {{credentials: {TOKEN}}}}}\n"
        ),
    );
}

#[test]
fn a_rule_that_fires_on_the_fault_is_timed_as_prometheus_and_alertmanager_log_it() {
    if !is_there(PROMETHEUS) || !is_there(ALERTMANAGER) {
        not_run("prometheus and prometheus-alertmanager are not installed");
        return;
    }
    let wallet = Wallet::start();
    configure(&wallet);
    let host = wallet.host;
    let folder = wallet.folder.path();
    let at = |port| SocketAddr::new(host, port);
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let log = folder.join("alertmanager.log");
    let _alertmanager = Monitor::start(
        ALERTMANAGER,
        &[
            format!("--config.file={}", path("alertmanager.yml")),
            format!("--storage.path={}", path("alertmanager")),
            format!("--web.listen-address={host}:9093"),
            "--cluster.listen-address=".to_owned(),
            "--log.level=debug".to_owned(),
        ],
        &log,
    );
    let _prometheus = Monitor::start(
        PROMETHEUS,
        &[
            format!("--config.file={}", path("prometheus.yml")),
            format!("--storage.tsdb.path={}", path("prometheus")),
            format!("--web.listen-address={host}:9090"),
        ],
        &folder.join("prometheus.log"),
    );
    ready(at(9093), "/-/ready");
    ready(at(9090), "/-/ready");
    let firedrill = wallet.firedrill.with_data(folder.join("server"));
    let mut server = firedrill.start([
        "serve",
        "--listen",
        &format!("{host}:8700"),
        "--var",
        &wallet.variable(),
        "--config",
        "firedrill.yaml",
    ]);
    server.wait_for("firedrill serves");
    ready(at(8700), "/readyz");

    let started = http::send(
        at(8700),
        "POST",
        "/api/v1/runs",
        r#"{"drill":"signer-outage"}"#,
    );
    let started = started.expect("an answer");
    assert_eq!(started.status(), 201, "{}", started.body);
    let run = started.json()["id"].as_str().expect("an id").to_owned();
    let received = until("the alert comes", Duration::from_secs(90), || {
        let log = get(at(8700), &format!("/api/v1/runs/{run}/events"));
        let events = log["events"].as_array()?.clone();
        events
            .into_iter()
            .find(|event| event["type"] == "alert_received")
    });
    assert_eq!(received["fact"]["alert"]["qualifies"], true);
    let success = until("Alertmanager says so", Duration::from_secs(20), || {
        logged(&log, "Notify success")
    });
    let flushing = logged(&log, "msg=flushing").expect("it says when it began to send");
    let alerts = get(at(9093), "/api/v2/alerts");
    let measures = get(at(8700), &format!("/api/v1/runs/{run}"))["measures"].clone();
    let fired = fired(at(9090)).expect("Prometheus's own series");
    let halt = http::send(
        at(8700),
        "POST",
        &format!("/api/v1/runs/{run}/halt"),
        r#"{"reason":"seen"}"#,
    );
    assert_eq!(halt.expect("an answer").status(), 202);

    let detected = &measures["time_to_detect_machine"];
    let impact = instant(&measures["impact"]["at"]["wall"]);
    let arrived = instant(&received["at"]["wall"]);
    let number = |value: &Value| {
        value
            .as_i64()
            .unwrap_or_else(|| panic!("no number: {value}"))
    };
    let (rule, delivery) = (
        number(&detected["delays"]["rule_ms"]),
        number(&detected["delays"]["delivery_ms"]),
    );
    // Alertmanager's own word for when the rule fired, and Prometheus's.
    let starts = instant(&alerts[0]["startsAt"]);
    assert_eq!(
        alerts[0]["labels"]["alertname"], "TransfersFailing",
        "{alerts}"
    );
    assert!(
        (rule - between(impact, starts)).abs() <= AGREEMENT_MS,
        "{measures}"
    );
    assert!(
        (rule - between(impact, fired)).abs() <= AGREEMENT_MS,
        "{fired}: {measures}"
    );
    // It was sent after the flush began and before Alertmanager had its answer.
    let (earliest, latest) = (between(starts, flushing), between(starts, success));
    assert!(
        (earliest - AGREEMENT_MS..=latest + AGREEMENT_MS).contains(&delivery),
        "{delivery} ms is not between {earliest} and {latest}"
    );
    assert!(
        latest - earliest <= 1000,
        "the log pins it down to no second: {earliest} to {latest}"
    );
    let whole = number(&detected["value_ms"]);
    assert!((whole - (rule + delivery)).abs() <= 2, "{measures}");
    assert!(
        (whole - between(impact, arrived)).abs() <= AGREEMENT_MS,
        "{measures}"
    );
    assert!(rule >= 1000, "the rule waits a second: {measures}");
    assert!(delivery >= 900, "the group waits a second: {measures}");

    let over = json!("aborted");
    until("everything is undone", Duration::from_secs(30), || {
        (get(at(8700), &format!("/api/v1/runs/{run}"))["verdict"] == over).then_some(())
    });
    assert!(wallet.proxies.toxics().is_empty());
}

#[test]
fn a_shell_does_what_the_room_does_in_a_drill_that_a_server_runs() {
    let wallet = Wallet::start();
    configure(&wallet);
    let host = wallet.host;
    let at = SocketAddr::new(host, 8700);
    let firedrill = wallet
        .firedrill
        .with_data(wallet.folder.path().join("server"));
    let listen = format!("{host}:8700");
    let mut server = firedrill.start(["serve", "--listen", &listen, "--var", &wallet.variable()]);
    server.wait_for("firedrill serves");
    ready(at, "/readyz");
    let started = http::send(at, "POST", "/api/v1/runs", r#"{"drill":"signer-outage"}"#);
    let run = started.expect("an answer").json()["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    until("the method begins", Duration::from_mins(1), || {
        (!wallet.proxies.toxics().is_empty()).then_some(())
    });
    let url = format!("http://{listen}");
    let event = |arguments: &[&str]| {
        let all = ["event", &run].into_iter().chain(arguments.iter().copied());
        firedrill.run(all.chain(["--server", url.as_str(), "--as", "ann"]))
    };
    let told = event(&["ack"]).exits(0);
    assert!(
        told.stdout.starts_with("recorded as event "),
        "{}",
        told.stdout
    );
    event(&["detected", "wallet-api", "transfers time out"]).exits(0);
    event(&[
        "update",
        "Transfers fail.",
        "--on",
        "status_page",
        "--next",
        "20m",
    ])
    .exits(0);
    let refused = event(&["remedy", "prayer"]).exits(2);
    assert!(
        refused.stderr.contains("no remedy `prayer`"),
        "{}",
        refused.stderr
    );
    event(&["real"]).exits(0);
    until("everything is undone", Duration::from_secs(30), || {
        (get(at, &format!("/api/v1/runs/{run}"))["verdict"] == json!("aborted")).then_some(())
    });
    let log = get(at, &format!("/api/v1/runs/{run}/events"));
    let people: Vec<&str> = log["events"]
        .as_array()
        .expect("events")
        .iter()
        .filter(|event| event["origin"]["kind"] == "human")
        .filter_map(|event| event["type"].as_str())
        .collect();
    assert_eq!(
        people,
        [
            "acknowledged",
            "detected",
            "update_posted",
            "stop_requested"
        ]
    );
    let nobody = firedrill.run([
        "event",
        &run,
        "ack",
        "--server",
        &format!("http://{host}:9"),
    ]);
    let nobody = nobody.exits(4);
    assert!(
        nobody.stderr.contains("did not answer"),
        "{}",
        nobody.stderr
    );
    event(&["ack"]).exits(2);
}
