//! The lever: from any process, with any database, everything is undone and nothing starts until it is lifted.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use sqlx::{Connection as _, SqliteConnection};
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

use crate::ground::until;
use crate::http;
use crate::shop::{Experiment, IS_ON, Shop};

/// Somebody who keeps a write transaction open on a journal.
struct Hog {
    runtime: Runtime,
    connection: Option<SqliteConnection>,
}

impl Hog {
    fn on(data: &Path) -> Self {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let url = format!("sqlite://{}", data.join("firedrill.db").display());
        let connection = runtime.block_on(async {
            let mut connection = SqliteConnection::connect(&url).await.expect("it opens");
            let begun = sqlx::query("BEGIN IMMEDIATE")
                .execute(&mut connection)
                .await;
            begun.expect("nobody writes just now");
            connection
        });
        Self {
            runtime,
            connection: Some(connection),
        }
    }

    fn let_go(mut self) {
        let connection = self.connection.take().expect("it is held");
        let closed = self.runtime.block_on(connection.close());
        closed.expect("it closes");
    }
}

const HALT: [&str; 5] = ["halt", "--reason", "the exchange is down", "--by", "ann"];

#[test]
fn a_halt_from_the_command_line_aborts_another_process_and_refuses_new_runs_until_resume() {
    let shop = Shop::open();
    let before = shop.proxies.snapshot();
    let run = shop.start(&Experiment::slow("60s"));
    let halted = shop
        .firedrill
        .run(HALT)
        .exits(0)
        .tells("halted by ann: the exchange is down")
        .results("everything reads back clean after")
        .results("1 fault(s) of 1 run(s) undone");
    assert!(halted.took < Duration::from_secs(10), "{:?}", halted.took);
    assert_eq!(shop.proxies.snapshot(), before);
    run.finish().exits(3).tells("halted: the exchange is down");

    let file = shop.experiment(&Experiment::slow("1s"));
    shop.firedrill
        .run(["run", &file])
        .exits(3)
        .tells("everything is halted by ann since ")
        .tells("hint: `firedrill resume` lifts that");
    shop.firedrill
        .run(HALT)
        .exits(0)
        .tells("already halted by ann");
    shop.firedrill
        .run(["resume"])
        .exits(0)
        .results("lifted: halted by ann since ");
    shop.firedrill
        .run(["resume"])
        .exits(0)
        .results("nothing was halted");
    shop.firedrill.run(["run", &file]).exits(0);
    assert_eq!(shop.proxies.snapshot(), before);
}

