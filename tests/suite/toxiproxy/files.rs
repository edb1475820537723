//! What the command reads and writes: the configuration, the state file, and limits of the process.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::server::Server;
use crate::firedrill::Firedrill;
use crate::ground::{Folder, until};
use crate::http;

/// A proxy to an upstream that nobody serves.
fn proxy(name: &str) -> String {
    json!({"name": name, "listen": "127.0.0.1:0", "upstream": "127.0.0.1:9"}).to_string()
}

/// One that sends back what it gets, as long as the process lives.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(length @ 1..) = (&client).read(&mut buffer) {
                    if (&client).write_all(&buffer[..length]).is_err() {
                        break;
                    }
                }
            });
        }
    });
    address
}

#[test]
fn proxies_and_toxics_outlive_a_crash_with_what_is_left_of_their_time() {
    let server = Server::start(["--state", "state.json"]);
    server.ok("POST", "/proxies", &proxy("p"));
    for (name, ttl) in [("over", 600), ("long", 600_000)] {
        let toxic = json!({"name": name, "type": "latency", "ttl": ttl, "owner": "me"});
        server.ok("POST", "/proxies/p/toxics", &toxic.to_string());
    }
    server.ok("POST", "/proxies/p/toxics", r#"{"type":"noop"}"#);
    server.ok(
        "PATCH",
        "/proxies/p/toxics/long",
        r#"{"attributes":{"latency":7}}"#,
    );
    let before = server.ok("GET", "/proxies/p", "").json();
    let folder = server.crash();

    std::thread::sleep(Duration::from_millis(700));
    let server = Server::within(folder, ["--state", "state.json"]);
    assert!(server.process.told().contains("1 proxies were restored"));
    let after = server.ok("GET", "/proxies/p", "").json();
    assert_eq!(after["listen"], before["listen"]);
    let mut expected = before["toxics"].as_array().expect("toxics").clone();
    expected.retain(|toxic| toxic["name"] != "over");
    assert_eq!(after["toxics"], Value::Array(expected));

    // A second crash at once must not lose anything either.
    let folder = server.crash();
    let server = Server::within(folder, ["--state", "state.json"]);
    assert_eq!(server.ok("GET", "/proxies/p", "").json(), after);
}

#[test]
fn every_answered_change_survives_a_crash_at_any_moment() {
    let mut folder = Folder::new();
    let mut expected: Vec<String> = Vec::new();
    for round in 0..4_u64 {
        let mut server = Server::within(folder, ["--state", "state.json"]);
        let shown = server.ok("GET", "/proxies", "").json();
        let names: Vec<_> = shown
            .as_object()
            .expect("proxies")
            .keys()
            .cloned()
            .collect();
        for name in &expected {
            assert!(
                names.contains(name),
                "{name} was answered and is gone: {names:?}"
            );
        }
        // What was asked and not answered may be there or not.
        expected = names;
        let (api, began) = (server.api, Instant::now());
        let asking = std::thread::spawn(move || {
            let mut answered = Vec::new();
            for number in 0.. {
                let name = format!("{round}-{number}");
                match http::send(api, "POST", "/proxies", &proxy(&name)) {
                    // A killed server may have sent half an answer, or none.
                    Ok(answer) if answer.first.contains(" 201 ") => answered.push(name),
                    _ => return answered,
                }
            }
            answered
        });
        std::thread::sleep(Duration::from_millis(120 + 37 * round).saturating_sub(began.elapsed()));
        server.process.signal(Signal::KILL);
        until("it is gone", Duration::from_secs(10), || {
            (!server.process.is_running()).then_some(())
        });
        expected.extend(asking.join().expect("the client ends"));
        folder = server.crash();
    }
    assert!(expected.len() > 8, "too little happened: {expected:?}");
}

#[test]
fn a_damaged_state_file_ends_the_command_and_is_left_as_it_is() {
    let folder = Folder::new();
    folder.write("state.json", "{\"version\": 1, \"prox");
    let arguments = ["toxiproxy", "serve", "--port", "0", "--state", "state.json"];
    let finished = Firedrill::within(folder.path()).run(arguments).exits(2);
    assert_eq!(
        finished.stderr,
        "error: state file state.json is damaged: EOF while parsing a string at line 1 column 20; hint: it was left as \
         it is; repair it, or move it away to begin with nothing\n"
    );
    assert_eq!(folder.read("state.json"), "{\"version\": 1, \"prox");
}

#[test]
fn a_state_file_in_use_ends_the_command() {
    let server = Server::start(["--state", "state.json"]);
    let arguments = ["toxiproxy", "serve", "--port", "0", "--state", "state.json"];
    Firedrill::within(server.folder.path())
        .run(arguments)
        .exits(2)
        .tells("state file state.json is in use by another server; hint: ");
}

#[test]
fn a_wrong_configuration_ends_the_command_with_its_line_and_proxy() {
    let folder = Folder::new();
    let firedrill = Firedrill::within(folder.path());
    folder.write(
        "proxies.json",
        "[\n  {\"name\": \"a\", \"upstream\": \"x:1\"},\n  {\"name\": \"b\", \"upstream\": \"x:1\",\n   \"toxics\": \
         [{\"type\": \"bandwidth\", \"attributes\": {\"rate\": -1}}]}\n]",
    );
    let run = |file: &str| {
        firedrill
            .run(["toxiproxy", "serve", "--port", "0", "--config", file])
            .stderr
    };
    assert_eq!(
        run("proxies.json"),
        "error: proxies.json: line 3: proxy 2 (b): invalid value: rate must be between 0 and 1000000000 at toxic 1; \
         hint: docs/toxiproxy.md has an example\n"
    );
    assert!(run("nowhere.json").starts_with("error: nowhere.json can't be read: "));
    let finished = firedrill.run([
        "toxiproxy",
        "serve",
        "--port",
        "0",
        "--config",
        "proxies.json",
    ]);
    finished.exits(2);
}

#[test]
fn what_cannot_be_listened_on_ends_the_command_with_its_name() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address");
    let folder = Folder::new();
    let firedrill = Firedrill::within(folder.path());
    let config = json!([{"name": "redis", "listen": address.to_string(), "upstream": "x:1"}]);
    folder.write("proxies.json", &config.to_string());
    firedrill
        .run([
            "toxiproxy",
            "serve",
            "--port",
            "0",
            "--config",
            "proxies.json",
        ])
        .exits(4)
        .tells(&format!(
            "proxy redis: listen tcp {address}: bind: address already in use"
        ));
    firedrill
        .run(["toxiproxy", "serve", "--port", &address.port().to_string()])
        .exits(4)
        .tells("; hint: give another address with `--host` and `--port`\n");
}

