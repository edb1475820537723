//! The table of operations: every address of the API, what it takes, and what it answers with.

use serde_json::{Value, json};

use super::paper::{Operation, Paper};
use crate::http::api::{
    accounts, calendar, compose, coverage, files, findings, forecast, gamedays, halt, keyed,
    library, log, names, people, review, runs, scorecard, sessions, signals, start, transparency,
    trends, upcoming,
};

/// Writes all of them.
pub(super) fn all(paper: &mut Paper) {
    of_the_library(paper);
    of_files(paper);
    of_many_runs(paper);
    of_runs(paper);
    of_game_days(paper);
    of_one_run(paper);
    of_reviews(paper);
    of_the_halt(paper);
    of_signals(paper);
    of_oneself(paper);
    of_people(paper);
    of_tokens(paper);
    paper
        .operation("get", "/openapi.json", "describe", "This document")
        .open()
        .tagged()
        .gives_as(
            200,
            "OpenAPI 3.1",
            &json!({"application/json": {"schema": {"type": "object"}}}),
        )
        .done();
}

fn of_the_library(paper: &mut Paper) {
    paper
        .operation("get", "/stacks", "listStacks", "All stacks")
        .tagged()
        .gives::<library::Stacks>(200, "All stacks, by name")
        .done();
    paper
        .operation("get", "/stacks/{name}", "getStack", "One stack")
        .tagged()
        .gives::<library::Stack>(200, "The stack, as its file says")
        .done();
    paper
        .operation("get", "/experiments", "listExperiments", "All experiments")
        .tagged()
        .gives::<library::Experiments>(200, "All experiments, by name")
        .done();
    paper
        .operation(
            "get",
            "/experiments/{name}",
            "getExperiment",
            "One experiment",
        )
        .tagged()
        .gives::<library::Startable>(
            200,
            "The experiment and its plan, secrets left as references",
        )
        .done();
    explanation(paper.operation(
        "get",
        "/experiments/{name}/explanation",
        "explainExperiment",
        "What a run of an experiment would do",
    ));
    paper
        .operation("get", "/drills", "listDrills", "All drills")
        .tagged()
        .gives::<library::Drills>(200, "All drills, by name")
        .done();
    paper
        .operation("get", "/drills/{name}", "getDrill", "One drill")
        .tagged()
        .gives::<library::Startable>(200, "The drill and its plan, secrets left as references")
        .done();
    explanation(paper.operation(
        "get",
        "/drills/{name}/explanation",
        "explainDrill",
        "What a run of a drill would do",
    ));
    paper
        .operation("get", "/findings", "listFindings", "What is wrong in the library")
        .about("Checks every file of the library as `firedrill validate` does, and all against each other.")
        .gives::<findings::Checked>(200, "What was found")
        .done();
    paper
        .operation("get", "/upcoming", "listUpcoming", "What starts by itself")
        .gives::<upcoming::Schedule>(
            200,
            "The next start of each scheduled drill and game day, soonest first",
        )
        .done();
}

fn of_files(paper: &mut Paper) {
    paper
        .operation("get", "/files", "listFiles", "The library's files")
        .tagged()
        .gives::<files::Files>(
            200,
            "What each holds, what is wrong in it, and what uses it",
        )
        .done();
    paper
        .operation("post", "/files", "makeFile", "Make a file")
        .about("Its path is made from its kind and name. Like an edit, it is checked first, and brings in no commands.")
        .takes::<files::New>()
        .tags()
        .gives::<files::Text>(201, "It is saved")
        .refuses(409, "There is such a file, or others would have errors")
        .done();
    paper
        .operation(
            "get",
            "/files/blank",
            "beginFile",
            "What a new file begins with",
        )
        .query::<files::Blank>()
        .gives::<files::Text>(
            200,
            "Where it would be, and a text to start from; nothing is saved",
        )
        .refuses(409, "There is such a file")
        .refuses(422, "There is no such kind, or the name is none")
        .done();
    paper
        .operation("get", "/files/text", "getFile", "The text of a file")
        .about("For those who operate something that it is used by: a drill's file tells what the drill hides.")
        .query::<files::Which>()
        .tagged()
        .gives::<files::Text>(200, "As it is on disk")
        .refuses(404, "The library has no such file")
        .done();
    paper
        .operation("put", "/files/text", "saveFile", "Save an edit of a file")
        .about(
            "For those who operate all that it is used by. Nothing is saved where somebody else saved since it was read, \
             where the text has errors, or where it brings in a command; where other files would have errors, only with \
             `although_others_break`.",
        )
        .query::<files::Which>()
        .guarded()
        .takes::<files::Edit>()
        .gives::<files::Text>(200, "It is saved")
        .refuses(404, "The library has no such file")
        .refuses(409, "Other files would have errors")
        .refuses(428, "`If-Match` is not given")
        .done();
    paper
        .operation(
            "post",
            "/files/check",
            "checkFile",
            "Check a file, or an edit of it",
        )
        .about("Nothing is saved.")
        .query::<files::Which>()
        .takes::<files::Trial>()
        .gives::<files::Checked>(200, "What is wrong, there and elsewhere")
        .refuses(404, "The library has no such file")
        .done();
    look(paper.operation(
        "post",
        "/experiments/{name}/look",
        "lookAtExperiment",
        "Look at every target of an experiment",
    ));
    look(paper.operation(
        "post",
        "/drills/{name}/look",
        "lookAtDrill",
        "Look at every target of a drill",
    ));
}

