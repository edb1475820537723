//! What stands for the channels: a server that speaks HTTP or SMTP, whichever it is spoken to in, and keeps all of it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

/// A request, as it came.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    pub(super) line: String,
    pub(super) headers: Vec<String>,
    pub(super) body: Value,
}

impl Heard {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|header| {
            let (known, value) = header.split_once(": ")?;
            known.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

#[derive(Default)]
struct Kept {
    connections: AtomicUsize,
    heard: Mutex<Vec<Heard>>,
    /// Whole conversations with the mail server, both sides.
    mail: Mutex<Vec<String>>,
}

#[derive(Clone)]
pub(super) struct Receiver {
    pub(super) address: String,
    kept: Arc<Kept>,
}

/// What is answered to a request: its status line, headers, and body.
type Answers = Arc<dyn Fn(&str, usize) -> (String, String) + Send + Sync>;

impl Receiver {
    /// One that answers everything well.
    pub(super) async fn willing() -> Self {
        Self::answering(|_, _| ("200 OK".into(), r#"{"id":"x1","ok":true}"#.into())).await
    }

    /// One that speaks HTTP with these answers, told the request's line and how many came before; an empty status hangs
    /// up. Its SMTP is always the same.
    pub(super) async fn answering(
        answers: impl Fn(&str, usize) -> (String, String) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address").to_string();
        let kept = Arc::new(Kept::default());
        let (answers, own): (Answers, _) = (Arc::new(answers), kept.clone());
        let tracker = TaskTracker::new();
        let served = tracker.clone();
        tracker.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                own.connections.fetch_add(1, Ordering::SeqCst);
                served.spawn(serve(socket, own.clone(), answers.clone()));
            }
        });
        Self { address, kept }
    }

    pub(super) fn connections(&self) -> usize {
        self.kept.connections.load(Ordering::SeqCst)
    }

    pub(super) fn heard(&self) -> Vec<Heard> {
        let heard = self.kept.heard.lock();
        heard.unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn mail(&self) -> Vec<String> {
        let mail = self.kept.mail.lock();
        mail.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn serve(socket: TcpStream, kept: Arc<Kept>, answers: Answers) {
    let mut socket = BufReader::new(socket);
    // A client of SMTP waits for the server to speak first.
    let first = tokio::time::timeout(Duration::from_millis(60), socket.fill_buf()).await;
    if first.is_err() {
        let told = smtp(&mut socket).await;
        let mut mail = kept.mail.lock().unwrap_or_else(PoisonError::into_inner);
        mail.push(told);
        return;
    }
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if socket.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let mut heard = Heard {
        line: lines.remove(0),
        headers: lines,
        body: Value::Null,
    };
    let length = heard.header("content-length").and_then(|n| n.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    if socket.read_exact(&mut body).await.is_err() {
        return;
    }
    heard.body = serde_json::from_slice(&body).unwrap_or_default();
    let line = heard.line.clone();
    let before = {
        let mut all = kept.heard.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(heard);
        all.len() - 1
    };
    let (status, body) = answers(&line, before);
    if status.is_empty() {
        return;
    }
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = socket.write_all(answer.as_bytes()).await;
}

/// A conversation as a mail server holds it (RFC 5321, with AUTH PLAIN of RFC 4954).
async fn smtp(socket: &mut BufReader<TcpStream>) -> String {
    let mut told = String::new();
    let mut reply = "220 mail.staging.example ESMTP\r\n".to_owned();
    loop {
        told += &["S: ", &reply].concat();
        if socket.write_all(reply.as_bytes()).await.is_err() {
            return told;
        }
        let mut line = String::new();
        if socket.read_line(&mut line).await.unwrap_or(0) == 0 {
            return told;
        }
        told += &["C: ", &line].concat();
        let verb = line.split_whitespace().next().unwrap_or_default();
        reply = match verb.to_ascii_uppercase().as_str() {
            "EHLO" => "250-mail.staging.example\r\n250 AUTH PLAIN\r\n",
            "AUTH" => "235 welcome\r\n",
            "DATA" => {
                let go_on = "354 go on\r\n";
                told += &["S: ", go_on].concat();
                let _ = socket.write_all(go_on.as_bytes()).await;
                loop {
                    let mut line = String::new();
                    if socket.read_line(&mut line).await.unwrap_or(0) == 0 {
                        return told;
                    }
                    told += &["C: ", &line].concat();
                    if line == ".\r\n" {
                        break;
                    }
                }
                "250 queued as 42\r\n"
            }
            "QUIT" => {
                let _ = socket.write_all(b"221 bye\r\n").await;
                return told;
            }
            _ => "250 fine\r\n",
        }
        .to_owned();
    }
}
