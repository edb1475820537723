//! Requests on every route, one a line of the input: the line's first byte says which, the rest is its body. A real
//! server answers, in process: its proxies listen, and what clients send through them meets the toxics that were made.
//!
//! Held: nothing panics, every status and body is one that is documented, and every task ends with the server.

#![no_main]

use std::time::Duration;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::Request,
};
use libfuzzer_sys::{Corpus, fuzz_target};
use serde_json::Value;
use socket2::SockRef;
use subject::{
    names_a_host, runtime,
    toxiproxy::{Options, Server},
};
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
    task::yield_now,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// Steps of one input; more only makes it slow.
const STEPS: usize = 16;
/// No request takes longer on a healthy server, and none waits for a connection.
const BOUND: Duration = Duration::from_secs(5);
/// Turns that a client's bytes get to go through a proxy.
const TURNS: usize = 24;

const ROUTES: [(u8, &str, &str); 14] = [
    (b'C', "POST", "/proxies"),
    (b'L', "POST", "/populate"),
    (b'U', "PATCH", "/proxies/p"),
    (b'u', "POST", "/proxies/p"),
    (b'T', "POST", "/proxies/p/toxics"),
    (b'M', "PATCH", "/proxies/p/toxics/t"),
    (b'm', "POST", "/proxies/p/toxics/t"),
    (b'd', "DELETE", "/proxies/p/toxics/t"),
    (b'D', "DELETE", "/proxies/p"),
    (b'G', "GET", "/proxies"),
    (b'g', "GET", "/proxies/p"),
    (b't', "GET", "/proxies/p/toxics"),
    (b'R', "POST", "/reset"),
    (b'x', "GET", "/metrics"),
];
/// A client of `p` sends the rest of the line, or goes on sending.
const CLIENT: u8 = b'>';

thread_local! {
    static RUNTIME: tokio::runtime::Runtime = runtime();
}

fuzz_target!(|input: &[u8]| -> Corpus {
    let steps: Vec<(u8, &[u8])> = input
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.split_first().map(|(step, body)| (*step, body)))
        .take(STEPS)
        .collect();
    if steps.iter().any(|(_, body)| names_a_host(body)) {
        return Corpus::Reject;
    }
    RUNTIME.with(|runtime| runtime.block_on(Box::pin(play(&steps))));
    Corpus::Keep
});

async fn play(steps: &[(u8, &[u8])]) {
    let echo = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let upstream = echo.local_addr().expect("a bound socket has an address");
    let echoing = tokio::spawn(answer(echo));
    let options = Options {
        port: 0,
        seed: Some(1),
        metrics: true,
        ..Options::default()
    };
    let server = Server::bind(options).await.expect("a port is free");
    let api = server.api();
    // Whatever the input begins with, there is something to change.
    let proxy = format!(r#"{{"name":"p","listen":"127.0.0.1:0","upstream":"{upstream}"}}"#);
    call(&api, "POST", "/proxies", proxy.as_bytes()).await;
    call(
        &api,
        "POST",
        "/proxies/p/toxics",
        br#"{"name":"t","type":"noop"}"#,
    )
    .await;

    let mut client = None;
    for (step, body) in steps {
        if *step == CLIENT {
            talk(&api, &mut client, body).await;
            continue;
        }
        let route = ROUTES.iter().find(|(letter, ..)| letter == step);
        let (_, method, path) = route.unwrap_or(&ROUTES[usize::from(*step) % ROUTES.len()]);
        call(&api, method, path, body).await;
    }
    drop(client);
    drop(api);
    let over = CancellationToken::new();
    over.cancel();
    let ended = timeout(BOUND, server.run(over)).await;
    ended
        .expect("every task ends with the server")
        .expect("a server that is told to end does so without an error");
    echoing.abort();
}

async fn call(api: &Router, method: &str, path: &str, body: &[u8]) -> Option<Value> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .body(Body::from(body.to_vec()))
        .expect("the routes are good ones");
    let answer = timeout(BOUND, api.clone().oneshot(request)).await;
    let Ok(response) = answer.expect("the API answers at once");
    let status = response.status().as_u16();
    let bytes = to_bytes(response.into_body(), usize::MAX)
        .await
        .expect("answers are whole");
    let said = String::from_utf8(bytes.to_vec()).expect("answers are text");
    let document: Option<Value> = serde_json::from_str(&said).ok();
    match status {
        200 if path == "/metrics" => {}
        204 => assert_eq!(said, ""),
        200 | 201 => assert!(document.is_some(), "{method} {path}: {said}"),
        400 | 404 | 409 => assert_eq!(error(&document).1, u64::from(status), "{said}"),
        // An address that can't be parsed, resolved or bound.
        500 => {
            let (why, _) = error(&document);
            let known = ["listen", "address", "lookup", "bind"];
            assert!(known.iter().any(|word| why.contains(word)), "{said}");
        }
        _ => panic!("{method} {path} was answered with {status}: {said}"),
    }
    document
}

fn error(document: &Option<Value>) -> (&str, u64) {
    let document = document.as_ref().expect("an error is JSON");
    let why = document["error"].as_str().expect("an error says why");
    let status = document["status"].as_u64();
    (why, status.expect("an error repeats its status"))
}

/// Sends through the proxy, whatever becomes of it; a client whose connection is gone opens another.
async fn talk(api: &Router, client: &mut Option<TcpStream>, bytes: &[u8]) {
    if client.is_none() {
        let shown = call(api, "GET", "/proxies/p", b"").await;
        let listen = shown.as_ref().and_then(|proxy| proxy["listen"].as_str());
        let Some(Ok(address)) = listen.map(str::parse::<std::net::SocketAddr>) else {
            return;
        };
        let Ok(stream) = TcpStream::connect(address).await else {
            return;
        };
        forget(&stream);
        *client = Some(stream);
    }
    if let Some(stream) = client {
        // Not waited for: a toxic may hold everything back.
        let sent = stream.try_write(bytes);
        for _ in 0..TURNS {
            yield_now().await;
        }
        let mut room = [0; 4096];
        let got = stream.try_read(&mut room);
        if matches!(got, Ok(0)) || sent.is_err() {
            *client = None;
        }
    }
}

/// Sends back what it gets.
async fn answer(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        forget(&stream);
        tokio::spawn(async move {
            let mut room = [0; 4096];
            while stream.readable().await.is_ok() {
                match stream.try_read(&mut room) {
                    Ok(0) => return,
                    Ok(got) if stream.write_all(&room[..got]).await.is_err() => return,
                    Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return,
                    _ => {}
                }
            }
        });
    }
}

/// Ends in a reset: a million connections that end properly would use up the ports.
fn forget(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}
