//! Waiting for an instant, more exactly than tokio's timer wheel, which rounds up to the next millisecond and a tick.
//!
//! On Linux a wait uses a kernel timer of its own while the server has few of them; otherwise, and when descriptors run
//! short, the wheel. Either way a wait never ends early.

use std::sync::Arc;

use tokio::{
    sync::Semaphore,
    time::{Instant, sleep_until},
};

/// How many kernel timers one server may have: each takes a descriptor that a connection could need.
pub(crate) const KERNEL_TIMERS: usize = 1024;

pub(crate) struct Alarm {
    timers: Arc<Semaphore>,
    #[cfg(target_os = "linux")]
    timer: Option<kernel::Timer>,
}

impl Alarm {
    pub(crate) fn new(timers: Arc<Semaphore>) -> Self {
        Self {
            timers,
            #[cfg(target_os = "linux")]
            timer: None,
        }
    }

    /// Cancel safe: each call sets the timer anew.
    #[cfg(target_os = "linux")]
    pub(crate) async fn until(&mut self, at: Instant) {
        let left = at.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        if self.timer.is_none() {
            self.timer = kernel::Timer::new(&self.timers);
        }
        if let Some(timer) = &self.timer
            && timer.wait(left).await.is_ok()
        {
            return;
        }
        sleep_until(at).await;
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) async fn until(&mut self, at: Instant) {
        let _ = &self.timers;
        sleep_until(at).await;
    }

    /// Gives the kernel timer back, for a link that has no more use of it.
    pub(crate) fn rest(&mut self) {
        #[cfg(target_os = "linux")]
        {
            self.timer = None;
        }
    }
}

#[cfg(target_os = "linux")]
mod kernel {
    use std::{io, os::fd::OwnedFd, sync::Arc, time::Duration};

    use rustix::{
        io::read,
        time::{
            Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
            timerfd_settime,
        },
    };
    use tokio::{
        io::{Interest, unix::AsyncFd},
        sync::{OwnedSemaphorePermit, Semaphore},
    };

    pub(super) struct Timer {
        descriptor: AsyncFd<OwnedFd>,
        _permit: OwnedSemaphorePermit,
    }

    impl Timer {
        /// None where the server has too many already, or the system gives no more.
        pub(super) fn new(timers: &Arc<Semaphore>) -> Option<Self> {
            let permit = Arc::clone(timers).try_acquire_owned().ok()?;
            let descriptor = timerfd_create(
                TimerfdClockId::Monotonic,
                TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
            )
            .ok()?;
            #[expect(
                deprecated,
                reason = "its successor is unsafe, for types that may change their descriptor; an OwnedFd never does"
            )]
            let descriptor = AsyncFd::with_interest(descriptor, Interest::READABLE).ok()?;
            Some(Self {
                descriptor,
                _permit: permit,
            })
        }

        /// `span` is above zero: a zero would disarm the timer.
        pub(super) async fn wait(&self, span: Duration) -> io::Result<()> {
            let once = Itimerspec {
                it_interval: Timespec {
                    tv_sec: 0,
                    tv_nsec: 0,
                },
                it_value: Timespec {
                    tv_sec: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
                    tv_nsec: i64::from(span.subsec_nanos()),
                },
            };
            timerfd_settime(&self.descriptor, TimerfdTimerFlags::empty(), &once)?;
            loop {
                let mut ready = self.descriptor.readable().await?;
                // Setting the timer forgot an expiry of before, but not that the runtime was told of it: only a
                // successful read proves that this wait is over.
                if let Ok(expired) =
                    ready.try_io(|descriptor| Ok(read(descriptor, &mut [0_u8; 8])?))
                {
                    return expired.map(drop);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_wait_never_ends_early_even_after_an_abandoned_one() {
        let mut alarm = Alarm::new(Arc::new(Semaphore::new(1)));
        for milliseconds in [3_u64, 1, 7] {
            let soon = Instant::now() + Duration::from_millis(1);
            let _ = tokio::time::timeout(Duration::from_micros(200), alarm.until(soon)).await;
            let at = Instant::now() + Duration::from_millis(milliseconds);
            alarm.until(at).await;
            assert!(Instant::now() >= at);
        }
    }

    #[tokio::test]
    async fn without_a_kernel_timer_it_waits_all_the_same() {
        let mut alarm = Alarm::new(Arc::new(Semaphore::new(0)));
        let at = Instant::now() + Duration::from_millis(5);
        alarm.until(at).await;
        assert!(Instant::now() >= at);
    }
}
