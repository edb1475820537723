//! Game days in a list: each of their drills has a turn of its own, after a pause, for as long as the drills before came
//! to what the game day goes on after.

use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::turns::{Bar, Planned};
use crate::cli::exit::Exit;
use crate::cli::terminal::Terminal;
use crate::lifecycle::Signals;
use crate::model::gameday::{CameTo, GoesOn, Programme};
use crate::model::ids::GameDayName;
use crate::model::time::Millis;
use crate::score::report::entry::{Cause, Entry};

/// How often a countdown is drawn.
const REDRAWN: Duration = Duration::from_millis(250);

/// A drill's place in a game day.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// Which file of the list: one game day may be given twice.
    index: usize,
    day: GameDayName,
    /// From 1.
    position: usize,
    of: usize,
    pause: Millis,
    goes_on: GoesOn,
}

impl Place {
    /// Every drill of a game day, as the list's items. Each goes by its own file, as if that had been given.
    pub(super) fn all(index: usize, programme: Programme) -> Vec<Planned> {
        let (day, of) = (programme.day, programme.plans.len());
        let parts = day.drills.iter().zip(programme.plans).enumerate();
        let planned = parts.map(|(number, (part, plan))| Planned {
            file: plan
                .files
                .last()
                .map_or_else(PathBuf::new, |file| PathBuf::from(&file.path)),
            plan,
            place: Some(Self {
                index,
                day: day.name.clone(),
                position: number + 1,
                of,
                pause: part.pause,
                goes_on: day.goes_on,
            }),
        });
        planned.collect()
    }

    /// Which drill of which game day.
    pub(super) fn told(&self, drill: &str) -> String {
        format!(
            "game day {}, drill {} of {}: {drill}",
            self.day, self.position, self.of
        )
    }

    /// When it begins, for who looks at it before.
    pub(super) fn announced(&self, drill: &str) -> String {
        let told = self.told(drill);
        if self.position == 1 {
            return told;
        }
        format!(
            "{told}, {} after everything of the one before is undone",
            self.pause
        )
    }

    /// Waits for its turn. Answers whether a signal came meanwhile: then nothing more shall begin.
    pub(super) async fn pause(
        &self,
        drill: &str,
        signals: &mut Signals,
        terminal: Terminal,
    ) -> bool {
        if self.pause == Millis::ZERO {
            return false;
        }
        let until = Instant::now() + self.pause.duration();
        terminal.note(&format!(
            "{} begins in {}; a signal ends the list",
            self.told(drill),
            self.pause
        ));
        let mut beat = interval(REDRAWN);
        beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let signalled = loop {
            // Cancel safe: signals stay until they are received, and instants and ticks lose nothing.
            tokio::select! {
                biased;
                () = signals.next() => break true,
                () = sleep_until(until) => break false,
                _ = beat.tick(), if terminal.is_live() => {
                    let left = until.saturating_duration_since(Instant::now());
                    terminal.draw(&countdown(drill, left, terminal.width()));
                }
            }
        };
        terminal.erase();
        signalled
    }
}

/// What is left of a pause, on one line.
fn countdown(drill: &str, left: Duration, width: usize) -> String {
    // Up to the next second, so that it ends with one and not with none.
    let seconds = left.as_millis().div_ceil(1000);
    let line = format!(
        "{:02}:{:02} until {drill} begins",
        seconds / 60,
        seconds % 60
    );
    line.chars().take(width.saturating_sub(1)).collect()
}

/// The game day of the list that is over before all its drills had their turn.
#[derive(Debug, Default)]
pub(super) struct Days {
    over: Option<(usize, Bar)>,
}

impl Days {
    /// Why a drill has no turn any more, if that is so.
    pub(super) fn bar(&self, planned: &Planned) -> Option<&Bar> {
        let (index, bar) = self.over.as_ref()?;
        let place = planned.place.as_ref()?;
        (*index == place.index).then_some(bar)
    }

    /// A drill had its turn, and came to this.
    pub(super) fn had(&mut self, planned: &Planned, entry: &Entry) {
        let Some(place) = &planned.place else { return };
        let exit = entry.exit_code().unwrap_or(Exit::Errored.code());
        let came_to = match entry {
            Entry::Unjudged(unjudged) if unjudged.cause == Cause::NotBegun => CameTo::NotBegun,
            _ => CameTo::of_exit(exit),
        };
        if let Some(reason) = place.goes_on.bar(planned.plan.name(), came_to) {
            let bar = Bar {
                cause: Cause::Skipped,
                // It adds nothing of its own to the list's exit status.
                exit: Exit::of_code(exit),
                reason,
            };
            self.over = Some((place.index, bar));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_countdown_fits_its_line_and_ends_with_a_second() {
        let left = Duration::from_millis(61_001);
        assert_eq!(countdown("outage", left, 80), "01:02 until outage begins");
        assert_eq!(
            countdown("outage", Duration::from_millis(1), 80),
            "00:01 until outage begins"
        );
        assert_eq!(countdown("outage", left, 11), "01:02 unti");
    }
}