#[test]
fn a_halt_over_the_api_of_a_server_reaches_a_run_of_another_process_and_outlives_both() {
    let shop = Shop::open();
    let run = shop.start(&Experiment::slow("60s"));
    let address = SocketAddr::new(shop.host, 8700);
    let listen = address.to_string();
    let serve = || {
        let mut server = shop.firedrill.start(["serve", "--listen", &listen]);
        server.wait_for("firedrill serves");
        server
    };
    let ask = |method: &str, body: &str| {
        http::send(address, method, "/api/v1/halt", body).expect("an answer")
    };
    let server = serve();
    assert_eq!(ask("GET", "").json(), json!({"halted": false}));
    assert_eq!(ask("POST", r#"{"reason": " "}"#).status(), 422);
    let pulled = ask("POST", r#"{"reason": "storm", "actor": "ann"}"#);
    assert_eq!(pulled.status(), 202, "{}", pulled.body);
    run.finish().exits(3).tells("halted: storm");
    assert_eq!(shop.proxies.toxics(), [""; 0]);
    server.crash();

    let server = serve();
    let state = ask("GET", "").json();
    assert_eq!(
        (&state["halted"], &state["by"], &state["reason"]),
        (&json!(true), &json!("ann"), &json!("storm"))
    );
    let page = http::send(address, "GET", "/runs", "")
        .expect("an answer")
        .body;
    assert!(
        page.contains("Everything is halted</strong> by ann since"),
        "{page}"
    );
    let lifted = ask("DELETE", "").json();
    assert_eq!(lifted["lifted"]["reason"], "storm");
    assert_eq!(ask("GET", "").json(), json!({"halted": false}));
    drop(server);
}

#[test]
fn a_halt_undoes_at_once_while_somebody_keeps_the_database_locked() {
    let shop = Shop::open();
    let before = shop.proxies.snapshot();
    let run = shop.start(&Experiment::slow("60s"));
    let hog = Hog::on(&shop.folder.path().join("data"));
    let halting = shop.firedrill.start(HALT);
    until("everything is undone", Duration::from_secs(3), || {
        (shop.proxies.snapshot() == before).then_some(())
    });
    hog.let_go();
    halting
        .finish()
        .exits(0)
        .results("1 fault(s) of 1 run(s) undone");
    run.finish().exits(3).tells("halted: the exchange is down");
}

#[test]
fn a_halt_undoes_what_a_killed_process_left() {
    let shop = Shop::open();
    let before = shop.proxies.snapshot();
    let run = shop.start(&Experiment::slow("60s"));
    run.crash();
    assert_ne!(
        shop.proxies.snapshot(),
        before,
        "nothing was left: it proves nothing"
    );
    shop.firedrill
        .run(HALT)
        .exits(0)
        .tells("of a dead process left")
        .results("1 fault(s) of 1 run(s) undone");
    assert_eq!(shop.proxies.snapshot(), before);
    // The next one starts only when the halt is lifted.
    shop.firedrill.run(["run", "trial.yaml"]).exits(3);
}

#[test]
fn a_halt_undoes_what_a_killed_process_left_while_somebody_keeps_the_database_locked() {
    let shop = Shop::open();
    let before = shop.proxies.snapshot();
    shop.start(&Experiment::slow("60s")).crash();
    let hog = Hog::on(&shop.folder.path().join("data"));
    let halting = shop.firedrill.start(HALT);
    until("everything is undone", Duration::from_secs(10), || {
        (shop.proxies.snapshot() == before).then_some(())
    });
    hog.let_go();
    halting.finish().exits(0);
}

#[test]
fn a_halt_is_kept_aside_where_the_data_folder_takes_no_file() {
    let shop = Shop::open();
    let before = shop.proxies.snapshot();
    let run = shop.start(&Experiment::slow("60s"));
    // Whoever tests may write everywhere: a folder in the file's place refuses even them.
    std::fs::create_dir(shop.folder.path().join("data/halt")).expect("a folder");
    shop.firedrill
        .run(HALT)
        .exits(0)
        .tells("takes no file")
        .results("everything reads back clean");
    run.finish().exits(3).tells("halted: the exchange is down");
    assert_eq!(shop.proxies.snapshot(), before);
    shop.firedrill.run(["run", "trial.yaml"]).exits(3);
    std::fs::remove_dir(shop.folder.path().join("data/halt")).expect("removed");
    shop.firedrill.run(["resume"]).exits(0).results("lifted");
}

#[test]
fn a_halt_that_can_not_undo_everything_says_what_and_ends_with_five() {
    let shop = Shop::open();
    shop.start(&Experiment::slow("60s")).crash();
    shop.server.signal(rustix::process::Signal::STOP);
    let stuck = shop
        .firedrill
        .run(HALT)
        .exits(5)
        .tells("could not be undone");
    shop.server.signal(rustix::process::Signal::CONT);
    assert!(stuck.took > Duration::from_secs(50), "{:?}", stuck.took);
    shop.firedrill.run(HALT).exits(0).results("undone");
    assert_eq!(shop.proxies.toxics(), [""; 0]);
}

#[test]
fn where_nothing_was_ever_run_a_halt_is_kept_for_what_comes() {
    let shop = Shop::open();
    shop.firedrill
        .run(HALT)
        .exits(0)
        .tells("there is no journal")
        .results("nothing runs in");
    let file = shop.experiment(&Experiment::slow("1s"));
    shop.firedrill.run(["run", &file]).exits(3);
    assert_eq!(shop.proxies.toxics(), [""; 0]);
}

/// Links, and faults on each: five kinds of toxic on either stream.
const LINKS: usize = 100;
const KINDS: [&str; 5] = [
    "latency: {latency: 10ms",
    "bandwidth: {rate: 1000",
    "slow_close: {delay: 10ms",
    "slicer: {average_size: 1000, size_variation: 10, delay: 10us",
    "limit_data: {bytes: 1000000000",
];
const FAULTS: usize = LINKS * KINDS.len() * 2;

/// Far more than a halt of all of them takes on an idle machine, in an unoptimised build on a busy one.
const LONGEST: Duration = Duration::from_mins(1);

#[test]
fn a_halt_of_a_thousand_toxics_reads_back_clean() {
    let shop = Shop::open();
    let host = shop.host;
    let mut services = String::new();
    let mut links = String::new();
    let mut method = String::new();
    for link in 0..LINKS {
        let _ = write!(services, ", s{link}: {{}}");
        let _ = writeln!(
            links,
            "  - {{from: shop, to: s{link}, proxy: p{link}, listen: \"{host}:{}\", upstream: \"{host}:7001\"}}",
            20_000 + link
        );
        for (kind, toxic) in KINDS.iter().enumerate() {
            let _ = writeln!(
                method,
                "  - {toxic}, id: f{link}-{kind}, link: p{link}, direction: both, for: 2m}}"
            );
        }
    }
    let stack = shop.folder.read("stacks/shop.yaml");
    let stack = stack
        .replace("8474\"}", "8474\", create_proxies: true}")
        .replace(
            "stock: {tier: books}",
            &format!("stock: {{tier: books}}{services}"),
        )
        .replace("links:\n", &format!("links:\n{links}"));
    shop.folder.write("stacks/shop.yaml", &stack);
    let one = Experiment::slow("2m").yaml();
    let (head, rest) = one.split_once("  - latency").expect("a step");
    let (_, tail) = rest.split_once('\n').expect("the rest");
    shop.folder
        .write("thousand.yaml", &format!("{head}{method}{tail}"));

    let run = shop.firedrill.start(["run", "thousand.yaml"]);
    until("all are on", Duration::from_secs(100), || {
        (shop.proxies.faults().len() == FAULTS).then_some(())
    });
    // The last one is read back.
    let on = |log: &str| log.matches(IS_ON).count();
    until("all are read back", Duration::from_mins(1), || {
        (on(&run.told()) == FAULTS).then_some(())
    });
    let began = Instant::now();
    let halting = shop.firedrill.start(HALT);
    until("nothing is left", LONGEST, || {
        shop.proxies.toxics().is_empty().then_some(())
    });
    let took = began.elapsed();
    let halted = halting
        .finish()
        .exits(0)
        .results(&format!("{FAULTS} fault(s) of 1 run(s) undone"));
    println!(
        "{FAULTS} toxics: gone after {took:?}, said after {:?}",
        halted.took
    );
    run.finish().exits(3).tells("halted: the exchange is down");
}
