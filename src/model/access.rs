//! Who may do what: roles, what each allows, and where.
//!
//! Pure: a decision is made from who asks, what they need and what it is about. Which address needs what is the table
//! of the HTTP edge; nothing else decides.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::{StackName, TeamName};

/// What somebody is to firedrill. Each role may do all that those before it may.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "AccessRole")]
pub enum Role {
    /// Looks on.
    Viewer,
    /// Is drilled: acts in the room, and halts.
    Responder,
    /// Exercise staff: starts runs, sees what a drill hides, lifts a halt.
    Operator,
    /// Keeps accounts, tokens and the audit.
    Administrator,
}

/// What doing something takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permission {
    /// To see what everybody sees.
    See,
    /// To see what a drill hides from its responders while it goes on; when it is over, what [`See`](Self::See) is.
    SeeAnswers,
    /// To act as a responder, and to halt.
    Respond,
    /// To start, and to let things start again.
    Operate,
    /// To change who may do what, and to read who did what.
    Administer,
}

impl Role {
    /// All of them, from the least to the most.
    pub const ALL: [Self; 4] = [
        Self::Viewer,
        Self::Responder,
        Self::Operator,
        Self::Administrator,
    ];

    /// As people, files and the API write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Responder => "responder",
            Self::Operator => "operator",
            Self::Administrator => "administrator",
        }
    }

    /// The role of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }

    /// Whether it is enough, somewhere.
    pub fn allows(self, permission: Permission) -> bool {
        self >= permission.role()
    }
}

impl Permission {
    /// The least role that has it.
    pub fn role(self) -> Role {
        match self {
            Self::See => Role::Viewer,
            Self::Respond => Role::Responder,
            Self::SeeAnswers | Self::Operate => Role::Operator,
            Self::Administer => Role::Administrator,
        }
    }
}

/// Where a role holds: on one stack, for one team, or, without either, everywhere. With both, only where both are so.
#[derive(
    Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// Only what drills this team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<TeamName>,
    /// Only what happens on this stack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<StackName>,
}

impl Scope {
    /// Whether it has no bounds.
    pub fn is_everywhere(&self) -> bool {
        self.team.is_none() && self.stack.is_none()
    }

    fn covers(&self, place: &Place<'_>) -> bool {
        let team = self
            .team
            .as_ref()
            .is_none_or(|team| place.team == Some(team));
        let stack = self
            .stack
            .as_ref()
            .is_none_or(|stack| place.stack == Some(stack));
        team && stack
    }
}

/// A role, and where it holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Grant {
    /// Which.
    pub role: Role,
    /// Where.
    #[serde(flatten)]
    pub scope: Scope,
}

/// Who asks, as far as deciding goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// Somebody who has shown nothing.
    Nobody,
    /// Whoever sits at the machine, where there are no accounts and only loopback is served.
    LocalOperator,
    /// Whoever has an account or a token, with what it grants.
    Holder(Vec<Grant>),
}

/// What a run, an experiment or a drill is of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place<'a> {
    /// On which stack.
    pub stack: Option<&'a StackName>,
    /// Which team is drilled, if one is.
    pub team: Option<&'a TeamName>,
    /// Whether it is a drill that goes on, and so hides answers.
    pub hides: bool,
    /// Whether it is a surprise, and so hides itself: only who may see answers sees that it is there.
    pub secret: bool,
}

/// What is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject<'a> {
    /// Nothing in particular, as a list: whoever may do it somewhere may ask, and is answered with that.
    Anywhere,
    /// All stacks and teams at once: only a role without bounds is enough.
    Everywhere,
    /// One thing.
    At(Place<'a>),
}

