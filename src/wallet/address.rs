//! Where each service listens and where each link is dialled.
//!
//! Invariant: a service is told where to dial and never works it out, so that whoever starts the stack decides whether
//! a proxy stands between two services.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use super::Service;

/// The dependencies between services; also the names of the proxies that carry them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinkName {
    ApiSignerA,
    ApiSignerB,
    ApiNodeA,
    ApiNodeB,
    ApiPrices,
    ApiLedger,
    NodeBNodeA,
}

/// A name that is no link of the stack.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no wallet link is called `{0}`; hint: api-signer-a, api-signer-b, api-node-a, api-node-b, api-prices, api-ledger or node-b-node-a"
)]
pub struct UnknownLink(pub String);

impl LinkName {
    pub const ALL: [Self; 7] = [
        Self::ApiSignerA,
        Self::ApiSignerB,
        Self::ApiNodeA,
        Self::ApiNodeB,
        Self::ApiPrices,
        Self::ApiLedger,
        Self::NodeBNodeA,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::ApiSignerA => "api-signer-a",
            Self::ApiSignerB => "api-signer-b",
            Self::ApiNodeA => "api-node-a",
            Self::ApiNodeB => "api-node-b",
            Self::ApiPrices => "api-prices",
            Self::ApiLedger => "api-ledger",
            Self::NodeBNodeA => "node-b-node-a",
        }
    }

    pub fn from(self) -> Service {
        match self {
            Self::NodeBNodeA => Service::NodeB,
            _ => Service::WalletApi,
        }
    }

    pub fn to(self) -> Service {
        match self {
            Self::ApiSignerA => Service::SignerA,
            Self::ApiSignerB => Service::SignerB,
            Self::ApiNodeA | Self::NodeBNodeA => Service::NodeA,
            Self::ApiNodeB => Service::NodeB,
            Self::ApiPrices => Service::Prices,
            Self::ApiLedger => Service::Ledger,
        }
    }

    /// The TCP port where the link's proxy listens.
    pub fn port(self) -> u16 {
        match self {
            Self::ApiSignerA => 7101,
            Self::ApiSignerB => 7102,
            Self::ApiNodeA => 7103,
            Self::ApiNodeB => 7104,
            Self::ApiPrices => 7105,
            Self::ApiLedger => 7106,
            Self::NodeBNodeA => 7107,
        }
    }
}

impl fmt::Display for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for LinkName {
    type Err = UnknownLink;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|link| link.name() == name)
            .ok_or_else(|| UnknownLink(name.to_owned()))
    }
}

/// One dependency and the proxy that is expected to carry it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub name: LinkName,
    pub from: Service,
    pub to: Service,
    /// Where the proxy listens: the side that services dial.
    pub listen: SocketAddr,
    /// Where the proxy forwards to: the service itself.
    pub upstream: SocketAddr,
}

/// The links of a stack whose services and proxies all live on `host`.
pub fn links(host: IpAddr) -> Vec<Link> {
    LinkName::ALL
        .into_iter()
        .map(|name| Link {
            name,
            from: name.from(),
            to: name.to(),
            listen: SocketAddr::new(host, name.port()),
            upstream: SocketAddr::new(host, name.to().port()),
        })
        .collect()
}

/// All listen addresses and all dial addresses of one stack.
#[derive(Debug, Clone)]
pub struct Addresses {
    listen: BTreeMap<Service, SocketAddr>,
    dial: BTreeMap<LinkName, String>,
    bootstrap: String,
}

impl Addresses {
    /// Everything on `host`, every dependency dialled through its proxy's port.
    pub fn on(host: IpAddr) -> Self {
        Self::new(host, LinkName::port)
    }

    /// Everything on `host`, services dialled without proxies.
    pub fn direct(host: IpAddr) -> Self {
        Self::new(host, |link| link.to().port())
    }

    fn new(host: IpAddr, port: impl Fn(LinkName) -> u16) -> Self {
        let at = |port| SocketAddr::new(host, port);
        Self {
            listen: Service::ALL
                .into_iter()
                .map(|service| (service, at(service.port())))
                .collect(),
            dial: LinkName::ALL
                .into_iter()
                .map(|link| (link, at(port(link)).to_string()))
                .collect(),
            bootstrap: at(Service::NodeB.port()).to_string(),
        }
    }

    #[must_use]
    pub fn with_listen(mut self, service: Service, address: SocketAddr) -> Self {
        self.listen.insert(service, address);
        self
    }

    /// `authority` is `host:port`; the host may be a name, as containers have.
    #[must_use]
    pub fn with_dial(mut self, link: LinkName, authority: impl Into<String>) -> Self {
        self.dial.insert(link, authority.into());
        self
    }

    /// Where a starting node-a asks once for the chain it lost with its container: node-b, `host:port`. It is no link:
    /// nothing dials it while the stack runs.
    #[must_use]
    pub fn with_bootstrap(mut self, authority: impl Into<String>) -> Self {
        self.bootstrap = authority.into();
        self
    }

    pub fn listen(&self, service: Service) -> SocketAddr {
        self.listen[&service]
    }

    pub fn dial(&self, link: LinkName) -> &str {
        &self.dial[&link]
    }

    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn services_dial_the_side_where_the_proxy_listens() {
        let host = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let addresses = Addresses::on(host);
        for link in links(host) {
            assert_eq!(addresses.dial(link.name), link.listen.to_string());
            assert_eq!(addresses.listen(link.to), link.upstream);
            assert_eq!(link.name.to_string().parse(), Ok(link.name));
        }
    }

    #[test]
    fn a_direct_stack_dials_the_services_themselves() {
        let host = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let addresses = Addresses::direct(host);
        assert_eq!(addresses.dial(LinkName::NodeBNodeA), "127.0.0.1:7003");
    }
}
