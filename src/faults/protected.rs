//! What no fault may touch: services that their stack or the server's configuration protects, and containers whose labels
//! say so. A link touches the service that it leads to; a hook or a remedy touches what its calls are addressed to.
//! Looked at before a run and again before each fault; nothing here is ever relaxed by a plan.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::addressed;
use super::docker::labels::found;
use super::drivers::Drivers;
use crate::model::fault::{Act, Call, Cause, Injection};
use crate::model::ids::ServiceName;
use crate::model::plan::Plan;
use crate::model::stack::{ContainerSelector, Stack};
use crate::ports::FaultError;

/// The label by which a container protects itself, whatever its value but `false`.
const LABEL: &str = "firedrill.protected";

/// How long what a daemon said of a container is believed: of a thousand faults, few ask.
const BELIEVED: Duration = Duration::from_secs(2);

/// By daemon and selector: when a container was read, and why it is protected, if so.
type Believed = BTreeMap<(String, ContainerSelector), (Instant, Option<String>)>;

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

    /// Why nothing may touch a service, if so.
    async fn of_service(
        &self,
        stack: &Stack,
        name: &ServiceName,
        meant: Option<&ContainerSelector>,
    ) -> Result<Option<String>, FaultError> {
        let service = stack.services.get(name);
        if service.is_some_and(|service| service.protected) {
            let stack = &stack.name;
            return Ok(Some(format!("stack {stack} says that it is protected")));
        }
        if self.listed.contains(name.as_str()) {
            return Ok(Some("the server's configuration protects it".to_owned()));
        }
        // Of a service with several containers, one that is protected protects all, but from faults on another of them.
        let container = meant.or_else(|| service?.container.as_ref());
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
        let key = (docker.to_owned(), selector.clone());
        let known = self.lock().get(&key).cloned();
        if let Some((at, why)) = known
            && at.elapsed() < BELIEVED
        {
            return Ok(why);
        }
        // A container that is not there protects nothing; a daemon that can't be asked is no permission.
        let why = match found(docker, selector).await {
            Ok(found) => found.values().find_map(|one| self.says(&one.labels)),
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
        let mut looked: BTreeSet<(&ServiceName, Option<&ContainerSelector>)> = BTreeSet::new();
        let mut refused = Vec::new();
        for injection in &plan.injections {
            let selector = injection.act.container();
            let again = injection
                .act
                .service()
                .is_some_and(|name| !looked.insert((name, selector)));
            if !again && let Err(error) = self.refuse_protected(&plan.stack, injection).await {
                refused.push(error.to_string());
            }
        }
        let remedies = plan
            .drill
            .iter()
            .flat_map(|exercise| &exercise.drill.remedies);
        for remedy in remedies {
            let what = format!("remedy {}", remedy.id);
            let acts = remedy.act.iter().chain(&remedy.restore);
            if let Err(error) = self.refuse_calls(&plan.stack, &what, acts).await {
                refused.push(error.to_string());
            }
        }
        refused
    }

    /// Refuses what acts on what is protected.
    pub(super) async fn refuse_protected(
        &self,
        stack: &Stack,
        injection: &Injection,
    ) -> Result<(), FaultError> {
        match &injection.act {
            // What it reads, to verify and to capture, touches nothing.
            Act::Hook(hook) => {
                let what = match &injection.cause {
                    Cause::Step(_) => format!("hook {}", injection.id),
                    Cause::Remedy(remedy) => format!("remedy {remedy}"),
                };
                self.refuse_calls(stack, &what, hook.acts()).await
            }
            act => match act.service() {
                Some(name) => {
                    let what = format!("a fault on service {name}");
                    self.refuse(stack, name, act.container(), &what).await
                }
                None => Ok(()),
            },
        }
    }

    /// Refuses calls that are addressed to what is protected.
    async fn refuse_calls<'a>(
        &self,
        stack: &Stack,
        what: &str,
        calls: impl Iterator<Item = &'a Call>,
    ) -> Result<(), FaultError> {
        // Links may lead to services that the stack says nothing else of.
        let linked = stack.links.iter().map(|link| &link.to);
        let services: BTreeSet<&ServiceName> = stack.services.keys().chain(linked).collect();
        for call in calls {
            for &name in &services {
                if let Some(how) = addressed::names(stack, name, call).await {
                    let what = format!("{what} acts on service {name} ({how})");
                    self.refuse(stack, name, None, &what).await?;
                }
            }
        }
        Ok(())
    }

    async fn refuse(
        &self,
        stack: &Stack,
        name: &ServiceName,
        meant: Option<&ContainerSelector>,
        what: &str,
    ) -> Result<(), FaultError> {
        match self.protection.of_service(stack, name, meant).await {
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
    use crate::model::fault::Hook;
    use crate::model::probe::HttpRequest;
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

    #[tokio::test]
    async fn a_hook_and_a_remedy_that_are_addressed_to_a_protected_service_are_refused() {
        let link = link("127.0.0.1:1", "127.0.0.1:2");
        let service = link.to.clone();
        let stack = stack("http://127.0.0.1:1", vec![link]);
        let post = |url: &str| {
            Call::Http(HttpRequest {
                method: "POST".to_owned(),
                url: url.to_owned(),
                headers: BTreeMap::new(),
                body: None,
            })
        };
        let hook = |act: &str, undo: &str| Hook {
            capture: None,
            act: post(act),
            verify: None,
            undo: Some(post(undo)),
            verify_undone: None,
        };
        let (theirs, ours) = ("http://localhost:2/freeze", "http://127.0.0.1:3/freeze");
        let listed = drivers().protecting([service.to_string()]);
        for (act, undo, refused) in [
            (theirs, ours, true),
            (ours, theirs, true),
            (ours, ours, false),
        ] {
            let mut freeze = injection("freeze", Act::Hook(hook(act, undo)));
            let seen = listed.refuse_protected(&stack, &freeze).await;
            assert_eq!(seen.is_err(), refused, "{act} {undo}: {seen:?}");
            freeze.cause = Cause::Remedy("thaw".parse().expect("a name"));
            let seen = listed.refuse_protected(&stack, &freeze).await;
            let said = seen
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default();
            let told =
                said.contains("remedy thaw acts on service signer (it is sent to 127.0.0.1:2");
            assert_eq!(told, refused, "{said}");
            // What nothing protects, anything may touch.
            let seen = drivers().refuse_protected(&stack, &freeze).await;
            assert_eq!(seen, Ok(()));
        }
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
