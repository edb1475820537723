//! What no fault may touch: services that their stack or the server's configuration protects, and containers whose labels
//! say so. A link touches the service that it leads to. Looked at before a run and again before each fault; nothing here
//! is ever relaxed by a plan.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::docker::labels::labels_of;
use super::drivers::Drivers;
use crate::model::fault::Act;
use crate::model::ids::ServiceName;
use crate::model::plan::Plan;
use crate::model::stack::{ContainerSelector, Stack};
use crate::ports::FaultError;

/// The label by which a container protects itself, whatever its value but `false`.
const LABEL: &str = "firedrill.protected";

/// How long what a daemon said of a container is believed: of a thousand faults, few ask.
const BELIEVED: Duration = Duration::from_secs(2);

/// By daemon and selector: when a container was read, and why it is protected, if so.
type Believed = BTreeMap<(String, String), (Instant, Option<String>)>;

/// What a server's configuration protects, and what was read of containers lately.
#[derive(Debug, Default)]
pub(super) struct Protection {
    /// Names of services, and labels as `key=value`.
    listed: BTreeSet<String>,
    read: Mutex<Believed>,
}

impl Protection {
    pub(super) fn of(listed: impl IntoIterator<Item = String>) -> Self {
        Self {
            listed: listed.into_iter().collect(),
            read: Mutex::default(),
        }
    }

    /// Why an act must not be, if so.
    pub(super) async fn against(
        &self,
        stack: &Stack,
        act: &Act,
    ) -> Result<Option<String>, FaultError> {
        let Some(name) = act.service() else {
            return Ok(None);
        };
        let service = stack.services.get(name);
        if service.is_some_and(|service| service.protected) {
            let stack = &stack.name;
            return Ok(Some(format!("stack {stack} says that it is protected")));
        }
        if self.listed.contains(name.as_str()) {
            return Ok(Some("the server's configuration protects it".to_owned()));
        }
        let container = service.and_then(|service| service.container.as_ref());
        match (&stack.docker, container) {
            (Some(docker), Some(selector)) => self.by_label(docker, selector).await,
            _ => Ok(None),
        }
    }

    async fn by_label(
        &self,
        docker: &str,
        selector: &ContainerSelector,
    ) -> Result<Option<String>, FaultError> {
        let (ContainerSelector::Name(text) | ContainerSelector::Label(text)) = selector;
        let key = (docker.to_owned(), text.clone());
        let known = self.lock().get(&key).cloned();
        if let Some((at, why)) = known
            && at.elapsed() < BELIEVED
        {
            return Ok(why);
        }
        // A container that is not there protects nothing; a daemon that can't be asked is no permission.
        let why = match labels_of(docker, selector).await {
            Ok(labels) => self.says(&labels),
            Err(FaultError::Missing { .. }) => None,
            Err(error) => return Err(error),
        };
        self.lock().insert(key, (Instant::now(), why.clone()));
        Ok(why)
    }

    fn says(&self, labels: &BTreeMap<String, String>) -> Option<String> {
        if labels.get(LABEL).is_some_and(|value| value != "false") {
            return Some(format!("its container is labelled `{LABEL}`"));
        }
        let listed = labels
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .find(|label| self.listed.contains(label))?;
        Some(format!(
            "its container is labelled `{listed}`, which the server's configuration protects"
        ))
    }

    /// A panic elsewhere can't leave this map half-changed.
    fn lock(&self) -> MutexGuard<'_, Believed> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drivers {
    /// With what a server's configuration protects: names of services, and labels as `key=value`.
    #[must_use]
    pub fn protecting(mut self, listed: impl IntoIterator<Item = String>) -> Self {
        self.protection = Protection::of(listed);
        self
    }

    /// Every protected service that a plan would touch, with why, and every one of which that can't be told.
    pub async fn refused_by_protection(&self, plan: &Plan) -> Vec<String> {
        let mut looked: BTreeSet<&ServiceName> = BTreeSet::new();
        let mut refused = Vec::new();
        for injection in &plan.injections {
            let fresh = injection
                .act
                .service()
                .is_some_and(|name| looked.insert(name));
            if fresh && let Err(error) = self.refuse_protected(&plan.stack, &injection.act).await {
                refused.push(error.to_string());
            }
        }
        refused
    }

    /// Refuses an act on what is protected.
    pub(super) async fn refuse_protected(
        &self,
        stack: &Stack,
        act: &Act,
    ) -> Result<(), FaultError> {
        let Some(name) = act.service() else {
            return Ok(());
        };
        let what = format!("a fault on service {name}");
        match self.protection.against(stack, act).await {
            Ok(None) => Ok(()),
            Ok(Some(why)) => Err(FaultError::Refused {
                what: "firedrill".to_owned(),
                why: format!("{what}: {why}; hint: no fault may touch it; disturb something else"),
            }),
            Err(error) => Err(FaultError::Refused {
                what: "firedrill".to_owned(),
                why: format!("{what}: whether it is protected can't be read: {error}"),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::proving::{clock, injection, link, run, stack};
    use super::*;
    use crate::model::stack::Service;
    use crate::outbound::Outbound;
    use crate::ports::FaultDriver as _;

    fn drivers() -> Drivers {
        Drivers::new(clock(), Arc::new(Outbound::new()))
    }

    #[tokio::test]
    async fn a_link_to_a_protected_service_is_refused_before_anything_is_asked_of_its_proxy() {
        let link = link("127.0.0.1:1", "127.0.0.1:2");
        let mut stack = stack("http://127.0.0.1:1", vec![link.clone()]);
        let cut = injection("cut", Act::DisableProxy { link });
        let listed = drivers().protecting(["signer".to_owned()]);
        let refused = listed.capture(&run(), &stack, &cut).await;
        let refused = refused.expect_err("it is protected").to_string();
        assert!(
            refused.contains("the server's configuration protects it"),
            "{refused}"
        );

        let service = Service {
            tier: None,
            container: None,
            protected: true,
        };
        stack
            .services
            .insert("signer".parse().expect("a name"), service);
        let refused = drivers().capture(&run(), &stack, &cut).await;
        let refused = refused.expect_err("it is protected").to_string();
        assert!(refused.contains("says that it is protected"), "{refused}");
    }

    #[test]
    fn labels_protect_by_firedrills_own_key_or_by_one_that_is_listed() {
        let labels = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
        let protection = Protection::of(["team=treasury".to_owned()]);
        for (key, value, protected) in [
            (LABEL, "", true),
            (LABEL, "true", true),
            (LABEL, "false", false),
            ("team", "treasury", true),
            ("team", "wallet", false),
        ] {
            assert_eq!(
                protection.says(&labels(key, value)).is_some(),
                protected,
                "{key}={value}"
            );
        }
    }
}
