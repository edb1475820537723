//! Places and networks: `host:port` taken apart, names resolved, addresses compared with CIDR blocks.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use hyper::Uri;

/// A host and a port, as written. An empty host means every address of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) host: String,
    pub(super) port: u16,
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is not `host:port`");
        let (host, port) = text.rsplit_once(':').ok_or_else(bad)?;
        let host = match host.strip_prefix('[') {
            Some(rest) => {
                let inner = rest.strip_suffix(']').ok_or_else(bad)?;
                inner.parse::<Ipv6Addr>().map_err(|_| bad())?;
                inner
            }
            None if host.contains(|c: char| matches!(c, ':' | '/') || c.is_whitespace()) => {
                return Err(bad());
            }
            None => host,
        };
        Ok(Self {
            host: host.to_owned(),
            port: port.parse().map_err(|_| bad())?,
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl Place {
    /// Where a URL leads; the scheme's own port when it names none.
    pub(super) fn of_url(url: &str) -> Result<Self, String> {
        let bad = || format!("`{}` is not an address with a host", shown(url));
        let uri: Uri = url.parse().map_err(|_| bad())?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(bad)?;
        let port = uri.port_u16().unwrap_or(match uri.scheme_str() {
            Some("https") => 443,
            Some("ssh") => 22,
            _ => 80,
        });
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
        })
    }

    /// Every address the host has now.
    pub(super) async fn resolve(&self) -> Result<Vec<IpAddr>, String> {
        let mut found: Vec<IpAddr> = tokio::net::lookup_host((self.host.as_str(), self.port))
            .await
            .map_err(|error| format!("{self} could not be resolved: {error}"))?
            .map(|address| address.ip().to_canonical())
            .collect();
        found.sort_unstable();
        found.dedup();
        if found.is_empty() {
            return Err(format!("{self} has no address"));
        }
        Ok(found)
    }

    /// Whether both mean the same socket, as far as their spelling tells: `localhost` is loopback, and no host at all is
    /// every address.
    pub(super) fn agrees_with(&self, other: &Self) -> bool {
        self.port == other.port
            && (self.host.eq_ignore_ascii_case(&other.host)
                || self.is_localhost() && other.is_loopback()
                || self.is_loopback() && other.is_localhost()
                || self.is_everywhere() && other.is_everywhere()
                || self.ip().is_some() && self.ip() == other.ip())
    }

    fn is_localhost(&self) -> bool {
        self.host.eq_ignore_ascii_case("localhost")
    }

    fn is_loopback(&self) -> bool {
        self.ip().is_some_and(|ip| ip.is_loopback())
    }

    fn is_everywhere(&self) -> bool {
        self.host.is_empty() || self.ip().is_some_and(|ip| ip.is_unspecified())
    }

    fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok().map(|ip: IpAddr| ip.to_canonical())
    }
}

/// A URL as it may be shown and logged: without user, password, query and fragment, which may be secrets.
pub(super) fn shown(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, ""),
    };
    let host = authority.rsplit('@').next().unwrap_or_default();
    if scheme.is_empty() {
        format!("{host}{path}")
    } else {
        format!("{scheme}://{host}{path}")
    }
}

/// A block of addresses, in CIDR form (RFC 4632, RFC 4291).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Network {
    base: IpAddr,
    bits: u8,
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is not a network in CIDR form, such as `10.0.0.0/8`");
        let (base, bits) = text.trim().split_once('/').ok_or_else(bad)?;
        let base: IpAddr = base.parse().map_err(|_| bad())?;
        let bits: u8 = bits.parse().map_err(|_| bad())?;
        let longest = if base.is_ipv4() { 32 } else { 128 };
        if bits > longest {
            return Err(bad());
        }
        Ok(Self { base, bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.bits)
    }
}

impl Network {
    /// Whether the address is in the block. The families are kept apart; an IPv4 address that is mapped into IPv6 counts
    /// as the IPv4 address it is.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let differing = u32::from(base) ^ u32::from(address);
                differing.leading_zeros() >= u32::from(self.bits)
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let differing = u128::from(base) ^ u128::from(address);
                differing.leading_zeros() >= u32::from(self.bits)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_in(address: &str, network: &str) -> bool {
        let network: Network = network.parse().expect("a network");
        network.contains(address.parse().expect("an address"))
    }

