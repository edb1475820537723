//! E-mail over TLS, to a real mail server's end of the conversation: encrypted from the first byte or before anything is
//! said, and to nobody whose certificate is not trusted.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::ground::{project, until};
use crate::http;
use crate::wallet::Wallet;

/// When a mail server encrypts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    FirstByte,
    Asked,
    Never,
}

/// What a mail server was told: in the clear, and encrypted.
#[derive(Debug, Default)]
struct Told {
    clear: Mutex<String>,
    sealed: Mutex<String>,
}

impl Told {
    fn of(what: &Mutex<String>) -> String {
        what.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn add(what: &Mutex<String>, line: &str) {
        what.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_str(line);
    }
}

/// A certificate of the tests' own, whose key is worth nothing.
fn file(name: &str) -> PathBuf {
    project().join("src/http/tests/tls").join(name)
}

fn config() -> Arc<ServerConfig> {
    let certificate = CertificateDer::from_pem_file(file("certificate.pem")).expect("PEM");
    let key = PrivateKeyDer::from_pem_file(file("key.pem")).expect("PEM");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key);
    Arc::new(config.expect("a certificate with its key"))
}

/// A mail server on loopback.
fn serve(when: When) -> (SocketAddr, Arc<Told>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    let told = Arc::new(Told::default());
    let (kept, config) = (told.clone(), config());
    thread::spawn(move || {
        for socket in listener.incoming().map_while(Result::ok) {
            // Whoever hangs up has said what there was to say.
            let _ = converse(socket, when, &config, &kept);
        }
    });
    (address, told)
}

fn converse(
    mut socket: TcpStream,
    when: When,
    config: &Arc<ServerConfig>,
    told: &Told,
) -> std::io::Result<()> {
    if when != When::FirstByte {
        socket.write_all(b"220 mail.staging.example ESMTP\r\n")?;
        let offers = when == When::Asked;
        if !talk(&mut BufReader::new(&socket), &socket, offers, &told.clear)? {
            return Ok(());
        }
    }
    let connection = ServerConnection::new(config.clone()).map_err(std::io::Error::other)?;
    let mut sealed = StreamOwned::new(connection, socket);
    if when == When::FirstByte {
        sealed.write_all(b"220 mail.staging.example ESMTP\r\n")?;
    }
    talk_sealed(&mut sealed, &told.sealed)
}

/// Talks in the clear; whether the other side asked for encryption.
fn talk(
    reader: &mut BufReader<&TcpStream>,
    mut writer: &TcpStream,
    offers: bool,
    told: &Mutex<String>,
) -> std::io::Result<bool> {
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(false);
        }
        Told::add(told, &line);
        if line.starts_with("EHLO") && offers {
            writer.write_all(b"250-mail.staging.example\r\n250 STARTTLS\r\n")?;
        } else if line.starts_with("STARTTLS") && offers {
            writer.write_all(b"220 go on\r\n")?;
            return Ok(true);
        } else {
            writer.write_all(b"250 fine\r\n")?;
        }
    }
}

fn talk_sealed<S: Read + Write>(stream: &mut S, told: &Mutex<String>) -> std::io::Result<()> {
    let mut letter = false;
    loop {
        let line = line(stream)?;
        Told::add(told, &line);
        let answer: &[u8] = match line.split_whitespace().next().unwrap_or_default() {
            "." if letter => {
                letter = false;
                b"250 queued as 42\r\n"
            }
            _ if letter => continue,
            "EHLO" => b"250-mail.staging.example\r\n250 AUTH PLAIN\r\n",
            "AUTH" => b"235 welcome\r\n",
            "DATA" => {
                letter = true;
                b"354 go on\r\n"
            }
            "QUIT" => {
                stream.write_all(b"221 bye\r\n")?;
                return stream.flush();
            }
            _ => b"250 fine\r\n",
        };
        stream.write_all(answer)?;
        stream.flush()?;
    }
}

