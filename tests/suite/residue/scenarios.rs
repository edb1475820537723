//! Single stories of what goes wrong around a fault: servers, daemons and disks that come and go, requests that land
//! late, and neighbours.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use super::carrier::{self, Fate, Moment};
use super::kinds::{KINDS, Kind};
use super::lane::{Lane, reaches_docker};
use super::life::{Point, Work, live};
use super::not_run_anywhere;
use crate::containers::SOCKET;
use crate::ground::{not_run, until};
use crate::shop::{Experiment, IS_ON, PROXY, Shop, serve};

/// How long a wait for something that shall come may take on a busy machine.
const SOON: Duration = Duration::from_secs(20);

fn kind(name: &str) -> Kind {
    let found = KINDS.into_iter().find(|kind| kind.name == name);
    found.expect("it is in the list")
}

/// A lane with containers; nothing where there is no daemon, which is said.
fn with_containers() -> Option<Lane> {
    match reaches_docker() {
        Ok(()) => Some(Lane::open(true)),
        Err(why) => {
            not_run(&format!(
                "this test needs a Docker daemon and a static busybox: {why}"
            ));
            None
        }
    }
}

#[test]
fn a_toxiproxy_that_restarts_mid_fault_has_lost_it_which_is_said() {
    let mut shop = Shop::open();
    let before = shop.proxies.snapshot();
    let run = shop.start(&Experiment::slow("60s"));
    shop.server.signal(Signal::KILL);
    until("the server is gone", SOON, || {
        (!shop.server.is_running()).then_some(())
    });
    shop.server = serve(&shop.firedrill, shop.host);
    run.finish().exits(4).results("removed by somebody else");
    assert_eq!(shop.proxies.snapshot(), before);
    let asked = shop.firedrill.run(["recover", "--dry-run"]);
    asked.exits(0).results("nothing is open");
}

#[test]
fn a_container_that_is_removed_mid_fault_is_said_to_be_and_nothing_is_owed() {
    let Some(lane) = with_containers() else {
        return;
    };
    let file = lane.experiment(&kind("kill"), "60s");
    let mut run = lane.shop.firedrill.start(["run", &file]);
    run.wait_for(IS_ON);
    lane.remove_container();
    run.finish().exits(4).results("was removed");
    let asked = lane.shop.firedrill.run(["recover", "--dry-run"]);
    asked.exits(0).results("nothing is open");
}

#[test]
fn foreign_containers_and_networks_are_untouched_while_ours_are_cut_halted_and_recovered() {
    let Some(lane) = with_containers() else {
        return;
    };
    let (before, theirs) = (lane.snapshot(), lane.foreign());
    for name in ["disconnect", "partition of containers"] {
        let file = lane.experiment(&kind(name), "60s");
        let mut run = lane.shop.firedrill.start(["run", &file]);
        run.wait_for(IS_ON);
        assert_ne!(lane.snapshot(), before, "{name}: it is on");
        assert_eq!(lane.foreign(), theirs, "{name}: while it is on");
        let halt = ["halt", "--reason", "enough", "--by", "ann"];
        lane.shop.firedrill.run(halt).exits(0);
        run.finish().exits(3);
        assert_eq!(lane.snapshot(), before, "{name}: halted");
        lane.shop.firedrill.run(["resume"]).exits(0);

        let mut run = lane.shop.firedrill.start(["run", &file]);
        run.wait_for(IS_ON);
        run.crash();
        assert_eq!(lane.foreign(), theirs, "{name}: crashed");
        lane.shop.firedrill.run(["recover"]).exits(0);
        assert_eq!(lane.snapshot(), before, "{name}: recovered");
    }
}

#[test]
fn a_partition_that_could_not_be_undone_is_refused_before_anything_is_touched() {
    let Some(lane) = with_containers() else {
        return;
    };
    let before = lane.snapshot();
    for (step, wanted) in [
        (
            "partition: {id: fault, via: docker, from: [shop], to: [stock, spare], for: LASTS}",
            "would lose sight of it too, being on neither side",
        ),
        (
            "partition: {id: fault, via: docker, from: [shop], to: [spare, stock], others: cut, for: LASTS}",
            "was chosen by the daemon and may be another afterwards; hint: `address: any` accepts that",
        ),
    ] {
        let strict = Kind {
            step,
            ..kind("partition of containers")
        };
        let file = lane.experiment(&strict, "60s");
        for command in [&["run"][..], &["run", "--dry-run"]] {
            let arguments = command.iter().copied().chain([file.as_str()]);
            let finished = lane.shop.firedrill.run(arguments).exits(4);
            let said: Vec<&str> = finished.stderr.split_whitespace().collect();
            assert!(said.join(" ").contains(wanted), "{}", finished.stderr);
        }
    }
    assert_eq!(lane.snapshot(), before);
}

