//! `halt`: how long everything takes to read back clean, from the command's start: a thousand toxics on a hundred
//! proxies, and twenty paused containers.

use std::cell::Cell;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::child::{Background, FIREDRILL, on_path};
use crate::fixture::{Folder, written};
use crate::samples::Samples;
use crate::stopwatch::Stopwatch;
use crate::table::Table;
use crate::web;

const TURNS: usize = 3;

/// What progress says of a fault that was read back.
const IS_ON: &str = " is on (";

/// Links, and the toxics on each: five kinds on either stream.
const LINKS: usize = 100;
pub(crate) const TOXICS: [&str; 5] = [
    "latency: {latency: 10ms",
    "bandwidth: {rate: 1000",
    "slow_close: {delay: 10ms",
    "slicer: {average_size: 1000, size_variation: 10, delay: 10us",
    "limit_data: {bytes: 1000000000",
];
const ON_LINKS: usize = LINKS * TOXICS.len() * 2;

/// Containers, each paused.
const CONTAINERS: usize = 20;

/// From one look at the targets to the next: a look at a thousand toxics costs them time, too.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The bar of either, in seconds.
const BAR: &str = "5";

const IMAGE: &str = "firedrill-measure";

#[derive(Default)]
struct Figures {
    gone: Samples,
    said: Samples,
    ours: Samples,
    theirs: Samples,
}

pub(crate) fn measure() -> anyhow::Result<()> {
    let mut table = Table::new(
        "halt: from the command's start",
        [
            "",
            "nothing is left, s",
            "said, s",
            "bar, s",
            "processor of the run, s",
            "of the proxy server, s",
        ],
    );
    let mut row = |name: String, figures: &Figures| {
        table.row([
            name,
            figures.gone.spread(),
            figures.said.spread(),
            BAR.to_owned(),
            figures.ours.spread(),
            figures.theirs.spread(),
        ]);
    };
    let toxics = of_toxics()?;
    row(format!("{ON_LINKS} toxics on {LINKS} proxies"), &toxics);
    let absent = match Yard::open() {
        Ok(yard) => {
            let containers = of_containers(&yard)?;
            row(format!("{CONTAINERS} paused containers"), &containers);
            None
        }
        Err(why) => Some(why),
    };
    if let Some(why) = absent {
        table.note(format!("containers were not measured: {why:#}"));
    }
    table.note(format!(
        "median (least–greatest) of {TURNS} turns; \"nothing is left\" as read from the targets themselves, faults and \
         locks alike; \"said\" is the end of `firedrill halt`; processor time from the command's start to its end"
    ));
    table.print();
    Ok(())
}

fn of_toxics() -> anyhow::Result<Figures> {
    let mut figures = Figures::default();
    for _ in 0..TURNS {
        let folder = Folder::new()?;
        let upstream = TcpListener::bind("127.0.0.1:0")?;
        let (server, api) = serve_proxies()?;
        let (stack, experiment) = links(LINKS, api, upstream.local_addr()?)?;
        written(&folder, &stack, &experiment)?;
        let run = start(&folder, ON_LINKS)?;
        let named = |body: &str| body.matches("\"firedrill-").count();
        ensure!(
            named(&web::get(api, "/proxies")?.body) >= ON_LINKS,
            "not every toxic is on"
        );
        halted(&folder, &run, Some(&server), &mut figures, || {
            Ok(named(&web::get(api, "/proxies")?.body) == 0)
        })?;
    }
    Ok(figures)
}

fn of_containers(yard: &Yard) -> anyhow::Result<Figures> {
    let mut figures = Figures::default();
    for _ in 0..TURNS {
        let folder = Folder::new()?;
        let (stack, experiment) = yard.files();
        written(&folder, &stack, &experiment)?;
        let run = start(&folder, CONTAINERS)?;
        ensure!(
            yard.paused()? == CONTAINERS,
            "not every container is paused"
        );
        halted(
            &folder,
            &run,
            None,
            &mut figures,
            || Ok(yard.paused()? == 0),
        )?;
    }
    Ok(figures)
}

/// Starts the experiment in the folder, and waits until so many faults are read back.
pub(crate) fn start(folder: &Folder, faults: usize) -> anyhow::Result<Background> {
    let on = Cell::new(0);
    let mut command = firedrill(folder.path());
    command.args(["run", "experiment.yaml"]);
    let (run, ()) = Background::start_until(&mut command, |line| {
        on.set(on.get() + line.matches(IS_ON).count());
        (on.get() >= faults).then_some(())
    })?;
    Ok(run)
}

pub(crate) fn firedrill(folder: &Path) -> Command {
    let mut command = Command::new(FIREDRILL);
    command
        .current_dir(folder)
        .env("FIREDRILL_DATA", folder.join("data"));
    command
}

