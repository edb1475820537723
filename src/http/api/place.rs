//! Where something fails, and how: as coverage and dry runs say it.

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::failure::{Failure, Target};
use crate::model::ids::{ProxyName, ServiceName};
use crate::model::stack::Stack;

/// A service, a link, or what hooks reach.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "is", rename_all = "snake_case")]
#[schemars(rename = "FailurePlace")]
pub(in crate::http) enum Place {
    /// In a service.
    Service {
        /// Which.
        service: ServiceName,
    },
    /// On a link.
    Link {
        /// Its proxy, by which it is known.
        proxy: ProxyName,
        /// Who calls; null of a link that the stack does not have any more.
        from: Option<ServiceName>,
        /// Who is called.
        to: Option<ServiceName>,
    },
    /// Wherever a hook's own calls reach.
    Elsewhere,
}

/// A way in which one of them fails.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "FailureSpot")]
pub(in crate::http) struct Spot {
    /// Where.
    place: Place,
    /// How.
    failure: Failure,
}

impl Place {
    /// A target of a stack.
    pub(in crate::http) fn new(target: &Target, stack: &Stack) -> Self {
        match target {
            Target::Service(service) => Self::Service {
                service: service.clone(),
            },
            Target::Link(proxy) => {
                let link = stack.link(proxy);
                Self::Link {
                    proxy: proxy.clone(),
                    from: link.map(|link| link.from.clone()),
                    to: link.map(|link| link.to.clone()),
                }
            }
            Target::Elsewhere => Self::Elsewhere,
        }
    }
}

impl Spot {
    /// A target of a stack and how it fails.
    pub(in crate::http) fn new(target: &Target, failure: Failure, stack: &Stack) -> Self {
        Self {
            place: Place::new(target, stack),
            failure,
        }
    }
}
