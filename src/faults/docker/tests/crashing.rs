//! Crashes of real containers, from this machine and from inside, with and without a policy that restarts them.

use std::net::{Shutdown, TcpListener};
use std::os::unix::net::UnixStream;

use super::*;
use crate::model::container::CrashSignal;

const CRASH: ContainerAction = ContainerAction::Crash(CrashSignal::Kill);

/// Reaches the daemon as if it were far away: nothing but its API is told through this.
fn far_away() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let host = format!("tcp://{}", listener.local_addr().expect("its address"));
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let socket = HOST.trim_start_matches("unix://");
            let (Ok(client), Ok(daemon)) = (client, UnixStream::connect(socket)) else {
                continue;
            };
            let there = (client.try_clone(), daemon.try_clone());
            let (Ok(mut from), Ok(mut to)) = there else {
                continue;
            };
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Write);
            });
            let (mut from, mut to) = (daemon, client);
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Write);
            });
        }
    });
    host
}

async fn until(site: &Site, id: &str, what: &str, wanted: impl Fn(&Seen) -> bool) -> Seen {
    for _ in 0..200 {
        let seen = site.seen(id).await;
        if wanted(&seen) {
            return seen;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{what}: {:?}", site.seen(id).await);
}

#[tokio::test]
async fn a_crashed_container_without_a_policy_stays_down_until_it_is_started_and_that_is_said() {
    on_site(|site| async move {
        let id = site.running("").await;
        let armed = site.armed(CRASH).await;
        let applied = site.driver.apply(&armed).await.expect("it dies");
        assert!(
            applied
                .evidence
                .contains("exited with 137; it has no restart policy"),
            "{}",
            applied.evidence
        );
        assert_eq!(site.driver.look(&armed).await, Ok(Presence::Present));
        let again = site
            .driver
            .apply(&armed)
            .await
            .expect("a repeat changes nothing");
        assert_eq!(again.sent, applied.sent);

        let late = after_a_crash(&armed);
        let removed = site.recovering().undo(&late).await.expect("it is started");
        assert_eq!(removed.by, UndoneBy::Us, "{}", removed.evidence);
        let after = site.seen(&id).await;
        assert!(after.running);
        let repeated = site.recovering().undo(&late).await.expect("it runs");
        assert_eq!(repeated.by, UndoneBy::Other);
        assert!(
            repeated.evidence.ends_with("and not by its restart policy"),
            "{}",
            repeated.evidence
        );
        assert_eq!(site.seen(&id).await, after);
    })
    .await;
}

#[tokio::test]
async fn a_crash_lets_the_restart_policy_act_which_a_kill_does_not_and_tells_so() {
    on_site(|site| async move {
        let id = site
            .create("", restarted(RestartPolicyNameEnum::ALWAYS))
            .await;
        site.start(&id).await;
        let before = site.seen(&id).await;
        let armed = site.armed(CRASH).await;
        let applied = site.driver.apply(&armed).await.expect("it dies");
        assert!(
            applied.evidence.contains("its restart policy `always` "),
            "{}",
            applied.evidence
        );
        let revived = |seen: &Seen| seen.running && !seen.restarting && seen.restarts == 1;
        let after = until(&site, &id, "its policy starts it", revived).await;
        assert_ne!(after.started_at, before.started_at);
        assert_ne!(after.pid, before.pid);
        // It has died, whatever became of it: the fault is not lost.
        assert_eq!(site.driver.look(&armed).await, Ok(Presence::Present));
        let removed = site.recovering().undo(&after_a_crash(&armed)).await;
        let removed = removed.expect("there is nothing to do");
        assert_eq!(removed.by, UndoneBy::Other);
        assert!(
            removed
                .evidence
                .ends_with("its restart policy `always` has started it again"),
            "{}",
            removed.evidence
        );
        assert_eq!(site.seen(&id).await, after);
    })
    .await;
}

#[tokio::test]
async fn a_container_whose_policy_waits_ever_longer_is_started_at_once_when_the_crash_is_undone() {
    on_site(|site| async move {
        let id = site
            .create("", restarted(RestartPolicyNameEnum::ALWAYS))
            .await;
        site.start(&id).await;
        for nth in 1..=5 {
            let armed = site.armed(CRASH).await;
            site.driver.apply(&armed).await.expect("it dies");
            let revived = |seen: &Seen| seen.running && !seen.restarting && seen.restarts == nth;
            until(&site, &id, "its policy starts it", revived).await;
        }
        // The policy would wait for more than three seconds now.
        let armed = site.armed(CRASH).await;
        site.driver.apply(&armed).await.expect("it dies");
        assert!(site.seen(&id).await.restarting);
        let late = after_a_crash(&armed);
        let removed = site.recovering().undo(&late).await.expect("it is started");
        assert_eq!(removed.by, UndoneBy::Us, "{}", removed.evidence);
        let after = site.seen(&id).await;
        assert!(after.running && !after.restarting && after.restarts == 0);
        let repeated = site.recovering().undo(&late).await.expect("it runs");
        assert_eq!(repeated.by, UndoneBy::Other);
        assert_eq!(site.seen(&id).await, after);
    })
    .await;
}

#[tokio::test]
async fn what_ends_again_after_its_policy_has_started_it_is_not_ours() {
    on_site(|site| async move {
        let id = site
            .create("", restarted(RestartPolicyNameEnum::ON_FAILURE))
            .await;
        site.start(&id).await;
        let armed = site.armed(CRASH).await;
        site.driver.apply(&armed).await.expect("it dies");
        until(&site, &id, "its policy starts it", |seen| {
            seen.running && !seen.restarting && seen.restarts == 1
        })
        .await;
        let daemon = Daemon::reach(HOST).await.expect("the daemon");
        daemon.stop(&id).await.expect("somebody stops it");
        let removed = site.driver.undo(&armed).await.expect("it is theirs");
        assert_eq!(removed.by, UndoneBy::Other);
        assert!(
            removed.evidence.ends_with("this end is not ours"),
            "{}",
            removed.evidence
        );
        assert!(!site.seen(&id).await.running);
    })
    .await;
}

#[tokio::test]
async fn a_signal_that_the_first_process_does_not_handle_is_refused_before_anything_is_touched() {
    on_site(|site| async move {
        let id = site.running("").await;
        let before = site.seen(&id).await;
        let refused = site
            .refused(ContainerAction::Crash(CrashSignal::Segv))
            .await;
        assert!(refused.contains("does not handle SIGSEGV"), "{refused}");
        assert_eq!(site.seen(&id).await, before);
        let armed = site.armed(ContainerAction::Crash(CrashSignal::Term)).await;
        let applied = site.driver.apply(&armed).await.expect("it handles that");
        assert!(
            applied.evidence.contains("exited with 0"),
            "{}",
            applied.evidence
        );
        let removed = site.driver.undo(&armed).await.expect("it is started");
        assert_eq!(removed.by, UndoneBy::Us);
    })
    .await;
}

#[tokio::test]
async fn from_far_away_a_signal_goes_through_the_container_and_one_that_is_ignored_is_noticed() {
    on_site(|site| async move {
        let host = far_away();
        let script = "busybox --install -s /bin; trap 'exit 3' TERM; while :; do sleep 0.1; done";
        let id = site.create_of("", HostConfig::default(), script).await;
        site.start(&id).await;
        let by = |signal| site.by_name(ContainerAction::Crash(signal));
        let kill = site.capture_at(&host, &run(), &by(CrashSignal::Kill)).await;
        let refused = kill.expect_err("it can't work").to_string();
        assert!(
            refused.contains("SIGKILL never reaches a container's first process"),
            "{refused}"
        );

        let crash = async |signal| {
            let (run, injection) = (run(), by(signal));
            let token = site.capture_at(&host, &run, &injection).await;
            arm(
                &run,
                &injection,
                token.expect("it is captured"),
                &site.clock,
            )
        };
        let before = site.seen(&id).await;
        let ignored = crash(CrashSignal::Hup).await;
        let error = site
            .driver
            .apply(&ignored)
            .await
            .expect_err("it is ignored");
        assert!(
            error
                .to_string()
                .contains("SIGHUP did not end its first process"),
            "{error}"
        );
        assert_eq!(site.seen(&id).await, before);
        let removed = site.driver.undo(&ignored).await.expect("it runs");
        assert_eq!(removed.by, UndoneBy::Other);

        let armed = crash(CrashSignal::Term).await;
        let applied = site.driver.apply(&armed).await.expect("it dies");
        assert!(
            applied.evidence.contains("exited with 3"),
            "{}",
            applied.evidence
        );
        let removed = site.recovering().undo(&after_a_crash(&armed)).await;
        assert_eq!(removed.expect("it is started").by, UndoneBy::Us);
        assert!(site.seen(&id).await.running);
    })
    .await;
}

#[tokio::test]
async fn a_container_without_a_program_to_signal_with_is_told() {
    on_site(|site| async move {
        let host = far_away();
        let id = site.running("").await;
        let (run, injection) = (
            run(),
            site.by_name(ContainerAction::Crash(CrashSignal::Term)),
        );
        let token = site.capture_at(&host, &run, &injection).await;
        let armed = arm(
            &run,
            &injection,
            token.expect("it is captured"),
            &site.clock,
        );
        let error = site
            .driver
            .apply(&armed)
            .await
            .expect_err("there is no kill");
        assert!(matches!(error, FaultError::Refused { .. }), "{error}");
        assert!(error.to_string().contains("kill"), "{error}");
        assert!(site.seen(&id).await.running);
    })
    .await;
}

#[tokio::test]
async fn a_container_that_was_restarted_since_it_was_captured_is_not_crashed() {
    on_site(|site| async move {
        let id = site.running("").await;
        let armed = site.armed(CRASH).await;
        let daemon = Daemon::reach(HOST).await.expect("the daemon");
        daemon.restart(&id).await.expect("somebody restarts it");
        let theirs = site.seen(&id).await;
        let error = site
            .driver
            .apply(&armed)
            .await
            .expect_err("it is another start");
        assert!(matches!(error, FaultError::Foreign { .. }), "{error}");
        let removed = site
            .driver
            .undo(&armed)
            .await
            .expect("there is nothing to undo");
        assert_eq!(removed.by, UndoneBy::Other);
        assert_eq!(site.seen(&id).await, theirs);
    })
    .await;
}
