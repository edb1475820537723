//! What a scripted team does, in its order: made from the plan and a profile alone.
//!
//! Who plays it is another matter: the autopilot does through a run's handle, the demo's team over HTTP.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

use crate::engine::event::Update;
use crate::engine::input::TeamAct;
use crate::model::drill::{Autopilot, Profile, Remedy};
use crate::model::ids::{RemedyId, ServiceName};
use crate::model::message::Stage;
use crate::model::plan::{Exercise, Plan};
use crate::model::runbook::{Audience, Expected, Milestone, PhraseSet, Target, UpdatePart};
use crate::model::team::Role;
use crate::model::time::Millis;

/// From an update to the next that it promises, where the runbook asks for no pace.
const NEXT_UPDATE: Duration = Duration::from_mins(15);

/// In what time recovery is expected, where the runbook says nothing of it.
const RECOVERY: Duration = Duration::from_mins(15);

/// Somebody of a scripted team.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Member {
    /// Leads.
    Commander,
    /// Acts on the stack.
    Operator,
    /// Tells others.
    Speaker,
}

impl Member {
    /// What they are called.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Commander => "commander",
            Self::Operator => "operator",
            Self::Speaker => "speaker",
        }
    }

    /// Their place among a team's members.
    pub fn place(self) -> usize {
        match self {
            Self::Commander => 0,
            Self::Operator => 1,
            Self::Speaker => 2,
        }
    }
}

/// One thing that somebody does.
#[derive(Debug, Clone)]
pub struct Beat {
    /// Who.
    pub who: Member,
    /// What, but for the times that it names.
    act: TeamAct,
    /// From the moment it is done to the update that it promises.
    next_update: Option<Duration>,
    /// From the moment it is done to the latest end of the recovery that it estimates.
    recovery: Option<Duration>,
}

impl Beat {
    /// What is done, when it is done now.
    pub fn at(self, now: Timestamp) -> TeamAct {
        let mut act = self.act;
        if let TeamAct::UpdatePosted(update) = &mut act {
            let later = |length: Duration| {
                let length = SignedDuration::try_from(length).ok()?;
                now.checked_add(length).ok()
            };
            update.next_update_at = self.next_update.and_then(later);
            update.estimated_recovery = self.recovery.and_then(later).map(|latest| (now, latest));
        }
        act
    }
}

/// What a team does: on the page, while users are hurt, and once they are well.
#[derive(Debug, Clone)]
pub struct Script {
    /// On the page.
    pub response: Vec<Beat>,
    /// What it tells again and again, and how often.
    pub cadence: Option<(Duration, Beat)>,
    /// Once users are well.
    pub all_clear: Vec<Beat>,
}

/// The pace of a team: draws of its seed.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    autopilot: Autopilot,
    index: u64,
}

impl Pace {
    /// The pace of this team.
    pub fn of(autopilot: Autopilot) -> Self {
        Self {
            autopilot,
            index: 0,
        }
    }

    /// From one act to the next.
    pub fn pause(&mut self) -> Duration {
        self.index += 1;
        let draw = self.draw("pace", self.index);
        let (least, most) = match self.autopilot.profile {
            Profile::New => (5_000, 15_000),
            Profile::Seasoned | Profile::Absent => (700, 2_500),
        };
        Duration::from_millis(least + draw % (most - least + 1))
    }

    /// How long users complain until somebody looks.
    pub fn complaint(&self) -> Duration {
        let least = match self.autopilot.profile {
            Profile::New => 40_000,
            Profile::Seasoned | Profile::Absent => 10_000,
        };
        Duration::from_millis(least + self.draw("complaint", 0) % 10_000)
    }

    fn draw(&self, purpose: &str, index: u64) -> u64 {
        let mut hash = Sha256::new();
        hash.update(self.autopilot.seed.to_le_bytes());
        hash.update(b"autopilot ");
        hash.update(purpose.as_bytes());
        hash.update(index.to_le_bytes());
        let digest = hash.finalize();
        let first = digest.iter().take(8);
        first.fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte))
    }
}

