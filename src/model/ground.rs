//! Proven ground: where firedrill may act, as a stack's identity checks draw it.
//!
//! A place is proven when it can't leave this machine; when all its addresses lie in networks that the stack's
//! `upstreams` checks name; or when it is exactly the host and port at which one of its `http` checks is asked. The checks
//! themselves are made elsewhere, and all must hold before this counts for anything. Pure: names are resolved by whoever
//! asks.

use std::fmt;
use std::net::IpAddr;

use super::network::Network;
use super::stack::{Identity, Stack};

/// What to do about a place that is not proven.
pub const HINT: &str = "act on loopback, on addresses in the networks of the stack's `upstreams` checks, or on exactly \
     the host and port of one of its `http` checks";

/// The proven ground of one stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ground {
    networks: Vec<Network>,
    asked: Vec<Socket>,
}

/// Why a place is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Footing {
    /// It is on this machine.
    Loopback,
    /// Its addresses lie in networks that the stack names, this one among them.
    Network(Network),
    /// An identity check is asked there.
    Asked,
}

impl fmt::Display for Footing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loopback => f.write_str("on loopback"),
            Self::Network(network) => write!(f, "in {network}"),
            Self::Asked => f.write_str("where an identity check is answered"),
        }
    }
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Socket {
    host: Host,
    port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Address(IpAddr),
    Name(String),
}

impl Socket {
    /// From a host as written, with or without brackets.
    pub fn new(host: &str, port: u16) -> Self {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let host = match bare.parse::<IpAddr>() {
            Ok(address) => Host::Address(address.to_canonical()),
            Err(_) => Host::Name(bare.to_ascii_lowercase()),
        };
        Self { host, port }
    }

    /// Where an absolute `http` or `https` URL leads.
    pub fn of_url(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let standard = match scheme.to_ascii_lowercase().as_str() {
            "http" => 80,
            "https" => 443,
            _ => return None,
        };
        let authority = rest.split(['/', '?', '#']).next()?;
        if authority.is_empty() || authority.contains('@') {
            return None;
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
            _ => (authority, standard),
        };
        Some(Self::new(host, port))
    }

    /// Whether the two are surely different: another port, or another address. Two names may mean one host.
    pub fn is_apart_from(&self, other: &Self) -> bool {
        let hosts = match (self.address(), other.address()) {
            (Some(one), Some(other)) => one != other,
            _ => false,
        };
        self.port != other.port || hosts
    }

    /// Its address, where it is written as one.
    pub fn address(&self) -> Option<IpAddr> {
        match &self.host {
            Host::Address(address) => Some(*address),
            Host::Name(_) => None,
        }
    }
}

impl Ground {
    /// What a stack's checks prove. Networks that can't be read prove nothing.
    pub fn of(stack: &Stack) -> Self {
        let mut ground = Self {
            networks: Vec::new(),
            asked: Vec::new(),
        };
        for identity in &stack.identity {
            match identity {
                Identity::Http { request, .. } => ground.asked.extend(Socket::of_url(&request.url)),
                Identity::Upstreams { within } => {
                    let networks = within
                        .iter()
                        .filter_map(|text| text.parse::<Network>().ok());
                    ground.networks.extend(networks);
                }
                Identity::Containers { .. } => {}
            }
        }
        ground
    }

    /// Whether an identity check is asked at this very place, so that what it resolves to does not matter.
    pub fn is_asked(&self, socket: &Socket) -> bool {
        self.asked.contains(socket)
    }

