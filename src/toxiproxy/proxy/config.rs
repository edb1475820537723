//! What clients say of a proxy: one to create, or a change to one.

use tokio::time::Instant;

use super::super::{
    body::{self, Fields},
    error::Error,
    toxics::{Lease, Ttl, read_ttl},
};

/// A proxy to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyConfig {
    pub name: String,
    /// `host:port`; port 0 for any, empty for any port on every interface.
    pub listen: String,
    /// `host:port`, dialled anew for each connection.
    pub upstream: String,
    pub enabled: bool,
    /// For a disabled proxy: enabled again after so many milliseconds.
    pub ttl: Option<u64>,
    /// For a disabled proxy: who disabled it.
    pub owner: Option<String>,
}

impl ProxyConfig {
    /// Reads a list of proxies as `POST /populate` and Toxiproxy's configuration file have it. All of it is checked
    /// before any of it counts.
    pub fn parse_list(json: &[u8]) -> Result<Vec<Self>, Error> {
        let bodies = body::objects(json, "Proxy")?;
        bodies
            .iter()
            .enumerate()
            .map(|(index, body)| Self::read(body, &format!(" at proxy {}", index + 1)))
            .collect()
    }

    pub(crate) fn parse(json: &[u8]) -> Result<Self, Error> {
        Self::read(&body::object(json, "Proxy")?, "")
    }

    fn read(body: &Fields, place: &str) -> Result<Self, Error> {
        let name = body.string("name")?.unwrap_or_default();
        let listen = body.string("listen")?.unwrap_or_default();
        let upstream = body.string("upstream")?.unwrap_or_default();
        let enabled = body.boolean("enabled")?.unwrap_or(true);
        let (ttl, owner) = (read_ttl(body)?, body.string("owner")?);
        for (field, value) in [("name", &name), ("upstream", &upstream)] {
            if value.is_empty() {
                return Err(Error::Missing(format!("{field}{place}")));
            }
        }
        Ok(Self {
            name,
            listen,
            upstream,
            enabled,
            ttl,
            owner,
        })
    }

    /// Who holds it disabled and for how long, if it is to be disabled.
    pub(super) fn lease(&self) -> Lease {
        if self.enabled {
            return Lease::default();
        }
        let ttl = self
            .ttl
            .map(|milliseconds| Ttl::starting(milliseconds, Instant::now()));
        Lease {
            ttl,
            owner: self.owner.clone(),
        }
    }
}

/// A change to a proxy; what is absent stays as it is.
#[derive(Debug, Default)]
pub(crate) struct Change {
    pub(super) listen: Option<String>,
    pub(super) upstream: Option<String>,
    pub(super) enabled: Option<bool>,
    pub(super) ttl: Option<u64>,
    pub(super) owner: Option<String>,
}

impl Change {
    pub(crate) fn read(body: &Fields) -> Result<Self, Error> {
        let change = Self {
            listen: body.string("listen")?,
            upstream: body.string("upstream")?,
            enabled: body.boolean("enabled")?,
            ttl: read_ttl(body)?,
            owner: body.string("owner")?,
        };
        if change.upstream.as_deref() == Some("") {
            return Err(Error::Missing("upstream".to_owned()));
        }
        Ok(change)
    }

    pub(crate) fn enable() -> Self {
        Self {
            enabled: Some(true),
            ..Self::default()
        }
    }
}