impl Script {
    /// What a team of this profile does in a drill; nothing where it does nothing.
    pub fn of(plan: &Plan, profile: Profile) -> Option<Self> {
        let exercise = plan.drill.as_ref()?;
        let seasoned = match profile {
            Profile::Absent => return None,
            Profile::Seasoned => true,
            Profile::New => false,
        };
        if plan.decoy().is_some() {
            return Some(Self::looking(seasoned, exercise));
        }
        let right = remedy(plan, exercise);
        let mut response = vec![beat(Member::Commander, TeamAct::Acknowledged)];
        response.extend(service(plan).map(|service| {
            let symptom = symptom(plan);
            beat(Member::Commander, TeamAct::Detected { service, symptom })
        }));
        let severity = exercise.drill.severity;
        response.push(beat(Member::Commander, TeamAct::Declared { severity }));
        for (who, role) in [
            (Member::Commander, Role::IncidentCommander),
            (Member::Operator, Role::Operations),
            (Member::Speaker, Role::Communications),
        ] {
            response.push(beat(who, TeamAct::RoleTaken { role, to: None }));
        }
        let notices = audiences(exercise);
        let told = |stage: Stage, text: &str| {
            let posts = notices.iter();
            let posts = posts.map(|(audience, channels)| {
                notice(exercise, *audience, channels, (stage, text), seasoned)
            });
            posts.collect::<Vec<Beat>>()
        };
        response.extend(told(
            Stage::FirstNotice,
            "Something does not work at the moment; we are on it.",
        ));
        if !seasoned {
            response.extend(
                wrong_cause(plan, exercise)
                    .map(|cause| beat(Member::Operator, TeamAct::CauseNamed { cause })),
            );
            response.extend(
                wrong_remedy(exercise, right)
                    .map(|remedy| beat(Member::Operator, TeamAct::RemedyChosen { remedy })),
            );
        }
        response.extend(
            cause(plan, exercise)
                .map(|cause| beat(Member::Operator, TeamAct::CauseNamed { cause })),
        );
        if let Some(remedy) = right {
            let id = || remedy.id.clone();
            response.push(beat(
                Member::Operator,
                TeamAct::RemedyChosen { remedy: id() },
            ));
            let others = [Member::Commander, Member::Speaker].into_iter();
            let needed = usize::try_from(remedy.approvals).unwrap_or(usize::MAX);
            response.extend(
                others
                    .take(needed)
                    .map(|who| beat(who, TeamAct::RemedyApproved { remedy: id() })),
            );
        }
        let cadence = cadence(exercise).filter(|_| seasoned).and_then(|every| {
            let mut posts = told(Stage::Update, "We are still on it.");
            Some((every.mul_f64(0.7), posts.drain(..1).next()?))
        });
        let mut all_clear = told(Stage::Resolved, "Everything works again.");
        all_clear.push(beat(Member::Commander, TeamAct::Resolved));
        Some(Self {
            response,
            cadence,
            all_clear,
        })
    }

    /// Where nothing is wrong: who knows that says so, who does not raises the alarm.
    fn looking(seasoned: bool, exercise: &Exercise) -> Self {
        let severity = exercise.drill.severity;
        let act = if seasoned {
            TeamAct::Dismissed {
                reason: "every check passes".to_owned(),
            }
        } else {
            TeamAct::Declared { severity }
        };
        Self {
            response: vec![
                beat(Member::Commander, TeamAct::Acknowledged),
                beat(Member::Commander, act),
            ],
            cadence: None,
            all_clear: Vec::new(),
        }
    }
}

fn beat(who: Member, act: TeamAct) -> Beat {
    Beat {
        who,
        act,
        next_update: None,
        recovery: None,
    }
}

/// How a message is answered.
pub fn reply(inject: usize) -> TeamAct {
    TeamAct::Replied {
        inject: Some(inject),
        text: "Funds are safe. We know what fails, and say more as soon as we can.".to_owned(),
    }
}

/// What is tried first of all that is affected: what users meet.
fn service(plan: &Plan) -> Option<ServiceName> {
    let hit = plan.injections.iter().find_map(|one| one.act.service());
    let caller = |hit: &ServiceName| {
        let mut links = plan.stack.links.iter();
        links
            .find(|link| link.to == *hit)
            .map(|link| link.from.clone())
    };
    hit.and_then(caller)
        .or_else(|| hit.cloned())
        .or_else(|| plan.stack.services.keys().next().cloned())
}

