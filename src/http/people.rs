//! Accounts as they are made, changed and ended: pages and the API ask for the same here.

use super::Services;
use super::actor::{Means, Visitor, checked};
use super::password;
use super::problem::Problem;
use crate::model::access::{Grant, Permission, Role, Subject};
use crate::store::accounts::{Change, User};

/// The most roles of one account.
pub(super) const MOST_GRANTS: usize = 50;

/// Somebody who shall have an account.
#[derive(Debug)]
pub(super) struct Newcomer {
    pub(super) name: String,
    pub(super) password: String,
    pub(super) grants: Vec<Grant>,
}

/// Makes an account. The first is an administrator's, by the local operator, who needs it from then on.
pub(super) async fn add(
    services: &Services,
    visitor: &Visitor,
    new: Newcomer,
) -> Result<User, Problem> {
    let name = checked(&new.name)?;
    let grants = distinct(new.grants)?;
    let first = visitor.means == Means::Local;
    let administers =
        |grant: &Grant| grant.role == Role::Administrator && grant.scope.is_everywhere();
    if first && !grants.iter().any(administers) {
        return Err(Problem::conflict(
            "no-administrator",
            "the first account is an administrator's; hint: make that on the page of settings",
        ));
    }
    let hash = password::hash(new.password).await?;
    let (database, now) = (&services.database, services.now().wall);
    let made = if first {
        database.add_first_user(&name, &hash, now).await?
    } else {
        database.add_user(&name, &hash, &grants, now).await?
    };
    if !made {
        return Err(Problem::conflict(
            "name-taken",
            format!("there is an account `{name}` already"),
        ));
    }
    find(services, &name).await
}

/// The account of this name, whatever its letters' case.
pub(super) async fn find(services: &Services, name: &str) -> Result<User, Problem> {
    let user = services.database.user(name).await?;
    user.ok_or_else(|| no_such_person(name))
}

/// Gives an account other roles than those that it was seen with.
pub(super) async fn set_roles(
    services: &Services,
    seen: &User,
    grants: Vec<Grant>,
) -> Result<User, Problem> {
    let grants = distinct(grants)?;
    let set = services
        .database
        .set_grants(&seen.name, &grants, Some(&seen.grants));
    done(set.await?, &seen.name)?;
    find(services, &seen.name).await
}

/// Gives an account another password, which ends its sessions.
pub(super) async fn set_password(
    services: &Services,
    name: &str,
    password: String,
) -> Result<(), Problem> {
    let user = find(services, name).await?;
    let hash = password::hash(password).await?;
    let set = services.database.set_password(&user.name, &hash, None);
    if set.await? {
        Ok(())
    } else {
        Err(no_such_person(name))
    }
}

/// Gives one's own account another password, which ends its other sessions.
pub(super) async fn set_own_password(
    services: &Services,
    visitor: &Visitor,
    current: String,
    password: String,
) -> Result<(), Problem> {
    let Means::Session { id, .. } = visitor.means else {
        return Err(Problem::conflict(
            "no-account",
            "there is no account to give a password",
        ));
    };
    let (gate, name) = (&services.gate, visitor.name.as_str());
    gate.may_try(services, visitor.address, name)?;
    let account = services.database.password_of(name).await?;
    let known = account.map(|(_, _, hash)| hash);
    if !password::verify(current, known).await? {
        gate.count_failure(services, visitor.address, name);
        return Err(Problem::unprocessable(
            "wrong-password",
            "the current password is wrong",
        ));
    }
    let hash = password::hash(password).await?;
    services
        .database
        .set_password(name, &hash, Some(id))
        .await?;
    Ok(())
}

/// Removes an account; with `forget`, also who is behind the pseudonym of what they did, with or without an account.
pub(super) async fn remove(services: &Services, name: &str, forget: bool) -> Result<(), Problem> {
    let database = &services.database;
    let user = database.user(name).await?;
    let name = user.as_ref().map_or(name, |user| user.name.as_str());
    let removed = database.remove_user(name).await?;
    if removed == Change::LastAdministrator || !forget {
        return done(removed, name);
    }
    let forgotten = database.forget(name).await?;
    if forgotten || removed == Change::Done {
        Ok(())
    } else {
        Err(no_such_person(name))
    }
}

/// Ends a session: one's own, and for administrators anybody's.
pub(super) async fn end_session(
    services: &Services,
    visitor: &Visitor,
    id: i64,
) -> Result<(), Problem> {
    let anybodys = visitor.may(Permission::Administer, &Subject::Everywhere);
    let of = (!anybodys).then_some(visitor.name.as_str());
    if services.database.end_session(id, of).await? {
        Ok(())
    } else {
        Err(no_such_session())
    }
}

/// There is no session of this number that one may end.
pub(super) fn no_such_session() -> Problem {
    Problem::missing("no-such-session", "there is no such session of yours")
}

fn distinct(grants: Vec<Grant>) -> Result<Vec<Grant>, Problem> {
    let mut once: Vec<Grant> = Vec::with_capacity(grants.len());
    for grant in grants {
        if !once.contains(&grant) {
            once.push(grant);
        }
    }
    if once.len() > MOST_GRANTS {
        return Err(Problem::unprocessable(
            "too-many-roles",
            format!("an account has at most {MOST_GRANTS} roles"),
        ));
    }
    Ok(once)
}

fn done(change: Change, name: &str) -> Result<(), Problem> {
    match change {
        Change::Done => Ok(()),
        Change::Unknown => Err(no_such_person(name)),
        Change::LastAdministrator => Err(Problem::conflict(
            "last-administrator",
            "nobody would be left who can administer everything; hint: make somebody else an administrator first",
        )),
        Change::Overtaken => Err(Problem::conflict(
            "changed-meanwhile",
            "somebody else changed these roles meanwhile; hint: look at them again",
        )),
    }
}

fn no_such_person(name: &str) -> Problem {
    Problem::missing("no-such-person", format!("there is no account `{name}`"))
}