/// A Docker daemon that can be cut off: a socket of the test's own before the real one.
struct Cuttable {
    path: PathBuf,
    streams: Arc<Mutex<Vec<UnixStream>>>,
    listening: Arc<AtomicBool>,
}

impl Cuttable {
    fn open(path: PathBuf) -> Self {
        let cuttable = Self {
            path,
            streams: Arc::default(),
            listening: Arc::default(),
        };
        cuttable.mend();
        cuttable
    }

    fn mend(&self) {
        let listener = UnixListener::bind(&self.path).expect("the path is free");
        self.listening.store(true, Ordering::SeqCst);
        let (streams, listening) = (self.streams.clone(), self.listening.clone());
        thread::spawn(move || {
            for client in listener.incoming() {
                if !listening.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(client) = client else { continue };
                let real = SOCKET.trim_start_matches("unix://");
                let Ok(daemon) = UnixStream::connect(real) else {
                    continue;
                };
                for (from, to) in [(&client, &daemon), (&daemon, &client)] {
                    let (Ok(mut from), Ok(mut to)) = (from.try_clone(), to.try_clone()) else {
                        continue;
                    };
                    thread::spawn(move || {
                        let _ = io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Write);
                    });
                }
                let mut kept = streams.lock().unwrap_or_else(PoisonError::into_inner);
                kept.extend([client, daemon]);
            }
        });
    }

    fn cut(&self) {
        self.listening.store(false, Ordering::SeqCst);
        // Wakes the listener, so that its thread goes.
        let _ = UnixStream::connect(&self.path);
        fs::remove_file(&self.path).expect("it was there");
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        for stream in streams.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// A lane whose daemon can be cut off.
fn behind_a_socket_of_its_own() -> Option<(Lane, Cuttable)> {
    let lane = with_containers()?;
    let path = lane.shop.folder.path().join("docker.sock");
    let stack = lane
        .shop
        .folder
        .read("stacks/shop.yaml")
        .replace(SOCKET, &format!("unix://{}", path.display()));
    lane.shop.folder.write("stacks/shop.yaml", &stack);
    Some((lane, Cuttable::open(path)))
}

#[test]
fn a_docker_daemon_that_is_cut_off_for_a_while_is_waited_for_and_a_signal_tells_why() {
    let Some((lane, docker)) = behind_a_socket_of_its_own() else {
        return;
    };
    let before = lane.snapshot();
    let file = lane.experiment(&kind("pause"), "60s");
    let mut run = lane.shop.firedrill.start(["run", &file]);
    run.wait_for(IS_ON);
    docker.cut();
    run.signal(Signal::TERM);
    run.wait_for("is being undone");
    thread::sleep(Duration::from_secs(2));
    run.signal(Signal::TERM);
    run.wait_for("is still undoing `fault` since ");
    run.wait_for(", last: Docker at ");
    docker.mend();
    run.finish().exits(3);
    assert_eq!(lane.snapshot(), before);
}

#[test]
fn a_docker_daemon_that_stays_cut_off_leaves_the_run_stuck_with_the_command_that_undoes_it() {
    let Some((lane, docker)) = behind_a_socket_of_its_own() else {
        return;
    };
    let before = lane.snapshot();
    let file = lane.experiment(&kind("kill"), "60s");
    let mut run = lane.shop.firedrill.start(["run", &file]);
    run.wait_for(IS_ON);
    docker.cut();
    run.signal(Signal::HUP);
    let told = run.finish().exits(5).tells("could not be undone");
    let (_, command) = told
        .stderr
        .split_once("undo it by hand with `docker ")
        .expect("a way out is told");
    let command = command.split('`').next().unwrap_or_default();
    assert!(command.contains(" start "), "{command}");
    lane.shop.firedrill.run(["recover", "--dry-run"]).exits(5);
    docker.mend();
    lane.shop.firedrill.run(["recover"]).exits(0);
    assert_eq!(lane.snapshot(), before);
}

/// Holds back the first request that adds a toxic, whoever still waits for it.
#[derive(Default)]
struct Held {
    seen: AtomicBool,
    released: AtomicBool,
}

impl Held {
    fn watch(self: &Arc<Self>) -> carrier::Watch {
        let held = self.clone();
        Arc::new(move |first, moment| {
            let adds = first.starts_with("POST ") && first.contains("/toxics");
            if adds && moment == Moment::Before {
                held.seen.store(true, Ordering::SeqCst);
                while !held.released.load(Ordering::SeqCst) {
                    thread::sleep(Duration::from_millis(5));
                }
            }
            Fate::Carried
        })
    }
}

#[test]
fn a_request_that_lands_after_recovery_has_looked_is_found_by_its_second_look() {
    let shop = Shop::open();
    let before = shop.proxies.snapshot();
    let listen = SocketAddr::new(shop.host, 7474);
    let held = Arc::<Held>::default();
    carrier::carry_tcp(listen, shop.proxies.0, held.watch(), None);
    let stack = shop.folder.read("stacks/shop.yaml");
    let stack = stack.replace(":8474\"}", ":7474\"}");
    shop.folder.write("stacks/shop.yaml", &stack);
    let file = shop.experiment(&Experiment::slow("60s"));
    let run = shop.firedrill.start(["run", &file]);
    until("the request is on its way", SOON, || {
        held.seen.load(Ordering::SeqCst).then_some(())
    });
    run.crash();
    assert_eq!(shop.proxies.snapshot(), before, "it has not landed");

    let mut recovery = shop.firedrill.start(["recover"]);
    recovery.wait_for("undoing what run");
    thread::sleep(Duration::from_millis(700));
    held.released.store(true, Ordering::SeqCst);
    until("it lands", SOON, || {
        (!shop.proxies.toxics().is_empty()).then_some(())
    });
    assert!(recovery.is_running(), "one look is not believed");
    recovery.finish().exits(0);
    assert_eq!(shop.proxies.snapshot(), before);
}

#[test]
fn two_servers_data_on_one_stack_undo_their_own_and_only_that() {
    let shop = Shop::open();
    let before = shop.proxies.snapshot();
    let theirs = shop
        .firedrill
        .with_data(shop.folder.path().join("other-data"));
    let file = shop.experiment(&Experiment::slow("60s"));
    let narrow = Experiment {
        name: "narrow",
        ..Experiment::of("bandwidth: {id: fault, link: shop -> stock, rate: 1000, for: 60s}")
    };
    let other = shop.experiment(&narrow);
    let mut first = shop.firedrill.start(["run", &file]);
    first.wait_for(IS_ON);
    // Two of a kind on one target would be one too many; another kind is not.
    let refused = theirs.run(["run", &file]);
    assert_eq!(refused.code, Some(4), "{}", refused.stderr);
    let mut second = theirs.start(["run", &other]);
    second.wait_for(IS_ON);
    assert_eq!(shop.proxies.faults().len(), 2);
    first.crash();
    shop.firedrill.run(["recover"]).exits(0);
    let left = shop.proxies.faults();
    assert_eq!(left.len(), 1, "the other's is on: {left:?}");
    assert!(second.is_running());
    second.signal(Signal::TERM);
    second.finish().exits(3);
    assert_eq!(shop.proxies.snapshot(), before);

    // A proxy that the other has disabled is the other's to enable.
    let file = shop.experiment(&Experiment::cut("60s"));
    let experiment = Experiment {
        steady_state: "[{probe: stock-well, pass_after: 1}]",
        ..Experiment::cut("60s")
    };
    shop.folder
        .write(&file, &experiment.yaml().replace("impact: true", ""));
    let mut first = shop.firedrill.start(["run", &file]);
    first.wait_for(IS_ON);
    let refused = theirs.run(["run", &file]);
    assert_eq!(refused.code, Some(4), "{}", refused.stderr);
    let now = shop.proxies.snapshot();
    assert_eq!(now[PROXY]["enabled"], false, "still the first one's");
    first.crash();
    theirs.run(["recover"]).exits(0);
    let now = shop.proxies.snapshot();
    assert_eq!(now[PROXY]["enabled"], false, "it owes nothing here");
    shop.firedrill.run(["recover"]).exits(0);
    assert_eq!(shop.proxies.snapshot(), before);
}

/// A small disk in a mount namespace of its own, which goes with the process that holds it.
struct Disk {
    holder: Child,
    at: PathBuf,
}

impl Disk {
    /// Nothing where this user may not mount, which is said.
    fn mount(at: &Path) -> Option<Self> {
        fs::create_dir_all(at).expect("the folder takes a folder");
        let script = r#"mount -t tmpfs -o size=2m tmpfs "$0" && echo mounted && exec sleep 300"#;
        let holder = Command::new("unshare")
            .args(["--mount", "sh", "-c", script])
            .arg(at)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut holder = match holder {
            Ok(holder) => holder,
            Err(error) => {
                not_run_anywhere(&format!("this test needs `unshare`: {error}"));
                return None;
            }
        };
        let mut said = [0; 8];
        let out = holder.stdout.as_mut().expect("it is piped");
        if out.read_exact(&mut said).is_err() || &said != b"mounted\n" {
            let _ = holder.kill();
            let _ = holder.wait();
            not_run_anywhere("this test needs the right to mount a disk");
            return None;
        }
        Some(Self {
            holder,
            at: at.to_owned(),
        })
    }

    /// What runs a program in sight of this disk, in `folder`.
    fn entrance(&self, folder: &Path) -> Vec<String> {
        let script = r#"cd "$0" && exec "$@""#;
        let pid = self.holder.id().to_string();
        let mut entrance: Vec<String> =
            ["nsenter", "--target", &pid, "--mount", "sh", "-c", script]
                .map(str::to_owned)
                .to_vec();
        entrance.push(folder.display().to_string());
        entrance
    }

    fn filler(&self) -> PathBuf {
        let root = format!("/proc/{}/root", self.holder.id());
        let inside = self.at.strip_prefix("/").unwrap_or(&self.at);
        Path::new(&root).join(inside).join("filler")
    }

    fn fill(&self) {
        let mut file = fs::File::create(self.filler()).expect("it can be reached from outside");
        while file.write_all(&[0; 4096]).is_ok() {}
        while file.write_all(&[0]).is_ok() {}
    }

    fn free(&self) {
        fs::remove_file(self.filler()).expect("it is there");
    }

    fn remount(&self, how: &str) {
        let done = Command::new("nsenter")
            .args(["--target", &self.holder.id().to_string(), "--mount"])
            .args(["mount", "-o", &format!("remount,{how}")])
            .arg(&self.at)
            .status()
            .expect("nsenter runs");
        assert!(done.success(), "{how}: {done:?}");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

#[test]
fn a_full_disk_keeps_nothing_from_being_undone_and_recover_says_what_could_not_be_recorded() {
    let shop = Shop::open();
    let at = shop.folder.path().join("disk");
    let Some(disk) = Disk::mount(&at) else { return };
    let before = shop.proxies.snapshot();
    let firedrill = shop
        .firedrill
        .with_data(at.join("data"))
        .through(disk.entrance(shop.folder.path()));
    let file = shop.experiment(&Experiment::slow("60s"));

    // It fills up while the fault is on, and the run is undone from memory.
    let mut run = firedrill.start(["run", &file]);
    run.wait_for(IS_ON);
    disk.fill();
    run.signal(Signal::TERM);
    run.finish().exits(4).tells("could not be recorded");
    assert_eq!(shop.proxies.snapshot(), before);
    firedrill
        .run(["recover"])
        .exits(5)
        .tells("could not be recorded");
    disk.free();
    firedrill.run(["recover"]).exits(0);

    // It fills up, and the process dies with the fault on.
    let mut run = firedrill.start(["run", &file]);
    run.wait_for(IS_ON);
    disk.fill();
    run.crash();
    assert_ne!(shop.proxies.snapshot(), before, "the fault is on");
    firedrill
        .run(["recover"])
        .exits(5)
        .tells("could not be recorded");
    assert_eq!(shop.proxies.snapshot(), before, "undone all the same");
    disk.free();
    firedrill.run(["recover"]).exits(0);
    let asked = firedrill.run(["recover", "--dry-run"]);
    asked.exits(0).results("nothing is open");
}

#[test]
fn a_data_folder_that_became_read_only_is_recovered_from_a_copy_and_that_is_said() {
    let shop = Shop::open();
    let at = shop.folder.path().join("disk");
    let Some(disk) = Disk::mount(&at) else { return };
    let before = shop.proxies.snapshot();
    let scratch = shop.folder.path().join("scratch");
    fs::create_dir_all(&scratch).expect("the folder takes a folder");
    let firedrill = shop
        .firedrill
        .with_data(at.join("data"))
        .with("TMPDIR", &scratch.display().to_string())
        .through(disk.entrance(shop.folder.path()));
    let file = shop.experiment(&Experiment::slow("60s"));
    let mut run = firedrill.start(["run", &file]);
    run.wait_for(IS_ON);
    run.crash();
    disk.remount("ro");
    firedrill
        .run(["recover", "--dry-run"])
        .exits(5)
        .results("undo `fault`");
    assert_ne!(shop.proxies.snapshot(), before, "a dry run touches nothing");
    firedrill
        .run(["recover"])
        .exits(5)
        .tells("undoing from a copy of the database in ")
        .tells("could not be recorded")
        .results("everything is undone");
    assert_eq!(shop.proxies.snapshot(), before);
    let litter = fs::read_dir(&scratch).expect("it is a folder").count();
    assert_eq!(litter, 0, "the copy goes with its process");
    disk.remount("rw");
    firedrill.run(["recover"]).exits(0);
    let asked = firedrill.run(["recover", "--dry-run"]);
    asked.exits(0).results("nothing is open");
}

#[test]
fn a_halt_touches_nothing_that_is_not_ours_whether_the_run_lives_or_its_process_died() {
    let docker = reaches_docker();
    if let Err(why) = &docker {
        not_run(&format!("without containers: {why}"));
    }
    let lane = Lane::open(docker.is_ok());
    let before = lane.snapshot();
    let halt = ["halt", "--reason", "storm"];
    let kinds = if docker.is_ok() {
        &["latency", "down", "pause", "kill"][..]
    } else {
        &["latency", "down"]
    };
    for name in kinds {
        let file = lane.experiment(&kind(name), "60s");
        let start = || {
            let mut run = lane.shop.firedrill.start(["run", &file]);
            run.wait_for(IS_ON);
            assert_ne!(lane.snapshot(), before, "{name}: nothing is on");
            run
        };
        let run = start();
        lane.shop.firedrill.run(halt).exits(0);
        run.finish().exits(3);
        assert_eq!(lane.snapshot(), before, "{name}, alive");
        lane.shop.firedrill.run(["resume"]).exits(0);
        start().crash();
        lane.shop.firedrill.run(halt).exits(0);
        assert_eq!(lane.snapshot(), before, "{name}, dead");
        lane.shop.firedrill.run(["resume"]).exits(0);
    }
}

#[test]
fn a_wall_clock_that_is_set_an_hour_either_way_while_a_fault_is_on_leaves_nothing() {
    let lane = Lane::open(false);
    let before = lane.snapshot();
    let folder = lane.shop.folder.path();
    let (short, long) = (
        lane.experiment(&kind("latency"), "1500ms"),
        lane.experiment(&kind("latency"), "60s"),
    );
    let fault_is_on = Point {
        call: "apply".to_owned(),
        after: true,
        nth: 1,
    };
    for hours in [-1, 1] {
        // It ends when its time is over, by the clock that nobody sets.
        let life = live(folder, Work::RunStepped(hours), &short, None);
        assert_eq!(life.verdict.as_deref(), Some("Passed "), "{hours} h");
        assert_eq!(lane.snapshot(), before, "{hours} h");
        // It dies; whoever recovers it lives an hour later, or earlier.
        let dies = Some(fault_is_on.clone());
        let life = live(folder, Work::RunStepped(hours), &long, dies);
        assert!(life.died, "{hours} h");
        assert_ne!(lane.snapshot(), before, "{hours} h: nothing is on");
        let life = live(folder, Work::Recover, &long, None);
        let verdict = life.verdict.unwrap_or_default();
        assert!(verdict.starts_with("Errored"), "{hours} h: {verdict}");
        assert_eq!(lane.snapshot(), before, "{hours} h, recovered");
    }
}