fn look(operation: Operation<'_>) {
    operation
        .about("A dry run: asks every target what it is, and touches nothing.")
        .gives::<files::Looked>(200, "What was found, and what a run would hit")
        .refuses(422, "Its files have findings")
        .done();
}

fn explanation(operation: Operation<'_>) {
    operation
        .tagged()
        .gives_as(
            200,
            "In words, without asking any target",
            &json!({"text/plain": {"schema": {"type": "string"}}}),
        )
        .refuses(422, "Its files have findings")
        .done();
}

fn of_many_runs(paper: &mut Paper) {
    paper
        .operation("get", "/calendar", "getCalendar", "What starts by itself, and what did")
        .about(
            "Of a surprise, those whom it surprises are told the hours in which it may come, and what came of it a day \
             later.",
        )
        .query::<calendar::Asked>()
        .gives::<calendar::Calendar>(200, "A month, or another time")
        .done();
    paper
        .operation("get", "/trends", "listTrends", "Each scenario over its runs")
        .about("Compared with itself only; rehearsals are left out. Fewer runs than `fewest` have no median.")
        .query::<trends::Part>()
        .gives::<trends::Listed>(200, "A part of the list, those with the latest runs first")
        .done();
    paper
        .operation(
            "get",
            "/trends/{name}",
            "getTrends",
            "The scenarios of one name in full",
        )
        .gives::<trends::Named>(200, "Their runs, times and weaknesses")
        .done();
    paper
        .operation(
            "get",
            "/coverage",
            "getCoverage",
            "What of a stack was drilled, and what never",
        )
        .query::<coverage::Which>()
        .gives::<coverage::Coverage>(200, "Each part of it by kinds of failure")
        .refuses(404, "There is no such stack")
        .done();
    paper
        .operation("get", "/forecast", "forecast", "How long users may be hurt in the time ahead")
        .about(
            "From real incidents, which are counted and given, and from drills of the same scenarios. It says what it takes \
             for granted.",
        )
        .query::<forecast::Asked>()
        .gives::<forecast::Foretold>(200, "What can be asked about, and the answer")
        .refuses(422, "The question has no answer")
        .done();
    paper
        .operation(
            "get",
            "/transparency",
            "getTransparency",
            "What the platform publishes of its drills",
        )
        .open()
        .gives::<transparency::Transparency>(200, "Figures without names")
        .refuses(404, "Nothing is published")
        .done();
}

fn of_runs(paper: &mut Paper) {
    paper
        .operation("get", "/runs", "listRuns", "Runs, latest first")
        .query::<runs::Part>()
        .gives::<runs::Runs>(200, "A part of the list")
        .done();
    paper
        .operation("post", "/runs", "startRun", "Start a run")
        .about(
            "Starts a drill or an experiment of the server's library. With an `Idempotency-Key` the same start, asked for \
             again, is answered with the same run for a week, over restarts too; a start that was refused leaves its key \
             free.",
        )
        .header(
            "Idempotency-Key",
            &json!({"type": "string", "minLength": 1, "maxLength": keyed::LONGEST, "pattern": "^[!-~]+$"}),
            "A name for this start that no other start of yours has.",
        )
        .takes::<start::Wanted>()
        .gives::<start::Started>(201, "It runs")
        .refuses(404, "The library has nothing of this name")
        .refuses(409, "Not as things stand: the stack is in use, everything is halted, files differ")
        .done();
    paper
        .operation("get", "/stuck", "listStuck", "What could not be undone")
        .gives::<runs::Stuck>(200, "Runs of which something is still on, oldest first")
        .done();
}

