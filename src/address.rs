//! Addresses: `host:port` taken apart and (in [`agreement`]) compared, names resolved, URLs as they may be shown.

pub(crate) mod agreement;

use std::fmt::{self, Write as _};
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use hyper::Uri;

/// A host and a port, as written. An empty host means every address of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) host: String,
    pub(crate) port: u16,
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
    pub(crate) fn of_url(url: &str) -> Result<Self, String> {
        let bad = || format!("`{}` is not an address with a host", shown(url));
        let (place, _) = split(url);
        let uri: Uri = place.parse().map_err(|_| bad())?;
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
    pub(crate) async fn resolve(&self) -> Result<Vec<IpAddr>, String> {
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
}

/// A URL's scheme and authority, which say where it leads, and the rest, which only that place gets to see.
pub(crate) fn split(url: &str) -> (&str, &str) {
    let authority = scheme(url).len();
    let end = url[authority..]
        .find(['/', '?', '#'])
        .map_or(url.len(), |at| authority + at);
    url.split_at(end)
}

/// A URL's beginning up to `://`, where it has one.
fn scheme(url: &str) -> &str {
    let start = url.find([':', '/', '?', '#']).unwrap_or(url.len());
    if url[start..].starts_with("://") {
        &url[..start + "://".len()]
    } else {
        ""
    }
}

/// A URL as it may be shown and logged: without user, password, query and fragment, which may be secrets.
pub(crate) fn shown(url: &str) -> String {
    let (place, rest) = split(url);
    let scheme = scheme(place);
    let authority = &place[scheme.len()..];
    let host = authority.rsplit('@').next().unwrap_or_default();
    let path = rest.split(['?', '#']).next().unwrap_or_default();
    format!("{scheme}{host}{path}")
}

/// A text as one segment of a path, or one value of a query: all but the unreserved characters of RFC 3986 encoded.
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("writing to a String never fails");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let with_secret = Place::of_url("http://127.0.0.1/${env:PATH}?${env:QUERY}");
        assert_eq!(
            with_secret.map(|place| place.to_string()).as_deref(),
            Ok("127.0.0.1:80")
        );
        assert!(Place::of_url("http://${env:HOST}/").is_err());
    }

    #[test]
    fn a_shown_url_holds_no_secret() {
        assert_eq!(
            shown("https://user:secret@node.example:8545/v1?key=secret#x"),
            "https://node.example:8545/v1"
        );
        assert_eq!(shown("http://127.0.0.1:7003/"), "http://127.0.0.1:7003/");
        assert_eq!(shown("user:secret@node?key=secret"), "node");
        assert_eq!(shown("node/v1?to=http://secret"), "node/v1");
    }

    #[test]
    fn an_encoded_text_keeps_nothing_that_means_something_in_a_url() {
        assert_eq!(encoded("a-Z.0_~"), "a-Z.0_~");
        assert_eq!(encoded("a b/#?&=é:"), "a%20b%2F%23%3F%26%3D%C3%A9%3A");
    }
}