    #[test]
    fn a_block_holds_its_first_and_last_address_and_not_their_neighbours() {
        for (network, inside, outside) in [
            (
                "127.0.0.0/8",
                ["127.0.0.0", "127.255.255.255"],
                ["126.255.255.255", "128.0.0.0"],
            ),
            (
                "172.16.0.0/12",
                ["172.16.0.0", "172.31.255.255"],
                ["172.15.255.255", "172.32.0.0"],
            ),
            (
                "10.1.2.3/32",
                ["10.1.2.3", "10.1.2.3"],
                ["10.1.2.2", "10.1.2.4"],
            ),
            ("fd00::/8", ["fd00::", "fdff::1"], ["fc00::1", "fe00::"]),
            ("::1/128", ["::1", "::1"], ["::", "::2"]),
        ] {
            for address in inside {
                assert!(is_in(address, network), "{address} is not in {network}");
            }
            for address in outside {
                assert!(!is_in(address, network), "{address} is in {network}");
            }
        }
        assert!(is_in("8.8.8.8", "0.0.0.0/0"));
    }

    #[test]
    fn the_families_are_kept_apart_and_mapped_addresses_are_seen_through() {
        assert!(!is_in("::1", "0.0.0.0/0"));
        assert!(!is_in("127.0.0.1", "::/0"));
        assert!(is_in("::ffff:127.0.0.1", "127.0.0.0/8"));
        assert!(!is_in("::ffff:8.8.8.8", "::/0"));
    }

    #[test]
    fn what_is_no_block_is_refused() {
        for bad in [
            "",
            "10.0.0.0",
            "10.0.0.0/33",
            "::/129",
            "10.0.0/8",
            "a/8",
            "10.0.0.0/-1",
        ] {
            assert!(bad.parse::<Network>().is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn places_are_read_with_names_and_both_families() {
        for (text, host, port) in [
            ("localhost:80", "localhost", 80),
            ("127.0.0.1:7001", "127.0.0.1", 7001),
            ("[::1]:7001", "::1", 7001),
            (":7001", "", 7001),
        ] {
            let place: Place = text.parse().expect("a place");
            assert_eq!((place.host.as_str(), place.port), (host, port));
            assert_eq!(place.to_string(), text);
        }
        for bad in [
            "",
            "localhost",
            "a:70000",
            "::1",
            "http://a:80",
            "[x]:1",
            "a b:1",
        ] {
            assert!(bad.parse::<Place>().is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn urls_lead_to_places() {
        for (url, expected) in [
            ("http://127.0.0.1:8474", "127.0.0.1:8474"),
            ("https://staging.example/x", "staging.example:443"),
            ("http://[::1]/", "[::1]:80"),
            ("ssh://deploy@box", "box:22"),
        ] {
            let place = Place::of_url(url).expect("a place");
            assert_eq!(place.to_string(), expected);
        }
        assert!(Place::of_url("/relative").is_err());
    }

    #[test]
    fn localhost_agrees_with_loopback_and_other_spellings_do_not() {
        let agree = |a: &str, b: &str| {
            let (a, b): (Place, Place) = (a.parse().expect("a place"), b.parse().expect("a place"));
            assert_eq!(a.agrees_with(&b), b.agrees_with(&a));
            a.agrees_with(&b)
        };
        assert!(agree("localhost:1", "127.0.0.1:1"));
        assert!(agree("LOCALHOST:1", "[::1]:1"));
        assert!(agree(":1", "[::]:1"));
        assert!(agree("0.0.0.0:1", "[::]:1"));
        assert!(agree("Signer:1", "signer:1"));
        assert!(!agree("localhost:1", "127.0.0.1:2"));
        assert!(!agree("127.0.0.1:1", "[::1]:1"));
        assert!(!agree("0.0.0.0:1", "127.0.0.1:1"));
        assert!(!agree("signer:1", "127.0.0.1:1"));
    }

    #[test]
    fn a_shown_url_holds_no_secret() {
        assert_eq!(
            shown("https://user:secret@node.example:8545/v1?key=secret#x"),
            "https://node.example:8545/v1"
        );
        assert_eq!(shown("http://127.0.0.1:7003/"), "http://127.0.0.1:7003/");
        assert_eq!(shown("user:secret@node?key=secret"), "node");
    }
}
