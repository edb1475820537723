//! The monotonic clock beside the wall clock: a deadline that outlives a process can only be told by the latter.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Both clocks, read together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clocks {
    instant: Instant,
    /// Milliseconds since 1970.
    wall: u64,
}

impl Clocks {
    #[expect(
        clippy::disallowed_methods,
        reason = "the server imports nothing of the crate, ports::Clock included; a state file needs the wall clock"
    )]
    pub(super) fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Self::at(
            Instant::now(),
            since.map_or(0, |since| {
                u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
            }),
        )
    }

    pub(super) fn at(instant: Instant, wall: u64) -> Self {
        Self { instant, wall }
    }

    /// Rounded up, so that reading it back never ends anything early by more than the clocks differ.
    pub(super) fn wall_of(&self, deadline: Instant) -> u64 {
        let left = deadline.saturating_duration_since(self.instant);
        self.wall
            .saturating_add(u64::try_from(left.as_micros().div_ceil(1000)).unwrap_or(u64::MAX))
    }

    /// From now until then; nothing for what is past.
    pub(super) fn until(&self, wall: u64) -> Duration {
        Duration::from_millis(wall.saturating_sub(self.wall))
    }
}
