//! What a scripted team does, in its order: made from the plan and a profile alone.

use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::engine::event::Update;
use crate::engine::input::TeamAct;
use crate::model::drill::{Autopilot, Profile, Remedy};
use crate::model::ids::{RemedyId, ServiceName};
use crate::model::plan::{Exercise, Plan};
use crate::model::runbook::{Audience, Expected, Milestone, PhraseSet, Target};
use crate::model::team::Role;

/// How a scripted team answers a message.
pub(super) const REPLY: &str =
    "Funds are safe. We know what fails, and say more as soon as we can.";

/// One thing that somebody does.
#[derive(Debug, Clone)]
pub(super) struct Beat {
    pub(super) who: &'static str,
    pub(super) act: TeamAct,
    /// From the moment it is done to the update that it promises.
    pub(super) next_update: Option<Duration>,
}

/// What a team does: on the page, while users are hurt, and once they are well.
#[derive(Debug, Clone)]
pub(super) struct Script {
    pub(super) response: Vec<Beat>,
    /// What it tells again and again, and how often.
    pub(super) cadence: Option<(Duration, Beat)>,
    pub(super) all_clear: Vec<Beat>,
}

/// The pace of a team: draws of its seed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    autopilot: Autopilot,
    index: u64,
}

impl Pace {
    pub(super) fn of(autopilot: Autopilot) -> Self {
        Self {
            autopilot,
            index: 0,
        }
    }

    /// From one act to the next.
    pub(super) fn pause(&mut self) -> Duration {
        self.index += 1;
        let draw = self.draw("pace", self.index);
        let (least, most) = match self.autopilot.profile {
            Profile::New => (5_000, 15_000),
            Profile::Seasoned | Profile::Absent => (700, 2_500),
        };
        Duration::from_millis(least + draw % (most - least + 1))
    }

    /// How long users complain until somebody looks.
    pub(super) fn complaint(&self) -> Duration {
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
    pub(super) fn of(plan: &Plan, profile: Profile) -> Option<Self> {
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
        let mut response = vec![beat("commander", TeamAct::Acknowledged)];
        response.extend(service(plan).map(|service| {
            let symptom = symptom(plan);
            beat("commander", TeamAct::Detected { service, symptom })
        }));
        let severity = exercise.drill.severity;
        response.push(beat("commander", TeamAct::Declared { severity }));
        for (who, role) in [
            ("commander", Role::IncidentCommander),
            ("operator", Role::Operations),
            ("speaker", Role::Communications),
        ] {
            response.push(beat(who, TeamAct::RoleTaken { role, to: None }));
        }
        let notices = audiences(exercise);
        let told = |text: &str, seasoned| {
            let posts = notices.iter();
            let posts = posts
                .map(|(audience, channels)| notice(exercise, *audience, channels, text, seasoned));
            posts.collect::<Vec<Beat>>()
        };
        response.extend(told(
            "Something does not work at the moment; we are on it.",
            seasoned,
        ));
        if !seasoned {
            response.extend(
                wrong_cause(plan, exercise)
                    .map(|cause| beat("operator", TeamAct::CauseNamed { cause })),
            );
            response.extend(
                wrong_remedy(exercise, right)
                    .map(|remedy| beat("operator", TeamAct::RemedyChosen { remedy })),
            );
        }
        response.extend(
            cause(plan, exercise).map(|cause| beat("operator", TeamAct::CauseNamed { cause })),
        );
        if let Some(remedy) = right {
            let id = || remedy.id.clone();
            response.push(beat("operator", TeamAct::RemedyChosen { remedy: id() }));
            let others = ["commander", "speaker"].into_iter();
            let needed = usize::try_from(remedy.approvals).unwrap_or(usize::MAX);
            response.extend(
                others
                    .take(needed)
                    .map(|who| beat(who, TeamAct::RemedyApproved { remedy: id() })),
            );
        }
        let cadence = cadence(exercise).filter(|_| seasoned).and_then(|every| {
            let mut posts = told("We are still on it.", true);
            Some((every.mul_f64(0.7), posts.drain(..1).next()?))
        });
        let mut all_clear = told("Everything works again.", seasoned);
        all_clear.push(beat("commander", TeamAct::Resolved));
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
                beat("commander", TeamAct::Acknowledged),
                beat("commander", act),
            ],
            cadence: None,
            all_clear: Vec::new(),
        }
    }
}

fn beat(who: &'static str, act: TeamAct) -> Beat {
    Beat {
        who,
        act,
        next_update: None,
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

/// Whom the runbook wants to be told, and where; customers where it does not say.
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
            let audience = audience.unwrap_or(Audience::Customers);
            if !told.iter().any(|(known, _)| *known == audience) {
                told.push((audience, channels.clone()));
            }
        }
    }
    if told.is_empty() {
        told.push((Audience::Customers, vec!["status_page".to_owned()]));
    }
    told
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
    text: &str,
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
        stage: None,
        next_update_at: None,
        estimated_recovery: None,
    };
    Beat {
        who: "speaker",
        act: TeamAct::UpdatePosted(update),
        next_update: seasoned.then(|| cadence(exercise).unwrap_or(Duration::from_mins(15))),
    }
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
    use crate::engine::tests::plans::drill;

    fn acts(profile: Profile) -> Vec<TeamAct> {
        let script = Script::of(&drill(), profile).expect("it does something");
        let beats = script.response.into_iter().chain(script.all_clear);
        beats.map(|beat| beat.act).collect()
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
}