fn symptom(plan: &Plan) -> String {
    let mut impact = plan.stack.probes.values().filter(|probe| probe.impact);
    impact.next().map_or_else(
        || "users complain".to_owned(),
        |probe| format!("{} fails", probe.name),
    )
}

/// What the runbook asks to be named, else the first that breaks.
fn cause(plan: &Plan, exercise: &Exercise) -> Option<String> {
    let lines = exercise.runbook.expect.iter();
    let mut named = lines.filter_map(|line| match &line.what {
        Expected::Event {
            event: Milestone::CauseNamed(cause),
            ..
        } => Some(cause.clone()),
        _ => None,
    });
    named.next().or_else(|| {
        let mut steps = plan
            .experiment
            .method
            .iter()
            .filter(|step| !step.is_pause());
        steps.next().map(|step| step.id.to_string())
    })
}

fn wrong_cause(plan: &Plan, exercise: &Exercise) -> Option<String> {
    let right = cause(plan, exercise)?;
    let mut steps = plan
        .experiment
        .method
        .iter()
        .map(|step| step.id.to_string());
    Some(
        steps
            .find(|step| *step != right)
            .unwrap_or_else(|| "a release".to_owned()),
    )
}

/// What the runbook asks for, else what ends a fault, else the first that is not forbidden.
fn remedy<'a>(plan: &Plan, exercise: &'a Exercise) -> Option<&'a Remedy> {
    let of = |id: &RemedyId| exercise.drill.remedies.iter().find(|one| one.id == *id);
    let lines = exercise.runbook.expect.iter();
    let mut asked = lines.filter_map(|line| match &line.what {
        Expected::Event {
            event: Milestone::RemedyChosen(remedy),
            ..
        } => of(remedy),
        _ => None,
    });
    let ends = |remedy: &&Remedy| {
        let mut steps = plan.experiment.method.iter();
        steps.any(|step| remedy.ends.contains(&step.id))
    };
    let allowed = || {
        let remedies = exercise.drill.remedies.iter();
        remedies.filter(|remedy| !is_forbidden(exercise, &remedy.id))
    };
    asked
        .next()
        .or_else(|| allowed().find(ends))
        .or_else(|| allowed().next())
}

fn is_forbidden(exercise: &Exercise, remedy: &RemedyId) -> bool {
    let mut lines = exercise.runbook.expect.iter();
    lines.any(|line| {
        matches!(&line.what, Expected::Forbid { target: Target::Remedy(known) } if known == remedy)
    })
}

fn wrong_remedy(exercise: &Exercise, right: Option<&Remedy>) -> Option<RemedyId> {
    let others = exercise.drill.remedies.iter();
    let others = others.filter(|one| right.is_none_or(|right| right.id != one.id));
    others.map(|one| one.id.clone()).next()
}

/// Whom the runbook wants to be told, else who reads the drill's channels, else customers; and where: on the channels that
/// the runbook names, and on all of the drill's that these people read.
fn audiences(exercise: &Exercise) -> Vec<(Audience, Vec<String>)> {
    let lines = exercise.runbook.expect.iter();
    let mut told: Vec<(Audience, Vec<String>)> = Vec::new();
    for line in lines {
        if let Expected::Event {
            event: Milestone::Update {
                audience, channels, ..
            },
            ..
        } = &line.what
        {
            add(&mut told, audience.unwrap_or(Audience::Customers), channels);
        }
    }
    if told.is_empty() {
        // What the law asks for is not told by the way.
        let read = exercise.channels.iter().map(|channel| channel.audience);
        for audience in read.filter(|audience| *audience != Audience::Regulator) {
            add(&mut told, audience, &[]);
        }
    }
    if told.is_empty() {
        add(&mut told, Audience::Customers, &["status_page".to_owned()]);
    }
    for (audience, channels) in &mut told {
        let own = |name: &str| {
            let mut own = exercise.channels.iter();
            own.find(|channel| channel.name.as_str() == name)
        };
        // What others read is not for these.
        channels.retain(|name| own(name).is_none_or(|channel| channel.audience == *audience));
        let read = exercise.channels.iter();
        let read = read.filter(|channel| channel.audience == *audience);
        let read: Vec<String> = read.map(|channel| channel.name.to_string()).collect();
        let more = read.into_iter().filter(|name| !channels.contains(name));
        let more: Vec<String> = more.collect();
        channels.extend(more);
    }
    told
}

