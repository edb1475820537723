//! Squeezes: less memory or processor time, and exactly the former limits again.
//!
//! What Docker's update can and can't take back (Engine 20.10, API 1.41, and the code of later ones): zero means "as it
//! is". So a container without a memory limit can't be rid of one again, and is refused. A quota of processor time is
//! lifted by -1, which the daemon then shows where it showed 0 before: both mean none. A limit given as a number of
//! processors (`--cpus`) can't be lifted, only be given again, and is changed only where there is one already.

use bollard::models::ContainerUpdateBody;
use serde::{Deserialize, Serialize};

use super::daemon::Limits;
use crate::model::container::{Size, Squeeze};

/// The period of a quota where none is set, in microseconds.
const PERIOD_US: i64 = 100_000;

/// The least quota the kernel takes, in microseconds.
const LEAST_QUOTA_US: i64 = 1_000;

/// One limit, before and while it is squeezed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Change {
    former: i64,
    squeezed: i64,
}

/// A container's limits, before and while it is squeezed. What is absent is not touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pinch {
    /// In bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    memory: Option<Change>,
    /// Memory with swap, as it was: the daemon wants it beside the memory.
    #[serde(default)]
    memory_swap: i64,
    /// In billionths of a processor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nano_cpus: Option<Change>,
    /// In microseconds of each period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cpu_quota: Option<Change>,
}

impl Pinch {
    /// What squeezing does to these limits, on a machine with so many processors; or why it can't be done or undone.
    pub(super) fn of(squeeze: Squeeze, limits: &Limits, cpus: i64) -> Result<Self, String> {
        let mut pinch = Self {
            memory: None,
            memory_swap: limits.memory_swap,
            nano_cpus: None,
            cpu_quota: None,
        };
        if let Some(memory) = squeeze.memory {
            if limits.memory <= 0 {
                return Err(
                    "it has no memory limit, and Docker can't take one away again; hint: run it with one (`--memory`, \
                     `mem_limit`), or squeeze its `cpus`"
                        .to_owned(),
                );
            }
            let squeezed = i64::try_from(memory.get()).unwrap_or(i64::MAX);
            if squeezed >= limits.memory {
                let now = Size::bytes(u64::try_from(limits.memory).unwrap_or_default());
                return Err(format!(
                    "its memory is limited to {now} already: {memory} squeezes nothing"
                ));
            }
            pinch.memory = Some(Change {
                former: limits.memory,
                squeezed,
            });
        }
        if let Some(milli) = squeeze.milli_cpus {
            pinch.processors(i64::from(milli), limits, cpus)?;
        }
        Ok(pinch)
    }

    fn processors(&mut self, milli: i64, limits: &Limits, cpus: i64) -> Result<(), String> {
        let period = if limits.cpu_period > 0 {
            limits.cpu_period
        } else {
            PERIOD_US
        };
        let now = if limits.nano_cpus > 0 {
            limits.nano_cpus / 1_000_000
        } else if limits.cpu_quota > 0 {
            limits.cpu_quota.saturating_mul(1_000) / period
        } else {
            cpus.saturating_mul(1_000)
        };
        if milli >= now {
            return Err(format!(
                "it may have {now} thousandths of a processor: {milli} squeeze nothing"
            ));
        }
        if limits.nano_cpus > 0 {
            self.nano_cpus = Some(Change {
                former: limits.nano_cpus,
                squeezed: milli * 1_000_000,
            });
            return Ok(());
        }
        let squeezed = milli.saturating_mul(period) / 1_000;
        if squeezed < LEAST_QUOTA_US {
            return Err(format!(
                "{squeezed} µs of each {period} are less than the kernel's least, {LEAST_QUOTA_US}; hint: give it more `cpus`"
            ));
        }
        self.cpu_quota = Some(Change {
            former: limits.cpu_quota,
            squeezed,
        });
        Ok(())
    }