/// One line, byte by byte: nothing after it is read.
fn line(stream: &mut impl Read) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    while bytes.last() != Some(&b'\n') {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        bytes.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The shipped drill with a mail channel for each of these servers.
fn drill(servers: &[(&str, &str, SocketAddr)]) -> String {
    let text =
        std::fs::read_to_string(project().join("drills/signer-outage.yaml")).expect("a drill");
    let names: Vec<&str> = servers.iter().map(|(name, ..)| *name).collect();
    let text = text.replace(
        "channels: [status_page, banner]",
        &format!("channels: [{}]", names.join(", ")),
    );
    let channels = servers.iter().map(|(name, encryption, address)| {
        format!(
            "---\nkind: Channel\nname: {name}\naudience: internal\nemail:\n  server: \"localhost:{}\"\n  encryption: {encryption}\n  \
             from: drill@staging.example\n  to: [team@staging.example]\n  user: drill\n  password: \"${{env:MAIL}}\"\n",
            address.port()
        )
    });
    [text].into_iter().chain(channels).collect()
}

/// What became of a message to each of these channels, with this file of trusted certificates, else the machine's own: in the
/// log's words.
fn outcomes(trusted: Option<&str>, servers: &[(&str, &str, SocketAddr)]) -> Vec<(String, String)> {
    let wallet = Wallet::start();
    let room = SocketAddr::new(wallet.host, 8700);
    wallet.folder.write("told.yaml", &drill(servers));
    let names: Vec<&str> = servers.iter().map(|(name, ..)| *name).collect();
    let list = names.join(", ");
    wallet
        .folder
        .write("server.yaml", &format!("channels: [{list}]\n"));
    let mut firedrill = wallet.firedrill.with("MAIL", "s3cret");
    if let Some(trusted) = trusted {
        firedrill = firedrill.with("SSL_CERT_FILE", trusted);
    }
    let mut started = firedrill.start([
        "run",
        "told.yaml",
        "--var",
        &wallet.variable(),
        "--library",
        &project().display().to_string(),
        "--listen",
        &room.to_string(),
        "--config",
        "server.yaml",
    ]);
    started.wait_for("send-transaction fails");
    let told = started.told();
    let link = format!("http://{room}/runs/");
    let (_, rest) = told.split_once(&link).expect("the link is told");
    let run = rest.split_whitespace().next().expect("a run").to_owned();
    let path = format!("/api/v1/runs/{run}/events");
    let act = json!({"type": "update_posted", "audience": "internal", "channels": names,
                     "text": "Look at the signer.", "actor": "ann"});
    let answer = http::send(room, "POST", &path, &act.to_string()).expect("an answer");
    assert_eq!(answer.status(), 201, "{}", answer.body);
    let settled = until("all is settled", Duration::from_secs(40), || {
        let log = http::send(room, "GET", &path, "").ok()?.json();
        let events: Vec<Value> = log["events"].as_array()?.clone();
        let channel_of = |seq: &Value| {
            let due = events.iter().find(|event| event["seq"] == *seq)?;
            Some(due["fact"]["message"]["channel"].as_str()?.to_owned())
        };
        let settled: Vec<(String, String)> = events
            .iter()
            .filter_map(|event| {
                let fact = &event["fact"];
                let said = fact["evidence"].as_str().or(fact["error"].as_str())?;
                Some((channel_of(&fact["message"])?, said.to_owned()))
            })
            .collect();
        (settled.len() == names.len()).then_some(settled)
    });
    let halt = format!("/api/v1/runs/{run}/halt");
    let halted = http::send(room, "POST", &halt, r#"{"reason":"seen enough"}"#);
    assert_eq!(halted.expect("an answer").status(), 202);
    started.finish().exits(3);
    let mut settled = settled;
    settled.sort();
    settled
}

#[test]
fn mail_is_encrypted_before_anything_is_said_or_it_is_not_sent() {
    let (tls, wrapped) = serve(When::FirstByte);
    let (starttls, upgraded) = serve(When::Asked);
    let (plain, stripped) = serve(When::Never);
    let trusted = file("certificate.pem").display().to_string();
    let settled = outcomes(
        Some(&trusted),
        &[
            ("a-tls", "tls", tls),
            ("b-starttls", "starttls", starttls),
            ("c-stripped", "starttls", plain),
        ],
    );
    let taken = "the mail server answered 250 queued as 42";
    assert_eq!(
        settled[..2],
        [
            ("a-tls".to_owned(), taken.to_owned()),
            ("b-starttls".to_owned(), taken.to_owned()),
        ]
    );
    for told in [&wrapped, &upgraded] {
        let sealed = Told::of(&told.sealed);
        for part in [
            "AUTH PLAIN",
            "Subject: [DRILL] Incident on",
            "[DRILL] Look at the signer.",
        ] {
            assert!(sealed.contains(part), "no `{part}` in {sealed}");
        }
    }
    assert_eq!(Told::of(&wrapped.clear), "");
    // Whoever takes the offer away gets neither the letter nor the password.
    assert!(
        settled[2].1.contains("the mail server did not take it"),
        "{settled:?}"
    );
    for told in [&upgraded, &stripped] {
        let clear = Told::of(&told.clear);
        assert!(
            !clear.contains("AUTH") && !clear.contains("signer") && !clear.contains("MAIL FROM"),
            "{clear}"
        );
    }
}

#[test]
fn no_mail_goes_to_a_server_whose_certificate_is_not_trusted() {
    let (tls, wrapped) = serve(When::FirstByte);
    let (starttls, upgraded) = serve(When::Asked);
    let settled = outcomes(
        None,
        &[("a-tls", "tls", tls), ("b-starttls", "starttls", starttls)],
    );
    for (channel, said) in &settled {
        assert!(
            !said.starts_with("the mail server answered"),
            "{channel}: {said}"
        );
    }
    assert_eq!(Told::of(&wrapped.sealed), "");
    assert_eq!(Told::of(&upgraded.sealed), "");
}