fn add(told: &mut Vec<(Audience, Vec<String>)>, audience: Audience, channels: &[String]) {
    let place = told.iter().position(|(known, _)| *known == audience);
    let place = place.unwrap_or_else(|| {
        told.push((audience, Vec::new()));
        told.len() - 1
    });
    let known = &mut told[place].1;
    for channel in channels {
        if !known.contains(channel) {
            known.push(channel.clone());
        }
    }
}

fn cadence(exercise: &Exercise) -> Option<Duration> {
    let lines = exercise.runbook.expect.iter();
    let every = lines.filter_map(|line| match &line.what {
        Expected::Cadence { every, .. } => Some(every.duration()),
        _ => None,
    });
    every.min()
}

/// An update; who knows the runbook puts into it what that asks for.
fn notice(
    exercise: &Exercise,
    audience: Audience,
    channels: &[String],
    (stage, text): (Stage, &str),
    seasoned: bool,
) -> Beat {
    let mut words = vec![text];
    if seasoned {
        let lines = exercise.runbook.expect.iter();
        let asked = lines.flat_map(|line| match &line.what {
            Expected::MessageContains { phrases } => phrases.as_slice(),
            _ => &[],
        });
        words.extend(asked.map(|set| phrase(*set)));
    }
    let update = Update {
        audience,
        channels: channels.to_vec(),
        text: words.join(" "),
        stage: Some(stage),
        next_update_at: None,
        estimated_recovery: None,
    };
    Beat {
        who: Member::Speaker,
        act: TeamAct::UpdatePosted(update),
        next_update: seasoned.then(|| cadence(exercise).unwrap_or(NEXT_UPDATE)),
        // What is over needs no estimate.
        recovery: estimate(exercise).filter(|_| seasoned && !stage.closes()),
    }
}

/// In what time recovery is expected, where the runbook asks for an estimate: by when it wants the recovery, in no longer a
/// range than it takes.
fn estimate(exercise: &Exercise) -> Option<Duration> {
    let lines = || exercise.runbook.expect.iter().map(|line| &line.what);
    let asked = lines().any(|what| match what {
        Expected::Event {
            event: Milestone::Update { must_have, .. },
            ..
        }
        | Expected::Cadence { must_have, .. } => must_have.contains(&UpdatePart::EstimatedRecovery),
        Expected::Estimates { .. } => true,
        _ => false,
    });
    let wanted = lines().find_map(|what| match what {
        Expected::Event {
            event: Milestone::Recovered | Milestone::Mitigated,
            within,
            ..
        } => within.map(Millis::duration),
        _ => None,
    });
    let widest = lines().filter_map(|what| match what {
        Expected::Estimates { widest, .. } => widest.map(Millis::duration),
        _ => None,
    });
    let by = wanted.unwrap_or(RECOVERY);
    asked.then(|| widest.min().map_or(by, |widest| widest.min(by)))
}

