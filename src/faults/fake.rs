//! A fault driver without targets: for tests of what drives faults, and for dry rehearsals.
//!
//! Its faults are entries of a [`World`], which outlives the driver as a real target outlives our process: a second
//! driver in the same world finds what the first one left. The world can be told to fail, to be slow, to lose an
//! answer after the deed, and to lose a fault from outside. It sleeps on tokio's clock, paused or not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::json;

use super::owner;
use crate::engine::event::{Token, UndoneBy};
use crate::engine::undo::Armed;
use crate::model::fault::Injection;
use crate::model::ids::{InjectionId, RunId};
use crate::model::stack::Stack;
use crate::ports::{Answer, Applied, Clock, FaultDriver, FaultError, Presence, Removed};

/// What a driver is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// [`FaultDriver::capture`].
    Capture,
    /// [`FaultDriver::apply`].
    Apply,
    /// [`FaultDriver::undo`].
    Undo,
    /// [`FaultDriver::look`].
    Look,
}

/// Where fake faults are on. Clones are the same world.
#[derive(Debug, Clone, Default)]
pub struct World(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    calls: Vec<(Verb, InjectionId)>,
    /// Owner tags.
    on: BTreeSet<String>,
    orders: BTreeMap<(Verb, InjectionId), Orders>,
}

/// What the world does to calls of one verb on one injection.
#[derive(Debug, Default)]
struct Orders {
    delay: Duration,
    failing: Failing,
}

#[derive(Debug, Default)]
enum Failing {
    #[default]
    Never,
    /// So many more times, before the deed.
    Before(u32, FaultError),
    /// So many more times, after the deed.
    After(u32, FaultError),
}

impl World {
    /// A world without faults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Every call so far, in order, as it began.
    pub fn calls(&self) -> Vec<(Verb, InjectionId)> {
        self.lock().calls.clone()
    }

    /// The owner tags of what is on: `firedrill-<run>-<injection>`.
    pub fn on(&self) -> BTreeSet<String> {
        self.lock().on.clone()
    }

    /// Whether one injection is on.
    pub fn is_on(&self, run: &RunId, injection: &InjectionId) -> bool {
        self.lock().on.contains(&owner::tag(run, injection))
    }

    /// The next `times` calls fail with `error` and change nothing.
    pub fn fail(&self, verb: Verb, injection: &InjectionId, times: u32, error: FaultError) {
        self.order(verb, injection, |orders| {
            orders.failing = Failing::Before(times, error);
        });
    }

    /// The next `times` calls do what they are asked and then fail with `error`: the answer got lost.
    pub fn lose_answer(&self, verb: Verb, injection: &InjectionId, times: u32, error: FaultError) {
        self.order(verb, injection, |orders| {
            orders.failing = Failing::After(times, error);
        });
    }

    /// Every call takes this long, before its deed.
    pub fn delay(&self, verb: Verb, injection: &InjectionId, length: Duration) {
        self.order(verb, injection, |orders| orders.delay = length);
    }

    /// Somebody else removes it. Whether it was on.
    pub fn lose(&self, run: &RunId, injection: &InjectionId) -> bool {
        self.lock().on.remove(&owner::tag(run, injection))
    }

    fn order(&self, verb: Verb, injection: &InjectionId, change: impl FnOnce(&mut Orders)) {
        change(
            self.lock()
                .orders
                .entry((verb, injection.clone()))
                .or_default(),
        );
    }

    /// Records a call, waits as told, does `deed` unless told to fail, and answers as told.
    async fn perform<T>(
        &self,
        verb: Verb,
        injection: &InjectionId,
        deed: impl FnOnce(&mut BTreeSet<String>) -> T,
    ) -> Result<T, FaultError> {
        let key = (verb, injection.clone());
        let delay = {
            let mut state = self.lock();
            state.calls.push(key.clone());
            state
                .orders
                .get(&key)
                .map_or(Duration::ZERO, |orders| orders.delay)
        };
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let mut state = self.lock();
        let State { on, orders, .. } = &mut *state;
        match orders.get_mut(&key).map(|orders| &mut orders.failing) {
            Some(Failing::Before(left @ 1.., error)) => {
                *left -= 1;
                Err(error.clone())
            }
            Some(Failing::After(left @ 1.., error)) => {
                *left -= 1;
                deed(on);
                Err(error.clone())
            }
            _ => Ok(deed(on)),
        }
    }

    /// A panic elsewhere can't leave the world half-changed.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A driver of fake faults.
pub struct FakeDriver {
    clock: Arc<dyn Clock>,
    world: World,
}

impl FakeDriver {
    /// A driver in `world`.
    pub fn new(clock: Arc<dyn Clock>, world: World) -> Self {
        Self { clock, world }
    }

    async fn add(&self, armed: &Armed) -> Result<Applied, FaultError> {
        let sent = self.clock.now();
        let tag = tag(armed);
        self.world
            .perform(Verb::Apply, &armed.injection().id, |on| {
                on.insert(tag.clone())
            })
            .await?;
        Ok(Applied {
            sent,
            effective: self.clock.now(),
            evidence: format!("{tag} is on"),
        })
    }