fn of_game_days(paper: &mut Paper) {
    paper
        .operation(
            "get",
            "/gamedays",
            "listGameDays",
            "Game days, latest first",
        )
        .about("Those of which every drill is told to whoever asks.")
        .query::<gamedays::Part>()
        .gives::<gamedays::GameDays>(200, "The latest ones")
        .done();
    paper
        .operation("post", "/gamedays", "startGameDay", "Start a game day")
        .about(
            "Starts the first drill of a game day of the server's library. Each further one begins a while after \
             everything of the one before is undone, for as long as this server lasts; after one that was aborted, errored \
             or is stuck, nothing more begins.",
        )
        .takes::<gamedays::Wanted>()
        .gives::<gamedays::GameDay>(201, "Its first drill runs")
        .refuses(404, "The library has no such game day")
        .refuses(409, "Not as things stand: a stack is in use, everything is halted, files differ")
        .done();
    paper
        .operation("get", "/gamedays/{id}", "getGameDay", "One game day")
        .gives::<gamedays::GameDay>(200, "Each of its drills, and how it stands")
        .done();
    paper
        .operation(
            "post",
            "/gamedays/{id}/end",
            "endGameDay",
            "End the rest of a game day",
        )
        .about("Nothing more of it begins. A drill that goes on goes on: `haltRun` ends it.")
        .gives::<gamedays::GameDay>(200, "What was not begun never will be")
        .refuses(409, "Nothing of it is left to begin on this server")
        .done();
}

fn of_one_run(paper: &mut Paper) {
    paper
        .operation("get", "/runs/{run}", "getRun", "One run")
        .tagged()
        .gives::<runs::Run>(
            200,
            "Its row, where it stands, and its times so far; tagged once it is over",
        )
        .refuses(
            409,
            "Whoever responds in a drill that goes on is not shown what it hides",
        )
        .done();
    paper
        .operation("get", "/runs/{run}/events", "listEvents", "A run's log")
        .about(
            "With `Accept: text/event-stream` the events come as server-sent events from here on, each with its sequence as \
             id, until the run is over; `Last-Event-ID` takes up a broken stream.",
        )
        .query::<log::Part>()
        .header(
            "Last-Event-ID",
            &json!({"type": "string"}),
            "Of a stream: the last event that was had.",
        )
        .gives::<log::Page>(200, "A part of the log, in its order")
        .also_gives_stream()
        .refuses(
            409,
            "Whoever responds in a drill that goes on is not shown what it hides",
        )
        .done();
    let mut operation = paper.operation(
        "post",
        "/runs/{run}/events",
        "act",
        "Act as a responder, or say that the incident is real",
    );
    let schema = act_schema(&mut operation);
    operation
        .about("Answered once the act is on disk.")
        .takes_schema(&schema)
        .gives::<log::Taken>(201, "It is on disk")
        .refuses(
            409,
            "Not as the run stands: it is over, has not begun, or another process drives it",
        )
        .done();
    paper
        .operation(
            "post",
            "/runs/{run}/compose",
            "composeMessage",
            "Make a message from a template, or look one over",
        )
        .about("Nothing is sent or recorded: `act` sends it.")
        .takes::<compose::Wanted>()
        .gives::<compose::Draft>(200, "The message as it would be sent, and what it lacks")
        .done();
    paper
        .operation(
            "get",
            "/runs/{run}/people",
            "listPeople",
            "Who acted in a run",
        )
        .gives::<names::People>(200, "Names by pseudonym")
        .done();
    paper
        .operation(
            "get",
            "/runs/{run}/scorecard",
            "getScorecard",
            "A run's report and scorecard",
        )
        .tagged()
        .gives_as(
            200,
            "In the form that is asked for; tagged once the run is over",
            &json!({}),
        )
        .also_gives_report::<scorecard::Judged<'_>>()
        .refuses(
            409,
            "Whoever responds in a drill that goes on is not shown what it hides",
        )
        .done();
    paper
        .operation(
            "post",
            "/runs/{run}/corrections",
            "correctRun",
            "Correct a run that is over",
        )
        .about(
            "One more event of the log of a drill that is over, with who says so and why: the time or the words of an event \
             (`seq`), what a manual line of the runbook came to (`line`, `verdict`), or who ended it where nothing on record \
             says so (`ended_by`). Its score is made anew, and says what it was before; nothing else follows from it.",
        )
        .takes::<crate::engine::input::Correction>()
        .gives::<log::Taken>(201, "It is on disk")
        .refuses(
            409,
            "The run goes on, the log says who ended it, or whoever judges responded in it",
        )
        .done();
    paper
        .operation("post", "/runs/{run}/halt", "haltRun", "Halt a run")
        .about("Everything it did is undone, and it ends as aborted. The answer does not wait for that.")
        .takes::<runs::Halt>()
        .gives::<runs::Halting>(202, "It is being undone")
        .refuses(409, "The run is over, or another process drives it")
        .done();
}

