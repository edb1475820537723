//! Where things are: URLs, `host:port`, networks, Docker hosts, and which of them stay on this machine.

use std::net::{IpAddr, Ipv6Addr};

use crate::secret;

/// The parts of an address that matter here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
}

impl Place {
    /// Whether it can't leave this machine. A name other than `localhost` can: it is not resolved to find out.
    pub(crate) fn is_loopback(&self) -> bool {
        let host = self.host.trim_end_matches('.').to_ascii_lowercase();
        host == "localhost"
            || host.ends_with(".localhost")
            || host.parse::<IpAddr>().is_ok_and(|ip| match ip {
                IpAddr::V4(ip) => ip.is_loopback(),
                IpAddr::V6(ip) => {
                    ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback())
                }
            })
    }
}

/// Where a URL leads is checked before anything is sent there, so that it must be seen.
const SECRET_PLACE: &str = "its scheme, host and port can't be a secret: write them here, or use a variable, `${name}`, \
     with `--var name=…`";

/// Parses an absolute `http` or `https` URL.
pub(crate) fn url(text: &str) -> Result<Place, &'static str> {
    let scheme = ["http://", "https://"].into_iter().find(|scheme| {
        text.get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    let Some(scheme) = scheme else {
        return Err(if secret::is_in(text) {
            SECRET_PLACE
        } else {
            "it must begin with `http://` or `https://`"
        });
    };
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("it must not contain spaces: write `%20`");
    }
    if !text.is_ascii() {
        return Err("it must be ASCII: percent-encode other characters");
    }
    let rest = &text[scheme.len()..];
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    if secret::is_in(authority) {
        return Err(SECRET_PLACE);
    }
    if authority.contains('@') {
        return Err("it must not carry a user or password: send an `authorization` header");
    }
    place(authority)
}

/// Parses `host:port`.
pub(crate) fn host_and_port(text: &str) -> Result<Place, &'static str> {
    let place = place(text)?;
    if place.port.is_none() {
        return Err("it has no port: write `host:port`");
    }
    Ok(place)
}

/// Parses a Docker host; `None` for a local socket.
pub(crate) fn docker_host(text: &str) -> Result<Option<Place>, &'static str> {
    if let Some(path) = text
        .strip_prefix("unix://")
        .or_else(|| text.strip_prefix("npipe://"))
    {
        return if path.starts_with('/') {
            Ok(None)
        } else {
            Err("a local socket is written `unix:///path/to/docker.sock`")
        };
    }
    for scheme in ["tcp://", "http://", "https://", "ssh://"] {
        if let Some(rest) = text.strip_prefix(scheme) {
            let authority = &rest[..rest.find('/').unwrap_or(rest.len())];
            let host = match authority.rsplit_once('@') {
                Some((_, host)) if scheme == "ssh://" => host,
                _ => authority,
            };
            return place(host).map(Some);
        }
    }
    Err("it must begin with `unix://`, `tcp://` or `ssh://`")
}

fn place(authority: &str) -> Result<Place, &'static str> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or("its `[` is never closed")?;
        host.parse::<Ipv6Addr>()
            .map_err(|_| "what stands in `[…]` is not an IPv6 address")?;
        let port = match rest.strip_prefix(':') {
            Some(port) => Some(port),
            None if rest.is_empty() => None,
            None => return Err("after `]` comes `:port`"),
        };
        (host, port)
    } else {
        match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        }
    };
    if host.is_empty() {
        return Err("it has no host");
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':');
    if !host.chars().all(plain) {
        return Err("its host has a character that no host has");
    }
    let port = match port {
        None => None,
        Some(port) => match port.parse::<u16>() {
            Ok(0) => return Err("port 0 is not a port that can be reached"),
            Ok(number) if port.bytes().all(|b| b.is_ascii_digit()) => Some(number),
            _ => return Err("its port is not a number from 1 to 65535"),
        },
    };
    Ok(Place {
        host: host.to_owned(),
        port,
    })
}