    async fn remove(&self, armed: &Armed) -> Result<Removed, FaultError> {
        let tag = tag(armed);
        let was_on = self
            .world
            .perform(Verb::Undo, &armed.injection().id, |on| on.remove(&tag))
            .await?;
        Ok(Removed {
            at: self.clock.now(),
            by: if was_on {
                UndoneBy::Us
            } else {
                UndoneBy::Other
            },
            evidence: format!("{tag} is off"),
        })
    }

    async fn see(&self, armed: &Armed) -> Result<Presence, FaultError> {
        let tag = tag(armed);
        let is_on = self
            .world
            .perform(Verb::Look, &armed.injection().id, |on| on.contains(&tag))
            .await?;
        Ok(if is_on {
            Presence::Present
        } else {
            Presence::Gone(format!("{tag} is off"))
        })
    }
}

impl FaultDriver for FakeDriver {
    fn capture<'a>(
        &'a self,
        run: &'a RunId,
        _stack: &'a Stack,
        injection: &'a Injection,
    ) -> Answer<'a, Result<Token, FaultError>> {
        Box::pin(async move {
            let token = Token(json!({"owner": owner::tag(run, &injection.id)}));
            self.world
                .perform(Verb::Capture, &injection.id, |_| token)
                .await
        })
    }

    fn apply<'a>(&'a self, armed: &'a Armed) -> Answer<'a, Result<Applied, FaultError>> {
        Box::pin(self.add(armed))
    }

    fn undo<'a>(&'a self, armed: &'a Armed) -> Answer<'a, Result<Removed, FaultError>> {
        Box::pin(self.remove(armed))
    }

    fn look<'a>(&'a self, armed: &'a Armed) -> Answer<'a, Result<Presence, FaultError>> {
        Box::pin(self.see(armed))
    }
}

fn tag(armed: &Armed) -> String {
    owner::tag(armed.run(), &armed.injection().id)
}

#[cfg(test)]
mod tests {
    use super::super::proving::{Ticking, after_a_crash, arm, clock, injection, link, run, stack};
    use super::*;
    use crate::model::fault::Act;

    fn error() -> FaultError {
        FaultError::Unreachable {
            what: "the target".to_owned(),
            why: "silence".to_owned(),
        }
    }

    async fn armed(driver: &FakeDriver, clock: &Ticking) -> Armed {
        let (run, stack) = (run(), stack("http://127.0.0.1:1", Vec::new()));
        let link = link("127.0.0.1:1", "127.0.0.1:2");
        let injection = injection("cut", Act::DisableProxy { link });
        let token = driver
            .capture(&run, &stack, &injection)
            .await
            .expect("it is captured");
        arm(&run, &injection, token, clock)
    }

    #[tokio::test]
    async fn what_one_driver_left_on_the_next_one_in_the_same_world_removes() {
        let (clock, world) = (clock(), World::new());
        let first = FakeDriver::new(Arc::<Ticking>::clone(&clock), world.clone());
        let armed = armed(&first, &clock).await;
        first.apply(&armed).await.expect("it is on");
        first.apply(&armed).await.expect("it stays on");
        drop(first);
        let second = FakeDriver::new(Arc::<Ticking>::clone(&clock), world.clone());
        let late = after_a_crash(&armed);
        assert_eq!(second.look(&late).await, Ok(Presence::Present));
        assert_eq!(
            second.undo(&late).await.expect("it is off").by,
            UndoneBy::Us
        );
        assert_eq!(
            second.undo(&late).await.expect("it is off").by,
            UndoneBy::Other
        );
        assert!(world.on().is_empty());
        let verbs: Vec<Verb> = world.calls().into_iter().map(|(verb, _)| verb).collect();
        assert_eq!(
            verbs,
            [
                Verb::Capture,
                Verb::Apply,
                Verb::Apply,
                Verb::Look,
                Verb::Undo,
                Verb::Undo
            ]
        );
    }

    #[tokio::test]
    async fn it_fails_as_often_as_told_before_or_after_the_deed() {
        let (clock, world) = (clock(), World::new());
        let driver = FakeDriver::new(Arc::<Ticking>::clone(&clock), world.clone());
        let armed = armed(&driver, &clock).await;
        let id = &armed.injection().id;
        world.fail(Verb::Apply, id, 2, error());
        for _ in 0..2 {
            assert_eq!(driver.apply(&armed).await, Err(error()));
            assert!(!world.is_on(armed.run(), id));
        }
        world.lose_answer(Verb::Apply, id, 1, error());
        assert_eq!(driver.apply(&armed).await, Err(error()));
        assert!(world.is_on(armed.run(), id));
        driver.apply(&armed).await.expect("it is on already");
        assert!(world.lose(armed.run(), id));
        assert!(matches!(driver.look(&armed).await, Ok(Presence::Gone(_))));
        assert_eq!(
            driver.undo(&armed).await.expect("it is off").by,
            UndoneBy::Other
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_call_takes_its_time_on_a_paused_clock() {
        let (clock, world) = (clock(), World::new());
        let driver = FakeDriver::new(Arc::<Ticking>::clone(&clock), world.clone());
        let armed = armed(&driver, &clock).await;
        world.delay(Verb::Apply, &armed.injection().id, Duration::from_hours(1));
        let began = tokio::time::Instant::now();
        driver.apply(&armed).await.expect("it is on");
        assert_eq!(began.elapsed(), Duration::from_hours(1));
    }
}