fn of_signals(paper: &mut Paper) {
    paper
        .operation("get", "/signals", "listSignals", "What came in through hooks")
        .about("Which tools can be heard, and what they sent, latest first: what reached no run, or all.")
        .query::<signals::Part>()
        .gives::<signals::Inbox>(200, "The tools, and a part of the signals")
        .done();
    paper
        .operation("get", "/signals/{id}", "getSignal", "One signal")
        .gives::<signals::Whole>(200, "The signal as it came, and what it was understood as")
        .done();
    paper
        .operation("post", "/signals/{id}/attach", "attachSignal", "Attach a signal to a run")
        .about("One more event of the log of a drill that is over. Its score is made anew, and says what it was before.")
        .takes::<signals::Attachment>()
        .gives::<log::Taken>(201, "It is on disk")
        .refuses(409, "The run goes on, or another run has the signal")
        .done();
}

fn of_oneself(paper: &mut Paper) {
    paper
        .operation("get", "/me", "whoAmI", "Who one is here")
        .gives::<accounts::Me>(200, "The name under which one acts, and what one may do")
        .done();
    paper
        .operation(
            "put",
            "/me/password",
            "setOwnPassword",
            "Another password for oneself",
        )
        .about("Ends every other session of the account.")
        .takes::<people::OwnPassword>()
        .gives_nothing(204, "It is the password from now on")
        .refuses(
            409,
            "Who asks has no account: a token, or the local operator",
        )
        .done();
    paper
        .operation("get", "/sessions", "listSessions", "Who is logged in where")
        .query::<sessions::Whose>()
        .gives::<sessions::Sessions>(200, "One's own sessions, or everybody's")
        .done();
    paper
        .operation("delete", "/sessions/{id}", "endSession", "End a session")
        .about("One's own, and for administrators anybody's. It is over with the next request, and its streams end.")
        .gives_nothing(204, "It is ended")
        .done();
}

fn of_people(paper: &mut Paper) {
    paper
        .operation("get", "/people", "listAccounts", "All accounts")
        .gives::<people::People>(200, "Everybody, with what they may do")
        .done();
    paper
        .operation("post", "/people", "makeAccount", "Make an account")
        .about(
            "On loopback the first makes whoever sits at the machine log in from then on, so it must be an administrator's.",
        )
        .takes::<people::New>()
        .gives::<people::Person>(201, "They can log in")
        .refuses(409, "There is an account of this name, or the first is no administrator's")
        .done();
    paper
        .operation("get", "/people/{name}", "getAccount", "One account")
        .tagged()
        .gives::<people::Person>(200, "What they may do")
        .done();
    paper
        .operation("delete", "/people/{name}", "removeAccount", "Remove an account")
        .about(
            "With its sessions. What the person did stays, under their pseudonym. With `forget`, who is behind that is \
             erased, with what the audit and kept signals have of them; somebody without an account can be forgotten, too.",
        )
        .query::<people::Removal>()
        .gives_nothing(204, "It is removed")
        .refuses(409, "Nobody would be left who administers everything")
        .done();
    paper
        .operation("put", "/people/{name}/roles", "setRoles", "Give an account other roles")
        .guarded()
        .takes::<people::Roles>()
        .gives::<people::Person>(200, "What they may do now")
        .refuses(409, "Nobody would be left who administers everything, or somebody else changed them just then")
        .done();
    paper
        .operation(
            "put",
            "/people/{name}/password",
            "setPassword",
            "Give an account another password",
        )
        .about("Ends every session of the account.")
        .takes::<people::Password>()
        .gives_nothing(204, "It is the password from now on")
        .done();
}

fn of_tokens(paper: &mut Paper) {
    paper
        .operation("get", "/tokens", "listTokens", "All tokens")
        .gives::<accounts::Tokens>(200, "What each may do and until when; none can be read")
        .done();
    paper
        .operation("post", "/tokens", "makeToken", "Make a token")
        .about("The answer shows the token, which is kept nowhere and never shown again.")
        .takes::<accounts::Wanted>()
        .gives::<accounts::MadeToken>(201, "It is good from now on")
        .refuses(409, "There is a token of this name")
        .done();
    paper
        .operation("delete", "/tokens/{name}", "revokeToken", "End a token")
        .about("It is refused from the next request on.")
        .gives_nothing(204, "It is ended")
        .done();
    paper
        .operation("get", "/audit", "listAudit", "Who changed what")
        .about(
            "Latest first, in a chain of hashes that `firedrill report --verify` walks. What was changed is null once it \
             was erased, with the reason beside it.",
        )
        .query::<accounts::Part>()
        .gives::<accounts::Audited>(200, "A part of the audit")
        .done();
}

