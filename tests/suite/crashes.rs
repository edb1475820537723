//! SIGKILL at any moment: what is on disk is enough to undo everything, and only that.

use std::thread;
use std::time::Duration;

use crate::ground::until;
use crate::shop::{Experiment, PROXY, Shop};
use crate::stand_in::FIRST_VERSION;
use crate::verdicts::http_hook;

#[test]
fn after_a_crash_recover_undoes_what_is_ours_and_leaves_what_is_not() {
    let shop = Shop::open();
    shop.proxies.add_foreign(PROXY, "theirs");
    let before = shop.proxies.snapshot();
    shop.start(&Experiment::slow("60s")).crash();
    assert_eq!(
        shop.proxies.faults().len(),
        2,
        "the fault outlives its process"
    );

    let open = shop
        .firedrill
        .run(["recover", "--dry-run"])
        .exits(5)
        .results("undo `fault`");
    let run = open
        .stdout
        .split([' ', ':'])
        .nth(1)
        .expect("the run is named")
        .to_owned();
    assert_eq!(shop.proxies.faults().len(), 2, "a dry run touches nothing");

    shop.firedrill
        .run(["recover"])
        .exits(0)
        .results(&format!("run {run}: everything is undone"));
    assert_eq!(shop.proxies.snapshot(), before);
    assert_eq!(shop.proxies.toxics(), ["theirs"]);

    shop.firedrill
        .run(["report", &run])
        .exits(0)
        .results("errored (exit 4)")
        .results("died");
    shop.firedrill
        .run(["recover", "--dry-run"])
        .exits(0)
        .results("nothing is open");
    shop.firedrill
        .run(["recover"])
        .exits(0)
        .results("nothing is open");
}

#[test]
fn the_next_run_first_undoes_what_a_crash_left() {
    let shop = Shop::open();
    let before = shop.proxies.snapshot();
    shop.start(&Experiment::slow("60s")).crash();
    shop.run(&Experiment::slow("500ms"))
        .exits(0)
        .tells("of a dead process left");
    assert_eq!(shop.proxies.snapshot(), before);
}

#[test]
fn what_nobody_recovers_ends_by_itself_at_its_deadline() {
    let shop = Shop::open();
    let before = shop.proxies.snapshot();
    shop.start(&Experiment::slow("1s")).crash();
    until("the server ends the fault", Duration::from_secs(15), || {
        (shop.proxies.snapshot() == before).then_some(())
    });
    shop.firedrill.run(["recover"]).exits(0);
}

#[test]
fn a_crash_of_the_process_that_carried_the_links_is_recovered_from() {
    let shop = Shop::open();
    let text = shop.folder.read("stacks/shop.yaml");
    // Carried by the run itself, on an API address of its own.
    let embedded = text
        .replace(":8474\"}", ":8475\", embedded: true}")
        .replace(":7101", ":7102")
        .replace("proxy: shop-stock", "proxy: carried");
    shop.folder.write("stacks/shop.yaml", &embedded);
    shop.run(&Experiment::slow("500ms")).exits(0);
    shop.start(&Experiment::slow("60s")).crash();
    shop.firedrill
        .run(["recover"])
        .exits(0)
        .results("everything is undone");
    shop.firedrill
        .run(["recover", "--dry-run"])
        .exits(0)
        .results("nothing is open");
}

/// How far apart the moments are.
const STEP: Duration = Duration::from_millis(150);

/// Stacks side by side, so that waiting costs less.
const LANES: u32 = 8;

/// More moments than any run here lasts, on any machine.
const MOST: u32 = 100;

/// Crashes a run at every moment from its start on, until one has ended by itself; each time everything must be as it
/// was, `leftover` included.
fn at_every_moment(
    experiment: impl Fn(&Shop) -> Experiment + Sync,
    leftover: impl Fn(&Shop) -> Option<String> + Sync,
) {
    thread::scope(|scope| {
        for lane in 0..LANES {
            let (experiment, leftover) = (&experiment, &leftover);
            scope.spawn(move || {
                let shop = Shop::open();
                shop.proxies.add_foreign(PROXY, "theirs");
                let before = shop.proxies.snapshot();
                let file = shop.experiment(&experiment(&shop));
                for moment in (lane..).step_by(LANES as usize) {
                    assert!(moment < MOST, "the run never ends");
                    let delay = STEP * moment;
                    let mut run = shop.firedrill.start(["run", &file]);
                    thread::sleep(delay);
                    let (told, is_cut_short) = (run.told(), run.is_running());
                    run.crash();
                    let recovered = shop.firedrill.run(["recover"]).exits(0);
                    let story = format!(
                        "crashed after {delay:?}:\n{told}\nrecovered:\n{}",
                        recovered.stderr
                    );
                    assert_eq!(shop.proxies.snapshot(), before, "{story}");
                    assert_eq!(leftover(&shop), None, "{story}");
                    shop.firedrill
                        .run(["recover", "--dry-run"])
                        .exits(0)
                        .results("nothing is open");
                    if !is_cut_short {
                        break;
                    }
                }
            });
        }
    });
}

#[test]
fn toxics_are_gone_whenever_the_process_died() {
    at_every_moment(|_| Experiment::slow("600ms"), |_| None);
}

#[test]
fn refused_links_are_open_again_whenever_the_process_died() {
    at_every_moment(|_| Experiment::cut("600ms"), |_| None);
}

#[test]
fn http_hooks_are_undone_whenever_the_process_died() {
    at_every_moment(
        |shop| Experiment::of(http_hook(shop, "600ms")),
        |shop| {
            (shop.stock.version() != FIRST_VERSION)
                .then(|| format!("version {}", shop.stock.version()))
        },
    );
}

#[test]
fn programs_are_undone_whenever_the_process_died() {
    at_every_moment(
        |shop| {
            let mark = shop.path("mark");
            Experiment::of(format!(
                r#"hook: {{id: fault, for: 600ms, do: {{run: ["touch", "{mark}"]}}, undo: {{run: ["rm", "-f", "{mark}"]}}}}"#
            ))
        },
        |shop| shop.folder.has("mark").then(|| "the mark".into()),
    );
}
