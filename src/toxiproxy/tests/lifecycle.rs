//! Proxies and connections coming and going: what closes when, what survives, and that the API never waits.

use std::{io::ErrorKind, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep, timeout},
};

use super::fixture::{PATIENCE, Rig, drain, expect, join, silence};

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Asks until it is so; a condition that never comes about fails the test.
async fn eventually(rig: &Rig, path: &str, is_so: impl Fn(&serde_json::Value) -> bool) {
    let wait = async {
        while !is_so(&rig.call("GET", path, "").await.json()) {
            sleep(ms(10)).await;
        }
    };
    timeout(PATIENCE, wait).await.expect("it comes about");
}

#[tokio::test]
async fn half_closed_connections_stay_half_closed() {
    let rig = Rig::start().await;
    for toxic in [
        None,
        Some(r#"{"name":"t","type":"latency","attributes":{"latency":20}}"#),
    ] {
        let (mut client, mut server) = rig.pair().await;
        if let Some(toxic) = toxic {
            rig.ok("POST", "/proxies/p/toxics", toxic).await;
        }
        client.write_all(b"question").await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(drain(&mut server).await.unwrap(), b"question");
        sleep(ms(50)).await;
        server.write_all(b"answer").await.unwrap();
        server.shutdown().await.unwrap();
        assert_eq!(drain(&mut client).await.unwrap(), b"answer");
        rig.ok("DELETE", "/proxies/p", "").await;
    }
}

#[tokio::test]
async fn a_peer_s_reset_reaches_the_other_side_after_what_it_sent() {
    let rig = Rig::start().await;
    let (mut client, mut server) = rig.pair().await;
    server.write_all(b"part").await.unwrap();
    expect(&mut client, b"part").await;
    server.set_zero_linger().unwrap();
    drop(server);
    assert_eq!(
        drain(&mut client).await.unwrap_err().kind(),
        ErrorKind::ConnectionReset
    );
}

#[tokio::test]
async fn disabling_closes_the_port_and_the_connections_before_enabling_opens_it_again() {
    let mut rig = Rig::start().await;
    let echo = rig.echo().await;
    let proxy = rig.proxy(echo).await;
    let mut client = TcpStream::connect(proxy).await.unwrap();
    client.write_all(b"hello").await.unwrap();
    expect(&mut client, b"hello").await;

    rig.ok("PATCH", "/proxies/p", r#"{"enabled":false}"#).await;
    assert_eq!(
        TcpStream::connect(proxy).await.unwrap_err().kind(),
        ErrorKind::ConnectionRefused
    );
    assert_eq!(drain(&mut client).await.unwrap(), b"");

    rig.ok("PATCH", "/proxies/p", r#"{"enabled":true}"#).await;
    let mut client = TcpStream::connect(proxy).await.unwrap();
    client.write_all(b"again").await.unwrap();
    expect(&mut client, b"again").await;

    rig.ok("DELETE", "/proxies/p", "").await;
    assert_eq!(
        TcpStream::connect(proxy).await.unwrap_err().kind(),
        ErrorKind::ConnectionRefused
    );
    assert_eq!(drain(&mut client).await.unwrap(), b"");
}

#[tokio::test]
async fn toxics_survive_disabling() {
    let rig = Rig::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = rig.proxy(listener.local_addr().unwrap()).await;
    rig.toxic("latency", "upstream", r#"{"latency":150}"#).await;
    rig.ok("PATCH", "/proxies/p", r#"{"enabled":false}"#).await;
    rig.ok("PATCH", "/proxies/p", r#"{"enabled":true}"#).await;
    let (mut client, mut server) = join(proxy, &listener).await;
    let sent = Instant::now();
    client.write_all(b"x").await.unwrap();
    expect(&mut server, b"x").await;
    assert!(sent.elapsed() >= ms(150));
}

#[tokio::test]
async fn an_upstream_that_refuses_ends_the_client_s_stream() {
    let rig = Rig::start().await;
    let unused = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let proxy = rig.proxy(unused).await;
    let mut client = TcpStream::connect(proxy).await.unwrap();
    assert_eq!(drain(&mut client).await.unwrap(), b"");
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_holds_up_neither_the_api_nor_others() {
    let rig = Rig::start().await;
    // A full backlog: the kernel drops further handshakes, so dialling takes its time.
    let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    full.bind(
        &"127.0.0.1:0"
            .parse::<std::net::SocketAddr>()
            .unwrap()
            .into(),
    )
    .unwrap();
    full.listen(1).unwrap();
    let upstream = full.local_addr().unwrap().as_socket().unwrap();
    let mut fillers = Vec::new();
    while let Ok(Ok(filler)) = timeout(ms(200), TcpStream::connect(upstream)).await {
        fillers.push(filler);
    }
    let proxy = rig.proxy(upstream).await;
    let mut waiting = TcpStream::connect(proxy).await.unwrap();
    silence(&mut waiting, ms(100)).await;
    // The proxy's next client gets the upstream that the proxy has by then.
    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let started = Instant::now();
    rig.ok(
        "PATCH",
        "/proxies/p",
        &format!(r#"{{"upstream":"{}"}}"#, other.local_addr().unwrap()),
    )
    .await;
    assert_eq!(drain(&mut waiting).await.unwrap(), b"");
    let (mut client, mut server) = join(proxy, &other).await;
    client.write_all(b"x").await.unwrap();
    expect(&mut server, b"x").await;
    rig.ok("PATCH", "/proxies/p", r#"{"enabled":false}"#).await;
    assert!(started.elapsed() < ms(5000), "{:?}", started.elapsed());
}

#[tokio::test]
async fn the_api_answers_while_a_client_never_reads() {
    let rig = Rig::start().await;
    let (client, mut server) = rig.pair().await;
    rig.toxic("latency", "downstream", r#"{"latency":50}"#)
        .await;
    // Until the proxy takes no more, the client's window and the toxic's queue being full.
    let data = vec![0; 1 << 20];
    while timeout(ms(300), server.write_all(&data)).await.is_ok() {}
    let started = Instant::now();
    rig.ok("GET", "/proxies/p", "").await;
    rig.ok(
        "PATCH",
        "/proxies/p/toxics/t",
        r#"{"attributes":{"latency":10}}"#,
    )
    .await;
    rig.ok("DELETE", "/proxies/p/toxics/t", "").await;
    rig.ok("GET", "/proxies", "").await;
    rig.ok("POST", "/reset", "").await;
    rig.ok("DELETE", "/proxies/p", "").await;
    assert!(started.elapsed() < ms(5000), "{:?}", started.elapsed());
    drop(client);
}

#[tokio::test]
async fn moving_a_proxy_closes_its_connections_and_keeps_its_toxics() {
    let mut rig = Rig::start().await;
    let echo = rig.echo().await;
    let proxy = rig.proxy(echo).await;
    rig.toxic("noop", "upstream", "{}").await;
    let mut client = TcpStream::connect(proxy).await.unwrap();
    client.write_all(b"x").await.unwrap();
    expect(&mut client, b"x").await;
    let moved = rig
        .ok("PATCH", "/proxies/p", r#"{"listen":"localhost:0"}"#)
        .await
        .json();
    assert_eq!(drain(&mut client).await.unwrap(), b"");
    assert_eq!(
        TcpStream::connect(proxy).await.unwrap_err().kind(),
        ErrorKind::ConnectionRefused
    );
    assert_eq!(moved["toxics"].as_array().unwrap().len(), 1);
    let listen: std::net::SocketAddr = moved["listen"].as_str().unwrap().parse().unwrap();
    let mut client = TcpStream::connect(listen).await.unwrap();
    client.write_all(b"y").await.unwrap();
    expect(&mut client, b"y").await;
}

#[tokio::test]
async fn a_proxy_moves_from_one_interface_to_all_on_the_same_port() {
    let mut rig = Rig::start().await;
    let echo = rig.echo().await;
    let port = rig.proxy(echo).await.port();
    let moved = rig
        .ok(
            "PATCH",
            "/proxies/p",
            &format!(r#"{{"listen":"0.0.0.0:{port}"}}"#),
        )
        .await
        .json();
    assert_eq!(moved["listen"], format!("0.0.0.0:{port}"));
    let mut client = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    client.write_all(b"x").await.unwrap();
    expect(&mut client, b"x").await;
}

#[tokio::test]
async fn a_failed_move_leaves_the_proxy_and_its_connections_as_they_were() {
    let mut rig = Rig::start().await;
    let echo = rig.echo().await;
    let proxy = rig.proxy(echo).await;
    let mut client = TcpStream::connect(proxy).await.unwrap();
    client.write_all(b"a").await.unwrap();
    expect(&mut client, b"a").await;
    let before = rig.ok("GET", "/proxies/p", "").await.body;
    // Taken by somebody else; and taken on the very port that the proxy has itself, at an address it cannot have.
    for listen in [rig.api.to_string(), format!("203.0.113.1:{}", proxy.port())] {
        let body = format!(r#"{{"listen":"{listen}","upstream":"127.0.0.1:9"}}"#);
        assert_eq!(rig.call("PATCH", "/proxies/p", &body).await.status, 500);
        let populate = format!(r#"[{{"name":"p","listen":"{listen}","upstream":"127.0.0.1:9"}}]"#);
        assert_eq!(rig.call("POST", "/populate", &populate).await.status, 500);
        assert_eq!(rig.ok("GET", "/proxies/p", "").await.body, before);
        client.write_all(b"b").await.unwrap();
        expect(&mut client, b"b").await;
        let mut another = TcpStream::connect(proxy).await.unwrap();
        another.write_all(b"c").await.unwrap();
        expect(&mut another, b"c").await;
    }
}

#[tokio::test]
async fn a_toxic_is_deleted_when_its_time_is_up_and_not_before() {
    let rig = Rig::start().await;
    let (mut client, mut server) = rig.pair().await;
    let set = Instant::now();
    rig.ok(
        "POST",
        "/proxies/p/toxics",
        r#"{"name":"t","type":"bandwidth","stream":"upstream","ttl":500}"#,
    )
    .await;
    rig.ok(
        "POST",
        "/proxies/p/toxics",
        r#"{"name":"stays","type":"noop"}"#,
    )
    .await;
    client.write_all(b"held").await.unwrap();
    expect(&mut server, b"held").await;
    assert!(
        set.elapsed() >= ms(500) && set.elapsed() < ms(3000),
        "{:?}",
        set.elapsed()
    );
    let toxics = rig.ok("GET", "/proxies/p/toxics", "").await.json();
    assert_eq!(
        (toxics.as_array().unwrap().len(), &toxics[0]["name"]),
        (1, &"stays".into())
    );
}

#[tokio::test]
async fn renewing_postpones_the_end_without_touching_the_toxic() {
    let rig = Rig::start().await;
    let (mut client, mut server) = rig.pair().await;
    let body = r#"{"name":"t","type":"limit_data","stream":"upstream","attributes":{"bytes":6},"ttl":600}"#;
    rig.ok("POST", "/proxies/p/toxics", body).await;
    client.write_all(b"123").await.unwrap();
    expect(&mut server, b"123").await;
    let set = Instant::now();
    for _ in 0..4 {
        sleep(ms(250)).await;
        let renewed = rig
            .ok("PATCH", "/proxies/p/toxics/t", r#"{"ttl":600}"#)
            .await
            .json();
        assert_eq!(
            (&renewed["ttl"], &renewed["attributes"]["bytes"]),
            (&600.into(), &6.into())
        );
    }
    eventually(&rig, "/proxies/p/toxics", |toxics| {
        toxics.as_array().unwrap().is_empty()
    })
    .await;
    assert!(set.elapsed() >= ms(1600), "{:?}", set.elapsed());
    // The count of before would have closed it here, had the toxic stayed.
    client.write_all(b"456789").await.unwrap();
    expect(&mut server, b"456789").await;
}

#[tokio::test]
async fn an_expired_timeout_closes_what_a_deleted_one_would() {
    let rig = Rig::start().await;
    let (mut client, _server) = rig.pair().await;
    rig.ok(
        "POST",
        "/proxies/p/toxics",
        r#"{"type":"timeout","ttl":100}"#,
    )
    .await;
    assert_eq!(drain(&mut client).await.unwrap(), b"");
}

#[tokio::test]
async fn a_proxy_disabled_for_a_time_comes_back_by_itself() {
    let mut rig = Rig::start().await;
    let echo = rig.echo().await;
    let proxy = rig.proxy(echo).await;
    let off = Instant::now();
    rig.ok("PATCH", "/proxies/p", r#"{"enabled":false,"ttl":300}"#)
        .await;
    sleep(ms(150)).await;
    rig.ok("PATCH", "/proxies/p", r#"{"ttl":500}"#).await;
    eventually(&rig, "/proxies/p", |proxy| {
        proxy["enabled"] == true && proxy.get("ttl").is_none()
    })
    .await;
    assert!(off.elapsed() >= ms(650), "{:?}", off.elapsed());
    let mut client = TcpStream::connect(proxy).await.unwrap();
    client.write_all(b"x").await.unwrap();
    expect(&mut client, b"x").await;

    let born_off =
        r#"{"name":"q","listen":"localhost:0","upstream":"x:1","enabled":false,"ttl":50}"#;
    rig.ok("POST", "/proxies", born_off).await;
    eventually(&rig, "/proxies/q", |proxy| proxy["enabled"] == true).await;
}

#[tokio::test]
async fn a_proxy_whose_port_was_taken_comes_back_when_it_is_free() {
    let rig = Rig::start().await;
    let proxy = rig.proxy("127.0.0.1:9".parse().unwrap()).await;
    rig.ok("PATCH", "/proxies/p", r#"{"enabled":false,"ttl":200}"#)
        .await;
    let squatter = TcpListener::bind(proxy).await.unwrap();
    sleep(ms(400)).await;
    let view = rig.ok("GET", "/proxies/p", "").await.json();
    assert_eq!(
        (&view["enabled"], &view["ttl"]),
        (&false.into(), &200.into())
    );
    drop(squatter);
    eventually(&rig, "/proxies/p", |proxy| proxy["enabled"] == true).await;
}

#[tokio::test]
async fn a_stopped_server_closes_everything_and_ends() {
    let mut rig = Rig::start().await;
    let echo = rig.echo().await;
    let proxy = rig.proxy(echo).await;
    rig.ok(
        "POST",
        "/proxies/p/toxics",
        r#"{"type":"timeout","ttl":60000}"#,
    )
    .await;
    let mut client = TcpStream::connect(proxy).await.unwrap();
    client.write_all(b"x").await.unwrap();
    // A request that never comes to its end must not hold it up.
    let mut stuck = TcpStream::connect(rig.api).await.unwrap();
    stuck
        .write_all(b"POST /proxies HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{")
        .await
        .unwrap();
    let api = rig.api;
    sleep(ms(50)).await;
    rig.stop().await;
    assert_eq!(drain(&mut client).await.unwrap(), b"");
    for address in [proxy, api] {
        assert_eq!(
            TcpStream::connect(address).await.unwrap_err().kind(),
            ErrorKind::ConnectionRefused
        );
    }
}

#[tokio::test]
async fn many_idle_connections_are_carried_and_let_go() {
    let mut rig = Rig::start().await;
    let echo = rig.echo().await;
    let proxy = rig.proxy(echo).await;
    let mut clients = Vec::new();
    for _ in 0..300 {
        let mut client = TcpStream::connect(proxy).await.unwrap();
        client.write_all(b"x").await.unwrap();
        clients.push(client);
    }
    for client in &mut clients {
        expect(client, b"x").await;
    }
    rig.toxic("latency", "downstream", r#"{"latency":1}"#).await;
    rig.ok("DELETE", "/proxies/p/toxics/t", "").await;
    for client in &mut clients {
        client.write_all(b"y").await.unwrap();
        expect(client, b"y").await;
    }
    rig.ok("PATCH", "/proxies/p", r#"{"enabled":false}"#).await;
    for client in &mut clients {
        assert_eq!(
            timeout(PATIENCE, client.read(&mut [0]))
                .await
                .unwrap()
                .unwrap(),
            0
        );
    }
}
