//! Game days: drills one after the other, and what must have come of one for the next to begin.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::{DrillName, GameDayId, GameDayName};
use super::plan::{Plan, SourceFile};
use super::schedule::Schedule;
use super::time::Millis;

/// Drills, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GameDay {
    /// As users name it.
    pub name: GameDayName,
    /// What it is for: for whoever plans it, and exercise staff.
    pub about: String,
    /// The drills in their order. There is at least one, and one may stand twice.
    pub drills: Vec<Part>,
    /// After what the next one begins.
    pub goes_on: GoesOn,
    /// When it starts by itself. Never as a surprise.
    pub schedule: Option<Schedule>,
}

/// A drill of a game day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Which.
    pub drill: DrillName,
    /// From when everything of the drill before is undone; none for the first.
    pub pause: Millis,
}

/// After what the next drill begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GoesOn {
    /// Only after one that passed.
    Passed,
    /// After one that passed or failed.
    PassedOrFailed,
}

/// What a run came to, as far as the rest of its game day depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CameTo {
    /// The stack held and the team did.
    Passed,
    /// The stack or the team fell short.
    Failed,
    /// A person, a stop condition or a signal ended it.
    Aborted,
    /// Its work could not be done, or nobody knows what came of it.
    Errored,
    /// Something it did is not undone.
    Stuck,
    /// There was none.
    NotBegun,
}

impl GoesOn {
    /// Both, as files write them.
    pub const ALL: [Self; 2] = [Self::Passed, Self::PassedOrFailed];

    /// As files write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::PassedOrFailed => "passed_or_failed",
        }
    }

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::PassedOrFailed => "passed or failed",
        }
    }

    /// Whether the next drill begins after a run that came to this. After one that a person ended nobody is drilled on;
    /// after one that nobody can vouch for, the stack may not be what the next one takes it for.
    pub fn goes_on_after(self, came_to: CameTo) -> bool {
        match came_to {
            CameTo::Passed => true,
            CameTo::Failed => self == Self::PassedOrFailed,
            CameTo::Aborted | CameTo::Errored | CameTo::Stuck | CameTo::NotBegun => false,
        }
    }

    /// Why nothing of the game day begins after a drill that came to this; nothing where the next one does begin.
    pub fn bar(self, drill: &str, came_to: CameTo) -> Option<String> {
        if self.goes_on_after(came_to) {
            return None;
        }
        let alone = match came_to {
            CameTo::Failed => "; the game day goes on after `passed` only",
            _ => "",
        };
        Some(format!(
            "not begun: drill `{drill}` of the game day {came_to}{alone}"
        ))
    }
}

impl CameTo {
    /// From the exit status of a report.
    pub fn of_exit(exit_code: u8) -> Self {
        match exit_code {
            0 => Self::Passed,
            1 => Self::Failed,
            3 => Self::Aborted,
            5 => Self::Stuck,
            _ => Self::Errored,
        }
    }
}

impl fmt::Display for CameTo {
    /// As what a drill did.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Aborted => "was aborted",
            Self::Errored => "errored",
            Self::Stuck => "is stuck",
            Self::NotBegun => "could not be begun",
        })
    }
}

/// Which drill of which game day a run is. It says all that the log must tell of a game day: also which drills it would
/// have had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "GameDayTurn")]
pub struct Turn {
    /// The game day, this time that it is held.
    pub id: GameDayId,
    /// The game day's name.
    pub name: GameDayName,
    /// Which of its drills, from 1.
    pub position: u32,
    /// How many drills it has.
    pub of: u32,
    /// All of them, in their order. Told by the log alone: whoever sees one run may not be told of every drill.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drills: Vec<DrillName>,
    /// After what the next one begins.
    pub goes_on: GoesOn,
}

impl Turn {
    /// The first drill's.
    pub fn first(id: GameDayId, day: &GameDay) -> Self {
        Self {
            id,
            name: day.name.clone(),
            position: 1,
            of: u32::try_from(day.drills.len()).unwrap_or(u32::MAX),
            drills: day.drills.iter().map(|part| part.drill.clone()).collect(),
            goes_on: day.goes_on,
        }
    }

    /// The next drill's; none after the last.
    pub fn next(&self) -> Option<Self> {
        (self.position < self.of).then(|| Self {
            position: self.position + 1,
            ..self.clone()
        })
    }

    /// Which drill it is.
    pub fn drill(&self) -> &str {
        let index = usize::try_from(self.position)
            .unwrap_or(1)
            .saturating_sub(1);
        self.drills.get(index).map_or("", DrillName::as_str)
    }
}

/// A game day with all that its drills need.
#[derive(Debug, Clone, PartialEq)]
pub struct Programme {
    /// What its file says.
    pub day: GameDay,
    /// A plan for each of its drills, in their order.
    pub plans: Vec<Plan>,
    /// Its file, then those of its drills, each once.
    pub files: Vec<SourceFile>,
}

impl Programme {
    /// Each drill with its plan.
    pub fn parts(&self) -> impl Iterator<Item = (&Part, &Plan)> {
        self.day.drills.iter().zip(&self.plans)
    }

    /// The longest it can take, beside looking at the stacks before each drill and undoing at its end: neither has a
    /// limit of its own.
    pub fn longest(&self) -> Millis {
        let all = self
            .parts()
            .map(|(part, plan)| part.pause.get().saturating_add(plan.longest().get()));
        Millis::new(all.fold(0, u64::saturating_add))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_drill_begins_after_a_pass_and_where_wanted_after_a_failure_and_never_after_anything_else()
     {
        use CameTo::{Aborted, Errored, Failed, NotBegun, Passed, Stuck};
        for (came_to, either, passed) in [
            (Passed, true, true),
            (Failed, true, false),
            (Aborted, false, false),
            (Errored, false, false),
            (Stuck, false, false),
            (NotBegun, false, false),
        ] {
            assert_eq!(
                GoesOn::PassedOrFailed.goes_on_after(came_to),
                either,
                "{came_to}"
            );
            assert_eq!(GoesOn::Passed.goes_on_after(came_to), passed, "{came_to}");
        }
    }

    #[test]
    fn why_nothing_more_begins_names_the_drill_before() {
        let bar = GoesOn::Passed.bar("outage", CameTo::Failed);
        assert_eq!(
            bar.as_deref(),
            Some(
                "not begun: drill `outage` of the game day failed; the game day goes on after `passed` only"
            )
        );
        let bar = GoesOn::PassedOrFailed.bar("outage", CameTo::Aborted);
        assert_eq!(
            bar.as_deref(),
            Some("not begun: drill `outage` of the game day was aborted")
        );
        assert_eq!(GoesOn::PassedOrFailed.bar("outage", CameTo::Failed), None);
    }
}
