//! Whole runs of the assembled parts: real files, a real data folder, a real server on loopback.

use std::fs;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::engine::event::Trigger;
use crate::program::scripts::Scripts;
use crate::spec::{Options, load_plan};

const SECRET: &str = "hunter2-in-a-haystack";

const STACK: &str = r#"
kind: Stack
name: wallet
environment: staging
vars: {url: "http://127.0.0.1:1", token: {type: text, default: "${env:TOKEN}"}}
probes:
  canary:
    http:
      method: POST
      url: "${url}/${env:TOKEN}/health?key=${token}"
      headers: {authorization: "Bearer ${env:TOKEN}"}
      body: '{"token": "${token}"}'
    every: 100ms
  age: {process: {command: ["./check", "--token=${env:TOKEN}"]}, expect: {within: 5s}, every: 500ms}
"#;

const EXPERIMENT: &str = r#"
kind: Experiment
name: token-rollout
stack: wallet
hypothesis: A new token changes nothing.
vars: {url: "http://127.0.0.1:1"}
steady_state: [{probe: canary, pass_after: 1}, {probe: age, pass_after: 1}]
method:
  - hook:
      id: bad-token
      do: {run: ["./check", "--token=${env:TOKEN}"]}
      verify: {http: {url: "${url}/version", headers: {x-key: "${env:TOKEN}"}}}
      undo: {http: {method: POST, url: "${url}/rollback?key=${env:TOKEN}"}}
      for: 1s
recovery: {within: 10s, stable_for: 500ms}
"#;

/// A server that answers everything, and what it was asked.
async fn server() -> (String, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("its address"));
    let heard = Arc::new(Mutex::new(String::new()));
    let record = heard.clone();
    TaskTracker::new().spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let read = socket.read(&mut request).await.unwrap_or(0);
            let text = String::from_utf8_lossy(&request[..read]);
            record
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push_str(&text);
            let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";
            let _ = socket.write_all(answer).await;
        }
    });
    (url, heard)
}

/// The files below a folder that hold the bytes.
fn holding(folder: &Path, bytes: &[u8]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(holding(&path, bytes));
        } else if let Ok(text) = fs::read(&path)
            && text.windows(bytes.len()).any(|window| window == bytes)
        {
            found.push(path);
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_reaches_the_stack_and_never_the_data_folder() {
    let (url, heard) = server().await;
    let folder = Scripts::new("app-secret");
    let check = "#!/bin/sh\n[ \"$1\" = \"--token=hunter2-in-a-haystack\" ] && touch \"$0.ran\"\n";
    folder.put("check", check);
    fs::write(folder.0.join("wallet.yaml"), STACK).expect("a file");
    fs::write(folder.0.join("experiment.yaml"), EXPERIMENT).expect("a file");
    let environment: Environment = Arc::new(|name| (name == "TOKEN").then(|| SECRET.to_owned()));
    let options = Options {
        stacks_dir: Some(folder.0.clone()),
        vars: [("url".to_owned(), url)].into(),
        env: environment.clone(),
        ..Options::default()
    };
    let plan = load_plan(&folder.0.join("experiment.yaml"), &options);
    let plan = plan.map_err(|found| found.render(false)).expect("a plan");
    let data = folder.0.join("data");
    let settings = Settings {
        data: data.clone(),
        environments: vec!["staging".to_owned()],
        programs: None,
        protected: BTreeSet::new(),
        runs: None,
        channels: std::collections::BTreeSet::new(),
        readers: 1,
    };
    let app = App::assemble(settings, environment).await.expect("an app");
    let started = app.supervisor.start(plan, None, Trigger::CommandLine).await;
    let mut handle = started.expect("it starts");
    handle.ended().await;
    let report = app.report(handle.run()).await.expect("a report");
    let verdict = report.overall.as_ref().map(|overall| overall.exit_code);
    assert_eq!(verdict, Some(0), "{report:?}");
    // Before the database is closed, part of it is only in the write-ahead log.
    let open = holding(&data, SECRET.as_bytes());
    let logged = holding(&data, b"Bearer ${env:TOKEN}");
    app.close(StopCause::Signal).await;
    assert_eq!(open, Vec::<PathBuf>::new());
    assert_eq!(holding(&data, SECRET.as_bytes()), Vec::<PathBuf>::new());
    assert!(!logged.is_empty(), "the plan is not in the log at all");
    let heard = heard.lock().unwrap_or_else(PoisonError::into_inner).clone();
    for sent in [
        "POST /hunter2-in-a-haystack/health?key=hunter2-in-a-haystack HTTP",
        "authorization: Bearer hunter2-in-a-haystack",
        r#"{"token": "hunter2-in-a-haystack"}"#,
        "x-key: hunter2-in-a-haystack",
        "POST /rollback?key=hunter2-in-a-haystack HTTP",
    ] {
        assert!(heard.contains(sent), "{sent} is not in\n{heard}");
    }
    assert!(folder.0.join("check.ran").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_and_a_run_that_is_not_proven_take_no_port() {
    let (api, folder) = (
        TcpListener::bind("127.0.0.1:0").await,
        Scripts::new("app-ports"),
    );
    let address = api.and_then(|free| free.local_addr()).expect("a port");
    let stack = |claim: &str| {
        format!(
            "kind: Stack\nname: wallet\nenvironment: staging\nidentity:\n  - {{upstreams: {{within: [\"{claim}\"]}}}}\n\
             toxiproxy: {{url: \"http://{address}\", embedded: true}}\nservices: {{api: {{}}, signer: {{}}}}\nlinks:\n\
             \x20 - {{from: api, to: signer, proxy: p, listen: \"127.0.0.1:1\", upstream: \"127.0.0.1:2\"}}\n\
             probes: {{p: {{http: \"http://127.0.0.1:3/\"}}}}\n"
        )
    };
    let experiment = "kind: Experiment\nname: e\nstack: wallet\nhypothesis: It holds.\nsteady_state: [{probe: p}]\n\
                      method: [{down: {link: p, for: 1s}}]\n";
    let plan = |claim: &str| {
        fs::write(folder.0.join("wallet.yaml"), stack(claim)).expect("a file");
        fs::write(folder.0.join("experiment.yaml"), experiment).expect("a file");
        let options = Options {
            stacks_dir: Some(folder.0.clone()),
            ..Options::default()
        };
        let plan = load_plan(&folder.0.join("experiment.yaml"), &options);
        plan.map_err(|found| found.render(false)).expect("a plan")
    };
    let settings = Settings {
        data: folder.0.join("data"),
        environments: vec!["staging".to_owned()],
        programs: None,
        protected: std::collections::BTreeSet::new(),
        runs: None,
        channels: std::collections::BTreeSet::new(),
        readers: 1,
    };
    let app = App::open(settings).await.expect("an app");
    let is_free = || std::net::TcpListener::bind(address).is_ok();
    let proof = app
        .rehearse(&plan("127.0.0.0/8"))
        .await
        .expect("it is in order");
    let carried = format!(
        "no Toxiproxy at http://{address}; firedrill will carry the links itself while it runs"
    );
    assert!(proof.contains(&carried), "{proof:?}");
    assert!(is_free(), "a dry run took the port");
    let started = app
        .supervisor
        .start(plan("10.0.0.0/8"), None, Trigger::CommandLine)
        .await;
    let mut handle = started.expect("it starts");
    handle.ended().await;
    assert!(is_free(), "an unproven stack's port was taken");
    app.close(StopCause::Signal).await;
}
