//! The calendar: what starts by itself, what did, and what was skipped and why; a month as a grid, and as a list.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde::Serialize;

use super::Badge;
use super::layout::Layout;
use crate::http::calendar::{Came, Told};
use crate::http::templates::Page;
use crate::model::schedule::Schedule;
use crate::store::schedule::ScheduledStart;

/// A month.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Calendar {
    pub(in crate::http) layout: Layout,
    /// `March 2026`.
    pub(in crate::http) title: String,
    /// `2026-03`, of this month and those beside it.
    pub(in crate::http) month: String,
    pub(in crate::http) before: String,
    pub(in crate::http) after: String,
    pub(in crate::http) zone: String,
    pub(in crate::http) zones: Vec<String>,
    pub(in crate::http) weeks: Vec<Vec<Day>>,
    pub(in crate::http) agenda: Vec<Entry>,
    pub(in crate::http) scheduled: Vec<Rule>,
}

impl Page for Calendar {
    const TEMPLATE: &'static str = "calendar.html";
}

/// A day of the grid.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Day {
    pub(in crate::http) number: i8,
    pub(in crate::http) name: String,
    /// Whether it is of this month.
    pub(in crate::http) inside: bool,
    pub(in crate::http) today: bool,
    /// The drills that never start on it.
    pub(in crate::http) barred: Vec<String>,
    pub(in crate::http) entries: Vec<Entry>,
}

/// Something on a day.
#[derive(Debug, Clone, Serialize)]
pub(in crate::http) struct Entry {
    /// `2026-03-03`, in the chosen zone.
    pub(in crate::http) day: String,
    /// `10:00`, or `10:00–16:00` of a surprise.
    pub(in crate::http) time: String,
    /// The same in UTC.
    pub(in crate::http) utc: String,
    pub(in crate::http) name: String,
    pub(in crate::http) state: Badge,
    pub(in crate::http) why: String,
    /// The run that was started, or the game day.
    pub(in crate::http) run: Option<String>,
    pub(in crate::http) game_day: Option<String>,
    #[serde(skip)]
    date: Date,
    #[serde(skip)]
    at: Timestamp,
}

/// A drill that starts by itself.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Rule {
    pub(in crate::http) drill: String,
    pub(in crate::http) cron: String,
    pub(in crate::http) zone: String,
    pub(in crate::http) window: Option<String>,
    pub(in crate::http) blackout: String,
    pub(in crate::http) tolerance: String,
    pub(in crate::http) surprise: bool,
}

impl Rule {
    /// A drill's schedule.
    pub(in crate::http) fn new(drill: &str, schedule: &Schedule) -> Self {
        let blackout: Vec<String> = schedule.blackout.iter().map(ToString::to_string).collect();
        Self {
            drill: drill.to_owned(),
            cron: schedule.cron.clone(),
            zone: schedule.timezone.clone(),
            window: schedule.window.map(|hours| hours.to_string()),
            blackout: blackout.join(", "),
            tolerance: schedule.tolerance.to_string(),
            surprise: schedule.surprise,
        }
    }
}

impl Entry {
    fn new(at: Timestamp, zone: &TimeZone, name: String, state: Badge) -> Self {
        let local = at.to_zoned(zone.clone());
        Self {
            day: local.strftime("%Y-%m-%d").to_string(),
            time: local.strftime("%H:%M").to_string(),
            utc: at.strftime("%Y-%m-%d %H:%M").to_string(),
            name,
            state,
            why: String::new(),
            run: None,
            game_day: None,
            date: local.date(),
            at,
        }
    }

    /// A start that is to come.
    pub(in crate::http) fn planned(told: &Told, zone: &TimeZone) -> Self {
        let state = if told.barred.is_some() {
            Badge::new("blackout", '⊘', "plain")
        } else if told.range.is_some() {
            Badge::new("surprise", '?', "warn")
        } else {
            Badge::new("planned", '○', "live")
        };
        let mut entry = match &told.start {
            Some((drill, at)) => Self::new(*at, zone, drill.to_string(), state),
            None => Self::new(told.at(), zone, "a surprise".into(), state),
        };
        if told.start.is_none()
            && let Some((_, to)) = told.range
        {
            let until = to.to_zoned(zone.clone());
            entry.time = format!("{}–{}", entry.time, until.strftime("%H:%M"));
            entry.utc = format!("{} to {}", entry.utc, to.strftime("%H:%M"));
            entry.why = "some time in these hours".into();
        }
        if let Some(days) = &told.barred {
            entry.why = format!("it does not start: blackout {days}");
        }
        entry
    }

