//! The driver against a real Docker daemon, on containers of the tests' own.
//!
//! The image is imported from a tar that holds a static busybox, so that no registry is needed. Without a daemon or a
//! busybox the tests say that they did not run; with `CI` set they fail.

use std::collections::HashMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};

use bollard::models::{ContainerCreateBody, HostConfig, RestartPolicy, RestartPolicyNameEnum};
use bollard::query_parameters::{
    CreateContainerOptions, CreateImageOptions, ListContainersOptions, RemoveContainerOptions,
    StartContainerOptions,
};
use bollard::{API_DEFAULT_VERSION, Docker};
use futures_util::{FutureExt, TryStreamExt};

use super::super::proving::{Ticking, after_a_crash, arm, clock, injection, run, stack};
use super::*;

const HOST: &str = "unix:///var/run/docker.sock";
const IMAGE: &str = "firedrill-test";
/// Every container of the tests carries this.
const LABEL: &str = "firedrill.test";

mod crashing;
mod disconnect;
mod inside;
mod partition;
mod squeezing;
mod yard;

static NEXT: AtomicU64 = AtomicU64::new(0);
static IMPORTED: tokio::sync::OnceCell<()> = tokio::sync::OnceCell::const_new();

/// A daemon with the tests' image, and a name that no other test has.
struct Site {
    docker: Docker,
    name: String,
    clock: Arc<Ticking>,
    driver: DockerDriver,
}

/// Runs a test on a daemon, and removes its containers whatever comes of it.
async fn on_site<F: Future<Output = ()>>(test: impl FnOnce(Arc<Site>) -> F) {
    let docker = match reach().await {
        Ok(docker) => docker,
        Err(why) => {
            assert!(std::env::var_os("CI").is_none(), "CI needs Docker: {why}");
            println!("NOT RUN: this test needs a Docker daemon and a static busybox: {why}");
            return;
        }
    };
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    let clock = clock();
    let site = Arc::new(Site {
        docker,
        name: format!("firedrill-test-{}-{next}", std::process::id()),
        driver: DockerDriver::new(Arc::<Ticking>::clone(&clock)),
        clock,
    });
    let outcome = AssertUnwindSafe(Box::pin(test(Arc::clone(&site))))
        .catch_unwind()
        .await;
    let left = site.clear().await;
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
    left.expect("the tests' containers are removed");
}

async fn reach() -> Result<Docker, String> {
    let docker = Docker::connect_with_unix(HOST, 20, API_DEFAULT_VERSION)
        .map_err(|error| error.to_string())?
        .negotiate_version()
        .await
        .map_err(|error| error.to_string())?;
    IMPORTED.get_or_try_init(|| import(&docker)).await?;
    Ok(docker)
}

async fn import(docker: &Docker) -> Result<(), String> {
    if docker.inspect_image(IMAGE).await.is_ok() {
        return Ok(());
    }
    let busybox =
        std::fs::read("/bin/busybox").map_err(|error| format!("/bin/busybox: {error}"))?;
    let options = CreateImageOptions {
        from_src: Some("-".to_owned()),
        repo: Some(IMAGE.to_owned()),
        tag: Some("latest".to_owned()),
        ..CreateImageOptions::default()
    };
    docker
        .create_image(
            Some(options),
            Some(bollard::body_full(tar("bin/busybox", &busybox).into())),
            None,
        )
        .try_collect::<Vec<_>>()
        .await
        .map(drop)
        .map_err(|error| error.to_string())
}

/// An archive of one program, as POSIX's ustar lays it out.
fn tar(path: &str, program: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; 512];
    let mut put =
        |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, path);
    put(100, "0000755\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{:011o}\0", program.len()));
    put(136, "00000000000\0");
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut archive = header.to_vec();
    archive.extend_from_slice(program);
    archive.resize(archive.len().next_multiple_of(512) + 1024, 0);
    archive
}

impl Site {
    /// A container that stops at once when asked, with labels of its own.
    async fn create(&self, suffix: &str, host_config: HostConfig) -> String {
        self.create_with(suffix, host_config, "exit 0").await
    }

    /// A container that does this when asked to stop.
    async fn create_with(&self, suffix: &str, host_config: HostConfig, on_stop: &str) -> String {
        let script = format!("trap '{on_stop}' TERM; while :; do busybox sleep 0.1; done");
        self.create_of(suffix, host_config, &script).await
    }

