//! The table of contents: every address, what it takes, and who answers it.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;

use super::api::{
    accounts, compose, corrections, files, findings, halt as lever, health, library, log, metrics,
    names, people, review as reviews, runs, scorecard, sessions, signals, start, upcoming,
};
use super::guard::{LARGEST_BODY, guard};
use super::page::{
    account, act, audit, correct, draft, halt, identity, login, overview, review, room,
    scorecard as card, setup, start as begin, status, tokens,
};
use super::routes::About::{AnyRun, Anywhere, Drill, Everywhere, Experiment, Named, Run, Stack};
use super::routes::Needs::{Door, HookToken, Nothing, Published, Somebody, To};
use super::routes::{Routes, Row};
use super::{Services, api, assets, hook, openapi, page};
use crate::model::access::Permission::{Administer, Operate, Respond, See, SeeAnswers};

/// Everything the server answers.
pub fn router(services: Services) -> Router {
    routes()
        .build(&services)
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(from_fn_with_state(services.clone(), guard))
        .with_state(services)
}

/// What each address takes.
pub(crate) fn table() -> Vec<Row> {
    routes().rows()
}

fn routes() -> Routes {
    operations()
        .and(doors().and(pages()).and(settings()).pages())
        .and(api().below("/api/v1"))
}

/// What machines ask, and send.
fn operations() -> Routes {
    Routes::new()
        .get("/healthz", Nothing, health::healthz)
        .get("/readyz", Nothing, health::readyz)
        .get("/metrics", To(See, Anywhere), metrics::get)
        .get("/static/{*path}", Nothing, assets::get)
        .post("/hooks/alertmanager", HookToken, hook::alertmanager)
        .post("/hooks/grafana", HookToken, hook::grafana)
        .put("/hooks/grafana", HookToken, hook::grafana)
        .post("/hooks/pagerduty", HookToken, hook::pagerduty)
        .post("/hooks/slack", HookToken, hook::slack)
        .post("/hooks/cloudevents", HookToken, hook::cloudevents)
        .post("/hooks/statuspage", HookToken, hook::statuspage)
}

/// Where one comes in and goes out.
fn doors() -> Routes {
    Routes::new()
        .get("/setup/{code}", Nothing, setup::get)
        .post("/setup/{code}", Nothing, setup::post)
        .get("/login", Door, login::get)
        .post("/login", Door, login::post)
        .post("/logout", Somebody, login::leave)
        .get("/transparency", Door, page::transparency::get)
}

