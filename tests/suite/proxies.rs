//! What a Toxiproxy server holds, read through its API as any client would.

use std::net::{IpAddr, SocketAddr};

use serde_json::{Value, json};

use crate::http;

/// A Toxiproxy API.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Proxies(pub(crate) SocketAddr);

impl Proxies {
    pub(crate) fn on(host: IpAddr) -> Self {
        Self(SocketAddr::new(host, 8474))
    }

    pub(crate) fn answers(self) -> bool {
        http::send(self.0, "GET", "/version", "").is_ok_and(|answer| answer.status() == 200)
    }

    /// Everything it holds: two snapshots are equal when nothing is left behind.
    pub(crate) fn snapshot(self) -> Value {
        self.get("/proxies")
    }

    /// The names of all toxics of all proxies, in order.
    pub(crate) fn toxics(self) -> Vec<String> {
        let snapshot = self.snapshot();
        let proxies = snapshot.as_object().expect("proxies by name");
        let toxics = proxies
            .values()
            .flat_map(|proxy| proxy["toxics"].as_array().into_iter().flatten());
        toxics
            .map(|toxic| {
                toxic["name"]
                    .as_str()
                    .expect("a toxic has a name")
                    .to_owned()
            })
            .collect()
    }

    /// The names of the toxics that disturb something: all but the marks that lock targets.
    pub(crate) fn faults(self) -> Vec<String> {
        let mut all = self.toxics();
        all.retain(|name| !name.starts_with("mark-"));
        all
    }

    /// Adds a toxic that is nobody's of firedrill.
    pub(crate) fn add_foreign(self, proxy: &str, name: &str) {
        let toxic = json!({"name": name, "type": "latency", "stream": "upstream", "attributes": {"latency": 1}});
        let path = format!("/proxies/{proxy}/toxics");
        let answer =
            http::send(self.0, "POST", &path, &toxic.to_string()).expect("Toxiproxy answers");
        assert_eq!(answer.status(), 200, "{}", answer.body);
    }

    /// Removes a toxic behind firedrill's back.
    pub(crate) fn remove(self, proxy: &str, toxic: &str) {
        let path = format!("/proxies/{proxy}/toxics/{toxic}");
        let answer = http::send(self.0, "DELETE", &path, "").expect("Toxiproxy answers");
        assert_eq!(answer.status(), 204, "{}", answer.body);
    }

    fn get(self, path: &str) -> Value {
        let answer = http::send(self.0, "GET", path, "").expect("Toxiproxy answers");
        assert_eq!(answer.status(), 200, "{path}: {}", answer.body);
        answer.json()
    }
}
