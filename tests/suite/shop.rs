//! The smallest stack that can be hurt: a shop that reaches its stock over one link, which a Toxiproxy server of its own
//! carries. Experiments on it take a second or two.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde_json::json;

use crate::firedrill::{Finished, Firedrill, Started};
use crate::ground::{Folder, own_address, until};
use crate::proxies::Proxies;
use crate::stand_in::StandIn;

/// What progress says of a fault that was read back.
pub(crate) const IS_ON: &str = " is on (";

/// The one proxy.
pub(crate) const PROXY: &str = "shop-stock";

#[derive(Debug)]
pub(crate) struct Shop {
    pub(crate) host: IpAddr,
    pub(crate) stock: StandIn,
    pub(crate) proxies: Proxies,
    pub(crate) server: Started,
    pub(crate) firedrill: Firedrill,
    pub(crate) folder: Folder,
}

impl Shop {
    /// A stack that is up and well.
    pub(crate) fn open() -> Self {
        let (host, folder) = (own_address(), Folder::new());
        let stock = StandIn::listen(stock_address(host));
        let firedrill = Firedrill::within(folder.path());
        folder.write(
            "stacks/shop.yaml",
            &stack(host, &format!("{{url: \"http://{host}:8474\"}}")),
        );
        let proxies = json!([{"name": PROXY, "listen": format!("{host}:7101"), "upstream": format!("{host}:7001"), "enabled": true}]);
        folder.write("proxies.json", &proxies.to_string());
        let server = serve(&firedrill, host);
        let shop = Self {
            host,
            stock,
            proxies: Proxies::on(host),
            server,
            firedrill,
            folder,
        };
        shop.await_proxies();
        shop
    }

    fn await_proxies(&self) {
        until(
            "Toxiproxy carries the link",
            Duration::from_secs(20),
            || {
                (self.proxies.answers() && self.proxies.snapshot().get(PROXY).is_some())
                    .then_some(())
            },
        );
    }

    /// Writes an experiment's file and answers with its name.
    pub(crate) fn experiment(&self, experiment: &Experiment) -> String {
        let file = format!("{}.yaml", experiment.name);
        self.folder.write(&file, &experiment.yaml());
        file
    }

    /// Runs an experiment to its end.
    pub(crate) fn run(&self, experiment: &Experiment) -> Finished {
        self.firedrill.run(["run", &self.experiment(experiment)])
    }

    /// Starts an experiment, and waits until its fault is on.
    pub(crate) fn start(&self, experiment: &Experiment) -> Started {
        let mut started = self.firedrill.start(["run", &self.experiment(experiment)]);
        started.wait_for(IS_ON);
        started
    }

    /// A path in the shop's folder, as text.
    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
}

/// Where the stock listens.
pub(crate) fn stock_address(host: IpAddr) -> SocketAddr {
    SocketAddr::new(host, 7001)
}

/// Starts the Toxiproxy server of a shop.
pub(crate) fn serve(firedrill: &Firedrill, host: IpAddr) -> Started {
    firedrill.start([
        "toxiproxy",
        "serve",
        "--host",
        &host.to_string(),
        "--config",
        "proxies.json",
    ])
}

/// The stack's file, with its `toxiproxy` as given.
pub(crate) fn stack(host: IpAddr, toxiproxy: &str) -> String {
    format!(
        r#"kind: Stack
name: shop
environment: staging
identity:
  - {{upstreams: {{within: ["127.0.0.0/8"]}}}}
toxiproxy: {toxiproxy}
services: {{shop: {{tier: customer}}, stock: {{tier: books}}}}
links:
  - {{from: shop, to: stock, proxy: {PROXY}, listen: "{host}:7101", upstream: "{host}:7001"}}
probes:
  shop-answers: {{http: {{url: "http://{host}:7101/health"}}, expect: {{status: 200, within: 1s}}, every: 200ms, impact: true}}
  stock-well: {{http: {{url: "http://{host}:7001/health"}}, expect: {{status: 200, within: 1s}}, every: 200ms}}
"#
    )
}

/// An experiment's file, a line a part.
#[derive(Debug, Clone)]
pub(crate) struct Experiment {
    pub(crate) name: &'static str,
    pub(crate) steady_state: &'static str,
    pub(crate) during: &'static str,
    /// The one step.
    pub(crate) step: String,
    pub(crate) stop_when: String,
    pub(crate) limits: &'static str,
}

impl Experiment {
    /// A step whose id is `fault`, with everything else such that it passes.
    pub(crate) fn of(step: impl Into<String>) -> Self {
        Self {
            name: "trial",
            steady_state: "[{probe: shop-answers, fail_after: 3, pass_after: 1}, {probe: stock-well}]",
            during: "[{probe: stock-well, fail_after: 2}]",
            step: step.into(),
            stop_when: "[]".to_owned(),
            limits: "{duration: 5m}",
        }
    }

    /// Data arrives late for so long, which the shop bears.
    pub(crate) fn slow(lasts: &str) -> Self {
        Self::of(format!(
            "latency: {{id: fault, link: shop -> stock, latency: 50ms, for: {lasts}}}"
        ))
    }

    /// The link refuses for so long.
    pub(crate) fn cut(lasts: &str) -> Self {
        Self::of(format!(
            "partition: {{id: fault, from: [shop], to: [stock], mode: refuse, for: {lasts}}}"
        ))
    }

    pub(crate) fn yaml(&self) -> String {
        let Self {
            name,
            steady_state,
            during,
            step,
            stop_when,
            limits,
            ..
        } = self;
        format!(
            "kind: Experiment\nname: {name}\nstack: shop\nhypothesis: The shop bears it.\nsteady_state: {steady_state}\n\
             during: {during}\nmethod:\n  - {step}\nstop_when: {stop_when}\nlimits: {limits}\n\
             recovery: {{within: 10s, stable_for: 400ms}}\n"
        )
    }
}
