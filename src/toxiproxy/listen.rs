//! Listening addresses: reading them as Go does, and binding them.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::{TcpListener, lookup_host},
    time::timeout,
};

use super::error::{Error, plain};

/// Connections that may wait to be accepted: bursts of clients reconnecting after a fault are the normal case here.
const BACKLOG: i32 = 4096;

/// A request that names a host waits no longer for a name server, which may be what a drill has broken.
const LONGEST_LOOKUP: Duration = Duration::from_secs(3);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// As the client spelled it.
    pub(crate) given: String,
    pub(crate) socket: SocketAddr,
    /// No host was given: listen on every interface, IPv4 included.
    every_interface: bool,
}

impl Address {
    /// The same, with the port that binding got.
    pub(crate) fn bound(&self, local: SocketAddr) -> Self {
        Self {
            socket: SocketAddr::new(self.socket.ip(), local.port()),
            ..self.clone()
        }
    }
}

/// `host:port`, `[v6]:port`, `:port`, or nothing for any port on every interface. Names resolve to IPv4 first.
pub(crate) async fn resolve(given: &str) -> Result<Address, Error> {
    let address = |socket, every_interface| Address {
        given: given.to_owned(),
        socket,
        every_interface,
    };
    if given.is_empty() {
        return Ok(address(SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)), true));
    }
    let (host, port) = split(given).map_err(Error::Listen)?;
    let port = match port.parse::<u16>() {
        Ok(port) => port,
        Err(_) if port.is_empty() => 0,
        Err(_) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            return Err(Error::Listen(format!("address {port}: invalid port")));
        }
        Err(_) => return Err(Error::Listen(format!("lookup tcp/{port}: unknown port"))),
    };
    if host.is_empty() {
        return Ok(address(
            SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)),
            true,
        ));
    }
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(address(SocketAddr::from((ip, port)), false));
    }
    let found: Vec<SocketAddr> = timeout(LONGEST_LOOKUP, lookup_host((host, port)))
        .await
        .map_err(|_| Error::Listen(format!("lookup {host}: i/o timeout")))?
        .map(Iterator::collect)
        .unwrap_or_default();
    let first = found
        .iter()
        .find(|socket| socket.is_ipv4())
        .or_else(|| found.first());
    first
        .map(|socket| address(*socket, false))
        .ok_or_else(|| Error::Listen(format!("lookup {host}: no such host")))
}

fn split(given: &str) -> Result<(&str, &str), String> {
    let wrong = |what: &str| format!("address {given}: {what}");
    if let Some(rest) = given.strip_prefix('[') {
        let (host, rest) = rest
            .split_once(']')
            .ok_or_else(|| wrong("missing ']' in address"))?;
        let port = rest
            .strip_prefix(':')
            .ok_or_else(|| wrong("missing port in address"))?;
        return Ok((host, port));
    }
    match given.rsplit_once(':') {
        None => Err(wrong("missing port in address")),
        Some((host, _)) if host.contains(':') => Err(wrong("too many colons in address")),
        Some(parts) => Ok(parts),
    }
}

/// Opens the listener; must be called within a runtime.
pub(crate) fn bind(address: &Address) -> Result<TcpListener, Error> {
    let opened = match open(address.socket, address.every_interface) {
        // A machine without IPv6.
        Err(error) if address.every_interface && error.raw_os_error() == Some(EAFNOSUPPORT) => {
            open(
                SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.socket.port())),
                false,
            )
        }
        opened => opened,
    };
    opened.map_err(|error| {
        Error::Listen(format!(
            "listen tcp {}: bind: {}",
            address.socket,
            plain(&error)
        ))
    })
}

const EAFNOSUPPORT: i32 = rustix::io::Errno::AFNOSUPPORT.raw_os_error();

fn open(socket: SocketAddr, dual: bool) -> std::io::Result<TcpListener> {
    let listener = Socket::new(
        Domain::for_address(socket),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if socket.is_ipv6() {
        listener.set_only_v6(!dual)?;
    }
    listener.set_reuse_address(true)?;
    listener.set_nonblocking(true)?;
    listener.bind(&socket.into())?;
    listener.listen(BACKLOG)?;
    TcpListener::from_std(listener.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn refusal(given: &str) -> String {
        resolve(given).await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn addresses_are_read_as_go_reads_them() {
        for (given, expected) in [
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("localhost:80", "127.0.0.1:80"),
            ("[::1]:80", "[::1]:80"),
            (":80", "[::]:80"),
            ("", "[::]:0"),
        ] {
            assert_eq!(
                resolve(given).await.unwrap().socket.to_string(),
                expected,
                "{given}"
            );
        }
    }

    #[tokio::test]
    async fn what_is_no_address_is_named() {
        assert_eq!(
            refusal("bogus").await,
            "address bogus: missing port in address"
        );
        assert_eq!(
            refusal("a:b:c").await,
            "address a:b:c: too many colons in address"
        );
        assert_eq!(
            refusal("127.0.0.1:70000").await,
            "address 70000: invalid port"
        );
        assert_eq!(
            refusal("127.0.0.1:nope-nope").await,
            "lookup tcp/nope-nope: unknown port"
        );
    }

    #[tokio::test]
    async fn a_taken_port_is_refused_in_go_s_words() {
        let first = bind(&resolve("127.0.0.1:0").await.unwrap()).unwrap();
        let taken = first.local_addr().unwrap();
        let error = bind(&resolve(&taken.to_string()).await.unwrap()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("listen tcp {taken}: bind: address already in use")
        );
        assert_eq!(error.status(), 500);
    }
}
