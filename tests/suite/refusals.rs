//! What is refused before anything is touched: wrong command lines, wrong files, stacks that can't be reached.

use std::net::SocketAddr;
use std::time::Duration;

use crate::firedrill::Firedrill;
use crate::ground::{Folder, closed_port, own_address};
use crate::shop::{Experiment, Shop, stack, stock_address};
use crate::stand_in::StandIn;

/// A stack where stand-ins take the place of the service and of Toxiproxy's API, so that every request is seen.
struct Watched {
    folder: Folder,
    firedrill: Firedrill,
    stock: StandIn,
    api: StandIn,
}

impl Watched {
    fn stack() -> Self {
        let (host, folder) = (own_address(), Folder::new());
        folder.write(
            "stacks/shop.yaml",
            &stack(host, &format!("{{url: \"http://{host}:8474\"}}")),
        );
        Self {
            firedrill: Firedrill::within(folder.path()),
            stock: StandIn::listen(stock_address(host)),
            api: StandIn::listen(SocketAddr::new(host, 8474)),
            folder,
        }
    }

    /// Nobody was asked for anything, and no run is on record.
    #[track_caller]
    fn is_untouched(&self) {
        assert_eq!(self.stock.requests(), [""; 0]);
        assert_eq!(self.api.requests(), [""; 0]);
        assert!(!self.folder.has("data"), "a journal was made");
    }
}

/// Three mistakes: a key that is none, a probe and a service that are not there.
const WRONG: &str = "\
kind: Experiment
name: wrong
stack: shop
hypothesis: It bears it.
steady_state: [{probe: shop-answer}]
methods: []
method:
  - latency: {id: slow, link: shop -> stok, latency: 50ms, for: 1s}
";

#[test]
fn a_wrong_file_is_refused_with_every_finding_at_its_place_and_nothing_is_touched() {
    let watched = Watched::stack();
    watched.folder.write("wrong.yaml", WRONG);
    watched
        .firedrill
        .run(["run", "wrong.yaml"])
        .exits(2)
        .tells("wrong.yaml:5:24")
        .tells("shop-answer")
        .tells("wrong.yaml:6:1")
        .tells("methods")
        .tells("wrong.yaml:8:")
        .tells("stok");
    watched.is_untouched();
}

#[test]
fn a_findings_hint_names_the_nearest_known_name() {
    let watched = Watched::stack();
    watched.folder.write("wrong.yaml", WRONG);
    let told = watched
        .firedrill
        .run(["validate", "wrong.yaml"])
        .exits(2)
        .stderr;
    for near in ["`method`", "`shop-answers`", "`shop -> stock`"] {
        assert!(told.contains(near), "{near} is not in\n{told}");
    }
    watched.is_untouched();
}

#[test]
fn of_several_files_one_wrong_stops_them_all() {
    let watched = Watched::stack();
    watched
        .folder
        .write("right.yaml", &Experiment::slow("1s").yaml());
    watched.folder.write("wrong.yaml", WRONG);
    for order in [["right.yaml", "wrong.yaml"], ["wrong.yaml", "right.yaml"]] {
        watched
            .firedrill
            .run(["run"].iter().chain(&order))
            .exits(2)
            .tells("wrong.yaml:6:1");
        watched.is_untouched();
    }
}

#[test]
fn a_file_that_is_not_there_is_a_wrong_file() {
    let watched = Watched::stack();
    watched
        .firedrill
        .run(["run", "absent.yaml"])
        .exits(2)
        .tells("absent.yaml");
    watched.is_untouched();
}

#[test]
fn a_wrong_command_line_is_refused_on_standard_error() {
    let watched = Watched::stack();
    watched
        .folder
        .write("right.yaml", &Experiment::slow("1s").yaml());
    let wrong: [&[&str]; 6] = [
        &["rum", "right.yaml"],
        &["run"],
        &["run", "right.yaml", "--dryrun"],
        &["run", "right.yaml", "--seed", "seven"],
        &["run", "right.yaml", "--var", "host"],
        &["validate"],
    ];
    for line in wrong {
        let refused = watched.firedrill.run(line).exits(2).tells("--help");
        assert_eq!(refused.stdout, "", "{line:?}");
    }
    watched.is_untouched();
}

