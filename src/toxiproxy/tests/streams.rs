//! Streams large enough to go through the kernel, in both directions and each with an end of its own, while toxics come,
//! change and go at random moments. By seed: `PROPTEST_CASES` says how many, and a failure names its own.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::{sleep, timeout},
};

use super::{
    super::{Options, ProxyConfig, Server, body, proxy::Proxy, random::Draws},
    fixture::{PATIENCE, join},
};

/// A stream repeats this much; a prime, so that nothing the code or the kernel counts in is a whole number of it.
const PERIOD: usize = 1_048_573;

/// What one direction carries: any stretch of it, up to a period long, is a slice.
struct Script {
    twice: Vec<u8>,
    total: usize,
}

impl Script {
    fn new(draws: Draws, total: usize) -> Self {
        let words = (0..PERIOD as u64).step_by(8);
        let mut twice: Vec<u8> = words
            .flat_map(|index| draws.word(index).to_le_bytes())
            .collect();
        twice.truncate(PERIOD);
        twice.extend_from_within(..);
        Self { twice, total }
    }

    fn stretch(&self, from: usize, length: usize) -> &[u8] {
        let from = from % PERIOD;
        &self.twice[from..from + length]
    }
}

fn below(draws: Draws, purpose: &str, turn: u64, bound: u64) -> usize {
    usize::try_from(draws.of(purpose).below(turn, bound)).unwrap()
}

/// Writes all of it, in pieces from one byte to half a megabyte and now and then with a rest, then half-closes. Ends
/// early, without failing, where the connection does.
async fn send(mut sink: OwnedWriteHalf, script: &Script, draws: Draws) {
    let (mut sent, mut turn) = (0, 0);
    while sent < script.total {
        let most = [200, 20_000, 500_000][below(draws, "scale", turn, 3)];
        let length = (1 + below(draws, "length", turn, most)).min(script.total - sent);
        if sink.write_all(script.stretch(sent, length)).await.is_err() {
            return;
        }
        sent += length;
        turn += 1;
        if below(draws, "rest", turn, 6) == 0 {
            sleep(Duration::from_millis(1)).await;
        }
    }
    let _ = sink.shutdown().await;
}

/// How many bytes came, each of them the right one, and how it ended.
async fn receive(
    mut source: OwnedReadHalf,
    script: &Script,
    draws: Draws,
) -> (usize, std::io::Result<()>) {
    let (mut got, mut turn) = (0, 0);
    let mut room = vec![0; 100_000];
    loop {
        let read = timeout(PATIENCE, source.read(&mut room))
            .await
            .expect("bytes keep coming");
        match read {
            Ok(0) => return (got, Ok(())),
            Ok(read) => {
                assert!(
                    room[..read] == *script.stretch(got, read),
                    "of the {read} bytes from {got} on, one is another"
                );
                got += read;
            }
            Err(error) => return (got, Err(error)),
        }
        turn += 1;
        if below(draws, "pause", turn, 40) == 0 {
            sleep(Duration::from_millis(2)).await;
        }
    }
}

struct Ground {
    server: Server,
    proxy: Arc<Proxy>,
    listen: SocketAddr,
    upstream: TcpListener,
}

async fn ground(seed: u64) -> Ground {
    let options = Options {
        port: 0,
        seed: Some(seed),
        ..Options::default()
    };
    let server = Server::bind(options).await.unwrap();
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = upstream.local_addr().unwrap().to_string();
    let config = ProxyConfig::new("p", "127.0.0.1:0", address);
    server.populate(vec![config]).await.unwrap();
    let proxy = server.registry.find("p").unwrap();
    let view = serde_json::to_value(proxy.view()).unwrap();
    let listen = view["listen"].as_str().unwrap().parse().unwrap();
    Ground {
        server,
        proxy,
        listen,
        upstream,
    }
}

