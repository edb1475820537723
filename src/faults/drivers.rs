//! All drivers as one: each act goes to the driver of its kind, between the taking and the letting go of its lock.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::docker::DockerDriver;
use super::hook::HookDriver;
use super::protected::Protection;
use super::toxiproxy::ToxiproxyDriver;
use crate::engine::event::Token;
use crate::engine::undo::Armed;
use crate::model::fault::{Act, Injection};
use crate::model::ids::{InjectionId, RunId};
use crate::model::plan::Plan;
use crate::model::stack::Stack;
use crate::outbound::Outbound;
use crate::ports::{Answer, Applied, Clock, FaultDriver, FaultError, Presence, Removed};

/// Every kind of fault.
pub struct Drivers {
    pub(super) toxiproxy: ToxiproxyDriver,
    pub(super) docker: DockerDriver,
    hook: HookDriver,
    pub(super) protection: Protection,
    /// Faults that were read back as removed while their locks could not be let go: who removed them is not asked again.
    removed: Mutex<BTreeMap<(RunId, InjectionId), Removed>>,
}

impl Drivers {
    /// Drivers that share a clock and an HTTP client. Servers and daemons come from the stacks.
    pub fn new(clock: Arc<dyn Clock>, outbound: Arc<Outbound>) -> Self {
        Self {
            toxiproxy: ToxiproxyDriver::new(Arc::clone(&clock), Arc::clone(&outbound)),
            docker: DockerDriver::new(Arc::clone(&clock)),
            hook: HookDriver::new(clock, outbound),
            protection: Protection::default(),
            removed: Mutex::default(),
        }
    }

    /// What must be there before anything is measured or disturbed: proxies that a stack leaves to be created.
    pub async fn prepare(&self, stack: &Stack) -> Result<(), FaultError> {
        self.toxiproxy.create_missing(stack).await
    }

    /// Everything about the containers of a plan that would be refused once its time has come: what could not be undone is
    /// told before anything is disturbed. Whether they are there at all is told by those who look at targets.
    pub async fn unfit(&self, plan: &Plan) -> Vec<String> {
        // No run has this name; nothing is kept of what is captured.
        let Ok(nobody) = "preflight".parse::<RunId>() else {
            return Vec::new();
        };
        let mut looked: Vec<&Act> = Vec::new();
        let mut unfit = Vec::new();
        for injection in &plan.injections {
            let act = &injection.act;
            if !matches!(act, Act::Container { .. } | Act::Cut { .. }) || looked.contains(&act) {
                continue;
            }
            looked.push(act);
            let captured = self.docker.capture(&nobody, &plan.stack, injection).await;
            if let Err(error @ FaultError::Refused { .. }) = captured {
                unfit.push(error.to_string());
            }
        }
        unfit
    }

    /// A panic elsewhere can't leave this map half-changed.
    fn removed(&self) -> MutexGuard<'_, BTreeMap<(RunId, InjectionId), Removed>> {
        self.removed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, act: &Act) -> &dyn FaultDriver {
        match act {
            Act::AddToxic { .. } | Act::DisableProxy { .. } => &self.toxiproxy,
            Act::Container { .. } | Act::Cut { .. } => &self.docker,
            Act::Hook(_) => &self.hook,
        }
    }
}

impl FaultDriver for Drivers {
    fn capture<'a>(
        &'a self,
        run: &'a RunId,
        stack: &'a Stack,
        injection: &'a Injection,
    ) -> Answer<'a, Result<Token, FaultError>> {
        Box::pin(async move {
            self.refuse_protected(stack, injection).await?;
            let token = self
                .of(&injection.act)
                .capture(run, stack, injection)
                .await?;
            self.with_lock(run, stack, injection, token).await
        })
    }

    fn apply<'a>(&'a self, armed: &'a Armed) -> Answer<'a, Result<Applied, FaultError>> {
        Box::pin(async move {
            self.take_lock(armed).await?;
            self.of(&armed.injection().act).apply(armed).await
        })
    }

    fn adjust<'a>(&'a self, armed: &'a Armed) -> Answer<'a, Result<Applied, FaultError>> {
        self.of(&armed.injection().act).adjust(armed)
    }

    fn undo<'a>(&'a self, armed: &'a Armed) -> Answer<'a, Result<Removed, FaultError>> {
        Box::pin(async move {
            let key = (armed.run().clone(), armed.injection().id.clone());
            let known = self.removed().remove(&key);
            let removed = match known {
                Some(removed) => removed,
                None => self.of(&armed.injection().act).undo(armed).await?,
            };
            // Last: who waits for the target must find it whole.
            if let Err(error) = self.release_lock(armed).await {
                self.removed().insert(key, removed);
                return Err(error);
            }
            Ok(removed)
        })
    }

    fn look<'a>(&'a self, armed: &'a Armed) -> Answer<'a, Result<Presence, FaultError>> {
        self.of(&armed.injection().act).look(armed)
    }

    fn by_hand(&self, armed: &Armed) -> Option<String> {
        self.of(&armed.injection().act).by_hand(armed)
    }
}

#[cfg(test)]
mod tests {
    use super::super::proving::{clock, injection, link, run, stack};
    use super::*;
    use crate::model::fault::{Call, ContainerAction, Hook};
    use crate::model::probe::Program;
    use crate::model::stack::ContainerSelector;

    #[tokio::test]
    async fn every_act_reaches_the_driver_of_its_kind() {
        let drivers = Drivers::new(clock(), Arc::new(Outbound::new()));
        let mut stack = stack("http://127.0.0.1:1", Vec::new());
        stack.toxiproxy = None;
        let absent = || {
            Call::Run(Program {
                command: vec!["./absent".to_owned()],
                folder: None,
            })
        };
        for (act, said) in [
            (
                Act::DisableProxy {
                    link: link("127.0.0.1:1", "127.0.0.1:2"),
                },
                "the Toxiproxy of stack wallet-staging is not there",
            ),
            (
                Act::Container {
                    service: "signer".parse().expect("a name"),
                    selector: ContainerSelector::Name("x".to_owned()),
                    action: ContainerAction::Kill,
                },
                "the Docker host of stack wallet-staging is not there",
            ),
            (
                Act::Hook(Hook {
                    capture: None,
                    act: absent(),
                    verify: None,
                    undo: Some(absent()),
                    verify_undone: None,
                }),
                "program ./absent is not there",
            ),
        ] {
            let injection = injection("one", act);
            let (run, answer) = (run(), &drivers);
            let refused = answer
                .capture(&run, &stack, &injection)
                .await
                .expect_err("nothing is there");
            assert!(refused.to_string().starts_with(said), "{refused}");
        }
    }
}
