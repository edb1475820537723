//! Squeezes of real containers: what the daemon takes, what it gives back, what the kernel makes of it.

use super::*;
use crate::model::container::{Size, Squeeze};

const MIB: i64 = 1 << 20;

fn squeeze(memory: Option<i64>, milli_cpus: Option<u32>) -> ContainerAction {
    ContainerAction::Squeeze(Squeeze {
        memory: memory.map(|bytes| Size::bytes(u64::try_from(bytes).expect("a size"))),
        milli_cpus,
    })
}

fn limited() -> HostConfig {
    HostConfig {
        memory: Some(128 * MIB),
        memory_swap: Some(192 * MIB),
        cpu_quota: Some(50_000),
        cpu_period: Some(100_000),
        ..HostConfig::default()
    }
}

/// What the kernel holds the container to, where this machine's control groups can be read.
fn quota_of_kernel(id: &str) -> Option<String> {
    let one = std::fs::read_to_string(format!("/sys/fs/cgroup/cpu/docker/{id}/cpu.cfs_quota_us"));
    let two = format!("/sys/fs/cgroup/system.slice/docker-{id}.scope/cpu.max");
    let text = one.or_else(|_| std::fs::read_to_string(two)).ok()?;
    let quota = text.split_whitespace().next()?;
    Some(quota.replace("max", "-1"))
}

#[tokio::test]
async fn limits_are_squeezed_and_come_back_exactly_even_in_another_process() {
    on_site(|site| async move {
        let id = site.create("", limited()).await;
        site.start(&id).await;
        let before = site.seen(&id).await;
        let armed = site.armed(squeeze(Some(64 * MIB), Some(100))).await;
        let applied = site.driver.apply(&armed).await.expect("it is squeezed");
        assert!(
            applied
                .evidence
                .ends_with("reads back memory 64MiB, 10000 of 100000 µs of a processor"),
            "{}",
            applied.evidence
        );
        let during = site.seen(&id).await;
        assert_eq!(
            (during.limits.memory, during.limits.memory_swap),
            (64 * MIB, 192 * MIB)
        );
        assert_eq!(
            during.started_at, before.started_at,
            "it was not disturbed otherwise"
        );
        assert_eq!(site.driver.look(&armed).await, Ok(Presence::Present));
        site.driver
            .apply(&armed)
            .await
            .expect("a repeat changes nothing");
        if let Some(quota) = quota_of_kernel(&id) {
            assert_eq!(quota, "10000");
        }

        let late = after_a_crash(&armed);
        let removed = site.recovering().undo(&late).await.expect("it is undone");
        assert_eq!(removed.by, UndoneBy::Us, "{}", removed.evidence);
        assert_eq!(site.seen(&id).await, before);
        let repeated = site.recovering().undo(&late).await.expect("nothing to do");
        assert_eq!(repeated.by, UndoneBy::Other);
        assert_eq!(site.seen(&id).await, before);
        match site.driver.look(&late).await {
            Ok(Presence::Gone(_)) => {}
            other => panic!("{other:?}"),
        }
    })
    .await;
}

#[tokio::test]
async fn processor_time_without_a_limit_is_free_again_afterwards_and_stays_so_over_a_restart() {
    on_site(|site| async move {
        let id = site.running("").await;
        let armed = site.armed(squeeze(None, Some(50))).await;
        site.driver.apply(&armed).await.expect("it is squeezed");
        assert_eq!(site.seen(&id).await.limits.cpu_quota, 5_000);
        let removed = site.driver.undo(&armed).await.expect("it is undone");
        assert_eq!(removed.by, UndoneBy::Us);
        assert!(
            removed.evidence.ends_with("no limit of processor time"),
            "{}",
            removed.evidence
        );
        let daemon = Daemon::reach(HOST).await.expect("the daemon");
        for _ in 0..2 {
            if let Some(quota) = quota_of_kernel(&id) {
                assert_eq!(quota, "-1");
            }
            daemon.restart(&id).await.expect("it restarts");
        }
    })
    .await;
}

