//! What a proxy says went through it, while it does.

use std::{sync::Arc, time::Duration};

use tokio::{
    io::AsyncWriteExt,
    net::TcpListener,
    time::{sleep, timeout},
};

use super::{
    super::{Options, ProxyConfig, Server, body, proxy::Proxy, toxic::Stream},
    fixture::{PATIENCE, drain, expect, join, silence},
};

/// Waits until it is so: the counting side is another task.
async fn comes_to(what: &str, expected: u64, read: impl Fn() -> u64) {
    let wait = async {
        while read() != expected {
            sleep(Duration::from_millis(2)).await;
        }
    };
    let came = timeout(PATIENCE, wait).await;
    assert!(came.is_ok(), "{what}: {} instead of {expected}", read());
}

/// A proxy `p` to `upstream`, without the API.
async fn proxy(server: &Server, upstream: &TcpListener) -> Arc<Proxy> {
    let config = ProxyConfig::new(
        "p",
        "127.0.0.1:0",
        upstream.local_addr().unwrap().to_string(),
    );
    server.populate(vec![config]).await.unwrap();
    server.registry.find("p").unwrap()
}

#[tokio::test]
async fn bytes_and_connections_are_counted_while_they_flow() {
    let server = Server::bind(Options {
        port: 0,
        ..Options::default()
    })
    .await
    .unwrap();
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = proxy(&server, &upstream).await;
    let listen = serde_json::to_value(proxy.view()).unwrap()["listen"].clone();
    let listen = listen.as_str().unwrap().parse().unwrap();
    let traffic = proxy.traffic();
    let (up, down) = (traffic.of(Stream::Upstream), traffic.of(Stream::Downstream));

    let (mut client, mut served) = join(listen, &upstream).await;
    let (second, served_second) = join(listen, &upstream).await;
    comes_to("open", 2, || traffic.connections_open()).await;
    drop(second);

    client.write_all(b"question").await.unwrap();
    expect(&mut served, b"question").await;
    comes_to("received upstream", 8, || up.received()).await;
    comes_to("sent upstream", 8, || up.sent()).await;

    // More than any buffer holds, so that the bulk path is in it.
    let bulk = vec![7; 3 << 20];
    let (sent, ()) = tokio::join!(served.write_all(&bulk), expect(&mut client, &bulk));
    sent.unwrap();
    comes_to("received downstream", 3 << 20, || down.received()).await;
    comes_to("sent downstream", 3 << 20, || down.sent()).await;

    // What a toxic holds was received and not sent.
    let toxic = br#"{"name":"t","type":"bandwidth","stream":"upstream"}"#;
    proxy.add_toxic(&body::object(toxic, "").unwrap()).unwrap();
    client.write_all(b"held").await.unwrap();
    comes_to("received upstream", 12, || up.received()).await;
    silence(&mut served, Duration::from_millis(50)).await;
    assert_eq!(up.sent(), 8);
    proxy.remove_toxic("t").unwrap();
    expect(&mut served, b"held").await;
    comes_to("sent upstream", 12, || up.sent()).await;

    client.shutdown().await.unwrap();
    served.shutdown().await.unwrap();
    assert_eq!(drain(&mut client).await.unwrap(), b"");
    drop((client, served, served_second));
    comes_to("open", 0, || traffic.connections_open()).await;
    assert_eq!(traffic.connections_opened(), 2);
}
