//! Evidence of a run in one file: its log as it is stored, where the hash chain ends, the files it was made from, and the
//! scorecard with the version of the rules. The same run gives the same file, byte for byte, and whoever has the file can
//! check it without a database: the chain is walked again, and the scorecard made again from the log.

use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::engine::event::Fact;
use crate::model::ids::RunId;
use crate::model::plan::SourceFile;
use crate::score::{self, RUBRIC, Report};
use crate::store::evidence::{SealedEvent, unseal};

/// What the file calls itself.
const FORMAT: &str = "firedrill evidence 1";

/// Evidence of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// What the file is, and in which shape.
    format: String,
    /// The run.
    run: RunId,
    /// The version of the rules that made the scorecard.
    rubric: u32,
    /// Where the chain ends.
    chain: Chain,
    /// Every event as it is stored.
    log: Vec<SealedEvent>,
    /// The files that the run was made from.
    files: Vec<File>,
    /// What the run came to.
    scorecard: Value,
}

/// Where a chain ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Chain {
    seq: u64,
    head: String,
}

/// A file as it was when the run began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    path: String,
    sha256: String,
    /// Nothing where it was not kept: the plan in the first event still holds all that was read from it.
    text: Option<String>,
}

impl File {
    /// A file of a plan, with its text where that was kept.
    pub fn new(file: &SourceFile, text: Option<String>) -> Self {
        Self {
            path: file.path.clone(),
            sha256: file.sha256.clone(),
            text,
        }
    }
}

/// Why evidence proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// It is not such a file.
    #[error(
        "this is no evidence of firedrill's: {0}; hint: make one with `firedrill report RUN --evidence FILE`"
    )]
    Unreadable(String),
    /// The log was changed.
    #[error("the log is not whole: {0}")]
    Log(String),
    /// The log ends elsewhere.
    #[error(
        "the log ends at event {seq} with another hash than the one given: its tail was cut off or changed"
    )]
    Head {
        /// Where it ends.
        seq: u64,
    },
    /// A file was changed.
    #[error("file {0} is not the one that the run was made from")]
    File(String),
    /// The scorecard says what the log doesn't.
    #[error("the scorecard is not what the log comes to: {0} differs")]
    Scorecard(String),
    /// Its rules are not known here.
    #[error(
        "the log is whole, but rubric {0} is not known here, so the scorecard can't be made again; hint: use the firedrill that made it"
    )]
    Rubric(u32),
}

/// What was proven, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    run: RunId,
    events: u64,
    erased: usize,
    head: String,
    files: usize,
    missing: usize,
    rubric: u32,
}

impl fmt::Display for Proven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "run {}", self.run)?;
        write!(f, "the log is whole: {} events", self.events)?;
        if self.erased > 0 {
            write!(f, ", the contents of {} erased", self.erased)?;
        }
        writeln!(f, ", chain head {}", self.head)?;
        write!(f, "{} files are those that it was made from", self.files)?;
        if self.missing > 0 {
            write!(f, ", the texts of {} more were not kept", self.missing)?;
        }
        writeln!(f)?;
        write!(
            f,
            "the scorecard is what the log comes to by rubric {}",
            self.rubric
        )
    }
}

impl Bundle {
    /// Evidence of a run from its log, its files, and the report made from that log.
    pub fn new(
        run: RunId,
        log: Vec<SealedEvent>,
        files: Vec<File>,
        report: &Report,
    ) -> serde_json::Result<Self> {
        Ok(Self {
            format: FORMAT.to_owned(),
            run,
            rubric: report.rubric,
            chain: Chain {
                seq: report.chain.seq,
                head: report.chain.head.clone().unwrap_or_default(),
            },
            log,
            files,
            scorecard: serde_json::to_value(report)?,
        })
    }

    /// The file: JSON with sorted keys, which ends with a line feed.
    pub fn render(&self) -> serde_json::Result<String> {
        let mut value = serde_json::to_value(self)?;
        value.sort_all_objects();
        let mut text = serde_json::to_string_pretty(&value)?;
        text.push('\n');
        Ok(text)
    }

    /// Reads a file.
    pub fn read(text: &str) -> Result<Self, Unproven> {
        let bundle: Self =
            serde_json::from_str(text).map_err(|error| Unproven::Unreadable(error.to_string()))?;
        if bundle.format != FORMAT {
            let told: String = bundle.format.chars().take(60).collect();
            return Err(Unproven::Unreadable(format!("its format is `{told}`")));
        }
        Ok(bundle)
    }

    /// Checks all of it.
    pub fn prove(&self) -> Result<Proven, Unproven> {
        let log = unseal(&self.run, &self.log).map_err(|error| Unproven::Log(error.to_string()))?;
        if log.head.seq != self.chain.seq || log.head.hash != self.chain.head {
            return Err(Unproven::Head { seq: log.head.seq });
        }
        let planned: Vec<&SourceFile> = log
            .events
            .iter()
            .filter_map(|event| match &event.fact {
                Fact::RunCreated { plan, .. } => Some(&plan.files),
                _ => None,
            })
            .flatten()
            .collect();
        let same = |file: &File, planned: &SourceFile| {
            file.path == planned.path && file.sha256 == planned.sha256
        };
        for file in &self.files {
            let known = planned.iter().any(|one| same(file, one));
            let text = file.text.as_deref();
            if !known || text.is_some_and(|text| digest(text) != file.sha256) {
                return Err(Unproven::File(file.path.clone()));
            }
        }
        for one in planned {
            if !self.files.iter().any(|file| same(file, one)) {
                return Err(Unproven::File(one.path.clone()));
            }
        }
        if self.rubric != RUBRIC {
            return Err(Unproven::Rubric(self.rubric));
        }
        let report = score::judge(&log.events)
            .ok_or_else(|| Unproven::Scorecard("the first event was erased, so everything".into()))?
            .identified(self.run.clone(), Some(log.head.hash.clone()));
        let made = serde_json::to_value(&report)
            .map_err(|error| Unproven::Scorecard(error.to_string()))?;
        if let Some(place) = difference(&self.scorecard, &made, "") {
            return Err(Unproven::Scorecard(place));
        }
        let texts = self.files.iter().filter(|file| file.text.is_some()).count();
        Ok(Proven {
            run: self.run.clone(),
            events: log.head.seq,
            erased: log.erased,
            head: log.head.hash,
            files: texts,
            missing: self.files.len() - texts,
            rubric: self.rubric,
        })
    }
}

/// Where `told` says something else than `made`. A later firedrill may say more; what was said must still be so.
fn difference(told: &Value, made: &Value, place: &str) -> Option<String> {
    match (told, made) {
        (Value::Object(told), Value::Object(made)) => told.iter().find_map(|(key, value)| {
            let place = format!("{place}/{key}");
            let made = made.get(key).unwrap_or(&Value::Null);
            difference(value, made, &place)
        }),
        (Value::Array(told), Value::Array(made)) if told.len() == made.len() => {
            let mut pairs = told.iter().zip(made).enumerate();
            pairs.find_map(|(at, (told, made))| difference(told, made, &format!("{place}/{at}")))
        }
        _ if told == made => None,
        _ => Some(if place.is_empty() {
            "all of it".to_owned()
        } else {
            place.to_owned()
        }),
    }
}

/// SHA-256 of a text, in hex.
pub fn digest(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string can't fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
