//! The toxics of one proxy: unique names over both streams, listed upstream first, each in the order added.

use std::sync::Arc;

use serde::Serialize;
use tokio::time::Instant;

use super::{
    body::Fields,
    chain::Effect,
    error::Error,
    lease::{Lease, Term, Ttl},
    toxic::{Kind, Stream, go_number, read_share},
};

/// One toxic, serialised as the API shows it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Toxic {
    #[serde(skip)]
    id: u64,
    attributes: Kind,
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    /// Spelled as sent: `UPSTREAM` stays so.
    stream: String,
    #[serde(skip)]
    direction: Stream,
    #[serde(serialize_with = "go_number")]
    toxicity: f64,
    #[serde(flatten)]
    pub(crate) lease: Lease,
}

impl Toxic {
    pub(crate) fn direction(&self) -> Stream {
        self.direction
    }

    pub(crate) fn kind(&self) -> &'static str {
        self.kind
    }
}

/// A toxic to add, checked wholly.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Draft {
    name: String,
    attributes: Kind,
    /// Spelled as sent.
    stream: String,
    direction: Stream,
    toxicity: f64,
    pub(crate) term: Term,
}

impl Draft {
    /// Reads what a body describes. What is refused first follows Toxiproxy's order, in which a name that is `taken`
    /// comes before attributes that are wrong.
    pub(crate) fn read(body: &Fields, taken: impl Fn(&str) -> bool) -> Result<Self, Error> {
        let name = body.string("name")?.unwrap_or_default();
        let kind = body.string("type")?.unwrap_or_default();
        let stream = body
            .string("stream")?
            .unwrap_or_else(|| "downstream".to_owned());
        let mut toxicity = 1.0;
        let toxicity_given = read_share(body, "toxicity", &mut toxicity);
        let direction = Stream::parse(&stream)?;
        let attributes = Kind::named(&kind)?;
        let name = if name.is_empty() {
            format!("{kind}_{stream}")
        } else {
            name
        };
        if taken(&name) {
            return Err(Error::ToxicExists);
        }
        toxicity_given?;
        Ok(Self {
            name,
            attributes: attributes.merged(&body.object("attributes")?)?,
            stream,
            direction,
            toxicity,
            term: Term::read(body)?,
        })
    }

    /// Reads a list of them, whose names must differ.
    pub(crate) fn read_all(bodies: &[Fields]) -> Result<Vec<Self>, Error> {
        let mut drafts: Vec<Self> = Vec::new();
        for (index, body) in bodies.iter().enumerate() {
            let taken = |name: &str| drafts.iter().any(|draft| draft.name == name);
            let draft = Self::read(body, taken)
                .map_err(|error| error.at(format!("toxic {}", index + 1)))?;
            drafts.push(draft);
        }
        Ok(drafts)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Toxics {
    list: Vec<Toxic>,
    next_id: u64,
}

impl Toxics {
    pub(crate) fn listed(&self) -> Vec<Toxic> {
        let of = |stream| {
            self.list
                .iter()
                .filter(move |toxic| toxic.direction == stream)
                .cloned()
        };
        of(Stream::Upstream).chain(of(Stream::Downstream)).collect()
    }

    pub(crate) fn find(&self, name: &str) -> Result<&Toxic, Error> {
        self.list
            .iter()
            .find(|toxic| toxic.name == name)
            .ok_or(Error::ToxicNotFound)
    }

    /// Adds the toxic that a request body describes.
    pub(crate) fn add(&mut self, body: &Fields, now: Instant) -> Result<(Toxic, Stream), Error> {
        let draft = Draft::read(body, |name| self.find(name).is_ok())?;
        let toxic = self.put(&draft, now);
        Ok((toxic, draft.direction))
    }

    /// Has exactly these instead of those it has.
    pub(crate) fn become_these(&mut self, drafts: &[Draft], now: Instant) {
        self.list.clear();
        for draft in drafts {
            self.put(draft, now);
        }
    }

    fn put(&mut self, draft: &Draft, now: Instant) -> Toxic {
        let toxic = Toxic {
            id: self.next_id,
            attributes: draft.attributes,
            name: draft.name.clone(),
            kind: draft.attributes.name(),
            stream: draft.stream.clone(),
            direction: draft.direction,
            toxicity: draft.toxicity,
            lease: draft.term.begin(now),
        };
        self.next_id += 1;
        self.list.push(toxic.clone());
        toxic
    }

    /// Changes attributes and toxicity and renews the time to live, each where given; everything else in the body is
    /// ignored. The stream is given where connections have to hear of it.
    pub(crate) fn update(
        &mut self,
        name: &str,
        body: &Fields,
        now: Instant,
    ) -> Result<(Toxic, Option<Stream>), Error> {
        let toxic = self
            .list
            .iter_mut()
            .find(|toxic| toxic.name == name)
            .ok_or(Error::ToxicNotFound)?;
        let mut toxicity = toxic.toxicity;
        read_share(body, "toxicity", &mut toxicity)?;
        // A body without attributes must not fail on those it has.
        let given = body.object("attributes")?;
        let attributes = if given.is_empty() {
            toxic.attributes
        } else {
            toxic.attributes.merged(&given)?
        };
        let ttl = Term::read(body)?.ttl();
        let changed =
            attributes != toxic.attributes || toxicity.to_bits() != toxic.toxicity.to_bits();
        toxic.attributes = attributes;
        toxic.toxicity = toxicity;
        if let Some(milliseconds) = ttl {
            toxic.lease.ttl = Some(Ttl::starting(milliseconds, now));
        }
        Ok((toxic.clone(), changed.then_some(toxic.direction)))
    }

    pub(crate) fn remove(&mut self, name: &str) -> Result<Stream, Error> {
        let direction = self.find(name)?.direction;
        self.list.retain(|toxic| toxic.name != name);
        Ok(direction)
    }

    pub(crate) fn clear(&mut self) {
        self.list.clear();
    }

    /// Removes those whose time is up. True if there were any.
    pub(crate) fn expire(&mut self, now: Instant) -> bool {
        let before = self.list.len();
        self.list
            .retain(|toxic| toxic.lease.ttl.is_none_or(|ttl| ttl.deadline() > now));
        self.list.len() < before
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.list
            .iter()
            .filter_map(|toxic| toxic.lease.ttl)
            .map(Ttl::deadline)
            .min()
    }

    /// What the connections' links in that direction are to apply.
    pub(crate) fn effects(&self, stream: Stream) -> Arc<[Effect]> {
        let of_stream = self.list.iter().filter(|toxic| toxic.direction == stream);
        of_stream
            .map(|toxic| Effect {
                id: toxic.id,
                name: toxic.name.clone(),
                toxicity: toxic.toxicity,
                kind: toxic.attributes,
            })
            .collect()
    }
}
