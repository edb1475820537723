//! Whether two spellings of an address mean the same place: the one rule by which preflight and the drivers tell that a
//! proxy is the stack's.
//!
//! A server shows the address it has bound, a stack the one somebody wrote: `localhost:7101`, `127.0.0.1:7101` and, for
//! a listener, `[::]:7101` agree. Anything else must resolve to a common address.

use std::net::IpAddr;
use std::time::Duration;

/// The longest a name is looked up.
const LONGEST_LOOKUP: Duration = Duration::from_secs(2);

/// Whether a proxy that listens at `bound` listens where the stack says.
pub(crate) async fn listens_at(bound: &str, written: &str) -> bool {
    agree(bound, written, true).await
}

/// Whether both lead to the same place.
pub(crate) async fn leads_to(carried: &str, written: &str) -> bool {
    agree(carried, written, false).await
}

async fn agree(seen: &str, written: &str, listener: bool) -> bool {
    if seen == written {
        return true;
    }
    let (Some(seen), Some(written)) = (parts(seen), parts(written)) else {
        return false;
    };
    if seen.port != written.port {
        return false;
    }
    let everywhere =
        |host: &str| host.is_empty() || parsed(host).is_some_and(|ip| ip.is_unspecified());
    // Whoever listens everywhere listens there, too.
    if listener && everywhere(seen.host) {
        return true;
    }
    if seen.host.eq_ignore_ascii_case(written.host)
        || is_localhost(seen.host) && is_localhost(written.host)
    {
        return true;
    }
    if parsed(seen.host).is_some() && parsed(written.host).is_some() {
        return parsed(seen.host) == parsed(written.host);
    }
    let (one, other) = tokio::join!(resolved(seen.host), resolved(written.host));
    one.iter().any(|ip| other.contains(ip))
}

struct Parts<'a> {
    host: &'a str,
    port: &'a str,
}

fn parts(address: &str) -> Option<Parts<'_>> {
    let (host, port) = address.rsplit_once(':')?;
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    Some(Parts { host, port })
}

fn parsed(host: &str) -> Option<IpAddr> {
    host.parse().ok()
}

/// The spellings of `localhost`; `127.0.0.2` is another place.
fn is_localhost(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || matches!(host, "127.0.0.1" | "::1")
}

async fn resolved(host: &str) -> Vec<IpAddr> {
    if let Some(ip) = parsed(host) {
        return vec![ip];
    }
    let lookup = tokio::net::lookup_host((host, 0));
    match tokio::time::timeout(LONGEST_LOOKUP, lookup).await {
        Ok(Ok(found)) => found.map(|address| address.ip()).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn loopback_has_many_spellings_and_one_port() {
        for (bound, written) in [
            ("127.0.0.1:7101", "localhost:7101"),
            ("[::1]:7101", "localhost:7101"),
            ("[::]:7101", "127.0.0.1:7101"),
            ("0.0.0.0:7101", "127.0.0.1:7101"),
        ] {
            assert!(listens_at(bound, written).await, "{bound} {written}");
        }
        for (bound, written) in [
            ("127.0.0.1:7102", "127.0.0.1:7101"),
            ("10.0.0.1:7101", "127.0.0.1:7101"),
            ("127.0.0.1:7101", "0.0.0.0:7101"),
            ("127.0.0.2:7101", "127.0.0.1:7101"),
            ("nonsense", "127.0.0.1:7101"),
        ] {
            assert!(!listens_at(bound, written).await, "{bound} {written}");
        }
    }

    #[tokio::test]
    async fn an_upstream_is_one_place() {
        assert!(leads_to("localhost:1", "127.0.0.1:1").await);
        assert!(!leads_to("0.0.0.0:1", "10.0.0.1:1").await);
        assert!(!leads_to("10.0.0.2:1", "10.0.0.1:1").await);
    }
}
