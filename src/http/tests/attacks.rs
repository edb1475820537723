//! What strangers try: each is refused, costs little, and leaves nothing behind.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::Method;
use hyper::header::CONTENT_TYPE;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::world::Server;
use crate::http::gate::new_token;

#[tokio::test]
async fn a_token_in_an_address_is_refused_whatever_it_is_called() {
    let server = Server::start().await;
    let token = new_token();
    for path in [
        format!("/api/v1/runs?token={token}"),
        "/api/v1/runs?access_token=x".to_owned(),
        "/api/v1/runs?limit=1&%74oken=x".to_owned(),
        format!("/api/v1/runs?limit={token}"),
        format!("/runs/{token}"),
        format!("/runs/%66{}", &token[1..]),
    ] {
        let reply = server.get(&path).await;
        assert_eq!(reply.problem(400), "token-in-address", "{path}");
        assert!(!reply.body.contains(&token), "{path}: it is said again");
    }
    assert_eq!(server.get("/api/v1/runs?limit=1").await.status, 200);
}

/// What is logged, whatever its level.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl io::Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn tokens_and_passwords_are_in_no_log_no_answer_and_no_file() {
    let logged = Logged::default();
    let writer = logged.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    // Of this thread, on which everything of this test runs but hashing.
    let _guard = tracing::subscriber::set_default(subscriber);
    let server = Server::beyond_loopback().await;
    let (form, visit) = server.form_token(None).await;
    let password = "tr0ub4dor-and-three";
    let request = server
        .request(Method::POST, &format!("/setup/{}", super::world::CODE))
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header("cookie", format!("visit={visit}"));
    let body = format!("name=Ada&password={password}&again={password}&csrf={form}");
    let made = server.send(request, body).await;
    assert_eq!(made.status, 303, "{}", made.body);
    let session = server.login_as("Ada").await;
    let wanted = json!({"name": "ci", "role": "viewer"});
    let made = server
        .post_as("/api/v1/tokens", wanted, &session)
        .await
        .json();
    let token = made["token"].as_str().expect("a token").to_owned();
    let request = server
        .request(Method::GET, "/api/v1/runs")
        .header("authorization", format!("Bearer {token}"));
    assert_eq!(server.send(request, "").await.status, 200);
    server.get(&format!("/api/v1/runs?token={token}")).await;
    tracing::trace!("the log is read");

    let text = logged
        .0
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(text.contains("the log is read"), "nothing was logged");
    let audit = server.get_as("/api/v1/audit", &session).await.body;
    for secret in [password, &token, &session, &form] {
        assert!(!text.contains(secret), "`{secret}` is in the log");
        assert!(!audit.contains(secret), "`{secret}` is in the audit");
        assert!(!server.keeps(secret), "`{secret}` is on disk");
    }
}

#[tokio::test]
async fn a_body_of_ten_megabytes_is_refused_without_being_kept() {
    let server = Server::start().await;
    let large = vec![b'x'; 10_000_000];
    for path in ["/api/v1/runs", "/hooks/alertmanager", "/start"] {
        let request = server
            .request(Method::POST, path)
            .header("accept", "application/problem+json")
            .header(CONTENT_TYPE, "application/json");
        let reply = server.send(request, large.clone()).await;
        assert_eq!(reply.problem(413), "too-large", "{path}");
    }
}