/// Parses a network in CIDR form, such as `172.16.0.0/12`. Tells whether it is so wide that being in it says nothing.
pub(crate) fn network(text: &str) -> Result<Breadth, &'static str> {
    let (ip, bits) = text
        .split_once('/')
        .ok_or("write it as `address/bits`, such as `127.0.0.0/8`")?;
    let ip: IpAddr = ip
        .parse()
        .map_err(|_| "it doesn't begin with an IP address")?;
    let bits: u32 = bits
        .parse()
        .map_err(|_| "after `/` comes the number of network bits")?;
    let stray = match ip {
        IpAddr::V4(_) if bits > 32 => return Err("an IPv4 network has at most 32 bits"),
        IpAddr::V6(_) if bits > 128 => return Err("an IPv6 network has at most 128 bits"),
        IpAddr::V4(ip) => ip.to_bits().checked_shl(bits).unwrap_or(0) != 0,
        IpAddr::V6(ip) => ip.to_bits().checked_shl(bits).unwrap_or(0) != 0,
    };
    if stray {
        return Err("it has address bits beyond its network bits");
    }
    // The widest networks that are anybody's own are 10.0.0.0/8 and fc00::/7.
    let least = if ip.is_ipv4() { 8 } else { 7 };
    Ok(if bits < least {
        Breadth::Anywhere
    } else {
        Breadth::Somewhere
    })
}

/// How much a network says about an address in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Breadth {
    /// It may be anybody's.
    Anywhere,
    /// It is in one part of the address space.
    Somewhere,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_have_a_scheme_a_host_and_a_sound_port() {
        let good = url("http://127.0.0.1:7000/v1?x=1").expect("a URL");
        assert_eq!((good.host.as_str(), good.port), ("127.0.0.1", Some(7000)));
        assert!(url("https://[::1]/").expect("a URL").is_loopback());
        for bad in [
            "",
            "127.0.0.1:80",
            "ftp://x",
            "http://",
            "http://:80",
            "http://x:0",
            "http://x:99999",
            "http://x:",
            "http://a b/",
            "http://u:p@x/",
            "http://[::1",
            "http://[x]/",
            "http://é/",
        ] {
            assert!(url(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn only_loopback_is_loopback() {
        for (host, loopback) in [
            ("127.0.0.1:1", true),
            ("127.9.9.9:1", true),
            ("localhost:1", true),
            ("[::1]:1", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("0.0.0.0:1", false),
            ("10.0.0.1:1", false),
            ("localhost.example.com:1", false),
            ("127.0.0.1.example.com:1", false),
            ("[::]:1", false),
        ] {
            assert_eq!(
                host_and_port(host).expect(host).is_loopback(),
                loopback,
                "{host}"
            );
        }
    }

    #[test]
    fn networks_have_no_stray_bits() {
        for good in ["127.0.0.0/8", "10.1.2.3/32", "fd00::/8"] {
            assert_eq!(network(good), Ok(Breadth::Somewhere), "{good}");
        }
        for wide in ["0.0.0.0/0", "128.0.0.0/1", "::/0"] {
            assert_eq!(network(wide), Ok(Breadth::Anywhere), "{wide}");
        }
        for bad in [
            "127.0.0.1",
            "127.0.0.1/8",
            "10.0.0.0/33",
            "x/8",
            "fd00::1/8",
            "10.0.0.0/x",
        ] {
            assert!(network(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn a_docker_host_is_a_socket_or_an_address() {
        assert_eq!(docker_host("unix:///var/run/docker.sock"), Ok(None));
        let far = docker_host("ssh://ops@build.example.com").expect("a host");
        assert!(far.is_some_and(|place| !place.is_loopback()));
        for bad in ["/var/run/docker.sock", "unix://docker.sock", "tcp://"] {
            assert!(docker_host(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