    fn changes<'a>(&'a self, now: &'a Limits) -> impl Iterator<Item = (Change, i64)> {
        let memory = self.memory.map(|change| (change, now.memory));
        let nano = self.nano_cpus.map(|change| (change, now.nano_cpus));
        let quota = self.cpu_quota.map(|change| (change, now.cpu_quota));
        [memory, nano, quota].into_iter().flatten()
    }

    /// Whether every limit is squeezed.
    pub(super) fn shows_in(&self, now: &Limits) -> bool {
        self.changes(now)
            .all(|(change, now)| now == change.squeezed)
    }

    /// Whether no limit is squeezed any more.
    pub(super) fn is_gone_from(&self, now: &Limits) -> bool {
        self.changes(now)
            .all(|(change, now)| now != change.squeezed)
    }

    /// Whether every limit is as before. No limit is none, however the daemon writes it.
    pub(super) fn is_undone_in(&self, now: &Limits) -> bool {
        self.changes(now)
            .all(|(change, now)| now == change.former || (now <= 0 && change.former <= 0))
    }

    /// What asks for the squeeze.
    pub(super) fn squeezing(&self) -> ContainerUpdateBody {
        ContainerUpdateBody {
            memory: self.memory.map(|change| change.squeezed),
            memory_swap: self.swap(),
            nano_cpus: self.nano_cpus.map(|change| change.squeezed),
            cpu_quota: self.cpu_quota.map(|change| change.squeezed),
            ..ContainerUpdateBody::default()
        }
    }

    /// What asks for the former limits, of those that are squeezed now: what somebody else has set since is theirs.
    pub(super) fn releasing(&self, now: &Limits) -> ContainerUpdateBody {
        let former = |change: Option<Change>, now: i64| {
            change
                .filter(|change| change.squeezed == now)
                .map(|change| change.former)
        };
        let memory = former(self.memory, now.memory);
        // Zero would leave the quota as it is.
        let quota = former(self.cpu_quota, now.cpu_quota);
        ContainerUpdateBody {
            memory,
            memory_swap: memory.and_then(|_| self.swap()),
            nano_cpus: former(self.nano_cpus, now.nano_cpus),
            cpu_quota: quota.map(|quota| if quota <= 0 { -1 } else { quota }),
            ..ContainerUpdateBody::default()
        }
    }

    fn swap(&self) -> Option<i64> {
        (self.memory.is_some() && self.memory_swap != 0).then_some(self.memory_swap)
    }

    /// The arguments of `docker update` that bring the former limits back.
    pub(super) fn by_hand(&self) -> String {
        let mut arguments = Vec::new();
        if let Some(memory) = self.memory {
            arguments.push(format!("--memory {}", memory.former));
            arguments.extend(self.swap().map(|swap| format!("--memory-swap {swap}")));
        }
        if let Some(nano) = self.nano_cpus {
            let whole = nano.former / 1_000_000_000;
            let part = nano.former % 1_000_000_000;
            arguments.push(format!("--cpus {whole}.{part:09}"));
        }
        if let Some(quota) = self.cpu_quota {
            let former = if quota.former <= 0 { -1 } else { quota.former };
            arguments.push(format!("--cpu-quota {former}"));
        }
        arguments.join(" ")
    }
}

