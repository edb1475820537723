//! Transparency: served to anybody, and only where the configuration says so. What it says is reckoned at most once a
//! minute, however many ask.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::response::Html;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::trends::WINDOW;
use crate::http::Services;
use crate::http::actor::Actor;
use crate::http::problem::Problem;
use crate::http::templates::render;
use crate::http::view::layout::Layout;
use crate::http::view::transparency::{Figures, QUARTERS, Transparency};

/// How old figures may be.
const FRESH: Duration = Duration::from_mins(1);

/// A quarter of a year.
const QUARTER: SignedDuration = SignedDuration::from_hours(24 * 365 / 4);

/// The most corrective actions that are counted.
const MOST_ACTIONS: u32 = 1_000;

/// Scenarios that are listed.
const MOST: usize = 26;

/// What a platform publishes, and what was last said.
#[derive(Debug, Clone)]
pub struct Published {
    platform: Arc<str>,
    last: Arc<Mutex<Option<(Instant, Figures)>>>,
}

impl Published {
    /// Publishes under the name by which the platform calls itself.
    pub fn of(platform: &str) -> Self {
        Self {
            platform: platform.into(),
            last: Arc::default(),
        }
    }

    fn fresh(&self) -> Option<Figures> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, figures) = last.as_ref()?;
        (at.elapsed() < FRESH).then(|| figures.clone())
    }
}

/// What is published; nothing where nothing is.
pub(in crate::http) async fn get(
    State(services): State<Services>,
    actor: Actor,
) -> Result<Html<String>, Problem> {
    let Some(published) = services.published.clone() else {
        return Err(Problem::missing(
            "no-such-address",
            "nothing is published here",
        ));
    };
    let figures = if let Some(figures) = published.fresh() {
        figures
    } else {
        let figures = figures(&services).await?;
        let mut last = published
            .last
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *last = Some((Instant::now(), figures.clone()));
        figures
    };
    render(&Transparency {
        layout: Layout::new(&services, "Transparency", "transparency", &actor).await?,
        platform: published.platform.to_string(),
        figures,
    })
}

async fn figures(services: &Services) -> Result<Figures, Problem> {
    let now = services.now().wall;
    let mut quarters = Vec::new();
    let mut to = now;
    for _ in QUARTERS {
        let from = to.checked_sub(QUARTER).unwrap_or(Timestamp::MIN);
        quarters.push(services.database.counted_between(from, to).await?);
        to = from;
    }
    let mut series = services.database.series().await?;
    series.retain(|one| one.scenario.drill && !one.scenario.rehearsal);
    // In the order in which they were first drilled: it says nothing about when they were last.
    series.sort_by_key(|one| one.id);
    let mut scenarios = Vec::new();
    for one in series.into_iter().take(MOST) {
        let runs = services.database.summaries_of(one.id, WINDOW).await?;
        scenarios.push((one, runs));
    }
    let open = services.database.open_actions(MOST_ACTIONS).await?;
    let today = now.to_zoned(TimeZone::UTC).date();
    let late = open.iter().filter(|action| action.due < today).count();
    let month = now.strftime("%B %Y").to_string();
    Ok(Figures::new(
        month,
        &quarters,
        (open.len(), late),
        &scenarios,
    ))
}
