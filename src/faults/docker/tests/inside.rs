//! Commands in real containers: done, checked, undone, whatever becomes of the container meanwhile.

use super::*;
use crate::model::container::{Check, Exec};
use crate::model::time::Millis;

fn words(text: &str) -> Vec<String> {
    let mut words = vec!["/bin/busybox".to_owned()];
    words.extend(text.split(' ').map(str::to_owned));
    words
}

fn check(command: &str, exit: u8) -> Check {
    Check {
        run: words(command),
        exit,
        within: Millis::seconds(1),
    }
}

/// A mark in the container, with what shows it.
fn marking() -> Exec {
    Exec {
        act: words("touch /mark"),
        verify: Some(check("test -e /mark", 0)),
        undo: words("rm -f /mark"),
        verify_undone: Some(check("test -e /mark", 1)),
    }
}

fn inside(exec: Exec) -> ContainerAction {
    ContainerAction::Exec(Box::new(exec))
}

async fn is_marked(id: &str) -> bool {
    let daemon = Daemon::reach(HOST).await.expect("the daemon");
    let ran = daemon.run_inside(id, &words("test -e /mark")).await;
    ran.expect("it runs").code == Some(0)
}

#[tokio::test]
async fn a_command_is_done_and_undone_in_another_process_and_a_repeat_is_harmless() {
    on_site(|site| async move {
        let id = site.running("").await;
        let armed = site.armed(inside(marking())).await;
        let applied = site.driver.apply(&armed).await.expect("it is done");
        assert!(
            applied
                .evidence
                .starts_with("program /bin/busybox in container ")
                && applied.evidence.ends_with("exited with 0"),
            "{}",
            applied.evidence
        );
        assert!(is_marked(&id).await);
        assert_eq!(site.driver.look(&armed).await, Ok(Presence::Present));
        let again = site
            .driver
            .apply(&armed)
            .await
            .expect("it is only looked at");
        assert_eq!(again.sent, applied.sent);
        let late = after_a_crash(&armed);
        for _ in 0..2 {
            let removed = site.recovering().undo(&late).await.expect("it is undone");
            assert_eq!(removed.by, UndoneBy::Us);
            assert!(!is_marked(&id).await);
        }
        match site.driver.look(&armed).await {
            Ok(Presence::Gone(why)) => assert!(why.ends_with("exit 1, expected exit 0"), "{why}"),
            other => panic!("{other:?}"),
        }
    })
    .await;
}

#[tokio::test]
async fn a_command_that_fails_or_is_not_there_tells_what_it_said() {
    on_site(|site| async move {
        let _id = site.running("").await;
        let script = "busybox echo no way out >&2; exit 7";
        let says = Exec {
            act: ["/bin/busybox", "sh", "-c", script]
                .map(str::to_owned)
                .to_vec(),
            ..marking()
        };
        let armed = site.armed(inside(says)).await;
        let refused = site.driver.apply(&armed).await.expect_err("it fails");
        assert!(
            refused
                .to_string()
                .ends_with("refused: exit 7; it said: no way out"),
            "{refused}"
        );
        let absent = Exec {
            act: vec!["/no/such/program".to_owned()],
            ..marking()
        };
        let armed = site.armed(inside(absent)).await;
        let refused = site
            .driver
            .apply(&armed)
            .await
            .expect_err("it is not there");
        assert!(
            refused.to_string().contains("/no/such/program"),
            "{refused}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_check_that_never_holds_is_an_error() {
    on_site(|site| async move {
        let id = site.running("").await;
        let unmet = Exec {
            verify: Some(check("test -e /other", 0)),
            ..marking()
        };
        let armed = site.armed(inside(unmet)).await;
        let error = site
            .driver
            .apply(&armed)
            .await
            .expect_err("it does not hold");
        assert!(matches!(error, FaultError::ReadBack { .. }), "{error}");
        site.driver.undo(&armed).await.expect("it is undone");
        assert!(!is_marked(&id).await);
    })
    .await;
}

#[tokio::test]
async fn what_a_command_did_is_undone_after_a_restart_and_waits_for_a_container_that_is_down() {
    on_site(|site| async move {
        let id = site.running("").await;
        let armed = site.armed(inside(marking())).await;
        site.driver.apply(&armed).await.expect("it is done");
        let daemon = Daemon::reach(HOST).await.expect("the daemon");
        daemon.kill(&id).await.expect("somebody kills it");
        let waits = site.driver.undo(&armed).await.expect_err("it does not run");
        assert!(
            waits
                .to_string()
                .contains("commands run only in a running one"),
            "{waits}"
        );
        site.start(&id).await;
        assert!(is_marked(&id).await, "it outlives a restart");
        site.driver.undo(&armed).await.expect("it is undone");
        assert!(!is_marked(&id).await);
        site.remove(&id).await;
        let removed = site
            .driver
            .undo(&armed)
            .await
            .expect("it went with its container");
        assert_eq!(removed.by, UndoneBy::Other);
    })
    .await;
}
