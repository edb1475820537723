//! One running stack, and questions to it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::super::client::{Answer, Remote};
use super::super::{Addresses, LinkName, Service, links, start_one};
use super::gate::{Gate, Mode};

const SEED: u64 = 7;

pub(super) struct Stack {
    host: IpAddr,
    addresses: Addresses,
    gates: BTreeMap<LinkName, Gate>,
    services: BTreeMap<Service, CancellationToken>,
    tracker: TaskTracker,
    cancel: CancellationToken,
    api: Remote,
}

impl Stack {
    /// A stack on 127.0.7.`last`, ready for transfers; the links named run through gates.
    pub(super) async fn start(last: u8, gated: &[LinkName]) -> Self {
        let host = IpAddr::V4(Ipv4Addr::new(127, 0, 7, last));
        let (tracker, cancel) = (TaskTracker::new(), CancellationToken::new());
        let mut addresses = Addresses::direct(host);
        let mut gates = BTreeMap::new();
        for link in links(host)
            .into_iter()
            .filter(|link| gated.contains(&link.name))
        {
            addresses = addresses.with_dial(link.name, link.listen.to_string());
            gates.insert(
                link.name,
                Gate::open(link.listen, link.upstream, &tracker, &cancel).await,
            );
        }
        let api = Remote::at(
            Service::WalletApi,
            &addresses.listen(Service::WalletApi).to_string(),
        );
        let mut stack = Self {
            host,
            addresses,
            gates,
            services: BTreeMap::new(),
            tracker,
            cancel,
            api,
        };
        for service in Service::ALL {
            stack.start_service(service).await;
        }
        stack.until("/v1/quote", |body| body["fee"].is_u64()).await;
        stack
    }

    pub(super) async fn start_service(&mut self, service: Service) {
        let cancel = self.cancel.child_token();
        start_one(
            service,
            &self.addresses,
            SEED,
            &self.tracker,
            cancel.clone(),
        )
        .await
        .unwrap();
        self.services.insert(service, cancel);
    }

    /// Ends one service, as a killed container does, and waits until its port is free.
    pub(super) async fn stop_service(&mut self, service: Service) {
        self.services.remove(&service).unwrap().cancel();
        let deadline = Instant::now() + Duration::from_secs(5);
        while std::net::TcpListener::bind(self.addresses.listen(service)).is_err() {
            assert!(Instant::now() < deadline, "{service} did not stop");
            sleep(Duration::from_millis(50)).await;
        }
    }

    pub(super) async fn stop(self) {
        self.cancel.cancel();
        self.tracker.close();
        tokio::time::timeout(Duration::from_secs(5), self.tracker.wait())
            .await
            .unwrap();
    }

    pub(super) fn set(&self, link: LinkName, mode: Mode) {
        self.gates[&link].set(mode);
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> Answer {
        self.api
            .post(path, &body, Instant::now() + Duration::from_secs(5))
            .await
            .unwrap()
    }

    /// Leaves 200 ms after asking; whether that was before the answer.
    pub(super) async fn hang_up_on(&self, path: &str, body: &Value) -> bool {
        let deadline = Instant::now() + Duration::from_millis(200);
        self.api.post(path, body, deadline).await.is_err()
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.api
            .get(path, Instant::now() + Duration::from_secs(5))
            .await
            .unwrap()
    }

    /// Asks another service than the API.
    pub(super) async fn ask(&self, service: Service, path: &str) -> Value {
        let remote = Remote::at(
            service,
            &SocketAddr::new(self.host, service.port()).to_string(),
        );
        remote
            .get(path, Instant::now() + Duration::from_secs(5))
            .await
            .unwrap()
            .body
    }

    pub(super) async fn tell(&self, service: Service, path: &str, body: Value) -> Value {
        let remote = Remote::at(
            service,
            &SocketAddr::new(self.host, service.port()).to_string(),
        );
        remote
            .post(path, &body, Instant::now() + Duration::from_secs(5))
            .await
            .unwrap()
            .body
    }

    /// Asks until the answer is as wanted; panics with the last answer after ten seconds.
    pub(super) async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let body = self.get(path).await.body;
            if wanted(&body) {
                return body;
            }
            assert!(Instant::now() < deadline, "{path} stayed {body}");
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until everything is settled and the books were compared since, then demands that they agree.
    pub(super) async fn invariants_kept(&self) -> Value {
        let began = Instant::now();
        let kept = self
            .until("/v1/invariants", |body| {
                let elapsed = u64::try_from(began.elapsed().as_millis()).unwrap();
                let fresh = |age: &str| body[age].as_u64().is_some_and(|age| age < elapsed);
                let done = |count: &str| body[count] == 0;
                done("pending")
                    && done("unsettled")
                    && done("unmined")
                    && fresh("ledger_age_ms")
                    && fresh("chain_age_ms")
            })
            .await;
        for invariant in ["double_broadcasts", "nonce_gap", "balance_drift"] {
            assert_eq!(kept[invariant], 0, "{kept}");
        }
        kept
    }

    pub(super) async fn text(&self, path: &str) -> String {
        let (_, bytes) = self.plain(path, None).await;
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    pub(super) async fn status_with_token(&self, path: &str, token: &str) -> u16 {
        self.plain(path, Some(token)).await.0
    }

    async fn plain(&self, path: &str, token: Option<&str>) -> (u16, Bytes) {
        let address = self.addresses.listen(Service::WalletApi);
        let mut request = hyper::Request::get(format!("http://{address}{path}"));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
        let response = client
            .request(request.body(Empty::new()).unwrap())
            .await
            .unwrap();
        let status = response.status().as_u16();
        (
            status,
            response.into_body().collect().await.unwrap().to_bytes(),
        )
    }
}
