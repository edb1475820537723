//! What a Toxiproxy 2.12.0 answers, request by request: every route, status, default and refusal that clients meet.
//!
//! In paths and bodies `$p` and `$q` are proxies of the case's own, and `$api` is the address of the API, whose port is
//! therefore taken. In expected JSON `*` stands for anything.

use serde_json::{Value, json};

/// A sentence, and the requests that show it, in order.
pub(super) struct Case {
    pub(super) what: &'static str,
    pub(super) steps: Vec<Step>,
}

/// A request and what it is answered with.
pub(super) struct Step {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) headers: &'static str,
    pub(super) body: String,
    pub(super) answer: Answer,
    pub(super) original: Original,
}

/// How Toxiproxy's own server answers.
pub(super) enum Original {
    Alike,
    /// By a difference of that name.
    Otherwise(&'static str, Answer),
    /// It must not be asked, by a difference of that name: it would die or lose its proxy. What follows in the case is
    /// not asked either.
    NotAsked(&'static str),
}

pub(super) enum Answer {
    /// JSON, and says so.
    Json(u16, Value),
    /// A refusal: JSON that says it is text.
    Refusal(u16, String),
    /// A refusal whose words after these are the decoder's own.
    RefusalThatBegins(u16, &'static str),
    /// Plain text of a route that isn't there, or of a browser.
    Text(u16, &'static str),
    /// Nothing.
    Empty(u16),
    /// The version, whose type has a spelling of its own.
    Version,
}

fn step(method: &'static str, path: &'static str, body: impl Into<String>, answer: Answer) -> Step {
    Step {
        method,
        path,
        headers: "",
        body: body.into(),
        answer,
        original: Original::Alike,
    }
}

impl Step {
    fn original(mut self, id: &'static str, answer: Answer) -> Self {
        self.original = Original::Otherwise(id, answer);
        self
    }

    fn not_asked(mut self, id: &'static str) -> Self {
        self.original = Original::NotAsked(id);
        self
    }

    fn headers(mut self, headers: &'static str) -> Self {
        self.headers = headers;
        self
    }
}

fn refusal(status: u16, words: &str) -> Answer {
    Answer::Refusal(status, words.to_owned())
}

fn json(status: u16, value: Value) -> Answer {
    Answer::Json(status, value)
}

/// `$p` as it is after its creation.
fn fresh() -> Value {
    json!({"name": "$p", "listen": "*", "upstream": "127.0.0.1:9", "enabled": true, "toxics": []})
}

fn create() -> Step {
    step(
        "POST",
        "/proxies",
        r#"{"name":"$p","listen":"127.0.0.1:0","upstream":"127.0.0.1:9"}"#,
        json(201, fresh()),
    )
}

fn toxic(body: &Value, answer: Value) -> Step {
    step(
        "POST",
        "/proxies/$p/toxics",
        body.to_string(),
        json(200, answer),
    )
}

fn refused_toxic(body: &str, answer: Answer) -> Step {
    step("POST", "/proxies/$p/toxics", body, answer)
}

fn latency(latency: u64) -> Value {
    json!({"attributes": {"latency": latency, "jitter": 0}, "name": "latency_downstream", "type": "latency",
           "stream": "downstream", "toxicity": 1})
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = routes();
    cases.extend(proxies());
    cases.extend(toxics());
    cases.extend(defaults());
    cases.extend(ranges());
    cases.extend(populating());
    cases
}

fn case(what: &'static str, steps: impl Into<Vec<Step>>) -> Case {
    Case {
        what,
        steps: steps.into(),
    }
}

fn routes() -> Vec<Case> {
    const NO_ROUTE: Answer = Answer::Text(404, "404 page not found\n");
    let unknown = [
        "/",
        "/proxies/",
        "/version/",
        "/proxies/a/",
        "/proxies/a/toxics/",
        "/nothing",
    ];
    let wrong = [
        ("HEAD", "/version"),
        ("HEAD", "/proxies"),
        ("POST", "/version"),
        ("PUT", "/proxies"),
        ("DELETE", "/proxies"),
        ("PATCH", "/proxies"),
        ("PUT", "/proxies/a"),
        ("DELETE", "/proxies/a/toxics"),
        ("PATCH", "/proxies/a/toxics"),
        ("PUT", "/proxies/a/toxics/b"),
        ("GET", "/reset"),
        ("GET", "/populate"),
        ("DELETE", "/populate"),
    ];
    let browser = |path| {
        step(
            "GET",
            path,
            "",
            Answer::Text(403, "User agent not allowed\n"),
        )
        .headers("user-agent: Mozilla/5.0 (X11)\r\n")
    };
    vec![
        case(
            "the version has three numbers",
            [step("GET", "/version", "", Answer::Version)],
        ),
        case(
            "unknown routes are not found",
            unknown
                .map(|path| step("GET", path, "", NO_ROUTE))
                .into_iter()
                .collect::<Vec<_>>(),
        ),
        case(
            "wrong methods are refused without a word",
            wrong
                .map(|(method, path)| step(method, path, "", Answer::Empty(405)))
                .into_iter()
                .collect::<Vec<_>>(),
        ),
        case(
            "browsers are turned away, others are not",
            [
                browser("/proxies"),
                browser("/version"),
                step("GET", "/version", "", Answer::Version)
                    .headers("user-agent: curl Mozilla/5.0\r\n"),
            ],
        ),
    ]
}

fn proxies() -> Vec<Case> {
    let off = || {
        let mut proxy = fresh();
        proxy["enabled"] = json!(false);
        json(200, proxy)
    };
    let update = |body: &str, answer| step("PATCH", "/proxies/$p", body, answer);
    vec![
        case(
            "a proxy is created, shown and deleted",
            [
                create(),
                step("GET", "/proxies/$p", "", json(200, fresh())),
                step("DELETE", "/proxies/$p", "", Answer::Empty(204)),
                step("GET", "/proxies/$p", "", refusal(404, "proxy not found")),
                step("DELETE", "/proxies/$p", "", refusal(404, "proxy not found")),
                step("PATCH", "/proxies/$p", "{}", refusal(404, "proxy not found")),
            ],
        ),
        case(
            "keys match in any case, unknown ones and what follows the object are ignored",
            [step(
                "POST",
                "/proxies",
                r#"{"NAME":"$p","Listen":"127.0.0.1:0","upstream":"127.0.0.1:9","x":[1],"listen":null} {"#,
                json(201, fresh()),
            )],
        ),
        case(
            "a disabled proxy keeps the spelling it was given",
            [step(
                "POST",
                "/proxies",
                r#"{"name":"$p","listen":"localhost:0","upstream":"x:1","enabled":false}"#,
                json(
                    201,
                    json!({"name": "$p", "listen": "localhost:0", "upstream": "x:1", "enabled": false, "toxics": []}),
                ),
            )],
        ),
        case(
            "creating is refused in these words",
            [
                create(),
                step("POST", "/proxies", "", refusal(400, "bad request body: EOF")),
                step(
                    "POST",
                    "/proxies",
                    r#"{"name":"#,
                    refusal(400, "bad request body: unexpected EOF"),
                ),
                step(
                    "POST",
                    "/proxies",
                    "{nope}",
                    Answer::RefusalThatBegins(400, "bad request body: "),
                ),
                step(
                    "POST",
                    "/proxies",
                    "[]",
                    refusal(
                        400,
                        "bad request body: json: cannot unmarshal array into Go value of type toxiproxy.Proxy",
                    ),
                ),
                step(
                    "POST",
                    "/proxies",
                    r#"{"name":3,"upstream":"x:1"}"#,
                    refusal(
                        400,
                        "bad request body: json: cannot unmarshal number into Go struct field Proxy.name of type string",
                    ),
                ),
                step(
                    "POST",
                    "/proxies",
                    r#"{"name":"$q","upstream":"x:1","enabled":"yes"}"#,
                    refusal(
                        400,
                        "bad request body: json: cannot unmarshal string into Go struct field Proxy.enabled of type bool",
                    ),
                ),
                step("POST", "/proxies", "null", refusal(400, "missing required field: name")),
                step(
                    "POST",
                    "/proxies",
                    r#"{"upstream":"x:1"}"#,
                    refusal(400, "missing required field: name"),
                ),
                step(
                    "POST",
                    "/proxies",
                    r#"{"name":"$q"}"#,
                    refusal(400, "missing required field: upstream"),
                ),
                step(
                    "POST",
                    "/proxies",
                    r#"{"name":"$p","upstream":"x:1"}"#,
                    refusal(409, "proxy already exists"),
                ),
                step(
                    "POST",
                    "/proxies",
                    r#"{"name":"$q","listen":"$api","upstream":"x:1"}"#,
                    refusal(500, "listen tcp $api: bind: address already in use"),
                ),
                step(
                    "POST",
                    "/proxies",
                    r#"{"name":"$q","listen":"bogus","upstream":"x:1"}"#,
                    refusal(500, "listen tcp: address bogus: missing port in address"),
                ),
                step("GET", "/proxies/$q", "", refusal(404, "proxy not found")),
            ],
        ),
        case(
            "POST is another word for PATCH, and a name in the body is ignored",
            [
                create(),
                step("POST", "/proxies/$p", r#"{"enabled":false,"name":"x"}"#, off()),
                step("POST", "/proxies/$p", r#"{"enabled":true}"#, json(200, fresh())),
                update(r#"{"enabled":false}"#, off()),
                update(r#"{"enabled":false}"#, off()),
                update("{}", off()),
                update(r#"{"enabled":true}"#, json(200, fresh())),
            ],
        ),
        case(
            "a proxy is moved, and keeps its toxics",
            [
                create(),
                toxic(&json!({"type": "latency"}), latency(0)),
                update(
                    r#"{"listen":"127.0.0.1:0","upstream":"127.0.0.1:10"}"#,
                    json(
                        200,
                        json!({"name": "$p", "listen": "*", "upstream": "127.0.0.1:10", "enabled": true,
                               "toxics": [latency(0)]}),
                    ),
                ),
            ],
        ),
        case(
            "updating is refused in these words",
            [
                create(),
                update("", refusal(400, "bad request body: EOF")),
                update(
                    r#"{"upstream":1}"#,
                    refusal(
                        400,
                        "bad request body: json: cannot unmarshal number into Go struct field Proxy.upstream of type string",
                    ),
                ),
                update(
                    r#"{"listen":"bogus"}"#,
                    refusal(500, "address bogus: missing port in address"),
                ),
                step("GET", "/proxies/$p", "", json(200, fresh())),
            ],
        ),
        case(
            "a proxy that can't be moved stays where it is",
            [
                create(),
                update(
                    r#"{"listen":"$api"}"#,
                    refusal(500, "listen tcp $api: bind: address already in use"),
                ),
                step("GET", "/proxies/$p", "", json(200, fresh())).original(
                    "failed-move",
                    json(
                        200,
                        json!({"name": "$p", "listen": "$api", "upstream": "127.0.0.1:9", "enabled": false, "toxics": []}),
                    ),
                ),
            ],
        ),
        case(
            "an empty upstream is refused",
            [
                create(),
                update(
                    r#"{"upstream":""}"#,
                    refusal(400, "missing required field: upstream"),
                )
                .original(
                    "empty-upstream",
                    json(
                        200,
                        json!({"name": "$p", "listen": "*", "upstream": "", "enabled": true, "toxics": []}),
                    ),
                ),
            ],
        ),
        case(
            "a name with a slash is reached by its escape",
            [
                step(
                    "POST",
                    "/proxies",
                    r#"{"name":"$p/x","listen":"127.0.0.1:0","upstream":"x:1","enabled":false}"#,
                    json(
                        201,
                        json!({"name": "$p/x", "listen": "127.0.0.1:0", "upstream": "x:1", "enabled": false, "toxics": []}),
                    ),
                )
                .not_asked("slashes"),
                step("DELETE", "/proxies/$p%2Fx", "", Answer::Empty(204)),
            ],
        ),
        case(
            "a proxy shows nothing but what clients need",
            [create().original("logger", json(201, {
                let mut shown = fresh();
                shown["Logger"] = json!("*");
                shown
            }))],
        ),
    ]
}

fn toxics() -> Vec<Case> {
    let one = "/proxies/$p/toxics/latency_downstream";
    let up = json!({"attributes": {"rate": 5}, "name": "bandwidth_UPSTREAM", "type": "bandwidth", "stream": "UPSTREAM",
                    "toxicity": 0.25});
    let tuned = |latency, jitter, toxicity: f64| {
        json(
            200,
            json!({"attributes": {"latency": latency, "jitter": jitter}, "name": "latency_downstream", "type": "latency",
                   "stream": "downstream", "toxicity": toxicity}),
        )
    };
    vec![
        case(
            "toxics are listed upstream first, each with its defaults",
            [
                create(),
                step("GET", "/proxies/$p/toxics", "", json(200, json!([]))),
                toxic(&json!({"type": "latency"}), latency(0)),
                toxic(
                    &json!({"Type": "bandwidth", "stream": "UPSTREAM", "Toxicity": 0.25, "attributes": {"RATE": 5, "x": "y"}}),
                    up.clone(),
                ),
                step(
                    "GET",
                    "/proxies/$p/toxics",
                    "",
                    json(200, json!([up, latency(0)])),
                ),
                step("GET", one, "", json(200, latency(0))),
                step("DELETE", one, "", Answer::Empty(204)),
                step("DELETE", one, "", refusal(404, "toxic not found")),
                step("GET", one, "", refusal(404, "toxic not found")),
            ],
        ),
        case(
            "updating merges attributes and toxicity and ignores the rest",
            [
                create(),
                toxic(
                    &json!({"type": "latency", "attributes": {"latency": 5}}),
                    latency(5),
                ),
                step(
                    "POST",
                    one,
                    r#"{"attributes":{"jitter":2},"name":"x","type":"noop","stream":"upstream"}"#,
                    tuned(5, 2, 1.0),
                ),
                step("PATCH", one, r#"{"toxicity":0.5}"#, tuned(5, 2, 0.5)),
                step(
                    "PATCH",
                    one,
                    r#"{"attributes":{"latency":7},"toxicity":0}"#,
                    tuned(7, 2, 0.0),
                ),
                step("PATCH", one, "{}", tuned(7, 2, 0.0)),
                step("PATCH", one, r#"{"attributes":null}"#, tuned(7, 2, 0.0)),
                step("PATCH", one, "", refusal(400, "bad request body: EOF")),
                step(
                    "PATCH",
                    "/proxies/$p/toxics/no",
                    "{}",
                    refusal(404, "toxic not found"),
                ),
                step(
                    "PATCH",
                    "/proxies/$q/toxics/no",
                    "{}",
                    refusal(404, "proxy not found"),
                ),
            ],
        ),
        case(
            "a toxic is refused in these words",
            [
                create(),
                toxic(&json!({"type": "latency"}), latency(0)),
                refused_toxic("", refusal(400, "bad request body: EOF")),
                refused_toxic("{}", refusal(400, "invalid toxic type")),
                refused_toxic(r#"{"type":"down"}"#, refusal(400, "invalid toxic type")),
                refused_toxic(
                    r#"{"type":"down","stream":"sideways"}"#,
                    refusal(
                        400,
                        "stream was invalid, can be either upstream or downstream",
                    ),
                ),
                refused_toxic(
                    r#"{"type":"latency"}"#,
                    refusal(409, "toxic already exists"),
                ),
                refused_toxic(
                    r#"{"type":"noop","name":"latency_downstream","stream":"upstream"}"#,
                    refusal(409, "toxic already exists"),
                ),
                refused_toxic(
                    r#"{"type":"latency","name":"x","attributes":{"latency":1.5}}"#,
                    Answer::RefusalThatBegins(
                        400,
                        "bad request body: json: cannot unmarshal number 1.5 into Go struct field ",
                    ),
                ),
                refused_toxic(
                    r#"{"type":"latency","name":"x","attributes":{"latency":"1"}}"#,
                    Answer::RefusalThatBegins(
                        400,
                        "bad request body: json: cannot unmarshal string into Go struct field ",
                    ),
                ),
                refused_toxic(
                    r#"{"type":1}"#,
                    Answer::RefusalThatBegins(
                        400,
                        "bad request body: json: cannot unmarshal number into Go struct field ",
                    ),
                ),
                step(
                    "GET",
                    "/proxies/$q/toxics",
                    "",
                    refusal(404, "proxy not found"),
                ),
                step(
                    "POST",
                    "/proxies/$q/toxics",
                    "{}",
                    refusal(404, "proxy not found"),
                ),
                step(
                    "DELETE",
                    "/proxies/$q/toxics/x",
                    "",
                    refusal(404, "proxy not found"),
                ),
                step(
                    "GET",
                    "/proxies/$p/toxics",
                    "",
                    json(200, json!([latency(0)])),
                ),
            ],
        ),
        case(
            "an update that is refused changes nothing",
            [
                create(),
                toxic(
                    &json!({"type": "latency", "attributes": {"latency": 5}}),
                    latency(5),
                ),
                step(
                    "PATCH",
                    one,
                    r#"{"attributes":{"latency":9,"jitter":"x"}}"#,
                    Answer::RefusalThatBegins(
                        400,
                        "bad request body: json: cannot unmarshal string into Go struct field ",
                    ),
                ),
                step("GET", one, "", json(200, latency(5)))
                    .original("failed-update", json(200, latency(9))),
            ],
        ),
    ]
}

/// Each type with its attributes as they are when none is given.
fn defaults() -> Vec<Case> {
    let types = [
        ("latency", json!({"latency": 0, "jitter": 0})),
        ("bandwidth", json!({"rate": 0})),
        ("slow_close", json!({"delay": 0})),
        ("timeout", json!({"timeout": 0})),
        ("reset_peer", json!({"timeout": 0})),
        ("limit_data", json!({"bytes": 0})),
        ("noop", json!({})),
    ];
    let made = |kind: &str, attributes: &Value| {
        json!({"attributes": attributes, "name": format!("{kind}_downstream"), "type": kind, "stream": "downstream",
               "toxicity": 1})
    };
    let mut steps = vec![create()];
    for (kind, attributes) in &types {
        steps.push(toxic(&json!({"type": kind}), made(kind, attributes)));
    }
    let slicer = json!({"average_size": 64, "size_variation": 64, "delay": 10});
    steps.push(toxic(
        &json!({"type": "slicer", "attributes": slicer}),
        made("slicer", &slicer),
    ));
    vec![
        case("every type shows its attributes", steps),
        case(
            "packet_loss is a type",
            [
                create(),
                toxic(
                    &json!({"type": "packet_loss"}),
                    made("packet_loss", &json!({"loss_rate": 0.1, "correlation": 0})),
                )
                .original("packet-loss", refusal(400, "invalid toxic type")),
            ],
        ),
    ]
}

/// What makes no sense is refused. Toxiproxy's own server is not asked: much of it would end its process.
fn ranges() -> Vec<Case> {
    let far = "between 0 and 31536000000";
    let mut steps = vec![create()];
    for (kind, attributes, field, rule) in [
        ("latency", r#"{"latency":-1}"#, "latency", far),
        (
            "latency",
            r#"{"jitter":5000000000000000000}"#,
            "jitter",
            far,
        ),
        (
            "bandwidth",
            r#"{"rate":-1}"#,
            "rate",
            "between 0 and 1000000000",
        ),
        ("slow_close", r#"{"delay":-1}"#, "delay", far),
        ("timeout", r#"{"timeout":-1}"#, "timeout", far),
        ("reset_peer", r#"{"timeout":-1}"#, "timeout", far),
        ("slicer", "{}", "average_size", "between 1 and 2147483648"),
        (
            "slicer",
            r#"{"average_size":8,"size_variation":-1}"#,
            "size_variation",
            "between 0 and 2147483648",
        ),
        ("limit_data", r#"{"bytes":-1}"#, "bytes", "0 or more"),
        (
            "packet_loss",
            r#"{"loss_rate":2}"#,
            "loss_rate",
            "between 0 and 1",
        ),
        (
            "packet_loss",
            r#"{"correlation":-0.1}"#,
            "correlation",
            "between 0 and 1",
        ),
    ] {
        steps.push(
            refused_toxic(
                &format!(r#"{{"type":"{kind}","name":"x","attributes":{attributes}}}"#),
                refusal(400, &format!("invalid value: {field} must be {rule}")),
            )
            .not_asked("ranges"),
        );
    }
    for toxicity in ["-4", "7", "1.01"] {
        steps.push(refused_toxic(
            &format!(r#"{{"type":"noop","toxicity":{toxicity}}}"#),
            refusal(400, "invalid value: toxicity must be between 0 and 1"),
        ));
    }
    vec![case("what makes no sense is refused by its name", steps)]
}

fn populating() -> Vec<Case> {
    let populate = |body: &str, answer| step("POST", "/populate", body, answer);
    let refused = |status: u16, words: &str| {
        json(
            status,
            json!({"error": words, "status": status, "proxies": null}),
        )
    };
    let of = |upstream: &str, toxics: Value| json!({"name": "$p", "listen": "*", "upstream": upstream, "enabled": true, "toxics": toxics});
    let here = r#"[{"name":"$p","listen":"127.0.0.1:0","upstream":"127.0.0.1:9"}]"#;
    vec![
        case(
            "populating nothing answers null",
            [
                populate("[]", json(201, json!({"proxies": null}))),
                populate("null", json(201, json!({"proxies": null}))),
            ],
        ),
        case(
            "everything is checked before anything is created, and refusals are JSON",
            [
                populate("", refused(400, "bad request body: EOF")),
                populate(
                    "{}",
                    json(400, json!({"error": "*", "status": 400, "proxies": null})),
                ),
                populate(
                    r#"[{"name":"$p","listen":"127.0.0.1:0","upstream":"x:1"},{"upstream":"x:1"}]"#,
                    refused(400, "missing required field: name at proxy 2"),
                ),
                populate(
                    r#"[{"name":"$p"}]"#,
                    refused(400, "missing required field: upstream at proxy 1"),
                ),
                step("GET", "/proxies/$p", "", refusal(404, "proxy not found")),
            ],
        ),
        case(
            "what was done before a failure stays",
            [
                populate(
                    r#"[{"name":"$p","listen":"127.0.0.1:0","upstream":"127.0.0.1:9"},{"name":"$q","listen":"$api","upstream":"x:1"}]"#,
                    json(
                        500,
                        json!({"error": "listen tcp $api: bind: address already in use", "status": 500, "proxies": [fresh()]}),
                    ),
                ),
                step("GET", "/proxies/$p", "", json(200, fresh())),
                step("GET", "/proxies/$q", "", refusal(404, "proxy not found")),
            ],
        ),
        case(
            "an equal proxy is left alone, a different one is replaced without its toxics",
            [
                populate(
                    r#"[{"name":"$p","listen":"127.0.0.1:$port","upstream":"127.0.0.1:9"}]"#,
                    json(201, json!({"proxies": [fresh()]})),
                ),
                toxic(&json!({"type": "latency"}), latency(0)),
                populate(
                    r#"[{"name":"$p","listen":"localhost:$port","upstream":"127.0.0.1:9","enabled":false}]"#,
                    json(201, json!({"proxies": [of("127.0.0.1:9", json!([latency(0)]))]})),
                ),
                populate(
                    r#"[{"name":"$p","listen":"127.0.0.1:$port","upstream":"127.0.0.1:9","toxics":[]}]"#,
                    json(201, json!({"proxies": [of("127.0.0.1:9", json!([latency(0)]))]})),
                ),
                populate(
                    r#"[{"name":"$p","listen":"127.0.0.1:$port","upstream":"127.0.0.1:10"}]"#,
                    json(201, json!({"proxies": [of("127.0.0.1:10", json!([]))]})),
                ),
            ],
        ),
        case(
            "a new proxy begins with the toxics that are given",
            [
                populate(
                    r#"[{"name":"$p","listen":"127.0.0.1:0","upstream":"127.0.0.1:9","toxics":[{"type":"latency"}]}]"#,
                    json(201, json!({"proxies": [of("127.0.0.1:9", json!([latency(0)]))]})),
                )
                .original("toxics-in-bodies", json(201, json!({"proxies": [fresh()]}))),
                step("DELETE", "/proxies/$p", "", Answer::Empty(204)),
                step(
                    "POST",
                    "/proxies",
                    r#"{"name":"$p","listen":"127.0.0.1:0","upstream":"127.0.0.1:9","toxics":[{"type":"latency"}]}"#,
                    json(201, of("127.0.0.1:9", json!([latency(0)]))),
                )
                .original("toxics-in-bodies", json(201, fresh())),
            ],
        ),
        case(
            "a proxy that was deleted is populated anew",
            [
                populate(here, json(201, json!({"proxies": [fresh()]}))),
                step("DELETE", "/proxies/$p", "", Answer::Empty(204)),
                populate(here, json(201, json!({"proxies": [fresh()]}))),
            ],
        ),
    ]
}