#[test]
fn a_configuration_begins_with_toxics_and_yields_to_what_was_kept() {
    let folder = Folder::new();
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port")
        .port();
    let listen = format!("127.0.0.1:{port}");
    let config = json!([{"name": "p", "listen": listen, "upstream": "127.0.0.1:9",
                         "toxics": [{"type": "latency", "attributes": {"latency": 5}}]}]);
    folder.write("proxies.json", &config.to_string());
    let options = ["--config", "proxies.json", "--state", "state.json"];
    let server = Server::within(folder, options);
    let begun = server.ok("GET", "/proxies/p", "").json();
    assert_eq!(begun["toxics"][0]["attributes"]["latency"], 5);
    server.ok("DELETE", "/proxies/p/toxics/latency_downstream", "");
    let server = Server::within(server.crash(), options);
    assert_eq!(
        server.ok("GET", "/proxies/p", "").json()["toxics"],
        json!([])
    );
    server.ok("DELETE", "/proxies/p", "");
    let server = Server::within(server.crash(), options);
    assert_eq!(server.ok("GET", "/proxies/p", "").json(), begun);
}

#[test]
fn metrics_are_a_route_only_where_they_are_asked_for() {
    let without = Server::start([]);
    assert_eq!(without.call("GET", "/metrics", "").status(), 404);
    let with = Server::start(["--metrics"]);
    with.ok("POST", "/proxies", &proxy("odd \\\" name"));
    let page = with.ok("GET", "/metrics", "");
    assert_eq!(
        page.header("content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    exposition(&page.body);
}

/// Holds a page to the text format: every sample belongs to the family named just before it, families come once, with
/// their help and type, and labels are quoted right.
fn exposition(page: &str) {
    let mut families: Vec<&str> = Vec::new();
    let mut samples = std::collections::BTreeSet::new();
    let mut lines = page.lines().peekable();
    assert!(page.ends_with('\n'));
    while let Some(line) = lines.next() {
        let name = line
            .strip_prefix("# HELP ")
            .and_then(|rest| rest.split_once(' '))
            .filter(|(_, help)| !help.is_empty())
            .unwrap_or_else(|| panic!("not a family: {line}"))
            .0;
        assert!(!families.contains(&name), "{name} comes twice");
        families.push(name);
        let kind = lines.next().unwrap_or_default();
        let is_counter = kind == format!("# TYPE {name} counter");
        assert!(
            is_counter || kind == format!("# TYPE {name} gauge"),
            "{kind}"
        );
        assert_eq!(is_counter, name.ends_with("_total"), "{name}");
        while let Some(sample) = lines.next_if(|line| !line.starts_with('#')) {
            let (series, value) = sample.rsplit_once(' ').expect("a value");
            value.parse::<u64>().expect("a whole number");
            assert!(samples.insert(series), "{series} comes twice");
            let labels = series.strip_prefix(name).expect("it is of its family");
            if let Some(labels) = labels.strip_prefix('{') {
                quoted(labels.strip_suffix('}').expect("labels end"));
            } else {
                assert_eq!(labels, "");
            }
        }
    }
    assert!(
        families.contains(&"toxiproxy_proxy_received_bytes_total"),
        "{page}"
    );
}

fn quoted(mut labels: &str) {
    loop {
        let (name, rest) = labels.split_once("=\"").expect("a label");
        assert!(
            name.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
            "{name}"
        );
        let mut letters = rest.char_indices();
        let end = loop {
            match letters.next().expect("the value ends") {
                (_, '\\') => {
                    let (_, escaped) = letters.next().expect("something is escaped");
                    assert!(matches!(escaped, '\\' | '"' | 'n'), "{rest}");
                }
                (at, '"') => break at,
                (_, letter) => assert_ne!(letter, '\n'),
            }
        };
        labels = &rest[end + 1..];
        match labels.strip_prefix(',') {
            Some(more) => labels = more,
            None => return assert_eq!(labels, ""),
        }
    }
}

#[test]
fn the_soft_limit_on_open_files_is_raised() {
    let folder = Folder::new();
    let process = Firedrill::within(folder.path())
        .start_limited("ulimit -Sn 64", ["toxiproxy", "serve", "--port", "0"]);
    let server = Server::serving(folder, process);
    let limits = std::fs::read_to_string(server.kernel("limits")).expect("the process is there");
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .expect("it has a limit");
    let numbers: Vec<&str> = line.split_whitespace().skip(3).take(2).collect();
    assert_eq!(numbers[0], numbers[1], "{line}");
    assert_ne!(numbers[0], "64");
}

#[test]
fn more_connections_are_carried_than_the_soft_limit_allows() {
    const CONNECTIONS: usize = 1500;
    // This process holds both ends.
    let own = firedrill::lifecycle::raise_open_files();
    assert!(
        own.is_none_or(|files| files > 4 * CONNECTIONS as u64),
        "{own:?}"
    );
    let folder = Folder::new();
    let process = Firedrill::within(folder.path())
        .start_limited("ulimit -Sn 256", ["toxiproxy", "serve", "--port", "0"]);
    let server = Server::serving(folder, process);
    let upstream = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = upstream.local_addr().expect("its address").to_string();
    let body = json!({"name": "p", "listen": "127.0.0.1:0", "upstream": address});
    let shown = server.ok("POST", "/proxies", &body.to_string()).json();
    let listen = shown["listen"].as_str().expect("an address").to_owned();
    let mut pairs = Vec::new();
    for _ in 0..CONNECTIONS {
        let client = TcpStream::connect(&listen).expect("it is taken");
        let (server, _) = upstream.accept().expect("it is carried");
        pairs.push((client, server));
    }
    // All at once, and each still carries.
    for (client, server) in &mut pairs {
        client.write_all(b"x").expect("it takes a byte");
        server
            .set_read_timeout(Some(Duration::from_secs(10)))
            .expect("a limit");
        server.read_exact(&mut [0]).expect("the byte arrives");
    }
}

#[test]
fn running_out_of_files_neither_spins_nor_kills() {
    let folder = Folder::new();
    let process = Firedrill::within(folder.path())
        .start_limited("ulimit -n 40", ["toxiproxy", "serve", "--port", "0"]);
    let server = Server::serving(folder, process);
    assert!(server.process.told().contains("only 40 files may be open"));
    let body = json!({"name": "p", "listen": "127.0.0.1:0", "upstream": echo().to_string()});
    let shown = server.ok("POST", "/proxies", &body.to_string()).json();
    let listen: SocketAddr = shown["listen"]
        .as_str()
        .and_then(|text| text.parse().ok())
        .expect("an address");
    let clients: Vec<TcpStream> = (0..60)
        .map(|_| TcpStream::connect(listen).expect("the backlog takes it"))
        .collect();
    std::thread::sleep(Duration::from_millis(300));
    let before = processor_ticks(&server);
    std::thread::sleep(Duration::from_secs(1));
    let spent = processor_ticks(&server) - before;
    // A hundred ticks a second: a loop that spins takes all of them.
    assert!(spent < 30, "{spent} ticks in a second");
    drop(clients);
    until("it carries again", Duration::from_secs(20), || {
        let mut client = TcpStream::connect_timeout(&listen, Duration::from_secs(1)).ok()?;
        client.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
        client.write_all(b"x").ok()?;
        client.read_exact(&mut [0]).ok()
    });
    assert_eq!(server.call("GET", "/version", "").status(), 200);
}

/// User and system time of the process, in ticks.
fn processor_ticks(server: &Server) -> u64 {
    let line = std::fs::read_to_string(server.kernel("stat")).expect("the process is there");
    let (_, fields) = line.rsplit_once(')').expect("a name");
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = |index: usize| fields[index].parse::<u64>().expect("a number");
    ticks(11) + ticks(12)
}