impl std::fmt::Display for Limits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let memory = match u64::try_from(self.memory) {
            Ok(bytes) if bytes > 0 => format!("memory {}", Size::bytes(bytes)),
            _ => "no memory limit".to_owned(),
        };
        let cpus = match (self.nano_cpus, self.cpu_quota) {
            (nano, _) if nano > 0 => format!("{} thousandths of a processor", nano / 1_000_000),
            (_, quota) if quota > 0 => {
                let period = if self.cpu_period > 0 {
                    self.cpu_period
                } else {
                    PERIOD_US
                };
                format!("{quota} of {period} µs of a processor")
            }
            _ => "no limit of processor time".to_owned(),
        };
        write!(f, "{memory}, {cpus}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Limits = Limits {
        memory: 0,
        memory_swap: 0,
        nano_cpus: 0,
        cpu_quota: 0,
        cpu_period: 0,
    };

    fn squeeze(memory: Option<u64>, milli_cpus: Option<u32>) -> Squeeze {
        Squeeze {
            memory: memory.map(|mib| Size::bytes(mib << 20)),
            milli_cpus,
        }
    }

    #[test]
    fn what_could_not_be_undone_or_squeezes_nothing_is_refused() {
        let limited = Limits {
            memory: 128 << 20,
            cpu_quota: 20_000,
            ..NONE
        };
        let few = Limits {
            cpu_quota: 5_000,
            cpu_period: 10_000,
            ..NONE
        };
        for (squeeze, limits, why) in [
            (squeeze(Some(64), None), &NONE, "it has no memory limit"),
            (
                squeeze(Some(128), None),
                &limited,
                "limited to 128MiB already",
            ),
            (
                squeeze(None, Some(200)),
                &limited,
                "it may have 200 thousandths",
            ),
            (
                squeeze(None, Some(2_000)),
                &NONE,
                "it may have 2000 thousandths",
            ),
            (
                squeeze(None, Some(50)),
                &few,
                "500 µs of each 10000 are less",
            ),
        ] {
            let refused = Pinch::of(squeeze, limits, 2).expect_err("it can't be");
            assert!(refused.contains(why), "{refused}");
        }
    }

    #[test]
    fn each_limit_is_changed_in_its_own_unit_and_comes_back_as_it_was() {
        let nano = Limits {
            nano_cpus: 1_500_000_000,
            memory: 128 << 20,
            memory_swap: 256 << 20,
            ..NONE
        };
        let pinch = Pinch::of(squeeze(Some(64), Some(100)), &nano, 2).expect("it can be");
        let asked = pinch.squeezing();
        assert_eq!(asked.nano_cpus, Some(100_000_000));
        assert_eq!(asked.memory, Some(64 << 20));
        assert_eq!(
            (asked.memory_swap, asked.cpu_quota),
            (Some(256 << 20), None)
        );
        let now = Limits {
            nano_cpus: 100_000_000,
            memory: 64 << 20,
            ..nano
        };
        assert!(pinch.shows_in(&now) && !pinch.is_gone_from(&now) && !pinch.is_undone_in(&now));
        let back = pinch.releasing(&now);
        assert_eq!(back.nano_cpus, Some(1_500_000_000));
        assert_eq!(
            (back.memory, back.memory_swap),
            (Some(128 << 20), Some(256 << 20))
        );
        assert_eq!(
            pinch.by_hand(),
            "--memory 134217728 --memory-swap 268435456 --cpus 1.500000000"
        );
        assert!(pinch.is_undone_in(&nano) && pinch.is_gone_from(&nano));
    }

    #[test]
    fn a_quota_that_was_none_is_lifted_and_both_ways_to_write_none_are_one() {
        let pinch = Pinch::of(squeeze(None, Some(100)), &NONE, 2).expect("it can be");
        assert_eq!(pinch.squeezing().cpu_quota, Some(10_000));
        let now = Limits {
            cpu_quota: 10_000,
            ..NONE
        };
        assert_eq!(pinch.releasing(&now).cpu_quota, Some(-1));
        let lifted = Limits {
            cpu_quota: -1,
            ..NONE
        };
        assert!(pinch.is_undone_in(&lifted) && pinch.is_undone_in(&NONE));
        // What somebody else has set since stays.
        let theirs = Limits {
            cpu_quota: 30_000,
            ..NONE
        };
        assert!(pinch.is_gone_from(&theirs) && !pinch.is_undone_in(&theirs));
        assert_eq!(pinch.releasing(&theirs), ContainerUpdateBody::default());
    }
}