#[test]
fn without_a_command_the_commands_are_shown() {
    let folder = Folder::new();
    Firedrill::within(folder.path())
        .run([""; 0])
        .exits(2)
        .tells("Usage:")
        .tells("recover");
}

#[test]
fn help_and_version_are_results() {
    let folder = Folder::new();
    let firedrill = Firedrill::within(folder.path());
    for line in [&["--help"][..], &["run", "--help"], &["--version"]] {
        let shown = firedrill.run(line).exits(0).results("firedrill");
        assert_eq!(shown.stderr, "", "{line:?}");
    }
}

#[test]
fn a_variable_that_no_file_declares_is_refused() {
    let watched = Watched::stack();
    watched
        .folder
        .write("right.yaml", &Experiment::slow("1s").yaml());
    watched
        .firedrill
        .run(["run", "right.yaml", "--var", "hots=127.0.0.1"])
        .exits(2)
        .tells("hots");
    watched.is_untouched();
}

#[test]
fn a_toxiproxy_that_is_not_there_is_named_within_seconds() {
    let (host, folder) = (own_address(), Folder::new());
    let (firedrill, closed) = (Firedrill::within(folder.path()), closed_port(host));
    let stock = StandIn::listen(stock_address(host));
    folder.write(
        "stacks/shop.yaml",
        &stack(host, &format!("{{url: \"http://{closed}\"}}")),
    );
    folder.write("right.yaml", &Experiment::slow("1s").yaml());
    for arguments in [
        &["run", "right.yaml"][..],
        &["run", "right.yaml", "--dry-run"],
    ] {
        let refused = firedrill.run(arguments).exits(4).tells(&closed.to_string());
        assert!(refused.took < Duration::from_secs(10), "{:?}", refused.took);
    }
    assert_eq!(stock.requests(), [""; 0]);
}

#[test]
fn a_stack_that_is_not_proven_to_be_staging_is_refused() {
    let shop = Shop::open();
    let text = shop.folder.read("stacks/shop.yaml");
    let elsewhere = text.replace("127.0.0.0/8", "10.0.0.0/8");
    shop.folder.write("stacks/shop.yaml", &elsewhere);
    let before = shop.proxies.snapshot();
    shop.run(&Experiment::slow("1s"))
        .exits(4)
        .tells("10.0.0.0/8");
    let mainnet = text.replace(
        "identity:\n",
        &format!("identity:\n  - {{http: {{url: \"http://{}:7001/version\"}}, expect: {{json: {{\"$.version\": 1}}}}}}\n", shop.host),
    );
    shop.folder.write("stacks/shop.yaml", &mainnet);
    shop.run(&Experiment::slow("1s")).exits(4).tells("/version");
    let production = text.replace("environment: staging", "environment: production");
    shop.folder.write("stacks/shop.yaml", &production);
    shop.run(&Experiment::slow("1s"))
        .exits(4)
        .tells("production");
    assert_eq!(shop.proxies.snapshot(), before);
    assert!(
        !shop
            .stock
            .requests()
            .iter()
            .any(|request| request == "GET /health"),
        "a probe was asked"
    );
}

#[test]
fn a_dry_run_asks_each_probe_once_and_ends_as_the_run_would() {
    let shop = Shop::open();
    let file = shop.experiment(&Experiment::slow("1s"));
    let before = shop.proxies.snapshot();
    shop.firedrill
        .run(["run", &file, "--dry-run"])
        .exits(0)
        .tells("✓ probe shop-answers: passes, in ")
        .tells("dry run: nothing was touched");
    let asked = shop.stock.requests();
    assert!((1..=2).contains(&asked.len()), "{asked:?}");
    shop.stock.be_well(false);
    shop.firedrill
        .run(["run", &file, "--dry-run"])
        .exits(4)
        .tells("probe shop-answers: fails: ");
    assert_eq!(shop.proxies.snapshot(), before);
}
