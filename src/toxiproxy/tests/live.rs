//! Toxics that come, change and go on a busy connection, of which every byte must arrive, once and in order.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::tcp::{OwnedReadHalf, OwnedWriteHalf},
    time::{Instant, sleep, timeout},
};

use super::{
    super::random::Draws,
    fixture::{PATIENCE, Rig, expect},
};

/// Byte number `index` of the stream that `draws` stands for.
fn byte(draws: Draws, index: u64) -> u8 {
    draws.word(index / 8).to_le_bytes()[usize::try_from(index % 8).unwrap()]
}

async fn send(mut sink: OwnedWriteHalf, draws: Draws, total: u64) {
    let mut sent = 0;
    let mut turn = 0;
    while sent < total {
        let length = (1 + draws.of("length").below(turn, 20_000)).min(total - sent);
        let piece: Vec<u8> = (sent..sent + length)
            .map(|index| byte(draws, index))
            .collect();
        sink.write_all(&piece).await.unwrap();
        sent += length;
        turn += 1;
        if draws.of("rest").below(turn, 4) == 0 {
            sleep(Duration::from_millis(1)).await;
        }
    }
    sink.shutdown().await.unwrap();
}

async fn receive(mut source: OwnedReadHalf, draws: Draws, total: u64) {
    let mut got = 0;
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = timeout(PATIENCE, source.read(&mut buffer))
            .await
            .expect("bytes keep coming")
            .unwrap();
        if read == 0 {
            break;
        }
        for value in &buffer[..read] {
            assert!(
                *value == byte(draws, got),
                "byte {got} of {total} is another"
            );
            got += 1;
        }
        if draws.of("pause").below(got, 50) == 0 {
            sleep(Duration::from_millis(3)).await;
        }
    }
    assert_eq!(got, total);
}

/// Adds, changes and deletes toxics that eat nothing, as the draws have it, until told to stop.
async fn meddle(rig: &Rig, draws: Draws) {
    let kinds = [
        (
            "latency",
            r#"{"latency":15,"jitter":10}"#,
            r#"{"latency":2}"#,
        ),
        ("bandwidth", r#"{"rate":20000}"#, r#"{"rate":60000}"#),
        (
            "slicer",
            r#"{"average_size":900,"size_variation":300,"delay":20}"#,
            r#"{"average_size":4000,"delay":0}"#,
        ),
        ("slow_close", r#"{"delay":30}"#, r#"{"delay":5}"#),
        ("noop", "{}", "{}"),
        ("reset_peer", r#"{"timeout":30000}"#, r#"{"timeout":20000}"#),
    ];
    let mut turn = 0;
    loop {
        let draw = |purpose, bound| usize::try_from(draws.of(purpose).below(turn, bound)).unwrap();
        let (kind, attributes, changed) = kinds[draw("kind", 6)];
        let stream = ["upstream", "downstream"][draw("stream", 2)];
        let toxicity = ["1", "1", "0.5"][draw("toxicity", 3)];
        let path = format!("/proxies/p/toxics/{kind}_{stream}");
        match draw("deed", 3) {
            0 => {
                let body = format!(
                    r#"{{"type":"{kind}","stream":"{stream}","toxicity":{toxicity},"attributes":{attributes}}}"#
                );
                rig.call("POST", "/proxies/p/toxics", &body).await;
            }
            1 => drop(
                rig.call(
                    "PATCH",
                    &path,
                    &format!(r#"{{"attributes":{changed},"toxicity":{toxicity}}}"#),
                )
                .await,
            ),
            _ => drop(rig.call("DELETE", &path, "").await),
        }
        // It would hold the stream until its time is up; its turns are short.
        rig.call(
            "DELETE",
            &format!("/proxies/p/toxics/reset_peer_{stream}"),
            "",
        )
        .await;
        sleep(Duration::from_millis(draws.of("wait").below(turn, 8))).await;
        turn += 1;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_byte_is_lost_or_moved_however_toxics_come_and_go() {
    const TOTAL: u64 = 3_000_000;
    for seed in [1, 2, 3] {
        let draws = Draws::seeded(seed);
        let rig = Rig::seeded(seed).await;
        let (client, server) = rig.pair().await;
        let (client_source, client_sink) = client.into_split();
        let (server_source, server_sink) = server.into_split();
        let traffic = async {
            tokio::join!(
                send(client_sink, draws.of("up"), TOTAL),
                receive(server_source, draws.of("up"), TOTAL),
                send(server_sink, draws.of("down"), TOTAL),
                receive(client_source, draws.of("down"), TOTAL),
            )
        };
        tokio::select! {
            _ = traffic => {}
            () = meddle(&rig, draws.of("meddle")) => {}
        }
    }
}

#[tokio::test]
async fn adding_a_second_toxic_keeps_what_the_first_one_holds() {
    let rig = Rig::start().await;
    let (mut client, mut server) = rig.pair().await;
    rig.toxic("latency", "upstream", r#"{"latency":400}"#).await;
    let sent = Instant::now();
    client.write_all(b"held").await.unwrap();
    sleep(Duration::from_millis(100)).await;
    rig.ok(
        "POST",
        "/proxies/p/toxics",
        r#"{"type":"slicer","stream":"upstream","attributes":{"average_size":2}}"#,
    )
    .await;
    expect(&mut server, b"held").await;
    assert!(sent.elapsed() >= Duration::from_millis(400));
}

#[tokio::test]
async fn deleting_a_latency_sends_at_once_what_it_holds() {
    let rig = Rig::start().await;
    let (mut client, mut server) = rig.pair().await;
    rig.toxic("latency", "upstream", r#"{"latency":60000}"#)
        .await;
    client.write_all(b"held").await.unwrap();
    sleep(Duration::from_millis(50)).await;
    rig.ok("DELETE", "/proxies/p/toxics/t", "").await;
    client.write_all(b" and more").await.unwrap();
    expect(&mut server, b"held and more").await;
}

#[tokio::test]
async fn what_is_sent_after_the_answer_meets_the_new_toxic() {
    let rig = Rig::start().await;
    let (mut client, mut server) = rig.pair().await;
    for round in 0..20 {
        rig.toxic("latency", "upstream", r#"{"latency":30}"#).await;
        let sent = Instant::now();
        client.write_all(b"x").await.unwrap();
        expect(&mut server, b"x").await;
        assert!(
            sent.elapsed() >= Duration::from_millis(30),
            "round {round}: {:?}",
            sent.elapsed()
        );
        rig.ok("DELETE", "/proxies/p/toxics/t", "").await;
    }
}