fn pages() -> Routes {
    Routes::new()
        .get("/", To(See, Anywhere), overview::get)
        .post("/start", To(Operate, Named), begin::post)
        .post("/name", Somebody, identity::post)
        .post("/halt", To(Respond, Anywhere), halt::everything)
        .post("/halt/lift", To(Operate, Everywhere), halt::lift)
        .get("/runs", To(See, Anywhere), page::runs::get)
        .get("/runs/{run}", To(See, Run), room::get)
        .get("/runs/{run}/changes", To(See, Run), room::changes)
        .post("/runs/{run}/acts", To(Respond, Run), act::post)
        .get("/status/{run}", Published, status::get)
        .get("/status/{run}/banner", Published, status::banner)
        .post("/runs/{run}/halt", To(Respond, AnyRun), halt::run)
        .post("/runs/{run}/real", To(Respond, AnyRun), halt::real)
        .get("/runs/{run}/scorecard", To(SeeAnswers, Run), card::get)
        .post("/runs/{run}/corrections", To(Operate, Run), correct::post)
        .get("/library", To(See, Anywhere), page::library::list)
        .get("/library/file", To(Operate, Anywhere), page::library::file)
        .post("/library/file", To(Operate, Named), page::library::edit)
        .post("/library/look", To(Operate, Named), page::library::look)
        .get("/library/new", To(Operate, Anywhere), page::library::begin)
        .post(
            "/library/new",
            To(Operate, Everywhere),
            page::library::create,
        )
        .get("/trends", To(See, Anywhere), page::trends::list)
        .get("/trends/{name}", To(See, Anywhere), page::trends::one)
        .get("/calendar", To(See, Anywhere), page::calendar::get)
        .get("/gamedays", To(See, Anywhere), page::gamedays::list)
        .get("/gamedays/{id}", To(See, Anywhere), page::gamedays::get)
        .post(
            "/gamedays/{id}/end",
            To(Operate, Named),
            page::gamedays::end,
        )
        .get("/coverage", To(See, Anywhere), page::coverage::get)
        .get("/forecast", To(See, Anywhere), page::forecast::get)
        .post("/runs/{run}/draft", To(Respond, Run), draft::post)
        .get("/runs/{run}/report", To(SeeAnswers, Run), review::get)
        .get(
            "/runs/{run}/report.md",
            To(SeeAnswers, Run),
            review::as_markdown,
        )
        .get(
            "/runs/{run}/evidence.json",
            To(SeeAnswers, Run),
            reviews::evidence,
        )
        .post("/runs/{run}/remarks", To(Respond, Run), review::remark)
        .post(
            "/runs/{run}/remarks/{id}/remove",
            To(Respond, Run),
            review::unremark,
        )
        .post("/runs/{run}/actions", To(Respond, Run), review::act)
        .post("/runs/{run}/survey", To(Respond, Run), review::answer)
        .get("/actions", To(See, Anywhere), review::actions)
        .post("/actions/{id}/close", To(Respond, Named), review::close)
        .post("/actions/{id}/reopen", To(Respond, Named), review::reopen)
        .get("/signals", To(Operate, Anywhere), page::signals::get)
        .post(
            "/signals/{id}/attach",
            To(Operate, Named),
            page::signals::attach,
        )
}

fn settings() -> Routes {
    Routes::new()
        .get("/settings", Somebody, account::get)
        .post("/settings/password", Somebody, account::password)
        .post("/settings/first", To(Administer, Everywhere), setup::first)
        .post("/settings/sessions/end", Somebody, page::sessions::end)
        .get(
            "/settings/people",
            To(Administer, Everywhere),
            page::people::get,
        )
        .post(
            "/settings/people",
            To(Administer, Everywhere),
            page::people::add,
        )
        .post(
            "/settings/people/change",
            To(Administer, Everywhere),
            page::people::change,
        )
        .get("/settings/tokens", To(Administer, Everywhere), tokens::get)
        .post("/settings/tokens", To(Administer, Everywhere), tokens::make)
        .post(
            "/settings/tokens/revoke",
            To(Administer, Everywhere),
            tokens::revoke,
        )
        .get("/settings/audit", To(Administer, Everywhere), audit::get)
}