/// Adds, changes, deletes and clears toxics that eat nothing, as the draws have it, until dropped.
async fn meddle(proxy: &Proxy, draws: Draws) {
    let kinds = [
        ("latency", r#"{"latency":6,"jitter":6}"#, r#"{"latency":1}"#),
        ("bandwidth", r#"{"rate":60000}"#, r#"{"rate":200000}"#),
        (
            "slicer",
            r#"{"average_size":9000,"size_variation":3000,"delay":20}"#,
            r#"{"average_size":4000,"delay":0}"#,
        ),
        ("slow_close", r#"{"delay":20}"#, r#"{"delay":5}"#),
        ("noop", "{}", "{}"),
    ];
    for turn in 0.. {
        let draw = |purpose, bound| below(draws, purpose, turn, bound);
        let (kind, attributes, changed) = kinds[draw("kind", 5)];
        let stream = ["upstream", "downstream"][draw("stream", 2)];
        let toxicity = ["1", "1", "0.5", "0"][draw("toxicity", 4)];
        let name = format!("{kind}_{stream}");
        // A toxic that is there already, or is not, is refused; nothing else can be.
        match draw("deed", 5) {
            0 | 1 => {
                let toxic = format!(
                    r#"{{"type":"{kind}","stream":"{stream}","toxicity":{toxicity},"attributes":{attributes}}}"#
                );
                let _ = proxy.add_toxic(&body::object(toxic.as_bytes(), "").unwrap());
            }
            2 => {
                let change = format!(r#"{{"attributes":{changed},"toxicity":{toxicity}}}"#);
                let _ = proxy.update_toxic(&name, &body::object(change.as_bytes(), "").unwrap());
            }
            3 => drop(proxy.remove_toxic(&name)),
            _ => proxy.clear_toxics(),
        }
        sleep(Duration::from_millis(draw("wait", 6) as u64)).await;
    }
}

/// Both directions of one connection while toxics come and go: every byte must arrive.
async fn arrives_whole(seed: u64, ground: &Ground) {
    let draws = Draws::seeded(seed);
    let script = |name: &str| {
        let total = [0, 3_000, 2_000_000, 9_000_000][below(draws.of(name), "total", 0, 4)];
        Script::new(draws.of(name), total)
    };
    // At least one of them is bulk.
    let (up, down) = (Script::new(draws.of("up"), 9_000_000), script("down"));
    let (client, served) = join(ground.listen, &ground.upstream).await;
    if !seed.is_multiple_of(3) {
        // So that the proxy often has bytes that it can't get rid of when a toxic comes.
        for end in [&client, &served] {
            SockRef::from(end).set_recv_buffer_size(30_000).unwrap();
        }
    }
    let (client_source, client_sink) = client.into_split();
    let (served_source, served_sink) = served.into_split();
    let traffic = async {
        tokio::join!(
            send(client_sink, &up, draws.of("client")),
            send(served_sink, &down, draws.of("server")),
            receive(served_source, &up, draws.of("server")),
            receive(client_source, &down, draws.of("client")),
        )
    };
    let ((), (), upwards, downwards) = tokio::select! {
        came = traffic => came,
        () = meddle(&ground.proxy, draws.of("meddle")) => unreachable!("it never ends by itself"),
    };
    ground.proxy.clear_toxics();
    for ((got, ended), script) in [(upwards, &up), (downwards, &down)] {
        assert!(ended.is_ok(), "seed {seed}: {ended:?}");
        assert_eq!(got, script.total, "seed {seed}");
    }
}

/// As many as `PROPTEST_CASES` says, or so many.
fn cases(usual: u64) -> u64 {
    let wanted = std::env::var("PROPTEST_CASES").ok();
    wanted
        .and_then(|wanted| wanted.parse().ok())
        .unwrap_or(usual)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_byte_of_a_large_stream_arrives_however_toxics_come_and_go() {
    let mut through_pipes = 0;
    for seed in 0..cases(16) {
        let ground = ground(seed).await;
        arrives_whole(seed, &ground).await;
        through_pipes += ground.server.tasks.pipes.uses();
    }
    // A test of the way through the kernel that takes another way would show nothing.
    if cfg!(target_os = "linux") {
        assert!(through_pipes > 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_pipes_every_byte_arrives_as_well() {
    for seed in 0..cases(8) {
        let ground = ground(seed).await;
        let pipes = &ground.server.tasks.pipes;
        let mut held = Vec::new();
        while let Some(pipe) = pipes.take() {
            held.push(pipe);
        }
        let before = pipes.uses();
        arrives_whole(seed, &ground).await;
        assert_eq!(pipes.uses(), before);
    }
}

/// What a toxic that eats leaves of a stream that was flowing when it came: always a beginning of it, and then the end
/// that it makes.
async fn is_cut(seed: u64, toxic: &str, resets: bool) {
    let draws = Draws::seeded(seed);
    let ground = ground(seed).await;
    let script = Script::new(draws.of("up"), 400_000_000);
    let (client, served) = join(ground.listen, &ground.upstream).await;
    let (_client_source, client_sink) = client.into_split();
    let (served_source, _served_sink) = served.into_split();
    let add = async {
        sleep(Duration::from_millis(below(draws, "when", 0, 60) as u64)).await;
        let toxic = body::object(toxic.as_bytes(), "").unwrap();
        ground.proxy.add_toxic(&toxic).unwrap();
    };
    let ((got, ended), (), ()) = tokio::join!(
        receive(served_source, &script, draws.of("server")),
        send(client_sink, &script, draws.of("client")),
        add,
    );
    assert!(got < script.total, "seed {seed}: {toxic} cut nothing");
    assert_eq!(ended.is_err(), resets, "seed {seed}: {toxic}: {ended:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_toxic_that_eats_leaves_a_beginning_of_a_large_stream() {
    for seed in 0..cases(2) {
        for (toxic, resets) in [
            (
                r#"{"type":"limit_data","stream":"upstream","attributes":{"bytes":777777}}"#,
                false,
            ),
            (
                r#"{"type":"reset_peer","stream":"upstream","attributes":{"timeout":5}}"#,
                true,
            ),
        ] {
            is_cut(seed, toxic, resets).await;
        }
    }
}