    /// Why a place with these addresses is proven, else an address by which it is not.
    pub fn footing(
        &self,
        socket: &Socket,
        addresses: &[IpAddr],
    ) -> Result<Footing, Option<IpAddr>> {
        if self.is_asked(socket) {
            return Ok(Footing::Asked);
        }
        let mut footing = None;
        for address in addresses {
            let address = address.to_canonical();
            let network = self.networks.iter().find(|one| one.contains(address));
            footing = match (address.is_loopback(), network) {
                (true, _) => footing.or(Some(Footing::Loopback)),
                (false, Some(network)) => Some(Footing::Network(*network)),
                (false, None) => return Err(Some(address)),
            };
        }
        footing.ok_or(None)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::probe::{Expect, HttpRequest};
    use crate::model::time::Millis;

    fn ground(url: &str, within: &[&str]) -> Ground {
        let expect = Expect {
            status: None,
            json: BTreeMap::new(),
            body: None,
            headers: BTreeMap::new(),
            exit: None,
            below: None,
            above: None,
            within: Millis::seconds(1),
        };
        let request = HttpRequest {
            method: "GET".to_owned(),
            url: url.to_owned(),
            headers: BTreeMap::new(),
            body: None,
        };
        Ground::of(&Stack {
            name: "wallet".parse().expect("a name"),
            environment: "staging".to_owned(),
            identity: vec![
                Identity::Http { request, expect },
                Identity::Upstreams {
                    within: within.iter().map(|&text| text.to_owned()).collect(),
                },
            ],
            toxiproxy: None,
            docker: None,
            services: BTreeMap::new(),
            links: Vec::new(),
            probes: BTreeMap::new(),
        })
    }

    fn told(ground: &Ground, url: &str, addresses: &[&str]) -> String {
        let socket = Socket::of_url(url).expect("a URL");
        let addresses: Vec<IpAddr> = addresses
            .iter()
            .map(|text| text.parse().expect("an address"))
            .collect();
        match ground.footing(&socket, &addresses) {
            Ok(footing) => footing.to_string(),
            Err(address) => format!("refused: {address:?}"),
        }
    }

    #[test]
    fn loopback_the_networks_and_the_places_asked_are_proven_and_nothing_else() {
        let ground = ground("https://Node.example/chain", &["10.20.0.0/16", "fd00::/8"]);
        for (url, addresses, expected) in [
            ("http://a/", &["127.0.0.1", "::1"][..], "on loopback"),
            ("http://a/", &["::ffff:127.0.0.1"], "on loopback"),
            (
                "http://a/",
                &["10.20.255.1", "127.0.0.1"],
                "in 10.20.0.0/16",
            ),
            ("http://a/", &["fd00::1"], "in fd00::/8"),
            (
                "http://a/",
                &["10.20.0.1", "10.21.0.1"],
                "refused: Some(10.21.0.1)",
            ),
            ("http://a/", &["0.0.0.0"], "refused: Some(0.0.0.0)"),
            ("http://a/", &[], "refused: None"),
            (
                "https://node.EXAMPLE:443/admin?x#y",
                &["203.0.113.1"],
                "where an identity check is answered",
            ),
            (
                "http://node.example/",
                &["203.0.113.1"],
                "refused: Some(203.0.113.1)",
            ),
            (
                "https://node.example:8443/",
                &["203.0.113.1"],
                "refused: Some(203.0.113.1)",
            ),
            (
                "https://node.example.com/",
                &["203.0.113.1"],
                "refused: Some(203.0.113.1)",
            ),
        ] {
            assert_eq!(
                told(&ground, url, addresses),
                expected,
                "{url} {addresses:?}"
            );
        }
    }

    #[test]
    fn one_address_has_many_spellings() {
        let ground = ground("http://[::ffff:203.0.113.9]:80/", &[]);
        let asked = "where an identity check is answered";
        assert_eq!(told(&ground, "http://203.0.113.9", &["203.0.113.9"]), asked);
        assert_eq!(told(&ground, "HTTP://203.0.113.9:80?", &[]), asked);
    }

    #[test]
    fn what_is_no_plain_url_leads_nowhere() {
        for bad in [
            "",
            "node:80",
            "ftp://node/",
            "http:///",
            "http://u@node/",
            "http://node:x/",
        ] {
            assert_eq!(Socket::of_url(bad), None, "{bad}");
        }
        let six = Socket::of_url("http://[::1]/").and_then(|socket| socket.address());
        assert_eq!(six.map(|ip| ip.to_string()).as_deref(), Some("::1"));
    }
}