    /// A start that was due.
    pub(in crate::http) fn past(drill: &str, start: &ScheduledStart, zone: &TimeZone) -> Self {
        let came = Came::of(start);
        let (state, why) = match came {
            Came::Started(_) | Came::Held(_) => (Badge::new("started", '✓', "good"), ""),
            Came::Skipped(why) => (Badge::new("skipped", '■', "warn"), why),
            Came::NotStarted(why) => (Badge::new("not started", '✗', "bad"), why),
            Came::Claimed => (
                Badge::new("claimed", '…', "warn"),
                "the server ended before it was known what came of it",
            ),
        };
        let mut entry = Self::new(start.due, zone, drill.to_owned(), state);
        why.clone_into(&mut entry.why);
        match came {
            Came::Started(run) => entry.run = Some(run.to_owned()),
            Came::Held(id) => entry.game_day = Some(id.to_owned()),
            _ => {}
        }
        entry
    }
}

/// The first days of the month before this one, of this one and of the one after.
pub(in crate::http) fn around(month: Date) -> (Date, Date, Date) {
    let first = month.first_of_month();
    let before = first.checked_sub(1.month()).unwrap_or(first);
    let after = first.checked_add(1.month()).unwrap_or(first);
    (before, first, after)
}

/// The days that a month's grid shows: whole weeks from Monday on.
pub(in crate::http) fn shown(month: Date) -> (Date, Date) {
    let (_, first, after) = around(month);
    let offset = i64::from(first.weekday().to_monday_zero_offset());
    let begin = first.checked_sub(offset.days()).unwrap_or(first);
    let last = after.yesterday().unwrap_or(after);
    let rest = 6 - i64::from(last.weekday().to_monday_zero_offset());
    let end = last.checked_add(rest.days()).unwrap_or(last);
    (begin, end)
}

/// A month's weeks, with what is on each day and which drills `never` start on it, and the same as a list of the month
/// alone.
pub(in crate::http) fn laid_out(
    month: Date,
    today: Date,
    mut entries: Vec<Entry>,
    never: impl Fn(Date) -> Vec<String>,
) -> (Vec<Vec<Day>>, Vec<Entry>) {
    entries.sort_by(|one, other| {
        one.at
            .cmp(&other.at)
            .then_with(|| one.name.cmp(&other.name))
    });
    let (begin, end) = shown(month);
    let mut weeks: Vec<Vec<Day>> = Vec::new();
    let mut date = begin;
    while date <= end {
        if date.weekday().to_monday_zero_offset() == 0 {
            weeks.push(Vec::new());
        }
        let day = Day {
            number: date.day(),
            name: date.strftime("%A %-d %B").to_string(),
            inside: date.month() == month.month(),
            today: date == today,
            barred: never(date),
            entries: entries
                .iter()
                .filter(|entry| entry.date == date)
                .cloned()
                .collect(),
        };
        if let Some(week) = weeks.last_mut() {
            week.push(day);
        }
        let Ok(next) = date.tomorrow() else { break };
        date = next;
    }
    entries
        .retain(|entry| entry.date.month() == month.month() && entry.date.year() == month.year());
    (weeks, entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::schedule::Scheduled;

    #[test]
    fn a_month_is_shown_in_whole_weeks() {
        let day = |text: &str| text.parse::<Date>().expect("a day");
        assert_eq!(
            shown(day("2026-03-15")),
            (day("2026-02-23"), day("2026-04-05"))
        );
        let (weeks, agenda) = laid_out(day("2026-03-01"), day("2026-03-03"), Vec::new(), |date| {
            Vec::from_iter((date.day() == 24).then(|| "outage".to_owned()))
        });
        assert!(weeks.iter().all(|week| week.len() == 7) && agenda.is_empty());
        let barred = weeks.iter().flatten().filter(|day| !day.barred.is_empty());
        assert_eq!(barred.count(), 2, "one is of the month before");
        let inside = weeks.iter().flatten().filter(|day| day.inside).count();
        assert_eq!(inside, 31);
        assert_eq!(weeks.iter().flatten().filter(|day| day.today).count(), 1);
    }

    #[test]
    fn a_surprise_is_told_by_its_range_to_those_who_are_surprised() {
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let told = |start| Told {
            start,
            range: Some((at("2026-03-03T09:00:00Z"), at("2026-03-03T15:00:00Z"))),
            barred: None,
        };
        let zone = TimeZone::get("Europe/Berlin").expect("a zone");
        let drill = "outage".parse::<Scheduled>().expect("a name");
        let staff = Entry::planned(&told(Some((drill, at("2026-03-03T11:23:45Z")))), &zone);
        assert_eq!(
            (staff.time.as_str(), staff.name.as_str()),
            ("12:23", "outage")
        );
        let team = Entry::planned(&told(None), &zone);
        assert_eq!(
            (team.time.as_str(), team.name.as_str()),
            ("10:00–16:00", "a surprise")
        );
    }
}
