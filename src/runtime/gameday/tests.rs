use std::collections::BTreeMap;

use super::*;
use crate::model::gameday::GoesOn;
use crate::model::time::{Epoch, Stamp};

/// A clock on tokio's paused time.
struct Wall(Instant);

impl Clock for Wall {
    fn now(&self) -> Stamp {
        let origin = Stamp {
            epoch: Epoch(1),
            mono_ns: 0,
            wall: Timestamp::UNIX_EPOCH,
        };
        origin.after(self.0.elapsed())
    }
}

/// Runs that last a minute each and come to what is written here.
struct Play {
    began: Instant,
    /// What each drill comes to, or why it can't begin.
    script: BTreeMap<u32, Result<CameTo, &'static str>>,
    begun: Mutex<Vec<(u32, u64)>>,
    halted_after: Option<u64>,
}

impl Play {
    fn seconds(&self) -> u64 {
        self.began.elapsed().as_secs()
    }
}

fn run(position: u32) -> RunId {
    format!("r{position}").parse().expect("an id")
}

impl Stage for Play {
    fn begin<'a>(&'a self, turn: &'a Turn) -> Answer<'a, Result<RunId, String>> {
        Box::pin(async {
            if let Some(Err(why)) = self.script.get(&turn.position) {
                return Err((*why).to_owned());
            }
            let begun = (turn.position, self.seconds());
            self.begun.lock().expect("unharmed").push(begun);
            Ok(run(turn.position))
        })
    }

    fn settled<'a>(&'a self, run: &'a RunId) -> Answer<'a, CameTo> {
        Box::pin(async {
            tokio::time::sleep(Duration::from_mins(1)).await;
            let position = run.as_str()[1..].parse().expect("a number");
            match self.script.get(&position) {
                Some(Ok(came_to)) => *came_to,
                _ => CameTo::Passed,
            }
        })
    }

    fn halted(&self) -> Answer<'_, Option<String>> {
        Box::pin(async {
            let halted = self.halted_after.is_some_and(|at| self.seconds() >= at);
            halted.then(|| "everything is halted".to_owned())
        })
    }
}

/// A game day of three drills, with a pause of five minutes before each.
struct Day {
    play: Play,
    told: watch::Sender<Progress>,
    end: CancellationToken,
}

impl Day {
    fn of(script: &[(u32, Result<CameTo, &'static str>)]) -> Self {
        let turn = Turn {
            id: "d1".parse().expect("an id"),
            name: "lost-keys".parse().expect("a name"),
            position: 1,
            of: 3,
            drills: ["one", "two", "three"]
                .map(|name| name.parse().expect("a name"))
                .into(),
            goes_on: GoesOn::PassedOrFailed,
        };
        let (told, _) = watch::channel(Progress {
            turn,
            going: Going::Drill,
        });
        Self {
            play: Play {
                began: Instant::now(),
                script: script.iter().copied().collect(),
                begun: Mutex::default(),
                halted_after: None,
            },
            told,
            end: CancellationToken::new(),
        }
    }

    /// Held to its end. Answers with what was begun and when, in seconds, and how it ended.
    async fn held(self) -> (Vec<(u32, u64)>, Going) {
        let turn = self.told.borrow().turn.clone();
        let stage = Arc::new(self.play);
        let begun = Begun {
            turn,
            pauses: vec![Millis::ZERO, Millis::seconds(300), Millis::seconds(300)],
            run: run(1),
            stage: stage.clone(),
        };
        drive(&begun, &Wall(Instant::now()), &self.told, &self.end).await;
        let going = self.told.borrow().going.clone();
        let begun = stage.begun.lock().expect("unharmed").clone();
        (begun, going)
    }
}

#[tokio::test(start_paused = true)]
async fn each_drill_begins_its_pause_after_everything_of_the_one_before_is_undone() {
    let (begun, going) = Day::of(&[(1, Ok(CameTo::Failed))]).held().await;
    assert_eq!(begun, [(2, 360), (3, 720)]);
    assert_eq!(going, Going::Over);
}

#[tokio::test(start_paused = true)]
async fn nothing_begins_after_a_drill_that_was_aborted_errored_or_is_stuck() {
    for came_to in [CameTo::Aborted, CameTo::Errored, CameTo::Stuck] {
        let (begun, going) = Day::of(&[(2, Ok(came_to))]).held().await;
        assert_eq!(begun, [(2, 360)], "{came_to}");
        let why = format!("not begun: drill `two` of the game day {came_to}");
        assert_eq!(going, Going::Ended(why));
    }
}

#[tokio::test(start_paused = true)]
async fn a_drill_that_can_not_begin_ends_it_with_why() {
    let (begun, going) = Day::of(&[(2, Err("stack `s` is in use"))]).held().await;
    assert_eq!(begun, []);
    assert_eq!(going, Going::Ended("not begun: stack `s` is in use".into()));
}

#[tokio::test(start_paused = true)]
async fn a_halt_during_a_pause_ends_it_though_it_was_lifted_before_the_pause_was_over() {
    let mut day = Day::of(&[]);
    day.play.halted_after = Some(100);
    let (begun, going) = day.held().await;
    assert_eq!(begun, []);
    assert_eq!(
        going,
        Going::Ended("not begun: everything is halted".into())
    );
}

#[tokio::test(start_paused = true)]
async fn a_person_ends_the_rest_at_any_time_and_once() {
    let days = GameDays::default();
    let day = Day::of(&[]);
    let (told, end) = (day.told.clone(), day.end.clone());
    let id = told.borrow().turn.id.clone();
    let held = Held {
        told: told.clone(),
        end,
    };
    days.lock().insert(id.clone(), held);
    let ended = async {
        tokio::time::sleep(Duration::from_secs(100)).await;
        let until = match days.get(&id).expect("held").going {
            Going::Pause(until) => until,
            other => panic!("{other:?}"),
        };
        assert_eq!(until.as_second(), 360, "the pause is told");
        (days.end(&id, "enough"), days.end(&id, "again"))
    };
    let ((begun, going), ended) = tokio::join!(day.held(), ended);
    assert_eq!(ended, (true, false));
    assert_eq!(begun, []);
    assert_eq!(going, Going::Ended("enough".into()));
    assert!(!days.end(&"none".parse().expect("an id"), "enough"));
}

#[tokio::test(start_paused = true)]
async fn the_process_that_ends_ends_the_wait() {
    let day = Day::of(&[]);
    day.end.cancel();
    let (begun, going) = day.held().await;
    assert_eq!((begun, going), (Vec::new(), Going::Drill));
}