/// Halts everything, and takes the times until `clean` and until it is said.
fn halted(
    folder: &Folder,
    run: &Background,
    server: Option<&Background>,
    figures: &mut Figures,
    clean: impl Fn() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let used = |process: Option<&Background>| process.and_then(Background::processor_seconds);
    let (ours, theirs) = (used(Some(run)), used(server));
    let watch = Stopwatch::start();
    let mut halt = firedrill(folder.path())
        .args(["halt", "--reason", "measured"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let mut gone = None;
    let status = loop {
        if gone.is_none() && clean()? {
            gone = Some(watch.seconds());
        }
        if let Some(status) = halt.try_wait()? {
            break status;
        }
        ensure!(watch.seconds() < 90.0, "the halt does not end");
        std::thread::sleep(LOOK_EVERY);
    };
    let said = watch.seconds();
    ensure!(status.success(), "the halt ended with {status}");
    ensure!(gone.is_some() || clean()?, "it was said, and is not so");
    figures.gone.push(gone.unwrap_or(said));
    figures.said.push(said);
    let difference = |before: Option<f64>, after: Option<f64>| Some(after? - before?);
    figures.ours.extend(difference(ours, used(Some(run))));
    figures.theirs.extend(difference(theirs, used(server)));
    Ok(())
}

pub(crate) fn serve_proxies() -> anyhow::Result<(Background, SocketAddr)> {
    let mut command = Command::new(FIREDRILL);
    command.args(["toxiproxy", "serve", "--host", "127.0.0.1", "--port", "0"]);
    Background::start_until(&mut command, |line| {
        let (_, rest) = line.split_once("127.0.0.1:")?;
        let port = rest.split(|c: char| !c.is_ascii_digit()).next()?;
        format!("127.0.0.1:{port}").parse().ok()
    })
}

/// A stack of links, and an experiment that adds every toxic to each.
pub(crate) fn links(
    count: usize,
    api: SocketAddr,
    upstream: SocketAddr,
) -> anyhow::Result<(String, String)> {
    let mut links = String::new();
    let mut services = String::new();
    let mut method = String::new();
    let mut reserved = Vec::new();
    for link in 0..count {
        // All ports are held until all are known, so that they differ.
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let listen = listener.local_addr()?;
        reserved.push(listener);
        write!(services, ", s{link}: {{}}")?;
        writeln!(
            links,
            "  - {{from: shop, to: s{link}, proxy: p{link}, listen: \"{listen}\", upstream: \"{upstream}\"}}"
        )?;
        for (kind, toxic) in TOXICS.iter().enumerate() {
            writeln!(
                method,
                "  - {toxic}, id: f{link}-{kind}, link: p{link}, direction: both, for: 5m}}"
            )?;
        }
    }
    let stack = format!(
        "kind: Stack\nname: measured\nenvironment: staging\ntoxiproxy: {{url: \"http://{api}\", create_proxies: true}}\n\
         services: {{shop: {{}}{services}}}\nlinks:\n{links}probes:\n  alive: {{process: {{command: [\"true\"]}}, every: 1s}}\n"
    );
    Ok((stack, experiment(&method)))
}

fn experiment(method: &str) -> String {
    format!(
        "kind: Experiment\nname: many\nstack: measured\nhypothesis: It is there.\n\
         steady_state: [{{probe: alive, pass_after: 1}}]\nmethod:\n{method}limits: {{duration: 10m}}\n\
         recovery: {{stable_for: 0s}}\n"
    )
}

/// Containers to pause, which go when this does.
struct Yard {
    docker: PathBuf,
    tag: String,
}

impl Yard {
    /// Nothing where there is no daemon, no client of it, or no busybox to put into an image.
    fn open() -> anyhow::Result<Self> {
        let docker = on_path("docker").context("there is no `docker` on the PATH")?;
        let yard = Self {
            docker,
            tag: format!("{IMAGE}-{}", std::process::id()),
        };
        let busybox = on_path("busybox").context("there is no busybox on the PATH")?;
        yard.image(&busybox)?;
        for nth in 0..CONTAINERS {
            let name = format!("{}-{nth}", yard.tag);
            let label = format!("{IMAGE}={}", yard.tag);
            yard.said(&[
                "run",
                "--detach",
                "--init",
                "--network",
                "none",
                "--name",
                &name,
                "--label",
                &label,
                &yard.tag,
                "/busybox",
                "sleep",
                "3600",
            ])?;
        }
        Ok(yard)
    }

    fn image(&self, busybox: &Path) -> anyhow::Result<()> {
        let folder = busybox.parent().context("a program is in a folder")?;
        let packed = Command::new("tar")
            .args(["--create", "--dereference", "--directory"])
            .arg(folder)
            .arg("busybox")
            .output()?;
        ensure!(packed.status.success(), "busybox can't be packed");
        let mut import = Command::new(&self.docker)
            .args(["import", "-", &self.tag])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut way = import.stdin.take().context("it is piped")?;
        way.write_all(&packed.stdout)?;
        drop(way);
        ensure!(import.wait()?.success(), "the daemon takes no image");
        Ok(())
    }

    fn said(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = Command::new(&self.docker)
            .args(arguments)
            .stdin(Stdio::null())
            .output()?;
        ensure!(
            output.status.success(),
            "docker {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// How many of ours are paused.
    fn paused(&self) -> anyhow::Result<usize> {
        let label = format!("label={IMAGE}={}", self.tag);
        let said = self.said(&[
            "ps",
            "--quiet",
            "--filter",
            &label,
            "--filter",
            "status=paused",
        ])?;
        Ok(said.lines().count())
    }

    fn files(&self) -> (String, String) {
        let mut services = Vec::new();
        let mut method = String::new();
        for nth in 0..CONTAINERS {
            services.push(format!(
                "s{nth}: {{container: {{name: {}-{nth}}}}}",
                self.tag
            ));
            let _ = writeln!(
                method,
                "  - pause: {{id: f{nth}, service: s{nth}, for: 5m}}"
            );
        }
        let stack = format!(
            "kind: Stack\nname: measured\nenvironment: staging\ndocker: {{host: \"unix:///var/run/docker.sock\"}}\n\
             services: {{{}}}\nprobes:\n  alive: {{process: {{command: [\"true\"]}}, every: 1s}}\n",
            services.join(", ")
        );
        (stack, experiment(&method))
    }
}

impl Drop for Yard {
    fn drop(&mut self) {
        for nth in 0..CONTAINERS {
            let _ = self.said(&["rm", "--force", &format!("{}-{nth}", self.tag)]);
        }
        let _ = self.said(&["rmi", "--force", &self.tag]);
    }
}