    /// A container of a shell's own.
    async fn create_of(&self, suffix: &str, host_config: HostConfig, script: &str) -> String {
        let name = format!("{}{suffix}", self.name);
        let command = ["/bin/busybox", "sh", "-c", script];
        let body = ContainerCreateBody {
            image: Some(IMAGE.to_owned()),
            cmd: Some(command.map(ToOwned::to_owned).to_vec()),
            env: Some(vec!["PATH=/bin".to_owned()]),
            labels: Some(HashMap::from([
                (LABEL.to_owned(), "1".to_owned()),
                ("firedrill.test.site".to_owned(), self.name.clone()),
            ])),
            host_config: Some(HostConfig {
                network_mode: Some("none".to_owned()),
                ..host_config
            }),
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptions {
            name: Some(name.clone()),
            ..CreateContainerOptions::default()
        };
        self.docker
            .create_container(Some(options), body)
            .await
            .expect("it is created")
            .id
    }

    async fn running(&self, suffix: &str) -> String {
        let id = self.create(suffix, HostConfig::default()).await;
        self.start(&id).await;
        id
    }

    async fn start(&self, id: &str) {
        self.docker
            .start_container(id, None::<StartContainerOptions>)
            .await
            .expect("it starts");
    }

    async fn remove(&self, id: &str) {
        let options = RemoveContainerOptions {
            force: true,
            ..RemoveContainerOptions::default()
        };
        self.docker
            .remove_container(id, Some(options))
            .await
            .expect("it is removed");
    }

    async fn seen(&self, id: &str) -> Seen {
        Daemon::reach(HOST)
            .await
            .expect("the daemon")
            .inspect(id)
            .await
            .expect("an answer")
            .expect("a container")
    }

    async fn clear(&self) -> Result<(), bollard::errors::Error> {
        let options = ListContainersOptions {
            all: true,
            filters: Some(HashMap::from([(
                "label".to_owned(),
                vec![format!("firedrill.test.site={}", self.name)],
            )])),
            ..ListContainersOptions::default()
        };
        for one in self.docker.list_containers(Some(options)).await? {
            let id = one.id.unwrap_or_default();
            let options = RemoveContainerOptions {
                force: true,
                ..RemoveContainerOptions::default()
            };
            self.docker.remove_container(&id, Some(options)).await?;
        }
        Ok(())
    }

    fn by_name(&self, action: ContainerAction) -> Injection {
        container(ContainerSelector::Name(self.name.clone()), action)
    }

    fn by_label(&self, action: ContainerAction) -> Injection {
        container(
            ContainerSelector::Label(format!("firedrill.test.site={}", self.name)),
            action,
        )
    }

    async fn capture(&self, run: &RunId, injection: &Injection) -> Result<Token, FaultError> {
        self.capture_at(HOST, run, injection).await
    }

    async fn capture_at(
        &self,
        host: &str,
        run: &RunId,
        injection: &Injection,
    ) -> Result<Token, FaultError> {
        let mut stack = stack("http://127.0.0.1:1", Vec::new());
        stack.docker = Some(host.to_owned());
        self.driver.capture(run, &stack, injection).await
    }

    /// Why it is refused before anything is touched.
    async fn refused(&self, action: ContainerAction) -> String {
        match self.capture(&run(), &self.by_name(action)).await {
            Ok(token) => panic!("it was captured: {token:?}"),
            Err(error) => error.to_string(),
        }
    }

    /// What a process that starts after this one died finds, and undoes.
    fn recovering(&self) -> DockerDriver {
        DockerDriver::new(Arc::<Ticking>::clone(&self.clock))
    }

    async fn armed(&self, action: ContainerAction) -> Armed {
        let (run, injection) = (run(), self.by_name(action));
        let token = self
            .capture(&run, &injection)
            .await
            .expect("it is captured");
        arm(&run, &injection, token, &self.clock)
    }
}

fn restarted(policy: RestartPolicyNameEnum) -> HostConfig {
    HostConfig {
        restart_policy: Some(RestartPolicy {
            name: Some(policy),
            maximum_retry_count: None,
        }),
        ..HostConfig::default()
    }
}

fn container(selector: ContainerSelector, action: ContainerAction) -> Injection {
    injection(
        "hit-signer",
        Act::Container {
            service: "signer".parse().expect("a name"),
            selector,
            action,
        },
    )
}

/// Done, seen, repeated, undone by another process from the token alone, repeated: and then it runs as before.
async fn there_and_back(site: &Site, action: ContainerAction) {
    let id = site.running("").await;
    let before = site.seen(&id).await;
    let armed = site.armed(action.clone()).await;
    let applied = site.driver.apply(&armed).await.expect("it is applied");
    assert!(applied.sent.is_before(&applied.effective));
    assert_eq!(site.driver.look(&armed).await, Ok(Presence::Present));
    let during = site.seen(&id).await;
    let again = site
        .driver
        .apply(&armed)
        .await
        .expect("a repeat changes nothing");
    assert_eq!(again.sent, applied.sent);
    assert_eq!(site.seen(&id).await, during);
    match action {
        ContainerAction::Kill => assert_eq!((during.running, during.exit_code), (false, Some(137))),
        ContainerAction::Stop => assert_eq!((during.running, during.exit_code), (false, Some(0))),
        ContainerAction::Pause => assert!(during.paused),
        ContainerAction::Restart => {
            assert!(during.running && during.started_at != before.started_at);
        }
        _ => unreachable!("they have tests of their own"),
    }

    let recovering = DockerDriver::new(Arc::<Ticking>::clone(&site.clock));
    let late = after_a_crash(&armed);
    let removed = recovering.undo(&late).await.expect("it is undone");
    assert_eq!(removed.by, UndoneBy::Us, "{}", removed.evidence);
    let after = site.seen(&id).await;
    assert!(after.running && !after.paused, "{}", after.state());
    let repeated = recovering
        .undo(&late)
        .await
        .expect("a repeat finds nothing to do");
    if action != ContainerAction::Restart {
        assert_eq!(repeated.by, UndoneBy::Other, "{}", repeated.evidence);
        assert!(matches!(
            recovering.look(&late).await,
            Ok(Presence::Gone(_))
        ));
    }
    assert_eq!(
        site.seen(&id).await,
        after,
        "a repeated undo changes nothing"
    );
}

#[tokio::test]
async fn a_killed_container_is_started_again() {
    on_site(|site| async move { there_and_back(&site, ContainerAction::Kill).await }).await;
}

#[tokio::test]
async fn a_stopped_container_is_started_again() {
    on_site(|site| async move { there_and_back(&site, ContainerAction::Stop).await }).await;
}

#[tokio::test]
async fn a_paused_container_is_unpaused() {
    on_site(|site| async move { there_and_back(&site, ContainerAction::Pause).await }).await;
}

#[tokio::test]
async fn a_restarted_container_runs_since_another_time() {
    on_site(|site| async move { there_and_back(&site, ContainerAction::Restart).await }).await;
}

#[tokio::test]
async fn a_container_that_will_not_stop_is_killed_within_the_calls_deadline() {
    on_site(|site| async move {
        let hit = async |suffix: &str, action: ContainerAction| {
            let id = site.create_with(suffix, HostConfig::default(), ":").await;
            site.start(&id).await;
            let name = ContainerSelector::Name(format!("{}{suffix}", site.name));
            let (run, injection) = (run(), container(name, action));
            let token = site
                .capture(&run, &injection)
                .await
                .expect("it is captured");
            let armed = arm(&run, &injection, token, &site.clock);
            site.driver.apply(&armed).await.expect("it is done in time");
            assert_eq!(site.driver.look(&armed).await, Ok(Presence::Present));
            let removed = site.driver.undo(&armed).await.expect("it is undone");
            assert_eq!(removed.by, UndoneBy::Us);
        };
        tokio::join!(
            Box::pin(hit("-s", ContainerAction::Stop)),
            Box::pin(hit("-r", ContainerAction::Restart))
        );
    })
    .await;
}

#[tokio::test]
async fn an_undo_of_what_was_never_applied_touches_nothing() {
    on_site(|site| async move {
        let id = site.running("").await;
        let before = site.seen(&id).await;
        for action in [
            ContainerAction::Kill,
            ContainerAction::Stop,
            ContainerAction::Pause,
            ContainerAction::Restart,
        ] {
            let armed = after_a_crash(&site.armed(action).await);
            let removed = site
                .driver
                .undo(&armed)
                .await
                .expect("there is nothing to undo");
            assert_eq!(removed.by, UndoneBy::Other, "{}", removed.evidence);
            let refused = site
                .driver
                .apply(&armed)
                .await
                .expect_err("its process is dead");
            assert!(
                refused.to_string().ends_with("its deadline has passed"),
                "{refused}"
            );
        }
        assert_eq!(site.seen(&id).await, before);
    })
    .await;
}

#[tokio::test]
async fn a_kill_suppresses_the_restart_policy_and_says_so() {
    on_site(|site| async move {
        let always = restarted(RestartPolicyNameEnum::ALWAYS);
        let id = site.create("", always).await;
        site.start(&id).await;
        let armed = site.armed(ContainerAction::Kill).await;
        let applied = site.driver.apply(&armed).await.expect("it is killed");
        assert!(
            applied
                .evidence
                .ends_with("restart policy `always` is suppressed until it is started"),
            "{}",
            applied.evidence
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(site.driver.look(&armed).await, Ok(Presence::Present));
        let removed = site.driver.undo(&armed).await.expect("it is started");
        assert_eq!(removed.by, UndoneBy::Us);
    })
    .await;
}

#[tokio::test]
async fn a_container_that_somebody_else_started_is_left_as_it_is() {
    on_site(|site| async move {
        let id = site.running("").await;
        let armed = site.armed(ContainerAction::Kill).await;
        site.driver.apply(&armed).await.expect("it is killed");
        site.start(&id).await;
        let theirs = site.seen(&id).await;
        match site.driver.look(&armed).await {
            Ok(Presence::Gone(why)) => assert!(why.contains("running since"), "{why}"),
            other => panic!("{other:?}"),
        }
        let refused = site
            .driver
            .apply(&armed)
            .await
            .expect_err("it is not killed twice");
        assert!(matches!(refused, FaultError::Foreign { .. }), "{refused}");
        let removed = site
            .driver
            .undo(&armed)
            .await
            .expect("nothing is left to undo");
        assert_eq!(removed.by, UndoneBy::Other);
        assert_eq!(site.seen(&id).await, theirs);
    })
    .await;
}

#[tokio::test]
async fn a_container_that_took_over_the_name_is_never_touched() {
    on_site(|site| async move {
        let id = site.running("").await;
        let armed = site.armed(ContainerAction::Kill).await;
        site.driver.apply(&armed).await.expect("it is killed");
        site.remove(&id).await;
        let successor = site.create("", HostConfig::default()).await;
        match site.driver.look(&armed).await {
            Ok(Presence::Gone(why)) => assert!(why.contains(short(&successor)), "{why}"),
            other => panic!("{other:?}"),
        }
        let removed = site.driver.undo(&armed).await.expect("ours is gone");
        assert_eq!(removed.by, UndoneBy::Other);
        assert!(
            removed
                .evidence
                .ends_with("has its name now and is not touched"),
            "{}",
            removed.evidence
        );
        assert_eq!(site.seen(&successor).await.status, "created");
        site.remove(&successor).await;
        let removed = site.driver.undo(&armed).await.expect("ours is gone");
        assert!(
            removed.evidence.ends_with("was removed"),
            "{}",
            removed.evidence
        );
        let missing = site.driver.apply(&armed).await.expect_err("ours is gone");
        assert!(matches!(missing, FaultError::Missing { .. }), "{missing}");
    })
    .await;
}

#[tokio::test]
async fn a_pause_by_somebody_else_after_a_restart_is_not_ours() {
    on_site(|site| async move {
        let id = site.running("").await;
        let armed = site.armed(ContainerAction::Pause).await;
        site.driver.apply(&armed).await.expect("it is paused");
        let daemon = Daemon::reach(HOST).await.expect("the daemon");
        daemon.unpause(&id).await.expect("it is unpaused");
        daemon.restart(&id).await.expect("it is restarted");
        daemon.pause(&id).await.expect("it is paused");
        let removed = site.driver.undo(&armed).await.expect("ours is gone");
        assert_eq!(removed.by, UndoneBy::Other);
        assert!(site.seen(&id).await.paused);
    })
    .await;
}

#[tokio::test]
async fn a_container_that_died_before_it_was_hit_is_not_ours() {
    on_site(|site| async move {
        let id = site.running("").await;
        let armed = site.armed(ContainerAction::Stop).await;
        let daemon = Daemon::reach(HOST).await.expect("the daemon");
        daemon.kill(&id).await.expect("it dies");
        let refused = site
            .driver
            .apply(&armed)
            .await
            .expect_err("it does not run");
        assert!(matches!(refused, FaultError::Foreign { .. }), "{refused}");
    })
    .await;
}

#[tokio::test]
async fn a_selector_must_mean_one_running_container() {
    on_site(|site| async move {
        let run = run();
        let kill = || ContainerAction::Kill;
        let refused = async |injection: Injection| match site.capture(&run, &injection).await {
            Ok(token) => panic!("it was captured: {token:?}"),
            Err(error) => error.to_string(),
        };
        assert!(refused(site.by_name(kill())).await.starts_with(&format!(
            "container {} of signer is not there; hint: ",
            site.name
        )));
        let one = site.running("-a").await;
        let captured = site
            .capture(&run, &site.by_label(kill()))
            .await
            .expect("there is one");
        assert_eq!(captured.0["id"], one);
        let _stopped = site.create("-b", HostConfig::default()).await;
        site.capture(&run, &site.by_label(kill()))
            .await
            .expect("one runs");
        site.running("-c").await;
        let several = refused(site.by_label(kill())).await;
        assert!(
            several.contains("it must be one, and matches ")
                && several.contains(&format!("{}-a (running)", site.name))
                && several.contains(&format!("{}-c (running)", site.name))
                && !several.contains(&format!("{}-b", site.name)),
            "{several}"
        );
        let by_name = |suffix: &str| {
            container(
                ContainerSelector::Name(format!("{}{suffix}", site.name)),
                kill(),
            )
        };
        let stopped = refused(by_name("-b")).await;
        assert!(
            stopped.contains("only a running one can be disturbed"),
            "{stopped}"
        );
        let daemon = Daemon::reach(HOST).await.expect("the daemon");
        daemon.pause(&one).await.expect("it is paused");
        let paused = refused(by_name("-a")).await;
        assert!(paused.contains("it is paused since"), "{paused}");
    })
    .await;
}

#[tokio::test]
async fn a_drawn_container_is_known_by_its_name_and_by_how_it_was_found() {
    on_site(|site| async move {
        let one = site.running("-a").await;
        site.running("-b").await;
        let name = format!("{}-a", site.name);
        let site_label = ContainerSelector::Label(format!("firedrill.test.site={}", site.name));
        let drawn = |of: ContainerSelector| {
            let drawn = ContainerSelector::Drawn {
                name: name.clone(),
                of: Box::new(of),
            };
            container(drawn, ContainerAction::Kill)
        };
        let token = site.capture(&run(), &drawn(site_label)).await;
        assert_eq!(token.expect("it is there").0["id"], one);
        let other = ContainerSelector::Label("firedrill.test.site=another".to_owned());
        let refused = site.capture(&run(), &drawn(other)).await;
        let refused = refused.expect_err("it is of another service");
        assert!(matches!(refused, FaultError::Missing { .. }), "{refused}");
    })
    .await;
}

#[tokio::test]
async fn a_container_that_vanishes_when_it_ends_is_not_killed() {
    on_site(|site| async move {
        let vanishing = HostConfig {
            auto_remove: Some(true),
            ..HostConfig::default()
        };
        let id = site.create("", vanishing).await;
        site.start(&id).await;
        for action in [ContainerAction::Kill, ContainerAction::Stop] {
            let refused = site
                .capture(&run(), &site.by_name(action))
                .await
                .expect_err("no way back");
            assert!(refused.to_string().contains("--rm"), "{refused}");
        }
        site.capture(&run(), &site.by_name(ContainerAction::Pause))
            .await
            .expect("a pause can be undone");
    })
    .await;
}

#[tokio::test]
async fn a_daemon_that_is_not_there_or_not_supported_is_named() {
    let driver = DockerDriver::new(clock());
    let mut stack = stack("http://127.0.0.1:1", Vec::new());
    let injection = container(
        ContainerSelector::Name("x".to_owned()),
        ContainerAction::Kill,
    );
    for (host, why) in [
        (
            "unix:///nowhere/docker.sock",
            "Docker at unix:///nowhere/docker.sock could not be reached: ",
        ),
        (
            "tcp://127.0.0.1:1",
            "Docker at tcp://127.0.0.1:1 could not be reached: Connection refused",
        ),
        (
            "ssh://host",
            "firedrill refused: Docker host ssh://host is not supported yet",
        ),
    ] {
        stack.docker = Some(host.to_owned());
        let error = driver
            .capture(&run(), &stack, &injection)
            .await
            .expect_err("no daemon")
            .to_string();
        assert!(error.starts_with(why), "{error}");
    }
    stack.docker = None;
    let error = driver
        .capture(&run(), &stack, &injection)
        .await
        .expect_err("no daemon");
    assert!(matches!(error, FaultError::Missing { .. }), "{error}");
}
