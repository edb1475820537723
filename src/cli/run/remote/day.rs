//! A game day of a server: begun there once, and followed as the server begins one drill after the other. The pauses are
//! the server's; they are told here as well.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{Client, Trouble};
use super::{Args, vars};
use crate::lifecycle::Signals;
use crate::model::ids::RunId;
use crate::model::plan::SourceFile;

/// How often a server is asked whether it has begun the next drill.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// A game day that a server shall hold.
#[derive(Debug)]
pub(super) struct Day {
    name: String,
    files: Vec<SourceFile>,
    /// What the server calls it, once it was begun.
    id: OnceLock<String>,
}

/// One of its drills.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) day: Arc<Day>,
    /// From 0.
    pub(super) index: usize,
}

/// A game day as the server tells it.
#[derive(Debug, Deserialize)]
struct Told {
    id: String,
    drills: Vec<Drill>,
}

#[derive(Debug, Deserialize)]
struct Drill {
    state: String,
    run: Option<RunId>,
    why: Option<String>,
}

/// Why a drill has no run.
pub(super) enum Unbegun {
    /// The server was not asked to an end.
    Trouble(Trouble),
    /// The server says so.
    Told(String),
    /// A signal came while it was waited for.
    Signalled,
}

impl Day {
    pub(super) fn new(name: String, files: Vec<SourceFile>) -> Arc<Self> {
        Arc::new(Self {
            name,
            files,
            id: OnceLock::new(),
        })
    }

    /// Begins it. Asked once only: where the answer is lost, whether it began is for the server's pages to say.
    pub(super) async fn begin(&self, client: &Client, args: &Args) -> Result<RunId, Trouble> {
        let body = json!({
            "game_day": self.name,
            "seed": args.seed,
            "vars": vars(args),
            "files": self.files,
            "autopilot": args.autopilot(),
        });
        let told: Told = client.post("/gamedays", &body, None).await?;
        let _ = self.id.set(told.id);
        let first = told.drills.into_iter().next().and_then(|drill| drill.run);
        first.ok_or_else(|| Trouble::Away("it does not name the first drill's run".to_owned()))
    }

    /// Waits until the server has begun a drill, or says that it never will.
    pub(super) async fn begun(
        &self,
        index: usize,
        client: &Arc<Client>,
        signals: &mut Signals,
    ) -> Result<RunId, Unbegun> {
        let id = self.id.get().map_or("", String::as_str);
        let path = format!("/gamedays/{id}");
        loop {
            let asked = client.patiently(async || client.get::<Told>(&path).await);
            // Cancel safe: asking changes nothing, and signals stay until they are received.
            let told = tokio::select! {
                told = asked => told.map_err(Unbegun::Trouble)?,
                () = signals.next() => return Err(Unbegun::Signalled),
            };
            match told.drills.into_iter().nth(index) {
                Some(Drill { run: Some(run), .. }) => return Ok(run),
                Some(drill) if drill.state == "not_begun" => {
                    return Err(Unbegun::Told(drill.why.unwrap_or_default()));
                }
                _ => {}
            }
            tokio::select! {
                () = tokio::time::sleep(ASK_EVERY) => {}
                () = signals.next() => return Err(Unbegun::Signalled),
            }
        }
    }

    /// Sees to it that the server begins nothing more of it: nobody here would follow that.
    pub(super) async fn end(&self, client: &Client) {
        if let Some(id) = self.id.get() {
            let path = format!("/gamedays/{id}/end");
            // Refused where nothing is left to begin, which is what is wanted.
            let _ = client.post::<Value>(&path, &json!({}), None).await;
        }
    }
}
