//! Runs of a server, from a command on another place: the same reports and exit statuses as here, over connections that
//! break, and nothing left behind when either side goes.

use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::ground::{closed_port, own_address, until};
use crate::http;
use crate::served::{Relay, Served};
use crate::shop::{Experiment, IS_ON};

fn named(name: &'static str, lasts: &str) -> Experiment {
    Experiment {
        name,
        ..Experiment::slow(lasts)
    }
}

/// What the server's machine says of its latest run.
fn report(served: &Served, form: &str) -> String {
    let finished = served.owner.run(["report", "--format", form]).exits(0);
    finished.stdout
}

fn lines(text: &str) -> Vec<&str> {
    text.trim_end().lines().collect()
}

#[test]
fn reports_of_a_servers_run_are_those_of_its_log_byte_for_byte() {
    let served = Served::open();
    let passes = served.experiment(&named("passes", "1s"));
    let summary = served.shop.path("summary.md");
    let firedrill = served.shop.firedrill.with("GITHUB_STEP_SUMMARY", &summary);
    let run = |file: &str| {
        firedrill.run([
            "run",
            file,
            "--server",
            &served.url(),
            "--seed",
            "7",
            "--junit",
            "r.xml",
            "--json",
            "r.json",
            "--markdown",
            "r.md",
        ])
    };
    let finished = run(&passes).exits(0).tells("the run room: http://");
    let read = |name: &str| served.shop.folder.read(name);
    assert_eq!(read("r.json"), report(&served, "json"));
    assert_eq!(lines(&read("r.xml")), lines(&report(&served, "junit")));
    assert_eq!(lines(&read("r.md")), lines(&report(&served, "markdown")));
    assert_eq!(read("summary.md"), read("r.md"));
    assert_eq!(finished.stdout, report(&served, "text"));
    let told: Value = serde_json::from_str(&read("r.json")).expect("JSON");
    assert_eq!(
        (&told["run"], &served.runs()[0]["seed"]),
        (&served.runs()[0]["id"], &json!(7))
    );
    assert!(
        finished
            .stderr
            .contains(&format!("more: {}/runs/", served.url()))
    );

    // A hypothesis that does not hold, by its name in the library alone.
    let fails = Experiment {
        during: "[{probe: shop-answers, fail_after: 2}]",
        name: "fails",
        ..Experiment::cut("2s")
    };
    served.experiment(&fails);
    // A listing is two seconds old at most.
    thread::sleep(Duration::from_millis(2500));
    run("fails").exits(1).tells("fails: failed (exit 1)");
    assert_eq!(read("r.json"), report(&served, "json"));
    assert!(!served.shop.folder.has("data"), "a journal was made here");
}

#[test]
fn a_connection_that_breaks_is_taken_up_where_it_broke() {
    let served = Served::open();
    let relay = Relay::before(served.shop.host, served.address);
    let more = ["--json", "r.json"];
    let mut started = served.start(&named("trial", "4s"), &relay.url(), &more);
    for _ in 0..2 {
        relay.cut();
        started.wait_for("the connection to the server is lost");
        thread::sleep(Duration::from_millis(500));
        relay.mend();
        started.wait_for("the server answers again");
    }
    let finished = started.finish().exits(0);
    assert_eq!(
        finished.stderr.matches(IS_ON).count(),
        1,
        "{}",
        finished.stderr
    );
    assert_eq!(
        finished.stderr.matches(" is undone").count(),
        1,
        "{}",
        finished.stderr
    );
    assert_eq!(served.shop.folder.read("r.json"), report(&served, "json"));
    assert_eq!(served.runs().len(), 1);
}

#[test]
fn a_signal_asks_the_server_to_undo_and_waits_for_it() {
    let served = Served::open();
    let before = served.shop.proxies.snapshot();
    let second = served.experiment(&named("second", "60s"));
    let mut started = served.start(
        &named("first", "60s"),
        &served.url(),
        &[&second, "--junit", "r.xml"],
    );
    // A proxy server that hangs holds the undo up.
    served.shop.server.signal(Signal::STOP);
    started.signal(Signal::INT);
    started.wait_for("stopping: the server is asked to undo everything");
    started.wait_for("fault is being undone");
    started.signal(Signal::INT);
    started.wait_for("is still undoing `fault` since ");
    assert!(started.is_running());
    served.shop.server.signal(Signal::CONT);
    started
        .finish()
        .exits(3)
        .tells("first: aborted (exit 3)")
        .tells("a signal ended the command that started it")
        .tells("second: skipped (exit 3)");
    assert_eq!(served.shop.proxies.snapshot(), before);
    assert_eq!(served.runs()[0]["verdict"], "aborted");
    assert!(served.shop.folder.read("r.xml").contains("second"));
}