fn phrase(set: PhraseSet) -> &'static str {
    match set {
        PhraseSet::DoNotRetry => {
            "Please do not retry: a transfer that seems lost may still be waiting."
        }
        PhraseSet::NeverShareKeys => "Never share your seed phrase or private keys with anybody.",
        PhraseSet::FundsAreSafe => "Your funds are safe.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tests::plans::{drill, told_drill};
    use crate::model::ids::ExpectationId;
    use crate::model::runbook::Expectation;

    fn acts(profile: Profile) -> Vec<TeamAct> {
        let script = Script::of(&drill(), profile).expect("it does something");
        let beats = script.response.into_iter().chain(script.all_clear);
        beats.map(|beat| beat.at(Timestamp::UNIX_EPOCH)).collect()
    }

    #[test]
    fn a_seasoned_team_acknowledges_first_and_chooses_the_remedy_that_helps() {
        let acts = acts(Profile::Seasoned);
        assert_eq!(acts[0], TeamAct::Acknowledged);
        let chosen: Vec<_> = acts
            .iter()
            .filter_map(|act| match act {
                TeamAct::RemedyChosen { remedy } => Some(remedy.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(chosen, ["rollback"]);
        assert_eq!(acts.last(), Some(&TeamAct::Resolved));
    }

    #[test]
    fn a_new_team_errs_before_it_finds_the_way() {
        let chosen: Vec<_> = acts(Profile::New)
            .into_iter()
            .filter_map(|act| match act {
                TeamAct::RemedyChosen { remedy } => Some(remedy.to_string()),
                _ => None,
            })
            .collect();
        assert_eq!(chosen, ["failover", "rollback"]);
    }

    #[test]
    fn an_absent_team_does_nothing() {
        assert!(Script::of(&drill(), Profile::Absent).is_none());
    }

    #[test]
    fn the_pace_is_the_seeds_alone() {
        let paces = |seed| {
            let mut pace = Pace::of(Autopilot {
                profile: Profile::Seasoned,
                seed,
            });
            [pace.pause(), pace.pause(), pace.pause()]
        };
        assert_eq!(paces(1), paces(1));
        assert_ne!(paces(1), paces(2));
        assert!(paces(3).iter().all(|pause| pause.as_millis() <= 2_500));
    }

    /// The updates of a seasoned team where the runbook has these lines.
    fn updates(lines: &[Expected]) -> Vec<Update> {
        let mut plan = told_drill();
        let exercise = plan.drill.as_mut().expect("a drill");
        let lines = lines.iter().enumerate().map(|(place, what)| Expectation {
            id: format!("line-{place}")
                .parse::<ExpectationId>()
                .expect("an id"),
            what: what.clone(),
            weight: 1.0,
            critical: false,
        });
        exercise.runbook.expect = lines.collect();
        let script = Script::of(&plan, Profile::Seasoned).expect("it does something");
        let beats = script.response.into_iter().chain(script.all_clear);
        let acts = beats.map(|beat| beat.at(Timestamp::UNIX_EPOCH));
        acts.filter_map(|act| match act {
            TeamAct::UpdatePosted(update) => Some(update),
            _ => None,
        })
        .collect()
    }

    fn public(audience: Audience, channels: &[&str]) -> Expected {
        Expected::Event {
            event: Milestone::Update {
                audience: Some(audience),
                channels: channels.iter().map(ToString::to_string).collect(),
                must_have: Vec::new(),
            },
            by: None,
            within: None,
            limit: None,
            from: None,
            before: None,
        }
    }

    #[test]
    fn its_updates_go_to_every_channel_that_their_readers_have_in_the_drill() {
        let places = |lines: &[Expected]| -> Vec<(Audience, String)> {
            let updates = updates(lines).into_iter();
            let first = updates.filter(|one| one.stage == Some(Stage::FirstNotice));
            first
                .map(|one| (one.audience, one.channels.join(" ")))
                .collect()
        };
        let (customers, internal) = (Audience::Customers, Audience::Internal);
        assert_eq!(
            places(&[]),
            [
                (customers, "page".to_owned()),
                (internal, "chat".to_owned())
            ]
        );
        // Where the runbook names channels, they are told there too; never where others read.
        assert_eq!(
            places(&[public(customers, &["x", "chat"])]),
            [(customers, "x page".to_owned())]
        );
    }

    #[test]
    fn it_estimates_the_recovery_where_the_runbook_asks_for_that() {
        assert!(
            updates(&[])
                .iter()
                .all(|one| one.estimated_recovery.is_none())
        );
        let asked = Expected::Estimates {
            hold: 50.0,
            widest: Some(Millis::seconds(60)),
            audience: None,
        };
        for update in updates(&[asked]) {
            let length = update
                .estimated_recovery
                .map(|(from, to)| to.duration_since(from).as_secs());
            let over = update.stage == Some(Stage::Resolved);
            assert_eq!(length, (!over).then_some(60), "{update:?}");
        }
    }
}
