//! `run`: the whole process of the shortest experiment there is, against `chaos run` of the same one.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::child::{FIREDRILL, on_path, peak_memory, wall_time};
use crate::fixture::{Folder, SCRATCH, shortest};
use crate::samples::{Samples, ratio};
use crate::table::Table;

/// Turns of wall time, and of memory, which hardly varies.
const TURNS: usize = 15;
const MEMORY_TURNS: usize = 3;

/// The same in Chaos Toolkit's words. It asks its steady state twice, before and after an empty method.
const CHAOS_EXPERIMENT: &str = r#"{
  "title": "shortest", "description": "It is there.", "contributions": {},
  "steady-state-hypothesis": {"title": "It is there.", "probes": [
    {"type": "probe", "name": "alive", "tolerance": 0, "provider": {"type": "process", "path": "true"}}]},
  "method": []
}"#;

struct Contender {
    name: &'static str,
    /// Told the turn's number, so that a new data folder is new each time.
    command: Box<dyn Fn(&str) -> Command>,
    wall: Samples,
    memory: Samples,
}

impl Contender {
    fn new(name: &'static str, command: impl Fn(&str) -> Command + 'static) -> Self {
        Self {
            name,
            command: Box::new(command),
            wall: Samples::default(),
            memory: Samples::default(),
        }
    }
}

pub(crate) fn measure() -> anyhow::Result<()> {
    let folder = Folder::new()?;
    let file = shortest(&folder)?;
    let place = folder.path().to_owned();
    std::fs::write(place.join("experiment.json"), CHAOS_EXPERIMENT)?;

    let ours = |data: PathBuf, stacks: PathBuf, file: PathBuf| {
        let mut command = Command::new(FIREDRILL);
        command.arg("run").arg(file);
        command.arg("--data").arg(data).arg("--stacks").arg(stacks);
        command
    };
    let (fresh, used) = (place.clone(), place.clone());
    let (fresh_file, used_file) = (file.clone(), file);
    let mut contenders = vec![
        Contender::new("`true` alone", |_| Command::new("true")),
        Contender::new("firedrill run, a new data folder", move |turn| {
            let data = fresh.join(format!("data-{turn}"));
            ours(data, fresh.join("stacks"), fresh_file.clone())
        }),
        Contender::new("firedrill run, a data folder in use", move |_| {
            ours(used.join("data"), used.join("stacks"), used_file.clone())
        }),
    ];
    let chaos = chaos_toolkit();
    if let Some((program, _)) = &chaos {
        let (program, place) = (program.clone(), place.clone());
        contenders.push(Contender::new("chaos run", move |_| {
            let mut command = Command::new(&program);
            // It would ask the network for a newer version first.
            command
                .args(["--no-version-check", "run", "experiment.json"])
                .current_dir(&place);
            command
        }));
    }
    // The first of each is not counted: it reads programs from the disk.
    for turn in 0..=TURNS {
        for contender in &mut contenders {
            let taken = wall_time((contender.command)(&format!("wall-{turn}")))?;
            if turn > 0 {
                contender.wall.push(taken);
            }
        }
    }
    for turn in 0..MEMORY_TURNS {
        for contender in &mut contenders {
            let peak = peak_memory(&(contender.command)(&format!("memory-{turn}")))?;
            contender.memory.extend(peak);
        }
    }
    report(&contenders, chaos.as_ref().map(|(_, version)| version));
    Ok(())
}

fn report(contenders: &[Contender], chaos: Option<&String>) {
    let with_memory = contenders.iter().all(|one| !one.memory.is_empty());
    let peer = chaos.and(contenders.last());
    let mut columns = vec!["whole process", "wall time, ms"];
    if peer.is_some() {
        columns.push("of chaos run");
    }
    if with_memory {
        columns.push("peak memory, MiB");
        if peer.is_some() {
            columns.push("of chaos run");
        }
    }
    let mut table = Table::new("run: one process probe, one sample, no fault", columns);
    for one in contenders {
        let mut row = vec![one.name.to_owned(), one.wall.spread()];
        row.extend(peer.map(|peer| ratio(&one.wall, &peer.wall)));
        if with_memory {
            row.push(one.memory.spread());
            row.extend(peer.map(|peer| ratio(&one.memory, &peer.memory)));
        }
        table.row(row);
    }
    table.note(format!(
        "median (least–greatest) of {TURNS} turns for time and {MEMORY_TURNS} for memory, each turn one after another; \
         bars: a tenth of the time, half the memory"
    ));
    match chaos {
        Some(version) => table.note(format!(
            "{version}, without its check for a newer version; it asks the probe twice, firedrill at least twice"
        )),
        None => table.note(
            "Chaos Toolkit is absent: not on the PATH, and PyPI did not give it; nothing to compare with",
        ),
    }
    if with_memory {
        table.note("memory is the kernel's `ru_maxrss` as GNU time reads it");
    } else {
        table.note("GNU time is absent: memory was not measured");
    }
    table.print();
}

/// `chaos` and its version: from the PATH, from an earlier run's environment, or from `PyPI` into a new one.
fn chaos_toolkit() -> Option<(PathBuf, String)> {
    if let Some(program) = on_path("chaos") {
        return version(&program).map(|version| (program, version));
    }
    let environment = Path::new(SCRATCH).parent()?.join("chaostoolkit");
    let program = environment.join("bin/chaos");
    if version(&program).is_none() {
        eprintln!(
            "installing Chaos Toolkit from PyPI into {}",
            environment.display()
        );
        install(&environment)?;
    }
    version(&program).map(|version| (program, version))
}

fn install(environment: &Path) -> Option<()> {
    let quiet = |command: &mut Command| {
        let done = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
        done.is_ok_and(|status| status.success()).then_some(())
    };
    quiet(
        Command::new(on_path("python3")?)
            .args(["-m", "venv"])
            .arg(environment),
    )?;
    quiet(Command::new(environment.join("bin/pip")).args([
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--timeout=10",
        "--retries=1",
        "chaostoolkit",
    ]))
}

fn version(program: &Path) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !said.is_empty()).then_some(said)
}