#[test]
fn a_server_that_stops_undoes_the_run_and_the_command_reports_it() {
    let served = Served::open();
    let started = served.start(&named("trial", "60s"), &served.url(), &["--json", "r.json"]);
    served.server.signal(Signal::TERM);
    started.finish().exits(3).tells("trial: aborted (exit 3)");
    assert_eq!(served.shop.folder.read("r.json"), report(&served, "json"));
    assert_eq!(served.shop.proxies.toxics(), [""; 0]);
}

#[test]
fn a_server_that_comes_back_has_undone_the_run_and_one_that_stays_away_is_said_so() {
    let mut served = Served::open();
    let mut started = served.start(&named("trial", "60s"), &served.url(), &[]);
    served.server.signal(Signal::KILL);
    started.wait_for("the connection to the server is lost");
    served.serve_again();
    started.finish().exits(4).tells("trial: errored (exit 4)");
    assert_eq!(served.shop.proxies.toxics(), [""; 0]);

    let more = ["--give-up-after", "1s", "--json", "r.json"];
    let started = served.start(&named("other", "60s"), &served.url(), &more);
    served.server.signal(Signal::KILL);
    started
        .finish()
        .exits(4)
        .tells("other: not recorded (exit 4): the server can't be followed any more")
        .tells("`fault` was on, until 20")
        .tells(&format!("hint: look at {}/runs/", served.url()));
    let told: Value = serde_json::from_str(&served.shop.folder.read("r.json")).expect("JSON");
    assert_eq!(told["cause"], "unrecorded");
    served.owner.run(["recover"]).exits(0);
    assert_eq!(served.shop.proxies.toxics(), [""; 0]);
}

#[test]
fn what_the_server_has_not_or_has_otherwise_is_wrong_and_starts_nothing() {
    let served = Served::open();
    let other = served.experiment(&named("other", "2s"));
    // The same name, with another content.
    served
        .shop
        .folder
        .write("elsewhere/other.yaml", &named("other", "3s").yaml());
    served
        .shop
        .folder
        .write("elsewhere/mine.yaml", &named("mine", "3s").yaml());
    let wrong = |files: &[&str], told: &str| {
        let server = [
            "--server",
            &served.url(),
            "--stacks",
            "stacks",
            "--junit",
            "r.xml",
        ];
        let line = ["run"].iter().chain(files).chain(&server).copied();
        let line: Vec<&str> = line.collect();
        served.shop.firedrill.run(line).exits(2).tells(told);
    };
    wrong(
        &[&other, "elsewhere/other.yaml"],
        "the server has experiment `other` with other files: elsewhere/other.yaml here, experiments/other.yaml there",
    );
    wrong(
        &["elsewhere/mine.yaml"],
        "the server's library has no experiment `mine`",
    );
    wrong(
        &["nothing"],
        "neither a drill nor an experiment of that name",
    );
    wrong(&["experiments/nothing.yaml"], "experiments/nothing.yaml");
    assert!(served.shop.folder.read("r.xml").contains("wrong_file"));
    assert_eq!(served.runs(), [Value::Null; 0]);
}

