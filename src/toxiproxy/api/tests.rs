use serde_json::json;

use super::super::tests::fixture::Rig;

const NOWHERE: &str = r#"{"name":"p","listen":"127.0.0.1:0","upstream":"127.0.0.1:9"}"#;

fn error(text: &str, status: u16) -> String {
    format!("{{\"error\":\"{text}\",\"status\":{status}}}\n")
}

#[tokio::test]
async fn the_version_has_three_numbers_so_that_clients_patch() {
    let rig = Rig::start().await;
    let answer = rig.call("GET", "/version", "").await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (200, "{\"version\": \"2.12.0\"}\n")
    );
    assert_eq!(answer.content_type(), "application/json;charset=utf-8");
    assert!(answer.head.contains("x-toxiproxy-request-id: "));
}

#[tokio::test]
async fn unknown_routes_and_methods_are_refused_as_the_original_does() {
    let rig = Rig::start().await;
    for (method, path, status, body) in [
        ("GET", "/", 404, "404 page not found\n"),
        ("GET", "/metrics", 404, "404 page not found\n"),
        ("GET", "/proxies/", 404, "404 page not found\n"),
        ("GET", "/version/", 404, "404 page not found\n"),
        ("HEAD", "/nope", 404, ""),
        ("HEAD", "/version", 405, ""),
        ("HEAD", "/proxies", 405, ""),
        ("POST", "/version", 405, ""),
        ("PUT", "/proxies", 405, ""),
        ("DELETE", "/proxies", 405, ""),
        ("PUT", "/proxies/p", 405, ""),
        ("DELETE", "/proxies/p/toxics", 405, ""),
        ("PUT", "/proxies/p/toxics/t", 405, ""),
        ("GET", "/reset", 405, ""),
        ("GET", "/populate", 405, ""),
    ] {
        let answer = rig.call(method, path, "").await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (status, body),
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn browsers_are_turned_away_on_every_known_route() {
    let rig = Rig::start().await;
    for (method, path) in [("GET", "/proxies"), ("POST", "/reset"), ("GET", "/version")] {
        let answer = rig
            .send(method, path, "user-agent: Mozilla/5.0 (X11)\r\n", "")
            .await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (403, "User agent not allowed\n")
        );
    }
    assert_eq!(
        rig.send("GET", "/proxies", "user-agent: curl Mozilla/5.0\r\n", "")
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_proxy_lives_through_its_routes() {
    let rig = Rig::start().await;
    assert_eq!(rig.call("GET", "/proxies", "").await.body, "{}");

    let created = rig
        .call(
            "POST",
            "/proxies",
            r#"{"NAME":"p","Listen":"localhost:0","upstream":"127.0.0.1:9","x":[]}"#,
        )
        .await;
    assert_eq!(
        (created.status, created.content_type()),
        (201, "application/json")
    );
    let listen = created.json()["listen"].as_str().unwrap().to_owned();
    assert!(
        listen.starts_with("127.0.0.1:") && !listen.ends_with(":0"),
        "{listen}"
    );
    let shown = format!(
        r#"{{"name":"p","listen":"{listen}","upstream":"127.0.0.1:9","enabled":true,"toxics":[]}}"#
    );
    assert_eq!(created.body, shown);
    assert_eq!(rig.call("GET", "/proxies/p", "").await.body, shown);
    assert_eq!(
        rig.call("GET", "/proxies", "").await.body,
        format!(r#"{{"p":{shown}}}"#)
    );

    for method in ["POST", "PATCH"] {
        let off = rig
            .call(method, "/proxies/p", r#"{"enabled":false,"name":"other"}"#)
            .await;
        assert_eq!(
            (off.status, off.body),
            (200, shown.replace("true", "false"))
        );
        let on = rig.call(method, "/proxies/p", r#"{"enabled":true}"#).await;
        assert_eq!((on.status, on.body), (200, shown.clone()));
    }
    let deleted = rig.call("DELETE", "/proxies/p", "").await;
    assert_eq!((deleted.status, deleted.body.as_str()), (204, ""));
    assert_eq!(rig.call("DELETE", "/proxies/p", "").await.status, 404);
}

#[tokio::test]
async fn a_proxy_listens_anywhere_unless_told_where() {
    let rig = Rig::start().await;
    let answer = rig
        .ok("POST", "/proxies", r#"{"name":"any","upstream":"x:1"}"#)
        .await;
    assert!(
        answer.json()["listen"]
            .as_str()
            .unwrap()
            .starts_with("[::]:"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_disabled_proxy_keeps_the_spelling_it_was_given() {
    let rig = Rig::start().await;
    let body = r#"{"name":"p","listen":"localhost:0","upstream":"x:1","enabled":false}"#;
    assert_eq!(
        rig.ok("POST", "/proxies", body).await.json()["listen"],
        "localhost:0"
    );
}

#[tokio::test]
async fn refusals_have_the_original_s_words_and_say_they_are_text() {
    let rig = Rig::start().await;
    rig.ok("POST", "/proxies", NOWHERE).await;
    rig.ok("POST", "/proxies/p/toxics", r#"{"type":"latency"}"#)
        .await;
    let api = rig.api;
    let taken = error(
        &format!("listen tcp {api}: bind: address already in use"),
        500,
    );
    let on_api = format!(r#"{{"name":"q","listen":"{api}","upstream":"x:1"}}"#);
    let to_api = format!(r#"{{"listen":"{api}"}}"#);
    for (method, path, body, expected) in [
        ("POST", "/proxies", "", error("bad request body: EOF", 400)),
        (
            "POST",
            "/proxies",
            "{",
            error("bad request body: unexpected EOF", 400),
        ),
        (
            "POST",
            "/proxies",
            "null",
            error("missing required field: name", 400),
        ),
        (
            "POST",
            "/proxies",
            r#"{"upstream":"x:1"}"#,
            error("missing required field: name", 400),
        ),
        (
            "POST",
            "/proxies",
            r#"{"name":"q"}"#,
            error("missing required field: upstream", 400),
        ),
        (
            "POST",
            "/proxies",
            NOWHERE,
            error("proxy already exists", 409),
        ),
        ("POST", "/proxies", &on_api, taken.clone()),
        (
            "POST",
            "/proxies",
            r#"{"name":"q","listen":"bogus","upstream":"x:1"}"#,
            error("listen tcp: address bogus: missing port in address", 500),
        ),
        (
            "POST",
            "/proxies",
            r#"{"name":3,"upstream":"x:1"}"#,
            error(
                "bad request body: json: cannot unmarshal number into Go struct field Proxy.name of type string",
                400,
            ),
        ),
        ("GET", "/proxies/no", "", error("proxy not found", 404)),
        ("PATCH", "/proxies/no", "{}", error("proxy not found", 404)),
        ("DELETE", "/proxies/no", "", error("proxy not found", 404)),
        (
            "PATCH",
            "/proxies/p",
            "",
            error("bad request body: EOF", 400),
        ),
        (
            "PATCH",
            "/proxies/p",
            r#"{"listen":"bogus"}"#,
            error("address bogus: missing port in address", 500),
        ),
        (
            "PATCH",
            "/proxies/p",
            r#"{"upstream":""}"#,
            error("missing required field: upstream", 400),
        ),
        ("PATCH", "/proxies/p", &to_api, taken),
        (
            "GET",
            "/proxies/no/toxics",
            "",
            error("proxy not found", 404),
        ),
        (
            "POST",
            "/proxies/no/toxics",
            "{}",
            error("proxy not found", 404),
        ),
        (
            "POST",
            "/proxies/p/toxics",
            "",
            error("bad request body: EOF", 400),
        ),
        (
            "POST",
            "/proxies/p/toxics",
            "{}",
            error("invalid toxic type", 400),
        ),
        (
            "POST",
            "/proxies/p/toxics",
            r#"{"type":"down"}"#,
            error("invalid toxic type", 400),
        ),
        (
            "POST",
            "/proxies/p/toxics",
            r#"{"type":"latency","stream":"sideways"}"#,
            error(
                "stream was invalid, can be either upstream or downstream",
                400,
            ),
        ),
        (
            "POST",
            "/proxies/p/toxics",
            r#"{"type":"latency"}"#,
            error("toxic already exists", 409),
        ),
        (
            "POST",
            "/proxies/p/toxics",
            r#"{"type":"noop","name":"latency_downstream","stream":"upstream"}"#,
            error("toxic already exists", 409),
        ),
        (
            "POST",
            "/proxies/p/toxics",
            r#"{"type":"latency","name":"l","attributes":{"latency":1.5}}"#,
            error(
                "bad request body: json: cannot unmarshal number 1.5 into Go struct field ToxicWrapper.attributes.latency of type int64",
                400,
            ),
        ),
        (
            "GET",
            "/proxies/p/toxics/no",
            "",
            error("toxic not found", 404),
        ),
        (
            "PATCH",
            "/proxies/p/toxics/no",
            "{}",
            error("toxic not found", 404),
        ),
        (
            "DELETE",
            "/proxies/p/toxics/no",
            "",
            error("toxic not found", 404),
        ),
        (
            "PATCH",
            "/proxies/p/toxics/latency_downstream",
            "",
            error("bad request body: EOF", 400),
        ),
    ] {
        let answer = rig.call(method, path, body).await;
        let status: u16 = expected[expected.len() - 5..expected.len() - 2]
            .parse()
            .unwrap();
        assert_eq!(
            (answer.status, &answer.body),
            (status, &expected),
            "{method} {path} {body}"
        );
        assert_eq!(answer.content_type(), "text/plain; charset=utf-8");
    }
}

#[tokio::test]
async fn toxics_have_defaults_an_order_and_a_name_of_their_own() {
    let rig = Rig::start().await;
    rig.ok("POST", "/proxies", NOWHERE).await;
    assert_eq!(rig.call("GET", "/proxies/p/toxics", "").await.body, "[]");

    let down = r#"{"attributes":{"latency":0,"jitter":0},"name":"latency_downstream","type":"latency","stream":"downstream","toxicity":1}"#;
    let made = rig
        .call("POST", "/proxies/p/toxics", r#"{"type":"latency"}"#)
        .await;
    assert_eq!(
        (made.status, made.body.as_str(), made.content_type()),
        (200, down, "application/json")
    );

    let up = r#"{"attributes":{"rate":5},"name":"bandwidth_UPSTREAM","type":"bandwidth","stream":"UPSTREAM","toxicity":0.25}"#;
    let body = r#"{"Type":"bandwidth","stream":"UPSTREAM","Toxicity":0.25,"attributes":{"RATE":5,"other":"x"}}"#;
    assert_eq!(rig.call("POST", "/proxies/p/toxics", body).await.body, up);

    assert_eq!(
        rig.call("GET", "/proxies/p/toxics", "").await.body,
        format!("[{up},{down}]")
    );
    assert_eq!(
        rig.call("GET", "/proxies/p/toxics/bandwidth_UPSTREAM", "")
            .await
            .body,
        up
    );
    assert_eq!(
        rig.call("GET", "/proxies/p", "").await.json()["toxics"],
        json!([
            serde_json::from_str::<serde_json::Value>(up).unwrap(),
            serde_json::from_str::<serde_json::Value>(down).unwrap(),
        ])
    );
    let deleted = rig
        .call("DELETE", "/proxies/p/toxics/bandwidth_UPSTREAM", "")
        .await;
    assert_eq!((deleted.status, deleted.body.as_str()), (204, ""));
}

#[tokio::test]
async fn updating_a_toxic_merges_attributes_and_toxicity_and_ignores_the_rest() {
    let rig = Rig::start().await;
    rig.ok("POST", "/proxies", NOWHERE).await;
    rig.ok(
        "POST",
        "/proxies/p/toxics",
        r#"{"name":"t","type":"latency","attributes":{"latency":5,"jitter":2}}"#,
    )
    .await;
    for (method, body, expected) in [
        (
            "POST",
            r#"{"attributes":{"latency":9},"name":"u","type":"noop","stream":"upstream"}"#,
            (9, 2, json!(1)),
        ),
        ("PATCH", r#"{"toxicity":0.5}"#, (9, 2, json!(0.5))),
        (
            "PATCH",
            r#"{"attributes":{"jitter":1},"toxicity":0}"#,
            (9, 1, json!(0)),
        ),
        ("PATCH", "{}", (9, 1, json!(0))),
    ] {
        let answer = rig.ok(method, "/proxies/p/toxics/t", body).await.json();
        let (latency, jitter, toxicity) = expected;
        assert_eq!(
            answer,
            json!({
                "attributes": {"latency": latency, "jitter": jitter},
                "name": "t", "type": "latency", "stream": "downstream", "toxicity": toxicity,
            })
        );
    }
}

#[tokio::test]
async fn a_refused_update_changes_nothing() {
    let rig = Rig::start().await;
    rig.ok("POST", "/proxies", NOWHERE).await;
    rig.ok(
        "POST",
        "/proxies/p/toxics",
        r#"{"name":"t","type":"latency","attributes":{"latency":5}}"#,
    )
    .await;
    let before = rig.ok("GET", "/proxies/p/toxics/t", "").await.body;
    for body in [
        r#"{"toxicity":0.5,"attributes":{"latency":-1}}"#,
        r#"{"toxicity":2,"attributes":{"latency":9}}"#,
        r#"{"attributes":{"latency":9},"ttl":0}"#,
    ] {
        assert_eq!(
            rig.call("PATCH", "/proxies/p/toxics/t", body).await.status,
            400
        );
        assert_eq!(rig.ok("GET", "/proxies/p/toxics/t", "").await.body, before);
    }
}

#[tokio::test]
async fn populating_checks_everything_first_and_answers_in_json() {
    let rig = Rig::start().await;
    for (body, expected) in [
        ("[]", r#"{"proxies":null}"#),
        (
            "",
            r#"{"error":"bad request body: EOF","status":400,"proxies":null}"#,
        ),
        (
            r#"[{"name":"a","listen":"127.0.0.1:0","upstream":"x:1"},{"upstream":"x:1"}]"#,
            r#"{"error":"missing required field: name at proxy 2","status":400,"proxies":null}"#,
        ),
        (
            r#"[{"name":"a"}]"#,
            r#"{"error":"missing required field: upstream at proxy 1","status":400,"proxies":null}"#,
        ),
    ] {
        let answer = rig.call("POST", "/populate", body).await;
        assert_eq!(answer.body, expected);
        assert_eq!(answer.status, if body == "[]" { 201 } else { 400 });
        assert_eq!(answer.content_type(), "application/json");
        assert_eq!(rig.call("GET", "/proxies", "").await.body, "{}");
    }
    assert_eq!(rig.call("POST", "/populate", "{}").await.status, 400);
}

#[tokio::test]
async fn populating_keeps_what_was_done_before_a_failure() {
    let rig = Rig::start().await;
    let api = rig.api;
    let body = format!(
        r#"[{{"name":"a","listen":"127.0.0.1:0","upstream":"x:1"}},{{"name":"b","listen":"{api}","upstream":"x:1"}},
            {{"name":"c","listen":"127.0.0.1:0","upstream":"x:1"}}]"#
    );
    let answer = rig.call("POST", "/populate", &body).await;
    assert_eq!(answer.status, 500);
    let json = answer.json();
    assert_eq!(
        json["error"],
        format!("listen tcp {api}: bind: address already in use")
    );
    assert_eq!(json["proxies"].as_array().unwrap().len(), 1);
    assert_eq!(rig.call("GET", "/proxies/c", "").await.status, 404);
}

#[tokio::test]
async fn populating_leaves_an_equal_proxy_alone_and_replaces_a_different_one() {
    let rig = Rig::start().await;
    let listen = rig.ok("POST", "/proxies", NOWHERE).await.json()["listen"]
        .as_str()
        .unwrap()
        .to_owned();
    rig.ok("POST", "/proxies/p/toxics", r#"{"type":"latency"}"#)
        .await;
    let before = rig.ok("GET", "/proxies/p", "").await.body;

    let equal =
        format!(r#"[{{"name":"p","listen":"{listen}","upstream":"127.0.0.1:9","enabled":false}}]"#);
    let answer = rig.call("POST", "/populate", &equal).await;
    assert_eq!(
        (answer.status, answer.body),
        (201, format!(r#"{{"proxies":[{before}]}}"#))
    );

    let other = format!(r#"[{{"name":"p","listen":"{listen}","upstream":"127.0.0.1:8"}}]"#);
    let answer = rig.ok("POST", "/populate", &other).await.json();
    assert_eq!(
        answer["proxies"][0],
        json!({
            "name": "p", "listen": listen, "upstream": "127.0.0.1:8", "enabled": true, "toxics": [],
        })
    );
    let off = r#"[{"name":"p","listen":"127.0.0.1:0","upstream":"127.0.0.1:8","enabled":false}]"#;
    assert_eq!(
        rig.ok("POST", "/populate", off).await.json()["proxies"][0]["enabled"],
        false
    );
}

#[tokio::test]
async fn a_reset_enables_all_proxies_and_deletes_all_toxics() {
    let rig = Rig::start().await;
    rig.ok("POST", "/proxies", NOWHERE).await;
    rig.ok(
        "POST",
        "/proxies",
        r#"{"name":"q","listen":"127.0.0.1:0","upstream":"x:1","enabled":false}"#,
    )
    .await;
    rig.ok("POST", "/proxies/p/toxics", r#"{"type":"latency"}"#)
        .await;
    let answer = rig.call("POST", "/reset", "not json").await;
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    let proxies = rig.ok("GET", "/proxies", "").await.json();
    for name in ["p", "q"] {
        assert_eq!(
            (&proxies[name]["enabled"], &proxies[name]["toxics"]),
            (&json!(true), &json!([]))
        );
    }
}

#[tokio::test]
async fn a_reset_goes_on_past_a_proxy_that_cannot_be_enabled() {
    let rig = Rig::start().await;
    let api = rig.api;
    rig.ok(
        "POST",
        "/proxies",
        &format!(r#"{{"name":"a","listen":"{api}","upstream":"x:1","enabled":false}}"#),
    )
    .await;
    rig.ok(
        "POST",
        "/proxies",
        r#"{"name":"b","listen":"127.0.0.1:0","upstream":"x:1","enabled":false}"#,
    )
    .await;
    assert_eq!(rig.call("POST", "/reset", "").await.status, 500);
    assert_eq!(
        rig.ok("GET", "/proxies/b", "").await.json()["enabled"],
        true
    );
}

#[tokio::test]
async fn a_name_with_a_slash_is_reached_by_its_escape_only() {
    let rig = Rig::start().await;
    rig.ok(
        "POST",
        "/proxies",
        r#"{"name":"a/b","listen":"127.0.0.1:0","upstream":"x:1"}"#,
    )
    .await;
    assert_eq!(rig.call("GET", "/proxies/a/b", "").await.status, 404);
    assert_eq!(rig.call("GET", "/proxies/a%2Fb", "").await.status, 200);
    let toxic = r#"{"name":"c/d","type":"noop"}"#;
    rig.ok("POST", "/proxies/a%2Fb/toxics", toxic).await;
    rig.ok("DELETE", "/proxies/a%2Fb/toxics/c%2Fd", "").await;
}

#[tokio::test]
async fn each_attribute_out_of_range_is_refused_by_its_name() {
    let rig = Rig::start().await;
    rig.ok("POST", "/proxies", NOWHERE).await;
    for (kind, attributes, field) in [
        ("latency", r#"{"latency":-1}"#, "latency"),
        ("latency", r#"{"latency":31536000001}"#, "latency"),
        ("latency", r#"{"jitter":-1}"#, "jitter"),
        ("latency", r#"{"jitter":5000000000000000000}"#, "jitter"),
        ("bandwidth", r#"{"rate":-1}"#, "rate"),
        ("bandwidth", r#"{"rate":1000000001}"#, "rate"),
        ("slow_close", r#"{"delay":-1}"#, "delay"),
        ("timeout", r#"{"timeout":-1}"#, "timeout"),
        ("reset_peer", r#"{"timeout":-1}"#, "timeout"),
        ("slicer", "{}", "average_size"),
        ("slicer", r#"{"average_size":-5}"#, "average_size"),
        (
            "slicer",
            r#"{"average_size":5,"size_variation":-1}"#,
            "size_variation",
        ),
        ("slicer", r#"{"average_size":5,"delay":-1}"#, "delay"),
        ("limit_data", r#"{"bytes":-1}"#, "bytes"),
        ("packet_loss", r#"{"loss_rate":1.01}"#, "loss_rate"),
        ("packet_loss", r#"{"loss_rate":-0.01}"#, "loss_rate"),
        ("packet_loss", r#"{"correlation":2}"#, "correlation"),
    ] {
        let body = format!(r#"{{"type":"{kind}","attributes":{attributes}}}"#);
        let answer = rig.call("POST", "/proxies/p/toxics", &body).await;
        assert_eq!(answer.status, 400, "{body}");
        let message = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(
            message.starts_with(&format!("invalid value: {field} must be ")),
            "{body}: {message}"
        );
    }
    for toxicity in ["7", "-4"] {
        let body = format!(r#"{{"type":"latency","toxicity":{toxicity}}}"#);
        let answer = rig.call("POST", "/proxies/p/toxics", &body).await;
        assert_eq!(
            answer.body,
            error("invalid value: toxicity must be between 0 and 1", 400)
        );
    }
    assert_eq!(rig.ok("GET", "/proxies/p/toxics", "").await.body, "[]");
}

#[tokio::test]
async fn every_type_shows_its_attributes_with_their_defaults() {
    let rig = Rig::start().await;
    rig.ok("POST", "/proxies", NOWHERE).await;
    for (kind, given, shown) in [
        ("latency", "{}", r#"{"latency":0,"jitter":0}"#),
        ("bandwidth", "{}", r#"{"rate":0}"#),
        ("slow_close", "{}", r#"{"delay":0}"#),
        ("timeout", "{}", r#"{"timeout":0}"#),
        ("reset_peer", "{}", r#"{"timeout":0}"#),
        (
            "slicer",
            r#"{"average_size":9}"#,
            r#"{"average_size":9,"size_variation":0,"delay":0}"#,
        ),
        ("limit_data", "{}", r#"{"bytes":0}"#),
        ("packet_loss", "{}", r#"{"loss_rate":0.1,"correlation":0}"#),
        ("noop", r#"{"x":1}"#, "{}"),
    ] {
        let answer = rig
            .ok(
                "POST",
                "/proxies/p/toxics",
                &format!(r#"{{"type":"{kind}","attributes":{given}}}"#),
            )
            .await;
        assert!(
            answer.body.starts_with(&format!(
                r#"{{"attributes":{shown},"name":"{kind}_downstream""#
            )),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn a_time_to_live_and_an_owner_show_only_where_they_were_set() {
    let rig = Rig::start().await;
    rig.ok("POST", "/proxies", NOWHERE).await;
    let body = r#"{"name":"t","type":"noop","ttl":60000,"owner":"run-1"}"#;
    let toxic = rig.ok("POST", "/proxies/p/toxics", body).await.body;
    assert!(
        toxic.ends_with(r#""toxicity":1,"ttl":60000,"owner":"run-1"}"#),
        "{toxic}"
    );
    let off = rig
        .ok(
            "PATCH",
            "/proxies/p",
            r#"{"enabled":false,"ttl":70000,"owner":"run-2"}"#,
        )
        .await
        .body;
    assert!(off.ends_with(r#"}],"ttl":70000,"owner":"run-2"}"#), "{off}");
    let on = rig
        .ok(
            "PATCH",
            "/proxies/p",
            r#"{"enabled":true,"ttl":5,"owner":"run-2"}"#,
        )
        .await
        .json();
    assert_eq!((on.get("ttl"), on.get("owner")), (None, None));
    for ttl in ["0", "-1", "31536000001"] {
        let answer = rig
            .call(
                "POST",
                "/proxies/p/toxics",
                &format!(r#"{{"type":"latency","ttl":{ttl}}}"#),
            )
            .await;
        assert_eq!(
            answer.body,
            error("invalid value: ttl must be between 1 and 31536000000", 400)
        );
        assert_eq!(
            rig.call(
                "PATCH",
                "/proxies/p",
                &format!(r#"{{"enabled":false,"ttl":{ttl}}}"#)
            )
            .await
            .status,
            400
        );
    }
}

#[tokio::test]
async fn a_proxy_that_another_holds_disabled_is_not_taken_over() {
    let rig = Rig::start().await;
    rig.ok("POST", "/proxies", NOWHERE).await;
    rig.ok(
        "PATCH",
        "/proxies/p",
        r#"{"enabled":false,"owner":"a","ttl":60000}"#,
    )
    .await;
    let answer = rig
        .call(
            "PATCH",
            "/proxies/p",
            r#"{"enabled":false,"owner":"b","ttl":1}"#,
        )
        .await;
    assert_eq!(
        (answer.status, answer.body),
        (409, error("proxy already disabled by another owner", 409))
    );
    let renewed = rig
        .ok(
            "PATCH",
            "/proxies/p",
            r#"{"enabled":false,"owner":"a","ttl":50000}"#,
        )
        .await
        .json();
    assert_eq!(
        (&renewed["owner"], &renewed["ttl"]),
        (&json!("a"), &json!(50000))
    );
    assert_eq!(
        rig.ok("PATCH", "/proxies/p", r#"{"enabled":false}"#)
            .await
            .json(),
        renewed
    );
}

const SLOW: &str = r#"{"name":"slow","type":"latency","attributes":{"latency":40},"ttl":60000}"#;

#[tokio::test]
async fn proxies_may_begin_with_toxics() {
    let rig = Rig::start().await;
    let one = |name: &str| {
        format!(
            r#"{{"name":"{name}","listen":"127.0.0.1:0","upstream":"127.0.0.1:9","toxics":[{SLOW},{{"type":"noop","stream":"upstream"}}]}}"#
        )
    };
    let created = rig.ok("POST", "/proxies", &one("a")).await.json();
    let populated = rig
        .ok("POST", "/populate", &format!("[{}]", one("b")))
        .await
        .json();
    for shown in [&created, &populated["proxies"][0]] {
        let names: Vec<_> = shown["toxics"]
            .as_array()
            .unwrap()
            .iter()
            .map(|toxic| &toxic["name"])
            .collect();
        assert_eq!(names, ["noop_upstream", "slow"]);
        assert_eq!(shown["toxics"][1]["ttl"], 60000);
    }
}

#[tokio::test]
async fn a_toxic_that_is_refused_creates_nothing_and_says_where_it_stands() {
    let rig = Rig::start().await;
    for (toxics, expected) in [
        (r#"[{"type":"lag"}]"#, "invalid toxic type at toxic 1"),
        (
            r#"[{"type":"noop"},{"type":"noop"}]"#,
            "toxic already exists at toxic 2",
        ),
        (
            r#"[{"type":"latency","attributes":{"jitter":-1}}]"#,
            "invalid value: jitter must be between 0 and 31536000000 at toxic 1",
        ),
    ] {
        let proxy = |name: &str, toxics: &str| {
            format!(
                r#"{{"name":"{name}","listen":"127.0.0.1:0","upstream":"x:1","toxics":{toxics}}}"#
            )
        };
        let status = if expected.contains("exists") {
            409
        } else {
            400
        };
        let answer = rig.call("POST", "/proxies", &proxy("a", toxics)).await;
        assert_eq!(
            (answer.status, answer.body),
            (status, error(expected, status))
        );
        let both = format!("[{},{}]", proxy("a", "[]"), proxy("b", toxics));
        let answer = rig.call("POST", "/populate", &both).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]),
            (status, &format!("{expected} of proxy 2").into())
        );
        assert_eq!(rig.ok("GET", "/proxies", "").await.body, "{}");
    }
}

#[tokio::test]
async fn sending_back_what_was_read_hurts_nobody() {
    let rig = Rig::start().await;
    rig.ok("POST", "/proxies", NOWHERE).await;
    let clean = rig.ok("GET", "/proxies/p", "").await.body;
    rig.ok("POST", "/proxies/p/toxics", SLOW).await;
    let toxic = rig.ok("GET", "/proxies/p", "").await;
    // An equal proxy keeps the toxics that it has, whatever the list says of them: clients send what they once read,
    // and some send an empty list always.
    for sent in [
        clean.clone(),
        clean.replace("[]", "null"),
        toxic.body.clone(),
        toxic.body.replace("\"latency\":40", "\"latency\":50"),
    ] {
        let answer = rig.ok("POST", "/populate", &format!("[{sent}]")).await;
        assert_eq!(answer.json()["proxies"][0], toxic.json(), "{sent}");
        assert_eq!(rig.ok("GET", "/proxies/p", "").await.body, toxic.body);
        rig.ok("PATCH", "/proxies/p", &sent).await;
        assert_eq!(rig.ok("GET", "/proxies/p", "").await.body, toxic.body);
    }
    // One that differs is replaced: it then has the toxics that are given, and no others.
    let moved = |body: &str| body.replace("127.0.0.1:9", "127.0.0.1:10");
    let answer = rig
        .ok("POST", "/populate", &format!("[{}]", moved(&clean)))
        .await;
    assert_eq!(answer.json()["proxies"][0]["toxics"], json!([]));
    let answer = rig
        .ok("POST", "/populate", &format!("[{}]", toxic.body))
        .await;
    assert_eq!(answer.json()["proxies"][0], toxic.json());
}
