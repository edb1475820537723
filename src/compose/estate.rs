//! What a demo has at a daemon, found by its labels, and how it is removed: its own at its end, or that of a demo whose
//! process died, by another one.
//!
//! Removed is what reads back as absent, and on a second look still is: a request of the dead process may land late.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::Error;
use super::engine::{Engine, Kind, Thing};
use super::label::{BEGAN, DATA, DEMO, OWNER};
use super::owner::{Owner, Standing};

/// How long removing is tried before what is left is said.
const PATIENCE: Duration = Duration::from_mins(1);

/// From one look to the next.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// A demo takes less than this from its first request to containers that run. Where its process can't be asked about,
/// one that has none after it never will.
const STARTING_S: i64 = 600;

/// Everything of one demo.
#[derive(Debug, Clone)]
pub struct Estate {
    demo: String,
    things: Vec<Thing>,
}

/// What could not be removed.
#[derive(Debug, thiserror::Error)]
#[error("{what} of a demo could not be removed: {why}; hint: {by_hand}")]
pub struct Left {
    what: String,
    why: String,
    by_hand: String,
}

/// All demos that have something there.
pub async fn estates(engine: &Engine) -> Result<Vec<Estate>, Error> {
    let mut estates: BTreeMap<String, Vec<Thing>> = BTreeMap::new();
    for thing in engine.labelled(None).await? {
        let demo = thing.labels.get(DEMO).cloned().unwrap_or_default();
        estates.entry(demo).or_default().push(thing);
    }
    let estates = estates.into_iter();
    Ok(estates
        .map(|(demo, things)| Estate { demo, things })
        .collect())
}

impl Estate {
    /// The demo's name.
    pub fn demo(&self) -> &str {
        &self.demo
    }

    /// Where its process kept its journal.
    pub fn data(&self) -> Option<PathBuf> {
        self.label(DATA).map(PathBuf::from)
    }

    /// Whether any of its containers runs, so that what its runs did can be undone there.
    pub fn runs(&self) -> bool {
        self.things.iter().any(|thing| thing.runs)
    }

    /// What has become of its process, `now` in seconds since 1970. Where the machine was started anew since, it is dead
    /// if nothing of it runs any more, nor is about to.
    pub fn standing(&self, now: i64) -> Standing {
        let owner = self.label(OWNER).and_then(|tag| tag.parse::<Owner>().ok());
        let began = self
            .label(BEGAN)
            .and_then(|began| began.parse::<i64>().ok());
        match owner.map(|owner| owner.standing()) {
            None => Standing::Unseen,
            Some(Standing::OtherBoot)
                if !self.runs() && began.is_some_and(|began| now - began > STARTING_S) =>
            {
                Standing::Dead
            }
            Some(standing) => standing,
        }
    }

    /// The commands that remove it by hand.
    pub fn by_hand(&self) -> String {
        by_hand(&self.things)
    }

    /// Removes everything.
    pub async fn remove(self, engine: &Engine) -> Result<(), Left> {
        remove(engine, &self.demo).await
    }

    fn label(&self, key: &str) -> Option<&str> {
        let mut things = self.things.iter();
        things
            .find_map(|thing| thing.labels.get(key))
            .map(String::as_str)
    }
}

impl fmt::Display for Estate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&counted(&self.things))
    }
}

/// Removes everything that is labelled as this demo's.
pub(super) async fn remove(engine: &Engine, demo: &str) -> Result<(), Left> {
    let until = Instant::now() + PATIENCE;
    let mut looked_clean = false;
    loop {
        let (things, why) = match engine.labelled(Some(demo)).await {
            Ok(things) if things.is_empty() && looked_clean => return Ok(()),
            Ok(things) => {
                looked_clean = things.is_empty();
                let why = remove_all(engine, &things).await;
                (things, why)
            }
            Err(error) => (Vec::new(), Some(error)),
        };
        if Instant::now() >= until && !looked_clean {
            return Err(left(demo, &things, why));
        }
        // What was removed is looked at at once; what was not, and what seems gone, a little later.
        if looked_clean || why.is_some() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

/// Containers first, then what they hold. Answers with the first refusal.
async fn remove_all(engine: &Engine, things: &[Thing]) -> Option<Error> {
    let mut refusal = None;
    for kind in [Kind::Container, Kind::Network, Kind::Image] {
        let of_kind = things.iter().filter(|thing| thing.kind == kind);
        let removed = join_all(of_kind.map(|thing| engine.remove(thing))).await;
        refusal = refusal.or(removed.into_iter().find_map(Result::err));
    }
    refusal
}

fn left(demo: &str, things: &[Thing], why: Option<Error>) -> Left {
    let (what, by_hand) = if things.is_empty() {
        let label = format!("--filter label={DEMO}={demo}");
        (
            "what there is".to_owned(),
            format!(
                "`docker ps -a {label}`, `docker network ls {label}` and `docker images {label}` show it"
            ),
        )
    } else {
        (counted(things), by_hand(things))
    };
    Left {
        what,
        why: why.map_or_else(|| "it comes back".to_owned(), |error| error.to_string()),
        by_hand,
    }
}

fn by_hand(things: &[Thing]) -> String {
    let commands: Vec<String> = things.iter().map(Thing::by_hand).collect();
    commands.join(" && ")
}

fn counted(things: &[Thing]) -> String {
    let count = |kind, one: &str, several: &str| match things
        .iter()
        .filter(|thing| thing.kind == kind)
        .count()
    {
        0 => None,
        1 => Some(format!("1 {one}")),
        count => Some(format!("{count} {several}")),
    };
    let counts = [
        count(Kind::Container, "container", "containers"),
        count(Kind::Network, "network", "networks"),
        count(Kind::Image, "image", "images"),
    ];
    let counts: Vec<String> = counts.into_iter().flatten().collect();
    counts.join(", ")
}

/// A folder as a label has it.
pub(super) fn folder(data: &Path) -> String {
    let absolute = std::path::absolute(data);
    absolute.as_deref().unwrap_or(data).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::super::label;
    use super::*;

    fn estate(owner: &str, runs: bool) -> Estate {
        let thing = Thing {
            kind: Kind::Container,
            id: "4f2a91".to_owned(),
            name: "firedrill-127.0.0.1-signer-a".to_owned(),
            labels: label::map(&[(DEMO, "d"), (OWNER, owner), (BEGAN, "1000")]),
            runs,
        };
        let network = Thing {
            kind: Kind::Network,
            name: "firedrill-d".to_owned(),
            runs: false,
            ..thing.clone()
        };
        Estate {
            demo: "d".to_owned(),
            things: vec![thing.clone(), thing, network],
        }
    }

    #[test]
    fn after_the_machine_was_started_anew_what_neither_runs_nor_may_still_start_is_dead() {
        let earlier = "another-boot/1/2/3";
        let (soon, late) = (1000 + STARTING_S, 1001 + STARTING_S);
        assert_eq!(estate(earlier, false).standing(late), Standing::Dead);
        assert_eq!(estate(earlier, false).standing(soon), Standing::OtherBoot);
        assert_eq!(estate(earlier, true).standing(late), Standing::OtherBoot);
    }

    #[test]
    fn a_tag_that_can_not_be_read_is_nobodys_death() {
        assert_eq!(estate("?", false).standing(i64::MAX), Standing::Unseen);
    }

    #[test]
    fn an_estate_is_counted_and_can_be_removed_by_hand() {
        let estate = estate("?", true);
        assert_eq!(estate.to_string(), "2 containers, 1 network");
        assert!(
            estate
                .by_hand()
                .ends_with("&& docker network rm firedrill-d")
        );
    }
}