#[tokio::test]
async fn a_number_of_processors_is_given_again() {
    on_site(|site| async move {
        let config = HostConfig {
            nano_cpus: Some(1_000_000_000),
            ..HostConfig::default()
        };
        let id = site.create("", config).await;
        site.start(&id).await;
        let before = site.seen(&id).await;
        let armed = site.armed(squeeze(None, Some(250))).await;
        site.driver.apply(&armed).await.expect("it is squeezed");
        assert_eq!(site.seen(&id).await.limits.nano_cpus, 250_000_000);
        site.driver.undo(&armed).await.expect("it is undone");
        assert_eq!(site.seen(&id).await, before);
    })
    .await;
}

#[tokio::test]
async fn a_container_without_a_memory_limit_is_refused_because_docker_could_not_take_one_away() {
    on_site(|site| async move {
        let id = site.running("").await;
        let before = site.seen(&id).await;
        let refused = site.refused(squeeze(Some(64 * MIB), Some(100))).await;
        assert!(refused.contains("it has no memory limit"), "{refused}");
        // What the daemon answers is why: were it to change, so might this.
        let daemon = Daemon::reach(HOST).await.expect("the daemon");
        let limit = |memory: i64, swap: i64| bollard::models::ContainerUpdateBody {
            memory: Some(memory),
            memory_swap: Some(swap),
            ..bollard::models::ContainerUpdateBody::default()
        };
        daemon
            .update(&id, limit(64 * MIB, 64 * MIB))
            .await
            .expect("it is limited");
        let lifted = daemon.update(&id, limit(-1, -1)).await;
        assert!(
            lifted.is_err(),
            "it can be lifted: then it need not be refused"
        );
        daemon
            .update(&id, limit(0, 0))
            .await
            .expect("zero says nothing");
        assert_eq!(site.seen(&id).await.limits.memory, 64 * MIB);
        assert_ne!(site.seen(&id).await, before);
    })
    .await;
}

#[tokio::test]
async fn limits_that_somebody_else_has_set_since_stay_and_restarts_change_nothing() {
    on_site(|site| async move {
        let id = site.create("", limited()).await;
        site.start(&id).await;
        let armed = site.armed(squeeze(Some(64 * MIB), Some(100))).await;
        site.driver.apply(&armed).await.expect("it is squeezed");
        let daemon = Daemon::reach(HOST).await.expect("the daemon");
        daemon.restart(&id).await.expect("somebody restarts it");
        assert_eq!(site.driver.look(&armed).await, Ok(Presence::Present));
        let theirs = bollard::models::ContainerUpdateBody {
            cpu_quota: Some(30_000),
            ..bollard::models::ContainerUpdateBody::default()
        };
        daemon
            .update(&id, theirs)
            .await
            .expect("somebody sets another limit");
        match site.driver.look(&armed).await {
            Ok(Presence::Gone(why)) => assert!(why.contains("30000 of 100000"), "{why}"),
            other => panic!("{other:?}"),
        }
        site.driver.undo(&armed).await.expect("the rest is undone");
        let after = site.seen(&id).await.limits;
        assert_eq!((after.memory, after.cpu_quota), (128 * MIB, 30_000));
        let repeated = site
            .driver
            .undo(&armed)
            .await
            .expect("nothing of ours is left");
        assert!(
            repeated
                .evidence
                .ends_with("somebody else has set that since, and it stays"),
            "{}",
            repeated.evidence
        );
    })
    .await;
}

#[tokio::test]
async fn a_stopped_container_gets_its_limits_back_and_a_removed_one_is_told() {
    on_site(|site| async move {
        let id = site.create("", limited()).await;
        site.start(&id).await;
        let armed = site.armed(squeeze(Some(64 * MIB), None)).await;
        site.driver.apply(&armed).await.expect("it is squeezed");
        let daemon = Daemon::reach(HOST).await.expect("the daemon");
        daemon.stop(&id).await.expect("somebody stops it");
        let removed = site.driver.undo(&armed).await.expect("it is undone");
        assert_eq!(removed.by, UndoneBy::Us);
        assert_eq!(site.seen(&id).await.limits.memory, 128 * MIB);
        site.remove(&id).await;
        let removed = site.driver.undo(&armed).await.expect("it is gone");
        assert!(
            removed.evidence.ends_with("was removed"),
            "{}",
            removed.evidence
        );
    })
    .await;
}