fn api() -> Routes {
    Routes::new()
        .get("/me", Somebody, accounts::me)
        .put("/me/password", Somebody, people::set_own_password)
        .get("/sessions", Somebody, sessions::list)
        .delete("/sessions/{id}", Somebody, sessions::end)
        .get("/people", To(Administer, Everywhere), people::list)
        .post("/people", To(Administer, Everywhere), people::add)
        .get("/people/{name}", To(Administer, Everywhere), people::get)
        .delete("/people/{name}", To(Administer, Everywhere), people::remove)
        .put(
            "/people/{name}/roles",
            To(Administer, Everywhere),
            people::set_roles,
        )
        .put(
            "/people/{name}/password",
            To(Administer, Everywhere),
            people::set_password,
        )
        .get("/tokens", To(Administer, Everywhere), accounts::tokens)
        .post("/tokens", To(Administer, Everywhere), accounts::make_token)
        .delete(
            "/tokens/{name}",
            To(Administer, Everywhere),
            accounts::revoke_token,
        )
        .get("/audit", To(Administer, Everywhere), accounts::audit)
        .get("/stacks", To(See, Anywhere), library::stacks)
        .get("/stacks/{name}", To(See, Stack), library::stack)
        .get("/experiments", To(See, Anywhere), library::experiments)
        .get(
            "/experiments/{name}",
            To(See, Experiment),
            library::experiment,
        )
        .get(
            "/experiments/{name}/explanation",
            To(See, Experiment),
            library::explain_experiment,
        )
        .get("/drills", To(See, Anywhere), library::drills)
        .get("/drills/{name}", To(SeeAnswers, Drill), library::drill)
        .get(
            "/drills/{name}/explanation",
            To(SeeAnswers, Drill),
            library::explain_drill,
        )
        .post(
            "/experiments/{name}/look",
            To(Operate, Experiment),
            files::look_at_experiment,
        )
        .post(
            "/drills/{name}/look",
            To(Operate, Drill),
            files::look_at_drill,
        )
        .get("/files", To(See, Anywhere), files::list)
        .post("/files", To(Operate, Everywhere), files::create)
        .get("/files/blank", To(Operate, Anywhere), files::blank)
        .get("/files/text", To(Operate, Anywhere), files::get)
        .put("/files/text", To(Operate, Named), files::put)
        .post("/files/check", To(Operate, Named), files::check)
        .get("/findings", To(Operate, Anywhere), findings::get)
        .get("/upcoming", To(See, Anywhere), upcoming::get)
        .get("/calendar", To(See, Anywhere), api::calendar::get)
        .get("/trends", To(See, Anywhere), api::trends::list)
        .get("/trends/{name}", To(See, Anywhere), api::trends::get)
        .get("/coverage", To(See, Anywhere), api::coverage::get)
        .get("/forecast", To(See, Anywhere), api::forecast::get)
        .get("/transparency", Door, api::transparency::get)
        .get("/gamedays", To(See, Anywhere), api::gamedays::list)
        .post("/gamedays", To(Operate, Named), api::gamedays::post)
        .get("/gamedays/{id}", To(See, Anywhere), api::gamedays::get)
        .post("/gamedays/{id}/end", To(Operate, Named), api::gamedays::end)
        .get("/stuck", To(See, Anywhere), runs::stuck)
        .get("/runs", To(See, Anywhere), runs::list)
        .post("/runs", To(Operate, Named), start::post)
        .get("/runs/{run}", To(SeeAnswers, Run), runs::get)
        .get("/runs/{run}/events", To(SeeAnswers, Run), log::get)
        .post("/runs/{run}/events", To(Respond, AnyRun), log::post)
        .post("/runs/{run}/compose", To(Respond, Run), compose::post)
        .get("/runs/{run}/people", To(See, Run), names::get)
        .get("/runs/{run}/scorecard", To(SeeAnswers, Run), scorecard::get)
        .get("/runs/{run}/review", To(SeeAnswers, Run), reviews::get)
        .get(
            "/runs/{run}/evidence",
            To(SeeAnswers, Run),
            reviews::evidence,
        )
        .post("/runs/{run}/remarks", To(Respond, Run), reviews::remark)
        .delete(
            "/runs/{run}/remarks/{id}",
            To(Respond, Run),
            reviews::unremark,
        )
        .post("/runs/{run}/actions", To(Respond, Run), reviews::act)
        .post("/runs/{run}/survey", To(Respond, Run), reviews::answer)
        .get("/actions", To(See, Anywhere), reviews::actions)
        .post("/actions/{id}/close", To(Respond, Named), reviews::close)
        .post("/actions/{id}/reopen", To(Respond, Named), reviews::reopen)
        .post(
            "/runs/{run}/corrections",
            To(Operate, Run),
            corrections::post,
        )
        .post("/runs/{run}/halt", To(Respond, AnyRun), runs::halt)
        .get("/signals", To(Operate, Anywhere), signals::list)
        .get("/signals/{id}", To(Operate, Anywhere), signals::get)
        .post("/signals/{id}/attach", To(Operate, Named), signals::attach)
        .get("/halt", To(See, Anywhere), lever::get)
        .post("/halt", To(Respond, Anywhere), lever::post)
        .delete("/halt", To(Operate, Everywhere), lever::delete)
        .get("/openapi.json", Nothing, openapi::get)
}
