//! The steps of pipelines: the script that the GitHub Action and the GitLab template call, run as they run it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::ground::{project, until};
use crate::served::Served;
use crate::shop::{Experiment, Shop};

const SCRIPT: &str = ".github/actions/firedrill/run.sh";

/// What the script came to, and told.
struct Step {
    code: Option<i32>,
    told: String,
}

/// The script in a shop's folder, as a runner starts it.
fn start(shop: &Shop, variables: &[(&str, &str)]) -> Child {
    let folder = shop.folder.path();
    let told = File::create(folder.join("step.txt")).expect("a file");
    let mut command = Command::new("sh");
    command
        .arg(project().join(SCRIPT))
        .current_dir(folder)
        .env("FIREDRILL_BIN", env!("CARGO_BIN_EXE_firedrill"))
        .env("FIREDRILL_DATA", folder.join("data"))
        .env("GITHUB_OUTPUT", folder.join("output.txt"))
        .env("GITHUB_STEP_SUMMARY", folder.join("summary.md"))
        .env("GITHUB_ACTIONS", "true")
        .env_remove("FIREDRILL_TOKEN")
        .stdin(Stdio::null())
        .stderr(told.try_clone().expect("a second handle"))
        .stdout(told);
    for (name, value) in variables {
        command.env(name, value);
    }
    command.spawn().expect("there is a shell")
}

fn finish(shop: &Shop, mut child: Child) -> Step {
    let status = child.wait().expect("it ends");
    Step {
        code: status.code(),
        told: shop.folder.read("step.txt"),
    }
}

fn named(name: &'static str, lasts: &str) -> Experiment {
    Experiment {
        name,
        ..Experiment::slow(lasts)
    }
}

#[test]
fn a_step_ends_as_its_runs_do_and_leaves_reports() {
    let shop = Shop::open();
    let passes = named("passes", "1s");
    shop.folder.write("tests/a b.yaml", &passes.yaml());
    let fails = Experiment {
        name: "fails",
        during: "[{probe: shop-answers, fail_after: 2}]",
        ..Experiment::cut("2s")
    };
    shop.folder.write("tests/fails.yaml", &fails.yaml());
    let run = |files: &str| {
        let child = start(
            &shop,
            &[("FIREDRILL_FILES", files), ("FIREDRILL_SEED", "7")],
        );
        finish(&shop, child)
    };
    let step = run("tests/a b.yaml");
    assert_eq!(step.code, Some(0), "{}", step.told);
    let junit = shop.folder.read("firedrill-reports/junit.xml");
    assert!(junit.contains("passes"), "{junit}");
    assert!(shop.folder.read("summary.md").contains("passes"));
    let output = shop.folder.read("output.txt");
    assert!(output.contains("exit-code=0\nverdict=passed\n"), "{output}");

    let step = run("tests/*.yaml\n");
    assert_eq!(step.code, Some(1), "{}", step.told);
    let report: Value =
        serde_json::from_str(&shop.folder.read("firedrill-reports/report.json")).expect("JSON");
    assert_eq!(report.as_array().map(Vec::len), Some(2));
    assert!(
        step.told
            .contains("::error title=firedrill::failed (exit 1)"),
        "{}",
        step.told
    );

    let step = run("tests/none.yaml");
    assert_eq!(step.code, Some(2), "{}", step.told);
    let step = run("");
    assert_eq!(step.code, Some(2), "{}", step.told);
    assert!(step.told.contains("nothing to run"), "{}", step.told);
}

#[test]
fn a_step_that_is_cancelled_waits_until_the_server_has_undone_everything() {
    let served = Served::open();
    let file = served.experiment(&named("long", "60s"));
    let server = served.url();
    let variables = [
        ("FIREDRILL_FILES", file.as_str()),
        ("FIREDRILL_SERVER", &server),
    ];
    let child = start(&served.shop, &variables);
    until(
        "the fault is on",
        std::time::Duration::from_secs(30),
        || {
            served
                .shop
                .folder
                .read("step.txt")
                .contains(crate::shop::IS_ON)
                .then_some(())
        },
    );
    kill_process(Pid::from_child(&child), Signal::TERM).expect("it is there");
    let step = finish(&served.shop, child);
    assert_eq!(step.code, Some(3), "{}", step.told);
    assert_eq!(served.shop.proxies.toxics(), [""; 0]);
    assert_eq!(served.runs()[0]["verdict"], "aborted");
    let output = served.shop.folder.read("output.txt");
    assert!(output.contains("verdict=aborted"), "{output}");
}

#[test]
fn the_action_and_the_template_give_the_script_all_that_it_reads() {
    let read = |path: &str| fs::read_to_string(project().join(path)).expect("it is there");
    let script = read(SCRIPT);
    let variables: BTreeSet<&str> = script
        .split(|c: char| !(c.is_ascii_uppercase() || c == '_'))
        .filter(|word| word.starts_with("FIREDRILL_"))
        .collect();
    assert!(variables.len() >= 7, "{variables:?}");
    let (action, template) = (
        read(".github/actions/firedrill/action.yml"),
        read(".gitlab/firedrill.yml"),
    );
    for name in variables {
        assert!(
            action.contains(&format!("        {name}: ${{{{ inputs.")),
            "{name}"
        );
        assert!(template.contains(name), "{name}");
    }
    assert!(action.contains("run: '\"$GITHUB_ACTION_PATH/run.sh\"'"));
    assert!(template.contains(&format!("FIREDRILL_SCRIPT: .firedrill/{SCRIPT}")));
    // An input inside a command would be run as one.
    let commands = action
        .lines()
        .filter(|line| line.trim_start().starts_with("run:"));
    assert!(commands.into_iter().all(|line| !line.contains("${{")));
}
