//! Game days: what waits between their drills. One task a game day, from its first run to the end of its last.
//!
//! What a game day came to is told by its runs' logs: each says which drill of which game day it is. Only the wait lives
//! here, in memory, with the reason why something was not begun: where the process ends, the rest does not begin.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::Supervisor;
use crate::model::gameday::{CameTo, Turn};
use crate::model::ids::{GameDayId, RunId};
use crate::model::time::Millis;
use crate::ports::{Answer, Clock};

/// How often a pause looks whether everything was halted: nobody is drilled on after that.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// So many game days are remembered once they are over. Older ones are told by their logs alone.
const REMEMBERED: usize = 200;

/// What a game day is held on: how its drills are begun, and what came of each.
pub trait Stage: Send + Sync {
    /// Begins a drill; answers with its run.
    fn begin<'a>(&'a self, turn: &'a Turn) -> Answer<'a, Result<RunId, String>>;

    /// Waits until everything of a run is undone, or can't be; answers with what it came to. Cancel safe.
    fn settled<'a>(&'a self, run: &'a RunId) -> Answer<'a, CameTo>;

    /// Whether everything is halted, and why.
    fn halted(&self) -> Answer<'_, Option<String>>;
}

/// How far a game day is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The latest drill that was begun.
    pub turn: Turn,
    /// What goes on.
    pub going: Going,
}

/// What goes on of a game day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Going {
    /// The latest drill.
    Drill,
    /// The pause before the next one, which begins then.
    Pause(Timestamp),
    /// Nothing: each drill had its turn.
    Over,
    /// Nothing more begins, for this reason; the latest drill may still go on.
    Ended(String),
}

/// The game days that this process holds, or has held. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct GameDays(Arc<Mutex<BTreeMap<GameDayId, Held>>>);

#[derive(Debug)]
struct Held {
    told: watch::Sender<Progress>,
    end: CancellationToken,
}

/// A game day whose first drill has begun.
pub struct Begun {
    /// The first drill's.
    pub turn: Turn,
    /// Before each of its drills.
    pub pauses: Vec<Millis>,
    /// The first drill's run.
    pub run: RunId,
    /// What it is held on.
    pub stage: Arc<dyn Stage>,
}

impl GameDays {
    /// Holds the rest of a game day, in a task of the supervisor's, until it is over or `shutdown` comes.
    pub fn hold(&self, begun: Begun, supervisor: &Supervisor, shutdown: &CancellationToken) {
        let (told, _) = watch::channel(Progress {
            turn: begun.turn.clone(),
            going: Going::Drill,
        });
        let end = shutdown.child_token();
        let id = begun.turn.id.clone();
        {
            let mut all = self.lock();
            while all.len() >= REMEMBERED
                && let Some(old) = all.iter().find(|(_, held)| held.is_over())
            {
                let old = old.0.clone();
                all.remove(&old);
            }
            let held = Held {
                told: told.clone(),
                end: end.clone(),
            };
            all.insert(id, held);
        }
        let clock = supervisor.ports().clock.clone();
        supervisor.own(async move {
            drive(&begun, clock.as_ref(), &told, &end).await;
        });
    }

    /// How far one is; nothing of one that another process held.
    pub fn get(&self, id: &GameDayId) -> Option<Progress> {
        Some(self.lock().get(id)?.told.borrow().clone())
    }

    /// Sees to it that nothing more of one begins. The drill that goes on goes on. Answers whether anything was left to
    /// begin.
    pub fn end(&self, id: &GameDayId, why: &str) -> bool {
        let all = self.lock();
        let Some(held) = all.get(id) else {
            return false;
        };
        let ended = held.told.send_if_modified(|progress| {
            let left = progress.turn.next().is_some();
            let going = matches!(progress.going, Going::Drill | Going::Pause(_));
            if left && going {
                progress.going = Going::Ended(why.to_owned());
            }
            left && going
        });
        if ended {
            held.end.cancel();
        }
        ended
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<GameDayId, Held>> {
        // The map is whole at every instant.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn is_over(&self) -> bool {
        matches!(self.told.borrow().going, Going::Over | Going::Ended(_))
    }
}

/// From the first run to the last that begins. Everything but a start may be cut short: what was begun is told.
async fn drive(
    begun: &Begun,
    clock: &dyn Clock,
    told: &watch::Sender<Progress>,
    end: &CancellationToken,
) {
    let stage = begun.stage.as_ref();
    let (mut turn, mut run) = (begun.turn.clone(), begun.run.clone());
    loop {
        // Cancel safe: waiting for a run loses nothing, and nobody waits for what is left.
        let came_to = tokio::select! {
            () = end.cancelled() => return,
            came_to = stage.settled(&run) => came_to,
        };
        let Some(next) = turn.next() else {
            say(told, Going::Over);
            return;
        };
        if let Some(why) = turn.goes_on.bar(turn.drill(), came_to) {
            say(told, Going::Ended(why));
            return;
        }
        let index = usize::try_from(next.position).unwrap_or(usize::MAX) - 1;
        let pause = begun.pauses.get(index).copied().unwrap_or(Millis::ZERO);
        say(told, Going::Pause(after(clock.now().wall, pause)));
        match waited(stage, pause, end).await {
            Waited::Through => {}
            Waited::Halted(why) => {
                say(told, Going::Ended(format!("not begun: {why}")));
                return;
            }
            Waited::Ended => return,
        }
        // Never cut short: a run that begins is told of.
        match stage.begin(&next).await {
            Ok(begun) => {
                run = begun;
                turn = next;
                told.send_modify(|progress| progress.turn = turn.clone());
                say(told, Going::Drill);
            }
            Err(why) => {
                say(told, Going::Ended(format!("not begun: {why}")));
                return;
            }
        }
    }
}

fn after(now: Timestamp, pause: Millis) -> Timestamp {
    let pause = SignedDuration::try_from(pause.duration()).unwrap_or(SignedDuration::MAX);
    now.checked_add(pause).unwrap_or(Timestamp::MAX)
}

/// Tells what goes on, unless somebody has ended it: that stays.
fn say(told: &watch::Sender<Progress>, going: Going) {
    told.send_if_modified(|progress| {
        let ended = matches!(progress.going, Going::Ended(_));
        if !ended {
            progress.going = going;
        }
        !ended
    });
}

/// What a pause came to.
enum Waited {
    Through,
    Halted(String),
    Ended,
}

async fn waited(stage: &dyn Stage, pause: Millis, end: &CancellationToken) -> Waited {
    let due = Instant::now() + pause.duration();
    loop {
        let look = due.min(Instant::now() + LOOK_EVERY);
        // Cancel safe: an instant stays what it is.
        tokio::select! {
            () = end.cancelled() => return Waited::Ended,
            () = sleep_until(look) => {}
        }
        if let Some(why) = stage.halted().await {
            return Waited::Halted(why);
        }
        if Instant::now() >= due {
            return Waited::Through;
        }
    }
}

#[cfg(test)]
mod tests;