fn of_reviews(paper: &mut Paper) {
    paper
        .operation("get", "/runs/{run}/review", "getReview", "The after-action report of a run")
        .about(
            "Of a run that is over: overview, objectives, timeline, ratings, what went well and what didn't, corrective \
             actions, and the survey. People are named.",
        )
        .tagged()
        .gives::<crate::review::Review>(200, "The report, in the form that `Accept` asks for")
        .also_gives_markdown()
        .refuses(409, "The run goes on")
        .done();
    paper
        .operation("get", "/runs/{run}/evidence", "getEvidence", "Evidence of a run in one file")
        .about(
            "The log as it is stored, the head of its hash chain, the files that the run was made from, the scorecard and \
             the rubric's version; the same bytes each time. `firedrill report --verify FILE` checks it.",
        )
        .tagged()
        .gives_as(
            200,
            "The file",
            &json!({"application/json": {"schema": {"type": "object"}}}),
        )
        .refuses(409, "The run goes on")
        .done();
    paper
        .operation(
            "post",
            "/runs/{run}/remarks",
            "addRemark",
            "Say what went well, what didn't, or where luck helped",
        )
        .takes::<review::NewRemark>()
        .gives::<review::Kept>(201, "It is kept")
        .refuses(409, "The run goes on")
        .done();
    paper
        .operation(
            "delete",
            "/runs/{run}/remarks/{id}",
            "removeRemark",
            "Take a remark away",
        )
        .gives_nothing(204, "It is gone")
        .done();
    paper
        .operation(
            "post",
            "/runs/{run}/actions",
            "addAction",
            "Write a corrective action down",
        )
        .takes::<review::NewTask>()
        .gives::<review::Kept>(201, "It is kept, and open")
        .refuses(409, "The run goes on")
        .done();
    paper
        .operation("post", "/runs/{run}/survey", "answerSurvey", "Answer the survey")
        .about("For those who acted in the run. Answers may be given again; who said what is shown to nobody.")
        .takes::<review::Answers>()
        .gives_nothing(204, "It is kept")
        .refuses(409, "The run goes on")
        .done();
    paper
        .operation("get", "/actions", "listActions", "Corrective actions")
        .query::<review::Which>()
        .gives::<review::Tasks>(200, "Those that are open, else those that are closed")
        .done();
    paper
        .operation(
            "post",
            "/actions/{id}/close",
            "closeAction",
            "Close a corrective action",
        )
        .takes::<review::Outcome>()
        .gives_nothing(204, "It is closed")
        .refuses(409, "It is closed already")
        .done();
    paper
        .operation(
            "post",
            "/actions/{id}/reopen",
            "reopenAction",
            "Open a corrective action again",
        )
        .gives_nothing(204, "It is open")
        .refuses(409, "It is open")
        .done();
}

fn of_the_halt(paper: &mut Paper) {
    paper
        .operation("get", "/halt", "getHalt", "Whether everything is halted")
        .gives::<halt::Shown>(200, "How it stands")
        .done();
    paper
        .operation("post", "/halt", "haltEverything", "Halt everything")
        .about("Every run on this data folder is undone and ends as aborted, and nothing starts until the halt is lifted.")
        .takes::<halt::Wanted>()
        .gives::<halt::Shown>(202, "Everything is being undone")
        .done();
    paper
        .operation("delete", "/halt", "liftHalt", "Lift the halt")
        .gives::<halt::Lifted>(200, "What was lifted, if anything was")
        .done();
}

/// An act and what is said about it are one object: the act's keys, of one kind or another, and the rest beside them.
fn act_schema(operation: &mut Operation<'_>) -> Value {
    let about: Value = operation.body_schema::<log::About>().into();
    let mut act: Value = operation
        .body_schema::<crate::engine::input::TeamAct>()
        .into();
    let beside = about["properties"].as_object().cloned().unwrap_or_default();
    for kind in act["oneOf"].as_array_mut().into_iter().flatten() {
        let Some(properties) = kind["properties"].as_object_mut() else {
            continue;
        };
        properties.extend(beside.clone());
    }
    act
}
