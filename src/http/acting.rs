//! Acts, whatever door they come through: to the run that goes on, or, where they can follow one, to its log.

use std::time::Duration;

use tokio::time::timeout;

use super::Services;
use super::actor::{self, Means, Visitor};
use super::api::signals::rescore;
use super::problem::Problem;
use super::reading::driven;
use crate::engine::event::{Origin, Source};
use crate::engine::input::{Input, Rejection, TeamAct};
use crate::model::ids::RunId;
use crate::model::team::Seat;
use crate::runtime::ActError;
use crate::runtime::amend::amend;

/// How long a page waits until it is on record who looks.
const PATIENCE: Duration = Duration::from_millis(500);

/// Does it. Answers with the log's last sequence, once it is on disk.
pub(super) async fn act(
    services: &Services,
    run: &RunId,
    act: TeamAct,
    origin: Origin,
) -> Result<u64, Problem> {
    if !act.may_follow() || services.supervisor.get(run).is_some() {
        return Ok(driven(services, run).await?.act(act, origin).await?);
    }
    let row = services.database.run(run).await?;
    if row.ended.is_none() {
        driven(services, run).await?;
    }
    let input = Input::Team { act, origin };
    let seq = amend(&services.supervisor, run, input).await?;
    rescore(services, run).await?;
    Ok(seq)
}

/// Puts whoever looks at what a drill hides among its exercise staff, or refuses a responder. Only who has an account
/// can be told from another. Where the disk does not answer, looking goes before keeping count.
pub(super) async fn look_behind(
    services: &Services,
    visitor: &Visitor,
    run: &RunId,
    seat: Seat,
) -> Result<(), Problem> {
    let Some(handle) = services.supervisor.get(run) else {
        return Ok(());
    };
    let known = matches!(visitor.means, Means::Session { .. });
    if handle.plan().drill.is_none() || !known {
        return Ok(());
    }
    let seated = timeout(PATIENCE, async {
        let origin = actor::person(services, Source::Room, &visitor.name).await;
        match origin {
            Ok(origin) => handle.act(TeamAct::Joined { seat }, origin).await,
            Err(_) => Ok(0),
        }
    });
    match seated.await {
        Ok(Err(ActError::Rejected(refused @ Rejection::IsResponder(_)))) => Err(refused.into()),
        _ => Ok(()),
    }
}
