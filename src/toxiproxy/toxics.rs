//! The toxics of one proxy: unique names over both streams, listed upstream first, each in the order added.

use std::{sync::Arc, time::Duration};

use serde::Serialize;
use tokio::time::Instant;

use super::{
    body::Fields,
    chain::Effect,
    error::Error,
    toxic::{Kind, LONGEST_MS, Stream, go_number, read_share},
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
    lease: Lease,
}

/// Who set something, and how long it lasts without being renewed. Both are extras that other clients ignore.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Lease {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ttl: Option<Ttl>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Option<String>,
}

/// Serialises as the milliseconds that were sent, not as what is left of them.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(transparent)]
pub(crate) struct Ttl {
    milliseconds: u64,
    #[serde(skip)]
    deadline: Instant,
}

impl Ttl {
    pub(crate) fn starting(milliseconds: u64, now: Instant) -> Self {
        Self {
            milliseconds,
            deadline: now + Duration::from_millis(milliseconds),
        }
    }

    pub(crate) fn deadline(self) -> Instant {
        self.deadline
    }

    /// Due again that much later, the milliseconds shown staying as sent.
    pub(crate) fn postpone(&mut self, by: Duration, now: Instant) {
        self.deadline = now + by;
    }
}

/// A `ttl` in milliseconds, if given.
pub(crate) fn read_ttl(fields: &Fields) -> Result<Option<u64>, Error> {
    let refused = Error::Invalid {
        field: "ttl",
        rule: "between 1 and 31536000000",
    };
    let check = |ttl| {
        u64::try_from(ttl)
            .ok()
            .filter(|ttl| (1..=LONGEST_MS).contains(ttl))
            .ok_or(refused)
    };
    fields.integer("ttl")?.map(check).transpose()
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

    /// Adds the toxic that a request body describes. What is refused first follows Toxiproxy's order.
    pub(crate) fn add(&mut self, body: &Fields, now: Instant) -> Result<(Toxic, Stream), Error> {
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
        if self.find(&name).is_ok() {
            return Err(Error::ToxicExists);
        }
        toxicity_given?;
        let attributes = attributes.merged(&body.object("attributes")?)?;
        let ttl = read_ttl(body)?.map(|milliseconds| Ttl::starting(milliseconds, now));
        let lease = Lease {
            ttl,
            owner: body.string("owner")?,
        };
        let toxic = Toxic {
            id: self.next_id,
            attributes,
            name,
            kind: attributes.name(),
            stream,
            direction,
            toxicity,
            lease,
        };
        self.next_id += 1;
        self.list.push(toxic.clone());
        Ok((toxic, direction))
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
        let ttl = read_ttl(body)?;
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
            .retain(|toxic| toxic.lease.ttl.is_none_or(|ttl| ttl.deadline > now));
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
