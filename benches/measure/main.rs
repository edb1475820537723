//! Measures firedrill and prints one table a topic: `cargo bench --bench measure -- TOPIC…`, or all of them.
//!
//! Invariants: what a table compares was measured within this one run, in turns, so that whatever else the machine
//! does weighs on every column alike; figures are medians with the least and the greatest beside them; a peer that is
//! absent is said to be, and its column left out. Nothing is judged here: bars are printed beside what they are for.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tables are the result, progress goes beside them"
)]

mod child;
mod fixture;
mod followers;
mod halt;
mod journal;
mod pages;
mod proxy;
mod reads;
mod recover;
mod run;
mod samples;
mod serve;
mod signals;
mod site;
mod stopwatch;
mod table;
mod timing;
mod web;

use std::process::ExitCode;

use anyhow::Context as _;

type Topic = (&'static str, fn() -> anyhow::Result<()>);

const TOPICS: [Topic; 11] = [
    ("run", run::measure),
    ("serve", serve::measure),
    ("journal", journal::measure),
    ("proxy", proxy::measure),
    ("reads", reads::measure),
    ("signals", signals::measure),
    ("pages", pages::measure),
    ("followers", followers::measure),
    ("timing", timing::measure),
    ("halt", halt::measure),
    ("recover", recover::measure),
];

fn main() -> ExitCode {
    // `cargo bench` says that it is one.
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let done = match arguments.split_first() {
        Some((first, upstreams)) if first == proxy::COPY_LOOP => proxy::copy_loop(upstreams),
        _ => topics(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn topics(named: &[String]) -> anyhow::Result<()> {
    if let Some(unknown) = named
        .iter()
        .find(|name| !TOPICS.iter().any(|(topic, _)| topic == name))
    {
        let known = TOPICS.map(|(topic, _)| topic).join(", ");
        anyhow::bail!("there is no topic `{unknown}`; hint: there are {known}");
    }
    println!("{}", machine());
    for (topic, measure) in TOPICS {
        if named.is_empty() || named.iter().any(|name| name == topic) {
            measure().with_context(|| format!("`{topic}` could not be measured"))?;
        }
    }
    Ok(())
}

/// What the figures were taken on, and how busy it was with other things.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let processor = read("/proc/cpuinfo");
    let processor = processor
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("an unnamed processor", |(_, name)| name.trim());
    let load = read("/proc/loadavg");
    let load = load.split(' ').next().unwrap_or("unknown");
    let kind = if cfg!(debug_assertions) {
        "a debug build: the figures say little"
    } else {
        "a release build"
    };
    format!("{cores} cores of {processor}, load {load} before; {kind}")
}