#[tokio::test]
async fn requests_that_drip_are_cut_off() {
    let server = Server::start().await;
    for (start, status) in [
        // A head that never ends.
        ("GET / HTTP/1.1\r\nhost: localhost\r\n".to_owned(), None),
        // A body that does not come.
        (
            "POST /api/v1/runs HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             content-length: 1000\r\n\r\n"
                .to_owned(),
            Some("408"),
        ),
    ] {
        let mut stream = TcpStream::connect(server.address())
            .await
            .expect("connected");
        stream.write_all(start.as_bytes()).await.expect("sent");
        let (mut reader, mut writer) = stream.into_split();
        let began = Instant::now();
        let drip = async {
            while writer.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            std::future::pending::<()>().await;
        };
        let mut answer = Vec::new();
        let read = async {
            // However it is cut off: an answer, an end, or a reset.
            let mut part = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut part).await {
                answer.extend_from_slice(&part[..count]);
                if status.is_some() {
                    break;
                }
            }
        };
        let done = tokio::time::timeout(Duration::from_secs(20), async {
            tokio::select! {
                () = drip => {}
                () = read => {}
            }
        });
        assert!(done.await.is_ok(), "it was let drip: {start}");
        assert!(
            began.elapsed() >= Duration::from_secs(1),
            "it was not waited for"
        );
        let answer = String::from_utf8_lossy(&answer).into_owned();
        if let Some(status) = status {
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status}")),
                "{answer}"
            );
        }
    }
    assert_eq!(server.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn no_path_leads_out_of_what_is_served() {
    let server = Server::start().await;
    for path in [
        "/static/../Cargo.toml",
        "/static/..%2f..%2fCargo.toml",
        "/static/%2e%2e/%2e%2e/etc/passwd",
        "/static//etc/passwd",
        "/static/app.css%00.svg",
        "/api/v1/experiments/..%2f..%2fcut",
        "/api/v1/stacks/%2e%2e%2ftiny",
        "/runs/..%2f..%2fetc",
    ] {
        let reply = server.get(path).await;
        assert!(
            matches!(reply.status.as_u16(), 400 | 404),
            "{path}: {} {}",
            reply.status,
            reply.body
        );
    }
    let named = json!({"experiment": "../library/cut"});
    let reply = server.post("/api/v1/runs", named).await;
    assert_eq!(reply.problem(404), "no-such-experiment");
}

#[tokio::test]
async fn no_form_leads_to_another_site() {
    let server = Server::beyond_loopback().await;
    server.add("Ada", &[]).await;
    let ada = server.login_as("Ada").await;
    for back in [
        "https://evil.example",
        "//evil.example",
        "/%5Cevil.example",
        "/\tevil",
    ] {
        let path = format!("/login?back={}", crate::http::actor::encoded(back));
        let reply = server.get_as(&path, &ada).await;
        assert_eq!(reply.status, 303);
        let to = reply.header("location");
        assert!(to == "/" || to.starts_with("/%5C"), "{back} leads to {to}");
    }
    let local = Server::start().await;
    let (token, _) = local.form_token(None).await;
    let request = local
        .request(Method::POST, "/name")
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header("referer", "https://evil.example//elsewhere.example/x");
    let reply = local.send(request, format!("name=Ada&csrf={token}")).await;
    assert_eq!(
        (reply.status.as_u16(), reply.header("location")),
        (303, "/")
    );
}

#[tokio::test]
async fn every_answer_keeps_a_page_to_itself() {
    let server = Server::start().await;
    for path in [
        "/",
        "/runs",
        "/nowhere",
        "/api/v1/runs",
        "/api/v1/nowhere",
        "/static/app.css",
        "/healthz",
    ] {
        let reply = server.get(path).await;
        let policy = reply.header("content-security-policy");
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(reply.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(reply.header("referrer-policy"), "same-origin", "{path}");
    }
    for file in ["/", "/runs", "/settings"] {
        let page = server.get(file).await.body;
        assert!(
            !page.contains(" style=") && !page.contains(" onclick="),
            "{file} has inline parts"
        );
        assert_eq!(
            page.matches("<script").count(),
            1,
            "{file} has a script of its own"
        );
    }
}

#[tokio::test]
async fn whoever_calls_hooks_without_the_token_soon_has_to_wait_and_alerts_do_not() {
    let server = Server::start().await;
    let call = async |token: &str| {
        let request = server
            .request(Method::POST, "/hooks/alertmanager")
            .header("authorization", format!("Bearer {token}"))
            .header(CONTENT_TYPE, "application/json");
        server.send(request, r#"{"version":"4","alerts":[]}"#).await
    };
    let mut tries = 0;
    let limited = loop {
        let reply = call("wrong").await;
        if reply.status != 401 {
            break reply;
        }
        tries += 1;
        assert!(tries < 100, "nobody has to wait");
    };
    assert!(tries >= 20, "only {tries} tries");
    assert_eq!(limited.problem(429), "too-many-tries");
    assert!(!limited.header("retry-after").is_empty());
    assert_eq!(call(super::world::TOKEN).await.status, 200);
    // What signs has one limit with what brings a token.
    let request = server
        .request(Method::POST, "/hooks/slack")
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    let reply = server.send(request, "command=%2Fdrill&text=note").await;
    assert_eq!(reply.problem(429), "too-many-tries");
}

#[tokio::test]
async fn only_the_hook_without_headers_takes_a_token_in_its_address_and_no_api_token() {
    let server = Server::start().await;
    for (path, status, code) in [
        ("/hooks/statuspage?token=wrong".to_owned(), 401, "bad-token"),
        (
            format!("/hooks/statuspage?token={}", new_token()),
            400,
            "token-in-address",
        ),
        (
            "/hooks/alertmanager?token=wrong".to_owned(),
            400,
            "token-in-address",
        ),
    ] {
        let request = server
            .request(Method::POST, &path)
            .header(CONTENT_TYPE, "application/json");
        assert_eq!(
            server.send(request, "{}").await.problem(status),
            code,
            "{path}"
        );
    }
}

#[tokio::test]
async fn forwarded_headers_are_believed_only_from_proxies_that_are_named() {
    let asked = async |proxies: &[&str], scheme: &'static str| {
        let proxies = proxies
            .iter()
            .map(|text| text.parse().expect("a network"))
            .collect();
        let server = Server::start_with(|services| {
            services.gate =
                crate::http::Gate::beyond(super::world::CODE).reached_through(false, proxies);
        })
        .await;
        server.add("Ada", &[]).await;
        let request = server
            .request(Method::GET, "/login")
            .header("x-forwarded-for", "198.51.100.9, 192.0.2.7, 127.0.0.2")
            .header("x-forwarded-proto", scheme);
        let reply = server.send(request, "").await;
        let (token, visit) = server.form_token(None).await;
        let request = server
            .request(Method::POST, "/login")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header("cookie", format!("visit={visit}"))
            .header("x-forwarded-for", "198.51.100.9, 192.0.2.7, 127.0.0.2");
        server
            .send(request, format!("name=Ada&password=x&csrf={token}"))
            .await;
        let audited = server
            .services
            .database
            .audited(1, None)
            .await
            .expect("asked");
        let from = audited[0].deed.about["from"]
            .as_str()
            .expect("an address")
            .to_owned();
        let secure = reply.header("set-cookie").contains("; Secure");
        assert_eq!(
            secure,
            !reply.header("strict-transport-security").is_empty()
        );
        (from, secure)
    };
    let ours = "127.0.0.0/8";
    assert_eq!(asked(&[], "https").await, ("127.0.0.1".to_owned(), false));
    assert_eq!(
        asked(&["10.0.0.0/8"], "https").await,
        ("127.0.0.1".to_owned(), false)
    );
    // What the client itself put in front is not believed.
    assert_eq!(
        asked(&[ours], "https").await,
        ("192.0.2.7".to_owned(), true)
    );
    assert_eq!(
        asked(&[ours], "http").await,
        ("192.0.2.7".to_owned(), false)
    );
}