#[test]
fn a_server_that_is_not_there_or_refuses_the_token_is_said_so() {
    let served = Served::open();
    let file = served.experiment(&named("trial", "1s"));
    let run = |url: &str, more: &[&str]| {
        let line = ["run", &file, "--server", url, "--give-up-after", "1s"];
        let firedrill = served.shop.firedrill.with("FIREDRILL_TOKEN", "fd_s3cret");
        firedrill.run(line.iter().chain(more))
    };
    run(&format!("http://{}", closed_port(served.shop.host)), &[])
        .exits(4)
        .tells("could not connect");
    run("drills.example.org", &[])
        .exits(2)
        .tells("is no server");
    run("http://me:pw@127.0.0.1", &[])
        .exits(2)
        .tells("nothing secret");
    run(&served.url(), &["--token-file", "none.txt"])
        .exits(2)
        .tells("none.txt can't be read");
    run(&served.url(), &["--dry-run"]).exits(2);

    // A server that knows other tokens.
    let listener = TcpListener::bind((own_address(), 0)).expect("a port");
    let address = listener.local_addr().expect("its address");
    let heard = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let request = http::Message::read(&stream).expect("a request");
        let problem = json!({"type": "about:blank", "title": "Unauthorized", "status": 401, "code": "no-token",
                             "detail": "this token is not known"});
        http::answer(&mut stream, 401, &problem.to_string()).expect("it is read");
        request.head
    });
    let finished = run(&format!("http://{address}"), &[])
        .exits(2)
        .tells("the server refuses the token: this token is not known");
    assert!(!finished.stderr.contains("s3cret") && !finished.stdout.contains("s3cret"));
    let head = heard.join().expect("it answered");
    assert!(head.contains("authorization: bearer fd_s3cret"), "{head}");
}

#[test]
fn a_token_of_the_server_starts_runs_and_acts_in_them_until_it_is_revoked() {
    let served = Served::open();
    let made = served
        .owner
        .run(["token", "create", "ci", "--role", "operator"])
        .exits(0);
    let token = made.stdout.trim().to_owned();
    served.shop.folder.write("token.txt", &format!("{token}\n"));
    let started = served.start(
        &named("trial", "4s"),
        &served.url(),
        &["--token-file", "token.txt"],
    );
    let id = served.runs()[0]["id"].as_str().expect("an id").to_owned();
    let url = served.url();
    let event = |token: &str| {
        let firedrill = served.shop.firedrill.with("FIREDRILL_TOKEN", token);
        firedrill.run(["event", &id, "note", "seen", "--server", &url])
    };
    // An experiment drills nobody: that it says so shows that the token was taken.
    let answered = event(&token);
    let refused = event("firedrill_none").exits(2).tells("token is none");
    assert!(!refused.stderr.contains("firedrill_none"));
    assert!(
        !answered.stderr.contains("token is none"),
        "{}",
        answered.stderr
    );
    started.finish().exits(0);
    let line = ["report", "--verify"];
    served.owner.run(line).exits(0);

    served.owner.run(["token", "revoke", "ci"]).exits(0);
    let line = [
        "run",
        "trial",
        "--server",
        &url,
        "--token-file",
        "token.txt",
    ];
    let finished = served.shop.firedrill.run(line).exits(2);
    assert!(
        finished
            .stderr
            .contains("the server refuses the token: the token is none"),
        "{}",
        finished.stderr
    );
    assert!(!finished.stderr.contains(&token) && !finished.stdout.contains(&token));
    assert_eq!(served.runs().len(), 1);
}

#[test]
fn a_start_under_a_key_is_one_start_over_a_restart_too() {
    let mut served = Served::open();
    served.experiment(&named("trial", "1s"));
    served.experiment(&named("other", "1s"));
    let start = |served: &Served, key: &str, body: &str| {
        let key = format!("idempotency-key: {key}\r\n");
        http::send_with(served.address, "POST", "/api/v1/runs", &key, body).expect("an answer")
    };
    let body = r#"{"experiment":"trial","seed":3}"#;
    let first = start(&served, "k1", body);
    assert_eq!(first.status(), 201, "{}", first.body);
    // The same, written otherwise.
    let again = start(&served, "\"k1\"", r#"{ "seed": 3, "experiment": "trial" }"#);
    assert_eq!((again.status(), &again.body), (201, &first.body));
    let other = start(&served, "k1", r#"{"experiment":"other"}"#);
    assert_eq!(other.status(), 422, "{}", other.body);
    assert_eq!(other.json()["code"], "idempotency-key-reused");
    // One that was refused leaves its key free.
    let busy = start(&served, "k2", r#"{"experiment":"other"}"#);
    assert_eq!(busy.status(), 409, "{}", busy.body);

    served.server.signal(Signal::KILL);
    until("the server is gone", Duration::from_secs(5), || {
        (!served.server.is_running()).then_some(())
    });
    served.serve_again();
    let after = start(&served, "k1", body);
    assert_eq!((after.status(), &after.body), (201, &first.body));
    assert_eq!(served.runs().len(), 1);
    let free = start(&served, "k2", r#"{"experiment":"other"}"#);
    assert_eq!(free.status(), 201, "{}", free.body);
}