/// Whether `principal` may do what takes `permission` with `subject`.
pub fn may(principal: &Principal, permission: Permission, subject: &Subject<'_>) -> bool {
    let permission = match (permission, subject) {
        (Permission::See | Permission::Respond, Subject::At(place)) if place.secret => {
            Permission::Operate
        }
        (Permission::SeeAnswers, Subject::At(place)) if place.hides || place.secret => permission,
        (Permission::SeeAnswers, _) => Permission::See,
        _ => permission,
    };
    match principal {
        Principal::Nobody => false,
        Principal::LocalOperator => true,
        Principal::Holder(grants) => grants.iter().any(|grant| {
            let reaches = match subject {
                Subject::Anywhere => true,
                Subject::Everywhere => grant.scope.is_everywhere(),
                Subject::At(place) => grant.scope.covers(place),
            };
            reaches && grant.role.allows(permission)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(role: Role, team: Option<&str>, stack: Option<&str>) -> Principal {
        Principal::Holder(vec![Grant {
            role,
            scope: Scope {
                team: team.map(|name| name.parse().expect("a name")),
                stack: stack.map(|name| name.parse().expect("a name")),
            },
        }])
    }

    const ALL: [Permission; 5] = [
        Permission::See,
        Permission::SeeAnswers,
        Permission::Respond,
        Permission::Operate,
        Permission::Administer,
    ];

    #[test]
    fn nobody_may_do_nothing_and_the_local_operator_everything() {
        for permission in ALL {
            for subject in [
                Subject::Anywhere,
                Subject::Everywhere,
                Subject::At(Place::default()),
            ] {
                assert!(!may(&Principal::Nobody, permission, &subject));
                assert!(may(&Principal::LocalOperator, permission, &subject));
                assert!(!may(&Principal::Holder(vec![]), permission, &subject));
            }
        }
    }

    #[test]
    fn each_role_may_do_all_that_those_before_it_may() {
        let stack = "tiny".parse().expect("a name");
        let place = Place {
            stack: Some(&stack),
            team: None,
            hides: true,
            secret: false,
        };
        let allowed = Role::ALL.map(|role| {
            ALL.map(|permission| may(&holder(role, None, None), permission, &Subject::At(place)))
        });
        assert_eq!(
            allowed,
            [
                [true, false, false, false, false],
                [true, false, true, false, false],
                [true, true, true, true, false],
                [true, true, true, true, true],
            ]
        );
    }

    #[test]
    fn answers_are_for_staff_only_while_a_drill_goes_on() {
        let at = |hides| {
            Subject::At(Place {
                hides,
                ..Place::default()
            })
        };
        let viewer = holder(Role::Viewer, None, None);
        assert!(!may(&viewer, Permission::SeeAnswers, &at(true)));
        assert!(may(&viewer, Permission::SeeAnswers, &at(false)));
    }

    #[test]
    fn a_surprise_is_there_only_for_staff() {
        let secret = Subject::At(Place {
            hides: true,
            secret: true,
            ..Place::default()
        });
        for permission in [Permission::See, Permission::SeeAnswers, Permission::Respond] {
            for role in [Role::Viewer, Role::Responder] {
                assert!(!may(&holder(role, None, None), permission, &secret));
            }
            for role in [Role::Operator, Role::Administrator] {
                assert!(may(&holder(role, None, None), permission, &secret));
            }
        }
    }

    #[test]
    fn a_role_holds_only_where_its_bounds_reach() {
        let (tiny, big) = (
            "tiny".parse().expect("a name"),
            "big".parse().expect("a name"),
        );
        let (crew, other) = (
            "crew".parse().expect("a name"),
            "other".parse().expect("a name"),
        );
        let at = |stack, team| {
            Subject::At(Place {
                stack: Some(stack),
                team,
                hides: false,
                secret: false,
            })
        };
        let able = |who: &Principal, subject: &Subject<'_>| may(who, Permission::Operate, subject);

        let of_stack = holder(Role::Operator, None, Some("tiny"));
        assert!(able(&of_stack, &at(&tiny, None)) && able(&of_stack, &at(&tiny, Some(&crew))));
        assert!(!able(&of_stack, &at(&big, Some(&crew))));

        let of_team = holder(Role::Operator, Some("crew"), None);
        assert!(able(&of_team, &at(&big, Some(&crew))));
        assert!(!able(&of_team, &at(&tiny, Some(&other))) && !able(&of_team, &at(&tiny, None)));

        let of_both = holder(Role::Operator, Some("crew"), Some("tiny"));
        assert!(able(&of_both, &at(&tiny, Some(&crew))));
        assert!(!able(&of_both, &at(&big, Some(&crew))) && !able(&of_both, &at(&tiny, None)));

        for bounded in [&of_stack, &of_team, &of_both] {
            assert!(able(bounded, &Subject::Anywhere) && !able(bounded, &Subject::Everywhere));
        }
    }

    #[test]
    fn several_grants_add_up_and_never_mix() {
        let tiny = "tiny".parse().expect("a name");
        let big = "big".parse().expect("a name");
        let (Principal::Holder(mut grants), Principal::Holder(more)) = (
            holder(Role::Viewer, None, None),
            holder(Role::Operator, None, Some("tiny")),
        ) else {
            unreachable!("both hold grants")
        };
        grants.extend(more);
        let both = Principal::Holder(grants);
        let at = |stack| {
            Subject::At(Place {
                stack: Some(stack),
                ..Place::default()
            })
        };
        assert!(may(&both, Permission::See, &at(&big)));
        assert!(!may(&both, Permission::Operate, &at(&big)));
        assert!(may(&both, Permission::Operate, &at(&tiny)));
    }

    #[test]
    fn names_of_roles_are_read_as_they_are_written() {
        for role in Role::ALL {
            assert_eq!(Role::named(role.as_str()), Some(role));
            assert_eq!(serde_json::to_value(role).expect("a word"), role.as_str());
        }
        assert_eq!(Role::named("root"), None);
    }
}
