//! The report files of a list: seen to be writable before anything is touched, written when everything is over.
//!
//! A report of an earlier list never stays: whoever publishes it would publish another list's passes.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};

use crate::cli::terminal::Terminal;
use crate::score::report::entry::Entry;
use crate::score::report::{junit, markdown};

/// The environment's name of the file that a CI job's summary is appended to.
const SUMMARY: &str = "GITHUB_STEP_SUMMARY";

#[derive(Debug, clap::Args)]
pub(super) struct Outputs {
    /// Write a JUnit report
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    junit: Option<PathBuf>,
    /// Write the whole report as JSON
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    json: Option<PathBuf>,
    /// Write a Markdown report
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    markdown: Option<PathBuf>,
}

impl Outputs {
    /// Sees that every report can be written, then empties those that are there already.
    pub(super) fn prepare(&self) -> anyhow::Result<()> {
        let paths: Vec<&PathBuf> = [&self.junit, &self.json, &self.markdown]
            .into_iter()
            .flatten()
            .collect();
        let opened: Vec<File> = paths
            .iter()
            .map(|path| open(path))
            .collect::<anyhow::Result<_>>()?;
        for (index, path) in paths.iter().enumerate() {
            if paths[..index].contains(path) {
                bail!(
                    "{} can't be two reports at once; hint: give each a file of its own",
                    path.display()
                );
            }
        }
        for (path, file) in paths.into_iter().zip(opened) {
            // A pipe has nothing to empty, and what `/dev/stdout` leads to may hold what others wrote.
            if !path.starts_with("/dev") && file.metadata().is_ok_and(|it| it.is_file()) {
                file.set_len(0)
                    .with_context(|| format!("{} can't be written", path.display()))?;
            }
        }
        Ok(())
    }

    /// Writes all of them, even where one fails. Answers whether they are written; what is not has been said.
    pub(super) fn write(&self, entries: &[Entry], terminal: Terminal) -> bool {
        let mut written = true;
        let mut put = |path: &Option<PathBuf>, render: &dyn Fn() -> anyhow::Result<String>| {
            let Some(path) = path else { return };
            // What was there has been emptied.
            let done = render().and_then(|text| append(path, &text));
            if let Err(error) = done {
                terminal.error(&format!("{error:#}"));
                written = false;
            }
        };
        put(&self.junit, &|| Ok(junit::render_all(entries)));
        put(&self.json, &|| json(entries));
        put(&self.markdown, &|| Ok(markdown::render_all(entries)));
        // The summary is the CI's own: where it can't be had, that changes no verdict.
        if let Some(path) = std::env::var_os(SUMMARY).filter(|path| !path.is_empty())
            && let Err(error) = append(Path::new(&path), &markdown::render_all(entries))
        {
            terminal.note(&format!("warning: {error:#} (it is named by {SUMMARY})"));
        }
        written
    }
}

fn open(path: &Path) -> anyhow::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .map_err(|error| {
            anyhow!(
                "{} can't be written: {error}; hint: make its folder, or name another file",
                path.display()
            )
        })
}

/// One file's report as an object, those of several as a list.
fn json(entries: &[Entry]) -> anyhow::Result<String> {
    let json = match entries {
        [one] => serde_json::to_string_pretty(one)?,
        several => serde_json::to_string_pretty(several)?,
    };
    Ok(json + "\n")
}

fn append(path: &Path, text: &str) -> anyhow::Result<()> {
    open(path)?
        .write_all(text.as_bytes())
        .with_context(|| format!("{} can't be written", path.display()))
}
