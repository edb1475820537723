//! What can be started: stacks, experiments and drills.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};

use crate::http::Services;
use crate::http::actor::Actor;
use crate::http::catalogue::{Contents, Entry, Kind, StackEntry, listed};
use crate::http::problem::Problem;

/// All stacks.
pub(in crate::http) async fn stacks(
    State(services): State<Services>,
    actor: Actor,
) -> Result<Json<Value>, Problem> {
    let contents = contents(&services).await?;
    let stacks: Vec<Value> = contents
        .stacks
        .iter()
        .filter(|entry| actor.sees_stack(&entry.name))
        .map(|stack| stack_in_short(&contents, stack))
        .collect();
    Ok(Json(json!({"stacks": stacks})))
}

/// One stack.
pub(in crate::http) async fn stack(
    State(services): State<Services>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Problem> {
    let contents = contents(&services).await?;
    let entry = contents.stacks.iter().find(|stack| stack.name == name);
    let entry = entry
        .ok_or_else(|| Problem::missing("no-such-stack", format!("there is no stack `{name}`")))?;
    let mut value = stack_in_short(&contents, entry);
    value["stack"] = json!(entry.stack());
    Ok(Json(value))
}

/// All experiments.
pub(in crate::http) async fn experiments(
    State(services): State<Services>,
    actor: Actor,
) -> Result<Json<Value>, Problem> {
    let contents = contents(&services).await?;
    let all = contents
        .of(Kind::Experiment)
        .filter(|entry| actor.sees_entry(entry));
    let all: Vec<Value> = all.map(in_short).collect();
    Ok(Json(json!({"experiments": all})))
}

/// One experiment.
pub(in crate::http) async fn experiment(
    State(services): State<Services>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Problem> {
    one(&services, Kind::Experiment, &name).await
}

/// All drills.
pub(in crate::http) async fn drills(
    State(services): State<Services>,
    actor: Actor,
) -> Result<Json<Value>, Problem> {
    let contents = contents(&services).await?;
    let all = contents
        .of(Kind::Drill)
        .filter(|entry| actor.sees_entry(entry));
    let all: Vec<Value> = all.map(in_short).collect();
    Ok(Json(json!({"drills": all})))
}

/// One drill.
pub(in crate::http) async fn drill(
    State(services): State<Services>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Problem> {
    one(&services, Kind::Drill, &name).await
}

/// Everything there is, read where reading may block.
pub(in crate::http) async fn contents(services: &Services) -> Result<Arc<Contents>, Problem> {
    let library = services.library.clone();
    tokio::task::spawn_blocking(move || library.contents())
        .await
        .map_err(|error| Problem::internal(&error))
}

async fn one(services: &Services, kind: Kind, name: &str) -> Result<Json<Value>, Problem> {
    let contents = contents(services).await?;
    let entry = contents
        .get(kind, name)
        .ok_or_else(|| unknown(kind, name))?;
    let mut value = in_short(entry);
    value["plan"] = json!(entry.plan.as_ref().ok());
    Ok(Json(value))
}

/// Nothing of this kind has this name.
pub(in crate::http) fn unknown(kind: Kind, name: &str) -> Problem {
    let code = match kind {
        Kind::Stack => "no-such-stack",
        Kind::Experiment => "no-such-experiment",
        Kind::Drill => "no-such-drill",
    };
    Problem::missing(code, format!("there is no {} `{name}`", kind.as_str()))
}

fn in_short(entry: &Entry) -> Value {
    let mut value = json!({"name": entry.name, "path": entry.path});
    match &entry.plan {
        Ok(plan) => {
            value["stack"] = json!(plan.stack.name);
            value["hypothesis"] = json!(plan.experiment.hypothesis);
            if let Some(exercise) = &plan.drill {
                value["experiment"] = json!(plan.experiment.name);
                value["team"] = json!(exercise.team.name);
                value["severity"] = json!(exercise.drill.severity);
                value["schedule"] = json!(exercise.drill.schedule);
            }
        }
        Err(findings) => value["findings"] = json!(listed(findings)),
    }
    value
}

fn stack_in_short(contents: &Contents, entry: &StackEntry) -> Value {
    let users = contents.entries.iter().filter(|user| {
        user.plan
            .as_ref()
            .is_ok_and(|plan| plan.stack.name.as_str() == entry.name)
    });
    let users: Vec<&str> = users.map(|user| user.name.as_str()).collect();
    json!({
        "name": entry.name,
        "path": entry.path,
        "environment": entry.stack().map(|stack| &stack.environment),
        "used_by": users,
    })
}
