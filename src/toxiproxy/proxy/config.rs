//! What clients say of a proxy: one to create, or a change to one.

use tokio::time::Instant;

use super::super::{
    body::{self, Fields},
    error::Error,
    lease::{Lease, Term},
    toxics::Draft,
};

/// A proxy to create.
#[derive(Debug, Clone, PartialEq)]
pub struct ProxyConfig {
    pub name: String,
    /// `host:port`; port 0 for any, empty for any port on every interface.
    pub listen: String,
    /// `host:port`, dialled anew for each connection.
    pub upstream: String,
    pub enabled: bool,
    /// For a disabled proxy: who disabled it, and for how long.
    pub(crate) term: Term,
    /// What it has from its first connection on.
    pub(crate) toxics: Vec<Draft>,
}

impl ProxyConfig {
    /// An enabled proxy without toxics.
    pub fn new(
        name: impl Into<String>,
        listen: impl Into<String>,
        upstream: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            listen: listen.into(),
            upstream: upstream.into(),
            enabled: true,
            term: Term::default(),
            toxics: Vec::new(),
        }
    }

    /// Reads a list of proxies as `POST /populate` has it. All of it is checked before any of it counts.
    pub(crate) fn parse_list(json: &[u8]) -> Result<Vec<Self>, Error> {
        let bodies = body::objects(json, "Proxy")?;
        let read = |(index, body)| Self::read(body, &format!("proxy {}", index + 1));
        bodies.iter().enumerate().map(read).collect()
    }

    pub(crate) fn parse(json: &[u8]) -> Result<Self, Error> {
        Self::read(&body::object(json, "Proxy")?, "")
    }

    /// `place` says which one of several it is.
    pub(crate) fn read(body: &Fields, place: &str) -> Result<Self, Error> {
        Self::read_one(body).map_err(|error| error.at(place))
    }

    fn read_one(body: &Fields) -> Result<Self, Error> {
        let name = body.string("name")?.unwrap_or_default();
        let listen = body.string("listen")?.unwrap_or_default();
        let upstream = body.string("upstream")?.unwrap_or_default();
        let enabled = body.boolean("enabled")?.unwrap_or(true);
        let term = Term::read(body)?;
        for (field, value) in [("name", &name), ("upstream", &upstream)] {
            if value.is_empty() {
                return Err(Error::Missing(field));
            }
        }
        Ok(Self {
            name,
            listen,
            upstream,
            enabled,
            term,
            toxics: Draft::read_all(&body.objects("toxics")?)?,
        })
    }

    /// Who holds it disabled and for how long, if it is to be disabled.
    pub(super) fn lease(&self) -> Lease {
        if self.enabled {
            Lease::default()
        } else {
            self.term.begin(Instant::now())
        }
    }
}

/// A change to a proxy; what is absent stays as it is.
#[derive(Debug, Default)]
pub(crate) struct Change {
    pub(super) listen: Option<String>,
    pub(super) upstream: Option<String>,
    pub(super) enabled: Option<bool>,
    pub(super) term: Term,
}

impl Change {
    pub(crate) fn read(body: &Fields) -> Result<Self, Error> {
        let change = Self {
            listen: body.string("listen")?,
            upstream: body.string("upstream")?,
            enabled: body.boolean("enabled")?,
            term: Term::read(body)?,
        };
        if change.upstream.as_deref() == Some("") {
            return Err(Error::Missing("upstream"));
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
