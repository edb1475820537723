//! What is drilled: a wallet stack, and a firedrill server with the shipped library, as a team would have them.

use std::net::SocketAddr;

use ::firedrill::shipped;
use serde_json::json;

use crate::firedrill::Started;
use crate::http;
use crate::wallet::Wallet;

const TOKEN: &str = "a token of the tests";

pub(super) struct Office {
    // The server ends first, while what it has to undo can still be reached.
    server: Started,
    pub(super) wallet: Wallet,
    address: SocketAddr,
}

impl Office {
    pub(super) fn open() -> Self {
        Self::prepared(|_| {})
    }

    /// The same, once `prepare` has seen to the wallet's folder: the library is in `library`, the data in `served`.
    pub(super) fn prepared(prepare: impl FnOnce(&Wallet)) -> Self {
        let wallet = Wallet::start();
        for (path, text) in shipped::FILES {
            wallet.folder.write(&format!("library/{path}"), text);
        }
        wallet.folder.write(
            "server.yaml",
            "environments: [staging]\ntokens: {alertmanager: \"${env:HOOK_TOKEN}\"}\ntransparency: {platform: Example Wallet}\n",
        );
        prepare(&wallet);
        let host = wallet.variable();
        let firedrill = wallet
            .firedrill
            .with_data(wallet.folder.path().join("served"))
            .with("HOOK_TOKEN", TOKEN);
        let mut server = firedrill.start([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--config",
            "server.yaml",
            "--library",
            "library",
            "--stacks",
            "library/stacks",
            "--var",
            &host,
        ]);
        server.wait_for("; Ctrl-C");
        let told = server.told();
        let address = told
            .split_once("http://")
            .and_then(|(_, rest)| rest.split(';').next())
            .and_then(|address| address.parse().ok());
        let address = address.unwrap_or_else(|| panic!("no address in {told}"));
        Self {
            server,
            wallet,
            address,
        }
    }

    /// Where its pages are.
    pub(super) fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The link that makes the first account, which only whoever started the server is told.
    pub(super) fn link(&mut self) -> String {
        let told = self.server.told();
        let (_, link) = told.split_once("/setup/").expect("the link is told");
        let code: String = link.chars().take_while(char::is_ascii_hexdigit).collect();
        format!("/setup/{code}")
    }

    /// The wallet's monitoring notices what a drill does, and says so as Alertmanager does.
    pub(super) fn alert(&self, name: &str) {
        self.tell_of(name, 1);
    }

    /// The same while nothing runs that it could belong to.
    pub(super) fn alert_between_drills(&self, name: &str) {
        self.tell_of(name, 0);
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "an alert says when it fired by its own system's clock"
    )]
    fn tell_of(&self, name: &str, matches: u64) {
        let message = json!({
            "version": "4",
            "status": "firing",
            "alerts": [{
                "status": "firing",
                "labels": {"alertname": name},
                "startsAt": jiff::Timestamp::now().to_string(),
                "fingerprint": "00000000000000a1",
            }],
        });
        let authorization = format!("authorization: Bearer {TOKEN}\r\n");
        let answer = http::send_with(
            self.address,
            "POST",
            "/hooks/alertmanager",
            &authorization,
            &message.to_string(),
        );
        let answer = answer.expect("firedrill answers");
        assert_eq!(answer.status(), 200, "{}", answer.body);
        assert_eq!(answer.json()["matched"], matches, "{}", answer.body);
    }
}
