//! The server from outside: schedules, starts over the API, what a signal and a crash leave.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use crate::firedrill::{Firedrill, Started};
use crate::ground::{project, until};
use crate::http;
use crate::wallet::Wallet;

/// A wallet, and a server with a library of its own in front of it.
struct Site {
    wallet: Wallet,
    firedrill: Firedrill,
    server: Started,
    address: SocketAddr,
}

impl Site {
    fn open(change_drill: impl Fn(String) -> String) -> Self {
        let wallet = Wallet::start();
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
            for entry in std::fs::read_dir(project().join(folder)).expect("it ships") {
                let path = entry.expect("it can be read").path();
                let name = path
                    .file_name()
                    .and_then(|name| name.to_str())
                    .expect("a plain name");
                let text = std::fs::read_to_string(&path).expect("it can be read");
                let text = if name == "signer-outage.yaml" && folder == "drills" {
                    change_drill(text)
                } else {
                    text
                };
                wallet.folder.write(&format!("{folder}/{name}"), &text);
            }
        }
        let firedrill = wallet
            .firedrill
            .with_data(wallet.folder.path().join("server"));
        let address = SocketAddr::new(wallet.host, 8700);
        let server = serve(&firedrill, &wallet);
        let site = Self {
            wallet,
            firedrill,
            server,
            address,
        };
        site.wait_until_ready();
        site
    }

    fn wait_until_ready(&self) {
        until("the server is ready", Duration::from_secs(30), || {
            http::send(self.address, "GET", "/readyz", "")
                .ok()
                .filter(|answer| answer.status() == 200)
        });
    }

    fn get(&self, path: &str) -> Value {
        let answer = http::send(self.address, "GET", path, "").expect("the server answers");
        assert_eq!(answer.status(), 200, "{path}: {}", answer.body);
        answer.json()
    }

    fn runs(&self) -> Vec<Value> {
        self.get("/api/v1/runs")["runs"]
            .as_array()
            .cloned()
            .unwrap_or_default()
    }

    fn wait_for_a_toxic(&self) {
        until("a fault", Duration::from_secs(90), || {
            (!self.wallet.proxies.toxics().is_empty()).then_some(())
        });
    }
}

fn serve(firedrill: &Firedrill, wallet: &Wallet) -> Started {
    let listen = format!("{}:8700", wallet.host);
    let mut server = firedrill.start(["serve", "--listen", &listen, "--var", &wallet.variable()]);
    server.wait_for("firedrill serves");
    server
}

#[test]
fn a_scheduled_drill_starts_by_itself_and_a_signal_undoes_it() {
    let site = Site::open(|drill| {
        drill.replace("severity: SEV1", "severity: SEV1\nschedule: {cron: \"* * * * *\", timezone: Europe/Berlin, tolerance: 30s}")
    });
    site.wait_for_a_toxic();
    let runs = site.runs();
    assert_eq!(
        (runs.len(), &runs[0]["trigger"], &runs[0]["name"]),
        (1, &json!("schedule"), &json!("signer-outage"))
    );
    site.server.signal(rustix::process::Signal::TERM);
    let finished = site.server.finish().exits(0);
    assert!(
        site.wallet.proxies.toxics().is_empty(),
        "{}",
        finished.stderr
    );
    site.firedrill.run(["recover", "--dry-run"]).exits(0);
}

#[test]
fn a_server_that_was_killed_undoes_what_it_left_when_it_starts_again() {
    let mut site = Site::open(|drill| drill);
    let started = http::send(
        site.address,
        "POST",
        "/api/v1/runs",
        r#"{"drill":"signer-outage"}"#,
    )
    .expect("an answer");
    assert_eq!(started.status(), 201, "{}", started.body);
    let run = started.json()["id"].as_str().expect("an id").to_owned();
    site.wait_for_a_toxic();
    let twice = http::send(
        site.address,
        "POST",
        "/api/v1/runs",
        r#"{"drill":"bad-token"}"#,
    )
    .expect("an answer");
    assert_eq!(twice.status(), 409, "{}", twice.body);
    assert!(
        twice.body.contains(&run),
        "the refusal names the run that is in the way: {}",
        twice.body
    );

    site.server.signal(rustix::process::Signal::KILL);
    until("the server is gone", Duration::from_secs(5), || {
        (!site.server.is_running()).then_some(())
    });
    assert!(
        !site.wallet.proxies.toxics().is_empty(),
        "nothing was left: the crash proves nothing"
    );
    site.server = serve(&site.firedrill, &site.wallet);
    site.wait_until_ready();
    until("everything is undone", Duration::from_secs(20), || {
        (site.get(&format!("/api/v1/runs/{run}"))["verdict"] == "errored").then_some(())
    });
    assert!(site.wallet.proxies.toxics().is_empty());
}

#[test]
fn a_scheduled_game_day_starts_by_itself_and_what_it_had_not_begun_a_restart_does_not_begin() {
    let mut site = Site::open(|drill| drill);
    let folder = &site.wallet.folder;
    folder.write(
        "experiments/calm.yaml",
        "kind: Experiment\nname: calm\nstack: wallet-demo\nhypothesis: Nothing happens.\n\
         steady_state: [{probe: nonce-gap, pass_after: 1}]\nmethod: []\nrecovery: {within: 10s, stable_for: 1s}\n",
    );
    folder.write(
        "runbooks/calm.md",
        "---\nkind: Runbook\nname: calm\nexpect:\n  - {id: judged, manual: Nobody was alarmed}\n---\n",
    );
    folder.write(
        "drills/quiet.yaml",
        "kind: Drill\nname: quiet\nexperiment: calm\nrunbook: calm\nteam: wallet-oncall\nseverity: SEV3\ndecoy: 5s\n",
    );
    folder.write(
        "gamedays/soon.yaml",
        "kind: GameDay\nname: soon\ndrills: [{drill: quiet}, {drill: quiet, pause: 1h}]\n\
         schedule: {cron: \"* * * * *\", tolerance: 50s}\n",
    );
    let day = |site: &Site| site.get("/api/v1/gamedays")["game_days"][0].clone();
    until("the pause", Duration::from_mins(2), || {
        (day(&site)["drills"][1]["state"] == "pauses").then_some(())
    });
    let run = &site.runs()[0];
    assert_eq!(run["trigger"]["game_day"]["name"], "soon", "{run}");
    site.server.signal(rustix::process::Signal::KILL);
    until("the server is gone", Duration::from_secs(5), || {
        (!site.server.is_running()).then_some(())
    });
    site.wallet.folder.write(
        "gamedays/soon.yaml",
        "kind: GameDay\nname: soon\ndrills: [{drill: quiet}]\n",
    );
    site.server = serve(&site.firedrill, &site.wallet);
    site.wait_until_ready();
    let told = day(&site);
    assert_eq!(
        (&told["drills"][1]["state"], &told["drills"][1]["why"]),
        (&json!("not_begun"), &json!("not begun: the server ended"))
    );
}
